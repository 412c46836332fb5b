"""The side of the program: a process with the environments, and the memory shared with it."""

import contextlib
import json
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

import numpy as np

from bgrl.errors import InputError, RunError

#: Bytes before the numbers: the counter of requests, and at `_ANSWERS` that of answers.
_HEAD, _ANSWERS = 128, 64
#: Seconds for which the environments stay awake without a request.
AWAKE = 0.02
#: Looks at a counter before the processor is offered to others.
_LOOKS = 200


class EnvironmentFailed(RunError):
    """The environment raised, or its process ended; the message says which."""


@dataclass(frozen=True)
class Environment:
    """Which environment, and what of it is seen; opens connections.

    Parameters
    ----------
    name : str
        Gymnasium's name, ``CartPole-v1``.
    observed : tuple of int
        Entries of the flattened observation that the agent sees.
    actions : int
        Numbers that an action consists of.
    settings : dict of str to value
        What ``gymnasium.make`` is given besides the name.
    """

    name: str
    observed: tuple
    actions: int
    settings: dict = field(default_factory=dict)

    def open(self, replicates, first=0):
        """Start a process with an environment for each replicate, numbered from `first` on."""
        return Connection(self, replicates, first)


def check_connected(structure, environment):
    """Refuse to run a program whose task is outside of it without a `Connection`."""
    if not structure["task"]["external"]:
        return
    if environment is None:
        raise InputError("the task is a Gymnasium environment: set program.environment first")
    if environment.replicates != structure["replicates"]:
        raise InputError(
            f"program.environment has {environment.replicates} replicates; the program has "
            f"{structure['replicates']}"
        )


class Connection:
    """A process with the environments of some replicates, and what a program needs to reach it.

    Attributes
    ----------
    descriptors : dict of str to int
        Name of an environment variable to a file descriptor: of the shared memory, of the pipe to
        write to, and of the one that ends with the environments.
    """

    def __init__(self, environment, replicates, first=0):
        self.environment, self.replicates = environment, replicates
        self._sizes = message_sizes(replicates, environment.actions, len(environment.observed))
        shared = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self._file = tempfile.TemporaryFile(dir=shared)  # noqa: SIM115 (kept until closed)
        os.ftruncate(self._file.fileno(), _HEAD + 8 * sum(self._sizes))
        self._shared = SharedMemory(self._file.fileno(), *self._sizes)
        theirs_in, bell = os.pipe()
        end, theirs_out = os.pipe()
        self.descriptors = {
            "BGRL_SHARED": self._file.fileno(),
            "BGRL_BELL": bell,
            "BGRL_END": end,
        }
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._reason = tempfile.TemporaryFile("w+")  # noqa: SIM115
        words = [environment.name, environment.settings, environment.observed, replicates, first]
        given = (theirs_in, theirs_out, self._file.fileno(), self._reason.fileno())
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bgrl.bridge.serve", *map(str, given), json.dumps(words)],
            pass_fds=given,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        os.close(theirs_in)
        os.close(theirs_out)

    def exchange(self, request):
        """Send the numbers of a step, and return those of the answer."""
        shared = self._shared
        shared.request[:] = memoryview(np.ascontiguousarray(request.ravel()))
        number = shared.asked[0] + 1
        shared.asked[0] = number
        while not shared.wait(shared.answered, number, AWAKE):
            try:
                os.write(self.descriptors["BGRL_BELL"], b"!")
            except BrokenPipeError:
                raise EnvironmentFailed(self.reason()) from None
        return np.array(shared.answer)

    def reason(self):
        """Why the process is gone, in one line."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        found = {}
        for name in ("_reason", "_errors"):
            file = getattr(self, name)
            file.seek(0)
            found[name] = (file.read().strip().splitlines() or [""])[-1]
        if found["_reason"]:
            return found["_reason"]
        status = self.process.poll()
        why = f"its process ended with status {status}"
        with contextlib.suppress(ValueError, TypeError):
            why += f" ({signal.Signals(-status).name})"
        why += f": {found['_errors']}" if found["_errors"] else ""
        return f"environment {self.environment.name!r} failed: {why}"

    def close(self):
        """End the process."""
        self.process.kill()
        self.process.wait()
        for name in ("BGRL_BELL", "BGRL_END"):
            os.close(self.descriptors[name])
        self._shared.close()
        for file in (self._file, self._errors, self._reason):
            file.close()


def message_sizes(replicates, actions, observed):
    """How many numbers a request has, and an answer."""
    return 3 + replicates * (1 + actions), replicates * (4 + observed)


class SharedMemory:
    """The memory that both sides see."""

    def __init__(self, descriptor, requests, answers):
        self._map = mmap.mmap(descriptor, _HEAD + 8 * (requests + answers))
        self._view = memoryview(self._map)
        self.asked = self._view[:8].cast("q")
        self.answered = self._view[_ANSWERS : _ANSWERS + 8].cast("q")
        numbers = self._view[_HEAD:].cast("d")
        self.request, self.answer = numbers[:requests], numbers[requests:]
        self._parts = [self.asked, self.answered, self.request, self.answer, numbers, self._view]

    @staticmethod
    def wait(counter, number, seconds):
        """Whether a counter reaches a number within some time."""
        until = time.monotonic() + seconds
        while counter[0] != number:
            for _ in range(_LOOKS):
                if counter[0] == number:
                    return True
            os.sched_yield()
            if time.monotonic() > until:
                return False
        return True

    def close(self):
        """Let go of the memory."""
        for part in self._parts:
            part.release()
        self._map.close()
