"""Every trial of a replicate as a row: a signal around an event while the agent learns."""

import numpy as np

from .style import axes_or_new, captioned, styled
from .trials import aligned

#: Rows that are drawn; more trials than these are told by means of neighbours.
ROWS = 300


def trial_rows(table, rows=ROWS):
    """Trials as rows of an image, means of neighbours where they are more than fit.

    Parameters
    ----------
    table : xarray.DataArray (trial, lag)
        From `analysis.trials.aligned`, of one replicate.
    rows : int

    Returns
    -------
    ndarray (rows, lag)
    """
    values = table.values
    if len(values) <= rows:
        return values
    edges = np.linspace(0, len(values), rows + 1).astype(int)[:-1]
    count = np.add.reduceat(~np.isnan(values), edges)
    total = np.add.reduceat(np.nan_to_num(values), edges)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


@styled
def plot_trial_map(data, variable, event, *, before, after, replicate=0, ax=None):
    """A signal around an event, one trial a row, the first on top.

    Parameters
    ----------
    data : xarray.DataTree
    variable : str
        In ``traces``, of one value a step.
    event : str
    before, after : int
        Steps around the event.
    replicate : int
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    ax = axes_or_new(ax)
    table = aligned(data, variable, event, before, after)
    table = table[table["replicate"].values == replicate]
    image, lag, count = trial_rows(table), table["lag"].values, table.sizes["trial"]
    limit = max(float(np.nanmax(np.abs(image), initial=0.0)), 1e-9)
    style = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit, "shading": "nearest"}
    if count:
        at = (np.arange(len(image)) + 0.5) * count / len(image)
        drawn = ax.pcolormesh(lag, at, image, **style)
        ax.figure.colorbar(drawn, ax=ax, label=table.attrs.get("long_name", variable))
        ax.set(ylim=(count, 0))
    ax.axvline(0, color="black", linewidth=0.8, linestyle="--")
    ax.set(xlabel=f"time from {event} (ms)", ylabel="trial")
    told = f"replicate {replicate}, {count:,} trials"
    if count > len(image):
        told += f" as means of {len(image)} rows"
    captioned(ax, f"{variable} around {event}", told)
    return ax
