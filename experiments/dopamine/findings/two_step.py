"""Agents that learned to learn choose, and are surprised, as if they had a model of the task.

Wang et al. 2018, Nat. Neurosci. 21:860: the two-step task, weights frozen. A reward after a rare
transition speaks for the other first choice. Planners repeat a choice by reward *and* transition; their
surprise at the second stage is about the value of places, not of what the choice brought before.
"""

import numpy as np

from bgrl import tasks
from bgrl.analysis.statistics import stay
from bgrl.experiments.dopamine.finding import Choosing, Criterion, Finding, Panel

COMMON = 0.8
#: Step size of the model-based and the model-free values that δ is compared with.
RATE = 0.5


def made():
    """The task, one step for each stage."""
    return tasks.make("two_step")


ARM = Choosing(
    made,
    learning=1_000_000,
    testing=30_000,
    recorded=("task.choice", "task.rare", "task.place", "task.second_on", "task.outcome_on"),
    entropy=0.01,
)


def choices(session):
    """What happened in each choice of each replicate.

    Returns
    -------
    list of dict of str to array (choices,)
        `choice`, `rare`, `place`, `rewarded`, `surprise` (TD error when the place is seen), `goes_on`
        (whether the choice before was in the same trial).
    """
    found = []
    signals = session.signals
    for r in range(len(signals["dopamine"])):
        outcome = np.flatnonzero(signals["task.outcome_on"][r] > 0.5)
        second = np.flatnonzero(signals["task.second_on"][r] > 0.5)
        # Each outcome with the last arrival in a place before it.
        outcome = outcome[outcome > second[0]]
        second = second[np.searchsorted(second, outcome) - 1]
        trial = np.cumsum(signals["done"][r] > 0.5)[second]
        at = {
            name: np.rint(signals[f"task.{name}"][r, second]).astype(int)
            for name in ("choice", "rare", "place")
        }
        at["rewarded"] = (signals["reward"][r, outcome] > 0.5).astype(int)
        at["surprise"] = signals["dopamine"][r, second]
        at["goes_on"] = np.concatenate([[False], np.diff(trial) == 0])
        found.append(at)
    return found


def predictions(at):
    """Errors at the second stage of a planner and of a learner without a model, (choices, 2)."""
    found = np.zeros((len(at["choice"]), 2))
    for k, (choice, place, rewarded, goes_on) in enumerate(
        zip(*(at[n] for n in ("choice", "place", "rewarded", "goes_on")), strict=True)
    ):
        if not goes_on:
            places, actions = np.full(2, 0.5), np.full(2, 0.5)
        planned = COMMON * places[choice] + (1 - COMMON) * places[1 - choice]
        found[k] = places[place] - planned, places[place] - actions[choice]
        places[place] += RATE * (rewarded - places[place])
        actions[choice] += RATE * (rewarded - actions[choice])
    return found


def measure(sessions):
    """Measures and panel, see `Finding`."""
    names = ("reward", "interaction", "model_based", "model_free")
    measures, curves = {name: [] for name in names}, {"common": [], "rare": []}
    for at in choices(sessions["trained"]):
        weights = stay(at["choice"], at["rewarded"], at["rare"], at["goes_on"])
        x = predictions(at)
        x = np.column_stack([np.ones(len(x)), x])
        (_, based, free), *_ = np.linalg.lstsq(x, at["surprise"], rcond=None)
        values = (weights["reward"], weights["interaction"], based, free)
        for name, value in zip(names, values, strict=True):
            measures[name].append(value)
        stays = at["choice"][1:] == at["choice"][:-1]
        for name, rare in (("common", 0), ("rare", 1)):
            own = [
                stays[
                    at["goes_on"][1:] & (at["rewarded"][:-1] == paid) & (at["rare"][:-1] == rare)
                ].mean()
                for paid in (1, 0)
            ]
            curves[name].append(own)
    measures = {name: np.array(values) for name, values in measures.items()}
    measures["planning"] = measures["interaction"] - abs(measures["reward"])
    measures["surprise"] = measures["model_based"] - measures["model_free"]
    curves = {name: np.array(values) for name, values in curves.items()}
    panel = Panel(
        "reward of the choice before (0), none (1)", "share of choices repeated", [0, 1], curves
    )
    return measures, panel


FINDING = Finding(
    name="two_step",
    title="Frozen agents choose and are surprised as planners",
    reference="Wang et al. 2018, Nat. Neurosci. 21:860",
    arms={"trained": ARM},
    measure=measure,
    criteria=(
        Criterion(
            "interaction", "reward by transition decides on staying", low=0.0, published="yes"
        ),
        Criterion("planning", "by more than reward does", low=0.0, published="reward does not"),
        Criterion(
            "surprise",
            "δ in a place: model-based weight above model-free",
            low=0.0,
            published="yes",
        ),
    ),
    note="titles of the figures and programs of others; step size of the compared values is ours",
)
