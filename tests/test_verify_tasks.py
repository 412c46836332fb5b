"""Recorded trajectories: broken tasks are caught, other settings of the environments replayed."""

from dataclasses import replace

import numpy as np
import pytest

from bgrl import verify
from bgrl.backends import load
from bgrl.errors import InputError
from bgrl.verify.tasks import (
    ENVIRONMENTS,
    TASK_TOLERANCE,
    replay_trajectory,
    trajectory_agent,
)
from tests.conftest import FIXTURES

#: Recorded file to what is broken in the task's step or reset, and how.
BROKEN = {
    "Acrobot-v1_5": ("2*arm_2", "2.001*arm_2"),
    "BernoulliBandit-misc_5": ("action*(1", "0.9*action*(1"),
    "CartPole-v1_6": ("x = x + tau*x_dot", "x = x + 1.001*tau*x_dot"),
    "Catch-bsuite_5": ("clip(paddle_x + action - 1, 0, 4)", "clip(paddle_x + action - 1, 0, 3)"),
    "DeepSea-bsuite_5": ("moved*unscaled_move_cost", "1.01*moved*unscaled_move_cost"),
    "DiscountingChain-bsuite_5": ("int(context == 3)*reward_timestep_3", "int(context == 3)*29"),
    "GaussianBandit-misc_5": ("last_action = action", "last_action = 1 - action"),
    "MemoryChain-bsuite_8_5": ("2*int(action == context) - 1", "int(action == context)"),
    "MetaMaze-misc_5": (
        "int(action == 1) - int(action == 3)",
        "int(action == 3) - int(action == 1)",
    ),
    "MinesweeperEasy_5": ("exploded*explosion", "1.01*exploded*explosion"),
    "MountainCar-v0_5": ("cos(3*position)", "cos(3.001*position)"),
    "MountainCarContinuous-v0_5": ("0.1*action_0", "0.1001*action_0"),
    "MultiArmedBanditEasy_5": ("(2*won - 1)/pulls", "(2*won - 1)/(pulls - 1)"),
    "NoisyStatelessCartPoleEasy_5": ("uniform_2 - 0.05", "uniform_2 - 0.04"),
    "Pendulum-v1_5": ("0.001*torque", "0.00101*torque"),
    "PointRobot-misc_5": ("goals_reached + reached", "goals_reached + 2*reached"),
    "Reacher-misc_5": ("exp(-away_0", "exp(-1.001*away_0"),
    "RepeatFirstEasy_5": ("held*first + (1 - held)*(suit)", "held*first + (1 - held)*(3 - suit)"),
    "RepeatPreviousEasy_5": ("int(action == back_4)", "int(action == back_3)"),
    "StatelessCartPoleEasy_5": ("reward_per_step", "1.01*reward_per_step"),
    "Swimmer-misc_6": ("exp(-30*", "exp(-29*"),
    "UmbrellaChain-bsuite_5": ("int(time == 0)*action", "int(time == 1)*action"),
}


def replay(fixture, change=lambda task: task):
    agent = trajectory_agent(fixture)
    agent = replace(agent, task=change(agent.task))
    return replay_trajectory(fixture, agent, load("numpy", agent.structure()))


def test_every_recorded_task_is_broken_once():
    stems = {p.stem.split("_")[0] for p in (FIXTURES / "tasks").glob("*.npz")}
    assert {name.split("_")[0] for name in BROKEN} == stems


@pytest.mark.parametrize("name", BROKEN)
def test_broken_tasks_are_caught(name):
    old, new = BROKEN[name]

    def broken(task):
        assert (task.step + task.reset).count(old) >= 1
        return replace(task, step=task.step.replace(old, new), reset=task.reset.replace(old, new))

    errors = replay(verify.read_fixture(FIXTURES / "tasks" / f"{name}.npz"), broken)
    assert max(errors.values()) > TASK_TOLERANCE


def fixture(environment, rows, actions, rewards, dones, observations, **meta):
    """A recorded file of rows of states (one more than actions)."""
    arrays = {f"state_{k}": np.array([row[k] for row in rows]) for k in rows[0]}
    arrays |= {
        "observation": np.array(observations, np.float32),
        "action": np.array(actions),
        "reward": np.array(rewards, float),
        "done": np.array(dones, bool),
    }
    meta = {"environment": environment, "settings": {}, "init": {}, "parameters": {}} | meta
    return verify.Fixture(f"{environment}.npz", meta, arrays)


