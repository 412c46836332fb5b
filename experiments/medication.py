"""Probabilistic selection with dopamine on and off, by OpAL: choosing A against avoiding B.

Agents learn which of two symbols is rewarded more often, then choose in new pairs with plasticity off.
Those with more tonic dopamine ("on", a patient on medication) choose the best symbol, A, more and avoid
the worst, B, less than those with less of it ("off"): the interaction of drug and valence of Frank,
Seeberger & O'Reilly 2004, Science 306:1940. All conditions are one program, for dopamine is a run-time
value.

The level rho is ours. With the drug in training and test the interaction has that sign from 0.1 to 1;
patients avoid B better than they choose A off medication, which takes 0.9 here. How often B is tried in
training is part of it: if dopamine turned d1 and d2 up alike, the interaction would be 0.09 instead of
0.12. With the drug in the test alone it would be 0.02 instead of 0.15, and B be avoided more, not less.
With the drug in training alone there is none (-0.02, 95 % interval -0.04 to 0.01).
"""

from dataclasses import asdict, dataclass

import numpy as np
import xarray as xr

from bgrl import models, tasks
from bgrl.agent import describe
from bgrl.assembly import label
from bgrl.dataset import SCHEMA_VERSION
from bgrl.errors import InputError, RunError, check_count, choose
from bgrl.experiment import command
from bgrl.interventions import Intervention
from bgrl.models import opal
from bgrl.recording import Record
from bgrl.settings import Basics, option
from bgrl.simulation import Run, simulate
from bgrl.tasks.probabilistic_selection import SYMBOLS

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "bgrl.analysis.medication"
QUICK = {"replicates": 10, "test": 240}
#: Sign of tonic dopamine.
CONDITIONS = {"on": 1, "control": 0, "off": -1}
DRUG_IN = ("both", "training", "test")
#: Steps of a trial. In the second one of fixation the TD error of the feedback has left excitability.
FIXATION, STIMULUS = 2, 1


@dataclass(frozen=True, kw_only=True)
class Config(Basics):
    """Settings of the experiment."""

    replicates: int = option(50, "independent agents in each condition")
    training: int = option(360, "trials of training, at most 360 in the study")
    test: int = option(600, "trials of the test with new pairs")
    rho: float = option(0.5, "tonic dopamine on medication; off it is -rho, in controls 0")
    drug_in: str = option("both", "when tonic dopamine differs", DRUG_IN)
    seed: int = option(0, "seed of all randomness")


def agent(replicates, training=360, dtype="float32"):
    """OpAL in the task, with steps as short as can be.

    Parameters
    ----------
    replicates : int
    training : int
        Trials of training, after which the test starts.
    dtype : {"float32", "float64"}

    Returns
    -------
    bgrl.agent.Agent
    """
    task = tasks.make(
        "probabilistic_selection",
        training=training,
        fixation=FIXATION * opal.STEP,
        stimulus=STIMULUS * opal.STEP,
        step=opal.STEP,
    )
    return models.agent("opal", task, replicates=replicates, dtype=dtype, discount=1.0)


def interventions(rho, drug_in, training):
    """What makes a condition: tonic dopamine in training, test or both; no plasticity in the test.

    A drug that comes and goes acts where `Dopamine.tonic` does too, on the modulation of `d1` and `d2`.

    Parameters
    ----------
    rho : float
        Tonic dopamine.
    drug_in : {"both", "training", "test"}
    training : int
        Steps of training.

    Returns
    -------
    tuple of Intervention
    """
    first = training + 1 if drug_in == "test" else 0
    duration = training + 1 if drug_in == "training" else None
    drug = [
        Intervention("drive", f"{name}.modulation", sign * rho, first, duration=duration)
        for name, sign in opal.SIGNS.items()
    ]
    return (*drug, Intervention("block_plasticity", "all", start=training + 1))


