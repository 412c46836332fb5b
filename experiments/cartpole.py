"""An agent learns to balance a pole without seeing velocities (or with any mask of what it sees).

The task is POPGym's StatelessCartPole by default, or CartPole-v1 with `--observe`; the circuit is one
of models/. The figure shows the learning curve, the length of trials, dopamine and value before the
pole falls, the activity of the cortex, and the policy against the angle of the pole.
"""

from dataclasses import dataclass

from bgrl import tasks
from bgrl.experiment import command
from bgrl.experiments._model import ModelSettings, agent, run  # noqa: F401 (the experiment's)
from bgrl.settings import option

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "bgrl.analysis.cartpole"
QUICK = {"steps": 20_000, "replicates": 4}


@dataclass(frozen=True, kw_only=True)
class Config(ModelSettings):
    """Settings of the experiment."""

    steps: int = option(500_000, "task steps of learning, each replicate")
    observe: str = option(
        "",
        "play CartPole-v1 and see only these of x, x_dot, theta, theta_dot (names or numbers, "
        "separated by commas; all, positions, velocities); StatelessCartPole without it",
    )

    def task_name(self):
        """Name of the task."""
        return "cartpole" if self.observe else "stateless_cartpole"

    def make_task(self, **options):
        """The task."""
        own = {"observe": self.observe} if self.observe else {}
        return tasks.make(self.task_name(), **own | self.task_options | options)


if __name__ == "__main__":
    import bgrl.experiments.cartpole

    command("cartpole", bgrl.experiments.cartpole)
