"""The experiments of the paper's figures: their runner, statistics, and figures that are redrawn."""

import dataclasses
import importlib
import re
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import xarray as xr

from analysis import plot, reproduction
from analysis import reproduction_numbers as numbers
from bgrl import dataset
from bgrl.backends import load
from bgrl.errors import InputError, RunError
from bgrl.experiment import main
from bgrl.learning import Learning
from bgrl.simulation import Run, simulate
from experiments import _reproduction, _slip, fig6_locomotion, paper, rtrl_slip
from experiments.paper import METHODS, PROTOCOLS, SUITE, TASKS

FAMILY = tuple(reproduction.FIGURES)
SHORT = ["--steps", "20", "--replicates", "2", "--evaluations", "2", "--backend", "numpy"]
SHORT += ["--evaluation-trials", "1", "--final-trials", "2", "--units", "3"]


def module(name):
    return importlib.import_module(f"experiments.{name}")


def made(experiment, returns, chance=0.0, **more):
    """A dataset of an experiment: task to method to (replicate, checkpoint) returns."""
    tasks, methods = list(returns), list(next(iter(returns.values())))
    values = np.array([[returns[t][m] for m in methods] for t in tasks], float)
    dims = ["task", "method", "replicate", "checkpoint"]
    for name, levels in more.items():
        values = np.stack([values * (1 + k) for k in range(len(levels))], 2)
        dims.insert(2, name)
    point = dims[:-2]
    coordinates = {"task": tasks, "method": methods, **more}
    shape = values.shape[:-2]
    evaluation = xr.Dataset(
        {
            "mean_return": (dims, values),
            "episodes": (dims, np.full(values.shape, 100.0)),
            "final_return": (dims[:-1], values[..., -1]),
            "best_return": (dims[:-1], values.max(-1)),
        },
        coordinates | {"step": ("checkpoint", np.arange(values.shape[-1]) * 1000)},
    )
    points = xr.Dataset(
        {
            "failure": (point, np.full(shape, "", object)),
            "wall_time": (point, np.ones(shape)),
            "chance_return": ("task", np.full(len(tasks), chance)),
            "best_return": ("task", np.full(len(tasks), np.nan)),
        },
        coordinates | {"method_label": ("method", [METHODS[m].summary for m in methods])},
    )
    attributes = {"experiment": experiment, "task": "several", "configuration": "{}"}
    groups = {"/": xr.Dataset(attrs=attributes), "/evaluation": evaluation, "/points": points}
    return xr.DataTree.from_dict(groups)


def ending(*finals, best=None):
    """Returns (replicate, checkpoint) that end where it is said."""
    return [[0.0, final if best is None else best, final] for final in finals]


# What the paper reports


def test_published_numbers():
    assert numbers.published("MemoryChain-64", "rtrrl_rtrl_ctrnn") == (0.61, 0.13)
    assert numbers.published("BernoulliBandit", "rtrrl_rflo_ctrnn") == (893.96, 11.35)
    both = ("table 2", "table 3")
    assert numbers.published("BernoulliBandit", "rtrrl_rflo_ctrnn", both) == (371.7, 5.17)
    assert numbers.published("DeepSea-4", "rtrrl_lru")[0] == 0.99
    assert numbers.published("RepeatPrevious", "rtrrl_*") == (1.0, 0.0)  # of the LRU
    assert numbers.published("BernoulliBandit", "rtrrl_*")[0] == 893.96
    median, deviation = numbers.published("MemoryChain-64", "rtrrl_rflo_ctrnn", ("figure 4",))
    assert median == 0.27 and np.isnan(deviation)
    assert numbers.published("Pong", "rtrrl_lru") is None
    assert numbers.published("GaussianBandit", "linear_td", ("table 3",)) is None


