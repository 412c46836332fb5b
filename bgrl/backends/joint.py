"""Runs that go on side by side, whose steps are those of one program: a launch advances all of them.

Each run is a thread, and one of them goes on at a time, until it asks its share of the program for steps
and waits. When all wait, those that are farthest behind advance together, as replicates of one program.
A replicate's numbers do not depend on those beside it, so a run finds what it would find alone, to the
bit; its evaluations, checkpoints and its end are its own. What is one number for all replicates of a run
(a discount, a seed, a setting of the task) is a number of each replicate there.
"""

import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bgrl.agent import describe
from bgrl.backends.groups import appending
from bgrl.errors import RunError
from bgrl.recording import Sink

_OF_THREAD = threading.local()


class LaunchFailed(Exception):
    """The program failed at a step of several runs, whichever of them it was that it failed for."""


class Joint:
    """Runs that share programs.

    Parameters
    ----------
    runs : int
        How many.
    replicates : int
        Of all runs together.
    """

    def __init__(self, runs, replicates):
        self._going, self._replicates = runs, replicates
        # Whoever goes on holds its lock, and so does whoever launches.
        self._turn = threading.Condition()
        self._asked, self._programs, self._stopped = [], {}, False

    @staticmethod
    def of_this_thread():
        """That to which the run of this thread belongs, or None."""
        return getattr(_OF_THREAD, "joint", None)

    def run(self, functions):
        """Call functions, each a run.

        Parameters
        ----------
        functions : list of callable

        Returns
        -------
        list
            What each returned, or the exception that it raised.
        """
        with ThreadPoolExecutor(len(functions)) as pool:
            jobs = [pool.submit(self._go_through, function) for function in functions]
            try:
                wait(jobs)
            except BaseException:  # interrupted: every run keeps where it is, and ends
                self._stopped = True
                with self._turn:
                    self._turn.notify_all()
                raise
        return [job.exception() or job.result() for job in jobs]

    def _go_through(self, function):
        with self._turn:
            _OF_THREAD.joint = self
            try:
                return function()
            finally:
                _OF_THREAD.joint = None
                self._going -= 1
                self._launch_if_all_wait()

    def share(self, load, name, structure, progress):
        """The share of a run in the program of its structure.

        Parameters
        ----------
        load : callable
            Of the backend, see `bgrl.backends.Backend.joint`.
        name : str
            Of the backend.
        structure : dict
            Of the run's agent.
        progress : callable or None

        Returns
        -------
        program
            See `bgrl.backends.load`.
        """
        key = name, describe(structure | {"replicates": 1})
        if key not in self._programs:
            of_all = structure | {"replicates": self._replicates}
            self._programs[key] = load(of_all, name, progress)
        return _Share(self, self._programs[key], structure["replicates"])

    def advance(self, request):
        """Wait until a request is met."""
        self._asked.append(request)
        self._launch_if_all_wait()
        self._turn.wait_for(lambda: request.ended or self._stopped)
        if self._stopped:
            raise KeyboardInterrupt
        if request.failure:
            raise request.failure

    def _launch_if_all_wait(self):
        while self._asked and len(self._asked) == self._going and not self._stopped:
            self._launch()
            self._asked = [request for request in self._asked if not request.ended]
            self._turn.notify_all()

    def _launch(self):
        """Advance those that are farthest behind, no further than to where others are."""
        first = min(self._asked, key=lambda request: (request.learn, request.step))
        alike = [request for request in self._asked if request.kind == first.kind]
        together = [request for request in alike if request.step == first.step]
        ends = [request.end for request in together]
        last = min([*ends, *(r.step for r in alike if r.step > first.step)])
        try:
            _advance(together, last)
        except Exception as error:
            for request in together:
                request.failure = LaunchFailed(f"{type(error).__name__}: {error}")


class _Share:
    """The share of a run in a program, see `bgrl.backends.load`."""

    processes, environment = 1, None

    def __init__(self, joint, program, replicates):
        self._joint, self._program = joint, program
        self.build_seconds = program.build_seconds
        self.layout = {
            name: (dtype, () if name in program.shared else (replicates, *shape[1:]))
            for name, (dtype, shape) in program.layout.items()
        }

    def advance(self, state, start, steps, learn=True, sink=None):
        """See `bgrl.backends.load`."""
        request = _Request(self._program, dict(state), start, start + steps, learn, sink)
        self._joint.advance(request)
        return request.state


@dataclass(eq=False)
class _Request:
    """Steps that a run asks for, from `step` to before `end`."""

    program: object
    state: dict
    step: int
    end: int
    learn: bool
    sink: object
    failure: Exception | None = None

    @property
    def ended(self):
        return self.failure is not None or self.step == self.end

    @property
    def kind(self):
        """Requests of one kind can be met by one launch."""
        return id(self.program), self.learn, self.sink and (self.sink.names, self.sink.every)

    @property
    def replicates(self):
        return len(self.state["task.replicate"])

    def rows(self, name):
        """An array with a number of each replicate, also of what is one for all."""
        shared = name in self.program.shared
        return np.repeat(self.state[name], self.replicates) if shared else self.state[name]

    def take(self, after, rows):
        """The part of the state afterwards, in some rows, that is this run's."""
        own = {k: v[rows].copy() for k, v in after.items() if k not in self.program.shared}
        self.state |= own

    def record(self, frames, trials, rows):
        """Append what was recorded in some rows, as the run alone would have."""
        places = trials["replicate"]
        own = trials[(places >= rows.start) & (places < rows.stop)]
        own["replicate"] = self.state["task.replicate"][own["replicate"] - rows.start]
        try:
            with appending(self.sink) as (frames_file, trials_file):
                for first, last in frames.blocks():
                    frames_file.write(self._frames(frames[first:last], rows).tobytes())
                trials_file.write(own.tobytes())
        except RunError as error:
            self.failure = error

    def _frames(self, frames, rows):
        """Frames of this run from those of all."""
        found = np.empty(len(frames), self.sink.dtype)
        found["step"] = frames["step"]
        for name in self.sink.names:
            shared = name in self.program.shared
            found[name] = self.state[name] if shared else frames[name][:, rows]
        return found


def _advance(together, last):
    """Advance requests of one kind that are at the same step, as replicates of their program."""
    one = together[0]
    program, steps = one.program, last - one.step
    ends = np.cumsum([request.replicates for request in together]).tolist()
    parts = [slice(end - r.replicates, end) for r, end in zip(together, ends, strict=True)]
    state = {name: np.concatenate([r.rows(name) for r in together]) for name in program.layout}
    if one.sink is None:
        after = program.advance(state, one.step, steps, one.learn)
    else:
        # On the disk that a run has made sure has room.
        with tempfile.TemporaryDirectory(prefix="together-", dir=one.sink.directory) as folder:
            layout = {k: (dtype, (ends[-1], *s[1:])) for k, (dtype, s) in program.layout.items()}
            # What is one number is the same in every step; there may be nothing else to record.
            names = [name for name in one.sink.names if name not in program.shared]
            names = ["task.replicate", *names] if one.sink.every else []
            sink = Sink(Path(folder), names, layout, one.sink.every)
            after = program.advance(state, one.step, steps, one.learn, sink)
            frames, trials = sink.read_frames(), sink.read_trials()
            for request, rows in zip(together, parts, strict=True):
                request.record(frames, trials, rows)
    for request, rows in zip(together, parts, strict=True):
        request.take(after, rows)
        request.step = last
