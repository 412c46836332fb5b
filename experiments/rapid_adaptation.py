"""Rapid adaptation: what learned agents find out within a trial, their weights frozen.

Agents learn a two-armed bandit and a maze with a hidden goal, both drawn anew for every trial. Then
their weights are frozen: what they still find out is in the activity of the cortex alone. Their regret
within a trial is compared with that of Thompson sampling, UCB1 and greedy choice, of an ideal observer
that knows the task, and of the same agents before learning. Which arm pays is decoded from the
cortex pull by pull, cross-validated over trials (needs scikit-learn, extra `reproduction`).
"""

import importlib.util
import itertools
import sys
import time
from dataclasses import asdict, dataclass, replace

import numpy as np
import xarray as xr

from bgrl import models, tasks
from bgrl.agent import describe
from bgrl.assembly import variable
from bgrl.dataset import provenance
from bgrl.errors import InputError, check_integer
from bgrl.experiment import command
from bgrl.experiments import _strategies, paper
from bgrl.experiments._reproduction import command_line
from bgrl.own import NamesOrFile
from bgrl.recording import Record
from bgrl.settings import Settings, option
from bgrl.simulation import Run, simulate

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "bgrl.analysis.rapid_adaptation"
QUICK = {"steps": 50_000, "maze_steps": 50_000, "replicates": 3, "test_trials": 60}
#: Pulls before which it is decoded which arm pays.
DECODED = (0, 1, 2, 3, 4, 6, 9, 14, 20, 30, 50, 99)
#: Parts into which trials are cut, each being tested once by what is fitted to the others.
FOLDS = 5
#: Inputs that were seen so often that their means and variances no longer move.
SETTLED = 1e30
_STILL = dict.fromkeys(("rate_actor", "rate_critic", "rate_network", "entropy_weight"), 0.0)


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Settings of the experiment."""

    steps: int = option(1_000_000, "task steps of learning the bandit, each replicate")
    maze_steps: int = option(3_000_000, "task steps of learning the maze, each replicate")
    model: str = option("rtu", "circuit, a file in models/ or FILE.py", NamesOrFile(models.names()))
    pulls: int = option(100, "pulls of a trial of the bandit")
    maze_trial: int = option(200, "task steps of a trial of the maze")
    test_trials: int = option(300, "trials with frozen weights, each replicate")
    feedback: str = option("", "another one than that of our settings", ("random", "symmetric"))
    optimizer: str = option("", "another one than that of our settings")

    def learning(self):
        """Our settings, over them what is said."""
        said = {k: v for k, v in super().learning().items() if v != ""}
        return paper.PROTOCOLS["ours"].learning | said

    def agent(self, task):
        """Agents in a task, `bernoulli_bandit` or `meta_maze`."""
        lengths = {"bernoulli_bandit": self.pulls, "meta_maze": self.maze_trial}
        made = tasks.make(task, max_steps=lengths[task])
        return models.agent(self.model, made, self.units, self.replicates, **self.learning())


def run(config):
    """Learn, freeze, test and decode.

    Parameters
    ----------
    config : Config

    Returns
    -------
    xarray.DataTree
        Groups ``bandit``, ``maze`` and ``decoding``.
    """
    if importlib.util.find_spec("sklearn") is None:
        raise InputError(
            "decoding needs scikit-learn; install the extra reproduction: pip install -e .[reproduction]"
        )
    check_integer("test_trials", config.test_trials, 2 * FOLDS)
    started = time.perf_counter()
    bandit, decoding = _bandit(config)
    groups = {"/bandit": bandit, "/maze": _maze(config), "/decoding": decoding}
    settings = {k: v for k, v in asdict(config).items() if k not in ("output", "progress")}
    attributes = {
        "title": "bgrl: rapid_adaptation",
        "experiment": "rapid_adaptation",
        "task": "several",
        "configuration": describe({"experiment": settings, "learning": config.learning()}),
        "command": command_line("rapid_adaptation", sys.argv[1:]),
        "wall_seconds": time.perf_counter() - started,
        **provenance(),
    }
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attributes), **groups})


def _tested(config, task, steps, record):
    """Traces of learned agents and of the same before learning, weights frozen.

    Returns
    -------
    list of xarray.Dataset
        Whole trials are to be cut out with `trials_of`.
    """
    agent = config.agent(task)
    length = int(agent.task.parameters["max_steps"].value)

    def play(made, run, name, weights=None):
        work = config.work() and config.work() / f"{task}-{name}"
        return simulate(made, run, work, config.progress, config.processes, weights)

    short = {"evaluations": 2, "evaluation_trials": 1, "final_trials": 1}
    learned = play(agent, Run(steps, config.seed, config.backend, **short), "learning")
    still = replace(agent, learning=replace(agent.learning, **_STILL))
    test = Run(
        # The first trial has no end of another before it, and the last one's end is a step more.
        (config.test_trials + 1) * length + 1,
        (config.seed + 1) % 2**31,
        config.backend,
        evaluations=1,
        evaluation_trials=1,
        final_trials=1,
        record=Record(record),
    )
    first = play(agent, Run(1, config.seed, config.backend, 1, 1, 1), "before")
    found = []
    for name, source in (("frozen", learned), ("untrained", first)):
        found.append(play(still, test, name, _settled(source))["traces"].to_dataset().load())
    return found


def _settled(data):
    """The weights of a run, with means and variances of inputs that stay as they are.

    They would go on to move while the weights are frozen, and tell of trials before.
    """
    weights = data["weights"].to_dataset()
    if "input.count" in weights:
        weights["input.count"] = xr.full_like(weights["input.count"], SETTLED)
    return xr.DataTree.from_dict({"/weights": weights})


def trials_of(traces, length):
    """Steps of whole trials of a given length: (replicate, trial) to slice.

    Parameters
    ----------
    traces : xarray.Dataset
        With `done` (replicate, time), every step recorded.
    length : int

    Returns
    -------
    list of list of int
        Of each replicate, the first steps of those trials.
    """
    found = []
    for done in traces["done"].values > 0.5:
        starts = np.flatnonzero(done)
        found.append([int(a) for a, b in itertools.pairwise(starts) if b - a == length])
    return found


def _bandit(config):
    """Regret and decoding in the bandit."""
    names = ("action", "reward", "done", "task.reward_probs_0", "cortex")
    learned, untrained = _tested(config, "bernoulli_bandit", config.steps, names)
    pulls = config.pulls
    high = 1 - tasks.make("bernoulli_bandit").parameters["reward_prob"].value
    regrets = [pulled(traces, pulls)[0].mean(1) for traces in (learned, untrained)]
    strategies = [
        _strategies.bandit_regret(strategy, pulls, high).mean(0)
        for strategy in _strategies.BANDIT.values()
    ]
    text = "expected regret of a pull, mean over trials"
    group = xr.Dataset(
        {
            "regret": variable(("replicate", "pull"), regrets[0], f"{text}, after learning"),
            "untrained_regret": variable(("replicate", "pull"), regrets[1], f"{text}, before"),
            "strategy_regret": variable(("strategy", "pull"), strategies, f"{text}, of a strategy"),
        },
        {
            "replicate": variable("replicate", np.arange(config.replicates), "replicate"),
            "pull": variable("pull", np.arange(1, pulls + 1), "pull of a trial"),
            "strategy": variable("strategy", [*_strategies.BANDIT], "strategy"),
        },
    )
    return group, decoded(learned, pulls, config.seed)


def pulled(traces, pulls):
    """What happened in the trials of a bandit.

    Parameters
    ----------
    traces : xarray.Dataset
        `action`, `reward`, `done`, `task.reward_probs_0`, whose first axes are (replicate, time).
    pulls : int
        In a trial.

    Returns
    -------
    regret : array (replicate, trial, pull)
        What the better arm pays on average beyond the one that was pulled.
    evidence : array (replicate, trial, pull)
        Before each pull, wins of arm 0 and losses of arm 1 less the opposite.
    better : array (replicate, trial) of int
        The arm that pays more.
    starts : array (replicate, trial) of int
    """
    starts = trials_of(traces, pulls)
    count = min(map(len, starts))
    starts = np.array([own[:count] for own in starts])
    steps = starts[..., None] + np.arange(pulls)
    replicate = np.arange(len(starts))[:, None, None]

    def values(name):
        return np.asarray(traces[name].values, float).reshape(len(starts), -1)

    action = np.rint(values("action")[replicate, steps]).astype(int)
    # The reward of a pull arrives with the next step.
    reward = values("reward")[replicate, steps + 1]
    chance = values("task.reward_probs_0")[replicate, steps][..., 0]
    better = (chance < 0.5).astype(int)
    high = np.maximum(chance, 1 - chance)
    regret = (2 * high - 1)[..., None] * (action != better[..., None])
    sign = (1 - 2 * action) * (2 * reward - 1)
    evidence = np.concatenate([np.zeros_like(sign[..., :1]), sign.cumsum(-1)[..., :-1]], axis=-1)
    return regret, evidence, better, starts


def decoded(traces, pulls, seed=0):
    """How well the arm that pays can be read from the cortex, and from the history, pull by pull.

    Parameters
    ----------
    traces : xarray.Dataset
        See `pulled`, and `cortex` (replicate, time, neuron).
    pulls, seed : int

    Returns
    -------
    xarray.Dataset
        `accuracy` of a logistic regression, cross-validated over trials, and `ideal`, that of an
        observer who counts wins and losses; (replicate, pull).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    _, evidence, better, starts = pulled(traces, pulls)
    cortex = traces["cortex"].values
    chosen = [k for k in DECODED if k < pulls]
    accuracy, ideal = np.full((2, len(starts), len(chosen)), np.nan)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for r, own in enumerate(starts):
        for j, k in enumerate(chosen):
            counts = evidence[r, :, k]
            right = np.where(counts == 0, 0.5, (counts < 0) == better[r])
            ideal[r, j] = right.mean()
            if np.bincount(better[r], minlength=2).min() >= FOLDS:
                model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
                fitted = cross_val_score(model, cortex[r, own + k], better[r], cv=folds)
                accuracy[r, j] = fitted.mean()
    dims = ("replicate", "pull")
    return xr.Dataset(
        {
            "accuracy": variable(dims, accuracy, "accuracy of the arm decoded from the cortex"),
            "ideal": variable(dims, ideal, "accuracy of an observer of actions and rewards"),
        },
        {
            "replicate": variable("replicate", np.arange(len(starts)), "replicate"),
            "pull": variable("pull", chosen, "pulls made before"),
        },
    )


