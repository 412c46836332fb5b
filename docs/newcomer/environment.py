"""An environment of Gymnasium, registered by one's own module, of which a part is seen.

Page: tutorials/environment.md
"""

from pathlib import Path

from bgrl import Run, models, simulate, tasks

Path("mine.py").write_text(
    """
import gymnasium

gymnasium.register(
    "Short-v0", entry_point="gymnasium.envs.classic_control:PendulumEnv", max_episode_steps=20
)
"""
)
task = tasks.make("gymnasium:mine:Short-v0", observe="0,1")
assert len(task.observations) == 2 and task.continuous
agent = models.agent("rtrrl", task, units=4, replicates=2)
data = simulate(agent, Run(steps=60, backend="numpy", evaluations=1, evaluation_steps=40))
assert (data["trials"]["length"].dropna("trial") == 20).all()
print("done")
