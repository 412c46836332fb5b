"""Figure 4 (right) of the paper: the return of MetaMaze against the weight of the policy's entropy."""

from dataclasses import dataclass

from bgrl.errors import InputError
from bgrl.experiment import command
from bgrl.experiments._reproduction import ANALYSIS, Figure, reproduce
from bgrl.experiments.paper import METHODS
from bgrl.settings import option

__all__ = ["ANALYSIS", "QUICK", "Config", "run"]

QUICK = {"steps": 50_000, "replicates": 3, "evaluations": 5, "entropy_weights": "1e-5,1e-3,1e-1"}


@dataclass(frozen=True, kw_only=True)
class Config(Figure):
    """Settings of the experiment."""

    tasks: str = option("MetaMaze", "one environment of the paper")
    methods: str = option("rflo", f"one method: {', '.join(METHODS)}")
    entropy_weights: str = option(
        "1e-6,1e-5,1e-4,1e-3,1e-2,1e-1", "weights of the policy's entropy, separated by commas"
    )

    def variations(self):
        """What varies between runs."""
        varied = super().variations()
        for name, values in varied.items():
            if len(values) > 1:
                raise InputError(f"the figure shows one {name}, not {len(values)}; give one")
        return varied | {"entropy_weight": self.entropy_weights.split(",")}


def run(config):
    """Run all tasks by all methods; see `experiments._reproduction.reproduce`."""
    return reproduce("fig4_entropy", config)


if __name__ == "__main__":
    import bgrl.experiments.fig4_entropy

    command("fig4_entropy", bgrl.experiments.fig4_entropy)
