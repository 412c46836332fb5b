"""After a reversal the value of a target follows from that of the other one, before it was seen.

Bromberg-Martin, Matsumoto, Hong & Hikosaka 2010, J. Neurophysiol. 104:1068: one of two targets is
rewarded, in the next block the other one. When the first trial of a block shows that one has lost or
gained its reward, the response to the other changes too.
"""

import numpy as np

from bgrl.experiments.dopamine.finding import Arm, Criterion, Finding, Panel
from bgrl.tasks.pavlovian import Block, Trials, exponential

TRIALS, TESTS, BLOCK = 8000, 3000, 10


def linked(a, b):
    """A block in which the targets A and B are rewarded or not."""
    return Block(BLOCK, tuple(Trials(c, magnitudes=(m,)) for c, m in (("A", a), ("B", b))))


ARM = Arm(
    phases=((None, (linked(1.0, 0.0), linked(0.0, 1.0))),),
    learning=TRIALS,
    testing=TESTS,
    iti=exponential(1600.0, 800.0, 6000.0),
    after=200.0,
    unbroken=True,
    trace=0.9,
)
#: Trials since the reversal of the panel.
SHOWN = 6


def changes(session):
    """Responses to the target in the direction of their change at a reversal.

    Parameters
    ----------
    session : analysis.sessions.Session

    Returns
    -------
    dict of str to array (replicate,)
        `inferred` and `experienced`: change of the response to a target after one trial of the new
        block, which showed the other one or the same, from the last time in the block before.
    """
    kinds = ARM.kinds()
    cue = session.response("dopamine", "cue")
    chosen = session.chosen(tested=True)
    found = {"inferred": [], "experienced": []}
    for r in range(len(cue)):
        own = {"inferred": [], "experienced": []}
        trials = np.flatnonzero(chosen[r])
        kind = session.labels["kind"][r, trials].astype(int)
        block = session.labels["block"][r, trials]
        since = session.labels["since"][r, trials]
        shown = np.array([kinds[k]["cues"] for k in kind])
        size = np.array([kinds[k]["magnitude"] for k in kind])
        responses = cue[r, trials]
        for n in np.flatnonzero((since[1:] == 0) & (block[1:] != block[:-1])) + 1:
            if n + 1 >= len(trials):
                continue
            name = "experienced" if shown[n + 1] == shown[n] else "inferred"
            before = np.flatnonzero(shown[:n] == shown[n + 1])[-1:]
            # What the target brings now is the opposite of what it did.
            sign = 1 if size[n + 1] else -1
            own[name].extend(sign * (responses[n + 1] - responses[before]))
        for name, values in own.items():
            found[name].append(np.nanmean(values) if len(values) else np.nan)
    return {name: np.array(values) for name, values in found.items()}


def courses(session):
    """Mean response to targets that are and are not rewarded by trials since the reversal."""
    cue = session.response("dopamine", "cue")
    paid = np.array([row["magnitude"] > 0 for row in ARM.kinds()])
    chosen, curves = session.chosen(tested=True), {}
    kind = np.nan_to_num(session.labels["kind"]).astype(int)
    block = session.labels["block"]
    before = np.roll(block, 1, axis=1)
    turned = np.where(session.labels["since"] == 0, block != before, False)
    place, rows = np.full(block.shape, np.nan), np.arange(len(block))
    last = np.full(len(block), np.nan)
    for k in range(block.shape[1]):
        last = np.where(turned[:, k], 0, last + 1)
        place[rows, k] = last
    for name, wanted in (("rewarded now", True), ("not rewarded now", False)):
        means = [
            [
                np.nanmean(np.where(chosen & (paid[kind] == wanted) & (place == n), cue, np.nan)[r])
                for n in range(SHOWN)
            ]
            for r in rows
        ]
        curves[name] = np.array(means)
    return curves


def measure(sessions):
    """Measures and panel, see `Finding`."""
    session = sessions["trained"]
    found = changes(session)
    measures = {
        "inferred": found["inferred"],
        "experienced": found["experienced"],
        "index": found["inferred"] / found["experienced"].mean(),
    }
    panel = Panel(
        "trials since the reversal", "TD error at target", np.arange(SHOWN), courses(session)
    )
    return measures, panel


FINDING = Finding(
    name="reversal",
    title="Values are inferred after a reversal",
    reference="Bromberg-Martin et al. 2010, J. Neurophysiol. 104:1068",
    arms={"trained": ARM},
    measure=measure,
    criteria=(
        Criterion("inferred", "a target not yet seen changes", low=0.0, published="inferred"),
        Criterion("experienced", "one that was seen changes", low=0.0, published="experienced"),
        Criterion(
            "index", "inferred by experienced change", 0.0, 1.2, published="both, experienced more"
        ),
    ),
    note="abstract; times, sizes and lengths of blocks are ours, and that no saccade is asked for",
)
