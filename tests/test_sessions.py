"""Events that a task tells when they happen, and sessions in which the agent goes on over trials."""

from dataclasses import replace

import numpy as np
import pytest

import models
from analysis import trials as analysis
from bgrl import dataset, tasks
from bgrl.backends import load
from bgrl.errors import InputError
from bgrl.interventions import Intervention
from bgrl.recording import Record
from bgrl.simulation import Run, simulate
from bgrl.step.assemble import initial_state
from bgrl.tasks.base import Task

#: A cue after 1 to 3 steps, a reward 2 steps after it in two thirds of the trials, which then end.
CUED = Task(
    name="cued",
    summary="a cue at a random time",
    reference="",
    observations={"cue": "int(time == onset)"},
    actions=("wait", "lick"),
    variables=("time", "onset", "pays"),
    step="""
        time += 1
        reward = pays*int(time == onset + 2)
        terminated = int(time == onset + 3)
    """,
    reset="""
        time = 0
        onset = 1 + floor(3*uniform(0))
        pays = int(uniform(1) < 2/3)
    """,
    events={
        "cue": "int(time == onset)",
        "reward": "reward",
        "lick": "int(action == 1)",
        "outcome": ("end", -1),
    },
)
SESSION = replace(
    CUED,
    name="session",
    variables=("time", "onset", "pays", "count"),
    step=CUED.step + "\ncount += terminated\ntruncated = int(count == 4)*terminated",
    reset=CUED.reset + "\ncount = count*int(count < 4)",
    unbroken=True,
)
NAMES = ("task.time", "task.onset", "task.pays", "reward", "done", "action", "dopamine", "value")


def agent(task, replicates=2, **learning):
    return models.Agent(
        models.circuit("rtrrl", task, 4), task, models.Learning(**learning), replicates, "float64"
    )


def run(task, steps=200, backend="numpy", names=NAMES, **settings):
    record = Record(names)
    return simulate(agent(task), Run(steps, 0, backend, 1, 1, 1, record, **settings))


@pytest.fixture(scope="module", params=["numpy", "cpp"])
def cued(request):
    return run(CUED, backend=request.param)


def test_events_are_recorded_in_the_step_in_which_they_were_first(cued):
    traces, table = cued["traces"], cued["trials"]
    assert table["event_step"].dims == ("replicate", "trial", "event")
    assert table["event"].values.tolist() == ["cue", "reward", "lick"]
    missed, licked, start = 0, 0, int(traces["step"][0])
    for r in range(2):
        for k in range(int(np.isfinite(table["end_step"][r]).sum())):
            last, length = (int(table[name][r, k]) for name in ("end_step", "length"))
            first = last - length + 1
            of_trial = traces.isel(replicate=r, time=slice(first - start, last - start))
            onset, pays = (of_trial[f"task.{n}"].values[0] for n in ("onset", "pays"))
            cue, reward, lick = table["event_step"].values[r, k]
            assert cue == first + onset - 1 and length == onset + 3
            assert reward == cue + 2 if pays else np.isnan(reward)
            # In a step the task sees the action that was chosen in the one before.
            before = traces["action"].values[r, max(first - start - 1, 0) : last - start]
            licks = last + 1 - len(before) + np.flatnonzero(before == 1)
            if first > start:
                assert lick == licks[0] if len(licks) else np.isnan(lick)
            missed, licked = missed + (not pays), licked + len(licks)
    assert missed > 5 and licked > 20


def test_figures_align_to_events_of_random_times(cued, tmp_path):
    dataset.write(cued, tmp_path / "a.nc")
    data = dataset.read(tmp_path / "a.nc")
    rewards = analysis.aligned(data, "reward", "reward", 2, 1)
    assert (rewards.sel(lag=0) == 1).all() and np.nansum(rewards.values) == len(rewards)
    cue = analysis.aligned(data, "reward", "cue", 1, 2)
    paid = cue.isel(lag=3).values
    assert len(cue) > len(rewards) and set(paid) == {0, 1} and paid.sum() == len(rewards)
    outcome = analysis.aligned(data, "reward", "outcome", 1, 1)
    assert outcome.isel(lag=1).values.sum() == len(rewards)


