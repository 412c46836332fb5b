"""Says what this machine can do: ``python -m bgrl.doctor``."""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys

from bgrl import __version__, cache
from bgrl.backends import cpp, cuda
from bgrl.cli import Parser, run_command
from bgrl.errors import BlueprintError, InputError


def checks():
    """What was looked at: (name, whether it works, what was found)."""
    return [
        ("python", sys.version_info >= (3, 11), platform.python_version()),
        ("bgrl", True, __version__),
        *(
            _package(name)
            for name in ("brian2", "numpy", "sympy", "xarray", "netCDF4", "matplotlib")
        ),
        _compiler(),
        _cache(),
        ("cores", True, str(os.cpu_count())),
        *_backends(),
        *_cuda(),
    ]


def _package(name):
    try:
        return name, True, importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return name, False, "not installed; pip install bgrl brings it"


def _compiler():
    try:
        path = cpp.compiler()
    except InputError as error:
        return "compiler", False, str(error)
    first = subprocess.run([path, "--version"], capture_output=True, text=True).stdout.splitlines()
    return "compiler", True, first[0] if first else path


def _cache():
    root = cache.cache_directory()
    try:
        root.mkdir(parents=True, exist_ok=True)
        probe = root / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return "cache", False, f"{root}: {error.strerror}; set BGRL_CACHE to a writable folder"
    try:
        return "cache", True, cache.summary()
    except InputError as error:
        return "cache", False, str(error)


def _backends():
    has_compiler = _compiler()[1]
    yield "numpy", True, "always"
    cython = importlib.util.find_spec("Cython") is not None
    why = "Cython and a compiler" if cython and has_compiler else "needs Cython and a compiler"
    yield "cython", cython and has_compiler, why
    for name in ("cpp", "cuda-emulated"):
        yield name, has_compiler and _cache()[1], "needs a compiler and a writable cache"


def _cuda():
    """What cuda needs, none of which is missing where nobody wants it; and what a card would hold."""
    for name, look in (("nvcc", cuda.nvcc), ("gpu", cuda.card)):
        try:
            yield name, True, str(look())
        except InputError as error:
            yield name, None, str(error)
    yield "gpu memory", None, _placement()


def _placement():
    """Where a card would have the state of the agent whose program was used last."""
    found = cache.programs()
    if not found:
        return "says where the state of an agent would be, once one has run"
    program = found[-1]
    who = ", ".join(program.labels()[:3])
    try:
        structure = json.loads((program.folder / "structure.json").read_text())
        placed = cuda.kernel(structure).placement()
    except (OSError, ValueError, KeyError, TypeError, BlueprintError, InputError) as error:
        return f"{who}: not known ({error})"
    return f"a replicate of the agent that ran last ({who}): {placed}"


def main(arguments=None):
    """The command: a table, exit code 1 if something that is needed is missing."""
    Parser(
        prog="python -m bgrl.doctor",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args(arguments)
    found = checks()
    for name, works, text in found:
        mark = {True: "ok", False: "MISSING", None: "-"}[works]
        print(f"{name:<14} {mark:<8} {text}")
    return 0 if all(works is not False for _, works, _ in found) else 1


if __name__ == "__main__":
    sys.exit(run_command(main))
