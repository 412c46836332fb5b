"""Gymnasium environments for tests: ``gymnasium:tests.environments:Name-v0``."""

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


def register(name, made, **settings):
    """Make an environment known as ``Name-v0``."""
    gymnasium.register(f"{name}-v0", entry_point=made, **settings)


register("Paying", Paying, max_episode_steps=10)
register("Counting", Counting, max_episode_steps=4)
