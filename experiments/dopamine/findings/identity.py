"""Another flavour of the same value excites: errors about what, not how much.

Takahashi et al. 2017, Neuron 95:1395. Two cues announce rewards of two flavours; in the tests flavours
are swapped. A TD error about value alone cannot tell.
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

TRIALS = 1000
SAME, SWAPPED = ("A>F", "B>G"), ("A>G", "B>F")
ARM = Arm(
    phases=(
        (TRIALS, tuple(map(Trials, SAME))),
        (None, (*map(Trials, (*SAME, *SWAPPED)), Trials(""))),
    ),
    learning=TRIALS,
    testing=250,
    after=2000.0,
)


def measure(sessions):
    """Measures and panel, see `Finding`."""
    session = sessions["trained"]
    reward, free = session.response("dopamine", "reward"), free_response(session, ARM)
    kinds = {
        name: [k for cues in group for k in numbers(ARM, cues, phase=1)]
        for name, group in (("as expected", SAME), ("swapped", SWAPPED))
    }
    at = {name: kinds_mean(session, reward, own) / free for name, own in kinds.items()}
    measures = {"identity": at["swapped"] - at["as expected"]}
    return measures, course_panel(session, kinds, after=2600)


FINDING = Finding(
    name="identity",
    title="Another flavour of equal value excites",
    reference="Takahashi et al. 2017, Neuron 95:1395",
    arms={"trained": ARM},
    measure=measure,
    criteria=(
        Criterion("identity", "a swapped flavour excites more", low=0.05, published="responds"),
    ),
    expected="fails",
    note="abstract; the bound of 0.05 of a free reward is ours",
)
