"""An agent learns to remember one bit over a delay, and its dopamine shows what it learned.

The task is bsuite's MemoryChain; the circuit is one of models/. The figure shows the learning curve,
dopamine, value and reward aligned to cue and query early and late in learning, the activity of the
cortex, and the policy at the query.
"""

from dataclasses import dataclass

import models
from bgrl import tasks
from bgrl.experiment import Settings, command, option

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "analysis.memory_chain"
QUICK = {"steps": 20_000, "replicates": 4, "length": 4}


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Settings of the experiment."""

    model: str = option("rtrrl", "circuit, a file in models/", models.names())
    length: int = option(8, "memory length, in steps")


def run(config):
    """Train and record.

    Parameters
    ----------
    config : Config

    Returns
    -------
    xarray.DataTree
    """
    task = tasks.make("memory_chain", length=config.length)
    agent = models.agent(config.model, task, config.units, config.replicates, **config.learning())
    return config.train(config.edited(agent))


if __name__ == "__main__":
    import experiments.memory_chain

    command("memory_chain", experiments.memory_chain)