def test_the_published_file_cites_its_source():
    text = numbers.PUBLISHED.read_text()
    assert "Lemmel & Grosu" in text and "arXiv 2311.04830" in text
    rows = numbers._published()
    assert {row["environment"] for row in rows} - set(TASKS) == {"Gymnax", "POPGym"}
    assert {row["environment"] for row in rows if row["source"] == "table 3"} == {*SUITE}


# Statistics


def test_table():
    data = made(
        "tables",
        {
            "Catch": {
                "rflo": ending(1, 1, 1, best=1),
                "linear_meta": ending(0, 0.1, 0.2, best=0.5),
            },
            "Swimmer": {"rflo": ending(500, 400, 450), "linear_meta": ending(480, 390, 440)},
        },
    )
    catch_rflo, catch_linear, swimmer_rflo, swimmer_linear = numbers.table(data)
    assert catch_rflo["final"] == (1, 1, 1) and np.isnan(catch_rflo["p"])
    assert catch_rflo["published"] == (1.0, 0.0) and catch_linear["published"] == (0.27, 0.08)
    assert catch_linear["final"][0] == 0.1 and catch_linear["best"] == (0.5, 0.5, 0.5)
    assert catch_linear["p"] == pytest.approx(0.1) and catch_linear["n"] == 3
    assert swimmer_rflo["final"][0] == 450 and swimmer_linear["p"] > 0.5
    data["evaluation"]["episodes"][0, 0, 2, 1] = 60
    assert [row["trials"] for row in numbers.table(data)] == [(60, 100), *3 * [(100, 100)]]
    lines = numbers.markdown(data)
    assert lines[0] == (
        "| task | method | trials | final | best | end at 90 % of best | paper (best) "
        "| p (final, against RFLO) |"
    )
    assert lines[2] == (
        "| Catch | RFLO | 60, 100 at the end | 1.00 (1.00 to 1.00) | 1.00 (1.00 to 1.00) "
        "| 3 of 3 | 1.00 |  |"
    )
    assert lines[3].endswith("| 0.50 (0.50 to 0.50) | 0 of 3 | 0.27 | 0.1 |")
    assert len(numbers.summary(data)) == 6
    # RFLO reaches 1.00 of Catch, and not the 465.08 of Swimmer at the end.
    assert numbers.reached(data, "rflo") == (1, 1, 2)
    assert "RFLO 1 at the end, 1 on the way, of 2" in numbers.headline(data)


def test_who_ends_at_their_best():
    """Nine tenths of it, also where it is negative."""
    returns = [[0, 1, 0.9], [0, 1, 0.89], [-9, -1, -1.1], [-9, -1, -1.2]]
    row = numbers.table(made("tables", {"Catch": {"rflo": returns}}))[0]
    assert (row["kept"], row["n"]) == (2, 4)


def test_normalised_return():
    """Untrained agents are at 0, the best that is known at 1."""
    data = made(
        "fig3_suite",
        {
            "Catch": {"rflo": ending(0.6, 0.2), "untrained": ending(-0.6, -0.6)},
            "RepeatFirst": {"rflo": ending(1.0, 1.0), "untrained": ending(-0.5, -0.5)},
        },
    )
    # The paper's best of Catch is 1, that of RepeatFirst below ours.
    assert np.allclose(numbers.normalised(data, "final_return", "Catch")["rflo"], [0.75, 0.5])
    assert np.allclose(numbers.normalised(data, "final_return", "RepeatFirst")["rflo"], 1)
    assert np.allclose(numbers.scores(data, "final_return", "Gymnax")["rflo"], [0.75, 0.5])
    assert np.allclose(numbers.scores(data, "final_return", "POPGym")["untrained"], 0)


