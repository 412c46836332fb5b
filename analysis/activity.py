"""Activity of a population through the trial, as a heat map."""

import numpy as np

from .style import axes_or_new, styled
from .trials import aligned


@styled
def plot_activity(
    table, *, ax=None, order=None, title=None, event="event", colorbar=True, limit=1.0
):
    """Mean activity of every neuron against time.

    Parameters
    ----------
    table : xarray.DataArray (trial, lag, unit)
        From `analysis.trials.aligned`, of one replicate.
    ax : matplotlib Axes, optional
    order : array of int, optional
        Order of the neurons from top to bottom.
    title : str, optional
    event : str
        What the time axis counts from.
    colorbar : bool
    limit : float
        Ends of the colours.

    Returns
    -------
    matplotlib Axes
    """
    ax = axes_or_new(ax)
    mean = np.nanmean(table.values, axis=0)
    order = np.arange(mean.shape[1]) if order is None else order
    lag = table["lag"].values
    width = lag[1] - lag[0] if len(lag) > 1 else 1.0
    image = ax.imshow(
        mean[:, order].T,
        aspect="auto",
        cmap="RdBu_r",
        vmin=-limit,
        vmax=limit,
        interpolation="nearest",
        extent=(lag[0] - width / 2, lag[-1] + width / 2, mean.shape[1] - 0.5, -0.5),
    )
    ax.set(xlabel=f"time from {event} (ms)", ylabel="neuron (sorted)")
    if title:
        ax.set_title(title)
    if colorbar:
        ax.figure.colorbar(image, ax=ax, label="rate", shrink=0.9)
    return ax


def colour_limit(*tables):
    """Ends of the colours for several panels: 1, or more where activity goes beyond."""
    largest = max(float(np.nanmax(np.abs(np.nanmean(t.values, axis=0)))) for t in tables)
    return max(1.0, float(np.ceil(10 * largest) / 10))


def replicate_activity(data, population, event, before, after, replicate, period="late"):
    """Aligned activity of one replicate, (trial, lag, unit)."""
    table = aligned(data, population, event, before, after, period)
    return table[table["replicate"].values == replicate]
