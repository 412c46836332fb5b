"""With frozen weights agents find the better arm of a new bandit, and are surprised less and less.

Wang et al. 2016 (arXiv 1611.05763) and 2018 (Nat. Neurosci. 21:860): two arms whose probabilities of
reward are drawn anew, 100 pulls. Regret is what the better arm would have paid on average beyond the
one that was pulled.
"""

import numpy as np

from bgrl import Task
from bgrl.experiments._strategies import thompson
from bgrl.experiments.dopamine.finding import Choosing, Criterion, Finding, Panel

PULLS, EDGE = 100, 10


def made():
    """Two arms, each with a probability of reward that is even between 0 and 1."""
    return Task(
        name="two_arms",
        summary="find the better of two arms",
        reference="Wang et al. 2016, arXiv 1611.05763, independent arms",
        observations={"first": "int(time == 0)"},
        actions=("arm_0", "arm_1"),
        variables=("time", "chance_0", "chance_1"),
        step=f"""
            reward = int(uniform(0) < chance_0 + action*(chance_1 - chance_0))
            time = time + 1
            terminated = int(time >= {PULLS})
        """,
        reset="""
            time = 0
            chance_0 = uniform(1)
            chance_1 = uniform(2)
        """,
        chance_return=PULLS / 2,
    )


ARM = Choosing(
    made, learning=1_500_000, testing=50_000, recorded=("task.chance_0", "task.chance_1"), trace=0.9
)


def pulled(session):
    """Regret and absolute δ of each pull, mean over whole trials, (replicate, pull) each."""
    regrets, surprises = [], []
    signals = session.signals
    for r, start in enumerate(session.events["start"]):
        start = start[~np.isnan(start)].astype(int)[:-1]
        start = start[np.diff(np.append(start, start[-1] + PULLS)) == PULLS][1:]
        steps = start[:, None] + np.arange(PULLS)
        chances = np.stack([signals[f"task.chance_{k}"][r, start] for k in (0, 1)], axis=1)
        action = np.rint(signals["action"][r, steps]).astype(int)
        taken = np.take_along_axis(chances, action, axis=1)
        regrets.append((chances.max(axis=1)[:, None] - taken).mean(axis=0))
        # The reward of a pull arrives with the next step.
        surprises.append(abs(signals["dopamine"][r, steps[:, :-1] + 1]).mean(axis=0))
    return np.array(regrets), np.array(surprises)


def thompson_regret(trials=4000, seed=0):
    """Regret of each pull of Thompson sampling, mean over trials, (pull,)."""
    rng = np.random.default_rng(seed)
    chances, rows = rng.random((trials, 2)), np.arange(trials)
    successes, failures = np.zeros((2, trials, 2))
    found = np.empty(PULLS)
    for pull in range(PULLS):
        arm = thompson(successes, failures, rng, None)
        won = rng.random(trials) < chances[rows, arm]
        successes[rows, arm] += won
        failures[rows, arm] += ~won
        found[pull] = (chances.max(axis=1) - chances[rows, arm]).mean()
    return found


def measure(sessions):
    """Measures and panel, see `Finding`."""
    regret, surprise = pulled(sessions["trained"])
    ideal = thompson_regret()
    measures = {
        "ratio": regret.sum(axis=1) / ideal.sum(),
        "shrinks": surprise[:, :EDGE].mean(axis=1) - surprise[:, -EDGE:].mean(axis=1),
        "regret": regret.sum(axis=1),
    }
    x, curves = np.arange(1, PULLS + 1), {"agents": regret.cumsum(axis=1)}
    published = {"Thompson sampling": ideal.cumsum()}
    return measures, Panel("pull", "cumulated regret", x, curves, published)


FINDING = Finding(
    name="regret",
    title="Frozen agents explore new bandits well",
    reference="Wang et al. 2016, arXiv 1611.05763; 2018, Nat. Neurosci. 21:860",
    arms={"trained": ARM},
    measure=measure,
    criteria=(
        Criterion("ratio", "regret by that of Thompson sampling", high=1.0, published="near"),
        Criterion("shrinks", "|δ| shrinks within a bandit", low=0.0, published="shrinks"),
    ),
    note="from memory; Thompson sampling is computed here, 4,000 bandits",
)
