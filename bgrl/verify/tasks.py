"""Recorded trajectories of tasks, step by step through the network that users train.

Every step is taken from the recorded state before it. What a step draws is taken from the record: the
draw is set that leads to the recorded outcome. A trial's end is compared before the next trial starts,
and the start of the first is made by the task's own reset, from the draws that lead to it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from bgrl import tasks
from bgrl.circuit import Parameter
from bgrl.errors import InputError, choose
from bgrl.language import assignments
from bgrl.step.assemble import initial_state
from bgrl.task_check import random_agent

#: Largest error of a step of a task relative to max(1, value): the records are float32.
TASK_TOLERANCE = 1e-6
#: Steps of a trajectory that are checked at once, each in a replicate of its own.
_AT_ONCE = 64


class Record:
    """The arrays of a trajectory in float64; ``record["x"]`` is the library's state `x`.

    Parameters
    ----------
    arrays : dict of str to array
        Of the recorded file.
    task : Task
        With the recorded parameters.
    settings : dict
        From which the task was made.

    Attributes
    ----------
    observation : array (steps + 1, channels)
    action, reward, done : array (steps, ...)
    variables : tuple of str
        Of the task.
    parameters, settings : dict
        Of the task, by name.
    """

    def __init__(self, arrays, task, settings):
        self.arrays, self.variables, self.settings = arrays, task.variables, settings
        self.parameters = {k: float(p.value) for k, p in task.parameters.items()}
        for name in ("observation", "action", "reward", "done"):
            if not np.size(arrays[name]):
                raise InputError(f"{name} has no row; one or more steps are needed")
            setattr(self, name, np.atleast_1d(arrays[name].astype(float)))
        self.steps = len(self.reward)
        lengths = {len(self.action), len(self.done), len(self.observation) - 1}
        if lengths != {self.steps}:
            raise InputError("observation, action, reward and done differ in length")
        self.observation = self.observation.reshape(self.steps + 1, -1)
        sent = len(task.actions) if task.continuous else 1
        if self.action.size != self.steps * sent:
            raise InputError(f"action has shape {self.action.shape}; {sent} a step is needed")

    def __contains__(self, name):
        return f"state_{name}" in self.arrays

    def __getitem__(self, name):
        array = np.atleast_1d(self.arrays[f"state_{name}"].astype(float))
        if len(array) != self.steps + 1:
            raise InputError(f"state_{name} has {len(array)} rows; {self.steps + 1} are needed")
        return array.reshape(self.steps + 1, -1)

    def state(self, variable, renamed):
        """A task's variable in each row, or None; of arrays, ``x_3`` is entry 3 of `x`."""
        name = renamed.get(variable, variable)
        if name in self and self[name].shape[1] == 1:
            return self[name][:, 0]
        match = re.fullmatch(r"(\w+)_(\d+)", variable)
        if match and match[1] in self and int(match[2]) < self[match[1]].shape[1]:
            return self[match[1]][:, int(match[2])]
        return None


def _nothing(record):
    return {}


@dataclass(frozen=True)
class Environment:
    """How an environment was recorded, and what its task is.

    Parameters
    ----------
    task : str
    settings : dict or callable
        The task's settings, or what makes them from the recorded parameters.
    fixed : dict
        Arguments of the library's constructor that the task does not have, and their one value.
    renamed : dict
        The task's name of a parameter or state variable to the recorded one.
    unused : tuple of str
        Recorded parameters on which nothing depends.
    states, draws, start : callable
        From a `Record`: state variables that it has in another form (steps + 1 rows), the random
        numbers of its steps (steps rows) and those that its first state was made from.
    sees_end : bool
        Whether what is observed after the last step means something.
    """

    task: str
    settings: dict | Callable = field(default_factory=dict)
    fixed: dict = field(default_factory=dict)
    renamed: dict = field(default_factory=dict)
    unused: tuple = ()
    states: Callable = _nothing
    draws: Callable = _nothing
    start: Callable = _nothing
    sees_end: bool = True


# What was drawn -----------------------------------------------------------------------------


def _numbered(values, first=0, kind="uniform"):
    return {f"{kind}_{k}": value for k, value in enumerate(values, first)}


def _uniform(*names, low, high, first=0):
    """Draws of the states `names` at the start, uniform from `low` to `high` in this order."""

    def start(record):
        values = np.concatenate([record[name][0] for name in names])
        return _numbered((values - low) / (high - low), first)

    return start


def _close(chance, happened):
    """Uniform numbers just on that side of `chance` on which something happened, or not."""
    return chance + np.where(happened, -1e-6, 1e-6)


