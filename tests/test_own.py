"""Files of a user's own in the place of names: those of the page of documentation, run as it says."""

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import models
from analysis import plot
from bgrl import dataset, own, tasks
from bgrl.errors import InputError
from bgrl.experiment import described, main
from experiments import dopamine, sweep, train
from experiments.__main__ import main as experiments_main

PAGE = Path(__file__).parents[1] / "docs" / "own.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files that the page shows."""
    found = tmp_path_factory.mktemp("own")
    for name, text in re.findall(r"```python file=(\S+)\n(.*?)```", PAGE.read_text(), re.S):
        (found / name).write_text(text)
    return found


def trained(folder, output, *words):
    """An agent in the maze, from the command line."""
    short = ("--steps", "40", "--replicates", "1", "--units", "4", "--backend", "numpy")
    budget = ("--evaluations", "1", "--evaluation-trials", "1", "--final-trials", "2")
    task = ("--task", str(folder / "maze.py"), "--set", "task.length=4", "--output", str(output))
    main("train", train, [*task, *short, *budget, *words])
    return dataset.read(output)


def test_task_circuit_optimizer_and_figure(folder, tmp_path):
    """A file each, of 23, 5, 8 and 7 lines."""
    words = ("--model", folder / "slow.py", "--optimizer", folder / "momentum.py")
    data = trained(folder, tmp_path / "a.nc", *map(str, words))
    assert (data["trials"]["length"].dropna("trial") == 5).all()
    configuration = dataset.configuration(data)["agent"]
    assert configuration["learning"]["optimizer"]["state"] == ["velocity"]
    assert configuration["circuit"]["populations"]["cortex"]["parameters"]["tau"]["value"] == 40
    other = trained(folder, tmp_path / "b.nc", "--optimizer", str(folder / "obgd.py"))
    assert dataset.configuration(other)["agent"]["learning"]["optimizer"]["totals"]
    assert not np.allclose(data["weights"]["cortex->cortex"], other["weights"]["cortex->cortex"])
    figure = tmp_path / "c.png"
    words = [str(tmp_path / "a.nc"), "--kind", str(folder / "reward.py"), "--figure", str(figure)]
    assert plot.main(words) == 0 and figure.read_bytes().startswith(b"\x89PNG")


def test_an_experiment(folder, tmp_path, monkeypatch, capsys):
    """Options of its own, and those that all have; 1 file, 16 lines."""
    words = ("--delay", "3", "--steps", "40", "--replicates", "1", "--backend", "numpy")
    words += (
        "--units",
        "4",
        "--evaluations",
        "1",
        "--evaluation-trials",
        "1",
        "--final-trials",
        "2",
    )
    output = ("--output", str(tmp_path / "a.nc"), "--set", "discount=0.5")
    monkeypatch.setattr("sys.argv", ["experiments", str(folder / "delays.py"), *words, *output])
    assert experiments_main() == 0
    data = dataset.read(tmp_path / "a.nc")
    assert (data["trials"]["length"].dropna("trial") == 4).all()
    assert dataset.configuration(data)["agent"]["learning"]["discount"] == 0.5
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "a.png" in capsys.readouterr().out


def test_an_edited_file_is_another_run(folder, tmp_path, capsys):
    model, output = tmp_path / "own.py", tmp_path / "a.nc"
    model.write_text((folder / "slow.py").read_text())
    trained(folder, output, "--model", str(model))
    first = output.read_bytes()
    trained(folder, output, "--model", str(model))
    assert "holds this run already" in capsys.readouterr().out
    config = train.Config(model=str(model))
    point = sweep._digest(config)
    model.write_text(model.read_text() + "\n# Another thought.\n")
    assert sweep._digest(config) != point
    with pytest.raises(InputError, match=r"other settings \(contents of own.py "):
        trained(folder, output, "--model", str(model))
    assert output.read_bytes() == first


def test_the_file_of_an_experiment_is_one_of_its_settings(folder):
    path = folder / "delays.py"
    config = own.member(str(path), "Config", "an experiment")()
    assert described(config)["contents of delays.py"] == own.digest([path])


def test_in_python(folder):
    task = tasks.make(str(folder / "maze.py"), length=2)
    assert task.parameters["length"].value == 2
    assert tasks.option_types(str(folder / "maze.py")) == {"length": int}
    circuit = models.circuit(str(folder / "slow.py"), task, 3)
    assert circuit.populations["cortex"].size == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "has no task, which a task needs"),
        ("import nothing_like_this", "failed: ModuleNotFoundError: No module named"),
        ("x = (", "failed: SyntaxError"),
        ("def task(): return 3", "its `task` returns int; a Task is needed"),
        ("task = {}", "task is of type dict; a function is needed"),
        ("raise SystemExit(3)", "bad.py, line 1 failed: SystemExit: 3"),
        ("\ndef task():\n    return 1/0", "bad.py, line 3 failed: ZeroDivisionError: division by"),
    ],
)
def test_a_file_that_cannot_be_is_refused_in_one_line(tmp_path, text, message):
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        tasks.make(str(tmp_path / "bad.py"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("circuit = 3", "circuit is of type int; a function is needed"),
        ("def circuit(task, units): pass", "its `circuit` returns NoneType; a Circuit is needed"),
        ("def circuit(task): pass", "failed: TypeError: circuit() takes 1 positional argument"),
        ("def circuit(task, units):\n    x", "line 2 failed: NameError: name 'x' is not defined"),
    ],
)
def test_a_circuit_that_is_none_is_refused_in_one_line(tmp_path, text, message):
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        models.circuit(str(tmp_path / "bad.py"), tasks.make("memory_chain"), 3)
    assert "\n" not in str(caught.value)


