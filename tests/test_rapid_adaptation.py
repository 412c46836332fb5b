"""Adaptation within a trial: strategies whose regret is known, and the analysis of synthetic traces."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from analysis import rapid_adaptation as analysis
from bgrl import tasks
from bgrl.errors import InputError
from experiments import paper, rapid_adaptation
from experiments._strategies import BANDIT, MAZE, Maze, bandit_regret, maze_goals


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # By chance at first: 0.8/2. After a win stay, after a loss go: wrong with probability 0.1.
        ("ideal", (0.4, 0.08, 0.08)),
        ("greedy", (0.4, 0.08)),
        # Beta(2, 1) exceeds beta(1, 1) with probability 2/3: wrong with (0.9/3 + 0.1*2/3).
        ("Thompson", (0.4, 0.8 * (0.9 / 3 + 0.1 * 2 / 3))),
        # The second pull is of the other arm: both together cost 0.8.
        ("UCB1", (0.4, 0.4)),
    ],
)
def test_regret_of_the_first_pulls(name, expected):
    """Known by enumeration."""
    trials = 40_000
    regret = bandit_regret(BANDIT[name], len(expected), trials=trials)
    error = 4 * 0.4 / np.sqrt(trials)
    assert np.allclose(regret.mean(0), expected, atol=error)
    if name == "UCB1":
        assert np.allclose(regret.sum(1), 0.8)


def test_regret_of_many_pulls():
    """Ideal below the rest, UCB1 explores most; greedy gets stuck where Thompson does not."""
    total = {k: bandit_regret(s, 500, trials=1000).sum(1) for k, s in BANDIT.items()}
    mean = {k: v.mean() for k, v in total.items()}
    assert mean["ideal"] < mean["greedy"] < mean["UCB1"] and mean["ideal"] < mean["Thompson"]
    assert mean["Thompson"] < mean["UCB1"]
    # The ideal observer's count of wins less losses is a walk with drift 0.8; it is wrong in 0.1 of the
    # steps in which it is even, and 0.4 + sum of 0.8 P(wrong) converges to 0.4 + 0.8*0.225 = 0.58.
    drift = _ideal_by_enumeration(60)
    assert mean["ideal"] == pytest.approx(drift, abs=0.05)


def _ideal_by_enumeration(pulls, p=0.9):
    """Exact regret: the evidence moves up with probability p whichever arm is pulled."""
    chances, total = {0: 1.0}, 0.0
    for _ in range(pulls):
        wrong = sum(q for e, q in chances.items() if e < 0) + 0.5 * chances.get(0, 0.0)
        total += (2 * p - 1) * wrong
        after = {}
        for e, q in chances.items():
            after[e + 1] = after.get(e + 1, 0.0) + p * q
            after[e - 1] = after.get(e - 1, 0.0) + (1 - p) * q
        chances = after
    return total


def test_maze_is_that_of_the_task():
    maze = Maze(9)
    cell = {place: k for k, place in enumerate(maze.cells)}
    assert len(maze.cells) == 65 and maze.cells[maze.start] == (4, 4)
    assert maze.distance[cell[0, 0], cell[0, 8]] == 8
    # A wall lies between them.
    assert maze.distance[cell[0, 1], cell[2, 1]] == 4
    assert maze.distance[cell[3, 4], cell[3, 4]] == 2
    assert np.array_equal(maze.distance, maze.distance.T)
    step = maze.distance[maze.toward, np.arange(65)]
    apart = ~np.eye(65, dtype=bool)
    assert (step[apart] == np.where(maze.distance == 1, 2, maze.distance - 1)[apart]).all()
    task = tasks.make("meta_maze")
    assert "65.0" in task.reset or "65*" in task.reset


def test_who_knows_the_goal_is_there_as_early_as_can_be():
    goals = maze_goals(MAZE["knows the goal"], 40, trials=4000)
    maze = Maze(9)
    for step in (1, 4, 8):
        within = (maze.distance[maze.start] <= step).mean()
        assert (goals[:, step - 1] >= 1).mean() == pytest.approx(within, abs=0.03)


def test_search_takes_longer_than_knowing_and_greedy_search_least():
    found = {
        name: maze_goals(strategy, 100, trials=400)[:, -1].mean() for name, strategy in MAZE.items()
    }
    assert found["knows the goal"] > found["greedy"] > found["Thompson"] > 1
    # Once it is found, all go straight there: the first find is what differs.
    share = {n: (maze_goals(s, 60, trials=1000)[:, -1] >= 1).mean() for n, s in MAZE.items()}
    assert share["knows the goal"] == 1 and share["greedy"] > share["Thompson"] + 0.1


def traces(trials=120, pulls=10, known_after=2, seed=0):
    """Two replicates whose cortex knows the better arm from some pull on, and who then choose it."""
    rng = np.random.default_rng(seed)
    steps = trials * pulls + 1
    done = np.zeros((2, steps))
    done[:, ::pulls] = 1
    better = rng.integers(2, size=(2, trials))
    time = np.arange(steps)
    trial, pull = np.minimum(time // pulls, trials - 1), time % pulls
    truth = better[:, trial]
    action = np.where(pull >= known_after, truth, 0)
    reward = np.zeros((2, steps))
    reward[:, 1:] = (action == truth)[:, :-1]
    cortex = rng.normal(size=(2, steps, 3))
    cortex[..., 1] += np.where(pull >= known_after, 8 * truth, 0)
    dims = ("replicate", "time")
    return xr.Dataset(
        {
            "done": (dims, done),
            "action": ((*dims, "one"), action[..., None]),
            "reward": (dims, reward),
            "task.reward_probs_0": (dims, np.where(truth == 0, 0.9, 0.1)),
            "cortex": ((*dims, "cortex_unit"), cortex),
        }
    )


def test_regret_of_traces():
    found = traces()
    regret, evidence, better, _ = rapid_adaptation.pulled(found, 10)
    assert regret.shape == (2, 120, 10) and np.array_equal(regret[..., 2:], np.zeros((2, 120, 8)))
    # Before that arm 0 is pulled, which costs 0.8 where arm 1 is better.
    assert np.allclose(regret[..., 0], 0.8 * better)
    # It wins where it is the better one: each pull is evidence.
    assert np.array_equal(evidence[..., 1], 1 - 2 * better) and (evidence[..., 0] == 0).all()


def test_decoding_of_traces():
    found = rapid_adaptation.decoded(traces(), 10)
    assert found["pull"].values.tolist() == [0, 1, 2, 3, 4, 6, 9]
    before = found["accuracy"].sel(pull=[0, 1]).values
    after = found["accuracy"].sel(pull=[2, 9]).values
    assert (np.abs(before - 0.5) < 0.15).all() and (after > 0.98).all()
    assert np.allclose(found["ideal"].sel(pull=0), 0.5) and np.allclose(
        found["ideal"].sel(pull=1), 1
    )


def test_goals_of_traces():
    """Two trials of three steps, and a short one, by hand."""
    done = np.array([[1, 0, 0, 1, 0, 0, 1, 0, 1]])
    reward = np.array([[0, 0, 10, 0, 10, 0, 10, 0, 10]])
    data = xr.Dataset(
        {"done": (("replicate", "time"), done), "reward": (("replicate", "time"), reward)}
    )
    found = rapid_adaptation.reached(data, 3, 10)
    assert np.allclose(found, [[(0 + 1 + 0) / 3, (1 + 1 + 1) / 3, (1 + 2 + 1) / 3]])


def test_from_beginning_to_end(tmp_path):
    config = rapid_adaptation.Config(
        steps=30,
        maze_steps=30,
        pulls=12,
        maze_trial=15,
        test_trials=24,
        replicates=2,
        units=4,
        backend="numpy",
    )
    data = rapid_adaptation.run(config)
    assert data["bandit"]["regret"].shape == (2, 12) and data["maze"]["goals"].shape == (2, 15)
    totals = analysis.total_regret(data)
    # Nothing is learned in 30 steps: half of the pulls are wrong.
    assert 3 < totals["untrained"].mean() < 7 and 0.5 < totals["ideal"] < 0.65
    assert analysis.maze_regret(data)["greedy"][-1] > 0
    drawn = analysis.figure(data)
    assert f"regret {np.median(totals['agent']):.1f}" in drawn.axes[0].get_title(loc="left")
    assert any("Thompson" in line for line in analysis.summary(data))
    for group in ("bandit", "maze", "decoding"):
        for variable in data[group].to_dataset().variables.values():
            assert variable.attrs["units"] and variable.attrs["long_name"]


def test_agents_learn_by_our_settings_and_then_no_more():
    agent = rapid_adaptation.Config(pulls=50).agent("bernoulli_bandit")
    ours = paper.PROTOCOLS["ours"].learning
    assert {k: getattr(agent.learning, k) for k in ours} == ours
    assert agent.task.parameters["max_steps"].value == 50
    still = dataclasses.replace(agent.learning, **rapid_adaptation._STILL)
    assert (still.rate_actor, still.rate_critic, still.rate_network) == (0, 0, 0)


def test_nothing_of_the_trials_before_is_known_at_the_start_of_a_trial():
    config = rapid_adaptation.Config(
        pulls=5, test_trials=20, replicates=2, units=4, backend="numpy"
    )
    names = ("done", "cortex", "input.input_mean", "input.input_variance")
    means = []
    for traces in rapid_adaptation._tested(config, "bernoulli_bandit", 200, names):
        starts = np.flatnonzero(traces["done"].values[0] > 0)
        assert len(starts) > 15
        assert [len(own) for own in rapid_adaptation.trials_of(traces, 5)] == [20, 20]
        cortex = traces["cortex"].values
        assert np.ptp(cortex[:, starts], axis=1).max() == 0 and np.ptp(cortex, axis=1).max() > 0.01
        for name in names[2:]:
            assert np.ptp(traces[name].values, axis=1).max() < 1e-25, name
        means.append(np.abs(traces["input.input_mean"].values[:, 0]).max())
    # Of inputs as they were in 200 steps of learning, or in one.
    assert means[0] > 10 * means[1]


def test_what_is_missing_is_said(monkeypatch):
    with pytest.raises(InputError, match="test_trials is 3"):
        rapid_adaptation.run(rapid_adaptation.Config(test_trials=3))
    monkeypatch.setattr(rapid_adaptation.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="decoding needs scikit-learn; install the extra reprod"):
        rapid_adaptation.run(rapid_adaptation.Config())
