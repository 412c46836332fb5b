"""What the experiments that redo a figure of Lemmel & Grosu (AAAI 2025) share: tasks times methods.

Such an experiment is a small file: a `Config` with the tasks and methods of the figure as defaults, and
``run`` that calls `reproduce`. Every combination is a run of `experiments.paper`, a point of a sweep
(`experiments.sweep`): finished points are kept in ``OUTPUT.points``, so that a command that was killed
goes on, and one with further tasks or methods computes only what is new. With more than one worker,
points are spread over processes by dask, which must be installed.
"""

import importlib.util
import shlex
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import xarray as xr

from bgrl.agent import describe
from bgrl.backends import BACKENDS
from bgrl.backends.groups import cores
from bgrl.dataset import read_attributes
from bgrl.errors import InputError, check_count, choose, choose_each
from bgrl.estimate import DryRun
from bgrl.experiment import named_values
from bgrl.experiments import paper, sweep
from bgrl.settings import Basics, option, options_of

#: Where `figure` and `summary` of the datasets are.
ANALYSIS = "bgrl.analysis.reproduction"
#: Tasks whose return a figure shows against the length of the memory.
MEMORY = tuple(task for task in paper.TASKS if task.startswith("MemoryChain-"))
#: Settings that a point has from its protocol, unless they are given.
_OF_PROTOCOL = ("steps", "replicates", "evaluations", "evaluation_trials", "final_trials")