def test_an_optimizer_or_finding_of_another_kind_is_refused(tmp_path):
    (tmp_path / "bad.py").write_text("OPTIMIZER = 'adam'\nFINDING = None")
    bad = str(tmp_path / "bad.py")
    with pytest.raises(InputError, match="OPTIMIZER is str; an Optimizer is needed"):
        train.Config(optimizer=bad).learning()
    with pytest.raises(InputError, match="FINDING is NoneType; a Finding is needed"):
        dopamine.find(bad)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "bgrl.analysis.train",
            "bgrl.analysis.trian",
            "ANALYSIS: No module named 'bgrl.analysis.tr",
        ),
        ("bgrl.analysis.train", "bgrl.analysis.style", "has no figure(data) and summary(data)"),
        ('{"steps"', '{"stpes"', "QUICK: unknown setting 'stpes'; valid: .*; did you mean 'steps'"),
        ("def run(config)", "run = 3\n\n\ndef other(config)", "run is of type int; a function is"),
        ("(AgentSettings)", "", "Config is no subclass of those of bgrl.settings"),
        (
            "@dataclass(frozen=True, kw_only=True)\n",
            "",
            "write @dataclass(frozen=True, kw_only=True)",
        ),
        ("def task_name", "def task_called", "Config has no method task_name, which is needed"),
    ],
)
def test_an_experiment_that_cannot_be_is_refused_before_it_runs(
    folder, tmp_path, monkeypatch, old, new, message
):
    text = (folder / "delays.py").read_text()
    assert old in text
    (tmp_path / "bad.py").write_text(text.replace(old, new))
    monkeypatch.setattr("sys.argv", ["experiments", str(tmp_path / "bad.py"), "--help"])
    with pytest.raises(InputError, match=re.escape(message).replace(r"\.\*", ".*")) as caught:
        experiments_main()
    assert "\n" not in str(caught.value)


def test_an_experiment_that_returns_nothing_is_told(folder, tmp_path, monkeypatch):
    text = (folder / "delays.py").read_text().replace("return config.train(agent)", "pass")
    (tmp_path / "bad.py").write_text(text)
    words = ["experiments", str(tmp_path / "bad.py"), "--backend", "numpy", "--steps", "5"]
    monkeypatch.setattr("sys.argv", [*words, "--output", str(tmp_path / "a.nc")])
    with pytest.raises(InputError, match="run returns NoneType; a dataset"):
        experiments_main()


def test_a_figure_that_is_none_is_refused(folder, tmp_path, capsys):
    trained(folder, tmp_path / "a.nc")
    for returned in ("None", "data", "3"):
        own_figure = tmp_path / f"bad_{returned}.py"
        own_figure.write_text(f"def figure(data):\n    return {returned}")
        words = [str(tmp_path / "a.nc"), "--kind", str(own_figure)]
        assert plot.main([*words, "--figure", str(tmp_path / "b.png")]) == 2
        assert "a matplotlib Figure is needed" in capsys.readouterr().err
    assert not (tmp_path / "b.png").exists()


def test_what_a_file_has_not_is_named(folder, tmp_path, capsys):
    trained(folder, tmp_path / "a.nc")
    with xr.open_datatree(tmp_path / "a.nc", engine="netcdf4") as data:
        data.drop_nodes("traces").to_netcdf(tmp_path / "b.nc", engine="netcdf4")
    assert plot.main([str(tmp_path / "b.nc"), "--kind", "traces"]) == 2
    assert "b.nc lacks 'traces', which 'traces' draws" in capsys.readouterr().err


def test_a_task_may_take_any_other_options(tmp_path, folder):
    text = (folder / "maze.py").read_text().replace("length: int = 3", "length: int = 3, **others")
    (tmp_path / "open.py").write_text(text)
    name = str(tmp_path / "open.py")
    assert tasks.options(name) == {"length": 3}
    assert tasks.make(name, length=2).parameters["length"].value == 2
    with pytest.raises(InputError, match="has no option width; valid: length"):
        tasks.make(name, width=2)


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone.py: no such file"):
        own.member(str(tmp_path / "gone.py"), "task", "a task")
