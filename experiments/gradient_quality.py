"""How near each approximation of the gradient through time stays to exact RTRL while the agent learns.

For each memory length and method, agents learn MemoryChain by that method while exact RTRL rides along
without steering. The figure shows the learning curves, the cosine of the two gradients through
learning, and the cosine for each pathway.
"""

from dataclasses import dataclass

import xarray as xr

from bgrl import models, tasks
from bgrl.errors import InputError, check_count, choose_each, once
from bgrl.experiment import command
from bgrl.learning.methods import METHODS
from bgrl.own import NamesOrFile
from bgrl.recording import Record
from bgrl.settings import EvaluatedSettings, option
from bgrl.simulation import simulate

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "bgrl.analysis.gradient_quality"
QUICK = {"steps": 10_000, "replicates": 3, "lengths": "4"}


@dataclass(frozen=True, kw_only=True)
class Config(EvaluatedSettings):
    """Settings of the experiment."""

    steps: int = option(100_000, "task steps of learning, each replicate")
    replicates: int = option(5, "independent agents")
    model: str = option(
        "rtrrl", "circuit, a file in models/ or FILE.py", NamesOrFile(models.names())
    )
    sensitivity: str = option(
        "", "methods to compare, separated by commas; all that differ in the circuit by default"
    )
    lengths: str = option("8,32", "memory lengths, in steps, separated by commas")
    every: int = option(53, "steps between two comparisons of the gradients")

    def methods(self):
        """The methods to compare; in one nucleus `nucleus` would be `rtrl`."""
        if self.sensitivity:
            return choose_each("sensitivity", self.sensitivity, set(METHODS) - {"none"})
        several = len(models.circuit(self.model, tasks.make("memory_chain")).populations) > 1
        return ["rflo", "snap1", *(["nucleus"] if several else []), "rtrl"]


def run(config):
    """Train by each method on each length.

    Parameters
    ----------
    config : Config

    Returns
    -------
    xarray.DataTree
        Groups ``evaluation`` and ``gradients``, with dimensions `length` and `method`.
    """
    try:
        lengths = [int(length) for length in config.lengths.split(",")]
    except ValueError:
        raise InputError(
            f"lengths is {config.lengths!r}; whole numbers separated by commas"
        ) from None
    once("length", lengths)
    methods = config.methods()
    check_count("every", config.every)
    if config.every > config.steps:
        raise InputError(
            f"every is {config.every}, above steps {config.steps}; nothing is compared"
        )
    circuit = models.circuit(config.model, tasks.make("memory_chain"), config.units)
    plastic = [p for p in circuit.projections.values() if p.plastic and p.rule is None]
    if not plastic:
        raise InputError(
            f"no projection of the model {config.model!r} learns by the gradient: nothing to compare"
        )
    found = {(length, m): train(config, length, m) for length in lengths for m in methods}

    def joined(group):
        rows = [
            xr.concat([found[length, m][group].to_dataset() for m in methods], "method")
            for length in lengths
        ]
        data = xr.concat(rows, "length")
        data = data.assign_coords(length=("length", lengths), method=("method", methods))
        data["length"].attrs = {"long_name": "memory length", "units": "steps"}
        data["method"].attrs = {"long_name": "sensitivities that steer the learning", "units": "1"}
        return data

    root = xr.Dataset(
        attrs=found[lengths[0], methods[0]].attrs | {"experiment": "gradient_quality"}
    )
    del root.attrs["sensitivity"]
    groups = {"/": root, "/evaluation": joined("evaluation"), "/gradients": joined("traces")}
    return xr.DataTree.from_dict(groups)


def train(config, length, method):
    """Let agents learn by one method, with exact RTRL riding along."""
    learning = config.learning() | {"sensitivity": method, "oracle": True}
    task = tasks.make("memory_chain", length=length)
    agent = models.agent(config.model, task, config.units, config.replicates, **learning)
    record = Record(("gradients",), every=config.every)
    work = config.work() and config.work() / f"{length}-{method}"
    return simulate(agent, config.evaluated_run(record), work, config.progress, config.processes)


if __name__ == "__main__":
    import bgrl.experiments.gradient_quality

    command("gradient_quality", bgrl.experiments.gradient_quality)