@dataclass(frozen=True, kw_only=True)
class Figure(Basics):
    """Settings of an experiment that redoes a figure.

    `OURS` has lengths of this figure that replace those of our protocol, `SHOWN` the tasks that it can
    show.
    """

    OURS: ClassVar[dict] = {}
    SHOWN: ClassVar[tuple] = tuple(paper.TASKS)
    #: The run is points of a sweep, which keep their own files.
    in_points: ClassVar[bool] = True

    tasks: str = option(",".join(paper.SUITE), "environments of the paper, separated by commas")
    methods: str = option("rflo", f"methods, separated by commas: {', '.join(paper.METHODS)}")
    protocol: str = option(
        "ours",
        "settings and length of learning, ours or the paper's (table 1; best of many evaluations of "
        "10 trials)",
        tuple(paper.PROTOCOLS),
    )
    steps: int | None = option(None, "task steps of learning; those of the protocol if not given")
    replicates: int | None = option(None, "independent agents; those of the protocol if not given")
    evaluations: int | None = option(None, "evaluations; those of the protocol if not given")
    evaluation_trials: int | None = option(None, "trials of each; those of the protocol")
    final_trials: int | None = option(None, "trials of the last one; those of the protocol")
    seed: int = option(0, "seed of all randomness")
    units: int = option(32, "neurons in the cortex")
    settings: str = option(
        "", "further settings of every run, NAME=VALUE separated by commas, as of experiments.paper"
    )
    workers: int = option(1, "processes that share the runs, by dask; 1 needs no dask")
    processes: int = option(0, "processes of each run; 0: those cores that the workers leave")
    #: Whether to say what the runs would cost instead.
    dry_run: bool = False

    def variations(self):
        """What varies between runs: name to values, as text."""
        tasks = choose_each("task", self.tasks, paper.TASKS)
        for task in tasks:
            if task not in self.SHOWN:
                raise InputError(f"the figure does not show {task}; valid: {', '.join(self.SHOWN)}")
        return {"task": tasks, "method": choose_each("method", self.methods, paper.METHODS)}

    def base(self, output):
        """What does not vary."""
        protocol = paper.PROTOCOLS[choose("protocol", self.protocol, paper.PROTOCOLS)]
        own = {k: getattr(protocol, k) for k in _OF_PROTOCOL}
        own |= self.OURS if self.protocol == "ours" else {}
        own |= {k: v for k in _OF_PROTOCOL if (v := getattr(self, k)) is not None}
        check_count("workers", self.workers)
        shared = max(1, cores() // self.workers) if BACKENDS[self.backend].separate else 1
        config = paper.Config(
            protocol=self.protocol,
            seed=self.seed,
            units=self.units,
            backend=self.backend,
            output=str(output),
            progress=self.progress,
            processes=self.processes or shared,
            **own,
        )
        given = named_values(filter(None, self.settings.split(",")))
        for name in given:
            for own in {name, f"{name}s"} & set(options_of(type(self))):
                own = f"--{own.replace('_', '-')}"
                raise InputError(f"--settings does not set {name} here, but {own} does")
        return config.with_settings(given.items())


def reproduce(name, config):
    """Run all tasks by all methods.

    Parameters
    ----------
    name : str
        Of the experiment; `analysis.reproduction` knows its figure.
    config : Figure

    Returns
    -------
    xarray.DataTree
        Groups ``evaluation`` and ``points`` of `experiments.sweep.combine`, whose first dimensions are
        `task`, `method` and what else varies. With them chance and best possible return of each task,
        where they are known, and the wall time of each run.

    Raises
    ------
    InputError
        For unknown names, without SciPy, or several workers without dask.
    RunError
        If every run failed.
    bgrl.estimate.DryRun
        With what the runs would cost, if that was asked for.
    """
    if config.dry_run:
        base = config.base(config.output)
        raise DryRun(sweep.cost("paper", base, config.variations(), config.workers))
    if importlib.util.find_spec("scipy") is None:  # the table needs it, at the end of long runs
        raise InputError(
            "the tests of differences need SciPy; install the extra reproduction: "
            "pip install -e .[reproduction]"
        )
    if config.workers > 1 and importlib.util.find_spec("distributed") is None:
        raise InputError(
            f"workers is {config.workers}, which needs dask; install the extra sweep "
            "(pip install -e .[sweep]) or use --workers 1"
        )
    with tempfile.TemporaryDirectory(prefix="bgrl-") as folder:
        base = config.base(config.output or Path(folder, "points.nc"))
        coordinates, points = sweep.unfinished(base, config.variations())
        failures = sweep.finish(
            "paper", points, config.progress, config.workers, here=config.workers == 1
        )
        data = sweep.combine("paper", coordinates, points, failures)
        data = _completed(data, points, failures)
        sweep.keep(points, base)
    settings = {
        k: v for k, v in asdict(config).items() if k not in ("output", "progress", "dry_run")
    }
    data.attrs |= {
        "experiment": name,
        "title": f"bgrl: {name}",
        "task": "several",
        "protocol": config.protocol,
        "learning": describe(paper.PROTOCOLS[config.protocol].learning),
        "configuration": describe(settings),
        "command": command_line(name, sys.argv[1:]),
    }
    if failures:
        why = next(iter(failures.values()))
        data.attrs["stopped"] = f"{len(failures)} of {len(points)} runs failed, the first as {why}"
    return data


def command_line(name, words):
    """The command that gives a dataset, without what only says where and how it is computed."""
    kept, words = [], list(words)
    while words:
        word = words.pop(0)
        option_name = word.partition("=")[0]
        if option_name in ("--output", "--figure", "--workers", "--processes"):
            words = words if "=" in word else words[1:]
        elif word != "--overwrite":
            kept.append(word)
    return " ".join([f"python -m experiments.{name}", *map(shlex.quote, kept)])


def _completed(data, points, failures):
    """The dataset with what is known of its tasks, and how long each run took."""
    seconds, revisions = [], []
    for point in points:
        found = {} if point.output in failures else read_attributes(point.output)
        seconds.append(found.get("wall_seconds", np.nan))
        revisions.append(found.get("source_revision", ""))
    rows = data["points"].to_dataset().drop_vars("file")
    dims, shape = rows["failure"].dims, rows["failure"].shape
    rows["wall_time"] = dims, np.reshape(seconds, shape)
    rows["wall_time"].attrs = {"long_name": "wall time of the run", "units": "s"}
    rows["source_revision"] = dims, np.array(revisions, object).reshape(shape)
    rows["source_revision"].attrs = {"long_name": "source revision of the run", "units": "1"}
    made = [paper.TASKS[task].make() for task in rows["task"].values]
    for key, text in (("chance_return", "guessing"), ("best_return", "the best policy")):
        values = np.array([getattr(task, key) for task in made], float)
        rows[key] = "task", values
        rows[key].attrs = {"long_name": f"mean return of {text}, where it is known", "units": "1"}
    labels = [paper.METHODS[method].summary for method in rows["method"].values]
    rows = rows.assign_coords(method_label=("method", labels))
    rows["method_label"].attrs = {"long_name": "method, for people", "units": "1"}
    groups = {"/": data.to_dataset(), "/evaluation": data["evaluation"].to_dataset()}
    return xr.DataTree.from_dict(groups | {"/points": rows})
