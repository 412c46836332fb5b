"""What tasks draw, by its distribution; that it follows from the seed; settings that are refused."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from bgrl import tasks
from bgrl.circuit import Parameter
from bgrl.errors import InputError
from tests.test_tasks import play

PI = np.pi


def blind(task):
    """The task with its first observation only: what it draws does not depend on what it shows."""
    return replace(task, observations=dict([next(iter(task.observations.items()))]))


def first(task, names, tmp_path, replicates=3000):
    """Variables at the start of the first trials."""
    frames, _ = play(blind(task), 1, tmp_path, replicates, names=[f"task.{n}" for n in names])
    return [frames[f"task.{n}"][0] for n in names]


def frames_of(task, names, steps, tmp_path, replicates):
    names = [f"task.{n}" for n in names]
    frames, _ = play(blind(task), steps, tmp_path, replicates, names=[*names, "policy.action"])
    return [frames[n] for n in [*names, "policy.action"]]


def assert_equally_likely(values, n):
    """Chi-square of numbers from 0 to n - 1, five standard deviations above its mean."""
    counts = np.bincount(np.asarray(values, int).ravel(), minlength=n)
    assert len(counts) == n
    expected = counts.sum() / n
    assert ((counts - expected) ** 2 / expected).sum() < n - 1 + 5 * np.sqrt(2 * (n - 1))


def assert_rate(flags, p):
    assert abs(flags.mean() - p) < 5 * np.sqrt(p * (1 - p) / flags.size)


def assert_uniform(values, low, high):
    assert values.min() >= low and values.max() <= high
    assert_equally_likely(np.clip((values - low) / (high - low) * 20, 0, 19), 20)


def assert_normal(values, mean, deviation):
    values = (values - mean) / deviation
    n = values.size
    assert abs(values.mean()) < 5 / np.sqrt(n)
    assert abs(values.var() - 1) < 5 * np.sqrt(2 / n)
    assert abs((values**3).mean()) < 5 * np.sqrt(15 / n)
    assert abs((values**4).mean() - 3) < 5 * np.sqrt(96 / n)


@pytest.mark.parametrize(
    ("name", "ranges"),
    [
        ("acrobot", dict.fromkeys(["joint_angle1", "joint_angle2", "velocity_1"], (-0.1, 0.1))),
        ("mountain_car", {"position": (-0.6, -0.4)}),
        ("mountain_car_continuous", {"position": (-0.6, -0.4)}),
        ("multi_armed_bandit", {"payouts_0": (0, 1), "payouts_9": (0, 1)}),
        ("pendulum", {"theta": (-PI, PI), "theta_dot": (-1, 1)}),
        ("reacher", {"angles_1": (-PI, PI), "angle_vels_0": (-1, 1), "goal_xy_1": (-2, 2)}),
        ("swimmer", {"xy_0": (-1, 1), "goal_xy_1": (-1, 1), "urchin_xys_9": (-1, 1)}),
    ],
)
def test_starts_are_uniform(name, ranges, tmp_path):
    found = first(tasks.make(name), list(ranges), tmp_path)
    for values, (low, high) in zip(found, ranges.values(), strict=True):
        assert_uniform(values, low, high)
    for a, b in pairwise(found):
        assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(len(a))


def test_chains_toss_coins(tmp_path):
    task = tasks.make("umbrella_chain", chain_length=4, n_distractor=2)
    names = ["need_umbrella", "distractor_0", "distractor_1", "reward", "done", "has_umbrella"]
    need, *distractors, reward, done, has, _ = frames_of(task, names, 41, tmp_path, 100)
    assert_rate(need[::4], 0.5)
    assert_rate(has[::4], 0.5)
    for values in distractors:
        assert set(np.unique(values)) == {0, 1}
        assert_rate(values, 0.5)
    assert_rate(reward[1:][done[1:] == 0] > 0, 0.5)
    assert set(np.unique(reward[1:])) == {-1, 1}


def test_catch_drops_the_ball_anywhere(tmp_path):
    (ball,) = first(tasks.make("catch", columns=7), ["ball_x"], tmp_path)
    assert_equally_likely(ball, 7)


def test_deep_sea_sweeps_one_move_in_size_away(tmp_path):
    task = tasks.make("deep_sea", size=4, deterministic=False, sample_action_map=True)
    mapped, reward, column, action = frames_of(
        task, ["action_mapping_0", "reward", "column"], 41, tmp_path, 200
    )
    starts = np.arange(0, 40, 4)
    assert_rate(mapped[starts], 0.5)
    right = (action == mapped)[starts]
    assert_rate(column[starts + 1][right] == 0, 1 / 4)
    assert (column[starts + 1][~right] == 0).all()
    np.testing.assert_allclose(reward[starts + 1], -0.01 / 4 * column[starts + 1])


def test_bernoulli_bandit_pays_nine_in_ten(tmp_path):
    names = ["reward_probs_0", "reward", "done"]
    chance, reward, done, action = frames_of(
        tasks.make("bernoulli_bandit"), names, 201, tmp_path, 100
    )
    assert_rate(chance[0] > 0.5, 0.5)
    chance, reward, action = chance[:-1][done[1:] == 0], reward[1:][done[1:] == 0], action[:-1]
    good = (action[done[1:] == 0] == 0) == (chance > 0.5)
    assert_rate(reward[good], 0.9)
    assert_rate(reward[~good], 0.1)


def test_gaussian_bandit_draws_means_and_pulls(tmp_path):
    mu, reward, action = frames_of(
        tasks.make("gaussian_bandit"), ["mu", "reward"], 20, tmp_path, 3000
    )
    assert_normal(mu[0], -1, 1)
    pulled = action[:-1] == 1
    assert_normal(reward[1:][pulled] - mu[:-1][pulled], 0, 0.1)
    assert (reward[1:][~pulled] == 0).all()


def test_multi_armed_bandit_wins_as_often_as_its_arms(tmp_path):
    task = tasks.make("multi_armed_bandit")
    payouts = [f"payouts_{k}" for k in range(10)]
    *payouts, reward, action = frames_of(task, [*payouts, "reward"], 30, tmp_path, 500)
    chance = np.choose(action[:-1].astype(int), [p[:-1] for p in payouts])
    won = reward[1:] > 0
    np.testing.assert_allclose(np.abs(reward[1:]), 1 / 200)
    z = (won - chance).sum() / np.sqrt((chance * (1 - chance)).sum())
    assert abs(z) < 5


def test_meta_maze_hides_the_goal_in_any_open_cell(tmp_path):
    row, column = first(tasks.make("meta_maze"), ["goal_0", "goal_1"], tmp_path)
    open_cells = [r * 9 + c for r in range(9) for c in range(9) if r % 2 == 0 or c % 2 == 0]
    assert len(open_cells) == 65
    cell = ((row - 1) * 9 + column - 1).astype(int)
    assert set(cell) <= set(open_cells)
    assert_equally_likely(np.searchsorted(open_cells, cell), 65)


def test_meta_maze_puts_the_agent_down_in_any_open_cell(tmp_path):
    names = ["pos_0", "pos_1", "reward", "done"]
    task = tasks.make("meta_maze", maze_size=3)
    row, column, reward, done, _ = frames_of(task, names, 190, tmp_path, 300)
    put = (reward > 0) & (done == 0)
    cells = (3 * (row - 1) + column - 1)[put].astype(int)
    # The goal itself ends a trial; over goals, the other open cells are equally likely.
    assert 4 not in cells
    cells = np.where(cells > 4, cells - 1, cells)
    counts = np.bincount(cells, minlength=8)
    assert put.sum() > 1000 and counts.min() > 0.75 * counts.mean()


def test_cards_are_dealt_as_from_a_shuffled_deck(tmp_path):
    suit, done, _ = frames_of(tasks.make("repeat_first"), ["suit", "done"], 157, tmp_path, 400)
    assert (done[::52] == 1).all() and done.sum() == 4 * 400
    decks = suit[:156].reshape(3, 52, 400)
    for k in range(4):
        assert ((decks == k).sum(axis=1) == 13).all()
    for place in (0, 1, 25, 51):
        assert_equally_likely(decks[:, place], 4)
    for a, b in ((0, 1), (3, 40), (50, 51)):
        assert_rate(decks[:, a] == decks[:, b], 12 / 51)


def test_mines_are_any_cells(tmp_path):
    a, b = first(tasks.make("minesweeper"), ["mine_0", "mine_1"], tmp_path, 12000)
    low, high = np.minimum(a, b).astype(int), np.maximum(a, b).astype(int)
    assert (low < high).all()
    pairs = [i * 16 + j for i in range(16) for j in range(i + 1, 16)]
    assert_equally_likely(np.searchsorted(pairs, low * 16 + high), 120)


@pytest.mark.parametrize(("difficulty", "mines", "cells"), [("medium", 6, 36), ("hard", 10, 64)])
def test_more_mines_are_different_cells(difficulty, mines, cells, tmp_path):
    names = [f"mine_{k}" for k in range(mines)]
    task = tasks.make("minesweeper", difficulty=difficulty)
    places = np.sort(first(task, names, tmp_path, 1000), 0)
    assert places.min() == 0 and places.max() == cells - 1
    assert (np.diff(places, axis=0) > 0).all()
    counts = np.bincount(places.astype(int).ravel(), minlength=cells)
    expected = counts.sum() / cells
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_cartpole_noise_is_normal(tmp_path):
    task = tasks.make("noisy_stateless_cartpole", difficulty="medium")
    noise = frames_of(task, ["noise_x", "noise_theta"], 20, tmp_path, 300)
    for values in noise[:2]:
        assert_normal(values, 0, 0.2)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 5 / np.sqrt(6000)


def test_point_robot_starts_in_the_half_disc(tmp_path):
    names = ["pos_0", "pos_1", "goal_0", "goal_1"]
    x, y, goal_x, goal_y = first(tasks.make("point_robot"), names, tmp_path)
    assert_uniform(np.hypot(x, y), 0, 1)
    assert_uniform(np.arctan2(y, x), 0, PI)
    assert_uniform(np.arctan2(goal_y, goal_x), 0, PI)
    np.testing.assert_allclose(np.hypot(goal_x, goal_y), 1)


def test_point_robot_is_put_down_again_at_the_goal(tmp_path):
    task = tasks.make("point_robot")
    task = replace(task, parameters=task.parameters | {"goal_radius": Parameter(3.0)})
    x, y, reward, _ = frames_of(task, ["pos_0", "pos_1", "reward"], 20, tmp_path, 300)
    assert (reward[1:] == 1).all()
    assert_uniform(np.hypot(x, y), 0, 1)
    assert_uniform(np.arctan2(y, x), 0, PI)


@pytest.mark.parametrize(
    "name", [n for n in tasks.names() if tasks.make(n).chance_return is not None]
)
def test_guessing_returns_what_is_said(name, tmp_path):
    task = tasks.make(name)
    _, trials = play(blind(task), 821, tmp_path, 60)
    returns = trials["trial_return"]
    error = returns.std() / np.sqrt(len(returns)) + 1e-9
    assert len(returns) >= 60 and abs(returns.mean() - task.chance_return) < 5 * error


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("discounting_chain", {"n_actions": 0}, "n_actions is 0"),
        ("discounting_chain", {"mapping_seed": 5}, "mapping_seed is 5; a number from 0 to 4"),
        ("umbrella_chain", {"chain_length": 0}, "chain_length is 0"),
        ("umbrella_chain", {"chain_length": 101}, "at most 100"),
        ("umbrella_chain", {"n_distractor": -1}, "n_distractor is -1"),
        ("deep_sea", {"size": 1}, "size is 1; at least 2"),
        ("deep_sea", {"size": "deep"}, "size is 'deep'"),
        ("deep_sea", {"sample_action_map": True}, "needs deterministic=False"),
        ("catch", {"rows": 1}, "rows is 1; at least 2"),
        ("catch", {"columns": 2.5}, "columns is 2.5"),
        ("meta_maze", {"maze_size": 8}, "maze_size is 8; an odd number from 1"),
        ("meta_maze", {"rf_size": 1}, "rf_size is 1; an odd number from 3"),
        ("swimmer", {"num_urchins": 0}, "num_urchins is 0"),
        *(
            (name, {"difficulty": "mild"}, "unknown difficulty 'mild'; valid: easy, hard, medium")
            for name in (
                *("multi_armed_bandit", "repeat_first", "repeat_previous", "minesweeper"),
                *("stateless_cartpole", "noisy_stateless_cartpole"),
            )
        ),
    ],
)
def test_settings_that_are_refused(name, settings, message):
    with pytest.raises(InputError, match=message) as caught:
        tasks.make(name, **settings)
    assert "\n" not in str(caught.value)
