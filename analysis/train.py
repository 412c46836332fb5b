"""The figure of a run in any task: learning curve, trials while learning, dopamine and value."""

import numpy as np

from analysis.learning_curve import plot_learning_curve
from analysis.style import COLOURS, axes_or_new, letter, median_and_quartiles, new_figure, styled
from analysis.trials import final_return, summary_table

#: Windows into which learning is divided, and steps that are drawn.
WINDOWS = 20
STEPS = 200


def summary(data):
    """The outcome as lines of text."""
    return summary_table(data)


@styled
def plot_trials(data, variable, *, ax=None, windows=WINDOWS):
    """Return or length of the trials of each window of learning, median and quartiles.

    Parameters
    ----------
    data : xarray.DataTree
    variable : {"trial_return", "length"}
    """
    ax = axes_or_new(ax)
    trials = data["trials"]
    end, values = trials["end_step"].values, trials[variable].values.astype(float)
    edges = np.linspace(0, max(end.max(initial=1), 1) + 1, windows + 1)
    means = np.full((len(end), windows), np.nan)
    for r in range(len(end)):
        for k in range(windows):
            inside = (end[r] >= edges[k]) & (end[r] < edges[k + 1]) & (end[r] > 0)
            if inside.any():
                means[r, k] = values[r, inside].mean()
    middle = (edges[1:] + edges[:-1]) / 2000
    median_and_quartiles(ax, middle, means, "median, quartiles", COLOURS["blue"], singles=True)
    texts = {
        "trial_return": ("return per trial", "Return"),
        "length": ("steps per trial", "Length"),
    }
    label, name = texts[variable]
    known = means[:, ~np.isnan(means).all(axis=0)]
    ends = [np.nanmedian(known[:, k]) for k in (0, -1)] if known.size else [np.nan] * 2
    ax.set(xlabel="steps learned (thousands)", ylabel=label)
    ax.set_title(f"{name} while learning: {ends[0]:.3g} at first, {ends[1]:.3g} at last")
    return ax


@styled
def plot_traces(data, *, ax=None, steps=STEPS):
    """Dopamine and value of the median replicate in the last steps, ends of trials marked."""
    ax = axes_or_new(ax)
    final = final_return(data)
    median = int(np.argsort(final)[len(final) // 2])
    traces = data["traces"].to_dataset().isel(replicate=median, time=slice(-steps, None))
    time = traces["time"].values - traces["time"].values[0]
    ends = time[traces["done"].values > 0]
    for k, end in enumerate(ends):
        ax.axvline(
            end,
            color=COLOURS["grey"],
            linewidth=0.6,
            alpha=0.6,
            label="trial ends" if not k else None,
        )
    ax.plot(time, traces["value"].values, color=COLOURS["blue"], label="value")
    style = {"linestyle": "--", "linewidth": 1.1}
    ax.plot(time, traces["dopamine"].values, color=COLOURS["vermillion"], label="TD error", **style)
    ax.axhline(0, color="black", linewidth=0.6)
    ax.set(xlabel="time (s)", ylabel="value, TD error (reward)")
    spread = float(np.std(traces["dopamine"].values))
    ax.set_title(f"Dopamine late in learning, s.d. {spread:.2g}")
    ax.legend(loc="best", ncols=3)
    return ax


@styled
def figure(data):
    """Everything about a run in one figure."""
    result = new_figure(10.0, 6.2)
    axes = result.subplots(2, 2)
    plot_learning_curve(data, ax=axes[0, 0])
    plot_trials(data, "trial_return", ax=axes[0, 1])
    plot_trials(data, "length", ax=axes[1, 0])
    plot_traces(data, ax=axes[1, 1])
    for k, ax in enumerate(axes.flat):
        letter(ax, "ABCD"[k])
    final = final_return(data)
    result.suptitle(
        f"{data.attrs['task']}, learned online: final return {np.median(final):.3g} "
        f"({len(final)} replicates)"
    )
    return result
