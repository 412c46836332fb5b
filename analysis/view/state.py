"""What a window looks at: the run, the step, the pick, the stretch, the event; each has its own."""

import json
import time
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import param
import xarray as xr

from ..envelope import Envelopes
from ..runs import differences, labels_of, read
from ..traces import curves
from ..trials import events

#: Seconds between two looks at a run that goes on, and how many times the processor time of a look
#: there are at least: so one part in a hundred of the time here, and some three of the browser's.
EVERY, LEISURE = 1.0, 100


class Going(NamedTuple):
    """A run that goes on: its folder, and the functions of `bgrl` that follow and steer it."""

    folder: str
    follow: object
    steer: object
    steering: object


class Opened:
    """A run that is open, with what all windows ask of it.

    Parameters
    ----------
    label : str
    data : xarray.DataTree
    file : path, optional
    going : Going, optional
        Where the run goes on.

    Attributes
    ----------
    looks : int
        How often something new of it was taken up.
    """

    def __init__(self, label, data, file=None, going=None):
        self.label, self.data, self.file, self.going = label, data, file, going
        self.looks, self._sizes, self._due = 0, None, 0.0
        if "circuit" not in self.configuration.get("agent", {}):
            raise ValueError(
                f"{file or label}: holds no run of an agent, so there is no circuit to show"
            )

    @property
    def folder(self):
        """Of a run that goes on, or went on when it was opened."""
        return self.going and self.going.folder

    def look(self, now=False):
        """Take up what a run that goes on has done since, for all windows.

        Not before its time has come (`rest`), unless `now`, and not where nothing was written. Of a run
        that has ended the file is opened that its command leaves beside the folder.
        """
        if self.file is not None or (time.monotonic() < self._due and not now):
            return
        folder = Path(self.folder)
        finished = folder.with_suffix("")  # x.nc of x.nc.partial
        if folder.is_dir() or not finished.is_file():
            sizes = {path.name: path.stat().st_size for path in folder.glob("*.bin")}
            sizes |= {path.name: path.stat().st_mtime_ns for path in folder.glob("progress.json")}
            if sizes and sizes == self._sizes:
                return
            self.data, self._sizes = self.going.follow(self.folder), sizes
        else:
            self.data, self.file = read(finished), str(finished)
        self.__dict__.pop("configuration", None)
        self.looks += 1
        if self.envelopes:
            self.envelopes.update(self.data)

    def rest(self, seconds):
        """Leave the run alone for a while after so much processor time was spent on looking at it."""
        self._due = max(self._due, time.monotonic()) + LEISURE * seconds

    @property
    def seen(self):
        """The last step that is known."""
        if self.folder is None:
            return self.steps
        steps = self.data["traces"]["step"] if self.curves else self.data["trials"]["end_step"]
        return int(np.nanmax(steps[..., -1:].values, initial=0))

    @cached_property
    def configuration(self):
        """All that its numbers depend on; of a run that goes on, what was done to it until now."""
        return json.loads(self.data.attrs.get("configuration", "{}"))

    @cached_property
    def curves(self):
        """Names of what can be drawn against time, see `analysis.traces.curves`."""
        return curves(self.data)

    @cached_property
    def envelopes(self):
        """What was read of the traces; None where nothing was recorded."""
        return Envelopes(self.data) if self.curves else None

    @property
    def circuit(self):
        """The description of the circuit."""
        return self.configuration["agent"]["circuit"]

    @property
    def events(self):
        """Names of the task's events."""
        return list(events(self.data))

    @property
    def replicates(self):
        """How many there are."""
        return self.data["trials"].sizes["replicate"]

    @property
    def checkpoints(self):
        """Steps at which the agent was evaluated."""
        return self.data["evaluation"]["step"].values.astype(int)

    @property
    def steps(self):
        """Steps of the whole run."""
        return int(self.configuration["run"]["steps"])

    def checkpoint(self, step):
        """Number of the checkpoint nearest to a step."""
        return int(np.abs(self.checkpoints - step).argmin())

    def signals(self):
        """Variables of one value a step, and the populations: those of several."""
        one = [name for name, (_, place) in self.curves.items() if place is None]
        wide = [name for name in one if f"{name}[0]" in self.curves]
        labelled = {"policy", "observation", "intervention", "action"}
        several = {v for v, place in self.curves.values() if place is not None}
        return [n for n in one if n not in several], [n for n in wide if n not in labelled]