def test_a_failed_run_takes_no_task_from_other_methods():
    """Whichever method it is of, its place among them and untrained agents included."""
    lost = np.full((2, 3), np.nan).tolist()
    returns = {"rflo": ending(0.6, 0.2), "rtrl": ending(1, 1), "untrained": ending(-0.6, -0.6)}
    whole = made("fig3_suite", {"Catch": returns, "MemoryChain-4": returns})
    expected = numbers.scores(whole, "final_return", "Gymnax")
    catch = numbers.normalised(whole, "final_return", "Catch")
    for failed in returns:
        data = made("fig3_suite", {"Catch": returns, "MemoryChain-4": returns | {failed: lost}})
        found = numbers.scores(data, "final_return", "Gymnax")
        assert numbers.scored(data, "Gymnax") == {m: 2 - (m == failed) for m in returns}
        for method in set(returns) - {failed, *(["rflo", "rtrl"] * (failed == "untrained"))}:
            assert np.allclose(found[method], expected[method])
        assert np.allclose(found[failed], catch[failed])
    # Without untrained agents 0 is guessing, at 0 here.
    assert np.allclose(numbers.normalised(data, "final_return", "MemoryChain-4")["rtrl"], 1)
    drawn = reproduction.figure(data)
    names = [t.get_text() for t in drawn.subfigs[0].axes[0].get_xticklabels()]
    assert names == ["RFLO", "exact RTRL", "untrained (1 of 2 tasks)"]
    assert "failed" in [t.get_text() for t in drawn.subfigs[1].axes[0].texts]
    data["points"]["failure"][1, 2] = "it diverged"
    assert numbers.failures(data, "untrained") == 1 and numbers.failures(data, "rflo") == 0
    data.attrs["experiment"] = "lasting_ablations"
    assert "untrained 0 (1 failed)" in reproduction.figure(data).get_suptitle().replace("\n", " ")
    # What was not run does not count as not reached.
    assert numbers.reached(made("tables", {"Catch": {"rflo": lost}}), "rflo") == (0, 0, 0)


def test_longest_memory():
    solved, half = ending(1, 1, 0.9), ending(1, 0.5, 0.5)
    data = made(
        "fig4_memory",
        {
            "MemoryChain-4": {"rflo": solved, "frozen": half},
            "MemoryChain-16": dict.fromkeys(("rflo", "frozen"), half),
        },
    )
    assert numbers.longest_solved(data, "rflo") == 4
    assert numbers.longest_solved(data, "frozen") == 0
    drawn = reproduction.figure(data)
    assert "RFLO 4, frozen reservoir none" in drawn.get_suptitle().replace("\n", " ")
    best = {d.get_label(): d for d in drawn.axes[1].lines}
    assert np.array_equal(best["RFLO"].get_ydata(), [1, 0.5])
    # The open diamonds are those of table 2.
    diamonds = [line for line in drawn.axes[1].lines if line.get_marker() == "d"]
    assert [list(d.get_ydata()) for d in diamonds if len(d.get_ydata())] == [[1.0, 1.0]]


# Redrawing


NUMBER = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")


def content(path):
    """Texts of an SVG file, and the numbers of its paths, places and sizes."""
    texts, places = [], []
    for element in ElementTree.parse(path).iter():
        tag = element.tag.rpartition("}")[2]
        if tag == "text":
            texts.append("".join(element.itertext()).strip())
        for key in ("d", "x", "y", "transform", "width", "height"):
            if tag in ("path", "text", "use", "g", "image"):
                places += [float(n) for n in NUMBER.findall(element.get(key, ""))]
    return texts, np.array(places)


def same(first, second, tolerance=0.05):
    """Whether two SVG files show the same, places within a tolerance (points)."""
    (texts, places), (other_texts, other_places) = content(first), content(second)
    if texts != other_texts or places.shape != other_places.shape:
        return False
    return bool(np.allclose(places, other_places, rtol=0, atol=tolerance))


COMMITTED = sorted(reproduction.FOLDER.glob("*.nc"))


@pytest.fixture(scope="module")
def redrawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    return {path.stem: path for path in reproduction.redraw(reproduction.FOLDER, folder)}