def _coins(*names, first=0):
    """Draws of states that are 1 where a uniform number is below a half."""

    def start(record):
        return _numbered([_close(0.5, record[name][0, 0]) for name in names], first)

    return start


def _joined(*functions):
    return lambda record: {k: v for f in functions for k, v in f(record).items()}


def _scaled(difference, scale):
    """Normal numbers that were multiplied by `scale`."""
    return difference / scale if scale else 0 * difference


def _umbrella(record):
    distractors = _numbered(_close(0.5, record.observation[1:, 3:]).T, 1)
    return {"uniform_0": _close(0.5, record.reward > 0), **distractors}


def _umbrella_start(record):
    distractors = _close(0.5, record.observation[0, 3:])
    coins = _coins("need_umbrella", "has_umbrella", first=len(distractors) + 1)
    return _numbered(distractors, 1) | coins(record)


def _deep_sea(record):
    """A move right that failed cost nothing and, except in the last column, left the column."""
    size = record.settings["size"]
    row, column = record["row"][:-1, 0].astype(int), record["column"][:, 0]
    mapping = record["action_mapping"][:-1].reshape(-1, size, size)
    here = mapping[np.arange(record.steps), row, column[:-1].astype(int)]
    treasure = (record.action == here) & (column[:-1] == size - 1)
    cost = record.parameters["unscaled_move_cost"] / size
    free = treasure - record.reward < cost / 2 if cost else np.diff(column) == 0
    return {"uniform_0": _close(1 / size, free)}


def _deep_sea_start(record):
    return _numbered(_close(0.5, record["action_mapping"][0]), 1)


def _catch_start(record):
    return {"uniform_0": (record["ball_x"][0, 0] + 0.5) / record.settings["columns"]}


def _bandit(record, chances, won):
    """What decided whether each pull won, given the arms' chances before it."""
    chance = chances[np.arange(record.steps), record.action.astype(int)]
    return {"uniform_0": _close(chance, won)}


def _bernoulli_start(record):
    first, low = record["reward_probs"][0, 0], record.parameters["reward_prob"]
    return {"uniform_1": _close(0.5, abs(first - low) > abs(first - (1 - low)))}


def _gaussian(record):
    mu = record["mu"][:-1, 0]
    return {"normal_0": _scaled(record.reward - mu, record.parameters["sigma_l"])}


def _gaussian_start(record):
    above = record["mu"][0, 0] - record.parameters["mean_mu"]
    return {"normal_1": _scaled(above, record.parameters["sigma_p"])}


