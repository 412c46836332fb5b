"""Several runs as one tree, and figures of them, on datasets written down by hand."""

import json
import re
import struct

import numpy as np
import pytest
import xarray as xr
from test_analysis import by_hand

import bgrl
from analysis import plot, runs, style, train
from analysis.event_aligned import plot_event_aligned
from analysis.memory_chain import plot_policy_at_query


def changed(learning=None, **run):
    """The dataset by hand, of a run with other settings."""
    data = by_hand()
    configuration = json.loads(data.attrs["configuration"])
    configuration["agent"]["learning"] = learning or {"discount": 0.9, "sensitivity": "rflo"}
    configuration["run"] |= run
    data.attrs["configuration"] = json.dumps(configuration)
    return data


@pytest.fixture
def files(tmp_path):
    """Three runs: another method, and one with fewer trials, checkpoints and replicates too."""
    data = {
        "a": changed(),
        "b": changed({"discount": 0.9, "sensitivity": "rtrl"}),
        "c": changed({"discount": 0.5, "sensitivity": "rtrl"}),
    }
    short = data["c"]
    short["evaluation"] = short["evaluation"].to_dataset().isel(checkpoint=slice(2), replicate=[0])
    short["trials"] = short["trials"].to_dataset().isel(trial=slice(5), replicate=[0])
    for name, one in data.items():
        one.to_netcdf(tmp_path / f"{name}.nc", engine="netcdf4")
    return [str(tmp_path / f"{name}.nc") for name in data]


def test_several_runs_have_a_dimension_of_what_differs(files, tmp_path):
    tree = bgrl.open(tmp_path / "*.nc")
    assert tree["run"].values.tolist() == [
        "discount 0.9, sensitivity rflo",
        "discount 0.9, sensitivity rtrl",
        "discount 0.5, sensitivity rtrl",
    ]
    assert tree["discount"].values.tolist() == [0.9, 0.9, 0.5]
    assert tree["sensitivity"].values.tolist() == ["rflo", "rtrl", "rtrl"]
    returns = tree["evaluation"]["mean_return"]
    assert returns.dims == ("run", "replicate", "checkpoint")
    np.testing.assert_array_equal(returns[1], [[0.0, 1.0, 0.5], [0.1, 0.8, 0.9]])
    np.testing.assert_array_equal(returns[2], [[0.0, 1.0, np.nan], [np.nan] * 3])
    # Evaluated after other steps, so that these are of each run; recorded in the same ones.
    assert tree["evaluation"]["step"].dims == ("run", "checkpoint")
    assert tree["traces"]["step"].dims == ("time",)
    assert tree["traces"]["policy"].sizes["action_unit"] == 2
    assert tree.attrs["task"] == "memory_chain" and "configuration" not in tree.attrs
    bgrl.write(tree, tmp_path / "together.nc")


def test_one_of_them_is_as_its_file_has_it(files):
    tree = bgrl.open(files)
    for k, file in enumerate(files):
        with bgrl.open(file) as alone:
            own = runs.select(tree, k)
            assert own.attrs["configuration"] == alone.attrs["configuration"]
            for name in ("evaluation", "trials", "traces"):
                xr.testing.assert_allclose(own[name].to_dataset(), alone[name].to_dataset())


def test_runs_may_have_other_replicates_and_pathways():
    """A pathway that only the run with fewer replicates has is as long as the others."""
    first, second = by_hand(), by_hand()
    for data, name, count in ((first, "a->b", 2), (second, "c->b", 1)):
        weights = np.full((count, 2, 3, 4), 0.5)
        dims = ("replicate", "checkpoint", "post_b", f"pre_{name[0]}")
        data["weights"] = xr.DataTree(xr.Dataset({name: (dims, weights, {"units": "1"})}))
    second = second.isel(replicate=[0])
    tree = runs.join([first, second], ["a.nc", "b.nc"])
    assert tree["weights"]["c->b"].shape == (2, 2, 2, 3, 4)
    assert tree["weights"]["c->b"].notnull().sum() == 2 * 3 * 4
    for k, own in enumerate((first, second)):
        for group in ("weights", "evaluation"):
            found = runs.select(tree, k)[group].to_dataset()
            xr.testing.assert_equal(found, own[group].to_dataset(inherit=False))


def test_settings_of_a_command_go_before_the_configuration():
    a, b = changed(seed=1), changed(seed=2)
    a.attrs["settings"] = json.dumps({"seed": 1, "task_options": {"length": 3}, "lesions": []})
    b.attrs["settings"] = json.dumps({"seed": 1, "task_options": {}, "lesions": ["stn:0.5"]})
    tree = runs.join([a, b], ["a.nc", "b.nc"])
    assert tree["run"].values.tolist() == [
        "task.length 3",
        "lesions stn:0.5",
    ]
    del b.attrs["settings"]
    assert runs.join([a, b], ["a.nc", "b.nc"])["run"].values.tolist() == ["seed 1", "seed 2"]


