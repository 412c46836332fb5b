"""What each remedy of `bgrl.learning.LASTING` is for: taken out alone, on all tasks; not in the paper."""

from dataclasses import dataclass

from bgrl.experiment import command
from bgrl.experiments._reproduction import ANALYSIS, Figure, reproduce
from bgrl.experiments.paper import WITHOUT
from bgrl.settings import option

__all__ = ["ANALYSIS", "QUICK", "Config", "run"]

QUICK = {
    "tasks": "BernoulliBandit,StatelessCartPole",
    "steps": 50_000,
    "replicates": 3,
    "evaluations": 1,
}


@dataclass(frozen=True, kw_only=True)
class Config(Figure):
    """Settings of the experiment."""

    methods: str = option(",".join(["rtu", *WITHOUT]), "methods, separated by commas")


def run(config):
    """Run all tasks by all methods; see `experiments._reproduction.reproduce`."""
    return reproduce("lasting_ablations", config)


if __name__ == "__main__":
    import bgrl.experiments.lasting_ablations

    command("lasting_ablations", bgrl.experiments.lasting_ablations)
