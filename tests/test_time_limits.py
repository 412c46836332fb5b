"""A trial that a time limit cuts has a future, which its last observation's value stands for."""

from dataclasses import replace

import numpy as np
import pytest

import models
from bgrl import tasks
from bgrl.backends import load
from bgrl.interventions import Intervention
from bgrl.recording import Record
from bgrl.simulation import Run, simulate
from bgrl.task_check import check, play, random_agent
from bgrl.tasks.base import Task

pytest.importorskip("gymnasium", reason="needs the extra gymnasium")

#: Counts the steps of a trial, and draws a number for each; cut after 4 steps, ended by a draw.
COUNTING = Task(
    name="counting",
    summary="count",
    reference="none",
    observations={"time": "time/10", "drawn": "drawn", "trial": "trial"},
    actions=("left", "right"),
    variables=("time", "drawn", "trial", "all_steps"),
    step="""
        time = time + 1
        all_steps = all_steps + 1
        drawn = uniform(0)
        reward = time + drawn
        terminated = int(drawn < 0.1)
        truncated = int(time >= 4)
    """,
    reset="time = 0\ntrial = uniform(1)",
)
#: Pays 1 in every step for ever, cut after 10 of them.
PAYING = Task(
    name="paying",
    summary="pay",
    reference="none",
    observations={"constant": "1.0 + 0*time"},
    actions=("left", "right"),
    variables=("time",),
    step="time = time + 1\nreward = 1\nterminated = 0\ntruncated = int(time >= 10)",
    reset="time = 0",
)


@pytest.fixture(scope="module")
def played():
    agent = random_agent(COUNTING, 3)
    return play(agent, load("numpy", agent.structure()), seed=2, steps=120)


def test_a_cut_trial_is_closed_in_the_next_step(played):
    ended, done = played["task.ended"] > 0, played["task.done"] > 0
    cut = (played["task.truncated"] > 0) & (played["task.terminated"] == 0)
    assert cut.sum() > 20 and (played["task.terminated"] > 0).sum() > 5
    np.testing.assert_array_equal(ended & ~done, cut)
    np.testing.assert_array_equal((done & ~ended)[1:], cut[:-1])
    closing = done & ~ended
    assert (played["task.reward"][closing] == 0).all()
    assert (played["task.trial_length"][closing] == 0).all()
    assert (played["task.trial_return"][closing] == 0).all()
    assert (played["task.time"][closing] == 0).all() and (played["task.time"][cut] == 4).all()
    # What lasts from trial to trial does not see the closing step.
    steps = np.cumsum(~closing, axis=0)
    np.testing.assert_array_equal(played["task.all_steps"], steps)
    # The last observation is the cut trial's own, the next trial's number is new.
    np.testing.assert_allclose(played["observation"][cut][:, 0], 0.4)
    trial = played["task.trial"]
    assert (trial[1:][closing[1:]] != trial[:-1][closing[1:]]).all()


def test_twin_has_the_closing_step(played):
    env = tasks.as_gymnasium(COUNTING)
    seen, _ = env.reset(seed=2)
    cut = False
    for t in range(120):
        if cut:
            (seen, _), cut = env.reset(), False
        elif t:
            seen, reward, terminated, cut, _ = env.step(int(played["policy.action"][t - 1, 0]))
            assert reward == pytest.approx(played["task.reward"][t, 0], rel=1e-12)
            assert terminated == played["task.terminated"][t, 0]
            if terminated:
                seen, _ = env.reset()
        np.testing.assert_allclose(seen, played["observation"][t, 0], rtol=1e-12)


def test_task_check_knows_closing_steps():
    assert check(COUNTING) == []
    assert check(replace(COUNTING, bootstraps=False)) == []


def test_a_task_without_limit_has_no_closing_step():
    unlimited = "\n".join(line for line in COUNTING.step.splitlines() if "truncated" not in line)
    plain = replace(COUNTING, step=unlimited)
    assert not plain.closes and COUNTING.closes
    assert not replace(COUNTING, bootstraps=False).closes
    for name in tasks.names():
        assert not tasks.make(name).closes, name  # those of the paper end at their limits


