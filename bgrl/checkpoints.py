"""The folder of an unfinished run: checkpoints, whole or not there, from which the run goes on."""

import contextlib
import fcntl
import hashlib
import json
import os
import re
from pathlib import Path

import numpy as np

from bgrl.agent import describe
from bgrl.errors import InputError, RunError, from_system

#: Files of a checkpoint after some learning.
_CHECKPOINT = re.compile(r"(?:state|weights)-0*[1-9]\d*\.npz")


#: Name of the log that a command keeps in the folder of its run.
LOG = "log.txt"
#: Name of what says how the run records, see `bgrl.layout`.
LAYOUT = "layout.json"
#: Name of the file of requests to the run, see `bgrl.requests`.
REQUESTS = "requests.txt"


class Work:
    """The folder in which a run keeps what it needs to go on.

    ``run.json`` says which run it is, ``layout.json`` how it records, ``progress.json`` how far it is;
    the latter is replaced in one go once everything it refers to is on disk. In a ``with`` statement that
    fails, a folder in which nothing was learned yet is removed.

    Parameters
    ----------
    path : path
    configuration : dict
        Of the run; a folder of another one is refused, unless nothing was learned in it.
    marker : str
        Name of the file that holds it. The commands of experiments, which may be several runs, have
        one of their own in the same folder.

    Raises
    ------
    InputError
        If the folder holds something else, is in use, or cannot be written.
    RunError
        If the disk is full.
    """

    def __init__(self, path, configuration, marker="run.json"):
        self.folder, self.path = path, Path(path)
        #: What became of requests to the run, see `bgrl.requests`; kept with each checkpoint.
        self.status = {}
        self._marker = self.path / marker
        described = describe(configuration)
        self._run = hashlib.sha256(described.encode()).hexdigest()
        self._made = [p for p in (self.path, *self.path.parents) if not os.path.lexists(p)]
        self._lock = None
        with contextlib.ExitStack() as opened:
            self._claim(described, opened)
            opened.pop_all()

    def _claim(self, described, opened):
        """Make the folder, and lock it with a file that is among what was `opened`."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if _is_foreign(self.path):
                raise InputError(
                    f"{self.path} exists and is no unfinished run; choose another output"
                )
            # Held until this process ends, however it ends.
            lock = opened.enter_context(open(self._marker, "a+"))  # noqa: SIM115
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._lock = lock
            self._lock.seek(0)
            if self._lock.read() != described:
                self._take(described)
        except BlockingIOError:
            raise InputError(f"{self.path} is in use by another process") from None
        except OSError as error:
            self._discard()
            raise from_system(f"cannot write {self.path}", error) from None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if kind is not None:
            self._discard()
        self._lock.close()

    def _take(self, described):
        """Make the folder this run's own, unless another run has learned in it."""
        if has_learned(self.path):
            try:
                self._lock.seek(0)
                json.load(self._lock)
            except ValueError:
                raise self.damaged(f"{self._marker.name} cannot be read") from None
            raise InputError(
                f"{self.path} holds another unfinished run; finish it with its own settings, delete "
                "it, or choose another output"
            )
        for name in ("progress.json", REQUESTS):
            (self.path / name).unlink(missing_ok=True)
        self._lock.truncate(0)
        self._lock.write(described)
        self._lock.flush()
        os.fsync(self._lock.fileno())

    def _discard(self):
        """Remove what a run leaves at its start, and the folders made for it if they are empty.

        Nothing is removed where something was learned, or that another process may be using.
        """
        names = {self._marker.name, "run.json", "progress.json", "frames.bin", "trials.bin"}
        names |= {LAYOUT, LOG, REQUESTS}
        with contextlib.suppress(OSError):
            mine = self._lock is not None and not has_learned(self.path)
            for path in self.path.iterdir() if mine else ():
                name = path.name.removeprefix(".")
                if name in names or name.endswith("-0.npz"):
                    path.unlink()
        for folder in {self.path: None, **dict.fromkeys(self._made)}:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def describe(self, layout):
        """Say how this run records, for those who look at it while it goes on (`bgrl.following`).

        Parameters
        ----------
        layout : dict
            JSON values.

        Raises
        ------
        RunError or InputError
            If it cannot be written.
        """
        text = json.dumps({"run": self._run, **layout}).encode()
        try:
            _write(self.path / LAYOUT, lambda file: file.write(text))
        except OSError as error:
            raise from_system(f"cannot write {self.path / LAYOUT}", error) from None

    def load(self):
        """Progress and state of a run that was stopped, or None.

        Raises
        ------
        InputError
            If something of the checkpoint is missing or damaged.
        """
        marker = self.path / "progress.json"
        if not marker.exists():
            if has_learned(self.path):
                raise self.damaged("progress.json is missing")
            return None
        with self._reading("progress.json"):
            progress = json.loads(marker.read_text())
            if progress["run"] != self._run:
                raise ValueError("of another run")
            name = progress["state"]
        with self._reading(name):
            state = arrays(self.path / name)
        return progress, state

    def check(self, progress, state, layout, learned, sink):
        """Refuse a checkpoint that the run cannot go on from; cut what was recorded after it.

        Parameters
        ----------
        progress : dict
        state : dict of str to ndarray
        layout : dict of str to (dtype, shape)
            Of the state.
        learned : sequence of str
            Arrays in each snapshot of the weights.
        sink : Sink

        Raises
        ------
        InputError
            If something of the checkpoint is missing or damaged.
        """
        with self._reading(progress["state"]):
            _check_arrays(state, layout)
        for evaluation in progress["evaluations"]:
            path = self.snapshot_path(evaluation["step"])
            with self._reading(path.name):
                _check_arrays(arrays(path), {name: layout[name] for name in learned})
        with self._reading("what was recorded"):
            sink.cut(progress["sizes"])

    @contextlib.contextmanager
    def _reading(self, name):
        """Raise any error in reading a file of the checkpoint as damage to it."""
        try:
            yield
        except OSError as error:
            if isinstance(from_system("", error), RunError):
                raise from_system(f"cannot read {self.path / name}", error) from None
            raise self.damaged(f"{name}: {error.strerror or error}") from None
        except KeyError as error:
            raise self.damaged(f"{name} lacks {error}") from None
        except Exception as error:  # archives raise whatever their readers think of
            raise self.damaged(f"{name}: {' '.join(str(error).split())}") from None

    def damaged(self, reason):
        """The exception for a checkpoint that the run cannot go on from."""
        return InputError(
            f"the checkpoint in {self.path} is damaged ({reason}); delete the folder to start anew"
        )

    def save(self, step, state, sink, evaluations, weights=None):
        """Make `step` the one from which the run would go on; keep a snapshot of the weights.

        Raises
        ------
        RunError
            If it cannot be written; the checkpoint before, if there is one, is kept.
        """
        name = f"state-{step}.npz"
        try:
            for recorded in (self.path / "frames.bin", self.path / "trials.bin"):
                _sync(recorded)
            if weights is not None:
                _write(self.snapshot_path(step), lambda file: np.savez(file, **weights))
            _write(self.path / name, lambda file: np.savez(file, **state))
            progress = {
                "run": self._run,
                "step": int(step),
                "state": name,
                "sizes": sink.sizes(),
                "evaluations": evaluations,
                "steering": self.status,
            }
            text = json.dumps(progress).encode()
            _write(self.path / "progress.json", lambda file: file.write(text))
        except OSError as error:
            failure = from_system(f"cannot write the checkpoint in {self.path}", error)
            kept = (self.path / "progress.json").exists()
            raise RunError(f"{failure}{'; the one before is kept' if kept else ''}") from None
        for old in self.path.glob("state-*.npz"):
            if old.name != name:
                old.unlink()

    def snapshots(self, evaluations):
        """The weights at the checkpoint of each evaluation."""
        return [arrays(self.snapshot_path(e["step"])) for e in evaluations]

    def snapshot_path(self, step):
        """Where the weights at a checkpoint are kept."""
        return self.path / f"weights-{step}.npz"


