"""While the cue is learned the response moves back from the reward, in steps in between.

Amo et al. 2022, Nat. Neurosci. 25:1082: an odour of 1 s, water 3 s after its start. TD(0) hands value
back one moment after the other; with a long eligibility trace it jumps, as Pan et al. 2005 (J.
Neurosci. 25:6235) saw.
"""

from dataclasses import replace

import numpy as np

from bgrl.analysis.alignment import peak_time, trial_mean
from bgrl.analysis.statistics import exponential, line
from bgrl.experiments.dopamine.finding import Arm, Criterion, Finding, Panel
from bgrl.tasks.pavlovian import Trials, fixed

TRIALS, BLOCKS = 200, 8
#: Windows of the authors' analysis of first learning, in ms from the odour: where the peak is searched
#: (they leave out the first 500 only after a reversal, where the odour excites from the start); the
#: middle; before the odour, whose spread a peak must exceed.
SEARCH, MIDDLE, BEFORE = (0.0, 3000.0), (1000.0, 2000.0), 2000.0
#: Learning is over when the fitted time of the peak moves by less (ms per trial).
LEAST_SHIFT = 1.0
ARM = Arm(
    phases=((None, (Trials("A", delay=fixed(3000.0)),)),),
    learning=TRIALS,
    trace=0.0,
    rate=3e-4,
)
ARMS = {"λ 0": ARM, "λ 0.95": replace(ARM, trace=0.95)}


def learned_trial(peak):
    """Trial with which learning is over, by an exponential through the times of the peaks.

    Parameters
    ----------
    peak : array (replicate, trial)
        Time of the peak in s, NaN where none stands out.

    Returns
    -------
    array (replicate,) of int
        The number of trials where it moves on to the last, or not at all.
    """
    trial, found = np.arange(peak.shape[1]), []
    for _, change, rate in zip(*exponential(trial, peak), strict=True):
        over = np.flatnonzero(1000 * change * rate * np.exp(-rate * trial) < LEAST_SHIFT)
        found.append(over[0] if len(over) and over[0] > 0 else len(trial))
    return np.array(found)


def measure(sessions):
    """Measures and panel, see `Finding`."""
    measures, curves = {}, {}
    for (name, session), key in zip(sessions.items(), ("", "_long"), strict=True):
        cue, dopamine = session.events["cue"], session.signals["dopamine"]
        first, last = (round(t / session.step) for t in SEARCH)
        peak = peak_time(dopamine, cue, first, last, session.steps(BEFORE)) * session.step / 1000
        trial = np.arange(peak.shape[1])
        learning = np.where(trial < learned_trial(peak)[:, None], peak, np.nan)
        middle = session.response("dopamine", "cue", *MIDDLE)
        blocks = np.array_split(np.arange(TRIALS), BLOCKS)
        course = np.array([trial_mean(middle[:, b]) for b in blocks]).T
        measures |= {
            f"shift{key}": 100 * line(trial, learning)[0],
            f"transient{key}": course.max(axis=1) - np.maximum(course[:, 0], course[:, -1]),
        }
        curves[name] = np.array([trial_mean(peak[:, b]) for b in blocks]).T
    x = (np.arange(BLOCKS) + 0.5) * TRIALS / BLOCKS
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
    note="windows, learning phase and line of the authors' code for first learning; its sampling rate is "
    "1 ms, here 200 ms",
)
