"""A run that goes on is steered by requests, and is then the run that was told so at its start."""

import contextlib
import json
import shlex
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

import bgrl
from analysis.runs import settings
from bgrl import experiment, requests
from bgrl.errors import InputError
from bgrl.interventions import Intervention
from bgrl.recording import Record
from bgrl.simulation import Interrupted, Run, simulate
from experiments import rerun, train

RUN = Run(
    200,
    backend="numpy",
    evaluations=2,
    evaluation_trials=2,
    final_trials=2,
    record=Record(("dopamine", "value", "done", "cortex", "policy")),
)
#: What is asked for at the start, and each time the run waits; and what is to be the same.
CASES = {
    "a lesion": (
        [["step 50"], ["inactivate cortex->cortex", "go on"]],
        ["inactivate cortex->cortex from 51"],
    ),
    "a silent nucleus for a while": (
        [["step 7"], ["inactivate cortex for 30", "step"], ["go on"]],
        ["inactivate cortex from 8 for 30"],
    ),
    "a clamp by a switch, then more": (
        [
            ["step 30"],
            ["clamp dopamine 0.123456789", "step 40"],
            ["end clamp dopamine 0.123456789", "inactivate cortex neurons 1,2", "go on"],
        ],
        ["clamp dopamine 0.123456789 from 31 for 40", "inactivate cortex neurons 1,2 from 71"],
    ),
    "a lesion before an evaluation, and back; one that never was": (
        [
            ["step 90"],
            ["gain cortex 3", "inactivate cortex->dorsal_striatum", "end gain cortex 3", "step 60"],
            ["end inactivate cortex->dorsal_striatum", "go on"],
        ],
        ["inactivate cortex->dorsal_striatum from 91 for 60"],
    ),
}