@pytest.mark.parametrize("path", COMMITTED, ids=lambda p: p.stem)
def test_committed_figures_are_those_of_their_datasets(path, redrawn):
    assert same(redrawn[path.stem], path.with_suffix(".svg"))
    with xr.open_datatree(path, engine="netcdf4") as data:
        assert data.attrs["command"].startswith("python -m experiments.")
        assert "/" not in data.attrs["command"]  # no path of a machine
        assert "traces" not in data
        if "points" in data:
            points = data["points"].to_dataset()
            assert (points["source_revision"] != "").all() and (points["wall_time"] > 0).all()
    assert path.stat().st_size < 300_000


def test_tables_of_the_pages_are_those_of_the_datasets():
    texts = {page: page.read_text() for page in reproduction.FOLDER.glob("*.md")}
    assert {page: reproduction.page_tables(page) for page in texts} == texts
    for path in COMMITTED:
        assert any(f"({path.stem}.svg)" in text for text in texts.values())


def test_a_changed_table_is_made_anew(tmp_path):
    data = made("tables", {"Catch": {"rflo": ending(0.25, 0.25)}})
    data["points"]["source_revision"] = data["points"]["wall_time"].astype(str)
    data.attrs["command"] = "python -m experiments.tables"
    dataset.write(data, tmp_path / "a.nc")
    page = tmp_path / "README.md"
    page.write_text("text\n\n<!-- table a -->\nold\n<!-- end -->\nmore\n")
    assert reproduction.main([str(tmp_path)]) == 0
    found = page.read_text()
    assert (
        "old" not in found and found.startswith("text") and found.endswith("<!-- end -->\nmore\n")
    )
    assert (
        "| Catch | RFLO | 100 | 0.25 (0.25 to 0.25) | 0.25 (0.25 to 0.25) | 2 of 2 | 1.00 |  |"
        in found
    )
    assert "`python -m experiments.tables`" in found


def test_a_table_without_its_dataset_is_one_line(tmp_path, capsys):
    dataset.write(made("tables", {"Catch": {"rflo": ending(1, 1)}}), tmp_path / "a.nc")
    page = tmp_path / "README.md"
    page.write_text("<!-- table b -->\nold\n<!-- end -->\n")
    assert reproduction.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path / 'b.nc'}: no such file\n"
    assert "old" in page.read_text()


def test_where_nothing_is_published_the_title_says_what_ends_highest():
    methods = {"rflo": ending(-500, -400), "lru": ending(-90, -80)}
    data = made("fig10_acrobot", {"Acrobot": methods})
    assert numbers.headline(data) == "Highest median at the end: Acrobot: LRU, exact -85.00"
    labels = [text.get_text() for text in reproduction.figure(data).legends[0].get_texts()]
    assert labels == ["RFLO", "LRU, exact"]


def test_every_committed_figure_has_a_dataset():
    figures = {path.stem for path in reproduction.FOLDER.glob("*.svg")}
    assert figures == {path.stem for path in COMMITTED}


def test_a_changed_number_is_seen(tmp_path):
    data = made("fig4_memory", {"MemoryChain-4": {"rflo": ending(1, 0.8, 0.4)}})
    changed = made("fig4_memory", {"MemoryChain-4": {"rflo": ending(1, 0.79, 0.4)}})
    for name, each in (("a", data), ("b", data), ("c", changed)):
        dataset.write(each, tmp_path / f"{name}.nc")
    a, b, c = reproduction.redraw(tmp_path)
    assert same(a, b) and not same(a, c)


