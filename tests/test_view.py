"""The viewer: what it shows is what the file has, and a browser drives it."""

import dataclasses
import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from analysis import difference, population, stretches, traces, train, trial_map
from analysis.view import view
from bgrl import Intervention, Record, Run, models, simulate, tasks, write
from bgrl import open as open_runs
from bgrl.circuit import tsodyks_markram

pn = pytest.importorskip("panel", reason="the extra `view` is not installed")
Document = importlib.import_module("bokeh.document").Document
set_curdoc = importlib.import_module("panel.io.state").set_curdoc
MODULES = (
    *("__main__", "circuit", "compare", "draw", "events", "live"),
    *("page", "share", "serve", "state"),
)
command, circuit, compare, draw, events, live, page, share, served, windows = (
    importlib.import_module(f"analysis.view.{name}") for name in MODULES
)

ROOT = Path(__file__).parents[1]
NAMES = ("dopamine", "value", "reward", "done", "policy", "cortex")
STEPS = 600


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A control and a lesion from step 200 for 100 steps, two replicates each."""
    folder, found = tmp_path_factory.mktemp("view"), []
    agent = models.agent("rtrrl", tasks.make("memory_chain", length=3), units=5, replicates=2)
    lesion = Intervention.parse("inactivate cortex->cortex from 200 for 100")
    for name, done in (("control", ()), ("lesion", (lesion,))):
        names = (*NAMES, *(["intervention"] if done else []))
        run = Run(
            STEPS,
            backend="numpy",
            evaluations=3,
            evaluation_trials=5,
            final_trials=5,
            record=Record(names),
            interventions=done,
        )
        write(simulate(agent, run), folder / f"{name}.nc")
        found.append(str(folder / f"{name}.nc"))
    return found


@pytest.fixture(scope="module")
def runs(files):
    """The files, opened once, as the server does; each window has a state of its own."""
    opened = windows.open_runs(files)
    yield opened
    for one in opened:
        one.data.close()


@pytest.fixture
def state(runs):
    return windows.State(runs)


# What is drawn ------------------------------------------------------------------------------


def test_curves_are_named_by_variable_and_place(state):
    found = state.opened.curves
    assert found["dopamine"] == ("dopamine", None)
    assert found["policy[report_1]"] == ("policy", 1)
    assert found["cortex[4]"] == ("cortex", 4) and "cortex[5]" not in found
    assert state.opened.signals() == (["dopamine", "value", "reward", "done"], ["cortex"])


def test_a_stretch_is_what_was_recorded(state):
    data, kept = state.data, state.opened.envelopes
    seen = traces.window(kept, data, "cortex[2]", 1, 100, 149)
    assert seen.first.tolist() == list(range(100, 150))
    expected = data["traces"]["cortex"].values[1, 99:149, 2]
    np.testing.assert_array_equal(seen.low, expected)
    np.testing.assert_array_equal(seen.high, expected)
    far = traces.window(kept, data, "dopamine", 0, 0, STEPS, points=10)
    assert len(far.first) <= 10
    assert far.high.max() == data["traces"]["dopamine"].values[0].max()
    with pytest.raises(ValueError, match=r"'gpe' was not recorded; recorded: dopamine, value"):
        traces.window(kept, data, "gpe", 0, 0, 9)


def test_marks_are_the_steps_of_ends_and_events(state):
    found, trials = traces.marks(state.data, 0, 17, 40)
    done = state.data["traces"]["done"].values[0]
    ends = 1 + np.flatnonzero(done > 0)
    expected = ends[(ends >= 17) & (ends <= 40)]
    assert trials == len(expected) > 3 and found["trial end"].tolist() == expected.tolist()
    assert found["outcome"].tolist() == expected.tolist()
    queries = ends - 1
    assert found["query"].tolist() == queries[(queries >= 17) & (queries <= 40)].tolist()
    cues = np.append(0, ends)  # a trial starts in the step in which the one before ends
    assert found["cue"].tolist() == cues[(cues >= 17) & (cues <= 40)].tolist()


def test_too_many_marks_are_counted(state, monkeypatch):
    monkeypatch.setattr(traces, "MARKS", 10)
    assert traces.marks(state.data, 1, 0, STEPS) == (
        {},
        np.sum(state.data["traces"]["done"].values[1] > 0),
    )


def test_an_intervention_has_its_steps(files):
    with open_runs(files[1]) as data:
        assert traces.intervals(data) == [("inactivate cortex->cortex", 200, 300)]
        active = data["traces"]["intervention"].values[0, :, 0] > 0
        assert data["traces"]["step"].values[active][[0, -1]].tolist() == [200, 299]


def test_of_a_long_run_some_stretches_are_looked_at(state):
    data = state.data
    assert stretches.stretches(data, ["dopamine"]) is data
    some = stretches.stretches(data, ["dopamine", "done"], at=300, count=3, frames=50)
    step = some["traces"]["step"].values
    assert step.tolist() == [*range(1, 51), *range(275, 326), *range(326, 326), *range(551, 601)]
    np.testing.assert_array_equal(
        some["traces"]["dopamine"], data["traces"]["dopamine"].values[:, step - 1]
    )
    ends = some["trials"]["end_step"].values[1]
    whole = data["trials"]["end_step"].values[1]
    inside = np.isin(whole, step)
    assert ends[~np.isnan(ends)].tolist() == whole[inside].tolist()


@pytest.mark.parametrize("count", [0, 1, 5, 4097, 30_000])
def test_a_step_is_found_by_reading_a_few(count):
    rng = np.random.default_rng(count)
    for known in (count, count // 2):
        values = np.sort(rng.integers(0, 2 * count + 1, count)).astype(float)
        values[known:] = np.nan  # as of trials that a replicate does not have
        steps = xr.Variable("trial", values)
        for number in rng.integers(-1, 2 * count + 2, 20):
            expected = int(np.sum(values < number))
            assert stretches.search(steps, number) == expected
            assert stretches.search(steps, number, max(0, expected - 9)) == expected


def test_rows_of_trials_are_means_of_neighbours():
    values = np.array([[1.0, np.nan], [3.0, np.nan], [5.0, 1.0], [7.0, 3.0]])
    table = xr.DataArray(values, dims=("trial", "lag"))
    np.testing.assert_array_equal(trial_map.trial_rows(table, 4), values)
    np.testing.assert_array_equal(trial_map.trial_rows(table, 2), [[2, np.nan], [6, 2]])


def test_neurons_by_their_peak_and_on_components():
    mean = np.array([[0.0, 3.0, 1.0], [0.0, 1.0, 2.0], [9.0, 0.0, 0.0], [np.nan] * 3])
    assert population.by_peak(mean).tolist() == [1, 2, 0]
    line = np.outer([1.0, 2.0, 4.0, np.nan], [3.0, 4.0])
    scores, share = population.components(line, 2)
    np.testing.assert_allclose(share, [1, 0], atol=1e-12)
    # One component has all of the distances between lags; the first lag of it is 5 from the second.
    assert abs(scores[0, 0] - scores[1, 0]) == pytest.approx(5)
    assert np.isnan(scores[3]).all()


def test_differences_of_groups_of_replicates():
    a, b = np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
    mean, error = difference.difference(a, b)
    np.testing.assert_allclose(mean, [0, 4])
    np.testing.assert_allclose(error, [np.sqrt(1 + 4 / 3), 0])


def test_a_pathway_is_told_as_it_is_declared():
    """Fixed or plastic, with its delay, and the equations and parameters of its synapses."""
    task = tasks.make("memory_chain", length=2)
    synapse = tsodyks_markram(U=0.5, tau_rec=400, interval=40)
    edited = models.circuit("cortex_thalamus", task, units=3)
    edited = edited.set("thalamus->cortex.dynamics", synapse).set("thalamus->cortex.delay", 40)
    edited = edited.set("thalamus->cortex.plastic", False)
    agent = models.agent("cortex_thalamus", task, units=3)
    run = Run(20, backend="numpy", evaluations=1, evaluation_steps=20)
    data = simulate(dataclasses.replace(agent, circuit=edited), run)
    parts = circuit.picked(windows.State.of([data]), "thalamus->cortex")
    told = " ".join(one.object for one in parts if isinstance(one, pn.pane.HTML))
    for text in ("dx/dt = (1 - x)/tau_rec", "transmits U*x*", ">400 ms<", ">40 ms<", ">False<"):
        assert text in told


# The lines of Python ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "panel", [*page.PANELS, "subtracted"], ids=lambda p: getattr(p, "TITLE", p)
)
def test_the_lines_draw_the_figure(state, panel, tmp_path, monkeypatch):
    subtract, panel = panel == "subtracted", compare if panel == "subtracted" else panel
    state.param.update(step=200, first=50, last=90, order="components", subtract=subtract)
    state.param.update(over="trials", replicate=1)
    calls = panel.drawing(state)
    shown = share.saved(share.figure(state, calls), "png").getvalue()
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(share.python(state, calls), names)
    for opened in (one for one in names.values() if isinstance(one, xr.DataTree)):
        opened.close()
    assert Path("view.png").read_bytes() == shown
    state.param.update(step=0, first=60, replicate=0, comparing="dopamine")
    other = share.saved(share.figure(state, panel.drawing(state)), "png").getvalue()
    assert (other == shown) == (panel.TITLE == "Learning")


def test_the_lines_name_files_and_places(state):
    lines = share.python(state, page.compare.drawing(state)).splitlines()
    assert lines[0] == "import bgrl"
    opened = [f"run{k} = bgrl.open({one.file!r})" for k, one in enumerate(state.runs.values())]
    assert [line for line in lines if "bgrl.open" in line] == opened


# Windows ------------------------------------------------------------------------------------


def test_windows_have_states_of_their_own(files):
    runs = windows.State.of(files).runs.values()
    mine, yours = windows.State(list(runs)), windows.State(list(runs))
    page.page(mine), page.page(yours)
    mine.param.update(step=200, pick="dopamine", first=10, last=20, run=list(mine.runs)[1])
    assert (yours.step, yours.pick, yours.first, yours.last) == (STEPS, "cortex", 0, STEPS)
    assert yours.run == next(iter(yours.runs)) != mine.run


def test_what_the_run_has_not_is_its_first(state):
    state.param.update(event="sunrise", signal="nothing", run="no such run")
    assert state.choice("event", state.opened.events) == "cue"
    assert state.opened is next(iter(state.runs.values()))
    page.page(state)


def test_runs_are_labelled_by_what_differs(state):
    assert list(state.runs) == ["no interventions", "interventions inactivate cortex->cortex"]
    told = compare.differing(state)
    assert told == {"interventions": "control.nc: none; lesion.nc: inactivate cortex->cortex"}


def test_a_notebook_gets_the_same_panels(files):
    with open_runs(files[0]) as data:
        root = view(data).get_root()
    titles = {getattr(one.title, "text", "") for one in root.references() if hasattr(one, "title")}
    assert {"dopamine", "value", "dopamine (TD error) around outcome", "control.nc"} - titles == {
        "control.nc"
    }


def test_a_panel_of_ones_own_is_one_module(state, monkeypatch):
    calls = [share.Call(train.plot_trials, ("length",))]
    own = SimpleNamespace(
        TITLE="Lengths", panel=lambda state: draw.said("mine"), drawing=lambda state: calls
    )
    monkeypatch.setattr(page, "PANELS", (*page.PANELS, own))
    cards = page.page(state).select(pn.Card)
    assert [card.title for card in cards if "Lengths" in card.title] == ["Lengths"]
    assert "plot_trials(data, 'length', ax=axes[0])" in share.python(state, own.drawing(state))


def test_nothing_of_a_file_becomes_markup():
    hostile = "<script>alert(1)</script>"
    for made in (draw.said(hostile), draw.code(hostile), draw.table({hostile: hostile})):
        assert "<script" not in made.object and "&lt;script&gt;" in made.object
    assert "<script" not in draw.heading(hostile).object + draw.line(hostile)


def test_a_run_that_goes_on_is_looked_at_at_leisure(state, monkeypatch, tmp_path):
    """The longer a look takes the rarer it is; without news, or unseen, there is none; answers show."""
    clock, looks, told = [100.0], [], {"paused": False, "interventions": [], "answers": []}
    sight, made = SimpleNamespace(seen=True), {}

    def follow(folder):
        looks.append(clock[0])
        clock[0] += 2
        return state.data

    def pass_time(seconds, news=True):
        looks[:] = []
        for _ in range(seconds):
            if news:
                (tmp_path / "frames.bin").write_bytes(bytes(int(clock[0])))
            made["look"]()
            clock[0] += 1

    timer = SimpleNamespace(monotonic=lambda: clock[0], process_time=lambda: clock[0])
    monkeypatch.setattr(windows, "time", timer)
    monkeypatch.setattr(live, "time", timer)
    monkeypatch.setattr(
        pn.state, "add_periodic_callback", lambda look, period: made.update(look=look)
    )
    going = windows.Going(tmp_path, follow, None, lambda folder: told)
    opened = windows.Opened("going on", state.data, going=going)
    window = windows.State([opened])
    live.panel(window, sight)
    assert looks == [100]
    pass_time(250)
    assert looks == [302]  # a hundred times as long without as it took
    assert window.looks == opened.looks == 2 and opened.seen == STEPS
    told["answers"] = [{"request": "pause", "refused": "", "step": 9}]
    pass_time(60)
    assert looks == [354]
    pass_time(300, news=False)
    assert looks == [704]  # of what was written before
    sight.seen = False
    pass_time(300)
    assert looks == []
    sight.seen = True
    pass_time(2)
    assert len(looks) == 1


def test_what_is_around_events_follows_a_run(runs, monkeypatch):
    """Anew at each look that found something, and once where that moves the step of learning too."""
    drawn = []
    monkeypatch.setattr(
        events, "_figures", lambda state: drawn.append((state.data, state.step)) or []
    )
    opened = windows.Opened("going on", runs[0].data)
    state = windows.State([opened])
    events.panel(state)
    opened.data, opened.looks = runs[1].data, 1
    state.looks = 1
    assert [step for _, step in drawn] == [STEPS, STEPS]
    assert drawn[0][0] is runs[0].data and drawn[1][0] is runs[1].data
    opened.looks = 2
    state.step = 200
    state.looks = 2
    assert len(drawn) == 3 and drawn[2][1] == 200


def test_cards_are_drawn_while_they_are_in_sight(state):
    """One out of sight is left as it is, and takes up what has changed once it is in sight."""
    drawn = []

    def panel(own):
        own.param.watch(
            lambda *events: drawn.append({e.name: e.new for e in events}), ["step", "pick"]
        )
        drawn.append("panel")
        states.append(own)
        return draw.said("")

    states = []
    with set_curdoc(Document()):  # as in a window
        card = page.Card("mine", panel, state, False)
    state.param.update(step=200)
    assert drawn == []
    card.sight.seen = True
    assert drawn == ["panel"] and states[0].step == 200
    card.sight.seen = False
    state.param.update(step=300)
    state.param.update(step=400, pick="dopamine")
    assert len(drawn) == 1 and states[0].step == 200
    card.sight.seen = True
    assert drawn[1:] == [{"step": 400, "pick": "dopamine"}]
    states[0].param.update(first=10, last=20, step=0)
    assert (state.first, state.last, state.step) == (10, 20, 0)


def test_a_panel_that_cannot_be_drawn_says_so(state, capsys):
    def panel(own):
        raise RuntimeError("nothing to read")

    with set_curdoc(Document()):  # as in a window
        card = page.Card("mine", panel, state, False)
        card.sight.seen = True
    told = [one.object for one in card.shown.select(pn.pane.HTML)]
    assert "cannot be shown: RuntimeError: nothing to read" in told[-1]
    assert not any("is being read" in text for text in told)
    assert "nothing to read" in capsys.readouterr().err


# The command --------------------------------------------------------------------------------


def told(capsys, *words):
    code = command.main(list(words))
    return code, capsys.readouterr().err


def test_the_command_says_in_one_line_what_is_wrong(tmp_path, files, capsys, monkeypatch):
    assert told(capsys) == (2, "error: no file is given; FILE.nc or --live FOLDER is needed\n")
    missing = tmp_path / "missing.nc"
    assert told(capsys, str(missing)) == (2, f"error: {missing}: no such file\n")
    foreign = tmp_path / "foreign.nc"
    foreign.write_text("no data")
    assert told(capsys, str(foreign)) == (2, f"error: {foreign}: not a bgrl data file (OSError)\n")
    cut = tmp_path / "cut.nc"
    cut.write_bytes(Path(files[0]).read_bytes()[:5000])
    code, line = told(capsys, str(cut))
    assert (
        code == 2
        and line.startswith(f"error: {cut}: not a bgrl data file")
        and line.count("\n") == 1
    )
    sweep = tmp_path / "sweep.nc"
    xr.DataTree(xr.Dataset(attrs={"configuration": json.dumps({"points": 3})})).to_netcdf(sweep)
    expected = f"error: {sweep}: holds no run of an agent, so there is no circuit to show\n"
    assert told(capsys, str(sweep)) == (2, expected)
    twice = ("--port", "1", "--port", "2", files[0])
    assert told(capsys, *twice) == (2, "error: --port is given twice; give it one value\n")
    expected = "error: --port is 70000; a number from 0 to 65535 is needed\n"
    assert told(capsys, "--port", "70000", files[0]) == (2, expected)
    expected = (
        f"error: {tmp_path / 'gone'}: there is no such folder; a finished run has none any more\n"
    )
    assert told(capsys, "--live", str(tmp_path / "gone")) == (2, expected)
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    expected = "error: the viewer needs panel and bokeh: pip install '.[view]' in a checkout\n"
    assert told(capsys, files[0]) == (2, expected)


def test_help_says_everything(capsys):
    with pytest.raises(SystemExit) as end:
        command.main(["--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0
    assert all(word in text for word in ("FILE.nc", "--live", "--address", "--port"))


def test_it_answers_this_machine_alone(files, monkeypatch, capsys):
    given = {}

    class Loop:
        def start(self):
            raise KeyboardInterrupt

    class Server:
        port, io_loop = 5, Loop()

        def start(self):
            given["started"] = True

        def stop(self):
            given["stopped"] = True

    def get_server(window, **options):
        given.update(options)
        return Server()

    monkeypatch.setattr(served.pn.io.server, "get_server", get_server)
    monkeypatch.setattr(served.signal, "signal", lambda number, handler: None)
    assert command.main(files) == 0
    assert (given["address"], given["websocket_origin"]) == ("127.0.0.1", None)
    assert (
        given["started"] and given["stopped"] and "http://127.0.0.1:5/" in capsys.readouterr().out
    )


def test_importing_needs_no_extra():
    words = "import sys, analysis.view, analysis.view.__main__; assert 'panel' not in sys.modules"
    subprocess.run([sys.executable, "-c", words], cwd=ROOT, check=True)


def test_a_run_without_traces_is_shown(files):
    with open_runs(files[0]) as data:
        bare = xr.DataTree.from_dict(
            {k: data[k].to_dataset() for k in ("/", "/trials", "/evaluation", "/weights")}
        )
        state = windows.State([windows.Opened("bare", bare)])
        page.page(state)
        assert (state.opened.curves, state.opened.envelopes, state.traces) == ({}, None, [])