def assert_replays(record):
    errors = replay(record)
    assert max(errors.values()) <= TASK_TOLERANCE, errors
    return errors


def test_stochastic_deep_sea():
    rng = np.random.default_rng(1)
    size, cost = 5, 0.02
    for sampled in (False, True):
        mapping = rng.integers(0, 2, (size, size)) if sampled else np.ones((size, size), int)
        row = {"row": 0, "column": 0, "action_mapping": mapping}
        rows, actions, rewards = [row], [], []
        for r in range(size):
            c = row["column"]
            right = rng.random() < 0.8
            swept = r == 2
            actions.append(mapping[r, c] if right else 1 - mapping[r, c])
            rewards.append((right and c == size - 1) - (right and not swept) * cost / size)
            move = (0 if swept else 1) if right else -1
            row = {
                "row": r + 1,
                "column": np.clip(c + move, 0, size - 1),
                "action_mapping": mapping,
            }
            rows.append(row)
        pictures = np.zeros((size + 1, size, size))
        for picture, row in zip(pictures[:-1], rows, strict=False):
            picture[row["row"], row["column"]] = 1
        parameters = {
            "deterministic": False,
            "sample_action_map": sampled,
            "unscaled_move_cost": cost,
        }
        dones = np.arange(1, size + 1) == size
        given = (rows, actions, rewards, dones, pictures)
        errors = assert_replays(
            fixture("DeepSea-bsuite", *given, init={"size": size}, settings=parameters, seed=0)
        )
        assert ("action_mapping_0" in errors) == sampled


def test_umbrellas_with_distractors():
    rng = np.random.default_rng(2)
    need, length = 1, 7
    rows = [{"need_umbrella": need, "has_umbrella": 0, "time": 0}]
    rows += [rows[0] | {"has_umbrella": 1, "time": t} for t in range(1, length + 1)]
    rewards = rng.choice([-1, 1], length)
    rewards[-1] = 1
    seen = [[r["need_umbrella"], r["has_umbrella"], 1 - r["time"] / length] for r in rows]
    seen = np.hstack([seen, rng.integers(0, 2, (length + 1, 3))])
    dones = np.arange(1, length + 1) == length
    assert_replays(
        fixture(
            "UmbrellaChain-bsuite",
            *(rows, [1] + [0] * (length - 1), rewards, dones, seen),
            init={"n_distractor": 3},
            parameters={"chain_length": length, "max_steps_in_episode": 100},
        )
    )


@pytest.mark.parametrize(("difficulty", "decks", "k"), [("Medium", 2, 32), ("Hard", 3, 64)])
def test_longer_decks(difficulty, decks, k):
    rng = np.random.default_rng(3)
    n = 52 * decks
    cards, actions = rng.permutation(np.arange(n) % 4), rng.integers(0, 4, n)
    rows = [{"timestep": t, "cards": cards} for t in range(n + 1)]
    right = np.where(actions[k:] == cards[:-k], 1, -1) / (n - k)
    rewards = np.concatenate([np.zeros(k), right])
    seen = np.eye(4)[[*cards, cards[-1]]]
    assert_replays(
        fixture(
            f"RepeatPrevious{difficulty}", rows, actions, rewards, np.arange(1, n + 1) == n, seen
        )
    )


@pytest.mark.parametrize(("difficulty", "width", "mines"), [("Medium", 6, 6), ("Hard", 8, 10)])
def test_larger_boards(difficulty, width, mines):
    rng = np.random.default_rng(4)
    cells, free = width * width, width * width - mines
    grid = np.zeros(cells, int)
    grid[rng.choice(cells, mines, replace=False)] = 1
    board = np.pad((grid == 1).reshape(width, width), 1).astype(int)
    near = sum(board[i : i + width, j : j + width] for i in range(3) for j in range(3)).ravel()
    clear = rng.permutation(np.flatnonzero(grid == 0))[:20]
    actions = [*clear, *clear[:3], np.flatnonzero(grid)[0]]
    rewards = [1 / free] * 20 + [-0.5 / (free - 2)] * 3 + [-0.5 - 1 / free]
    rows = [{"timestep": 0, "mine_grid": grid.copy()}]
    seen = [np.zeros(mines)]
    for t, action in enumerate(actions, 1):
        grid[action] = 2
        rows.append({"timestep": t, "mine_grid": grid.copy()})
        seen.append(np.arange(mines) == near[action])
    assert_replays(
        fixture(f"Minesweeper{difficulty}", rows, actions, rewards, np.arange(24) == 23, seen)
    )


