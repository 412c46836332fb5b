"""An agent learns any task: ``--task NAME`` or ``--task gymnasium:CartPole-v1 --observe 0,2``.

``python -m experiments tasks`` lists the tasks with their settings, which ``--set task.NAME=VALUE``
changes; those of a Gymnasium environment are its keyword arguments, and ``task.reward_scale``, by which
rewards are multiplied. The figure shows the learning curve, the return and length of trials while
learning, and dopamine and value late in learning.
"""

from dataclasses import dataclass

from bgrl import tasks
from bgrl.experiment import command
from bgrl.experiments._model import ModelSettings, agent
from bgrl.interventions import Intervention
from bgrl.recording import Record
from bgrl.settings import TRACES, WINDOW, option

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "bgrl.analysis.train"
QUICK = {"steps": 20_000, "replicates": 4}


@dataclass(frozen=True, kw_only=True)
class Config(ModelSettings):
    """Settings of the experiment."""

    task: str = option("stateless_cartpole", "task, gymnasium:NAME or FILE.py")
    observe: str = option("", "what the agent sees of it: numbers separated by commas, even, odd")
    record: str = option(
        ",".join(TRACES.variables),
        "what is recorded, separated by commas: also entropy, other populations, group.variable of "
        "the state",
    )
    every: int = option(
        0,
        "steps between two records, through the whole run (no multiple of a trial's length, which "
        f"would show but one moment of it); 0 records every step of its first and last {WINDOW}",
    )
    intervene: str = option(
        "",
        "what is done to the circuit during the run, separated by semicolons: 'inactivate "
        "cortex->cortex from 1000 for 500; gain dopamine 2 from reward for 1' "
        "(docs/interventions.md)",
    )

    def recording(self, circuit):
        """What is recorded, and when; where nothing is said of it, what a circuit without cortex has."""
        names = tuple(name.strip() for name in self.record.split(","))
        if names == TRACES.variables and "cortex" not in circuit.populations:
            names = tuple(circuit.actor.reads if k == "cortex" else k for k in names)
        names += ("intervention",) if self.intervene else ()
        if self.every == 0:
            return Record(names, windows=TRACES.windows)
        return Record(names, every=self.every)

    def interventions(self):
        """What is done to the circuit."""
        texts = filter(str.strip, self.intervene.split(";"))
        return tuple(Intervention.parse(text.strip()) for text in texts)

    def task_name(self):
        """Name of the task."""
        return self.task

    def make_task(self, **options):
        """The task, or the part of it that the agent sees."""
        own = {"observe": self.observe}
        return tasks.make_observed(self.task, **own | self.task_options | options)


def run(config):
    """Train and record.

    Parameters
    ----------
    config : Config

    Returns
    -------
    xarray.DataTree
    """
    made = agent(config)
    return config.train(made, config.recording(made.circuit), config.interventions())


if __name__ == "__main__":
    import bgrl.experiments.train

    command("train", bgrl.experiments.train)