@pytest.mark.parametrize("backend", ["numpy", "cpp"])
def test_interventions_start_from_events(backend):
    clamp = Intervention("clamp", "dopamine", 7.0, start="cue", delay=1, duration=1)
    data = run(CUED, backend=backend, interventions=(clamp,))
    traces, table = data["traces"], data["trials"]
    steps = table["event_step"].sel(event="cue").values
    for r in range(2):
        expected = steps[r][np.isfinite(steps[r])] + 1
        clamped = traces["step"].values[traces["dopamine"].values[r] == 7]
        np.testing.assert_array_equal(clamped[: len(expected)], expected)
        assert len(clamped) - len(expected) in (0, 1)


@pytest.mark.parametrize("backend", ["numpy", "cpp"])
@pytest.mark.parametrize("bootstraps", [True, False])
def test_the_agent_goes_on_until_the_session_ends(backend, bootstraps):
    task = replace(SESSION, bootstraps=bootstraps)
    learner = agent(task, sensitivity="rtrl", discount=0.9, trace_network=0.9)
    program = load(backend, learner.structure())
    state = initial_state(learner, program.layout, 3)
    state = program.advance(state, 0, 1, learn=False)
    sensitive = [k for k in state if "sensitivity" in k]
    assert sensitive
    trials = sessions = 0
    for step in range(1, 120):
        before, state = state, program.advance(state, step, 1)
        for r in range(2):
            terminated, truncated = (state[f"task.{k}"][r] > 0 for k in ("terminated", "truncated"))
            fresh = state["task.session_ended"][r] > 0
            assert fresh == (before["task.truncated"][r] > 0 if bootstraps else truncated)
            value, reward = before["dopamine.value"][r], state["task.reward"][r]
            following = state["dopamine.value"][r]
            if fresh and bootstraps:
                assert state["dopamine.td_error"][r] == 0
                assert state["task.trial_length"][r] == 0
            elif fresh:
                np.testing.assert_allclose(
                    state["dopamine.td_error"][r], reward - value, atol=1e-12
                )
            elif terminated:
                # The value of the next trial's first observation counts.
                expected = reward + 0.9 * following - value
                np.testing.assert_allclose(state["dopamine.td_error"][r], expected, atol=0.05)
                assert abs(state["dopamine.td_error"][r] - (reward - value)) > 1e-6
                trials += 1
                assert state["task.trial_length"][r] == before["task.trial_length"][r] + 1
            sessions += fresh
            carried = max(np.abs(state[k][r]).max() for k in sensitive)
            assert carried > 0
    assert trials > 15 and sessions > 5


def test_a_trial_of_a_session_is_counted_once():
    data = run(SESSION, 400, names=("done", "task.count", "task.session_ended"))
    ends = data["trials"]["end_step"].values[0]
    ends = ends[np.isfinite(ends)]
    assert (np.diff(ends) >= 4).all() and (data["trials"]["terminated"].values[0, :9] == 1).all()
    traces = data["traces"]
    begun = traces["step"].values[traces["task.session_ended"].values[0] > 0]
    # A session begins one step after the fourth trial of the one before.
    assert len(begun) > 10
    np.testing.assert_array_equal(begun, ends[3::4][: len(begun)] + 1)


def test_the_twin_goes_on():
    twin = pytest.importorskip("bgrl.bridge.twin", reason="needs the extra gymnasium").TaskEnv(
        SESSION
    )
    twin.reset(seed=1)
    ended = cut = 0
    while not cut:
        _, _, terminated, cut, info = twin.step(0)
        assert not terminated
        ended += info["trial_ended"]
    assert ended == 4


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ({"cue": "int(tim == 1)"}, "event 'cue': unknown symbol tim"),
        ({"cue": "time > 1"}, "event 'cue'.*no number"),
        ({"cue": "uniform(0)"}, "event 'cue'.*step and reset of tasks only"),
        ({"go on": "time"}, "event_go on"),
        ({"cue": 3}, "an expression is needed"),
    ],
)
def test_events_that_cannot_be_are_refused(events, message):
    with pytest.raises(InputError, match=message):
        replace(CUED, events=events)


def test_a_variable_is_not_called_like_an_event():
    with pytest.raises(InputError, match="'event_cue'"):
        replace(
            CUED,
            variables=(*CUED.variables, "event_cue"),
            step=CUED.step + "\nevent_cue = 1",
        )


def test_broken_and_unbroken_tasks_are_said_apart_in_files():
    assert SESSION.to_dict()["unbroken"] is True and "unbroken" not in CUED.to_dict()
    assert tasks.make("memory_chain").happenings == {}
