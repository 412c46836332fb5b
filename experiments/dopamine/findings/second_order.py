"""A cue followed by a rewarded one, itself never rewarded, comes to excite.

Second-order conditioning (Maes et al. 2020, Nat. Neurosci. 23:176): first A is rewarded, then B is
followed by A without reward, among reminders of A. C is shown as often, alone.
"""

import numpy as np

from bgrl.experiments.dopamine.finding import Arm, Criterion, Finding, Panel, kinds_mean, numbers
from bgrl.tasks.pavlovian import Trials, fixed

TRIALS, PAIRED = 800, 400
#: Trials of each kind that count as early, and those before, in which the cue is still new.
EARLY, NEW = 60, 2
BLOCK = 10
ARM = Arm(
    phases=(
        (TRIALS, (Trials("A"),)),
        (None, (Trials("A"), Trials("B>A", 0.0, delay=fixed(2000.0)), Trials("C", 0.0))),
    ),
    learning=TRIALS + PAIRED,
    trace=0.0,
    rate=3e-3,
)


def measure(sessions):
    """Measures and panel, see `Finding`."""
    session = sessions["trained"]
    cue, reward = session.response("dopamine", "cue"), session.response("dopamine", "reward")
    rewarded = numbers(ARM, "A", phase=0)
    unit = np.mean(kinds_mean(session, reward, rewarded, tested=None, first=5))
    kinds = {name: numbers(ARM, name, phase=1) for name in ("A", "B>A", "C")}
    new = {k: kinds_mean(session, cue, own, tested=None, first=NEW) for k, own in kinds.items()}
    early = {k: kinds_mean(session, cue, own, tested=None, first=EARLY) for k, own in kinds.items()}
    measures = {
        "second_order": (early["B>A"] - new["B>A"] - early["C"] + new["C"]) / unit,
        "first_order": early["A"] / unit,
    }
    curves = {}
    for name, own in kinds.items():
        rows = [
            row[row_chosen] for row, row_chosen in zip(cue, session.chosen(kind=own), strict=True)
        ]
        shortest = min(map(len, rows)) // BLOCK * BLOCK
        table = np.array([row[:shortest].reshape(-1, BLOCK).mean(axis=1) for row in rows]) / unit
        curves[{"B>A": "B, followed by A", "C": "C, alone"}.get(name, "A, rewarded")] = table
    points = min(table.shape[1] for table in curves.values())
    curves = {name: table[:, :points] for name, table in curves.items()}
    x = (np.arange(points) + 0.5) * BLOCK
    return measures, Panel("trials of the kind", "response to the cue (first rewards)", x, curves)


FINDING = Finding(
    name="second_order",
    title="A cue of a rewarded cue comes to excite",
    reference="Maes et al. 2020, Nat. Neurosci. 23:176; review: PMC8520911",
    arms={"trained": ARM},
    measure=measure,
    criteria=(
        Criterion("second_order", "B rises above C early on", low=0.0, published="B excites"),
        Criterion("first_order", "A keeps its value", low=0.0, published="burst"),
    ),
    note="times and the mixture with reminders are ours",
)
