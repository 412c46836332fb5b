"""The commands as a user types them."""

import json
import os
import re
import shlex
import subprocess
import sys

import netCDF4
import numpy as np
import pytest

import models
from analysis import style
from bgrl import commands, dataset, experiment, simulation, tasks
from bgrl.circuit import Circuit
from bgrl.cli import run_command
from bgrl.errors import InputError, nearest
from bgrl.experiment import main
from bgrl.simulation import Run
from experiments import cartpole, gradient_quality, memory_chain
from tests.commands import ROOT, command
from tests.conftest import FIXTURES


def in_a_process(*words, cwd=ROOT, **environment):
    """The command as a user would type it."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
    )


def one_line(result, code, *parts):
    assert result.returncode == code, result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    for part in parts:
        assert part in result.stderr


#: A run of which hardly anything is asked.
SHORT = ("--steps", 300, "--replicates", 2, "--units", 5, "--backend", "numpy")
SHORT += ("--evaluations", 1, "--evaluation-trials", 1, "--final-trials", 2)


def short_but(*words):
    """Some options, and those of `SHORT` that are not among them."""
    pairs = zip(SHORT[::2], SHORT[1::2], strict=True)
    return [*(word for pair in pairs if pair[0] not in words for word in pair), *words]


def test_memory_chain_writes_data_and_figure(tmp_path):
    output = tmp_path / "run.nc"
    words = ("--length", 3, *SHORT, "--output", output)
    result = in_a_process("experiments.memory_chain", *words)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""  # no progress bar where there is no terminal
    assert "of 2 replicates end at 0.95 or more" in result.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.log", "run.nc", "run.png"]
    data = dataset.read(output)
    assert data.attrs["task"] == "memory_chain"
    configuration = dataset.configuration(data)
    assert configuration["agent"]["task"]["parameters"]["length"] == 3
    assert configuration["run"]["steps"] == 300
    redrawn = command("analysis.plot", output, "--kind", "learning_curve")
    assert redrawn.returncode == 0, redrawn.stderr
    assert (tmp_path / "run-learning_curve.png").exists()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["experiments.memroy"], "did you mean 'memory_chain'?"),
        (["analysis.plto", "a.nc"], "valid: analysis.plot, analysis.reproduction, analysis.view, "),
        (["analysis.trials"], "unknown command 'analysis.trials'; valid: "),
        (["bgrl"], "bgrl.cache, bgrl.doctor, bgrl.task_check, bgrl.verify, experiments"),
        (["bgrl.docter"], "did you mean 'bgrl.doctor'?"),
        (["bgrl.experimnts.train"], "unknown command 'bgrl.experimnts.train'"),
    ],
)
def test_a_mistyped_command_is_answered_with_those_that_are(words, text, tmp_path):
    one_line(in_a_process(*words, cwd=tmp_path), 2, text)


def test_packages_of_a_users_own_are_not_looked_at(tmp_path):
    for name in ("analysis", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("import bgrl\n")
        (tmp_path / name / "look.py").write_text("print(__name__)\n")
        result = in_a_process(f"{name}.look", cwd=tmp_path)
        assert (result.returncode, result.stdout) == (0, "__main__\n"), result.stderr


def test_an_experiment_is_run_by_its_name_too(tmp_path):
    words = ("draw", "gpr", "--output", tmp_path / "gpr.svg")
    assert command("experiments", *words).stdout == f"wrote {tmp_path / 'gpr.svg'}\n"
    told = command("experiments", "--help").stdout.split()
    assert set(commands.names("bgrl.experiments")) < set(told)


def test_every_command_is_on_the_page_of_commands():
    page = (ROOT / "docs" / "commands.md").read_text()
    words = {word.rpartition(".")[2] for word in re.findall(r"[\w.]+", page)}
    missing = {name for p in commands.PACKAGES for name in commands.names(p)} - words
    assert missing == set()


def test_every_command_says_its_options(tmp_path):
    found = [f"{p}.{name}" for p in commands.PACKAGES for name in commands.names(p)]
    assert {"bgrl.doctor", "bgrl.analysis.view", "bgrl.experiments.dopamine"} < set(found)
    for module in found:
        result = command(module, "--help", cwd=tmp_path)
        assert (result.returncode, result.stderr) == (0, ""), module
        assert result.stdout.startswith("usage: "), module


def test_train_records_what_is_asked(tmp_path):
    output = tmp_path / "run.nc"
    words = ("--task", "memory_chain", "--set", "task.length=3", *SHORT, "--output", output)
    result = command("experiments.train", *words, "--record", "dopamine, cortex", "--every", 7)
    assert result.returncode == 0, result.stderr
    traces = dataset.read(output)["traces"]
    assert set(traces.data_vars) == {"dopamine", "cortex"}
    assert traces["step"].values.tolist() == list(range(7, 301, 7))
    result = command("experiments.train", *words, "--overwrite")
    assert result.returncode == 0, result.stderr
    traces = dataset.read(output)["traces"]
    assert {"dopamine", "value", "reward", "done", "policy"} < set(traces.data_vars)
    assert traces["step"].values.tolist() == list(range(1, 301))
    for wrong, parts in (
        (("--record", "dopamine,serotonin"), ("cannot record 'serotonin'", "value", "cortex")),
        (("--record", "policy_scale"), ("cannot record 'policy_scale'",)),
        (("--every", -1), ("every is -1",)),
    ):
        one_line(command("experiments.train", *words, *wrong, "--overwrite"), 2, *parts)


def run_here(monkeypatch, *words, module=memory_chain):
    """An experiment's command in this process; how often something was computed for it.

    Its figure is a file without a picture: drawing one takes longer than such a run.
    """
    ran, run = [], module.run
    with monkeypatch.context() as patch:
        patch.setattr(style, "save_figure", lambda figure, path: path.write_text("a figure"))
        patch.setattr(module, "run", lambda config: ran.append(config) or run(config))
        name = module.__name__.rpartition(".")[2]
        assert main(name, module, list(map(str, short_but(*words)))) == 0
    return len(ran)


def test_a_finished_run_is_not_computed_again(tmp_path, monkeypatch, capsys):
    output = tmp_path / "run.nc"
    words = ("--output", output)
    assert run_here(monkeypatch, *words) == 1
    first = capsys.readouterr().out
    before = output.read_bytes()
    (tmp_path / "run.png").unlink()
    assert run_here(monkeypatch, *words) == 0
    again = capsys.readouterr().out
    assert "median" in again and set(again.splitlines()[:-3]) <= set(first.splitlines())
    assert f"{output} holds this run already" in again and "--overwrite computes it anew" in again
    assert output.read_bytes() == before and (tmp_path / "run.png").exists()
    # The number of processes and where it is shown change nothing in what is found.
    assert run_here(monkeypatch, *words, "--processes", 1) == 0
    assert run_here(monkeypatch, *words, "--overwrite") == 1
    (tmp_path / "run.nc").rename(tmp_path / "anew.nc")
    output.write_bytes(before)
    # The commands differ by --overwrite, and are told in the files.
    found, anew = dataset.read(output), dataset.read(tmp_path / "anew.nc")
    assert "--overwrite" in anew.attrs.pop("command") and found.attrs.pop("command")
    assert found.identical(anew)
    (tmp_path / "anew.nc").unlink()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.log", "run.nc", "run.png"]


def test_a_finished_run_is_not_replaced_by_another_unasked(tmp_path, monkeypatch):
    output = tmp_path / "run.nc"
    words = ("--output", output)
    assert run_here(monkeypatch, *words) == 1
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    for other, difference in (
        (("--seed", 1), "(seed 0, not 1)"),
        (("--set", "discount=0.5"), "(learning_options {}, not {'discount': 0.5})"),
        (("--set", "cortex.tau=40"), "circuit_options"),
        (("--lesion", "cortex:0.5"), "(lesions [], not ['cortex:0.5'])"),
        (("--seed", 1, "--steps", 301, "--length", 4, "--units", 6), "; ...)"),
    ):
        with pytest.raises(InputError, match="holds a finished run of other settings") as error:
            run_here(monkeypatch, *words, *other)
        assert difference in str(error.value) and "--overwrite" in str(error.value)
    with pytest.raises(InputError, match="experiment 'memory_chain', not 'cartpole'"):
        run_here(monkeypatch, *words, module=cartpole)
    with pytest.raises(InputError, match=r"run\.png exists, and its data are not in .*other\.nc"):
        run_here(monkeypatch, "--output", tmp_path / "other.nc", "--figure", tmp_path / "run.png")
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before
    assert run_here(monkeypatch, *words, "--seed", 1, "--overwrite") == 1
    assert dataset.read(output).attrs["seed"] == 1
    # A figure that was asked for by name stays as it is.
    (tmp_path / "a.svg").write_text("by hand")
    assert run_here(monkeypatch, *words, "--seed", 1, "--figure", tmp_path / "a.svg") == 0
    assert (tmp_path / "a.svg").read_text() == "by hand"


def test_numbers_are_compared_as_numbers(tmp_path, monkeypatch):
    def words(tau, bias, factor, lesion):
        edits = ("--set", f"cortex.tau={tau}", "--set", f"cortex.bias={bias}")
        edits += ("--scale", f"cortex->cortex={factor}", "--lesion", f"reward->cortex:{lesion}")
        return (*edits, "--output", tmp_path / "run.nc")

    assert run_here(monkeypatch, *words("40", "uniform(-1, 0.5)", "0.5", "0.25:3")) == 1
    assert run_here(monkeypatch, *words("4.0e1", "uniform(-1.0,.50)", ".5", "0.250:3")) == 0
    for other in (
        words("40.1", "uniform(-1, 0.5)", "0.5", "0.25:3"),
        words("40", "uniform(1, 0.5)", "0.5", "0.25:3"),
        words("40", "uniform(-1, 0.5)", "0.5", "0.25:4"),
        words("40", "uniform(-1, 0.5)", "5", "0.25:3"),
    ):
        with pytest.raises(InputError, match="holds a finished run of other settings"):
            run_here(monkeypatch, *other)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("40.0", "40"),
        ("+4e1", "40"),
        ("-.50", "-0.5"),
        ("1e-3", "0.001"),
        ("uniform( 20 , 1e2 )", "uniform(20,100)"),
        ("cortex:0.50:7", "cortex:0.5:7"),
        ("gain d1 2.0 from 150 for 10; inactivate stn", "gain d1 2 from 150 for 10;inactivate stn"),
        ("d1", "d1"),
        ("circuit-1.py", "circuit-1.py"),
        ("123456789012345678901", "123456789012345678901"),
        ("1e400", "inf"),
    ],
)
def test_numbers_in_texts_are_written_one_way(text, written):
    assert experiment._written(text) == written
    assert experiment._written({"a": [text, 2]}) == {"a": [written, 2]}


def test_a_backend_that_matplotlib_does_not_know_is_said_before_the_run(tmp_path):
    words = ("--output", tmp_path / "a.nc", "--steps", 10**9)
    result = in_a_process("experiments.memory_chain", *words, MPLBACKEND="nonsense")
    one_line(result, 2, "MPLBACKEND is 'nonsense'", "agg")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["a thesis", ""])
def test_a_foreign_file_is_not_overwritten(tmp_path, monkeypatch, content):
    path = tmp_path / "data.nc"
    path.write_text(content)
    with pytest.raises(InputError, match=r"data\.nc exists and is no data file of a command"):
        run_here(monkeypatch, "--output", path)
    (tmp_path / "new.png").write_text(content)
    with pytest.raises(InputError, match=r"new\.png exists"):
        run_here(monkeypatch, "--output", tmp_path / "new.nc")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data.nc", "new.png"]
    assert path.read_text() == (tmp_path / "new.png").read_text() == content


def test_a_run_that_was_stopped_is_not_finished(tmp_path, monkeypatch):
    output, words = tmp_path / "run.nc", ("--output", tmp_path / "run.nc")
    assert run_here(monkeypatch, *words) == 1
    with netCDF4.Dataset(output, "a") as file:
        file.stopped = "the environment failed"
    assert run_here(monkeypatch, *words) == 1
    assert "stopped" not in dataset.read(output).attrs


def test_train_with_interventions(tmp_path):
    output = tmp_path / "run.nc"
    words = ("experiments.train", "--task", "memory_chain", *SHORT)
    texts = ["inactivate cortex from 100 for 50", "gain dopamine 2 from reward for 1"]
    result = command(*words, "--intervene", "; ".join(texts), "--output", output)
    assert result.returncode == 0, result.stderr
    traces = dataset.read(output)["traces"]
    assert traces["intervention_name"].values.tolist() == texts
    active = traces["intervention"].values.astype(bool)
    assert active[..., 0].sum() == 2 * 50 and (traces["cortex"].values[active[..., 0]] == 0).all()
    wrong = command(*words, "--intervene", "inactivate stn", "--output", tmp_path / "b.nc")
    one_line(wrong, 2, "unknown target to inactivate 'stn'; valid: action->cortex")


def test_circuits_are_edited_from_the_command_line(tmp_path):
    """Sizes first, whatever the order: what was resized is lesioned, not the other way round."""
    output = tmp_path / "run.nc"
    words = ("--lesion", "cortex:0.4:1", "--set", "cortex.size=10", "--set", "cortex.tau=40")
    words += ("--scale", "cortex->cortex=0.5", "--lesion", "reward->cortex")
    result = command("experiments.memory_chain", *SHORT, *words, "--output", output)
    assert result.returncode == 0, result.stderr
    circuit = dataset.configuration(dataset.read(output))["agent"]["circuit"]
    task = tasks.make("memory_chain", length=8)
    expected = models.circuit("rtrrl", task, 5).resize("cortex", 10).set("cortex.tau", 40.0)
    expected = expected.scale("cortex->cortex", 0.5).lesion("cortex", 0.4, seed=1)
    assert Circuit.from_dict(circuit) == expected.lesion("reward->cortex")


@pytest.mark.slow
def test_cartpole_writes_data_and_figure(tmp_path):
    output, figure = tmp_path / "run.nc", tmp_path / "other.svg"
    words = (
        "--observe",
        "positions",
        *short_but("--backend", "cpp"),
        "--output",
        output,
        "--figure",
        figure,
    )
    result = command("experiments.cartpole", *words)
    assert result.returncode == 0, result.stderr
    channels = dataset.read(output)["traces"]["observation_channel"].values.tolist()
    assert channels == ["x", "theta"]
    assert figure.read_text().startswith("<?xml")


@pytest.mark.long
def test_quick_run_on_cpp(tmp_path):
    output = tmp_path / "quick.nc"
    result = command("experiments.memory_chain", "--quick", "--output", output)
    assert result.returncode == 0, result.stderr
    final = dataset.read(output)["evaluation"]["mean_return"].values[:, -1]
    # Length 4 is solved within the 20,000 steps of the quick run (chance is 0).
    assert sorted(final)[1] >= 0.95


@pytest.mark.slow
def test_gradient_quality_compares_methods(tmp_path):
    output = tmp_path / "quality.nc"
    words = ("--quick", "--steps", 100, "--lengths", 5, "--units", 6, "--output", output)
    words += ("--model", "cortex_thalamus", "--backend", "numpy")
    words += ("--evaluations", 1, "--evaluation-trials", 2, "--final-trials", 2)
    result = command("experiments.gradient_quality", *words)
    assert result.returncode == 0, result.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "quality.log",
        "quality.nc",
        "quality.png",
    ]
    data = dataset.read(output)
    group = data["gradients"]
    assert group["method"].values.tolist() == ["rflo", "snap1", "nucleus", "rtrl"]
    assert group["length"].values.tolist() == [5]
    assert "thalamus->cortex" in group["parameter"].values
    exact = group["gradient_cosine"].sel({"method": "rtrl"}).values
    assert abs(exact[exact == exact] - 1).max() < 1e-5
    assert group["gradient_cosine"].sel({"method": "rflo"}).median() < 0.99
    again = command("analysis.plot", output)
    assert again.returncode == 0, again.stderr


def test_gradient_quality_compares_what_differs():
    methods = [gradient_quality.Config(model=m).methods() for m in ("rtrrl", "cortex_thalamus")]
    assert methods == [["rflo", "snap1", "rtrl"], ["rflo", "snap1", "nucleus", "rtrl"]]


def test_experiments_learn_as_the_model_recommends():
    assert memory_chain.Config().learning() == {"sensitivity": "rflo", **models.STEADY}


def test_help_explains_every_option():
    result = command("experiments.memory_chain", "--help")
    assert result.returncode == 0
    for text in ("--length", "memory length, in steps (default 8)", "--quick", "results/NAME.nc"):
        assert text in result.stdout


def test_list_of_experiments():
    result = command("experiments")
    assert result.returncode == 0
    for name in ("memory_chain", "cartpole", "benchmark"):
        assert f"  {name} " in result.stdout


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("--backend", "gpu"), ("gpu", "numpy", "cython", "cpp")),
        (("--sensitivity", "bptt"), ("bptt", "rflo", "none")),
        (("--model", "gpt"), ("gpt", "lru", "rtrrl")),
        (("--steps", "many"), ("--steps", "many")),
        (("--steps", "-5"), ("steps is -5",)),
        (("--replicates", "0"), ("replicates is 0",)),
        (("--units", "-3"), ("units is -3",)),
        (("--length", "0"), ("memory_chain length is 0",)),
        (("--seed", "-1"), ("seed is -1",)),
        (("--processes", "2"), ("processes is 2", "numpy")),
        (("--processes", "-1"), ("processes is -1",)),
        (("--output", "data.txt"), ("data.txt", ".nc")),
        (("--output", "/proc/none/data.nc"), ("cannot write /proc/none/data.nc",)),
        (("--lesion", "stn"), ("'stn'; valid: action->cortex, cortex,",)),
        (("--lesion", "cortex:half"), ("fraction is 'half'",)),
        (("--lesion", "cortex:1:two"), ("'cortex:1:two'", "NAME[:FRACTION[:SEED]]")),
        (("--scale", "stn->gpi=0.5"), ("'stn->gpi'; valid: action->cortex",)),
        (("--scale", "cortex->cortex"), ("'cortex->cortex'", "NAME=VALUE")),
        (("--set", "cortex.size=many"), ("cortex.size is 'many'; a positive integer",)),
        (("--set", "cortex.mood=2"), ("'mood'; valid: bias",)),
        (("--colour", "red"), ("--colour",)),
    ],
    ids=lambda value: "=".join(value) if isinstance(value, tuple) else None,
)
def test_bad_input_is_one_line_and_code_2(tmp_path, words, parts):
    words = words if "--backend" in words else ("--backend", "numpy", *words)
    result = command("experiments.memory_chain", *words, cwd=tmp_path)
    one_line(result, 2, *parts)
    assert not list(tmp_path.rglob("*.nc")) and not list(tmp_path.rglob("*.png"))


def test_missing_compiler_is_said(tmp_path):
    result = command(
        "experiments.memory_chain",
        cwd=tmp_path,
        PATH="/nonexistent",
        CXX="",
        BGRL_CACHE=str(tmp_path),
    )
    one_line(result, 2, "no C++ compiler found", "--backend numpy")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_divergence_is_said_and_the_data_kept(tmp_path, monkeypatch):
    learning = memory_chain.Config.learning
    monkeypatch.setattr(
        memory_chain.Config, "learning", lambda self: learning(self) | {"rate_critic": 1e30}
    )
    words = (*SHORT, "--optimizer", "sgd", "--output", tmp_path / "a.nc")
    result = command("experiments.memory_chain", *words)
    one_line(result, 1, "became NaN or infinite")
    data = dataset.read(tmp_path / "a.nc")
    assert "became NaN" in data.attrs["stopped"]
    assert data["traces"].sizes["time"] > 0


def test_benchmark_prints_one_json_line():
    words = ("--task", "memory_chain", "--units", 4, "--steps", 50, "--backend", "numpy")
    result = command("experiments.benchmark", *words)
    assert result.returncode == 0, result.stderr
    (line,) = result.stdout.splitlines()
    found = json.loads(line)
    assert found["task"] == "memory_chain" and found["steps"] == 50
    assert 50 < found["steps_per_second"] < 50_000 and found["processes"] == 1
    assert found["build_seconds"] > 0 and found["peak_memory_mb"] > 20
    one_line(
        command("experiments.benchmark", "--task", "chess"), 2, "unknown task 'chess'", "cartpole"
    )


def test_verify_command():
    good = FIXTURES / "traces" / "rflo_fa_sgd.npz"
    result = command("bgrl.verify", good, "--backend", "numpy")
    assert result.returncode == 0 and "ok" in result.stdout
    one_line(command("bgrl.verify", ROOT / "README.md"), 2, "not a recorded file")
    one_line(command("bgrl.verify", good, "--backend", "abacus"), 2, "abacus", "numpy")


def test_doctor(tmp_path):
    result = command("bgrl.doctor")
    assert result.returncode == 0, result.stdout
    for word in ("compiler", "brian2", "cache", "cpp", "gpu"):
        assert word in result.stdout
    broken = command("bgrl.doctor", PATH="/nonexistent", CXX="")
    assert broken.returncode == 1
    assert "MISSING  no C++ compiler found" in broken.stdout


def test_a_lack_of_memory_is_one_line(capsys):
    def fail():
        np.empty((10**9, 10**9))

    assert run_command(fail) == 1
    assert capsys.readouterr().err.startswith(
        "error: there is not enough memory (Unable to allocate"
    )

    def fail_without_words():
        raise MemoryError

    assert run_command(fail_without_words) == 1
    assert capsys.readouterr().err == "error: there is not enough memory\n"


@pytest.mark.parametrize("length", [1, 10**6])
def test_a_reader_who_has_read_enough_is_no_error(length):
    code = (
        "import sys; from bgrl.cli import run_command\n"
        f"sys.exit(run_command(lambda: print('x' * {length})))"
    )
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_run_whose_reader_has_read_enough_is_no_error(small_agent, monkeypatch):
    """What the run says goes to nobody; that is not taken for a fault of the disk."""

    def unread(_):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(simulation.tqdm, "write", unread)
    run = Run(20, backend="numpy", evaluations=1, evaluation_steps=5)
    with pytest.raises(BrokenPipeError):
        simulation.simulate(small_agent(), run, progress=True)


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_command_without_output_runs(closed, tmp_path):
    code = (
        "import sys; from bgrl.cli import run_command\n"
        "say = lambda: print('x') or print('y', file=sys.stderr) or open('done', 'w').write('z')\n"
        "sys.exit(run_command(lambda: say() and 0))"
    )
    line = f"{shlex.join([sys.executable, '-c', code])} {closed}"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    assert subprocess.run(["sh", "-c", line], env=environment, cwd=tmp_path).returncode == 0
    assert (tmp_path / "done").read_text() == "z"


def test_what_a_terminal_cannot_show_is_written_as_escapes():
    result = in_a_process("experiments", "tasks", PYTHONIOENCODING="ascii")
    assert result.returncode == 0, result.stderr
    assert r"Gouv\xeaa et al. 2015" in result.stdout


def test_commands_do_without_docstrings():
    line = [sys.executable, "-OO", "-m", "experiments.train", "--help"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(line, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "--task TASK" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("typed", "valid", "found"),
    [
        ("tua", ("size", "tau"), "tau"),
        ("RTRL", ("rflo", "rtrl"), "rtrl"),
        ("memroy", ("gating", "memory_chain"), "memory_chain"),
        ("card", ("cartpole_noisy", "cartpole_still"), None),  # which of them cannot be known
        ("me", ("memory_chain",), None),
        ("nothing_like_it", ("size", "tau"), None),
    ],
)
def test_the_name_that_was_probably_meant(typed, valid, found):
    assert nearest(typed, valid) == found
