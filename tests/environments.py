"""Gymnasium environments for tests: ``gymnasium:tests.environments:Name-v0``."""

import sys

import gymnasium
import numpy as np
from gymnasium import spaces


class Paying(gymnasium.Env):
    """Pays 1 in every step for ever, and shows always the same."""

    observation_space = spaces.Box(-1, 1, (1,))
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.ones(1, np.float32), {}

    def step(self, action):
        return np.ones(1, np.float32), 1.0, False, False, {}


class Counting(Paying):
    """Shows the step of the trial in tenths, and a number that says which trial it is."""

    observation_space = spaces.Box(0, np.inf, (2,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time, self.trial = 0, self.np_random.random()
        return self._seen(), {}

    def step(self, action):
        self.time += 1
        return self._seen(), float(self.time), False, False, {}

    def _seen(self):
        return np.array([self.time / 10, self.trial], np.float32)


class Odd(gymnasium.Env):
    """Spaces that do not begin at 0, an image, numbers without bounds; some trials end, some are cut.

    An action that its space does not have is an error.
    """

    observation_space = spaces.Dict(
        {
            "image": spaces.Box(0, 255, (2, 2, 3), np.uint8),
            "place": spaces.Box(-np.inf, np.inf, (1,), np.float64),
            "several": spaces.MultiDiscrete([3, 4], start=[1, -2]),
            "which": spaces.Tuple([spaces.Discrete(4, start=2), spaces.MultiBinary(2)]),
        }
    )
    action_space = spaces.Discrete(3, start=-1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time, self.last, self.length = 0, 0, int(self.np_random.integers(2, 6))
        return self._seen(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.time, self.last = self.time + 1, int(action)
        reward = np.float32(self.last + self.np_random.normal())
        return self._seen(), reward, np.bool_(self.time >= self.length), self.time >= 4, {}

    def _seen(self):
        return {
            "image": np.full((2, 2, 3), 50 * self.time, np.uint8),
            "place": np.array([self.time / 3]),
            "several": np.array([1 + self.time % 3, self.time % 4 - 2]),
            "which": (np.int64(2 + self.time % 4), np.array([1, self.time % 2], np.int8)),
        }


def register(name, made, **settings):
    """Make an environment known as ``Name-v0``."""
    gymnasium.register(f"{name}-v0", entry_point=made, **settings)


register("Paying", Paying, max_episode_steps=10)
register("Counting", Counting, max_episode_steps=4)


class Failing(Paying):
    """Raises, or answers what it may not, in a place that its name says."""

    def __init__(self, where="step", after=20):
        self.where, self.left = where, after
        # The process of the environments makes them once more; pytest is not there.
        if where == "make" or (where == "again" and "pytest" not in sys.modules):
            raise ValueError("no rope")

    def reset(self, *, seed=None, options=None):
        if self.where == "reset":
            raise ValueError("no rope")
        return np.ones(3 if self.where == "shape" else 1, np.float32), {}

    def step(self, action):
        self.left -= 1
        seen, reward = np.ones(1, np.float32), 1.0
        if self.left < 0:
            if self.where == "step":
                raise ValueError("no rope")
            seen = np.array([np.nan], np.float32) if self.where == "nan" else seen
            reward = {"none": None, "array": np.ones(1), "inf": np.inf}.get(self.where, reward)
        return seen, reward, False, self.left % 5 == 0, {}


class Graded(Paying):
    """Takes one of four integers as a `Box`."""

    action_space = spaces.Box(0, 3, (1,), np.int64)


class Telling(Paying):
    """Shows text beside numbers."""

    observation_space = spaces.Dict(image=spaces.Box(0, 1, (2,)), mission=spaces.Text(9))


class Several(Paying):
    action_space = spaces.MultiDiscrete([2, 3])


class Boundless(Paying):
    action_space = spaces.Box(-np.inf, np.inf, (1,))


for _where in ("make", "again", "reset", "shape", "step", "nan", "none", "array", "inf"):
    register(f"Failing{_where.capitalize()}", Failing, kwargs={"where": _where})
register("FailingLate", Failing, kwargs={"where": "step", "after": 45})
for _made in (Odd, Graded, Telling, Several, Boundless):
    register(_made.__name__, _made)
