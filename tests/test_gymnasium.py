"""Tasks as Gymnasium environments, and Gymnasium environments as tasks."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import models
from bgrl import dataset, tasks
from bgrl.backends import load
from bgrl.bridge.serve import _Place
from bgrl.errors import InputError
from bgrl.random import STREAMS, counter_seed
from bgrl.recording import Record
from bgrl.simulation import Run, Stopped, simulate
from bgrl.step.assemble import initial_state
from bgrl.task_check import play, random_agent
from experiments import train

gymnasium = pytest.importorskip("gymnasium", reason="needs the extra gymnasium")
ROOT = Path(__file__).parents[1]


# Tasks as environments ----------------------------------------------------------------------


@pytest.mark.parametrize("name", tasks.names())
def test_every_task_passes_gymnasiums_checker(name):
    from gymnasium.utils.env_checker import check_env

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # infinite bounds of observations are meant
        check_env(tasks.as_gymnasium(name), skip_render_check=True)


@pytest.mark.parametrize("name", tasks.names())
def test_twin_equals_the_network(name):
    task = tasks.make(name)
    agent = random_agent(task, 1)
    played = play(agent, load("numpy", agent.structure()), seed=5, steps=60)
    env = tasks.as_gymnasium(task)
    seen, _ = env.reset(seed=5)
    for t in range(60):
        if t:
            action = played["policy.action"][t - 1, 0]
            seen, reward, terminated, truncated, _ = env.step(action)
            assert reward == pytest.approx(played["task.reward"][t, 0], rel=1e-9, abs=1e-12)
            assert terminated == played["task.terminated"][t, 0]
            assert (terminated or truncated) == played["task.done"][t, 0]
            if terminated or truncated:
                seen, _ = env.reset()
        np.testing.assert_allclose(seen, played["observation"][t, 0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "action"),
    [
        *(("memory_chain", a) for a in (2, -1, 0.5, np.nan, None, "left", np.array([0, 1]))),
        *(("pendulum", a) for a in (np.array([np.nan]), np.zeros(2), None)),
    ],
)
def test_an_action_that_is_none_is_refused(name, action):
    env = tasks.as_gymnasium(name)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    env.reset(seed=0)
    needed = "1 finite number" if name == "pendulum" else "a whole number from 0 to 1"
    with pytest.raises(InputError, match=f"action is .*; {needed} is needed"):
        env.step(action)
    assert env.step(np.zeros(1))[1:] == _first_step(name)


def _first_step(name):
    """What the first step with action 0 gives after `reset(seed=0)`, besides the observation."""
    env = tasks.as_gymnasium(name)
    env.reset(seed=0)
    return env.step([0])[1:]


def test_terminated_and_truncated_are_told_apart():
    env = tasks.as_gymnasium("cartpole")
    env.reset(seed=0)
    ends = [env.step(1)[2:4] for _ in range(30)]
    assert (True, False) in ends and not any(truncated for _, truncated in ends)
    short = tasks.make("cartpole")
    from dataclasses import replace

    limit = {**short.parameters, "max_steps": replace(short.parameters["max_steps"], value=3)}
    env = tasks.as_gymnasium(replace(short, parameters=limit))
    env.reset(seed=0)
    assert [env.step(t % 2)[2:4] for t in range(3)] == [(False, False)] * 2 + [(False, True)]


def test_compiled_cartpole_is_gymnasiums():
    """The same actions from the same state: equal to rounding until the pole falls."""
    task = tasks.make("cartpole")
    agent = random_agent(task, 1)
    program = load("numpy", agent.structure())
    state = program.advance(initial_state(agent, program.layout, 3), 0, 1, learn=False)
    env = gymnasium.make("CartPole-v1").unwrapped
    env.reset(seed=0)
    names = ("x", "x_dot", "theta", "theta_dot")
    env.state = np.array([state[f"task.{name}"][0] for name in names])
    done, steps = False, 0
    while not done:
        action = int(state["policy.action"][0])
        state = program.advance(state, steps + 1, 1, learn=False)
        _, reward, done, _, _ = env.step(action)
        assert done == state["task.terminated"][0] and reward == state["task.reward"][0]
        if not done:
            found = [state[f"task.{name}"][0] for name in names]
            np.testing.assert_allclose(found, env.state, rtol=0, atol=1e-14)
        steps += 1
    assert steps > 5


# Environments as tasks ----------------------------------------------------------------------


def seed_of(seed, replicate, step):
    return counter_seed(seed, replicate, STREAMS["environment"], step)


def bridged(backend="numpy", replicates=2, name="CartPole-v1", observe="0,2", **learning):
    task = tasks.make(f"gymnasium:{name}", observe=observe)
    agent = models.agent("rtrrl", task, 4, replicates, "float64", **learning)
    return task, agent, load(backend, agent.structure())


@pytest.mark.parametrize("backend", ["numpy", pytest.param("cpp", marks=pytest.mark.slow)])
def test_the_program_sees_what_the_environment_shows(backend):
    task, agent, program = bridged(backend)
    program.environment = task.environment.open(2)
    envs = [gymnasium.make("CartPole-v1") for _ in range(2)]
    expected = [env.reset(seed=seed_of(7, r, 0))[0] for r, env in enumerate(envs)]
    state = program.advance(initial_state(agent, program.layout, 7), 0, 1, learn=False)
    ends = 0
    for step in range(1, 80):
        np.testing.assert_array_equal(state["input.x"][:, :2], np.array(expected)[:, [0, 2]])
        actions = state["policy.action"].astype(int)
        state = program.advance(state, step, 1)
        for r, env in enumerate(envs):
            expected[r], reward, terminated, truncated, _ = env.step(actions[r])
            if terminated or truncated:
                expected[r], _ = env.reset(seed=seed_of(7, r, step))
                ends += 1
            assert state["task.reward"][r] == reward
            assert state["task.done"][r] == (terminated or truncated)
    assert ends > 2
    program.environment.close()


@pytest.mark.parametrize("backend", ["numpy", pytest.param("cpp", marks=pytest.mark.slow)])
def test_a_program_without_its_environment_is_refused(backend):
    _, agent, program = bridged(backend)
    state = initial_state(agent, program.layout, 0)
    with pytest.raises(InputError, match="set program.environment first"):
        program.advance(state, 0, 1)


def test_continuous_actions_reach_the_environment_within_bounds():
    task, agent, program = bridged(name="Pendulum-v1", observe="")
    assert task.bounds == ((-2.0, 2.0),) and len(task.observations) == 3
    program.environment = task.environment.open(2)
    env = gymnasium.make("Pendulum-v1")
    env.reset(seed=seed_of(1, 0, 0))
    state = program.advance(initial_state(agent, program.layout, 1), 0, 1, learn=False)
    for step in range(1, 20):
        action = np.clip(state["policy.action"][0], -2, 2).astype(np.float32)
        state = program.advance(state, step, 1)
        seen, reward, *_ = env.step(action)
        np.testing.assert_allclose(state["input.x"][0, :3], seen, rtol=1e-6)
        np.testing.assert_allclose(state["task.reward"][0], reward, rtol=1e-6)
    program.environment.close()


def test_odd_spaces_rewards_and_ends_are_those_of_the_environment():
    """Of both replicates; where a trial is cut the closing step follows, where it ends the next trial."""
    from tests.environments import Odd

    _, agent, _ = bridged(name="tests.environments:Odd-v0", observe="")
    names = ("observation", "reward", "action", "done")
    data = simulate(agent, Run(60, 3, "numpy", 1, 1, 1, Record(names, windows=((0, None),))))
    terminated = data["trials"]["terminated"].values
    assert (terminated == 1).any() and (terminated == 0).any()
    for r in range(2):
        traces = {name: data["traces"][name].values[r] for name in names}
        env, action, cut = Odd(), 0, False
        env.reset(seed=seed_of(3, r, 0))
        for k in range(60):  # what is recorded first is step 1
            reward, terminated, closing = 0.0, False, cut
            if cut:
                seen, _ = env.reset(seed=seed_of(3, r, k + 1))
                cut = False
            else:
                seen, reward, terminated, truncated, _ = env.step(action - 1)
                cut = truncated and not terminated
                if terminated:
                    seen, _ = env.reset(seed=seed_of(3, r, k + 1))
            flat = gymnasium.spaces.flatten(env.observation_space, seen)
            np.testing.assert_allclose(traces["observation"][k], flat, rtol=1e-12)
            if k:  # the action before the first record is not recorded
                np.testing.assert_allclose(traces["reward"][k], reward, rtol=1e-6)
            assert traces["done"][k] == (terminated or closing)
            action = int(traces["action"][k])


def test_a_run_through_the_bridge_repeats():
    _, agent, _ = bridged()
    run = Run(60, 3, "numpy", 1, 1, 1, Record(("reward", "observation"), windows=((0, 60),)))
    first, second = (simulate(agent, run) for _ in range(2))
    assert first.identical(second)
    assert (first["trials"]["length"] > 0).any()


@pytest.mark.long
def test_a_killed_environment_ends_the_run_with_what_there_is(tmp_path):
    output = tmp_path / "run.nc"
    words = [sys.executable, "-m", "experiments.train", "--task", "gymnasium:CartPole-v1"]
    words += ["--steps", "3000000", "--replicates", "1", "--units", "4", "--output", str(output)]
    words += ["--evaluation-trials", "1", "--evaluations", "1000"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(words, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    progress = Path(f"{output}.partial/progress.json")
    while not (progress.exists() and json.loads(progress.read_text())["step"]):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.2)
    children = subprocess.run(
        ["pgrep", "-f", "-P", str(process.pid), "bgrl.bridge"], capture_output=True, text=True
    ).stdout.split()
    assert len(children) == 2
    for child in children:
        os.kill(int(child), signal.SIGKILL)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "environment 'CartPole-v1' failed: its process ended with status -9" in message
    assert "the same command goes on from there" in message
    assert json.loads(progress.read_text())["step"] > 0
    data = dataset.read(output)
    assert "failed" in data.attrs["stopped"] and data["evaluation"]["step"].values[0] == 0


def test_an_environment_that_raises_is_named(tmp_path, monkeypatch):
    (tmp_path / "fragile.py").write_text(
        "import gymnasium, numpy as np\n"
        "from gymnasium.envs.registration import register\n"
        "class Fragile(gymnasium.Env):\n"
        "    observation_space = gymnasium.spaces.Box(-1, 1, (2,))\n"
        "    action_space = gymnasium.spaces.Discrete(2)\n"
        "    steps = 0\n"
        "    def reset(self, *, seed=None, options=None):\n"
        "        return np.zeros(2, np.float32), {}\n"
        "    def step(self, action):\n"
        "        self.steps += 1\n"
        "        if self.steps > 20: raise ValueError('the rope broke')\n"
        "        return np.zeros(2, np.float32), 1.0, False, False, {}\n"
        "register('Fragile-v0', entry_point=Fragile)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    agent = models.agent("rtrrl", tasks.make("gymnasium:fragile:Fragile-v0"), 3, 1, "float64")
    run = Run(100, 0, "numpy", 1, 1, 1, Record(("reward",)))
    with pytest.raises(Stopped, match="'fragile:Fragile-v0' failed: ValueError: the rope broke"):
        simulate(agent, run)


@pytest.mark.parametrize(
    ("name", "observe", "message"),
    [
        ("NoSuchThing-v0", "", "no Gymnasium environment 'NoSuchThing-v0'"),
        ("CartPole-v1", "0,9", "observe is '0,9'; environment 'CartPole-v1' has entries 0 to 3"),
        ("CartPole-v1", "all", "valid: numbers separated by commas, even, odd"),
    ],
)
def test_refuses_environments_that_cannot_be(name, observe, message):
    with pytest.raises(InputError, match=message):
        tasks.make(f"gymnasium:{name}", observe=observe)


def test_reward_scale_and_unknown_options():
    task = tasks.make("gymnasium:CartPole-v1", reward_scale=0.5)
    agent = random_agent(task, 1)
    program = load("numpy", agent.structure())
    program.environment = task.environment.open(1)
    state = program.advance(initial_state(agent, program.layout, 0), 0, 1, learn=False)
    assert program.advance(state, 1, 1, learn=False)["task.reward"][0] == 0.5
    program.environment.close()
    with pytest.raises(InputError, match="has no option speed; valid: observe, reward_scale"):
        tasks.make("gymnasium:CartPole-v1", speed=2)


def test_keyword_arguments_reach_the_environment():
    """On ice that does not slip, going right three times is going right three times."""
    settings = [("task.is_slippery", "False"), ("task.max_episode_steps", "9")]
    config = train.Config(task="gymnasium:FrozenLake-v1").with_settings(settings)
    task = config.make_task()
    assert task.to_dict()["environment"] == {"is_slippery": False, "max_episode_steps": 9}
    place = _Place("FrozenLake-v1", task.environment.settings, range(16), 0)
    place.answer(0, 0, False, True, [0])
    seen = [np.argmax(place.answer(k, 0, False, False, [2])[4:]) for k in (1, 2, 3)]
    assert seen == [1, 2, 3]
    slippery = _Place("FrozenLake-v1", {}, range(16), 0)
    slippery.answer(0, 0, False, True, [0])
    assert [np.argmax(slippery.answer(k, 0, False, False, [2])[4:]) for k in (1, 2, 3)] != seen
    with pytest.raises(InputError, match="no option slippery; valid: observe, .*is_slippery"):
        tasks.make("gymnasium:FrozenLake-v1", slippery=False)


def test_even_observations_of_half_cheetah():
    pytest.importorskip("mujoco", reason="needs the extra mujoco")
    task, agent, program = bridged(name="HalfCheetah-v5", observe="even", replicates=1)
    assert len(task.observations) == 9 and len(task.actions) == 6
    program.environment = task.environment.open(1)
    state = program.advance(initial_state(agent, program.layout, 1), 0, 1, learn=False)
    state = program.advance(state, 1, 20)
    assert np.isfinite(state["task.reward"]).all() and (state["task.reward"] != 0).all()
    program.environment.close()


def test_an_environment_of_the_script_itself_is_refused():
    """The process of the environments would not find it."""
    code = (
        "import gymnasium\n"
        "class Own(gymnasium.Env):\n"
        "    observation_space = gymnasium.spaces.Box(0, 1, (1,))\n"
        "    action_space = gymnasium.spaces.Discrete(2)\n"
        "gymnasium.register('Own-v0', entry_point=Own)\n"
        "from bgrl import tasks\n"
        "tasks.make('gymnasium:Own-v0')"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    last = result.stderr.splitlines()[-1]
    assert "'Own-v0' is defined in the script that is run" in last
    assert last.endswith("gymnasium:MODULE:Own-v0")
