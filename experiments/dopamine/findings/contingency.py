"""The response to a cue falls when rewards come without it as well, unless another cue announces those.

Qian et al. 2025, Nat. Neurosci., doi 10.1038/s41593-025-01915-4: odour A is rewarded in three of four
trials, B never; further trials are blank, then rewards come in them without a cue (degradation), or
after odour C (cued), or all rewards stop (extinction). What matters is the value of the time between
trials, so trials are those of a session over which the agent's state runs on.
"""

import numpy as np

from bgrl.analysis.alignment import trial_mean
from bgrl.experiments.dopamine.finding import Arm, Criterion, Finding, Panel, numbers
from bgrl.tasks.pavlovian import Trials, exponential, fixed

TRIALS, TESTS = 1500, 300
#: Odours of 1 s, reward after 1.8 s, in the authors' model 8 or 9 steps of 200 ms.
DELAY = fixed(1800.0)
#: The further trials of each group: in 40 % of trials.
FURTHER = {
    "conditioning": Trials("", 0.0, delay=DELAY, weight=0.4),
    "degradation": Trials("", 0.75, delay=DELAY, weight=0.4),
    "cued": Trials("C", 0.75, delay=DELAY, weight=0.4),
    "extinction": Trials("", 0.0, delay=DELAY, weight=0.4),
}


def arm(group):
    """Agents of a group: conditioning first, then what the group is for."""

    def kinds(paid, further):
        trials = Trials("A", paid, delay=DELAY, weight=0.4)
        return (trials, Trials("B", 0.0, delay=DELAY, weight=0.2), further)

    first = kinds(0.75, FURTHER["conditioning"])
    then = kinds(0.0 if group == "extinction" else 0.75, FURTHER[group])
    return Arm(
        phases=((TRIALS, first), (None, then)),
        learning=2 * TRIALS,
        testing=TESTS,
        iti=exponential(3600.0, 2000.0, 12_000.0),
        discount=0.83,
        unbroken=True,
    )


ARMS = {group: arm(group) for group in FURTHER}


def measure(sessions):
    """Measures and panel, see `Finding`."""
    at, curves, lags = {}, {}, None
    for group, session in sessions.items():
        chosen = session.chosen(tested=True, kind=numbers(ARMS[group], "A", phase=1))
        table, lags = session.aligned("dopamine", "cue", 1000, 2600)
        curves[group] = trial_mean(table, chosen)
        at[group] = trial_mean(session.response("dopamine", "cue"), chosen)
    fall = at["conditioning"] - at["degradation"]
    measures = {
        "degradation": fall,
        "cued": abs(at["cued"] - at["conditioning"]) / fall.mean(),
        "extinction": at["extinction"] - np.minimum(at["degradation"], at["cued"]),
    }
    return measures, Panel("time from odour A (s)", "TD error", lags / 1000, curves)


FINDING = Finding(
    name="contingency",
    title="Uncued rewards devalue a cue, cued ones do not",
    reference="Qian et al. 2025, Nat. Neurosci., doi 10.1038/s41593-025-01915-4",
    arms=ARMS,
    measure=measure,
    criteria=(
        Criterion(
            "degradation",
            "degradation: A excites less",
            low=0.0,
            published="p < .001",
        ),
        Criterion(
            "cued", "cued: changes by less than a fifth of that", high=0.2, published="p = .137"
        ),
        Criterion("extinction", "it is lowest in extinction", high=0.0, published="p < .001"),
    ),
    note="times and discount of the authors' model, not of the mice; the fifth is ours",
)
