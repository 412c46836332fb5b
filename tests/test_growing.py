"""What a command says before, while and after it runs; a file made again; a run interrupted."""

import json
import re
import shlex

import numpy as np
import pytest
import xarray as xr
from commands import command

from bgrl import Record, Run, estimate, experiment, models, simulate, simulation, tasks
from bgrl.backends import runtime
from bgrl.errors import InputError
from experiments import rerun, sweep, tables, train

SHORT = shlex.split(
    "--task memory_chain --set task.length=3 --steps 60 --replicates 2 --units 4 --backend numpy "
    "--evaluations 2 --evaluation-trials 2 --final-trials 2 --evaluation-steps 40"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A data file, and what its command printed."""
    folder = tmp_path_factory.mktemp("made")
    words = [*SHORT, "--output", folder / "a.nc", "--figure", folder / "b.png"]
    return folder / "a.nc", command("experiments.train", *words)


def test_a_run_says_where_its_log_and_its_figure_are(made):
    path, result = made
    folder = path.parent
    assert f"log: {folder}/a.nc.partial/log.txt\n" in result.stdout
    for line in (f"wrote {path}", f"wrote {folder}/b.png", f"log: {folder}/a.log"):
        assert f"{line}\n" in result.stdout
    lines = [line[20:] for line in (folder / "a.log").read_text().splitlines()]
    assert lines[
        0
    ] == f"python -m experiments.train {shlex.join(SHORT)} --output {path} --figure " + str(
        folder / "b.png"
    )
    assert [re.sub("return .*", "", line) for line in lines[1:]] == [
        f"step {step} of 60: median " for step in (0, 30, 60)
    ]
    assert not (folder / "a.nc.partial").exists()


def test_a_file_is_made_again_by_its_command(made, tmp_path):
    path, _ = made
    with xr.open_datatree(path) as data:
        assert data.attrs["command"].startswith("python -m experiments.train --task memory_chain")
    result = command("experiments.rerun", path, "--output", tmp_path / "c.nc")
    assert result.returncode == 0, result.stderr
    assert f"the same numbers as {path}\n" in result.stdout
    assert command("experiments.rerun", path, "--output", path).returncode == 2


def test_a_file_that_was_changed_is_not_made_again(made, tmp_path):
    with xr.open_datatree(made[0]) as data:
        data = data.load()
    data["evaluation"]["mean_return"].values[1, 2] += 0.25
    data.to_netcdf(tmp_path / "d.nc", engine="netcdf4")
    result = command("experiments.rerun", tmp_path / "d.nc")
    assert result.returncode == 1
    assert result.stderr.endswith("in 1 variables: evaluation/mean_return by up to 0.25\n")
    del data.attrs["command"]
    data.to_netcdf(tmp_path / "e.nc", engine="netcdf4")
    with pytest.raises(InputError, match="was made by a script"):
        rerun.command_of(tmp_path / "e.nc")


def test_where_files_went_is_no_part_of_a_command(tmp_path):
    words = (
        "sweep cartpole --vary units=4,8 --out=x.nc --observe 0 --fig y.png --overwrite --seed 1"
    )
    data = xr.DataTree(xr.Dataset(attrs={"command": f"python -m experiments.{words}"}))
    data.to_netcdf(tmp_path / "a.nc", engine="netcdf4")
    kept = ["cartpole", "--vary", "units=4,8", "--observe", "0", "--seed", "1"]
    assert rerun.command_of(tmp_path / "a.nc") == ("bgrl.experiments.sweep", kept)


def test_a_dry_run_says_the_cost_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(estimate, "MEASURED", 0.02)
    monkeypatch.chdir(tmp_path)
    assert experiment.main("train", train, [*SHORT, "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["program", "time", "memory", "disk"]
    assert "60 steps of learning at " in lines[1] and "in 1 process" in lines[1]
    assert sweep.main(["train", *SHORT, "--vary", "discount=0.5,0.9", "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("points   2, of which 0 are finished\nprograms 1, of")
    words = (
        "--tasks Catch --methods rflo,linear --backend numpy --steps 1000 --replicates 1 --dry-run"
    )
    assert experiment.main("tables", tables, words.split()) == 0
    assert capsys.readouterr().out.startswith("points   2, of which 0 are finished\nprograms 2, of")
    why = "what method bptt would cost is not known before it runs"
    assert experiment.main("tables", tables, words.replace("rflo", "bptt").split()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "points   2, of which 0 are finished" and lines[1].startswith("programs 1,")
    assert lines[-1] == f"without  1 of them: {why}"
    with pytest.raises(InputError, match=why):
        experiment.main("tables", tables, words.replace("rflo,linear", "bptt").split())
    assert list(tmp_path.iterdir()) == []


def test_an_estimate_counts_what_the_run_then_takes(monkeypatch):
    monkeypatch.setattr(estimate, "MEASURED", 0.02)
    agent = models.agent("rtrrl", tasks.make("memory_chain", length=3), 4, 2)
    settings = {"backend": "numpy", "evaluations": 2, "evaluation_steps": 40}
    run = Run(60, record=Record(("dopamine", "cortex")), **settings)
    found = estimate.estimate(agent, run)
    data = simulate(agent, run)
    sizes = {name: data[name].to_dataset() for name in ("traces", "weights")}
    frames = sizes["traces"][["dopamine", "cortex", "step"]].drop_vars("time").nbytes
    kept = frames + sizes["weights"].drop_vars(("replicate", "step")).nbytes
    # A row of each trial besides: 40 bytes for 4 steps of each replicate.
    assert kept + 60 * 2 / 4 * 20 < found.file_bytes < 1.1 * kept + 60 * 2 / 4 * 60
    assert found.evaluation_steps == 38  # of 40, shared among three evaluations
    assert found.seconds == pytest.approx(60 / found.rate + 38 / found.evaluation_rate)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "less than 1 s"), (59, "59 s"), (90, "2 min"), (4000, "1 h 7 min"), (2e5, "2.3 days")],
)
def test_times_for_people(seconds, text):
    assert estimate.duration(seconds) == text


def test_the_help_of_sweeps_lists_their_options(capsys):
    with pytest.raises(SystemExit) as ended:
        sweep.main(["--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    for word in (
        "--vary",
        "--workers",
        "--steps",
        "--set",
        "--dry-run",
        "memory_chain",
        "cartpole",
    ):
        assert word in text


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (
            ["--set", "discont=1"],
            {"discount", "rate_critic", "task.length", "learning_rate", "steps"},
        ),
        (["--set", "cortex.tua=1"], {"tau", "bias", "size"}),
        (["--task", "memory"], set(tasks.names())),
        (["--model", "x"], set(models.names())),
        (["--record", "dopamin"], {"dopamine", "value", "entropy", "cortex"}),
        (["--backend", "x"], {"numpy", "cython", "cpp", "cpp-plain"}),
    ],
)
def test_errors_list_all_valid_names(words, names, tmp_path):
    short = [
        word for word in SHORT if words[0] != "--task" or word not in ("--task", "memory_chain")
    ]
    if words[0] == "--backend":
        short = [word for word in short if word not in ("--backend", "numpy")]
    result = command("experiments.train", *short, *words, cwd=tmp_path)
    assert result.returncode == 2 and result.stderr.count("\n") == 1
    listed = set(re.findall(r"[\w.>-]+", result.stderr))
    assert names <= listed, names - listed


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("at", [4, 6])
def test_an_interrupted_run_keeps_what_it_has_and_goes_on(tmp_path, monkeypatch, keeps, at):
    agent = models.agent("rtrrl", tasks.make("memory_chain", length=3), 4, 2)
    settings = {"backend": "numpy", "evaluations": 2, "evaluation_steps": 40}
    run = Run(60, record=Record(("dopamine",)), **settings)
    whole = simulate(agent, run)
    work = tmp_path / "work" if keeps else None
    advance, calls = runtime.RuntimeProgram.advance, []

    def interrupted(self, state, first, steps, learn=True, sink=None):
        found = advance(self, state, first, min(steps, 8), learn, sink)
        calls.append(first)
        if len(calls) == at:
            raise KeyboardInterrupt
        return found if steps <= 8 else advance(self, found, first + 8, steps - 8, learn, sink)

    monkeypatch.setattr(runtime.RuntimeProgram, "advance", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"after \d+ of 60 steps; the same call") as caught:
        simulate(agent, run, work)
    monkeypatch.undo()
    part = caught.value.data
    known = part["traces"].sizes["time"]
    assert part.attrs["stopped"] == "interrupted" and 0 < known < 60
    np.testing.assert_array_equal(
        part["traces"]["dopamine"], whole["traces"]["dopamine"][:, :known]
    )
    again = simulate(agent, run, work)
    assert not simulation._interrupted
    for name in ("traces", "trials", "evaluation", "weights"):
        assert again[name].to_dataset().identical(whole[name].to_dataset())


def test_notebooks_show_bars_and_drawings():
    assert simulation.hidden(False) is True and simulation.hidden(True) is None
    agent = models.agent("basal_ganglia", tasks.make("memory_chain"), replicates=2)
    drawn = agent.circuit._repr_html_()
    assert drawn.startswith("<svg") and "population cortex: 32 neurons" in drawn
    text = agent._repr_html_()
    assert "agent: 2 replicates, float32, in the task memory_chain" in text and drawn[:20] in text
    assert "report_0, report_1" in agent.task._repr_html_()
    shown = Run(100, seed=0)._repr_html_()
    assert "<b>100</b>" in shown and "<b>cpp</b>" not in shown
    assert json.dumps(shown)
