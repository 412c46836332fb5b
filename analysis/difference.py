"""What one run has more than another: differences of means over replicates."""

import numpy as np

from .statistics import mean_and_error
from .style import COLOURS, axes_or_new, captioned, styled
from .trials import aligned, replicate_means


def difference(values, reference):
    """Difference of means of two groups of replicates, and its standard error.

    Replicates are those of independent runs: they are not paired.

    Parameters
    ----------
    values, reference : array (replicate, points)

    Returns
    -------
    (mean, error) : arrays (points,)
        The error is NaN where one has fewer than two replicates.
    """
    (a, error_a), (b, error_b) = mean_and_error(values), mean_and_error(reference)
    return a - b, np.hypot(error_a, error_b)


def learning_curves(data, at=None):
    """Evaluations of each replicate, at their own steps or at others in between.

    Parameters
    ----------
    data : xarray.DataTree
    at : array of int, optional

    Returns
    -------
    step : ndarray (points,)
    values : ndarray (replicate, points)
        NaN beyond the last evaluation.
    """
    step = data["evaluation"]["step"].values
    values = data["evaluation"]["mean_return"].values
    if at is None:
        return step, values
    rows = [np.interp(at, step, row, left=np.nan, right=np.nan) for row in values]
    return at, np.array(rows)


def around(data, variable, event, before, after):
    """Mean over the trials late in learning around an event, of each replicate.

    Returns
    -------
    lag : ndarray (lag,) in ms
    values : ndarray (replicate, lag)
    """
    table = aligned(data, variable, event, before, after, "late")
    return table["lag"].values, replicate_means(table)


@styled
def plot_difference(
    data,
    reference,
    variable=None,
    event=None,
    *,
    before=5,
    after=5,
    ax=None,
    colour=None,
    label=None,
):
    """Learning curve, or a signal around an event late in learning, of one run less another.

    Mean over replicates and its standard error.

    Parameters
    ----------
    data, reference : xarray.DataTree
    variable, event : str, optional
        The learning curve if nothing is said.
    before, after : int
        Steps around the event.
    ax : matplotlib Axes, optional
    colour, label : optional
        Of the curve.

    Returns
    -------
    matplotlib Axes
    """
    ax = axes_or_new(ax)
    if variable is None:
        x, a = learning_curves(data)
        b = learning_curves(reference, x)[1]
        ax.set(xlabel="step of learning", ylabel="difference of return")
    else:
        x, a = around(data, variable, event, before, after)
        b = around(reference, variable, event, before, after)[1]
        ax.set(xlabel=f"time from {event} (ms)", ylabel=f"difference of {variable}")
    mean, error = difference(a, b)
    colour = colour or COLOURS["blue"]
    ax.fill_between(x, mean - error, mean + error, color=colour, alpha=0.25, linewidth=0)
    ax.plot(x, mean, color=colour, label=label)
    ax.axhline(0, color="black", linewidth=0.6)
    captioned(ax, "Difference", f"mean and standard error, n = {len(a)} and {len(b)} replicates")
    return ax
