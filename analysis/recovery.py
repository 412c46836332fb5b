"""Learning after a lesion, beside learning that goes on intact, and learning without the synapses."""

import numpy as np

from .style import COLOURS, axes_or_new, new_figure, styled
from .trials import bootstrap_interval

CONDITIONS = {
    "intact": ("learns on intact", COLOURS["green"], "-"),
    "lesioned": ("lesioned after learning", COLOURS["vermillion"], "-"),
    "naive": ("lesioned before learning", COLOURS["blue"], "--"),
}
#: Share of the intact return that counts as regained.
REGAINED = 0.9
#: Steps that nobody waits for.
NEVER = 1e18


def curves(data, condition):
    """Mean returns, (replicate, checkpoint), and steps."""
    group = data["recovery"].to_dataset().sel(condition=condition)
    return group["mean_return"].values, group["step"].values


def steps_to_regain(data, condition="lesioned"):
    """Steps until a replicate has regained the return, (replicate,); infinite where it has not.

    The return to regain is `REGAINED` of the way from chance to the median of intact agents.
    """
    intact, _ = curves(data, "intact")
    chance = data.attrs.get("chance_return", 0.0)
    # Where nothing was learned there is nothing to regain.
    if "chance_return" in data.attrs and not bootstrap_interval(intact[:, 0])[0] > chance:
        return np.full(len(intact), np.inf)
    level = chance + REGAINED * (np.median(intact[:, 0]) - chance)
    values, steps = curves(data, condition)
    return np.array([steps[row >= level][0] if (row >= level).any() else np.inf for row in values])


def _median(values, digits=0):
    # Intervals cannot be interpolated to infinity.
    values = np.minimum(values, NEVER)
    found = (np.median(values), *bootstrap_interval(values, np.median))
    text = ["never" if v > NEVER / 2 else f"{v:,.{digits}f}" for v in found]
    return f"{text[0]} ({text[1]} to {text[2]})"


def summary(data):
    """The outcome as lines of text."""
    share = 100 * data.attrs["fraction"]
    rows = [f"{share:g} % of {data.attrs['pathway']} removed; medians (95 % interval)"]
    for condition, (label, *_) in CONDITIONS.items():
        values, _ = curves(data, condition)
        rows.append(
            f"  {label:<26} return {_median(values[:, 0], 2)} at first, "
            f"{_median(values[:, -1], 2)} in the end"
        )
    for condition in ("lesioned", "naive"):
        rows.append(
            f"  {CONDITIONS[condition][0]}: {100 * REGAINED:.0f} % of the intact return after "
            f"{_median(steps_to_regain(data, condition))} steps"
        )
    return rows


@styled
def plot_recovery(data, *, ax=None):
    """Return against steps from the lesion: median and quartiles over replicates.

    Parameters
    ----------
    data : xarray.DataTree
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax)
    for condition, (label, colour, line) in CONDITIONS.items():
        values, steps = curves(data, condition)
        low, middle, high = np.percentile(values, [25, 50, 75], axis=0)
        ax.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
        ax.plot(steps, middle, line, color=colour, label=label)
    if "chance_return" in data.attrs:
        ax.axhline(
            data.attrs["chance_return"], color=COLOURS["grey"], linestyle=":", label="chance"
        )
    ax.set_xlabel("steps from the lesion")
    ax.set_ylabel("mean return, plasticity off")
    return ax


@styled
def figure(data):
    """Learning curves, with the finding as title."""
    fig = new_figure(7.0, 3.4)
    ax = plot_recovery(data, ax=fig.add_subplot())
    lesioned, _ = curves(data, "lesioned")
    intact, _ = curves(data, "intact")
    after = steps_to_regain(data)
    when = "not shown to be regained"
    if np.isfinite(np.median(after)):
        when = f"regained after {_median(after)} steps (median, 95 % interval)"
    lost = np.median(intact[:, 0]) - np.median(lesioned[:, 0])
    ax.set_title(
        f"{100 * data.attrs['fraction']:g} % of {data.attrs['pathway']} removed: return falls by "
        f"{lost:.2f},\n{100 * REGAINED:.0f} % {when}"
    )
    fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return fig
