"""CUDA: the whole loop, circuit and task, as one kernel in which a block of threads has a replicate.

``cuda`` compiles the source (`bgrl.backends.kernel`) with nvcc for the card of this machine, and
``cuda-emulated`` the same source with a C++ compiler and a stand-in for CUDA, ``templates/emulated.h``. A
program serves any number of replicates. It is kept in the cache and run as those of `bgrl.backends.cpp`.
"""

import ctypes
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass

from bgrl import cache
from bgrl.agent import describe
from bgrl.backends import cpp
from bgrl.backends.expressions import TEMPLATES
from bgrl.backends.kernel import Kernel
from bgrl.errors import InputError
from bgrl.step.assemble import blueprint

#: Threads of a block.
THREADS = 128
#: Bytes of shared memory that a block may have, on cards of compute capability 9.0; elsewhere the driver
#: is asked.
SHARED_MEMORY = 232_448
_SOURCES = ("block.h", "functions.h", "main.cu", "emulated.h")
_KEPT = ("main", "manifest.json", "structure.json")
#: It is there to be tested: quick to compile rather than quick.
_EMULATED_FLAGS = (
    *("-std=c++17", "-w", "-O1", "-march=native", "-U_FORTIFY_SOURCE"),
    *("-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"),
    # g++ 12 may take addresses in one array (shared memory) for such of others by this pass.
    "-fno-ivopts",
)
_NVCC_FLAGS = ("-std=c++17", "-w", "-O3")
#: Of a program's mode: trials tell their place among the replicates, see ``templates/main.cu``.
_PLACES = 2
#: Of the driver: numbers of what is asked of a card (CUdevice_attribute in cuda.h).
_MAJOR, _MINOR, _SHARED_MEMORY = 75, 76, 97


@dataclass(frozen=True)
class Card:
    """A card, as its driver describes it.

    Attributes
    ----------
    name : str
    capability : (int, int)
        Of computing, in NVIDIA's numbers.
    shared_memory : int
        Bytes that a block may have of it.
    """

    name: str
    capability: tuple
    shared_memory: int

    def __str__(self):
        capability = ".".join(map(str, self.capability))
        shared = self.shared_memory / 1024
        return (
            f"{self.name}, compute capability {capability}, {shared:.0f} KB shared memory a block"
        )


def card():
    """The card that programs run on: the first that the driver shows.

    Raises
    ------
    InputError
        If there is no driver, or no card.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        raise InputError(
            "backend cuda needs an NVIDIA driver (libcuda.so.1), which this machine has not; use "
            "--backend cpp or cuda-emulated"
        ) from None
    device, name = ctypes.c_int(), ctypes.create_string_buffer(256)
    if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), 0):
        raise InputError(
            "backend cuda needs an NVIDIA card, of which the driver shows none; use --backend cpp or "
            "cuda-emulated"
        )
    driver.cuDeviceGetName(name, len(name), device)

    def attribute(number):
        value = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(value), number, device)
        return value.value

    capability = attribute(_MAJOR), attribute(_MINOR)
    return Card(name.value.decode(), capability, attribute(_SHARED_MEMORY))


def nvcc():
    """Path of NVIDIA's compiler: ``$NVCC``, nvcc, or where the toolkit is usually installed.

    Raises
    ------
    InputError
        If there is none.
    """
    for name in filter(None, (os.environ.get("NVCC"), "nvcc", "/usr/local/cuda/bin/nvcc")):
        if path := shutil.which(name):
            return path
    raise InputError(
        "backend cuda needs NVIDIA's compiler (looked for $NVCC, nvcc, /usr/local/cuda/bin/nvcc); "
        "install the CUDA toolkit or use --backend cpp or cuda-emulated"
    )


def compiler_and_card():
    """Path of the compiler, and the card.

    Raises
    ------
    InputError
        If one of them is missing.
    """
    return nvcc(), card()


class CudaProgram(cpp.CppProgram):
    """A compiled program, see `bgrl.backends.load`; it has no `work` and no `profile`."""

    def __init__(self, directory, lock, structure, build_seconds):
        super().__init__(directory, lock, structure, build_seconds)
        self._replicates = structure["replicates"]
        self.layout = {
            name: (dtype, (self._replicates, *shape[1:]) if shape else ())
            for name, (dtype, shape) in self.layout.items()
        }

    def _stored(self, shape):
        """Every replicate has its own of what is one for all."""
        return shape or (self._replicates,)

    def _sizes(self):
        return (self._replicates,)


class JointProgram(CudaProgram):
    """A compiled program for several runs side by side, see `bgrl.backends.Backend.joint`."""

    def __init__(self, directory, lock, structure, build_seconds):
        super().__init__(directory, lock, structure, build_seconds)
        self.shared = {name for name, (_, shape) in self.layout.items() if not shape}

    def advance(self, state, start, steps, learn=True, sink=None):
        """See `bgrl.backends.load`."""
        self._replicates = len(state["task.replicate"])
        self.layout = {
            name: (dtype, (self._replicates, *shape[1:]))
            for name, (dtype, shape) in self.layout.items()
        }
        return self._run(state, start, steps, int(learn) + _PLACES, sink)[0]


def kernel(structure, shared_memory=SHARED_MEMORY):
    """The kernel of an agent's structure, of any number of replicates."""
    return Kernel(blueprint(structure | {"replicates": 1}), shared_memory)


