"""Statistics and plots, on a dataset written down by hand."""

import json
import types

import matplotlib
import numpy as np
import pytest
import xarray as xr

from analysis import (
    activity,
    event_aligned,
    gradient_quality,
    learning_curve,
    memory_chain,
    plot,
    train,
    trials,
)
from analysis.verdicts import verdict
from bgrl.errors import InputError, RunError
from bgrl.experiment import report
from experiments import task_gallery

STEPS = 40
LENGTH = 3  # steps of a trial


def by_hand(seed=0):
    """Two replicates, trials of 3 steps: reward 1 at the end of each, value 0, 1, 2 within."""
    generator = np.random.default_rng(seed)
    step = np.concatenate([np.arange(1, 14), np.arange(28, 41)])
    done = np.tile((step % LENGTH == 1).astype(float), (2, 1))
    value = np.tile(((step - 1) % LENGTH).astype(float), (2, 1))
    shape = (2, len(step))
    context = np.where(((step - 1) // LENGTH) % 2 == 0, 1.0, -1.0)
    observation = np.zeros((*shape, 3))
    observation[:, :, 2] = context
    right = np.clip(0.5 + 0.4 * context * (step > 20), 0, 1)
    policy = np.stack([1 - right, right], -1)
    units = {"units": "1", "long_name": "quantity"}
    traces = xr.Dataset(
        {
            "done": (("replicate", "time"), done, units),
            "reward": (("replicate", "time"), done.copy(), units),
            "dopamine": (("replicate", "time"), done * 0.5, units),
            "value": (("replicate", "time"), value, units),
            "observation": (("replicate", "time", "observation_channel"), observation, units),
            "policy": (("replicate", "time", "action_unit"), np.stack([policy] * 2), units),
            "cortex": (
                ("replicate", "time", "cortex_unit"),
                generator.uniform(-1, 1, (*shape, 4)),
                units,
            ),
        },
        {
            "step": ("time", step),
            "time": step * 0.02,
            "observation_channel": ["time_left", "query", "context"],
            "action_unit": ["report_0", "report_1"],
        },
    )
    evaluation = xr.Dataset(
        {
            "mean_return": (("replicate", "checkpoint"), [[0.0, 1.0, 0.5], [0.1, 0.8, 0.9]]),
            "episodes": (("replicate", "checkpoint"), np.full((2, 3), 10)),
        },
        {"step": ("checkpoint", [0, 20, 40])},
    )
    table = np.full((2, 13), LENGTH)
    trial_table = xr.Dataset(
        {
            "trial_return": (("replicate", "trial"), np.ones((2, 13))),
            "length": (("replicate", "trial"), table),
            "end_step": (("replicate", "trial"), np.cumsum(table, axis=1) + 1),
            "terminated": (("replicate", "trial"), np.ones((2, 13), np.int8)),
        }
    )
    configuration = {"agent": {"task": {"parameters": {"length": 2}}}, "run": {"steps": STEPS}}
    attributes = {
        "task": "memory_chain",
        "configuration": json.dumps(configuration),
        "events": json.dumps({"cue": ["start", 0], "query": ["end", -1], "outcome": ["end", 0]}),
        "step_duration_ms": 20.0,
        "best_return": 1.0,
        "chance_return": 0.0,
        "schema_version": 1,
    }
    return xr.DataTree.from_dict(
        {
            "/": xr.Dataset(attrs=attributes),
            "/traces": traces,
            "/evaluation": evaluation,
            "/trials": trial_table,
        }
    )


def test_windows_and_whole_trials():
    traces = by_hand()["traces"].to_dataset()
    assert trials.windows(traces) == [slice(0, 13), slice(13, 26)]
    found = trials.whole_trials(by_hand())
    # Ends at steps 1, 4, ..., 13 and 28, ..., 40: four whole trials in each window.
    assert found[found[:, 0] == 0].tolist() == [
        [0, a, a + 3, a + 3] for a in (0, 3, 6, 9, 13, 16, 19, 22)
    ]


def test_a_trial_that_is_closed_in_the_next_step():
    """Trials of two steps, cut and closed: the outcome comes one step before the next trial starts."""
    done, reward = [1, 0, 0, 1, 0, 0, 1], [0, 1, 2, 0, 1, 2, 0]
    data = xr.DataTree.from_dict(
        {
            "/": xr.Dataset(attrs=by_hand().attrs),
            "/traces": xr.Dataset(
                {
                    "done": (("replicate", "time"), [done]),
                    "reward": (("replicate", "time"), np.array([reward], float)),
                    "value": (("replicate", "time"), np.arange(7.0)[None]),
                },
                {"step": ("time", np.arange(7))},
            ),
            "/trials": xr.Dataset({"end_step": (("replicate", "trial"), [[2.0, 5.0]])}),
        }
    )
    assert trials.whole_trials(data).tolist() == [[0, 0, 2, 3], [0, 3, 5, 6]]
    rewards = trials.aligned(data, "reward", "outcome", 1, 1)
    np.testing.assert_array_equal(rewards, [[1, 2, np.nan]] * 2)
    assert rewards["trial_return"].values.tolist() == [3, 3]
    values = trials.aligned(data, "value", "outcome", 2, 1)
    np.testing.assert_array_equal(values, [[0, 1, 2, np.nan], [3, 4, 5, np.nan]])


def test_outcomes_belong_to_the_trial_they_end():
    data = by_hand()
    reward = trials.aligned(data, "reward", "outcome", 3, 1, "early")
    assert reward["lag"].values.tolist() == [-60, -40, -20, 0, 20]
    # The reward at lag -3 ends the trial before, lag 1 belongs to the next.
    expected = [np.nan, 0, 0, 1, np.nan]
    np.testing.assert_array_equal(reward.values, np.tile(expected, (8, 1)))
    value = trials.aligned(data, "value", "cue", 1, 3, "late")
    np.testing.assert_array_equal(value.values, np.tile([np.nan, 0, 1, 2, np.nan], (8, 1)))
    with pytest.raises(ValueError, match="unknown period 'middle'; valid: early, late"):
        trials.aligned(data, "value", "cue", 1, 3, "middle")


def test_replicate_means_ignore_what_is_missing():
    table = xr.DataArray(
        [[1.0, np.nan, np.nan], [3.0, np.nan, 4.0], [5.0, 2.0, 1.0]],
        dims=("trial", "lag"),
        coords={"replicate": ("trial", [0, 0, 1])},
    )
    np.testing.assert_array_equal(trials.replicate_means(table), [[2, np.nan, 4], [5, 2, 1]])


def test_final_and_best():
    data = by_hand()
    assert trials.final_return(data).tolist() == [0.5, 0.9]
    assert trials.best_return(data).tolist() == [1.0, 0.9]
    lines = trials.summary_table(data)
    assert "2 replicates, 10 trials" in lines[0] and "median 0.700" in lines[1]
    assert "0 of 2 replicates" in memory_chain.summary(data)[-1]


def test_bootstrap_interval_covers_the_truth():
    generator = np.random.default_rng(1)
    covered = 0
    for k in range(200):
        low, high = trials.bootstrap_interval(generator.normal(size=30), np.mean, draws=400, seed=k)
        covered += low <= 0 <= high
    # 95 % nominal, 93 % expected of the percentile bootstrap at n = 30.
    assert 175 <= covered <= 198


def test_median_and_interval():
    assert trials.median_and_interval([3.0] * 4 + [np.nan]) == (3.0, 3.0, 3.0)
    middle, low, high = trials.median_and_interval(np.arange(11.0))
    assert middle == 5.0 and 0 <= low < 5 < high <= 10
    assert np.isnan(trials.median_and_interval([np.nan])).all()
    # Of one replicate nothing is known of others.
    middle, *ends = trials.median_and_interval([0.3])
    assert middle == 0.3 and np.isnan(ends).all()
    assert not verdict([0.3], 0.0, 1.0, "").shown and verdict([0.3, 0.3], 0.0, 1.0, "").shown


def test_learning_curve_shows_median_quartiles_and_singles():
    ax = learning_curve.plot_learning_curve(by_hand())
    curves = [line for line in ax.lines if len(line.get_xdata()) == 3]
    assert len(curves) == 3
    np.testing.assert_allclose(curves[-1].get_ydata(), [0.05, 0.9, 0.7])
    assert ax.get_xlabel() == "steps learned (thousands)"
    assert "0.70" in ax.get_title(loc="left")


def test_one_is_not_several():
    alone = by_hand().isel(replicate=[0])
    assert trials.summary_table(by_hand())[0].split(", ")[1] == "2 replicates"
    assert trials.summary_table(alone)[0].split(", ")[1] == "1 replicate"
    assert (trials.counted(1, "trial"), trials.counted(0, "trial")) == ("1 trial", "0 trials")


def test_event_aligned_curves():
    ax = event_aligned.plot_event_aligned(by_hand(), "dopamine", "outcome", before=2, after=0)
    early, late = (line for line in ax.lines if line.get_label() in ("early", "late"))
    for line in (early, late):
        np.testing.assert_allclose(line.get_xdata(), [-40, -20, 0])
        np.testing.assert_allclose(line.get_ydata(), [0, 0, 0.5])
    # In a figure of its own it says what is drawn; among other axes that is for the whole figure.
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["early", "late"]
    assert ax.get_title(loc="left") == "quantity around outcome"
    (caption,) = (text.get_text() for text in ax.texts if text.get_gid() == "caption")
    assert caption.startswith("median and quartiles, n = ") and "early and late" in caption
    among = event_aligned.axes_or_new(None)
    event_aligned.plot_event_aligned(by_hand(), "dopamine", "outcome", before=2, after=0, ax=among)
    assert among.get_legend() is None and among.get_title(loc="left") == ""


def test_rewarded_trials_are_drawn_apart():
    data = by_hand()
    reward = data["traces"]["reward"].values
    ends = reward > 0
    ends[:, ::2] = False
    # Trials that end in an even-numbered place go unrewarded, and dopamine says so.
    reward[ends] = -1
    data["traces"]["dopamine"].values[:] = reward
    table = trials.aligned(data, "reward", "outcome", 0, 0)
    np.testing.assert_array_equal(table["trial_return"].values, table.values[:, 0])
    settings = {"before": 1, "after": 0, "by_outcome": True}
    ax = event_aligned.plot_event_aligned(data, "dopamine", "outcome", **settings)
    drawn = {line.get_label(): list(line.get_ydata()) for line in ax.lines}
    assert drawn["late, rewarded"] == [0, 1] and drawn["late, unrewarded"] == [0, -1]


def test_policy_at_query():
    data = by_hand()
    assert trials.typical(data, "dopamine", "outcome", "late", magnitude=True) == 0.5
    assert trials.typical(data, "dopamine", "outcome", "late", -1) == 0
    ax = memory_chain.plot_policy_at_query(data)
    assert "0.50 early, 0.90 late" in ax.get_title(loc="left")


def test_activity_is_the_mean_over_trials():
    data = by_hand()
    table = activity.replicate_activity(data, "cortex", "cue", 0, 2, replicate=1)
    assert table.sizes == {"trial": 4, "lag": 3, "cortex_unit": 4}
    ax = activity.plot_activity(table, order=np.array([3, 2, 1, 0]))
    image = ax.images[0].get_array()
    np.testing.assert_allclose(image, table.mean("trial").values[:, ::-1].T)


@pytest.mark.parametrize("missing", [np.nan, -1])
def test_trials_are_averaged_by_window(missing):
    """In files of earlier versions, what is missing is -1."""
    data = by_hand()
    data["trials"]["end_step"] = data["trials"]["end_step"].astype(float)
    returns = data["trials"]["trial_return"].values
    returns[0, :6], returns[1, 6:] = 0, 3
    data["trials"]["end_step"].values[1, 10:] = missing  # the second replicate had fewer trials
    axes = train.plot_trials(data, "trial_return", windows=2)
    # Ends at 4, 7, ... 40, two windows of 20.5 steps: six and seven trials.
    singles = [line.get_ydata().tolist() for line in axes.lines[:2]]
    assert singles == [[0, 1], [1, 3]]
    assert axes.lines[0].get_xdata().tolist() == [10.25 / 1000, 30.75 / 1000]
    assert axes.get_title(loc="left") == "Return while learning: 0.5 at first, 2 at last"


def test_traces_are_drawn_as_far_as_they_were_recorded():
    data = by_hand()

    def drawn(*names, every=1):
        part = data.copy()
        part["traces"] = xr.DataTree(
            data["traces"].to_dataset()[[*names]].isel(time=slice(None, None, every))
        )
        return train.plot_traces(part, steps=9)

    def labels(axes):
        return [text.get_text() for text in axes.get_legend().get_texts()]

    assert labels(drawn("value", "dopamine", "done")) == ["trial ends", "value", "dopamine"]
    assert labels(drawn("value", "done", every=2)) == ["value"]
    assert labels(drawn("dopamine")) == ["dopamine"]
    (text,) = drawn("done").texts
    assert text.get_text() == "neither dopamine nor value was recorded"


def test_overview_has_no_empty_panel():
    figure = memory_chain.figure(by_hand())
    panels = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
    assert len(panels) == 11
    for ax in panels:
        assert ax.lines or ax.images
        assert ax.get_xlabel() or ax.get_xticklabels()
    figure.draw_without_rendering()


def test_plotting_leaves_matplotlib_alone():
    before = dict(matplotlib.rcParams)
    memory_chain.figure(by_hand())
    assert dict(matplotlib.rcParams) == before


def test_plot_command(tmp_path, capsys):
    path = tmp_path / "data.nc"
    by_hand().to_netcdf(path, engine="netcdf4")
    for kind in ("overview", "learning_curve", "trial_length", "policy_at_query"):
        assert plot.main([str(path), "--kind", kind]) == 0
        assert (tmp_path / f"data-{kind}.png").stat().st_size > 5000
    capsys.readouterr()
    assert plot.main([str(path), "--kind", "movie"]) == 2
    assert "unknown kind 'movie'; valid: overview" in capsys.readouterr().err
    path.write_bytes(path.read_bytes()[:200])
    assert plot.main([str(path)]) == 2
    assert "not a bgrl data file" in capsys.readouterr().err
    assert plot.main([str(tmp_path / "none.nc")]) == 2


def test_a_figure_of_damaged_contents_is_refused(tmp_path, capsys):
    path = tmp_path / "data.nc"
    data = by_hand()
    noise = np.random.default_rng(0).bytes(data["evaluation"]["mean_return"].nbytes)
    checked = {"/evaluation": {"mean_return": {"fletcher32": True}}}
    data.to_netcdf(path, engine="netcdf4", encoding=checked)
    values = data["evaluation"]["mean_return"].values.tobytes()
    content = path.read_bytes()
    assert content.count(values) == 1
    path.write_bytes(content.replace(values, noise))
    assert plot.main([str(path), "--kind", "learning_curve"]) == 2
    assert "data.nc is damaged" in capsys.readouterr().err
    assert plot.main([str(path), "--kind", "trial_length"]) == 0  # looks at something else


def gradients_by_hand():
    """Two methods, two parameters: rflo has a cosine of .6 for the first and nothing for the second."""
    shape = (1, 2, 3, 40, 2)
    product, square, exact = (np.ones(shape) for _ in range(3))
    product[:, 0, :, :, 0] = 0.6
    product[:, 0, :, :, 1] = square[:, 0, :, :, 1] = 0
    dims = ("length", "method", "replicate", "time", "parameter")
    coordinates = {"length": [4], "method": ["rflo", "rtrl"]}
    arrays = {
        "gradient_product": product,
        "gradient_square": square,
        "exact_gradient_square": exact,
    }
    gradients = xr.Dataset(
        {name: (dims, values) for name, values in arrays.items()},
        coordinates | {"parameter": ["a->b", "b.tau"], "step": ("time", np.arange(40) * 10)},
    )
    returns = np.linspace(0, 1, 5) * np.ones((1, 2, 3, 1))
    evaluation = xr.Dataset(
        {"mean_return": (("length", "method", "replicate", "checkpoint"), returns)},
        coordinates | {"step": ("checkpoint", np.arange(5) * 100)},
    )
    return xr.DataTree.from_dict({"/gradients": gradients, "/evaluation": evaluation})


def test_cosines():
    data = gradients_by_hand()
    steps, cosine = gradient_quality.cosines(data, 4, "rflo", windows=4)
    np.testing.assert_allclose(steps, 391 / 8 * np.array([1, 3, 5, 7]))
    # The first parameter has .6 x its norm 1, the second nothing of its norm 1.
    np.testing.assert_allclose(cosine, 0.6 / np.sqrt(2) * np.ones((3, 4)))
    found = gradient_quality.pathway_cosines(data, 4, "rflo")
    np.testing.assert_allclose(found[:, 0], 0.6)
    assert np.isnan(found[:, 1]).all()
    np.testing.assert_allclose(gradient_quality.pathway_cosines(data, 4, "rtrl"), 1)


def test_gradient_quality_figure_and_summary():
    data = gradients_by_hand()
    lines = gradient_quality.summary(data)
    assert "rflo" in lines[1] and "0.424" in lines[1] and "1.000" in lines[2]
    figure = gradient_quality.figure(data)
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "Length 4, final: rflo 1.00, rtrl 1.00",
        "Length 4, all steps: rflo 0.42",
        "Farthest: a->b, 0.60",
    ]
    assert all(ax.get_xlabel() and ax.lines for ax in figure.axes)


def test_a_summary_that_a_run_is_too_short_for_is_said_in_one_line(tmp_path):
    def summary(data):
        raise IndexError("index 3 is out of bounds")

    with pytest.raises(
        RunError, match="short.nc has not what its summary shows .IndexError: index"
    ):
        report(types.SimpleNamespace(summary=summary), None, tmp_path / "short.nc")


def test_the_gallery_says_what_it_shows():
    with pytest.raises(InputError, match="steps is 1; an integer of 2 or more"):
        task_gallery.run(task_gallery.Config(steps=1))
    trial = task_gallery.run(task_gallery.Config(steps=3, names="cartpole"))["cartpole"]
    assert trial["reward"].attrs["long_name"] == "reward"
    assert trial["observation"].attrs["long_name"] == "observation"
