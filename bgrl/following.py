"""Looks at a run that goes on, from its folder, without disturbing it: nothing is locked or written.

A run says at its start how it records (`bgrl.layout`), appends frames and trials, and names at each
checkpoint its evaluations and what it had learned.
"""

import json
from pathlib import Path

import numpy as np

from bgrl.assembly import assemble
from bgrl.checkpoints import LAYOUT, arrays
from bgrl.errors import InputError, RunError, check_path
from bgrl.layout import row_type
from bgrl.recording import Rows, TemporaryFolder, sorted_trials


def follow(folder):
    """The dataset of a run that goes on, as far as it is; to be called again for what is new.

    Parameters
    ----------
    folder : path
        Of the unfinished run: beside its output (``results/run.nc.partial``), or the `work` of
        `bgrl.simulate`.

    Returns
    -------
    xarray.DataTree
        What the finished run will have (`bgrl.assembly`): traces up to the last whole frame, trials that
        ended, evaluations and weights of its checkpoints. Traces are read when they are looked at; there
        is no index of `time`.

    Raises
    ------
    InputError
        If that is no folder of an unfinished run, or it has recorded nothing yet.
    RunError
        Also when traces are looked at: the run was stopped and has begun again before that.
    """
    path = check_path("folder", folder)
    layout = _layout(path)
    evaluations = _progress(path, layout["run"]).get("evaluations", [])
    try:
        frames = _Growing(path / "frames.bin", row_type(layout["frames"]))
        trials = _Growing(path / "trials.bin", row_type(layout["trials"]))
        snapshots = [arrays(path / f"weights-{e['step']}.npz") for e in evaluations]
    except FileNotFoundError as error:
        raise InputError(f"{path} has no {Path(error.filename).name} any more") from None
    temporary = TemporaryFolder("bgrl-follow-")
    by_replicate = sorted_trials(trials, layout["replicates"], temporary, temporary)
    return assemble(layout, frames, by_replicate, evaluations, snapshots, indexed=False)


class _Growing(Rows):
    """Rows of a file that grows, or is cut when its run begins again: read, as a map would be cut too."""

    def __getitem__(self, rows):
        """A slice of the rows as a structured array.

        Raises
        ------
        RunError
            If the file has become shorter.
        """
        if self.few is not None:
            return self.few[rows]
        first, last, step = rows.indices(len(self))
        count, start = max(0, last - first), first * self.dtype.itemsize
        try:
            found = np.fromfile(self._path, self.dtype, count, offset=start)
        except FileNotFoundError:
            found = ()
        if len(found) < count:
            raise RunError(f"{self._path} is shorter or gone by now; follow the run again")
        return found[::step]


def _layout(path):
    """What a run says of its recordings."""
    if path.is_file():
        raise InputError(f"{path} is a file, no folder of an unfinished run; bgrl.open opens it")
    if not path.is_dir():
        raise InputError(f"{path}: there is no such folder; a finished run has none any more")
    try:
        return json.loads((path / LAYOUT).read_text())
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise InputError(f"{path / LAYOUT} cannot be read ({error})") from None
    within = sorted(str(p.parent) for p in path.glob(f"**/{LAYOUT}"))
    if within:
        raise InputError(f"{path} holds several runs; choose one: {', '.join(within)}")
    if (path / "run.json").exists():
        raise InputError(f"{path} is of a run that was not begun by this version, or only just now")
    if (path / "command.json").exists():
        raise InputError(f"{path}: its run has not begun yet")
    raise InputError(f"{path} is no folder of an unfinished run")


def _progress(path, run):
    """The last checkpoint of a run; nothing before its first."""
    try:
        found = json.loads((path / "progress.json").read_text())
    except FileNotFoundError:
        return {}
    return found if found["run"] == run else {}
