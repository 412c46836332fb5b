"""What experiments share in which the circuit of a model learns a task."""

from dataclasses import dataclass

from bgrl import models
from bgrl.own import NamesOrFile
from bgrl.settings import AgentSettings, option


@dataclass(frozen=True, kw_only=True)
class ModelSettings(AgentSettings):
    """Settings of an experiment in which the circuit of a model learns a task."""

    model: str = option(
        "rtrrl", "circuit, a file in models/ or FILE.py", NamesOrFile(models.names())
    )


def agent(config):
    """The agent in its task."""
    return config.make_agent(lambda task: models.circuit(config.model, task, config.units))


def run(config):
    """Train and record.

    Parameters
    ----------
    config : ModelSettings

    Returns
    -------
    xarray.DataTree
    """
    return config.train(agent(config))
