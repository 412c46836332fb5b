"""On the way to a reward through known places activity ramps up.

Kim et al. 2020, Cell 183:1600, as others simulated it: eight places of 1 s, reward after the last.
Where the value of each place is learned nothing is unexpected on the way, so the TD error is flat. A
jump ahead must make it leap by the difference of values.
"""

from dataclasses import replace

from bgrl.analysis.statistics import line
from bgrl.experiments.dopamine.finding import (
    Arm,
    Criterion,
    Finding,
    Panel,
    courses,
    free_response,
    kinds_mean,
    numbers,
)
from bgrl.tasks.pavlovian import PRESETS, Trials

TRIALS = 1000
WALK, JUMP = "A>B>C>D>E>F>G>H", "A>B>C>F>G>H"
((_, (WALKS, *JUMPS)),) = PRESETS["kim_2020"]["phases"]
ARM = Arm(
    phases=(
        (TRIALS, (WALKS,)),
        (None, (replace(WALKS, weight=1.0), replace(JUMPS[1], weight=1.0), Trials(""))),
    ),
    learning=TRIALS,
    testing=200,
)


def measure(sessions):
    """Measures and panel, see `Finding`."""
    session = sessions["trained"]
    free = free_response(session, ARM)
    walk, jump = numbers(ARM, WALK, phase=1), numbers(ARM, JUMP, phase=1)
    course, lags = courses(session, walk, before=1000, after=8800)
    jumped, _ = courses(session, jump, before=1000, after=8800)
    part = (lags >= 4) & (lags < 7.9)
    leap = session.response_at("dopamine", session.events["cue"] + session.steps(3000.0))
    measures = {
        "ramp": line(lags[part], course[:, part] / free[:, None])[0],
        "teleport": (kinds_mean(session, leap, jump) - kinds_mean(session, leap, walk)) / free,
    }
    curves = {"all eight places": course, "two left out": jumped}
    return measures, Panel("time from the first place (s)", "TD error", lags, curves)


FINDING = Finding(
    name="ramp",
    title="A ramp on the way to reward",
    reference="Kim et al. 2020, Cell 183:1600",
    arms={"trained": ARM},
    measure=measure,
    criteria=(
        Criterion(
            "ramp", "δ rises over the second half of the way (per s)", low=0.01, published="ramp"
        ),
        Criterion("teleport", "a jump ahead excites", low=0.0, published="transient"),
    ),
    expected="fails",
    note="places and jumps from another group's simulation; 0.01 of a free reward per s is ours",
)
