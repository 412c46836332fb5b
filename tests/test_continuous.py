"""Continuous actions: the Gaussian policy against its own densities, and learning with it."""

from dataclasses import replace

import numpy as np
import pytest

import models
from bgrl.agent import Agent
from bgrl.backends import load
from bgrl.errors import InputError
from bgrl.learning import Learning
from bgrl.recording import Record
from bgrl.simulation import Run, simulate
from bgrl.step.assemble import initial_state
from bgrl.tasks.base import Task


def targets(steps=1):
    """Two actions that must meet two targets, shown; a trial takes a number of steps."""
    return Task(
        name="targets",
        summary="meet two targets",
        reference="none",
        observations={"target_left": "target_left", "target_right": "target_right"},
        actions=("left", "right"),
        bounds=((-1.0, 1.0), (0.0, 4.0)),
        variables=("target_left", "target_right", "time"),
        step=f"""
            reward = -(action_0 - target_left)**2 - (action_1 - 2 - target_right)**2
            time = time + 1
            terminated = int(time >= {steps})
        """,
        reset="""
            target_left = uniform(0) - 0.5
            target_right = uniform(1) - 0.5
            time = 0
        """,
    )


def agent(replicates=2, units=4, dtype="float64", **learning):
    return models.agent("rtrrl", targets(), units, replicates, dtype, **learning)


def squashed(activity):
    """Mean and scale of each action from the actor's rows, (..., 4)."""
    share = 1 / (1 + np.exp(-activity))
    low, high = np.array([-1.0, 0.0]), np.array([1.0, 4.0])
    log_scale = 4 * share[..., 2:] - 2
    return low + (high - low) * share[..., :2], np.log1p(np.exp(log_scale))


def log_policy(activity, action):
    mean, scale = squashed(activity)
    return (-(((action - mean) / scale) ** 2) / 2 - np.log(scale * np.sqrt(2 * np.pi))).sum(-1)


def entropy(activity):
    return (np.log(squashed(activity)[1]) + 0.5 * np.log(2 * np.pi * np.e)).sum(-1)


def slopes(function, at):
    """Central differences over the last axis."""
    steps = 1e-6 * np.eye(at.shape[-1])
    return np.stack([(function(at + s) - function(at - s)) / 2e-6 for s in steps], -1)


def test_gradients_of_log_policy_and_entropy():
    description = agent(actor_weight=0.7, entropy_weight=0.3, rate_actor=0.0)
    program = load("numpy", description.structure())
    state = initial_state(description, program.layout, 0)
    state["readout_drive.weight"] *= 3
    for step in range(5):
        state = program.advance(state, step, 1)
        activity, action = state["readout.activity"][:, :4], state["policy.action"]
        mean, scale = squashed(activity)
        np.testing.assert_allclose(state["policy.mean"], mean, rtol=1e-12)
        np.testing.assert_allclose(state["policy.scale"], scale, rtol=1e-12)
        np.testing.assert_allclose(state["policy.entropy"].sum(1), entropy(activity), rtol=1e-12)
        signal, entropy_signal = (state[f"readout.{k}_signal"] for k in ("learning", "entropy"))
        expected = 0.7 * slopes(lambda a, x=action: log_policy(a, x), activity)
        np.testing.assert_allclose(signal[:, :4], expected, rtol=1e-6, atol=1e-8)
        expected = 0.3 * slopes(entropy, activity)
        np.testing.assert_allclose(entropy_signal[:, :4], expected, rtol=1e-6, atol=1e-8)
        assert np.abs(signal[:, :4]).min() > 1e-4
        np.testing.assert_array_equal(signal[:, 4], 1)
        np.testing.assert_array_equal(entropy_signal[:, 4], 0)


def test_actions_follow_their_distribution():
    description = agent(4000)
    program = load("numpy", description.structure())
    state = program.advance(initial_state(description, program.layout, 3), 0, 1, learn=False)
    z = (state["policy.action"] - state["policy.mean"]) / state["policy.scale"]
    # Standard errors of mean, variance and correlation of 4000 draws are about .016, .022, .016.
    np.testing.assert_allclose(z.mean(0), 0, atol=0.06)
    np.testing.assert_allclose(z.var(0), 1, atol=0.09)
    assert abs(np.corrcoef(z.T)[0, 1]) < 0.06


