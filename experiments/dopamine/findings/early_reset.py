"""After an early reward nothing is missed at the usual time: the reward ends the expectation.

Hollerman & Schultz 1998, Nat. Neurosci. 1:304. A state that only counts the time since the cue
(complete serial compound) wrongly predicts a dip as deep as that of a reward left out.
"""

from bgrl.experiments.dopamine.finding import Criterion, Finding, ratio
from bgrl.experiments.dopamine.findings.early_late import ARM, panel, responses


def measure(sessions):
    """Measures and panel, see `Finding`."""
    session = sessions["trained"]
    kinds, at = responses(session)
    measures = {
        "omission": at["due_omitted"],
        "early_dip": ratio(at["due_early"], at["due_omitted"]),
    }
    return measures, panel(session, kinds)


FINDING = Finding(
    name="early_reset",
    title="An early reward is not missed again at the usual time",
    reference="Hollerman & Schultz 1998, Nat. Neurosci. 1:304",
    arms={"trained": ARM},
    measure=measure,
    criteria=(
        Criterion("omission", "a missing reward depresses", high=0.0, published="dip"),
        Criterion(
            "early_dip",
            "after an early reward by less than a tenth of that",
            high=0.1,
            published="no dip",
        ),
    ),
    note="a tenth is ours; a complete serial compound must fail",
)