@pytest.mark.parametrize("name", FAMILY)
def test_every_figure_is_drawn(name, tmp_path):
    methods = tuple(dict.fromkeys([*module(name).Config().methods.split(",")]))
    tasks = module(name).Config().tasks.split(",")[:4]
    rng = np.random.default_rng(0)
    returns = {t: {m: np.sort(rng.normal(size=(3, 4)), 1) for m in methods} for t in tasks}
    more = {"entropy_weight": [1e-3, 1e-2]} if name == "fig4_entropy" else {}
    data = made(name, returns, **more)
    dataset.write(data, tmp_path / "a.nc")
    assert plot.main([str(tmp_path / "a.nc"), "--figure", str(tmp_path / "a.png")]) == 0
    assert (tmp_path / "a.png").stat().st_size > 10_000
    assert len(reproduction.summary(data)) == 2 + len(numbers.table(data))


def test_entropy_title_names_the_best_weight():
    data = made(
        "fig4_entropy", {"MetaMaze": {"rflo": ending(10, 20, 30)}}, entropy_weight=[1e-3, 1e-2]
    )
    title = reproduction.figure(data).axes[0].get_title(loc="left")
    assert "final return highest, 40.00,\nat a weight of 0.01" in title


def test_entropy_of_any_method_and_of_no_weight():
    data = made(
        "fig4_entropy", {"MetaMaze": {"frozen": ending(10, 20, 30)}}, entropy_weight=[0.0, 1e-3]
    )
    ax = reproduction.figure(data).axes[0]
    assert ax.get_title(loc="left").startswith("frozen reservoir: final return highest, 40.00")
    lines = [line for line in ax.lines if line.get_label() in ("final", "best on the way")]
    places = ax.transScale.transform([(x, 0) for line in lines for x in line.get_xdata()])[:, 0]
    first, second, other, last = places
    low, high = ax.transScale.transform([(x, 0) for x in ax.get_xlim()])[:, 0]
    # 0 is left of the others, and its two lines are apart.
    assert low < first < other < second < last < high


def test_every_method_has_a_style():
    assert set(reproduction.STYLES) == set(METHODS)


# The runner


@pytest.mark.parametrize("name", FAMILY)
def test_defaults_are_tasks_and_methods_that_exist(name):
    config = module(name).Config()
    varied = config.variations()
    assert set(varied["task"]) <= set(TASKS) and set(varied["method"]) <= set(METHODS)
    assert set(reproduction.STYLES) >= set(varied["method"])
    quick = dataclasses.replace(config, **module(name).QUICK)
    assert quick.base("a.nc").steps <= 100_000 and quick.base("a.nc").evaluations <= 10
    assert config.base("a.nc").steps >= 500_000


def run(name, folder, *words):
    return main(name, module(name), [*words, *SHORT, "--output", str(folder / "a.nc")])


def test_a_figure_from_beginning_to_end(tmp_path, monkeypatch, capsys):
    """All runs, a second command that computes nothing, and one that computes only what is new."""
    words = ("--tasks", "MemoryChain-4,Catch", "--methods", "rflo,untrained")
    monkeypatch.setattr(sys, "argv", ["tables", *words, "--output", "a.nc"])
    assert run("tables", tmp_path, *words) == 0
    data = dataset.read(tmp_path / "a.nc")
    assert data["evaluation"]["mean_return"].shape == (2, 2, 2, 3)
    assert data.attrs["command"] == (
        "python -m experiments.tables --tasks MemoryChain-4,Catch --methods rflo,untrained"
    )
    points = data["points"].to_dataset()
    assert (points["wall_time"] > 0).all() and (points["source_revision"] != "").all()
    assert points["chance_return"].values.tolist() == [0.0, pytest.approx(-0.6)]
    # What does not learn only differs by the trials that it is evaluated in.
    alone = paper.run(_short(task="Catch", method="untrained"))
    here = data["evaluation"].to_dataset().sel({"task": "Catch", "method": "untrained"})
    assert np.array_equal(here["mean_return"], alone["evaluation"]["mean_return"])
    capsys.readouterr()
    assert run("tables", tmp_path, *words) == 0
    assert "holds this run already" in capsys.readouterr().out
    ran = []
    monkeypatch.setattr(
        paper, "run", lambda config, old=paper.run: ran.append(config) or old(config)
    )
    words = ("--tasks", "MemoryChain-4,Catch", "--methods", "rflo,frozen,untrained", "--overwrite")
    assert run("tables", tmp_path, *words) == 0
    assert [(c.task, c.method) for c in ran] == [("MemoryChain-4", "frozen"), ("Catch", "frozen")]


