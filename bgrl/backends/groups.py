"""The replicates of a program shared among processes, a group of them in each.

A replicate's numbers do not depend on those that run beside it, so whatever the grouping, states and
recordings are the same to the bit. All groups have the same size, so that one compiled program serves
them all; where that does not add up, the last group begins earlier, and what it has in common with
the one before it is computed twice and taken once.
"""

import contextlib
import copy
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from bgrl.errors import RunError
from bgrl.recording import Sink

#: Bytes of frames that are joined at a time.
_BLOCK = 1 << 24


def cores():
    """Processor cores that this process may use."""
    known = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1


@contextlib.contextmanager
def appending(sink):
    """The two files of a sink, opened to append frames and trials that were recorded elsewhere.

    Raises
    ------
    RunError
        If that fails; nothing is appended then.
    """
    before = sink.sizes()
    try:
        with open(sink.frames_path, "ab") as frames, open(sink.trials_path, "ab") as trials:
            yield frames, trials
    except OSError as error:
        sink.cut(before)
        raise RunError(f"cannot write to {sink.directory}: {error.strerror}") from None


class GroupedProgram:
    """A program of many replicates, see `bgrl.backends.load`.

    Parameters
    ----------
    program : program
        Of one group: as many replicates as run in one process. Its `advance` is called from several
        threads at once; where each group has environments of its own, that of copies.
    replicates : int
        In all groups together, no fewer than in one.
    """

    def __init__(self, program, replicates):
        self._program = program
        size = program.layout["task.replicate"][1][0]
        firsts = [min(first, replicates - size) for first in range(0, replicates, size)]
        #: Replicates of each group.
        self.groups = [slice(first, first + size) for first in firsts]
        self.processes = len(self.groups)
        #: What is taken of each group: the last one leaves out what the one before it has.
        shared = self.processes * size - replicates
        self._taken = [slice(None)] * (self.processes - 1) + [slice(shared, None)]
        self.layout = {
            name: (dtype, (replicates, *shape[1:]) if shape else ())
            for name, (dtype, shape) in program.layout.items()
        }
        self.build_seconds = program.build_seconds
        self._programs = [program] * self.processes

    @property
    def environment(self):
        """Where the task is outside of the program: a `Connection` for each group."""
        return [program.environment for program in self._programs]

    @environment.setter
    def environment(self, connections):
        self._programs = [self._program] * self.processes
        if connections:
            self._programs = [copy.copy(self._program) for _ in connections]
            for program, connection in zip(self._programs, connections, strict=True):
                program.environment = connection

    def advance(self, state, start, steps, learn=True, sink=None):
        """See `bgrl.backends.load`."""
        states = [self._part(state, group) for group in self.groups]
        with contextlib.ExitStack() as stack:
            sinks = [None] * self.processes
            if sink:
                # On the disk that the run has made sure has room.
                folder = tempfile.TemporaryDirectory(prefix="groups-", dir=sink.directory)
                sinks = self._sinks(Path(stack.enter_context(folder)), sink)
            with ThreadPoolExecutor(self.processes) as pool:
                jobs = [
                    pool.submit(program.advance, part, start, steps, learn, own)
                    for program, part, own in zip(self._programs, states, sinks, strict=True)
                ]
            # All have ended. If some failed, the first of them raises before anything is appended.
            parts = [job.result() for job in jobs]
            if sink:
                self._append(sink, sinks, states)
        return {name: self._join(name, [part[name] for part in parts]) for name in self.layout}

    def _part(self, state, group):
        return {
            name: state[name][group] if shape else state[name]
            for name, (_, shape) in self.layout.items()
        }

    def _sinks(self, folder, sink):
        """A sink for each group, with what the common one records."""
        folders = [folder / str(k) for k in range(self.processes)]
        for own in folders:
            own.mkdir()
        return [Sink(own, sink.names, self._program.layout, sink.every) for own in folders]

    def _join(self, name, parts, axis=0):
        """An array of all replicates from those of the groups; `axis` is the replicates'."""
        if not self.layout[name][1]:
            return parts[0]
        before = (slice(None),) * axis
        return np.concatenate(
            [part[(*before, taken)] for part, taken in zip(parts, self._taken, strict=True)], axis
        )

    def _append(self, sink, sinks, states):
        """Append what the groups recorded, as one process would have written it."""
        with appending(sink) as (frames, trials):
            for block in self._frames(sink, sinks):
                frames.write(block.tobytes())
            trials.write(self._trials(sinks, states).tobytes())

    def _frames(self, sink, sinks):
        """The frames of all replicates, a block of steps at a time."""
        parts = [own.read_frames() for own in sinks]
        length = max(1, _BLOCK // sink.dtype.itemsize)
        for first in range(0, len(parts[0]), length):
            rows = [part[first : first + length] for part in parts]
            block = np.empty(len(rows[0]), sink.dtype)
            block["step"] = rows[0]["step"]
            for name in sink.names:
                block[name] = self._join(name, [row[name] for row in rows], axis=1)
            yield block

    def _trials(self, sinks, states):
        """The trials of all replicates, ordered by step and then as replicates are in the state."""
        rows = []
        for own, state, taken in zip(sinks, states, self._taken, strict=True):
            trials = own.read_trials()
            rows.append(trials[np.isin(trials["replicate"], state["task.replicate"][taken])])
        rows = np.concatenate(rows)
        return rows[np.argsort(rows["step"], kind="stable")]
