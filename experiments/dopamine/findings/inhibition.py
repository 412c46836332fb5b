"""A cue beside which an expected reward stays away comes to depress by itself: conditioned inhibition.

Tobler, Dickinson & Schultz 2003, J. Neurosci. 23:10402. A and C are rewarded, AX is not; B is not, BY
is not either. Then X, Y and their summation with C are tested.
"""

from bgrl.experiments.dopamine.finding import Arm, Criterion, Finding, course_panel, cue_responses
from bgrl.tasks.pavlovian import Trials, fixed

TRIALS, COMPOUNDS = 600, 2000
DELAY = fixed(1600.0)


def trials(cues, probability=0.0):
    """Trials with this delay."""
    return Trials(cues, probability, delay=DELAY)


PAIRED = (trials("A", 1.0), trials("B"), trials("C", 1.0))
TESTED = (*map(trials, ("X", "Y", "C", "CX", "CY", "AX")), trials("A", 1.0), Trials(""))
ARM = Arm(
    phases=((TRIALS, PAIRED), (COMPOUNDS, (*PAIRED, trials("AX"), trials("BY"))), (None, TESTED)),
    learning=TRIALS + COMPOUNDS,
    testing=320,
    cue=1600.0,
)


def measure(sessions):
    """Measures and panel, see `Finding`."""
    session = sessions["trained"]
    names = ("A", "AX", "C", "CX", "CY", "X", "Y")
    kinds, at = cue_responses(session, ARM, names, phase=2)
    measures = {
        "inhibitor": at["X"],
        "below_control": at["X"] - at["Y"],
        "summation": at["CX"] - at["CY"],
        "excitor": at["A"],
        "compound": at["AX"],
    }
    shown = {name: kinds[name] for name in ("A", "AX", "X", "Y")}
    return measures, course_panel(session, shown, after=2600)


FINDING = Finding(
    name="inhibition",
    title="A cue of no reward depresses",
    reference="Tobler, Dickinson & Schultz 2003, J. Neurosci. 23:10402",
    arms={"trained": ARM},
    measure=measure,
    criteria=(
        Criterion(
            "inhibitor", "X alone depresses", high=0.0, published="48 of 69 depressed by 35 %"
        ),
        Criterion("below_control", "more than the control Y", high=0.0, published="yes"),
        Criterion("summation", "C excites less beside X than beside Y", high=0.0, published=""),
        Criterion("excitor", "A excites", low=0.0, published="69 of 69, by 242 %"),
    ),
    note="numbers of the abstract; times not verified",
)
