"""An agent learns to remember one bit over a delay, and its dopamine shows what it learned.

The task is bsuite's MemoryChain; the circuit is the one of models/rtrrl.py. The figure shows the
learning curve, dopamine, value and reward aligned to cue and query early and late in learning, the
activity of the cortex, and the policy at the query.
"""

from dataclasses import dataclass

from bgrl import tasks
from bgrl.experiment import Settings, command, option
from models import rtrrl

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "analysis.memory_chain"
QUICK = {"steps": 20_000, "replicates": 4, "length": 4}


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Settings of the experiment."""

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
    return config.train(rtrrl.agent(task, config.units, config.replicates, **config.learning()))


if __name__ == "__main__":
    import experiments.memory_chain

    command("memory_chain", experiments.memory_chain)
