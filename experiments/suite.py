"""What a step takes, from 8 to 256 neurons and 1 to 256 replicates, against what the machine could do.

Every configuration is built from nothing and then measured in a process of its own: steps per second,
time by slot of the step, build time, memory. In the same run, the fastest matrix product and the
bandwidth of memory are measured, on one core, as a program uses one. With the bytes and operations that
a step needs, counted in the generated code (`bgrl.backends.work`), they give the time that a step
cannot go below, and the fraction of this limit that is reached. Rates and limit are timed by what the
processor spent on the process, so that other processes disturb them little; builds and slots by the
clock on the wall, the latter to be read as shares.

The sizes are measured with one replicate, the replicates with 32 neurons. `nucleus` is left out: in a
cortex of one nucleus it is the same program as `rtrl`. All this is of `cpp` in single precision; `rtrl`
and `rflo` are compared with double precision at every size, and with `cuda` and `cuda-emulated` at every
number of replicates. Without a card, `cuda` is named among what was skipped.
"""

import json
import math
import os
import platform
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from bgrl.agent import describe
from bgrl.backends import BACKENDS
from bgrl.backends.cpp import compiler
from bgrl.errors import InputError, RunError, check_count, choose, choose_each
from bgrl.experiment import command
from bgrl.experiments import _measure
from bgrl.settings import option
from bgrl.simulation import check_cost
from bgrl.slots import SLOTS

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "bgrl.analysis.benchmark"
QUICK = {"methods": "rflo,rtrl", "units": "8,32", "replicates": "1,4", "seconds": 0.3}
#: Method to model and sensitivity.
METHODS = {
    "rtrl": ("rtrrl", "rtrl"),
    "snap1": ("rtrrl", "snap1"),
    "rflo": ("rtrrl", "rflo"),
    "none": ("rtrrl", "none"),
    "lru": ("lru", "snap1"),
}
#: What `cpp` in single precision is compared with: name to backend, precision and what varies.
PROGRAMS = {
    "float64": ("cpp", "float64", "units"),
    "cuda": ("cuda", "float32", "replicates"),
    "cuda-emulated": ("cuda-emulated", "float32", "replicates"),
}
#: The methods that are compared.
COMPARED = ("rtrl", "rflo")
#: Neurons with which replicates are varied; the largest number if this one is not asked for.
_COMMON_UNITS = 32
#: What is measured: name to dimensions after those of the grid, units, what it is.
_MEASURED = {
    "steps_per_second": (
        ("repeat",),
        "1/s",
        "task steps per second of processor time, all replicates",
    ),
    "timed_steps": ((), "steps", "task steps timed in each repeat"),
    "build_seconds": ((), "s", "time to generate and compile the program"),
    "state_size": ((), "bytes", "state of the program, the working set of a step"),
    "peak_memory": ((), "bytes", "memory of the program or of Python, whichever is larger"),
    "slot_seconds": (("slot",), "s", "time of a step in the slot"),
    "slot_bytes": (("slot",), "bytes", "bytes a step reads and writes in the slot"),
    "slot_operations": (("slot",), "1", "arithmetic operations of a step in the slot"),
}
_GRID = ("method", "units", "replicates")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the suite."""

    methods: str = option(",".join(METHODS), f"methods, separated by commas: {', '.join(METHODS)}")
    units: str = option("8,16,32,64,128,256", "neurons in the cortex, separated by commas")
    replicates: str = option("1,4,16,64,256", "independent agents, separated by commas")
    programs: str = option(
        ",".join(PROGRAMS), f"what cpp is compared with: {', '.join(PROGRAMS)}; or none"
    )
    seconds: float = option(1.0, "how long each program runs to be timed")
    output: str = option("", "data file, results/benchmark.nc by default")
    #: Whether to show progress; set by the command line.
    progress: bool = False

    def work(self):
        """Where an unfinished run would be kept; nothing is, because all is measured in one go."""
        return Path(f"{self.output}.partial")

    def grid(self):
        """What to measure, in order: (method, units, replicates).

        Raises
        ------
        InputError
            For an unknown method, or a size that is no positive integer.
        """
        if not 0 < self.seconds < math.inf:
            raise InputError(f"seconds is {self.seconds:g}; a positive number is needed")
        methods = choose_each("method", self.methods, METHODS)
        sizes = dict.fromkeys([*self._sizes("units"), *self._sizes("replicates")])
        return [(m, n, r) for m in dict.fromkeys(methods) for n, r in sizes]

    def compared(self):
        """What to compare with, as `grid`: (program, method, units, replicates)."""
        words = [] if self.programs == "none" else self.programs.split(",")
        programs = dict.fromkeys(choose("program", word, PROGRAMS) for word in words)
        given = choose_each("method", self.methods, METHODS)
        methods = [m for m in COMPARED if m in given]
        return [
            (p, m, n, r) for p in programs for m in methods for n, r in self._sizes(PROGRAMS[p][2])
        ]

    def _sizes(self, varied):
        """(units, replicates) where one of them varies."""
        units, replicates = _counts("units", self.units), _counts("replicates", self.replicates)
        common = _COMMON_UNITS if _COMMON_UNITS in units else units[-1]
        if varied == "units":
            return [(n, replicates[0]) for n in units]
        return [(common, r) for r in replicates]


def _counts(name, text):
    """Positive integers separated by commas, in increasing order."""
    try:
        values = sorted({int(word) for word in text.split(",")})
    except ValueError:
        raise InputError(
            f"{name} is {text!r}; positive integers separated by commas are needed"
        ) from None
    check_count(name, values[0])
    return values


def run(config):
    """Measure the grid, and what the machine can do before each method.

    Parameters
    ----------
    config : Config

    Returns
    -------
    xarray.DataTree
        Groups ``benchmark``, over `method`, `units` and `replicates`, NaN where nothing was measured;
        ``compared``, over `program` too; and ``machine``. The root attribute `skipped` names what did
        not fit, or has no card.
    """
    grid, compiler_path = config.grid(), compiler()
    skipped = []
    compared = [row for row in config.compared() if _is_here(row[0], skipped)]
    rows, load_before = {}, os.getloadavg()[0]
    peaks = {}
    grid = [("", *row) for row in grid] + compared
    with tqdm(grid, unit="program", disable=None if config.progress else True) as bar:
        for row in bar:
            bar.set_postfix_str(_name(*row))
            if row[1] not in peaks:
                peaks[row[1]] = _measured("peak")
            try:
                rows[row] = _configuration(*row, config.seconds)
            except (InputError, RunError) as error:  # too large for the memory, or killed for it
                skipped.append(f"{_name(*row)}: {error}")
    if all(program for program, *_ in rows):
        raise RunError(f"nothing could be measured: {skipped[0]}")
    attributes = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "compiler": _first_line([compiler_path, "--version"]),
        "load_average_before": load_before,
        "load_average_after": os.getloadavg()[0],
    }
    return dataset(config, rows, skipped, list(peaks.values()), attributes)


def _is_here(program, skipped):
    """Whether this machine has what a program needs; if not, that is added to what is skipped."""
    try:
        BACKENDS[PROGRAMS[program][0]].check()
    except InputError as error:
        if f"{program}: {error}" not in skipped:
            skipped.append(f"{program}: {error}")
        return False
    return True


def _name(program, method, units, replicates):
    words = f"{program} {method}".strip()
    return f"{words} (units {units}, replicates {replicates})"


def _configuration(program, method, units, replicates, seconds):
    """Build a program from nothing and measure it, in two processes."""
    model, sensitivity = METHODS[method]
    backend, dtype, _ = PROGRAMS.get(program, ("cpp", "float32", None))
    agent = {
        "model": model,
        "sensitivity": sensitivity,
        "units": units,
        "replicates": replicates,
        "dtype": dtype,
    }
    check_cost(_measure.agent(**agent).structure())
    configuration = agent | {"backend": backend}
    with tempfile.TemporaryDirectory(prefix="bgrl-suite-") as cache:
        built = _measured("build", configuration, cache)
        return built | _measured("measure", configuration | {"seconds": seconds}, cache)


def _measured(name, settings=None, cache=""):
    """What a function of `experiments._measure` returns, run in a process of its own, on one core."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    if re.search(r"\bavx512f\b", _cpuinfo()):
        # Of a processor that it does not know, OpenBLAS would use half of each vector unit.
        one["OPENBLAS_CORETYPE"] = "SkylakeX"
    path = os.pathsep.join(filter(None, sys.path))
    result = subprocess.run(
        [sys.executable, "-m", "bgrl.experiments._measure", name, json.dumps(settings or {})],
        capture_output=True,
        text=True,
        env=os.environ | one | {"BGRL_CACHE": cache, "PYTHONPATH": path},
    )
    if result.returncode:
        ended = f"it ended with status {result.returncode}"
        raise RunError(f"{name} failed: {(result.stderr.strip().splitlines() or [ended])[-1]}")
    return json.loads(result.stdout)


