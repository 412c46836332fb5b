"""Any Gymnasium environment as a task: the compiled program talks to it in every step.

The environments of all replicates run in one process of their own (``python -m bgrl.bridge``), which
the program reaches through two pipes. In every step it sends, for each replicate, whether to start anew,
a seed for that, and the action; it receives reward, terminated, truncated and the observation. Where a
trial ends the environment starts the next one at once, and the observation is the first of it, as in
every task.

An environment's own state is not in the state of a run: a run that is resumed after a kill begins a new
trial.
"""

import contextlib
import json
import os
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bgrl.errors import InputError, RunError
from bgrl.matrices import Operation
from bgrl.random import derived_seed
from bgrl.tasks.base import Task

PREFIX = "gymnasium:"


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
    """

    name: str
    observed: tuple

    def open(self, replicates):
        """Start a process with an environment for each replicate."""
        return Connection(self, replicates)


def gymnasium_task(name, observe=""):
    """A task that is a Gymnasium environment.

    Parameters
    ----------
    name : str
        Gymnasium's name.
    observe : str
        Numbers of the entries of the observation to show, separated by commas; "even", "odd", or
        everything if nothing is said.

    Raises
    ------
    InputError
        If there is no such environment, or its spaces are not supported.
    """
    environment = _make(name)
    try:
        observation, action = environment.observation_space, environment.action_space
        channels = _spaces().flatdim(observation)
        kept = _observed(name, observe, channels)
        continuous = isinstance(action, _spaces().Box)
        if continuous:
            bounds = tuple(
                zip(action.low.ravel().tolist(), action.high.ravel().tolist(), strict=True)
            )
            actions = tuple(f"action_{k}" for k in range(len(bounds)))
        elif isinstance(action, _spaces().Discrete):
            bounds, actions = None, tuple(f"action_{k}" for k in range(int(action.n)))
        else:
            raise InputError(
                f"environment {name!r}: actions {action} are not supported; valid: Discrete, Box"
            )
    finally:
        environment.close()
    told = ("told_reward", "told_terminated", "told_truncated")
    return Task(
        name=PREFIX + name,
        summary=f"Gymnasium's {name}",
        reference=f"gymnasium, environment {name}",
        observations={f"entry_{k}": f"told_{i}" for i, k in enumerate(kept)},
        actions=actions,
        bounds=bounds,
        variables=(*told, *(f"told_{i}" for i in range(len(kept)))),
        step="\n".join(f"{name.removeprefix('told_')} = {name}" for name in told),
        reset="",
        environment=Environment(name, tuple(kept)),
    )


def _observed(name, observe, channels):
    choices = {"": slice(None), "even": slice(0, None, 2), "odd": slice(1, None, 2)}
    if observe in choices:
        return list(range(channels))[choices[observe]]
    try:
        kept = [int(k) for k in observe.split(",")]
    except ValueError:
        kept = [-1]
    if not all(0 <= k < channels for k in kept):
        raise InputError(
            f"observe is {observe!r}; environment {name!r} has entries 0 to {channels - 1}; valid: "
            "numbers separated by commas, even, odd"
        )
    return kept


def _spaces():
    try:
        from gymnasium import spaces
    except ImportError:
        raise InputError("Gymnasium is not installed; pip install 'bgrl[gymnasium]'") from None
    return spaces


def _make(name):
    _spaces()
    import gymnasium

    try:
        return gymnasium.make(name, disable_env_checker=True)
    except Exception as error:  # whatever the environment's own package raises
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"no Gymnasium environment {name!r}: {first}") from None


# The two ends of the pipes ------------------------------------------------------------------


class Connection:
    """A process with the environments of all replicates, and the pipes to it.

    Attributes
    ----------
    request, response : int
        File descriptors that a program writes to and reads from.
    """

    def __init__(self, environment, replicates):
        self.environment = environment
        theirs_in, self.request = os.pipe()
        self.response, theirs_out = os.pipe()
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (lives as long as the process)
        words = json.dumps([environment.name, environment.observed, replicates])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bgrl.bridge", str(theirs_in), str(theirs_out), words],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        os.close(theirs_in)
        os.close(theirs_out)

    def exchange(self, request, size):
        """Send an array of float64, receive `size` numbers."""
        answer = np.empty(size)
        with contextlib.suppress(BrokenPipeError):
            _send(self.request, request.tobytes())
            if _receive(self.response, answer.view(np.uint8)):
                return answer
        raise EnvironmentFailed(self.reason())

    def reason(self):
        """Why the process is gone, in one line."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self._errors.seek(0)
        last = (self._errors.read().strip().splitlines() or [""])[-1]
        status = self.process.poll()
        why = last or f"its process ended with status {status}"
        return f"environment {self.environment.name!r} failed: {why}"

    def close(self):
        """End the process."""
        for descriptor in (self.request, self.response):
            os.close(descriptor)
        self.process.kill()
        self.process.wait()
        self._errors.close()


