"""Sweeps: their points, their dataset, and that they survive kills and failures."""

import contextlib
import os
import pickle
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from distributed.client import default_client

from analysis import style
from analysis import sweep as analysis
from bgrl import dataset
from bgrl.backends import cuda
from bgrl.checkpoints import Work
from bgrl.errors import InputError, RunError
from experiments import memory_chain, sweep
from tests.commands import ROOT, command
from tests.test_commands import in_a_process, one_line

SHORT = {"evaluation_trials": 1, "final_trials": 2}
SHORT |= {"steps": 6, "replicates": 2, "units": 3, "backend": "numpy"}
WORDS = [w for k, v in SHORT.items() for w in (f"--{k.replace('_', '-')}", v)]
BASE = memory_chain.Config(**SHORT)


def expand(folder, config=BASE, **variations):
    return sweep.expand(
        config, {k.replace("__", "."): v.split() for k, v in variations.items()}, folder
    )


def test_points_are_all_combinations(tmp_path):
    coordinates, points = expand(tmp_path, learning_rate="1e-4 1e-3", task__length="4 8 16")
    assert coordinates == {"learning_rate": [1e-4, 1e-3], "task.length": [4, 8, 16]}
    agents = [memory_chain.agent(p) for p in points]
    assert [a.task.parameters["length"].value for a in agents] == [4, 8, 16] * 2
    assert [a.learning.rate_critic for a in agents] == [1e-4] * 3 + [1e-3] * 3
    assert {p.seed for p in points} == {0} and {p.processes for p in points} == {1}


def test_files_are_named_after_all_settings(tmp_path):
    def names(config=BASE):
        return [p.output for p in expand(tmp_path, config, discount="0.8 0.9")[1]]

    assert names() == names(replace(BASE, output="other.nc", processes=2))
    assert len({*names(), *names(replace(BASE, seed=1))}) == 4


