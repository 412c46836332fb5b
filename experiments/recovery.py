"""A lesion after learning, then learning goes on: how much is lost, and how fast it is regained.

Intact agents learn; then a share of the synapses of one pathway is removed, and they learn on
("lesioned"). They are compared with agents that learn on intact ("intact"), and with agents that never
had these synapses ("naive").
"""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from bgrl.errors import choose
from bgrl.experiment import command, option
from experiments import lesions

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "analysis.recovery"
QUICK = {"steps": 5000, "replicates": 4}
CHECKPOINTS = 40


@dataclass(frozen=True, kw_only=True)
class Config(lesions.Config):
    """Settings of the experiment."""

    steps: int = option(20_000, "task steps of learning, before and after the lesion")
    task: str = option("memory_chain", "task", tuple(lesions.TASKS))
    pathways: str = option("cortex->cortex", "pathway to lesion")
    fractions: str = option("1", "share of its synapses")


def run(config):
    """Learn, lesion, and learn on.

    Parameters
    ----------
    config : Config

    Returns
    -------
    xarray.DataTree
        Group ``recovery``, with dimensions `condition`, `replicate` and `checkpoint`; its coordinate
        `step` counts from the lesion.
    """
    (name,) = [choose("pathway", config.pathways, config.pathway_names())]
    (share,) = config.shares()[:1]
    agent = config.agent(config.task)
    lesioned = replace(agent, circuit=agent.circuit.lesion(name, share, config.seed))
    learned = config.play(agent, config.steps, "learned")
    # Other draws than those learned from.
    later = replace(config, seed=config.seed + 1)
    runs = {
        "intact": (later, agent, learned),
        "lesioned": (later, lesioned, learned),
        "naive": (config, lesioned, None),
    }
    found = [
        settings.play(a, config.steps, condition, weights, CHECKPOINTS)["evaluation"]
        for condition, (settings, a, weights) in runs.items()
    ]
    group = xr.Dataset(
        {
            "mean_return": (
                ("condition", "replicate", "checkpoint"),
                np.stack([e["mean_return"].values for e in found]),
                {"long_name": "mean return, plasticity off", "units": "1"},
            )
        },
        {
            "condition": ("condition", list(runs), {"long_name": "condition", "units": "1"}),
            "replicate": found[0]["replicate"],
            "step": found[0]["step"],
        },
    )
    root = learned.attrs | {
        "experiment": "recovery",
        "title": "bgrl: recovery",
        "model": config.model,
    }
    root |= {"pathway": name, "fraction": share}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=root), "/recovery": group})


if __name__ == "__main__":
    import experiments.recovery

    command("recovery", experiments.recovery)
