"""C++ standalone: the whole loop, circuit and task, as one compiled program.

A program is built once and kept in a cache (`bgrl.cache`), found again by two keys: the agent's
structure with the versions of everything that generates code (no Brian2 is imported when it is known),
and behind it the generated sources with compiler and flags.
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
from math import prod
from pathlib import Path

import numpy as np

from bgrl import cache
from bgrl.agent import describe
from bgrl.backends.expressions import TEMPLATES
from bgrl.bridge.connection import EnvironmentFailed, check_connected
from bgrl.errors import InputError, RunError, from_system

#: Backend to Brian2 device; the plain one is there to compare with.
DEVICES = {"cpp": "cpp_dense", "cpp-plain": "cpp_standalone"}
#: No -ffast-math: a result must not depend on where in a vector loop an element falls.
FLAGS = (
    "-std=c++17",
    "-w",
    "-march=native",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=off",
    "-fopenmp-simd",
    "-O3",
)
#: What a program runs from; the source goes (`bgrl.backends.generate` writes it to look at).
_KEPT = ("main", "manifest.json", "structure.json", "values")
#: Exit status of a program that could not write its results, and of one whose environment does not
#: answer.
_NOT_WRITTEN, _ENVIRONMENT_GONE = 5, 6
#: What a compiler says of the machine rather than of the sources.
_EXHAUSTED = re.compile(
    r"No space left on device|Disk quota exceeded|File too large|Cannot allocate memory|"
    r"Too many open files"
)
_IMPORT = re.compile(r"^\s*(?:from|import) ([\w.]+)(?: import (\([^)]*\)|.*))?", re.MULTILINE)


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
    """A compiled program, see `bgrl.backends.load`.

    Attributes
    ----------
    work : dict of str to (int, int)
        Slot to bytes moved and operations of a learning step, see `bgrl.backends.work`.
    """

    processes = 1

    def __init__(self, directory, lock, structure, build_seconds):
        self.directory = directory
        self._lock = lock
        self._structure = structure
        manifest = json.loads((directory / "manifest.json").read_text())
        self.layout = {k: (dtype, tuple(shape)) for k, (dtype, shape) in manifest["layout"].items()}
        self.work = manifest["work"]
        self.build_seconds = build_seconds
        self.environment = None

    def profile(self, state, start, steps):
        """Where the time of learning steps goes.

        Returns
        -------
        dict of str to float
            Slot to seconds a step, the clock's own time (some ten nanoseconds) included.
        """
        slots = self._structure["slots"]
        printed = self._run(state, start, steps, 2)[1]
        return {s: float(t) / steps for s, t in zip(slots, printed.split(), strict=True)}

    def advance(self, state, start, steps, learn=True, sink=None):
        """See `bgrl.backends.load`."""
        return self._run(state, start, steps, int(learn), sink)[0]

    def _run(self, state, start, steps, mode, sink=None):
        """The state afterwards, and what was printed."""
        check_connected(self._structure, self.environment)
        with tempfile.TemporaryDirectory(prefix="bgrl-") as folder:
            before, after = Path(folder, "before"), Path(folder, "after")
            try:
                with open(before, "wb") as file:
                    for name, (dtype, shape) in self.layout.items():
                        array = np.asarray(state[name], dtype).reshape(shape)
                        file.write(np.broadcast_to(array, self._stored(shape)).tobytes())
            except OSError as error:
                raise from_system(f"cannot write {before}", error) from None
            outputs = [sink.frames_path, sink.trials_path] if sink else [os.devnull] * 2
            command = [
                self.directory / "main",
                *(before, after, *self._sizes(), start, steps, mode, sink.every if sink else 0),
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
            if result.returncode == _NOT_WRITTEN:
                places = dict.fromkeys((folder, str(sink.directory) if sink else folder))
                raise RunError(
                    f"the compiled program could not write what follows step {start} to "
                    f"{' or '.join(places)}; is the disk full?"
                )
            if result.returncode:
                reason = result.stderr.strip() or f"it ended with status {result.returncode}"
                raise RunError(f"the compiled program failed at step {start}: {reason}")
            return self._read(after.read_bytes()), result.stdout

    def _pipes(self):
        """What lets the program reach the environment, if the task has one outside."""
        if self.environment is None:
            return {}
        found = self.environment
        return {"pass_fds": found.descriptors, "env": os.environ | found.variables}

    def _stored(self, shape):
        """Shape in a state file of an array of the layout; what is more there is the same again."""
        return shape

    def _sizes(self):
        """What the program is told of the state's size."""
        return ()

    def _read(self, data):
        found, offset = {}, 0
        for name, (dtype, shape) in self.layout.items():
            stored = self._stored(shape)
            values = np.frombuffer(data, dtype, prod(stored), offset).reshape(stored)
            found[name] = np.array(values if stored == shape else values[0])
            offset += values.nbytes
        return found