def test_a_failed_run_keeps_its_checkpoints_and_ends_with_1(tmp_path, monkeypatch):
    """As a sweep does; with other methods the command goes on too, and the log is beside the file."""
    ran = []

    def failing(config, old=paper.run):
        if config.method == "untrained" and not ran:
            config.work().mkdir(parents=True)
            (config.work() / "state-10.npz").touch()
            ran.append(config.work())
            raise RunError("it diverged")
        return old(config)

    monkeypatch.setattr(paper, "run", failing)
    words = ("--tasks", "Catch", "--methods")
    told = "1 of 2 runs failed, the first as it diverged; given again, the command tries them again"
    with pytest.raises(RunError, match=f"^{told}$"):
        run("tables", tmp_path, *words, "frozen,untrained")
    assert [p.name for p in ran[0].iterdir()] == ["state-10.npz"]
    assert dataset.read(tmp_path / "a.nc").attrs["stopped"].startswith("1 of 2 runs failed")
    assert (tmp_path / "a.png").exists() and "frozen,untrained" in (tmp_path / "a.log").read_text()
    ran[0].rename(ran[0].parent / "other.nc.partial")  # of a point that is not asked for again
    assert run("tables", tmp_path, *words, "frozen,untrained,linear") == 0
    assert len([p for p in (tmp_path / "a.nc.partial").rglob("*") if p.is_file()]) == 2
    log = (tmp_path / "a.log").read_text()
    assert log.count("experiments.tables") == 2 and log.count("step 20 of 20") == 3
    assert "stopped" not in dataset.read(tmp_path / "a.nc").attrs


def _short(**settings):
    given = {"steps": 20, "replicates": 2, "evaluations": 2, "backend": "numpy", "units": 3}
    return paper.Config(**given, evaluation_trials=1, final_trials=2, **settings)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--tasks", "Pong"], "unknown task 'Pong'; valid: .*MemoryChain-8"),
        (["--methods", "rflo,evolution"], "unknown method 'evolution'; valid: .*rflo"),
        (["--methods", "rflo,rflo"], "method rflo is given twice"),
        (["--workers", "0"], "workers is 0; a positive integer"),
        (["--settings", "pace=1"], "unknown setting 'pace'"),
    ],
)
def test_bad_settings_are_refused(words, part, tmp_path):
    with pytest.raises(InputError, match=part):
        run("tables", tmp_path, *words)
    assert not (tmp_path / "a.nc").exists()


@pytest.mark.parametrize(
    ("name", "words", "part"),
    [
        ("fig4_memory", ["--tasks", "Catch"], "does not show Catch; valid: MemoryChain-4, "),
        (
            "rtrl_slip",
            ["--tasks", "MemoryChain-4,Catch"],
            "the figure does not show Catch; valid: ",
        ),
        (
            "fig4_entropy",
            ["--tasks", "MetaMaze,Catch"],
            "the figure shows one task, not 2; give one",
        ),
        ("fig4_entropy", ["--methods", "rflo,lru"], "the figure shows one method, not 2; give one"),
        (
            "fig4_entropy",
            ["--settings", "entropy_weight=1"],
            "--settings does not set entropy_weight here, but --entropy-weights does",
        ),
        ("tables", ["--settings", "discount=0,task=Catch"], "task here, but --tasks does"),
        ("tables", ["--settings", "final_trials=3"], "final_trials here, but --final-trials does"),
        ("fig3_suite", ["--tasks", "Acrobot"], "means over suites; at least one of MetaMaze, "),
    ],
)
def test_what_a_figure_cannot_show_is_refused(name, words, part, tmp_path, monkeypatch):
    monkeypatch.setattr(paper, "run", None)
    for more in ([], ["--dry-run"]):
        with pytest.raises(InputError, match=part):
            run(name, tmp_path, *words, *more)
    assert list(tmp_path.iterdir()) == []


