"""Any Gymnasium environment as a task: the compiled program talks to it in every step.

The environments of all replicates run in one process of their own (``python -m bgrl.bridge``). In every
step the program sends, for each replicate, whether to start anew, a seed for that, and the action; it
receives reward, terminated, truncated and the observation. Where a trial ends the environment starts the
next one at once, and the observation is the first of it, as in every task.

The two processes share a piece of memory: counters of requests and answers, and the numbers. Each waits
for the other's counter, awake while the program runs, since being woken would take longer than a step;
a pipe wakes the environments when a program starts, and tells either side that the other is gone.

An environment's own state is not in the state of a run: a run that is resumed after a kill begins a new
trial.
"""

import contextlib
import json
import mmap
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bgrl.circuit import Parameter
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


def check_connected(structure, environment):
    """Refuse to run a program whose task is outside of it without a `Connection`."""
    if structure["task"]["external"] and environment is None:
        raise InputError("the task is a Gymnasium environment: set program.environment first")


def gymnasium_task(name, observe="", reward_scale=1.0):
    """A task that is a Gymnasium environment.

    Parameters
    ----------
    name : str
        Gymnasium's name.
    observe : str
        Numbers of the entries of the observation to show, separated by commas; "even", "odd", or
        everything if nothing is said.
    reward_scale : float
        Reward is multiplied by this. Returns of about 1 are learned fastest: steps of learning have a
        size of their own, and values must first grow to that of the returns.

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
        step="""
            reward = reward_scale*told_reward
            terminated = told_terminated
            truncated = told_truncated
        """,
        reset="",
        parameters={"reward_scale": Parameter(float(reward_scale))},
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


# The two sides ------------------------------------------------------------------------------

#: Bytes before the numbers: the counter of requests, and at `_ANSWERS` that of answers.
_HEAD, _ANSWERS = 128, 64
#: Seconds for which the environments stay awake without a request.
_AWAKE = 0.02
#: Looks at a counter before the processor is offered to others.
_LOOKS = 200


class Connection:
    """A process with the environments of all replicates, and what a program needs to reach it.

    Attributes
    ----------
    descriptors : dict of str to int
        Name of an environment variable to a file descriptor: of the shared memory, of the pipe to
        write to, and of the one that ends with the environments.
    """

    def __init__(self, environment, replicates):
        self.environment = environment
        actions = _action_size(environment.name)
        self._sizes = replicates * (2 + actions), replicates * (3 + len(environment.observed))
        shared = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self._file = tempfile.TemporaryFile(dir=shared)  # noqa: SIM115 (kept until closed)
        os.ftruncate(self._file.fileno(), _HEAD + 8 * sum(self._sizes))
        self._shared = _Shared(self._file.fileno(), *self._sizes)
        theirs_in, bell = os.pipe()
        end, theirs_out = os.pipe()
        self.descriptors = {
            "BGRL_SHARED": self._file.fileno(),
            "BGRL_BELL": bell,
            "BGRL_END": end,
        }
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        words = [environment.name, environment.observed, replicates]
        given = (theirs_in, theirs_out, self._file.fileno())
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bgrl.bridge", *map(str, given), json.dumps(words)],
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
        while not shared.wait(shared.answered, number, _AWAKE):
            try:
                os.write(self.descriptors["BGRL_BELL"], b"!")
            except BrokenPipeError:
                raise EnvironmentFailed(self.reason()) from None
        return np.array(shared.answer)

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
        self.process.kill()
        self.process.wait()
        for name in ("BGRL_BELL", "BGRL_END"):
            os.close(self.descriptors[name])
        self._shared.close()
        self._file.close()
        self._errors.close()


class _Shared:
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


def _action_size(name):
    environment = _make(name)
    try:
        return int(np.prod(environment.action_space.shape)) or 1
    finally:
        environment.close()


def serve(bell, end, shared, name, observed, replicates):
    """Answer requests until nobody can ask any more; the process of a `Connection`."""
    places = [_Place(name, observed) for _ in range(replicates)]
    sent, told = 2 + places[0].actions, 3 + len(observed)
    memory = _Shared(shared, replicates * sent, replicates * told)
    while os.read(bell, 4096):
        while memory.wait(memory.asked, memory.answered[0] + 1, _AWAKE):
            for r, place in enumerate(places):
                answer = place.answer(r, *memory.request[r * sent : (r + 1) * sent])
                for k, value in enumerate(answer, r * told):
                    memory.answer[k] = value
            memory.answered[0] += 1
    os.close(end)


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
        numbers = flat.tolist()
        return [numbers[k] for k in self.observed]


#: The program's side of the shared memory, see `Connection`.
HEADER = """
#pragma once
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>
namespace bgrl {
struct shared_memory {
    std::atomic<int64_t> *asked, *answered;
    double *request, *answer;
    int bell, end;

    shared_memory(size_t requests, size_t answers) {
        const size_t bytes = 128 + 8*(requests + answers);
        const int file = std::atoi(std::getenv("BGRL_SHARED"));
        char* start = (char*)mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (start == MAP_FAILED) std::exit(7);
        asked = (std::atomic<int64_t>*)start;
        answered = (std::atomic<int64_t>*)(start + 64);
        request = (double*)(start + 128);
        answer = request + requests;
        bell = std::atoi(std::getenv("BGRL_BELL"));
        end = std::atoi(std::getenv("BGRL_END"));
        signal(SIGPIPE, SIG_IGN);
    }
    // False if the environments are gone.
    bool exchange() {
        const int64_t number = asked->load() + 1;
        asked->store(number);
        while (true) {
            const auto started = std::chrono::steady_clock::now();
            do {
                for (int look = 0; look < 2000; look++)
                    if (answered->load() == number) return true;
                sched_yield();
            } while (std::chrono::steady_clock::now() - started < std::chrono::milliseconds(2));
            struct pollfd ended = {end, POLLIN, 0};
            if (poll(&ended, 1, 0) > 0 && (ended.revents & (POLLHUP | POLLERR))) return false;
            if (write(bell, "!", 1) != 1) return false;
        }
    }
};
}
"""


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
        answer = self.connection["open"].exchange(request)
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
            static shared_memory shared({n * sent}, {n * len(told)});
            double *sent = shared.request, *told = shared.answer;
            for (int r = 0; r < {n}; r++) {{
                sent[r*{sent}] = {pointer("task.restart")}[r];
                sent[r*{sent} + 1] = {pointer("task.seed")}[0];
                {actions}
            }}
            if (!shared.exchange()) std::exit(6);
            for (int r = 0; r < {n}; r++) {{
                {found}
            }}
        """


if __name__ == "__main__":
    try:
        serve(*map(int, sys.argv[1:4]), *json.loads(sys.argv[4]))
    except (BrokenPipeError, KeyboardInterrupt):
        pass
    except Exception as error:  # the environment's own, told in one line
        where = Path(error.__traceback__.tb_frame.f_code.co_filename).name
        sys.exit(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else where}")
