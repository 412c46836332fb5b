"""A cue beside one that predicts the reward already learns nothing: blocking.

Waelti, Dickinson & Schultz 2001, Nature 412:43. A is rewarded and B not, then both compounds AX and BY
are, then X and Y are shown alone.
"""

from bgrl.experiments.dopamine.finding import (
    Arm,
    Criterion,
    Finding,
    course_panel,
    cue_responses,
    ratio,
)
from bgrl.tasks.pavlovian import Trials, fixed

TRIALS, COMPOUNDS = 2000, 600
DELAY = fixed(1600.0)
WHAT = {"A": "trained", "X": "blocked", "Y": "control"}


def trials(cues, probability):
    """Trials with this delay."""
    return Trials(cues, probability, delay=DELAY)


ARM = Arm(
    phases=(
        (TRIALS, (trials("A", 1.0), trials("B", 0.0))),
        (COMPOUNDS, (trials("AX", 1.0), trials("BY", 1.0))),
        (None, (trials("X", 0.0), trials("Y", 0.0), trials("A", 0.0), Trials(""))),
    ),
    learning=TRIALS + COMPOUNDS,
    testing=200,
    cue=1600.0,
)


def measure(sessions):
    """Measures and panel, see `Finding`."""
    session = sessions["trained"]
    kinds, at = cue_responses(session, ARM, WHAT, phase=2)
    measures = {
        "difference": at["Y"] - at["X"],
        "ratio": ratio(at["X"], at["Y"].mean()),
        "trained": at["A"],
        "blocked": at["X"],
        "control": at["Y"],
    }
    shown = {f"{name}, {what}": kinds[name] for name, what in WHAT.items()}
    return measures, course_panel(session, shown, after=2600)


FINDING = Finding(
    name="blocking",
    title="A blocked cue hardly excites",
    reference="Waelti, Dickinson & Schultz 2001, Nature 412:43",
    arms={"trained": ARM},
    measure=measure,
    criteria=(
        Criterion("difference", "Y excites more than X", low=0.0, published="Y- more than X-"),
        Criterion(
            "ratio", "X by less than half of Y", high=0.5, published="most cells silent to X-"
        ),
        Criterion("trained", "A alone still excites", low=0.0, published="burst"),
    ),
    note="published from a review; the ratio is of means over replicates, and its bound is ours",
)