def load(structure, name="cpp", progress=None):
    """Find or build a program; see `bgrl.backends.load`."""
    started = time.perf_counter()
    cxx = compiler()
    tools = toolchain(cxx)
    program, lock = cache.obtain(
        digest(describe(structure), name, _generator(), tools),
        lambda work: _generate(structure, DEVICES[name], work, tools),
        lambda work: _compile(work, cxx),
        progress,
    )
    return CppProgram(program, lock, structure, time.perf_counter() - started)


def _generate(structure, device, work, toolchain):
    """Write the sources of a program; a digest of them."""
    (work / "structure.json").write_text(describe(structure))
    failed, said = run_generator(device, str(work))
    if failed:
        last = (said.strip().splitlines() or ["no message"])[-1]
        if last.startswith("InputError: "):
            raise InputError(last.removeprefix("InputError: "))
        if why := _EXHAUSTED.search(said):
            raise RunError(f"generating the C++ sources failed: {why[0]}")
        raise RunError(f"generating the C++ sources failed: {last}\n{said}")
    names = ("program.cpp", "values", "manifest.json", "structure.json")
    return digest(toolchain, *((work / name).read_bytes() for name in names))


def run_generator(device, directory):
    """Run `bgrl.backends.generate`; whether it failed, and what it said."""
    command = [sys.executable, "-m", "bgrl.backends.generate", device, directory]
    path = os.pathsep.join(filter(None, sys.path))
    result = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    return result.returncode != 0, result.stderr


def _compile(work, cxx):
    """One translation unit, of which nothing but the program and what it reads is kept."""
    call([cxx, *FLAGS, *_float_flags(work), "program.cpp", "-o", "main"], work)
    for path in work.iterdir():
        if path.name not in _KEPT:
            path.unlink()


def _float_flags(work):
    """In single precision, constants are single too, else every expression becomes double."""
    structure = json.loads((work / "structure.json").read_text())
    return ("-fsingle-precision-constant",) if structure["dtype"] == "float32" else ()


def call(command, work, name="C++ compiler"):
    """Run a compiler; RunError with the first of its errors if it fails."""
    result = subprocess.run(command, cwd=work, capture_output=True, text=True)
    if result.returncode:
        if why := _EXHAUSTED.search(result.stderr):
            raise RunError(f"the {name} failed: {why[0]}")
        lines = result.stderr.strip().splitlines() or ["no message"]
        # Before it come the names of the files that include each other, and warnings.
        first = next(
            (line for line in lines if re.search(r"\berror\b|\bundefined\b", line)), lines[0]
        )
        raise RunError(f"the {name} failed: {first}")


def toolchain(cxx):
    """Compiler, its version, flags and processor: what a binary depends on besides its sources."""
    version = subprocess.run([cxx, "--version"], capture_output=True, text=True).stdout
    try:
        cpu = next(s for s in Path("/proc/cpuinfo").read_text().splitlines() if "flags" in s)
    except (OSError, StopIteration):
        cpu = ""
    return describe([cxx, version, FLAGS, cpu])


def _generator():
    """Everything that generated sources depend on besides the structure."""
    templates = *TEMPLATES.glob("*.cpp"), *TEMPLATES.glob("*.h")
    files = [*imported("bgrl.backends.generate"), *templates]
    versions = [importlib.metadata.version(name) for name in ("brian2", "numpy", "sympy")]
    return digest(*versions, sys.version, *(p.read_bytes() for p in sorted(files)))


def imported(module):
    """Files of a module of the package and of all that it imports of the package."""
    package = Path(__file__).parents[1]
    found, left = {}, {module}
    while left:
        name = left.pop()
        path = package.joinpath(*name.split(".")[1:])
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if name.split(".")[0] != package.name or name in found or not path.is_file():
            continue
        found[name] = path
        left.add(name.rpartition(".")[0])
        for source, names in _IMPORT.findall(path.read_text()):
            left |= {source, *(f"{source}.{part}" for part in re.findall(r"\w+", names))}
    return found.values()


def digest(*parts):
    """A key made of texts and bytes."""
    found = hashlib.sha256()
    for part in parts:
        part = part.encode() if isinstance(part, str) else part
        found.update(len(part).to_bytes(8, "little") + part)
    return found.hexdigest()[:32]
