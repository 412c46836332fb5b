"""Figure 4 (left) of the paper: the return of MemoryChain against the memory's length, by method.

RFLO, exact RTRL, the exact LRU, trace units beside rates, a frozen reservoir, and truncated
backpropagation through time (BPTT), which learns offline from batches of steps.
"""

from dataclasses import dataclass
from typing import ClassVar

from bgrl.experiment import command
from bgrl.experiments._reproduction import ANALYSIS, MEMORY, Figure, reproduce
from bgrl.settings import option

__all__ = ["ANALYSIS", "QUICK", "Config", "run"]

QUICK = {
    "tasks": "MemoryChain-4,MemoryChain-8,MemoryChain-16,MemoryChain-32",
    "steps": 100_000,
    "replicates": 5,
    "evaluations": 10,
}


@dataclass(frozen=True, kw_only=True)
class Config(Figure):
    """Settings of the experiment."""

    OURS: ClassVar[dict] = {"steps": 1_000_000}
    SHOWN: ClassVar[tuple] = MEMORY

    tasks: str = option(
        ",".join(f"MemoryChain-{n}" for n in (4, 8, 16, 32, 64)),
        f"environments, separated by commas: {', '.join(MEMORY)}",
    )
    methods: str = option("rflo,rtrl,lru,rtu,frozen,bptt", "methods, separated by commas")


def run(config):
    """Run all tasks by all methods; see `experiments._reproduction.reproduce`."""
    return reproduce("fig4_memory", config)


if __name__ == "__main__":
    import bgrl.experiments.fig4_memory

    command("fig4_memory", bgrl.experiments.fig4_memory)
