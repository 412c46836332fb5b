"""Controls: hand-made states of the same sessions, with value learned linearly by TD(lambda).

They are not what the experiment is about, in which the state is learned. They say what is to be
expected of a state that is known, and of one that is known to be wrong.

========== =========================================================================================
state      features
========== =========================================================================================
serial     complete serial compound: one for each time since the onset of each cue, whatever else
           happens; shared by compounds (Schultz, Dayan & Montague 1997)
presence   the same, only while the cue is shown
configural the same as serial, but a compound of cues has features of its own
belief     probability of each time since the cue, given that no reward came yet, and of being between
           trials; a reward ends it (Starkweather et al. 2017)
========== =========================================================================================
"""

import numpy as np

from bgrl.analysis.sessions import Session
from bgrl.tasks.pavlovian import blocks

LABELS = ("kind", "phase", "block", "since")
STATES = ("serial", "presence", "configural", "belief")


def simulate(arm, state="serial", replicates=4, trace=None, rate=0.1, discount=None, seed=0):
    """A session of an arm with a hand-made state.

    Parameters
    ----------
    arm : experiments.dopamine.finding.Arm
    state : {"serial", "presence", "configural", "belief"}
    replicates : int
    trace, discount : float, optional
        Those of the arm if nothing is said.
    rate : float
        Step size of the value; 0 for one that learns nothing.
    seed : int

    Returns
    -------
    analysis.sessions.Session
        `activity` holds the features.
    """
    trace = arm.trace if trace is None else trace
    discount = arm.discount if discount is None else discount
    made = [
        _replicate(arm, state, trace, rate, discount, np.random.default_rng((seed, r)))
        for r in range(replicates)
    ]
    trials = max(len(m["start"]) for m in made)
    length = max(len(m["dopamine"]) for m in made)

    def padded(name, size, fill):
        rows = [
            np.concatenate([m[name], np.full((size - len(m[name]), *np.shape(m[name])[1:]), fill)])
            for m in made
        ]
        return np.array(rows)

    signals = {k: padded(k, length, 0.0) for k in ("dopamine", "value", "reward", "done")}
    events = {k: padded(k, trials, np.nan) for k in ("start", "cue", "reward_step", "omission")}
    events["reward"] = events.pop("reward_step")
    labels = {k: padded(k, trials, np.nan) for k in LABELS}
    tested = int(max(m["tested_from"] for m in made))
    activity = padded("features", length, 0.0)
    return Session(signals, events, labels, arm.step, tested, activity)


def _replicate(arm, state, trace, rate, discount, generator):
    kinds, trials = arm.kinds(), arm.learning + arm.testing
    ends = np.cumsum([n or np.inf for n, _ in arm.phases])
    cue_steps = np.inf if np.isinf(arm.cue) else round(arm.cue / arm.step)
    after = round(arm.after / arm.step)
    chance = np.array([row["probability"] for row in kinds])
    sorts = blocks(arm.phases)
    within = np.array([row["block"] for row in kinds])
    code = _coder(kinds, state, cue_steps, after)
    names = ("start", "cue", "reward_step", "omission", *LABELS)
    block, since = None, 0
    found = {name: [] for name in names}
    features, rewards, dones = [], [], []
    tested_from = np.inf
    for trial in range(trials):
        if trial == arm.learning:
            tested_from = len(features)
        phase = int(np.searchsorted(ends, trial, side="right"))
        since += 1
        if block is None or since >= sorts[block]["trials"] or sorts[block]["phase"] != phase:
            own = [k for k, sort in enumerate(sorts) if sort["phase"] == phase]
            share = [sorts[k]["share"] for k in own]
            block = own[0] if len(own) == 1 else generator.choice(own, p=share)
            since = 0
        share = np.where(within == block, chance, 0)
        kind = generator.choice(len(kinds), p=share / share.sum())
        row, start = kinds[kind], len(features)
        onset = _draw(arm.iti, arm.step, generator)
        delay = row["delay"] + _further(row["width"], row["scale"], generator)
        length = onset + delay + after
        reward = np.zeros(length)
        reward[onset + delay] = row["magnitude"]
        features.extend(code(row, onset, delay, length))
        rewards.extend(reward)
        dones.extend([1.0] + [0.0] * (length - 1))
        outcome = start + onset + delay
        found["start"].append(start)
        found["cue"].append(start + onset if row["cues"] else np.nan)
        found["reward_step"].append(outcome if row["magnitude"] else np.nan)
        found["omission"].append(outcome if row["omits"] else np.nan)
        found["kind"].append(kind)
        found["phase"].append(phase)
        found["block"].append(block)
        found["since"].append(since)
    features, rewards = np.array(features), np.array(rewards)
    dones = np.array(dones)
    ended = dones * (not arm.unbroken)
    value, error = learn(features, rewards, ended, discount, trace, rate, tested_from)
    return {k: np.array(v, float) for k, v in found.items()} | {
        "features": features,
        "reward": rewards,
        "done": dones,
        "value": value,
        "dopamine": error,
        "tested_from": min(tested_from, len(features)),
    }