@contextlib.contextmanager
def saying(folder, script, monkeypatch):
    """What is said to a run at its start, and each time it waits; None interrupts it."""
    script, look = iter(script), requests.Steering.look

    def say(*_):
        for text in next(script):
            if text is None:
                raise KeyboardInterrupt
            bgrl.steer(folder, text)

    def say_and_look(self, *args):
        if not self._status:
            say()
        return look(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(requests, "time", SimpleNamespace(sleep=say))
        patch.setattr(requests.Steering, "look", say_and_look)
        yield
    assert next(script, None) is None


def steered(agent, run, folder, script, monkeypatch):
    """A run to which something is said."""
    with saying(folder, script, monkeypatch):
        return simulate(agent, run, folder)


def told(agent, run, texts):
    """The run that had these interventions from its start."""
    made = tuple(map(Intervention.parse, texts))
    return simulate(agent, replace(run, interventions=made))


def assert_same(found, expected, texts):
    attributes = dict(found.attrs)
    assert attributes.pop("steered") == "; ".join(texts)
    assert attributes == expected.attrs
    for group in ("traces", "trials", "evaluation", "weights"):
        xr.testing.assert_identical(found[group].to_dataset(), expected[group].to_dataset())


@pytest.mark.parametrize("case", CASES)
def test_a_steered_run_equals_one_that_was_told_at_its_start(
    case, small_agent, tmp_path, monkeypatch
):
    script, texts = CASES[case]
    data = steered(small_agent(), RUN, tmp_path / "work", script, monkeypatch)
    assert_same(data, told(small_agent(), RUN, texts), texts)
    plain = simulate(small_agent(), RUN)["traces"]["dopamine"].values
    first = Intervention.parse(texts[0]).start
    same = (data["traces"]["dopamine"].values == plain).all(axis=0)
    assert same[: first - 1].all() and not same[first - 1 :].all()
    answers = bgrl.steering(tmp_path / "work")
    assert not any(answer["refused"] for answer in answers["answers"])
    assert [a["request"] for a in answers["answers"]] == [t for texts in script for t in texts]
    assert answers["interventions"] == texts and not answers["paused"]


@pytest.mark.slow
def test_a_steered_run_equals_one_that_was_told_at_its_start_in_cpp(
    small_agent, tmp_path, monkeypatch
):
    agent = small_agent(replicates=3)
    run = replace(RUN, steps=3000, backend="cpp")
    script, texts = CASES["a clamp by a switch, then more"]
    data = steered(agent, run, tmp_path / "work", script, monkeypatch)
    assert_same(data, told(agent, run, texts), texts)
    assert np.ptp(data["traces"]["dopamine"].values[:, 71:]) > 0.1


def test_it_resumes_as_it_was_steered(small_agent, tmp_path, monkeypatch):
    script, texts = CASES["a clamp by a switch, then more"]
    folder = tmp_path / "work"
    broken = [*script[:2], [None]]
    with pytest.raises(Interrupted):
        steered(small_agent(), RUN, folder, broken, monkeypatch)
    assert bgrl.steering(folder)["paused"] and bgrl.steering(folder)["step"] == 70
    followed = bgrl.follow(folder)
    assert followed.attrs["steered"] == "clamp dopamine 0.123456789 from 31"
    made = json.loads(followed.attrs["configuration"])["run"]["interventions"]
    assert [one["start"] for one in made] == [31]
    assert followed["traces"].sizes["time"] == 70
    for text in script[2]:
        bgrl.steer(folder, text)
    again = simulate(small_agent(), RUN, folder)
    assert_same(again, told(small_agent(), RUN, texts), texts)
    # Nothing is done twice: what was answered stays so.
    answers = bgrl.steering(folder)["answers"]
    assert [answer["step"] for answer in answers] == [0, 30, 30, 70, 70, 70]


def test_what_does_not_fit_is_refused_in_a_line(small_agent, tmp_path, monkeypatch):
    asked = {
        "inactivate amygdala": "unknown target to inactivate 'amygdala'; valid: ",
        "inactivate cortex neurons 7": "'cortex' has neurons 0 to 4",
        "clamp dopamine 0.2": "",
        "clamp dopamine 0.3": "dopamine cannot have both values at once",
        "end clamp dopamine 0.3": "is not in force; interventions: clamp dopamine 0.2 from 3",
        "clamp dopamine 0.2 for 5": "",
        "end clamp dopamine 0.2": "",
    }
    script = [["step 2"], [*asked, "go on"]]
    data = steered(small_agent(), RUN, tmp_path / "work", script, monkeypatch)
    answers = bgrl.steering(tmp_path / "work")["answers"][1:-1]
    for answer, (text, refused) in zip(answers, asked.items(), strict=True):
        assert answer["request"] == text and answer["step"] == 2
        assert refused in answer["refused"] and bool(refused) == bool(answer["refused"])
        assert "\n" not in answer["refused"]
    # All that was done was undone before a step was taken.
    assert data.attrs["steered"] == ""
    plain = simulate(small_agent(), RUN)
    xr.testing.assert_identical(data["traces"].to_dataset(), plain["traces"].to_dataset())
    many = [[f"gain cortex {k}.5" for k in range(17)] + ["go on"]]
    data = steered(small_agent(), RUN, tmp_path / "many", many, monkeypatch)
    answers = bgrl.steering(tmp_path / "many")["answers"]
    assert [bool(answer["refused"]) for answer in answers] == [False] * 16 + [True, False]
    assert answers[16]["refused"] == "17 interventions; at most 16 fit"


def test_what_is_no_request_is_said_at_once(small_agent, tmp_path):
    simulate(small_agent(), RUN, tmp_path / "work")
    for text, reason in (
        ("stop", "or ask for pause, go on, step [STEPS], end INTERVENTION"),
        ("step 0", "unknown intervention 'step'"),
        ("silence cortex", "unknown intervention 'silence'"),
        ("inactivate cortex from 7", "counts from the next step"),
        ("gain dopamine 2 from reward", "counts from the next step"),
        ("end inactivate cortex for 5", "counts from the next step"),
        ("clamp dopamine", "a value is needed"),
    ):
        with pytest.raises(InputError) as error:
            bgrl.steer(tmp_path / "work", text)
        assert reason in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "work" / "requests.txt").exists()
    for function in (bgrl.steering, lambda folder: bgrl.steer(folder, "pause")):
        with pytest.raises(InputError, match="is no folder of a run that goes on"):
            function(tmp_path)
    assert bgrl.steering(tmp_path / "work") == {
        "step": 200,
        "paused": False,
        "interventions": [],
        "answers": [],
    }


