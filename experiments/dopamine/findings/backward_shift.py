"""While the cue is learned the response moves back from the reward, in steps in between.

Amo et al. 2022, Nat. Neurosci. 25:1082: an odour of 1 s, water 3 s after its start. TD(0) hands value
back one moment after the other; with a long eligibility trace it jumps, as Pan et al. 2005 (J.
Neurosci. 25:6235) saw.
"""

from dataclasses import replace

import numpy as np

from bgrl.analysis.alignment import peak_time, trial_mean
from bgrl.analysis.statistics import line
from bgrl.experiments.dopamine.finding import Arm, Criterion, Finding, Panel
from bgrl.tasks.pavlovian import Trials, fixed

TRIALS, BLOCKS = 200, 8
#: Windows of the authors' analysis, in ms from the odour: where the peak is searched; the middle.
SEARCH, MIDDLE = (600.0, 3000.0), (1000.0, 2000.0)
ARM = Arm(
    phases=((None, (Trials("A", delay=fixed(3000.0)),)),),
    learning=TRIALS,
    trace=0.0,
    rate=3e-4,
)
ARMS = {"λ 0": ARM, "λ 0.95": replace(ARM, trace=0.95)}


def measure(sessions):
    """Measures and panel, see `Finding`."""
    measures, curves = {}, {}
    for (name, session), key in zip(sessions.items(), ("", "_long"), strict=True):
        cue, dopamine = session.events["cue"], session.signals["dopamine"]
        first, last = (round(t / session.step) for t in SEARCH)
        peak = peak_time(dopamine, cue, first, last, session.steps(1000.0)) * session.step / 1000
        middle = session.response("dopamine", "cue", *MIDDLE)
        slopes = []
        for times in peak:
            trial = np.flatnonzero(~np.isnan(times))
            slopes.append(line(trial, times[None, trial])[0][0] if len(trial) > 5 else np.nan)
        blocks = np.array_split(np.arange(TRIALS), BLOCKS)
        course = np.array([trial_mean(middle[:, b]) for b in blocks]).T
        measures |= {
            f"shift{key}": 100 * np.array(slopes),
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
    note="windows from the authors' code; at 200 ms steps the search starts at 600 ms, not 500",
)
