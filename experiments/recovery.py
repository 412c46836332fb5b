"""A lesion after learning, then learning goes on: how much is lost, and how fast it is regained.

Intact agents learn; then a share of the synapses of one pathway is removed, and they learn on
("lesioned"). They are compared with agents that learn on intact ("intact"), and with agents that never
had these synapses ("naive").
"""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from bgrl.errors import choose
from bgrl.experiment import command
from bgrl.experiments import lesions
from bgrl.settings import option

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "bgrl.analysis.recovery"
QUICK = {"steps": 5000, "replicates": 4}
CHECKPOINTS = 40


@dataclass(frozen=True, kw_only=True)
class Config(lesions.LesionSettings):
    """Settings of the experiment."""

    steps: int = option(20_000, "task steps of learning, before and after the lesion")
    task: str = option("memory_chain", "task", tuple(lesions.TASKS))
    pathway: str = option("cortex->cortex", "pathway to lesion")
    fraction: float = option(1.0, "share of its synapses that is removed, 0 to 1")


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
    name = choose("pathway", config.pathway, config.valid_pathways())
    agent = config.agent(config.task)
    circuit = agent.circuit.lesion(name, config.fraction, config.seed)
    lesioned = replace(agent, circuit=circuit)
    learned = config.play(agent, config.steps, "learned")
    # All with one seed: another would draw other feedback to the cortex, to which the weights that
    # were learned are not fitted. Both that go on start with traces and moments of zero.
    runs = {
        "intact": (agent, learned),
        "lesioned": (lesioned, learned),
        "naive": (lesioned, None),
    }
    found = [
        config.play(a, config.steps, condition, weights, CHECKPOINTS)["evaluation"]
        for condition, (a, weights) in runs.items()
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
    root |= {"pathway": name, "fraction": config.fraction}
    root["configuration"] = config.configuration(intact=agent, lesioned=lesioned)
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=root), "/recovery": group})


if __name__ == "__main__":
    import bgrl.experiments.recovery

    command("recovery", bgrl.experiments.recovery)
