"""Dopamine neurons reverse at different sizes of reward, the optimists at larger ones.

Dabney et al. 2020, Nature 577:671, in the task of Eshel et al. 2015: a cue, one of seven sizes. Neurons
of `models.distributional` scale errors above and below what they expect by different factors. One TD
error for all neurons has one reversal point, so the circuit is part of the finding.
"""

import numpy as np

from bgrl.analysis.statistics import reversal_points
from bgrl.experiments.distributional import MICROLITRES, PROBABILITIES, UNIT
from bgrl.experiments.dopamine.finding import Arm, Criterion, Finding, Panel
from bgrl.tasks.pavlovian import Trials, fixed

SIZES = np.array(MICROLITRES) / UNIT
STEP = 20.0
#: A step of nothing, one of the cue, that of the reward.
ARM = Arm(
    phases=(
        (
            None,
            tuple(
                Trials("A", magnitudes=(size,), delay=fixed(STEP), weight=weight)
                for size, weight in zip(SIZES.tolist(), PROBABILITIES, strict=True)
            ),
        ),
    ),
    learning=30_000,
    testing=1000,
    cue=STEP,
    iti=fixed(STEP),
    after=STEP,
    step=STEP,
    discount=0.0,
    model="distributional",
    watched="vta.response",
)


def responses(session, part):
    """Mean response of each neuron to each size in every second trial, (replicate, neuron, size)."""
    found = []
    for r, activity in enumerate(session.activity):
        steps, kind = session.events["reward"][r], session.labels["kind"][r]
        known = np.flatnonzero(~np.isnan(steps))[part::2]
        steps, kind = steps[known].astype(int), kind[known]
        found.append([activity[steps[kind == k]].mean(axis=0) for k in range(len(SIZES))])
    return np.swapaxes(found, 1, 2)


def measure(sessions):
    """Measures and panel, see `Finding`."""
    session = sessions["trained"]
    halves = [responses(session, part) for part in (0, 1)]
    (first, _), (second, asymmetry) = (reversal_points(half, SIZES) for half in halves)
    measures = {
        "reproducible": correlation(first, second),
        "asymmetry": correlation(first, asymmetry),
    }
    order = np.argsort(first, axis=1)
    chosen = {"most pessimistic": 0, "in the middle": first.shape[1] // 2, "most optimistic": -1}
    rows = np.arange(len(first))
    curves = {name: UNIT * halves[0][rows, order[:, k]] for name, k in chosen.items()}
    x = np.array(MICROLITRES)
    return measures, Panel("size of reward (µl)", "response of a neuron (µl)", x, curves)


def correlation(a, b):
    """Correlation over neurons of each replicate; 0 where neurons do not differ or do not reverse."""
    found = []
    for x, y in zip(a, b, strict=True):
        known = ~(np.isnan(x) | np.isnan(y))
        x, y = x[known], y[known]
        differ = len(x) > 2 and np.ptp(x) > 0 and np.ptp(y) > 0
        found.append(np.corrcoef(x, y)[0, 1] if differ else 0.0)
    return np.array(found)


FINDING = Finding(
    name="distributional",
    title="Neurons reverse at different rewards",
    reference="Dabney et al. 2020, Nature 577:671",
    arms={"trained": ARM},
    measure=measure,
    criteria=(
        Criterion(
            "reproducible", "reversal points of two halves correlate", low=0.0, published="yes"
        ),
        Criterion(
            "asymmetry", "and with the asymmetry in the other half", low=0.0, published="yes"
        ),
    ),
    note="classical TD and noise: p = .32 and .78; neurons of the circuit are that way by construction",
)
