"""C++ standalone: the whole loop, circuit and task, as one compiled program.

A program is built once and kept in a cache, found again by two keys: the agent's structure with
the versions of everything that generates code (no Brian2 is imported when it is known), and behind
it the generated sources with compiler and flags. Programs are compiled in a folder of their own and
renamed into place, so a killed compiler or a second process leaves nothing half done.
"""

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from bgrl.agent import describe
from bgrl.bridge import EnvironmentFailed, check_connected
from bgrl.errors import InputError, RunError

#: No -ffast-math: a result must not depend on where in a vector loop an element falls.
FLAGS = (
    "-std=c++17",
    "-w",
    "-march=native",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=off",
)
#: Optimisation of what runs every step, and of what runs once.
STEP_FLAGS = ("-O3",)
SETUP_FLAGS = ("-O0",)
#: Exit status of a program whose environment does not answer.
_ENVIRONMENT_GONE = 6
_INCLUDE = re.compile(r"\s*#\s*include\b")


def cache_directory():
    """Where programs are kept: ``$BGRL_CACHE``, or ``bgrl`` in the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bgrl"
    return Path(os.environ.get("BGRL_CACHE") or default)


def compiler():
    """Path of the C++ compiler: ``$CXX``, g++ or clang++.

    Raises
    ------
    InputError
        If there is none.
    """
    for name in filter(None, (os.environ.get("CXX"), "g++", "clang++")):
        if path := shutil.which(name):
            return path
    raise InputError(
        "no C++ compiler found (looked for $CXX, g++, clang++); install one or use --backend numpy"
    )


class CppProgram:
    """A compiled program, see `bgrl.backends.load`."""

    processes = 1

    def __init__(self, directory, structure, layout, build_seconds):
        self.directory = directory
        self._structure = structure
        self.layout = layout
        self.build_seconds = build_seconds
        self.environment = None
        sizes = [int(np.prod(s, dtype=int)) * np.dtype(d).itemsize for d, s in layout.values()]
        self._offsets = np.cumsum([0, *sizes])

    def advance(self, state, start, steps, learn=True, sink=None):
        """See `bgrl.backends.load`."""
        check_connected(self._structure, self.environment)
        with tempfile.TemporaryDirectory(prefix="bgrl-") as folder:
            before, after = Path(folder, "before"), Path(folder, "after")
            with open(before, "wb") as file:
                for name, (dtype, shape) in self.layout.items():
                    file.write(np.ascontiguousarray(state[name], dtype).reshape(shape).tobytes())
            outputs = [sink.frames_path, sink.trials_path] if sink else [os.devnull] * 2
            command = [
                self.directory / "main",
                *(before, after, start, steps, int(learn), sink.every if sink else 0),
                *(Path(p).absolute() for p in outputs),
                *(sink.names if sink else ()),
            ]
            result = subprocess.run(
                [str(c) for c in command],
                cwd=self.directory,
                capture_output=True,
                text=True,
                **self._pipes(),
            )
            if result.returncode == _ENVIRONMENT_GONE:
                raise EnvironmentFailed(self.environment.reason())
            if result.returncode:
                reason = result.stderr.strip() or f"it ended with status {result.returncode}"
                raise RunError(f"the compiled program failed at step {start}: {reason}")
            return self._read(after.read_bytes())

    def _pipes(self):
        """What lets the program reach the environment, if the task has one outside."""
        if self.environment is None:
            return {}
        found = self.environment.descriptors
        names = {name: str(descriptor) for name, descriptor in found.items()}
        return {"pass_fds": tuple(found.values()), "env": os.environ | names}

    def _read(self, data):
        return {
            name: np.frombuffer(data, dtype, int(np.prod(shape, dtype=int)), self._offsets[k])
            .reshape(shape)
            .copy()
            for k, (name, (dtype, shape)) in enumerate(self.layout.items())
        }


def load(structure, name="cpp", progress=None):
    """Find or build a program; see `bgrl.backends.load`."""
    started = time.perf_counter()
    cxx = compiler()
    root = cache_directory()
    try:
        (root / "programs").mkdir(parents=True, exist_ok=True)
        (root / "recipes").mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot write the cache {root}: {error.strerror}; set BGRL_CACHE to a writable folder"
        ) from None
    toolchain = _toolchain(cxx)
    recipe = root / "recipes" / f"{_digest(describe(structure), _generator(), toolchain)}.json"
    program = _known(root, recipe)
    if program is None:
        if progress:
            progress("compiling the circuit and the task to C++ (once)")
        program = _build(structure, root, cxx, toolchain)
        _write_atomically(recipe, json.dumps(program.name))
    layout = json.loads((program / "manifest.json").read_text())["layout"]
    layout = {name: (dtype, tuple(shape)) for name, (dtype, shape) in layout.items()}
    return CppProgram(program, structure, layout, time.perf_counter() - started)


def _known(root, recipe):
    """The program that a recipe points at, if both are whole."""
    try:
        program = root / "programs" / json.loads(recipe.read_text())
        return program if (program / "main").is_file() else None
    except (OSError, ValueError):
        return None


def _build(structure, root, cxx, toolchain):
    work = Path(tempfile.mkdtemp(prefix=".building-", dir=root / "programs"))
    try:
        (work / "structure.json").write_text(describe(structure))
        _generate(work)
        sources = sorted(
            p for p in work.rglob("*") if p.is_file() and p.suffix in (".cpp", ".h")
        ) + sorted((work / "static_arrays").iterdir())
        digest = _digest(toolchain, *(p.read_bytes() for p in sources))
        program = root / "programs" / digest
        if not (program / "main").is_file():
            _compile(work, cxx)
            try:
                work.rename(program)
            except OSError:
                if not (program / "main").is_file():
                    raise
        return program
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _generate(work):
    result = subprocess.run(
        [sys.executable, "-m", "bgrl.backends.generate", str(work)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    if result.returncode:
        last = (result.stderr.strip().splitlines() or ["no message"])[-1]
        if last.startswith("InputError: "):
            raise InputError(last.removeprefix("InputError: "))
        raise RunError(f"generating the C++ sources failed: {last}\n{result.stderr}")


def _compile(work, cxx):
    """Two translation units, one a core: what runs every step, optimised, and the rest, not.

    Brian2 writes a file for each code object, and most of the time would go into parsing the same
    headers for each.
    """
    manifest = json.loads((work / "manifest.json").read_text())
    sources = sorted(p.relative_to(work).as_posix() for p in work.rglob("*.cpp"))
    step = [s for s in sources if s in manifest["step_sources"]]
    units = {
        "step": (step, (*STEP_FLAGS, *_float_flags(work))),
        "setup": ([s for s in sources if s not in step], SETUP_FLAGS),
    }
    for name, (parts, _) in units.items():
        (work / f"{name}_unit.cpp").write_text(_joined(work, parts))
    jobs = [
        [cxx, *FLAGS, "-I.", "-Ibrianlib", *flags, "-c", f"{name}_unit.cpp", "-o", f"{name}.o"]
        for name, (_, flags) in units.items()
    ]
    with ThreadPoolExecutor(len(jobs)) as pool:
        list(pool.map(lambda command: _call(command, work), jobs))
    _call([cxx, "step.o", "setup.o", "-o", "main"], work)
    for name in units:
        (work / f"{name}.o").unlink()


def _joined(work, sources):
    """Sources of code objects as one, each with its own copy of Brian2's support functions."""
    includes, bodies = {}, []
    for source in sources:
        lines = (work / source).read_text().splitlines()
        includes |= dict.fromkeys(line.strip() for line in lines if _INCLUDE.match(line))
        body = "\n".join(line for line in lines if not _INCLUDE.match(line))
        if source.startswith("code_objects/"):
            name = Path(source).stem
            body = (
                f"namespace unit_{name} {{\n{body}\n}}\n"
                f"void _run_{name}() {{ unit_{name}::_run_{name}(); }}"
            )
        bodies.append(body)
    return "\n".join([*includes, *bodies, ""])


