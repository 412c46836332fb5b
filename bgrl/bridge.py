"""Any Gymnasium environment as a task: the compiled program talks to it in every step.

The environments of all replicates run in one process of their own (``python -m bgrl.bridge``). In every
step the program sends its number and seed and, for each replicate, whether to start a trial and the
action; it receives reward, terminated, truncated, whether a trial was started, and the observation. Where
a trial is terminated the environment starts the next one at once, and the observation is the first of it,
as in every task. Where it is only truncated, the observation is its last, and the next request starts a
trial (unless the task does not bootstrap, see `bgrl.tasks.base`).

The two processes share a piece of memory: counters of requests and answers, and the numbers. Each waits
for the other's counter, awake while the program runs, since being woken would take longer than a step;
a pipe wakes the environments when a program starts, and tells either side that the other is gone.

Every trial starts from a seed of its own, a function of the run's seed, the replicate and the step. An
environment's own state is not in the state of a run: a run that is resumed after a kill starts a new
trial in a closing step; the one that was cut short is in no list of trials.

If an environment raises, or answers what its spaces do not allow, the process writes why in one line and
ends; so the program learns that it is gone, and `EnvironmentFailed` says why.
"""

import contextlib
import json
import math
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

import numpy as np

from bgrl.circuit import Parameter
from bgrl.errors import InputError, RunError
from bgrl.random import STREAMS, counter_seed
from bgrl.spaces import MOST, WRAP, Actions, Observations, flag, number, spaces
from bgrl.tasks.base import Task

PREFIX = "gymnasium:"


class EnvironmentFailed(RunError):
    """The environment raised, or its process ended; the message says which."""


class _NotAnAction(RunError):
    """What the agent sends is no number."""


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
    """

    name: str
    observed: tuple
    actions: int

    def open(self, replicates):
        """Start a process with an environment for each replicate."""
        return Connection(self, replicates)


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
    EnvironmentFailed
        If it raises when it is made.
    """
    environment = _make(name)
    try:
        _refuse_script(name, environment)
        seen = Observations(name, environment.observation_space)
        actions = Actions(name, environment.action_space)
        step_duration = _step_duration(environment)
    finally:
        with contextlib.suppress(Exception):
            environment.close()
    kept = _observed(name, observe, seen.size)
    if len(kept) > MOST:
        raise InputError(
            f"environment {name!r} shows {len(kept)} numbers; {MOST} at the most can be: choose some "
            f"with observe, or {WRAP}"
        )
    told = ("told_reward", "told_terminated", "told_truncated")
    return Task(
        name=PREFIX + name,
        summary=f"Gymnasium's {name}",
        reference=f"gymnasium, environment {name}",
        observations={f"entry_{k}": f"told_{i}" for i, k in enumerate(kept)},
        actions=actions.labels,
        bounds=actions.bounds,
        variables=(*told, *(f"told_{i}" for i in range(len(kept)))),
        step="""
            reward = reward_scale*told_reward
            terminated = told_terminated
            truncated = told_truncated
        """,
        reset="",
        parameters={"reward_scale": Parameter(float(reward_scale))},
        environment=Environment(name, tuple(kept), actions.size),
        step_duration=step_duration,
    )


def _step_duration(environment):
    """Duration of a step in ms, where the environment has one: its `dt`, in s by convention."""
    dt = getattr(environment.unwrapped, "dt", None)
    number = isinstance(dt, Real) and not isinstance(dt, bool)
    return 1000 * float(dt) if number and np.isfinite(dt) and dt > 0 else None


def _observed(name, observe, channels):
    choices = {"": slice(None), "even": slice(0, None, 2), "odd": slice(1, None, 2)}
    if observe in choices:
        return list(range(channels))[choices[observe]]
    try:
        kept = [int(k) for k in observe.split(",")]
    except ValueError:
        kept = [-1]
    if not all(0 <= k < channels for k in kept) or len(set(kept)) < len(kept):
        raise InputError(
            f"observe is {observe!r}; environment {name!r} has entries 0 to {channels - 1}; valid: "
            "numbers separated by commas, even, odd; no number twice"
        )
    return kept


def _make(name):
    spaces()
    import gymnasium

    try:
        return gymnasium.make(name, disable_env_checker=True)
    except Exception as error:  # whatever the environment's own package raises
        unknown = isinstance(error, gymnasium.error.Error | ImportError) or name.count(":") > 1
        if not unknown:
            raise EnvironmentFailed(f"environment {name!r} failed: {_told(error)}") from None
        why = " ".join(str(error).split("\n")[0].split()) or type(error).__name__
        raise InputError(f"no Gymnasium environment {name!r}: {why}") from None


