"""The side of the program: a process with the environments, and the memory shared with it."""

import contextlib
import json
import mmap
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

import numpy as np

from bgrl.errors import InputError, RunError

#: Seconds for which a side that has a core of its own looks for the other's word before it sleeps.
AWAKE = 2e-4


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

    def open(self, replicates, first=0, awake=AWAKE):
        """Start a process with an environment for each replicate, see `Connection`."""
        return Connection(self, replicates, first, awake)


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

    Parameters
    ----------
    environment : Environment
    replicates : int
    first : int
        The number of the first of the replicates.
    awake : float
        Seconds for which either side looks for the other's word before it sleeps, 0 where other work
        needs the core meanwhile.

    Attributes
    ----------
    descriptors : tuple of int
        File descriptors of the shared memory, of the pipe of requests, and of that of answers.
    variables : dict of str to str
        Environment variables that tell a program of them.
    """

    def __init__(self, environment, replicates, first=0, awake=AWAKE):
        self.environment, self.replicates, self.awake = environment, replicates, awake
        self._sizes = message_sizes(replicates, environment.actions, len(environment.observed))
        shared = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self._file = tempfile.TemporaryFile(dir=shared)  # noqa: SIM115 (kept until closed)
        os.ftruncate(self._file.fileno(), 8 * sum(self._sizes))
        self._shared = SharedMemory(self._file.fileno(), *self._sizes)
        theirs_in, asked = os.pipe()
        answered, theirs_out = os.pipe()
        self.descriptors = (self._file.fileno(), asked, answered)
        names = ("BGRL_SHARED", "BGRL_ASKED", "BGRL_ANSWERED")
        self.variables = dict(zip(names, map(str, self.descriptors), strict=True))
        self.variables["BGRL_AWAKE"] = str(round(1e6 * awake))
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._reason = tempfile.TemporaryFile("w+")  # noqa: SIM115
        words = [
            environment.name,
            environment.settings,
            environment.observed,
            replicates,
            first,
            awake,
        ]
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
        self._shared.request[:] = memoryview(np.ascontiguousarray(request.ravel()))
        _, asked, answered = self.descriptors
        try:
            os.write(asked, b"!")
        except BrokenPipeError:
            raise EnvironmentFailed(self.reason()) from None
        if not heard(answered, self.awake):
            raise EnvironmentFailed(self.reason())
        return np.array(self._shared.answer)

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
        for descriptor in self.descriptors[1:]:
            os.close(descriptor)
        self._shared.close()
        for file in (self._file, self._errors, self._reason):
            file.close()


def message_sizes(replicates, actions, observed):
    """How many numbers a request has, and an answer."""
    return 3 + replicates * (1 + actions), replicates * (4 + observed)


def heard(descriptor, awake):
    """Wait for a byte of a pipe, looking for it for some seconds before sleeping; False at its end."""
    looks = select.poll()
    looks.register(descriptor, select.POLLIN)
    until = time.monotonic() + awake
    while time.monotonic() < until and not looks.poll(0):
        os.sched_yield()
    return bool(os.read(descriptor, 1))


class SharedMemory:
    """The numbers of a request and of its answer, which both sides see."""

    def __init__(self, descriptor, requests, answers):
        self._map = mmap.mmap(descriptor, 8 * (requests + answers))
        self._numbers = memoryview(self._map).cast("d")
        self.request, self.answer = self._numbers[:requests], self._numbers[requests:]

    def close(self):
        """Let go of the memory."""
        for part in (self.request, self.answer, self._numbers):
            part.release()
        self._map.close()