class State(param.Parameterized):
    """All that a window shows; it stands in its address.

    A value that the run does not have is taken for the first one that it has (`choice`).
    """

    run = param.String("", doc="label of the run that is looked at")
    replicate = param.Integer(0, bounds=(0, None))
    step = param.Integer(0, bounds=(0, None), doc="step of learning")
    pick = param.String("", doc="nucleus or pathway")
    first = param.Integer(0, bounds=(0, None), doc="first step of the traces")
    last = param.Integer(0, bounds=(0, None), doc="last step of the traces")
    traces = param.List([], item_type=str)
    signal = param.String("")
    event = param.String("")
    before = param.Integer(5, bounds=(0, 1000))
    after = param.Integer(5, bounds=(0, 1000))
    trials = param.String("all")
    over = param.String("replicates", doc="what the spread around an event is of")
    population = param.String("")
    order = param.String("peak")
    compared = param.List([], item_type=str, doc="labels of the runs that are compared")
    comparing = param.String("learning curve")
    subtract = param.Boolean(False)
    looks = param.Integer(0, doc="how often a run that goes on was looked at; not in the address")

    #: What stands in the address.
    SHARED = (
        *("run", "replicate", "step", "pick", "first", "last", "traces"),
        *("signal", "event", "before", "after", "trials", "over", "population", "order"),
        *("compared", "comparing", "subtract"),
    )

    def __init__(self, runs, **values):
        self.runs = {one.label: one for one in runs}
        first = runs[0]
        signals, populations = first.signals()
        usual = [n for n in ("dopamine", "value", "reward") if n in first.curves]
        usual += [n for n in first.curves if n.startswith("policy[")][:1]
        start = {
            "run": first.label,
            "step": int(first.checkpoints[-1]),
            "pick": next(iter(first.circuit["populations"])),
            "last": first.steps,
            "traces": usual or list(first.curves)[:3],
            "signal": "dopamine" if "dopamine" in signals else next(iter(signals), ""),
            "event": next(iter(first.events[-1:]), ""),
            "population": next(iter(populations), ""),
            "compared": list(self.runs),
        }
        super().__init__(**start | values)

    @classmethod
    def of(cls, runs, going=None):
        """The state of a new window.

        Parameters
        ----------
        runs : sequence of path or xarray.DataTree
        going : Going, optional
            A run that goes on.

        Raises
        ------
        ValueError
            For a file that holds no run.
        """
        return cls(open_runs(runs, going))

    @property
    def opened(self):
        """The run that is looked at."""
        return self.runs[self.run] if self.run in self.runs else next(iter(self.runs.values()))

    @property
    def data(self):
        """Its dataset."""
        return self.opened.data

    @property
    def checkpoint(self):
        """Number of the checkpoint nearest to the step."""
        return self.opened.checkpoint(self.step)

    def choice(self, name, valid):
        """The value of a parameter if it is valid for the run, else the first valid one, or ""."""
        value = getattr(self, name)
        return value if value in valid else next(iter(valid), "")


def differing(datasets):
    """Settings in which runs differ, but for what is recorded; see `analysis.runs.differences`."""
    return {k: v for k, v in differences(datasets).items() if not k.startswith("record")}


def open_runs(runs, going=None):
    """Files or datasets as `Opened`, labelled by what differs between them.

    Parameters
    ----------
    runs : sequence of path or xarray.DataTree
    going : Going, optional
        A run that goes on; it comes first.

    Raises
    ------
    ValueError
        For a file that holds no run.
    """
    data = [one if isinstance(one, xr.DataTree) else read(one) for one in runs]
    files = [None if isinstance(one, xr.DataTree) else str(one) for one in runs]
    names = [file or f"run {k}" for k, file in enumerate(files)]
    places = [(file, None) for file in files]
    if going is not None:
        data, names = [going.follow(going.folder), *data], [str(going.folder), *names]
        places = [(None, going), *places]
    labels = labels_of(differing(data), names) if len(data) > 1 else [Path(names[0]).name]
    return [Opened(label, one, *at) for label, one, at in zip(labels, data, places, strict=True)]
