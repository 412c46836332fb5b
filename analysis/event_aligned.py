"""A signal around an event of the trial, early against late in learning."""

from analysis.style import PERIODS, axes_or_new, median_and_quartiles, styled
from analysis.trials import aligned, replicate_means


@styled
def plot_event_aligned(data, variable, event, *, before, after, ax=None, title=None):
    """Mean over trials, then median and quartiles over replicates.

    Parameters
    ----------
    data : xarray.DataTree
    variable : str
        In ``traces``: `dopamine`, `value`, `reward`, ...
    event : str
        An event of the task.
    before, after : int
        Steps around it.
    ax : matplotlib Axes, optional
    title : str, optional

    Returns
    -------
    matplotlib Axes
    """
    ax = axes_or_new(ax)
    for period, colour in PERIODS.items():
        table = aligned(data, variable, event, before, after, period)
        if table.sizes["trial"]:
            values = replicate_means(table)
            median_and_quartiles(
                ax, table["lag"].values, values, period, colour, marker="o", markersize=3
            )
    ax.axvline(0, color="black", linewidth=0.8, linestyle="--")
    ax.axhline(0, color="black", linewidth=0.5)
    long_name = data["traces"][variable].attrs["long_name"]
    ax.set(xlabel=f"time from {event} (ms)", ylabel=long_name)
    if title:
        ax.set_title(title)
    return ax