def _refuse_script(name, environment):
    """Refuse an environment that only the script that is run knows."""
    entry = environment.spec.entry_point
    module = entry.split(":")[0] if isinstance(entry, str) else getattr(entry, "__module__", "")
    if module == "__main__":
        raise InputError(
            f"environment {name!r} is defined in the script that is run, which the process of the "
            f"environments does not see; put it into a module and name that, gymnasium:MODULE:{name}"
        )


def _told(error):
    """An exception in one line."""
    if isinstance(error, RunError):
        return str(error)
    words = " ".join(str(error).strip().split("\n")[0].split())
    if not words:
        place = traceback.extract_tb(error.__traceback__)[-1]
        words = f"in {Path(place.filename).name}, line {place.lineno}"
    return f"{type(error).__name__}: {words}"


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
        self.environment, self.replicates = environment, replicates
        self._sizes = message_sizes(replicates, environment.actions, len(environment.observed))
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
        self._reason = tempfile.TemporaryFile("w+")  # noqa: SIM115
        words = [environment.name, environment.observed, replicates]
        given = (theirs_in, theirs_out, self._file.fileno(), self._reason.fileno())
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


def serve(bell, end, shared, name, observed, replicates):
    """Answer requests until nobody can ask any more; the process of a `Connection`."""
    places = [_Place(name, observed, r) for r in range(replicates)]
    actions = places[0].actions.size
    memory = _Shared(shared, *message_sizes(replicates, actions, len(observed)))
    while os.read(bell, 4096):
        while memory.wait(memory.asked, memory.answered[0] + 1, _AWAKE):
            step, seed, waits, *words = memory.request
            answer = []
            for r, place in enumerate(places):
                restart, *action = words[r * (1 + actions) : (r + 1) * (1 + actions)]
                answer += place.answer(int(step), int(seed), waits, restart, action)
            for k, value in enumerate(answer):
                memory.answer[k] = value
            memory.answered[0] += 1
    os.close(end)


class _Place:
    """The environment of one replicate."""

    def __init__(self, name, observed, replicate):
        self.environment, self.observed, self.replicate = _make(name), observed, replicate
        self.seen = Observations(name, self.environment.observation_space)
        self.actions = Actions(name, self.environment.action_space)
        self.running = False

    def answer(self, step, seed, waits, restart, action):
        """Reward, terminated, truncated, whether a trial was started, and what is seen."""
        if restart or not self.running:
            return 0.0, 0.0, 0.0, 1.0, *self._start(step, seed)
        if not all(map(math.isfinite, action)):
            raise _NotAnAction(
                "the agent's action became NaN or infinite; try lower learning rates or max_norm"
            )
        given = self.environment.step(self.actions.action(action))
        if not isinstance(given, tuple) or len(given) != 5:
            raise RunError(
                f"step gave {_count(given)}; observation, reward, terminated, truncated and info are "
                "needed"
            )
        seen, reward, terminated, truncated, _ = given
        reward = number("reward", reward)
        terminated, truncated = flag("terminated", terminated), flag("truncated", truncated)
        truncated *= 1 - terminated
        if terminated or (truncated and not waits):
            return reward, terminated, truncated, 0.0, *self._start(step, seed)
        self.running = not truncated
        return reward, terminated, truncated, 0.0, *self.seen.numbers(seen, self.observed)

    def _start(self, step, seed):
        """The first observation of a trial."""
        self.running = True
        own = counter_seed(seed, self.replicate, STREAMS["environment"], step)
        given = self.environment.reset(seed=own)
        if not isinstance(given, tuple) or len(given) != 2:
            raise RunError(f"reset gave {_count(given)}; observation and info are needed")
        return self.seen.numbers(given[0], self.observed)


def _count(given):
    return f"{len(given)} values" if isinstance(given, tuple) else "one value"


def main(arguments):
    """The process of a `Connection`; returns its exit code."""
    *pipes, reason = map(int, arguments[:4])
    name, observed, replicates = json.loads(arguments[4])
    try:
        serve(*pipes, name, observed, replicates)
    except KeyboardInterrupt:
        return 0
    except (InputError, EnvironmentFailed, _NotAnAction) as error:
        why = str(error)
    except (Exception, SystemExit) as error:  # the environment's own, told in one line
        why = f"environment {name!r} failed: {_told(error)}"
    else:
        return 0
    os.write(reason, why.encode())
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
