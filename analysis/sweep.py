"""Final return of a sweep against what was varied."""

import itertools

import matplotlib
import numpy as np

from .learning_curve import plot_reference_returns
from .style import COLOURS, axes_or_new, legend_beside, median_and_quartiles, new_figure, styled

#: Told apart without colour too.
MARKERS = "osD^vP*X"
LINES = ("-", "--", "-.", ":")


def varied(data):
    """Name to values of what was varied; None, which is NaN in a file among numbers, makes them text."""
    failure, found = data["points"]["failure"], {}
    for name in failure.dims:
        values = failure[name].values.tolist()
        nothing = [value != value for value in values]
        if any(nothing):
            values = ["None" if n else str(v) for v, n in zip(values, nothing, strict=True)]
        found[name] = values
    return found


def numeric(values):
    """Whether values are numbers, which have an order, rather than names."""
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


def logarithmic(values):
    """Whether numbers are spread more evenly on a logarithmic axis than on a linear one."""
    values = np.sort(np.asarray(values, float))
    if len(values) < 2 or values[0] <= 0:
        return False
    if len(values) == 2:
        return values[1] >= 10 * values[0]

    def unevenness(numbers):
        return np.std(np.diff(numbers)) / np.mean(np.diff(numbers))

    return bool(unevenness(np.log(values)) < unevenness(values))


def axes_of(data):
    """Which varied setting is the horizontal axis, which the lines, and which the panels.

    Returns
    -------
    (str, str or None, list of str)
        Numbers before names, many values before few, the first before the next.
    """
    settings = varied(data)
    order = sorted(settings, key=lambda name: (not numeric(settings[name]), -len(settings[name])))
    return (
        order[0],
        order[1] if len(order) > 1 else None,
        sorted(order[2:], key=list(settings).index),
    )


def summary(data):
    """Final and best return of every point, as lines of text."""
    settings = varied(data)
    evaluation, failure = data["evaluation"], data["points"]["failure"].values
    rows = [[*settings, "final return (quartiles)", "best return"]]
    for place in np.ndindex(failure.shape):
        values = [
            f"{v[k]:g}" if numeric(v) else str(v[k])
            for v, k in zip(settings.values(), place, strict=True)
        ]
        if failure[place]:
            rows.append([*values, f"failed: {failure[place]}", ""])
            continue
        final, best = (evaluation[name].values[place] for name in ("final_return", "best_return"))
        quartiles = "{:.3f} ({:.3f} to {:.3f})".format(*_quartiles(final))
        rows.append([*values, quartiles, f"{_quartiles(best)[0]:.3f}"])
    kept = [row for row in rows if row[-1]]
    widths = [max(len(row[k]) for row in kept) for k in range(len(rows[0]))]
    lines = ["  ".join(f"{text:<{w}}" for text, w in zip(row, widths, strict=True)) for row in rows]
    replicates = evaluation.sizes["replicate"]
    return [
        f"evaluation with plasticity off, median over {replicates} replicates",
        *(f"  {line.rstrip()}" for line in lines),
    ]


def _quartiles(values):
    """Median, first and third quartile of what is not NaN."""
    values = values[~np.isnan(values)]
    return np.percentile(values, [50, 25, 75]) if len(values) else np.full(3, np.nan)


def _colours(values):
    """A colour for each line: a scale for numbers, separate ones for names."""
    if not numeric(values):
        return list(itertools.islice(itertools.cycle(COLOURS.values()), len(values)))
    if len(values) == 1:
        return [COLOURS["blue"]]
    return list(matplotlib.colormaps["viridis"](np.linspace(0, 0.8, len(values))))


def _label(name, value):
    shown = f"{value:g}" if numeric([value]) else str(value)
    return f"{name} {shown}"


