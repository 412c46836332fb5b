"""Return against steps learned."""

import numpy as np

from .style import COLOURS, axes_or_new, median_and_quartiles, styled


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
                xytext=(-2, 1),
                textcoords="offset points",
                ha="right",
                va="bottom",
                fontsize=7.5,
                color=COLOURS["grey"],
            )


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
    median_and_quartiles(ax, x, values, label or "median, quartiles", colour, singles=True)
    plot_reference_returns(data, ax=ax)
    final = values[:, -1]
    ax.set(xlabel="steps learned (thousands)", ylabel="return per trial")
    ax.set_title(f"Final return {np.median(final):.2f} (median of {len(final)} replicates)")
    ax.margins(x=0.02)
    ax.legend(loc="center right")
    return ax
