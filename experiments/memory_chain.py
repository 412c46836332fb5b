"""An agent learns to remember one bit over a delay, and its dopamine shows what it learned.

The task is bsuite's MemoryChain; the circuit is one of models/. The figure shows the learning curve,
dopamine, value and reward aligned to cue and query early and late in learning, the activity of the
cortex, and the policy at the query.
"""

from dataclasses import dataclass

from bgrl import tasks
from bgrl.experiment import command
from bgrl.experiments._model import ModelSettings, agent, run  # noqa: F401 (the experiment's)
from bgrl.settings import option

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "bgrl.analysis.memory_chain"
QUICK = {"steps": 20_000, "replicates": 4, "length": 4}


@dataclass(frozen=True, kw_only=True)
class Config(ModelSettings):
    """Settings of the experiment."""

    length: int = option(8, "memory length, in steps")

    def task_name(self):
        """Name of the task."""
        return "memory_chain"

    def make_task(self, **options):
        """The task."""
        own = {"length": self.length}
        return tasks.make(self.task_name(), **own | self.task_options | options)


if __name__ == "__main__":
    import bgrl.experiments.memory_chain

    command("memory_chain", bgrl.experiments.memory_chain)
