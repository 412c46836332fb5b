"""A late reward is missed when it was due and excites when it comes; an early one excites.

Hollerman & Schultz 1998, Nat. Neurosci. 1:304: rewards 1 s after the cue, in some trials 0.5 s earlier
or later.
"""

from bgrl.experiments.dopamine.finding import (
    Arm,
    Criterion,
    Finding,
    course_panel,
    kinds_mean,
    numbers,
)
from bgrl.tasks.pavlovian import Trials, fixed

TRIALS, MIXED = 600, 1000
STEP = 250.0
USUAL, EARLY, LATE = 1000.0, 500.0, 1500.0
ARM = Arm(
    phases=(
        (TRIALS, (Trials("A"),)),
        (
            None,
            (
                Trials("A", 7 / 8, delay=fixed(USUAL), weight=0.75),
                Trials("A", delay=fixed(EARLY), weight=0.1),
                Trials("A", delay=fixed(LATE), weight=0.1),
                Trials("", weight=0.05),
            ),
        ),
    ),
    learning=TRIALS + MIXED,
    testing=400,
    step=STEP,
    discount=0.91,
)


def responses(session):
    """Kinds of trial to their numbers, and measures in units of the response to a free reward."""
    kinds = {
        name: numbers(ARM, "A", True, phase=1, delay=delay / STEP)
        for name, delay in (("early", EARLY), ("usual", USUAL), ("late", LATE))
    }
    kinds["omitted"] = numbers(ARM, "A", False, phase=1)
    reward = session.response("dopamine", "reward", 0, 2 * STEP)
    due = session.response_at("dopamine", session.events["cue"] + round(USUAL / STEP), 0, 2 * STEP)
    free = kinds_mean(session, reward, numbers(ARM, ""))
    at = {
        name: kinds_mean(session, reward, kinds[name]) / free for name in ("early", "late", "usual")
    }
    at |= {f"due_{name}": kinds_mean(session, due, kinds[name]) / free for name in kinds}
    return kinds, at


def panel(session, kinds):
    """Time course for each time of reward."""
    return course_panel(session, kinds, after=2250)


def measure(sessions):
    """Measures and panel, see `Finding`."""
    session = sessions["trained"]
    kinds, at = responses(session)
    measures = {
        "late_dip": at["due_late"],
        "late_burst": at["late"],
        "early_burst": at["early"],
        "usual": at["usual"],
    }
    return measures, panel(session, kinds)


FINDING = Finding(
    name="early_late",
    title="Late rewards: dip, then burst; early rewards: burst",
    reference="Hollerman & Schultz 1998, Nat. Neurosci. 1:304",
    arms={"trained": ARM},
    measure=measure,
    criteria=(
        Criterion("late_dip", "a late reward depresses when due", high=0.0, published="dip"),
        Criterion("late_burst", "and excites when it comes", low=0.0, published="burst"),
        Criterion("early_burst", "an early reward excites", low=0.0, published="burst"),
    ),
    note="times (1 s, 0.5 s earlier or later) not verified in the paper",
)
