"""Tasks by themselves: distribution of resets, rules, refusals."""

import functools
import json
import typing
from dataclasses import replace

import numpy as np
import pytest

import models
from bgrl import Agent, Learning, tasks
from bgrl.agent import describe
from bgrl.backends import load
from bgrl.errors import InputError
from bgrl.recording import Sink
from bgrl.step.assemble import initial_state
from bgrl.tasks.base import Task


@functools.lru_cache(maxsize=4)
def interpreted(structure):
    """The program of a structure, described; tasks with other numbers have the same."""
    return load("numpy", json.loads(structure))


def play(task, steps, directory, replicates=1, seed=0, names=()):
    """Frames and trials of an agent that picks at random, since its readouts have no weights."""
    circuit = models.circuit("linear", task)
    actor, critic = (replace(r, weights=0.0, feedback=0.0) for r in (circuit.actor, circuit.critic))
    circuit = replace(circuit, actor=actor, critic=critic)
    agent = Agent(circuit, task, Learning(sensitivity="none"), replicates, "float64")
    program = interpreted(describe(agent.structure()))
    state = initial_state(agent, program.layout, seed)
    sink = Sink(directory, names, program.layout)
    program.advance(state, 0, steps, learn=False, sink=sink)
    return sink.read_frames()[:], sink.read_trials()


def test_registry():
    assert {"memory_chain", "cartpole", "stateless_cartpole"} <= set(tasks.names())
    assert len(tasks.names()) == 31
    assert "scripted" not in tasks.names()
    assert tasks.options("memory_chain") == {"length": 8}
    with pytest.raises(InputError, match="unknown task 'go'; valid: acrobot, bernoulli_bandit"):
        tasks.make("go")
    with pytest.raises(InputError, match="has no option speed; valid: length"):
        tasks.make("memory_chain", speed=3)


@pytest.mark.parametrize("length", [0, -4, 2.5])
def test_memory_chain_refuses_lengths(length):
    with pytest.raises(InputError, match="memory_chain length is"):
        tasks.make("memory_chain", length=length)


def test_memory_chain_follows_its_rules(tmp_path):
    names = ["input.x", "policy.action", "task.reward", "task.done", "task.context"]
    frames, trials = play(tasks.make("memory_chain", length=5), 1201, tmp_path, 3, names=names)
    done = frames["task.done"] > 0
    assert (np.flatnonzero(done[:, 0]) == np.arange(0, 1201, 6)).all()
    x, context = frames["input.x"], frames["task.context"]
    shown = np.abs(x[:, :, 2]) > 0
    assert (
        shown[0::6].all() and shown[1::6].all() and not shown[2::6].any() and not shown[5::6].any()
    )
    np.testing.assert_array_equal(x[0::6, :, 2], 2 * context[0::6] - 1)
    np.testing.assert_allclose(x[0:6, 0, 0], [1, 1, 0.8, 0.6, 0.4, 0.2])
    right = frames["policy.action"][5:-1:6] == context[5:-1:6]
    np.testing.assert_array_equal(frames["task.reward"][6::6], np.where(right, 1, -1))
    assert (frames["task.reward"][~done] == 0).all()
    # A fair coin: 603 draws, 5 standard deviations.
    assert abs(context[0::6].mean() - 0.5) < 5 * 0.5 / np.sqrt(603)
    assert len(trials) == 600 and abs(trials["trial_return"].mean()) < 5 / np.sqrt(600)


def test_previous_action_and_reward_reach_the_input(tmp_path):
    names = ["input.x", "policy.action", "task.reward", "task.done"]
    frames, _ = play(tasks.make("memory_chain", length=2), 60, tmp_path, names=names)
    x, done = frames["input.x"][:, 0], frames["task.done"][:, 0] > 0
    assert (x[done][:, 3:] == 0).all()
    going = np.flatnonzero(~done)
    previous = frames["policy.action"][going - 1, 0].astype(int)
    np.testing.assert_array_equal(x[going, 3:5], np.eye(2)[previous])
    np.testing.assert_array_equal(x[going, 5], frames["task.reward"][going, 0])


