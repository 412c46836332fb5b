"""Figure 5 of the paper: learning curves with and without meta-RL input and feedback alignment."""

from dataclasses import dataclass

from bgrl.experiment import command
from bgrl.experiments._reproduction import ANALYSIS, Figure, reproduce
from bgrl.settings import option

__all__ = ["ANALYSIS", "QUICK", "Config", "run"]

QUICK = {
    "tasks": "DiscountingChain,RepeatFirst,StatelessCartPole,UmbrellaChain",
    "steps": 50_000,
    "replicates": 3,
    "evaluations": 10,
}


@dataclass(frozen=True, kw_only=True)
class Config(Figure):
    """Settings of the experiment."""

    tasks: str = option(
        "DiscountingChain,Minesweeper,NoisyStatelessCartPole,RepeatFirst,RepeatPrevious,"
        "StatelessCartPole,UmbrellaChain",
        "environments of the paper, separated by commas",
    )
    methods: str = option("rflo_bp,rflo_fa,rflo_no_meta", "methods, separated by commas")
    steps: int | None = option(10_000_000, "task steps of learning, each replicate")
    evaluations: int | None = option(50, "evaluations")


def run(config):
    """Run all tasks by all methods; see `experiments._reproduction.reproduce`."""
    return reproduce("fig5_learning", config)


if __name__ == "__main__":
    import bgrl.experiments.fig5_learning

    command("fig5_learning", bgrl.experiments.fig5_learning)
