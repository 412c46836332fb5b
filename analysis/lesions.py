"""Performance against the share of a pathway that is removed, before and after learning."""

import math

import numpy as np

from .style import COLOURS, new_figure, styled
from .trials import bootstrap_interval

WHEN = {
    "after": ("lesion after learning", COLOURS["vermillion"], "o", "-"),
    "before": ("lesion before learning", COLOURS["blue"], "s", "--"),
}
TASKS = {"memory_chain": "memory", "bernoulli_bandit": "choice"}
#: Panels side by side, at most.
COLUMNS = 9


def loss(data, task, when):
    """Median loss of return by removing a pathway wholly, as a share of what intact agents gain over
    chance; (pathway,).
    """
    part = data["lesions"].to_dataset().sel(task=task, when=when)
    median = part["mean_return"].median("replicate")
    intact, gone = median.isel(fraction=0), median.isel(fraction=-1)
    return ((intact - gone) / (intact - part["chance_return"])).values


def learned(data, task):
    """Whether intact agents are above chance, by the 95 % interval of their median."""
    part = data["lesions"].to_dataset().sel(task=task)
    intact = part["mean_return"].isel(when=0, pathway=0, fraction=0).values
    return bootstrap_interval(intact)[0] > float(part["chance_return"])


def unshown(data, task):
    """Why nothing can be said of a task, as text; empty if something can."""
    if data["lesions"].sizes["replicate"] < 2:
        return "one replicate shows nothing"
    return "" if learned(data, task) else "nothing was learned in these steps"


def worst(data, task, when):
    """Pathway whose removal costs most, and how much, as text."""
    if why := unshown(data, task):
        return why
    lost = loss(data, task, when)
    k = int(np.argmax(lost))
    return f"{data['lesions']['pathway'].values[k]} ({100 * lost[k]:.0f} % of what was learned)"


def made_up(data, task):
    """Pathway whose removal costs most beyond what it costs those that learn without it, as text.

    No pathway is named if nothing was learned, or if the bootstrap interval of the median difference
    between the two over replicates holds 0. The pathway is the largest of several differences, one of
    which is large by chance the more often the more they are; the level of the interval is therefore
    1 - 0.05 divided by their number (Bonferroni).
    """
    extra = loss(data, task, "after") - loss(data, task, "before")
    k = int(np.argmax(extra))
    part = data["lesions"].to_dataset().sel(task=task).isel(pathway=k, fraction=-1)["mean_return"]
    difference = part.sel(when="before").values - part.sel(when="after").values
    level = 1 - 0.05 / len(extra)
    if not (learned(data, task) and bootstrap_interval(difference, level=level)[0] > 0):
        return "no pathway costs clearly more after learning than before"
    after, before = (100 * loss(data, task, when)[k] for when in ("after", "before"))
    name = data["lesions"]["pathway"].values[k]
    return f"learning makes up most for {name} ({after:.0f} % lost after learning, {before:.0f} % before)"


def finding(data, task):
    """What came out of a task, as lines of a title."""
    if why := unshown(data, task):
        return why
    most = ", ".join(f"{worst(data, task, when)} {when}" for when in WHEN)
    share = 100 * float(data["lesions"]["fraction"][-1])
    removal = "removal" if share == 100 else f"removal of {share:g} %"
    return f"{removal} costs most in\n{most} learning;\n{made_up(data, task)}"


def summary(data):
    """The outcome as lines of text."""
    group = data["lesions"].to_dataset()
    rows = [
        f"{group.sizes['replicate']} replicates; median return (95 % interval) by share removed"
    ]
    for task in group["task"].values:
        part = group.sel(task=task)
        rows.append(f"{task}: chance {float(part['chance_return']):.2f}")
        for when in group["when"].values:
            rows.append(f"  lesion {when} learning")
            for pathway in group["pathway"].values:
                cells = []
                for share in group["fraction"].values:
                    values = part["mean_return"].sel(when=when, pathway=pathway, fraction=share)
                    low, high = bootstrap_interval(values.values, np.median)
                    cells.append(
                        f"{100 * share:.0f} %: {float(values.median()):.2f} ({low:.2f}-{high:.2f})"
                    )
                rows.append(f"    {pathway:<18} " + "   ".join(cells))
            rows.append(f"    costs most: {worst(data, task, when)}")
        rows.append(f"  {made_up(data, task)}")
    return rows


@styled
def plot_lesions(data, task, pathway, *, ax):
    """Return against the share of a pathway removed: median and quartiles over replicates.

    Parameters
    ----------
    data : xarray.DataTree
    task, pathway : str
    ax : matplotlib.axes.Axes

    Returns
    -------
    matplotlib.axes.Axes
    """
    part = data["lesions"].to_dataset().sel(task=task, pathway=pathway)
    share = 100 * part["fraction"].values
    for when, (label, colour, marker, line) in WHEN.items():
        values = part["mean_return"].sel(when=when).values
        low, middle, high = np.percentile(values, [25, 50, 75], axis=-1)
        ax.fill_between(share, low, high, color=colour, alpha=0.2, linewidth=0)
        ax.plot(share, middle, line, marker=marker, markersize=4, color=colour, label=label)
    chance = float(part["chance_return"])
    if math.isfinite(chance):
        ax.axhline(chance, color=COLOURS["grey"], linestyle=":", linewidth=1.2, label="chance")
    ax.set_xticks([0, 50, 100])
    return ax


@styled
def figure(data):
    """A row for each task, a panel for each pathway."""
    group = data["lesions"]
    tasks, pathways = group["task"].values, group["pathway"].values
    lines = -(-len(pathways) // COLUMNS)
    columns = -(-len(pathways) // lines)
    fig = new_figure(max(8.0, 1.42 * columns + 0.8), 2.25 * lines * len(tasks) + 0.7)
    parts = fig.subfigures(len(tasks) + 1, 1, height_ratios=[*[1.0] * len(tasks), 0.12])
    for part, task in zip(parts, tasks, strict=False):
        grid = part.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).flat
        for k, ax in enumerate(grid):
            if k >= len(pathways):
                ax.axis("off")
                continue
            plot_lesions(data, task, pathways[k], ax=ax)
            ax.tick_params(labelbottom=k + columns >= len(pathways))
            ax.set_title(pathways[k].replace("->", " \u2192 "), fontsize=8)
        part.suptitle(
            f"{TASKS.get(task, task).capitalize()} ({task}): {finding(data, task)}",
            x=0.01,
            ha="left",
            fontsize=9.5,
        )
        part.supylabel("mean return", fontsize=9)
        part.supxlabel("synapses removed (%)", fontsize=9)
    parts[-1].legend(*parts[0].axes[0].get_legend_handles_labels(), loc="center", ncols=3)
    return fig
