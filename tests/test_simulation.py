"""Runs: reproducible, resumable, and honest about what went wrong."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import xarray as xr

import models
from bgrl import dataset, layout, simulation, tasks
from bgrl.checkpoints import Work
from bgrl.circuit import Parameter, Population, tsodyks_markram, uniform
from bgrl.errors import InputError, RunError
from bgrl.interventions import Intervention
from bgrl.recording import Record, Sink
from bgrl.simulation import Run, Stopped, simulate
from bgrl.step.assemble import blueprint, initial_state
from bgrl.tasks.stimulus import stimulus

RECORD = Record(("dopamine", "done", "cortex", "policy", "observation", "reward", "value"))


def run(**changes):
    settings = {"steps": 60, "backend": "numpy", "evaluations": 2, "evaluation_trials": 3}
    return Run(**settings | {"final_trials": 4, "record": RECORD} | changes)


def test_dataset_has_the_documented_form(small_agent):
    data = simulate(small_agent(), run())
    assert set(data.children) == {"trials", "evaluation", "traces", "weights"}
    trials, traces = data["trials"], data["traces"]
    # Length 3: a trial takes 4 steps, the first ends in step 4.
    assert trials["end_step"].values[0].tolist() == list(range(4, 61, 4))
    assert set(trials["length"].values.ravel()) == {4}
    assert set(np.abs(trials["trial_return"].values.ravel())) == {1.0}
    assert traces["cortex"].dims == ("replicate", "time", "cortex_unit")
    assert traces["step"].values.tolist() == list(range(1, 61))
    np.testing.assert_allclose(traces["time"].values, traces["step"].values * 0.02)
    np.testing.assert_allclose(traces["policy"].sum("action_unit"), 1)
    assert traces["observation_channel"].values.tolist() == ["time_left", "query", "context"]
    # Rewards arrive where trials end, and add up to their returns.
    rewards = traces["reward"].values[traces["done"].values > 0].reshape(2, -1)
    np.testing.assert_array_equal(rewards, trials["trial_return"].values)
    evaluation = data["evaluation"]
    assert evaluation["step"].values.tolist() == [0, 30, 60]
    assert evaluation["episodes"].values.tolist() == [[3, 3, 4]] * 2
    weights = data["weights"]
    assert weights["cortex->cortex"].dims == (
        "replicate",
        "checkpoint",
        "post_cortex",
        "pre_cortex",
    )
    assert weights["cortex->dorsal_striatum"].shape == (2, 3, 2, 5)
    assert weights["cortex.tau"].attrs["units"] == "ms"
    for group in data.children.values():
        for variable in group.data_vars.values():
            assert variable.attrs["units"] and variable.attrs["long_name"]
    attributes = data.attrs
    assert (attributes["seed"], attributes["backend"], attributes["schema_version"]) == (
        0,
        "numpy",
        1,
    )
    assert json.loads(attributes["configuration"])["agent"]["learning"]["discount"] == 0.99


def test_td_error_follows_from_the_recorded_values(small_agent):
    traces = simulate(small_agent(), run())["traces"]
    value, reward, done = (traces[k].values for k in ("value", "reward", "done"))
    expected = reward[:, 1:] + 0.99 * value[:, 1:] * (1 - done[:, 1:]) - value[:, :-1]
    np.testing.assert_allclose(traces["dopamine"].values[:, 1:], expected, atol=1e-12)


def test_windows_and_every(small_agent):
    record = Record(("dopamine",), every=5, windows=((0, 20), (-10, None)))
    traces = simulate(small_agent(), run(record=record))["traces"]
    assert traces["step"].values.tolist() == [5, 10, 15, 20, 55, 60]
    assert record.frames(60) == 6
    everything = simulate(small_agent(), run())["traces"]
    chosen = everything["dopamine"].values[:, [4, 9, 14, 19, 54, 59]]
    np.testing.assert_array_equal(traces["dopamine"].values, chosen)


def test_evaluating_does_not_change_learning(small_agent):
    often = simulate(small_agent(), run(evaluations=5))["weights"]
    seldom = simulate(small_agent(), run(evaluations=1))["weights"]
    for name in often.data_vars:
        np.testing.assert_array_equal(often[name].values[:, -1], seldom[name].values[:, -1])
    changed = often["cortex->cortex"].values
    assert np.abs(changed[:, -1] - changed[:, 0]).max() > 1e-3


def test_evaluation_has_plasticity_off(small_agent):
    agent = small_agent()
    program = simulation.load("numpy", agent.structure())
    state = program.advance(initial_state(agent, program.layout, 0), 0, 1, learn=False)
    after = program.advance(state, 1, 40, learn=False)
    kept = simulation.plastic(agent, state)
    assert len(kept) == 5
    for name, value in kept.items():
        np.testing.assert_array_equal(after[name], value)
    learned = program.advance(state, 1, 40)
    assert all((learned[name] != value).any() for name, value in kept.items())


def test_chunks_do_not_matter(small_agent, monkeypatch):
    whole = simulate(small_agent(), run())
    monkeypatch.setattr(simulation, "_FIRST_CHUNK", 7)
    monkeypatch.setattr(simulation, "CHUNK_SECONDS", 0.0)
    xr.testing.assert_identical(whole, simulate(small_agent(), run()))


def test_runs_in_threads_are_those_that_run_alone(small_agent):
    """Programs of one structure share a network of Brian2, and building one changes its settings."""
    made = [Run(60, seed, "numpy", evaluations=1, evaluation_steps=20) for seed in (1, 2, 3)]
    agent = small_agent()
    alone = [simulate(agent, run) for run in made]
    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(partial(simulate, agent), made))
    for one, other in zip(alone, together, strict=True):
        xr.testing.assert_identical(one["weights"].to_dataset(), other["weights"].to_dataset())


def test_seeds_differ(small_agent):
    first, second = (simulate(small_agent(), run(seed=s))["traces"]["dopamine"] for s in (0, 1))
    assert not np.array_equal(first, second)


def test_same_seed_gives_identical_files_and_replicates_stand_alone(small_agent, tmp_path):
    for k in range(2):
        dataset.write(simulate(small_agent(), run()), tmp_path / f"{k}.nc")
    assert (tmp_path / "0.nc").read_bytes() == (tmp_path / "1.nc").read_bytes()
    many = simulate(small_agent(replicates=5), run())["traces"].isel(replicate=1)
    few = simulate(small_agent(replicates=2), run())["traces"].isel(replicate=1)
    for name in few.data_vars:
        np.testing.assert_array_equal(many[name].values, few[name].values)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.long)])
def test_replicate_3_of_10_is_replicate_3_of_4_in_cpp(small_agent, dtype):
    settings = run(backend="cpp", steps=3000, evaluation_trials=20)
    data = [
        simulate(small_agent(replicates=r, units=7, dtype=dtype), settings).isel(replicate=3)
        for r in (10, 4)
    ]
    for group in ("traces", "weights", "evaluation"):
        for name in data[0][group].data_vars:
            np.testing.assert_array_equal(data[0][group][name].values, data[1][group][name].values)


KILLED = """
import sys
from bgrl import simulation, tasks, dataset
from bgrl.recording import Record
import models
simulation.SAVE_SECONDS, simulation.CHUNK_SECONDS = 0.0, 0.01
simulation._FIRST_CHUNK = 500
agent = models.agent("rtrrl", tasks.make("memory_chain", length=3), 5, 2, "float64")
record = Record(("dopamine", "cortex"), every=3, windows=((0, 500), (2000, None)))
run = simulation.Run(6000, backend="cpp", evaluations=3, evaluation_trials=5, record=record)
dataset.write(simulation.simulate(agent, run, sys.argv[1]), sys.argv[2])
"""


@pytest.mark.slow
def test_killed_and_resumed_equals_never_stopped(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path])}

    def start(name):
        command = [
            sys.executable,
            "-c",
            KILLED,
            str(tmp_path / f"{name}.work"),
            str(tmp_path / f"{name}.nc"),
        ]
        return subprocess.Popen(command, env=environment)

    assert start("whole").wait() == 0
    kills = 0
    for wanted in (700, 3500):
        process = start("killed")
        progress = tmp_path / "killed.work" / "progress.json"
        while process.poll() is None:
            if progress.exists() and json.loads(progress.read_text())["step"] >= wanted:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.001)
        kills += process.wait() == -signal.SIGKILL
    assert kills >= 2
    assert start("killed").wait() == 0
    assert (tmp_path / "killed.nc").read_bytes() == (tmp_path / "whole.nc").read_bytes()


def test_work_of_another_run_is_refused(small_agent, tmp_path):
    simulate(small_agent(), run(), tmp_path / "work")
    with pytest.raises(InputError, match="holds another unfinished run"):
        simulate(small_agent(), run(seed=1), tmp_path / "work")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.tex").touch()
    with pytest.raises(InputError, match="is no unfinished run"):
        simulate(small_agent(), run(), tmp_path / "foreign")


def test_a_task_of_the_same_settings_with_other_code_or_tables_is_another_run(tmp_path):
    """Its name, parameters and labels, which are its settings, do not tell a task apart."""
    first, few = stimulus(np.zeros((10, 1))), run(steps=6, evaluations=1, evaluation_steps=4)
    simulate(models.agent("rtrrl", first, 2, 1), few, tmp_path / "work")
    table = stimulus(np.ones((10, 1)))
    with pytest.raises(InputError, match="holds another unfinished run"):
        simulate(models.agent("rtrrl", table, 2, 1), few, tmp_path / "work")
    for other in (
        table,
        replace(first, step=first.step.replace("reward = 0", "reward = 1")),
        replace(first, observations=dict.fromkeys(first.observations, "1 - 0")),
        replace(first, events={"start": ("start", 1)}),
    ):
        agent = models.agent("rtrrl", other, 2, 1)
        assert other.to_dict() == first.to_dict()
        with pytest.raises(InputError, match="holds another unfinished run"):
            Work(tmp_path / "work", simulation._identity(agent, few))
    pendulum = tasks.make("pendulum")
    agents = [models.agent("rtrrl", pendulum, 2, 1)]
    agents.append(models.agent("rtrrl", replace(pendulum, bounds=((-1.0, 1.0),)), 2, 1))
    assert simulation._identity(agents[0], few) != simulation._identity(agents[1], few)


def test_nothing_is_left_of_a_run_that_fails_before_it_learned(small_agent, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RunError("out of luck")

    monkeypatch.setattr(simulation._Course, "learn", fail)
    with pytest.raises(RunError, match="out of luck"):
        simulate(small_agent(), run(), tmp_path / "results" / "deep" / "work")
    assert not list(tmp_path.iterdir())
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.tex").touch()
    with pytest.raises(InputError, match="is no unfinished run"):
        simulate(small_agent(), run(), tmp_path / "notes")
    assert [p.name for p in (tmp_path / "notes").iterdir()] == ["thesis.tex"]


def test_a_folder_in_which_nothing_was_learned_does_not_block(tmp_path):
    """What a killed run leaves before it learned; the folder of one that runs now is another thing."""
    path = tmp_path / "work"

    class Sized:
        def sizes(self):
            return [0, 0]

    def killed(step):
        work = Work(path, {"a": 1})
        work.save(0, {"x": np.arange(3)}, Sized(), [], {"w": np.arange(2)})
        if step:
            work.save(step, {"x": np.arange(3)}, Sized(), [])

    killed(0)
    with Work(path, {"a": 2}) as work:
        assert work.load() is None
        with pytest.raises(InputError, match="in use by another process"):
            Work(path, {"a": 1})
    killed(0)
    killed(10)
    with pytest.raises(InputError, match="holds another unfinished run"):
        Work(path, {"a": 2})
    with pytest.raises(RunError), Work(path, {"a": 1}) as work:
        raise RunError("what was learned is kept")
    assert work.load()[0]["step"] == 10


def test_work_in_use_is_refused(tmp_path):
    first = Work(tmp_path / "work", {"a": 1})
    with pytest.raises(InputError, match="is in use by another process"):
        Work(tmp_path / "work", {"a": 1})
    del first
    Work(tmp_path / "work", {"a": 1})


def test_a_folder_that_was_refused_is_not_in_use(finished, tmp_path):
    """Also while its exception is kept, as that of the last statement is in a console."""
    folder, _ = finished
    shutil.copytree(folder, tmp_path / "work")
    with pytest.raises(InputError, match="holds another unfinished run") as kept:
        Work(tmp_path / "work", {"a": 1})
    own = json.loads((folder / "run.json").read_text())
    with Work(tmp_path / "work", own):
        assert kept.value.__traceback__ is not None


def test_who_is_interrupted_while_an_evaluation_is_saved_goes_on(
    small_agent, tmp_path, monkeypatch
):
    save = Work.save

    def interrupted(self, step, state, sink, evaluations, weights=None):
        if weights is not None and step == 10:
            raise KeyboardInterrupt
        save(self, step, state, sink, evaluations, weights)

    settings = run(steps=10, evaluations=1, evaluation_steps=20)
    monkeypatch.setattr(Work, "save", interrupted)
    with pytest.raises(simulation.Interrupted, match="after 10 of 10 steps") as caught:
        simulate(small_agent(), settings, tmp_path / "work")
    assert caught.value.data["evaluation"]["step"].values.tolist() == [0]
    assert caught.value.data["traces"].sizes["time"] == 10
    monkeypatch.undo()
    again = simulate(small_agent(), settings, tmp_path / "work")
    xr.testing.assert_identical(again, simulate(small_agent(), settings))


@pytest.fixture(scope="module")
def finished(small_agent, tmp_path_factory):
    """A run that has come to its end, and what looks whether it could go on from a folder."""
    agent = small_agent()
    folder = tmp_path_factory.mktemp("finished") / "work"
    simulate(agent, run(), folder)
    layout = simulation.load("numpy", agent.structure()).layout
    names = RECORD.resolve(agent.circuit, layout).values()
    learned = list(simulation.plastic(agent, layout))

    def resume(path):
        with Work(path, json.loads((folder / "run.json").read_text())) as work:
            sink = Sink(path, names, layout)
            progress, state = work.load()
            work.check(progress, state, layout, learned, sink)
        return sink.sizes()

    return folder, resume


def cut(path, size=-1):
    """Take bytes off the end of a file."""
    path.write_bytes(path.read_bytes()[:size])


def edit_progress(folder, **changes):
    path = folder / "progress.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def other_arrays(path, change):
    with np.load(path) as archive:
        arrays = change(dict(archive))
    np.savez(path, **arrays)


DAMAGE = {
    "frames shorter": (lambda f: cut(f / "frames.bin"), "frames.bin has 17759 bytes, of which"),
    "frames empty": (lambda f: cut(f / "frames.bin", 0), "frames.bin has 0 bytes, of which 17760"),
    "frames missing": (lambda f: (f / "frames.bin").unlink(), "frames.bin has 0 bytes, of which"),
    "trials shorter": (lambda f: cut(f / "trials.bin", 40), "trials.bin has 40 bytes, of which"),
    "no whole frame": (lambda f: edit_progress(f, sizes=[100, 40]), "frames.bin has rows of 296"),
    "no whole trial": (lambda f: edit_progress(f, sizes=[296, 41]), "trials.bin has rows of 40"),
    "sizes missing": (lambda f: edit_progress(f, sizes=[]), "what was recorded"),
    "state truncated": (lambda f: cut(f / "state-60.npz", 1000), "state-60.npz: "),
    "state empty": (lambda f: cut(f / "state-60.npz", 0), "state-60.npz: "),
    "state missing": (lambda f: (f / "state-60.npz").unlink(), "state-60.npz: No such file"),
    "state of another agent": (
        lambda f: other_arrays(f / "state-60.npz", lambda a: a | {"task.done": np.zeros(3)}),
        "state-60.npz: task.done has another type or shape",
    ),
    "state lacks something": (
        lambda f: other_arrays(
            f / "state-60.npz", lambda a: {k: v for k, v in a.items() if k != "task.done"}
        ),
        "state-60.npz lacks 'task.done'",
    ),
    "weights truncated": (lambda f: cut(f / "weights-30.npz", 700), "weights-30.npz: "),
    "weights missing": (lambda f: (f / "weights-0.npz").unlink(), "weights-0.npz: No such file"),
    "weights of another agent": (
        lambda f: other_arrays(f / "weights-30.npz", lambda a: a | {"readout.bias": np.zeros(7)}),
        "weights-30.npz: readout.bias has another type or shape",
    ),
    "progress garbage": (lambda f: (f / "progress.json").write_text("{"), "progress.json: "),
    "progress empty": (lambda f: cut(f / "progress.json", 0), "progress.json: "),
    "progress a list": (lambda f: (f / "progress.json").write_text("[]"), "progress.json: "),
    "progress missing": (lambda f: (f / "progress.json").unlink(), "progress.json is missing"),
    "progress of another": (lambda f: edit_progress(f, run="1"), "progress.json: of another run"),
    "run truncated": (lambda f: cut(f / "run.json"), "run.json cannot be read"),
    "run empty": (lambda f: cut(f / "run.json", 0), "run.json cannot be read"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_checkpoint_is_refused(finished, tmp_path, name):
    folder, resume = finished
    damage, message = DAMAGE[name]
    shutil.copytree(folder, tmp_path / "work")
    damage(tmp_path / "work")
    with pytest.raises(InputError, match=r"the checkpoint in .* is damaged \(") as caught:
        resume(tmp_path / "work")
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert str(caught.value).endswith("); delete the folder to start anew")


def test_what_was_recorded_after_a_checkpoint_is_cut_off(finished, tmp_path):
    folder, resume = finished
    shutil.copytree(folder, tmp_path / "work")
    before = resume(tmp_path / "work")
    for name in ("frames.bin", "trials.bin"):
        with open(tmp_path / "work" / name, "ab") as file:
            file.write(b"more")
    assert resume(tmp_path / "work") == before == [60 * 296, 30 * 40]


def test_cut_recording_does_not_become_zeros(small_agent, tmp_path):
    simulate(small_agent(), run(), tmp_path / "work")
    cut(tmp_path / "work" / "frames.bin", 20 * 296)
    with pytest.raises(InputError, match=r"frames.bin has 5920 bytes, of which 17760 are needed"):
        simulate(small_agent(), run(), tmp_path / "work")


def test_nan_stops_the_run_and_keeps_what_it_had(small_agent, monkeypatch):
    monkeypatch.setattr(simulation, "_FIRST_CHUNK", 10)
    monkeypatch.setattr(simulation, "CHUNK_SECONDS", 0.0)
    agent = small_agent(optimizer="sgd", rate_critic=1e200)
    with (
        np.errstate(all="ignore"),
        pytest.raises(Stopped, match=r"became NaN or infinite in step \d+; try lower") as caught,
    ):
        simulate(agent, run())
    data = caught.value.data
    assert "became NaN" in data.attrs["stopped"]
    assert data["evaluation"]["step"].values.tolist() == [0]
    assert 0 < len(data["traces"]["step"]) < 60


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        *((name, ()) for name in ("replicate", "time", "step", "bin", "bound")),
        *(("cortex_unit", ("cortex",)), ("action_unit", ("policy",))),
        *((name, ("gradients",)) for name in ("gradient_cosine", "gradient_norm_ratio")),
    ],
)
def test_populations_that_a_dataset_cannot_hold_are_not_recorded(small_agent, name, beside):
    circuit = small_agent().circuit.add_population(name, Population(1, map={"rate": "drive"}))
    gradients = ("product", "square", "exact_square")
    arrays = [f"{name}.rate", "cortex.rate", "readout.policy", *(f"oracle.{k}" for k in gradients)]
    shapes = dict.fromkeys(arrays, ("float64", (2, 1)))
    assert Record(("cortex",)).resolve(circuit, shapes) == {"cortex": "cortex.rate"}
    with pytest.raises(InputError, match=f"to record '{name}', rename the population"):
        Record((name, *beside)).resolve(circuit, shapes)


def test_recording_that_does_not_fit_is_refused(small_agent):
    with pytest.raises(InputError, match=r"the recording would take .* GB .* is free"):
        simulate(small_agent(), run(steps=10**13))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: run(steps=0), "steps is 0"),
        (lambda: run(backend="gpu"), "unknown backend 'gpu'"),
        (lambda: run(steps=2**53 + 1), f"steps is {2**53 + 1}; at most {2**53} are possible"),
        (
            lambda: run(steps=2**30, interventions=(Intervention("gain", "dopamine", 2.0),)),
            f"at most {2**30 - 1} are possible with interventions",
        ),
        (lambda: Record(("dopamine",), every=0), "every is 0"),
        (lambda: Record(("dopamine",), windows=((1, 2, 3),)), "recording window"),
    ],
)
def test_refuses_settings_that_cannot_be(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_refuses_unknown_variables_and_seeds(small_agent):
    with pytest.raises(InputError, match="cannot record 'serotonin'; valid: dopamine"):
        simulate(small_agent(), run(record=Record(("serotonin",))))
    with pytest.raises(InputError, match="seed is -1"):
        simulate(small_agent(), run(seed=-1))


def test_unwritable_work(small_agent, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write"):
        simulate(small_agent(), run(), tmp_path / "file" / "work")


def test_full_disk_keeps_the_last_checkpoint(small_agent, tmp_path, monkeypatch):
    work = Work(tmp_path / "work", {"a": 1})

    class Sized:
        def sizes(self):
            return [0, 0]

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        with pytest.raises(RunError, match="No space left on device$"):
            work.save(0, {"x": np.arange(3)}, Sized(), [])
    work.save(1, {"x": np.arange(3)}, Sized(), [])
    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(RunError, match="No space left on device; the one before is kept"):
        work.save(2, {"x": np.arange(4)}, Sized(), [])
    progress, state = work.load()
    assert progress["step"] == 1 and state["x"].tolist() == [0, 1, 2]


def test_writing_is_whole_or_not_at_all(small_agent, tmp_path, monkeypatch):
    data = simulate(small_agent(), run())
    path = tmp_path / "data.nc"
    dataset.write(data, path)
    xr.testing.assert_identical(dataset.read(path), data)
    before = path.read_bytes()

    def full(self, target, **kwargs):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.DataTree, "to_netcdf", full)
    with pytest.raises(RunError, match="cannot write .*: No space left on device"):
        dataset.write(data, path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["data.nc"]


@pytest.mark.parametrize("content", [None, b"", b"not netCDF", b"CDF"])
def test_unreadable_files_are_refused(tmp_path, content):
    path = tmp_path / "data.nc"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"data\.nc"):
        dataset.read(path)


@pytest.mark.parametrize("task", ["memory_chain", pytest.param("pendulum", marks=pytest.mark.long)])
def test_a_run_may_start_from_what_another_learned(small_agent, task):
    agent = small_agent(task)
    first = simulate(agent, run(steps=60))
    again = simulate(agent, run(steps=1, seed=5), weights=first)
    for name, learned in first["weights"].data_vars.items():
        found = again["weights"][name].isel(checkpoint=0)
        np.testing.assert_array_equal(found, learned.isel(checkpoint=-1), err_msg=name)
        # The reward of this task comes with its end, when the input is already that of the next trial.
        if name != "reward->cortex":
            before, after = (learned.isel(checkpoint=k) for k in (0, -1))
            assert not np.array_equal(before, after), name


def test_weights_of_another_circuit_are_refused(small_agent):
    first = simulate(small_agent(), run(steps=5))
    with pytest.raises(InputError, match=r"have shape \(2, 5, 3\); \(2, 6, 3\)"):
        simulate(small_agent(units=6), run(steps=5), weights=first)
    del first["weights"]["cortex->cortex"]
    with pytest.raises(InputError, match="no weights 'cortex->cortex'; it has"):
        simulate(small_agent(), run(steps=5), weights=first)


def starting(agent, *seeds):
    """The states in which runs of some seeds start."""
    arrays = blueprint(agent.structure()).layout()
    return [initial_state(agent, arrays, seed) for seed in seeds]


def weights_in(agent, state, **change):
    """A dataset of the weights in a state; `change` is name to other values."""
    variables = {
        name: (("replicate", "checkpoint", *dims), state[array][:, *index][:, None])
        for name, array, index, dims, *_ in layout.learned(agent)
    }
    made = xr.Dataset(variables).copy(deep=True)
    for name, values in change.items():
        made[name][...] = values
    return xr.DataTree.from_dict({"/weights": made})


def test_what_was_learned_and_is_frozen_is_that_of_the_dataset(small_agent):
    agent = small_agent()
    frozen = replace(agent, circuit=agent.circuit.set("cortex.tau.trainable", False))
    there, state, plain, own = starting(frozen, 1, 2, 2, 2)
    taus = np.arange(21.0, 31).reshape(2, 5)
    data = weights_in(agent, there, **{"cortex.tau": taus[:, None]})
    arrays = dataset.set_weights(frozen, state, data)
    np.testing.assert_array_equal(state["cortex.tau"], taus)
    assert "cortex.tau" in arrays  # so it counts in what the run is
    # What the dataset lacks and is not learned stays as it is.
    dataset.set_weights(frozen, plain, weights_in(frozen, there))
    np.testing.assert_array_equal(plain["cortex.tau"], own["cortex.tau"])


def test_what_follows_from_weights_follows_those_of_the_dataset(small_agent):
    """Conductances of gap junctions that are there, and where variables of synapses start."""
    agent = small_agent(sensitivity="rflo", units=3)
    synapse = tsodyks_markram(U=Parameter(uniform(0.2, 0.8), trainable=True), tau_facil=50.0)
    fields = {"weights": uniform(0.0, 0.2), "electrical": True, "plastic": False}
    circuit = agent.circuit.connect("cortex", "cortex", "gap", **fields)
    intact = replace(agent, circuit=circuit.connect("cortex", "cortex", "used", dynamics=synapse))
    cut = replace(intact, circuit=intact.circuit.lesion("gap", 0.5, seed=1))
    there, state, own, lesioned = starting(intact, 1, 2, 2, 2)
    data = weights_in(intact, there)
    dataset.set_weights(intact, state, data)
    changed = {name for name in state if not np.array_equal(state[name], own[name])}
    assert {"cortex.conductance_of_gap", "cortex.initial_u_at_used"} <= changed
    for name in changed:
        np.testing.assert_allclose(state[name], there[name], rtol=1e-15, err_msg=name)
    (place,) = cut.plan.places["gap"]
    mask = cut.circuit.projections["gap"].mask
    lesioned[f"{place.group}.mask"][:, *place.index] = mask
    dataset.set_weights(cut, lesioned, data)
    weights = there[place.array][:, *place.index] * mask
    np.testing.assert_allclose(lesioned["cortex.conductance_of_gap"], weights.sum(axis=-1))


def test_weights_that_cannot_be_are_refused(small_agent):
    agent = small_agent()
    (state,) = starting(agent, 1)
    data = weights_in(agent, state)
    data["weights"] = data["weights"].isel(checkpoint=slice(0, 0))
    with pytest.raises(InputError, match="the dataset has no checkpoint; that of a run that was"):
        dataset.set_weights(agent, state, data)
    data = weights_in(agent, state, **{"cortex->cortex": np.nan})
    with pytest.raises(InputError, match="'cortex->cortex' of the dataset are NaN or infinite"):
        dataset.set_weights(agent, state, data)
    for setting, name in (
        ("normalize_input", "input.mean"),
        ("scale_reward", "dopamine.return_mean"),
    ):
        other = small_agent(**{setting: True})
        data = weights_in(other, *starting(other, 1))
        with pytest.raises(InputError, match=f"has '{name}', which needs an agent with {setting}="):
            dataset.set_weights(agent, state, data)
