"""What a program records while it runs: a binary stream on disk, appended to step by step.

`Sink` is where a program writes, `Record` what the user asks for. A stream is cut back to where a
checkpoint says, so that a killed run resumes without a trace of what came after.
"""

import itertools
import os
import tempfile
from pathlib import Path

import numpy as np

from bgrl.description import description
from bgrl.errors import InputError, check_count, check_integer

#: Bytes of a recording that are in memory at once, or a single row where that is larger.
BLOCK = 4_000_000
#: One row for every trial that ends.
TRIAL = np.dtype(
    [
        ("step", "<i8"),
        ("replicate", "<i8"),
        ("trial_return", "<f8"),
        ("length", "<f8"),
        ("terminated", "<f8"),
    ]
)

#: What `Record` calls "gradients": products of each gradient with the one of exact RTRL.
GRADIENTS = {
    "gradient_product": ("oracle.product", "gradient times exact gradient"),
    "gradient_square": ("oracle.square", "squared norm of the gradient"),
    "exact_gradient_square": ("oracle.exact_square", "squared norm of the exact gradient"),
}
#: Name in the dataset to (name in the state, long name).
VARIABLES = {
    "dopamine": ("dopamine.td_error", "TD error"),
    "firing": ("dopamine.firing", "firing of dopamine neurons"),
    "value": ("dopamine.value", "value"),
    "reward": ("task.reward", "reward"),
    "done": ("task.done", "trial ended in this step"),
    "action": ("policy.action", "action chosen in this step"),
    "policy": ("readout.policy", "probability of each action, or mean of a continuous one"),
    "policy_scale": ("policy.scale", "standard deviation of each continuous action"),
    "entropy": ("policy.entropy", "entropy of the policy"),
    "observation": ("input.x", "observation"),
    "intervention": ("intervention.active", "1 while an intervention is active"),
}


@description
class Record:
    """What to record.

    Parameters
    ----------
    variables : tuple of str
        Names in `VARIABLES`, populations (their rates), or ``group.variable`` of the state; and
        "gradients", where an oracle rides along (`Learning`): cosine and norm ratio of every
        projection's and parameter's gradient to the exact one.
    every : int
        Record each `every`-th step.
    windows : tuple of (int, int), optional
        Ranges (first, last) of steps in which to record, the first not included; negative numbers
        count from the end of the run, None is the end. Everything if nothing is said. In a run that
        is too short, those from its start and its end may overlap.
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
            For a name that is nothing, with the valid ones.
        """
        valid = [k for k, (source, _) in VARIABLES.items() if source in layout]
        found = {}
        for name in self.variables:
            if name in circuit.populations and name in (*VARIABLES, "gradients"):
                raise InputError(
                    f"to record {name!r} may mean the population or what every agent has; "
                    "rename the population"
                )
            if name == "policy" and "policy.mean" in layout:
                found |= {"policy": "policy.mean", "policy_scale": "policy.scale"}
            elif name == "intervention" and "intervention.active" not in layout:
                raise InputError("to record 'intervention', interventions are needed in Run")
            elif name in valid:
                found[name] = VARIABLES[name][0]
            elif name == "gradients":
                if "oracle.product" not in layout:
                    raise InputError("to record gradients, oracle=True is needed in Learning")
                found |= {key: source for key, (source, _) in GRADIENTS.items()}
            elif name in circuit.populations:
                found[name] = f"{name}.{next(iter(circuit.populations[name].dynamics))}"
            elif name in layout:
                found[name] = name
            else:
                choices = ", ".join([*valid, "gradients", *circuit.populations])
                raise InputError(
                    f"cannot record {name!r}; valid: {choices}, or group.variable of the state"
                )
        return found

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
    names : sequence of str
        State arrays of each frame.
    layout : dict of str to (dtype, shape)
    every : int
    frames : bool
        Whether frames are written at all (trials always are).
    """

    def __init__(self, directory, names=(), layout=None, every=1):
        self.directory = Path(directory)
        self.names = tuple(names)
        self.every = every if self.names else 0
        fields = [("step", "<i8"), *((name, *layout[name]) for name in self.names)]
        self.dtype = np.dtype(fields)
        self.frames_path = self.directory / "frames.bin"
        self.trials_path = self.directory / "trials.bin"
        for path in (self.frames_path, self.trials_path):
            path.touch()

    def without_frames(self):
        """The same sink for steps in which only trials are recorded."""
        return Sink(self.directory)

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
        rows = self.dtype.itemsize if self.names else 1, TRIAL.itemsize
        for path, row, size in zip((self.frames_path, self.trials_path), rows, sizes, strict=True):
            if (there := os.path.getsize(path)) < size:
                raise InputError(f"{path.name} has {there} bytes, of which {size} are needed")
            if size % row:
                raise InputError(f"{path.name} has rows of {row} bytes, not {size} in all")
            os.truncate(path, size)

    def read_frames(self):
        """Frames, as `Rows`."""
        return Rows(self.frames_path, self.dtype)

    def read_trials(self):
        """Trials as a structured array of `TRIAL`."""
        return np.fromfile(self.trials_path, TRIAL)

    def sorted_trials(self, replicates):
        """Trials of one replicate after the other, in a file that is deleted already.

        Parameters
        ----------
        replicates : int

        Returns
        -------
        Rows
        counts : ndarray (replicates,) of int
            Trials of each replicate.
        """
        trials = Rows(self.trials_path, TRIAL)
        counts = np.zeros(replicates, int)
        for first, last in trials.blocks():
            counts += np.bincount(trials[first:last]["replicate"], minlength=replicates)
        place = np.cumsum(counts) - counts
        with tempfile.NamedTemporaryFile(dir=self.directory) as target:
            for first, last in trials.blocks():
                block = trials[first:last]
                for r in np.unique(block["replicate"]):
                    rows = block[block["replicate"] == r]
                    target.seek(place[r] * TRIAL.itemsize)
                    target.write(rows.tobytes())
                    place[r] += len(rows)
            target.flush()
            return Rows(target.name, TRIAL), counts


class Rows:
    """Rows of a binary file, in memory only while they are looked at, unless they are few (`BLOCK`).

    The file may be deleted meanwhile: its contents go with the last who can look at them. Of many rows
    it stays open as long, of few it does not, so that one process can keep many datasets.

    Parameters
    ----------
    path : path
    dtype : dtype
        Of a row.
    """

    def __init__(self, path, dtype):
        file = open(path, "rb")  # noqa: SIM115
        self.dtype = dtype
        size = os.fstat(file.fileno()).st_size
        self._length = size // dtype.itemsize
        self._file, self._few = file, None
        if size <= BLOCK:
            with file:
                self._file, self._few = None, np.fromfile(file, dtype, self._length)

    def __len__(self):
        return self._length

    def __getitem__(self, rows):
        """A slice of the rows as a structured array, mapped from disk as long as it lives."""
        if self._few is not None:
            return self._few[rows]
        return np.memmap(self._file, self.dtype, "r", shape=(len(self),))[rows]

    def blocks(self):
        """(first, last) of parts that are small enough to be in memory."""
        size = max(1, BLOCK // self.dtype.itemsize)
        for first in range(0, len(self), size):
            yield first, min(first + size, len(self))