def test_inconsistent_cart_as_recorded():
    """The library's total mass and pole moment are parameters of their own."""
    source = verify.read_fixture(FIXTURES / "tasks" / "CartPole-v1_5.npz")
    parameters = source.meta["parameters"] | {"masspole": 0.3}
    agent = trajectory_agent(replace(source, meta=source.meta | {"parameters": parameters}))
    found = {k: p.value for k, p in agent.task.parameters.items()}
    assert (found["masspole"], found["total_mass"], found["polemass_length"]) == (0.3, 1.1, 0.05)
    assert "total_mass =" not in agent.task.step


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_environment_has_its_task(name):
    parameters = {}
    if name.startswith("DeepSea"):
        parameters = {"deterministic": True, "sample_action_map": True}
    meta = {"environment": name, "parameters": parameters}
    agent = trajectory_agent(verify.Fixture("x.npz", meta, {}))
    assert agent.task.name == ENVIRONMENTS[name].task


@pytest.mark.parametrize(
    ("stem", "changes", "message"),
    [
        (
            "Catch-bsuite_5",
            {"environment": "Pong-misc"},
            "unknown environment 'Pong-misc'; valid: Ac",
        ),
        (
            "Catch-bsuite_5",
            {"parameters": {"wind": 1}},
            "recorded parameter 'wind' is unknown to task",
        ),
        (
            "Catch-bsuite_5",
            {"settings": {"wind": 1}},
            "recorded parameter 'wind' is unknown to task",
        ),
        (
            "Catch-bsuite_5",
            {"init": {"depth": 1}},
            "'catch' has no option depth; valid: rows, columns",
        ),
        ("Reacher-misc_5", {"init": {"num_joints": 3}}, "num_joints is 3; only 2 is possible"),
        ("Catch-bsuite_5", {"init": {"columns": 6}}, "observation has shape"),
        (
            "Acrobot-v1_5",
            {"settings": {"torque_noise_max": 0.1}},
            "torques that were drawn are not",
        ),
    ],
)
def test_what_cannot_be_replayed_is_refused(stem, changes, message, tmp_path):
    source = verify.read_fixture(FIXTURES / "tasks" / f"{stem}.npz")
    with pytest.raises(InputError, match=message) as caught:
        replay(replace(source, meta=source.meta | changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wrong", [0.0, 1e-4])
def test_single_precision_of_the_reference_is_allowed_for_and_no_more(wrong):
    """Far from rest, the reward of Pendulum is rounded by more than the tolerance."""
    fixture = verify.read_fixture(FIXTURES / "tasks" / "Pendulum-v1_5.npz")
    arrays = {key: value.copy() for key, value in fixture.arrays.items()}
    generator, single = np.random.default_rng(0), np.float32
    theta = generator.uniform(10, 20, len(arrays["state_theta"])).astype(single)
    arrays["state_theta"] = theta
    steps = len(arrays["reward"])
    normal = (theta[:steps] + single(np.pi)) % single(2 * np.pi) - single(np.pi)
    torque = np.clip(arrays["action"].ravel(), -2, 2).astype(single)
    velocity = arrays["state_theta_dot"][:steps].astype(single)
    costs = normal**2 + single(0.1) * velocity**2 + single(0.001) * torque**2
    arrays["reward"] = -costs.astype(float) * (1 + wrong)
    changed = replace(fixture, arrays=arrays)
    agent = trajectory_agent(changed)
    program = load("numpy", agent.structure())
    error = replay_trajectory(changed, agent, program)["reward"]
    assert (error > TASK_TOLERANCE) == (wrong > 0)
