"""The figure of the pole-balancing experiment: learning, trial length, dopamine, activity, policy."""

import numpy as np

from .activity import colour_limit, plot_activity, replicate_activity
from .event_aligned import plot_event_aligned
from .learning_curve import plot_learning_curve
from .style import (
    COLOURS,
    PERIODS,
    axes_or_new,
    legend_below,
    legend_beside,
    letter,
    median_and_quartiles,
    new_figure,
    styled,
)
from .train import plot_trials
from .trials import (
    counted,
    final_return,
    nan_mean,
    recorded,
    select_period,
    summary_table,
    typical,
    whole_trials,
)

#: Steps shown before the pole falls.
BEFORE_FALL = 25


def summary(data):
    """The outcome as lines of text."""
    return summary_table(data)


@styled
def plot_policy_against_angle(data, *, ax=None, bins=13):
    """Probability of pushing right against the angle of the pole, early against late.

    Raises
    ------
    ValueError
        If observation or policy was not recorded, or the task has no action ``right``.
    """
    ax = axes_or_new(ax)
    traces = recorded(data, "observation", "policy")
    if "right" not in traces["action_unit"].values:
        raise ValueError(
            f"task {data.attrs.get('task')!r} has no action 'right'; one of a pole is needed"
        )
    channels = list(traces["observation_channel"].values)
    channel = "theta" if "theta" in channels else channels[0]
    angle = traces["observation"].sel(observation_channel=channel).values
    right = traces["policy"].sel(action_unit="right").values
    limit = np.nanpercentile(np.abs(angle), 98)
    edges = np.linspace(-limit, limit, bins + 1)
    centres = (edges[:-1] + edges[1:]) / 2
    half = traces["step"].values > traces["step"].values.max() / 2
    for period, colour in PERIODS.items():
        chosen = half if period == "late" else ~half
        rows = []
        for r in range(len(angle)):
            which = np.digitize(angle[r, chosen], edges) - 1
            rows.append(
                [
                    right[r, chosen][which == b].mean() if (which == b).any() else np.nan
                    for b in range(bins)
                ]
            )
        rows = np.array(rows)
        low, high = (nan_mean(rows[:, side]) for side in (centres < 0, centres > 0))
        median_and_quartiles(ax, centres, rows, period, colour)
    ax.axhline(0.5, color=COLOURS["grey"], linestyle=":", linewidth=1)
    unit = " (rad)" if channel == "theta" else ""
    ax.set(xlabel=f"{channel}{unit}", ylabel="P(push right)", ylim=(-0.03, 1.03))
    ax.set_title(f"P(push right) late: {low:.2f} at\n{channel} < 0, {high:.2f} at {channel} > 0")
    legend_beside(ax)
    return ax


@styled
def figure(data):
    """Everything about the pole-balancing experiment in one figure."""
    fig = new_figure(10.5, 7.4)
    grid = fig.add_gridspec(3, 3)
    curve = plot_learning_curve(data, ax=fig.add_subplot(grid[0, :2]))
    length = plot_trials(data, "length", ax=fig.add_subplot(grid[0, 2]))
    dopamine = fig.add_subplot(grid[1, 0])
    value = fig.add_subplot(grid[1, 1])
    for ax, name, event, step in (
        (dopamine, "dopamine", "at the fall", 0),
        (value, "value", "before the fall", -1),
    ):
        early, late = (typical(data, name, "fall", period, step) for period in PERIODS)
        title = f"{name.capitalize()} {event}:\n{early:.2f} early, {late:.2f} late"
        plot_event_aligned(data, name, "fall", before=BEFORE_FALL, after=0, ax=ax, title=title)
    policy = plot_policy_against_angle(data, ax=fig.add_subplot(grid[1, 2]))
    heat = fig.add_subplot(grid[2, :])
    _last_trial(data, heat)
    for ax, text in zip((curve, length, dopamine, value, policy, heat), "ABCDEF", strict=True):
        letter(ax, text)
    task, count = data.attrs["task"], counted(len(final_return(data)), "replicate")
    legend_below(fig)
    fig.suptitle(
        f"Real-time recurrent reinforcement learning of {task}, {count}\n"
        "Curves and bands: median and quartiles over replicates",
        fontsize=10.5,
    )
    return fig


def _last_trial(data, ax):
    """Activity in the longest late trial of the replicate nearest the median."""
    final = final_return(data)
    replicate = int(np.argmin(np.abs(final - np.median(final))))
    trials = select_period(data, whole_trials(data), "late")
    trials = trials[trials[:, 0] == replicate]
    if not len(trials):
        ax.set_axis_off()
        ax.text(0.5, 0.5, "no whole trial recorded late in learning", ha="center")
        return
    lengths = trials[:, 2] - trials[:, 1]
    longest = int(np.argmax(lengths))
    table = replicate_activity(data, "cortex", "start", 0, int(lengths[longest]) - 1, replicate)
    table = table[longest : longest + 1]
    order = np.argsort(-np.nanmean(table.values[0], axis=0))
    limit = colour_limit(table)
    title = "Cortex in one trial, late in learning"
    plot_activity(table, ax=ax, order=order, event="start", title=title, limit=limit)
