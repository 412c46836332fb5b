"""Tables 2 and 3 of the paper: final and best return of every environment, by method."""

from dataclasses import dataclass

from bgrl.experiment import command
from bgrl.experiments._reproduction import ANALYSIS, Figure, reproduce
from bgrl.experiments.paper import SUITE
from bgrl.settings import option

__all__ = ["ANALYSIS", "QUICK", "Config", "run"]

QUICK = {
    "tasks": "Catch,MemoryChain-4,StatelessCartPole",
    "methods": "linear_meta,rflo,untrained",
    "steps": 50_000,
    "replicates": 3,
    "evaluations": 5,
}


@dataclass(frozen=True, kw_only=True)
class Config(Figure):
    """Settings of the experiment."""

    tasks: str = option(
        ",".join(
            [*SUITE, "CartPole-vel", "CartPole-pos", "MountCarCont", "MountCarCont-vel"]
            + ["MountCarCont-pos", "MemoryChain-8", "MemoryChain-16", "MemoryChain-32"]
            + ["MemoryChain-64", "DeepSea-8", "DeepSea-16"]
        ),
        "environments of the paper, separated by commas",
    )
    methods: str = option("linear_meta,rtrl,rflo,lru,rtu,untrained", "methods, separated by commas")


def run(config):
    """Run all tasks by all methods; see `experiments._reproduction.reproduce`."""
    return reproduce("tables", config)


if __name__ == "__main__":
    import bgrl.experiments.tables

    command("tables", bgrl.experiments.tables)
