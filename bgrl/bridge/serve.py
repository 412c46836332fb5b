"""The side of the environments: the process that a `bgrl.bridge.connection.Connection` starts."""

import json
import math
import os
import sys

from bgrl.bridge.connection import EnvironmentFailed, SharedMemory, heard, message_sizes
from bgrl.bridge.spaces import Actions, Observations, flag, number
from bgrl.bridge.task import in_one_line, make_environment
from bgrl.errors import InputError, RunError
from bgrl.random import STREAMS, counter_seed


class _NotAnAction(RunError):
    """What the agent sends is no number."""


def serve(asked, answered, shared, name, settings, observed, replicates, first, awake):
    """Answer requests until nobody can ask any more; the process of a `Connection`."""
    places = [_Place(name, settings, observed, first + r) for r in range(replicates)]
    actions = places[0].actions.size
    memory = SharedMemory(shared, *message_sizes(replicates, actions, len(observed)))
    while heard(asked, awake):
        step, seed, waits, *words = memory.request
        answer = []
        for r, place in enumerate(places):
            restart, *action = words[r * (1 + actions) : (r + 1) * (1 + actions)]
            answer += place.answer(int(step), int(seed), waits, restart, action)
        for k, value in enumerate(answer):
            memory.answer[k] = value
        os.write(answered, b"!")


class _Place:
    """The environment of one replicate."""

    def __init__(self, name, settings, observed, replicate):
        self.environment = make_environment(name, settings)
        self.observed, self.replicate = observed, replicate
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
    name, *words = json.loads(arguments[4])
    try:
        serve(*pipes, name, *words)
    except KeyboardInterrupt:
        return 0
    except (InputError, EnvironmentFailed, _NotAnAction) as error:
        why = str(error)
    except (Exception, SystemExit) as error:  # the environment's own, told in one line
        why = f"environment {name!r} failed: {in_one_line(error)}"
    else:
        return 0
    os.write(reason, why.encode())
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