def test_several_workers_need_dask(tmp_path, monkeypatch):
    missing = "distributed"
    monkeypatch.setattr(
        _reproduction.importlib.util, "find_spec", lambda name: None if name == missing else name
    )
    with pytest.raises(InputError, match="workers is 2, which needs dask; install the extra sweep"):
        run("tables", tmp_path, "--workers", "2")


def test_tests_need_scipy(tmp_path, monkeypatch):
    monkeypatch.setattr(_reproduction.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"need SciPy; .*pip install -e .\[reproduction\]"):
        run("tables", tmp_path)


def test_locomotion_says_what_it_needs(monkeypatch):
    monkeypatch.setattr(fig6_locomotion.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"MuJoCo is not installed; pip install -e .\[mujoco\]"):
        fig6_locomotion.run(fig6_locomotion.Config())


def test_lengths_are_those_of_the_protocol_unless_said():
    def steps(**settings):
        return module("fig4_memory").Config(**settings).base("a.nc").steps

    assert steps() == 1_000_000 and steps(steps=7) == 7
    assert steps(protocol="paper") == 50_000_000 and steps(protocol="paper", steps=7) == 7
    assert module("tables").Config().base("a.nc").steps == PROTOCOLS["ours"].steps


def test_settings_reach_every_run():
    config = rtrl_slip.Config(settings="discount=0.5,optimizer=sgd", units=7)
    learning = paper.agent(config.base("a.nc")).learning
    assert (learning.discount, learning.optimizer, learning.trace_actor) == (0.5, "sgd", 0.99)
    assert config.base("a.nc").units == 7


# Tasks and methods


def test_trials_are_as_long_as_those_of_the_official_code():
    for name in (
        "MetaMaze",
        "BernoulliBandit",
        "GaussianBandit",
        "PointRobot",
        "Reacher",
        "Swimmer",
    ):
        assert TASKS[name].make().parameters["max_steps"].value == 1000
    assert TASKS["BernoulliBandit"].make().chance_return == 500.0
    assert TASKS["MemoryChain-64"].make().parameters["length"].value == 64
    assert list(TASKS["CartPole-vel"].make().observations) == ["x_dot", "theta_dot"]
    assert TASKS["StatelessCartPole-hard"].make().parameters["max_steps"].value == 600


def test_a_time_limit_is_learned_as_an_end_by_the_protocol_of_the_paper():
    made = [
        paper.Config(task="StatelessCartPole", protocol=protocol).make_task().bootstraps
        for protocol in ("ours", "paper")
    ]
    assert made == [True, False]
    assert not paper.Config(task="MemoryChain-4", method="bptt").make_task().bootstraps


def test_protocol_of_the_paper():
    """Table 1 of the paper."""
    learning = paper.agent(paper.Config(protocol="paper")).learning
    assert (learning.optimizer, learning.feedback, learning.sensitivity) == (
        "adam",
        "random",
        "rflo",
    )
    rates = (learning.rate_actor, learning.rate_critic, learning.rate_network)
    assert rates == (1e-3, 1e-3, 1e-3) and learning.entropy_weight == 1e-5
    decays = (
        learning.discount,
        learning.trace_actor,
        learning.trace_critic,
        learning.trace_network,
    )
    assert decays == (0.99,) * 4
    chosen = PROTOCOLS["paper"]
    assert (chosen.evaluation_trials, chosen.replicates, chosen.steps) == (10, 5, 50_000_000)


