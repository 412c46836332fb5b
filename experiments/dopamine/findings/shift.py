"""With learning the response moves from the reward to the cue, and a missing reward makes a dip.

Schultz, Dayan & Montague 1997, Science 275:1593. A cue 1 s before each reward; in the tests a fifth of
these rewards is left out and rewards come without a cue.
"""

from bgrl.experiments.dopamine.finding import (
    Arm,
    Criterion,
    Finding,
    course_panel,
    free_response,
    kinds_mean,
    numbers,
)
from bgrl.tasks.pavlovian import Trials

TRIALS = 2000
ARM = Arm(
    phases=((TRIALS, (Trials("A"),)), (None, (Trials("A", 0.8, weight=3), Trials("")))),
    learning=TRIALS,
    testing=200,
)


def measure(sessions):
    """Measures and panel, see `Finding`."""
    session = sessions["trained"]
    cue, reward, omission = (
        session.response("dopamine", event) for event in ("cue", "reward", "omission")
    )
    paired, omitted = numbers(ARM, "A", True), numbers(ARM, "A", False)
    free = free_response(session, ARM)
    first = {"tested": False, "first": 5}
    cue_late = kinds_mean(session, cue, paired)
    measures = {
        "reward_first": kinds_mean(session, reward, paired, **first) / free,
        "reward_late": kinds_mean(session, reward, paired) / free,
        "cue_rise": (cue_late - kinds_mean(session, cue, paired, **first)) / free,
        "omission": kinds_mean(session, omission, omitted) / free,
    }
    kinds = {"first 5 trials": paired, "after learning": paired, "reward left out": omitted}
    return measures, course_panel(session, kinds, after=2000, **{"first 5 trials": first})


FINDING = Finding(
    name="shift",
    title="The response moves from reward to cue",
    reference="Schultz, Dayan & Montague 1997, Science 275:1593",
    arms={"trained": ARM},
    measure=measure,
    criteria=(
        Criterion("reward_first", "reward excites at first", low=0.0, published="burst"),
        Criterion(
            "reward_late", "at the end by less than a fifth of a free one", -0.2, 0.2, "no response"
        ),
        Criterion("cue_rise", "the cue comes to excite", low=0.0, published="burst"),
        Criterion("omission", "a missing reward depresses", high=0.0, published="dip"),
    ),
    note="signs from secondary sources; the bound of a fifth is ours",
)