def _cpuinfo():
    """What the system says about the processor, if it does."""
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""


def _processor():
    """Model of the processor."""
    found = re.search(r"^model name\s*: (.+)$", _cpuinfo(), re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def _first_line(words):
    return subprocess.run(words, capture_output=True, text=True).stdout.partition("\n")[0]


def dataset(config, rows, skipped, peaks, machine):
    """What was measured as a labelled dataset.

    Parameters
    ----------
    config : Config
    rows : dict of (str, str, int, int) to dict
        Program (nothing for `cpp` in single precision), method, units and replicates to what
        `experiments._measure` found.
    skipped : list of str
    peaks : list of dict
        What one core can do, measured several times; the best counts.
    machine : dict
        Attributes of the machine.

    Returns
    -------
    xarray.DataTree
    """
    import xarray as xr  # not needed to measure

    coordinates = {
        "program": {"units": "1", "long_name": "backend or precision"},
        "method": {"units": "1", "long_name": "gradient through time"},
        "units": {"units": "1", "long_name": "neurons in the cortex"},
        "replicates": {"units": "1", "long_name": "independent agents"},
    }

    def labelled(rows, names, dims):
        """Variables of some rows, over the dimensions of their keys."""
        axes = [list(dict.fromkeys(key[k] for key in rows)) for k in range(len(dims))]
        axes[-2:] = [sorted(axis) for axis in axes[-2:]]
        sizes = {"repeat": _measure.REPEATS, "slot": len(SLOTS)}
        variables = {}
        for name in names:
            more, units, long_name = _MEASURED[name]
            values = np.full([len(axis) for axis in axes] + [sizes[d] for d in more], np.nan)
            for key, row in rows.items():
                place = tuple(axis.index(k) for axis, k in zip(axes, key, strict=True))
                values[place] = row[name]
            variables[name] = ((*dims, *more), values, {"units": units, "long_name": long_name})
        found = {d: (d, axis, coordinates[d]) for d, axis in zip(dims, axes, strict=True)}
        return xr.Dataset(variables, found)

    own = {key[1:]: row for key, row in rows.items() if not key[0]}
    compared = {key: row for key, row in rows.items() if key[0]}
    slot = ("slot", list(SLOTS), {"units": "1", "long_name": "slot of a step"})
    best = {name: np.max([peak[name] for peak in peaks], axis=0) for name in peaks[0]}
    bandwidth = {"units": "bytes/s", "long_name": "bandwidth of c = a + b in float32, one core"}
    size = {"units": "bytes", "long_name": "memory that the loop goes through"}
    sgemm = {"units": "1/s", "long_name": "operations of the fastest float32 matrix product"}
    groups = {
        "/": xr.Dataset(attrs=_attributes(config, skipped)),
        "/benchmark": labelled(own, _MEASURED, _GRID).assign_coords(slot=slot),
        "/machine": xr.Dataset(
            {
                "bandwidth": ("working_set", best["bandwidth"], bandwidth),
                "sgemm": ((), best["sgemm"], sgemm),
            },
            {"working_set": ("working_set", best["working_set"], size)},
            machine,
        ),
    }
    if compared:
        names = ("steps_per_second", "timed_steps", "build_seconds", "state_size")
        groups["/compared"] = labelled(compared, names, ("program", *_GRID))
    return xr.DataTree.from_dict(groups)


def _attributes(config, skipped):
    from bgrl.dataset import provenance

    settings = {k: v for k, v in asdict(config).items() if k not in ("output", "progress")}
    return {
        "title": "bgrl: benchmark",
        "experiment": "benchmark",
        "task": _measure.TASK,
        "configuration": describe({"suite": settings, "methods": METHODS, "programs": PROGRAMS}),
        "backend": "cpp",
        "dtype": "float32",
        "skipped": "; ".join(skipped),
        **provenance(),
    }


if __name__ == "__main__":
    import bgrl.experiments.suite

    command("benchmark", bgrl.experiments.suite)
