"""Return against steps learned."""

import json

import numpy as np

from .style import (
    COLOURS,
    axes_or_new,
    captioned,
    median_and_quartiles,
    quartiles_of,
    styled,
)


def plot_reference_returns(data, *, ax):
    """Lines at the returns of guessing and of the best policy, where they are known."""
    for key, text in (("best_return", "best possible"), ("chance_return", "guessing")):
        if key in data.attrs:
            level = data.attrs[key]
            ax.axhline(level, color=COLOURS["grey"], linestyle=":", linewidth=1)
            ax.annotate(
                text,
                (1, level),
                xycoords=("axes fraction", "data"),
                xytext=(3, 0),
                textcoords="offset points",
                ha="left",
                va="center",
                fontsize=7.5,
                color=COLOURS["grey"],
            )


def mark_interventions(data, *, ax, steps_per_unit=1000, colour=COLOURS["grey"]):
    """Shade the steps in which something was done to the circuit.

    Parameters
    ----------
    data : xarray.DataTree
    ax : matplotlib Axes
        Whose x axis are steps learned.
    steps_per_unit : float
        Steps in one unit of that axis.
    colour : str

    Returns
    -------
    str
        What was done when, for the caption; empty if nothing was.
    """
    run = json.loads(data.attrs["configuration"]).get("run", {})
    told = []
    for done in run.get("interventions", ()):
        what = " ".join(str(done[k]) for k in ("kind", "target", "value") if done[k] is not None)
        start = done["start"]
        if isinstance(start, str):
            told.append(f"{what}, at each {start}")
            continue
        first = start + done["delay"]
        last = run["steps"] if done["duration"] is None else first + done["duration"]
        ax.axvspan(
            first / steps_per_unit, last / steps_per_unit, color=colour, alpha=0.15, linewidth=0
        )
        told.append(f"shaded: {what}")
    return "; ".join(told)


@styled
def plot_learning_curve(data, *, ax=None, colour=COLOURS["blue"], label=None):
    """Mean return with plasticity off: median over replicates, quartiles, single replicates faint.

    Parameters
    ----------
    data : xarray.DataTree
    ax : matplotlib Axes, optional
    colour, label : of the curve

    Returns
    -------
    matplotlib Axes
    """
    ax = axes_or_new(ax)
    evaluation = data["evaluation"]
    x = evaluation["step"].values / 1000
    values = evaluation["mean_return"].values
    median_and_quartiles(ax, x, values, label, colour, singles=True)
    done = mark_interventions(data, ax=ax, **({"colour": colour} if label else {}))
    plot_reference_returns(data, ax=ax)
    final = values[:, -1]
    ax.set(xlabel="steps learned (thousands)", ylabel="return per trial, plasticity off")
    caption = f"{quartiles_of(len(final))}, each thin"
    captioned(ax, f"Final return {np.median(final):.2f}", "\n".join(filter(None, (caption, done))))
    ax.margins(x=0.02)
    return ax