def has_learned(folder):
    """Whether a folder keeps unfinished runs that have learned, or finished points of a sweep."""

    def fail(error):  # a folder that cannot be read is not an empty one
        raise error

    for place, _, names in os.walk(folder, onerror=fail):
        for name in names:
            if _CHECKPOINT.fullmatch(name) or (name.endswith(".nc") and place.endswith("points")):
                return True
    return False


def _is_foreign(folder):
    """Whether a folder has contents, but none of an unfinished run or of several of them."""
    markers = {"run.json", "command.json"}
    entries = list(folder.iterdir())
    known = any(p.name in markers or (p / "run.json").exists() for p in entries)
    return bool(entries) and not known


def arrays(path):
    """Name to array of all that a file of a checkpoint holds."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _check_arrays(found, layout):
    """Refuse arrays that are not those of a layout."""
    for name, (dtype, shape) in layout.items():
        if found[name].dtype != dtype or found[name].shape != tuple(shape):
            raise ValueError(f"{name} has another type or shape")


def _write(path, fill):
    """Write a file with ``fill(file)``, whole and on disk, or not at all."""
    temporary = path.with_name(f".{path.name}")
    try:
        with open(temporary, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _sync(path):
    """See that a file, if there is one, is on disk."""
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
        os.fsync(file.fileno())
