"""While the cue is learned the response moves back from the reward, in steps in between.

Amo et al. 2022, Nat. Neurosci. 25:1082: an odour of 1 s, water 3 s after its start. TD(0) hands value
back one moment after the other; with a long eligibility trace it jumps, as Pan et al. 2005 (J.
Neurosci. 25:6235) saw.
"""

from dataclasses import replace

import numpy as np

from bgrl.analysis.alignment import peak_time, trial_mean
from bgrl.analysis.statistics import line
from bgrl.experiments.dopamine.finding import Arm, Criterion, Finding, Panel, shared_blocks
from bgrl.tasks.pavlovian import Trials, fixed

TRIALS, BLOCKS = 200, 8
#: Windows of the authors' analysis of first learning, in ms from the odour: where the peak is searched
#: (they leave out the first 500 only after a reversal, where the odour excites from the start); the
#: middle; before the odour, whose spread a peak must exceed.
SEARCH, MIDDLE, BEFORE = (0.0, 3000.0), (1000.0, 2000.0), 2000.0
ARM = Arm(
    phases=((None, (Trials("A", delay=fixed(3000.0)),)),),
    learning=TRIALS,
    trace=0.0,
    rate=3e-4,
)
ARMS = {"λ 0": ARM, "λ 0.95": replace(ARM, trace=0.95)}


def transience(middle, blocks):
    """How much more the middle is excited for a while than at first and in the end.

    The block of trials in which it is most excited is found by every other trial and measured in the
    rest, so that noise, whose largest block always stands out, is 0 or less in the mean.

    Parameters
    ----------
    middle : array (replicate, trial)
    blocks : sequence of array
        Trials, in order.

    Returns
    -------
    array (replicate,)
    """
    found, judged = (np.array([trial_mean(middle[:, b[k::2]]) for b in blocks]).T for k in (0, 1))
    inner = np.nan_to_num(found[:, 1:-1], nan=-np.inf)
    best = 1 + inner.argmax(axis=1)
    return judged[np.arange(len(judged)), best] - np.maximum(judged[:, 0], judged[:, -1])


def measure(sessions):
    """Measures and panel, see `Finding`."""
    measures, curves = {}, {}
    for (name, session), key in zip(sessions.items(), ("", "_long"), strict=True):
        cue, dopamine = session.events["cue"], session.signals["dopamine"]
        first, last = (round(t / session.step) for t in SEARCH)
        peak = peak_time(dopamine, cue, first, last, session.steps(BEFORE)) * session.step / 1000
        trial = np.arange(peak.shape[1])
        middle = session.response("dopamine", "cue", *MIDDLE)
        blocks = shared_blocks(middle, BLOCKS)
        measures |= {
            # Over all trials: a phase that the peaks themselves end would bend the line of noise.
            f"shift{key}": 100 * line(trial, peak)[0],
            f"transient{key}": transience(middle, blocks),
        }
        curves[name] = np.array([trial_mean(peak[:, b]) for b in blocks]).T
    x = [float(np.mean(b)) for b in blocks]
    return measures, Panel("trial", "time of the peak from the cue (s)", x, curves)


FINDING = Finding(
    name="backward_shift",
    title="The peak moves back from reward to cue",
    reference="Amo et al. 2022, Nat. Neurosci. 25:1082",
    arms=ARMS,
    measure=measure,
    criteria=(
        Criterion(
            "shift",
            "peak time falls with λ 0 (s per 100 trials)",
            high=0.0,
            published="falls, p < .05",
        ),
        Criterion(
            "transient", "the middle second is excited for a while", low=0.0, published="transient"
        ),
    ),
    note="windows of the authors' code for first learning, whose sampling rate is 1 ms, here 200 ms; its "
    "line ends with the learning phase, here it is that of all trials",
)
