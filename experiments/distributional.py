"""Dopamine neurons from pessimistic to optimistic learn the distribution of reward, not only its mean.

A cue is followed by one of seven amounts of reward: the variable-magnitude task of Eshel et al. 2015, as
in Dabney et al. 2020. The figure shows the response of each neuron to each amount, the amount at which
it reverses, the distribution that can be decoded from these reversal points, and how far that is from
the distribution of the rewards while the neurons learn; all against neurons that are alike.
"""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from bgrl import models, tasks
from bgrl.analysis.statistics import reversal_points
from bgrl.experiment import command
from bgrl.models import distributional
from bgrl.recording import Record
from bgrl.settings import Settings, option
from bgrl.simulation import Run, simulate
from bgrl.tasks.pavlovian import Trials, fixed

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "bgrl.analysis.distributional"
QUICK = {"steps": 30_000, "replicates": 3}
#: Amounts of reward, in µl (Eshel et al. 2015, Nature 525:243), and how often each came (data published
#: with Dabney et al. 2020, Nature 577:671).
MICROLITRES = (0.1, 0.3, 1.2, 2.5, 5.0, 10.0, 20.0)
PROBABILITIES = (
    0.06612594,
    0.09090909,
    0.14847358,
    0.15489467,
    0.31159175,
    0.1509519,
    0.07705306,
)
#: Amount whose reward is 1.
UNIT = 20.0
#: Steps of a trial: one of nothing, one of the cue, that of the reward.
TRIAL = 3
#: Steps before the end of which values and responses are means.
FINAL = 2000 * TRIAL
#: The same while the neurons learn; and how often that is looked at.
WINDOW, CHECKPOINTS = 20 * TRIAL, 16
#: Name of a population to the expectiles of its neurons.
POPULATIONS = {
    "graded": distributional.EXPECTILES,
    "alike": (0.5,) * len(distributional.EXPECTILES),
}


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Settings of the experiment."""

    steps: int = option(120_000, "task steps of learning, each replicate; three are a trial")


def variable_magnitudes():
    """The task: a cue for a step of 20 ms, then one of seven rewards; its `kind` says which."""
    kinds = tuple(
        Trials("A", magnitudes=(amount / UNIT,), delay=fixed(20.0), weight=probability)
        for amount, probability in zip(MICROLITRES, PROBABILITIES, strict=True)
    )
    return tasks.make("pavlovian", phases=((None, kinds),), iti=fixed(20.0), after=20.0)


def run(config):
    """Train both populations.

    Parameters
    ----------
    config : Config

    Returns
    -------
    xarray.DataTree
        Group ``neurons``, with dimensions `population` (graded or alike), `replicate`, `neuron`,
        `magnitude` (µl) and `checkpoint`: `response` to each amount at the end, `reversal_point`
        and `asymmetry` (see `bgrl.analysis.statistics.reversal_points`), `value` at each
        checkpoint, `expectile`, and the `probability` of each amount. Responses are in µl, the error
        of a neuron scaled by its optimism or pessimism.
    """
    found = {name: train(config, name) for name in POPULATIONS}
    neurons = [measure(data["traces"].to_dataset(), config.steps) for data in found.values()]
    neurons = xr.concat(neurons, "population").assign_coords(
        population=("population", list(POPULATIONS)),
        magnitude=("magnitude", np.array(MICROLITRES)),
        step=("checkpoint", checkpoints(config.steps)),
    )
    neurons["expectile"] = ("population", "neuron"), np.array(list(POPULATIONS.values()))
    neurons["probability"] = "magnitude", np.array(PROBABILITIES) / sum(PROBABILITIES)
    for name, (text, units) in {
        "population": ("dopamine neurons", "1"),
        "magnitude": ("amount of reward", "µl"),
        "step": ("steps learned", "steps"),
        "response": ("response to reward, mean over the last trials", "µl"),
        "reversal_point": ("amount of reward at which the response reverses", "µl"),
        "asymmetry": ("slope of the response above its reversal, divided by the sum of both", "1"),
        "value": ("value of the cue, mean over the trials before", "µl"),
        "expectile": ("expectile that the value of the neuron settles on", "1"),
        "probability": ("probability of each amount of reward", "1"),
    }.items():
        neurons[name].attrs = {"long_name": text, "units": units}
    root = xr.Dataset(attrs=found["graded"].attrs | {"experiment": "distributional"})
    return xr.DataTree.from_dict({"/": root, "/neurons": neurons})


def train(config, population):
    """Let agents learn the values of the cue, with a population of dopamine neurons."""
    task = variable_magnitudes()
    learning = config.learning() | {"discount": 0.0}
    agent = models.agent("distributional", task, config.units, config.replicates, **learning)
    circuit = distributional.circuit(task, config.units, POPULATIONS[population])
    windows, last = [], 0
    for step in checkpoints(config.steps):
        windows.append((max(last, step - WINDOW), step))
        last = step
    record = Record(
        ("vta.value", "vta.response", "task.reward_on", "task.kind"),
        windows=(*windows, (-FINAL, None)),
    )
    settings = Run(config.steps, config.seed, config.backend, 1, 1, 1, record)
    work = config.work() and config.work() / population
    agent = replace(agent, circuit=circuit)
    return simulate(agent, settings, work, config.progress, config.processes)


def checkpoints(steps):
    """Steps at which values are looked at, from the first trials on, evenly in the logarithm."""
    first = min(WINDOW, steps)
    return np.unique(np.round(np.geomspace(first, steps, CHECKPOINTS)).astype(int)).tolist()


def measure(traces, steps):
    """Responses, reversal points and values from what was recorded.

    Parameters
    ----------
    traces : xarray.Dataset
    steps : int
        Length of the run.

    Returns
    -------
    xarray.Dataset
        In µl; NaN where no such trial was recorded.
    """
    step, kind = traces["step"].values, traces["task.kind"].values
    response = UNIT * traces["vta.response"].values.astype(float)
    rewarded = traces["task.reward_on"].values > 0.5
    # The value of the cue is that of the step before its reward, if that was recorded.
    value = UNIT * np.roll(traces["vta.value"].values.astype(float), 1, axis=1)
    cued = rewarded & (np.diff(step, prepend=step[0]) == 1)
    means = [
        mean_where(response, rewarded & (kind == k) & (step > steps - FINAL))
        for k in range(len(MICROLITRES))
    ]
    responses = np.stack(means, axis=-1)
    learned = [
        mean_where(value, cued & (step > end - WINDOW) & (step <= end))
        for end in checkpoints(steps)
    ]
    reversal_point, asymmetry = reversal_points(responses, MICROLITRES)
    return xr.Dataset(
        {
            "response": (("replicate", "neuron", "magnitude"), responses),
            "reversal_point": (("replicate", "neuron"), reversal_point),
            "asymmetry": (("replicate", "neuron"), asymmetry),
            "value": (("replicate", "checkpoint", "neuron"), np.stack(learned, axis=1)),
        },
        {"replicate": traces["replicate"]},
    )


def mean_where(values, chosen):
    """Mean over the time of some steps of each replicate, (replicate, neuron); NaN without any."""
    return np.stack(
        [
            row[here].mean(axis=0) if here.any() else np.full(row.shape[1], np.nan)
            for row, here in zip(values, chosen, strict=True)
        ]
    )


if __name__ == "__main__":
    import bgrl.experiments.distributional

    command("distributional", bgrl.experiments.distributional)
