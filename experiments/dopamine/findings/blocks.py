"""The size of the first reward tells what state one is in: sizes in between are taken for one of two.

Babayan, Uchida & Gershman 2018, Nat. Commun. 9:1891: blocks of five rewards after the same odour, small
or big; then rare blocks of sizes in between. To the second reward of a block the response rises and falls
with its size, since the first one was taken for a small or for a big one. Times and sizes of the model of
Hennig et al. 2023 (PLoS Comput. Biol. 19:e1011067).
"""

import numpy as np

from bgrl.analysis.statistics import line
from bgrl.experiments.dopamine.finding import Arm, Criterion, Finding, Panel, kinds_mean, numbers
from bgrl.tasks.pavlovian import Block, Trials, exponential, uniform

#: Relative to the largest, 10 µl.
SIZES = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
TRIALS, TESTS = 6000, 1800
#: In the tests, with plasticity off, sizes in between are not as rare as in the original (3 of 39).
WEIGHTS = (10, 3, 3, 3, 3, 10)


def block(size, weight=1.0):
    """Five rewards of this size."""
    return Block(5, (Trials("A", magnitudes=(size,), delay=uniform(800.0, 1200.0)),), weight)


ARM = Arm(
    phases=(
        (TRIALS, (block(SIZES[0]), block(SIZES[-1]))),
        (None, tuple(map(block, SIZES, WEIGHTS))),
    ),
    learning=TRIALS,
    testing=TESTS,
    iti=exponential(2600.0, 1000.0, 12_000.0),
    after=200.0,
    unbroken=True,
    trace=0.9,
)


def measure(sessions):
    """Measures and panel, see `Finding`."""
    session = sessions["trained"]
    response = session.response("dopamine", "reward", 0, session.step, baseline=0.0)
    kinds = [numbers(ARM, magnitude=size, phase=1) for size in SIZES]
    at = [
        np.array(
            [
                kinds_mean(session, np.where(session.labels["since"] == n, response, np.nan), k)
                for k in kinds
            ]
        ).T
        for n in (0, 1)
    ]
    measures = {
        "first": line(SIZES, at[0])[0],
        "rises": at[1][:, 2] - at[1][:, 0],
        "falls": at[1][:, 2] - at[1][:, 3],
    }
    curves = {"first of a block": at[0], "second": at[1]}
    x = 10 * np.array(SIZES)
    return measures, Panel("size of reward (µl)", "TD error at reward", x, curves)


FINDING = Finding(
    name="blocks",
    title="Sizes in between are taken for the small or the big one",
    reference="Babayan, Uchida & Gershman 2018, Nat. Commun. 9:1891",
    arms={"trained": ARM},
    measure=measure,
    criteria=(
        Criterion("first", "first trial: grows with size", low=0.0, published="monotonic"),
        Criterion("rises", "second: more at 4 than at 1 µl", low=0.0, published="rises and"),
        Criterion("falls", "and more at 4 than at 6 µl", low=0.0, published="falls"),
    ),
    note="sizes of the model; half its times between odour, reward and odour; which sizes are compared "
    "is ours",
)