@styled
def plot_final_return(data, *, ax=None, at=None):
    """Final return against a varied setting, a line for each value of another.

    Markers are medians over replicates, bands or bars quartiles; a cross is a point that failed.

    Parameters
    ----------
    data : xarray.DataTree
    ax : matplotlib Axes, optional
    at : dict of str to value, optional
        Values of further varied settings; the first ones by default.

    Returns
    -------
    matplotlib Axes
    """
    ax = axes_or_new(ax)
    settings = varied(data)
    across, lines, others = axes_of(data)
    # By position: True and False would choose as a mask.
    order = {
        name: sorted(range(len(v)), key=v.__getitem__ if numeric(v) else None)
        for name, v in settings.items()
    }
    place = {name: order[name][0] for name in others}
    place |= {name: settings[name].index(value) for name, value in (at or {}).items()}
    place[across] = order[across]
    settings = {name: [v[k] for k in order[name]] for name, v in settings.items()}
    final = data["evaluation"].to_dataset()["final_return"].isel(place)
    failed = data["points"].to_dataset()["failure"].isel(place) != ""
    x, continuous = _place(ax, settings[across])
    values = settings[lines] if lines else [None]
    for k, (value, colour) in enumerate(zip(values, _colours(values), strict=True)):
        chosen = {} if lines is None else {lines: order[lines][k]}
        rows = final.isel(chosen).transpose("replicate", across).values
        crossed = failed.isel(chosen).values
        style = {"marker": MARKERS[k % len(MARKERS)], "markersize": 4.5}
        label = None if lines is None else _label(lines, value)
        if continuous:
            style["linestyle"] = LINES[k % len(LINES)]
            median_and_quartiles(ax, x, rows, label, colour, **style)
            places = x
        else:
            places = x + 0.5 * (k - (len(values) - 1) / 2) / len(values)
            low, high = np.full((2, len(x)), np.nan)
            middle = np.full(len(x), np.nan)
            for j in range(len(x)):
                middle[j], low[j], high[j] = _quartiles(rows[:, j])
            ax.vlines(places, low, high, color=colour, linewidth=1.6)
            ax.plot(places, middle, color=colour, label=label, linestyle="none", **style)
        if crossed.any():
            bottom = ax.get_xaxis_transform()
            ax.plot(places[crossed], [0.03] * crossed.sum(), "x", color=colour, transform=bottom)
    if failed.any():
        ax.plot([], [], "x", color=COLOURS["grey"], label="failed")
    plot_reference_returns(data, ax=ax)
    units = final[across].attrs["units"]
    ax.set(xlabel=across if units == "1" else f"{across} ({units})")
    ax.set(ylabel="final return per trial")
    legend_beside(ax)
    return ax


def _place(ax, values):
    """Positions of the values of a setting, the axis being made for them; whether it is numbers."""
    if not numeric(values):
        ax.set_xticks(range(len(values)), [str(v) for v in values])
        ax.set_xlim(-0.5, len(values) - 0.5)
        return np.arange(len(values), dtype=float), False
    if logarithmic(values):
        ax.set_xscale("log")
    shown = values if len(values) <= 8 else values[:: -(-len(values) // 8)]
    ax.set_xticks(shown, [f"{v:g}" for v in shown])
    ax.minorticks_off()
    return np.asarray(values, float), True


def finding(data):
    """From where to where the median final return goes, as two lines of text."""
    settings = varied(data)
    final = data["evaluation"]["final_return"].values
    medians = np.apply_along_axis(lambda row: _quartiles(row)[0], -1, final)
    if np.isnan(medians).all():
        return "No trial ended in any evaluation"

    def described(level):
        places = np.argwhere(np.round(medians, 2) == round(level, 2))
        where = f"{len(places)} of {medians.size} points"
        if len(places) == 1:
            pairs = zip(settings.items(), places[0], strict=True)
            where = ", ".join(_label(name, values[k]) for (name, values), k in pairs)
        return f"{level:.2f} ({where})"

    low, high = (described(level) for level in (np.nanmin(medians), np.nanmax(medians)))
    return f"Median final return from {low}\nto {high}"


@styled
def figure(data):
    """Final return against up to two settings; a panel for each combination of further ones.

    Returns
    -------
    matplotlib Figure
    """
    settings = varied(data)
    _, _, others = axes_of(data)
    combinations = list(itertools.product(*(settings[name] for name in others)))
    columns = min(len(combinations), 3)
    rows = -(-len(combinations) // columns)
    result = new_figure(2.2 + 3.8 * columns, 0.6 + 3.0 * rows)
    axes = result.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for ax in axes.flat[len(combinations) :]:
        ax.set_axis_off()
    for k, (ax, values) in enumerate(zip(axes.flat, combinations, strict=False)):
        at = dict(zip(others, values, strict=True))
        plot_final_return(data, ax=ax, at=at)
        ax.set_title(", ".join(_label(*pair) for pair in at.items()))
        if k % columns:
            ax.set_ylabel("")
        lowest = k + columns >= len(combinations)
        ax.tick_params(labelbottom=lowest)
        if not lowest:
            ax.set_xlabel("")
    # One legend for all panels; a failure may be in any of them.
    handles = {}
    for ax in axes.flat[: len(combinations)]:
        handles |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
        if ax.get_legend():
            ax.get_legend().remove()
    if handles:
        result.legend(handles.values(), handles.keys(), loc="outside center right")
    result.suptitle(finding(data), fontsize=10)
    return result
