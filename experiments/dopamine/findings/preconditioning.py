"""A cue followed by another before that is rewarded comes to excite: sensory preconditioning.

Sadacca, Jones & Schoenbaum 2016, eLife 5:e13665: n = 52, A more than C, t(51) = 5.02. When A was
followed by B nothing had value, so a TD error that is only about value cannot show it.
"""

from bgrl.experiments.dopamine.finding import Arm, Criterion, Finding, course_panel, cue_responses
from bgrl.tasks.pavlovian import Trials, fixed

PAIRED, TRIALS = 300, 1000
ARM = Arm(
    phases=(
        (PAIRED, tuple(Trials(cues, 0.0, delay=fixed(2000.0)) for cues in ("A>B", "C>D"))),
        (TRIALS, (Trials("B"), Trials("D", 0.0))),
        (None, (*(Trials(cue, 0.0) for cue in "ABCD"), Trials(""))),
    ),
    learning=PAIRED + TRIALS,
    testing=250,
)


def measure(sessions):
    """Measures and panel, see `Finding`."""
    session = sessions["trained"]
    kinds, at = cue_responses(session, ARM, "ABCD", phase=2)
    measures = {"preconditioned": at["A"] - at["C"], "conditioned": at["B"] - at["D"]}
    return measures, course_panel(session, kinds, after=1800)


FINDING = Finding(
    name="preconditioning",
    title="A cue of a cue rewarded only later excites",
    reference="Sadacca, Jones & Schoenbaum 2016, eLife 5:e13665",
    arms={"trained": ARM},
    measure=measure,
    criteria=(
        Criterion("preconditioned", "A excites more than C", low=0.05, published="t(51) = 5.02"),
        Criterion("conditioned", "B more than D", low=0.0, published="t(51) = 4.40"),
    ),
    expected="fails",
    note="numbers of the full text; cues of 1 s here, 10 s there; 0.05 of a free reward is ours",
)