def _send(descriptor, data):
    """Write all of a buffer."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _receive(descriptor, data):
    """Fill a buffer; False if the other end is gone."""
    view = memoryview(data)
    while view:
        read = os.readv(descriptor, [view])
        if not read:
            return False
        view = view[read:]
    return True


def serve(request, response, name, observed, replicates):
    """Answer requests until there are no more; the process of a `Connection`."""
    places = [_Place(name, observed) for _ in range(replicates)]
    sent = struct.Struct(f"{2 + places[0].actions}d")
    told = struct.Struct(f"{3 + len(observed)}d")
    data, reply = bytearray(replicates * sent.size), bytearray(replicates * told.size)
    while _receive(request, data):
        for r, place in enumerate(places):
            answer = place.answer(r, *sent.unpack_from(data, r * sent.size))
            told.pack_into(reply, r * told.size, *answer)
        _send(response, reply)


class _Place:
    """The environment of one replicate."""

    def __init__(self, name, observed):
        from gymnasium.spaces import Discrete, flatten

        self.environment, self.observed, self.started = _make(name), observed, False
        self.space, self.action_space = (
            self.environment.observation_space,
            self.environment.action_space,
        )
        self.flatten = flatten
        self.flat = len(getattr(self.space, "shape", None) or ()) == 1
        self.discrete = isinstance(self.action_space, Discrete)
        self.actions = 1 if self.discrete else int(np.prod(self.action_space.shape))

    def answer(self, replicate, restart, seed, *action):
        """Reward, terminated, truncated and what is seen after an action."""
        if restart or not self.started:
            self.started = True
            seen = self.environment.reset(seed=derived_seed(int(seed), replicate))[0]
            # A run that is resumed finds its trial gone: it was cut.
            return 0.0, 0.0, not restart, *self._seen(seen)
        seen, reward, terminated, truncated, _ = self.environment.step(self._action(action))
        if terminated or truncated:
            seen = self.environment.reset()[0]
        return reward, terminated, truncated and not terminated, *self._seen(seen)

    def _action(self, action):
        space = self.action_space
        if self.discrete:
            return int(action[0]) + int(space.start)
        return np.clip(np.reshape(action, space.shape), space.low, space.high).astype(space.dtype)

    def _seen(self, observation):
        flat = observation if self.flat else self.flatten(self.space, observation)
        return [flat[k] for k in self.observed]


@dataclass(frozen=True, eq=False)
class Exchange(Operation):
    """One request and one answer, before the task's own code.

    Attributes
    ----------
    actions : int
        Numbers that an action consists of.
    channels : int
        Entries of the observation that are seen.
    connection : dict
        Holds the `Connection` under "open" while a program runs in this process.
    """

    actions: int
    channels: int
    connection: dict = field(default_factory=dict)

    def _told(self):
        told = ("told_reward", "told_terminated", "told_truncated")
        return [f"task.{k}" for k in (*told, *(f"told_{i}" for i in range(self.channels)))]

    def run(self, arrays):
        """See `Operation`."""
        request = np.empty((self.replicates, 2 + self.actions))
        request[:, 0], request[:, 1] = arrays("task.restart"), arrays("task.seed")
        request[:, 2:] = arrays("policy.action").reshape(self.replicates, self.actions)
        told = self._told()
        answer = self.connection["open"].exchange(request, self.replicates * len(told))
        for name, column in zip(told, answer.reshape(self.replicates, -1).T, strict=True):
            arrays(name)[...] = column

    def cpp(self, pointer):
        """See `Operation`."""
        sent, told = 2 + self.actions, self._told()
        n = self.replicates
        actions = (
            f"for (int k = 0; k < {self.actions}; k++) "
            f"sent[r*{sent} + 2 + k] = {pointer('policy.action')}[r*{self.actions} + k];"
        )
        found = "\n".join(
            f"{pointer(name)}[r] = told[r*{len(told)} + {k}];" for k, name in enumerate(told)
        )
        return f"""
            static const int request = std::atoi(std::getenv("BGRL_REQUEST"));
            static const int response = std::atoi(std::getenv("BGRL_RESPONSE"));
            static double sent[{n * sent}], told[{n * len(told)}];
            for (int r = 0; r < {n}; r++) {{
                sent[r*{sent}] = {pointer("task.restart")}[r];
                sent[r*{sent} + 1] = {pointer("task.seed")}[0];
                {actions}
            }}
            if (!transfer(request, sent, sizeof(sent), true)
                || !transfer(response, told, sizeof(told), false))
                std::exit(6);
            for (int r = 0; r < {n}; r++) {{
                {found}
            }}
        """


if __name__ == "__main__":
    try:
        serve(int(sys.argv[1]), int(sys.argv[2]), *json.loads(sys.argv[3]))
    except (BrokenPipeError, KeyboardInterrupt):
        pass
    except Exception as error:  # the environment's own, told in one line
        where = Path(error.__traceback__.tb_frame.f_code.co_filename).name
        sys.exit(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else where}")
