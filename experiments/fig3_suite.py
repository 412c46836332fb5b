"""Figure 3 of the paper: normalised return over two suites of tasks, by method.

Seventeen POMDPs of Gymnax and POPGym (those of table 3) by linear TD(lambda) with and without meta-RL
input, the LRU, RFLO with feedback alignment and with transposed weights, and agents that do not learn.
"""

from dataclasses import dataclass

from bgrl.errors import InputError
from bgrl.experiment import command
from bgrl.experiments._reproduction import ANALYSIS, Figure, reproduce
from bgrl.experiments.paper import SUITE
from bgrl.settings import option

__all__ = ["ANALYSIS", "QUICK", "Config", "run"]

QUICK = {
    "steps": 30_000,
    "replicates": 3,
    "evaluations": 5,
    "tasks": "Catch,MemoryChain-4,RepeatFirst",
}


@dataclass(frozen=True, kw_only=True)
class Config(Figure):
    """Settings of the experiment."""

    methods: str = option(
        "linear,linear_meta,lru,rtu,rflo_bp,rflo_fa,untrained", "methods, separated by commas"
    )

    def variations(self):
        """What varies between runs."""
        varied = super().variations()
        if not set(varied["task"]) & set(SUITE):
            raise InputError(
                f"the figure shows means over suites; at least one of {', '.join(SUITE)} is needed"
            )
        return varied


def run(config):
    """Run all tasks by all methods; see `experiments._reproduction.reproduce`."""
    return reproduce("fig3_suite", config)


if __name__ == "__main__":
    import bgrl.experiments.fig3_suite

    command("fig3_suite", bgrl.experiments.fig3_suite)
