"""The cue excites the more, the likelier the reward; the reward the less.

Fiorillo, Tobler & Schultz 2003, Science 299:1898: cues of 2 s for probabilities 0, 0.25, 0.5, 0.75 and
1.
"""

import numpy as np

from bgrl.analysis.statistics import line
from bgrl.experiments.dopamine.finding import (
    Arm,
    Criterion,
    Finding,
    Panel,
    free_response,
    kinds_mean,
    numbers,
)
from bgrl.tasks.pavlovian import PRESETS, Trials

TRIALS = 2500
CUES = "ABCDE"
CHANCES = np.arange(5) / 4
((_, KINDS),) = PRESETS["fiorillo_2003"]["phases"]
ARM = Arm(
    phases=((TRIALS, KINDS), (None, (*KINDS, Trials("")))),
    learning=TRIALS,
    testing=500,
    cue=2000.0,
)


def responses(session):
    """Responses to cue, reward and its absence by probability, (replicate, probability)."""
    free, found = free_response(session, ARM), {}
    for event, rewarded in (("cue", None), ("reward", True), ("omission", False)):
        values = session.response("dopamine", event)
        columns = [kinds_mean(session, values, numbers(ARM, c, rewarded, phase=1)) for c in CUES]
        found[event] = np.array(columns).T / free[:, None]
    return found


def measure(sessions):
    """Measures and panel, see `Finding`."""
    found = responses(sessions["trained"])
    slope, _, correlation = line(CHANCES, found["cue"])
    measures = {
        "cue_slope": slope,
        "cue_fit": correlation**2,
        "reward_slope": line(CHANCES, found["reward"])[0],
        "omission_slope": line(CHANCES, found["omission"])[0],
    }
    names = {"cue": "cue", "reward": "reward", "omission": "reward left out"}
    curves = {names[event]: values for event, values in found.items()}
    return measures, Panel("probability of reward", "response (free rewards)", CHANCES, curves)


FINDING = Finding(
    name="probability",
    title="Responses to cue and reward code the probability",
    reference="Fiorillo, Tobler & Schultz 2003, Science 299:1898",
    arms={"trained": ARM},
    measure=measure,
    criteria=(
        Criterion(
            "cue_slope", "cue response grows with probability", low=0.0, published="monotonic"
        ),
        Criterion("cue_fit", "and is linear (R²)", low=0.9, published=""),
        Criterion("reward_slope", "reward response falls", high=0.0, published="falls"),
        Criterion("omission_slope", "the dip deepens", high=0.0, published=""),
    ),
    note="monotonic: abstract; linearity is expected of TD",
)
