"""The figure of the memory experiment: learning, dopamine, activity, policy."""

import json

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
    new_figure,
    styled,
)
from .trials import aligned, final_return, replicate_means, summary_table, typical


def summary(data):
    """The outcome as lines of text."""
    solved = int((final_return(data) >= 0.95).sum())
    lines = summary_table(data)
    return [*lines, f"  {solved} of {len(final_return(data))} replicates end at 0.95 or more"]


def contexts(data, period):
    """The remembered bit (-1 or 1) of every whole trial, with its replicate."""
    table = aligned(data, "observation", "cue", 0, 0, period)
    channel = list(data["traces"]["observation_channel"].values).index("context")
    return table.values[:, 0, channel], table["replicate"].values


@styled
def plot_policy_at_query(data, *, ax=None):
    """Probability of the right report when asked, by context, early against late.

    Each dot is a replicate, the bar the median over replicates.
    """
    ax = axes_or_new(ax)
    overall = {}
    for k, (period, colour) in enumerate(PERIODS.items()):
        label = period
        context, _ = contexts(data, period)
        table = aligned(data, "policy", "query", 0, 0, period)
        for j, bit in enumerate((-1, 1)):
            right = table[context == bit][:, :, (bit + 1) // 2]
            values = np.array(replicate_means(right)[:, 0] if right.sizes["trial"] else [])
            overall.setdefault(period, []).extend(values)
            x = j + 0.22 * (2 * k - 1)
            spread = np.linspace(-0.09, 0.09, len(values)) if len(values) > 1 else 0 * values
            ax.plot(x + spread, values, "o", color=colour, markersize=3.5, alpha=0.7)
            if len(values):
                ax.plot([x - 0.14, x + 0.14], [np.median(values)] * 2, color=colour, label=label)
                label = None
    ax.axhline(0.5, color=COLOURS["grey"], linestyle=":", linewidth=1)
    early, late = (np.median(overall[p]) if overall[p] else np.nan for p in PERIODS)
    title = f"The memory decides: {early:.2f} early, {late:.2f} late"
    ax.set(xticks=[0, 1], xticklabels=["cue 0", "cue 1"], ylim=(-0.03, 1.03), xlim=(-0.5, 1.5))
    ax.set(ylabel="P(right report) at the query", title=title)
    legend_beside(ax)
    return ax


@styled
def figure(data):
    """Everything about the memory experiment in one figure.

    Returns
    -------
    matplotlib Figure
    """
    length = int(json.loads(data.attrs["configuration"])["agent"]["task"]["parameters"]["length"])
    fig = new_figure(10.5, 8.6)
    grid = fig.add_gridspec(3, 6, height_ratios=(1, 1, 1.15))
    curve = plot_learning_curve(data, ax=fig.add_subplot(grid[0, :4]))
    policy = plot_policy_at_query(data, ax=fig.add_subplot(grid[0, 4:]))
    letter(curve, "A")
    letter(policy, "B")
    near = min(length, 4)
    titles = {
        "dopamine": ("|Dopamine| at the outcome", "outcome"),
        "value": ("Value at the query", "query"),
        "reward": ("Reward at the outcome", "outcome"),
    }
    for k, (name, (text, event)) in enumerate(titles.items()):
        early, late = (
            typical(data, name, event, period, magnitude=name == "dopamine") for period in PERIODS
        )
        title = f"{text}:\n{early:.2f} early, {late:.2f} late"
        cue = fig.add_subplot(grid[1, 2 * k])
        query = fig.add_subplot(grid[1, 2 * k + 1], sharey=cue)
        apart = {"by_outcome": name == "dopamine"}
        plot_event_aligned(data, name, "cue", before=0, after=near, ax=cue, title=title, **apart)
        plot_event_aligned(data, name, "query", before=near - 1, after=1, ax=query, **apart)
        query.set_ylabel("")
        query.tick_params(labelleft=False)
        letter(cue, "CDE"[k])
    _heat_maps(data, fig, grid, length)
    legend_below(fig)
    solved = int((final_return(data) >= 0.95).sum())
    fig.suptitle(
        f"Memory of one bit over {length} steps, learned online: "
        f"{solved} of {len(final_return(data))} replicates end at 0.95 or more\n"
        "Curves and bands: median and quartiles over replicates; dots: replicates",
        fontsize=10.5,
    )
    return fig


def _heat_maps(data, fig, grid, length):
    """Activity of the replicate nearest the median, by cue, and the difference."""
    final = final_return(data)
    replicate = int(np.argmin(np.abs(final - np.median(final))))
    table = replicate_activity(data, "cortex", "cue", 0, length, replicate)
    context, owner = contexts(data, "late")
    context = context[owner == replicate]
    means = {bit: table[context == bit] for bit in (-1, 1)}
    if not all(t.sizes["trial"] for t in means.values()):
        ax = fig.add_subplot(grid[2, :])
        ax.set_axis_off()
        ax.text(0.5, 0.5, "too few whole trials recorded for a heat map", ha="center")
        return
    difference = means[1].mean("trial") - means[-1].mean("trial")
    order = np.argsort(-difference.values[-1])
    panels = (
        (means[-1], "Cortex after cue 0"),
        (means[1], "Cortex after cue 1"),
        (difference.expand_dims("trial") / 2, "Half the difference:\nthe memory"),
    )
    limit = colour_limit(*(values for values, _ in panels))
    for k, (values, title) in enumerate(panels):
        ax = fig.add_subplot(grid[2, 2 * k : 2 * k + 2])
        plot_activity(
            values, ax=ax, order=order, title=title, event="cue", colorbar=k == 2, limit=limit
        )
        letter(ax, "FGH"[k])
