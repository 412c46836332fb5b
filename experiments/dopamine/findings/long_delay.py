"""A reward that comes later than it did leaves the response to its cue what it was.

Jeong et al. 2022, Science 378:eabq6740: from 3 to 9 s after the cue. A discounted value falls. The
animals' side is disputed, so this is not in the score.
"""

from bgrl.experiments.dopamine.finding import (
    Arm,
    Criterion,
    Finding,
    course_panel,
    kinds_mean,
    numbers,
)
from bgrl.tasks.pavlovian import PRESETS, Trials, fixed

TRIALS = 1000
ARM = Arm(
    phases=(
        (TRIALS, (Trials("A", delay=fixed(3000.0)),)),
        (None, (Trials("A", delay=fixed(9000.0)),)),
    ),
    learning=2 * TRIALS,
    testing=150,
    iti=PRESETS["jeong_2022_delay"]["iti"],
    discount=0.95,
    trace=0.0,
)


def measure(sessions):
    """Measures and panel, see `Finding`."""
    session = sessions["trained"]
    cue = session.response("dopamine", "cue")
    short, long = (numbers(ARM, "A", phase=phase) for phase in (0, 1))
    last = {"tested": False, "last": 100}
    measures = {"ratio": kinds_mean(session, cue, long) / kinds_mean(session, cue, short, **last)}
    kinds = {"3 s": short, "9 s": long}
    return measures, course_panel(session, kinds, after=9600, **{"3 s": last})


FINDING = Finding(
    name="long_delay",
    title="A longer delay leaves the response to the cue",
    reference="Jeong et al. 2022, Science 378:eabq6740",
    arms={"trained": ARM},
    measure=measure,
    criteria=(Criterion("ratio", "cue response after to before", 0.8, 1.2, published="unchanged"),),
    expected="disputed",
    note="program for ANCCR and a summary; bounds are ours, eligibility and discount the authors'",
)