def test_cartpole_resets_uniformly_and_ends_at_its_bounds(tmp_path):
    task = tasks.make("cartpole")
    names = [f"task.{v}" for v in task.variables] + ["task.done", "task.terminated"]
    frames, trials = play(task, 3000, tmp_path, 2, names=names)
    done = frames["task.done"] > 0
    for name in ("x", "x_dot", "theta", "theta_dot"):
        starts = frames[f"task.{name}"][done]
        assert np.abs(starts).max() <= 0.05 and len(np.unique(starts)) == len(starts)
        # Uniform on +-0.05: standard deviation 0.0289.
        assert starts.std() == pytest.approx(0.1 / np.sqrt(12), rel=0.15)
    theta, x = frames["task.theta"][~done], frames["task.x"][~done]
    assert np.abs(theta).max() <= 12 * np.pi / 180 and np.abs(x).max() <= 2.4
    assert (trials["terminated"] == 1).all()
    # A random policy holds the pole for about 22 steps.
    assert 15 < trials["length"].mean() < 30
    np.testing.assert_array_equal(trials["length"], trials["trial_return"])


def test_time_limit_is_no_termination(tmp_path):
    from dataclasses import replace

    from bgrl.circuit import Parameter

    task = tasks.make("stateless_cartpole")
    task = replace(task, parameters=task.parameters | {"max_steps": Parameter(4)})
    _, trials = play(task, 41, tmp_path)
    assert set(trials["terminated"]) == {0.0} and set(trials["length"]) == {4.0}
    np.testing.assert_allclose(trials["trial_return"], 4 / 200)


@pytest.mark.parametrize(
    ("observe", "names"),
    [
        ("all", ["x", "x_dot", "theta", "theta_dot"]),
        ("0,2", ["x", "theta"]),
        ("velocities", ["x_dot", "theta_dot"]),
        ("theta", ["theta"]),
    ],
)
def test_cartpole_masks(observe, names):
    assert list(tasks.make("cartpole", observe=observe).observations) == names


def test_options_of_another_kind_are_refused():
    """A flag given as text would count as True."""
    flags, wrong = 0, {bool: ("no", 0.5, 1, None), float: ("abc", []), int: ("abc", 0.5, [])}
    wrong |= {str: (["x"], 3)}
    for name in tasks.names():
        for option, hint in typing.get_type_hints(tasks._factory(name)).items():
            flags += hint is bool
            for value in wrong.get(hint, ()):
                with pytest.raises(InputError, match=rf"\b{option} is |unknown {option}") as caught:
                    tasks.make(name, **{option: value})
                assert hint is not bool or "True or False is needed" in str(caught.value)
    assert flags >= 9


def test_draws_become_state_variables():
    task = tasks.make("gaussian_bandit").with_draws_as_state()
    assert task.variables[-2:] == ("normal_0", "normal_1")
    assert "sigma_l*normal_0" in task.step and "sigma_p*normal_1" in task.reset
    assert "normal(" not in task.step + task.reset


@pytest.mark.parametrize("observe", ["4", "speed", ""])
def test_cartpole_refuses_masks(observe):
    with pytest.raises(InputError, match="valid: 0 x, 1 x_dot, 2 theta, 3 theta_dot"):
        tasks.make("cartpole", observe=observe)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step": "reward = 1"}, "must set reward and terminated"),
        ({"step": "reward = flavour\nterminated = 0"}, "unknown symbol flavour"),
        ({"step": "reward = 1\nterminated = 0\nif x: y"}, "is no assignment"),
        ({"observations": {"o": "taste"}}, "unknown symbol taste"),
        ({"observations": {}}, "needs an observation"),
        ({"variables": ("done",)}, "'done' is no name"),
        ({"variables": ("new",)}, "'new' is no name"),
        ({"bounds": ((-1, 1),)}, "has 1 bounds for 2 action"),
        ({"bounds": ((-1, 1), (1, 1))}, "action 'b' from 1 to 1"),
        ({"bounds": ((-1, 1), (-1, 1)), "variables": ("x", "action_1")}, "'action_1' is no name"),
        ({"step": "x = action_0\nreward = x\nterminated = 0"}, "unknown symbol action_0"),
    ],
)
def test_refuses_tasks_that_cannot_be(changes, message):
    settings = {
        "name": "t",
        "summary": "",
        "reference": "",
        "observations": {"o": "x"},
        "actions": ("a", "b"),
        "variables": ("x",),
        "step": "x = x + 1\nreward = x\nterminated = 0",
        "reset": "x = 0",
    }
    with pytest.raises(InputError, match=message):
        Task(**settings | changes)
