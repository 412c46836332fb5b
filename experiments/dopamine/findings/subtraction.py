"""Expectation is subtracted from the response to reward, not divided into it.

Eshel et al. 2015, Nature 525:243: seven sizes of reward, announced by an odour or not.
"""

import numpy as np

from bgrl.analysis.statistics import line
from bgrl.experiments.dopamine.finding import Arm, Criterion, Finding, Panel, kinds_mean, numbers
from bgrl.tasks.pavlovian import Trials, fixed

TRIALS = 2000
SIZES = (0.005, 0.015, 0.06, 0.125, 0.25, 0.5, 1.0)
DELAY = fixed(1600.0)
KINDS = (
    Trials("A", magnitudes=SIZES, delay=DELAY, weight=0.45),
    Trials("", magnitudes=SIZES, delay=DELAY, weight=0.45),
    Trials("B", 0.0, delay=DELAY, weight=0.1),
)
ARM = Arm(phases=((None, KINDS),), learning=TRIALS, testing=500)


def measure(sessions):
    """Measures and panel, see `Finding`."""
    session = sessions["trained"]
    reward = session.response("dopamine", "reward")
    free, expected = (
        np.array([kinds_mean(session, reward, numbers(ARM, cue, magnitude=m)) for m in SIZES]).T
        for cue in ("", "A")
    )
    slope, _, _ = line(free, expected)
    offset = np.nanmean(expected - free, axis=1)
    measures = {"slope": slope, "offset": offset, "advantage": advantage(free, expected)}
    curves = {"not announced": free, "after the odour": expected}
    return measures, Panel("size of reward (20 µl)", "TD error at reward", np.array(SIZES), curves)


def advantage(free, expected):
    """Squared error in sizes left out of dividing by a constant less that of subtracting one."""
    found = []
    for x, y in zip(free, expected, strict=True):
        errors = np.zeros(2)
        for k in range(len(x)):
            rest = np.arange(len(x)) != k
            subtracted = x[k] + np.mean(y[rest] - x[rest])
            divided = x[k] * (x[rest] @ y[rest]) / (x[rest] @ x[rest])
            errors += (y[k] - subtracted) ** 2, (y[k] - divided) ** 2
        found.append((errors[1] - errors[0]) / len(x))
    return np.array(found)


FINDING = Finding(
    name="subtraction",
    title="Expectation subtracts",
    reference="Eshel et al. 2015, Nature 525:243",
    arms={"trained": ARM},
    measure=measure,
    criteria=(
        Criterion("slope", "expected against unexpected has slope 1", 0.9, 1.1, "subtracts"),
        Criterion(
            "offset",
            "and lies lower, by a fiftieth of 20 µl at least",
            high=-0.02,
            published="subtracts",
        ),
        Criterion("advantage", "subtraction predicts better than division", low=0.0, published=""),
    ),
    note="abstract; shares of trials (45, 45, 10 %) not verified; bounds of the slope are ours",
)
