"""Activity of a population around an event: in the order of its peaks, or on its first components."""

import numpy as np

from .style import COLOURS, LINES, axes_or_new, captioned, legend_beside, styled
from .trials import aligned, replicate_means

#: Components that are drawn.
COMPONENTS = 3


def mean_activity(data, population, event, before, after, replicate):
    """Mean over all whole trials of a replicate.

    Parameters
    ----------
    data : xarray.DataTree
    population : str
        A variable of ``traces`` with a value for each neuron.
    event : str
    before, after : int
        Steps around the event.
    replicate : int

    Returns
    -------
    lag : ndarray (lag,) in ms
    mean : ndarray (lag, neuron)
        NaN where no trial has such a lag.
    trials : int
    """
    table = aligned(data, population, event, before, after)
    table = table[table["replicate"].values == replicate]
    if not table.sizes["trial"]:
        return table["lag"].values, np.full(table.shape[1:], np.nan), 0
    return table["lag"].values, replicate_means(table)[0], table.sizes["trial"]


def by_peak(mean):
    """Neurons in the order of the lag at which each is most active.

    Parameters
    ----------
    mean : array (lag, neuron)

    Returns
    -------
    ndarray (neuron,) of int
    """
    return np.argsort(np.argmax(np.where(np.isnan(mean), -np.inf, mean), axis=0), kind="stable")


def components(mean, count=COMPONENTS):
    """Principal components over the neurons, of mean activity about its mean over lags.

    Parameters
    ----------
    mean : array (lag, neuron)
        Lags with a NaN are left out, and are NaN in the result.
    count : int
        Fewer are returned where there are fewer lags or neurons.

    Returns
    -------
    scores : ndarray (lag, component)
    share : ndarray (component,)
        Of the variance.
    """
    known = ~np.isnan(mean).any(axis=1)
    count = min(count, mean.shape[1], int(known.sum()))
    scores, share = np.full((len(mean), count), np.nan), np.zeros(count)
    if count:
        centred = mean[known] - mean[known].mean(axis=0)
        left, size, _ = np.linalg.svd(centred, full_matrices=False)
        scores[known] = (left * size)[:, :count]
        total = (size**2).sum()
        share = size[:count] ** 2 / total if total else share
    return scores, share


@styled
def plot_population(data, population, event, *, before, after, replicate=0, order="peak", ax=None):
    """Mean activity of a replicate around an event, a heat map of neurons or curves of components.

    Parameters
    ----------
    data : xarray.DataTree
    population : str
    event : str
    before, after : int
        Steps around the event.
    replicate : int
    order : {"peak", "stored", "components"}
        Neurons by the lag of their peak, as they are stored, or their first components.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    ax = axes_or_new(ax)
    lag, mean, count = mean_activity(data, population, event, before, after, replicate)
    ax.set(xlabel=f"time from {event} (ms)")
    told = f"replicate {replicate}, mean of {count:,} trials"
    if order == "components":
        scores, share = components(mean)
        for k, curve in enumerate(scores.T):
            colour = list(COLOURS.values())[k]
            ax.plot(lag, curve, LINES[k], color=colour, label=f"{k + 1}: {share[k]:.0%}")
        ax.axvline(0, color="black", linewidth=0.8, linestyle="--")
        ax.set(ylabel="component (rate)")
        captioned(ax, f"{population}: {share.sum():.0%} of variance in {len(share)}", told)
        legend_beside(ax)
        return ax
    rows = by_peak(mean) if order == "peak" else np.arange(mean.shape[1])
    limit = max(float(np.nanmax(np.abs(mean), initial=0.0)), 1e-9)
    style = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit, "shading": "nearest"}
    image = ax.pcolormesh(lag, np.arange(len(rows)), mean[:, rows].T, **style)
    ax.figure.colorbar(image, ax=ax, label="rate")
    ax.axvline(0, color="black", linewidth=0.8, linestyle="--")
    ax.set(ylabel="neuron, by its peak" if order == "peak" else "neuron")
    captioned(ax, f"{population} around {event}", told)
    return ax
