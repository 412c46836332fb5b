"""What the slip in the official code's RTRL does to MemoryChain, with the settings of the paper.

The gradient of a weight is the sum over states of learning signal times sensitivity. The official code
sums over the postsynaptic index of the weight instead (`experiments._slip`), and the paper's columns
called RTRL come from it. Right and wrong RTRL, and RFLO, learn the same task.
"""

from dataclasses import dataclass
from typing import ClassVar

from bgrl.experiment import command
from bgrl.experiments._reproduction import ANALYSIS, MEMORY, Figure, reproduce
from bgrl.experiments.paper import PROTOCOLS
from bgrl.settings import option

__all__ = ["ANALYSIS", "QUICK", "Config", "run"]

QUICK = {"tasks": "MemoryChain-4", "steps": 50_000, "replicates": 3, "evaluations": 5}


@dataclass(frozen=True, kw_only=True)
class Config(Figure):
    """Settings of the experiment."""

    SHOWN: ClassVar[tuple] = MEMORY

    tasks: str = option(
        ",".join(f"MemoryChain-{n}" for n in (4, 8, 16, 32, 64)),
        f"environments, separated by commas: {', '.join(MEMORY)}",
    )
    methods: str = option("rflo,rtrl,rtrl_slip", "methods, separated by commas")
    protocol: str = option("paper", "settings of learning", tuple(PROTOCOLS))
    steps: int | None = option(500_000, "task steps of learning, each replicate")
    replicates: int | None = option(10, "independent agents")
    evaluations: int | None = option(20, "evaluations")
    evaluation_trials: int | None = option(20, "trials of each evaluation")
    final_trials: int | None = option(100, "trials of the last one")


def run(config):
    """Run all tasks by all methods; see `experiments._reproduction.reproduce`."""
    return reproduce("rtrl_slip", config)


if __name__ == "__main__":
    import bgrl.experiments.rtrl_slip

    command("rtrl_slip", bgrl.experiments.rtrl_slip)
