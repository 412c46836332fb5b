"""What a trial of every task looks like, played by an agent that acts at random.

Each panel is a trial: observations over time (a row each, relative to its largest value), and where
reward came. Nothing is learned.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from bgrl import tasks
from bgrl.agent import describe
from bgrl.assembly import variable
from bgrl.backends import load
from bgrl.dataset import SCHEMA_VERSION
from bgrl.errors import check_integer, choose_each
from bgrl.experiment import command
from bgrl.settings import Basics, option
from bgrl.task_check import play, random_agent

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "bgrl.analysis.task_gallery"
QUICK = {"steps": 50, "names": "memory_chain,cartpole"}


@dataclass(frozen=True, kw_only=True)
class Config(Basics):
    """Settings of the experiment."""

    steps: int = option(600, "steps to play at most")
    seed: int = option(1, "seed of all randomness")
    backend: str = option("numpy", "what runs the network", ("numpy", "cpp"))
    names: str = option("", "tasks, separated by commas; all by default")


def run(config):
    """Play every task.

    Parameters
    ----------
    config : Config

    Returns
    -------
    xarray.DataTree
        A group for each task, with the observations and rewards of its first trial.
    """
    check_integer("steps", config.steps, 2)
    names = choose_each("task", config.names, tasks.names()) if config.names else tasks.names()
    groups = {}
    for name in names:
        task = tasks.make(name)
        agent = random_agent(task, 1)
        played = play(agent, load(config.backend, agent.structure()), config.seed, config.steps)
        done = np.flatnonzero(played["task.done"][1:, 0]) + 1
        last = int(done[0]) if len(done) else config.steps - 1
        observation = played["observation"][:last, 0]
        groups[f"/{name}"] = xr.Dataset(
            {
                "observation": variable(("step", "channel"), observation, "observation"),
                # Reward follows the step that earned it.
                "reward": variable("step", played["task.reward"][1 : last + 1, 0], "reward"),
            },
            {
                "step": variable("step", np.arange(last), "step of the trial"),
                "channel": variable("channel", list(task.observations), "channel"),
            },
            {"summary": task.summary, "ended": int(len(done) > 0)},
        )
    attributes = {
        "experiment": "task_gallery",
        "task": "all",
        "configuration": describe({"names": list(names), "seed": config.seed}),
        "schema_version": SCHEMA_VERSION,
    }
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attributes), **groups})


if __name__ == "__main__":
    import bgrl.experiments.task_gallery

    command("task_gallery", bgrl.experiments.task_gallery)