def state_of(arm, session, state="belief"):
    """The hand-made state in a session that an agent went through, to compare with what it learned.

    Parameters
    ----------
    arm : experiments.dopamine.finding.Arm
    session : analysis.sessions.Session
    state : str
        One of `STATES`.

    Returns
    -------
    array (replicate, time, features)
        NaN outside of whole trials.
    """
    kinds = arm.kinds()
    cue_steps = np.inf if np.isinf(arm.cue) else round(arm.cue / arm.step)
    code = _coder(kinds, state, cue_steps, round(arm.after / arm.step))
    replicates, length = session.signals["dopamine"].shape
    found = None
    for r in range(replicates):
        for k, kind in enumerate(session.labels["kind"][r]):
            start, end = session.events["start"][r, k], session.ends[r, k]
            cue, row = session.events["cue"][r, k], kinds[0 if np.isnan(kind) else int(kind)]
            if np.isnan(start) or np.isnan(cue) or end == length:
                continue
            features = code(row, int(cue - start), row["delay"], int(end - start))
            if found is None:
                found = np.full((replicates, length, features.shape[1]), np.nan)
            found[r, int(start) : int(end)] = features
    return found


def learn(features, reward, done, discount, trace, rate, until=np.inf):
    """TD(lambda) with a linear value: value and TD error of each step.

    In a step with `done` an episode has ended: the step is the first of the next one, in which its
    eligibility starts anew and its TD error counts no future.
    """
    if not rate:
        return np.zeros(len(features)), np.array(reward, float)
    weights = np.zeros(features.shape[1])
    eligibility = np.zeros_like(weights)
    value, error = np.zeros(len(features)), np.zeros(len(features))
    before = 0.0
    for t, phi in enumerate(features):
        now = weights @ phi
        error[t] = reward[t] + discount * (1 - done[t]) * now - before
        if t < until:
            weights += rate * error[t] * eligibility
        eligibility *= discount * trace * (1 - done[t])
        eligibility += phi
        before = value[t] = weights @ phi
    return value, error


def _draw(delay, step, generator):
    (time, _), *_ = delay.points
    scale = np.inf if np.isinf(delay.mean) else 1 / np.log1p(step / delay.mean)
    return round(time / step) + _further(round(delay.width / step), scale, generator)


def _further(width, scale, generator):
    chance = np.exp(-np.arange(width + 1) / scale)
    return int(generator.choice(width + 1, p=chance / chance.sum()))


def _coder(kinds, state, cue_steps, after):
    """Function from a trial (row, onset, delay, length) to its features (length, features)."""
    longest = max(row["delay"] + row["width"] for row in kinds) + after + 1
    stimuli = list(dict.fromkeys(s for row in kinds for s in _stimuli(row["cues"], state)))

    def code(row, onset, delay, length):
        made = np.zeros((length, 1 + len(stimuli) * longest))
        shown = row["cues"].split(">")
        for place, group in enumerate(shown):
            first = onset + (place * cue_steps if place else 0)
            for stimulus in _stimuli(group, state):
                column = 1 + longest * stimuli.index(stimulus)
                lasts = cue_steps if state == "presence" else longest
                for time in range(min(longest, length - first, lasts)):
                    made[first + time, column + time] = 1.0
        if state == "belief" and not row["cues"]:
            made[:, 0] = 1.0
        elif state == "belief":
            for time in range(min(longest, length - onset)):
                alive = _pending(kinds, row, time) * (time < delay or not row["magnitude"])
                made[onset + time] *= alive
                made[onset + time, 0] = 1 - alive
            made[:onset, 0] = 1.0
        return made

    return code


def _stimuli(cues, state):
    groups = cues.split(">")
    if state in ("serial", "presence"):
        return [letter for group in groups for letter in group]
    return [group for group in groups if group]


def _pending(kinds, row, time):
    """Probability that a reward is still to come `time` steps after the cues, if none came."""
    same = [k for k in kinds if k["cues"] == row["cues"] and k["phase"] == row["phase"]]
    waiting = sum(k["probability"] for k in same if k["magnitude"] and k["delay"] > time)
    never = sum(k["probability"] for k in same if not k["magnitude"])
    return waiting / (waiting + never) if waiting else 0.0
