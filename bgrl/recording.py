"""What a program records while it runs: a binary stream on disk, appended to step by step.

`VARIABLES` is what can be recorded, `Record` what the user asks for, `Sink` where a program writes. A
stream is cut back to where a checkpoint says, so that a killed run resumes without a trace of what came
after.
"""

import io
import itertools
import math
import os
import shutil
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bgrl.circuit.circuit import OWN_INPUTS
from bgrl.description import description
from bgrl.errors import InputError, RunError, check_count, check_integer
from bgrl.learning.sensitivity import compared

#: Bytes of a recording that are in memory at once, or a single row where that is larger.
BLOCK = 4_000_000
#: Most bytes of a frame: a NumPy type of rows has no more, of which the step takes eight.
LARGEST_FRAME = 2**31 - 9
#: One row for every trial that ends, of a task that tells no events.
TRIAL = np.dtype(
    [
        ("step", "<i8"),
        ("replicate", "<i8"),
        ("trial_return", "<f8"),
        ("length", "<f8"),
        ("terminated", "<f8"),
    ]
)
#: Variables of the task that hold in which step of a trial an event was first, 0 if it was not.
EVENT = "task.event_"


@dataclass(frozen=True)
class Recorded:
    """A variable that can be recorded: where it is read, and what it is in a dataset.

    Parameters
    ----------
    sources : str or tuple of str
        ``group.variable`` of the state; of several the first that the program has.
    long_name : str
        What it is, for people.
    units : str
        "1" for numbers without a unit.
    dims : tuple of str
        Dimensions behind replicate and time, one for each axis that the array has in one replicate.
    places : callable, optional
        ``places(agent, run)``: what is kept of the last axis, as label to place along it. Everything,
        without labels, if there are none.
    needs : str
        Where it is not in every program: what must be asked for, and where.
    """

    sources: str | tuple
    long_name: str
    units: str = "1"
    dims: tuple = ()
    places: object = None
    needs: str = ""

    def source(self, layout):
        """The array of a program that it is read from; None if the program has none."""
        known = (self.sources,) if isinstance(self.sources, str) else self.sources
        return next((name for name in known if name in layout), None)


def _actions(agent, run):
    return _numbered(agent.task.actions)


def _observations(agent, run):
    """Observations are among the inputs, beside what the agent tells itself."""
    channels = [name for name, count in agent.circuit.inputs.items() for _ in range(count)]
    seen = [k for k, name in enumerate(channels) if name not in OWN_INPUTS]
    return dict(zip(agent.task.observations, seen, strict=True))


def _interventions(agent, run):
    return _numbered(map(str, run.interventions))


def _compared(agent, run):
    return _numbered(name for name, *_ in compared(agent.structure()))


def _numbered(labels):
    return {label: place for place, label in enumerate(labels)}


_OF_ACTIONS = {"dims": ("action_unit",), "places": _actions}
_OF_GRADIENTS = {
    "dims": ("parameter",),
    "places": _compared,
    "needs": "oracle=True is needed in Learning",
}
#: Name in the dataset to what is recorded. A new variable is one entry.
VARIABLES = {
    "dopamine": Recorded("dopamine.td_error", "dopamine (TD error)"),
    "firing": Recorded("dopamine.firing", "firing of dopamine neurons", "spikes/s"),
    "value": Recorded("dopamine.value", "value"),
    "reward": Recorded("task.reward", "reward"),
    "done": Recorded("task.done", "next trial starts in this step"),
    "action": Recorded("policy.action", "action chosen in this step", **_OF_ACTIONS),
    "policy": Recorded(
        ("policy.mean", "readout.policy"),
        "probability of each action, or mean of a continuous one",
        **_OF_ACTIONS,
    ),
    "policy_scale": Recorded(
        "policy.scale", "standard deviation of each continuous action", **_OF_ACTIONS
    ),
    "entropy": Recorded("policy.entropy", "entropy of the policy", **_OF_ACTIONS),
    "observation": Recorded(
        "input.x", "observation", dims=("observation_channel",), places=_observations
    ),
    "intervention": Recorded(
        "intervention.active",
        "1 while an intervention is active",
        dims=("intervention_name",),
        places=_interventions,
        needs="interventions are needed in Run",
    ),
    "gradient_product": Recorded(
        "oracle.product", "gradient times exact gradient", **_OF_GRADIENTS
    ),
    "gradient_square": Recorded("oracle.square", "squared norm of the gradient", **_OF_GRADIENTS),
    "exact_gradient_square": Recorded(
        "oracle.exact_square", "squared norm of the exact gradient", **_OF_GRADIENTS
    ),
}
#: Names that stand for several entries, those of them that a program has.
TOGETHER = {
    "policy": ("policy", "policy_scale"),
    "gradients": ("gradient_product", "gradient_square", "exact_gradient_square"),
}
#: What a dataset has of gradients, name to long name.
COMPARED = {
    "gradient_cosine": "cosine of gradient and exact gradient",
    "gradient_norm_ratio": "norm of gradient over exact gradient's",
}


