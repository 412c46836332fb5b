"""Figure 10 of the paper: learning curves of Acrobot."""

from dataclasses import dataclass
from typing import ClassVar

from bgrl.experiment import command
from bgrl.experiments._reproduction import ANALYSIS, Figure, reproduce
from bgrl.settings import option

__all__ = ["ANALYSIS", "QUICK", "Config", "run"]

QUICK = {"methods": "rflo,linear_meta", "steps": 50_000, "replicates": 3, "evaluations": 5}


@dataclass(frozen=True, kw_only=True)
class Config(Figure):
    """Settings of the experiment."""

    OURS: ClassVar[dict] = {"steps": 1_000_000}

    tasks: str = option("Acrobot", "environments of the paper, separated by commas")
    methods: str = option("rflo,rtrl,lru,linear_meta", "methods, separated by commas")


def run(config):
    """Run all tasks by all methods; see `experiments._reproduction.reproduce`."""
    return reproduce("fig10_acrobot", config)


if __name__ == "__main__":
    import bgrl.experiments.fig10_acrobot

    command("fig10_acrobot", bgrl.experiments.fig10_acrobot)