def run(config):
    """Train and test in every condition.

    Parameters
    ----------
    config : Config

    Returns
    -------
    xarray.DataTree
        Group ``choices`` (condition, replicate): `choose_a`, `avoid_b`; group ``weights`` (condition,
        replicate, side, symbol): `g`, `n`.

    Raises
    ------
    InputError
        For numbers of trials below 1, or a level of dopamine that OpAL does not have.
    """
    choose("drug_in", config.drug_in, DRUG_IN)
    for name in ("training", "test"):
        check_count(name, getattr(config, name))
    if not 0 < config.rho <= 1:
        raise InputError(f"rho is {config.rho}; a number above 0, at most 1, is needed")
    found = {name: play(config, name, sign * config.rho) for name, sign in CONDITIONS.items()}
    choices, weights = (
        xr.concat([parts[k] for parts in found.values()], "condition") for k in (0, 1)
    )
    coordinates = {
        "condition": list(CONDITIONS),
        "rho": (
            "condition",
            [sign * config.rho for sign in CONDITIONS.values()],
            label("tonic dopamine"),
        ),
    }
    attributes = {
        "title": "bgrl: probabilistic selection with dopamine on and off",
        "experiment": "medication",
        "task": "probabilistic_selection",
        "configuration": describe({k: v for k, v in asdict(config).items() if k != "progress"}),
        "schema_version": SCHEMA_VERSION,
    }
    return xr.DataTree.from_dict(
        {
            "/": xr.Dataset(attrs=attributes),
            "/choices": choices.assign_coords(coordinates),
            "/weights": weights.assign_coords(coordinates),
        }
    )


def play(config, condition, rho):
    """Training and test in one condition.

    Parameters
    ----------
    config : Config
    condition : str
        Its name, for the folder of the unfinished run.
    rho : float
        Tonic dopamine.

    Returns
    -------
    choices, weights : xarray.Dataset
    """
    trial = FIXATION + STIMULUS
    training = config.training * trial
    steps = training + config.test * trial
    record = Record(("task.chosen", "task.other", "done"), windows=((training, None),))
    setup = Run(
        steps,
        config.seed,
        config.backend,
        evaluations=1,
        evaluation_trials=1,
        final_trials=1,
        record=record,
        interventions=interventions(rho, config.drug_in, training),
    )
    work = config.work() and config.work() / condition
    data = simulate(agent(config.replicates, config.training), setup, work, config.progress)
    return _choices(data["traces"]), _weights(data["weights"].isel(checkpoint=-1))


def _choices(traces):
    """Of the trials with A, or with B, and a new partner: how often it was chosen, or avoided."""
    ended = traces["done"].values > 0.5
    chosen, other = (traces[f"task.{name}"].values for name in ("chosen", "other"))
    a, b = (SYMBOLS.index(symbol) for symbol in "AB")
    found = {}
    for name, right, wrong, text in (
        ("choose_a", chosen == a, other == a, "share of A chosen in pairs with C to F"),
        ("avoid_b", other == b, chosen == b, "share of B avoided in pairs with C to F"),
    ):
        right, wrong = ((choice & ended).sum(axis=1) for choice in (right, wrong))
        if not (right + wrong).all():
            raise RunError(f"a replicate saw no pair for the {text}; use more test trials")
        found[name] = "replicate", right / (right + wrong), label(text)
    return xr.Dataset(found, {"replicate": traces["replicate"]})


def _weights(weights):
    """G and N of each symbol, seen left or right."""
    dims, found = ("replicate", "side", "symbol"), {}
    for name, target, text in (("g", "d1", "G, go"), ("n", "d2", "N, no go")):
        learned = weights[f"cortex->{target}"].values
        sides = [learned[:, k, k * len(SYMBOLS) : (k + 1) * len(SYMBOLS)] for k in (0, 1)]
        found[name] = dims, np.stack(sides, axis=1), label(text)
    coordinates = {
        "replicate": weights["replicate"],
        "side": ["left", "right"],
        "symbol": list(SYMBOLS),
    }
    return xr.Dataset(found, coordinates)


if __name__ == "__main__":
    import bgrl.experiments.medication

    command("medication", bgrl.experiments.medication)