def entry(name, source, circuit):
    """What is known of something recorded: of `VARIABLES`, a population, or any array of the state.

    Parameters
    ----------
    name, source : str
        Of `Record.resolve`.
    circuit : bgrl.circuit.Circuit

    Returns
    -------
    Recorded
    """
    if name in VARIABLES:
        return VARIABLES[name]
    if name in circuit.populations:
        return Recorded(source, f"state of {name}", dims=(f"{name}_unit",))
    return Recorded(source, source)


@description
class Record:
    """What a run records, step by step, in the group ``traces`` of its dataset.

    Parameters
    ----------
    variables : tuple of str
        "dopamine", "value", "reward", "action" and others of `VARIABLES`; populations ("cortex": their
        first state variable, which is the rate, of each neuron); or ``group.variable``, any array of the
        state; and "gradients", where exact gradients are computed too (`oracle` of `Learning`): cosine
        and norm ratio of the gradient of every projection and parameter to the exact one.
    every : int
        Record each `every`-th step.
    windows : tuple of (int, int), optional
        Ranges (first, last) of steps in which to record: those after `first`, up to `last`. Negative
        numbers count from the end of the run, None is the end: ``((0, 1000), (-1000, None))`` are the
        first and last thousand steps. Everything if nothing is said. In a run that is too short, those
        from its start and its end may overlap.

    Raises
    ------
    InputError
        For a name that is there twice, or windows that are none or overlap. `simulate` refuses what the
        agent does not have, and recordings that do not fit.

    Examples
    --------
    >>> Record(("dopamine", "cortex"), windows=((0, 1000), (-1000, None))).every
    1
    """

    variables: tuple[str, ...] = ()
    every: int = 1
    windows: tuple[tuple, ...] = ((0, None),)

    def __post_init__(self):
        check_count("every", self.every)
        if repeated := sorted({k for k in self.variables if self.variables.count(k) > 1}):
            raise InputError(f"to record {repeated[0]!r} is said twice; once is enough")
        windows = [_window(window) for window in self.windows]
        for early, late in itertools.combinations(sorted(windows, key=lambda w: w[0]), 2):
            # Whether one from the start and one from the end overlap, the run says.
            if (early[0] < 0) == (late[0] < 0) and not _is_before(early[1], late[0]):
                raise InputError(f"recording windows {early} and {late} overlap; give one for both")
        object.__setattr__(self, "windows", tuple(windows))

    def check(self, steps):
        """Refuse windows outside of a run of `steps`, and that nothing would be recorded.

        Raises
        ------
        InputError
        """
        for window in self.windows:
            if not Record(windows=(window,)).ranges(steps):
                raise InputError(
                    f"recording window {window} lies outside of the run, which has steps 0 to {steps}"
                )
        if self.variables and not self.frames(steps):
            raise InputError(
                f"every is {self.every}: of {steps} steps none would be recorded in "
                f"{', '.join(map(str, self.windows))}; a smaller number is needed"
            )

    def ranges(self, steps):
        """The windows as sorted, non-overlapping (first, last) within a run of `steps`."""
        found = []
        for first, last in self.windows:
            first = max(first + steps, 0) if first < 0 else min(first, steps)
            last = steps if last is None else last + steps if last < 0 else min(last, steps)
            if first < last:
                found.append((first, last))
        merged = []
        for first, last in sorted(found):
            if merged and first <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        return merged

    def resolve(self, circuit, layout):
        """Dataset name to state name of everything asked for.

        Raises
        ------
        InputError
            For a name that is nothing, with the valid ones, and an entry of `VARIABLES` whose
            dimensions do not fit the array.
        """
        found = {}
        for name in self.variables:
            if name in circuit.populations and name in (*VARIABLES, *TOGETHER):
                raise InputError(
                    f"to record {name!r} may mean the population or what every agent has; "
                    "rename the population"
                )
            entries = [k for k in TOGETHER.get(name, (name,)) if k in VARIABLES]
            sources = {k: source for k in entries if (source := VARIABLES[k].source(layout))}
            if sources:
                found |= sources
            elif name in circuit.populations:
                found[name] = f"{name}.{next(iter(circuit.populations[name].dynamics))}"
            elif name in layout:
                found[name] = name
            else:
                self._refuse(name, entries, circuit, layout)
        taken = {"replicate", "time", "step", "bound", "bin"}
        taken |= {
            dim for name, source in found.items() for dim in entry(name, source, circuit).dims
        }
        if set(TOGETHER["gradients"]) <= set(found):
            taken |= set(COMPARED)
        if both := [name for name in found if name in taken and name in circuit.populations]:
            raise InputError(
                f"to record {both[0]!r}, rename the population: the dataset calls something else so"
            )
        for name, source in found.items():
            axes, dims = len(layout[source][1]) - 1, entry(name, source, circuit).dims
            if axes > 0 and dims and len(dims) != axes:
                raise InputError(
                    f"{source} has {axes} axes in a replicate; the entry {name!r} of VARIABLES names "
                    f"{len(dims)}: {', '.join(dims)}"
                )
        return found

    @staticmethod
    def _refuse(name, entries, circuit, layout):
        """Say why there is nothing of a name to record."""
        for needs in filter(None, (VARIABLES[k].needs for k in entries)):
            raise InputError(f"to record {name!r}, {needs}")
        valid = [k for k, known in VARIABLES.items() if known.source(layout)]
        choices = ", ".join(dict.fromkeys([*valid, *TOGETHER, *circuit.populations]))
        raise InputError(
            f"cannot record {name!r}; valid: {choices}, or group.variable of the state"
        )

    def frames(self, steps):
        """Number of recorded steps in a run of `steps`."""
        return sum(last // self.every - first // self.every for first, last in self.ranges(steps))


def _window(window):
    """A window that is a pair of steps in their order, as Python's integers."""
    refused = (
        f"recording window {window!r}; (first, last) is needed, two steps of which the first is "
        "lower, or None for the end"
    )
    if len(window) != 2:
        raise InputError(refused)
    try:
        first, last = (v if v is None else check_integer("step", v) for v in window)
    except InputError:
        raise InputError(refused) from None
    if first is None or (last is not None and (first < 0) == (last < 0) and first >= last):
        raise InputError(refused)
    return first, last


def _is_before(last, first):
    """Whether a window that ends in `last` ends before one that starts in `first` does."""
    return last is not None and (last < 0) == (first < 0) and last <= first


class Sink:
    """Where a program writes what it records: frames and trials, each a file of rows.

    Parameters
    ----------
    directory : path
        A `TemporaryFolder` lasts as long as what was recorded can be looked at.
    names : sequence of str
        State arrays of each frame, kept once however often they are named. Without names no frames
        are written; trials always are.
    layout : dict of str to (dtype, shape)
        Of the program.
    every : int
        Steps between two frames.

    Raises
    ------
    InputError
        If what is recorded of a step is larger than `LARGEST_FRAME`.
    """

    def __init__(self, directory, names=(), layout=None, every=1):
        self._given, self.directory = directory, Path(directory)
        self.names, self._layout = tuple(dict.fromkeys(names)), layout
        self.every = every if self.names else 0
        size = sum(math.prod(layout[k][1]) * np.dtype(layout[k][0]).itemsize for k in self.names)
        if size > LARGEST_FRAME:
            raise InputError(
                f"what is recorded of a step ({', '.join(self.names)}) takes {size:,} bytes; "
                f"{LARGEST_FRAME:,} at the most are possible"
            )
        fields = [("step", "<i8"), *((name, *layout[name]) for name in self.names)]
        self.dtype = np.dtype(fields)
        events = [name for name in layout or () if name.startswith(EVENT)]
        self.trial = np.dtype([*TRIAL.descr, *((name, "<f8") for name in events)])
        self.frames_path = self.directory / "frames.bin"
        self.trials_path = self.directory / "trials.bin"
        for path in (self.frames_path, self.trials_path):
            path.touch()

    def without_frames(self):
        """The same sink for steps in which only trials are recorded."""
        return Sink(self._given, layout=self._layout)

    def sizes(self):
        """Bytes in the two files, for a checkpoint."""
        return [os.path.getsize(p) for p in (self.frames_path, self.trials_path)]

    def cut(self, sizes):
        """Shorten the two files to what they had at a checkpoint.

        Raises
        ------
        InputError
            If one has less, or that was no whole number of rows.
        """
        rows = self.dtype.itemsize if self.names else 1, self.trial.itemsize
        for path, row, size in zip((self.frames_path, self.trials_path), rows, sizes, strict=True):
            if (there := os.path.getsize(path)) < size:
                raise InputError(f"{path.name} has {there} bytes, of which {size} are needed")
            if size % row:
                raise InputError(f"{path.name} has rows of {row} bytes, not {size} in all")
            os.truncate(path, size)

    def read_frames(self):
        """Frames, as `Rows`."""
        return Rows(self.frames_path, self.dtype, self._given)

    def read_trials(self):
        """Trials as a structured array: `TRIAL`, and the events of the task."""
        return np.fromfile(self.trials_path, self.trial)

    def sorted_trials(self, replicates):
        """Trials of one replicate after the other, see `sorted_trials`."""
        trials = Rows(self.trials_path, self.trial)
        return sorted_trials(trials, replicates, self.directory, self._given)


def sorted_trials(trials, replicates, directory, folder=None):
    """Trials of one replicate after the other, in a new file of their own if they are many.

    Parameters
    ----------
    trials : Rows
    replicates : int
    directory : path
        Of that file, which earlier ones stay beside: datasets may read them.
    folder : object, optional
        See `Rows`.

    Returns
    -------
    Rows
    counts : ndarray (replicates,) of int
        Trials of each replicate.
    """
    counts = np.zeros(replicates, int)
    for first, last in trials.blocks():
        counts += np.bincount(trials[first:last]["replicate"], minlength=replicates)
    place = np.cumsum(counts) - counts
    few = trials.few is not None
    new = {"dir": directory, "prefix": "trials-sorted-", "suffix": ".bin", "delete": False}
    with io.BytesIO() if few else tempfile.NamedTemporaryFile(**new) as target:
        for first, last in trials.blocks():
            block = trials[first:last]
            for r in np.unique(block["replicate"]):
                rows = block[block["replicate"] == r]
                target.seek(place[r] * trials.dtype.itemsize)
                target.write(rows.tobytes())
                place[r] += len(rows)
        if few:
            return np.frombuffer(target.getvalue(), trials.dtype), counts
    return Rows(target.name, trials.dtype, folder), counts


class TemporaryFolder(os.PathLike):
    """A folder of temporary files that lasts as long as this object, or as the process."""

    def __init__(self, prefix):
        path = tempfile.mkdtemp(prefix=prefix)
        self._path = path
        self._end = weakref.finalize(self, TemporaryFolder._remove, path, os.getpid())

    def __fspath__(self):
        return self._path

    def remove(self):
        """Remove it now."""
        self._end()

    @staticmethod
    def _remove(path, process):
        # A process that was forked from this one ends without taking the folder away.
        if process == os.getpid():
            shutil.rmtree(path, ignore_errors=True)


class Rows:
    """Rows of a binary file, in memory only while they are looked at, unless they are few (`BLOCK`).

    Of few the file may be deleted meanwhile. It is open only while it is read, so that one process can
    keep many datasets.

    Parameters
    ----------
    path : path
    dtype : dtype
        Of a row.
    folder : object, optional
        What must last as long as the rows, a `TemporaryFolder` for instance.

    Attributes
    ----------
    few : ndarray or None
        The rows, if they are few.
    """

    def __init__(self, path, dtype, folder=None):
        size = os.path.getsize(path)
        self.dtype, self._path, self._folder = dtype, path, folder
        self._length = size // dtype.itemsize
        self.few = np.fromfile(path, dtype, self._length) if size <= BLOCK else None

    def __len__(self):
        return self._length

    def __getitem__(self, rows):
        """A slice of the rows as a structured array, mapped from disk as long as it lives.

        Raises
        ------
        RunError
            If the file is gone.
        """
        if self.few is not None:
            return self.few[rows]
        try:
            return np.memmap(self._path, self.dtype, "r", shape=(len(self),))[rows]
        except (OSError, ValueError):  # ValueError: it is shorter now
            raise RunError(
                f"what was recorded was in {self._path}, which is gone; "
                "save a dataset before the folder of its run is removed"
            ) from None

    def blocks(self):
        """(first, last) of parts that are small enough to be in memory."""
        size = max(1, BLOCK // self.dtype.itemsize)
        for first in range(0, len(self), size):
            yield first, min(first + size, len(self))