@pytest.fixture(scope="module")
def learned():
    """A run on the task that is cut, with an intervention, everything recorded."""
    agent = models.agent("rtrrl", COUNTING, 4, 2, "float64", optimizer="sgd", entropy_weight=0.0)
    names = ("dopamine", "value", "reward", "done", "intervention", "cortex")
    record = Record((*names, "task.ended", "cortex_drive.weight", "readout_drive.weight"))
    interventions = (
        Intervention("gain", "cortex", 0.5, start="trial_start", duration=1),
        Intervention("gain", "cortex", 0.5, start="trial_end", duration=1),
    )
    run = Run(200, 1, "numpy", 1, 1, 1, record, interventions)
    return agent, simulate(agent, run)


def test_the_error_of_a_cut_step_counts_the_value_of_the_last_observation(learned):
    agent, data = learned
    traces, discount = data["traces"], agent.learning.discount
    value, reward, dopamine, done, ended = (
        traces[name].values[:, :] for name in ("value", "reward", "dopamine", "done", "task.ended")
    )
    cut = ((ended > 0) & (done == 0))[:, 1:]
    expected = reward[:, 1:] + discount * value[:, 1:] - value[:, :-1]
    np.testing.assert_allclose(dopamine[:, 1:][cut], expected[cut], rtol=1e-12)
    closing = (ended == 0) & (done > 0)
    assert cut.sum() > 20 and closing.sum() > 20
    assert (dopamine[closing] == 0).all()
    for name in ("cortex_drive.weight", "readout_drive.weight"):
        weights = traces[name].values
        still = (weights[:, 1:] == weights[:, :-1]).reshape(*cut.shape, -1).all(-1)
        assert still[closing[:, 1:]].all() and not still.all()


def test_trials_count_the_steps_in_which_something_was_done(learned):
    _, data = learned
    trials, traces = data["trials"], data["traces"]
    step = traces["step"].values
    for r in range(2):
        ended = traces["task.ended"].values[r] > 0
        found = trials["end_step"].values[r]
        found = found[np.isfinite(found)]
        assert found.tolist() == step[ended].tolist()
        length = trials["length"].values[r][: len(found)]
        terminated = trials["terminated"].values[r][: len(found)]
        assert set(terminated) == {0, 1}
        assert (length[terminated == 0] == 4).all()
        reward = traces["reward"].values[r]
        returns = [
            reward[k - int(n) + 1 : k + 1].sum()
            for k, n in zip(np.flatnonzero(ended), length, strict=True)
        ]
        np.testing.assert_allclose(trials["trial_return"].values[r][: len(found)], returns)


def test_interventions_know_when_a_cut_trial_ends_and_the_next_starts(learned):
    _, data = learned
    traces = data["traces"]
    starts, ends = np.moveaxis(traces["intervention"].values > 0, -1, 0)
    np.testing.assert_array_equal(starts, traces["done"].values > 0)
    np.testing.assert_array_equal(ends, traces["task.ended"].values > 0)


def learned_values(task, backend, steps):
    """Values in the last 200 steps of a run."""
    learning = {"sensitivity": "none", "optimizer": "sgd", "discount": 0.9, "trace_critic": 0.0}
    rates = {"rate_critic": 0.05, "rate_actor": 0.0, "rate_network": 0.0}
    agent = models.agent("rtrrl", task, 2, 1, "float64", **learning, **rates)
    record = Record(("value",), windows=((-200, None),))
    data = simulate(agent, Run(steps, 0, backend, 1, 1, 1, record))
    return data["traces"]["value"].values


def test_the_value_of_an_endless_reward_is_learned_despite_a_limit():
    np.testing.assert_allclose(learned_values(PAYING, "numpy", 6000), 1 / (1 - 0.9), rtol=0.05)


@pytest.mark.long
def test_the_value_is_learned_through_the_bridge():
    task = tasks.make("gymnasium:tests.environments:Paying-v0")
    np.testing.assert_allclose(learned_values(task, "cpp", 6000), 1 / (1 - 0.9), rtol=0.05)
    # Learned as an end, it is that of the steps that are left, of which there are 1 to 10; of an agent
    # that cannot tell how many, that of an end which comes in every step with a probability of 0.1.
    left = [(1 - 0.9**k) / (1 - 0.9) for k in range(1, 11)]
    found = learned_values(replace(task, bootstraps=False), "cpp", 6000)
    assert np.mean(left) < found.mean() < 1 / (1 - 0.9 * 0.9) and found.max() < left[-1]
