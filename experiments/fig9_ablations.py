"""Figure 9 of the paper: what is lost without meta-RL input, recurrent learning, feedback alignment."""

from dataclasses import dataclass

from bgrl.experiment import command
from bgrl.experiments._reproduction import ANALYSIS, Figure, reproduce
from bgrl.settings import option

__all__ = ["ANALYSIS", "QUICK", "Config", "run"]

QUICK = {
    "tasks": "UmbrellaChain,MemoryChain-16",
    "steps": 50_000,
    "replicates": 3,
    "evaluations": 5,
}


@dataclass(frozen=True, kw_only=True)
class Config(Figure):
    """Settings of the experiment."""

    tasks: str = option(
        "Reacher,UmbrellaChain,MemoryChain-16,MemoryChain-32,BernoulliBandit,GaussianBandit,MetaMaze",
        "environments of the paper, separated by commas",
    )
    methods: str = option("rflo_bp,rflo_fa,rflo_no_meta,frozen", "methods, separated by commas")


def run(config):
    """Run all tasks by all methods; see `experiments._reproduction.reproduce`."""
    return reproduce("fig9_ablations", config)


if __name__ == "__main__":
    import bgrl.experiments.fig9_ablations

    command("fig9_ablations", bgrl.experiments.fig9_ablations)
