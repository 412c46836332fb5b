"""Rewards at variable times excite less the later they come if they are certain, more if they may not
come.

Starkweather et al. 2017, Nat. Neurosci. 20:581: 1.2 to 2.8 s after the odour; in the second task a
tenth is left out, so that after a while one believes oneself to be between trials.
"""

import numpy as np

from bgrl.analysis.decoding import decode
from bgrl.analysis.statistics import line
from bgrl.experiments.dopamine.finding import Arm, Criterion, Finding, Panel, kinds_mean, numbers
from bgrl.experiments.dopamine.tabular import state_of
from bgrl.tasks.pavlovian import PRESETS, Trials, normal

TRIALS, TESTS = 5000, 600
#: Trials from which the belief is decoded.
DECODED = 300
DELAY = normal(2000.0, 500.0, 1200.0, 2800.0, 200.0)
TIMES = np.arange(6, 15) * 0.2
#: TD error at reward of the authors' model with belief state, run anew (discount 0.93): the ends of
#: task 1, all of task 2.
BELIEF_2 = (0.341, 0.302, 0.269, 0.249, 0.247, 0.266, 0.328, 0.466, 0.682)


def arm(probability):
    """Agents for which so many rewards come."""
    return Arm(
        phases=((None, (Trials("A", probability, delay=DELAY),)),),
        learning=TRIALS,
        testing=TESTS,
        iti=PRESETS["starkweather_2017_task1"]["iti"],
        trace=0.0,
        activity=True,
    )


ARMS = {"certain": arm(1.0), "0.9": arm(0.9)}


def responses(session, own, signal="dopamine"):
    """TD error at rewards by their time, (replicate, time)."""
    values = session.response(signal, "reward", 0, session.step)
    columns = [kinds_mean(session, values, numbers(own, "A", True, delay=k)) for k in range(6, 15)]
    return np.array(columns).T


def measure(sessions):
    """Measures and panel, see `Finding`."""
    found = {name: responses(sessions[name], ARMS[name]) for name in ARMS}
    refitted = {
        name: responses(sessions[name], ARMS[name], "refit")
        for name in ARMS
        if "refit" in sessions[name].signals
    }
    measures = {
        "certain": line(TIMES, found["certain"])[0],
        "uncertain": line(TIMES[4:], found["0.9"][:, 4:])[0],
        "late_early": found["0.9"][:, -1] - found["0.9"][:, 0],
    }
    if refitted:
        measures |= {
            "certain_refit": line(TIMES, refitted["certain"])[0],
            "uncertain_refit": line(TIMES[4:], refitted["0.9"][:, 4:])[0],
            "late_early_refit": refitted["0.9"][:, -1] - refitted["0.9"][:, 0],
        }
    for name in ARMS:
        if sessions[name].activity is not None:
            measures |= decoded(ARMS[name], sessions[name], name.replace("0.9", "uncertain"))
    curves = {"certain": found["certain"], "0.9": found["0.9"]}
    curves |= {f"{name}, refitted": values for name, values in refitted.items()}
    published = {"0.9, belief model": np.array(BELIEF_2)}
    return measures, Panel("time of reward (s)", "TD error at reward", TIMES, curves, published)


def decoded(own, session, name):
    """How well the belief state can be read from the activity of each replicate (R²).

    It is that a reward is to come, so long after the odour, from the second before the odour to the end
    of the trial.
    """
    try:
        return {f"belief_{name}": _decoded(own, session)}
    except ImportError:  # without scikit-learn
        return {}


def _decoded(own, session):
    state = state_of(own, session)
    cue, ends, found = session.events["cue"], session.ends, []
    for r, activity in enumerate(session.activity):
        steps, trials = [], []
        for k in np.flatnonzero(~np.isnan(cue[r]))[:DECODED]:
            own_steps = np.arange(cue[r, k] - session.steps(1000.0), ends[r, k]).astype(int)
            steps.append(own_steps[~np.isnan(state[r, own_steps, 0])])
            trials.append(np.full(len(steps[-1]), k))
        steps, trials = np.concatenate(steps), np.concatenate(trials)
        varies = state[r, steps].std(axis=0) > 1e-6
        found.append(decode(activity[steps], state[r, steps][:, varies], trials))
    return np.array(found)


FINDING = Finding(
    name="timing",
    title="Late rewards: less if certain, more if not",
    reference="Starkweather et al. 2017, Nat. Neurosci. 20:581",
    arms=ARMS,
    measure=measure,
    criteria=(
        Criterion(
            "certain", "certain: falls with time (per s)", high=0.0, published="falls; model -0.17"
        ),
        Criterion(
            "uncertain", "0.9: rises from 2 s on (per s)", low=0.0, published="rises; model 0.53"
        ),
        Criterion("late_early", "0.9: more at 2.8 than at 1.2 s", low=0.0, published="model 0.34"),
    ),
    note="directions and values of the authors' model; it is U-shaped in the second task",
)