def test_previous_actions_are_the_next_input():
    task = targets(steps=3)
    circuit = models.circuit("rtrrl", task, 3)
    description = Agent(circuit, task, Learning(), 2, "float64")
    program = load("numpy", description.structure())
    state = program.advance(initial_state(description, program.layout, 0), 0, 1, learn=False)
    np.testing.assert_array_equal(state["input.x"][:, 2:], 0)
    after = program.advance(state, 1, 1)
    np.testing.assert_array_equal(after["input.x"][:, 2:4], state["policy.action"])
    np.testing.assert_array_equal(after["input.x"][:, 4], after["task.reward"])


@pytest.mark.slow
def test_cpp_equals_numpy():
    description = agent()
    found = {}
    for name in ("cpp", "numpy"):
        program = load(name, description.structure())
        state = program.advance(initial_state(description, program.layout, 1), 0, 1, learn=False)
        found[name] = program.advance(state, 1, 100)
    for name, value in found["cpp"].items():
        np.testing.assert_allclose(value, found["numpy"][name], rtol=0, atol=1e-9, err_msg=name)


@pytest.mark.slow
def test_targets_are_met():
    description = agent(4, 8, "float32", optimizer="amsgrad", feedback="symmetric")
    record = Record(("action", "policy"), windows=((-50, None),))
    data = simulate(description, Run(60_000, evaluations=2, record=record))
    returns = data["evaluation"]["mean_return"].values
    # Guessing the middle with the initial scale of .7 costs about 1.1; the smallest scale is .13.
    assert np.median(returns[:, 0]) < -0.8 and np.median(returns[:, -1]) > -0.25
    traces = data["traces"]
    assert traces["action"].dims == traces["policy"].dims == ("replicate", "time", "action_unit")
    assert float(traces["policy_scale"].max()) < 0.6


def test_average_reward_in_a_continuing_task():
    description = agent(rate_average_reward=0.1, discount=1.0)
    program = load("numpy", description.structure())
    state = program.advance(initial_state(description, program.layout, 0), 0, 1, learn=False)
    mean = state["dopamine.average_reward"].copy()
    for step in range(1, 6):
        value = state["dopamine.value"]
        state = program.advance(state, step, 1)
        v = state["dopamine.value"] * (1 - state["task.done"])
        td_error = state["task.reward"] + v - value - mean
        np.testing.assert_allclose(state["dopamine.td_error"], td_error, rtol=1e-12)
        mean = mean + 0.1 * td_error
        np.testing.assert_allclose(state["dopamine.average_reward"], mean, rtol=1e-12)
    assert np.abs(mean).min() > 1e-3
    assert "dopamine.average_reward" not in load("numpy", agent().structure()).layout


def test_refuses_bounds_that_cannot_be():
    with pytest.raises(InputError, match="task 'targets' has 1 bounds for 2 action"):
        replace(targets(), bounds=((0.0, 1.0),))
    with pytest.raises(InputError, match="'targets': action 'left' from 1 to 0; .* must be lower"):
        replace(targets(), bounds=((1.0, 0.0), (0.0, 1.0)))
    with pytest.raises(InputError, match="a bound of 'left' is inf; a finite number is needed"):
        replace(targets(), bounds=((0.0, np.inf), (0.0, 1.0)))
    with pytest.raises(InputError, match="unknown symbol action; known"):
        replace(targets(), step="reward = action\nterminated = 0")
    with pytest.raises(InputError, match="rate_average_reward is -0.1"):
        Learning(rate_average_reward=-0.1)


def test_names_of_units_are_refused():
    with pytest.raises(InputError, match="'second' is no name for a variable .*; it is a unit"):
        replace(targets(), variables=("target_left", "target_right", "time", "second"))