def test_requests_of_many_come_one_after_the_other(small_agent, tmp_path):
    folder = tmp_path / "work"
    simulate(small_agent(), RUN, folder)
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(lambda k: bgrl.steer(folder, f"step {k + 1}"), range(100)))
    work = SimpleNamespace(path=folder, status={})
    steering = requests.Steering(None, RUN, None, None, work)
    lines = steering._requests()
    assert sorted(numbers) == list(range(100))
    assert [lines[number] for number in numbers] == [f"step {k + 1}" for k in range(100)]
    assert steering._requests() == []
    # Half a line waits for its other half.
    with open(folder / "requests.txt", "a") as file:
        file.write("go on\npau")
    assert steering._requests() == ["go on"] and steering._requests() == []
    with open(folder / "requests.txt", "a") as file:
        file.write("se\n")
    assert steering._requests() == ["pause"]


@pytest.mark.parametrize("given", ["", "inactivate cortex->ventral_striatum from 30 for 5"])
def test_a_steered_command_equals_the_same_with_its_interventions(given, tmp_path, monkeypatch):
    """The words of the second are what `rerun` makes of the file."""
    output, again = tmp_path / "a.nc", tmp_path / "b.nc"
    words = shlex.split(
        "--task memory_chain --units 3 --replicates 1 --steps 60 --backend numpy --evaluations 1 "
        "--evaluation-trials 1 --final-trials 1 --evaluation-steps 20"
    )
    script = [["step 20"], ["clamp dopamine 0.5", "step 20"], ["end clamp dopamine 0.5", "go on"]]
    with saying(f"{output}.partial", script, monkeypatch):
        options = ["--intervene", given, "--output", str(output)]
        assert experiment.main("train", train, [*words, *options]) == 0
    texts = [*filter(None, [given]), "clamp dopamine 0.5 from 21 for 20"]
    module, found = rerun.command_of(output)
    assert module == "bgrl.experiments.train"
    assert found == [*words, "--intervene", "; ".join(texts)]
    assert experiment.main("train", train, [*found, "--output", str(again)]) == 0
    with bgrl.open(output) as data, bgrl.open(again) as other:
        assert rerun.differences(data, other) == {}
        assert rerun.differences(other, data).keys() == (
            set() if given else {"traces/intervention", "traces/intervention_name"}
        )
        assert data.attrs["steered"] == "; ".join(texts)
        made = [json.loads(tree.attrs["configuration"])["run"] for tree in (data, other)]
        assert made[0]["interventions"] == made[1]["interventions"]
        active = other["traces"]["intervention"]
        assert active["intervention_name"].values.tolist() == texts
        assert active.values[0].sum(axis=0).tolist() == [5, 20][-len(texts) :]
    assert settings(data)["intervene"] == "; ".join(texts)


def test_a_steered_command_without_interventions_is_not_made_again(tmp_path):
    attributes = {"command": "python -m experiments.cartpole", "steered": "x"}
    xr.DataTree(xr.Dataset(attrs=attributes)).to_netcdf(tmp_path / "b.nc", engine="netcdf4")
    with pytest.raises(
        InputError, match=r"b\.nc was steered \(x\), for which .*cartpole has no option"
    ):
        rerun.command_of(tmp_path / "b.nc")