def test_runs_that_nothing_tells_apart_have_the_names_of_their_files():
    tree = runs.join([by_hand(), by_hand(1)], ["x/a.nc", "x/b.nc"])
    assert tree["run"].values.tolist() == ["a", "b"]
    assert set(tree.coords) == {"run"}


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ("none*.nc", "no file is like none*.nc"),
        ([], "no file is given"),
        (3, "paths is 3; a path or a list of paths is needed"),
        (["gone.nc"], "gone.nc: no such file"),
    ],
)
def test_what_is_not_there_is_said(paths, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        bgrl.open(paths)


def test_runs_too_large_for_one_tree_are_refused(files, monkeypatch):
    monkeypatch.setattr(runs, "LARGEST", 1000)
    with pytest.raises(ValueError, match=r"3 runs hold .* GB together"):
        bgrl.open(files)


def test_curves_are_compared_in_one_pair_of_axes(files):
    figure = runs.plot_compare(bgrl.open(files))
    (ax,) = figure.axes
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts[0] == "discount 0.9, sensitivity rflo\nFinal return 0.70"
    assert len({line.get_color() for line in ax.lines if "\n" in line.get_label()}) == 3
    captions = [text.get_text() for text in ax.texts if text.get_gid() == "caption"]
    assert captions == [
        "median and quartiles, n = 2 replicates, each thin\n"
        "median and quartiles, n = 1 replicate, each thin"
    ]
    assert ax.get_title(loc="left") == "3 runs that differ in discount, sensitivity"


def test_other_analyses_have_a_panel_each(files):
    tree = bgrl.open(files[:2])
    assert len(runs.plot_compare(tree, plot_policy_at_query).axes) == 2
    around = {"variable": "dopamine", "event": "cue", "before": 1, "after": 1}
    assert len(runs.plot_compare(tree, plot_event_aligned, **around).axes) == 1
    with pytest.raises(ValueError, match="a dimension 'run' is needed"):
        runs.plot_compare(by_hand())


def test_the_command_compares(files, tmp_path, capsys):
    target = tmp_path / "all.svg"
    assert plot.main([*files, "--kind", "learning_curve", "--figure", str(target)]) == 0
    assert "sensitivity rtrl" in target.read_text()
    assert plot.main([*files[:2], "--kind", "dopamine@cue"]) == 0
    assert (tmp_path / "a-b-dopamine@cue.png").exists()
    assert plot.main([*files, "--kind", "overview"]) == 2
    assert "overview draws one file; of several: learning_curve," in capsys.readouterr().err


def test_paper_style_has_a_width_in_mm_and_text_as_text(files, tmp_path):
    words = [files[0], "--style", "paper", "--kind"]
    assert plot.main([*words, "learning_curve"]) == 0
    svg = (tmp_path / "a-learning_curve.svg").read_text()
    width = float(re.search(r'width="([\d.]+)pt"', svg)[1])
    assert width == pytest.approx(89 / 25.4 * 72)
    assert ">return per trial, plasticity off</text>" in svg
    sizes = [float(size) for size in re.findall(r"font(?:-size)?: ([\d.]+)px", svg)]
    assert sizes and min(sizes) >= 5 and max(sizes) <= 8
    assert plot.main([*words, "learning_curve", "--figure", str(tmp_path / "b.pdf")]) == 0
    # TrueType: letters stay letters.
    assert b"/FontFile2" in (tmp_path / "b.pdf").read_bytes()
    assert plot.main([*words, "learning_curve", "--figure", str(tmp_path / "c.png")]) == 0
    pixels = struct.unpack(">I", (tmp_path / "c.png").read_bytes()[16:20])[0]
    assert pixels == pytest.approx(89 / 25.4 * style.RC["savefig.dpi"], abs=1)


def test_interventions_are_marked():
    shown = {"kind": "inactivate", "target": "stn", "value": None, "delay": 5, "duration": 10}
    told = {"kind": "gain", "target": "d1", "value": 2.0, "delay": 0, "duration": 1}
    done = [shown | {"start": 5}, told | {"start": "reward"}]
    for draw in (train.plot_learning_curve, train.plot_trials):
        ax = draw(changed(interventions=done))
        (span,) = ax.patches
        assert (span.get_x(), span.get_width()) == pytest.approx((0.01, 0.01))
        (caption,) = (text.get_text() for text in ax.texts if text.get_gid() == "caption")
        assert caption.endswith("\nshaded: inactivate stn; gain d1 2.0, at each reward")


def test_no_line_crosses_a_gap_of_the_recording():
    ax = train.plot_traces(by_hand(), steps=20)
    value = next(line for line in ax.lines if line.get_label() == "value")
    time, values = value.get_data()
    gaps = np.flatnonzero(np.isnan(values))
    assert len(values) == 21 and len(gaps) == 1
    assert time[gaps[0] + 1] - time[gaps[0] - 1] == pytest.approx(15 * 0.02)
    whole = train.plot_traces(by_hand(), steps=9).lines
    assert not any(np.isnan(np.asarray(line.get_ydata(), float)).any() for line in whole)


def test_no_legend_hides_a_curve():
    figure = plot.KINDS["overview"](by_hand())
    assert not [ax for ax in figure.axes if ax.get_legend()] and len(figure.legends) == 1
    figure = train.figure(by_hand())
    figure.draw_without_rendering()
    for ax in figure.axes:
        if ax.get_legend():
            assert ax.get_legend().get_window_extent().x0 >= ax.get_window_extent().x1
