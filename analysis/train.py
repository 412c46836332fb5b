"""The figure of a run in any task: learning curve, trials while learning, dopamine and value."""

import itertools

import numpy as np

from .learning_curve import mark_interventions, plot_learning_curve
from .style import (
    COLOURS,
    axes_or_new,
    captioned,
    legend_beside,
    letter,
    median_and_quartiles,
    new_figure,
    quartiles_of,
    styled,
    unbroken,
)
from .trials import counted, final_return, summary_table

#: Windows into which learning is divided, and steps that are drawn.
WINDOWS = 20
STEPS = 200


def summary(data):
    """The outcome as lines of text."""
    return summary_table(data)


@styled
def plot_trials(
    data, variable="trial_return", *, ax=None, windows=WINDOWS, colour=COLOURS["blue"], label=None
):
    """Return or length of the trials of each window of learning, median and quartiles.

    Parameters
    ----------
    data : xarray.DataTree
    variable : {"trial_return", "length"}
    ax : matplotlib Axes, optional
    windows : int
    colour, label : of the curve

    Returns
    -------
    matplotlib Axes
    """
    ax = axes_or_new(ax)
    # One replicate at a time, for a long run has millions of trials; they are in order of time.
    trials = [data["trials"].isel(replicate=r) for r in range(data["trials"].sizes["replicate"])]
    last = max(int(np.nanmax(one["end_step"].values, initial=1)) for one in trials)
    edges = np.linspace(0, last + 1, windows + 1)
    means = np.full((len(trials), windows), np.nan)
    for r, one in enumerate(trials):
        end = one["end_step"].values
        places = np.searchsorted(end[: np.count_nonzero(end > 0)], edges)
        for k, (first, after) in enumerate(itertools.pairwise(places)):
            if after > first:
                means[r, k] = one[variable][first:after].values.mean()
    middle = (edges[1:] + edges[:-1]) / 2000
    median_and_quartiles(ax, middle, means, label, colour, singles=True)
    done = mark_interventions(data, ax=ax, **({"colour": colour} if label else {}))
    texts = {
        "trial_return": ("return per trial", "Return"),
        "length": ("steps per trial", "Length"),
    }
    label, name = texts[variable]
    known = means[:, ~np.isnan(means).all(axis=0)]
    ends = [np.nanmedian(known[:, k]) for k in (0, -1)] if known.size else [np.nan] * 2
    ax.set(xlabel="steps learned (thousands)", ylabel=label)
    caption = f"{quartiles_of(len(means))}, each thin; means of {windows} windows"
    title = f"{name} while learning: {ends[0]:.3g} at first, {ends[1]:.3g} at last"
    captioned(ax, title, "\n".join(filter(None, (caption, done))))
    return ax


@styled
def plot_traces(data, *, ax=None, steps=STEPS):
    """Dopamine and value of the median replicate at the end, with the ends of trials.

    What was not recorded is left out, the ends of trials where not every step was recorded.

    Parameters
    ----------
    data : xarray.DataTree
    steps : int
        How many recorded steps to draw.
    """
    ax = axes_or_new(ax)
    final = final_return(data)
    median = int(np.argsort(final)[len(final) // 2])
    traces = data["traces"].to_dataset().isel(replicate=median, time=slice(-steps, None))
    if not {"value", "dopamine"} & {*traces.data_vars}:
        ax.set_axis_off()
        ax.text(0.5, 0.5, "neither dopamine nor value was recorded", ha="center")
        return ax
    step = traces["step"].values
    time = traces["time"].values - traces["time"].values[:1]
    if "done" in traces and (np.diff(step) == 1).all():
        for k, end in enumerate(time[traces["done"].values > 0]):
            label = "trial ends" if not k else None
            style = {"color": COLOURS["grey"], "linewidth": 0.6, "alpha": 0.6}
            ax.axvline(end, label=label, **style)
    for k, name in enumerate(
        traces["intervention_name"].values if "intervention" in traces else ()
    ):
        active = traces["intervention"].values[:, k] > 0
        colour = (COLOURS["grey"], COLOURS["sky"], COLOURS["purple"])[k % 3]
        style = {"color": colour, "alpha": 0.2, "linewidth": 0, "label": str(name)}
        bottom = ax.get_xaxis_transform()
        ax.fill_between(time, 0, 1, where=active, step="mid", transform=bottom, **style)
    if "value" in traces:
        ax.plot(*unbroken(time, traces["value"].values, step), color=COLOURS["blue"], label="value")
    title = "Value late in learning"
    if "dopamine" in traces:
        dopamine = traces["dopamine"].values
        style = {"color": COLOURS["vermillion"], "linestyle": "--", "linewidth": 1.1}
        ax.plot(*unbroken(time, dopamine, step), label="dopamine", **style)
        title = f"Dopamine late in learning, s.d. {float(np.std(dopamine)):.2g}"
    ax.axhline(0, color="black", linewidth=0.6)
    ax.set(xlabel="time (s)", ylabel="value, dopamine (TD error)")
    captioned(ax, title, f"replicate {median}, that of the median final return")
    legend_beside(ax)
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
        f"({counted(len(final), 'replicate')})"
    )
    return result
