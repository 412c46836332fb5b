"""CartPole without velocities, and an environment of one's own.

Page: tutorials/environment.md
"""

from pathlib import Path

from bgrl import Run, models, simulate, tasks

Path("mine.py").write_text(
    """
import gymnasium
import numpy as np


class Signal(gymnasium.Env):
    '''Say what was shown one step ago.'''

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (2,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.side, self.time = int(self.np_random.integers(2)), 0
        return np.array([2.0 * self.side - 1, 0.0], np.float32), {}

    def step(self, action):
        self.time += 1
        over = self.time == 2
        reward = float(2 * (action == self.side) - 1) if over else 0.0
        return np.array([0.0, 1.0], np.float32), reward, over, False, {}


gymnasium.register("Signal-v0", entry_point=Signal)
"""
)
pole = tasks.make("gymnasium:CartPole-v1", observe="0,2")
assert list(pole.observations) == ["entry_0", "entry_2"]
agent = models.agent("rtrrl", pole, units=8, replicates=2, **models.STEADY)
data = simulate(agent, Run(steps=500, evaluations=1, evaluation_steps=200))
assert float(data["trials"]["length"].max()) >= 9
signal = tasks.make("gymnasium:mine:Signal-v0")
agent = models.agent("rtrrl", signal, units=12, replicates=3, **models.STEADY)
data = simulate(agent, Run(steps=8_000, evaluations=2, evaluation_trials=20, final_trials=50))
final = data["evaluation"]["mean_return"][:, -1].values
print(final)
assert (final > 0.8).sum() >= 2
print("done")