def _maze_draw(record, position):
    """The draws of an open cell of the maze, which are its number."""
    size, ring = record.settings["maze_size"], record.settings["rf_size"] // 2
    row, column = (position - ring).T
    walled = row % 2
    number = row // 2 * (size + size // 2 + 1) + walled * size + column / (1 + walled)
    return (number + 0.5) / (size * size - (size // 2) ** 2)


def _noise(record):
    return record.observation - np.hstack([record["x"], record["theta"]])


def _cartpole_noise(record):
    noise = _scaled(_noise(record)[1:], record.parameters["noise_sigma"])
    return _numbered(noise.T, kind="normal")


def _cartpole_noise_start(record):
    noise = _scaled(_noise(record)[0], record.parameters["noise_sigma"])
    return _numbered(noise, kind="normal")


def _deck(record):
    """Suit in view and cards that remain of each suit, before each step and after the last."""
    cards = record["cards"][0].astype(int)
    time = np.minimum(record["timestep"][:, 0].astype(int), len(cards) - 1)
    shown = cards[:, None] == np.arange(4)
    return cards, time, (shown.sum(axis=0) - np.cumsum(shown, axis=0))[time]


def _deck_states(record):
    cards, time, left = _deck(record)
    width = sum(v.startswith("back_") for v in record.variables)
    back = {
        f"back_{j}": np.where(time >= j, cards[np.maximum(time - j, 0)], 0)
        for j in range(1, width + 1)
    }
    suits = {"suit": cards[time], "first": np.full(len(time), cards[0])}
    return suits | back | {f"left_{s}": left[:, s] for s in range(4)}


def _deck_draws(record):
    cards, time, left = _deck(record)
    following = cards[np.minimum(time + 1, len(cards) - 1)]
    rows = np.arange(len(time))
    upper = np.cumsum(left, axis=1)[rows, following]
    draw = (upper - left[rows, following] / 2) / np.maximum(left.sum(axis=1), 1)
    return {"uniform_0": draw[:-1]}


def _deck_start(record):
    return {"uniform_1": (record["cards"][0, 0] + 0.5) / 4}


def _board(record):
    grid = record["mine_grid"]
    mines = np.flatnonzero(grid[0] == 1)
    return mines, grid


def _board_states(record):
    mines, grid = _board(record)
    places = {f"mine_{k}": np.full(len(grid), place) for k, place in enumerate(mines)}
    return places | {f"viewed_{k}": cell == 2 for k, cell in enumerate(grid.T)}


def _board_start(record):
    mines, grid = _board(record)
    among = grid.shape[1] - len(mines) + 1 + np.arange(len(mines))
    return _numbered((mines + 0.5) / among)


def _polar(points, radius):
    """Distance and direction of points of the upper half disc, both from 0 to 1."""
    x, y = np.moveaxis(points, -1, 0)
    return np.hypot(x, y) / radius, np.arctan2(y, x) / np.pi


def _robot(record):
    return _numbered(_polar(record["pos"][1:], record.parameters["circle_radius"]))


def _robot_start(record):
    radius = record.parameters["circle_radius"]
    goal, position = (_polar(record[name][0], radius) for name in ("goal", "pos"))
    return _numbered((goal[1], *position), 2)


def _acrobot(record):
    if record.parameters["torque_noise_max"]:
        raise InputError("torque_noise_max is not 0; the torques that were drawn are not recorded")
    return {}


# The environments ---------------------------------------------------------------------------


def _popgym(name, task, **fields):
    return {
        f"{name}{difficulty.capitalize()}": Environment(task, {"difficulty": difficulty}, **fields)
        for difficulty in ("easy", "medium", "hard")
    }


_CART = {"pole_length": "length", "theta_threshold": "theta_threshold_radians"}
_CART_START = _uniform("x", "x_dot", "theta", "theta_dot", low=-0.05, high=0.05)
_CAR_START = _uniform("position", low=-0.6, high=-0.4)
_DECK = {
    "renamed": {"time": "timestep"},
    "states": _deck_states,
    "draws": _deck_draws,
    "start": _deck_start,
    "sees_end": False,
}

#: Recorded environments.
ENVIRONMENTS = {
    "MemoryChain-bsuite": Environment(
        "memory_chain",
        fixed={"num_bits": 1},
        renamed={"length": "memory_length"},
        start=_coins("context"),
    ),
    "DiscountingChain-bsuite": Environment("discounting_chain"),
    "UmbrellaChain-bsuite": Environment("umbrella_chain", draws=_umbrella, start=_umbrella_start),
    "DeepSea-bsuite": Environment(
        "deep_sea",
        settings=lambda p: {
            "deterministic": bool(p["deterministic"]),
            "sample_action_map": bool(p["sample_action_map"] and not p["deterministic"]),
        },
        unused=("sample_action_map", "randomize_actions"),
        draws=_deep_sea,
        start=_deep_sea_start,
    ),
    "Catch-bsuite": Environment("catch", start=_catch_start),
    "BernoulliBandit-misc": Environment(
        "bernoulli_bandit",
        draws=lambda record: _bandit(record, record["reward_probs"], record.reward > 0),
        start=_bernoulli_start,
    ),
    "GaussianBandit-misc": Environment("gaussian_bandit", draws=_gaussian, start=_gaussian_start),
    **_popgym(
        "MultiArmedBandit",
        "multi_armed_bandit",
        renamed={"time": "timestep"},
        draws=lambda record: _bandit(record, record["payouts"], record.observation[1:, 0]),
        start=_uniform("payouts", low=0, high=1, first=1),
    ),
    "MetaMaze-misc": Environment(
        "meta_maze",
        renamed={"goal_reward": "reward"},
        draws=lambda record: {"uniform_0": _maze_draw(record, record["pos"][1:])},
        start=lambda record: {"uniform_1": _maze_draw(record, record["goal"][:1])[0]},
    ),
    **_popgym("RepeatFirst", "repeat_first", **_DECK),
    **_popgym("RepeatPrevious", "repeat_previous", **_DECK),
    **_popgym(
        "Minesweeper",
        "minesweeper",
        renamed={"time": "timestep"},
        states=_board_states,
        start=_board_start,
    ),
    "CartPole-v1": Environment("cartpole", renamed=_CART, start=_CART_START),
    **_popgym("StatelessCartPole", "stateless_cartpole", renamed=_CART, start=_CART_START),
    **_popgym(
        "NoisyStatelessCartPole",
        "noisy_stateless_cartpole",
        renamed=_CART,
        draws=_cartpole_noise,
        start=_joined(_CART_START, _cartpole_noise_start),
    ),
    "MountainCar-v0": Environment("mountain_car", start=_CAR_START),
    "MountainCarContinuous-v0": Environment("mountain_car_continuous", start=_CAR_START),
    "Acrobot-v1": Environment(
        "acrobot",
        renamed={"time_step": "dt"},
        unused=("link_length_2",),
        draws=_acrobot,
        start=_uniform(
            *("joint_angle1", "joint_angle2", "velocity_1", "velocity_2"),
            low=-0.1,
            high=0.1,
            first=1,
        ),
    ),
    "Pendulum-v1": Environment(
        "pendulum",
        renamed={"time_step": "dt", "gravity": "g", "mass": "m", "pole_length": "l"},
        start=_joined(
            _uniform("theta", low=-np.pi, high=np.pi),
            _uniform("theta_dot", low=-1, high=1, first=1),
        ),
    ),
    "PointRobot-misc": Environment("point_robot", draws=_robot, start=_robot_start),
    "Reacher-misc": Environment(
        "reacher",
        fixed={"num_joints": 2},
        renamed={"time_step": "dt"},
        start=_joined(
            _uniform("angles", low=-np.pi, high=np.pi),
            _uniform("angle_vels", low=-1, high=1, first=2),
            _uniform("goal_xy", low=-2, high=2, first=4),
        ),
    ),
    "Swimmer-misc": Environment(
        "swimmer",
        renamed={"time_step": "dt"},
        start=_uniform("xy", "goal_xy", "urchin_xys", low=-1, high=1),
    ),
}


# The task that is replayed ------------------------------------------------------------------


def _environment(fixture):
    return ENVIRONMENTS[choose("environment", fixture.meta["environment"], ENVIRONMENTS)]


def _recorded_parameters(fixture):
    return fixture.meta["parameters"] | fixture.meta.get("settings", {})


def _settings(fixture, environment):
    """What the task is made from."""
    settings = environment.settings
    if callable(settings):
        settings = settings(_recorded_parameters(fixture))
    init = dict(fixture.meta.get("init", {}))
    for name, value in environment.fixed.items():
        if init.pop(name, value) != value:
            raise InputError(f"{name} is {fixture.meta['init'][name]}; only {value} is possible")
    return {**settings, **init}


def _with_parameters(task, recorded, environment):
    """The task with the recorded parameters; what it computes itself may be one of them."""
    names = {recorded: own for own, recorded in environment.renamed.items()}
    names.setdefault("max_steps_in_episode", "max_steps")
    parameters = dict(task.parameters)
    step = [line[:2] for line in assignments("step", task.step)]
    for key, value in recorded.items():
        name = names.get(key, key)
        values = {name: value} if np.ndim(value) == 0 else _entries(name, value, parameters)
        for own, number in values.items():
            if own in parameters:
                parameters[own] = Parameter(float(number), parameters[own].unit)
            elif own in dict(step) and own not in task.variables:
                parameters[own] = Parameter(float(number))
                step = [line for line in step if line[0] != own]
            elif key not in environment.unused:
                raise InputError(f"recorded parameter {key!r} is unknown to task {task.name!r}")
    code = "\n".join(f"{name} = {value}" for name, value in step)
    return replace(task, parameters=parameters, step=code)


def _entries(name, values, parameters):
    """Entries of an array by parameter; past its end JAX reads its last."""
    found = [k for k in range(len(parameters)) if f"{name}_{k}" in parameters]
    return {f"{name}_{k}": values[min(k, len(values) - 1)] for k in found}


def _with_held_reset(task):
    """The task with a state variable `held` that, where it is 1, keeps `reset` from happening."""
    reset = "\n".join(
        f"{name} = held*{name} + (1 - held)*({value})"
        if name in task.variables
        else f"{name} = {value}"
        for name, value, _ in assignments("reset", task.reset)
    )
    step = f"{task.step}\nheld = held"
    return replace(task, variables=(*task.variables, "held"), step=step, reset=reset)


def trajectory_agent(fixture):
    """An agent in the task of a ``task_trajectory``, with the recorded settings.

    What the task draws, and whether it resets, are state variables.

    Raises
    ------
    InputError
        For an environment or setting that there is not.
    """
    environment = _environment(fixture)
    task = tasks.make(environment.task, **_settings(fixture, environment))
    task = _with_parameters(task, _recorded_parameters(fixture), environment)
    task = _with_held_reset(task.with_draws_as_state())
    return random_agent(task, _AT_ONCE)


# The replay ---------------------------------------------------------------------------------


class Trajectory:
    """A recorded trajectory in the terms of a task.

    Case 0 is the start, case k the k-th step.

    Parameters
    ----------
    fixture : Fixture
    agent : Agent
        Of `trajectory_agent`.
    """

    def __init__(self, fixture, agent):
        self.agent, self.task = agent, agent.task
        self.environment = _environment(fixture)
        settings = tasks.options(self.environment.task) | _settings(fixture, self.environment)
        self.record = Record(fixture.arrays, self.task, settings)
        self.states = self._states()
        self.draws = self.environment.draws(self.record)
        self.start = self.environment.start(self.record)

    def _states(self):
        found = self.environment.states(self.record)
        for variable in self.task.variables:
            recorded = self.record.state(variable, self.environment.renamed)
            if recorded is not None:
                found[variable] = recorded
        return {k: np.asarray(v, float) for k, v in found.items() if k in self.task.variables}

    def before(self, cases, layout):
        """The state from which the task makes a step in each case."""
        state = initial_state(self.agent, layout, seed=0)
        steps = cases[cases > 0]
        where = np.flatnonzero(cases > 0)
        state["task.restart"][...] = 0
        state["task.restart"][: len(cases)] = cases == 0
        state["task.held"][: len(cases)] = cases > 0
        for variable in self.task.variables:
            array = state[f"task.{variable}"]
            if variable in self.states:
                array[where] = self.states[variable][steps - 1]
            elif variable in self.draws:
                array[where] = self.draws[variable][steps - 1]
            elif not variable.startswith(("uniform_", "normal_", "held")):
                # The step must not depend on it.
                array[where] = np.nan
            if variable in self.start:
                array[np.flatnonzero(cases == 0)] = self.start[variable]
        action = self.record.action.reshape(self.record.steps, -1)
        array = state["policy.action"]
        array[where] = action[steps - 1].reshape(-1, *array.shape[1:])
        return state

    def rounding(self, before, after, program):
        """How far the reward moves if the recorded real numbers are the next in single precision."""
        total = np.zeros_like(after["task.reward"])
        for name in (f"task.{variable}" for variable in self.states):
            array = before[name].copy()
            real = np.isfinite(array) & (array != np.round(array))
            array[real] = np.nextafter(array[real].astype(np.float32), np.float32(np.inf))
            moved = program.advance(before | {name: array}, 0, 1, learn=False)
            total += np.abs(moved["task.reward"] - after["task.reward"])
        return total

    def compared(self, cases, state):
        """Name to what was found and what is expected after a step."""
        step = np.flatnonzero(cases > 0)
        for name in ("reward", "done"):
            expected = getattr(self.record, name)[cases[step] - 1]
            yield name, state[f"task.{name}"][step], expected
        ended = np.concatenate([[0.0], self.record.done])[cases] > 0
        seen = np.flatnonzero(self.environment.sees_end | ~ended)
        observed = state["input.x"][seen, : len(self.task.observations)]
        yield "observation", observed, self.record.observation[cases[seen]]
        for variable, values in self.states.items():
            yield variable, state[f"task.{variable}"][seen], values[cases[seen]]


def replay_trajectory(fixture, agent, program):
    """Take every step of a trajectory from the recorded state before it, and make its start.

    Returns
    -------
    dict of str to float
        Largest error of each recorded quantity, relative to max(1, value); the reward's to what one
        rounding of the recorded state, which is single precision, makes of it, if that is more.
    """
    trajectory = Trajectory(fixture, agent)
    errors, total = {}, trajectory.record.steps + 1
    for first in range(0, total, _AT_ONCE):
        cases = np.arange(first, min(first + _AT_ONCE, total))
        before = trajectory.before(cases, program.layout)
        state = program.advance(before, 0, 1, learn=False)
        for key, value, expected in trajectory.compared(cases, state):
            if value.shape != expected.shape:
                raise InputError(
                    f"{fixture.path}: {key} has shape {expected.shape}; the task's is {value.shape}"
                )
            scale = np.maximum(1, np.abs(expected))
            if key == "reward" and (np.abs(value - expected) > TASK_TOLERANCE * scale).any():
                step = np.flatnonzero(cases > 0)
                moved = trajectory.rounding(before, state, program)[step]
                scale = scale + moved / TASK_TOLERANCE
            error = np.abs(value - expected) / scale
            error = np.where(np.isnan(error), np.inf, error).max(initial=0.0)
            errors[key] = max(errors.get(key, 0.0), float(error))
    return errors
