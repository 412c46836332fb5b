"""A signal around an event of the trial, early against late in learning."""

from .statistics import mean_and_error
from .style import (
    PERIODS,
    axes_or_new,
    captioned,
    legend_beside,
    median_and_quartiles,
    quartiles_of,
    styled,
)
from .trials import aligned, recorded, replicate_means, typical

#: Outcome of the trial to how its curve is drawn.
OUTCOME_LINES = {"rewarded": "-", "unrewarded": ":"}


@styled
def plot_event_aligned(
    data,
    variable,
    event,
    *,
    before,
    after,
    by_outcome=False,
    replicate=None,
    ax=None,
    title=None,
    colour=None,
    label=None,
):
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
    by_outcome : bool
        Draw trials with a positive return apart from the others.
    replicate : int, optional
        Of this one alone: the mean over its trials, and the standard error of that.
    ax : matplotlib Axes, optional
        Without it, axes of a figure of their own, with a legend and a caption.
    title : str, optional
    colour, label : optional
        Of one curve: that of the trials late in learning alone, to be compared with other runs.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        For an event that the task has not, and a variable that was not recorded or has several values.
    """
    alone, ax = (ax is None, axes_or_new(ax))
    traces = recorded(data, variable)
    if traces[variable].ndim > 2:
        own = traces[variable].dims[-1]
        raise ValueError(
            f"{variable!r} has a value for each {own}; plot_activity draws it, or choose one: "
            f"data['traces'][{variable!r}][..., 0]"
        )
    for period, shade in {"late": colour}.items() if colour else PERIODS.items():
        table = aligned(data, variable, event, before, after, period)
        for name, line, part in _parts(table, period, by_outcome):
            if replicate is not None:
                part = part[part["replicate"].values == replicate]
                mean, error = mean_and_error(part.values)
                lag, text = part["lag"].values, f"{name}, {part.sizes['trial']:,} trials"
                ax.fill_between(lag, mean - error, mean + error, color=shade, alpha=0.25)
                ax.plot(lag, mean, line, label=text, color=shade)
            elif part.sizes["trial"]:
                median_and_quartiles(
                    ax,
                    part["lag"].values,
                    replicate_means(part),
                    (label or name) if name == period else f"{label or ''} {name}".strip(),
                    shade,
                    linestyle=line,
                    marker="o",
                    markersize=3,
                )
    ax.axvline(0, color="black", linewidth=0.8, linestyle="--")
    ax.axhline(0, color="black", linewidth=0.5)
    long_name = data["traces"][variable].attrs["long_name"]
    ax.set(xlabel=f"time from {event} (ms)", ylabel=long_name)
    count = data["traces"].sizes["replicate"]
    if title:
        ax.set_title(title)
    if alone:
        what = (
            quartiles_of(count) if replicate is None else f"replicate {replicate}, mean and error"
        )
        captioned(ax, title or f"{long_name} around {event}", f"{what}; trials early and late")
        legend_beside(ax)
    if label:
        at = typical(data, variable, event, "late")
        captioned(
            ax, f"{long_name} at {event}: {at:.2f}", f"late in learning; {quartiles_of(count)}"
        )
    return ax


def _parts(table, period, by_outcome):
    """(label, line style, trials) of the curves of a period."""
    if not by_outcome:
        return [(period, "-", table)]
    rewarded = table["trial_return"].values > 0
    return [
        (f"{period}, {outcome}", line, table[rewarded == (outcome == "rewarded")])
        for outcome, line in OUTCOME_LINES.items()
    ]