def _float_flags(work):
    """In single precision, constants are single too, else every expression becomes double."""
    structure = json.loads((work / "structure.json").read_text())
    return ("-fsingle-precision-constant",) if structure["dtype"] == "float32" else ()


def _call(command, work):
    result = subprocess.run(command, cwd=work, capture_output=True, text=True)
    if result.returncode:
        first = (result.stderr.strip().splitlines() or ["no message"])[0]
        raise RunError(f"the C++ compiler failed: {first}")


def _toolchain(cxx):
    """Compiler, its version, flags and processor: what a binary depends on besides its sources."""
    version = subprocess.run([cxx, "--version"], capture_output=True, text=True).stdout
    try:
        cpu = next(s for s in Path("/proc/cpuinfo").read_text().splitlines() if "flags" in s)
    except (OSError, StopIteration):
        cpu = ""
    return describe([cxx, version, FLAGS, STEP_FLAGS, SETUP_FLAGS, cpu])


def _generator():
    """Everything that generated sources depend on besides the structure."""
    package = Path(__file__).parents[1]
    files = sorted(package.rglob("*.py"))
    versions = [importlib.metadata.version(name) for name in ("brian2", "numpy", "sympy")]
    return _digest(*versions, sys.version, *(p.read_bytes() for p in files))


def _digest(*parts):
    digest = hashlib.sha256()
    for part in parts:
        part = part.encode() if isinstance(part, str) else part
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:32]


def _write_atomically(path, text):
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)