def write_sources(structure, work, shared_memory=SHARED_MEMORY):
    """Write the sources of a program into a folder; the `Kernel`."""
    if any(p["has_units"] for p in structure["populations"].values()):
        from bgrl.backends.units import check_structure  # imports Brian2, which takes its time

        check_structure(structure)
    made = kernel(structure, shared_memory)
    (work / "structure.json").write_text(describe(structure | {"replicates": 1}))
    (work / "step.h").write_text(made.source())
    layout = {
        name: [dtype, list(shape)] for name, (dtype, shape) in made.blueprint.layout().items()
    }
    (work / "manifest.json").write_text(json.dumps({"layout": layout, "work": None}))
    for name in _SOURCES:
        shutil.copy(TEMPLATES / name, work)
    return made


def emulated_command(cxx, *flags):
    """What compiles the sources without CUDA; ``-DTHREADS=1`` is the quickest, see ``emulated.h``."""
    return [
        cxx,
        *_EMULATED_FLAGS,
        *flags,
        "-include",
        "emulated.h",
        "-x",
        "c++",
        "main.cu",
        "-o",
        "main",
    ]


def nvcc_command(path, capability, *flags):
    """What compiles the sources for cards of a compute capability."""
    flags = (*_NVCC_FLAGS, *flags, f"-DTHREADS={THREADS}")
    return [path, *flags, f"-arch=sm_{capability[0]}{capability[1]}", "main.cu", "-o", "main"]


def load_joint(structure, name="cuda", progress=None):
    """Find or build a program of several runs; see `bgrl.backends.Backend.joint`."""
    return load(structure, name, progress, JointProgram)


def load(structure, name="cuda", progress=None, program_class=CudaProgram):
    """Find or build a program; see `bgrl.backends.load`."""
    started = time.perf_counter()
    if structure["task"]["external"]:
        raise InputError(
            f"backend {name} runs tasks inside of the program, and a Gymnasium environment is outside; "
            "use --backend cpp"
        )
    if name == "cuda":
        path, here = compiler_and_card()
        command, shared_memory = nvcc_command(path, here.capability), here.shared_memory
        toolchain, kind = _version(path), "CUDA compiler"
    else:
        path = cpp.compiler()
        command, shared_memory = emulated_command(path, "-DTHREADS=1"), SHARED_MEMORY
        toolchain, kind = cpp.toolchain(path), "C++ compiler"

    def generate(work):
        made = write_sources(structure, work, shared_memory)
        if progress:
            progress(f"state of a replicate on the card: {made.placement()}")
        return cpp.digest(
            toolchain, *command, *((work / n).read_text() for n in (*_SOURCES, "step.h"))
        )

    def build(work):
        cpp.call(command, work, kind)
        for file in work.iterdir():
            if file.name not in _KEPT:
                file.unlink()

    key = cpp.digest(
        describe(structure | {"replicates": 1}),
        name,
        _generator(),
        toolchain,
        *command,
        str(shared_memory),
    )
    program, lock = cache.obtain(key, generate, build, progress)
    return program_class(program, lock, structure, time.perf_counter() - started)


def _version(path):
    return subprocess.run([path, "--version"], capture_output=True, text=True).stdout


def _generator():
    """Everything that the sources depend on besides the structure."""
    files = [*cpp.imported("bgrl.backends.cuda"), *(TEMPLATES / name for name in _SOURCES)]
    return cpp.digest(sys.version, *(path.read_bytes() for path in sorted(files)))