def _maze(config):
    """How often the goal is reached within a trial."""
    learned, untrained = _tested(config, "meta_maze", config.maze_steps, ("reward", "done"))
    steps = config.maze_trial
    goal = tasks.make("meta_maze").parameters["goal_reward"].value
    strategies = [
        _strategies.maze_goals(strategy, steps).mean(0) for strategy in _strategies.MAZE.values()
    ]
    values = [reached(traces, steps, goal) for traces in (learned, untrained)]
    text = "how often the goal was reached by a step of the trial, mean over trials"
    return xr.Dataset(
        {
            "goals": variable(("replicate", "time_in_trial"), values[0], f"{text}, after learning"),
            "untrained_goals": variable(
                ("replicate", "time_in_trial"), values[1], f"{text}, before"
            ),
            "strategy_goals": variable(("strategy", "time_in_trial"), strategies, text),
        },
        {
            "replicate": variable("replicate", np.arange(config.replicates), "replicate"),
            "time_in_trial": variable("time_in_trial", np.arange(1, steps + 1), "step", "steps"),
            "strategy": variable("strategy", [*_strategies.MAZE], "strategy"),
        },
    )


def reached(traces, steps, goal_reward):
    """How often the goal was reached by each step of a trial, mean over trials; (replicate, step).

    A trial that ends early counts with what it has.
    """
    found = []
    for done, reward in zip(traces["done"].values > 0.5, traces["reward"].values, strict=True):
        starts = np.flatnonzero(done)
        rows = []
        for a, b in itertools.pairwise(starts):
            goals = np.zeros(steps)
            # The reward of an action arrives with the next step, the last one's with the end.
            goals[: b - a] = np.ravel(reward[a + 1 : b + 1]) / goal_reward
            rows.append(goals.cumsum())
        found.append(np.mean(rows, axis=0))
    return np.array(found)


if __name__ == "__main__":
    import bgrl.experiments.rapid_adaptation

    command("rapid_adaptation", bgrl.experiments.rapid_adaptation)