def test_methods():
    def agent(method, **more):
        return paper.agent(paper.Config(task="Catch", method=method, units=4, **more))

    assert agent("rflo_fa").learning.feedback == "random"
    assert agent("rflo_bp", protocol="paper").learning.feedback == "symmetric"
    assert agent("frozen").learning.sensitivity == "none"
    assert agent("rtrl").learning.sensitivity == "rtrl"
    assert agent("rflo", sensitivity="snap1").learning.sensitivity == "snap1"
    assert agent("lru").circuit.actor.variables == ("re", "im")
    assert agent("untrained").learning.rate_critic == 0.0
    assert agent("bptt").learning == Learning("none")


def test_bptt_has_no_method_of_its_own():
    for name, value in (("sensitivity", "rtrl"), ("feedback", "symmetric")):
        config = paper.Config(task="MemoryChain-4", method="bptt", **{name: value})
        with pytest.raises(InputError, match=f"{name} is {value}; method bptt goes back through"):
            paper.run(config)


@pytest.mark.parametrize(("method", "sees"), [("linear", False), ("linear_meta", True)])
def test_linear_agents_read_their_input(method, sees):
    """The rates are the input of the same step; without meta-RL input only the observation."""
    agent = paper.agent(_short(task="MemoryChain-4", method=method))
    record = paper.Record(("input.x", "cortex"))
    data = simulate(agent, Run(30, backend="numpy", evaluations=1, record=record))
    traces = data["traces"].to_dataset()
    x = traces["input.x"].values
    expected = x.copy()
    if not sees:
        expected[..., 3:] = 0
    assert np.abs(x[..., 3:]).max() > 0
    assert np.allclose(traces["cortex"].values, expected)


def test_untrained_agents_do_not_change():
    data = paper.run(_short(task="MemoryChain-4", method="untrained"))
    for name, weights in data["weights"].data_vars.items():
        # They do get to know their inputs and rewards.
        statistics = name.startswith(("input.", "dopamine."))
        first, last = (weights.isel(checkpoint=k) for k in (0, -1))
        assert np.array_equal(first, last) != statistics, name


# The slip of the official code


def _slipped(agent, backend, steps=7):
    program = load(backend, agent.structure())
    from bgrl.step.assemble import initial_state

    state = initial_state(agent, program.layout, 0)
    return program.advance(state, 0, steps)


def test_slip_sums_over_the_postsynaptic_neuron():
    """Of weights and biases; the gradient of time constants is right."""
    agent = paper.agent(dataclasses.replace(_short(task="MemoryChain-4"), sensitivity=_slip.NAME))
    agent = dataclasses.replace(agent, dtype="float64")
    state = _slipped(agent, "numpy")
    signal = state["cortex.learning_signal_rate"]
    names = {"weight": "cortex_drive", "bias": "cortex", "tau": "cortex"}
    for key, group in names.items():
        sensitivity = state[f"cortex_by_{group}.sensitivity_rate_{key}"]
        tensor = sensitivity.reshape(2, 3, 3, -1)
        index = "rk,rkji->rji" if key == "tau" else "rj,rkji->rki"
        expected = np.einsum(index, signal, tensor)
        found = state[f"{group}.learning_gradient_{key}"]
        assert np.abs(expected).max() > 0
        assert np.allclose(found.reshape(expected.shape), expected, rtol=1e-12, atol=1e-15)
        right = np.einsum("rk,rkji->rji", signal, tensor)
        assert np.allclose(expected, right) == (key == "tau")


@pytest.mark.slow
def test_slip_is_the_same_in_cpp():
    agent = paper.agent(dataclasses.replace(_short(task="MemoryChain-4"), sensitivity=_slip.NAME))
    agent = dataclasses.replace(agent, dtype="float64")
    a, b = (_slipped(agent, backend, 60) for backend in ("numpy", "cpp"))
    for name in ("cortex_drive.weight", "cortex.tau", "cortex.bias"):
        assert np.allclose(a[name], b[name], rtol=0, atol=1e-12)
