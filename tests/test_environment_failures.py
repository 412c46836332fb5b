"""What goes wrong in an environment or a task is told as what it is, and nothing is lost."""

from dataclasses import replace

import numpy as np
import pytest

import models
from bgrl import dataset, tasks
from bgrl.bridge.connection import EnvironmentFailed
from bgrl.bridge.serve import _Place
from bgrl.bridge.spaces import Actions
from bgrl.errors import InputError
from bgrl.random import STREAMS, counter_seed
from bgrl.simulation import Run, Stopped, simulate

gymnasium = pytest.importorskip("gymnasium", reason="needs the extra gymnasium")
MODULE = "gymnasium:tests.environments:"
SHORT = Run(60, 0, "numpy", 1, 1, 1)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("Again", "failed: ValueError: no rope"),
        ("Reset", "failed: ValueError: no rope"),
        ("Shape", r"failed: observation has shape \(3,\), its space says \(1,\)"),
        ("Step", "failed: ValueError: no rope"),
        ("Nan", "failed: observation is nan at entry 0"),
        ("None", "failed: reward is None; a number is needed"),
        ("Array", r"failed: reward is an array of shape \(1,\); a number is needed"),
        ("Inf", "failed: reward is inf"),
    ],
)
def test_a_failure_gives_one_line_and_a_readable_file(where, message, tmp_path):
    task = tasks.make(f"{MODULE}Failing{where}-v0")
    agent = models.agent("rtrrl", task, 2, 1, "float64")
    with pytest.raises(Stopped, match=f"environment 'tests.*{message}") as caught:
        simulate(agent, SHORT)
    assert "\n" not in str(caught.value)
    dataset.write(caught.value.data, tmp_path / "run.nc")
    assert "failed" in dataset.read(tmp_path / "run.nc").attrs["stopped"]


def test_an_environment_that_cannot_be_made_says_why():
    with pytest.raises(EnvironmentFailed, match="FailingMake-v0' failed: ValueError: no rope"):
        tasks.make(f"{MODULE}FailingMake-v0")


def test_a_failed_environment_keeps_the_folder_and_the_run_goes_on(tmp_path):
    agent = models.agent("rtrrl", tasks.make(f"{MODULE}FailingLate-v0"), 2, 1, "float64")
    with pytest.raises(Stopped) as caught:
        simulate(agent, SHORT, tmp_path / "work")
    assert caught.value.resumes
    stopped = caught.value.data["trials"]["end_step"].values[0].tolist()
    # The environments that are made anew last for the rest.
    ends = simulate(agent, SHORT, tmp_path / "work")["trials"]["end_step"].values[0].tolist()
    assert stopped and ends[: len(stopped)] == stopped and ends[-1] > 45


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Telling", r"observation\['mission'\] is Text, which is no row of numbers; wrap it"),
        ("Several", r"actions MultiDiscrete\(\[2 3\]\) are not supported; valid: Discrete, Box"),
        ("Boundless", "action 0 is from -inf to inf; finite bounds"),
    ],
)
def test_spaces_that_cannot_be_are_refused(name, message):
    with pytest.raises(InputError, match=message):
        tasks.make(f"{MODULE}{name}-v0")


def test_integer_actions_have_equal_shares():
    task = tasks.make(f"{MODULE}Graded-v0")
    assert task.bounds == ((-0.5, 3.5),)
    actions = Actions("graded", gymnasium.spaces.Box(0, 3, (1,), np.int64))
    taken = [actions.action([x])[0] for x in np.linspace(-0.5, 3.5, 4001)[:-1]]
    assert np.bincount(taken).tolist() == [1000] * 4
    assert [actions.action([x])[0] for x in (-9, 9)] == [0, 3]
    assert actions.action([1.2]).dtype == np.int64


def test_an_entry_is_seen_once():
    with pytest.raises(InputError, match="no number twice"):
        tasks.make("gymnasium:CartPole-v1", observe="0,0")


def test_trials_after_a_resume_start_elsewhere():
    def starts(first, steps):
        place = _Place("CartPole-v1", {}, range(4), 0)
        found = []
        for step in range(first, first + steps):
            _, terminated, _, restarted, *seen = place.answer(step, 0, True, False, [step % 2])
            found += [tuple(seen)] if terminated or restarted else []
        return set(found)

    early, late = starts(0, 2000), starts(2000, 2000)
    assert len(early) > 30 and len(late) > 30 and not early & late
    seeds = {counter_seed(0, r, STREAMS["environment"], t) for r in range(3) for t in range(1000)}
    assert len(seeds) == 3000


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("part", ["reward", "observation"])
def test_a_task_that_becomes_nan_is_named(part):
    task = tasks.make("memory_chain", length=2)
    if part == "reward":
        broken = replace(task, name="broken", step=task.step + "\nreward = log(0.5 - time)")
    else:
        first = next(iter(task.observations))
        broken = replace(
            task, name="broken", observations={**task.observations, first: "log(0.5 - time/2)"}
        )
    agent = models.agent("rtrrl", broken, 2, 1, "float64")
    with pytest.raises(Stopped, match=f"{part} of task 'broken' became NaN or infinite in step"):
        simulate(agent, SHORT)
