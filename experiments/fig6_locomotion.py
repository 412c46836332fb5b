"""Figure 6 of the paper: locomotion from every second observation, in MuJoCo through Gymnasium.

The paper runs ant, halfcheetah and hopper in Brax; these are Gymnasium's, whose returns are on another
scale. Needs ``pip install -e .[mujoco]``.
"""

import importlib.util
from dataclasses import dataclass
from typing import ClassVar

from bgrl.errors import InputError
from bgrl.experiment import command
from bgrl.experiments._reproduction import ANALYSIS, Figure, reproduce
from bgrl.settings import option

__all__ = ["ANALYSIS", "QUICK", "Config", "run"]

QUICK = {
    "tasks": "Hopper-even",
    "methods": "rflo,untrained",
    "steps": 20_000,
    "replicates": 2,
    "evaluations": 5,
}


@dataclass(frozen=True, kw_only=True)
class Config(Figure):
    """Settings of the experiment."""

    OURS: ClassVar[dict] = {"steps": 1_000_000}

    tasks: str = option(
        "Ant-even,HalfCheetah-even,Hopper-even", "environments of the paper, separated by commas"
    )
    methods: str = option("rflo,lru,linear_meta,untrained", "methods, separated by commas")
    replicates: int | None = option(5, "independent agents")
    evaluation_trials: int | None = option(5, "trials of each evaluation")
    processes: int = option(1, "processes of each run; MuJoCo runs in one")
    final_trials: int | None = option(20, "trials of the last one")


def run(config):
    """Run all tasks by all methods; see `experiments._reproduction.reproduce`."""
    if importlib.util.find_spec("mujoco") is None:
        raise InputError("MuJoCo is not installed; pip install -e .[mujoco]")
    return reproduce("fig6_locomotion", config)


if __name__ == "__main__":
    import bgrl.experiments.fig6_locomotion

    command("fig6_locomotion", bgrl.experiments.fig6_locomotion)