@pytest.mark.parametrize(
    ("variations", "part"),
    [
        ({"pace": "1"}, "unknown setting 'pace'"),
        ({"task__size": "1"}, "unknown setting 'task.size'"),
        ({"length": "3 long"}, "length is 'long'; a whole number is needed"),
        ({"learning_rate": "1e-3 0.001"}, "a value of learning_rate is given twice"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_cannot_vary_is_refused(tmp_path, variations, part):
    with pytest.raises(InputError, match=re.escape(part)):
        expand(tmp_path, **variations)


def test_variations_are_read():
    assert sweep.read_variations(["a=1,2", "task.b=x"]) == {"a": ["1", "2"], "task.b": ["x"]}
    for texts, part in (
        (["a=1", "a=2"], "a is varied twice"),
        (["a"], "NAME=VALUE"),
        ([], "nothing varies"),
    ):
        with pytest.raises(InputError, match=part):
            sweep.read_variations(texts)


def test_what_can_be_swept():
    assert set(sweep.sweepable()) == {"cartpole", "memory_chain", "paper", "train"}


def finished(folder, **variations):
    """Coordinates, points, failures, every point having been run in this process."""
    coordinates, points = expand(folder, **variations)
    outcomes = {p.output: sweep.run_point("memory_chain", p) for p in points}
    return coordinates, points, {p: why for p, why in outcomes.items() if why}


def test_dataset_holds_the_points(tmp_path):
    """Every point is the run of its own; one that failed is NaN and says why."""
    parts = finished(tmp_path, task__length="2 0 3", discount="0.5 0.9")
    assert list(parts[2].values()) == ["memory_chain length is 0; a positive integer is needed"] * 2
    data = sweep.combine("memory_chain", *parts)
    data.attrs |= {"experiment": "sweep", "configuration": "{}"}
    dataset.write(data, tmp_path / "all.nc")
    data = dataset.read(tmp_path / "all.nc")
    evaluation, points = data["evaluation"].to_dataset(), data["points"].to_dataset()
    for variable in (*evaluation.variables.values(), *points.variables.values()):
        assert variable.attrs["units"] and variable.attrs["long_name"]
    single = memory_chain.run(
        BASE.with_settings([("task.length", "3"), ("discount", "0.9")]),
    )["evaluation"]
    here = evaluation.sel({"task.length": 3, "discount": 0.9})
    assert np.array_equal(here["mean_return"], single["mean_return"])
    assert np.array_equal(here["final_return"], single["mean_return"][:, -1])
    there = evaluation.sel({"task.length": [2, 3]})
    best = there["mean_return"].max("checkpoint")
    assert np.array_equal(there["best_return"], best)
    for checkpoint in (0, -1):
        assert (best != there["mean_return"].isel(checkpoint=checkpoint)).any()
    assert np.array_equal(here["step"], single["step"])
    failed = evaluation.sel({"task.length": 0})
    assert np.isnan(failed["mean_return"]).all() and np.isnan(failed["final_return"]).all()
    assert np.isnan(failed["episodes"]).all()
    assert there["mean_return"].notnull().all()
    assert (points["failure"] != "").sum() == 2
    assert (tmp_path / points["file"].values[2, 1]).exists() and points["file"].values[1, 1] == ""
    assert data.attrs["best_return"] == 1.0 and data.attrs["task"] == "memory_chain"
    assert sum("failed: memory_chain length is 0" in line for line in analysis.summary(data)) == 2
    assert analysis.figure(data).get_suptitle() == analysis.finding(data)


def test_what_a_killed_process_left_of_a_finished_point_is_removed(tmp_path):
    config = replace(BASE, output=str(tmp_path / "a.nc"))
    _, points = sweep.unfinished(config, {"discount": ["0.5", "0.9"]})
    for point in points:
        left = Path(f"{point.output}.partial")
        left.mkdir(parents=True)
        (left / "state-6.npz").touch()
    Path(points[0].output).touch()
    sweep.keep(points, config)
    assert [p.name for p in (tmp_path / "a.nc.points").iterdir()] == [Path(points[0].output).name]
    assert [p.name for p in (tmp_path / "a.nc.partial/points").iterdir()] == [left.name]
    Path(points[1].output).touch()
    sweep.keep(points, config)
    assert [p.name for p in tmp_path.iterdir()] == ["a.nc.points"]


def test_steps_and_replicates_may_vary(tmp_path):
    data = sweep.combine("memory_chain", *finished(tmp_path, steps="3 8", replicates="1 3"))
    evaluation = data["evaluation"].to_dataset()
    assert evaluation["mean_return"].shape == (2, 2, 3, 9)
    short = evaluation.sel({"steps": 3, "replicates": 3})
    np.testing.assert_array_equal(short["step"], [*range(4), *[np.nan] * 5])
    assert (short["episodes"].notnull() == short["mean_return"].notnull()).all()
    assert short["mean_return"].notnull().sum("checkpoint").values.tolist() == [4] * 3
    assert short["final_return"].notnull().all()
    few = evaluation.sel({"steps": 8, "replicates": 1})
    assert few["final_return"].notnull().values.tolist() == [True, False, False]


def test_if_all_points_fail_there_is_no_dataset(tmp_path):
    with pytest.raises(RunError, match="all points failed, the first as memory_chain length is 0"):
        sweep.combine("memory_chain", *finished(tmp_path, length="0"))


@pytest.fixture
def in_this_process(monkeypatch):
    """Points run one after the other here; returns the list of those that did, by their settings.

    Their figure is a file without a picture: drawing it takes longer than the points.
    """
    ran = []
    monkeypatch.setattr(style, "save_figure", lambda figure, path: path.write_text("a figure"))

    def run_points(experiment, points, client, bar):
        ran.extend((p.learning_options, p.steps) for p in points)
        outcomes = {p.output: sweep.run_point(experiment, p) for p in points}
        return {path: why for path, why in outcomes.items() if why}

    monkeypatch.setattr(sweep, "connect", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr(sweep, "run_points", run_points)
    return ran


def sweep_command(output, *words):
    """The command with short runs; exit code and what it printed or why it was refused."""
    return sweep.main(["memory_chain", *map(str, WORDS), "--output", str(output), *words])


def test_a_sweep_with_one_value_more_computes_only_that(tmp_path, in_this_process, capsys):
    output = tmp_path / "a.nc"
    assert sweep_command(output, "--vary", "discount=0.5,0.9") == 0
    assert [o["discount"] for o, _ in in_this_process] == [0.5, 0.9]
    first = dataset.read(output)["evaluation"].to_dataset()
    in_this_process.clear()
    # The same again is done already, in whatever order and with whatever --workers.
    assert sweep_command(output, "--vary", "discount=0.5,0.9", "--workers", "1") == 0
    assert in_this_process == []
    assert f"{output} holds this run already" in capsys.readouterr().out
    assert sweep_command(output, "--vary", "discount=0.5,0.7,0.9") == 0
    assert in_this_process == [({"discount": 0.7}, 6)]
    more = dataset.read(output)["evaluation"].to_dataset()
    assert more["discount"].values.tolist() == [0.5, 0.7, 0.9]
    xr.testing.assert_identical(more.sel(discount=[0.5, 0.9]), first)
    # One more setting varies, of which the sweep so far was one value.
    in_this_process.clear()
    assert sweep_command(output, "--vary", "discount=0.5,0.7,0.9", "--vary", "steps=6,7") == 0
    assert [steps for _, steps in in_this_process] == [7, 7, 7]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.nc", "a.nc.points", "a.png"]
    assert len(list((tmp_path / "a.nc.points").iterdir())) == 6


#: An experiment of one's own: `memory_chain` with another name for the length.
OWN = """
from dataclasses import dataclass

from bgrl import models, tasks
from bgrl.settings import AgentSettings, option

ANALYSIS = "bgrl.analysis.train"
QUICK = {"steps": 100}


@dataclass(frozen=True, kw_only=True)
class Config(AgentSettings):
    delay: int = option(3, "steps to remember")

    def task_name(self):
        return "memory_chain"

    def make_task(self, **options):
        return tasks.make("memory_chain", **{"length": self.delay} | options)


def agent(config):
    return config.make_agent(lambda task: models.circuit("rtrrl", task, config.units))


def run(config):
    return config.train(agent(config))
"""


def test_an_experiment_of_ones_own_is_swept(tmp_path, in_this_process, monkeypatch):
    (tmp_path / "delays.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    words = [*map(str, WORDS), "--vary", "delay=2,4", "--output", "a.nc"]
    assert sweep.main(["delays.py", *words]) == 0
    assert len(in_this_process) == 2
    data = dataset.read(tmp_path / "a.nc")
    assert data["evaluation"]["delay"].values.tolist() == [2, 4]
    for delay, file in zip((2, 4), data["points"]["file"].values, strict=True):
        configuration = dataset.read(tmp_path / "a.nc.points" / file).attrs["configuration"]
        assert f'"length": {delay}.0' in configuration or f'"length":{delay}.0' in configuration
    # Workers are sent its settings.
    config = sweep.module_of(str(tmp_path / "delays.py")).Config(**SHORT, delay=5)
    assert pickle.loads(pickle.dumps(config)) == config
    assert sweep.main(["delays.py", *words]) == 0 and len(in_this_process) == 2


def test_an_experiment_of_ones_own_that_has_no_agent_is_refused(tmp_path):
    (tmp_path / "bare.py").write_text(OWN.replace("def agent", "def other"))
    with pytest.raises(
        InputError, match=r"bare\.py: a sweep needs a Config of AgentSettings, and a"
    ):
        sweep.main([str(tmp_path / "bare.py"), "--vary", "delay=2,4"])
    with pytest.raises(InputError, match=r"nothing\.py: no such file"):
        sweep.main([str(tmp_path / "nothing.py"), "--vary", "delay=2,4"])


def test_a_sweep_whose_backend_is_missing_here_is_refused_before_its_points(
    tmp_path, in_this_process, monkeypatch
):
    monkeypatch.setattr(cuda.shutil, "which", lambda name: None)
    config = replace(BASE, backend="cuda", output=str(tmp_path / "a.nc"))
    variations = {"discount": ["0.5", "0.9"]}
    with pytest.raises(InputError, match="backend cuda needs NVIDIA's compiler"):
        sweep.sweep("memory_chain", config, variations)
    assert in_this_process == [] and list(tmp_path.iterdir()) == []
    # What workers of a scheduler elsewhere have is not known here.
    with pytest.raises(RunError, match="all points failed"):
        sweep.sweep("memory_chain", config, variations, scheduler="tcp://elsewhere:1")
    assert len(in_this_process) == 2


def test_another_sweep_is_refused_and_overwrites_no_points(tmp_path, in_this_process):
    output = tmp_path / "a.nc"
    assert sweep_command(output, "--vary", "discount=0.5,0.9") == 0
    before = output.read_bytes()
    in_this_process.clear()
    for words, difference in (
        (["--vary", "discount=0.5"], "vary {'discount': [0.5, 0.9]}, not {'discount': [0.5]}"),
        (["--vary", "discount=0.5,0.9", "--seed", "3"], "seed 0, not 3"),
        (["--vary", "length=3,4"], "vary"),
    ):
        with pytest.raises(InputError, match="holds a finished run of other settings") as error:
            sweep_command(output, *words)
        assert difference in str(error.value) and "--overwrite" in str(error.value)
    assert in_this_process == [] and output.read_bytes() == before
    points = {p: p.read_bytes() for p in (tmp_path / "a.nc.points").iterdir()}
    assert sweep_command(output, "--vary", "length=3,4", "--overwrite") == 0
    assert {p: p.read_bytes() for p in points} == points
    assert len(list((tmp_path / "a.nc.points").iterdir())) == 4


def test_a_killed_sweep_may_get_another_value(tmp_path, in_this_process):
    config = replace(BASE, output=str(tmp_path / "a.nc"))
    _, points = expand(config.work() / "points", config, discount="0.5 0.9")
    # What a killed one leaves.
    Work(config.work(), {"experiment": "sweep"}, "command.json")
    assert sweep.run_point("memory_chain", points[0]) is None
    assert sweep_command(config.output, "--vary", "discount=0.5,0.8") == 0
    assert [o["discount"] for o, _ in in_this_process] == [0.8]


def test_a_damaged_point_is_refused_before_anything_is_run(tmp_path, in_this_process):
    output = tmp_path / "a.nc"
    assert sweep_command(output, "--vary", "discount=0.5") == 0
    (point,) = (tmp_path / "a.nc.points").iterdir()
    point.write_bytes(point.read_bytes()[:2000])
    in_this_process.clear()
    with pytest.raises(InputError, match=f"{point.name}: not a readable netCDF-4 file"):
        sweep_command(output, "--vary", "discount=0.5,0.9")
    assert in_this_process == [] and not (tmp_path / "a.nc.partial").exists()


def test_a_sweep_of_which_points_failed_is_not_finished(tmp_path, in_this_process):
    output = tmp_path / "a.nc"
    with pytest.raises(RunError, match="1 of 2 points failed; given again"):
        sweep_command(output, "--vary", "length=3,0")
    assert dataset.read(output).attrs["stopped"] == "1 of 2 points failed"
    in_this_process.clear()
    with pytest.raises(RunError, match="1 of 2 points failed; given again"):
        sweep_command(output, "--vary", "length=3,0")
    assert len(in_this_process) == 1


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match="install the extra sweep"), sweep.connect(1):
        pass


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["gradient_quality", "--vary", "seed=1,2"], ("gradient_quality", "memory_chain")),
        (["memory_chain"], ("nothing varies",)),
        (["memory_chain", "--vary", "pace=1"], ("unknown setting 'pace'", "discount")),
        (["memory_chain", "--vary", "seed=1,2", "--workers", "0"], ("workers is 0",)),
        (["memory_chain", "--vary", "seed=1", "--scheduler", "nowhere"], ("'nowhere'",)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_line_and_code_2(tmp_path, words, parts):
    one_line(command("experiments.sweep", *words, cwd=tmp_path), 2, *parts)
    assert not list(tmp_path.rglob("*.nc"))
    # Else xarray asks the scheduler for a lock, whatever is written afterwards.
    with pytest.raises(ValueError, match="No client"):
        default_client()


@pytest.mark.long
def test_killed_sweep_resumes_and_equals_one_that_ran_through(tmp_path, in_this_process):
    """8 points over two workers; all processes are killed after a quarter of them.

    This process computes what it is compared with, one worker the rest.
    """
    words = ["memory_chain", "--vary", "learning_rate=1e-4,1e-3", "--vary", "task.length=2,3"]
    words += ["--vary", "seed=0,1", *WORDS, "--output"]
    through, killed = tmp_path / "through.nc", tmp_path / "killed.nc"
    assert sweep.main([*map(str, words), str(through)]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        *("through.nc", "through.nc.points", "through.png")
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments.sweep", *map(str, words), killed, "--workers", "2"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )

    def points():
        return {
            p.name: p.stat().st_mtime_ns for p in tmp_path.glob("killed.nc.partial/points/*.nc")
        }

    while len(points()) < 2 and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = points()
    assert 2 <= len(before) < 8 and not killed.exists()
    result = in_a_process("experiments.sweep", *words, killed, "--workers", 1)
    assert (result.returncode, result.stderr) == (0, "")
    after = {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("killed.nc.points/*.nc")}
    assert len(after) == 8 and before.items() <= after.items()
    expected, found = dataset.read(through), dataset.read(killed)
    # The commands name their files, and were not typed alike.
    del expected.attrs["command"]
    assert str(killed) in found.attrs.pop("command")
    assert found.identical(expected)
    assert np.isfinite(found["evaluation"]["mean_return"]).all()
    other = found["evaluation"].to_dataset().isel(seed=0).drop_vars("seed")
    assert not other.identical(found["evaluation"].to_dataset().isel(seed=1).drop_vars("seed"))
    for name in after:
        a, b = (dataset.read(tmp_path / f"{run}.nc.points" / name) for run in ("through", "killed"))
        assert a.identical(b)


def test_impossible_points_are_reported_and_the_others_complete(tmp_path, in_this_process):
    """One is impossible when it is made, the other when it runs in a worker."""
    output = tmp_path / "a.nc"
    words = ("--vary", "length=3,0", "--vary", "seed=1,-1", "--workers", 1, *WORDS)
    result = command("experiments.sweep", "memory_chain", *words, "--output", output)
    one_line(result, 1, "3 of 4 points failed", "given again")
    rows = [line.split(maxsplit=2) for line in result.stdout.splitlines() if "failed: " in line]
    assert [row[:2] for row in rows] == [["3", "-1"], ["0", "1"], ["0", "-1"]]
    assert "seed is -1" in rows[0][2] and "length is 0" in rows[1][2] and "length" in rows[2][2]
    assert (tmp_path / "a.png").exists()
    final = dataset.read(output)["evaluation"]["final_return"]
    assert np.isfinite(final[0, 0]).all() and np.isfinite(final).sum() == 2


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer_is_named(tmp_path):
    words = ("--vary", "seed=1,2", "--scheduler", "tcp://127.0.0.1:1", *WORDS)
    result = command("experiments.sweep", "memory_chain", *words, "--output", tmp_path / "a.nc")
    one_line(result, 2, "no dask scheduler answers at 'tcp://127.0.0.1:1'")
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_each_distinct_program_is_compiled_once(tmp_path):
    """Four points of two structures, two workers: the linker runs twice."""
    compiler = tmp_path / "compiler"
    real = shutil.which("g++") or shutil.which("clang++")
    compiler.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\nexec {real} "$@"\n')
    compiler.chmod(compiler.stat().st_mode | stat.S_IXUSR)
    result = in_a_process(
        "experiments.sweep",
        *("memory_chain", "--vary", "learning_rate=1e-4,1e-3", "--vary", "units=2,3"),
        *(*WORDS[:-1], "cpp", "--workers", 2, "--output", tmp_path / "a.nc"),
        CXX=str(compiler),
        BGRL_CACHE=str(tmp_path / "cache"),
    )
    assert (result.returncode, result.stderr) == (0, "")
    calls = (tmp_path / "calls").read_text().splitlines()
    assert sum(call.endswith("-o main") for call in calls) == 2
    assert len(list((tmp_path / "cache" / "programs").iterdir())) == 2


@pytest.mark.slow
def test_example_of_the_documentation(tmp_path, in_this_process):
    text = (ROOT / "README.md").read_text()
    (example,) = re.findall(r"^python -m experiments\.sweep (.*)$", text, re.M)
    words = [*example.split(), *map(str, WORDS), "--output", str(tmp_path / "a.nc")]
    assert sweep.main(words) == 0
    data = dataset.read(tmp_path / "a.nc")
    sizes = data["evaluation"].sizes
    assert (sizes["learning_rate"], sizes["task.length"]) == (2, 3)
    again = command("analysis.plot", tmp_path / "a.nc")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "a-overview.png").exists()


def by_hand(**settings):
    """A sweep whose final return is the sum of its numbers, each replicate a tenth off."""
    shape = tuple(map(len, settings.values()))
    grids = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    final = sum(grids)[..., None] + np.array([-0.1, 0.0, 0.1])
    units = {"units": "1", "long_name": "x"}
    coordinates = {name: (name, values, units) for name, values in settings.items()}
    rows = ((*settings, "replicate"), final, units)
    evaluation = {"final_return": rows, "best_return": rows}
    failure = {"failure": (tuple(settings), np.full(shape, "", object), units)}
    groups = {"/evaluation": (evaluation, coordinates), "/points": (failure, coordinates)}
    return xr.DataTree.from_dict({k: xr.Dataset(*v) for k, v in groups.items()})


def test_axes_follow_the_values():
    assert analysis.axes_of(by_hand(model=["a", "b", "c"], rate=[1.0, 2.0])) == (
        "rate",
        "model",
        [],
    )
    data = by_hand(seed=[1, 2], rate=[1.0, 2.0, 3.0], model=["a", "b"])
    assert analysis.axes_of(data) == ("rate", "seed", ["model"])
    assert analysis.logarithmic([1e-4, 1e-3, 1e-2]) and analysis.logarithmic([4, 8, 16])
    assert analysis.logarithmic([1e-4, 1e-3]) and not analysis.logarithmic([0.9, 0.99])
    assert not analysis.logarithmic([1, 2, 3]) and not analysis.logarithmic([0, 1, 10])


def test_figure_draws_medians_in_order():
    data = by_hand(rate=[1.0, 100.0, 10.0], model=["a", "b"])
    ax = analysis.plot_final_return(data)
    assert ax.get_xscale() == "log"
    first, second = ax.get_lines()[:2]
    assert first.get_xdata().tolist() == [1, 10, 100]
    assert first.get_ydata().tolist() == [0, 2, 1] and second.get_ydata().tolist() == [1, 3, 2]
    assert analysis.finding(data) == (
        "Median final return from 0.00 (rate 1, model a)\nto 3.00 (rate 10, model b)"
    )


def test_true_and_false_are_drawn_by_their_places():
    data = by_hand(normalize_input=[True, False], feedback=["x", "y"], flag=[False, True])
    first, second = (ax for ax in analysis.figure(data).axes if ax.axison)
    assert [ax.get_title(loc="left") for ax in (first, second)] == ["flag False", "flag True"]
    lines = [[line.get_ydata().tolist() for line in ax.get_lines()[:2]] for ax in (first, second)]
    assert lines == [[[0, 1], [1, 2]], [[1, 2], [2, 3]]]
    assert [t.get_text() for t in first.get_xticklabels()] == ["True", "False"]


def test_values_that_are_not_all_numbers_are_kept_as_text(tmp_path, in_this_process):
    """None is NaN among numbers in a file; such a file of before has its name again."""
    output = tmp_path / "a.nc"
    assert sweep_command(output, "--vary", "rate_half_life=None,1e5") == 0
    data = dataset.read(output)
    assert data["points"]["rate_half_life"].values.tolist() == ["None", "100000.0"]
    for file, value in zip(data["points"]["file"].values, ("null", "100000.0"), strict=True):
        point = dataset.read(Path(f"{output}.points", file))
        assert f'"rate_half_life":{value}' in point.attrs["configuration"].replace(" ", "")
    for values in ([True, False], [1, 2.5], ["a", "b"]):
        assert sweep._as_kept(values) == values
    assert sweep._as_kept([40.0, "normal"]) == ["40.0", "normal"]
    ax = analysis.figure(data).axes[0]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["None", "100000.0"]
    assert analysis.varied(by_hand(rate_half_life=[np.nan, 1e5])) == {
        "rate_half_life": ["None", "100000.0"]
    }


def test_figure_marks_failures_and_shows_further_settings_in_panels():
    data = by_hand(model=["a", "b"], feedback=["x", "y"], optimizer=["p", "q"])
    data["evaluation"]["final_return"][1, 0, 0] = np.nan
    data["points"]["failure"][1, 0, 0] = "too high"
    figure = analysis.figure(data)
    panels = [ax for ax in figure.axes if ax.axison]
    assert [ax.get_title(loc="left") for ax in panels] == ["optimizer p", "optimizer q"]
    crosses = [[line for line in ax.get_lines() if line.get_marker() == "x"] for ax in panels]
    assert [sum(len(line.get_xdata()) for line in lines) for lines in crosses] == [1, 0]
    (legend,) = figure.legends
    assert "failed" in [text.get_text() for text in legend.get_texts()]
