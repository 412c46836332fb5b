"""Regret within a trial with frozen weights, and what can be decoded from the cortex meanwhile."""

import numpy as np

from .style import (
    COLOURS,
    axes_or_new,
    legend_below,
    legend_beside,
    letter,
    median_and_quartiles,
    new_figure,
    styled,
)
from .trials import median_and_interval

#: Strategy to colour and line.
STRATEGIES = {
    "Thompson": ("orange", "--"),
    "UCB1": ("purple", "-."),
    "greedy": ("green", ":"),
    "ideal": ("grey", "-"),
}


def total_regret(data):
    """Regret of a whole trial of the bandit, by agent and strategy.

    Returns
    -------
    dict of str to array
        "agent" and "untrained" (replicate,); each strategy a number.
    """
    group = data["bandit"].to_dataset()
    found = {"agent": group["regret"], "untrained": group["untrained_regret"]}
    found = {name: values.sum("pull").values for name, values in found.items()}
    totals = group["strategy_regret"].sum("pull")
    return found | {str(s): float(totals.sel(strategy=s)) for s in totals["strategy"].values}


def maze_regret(data):
    """Goals that were missed by each step of a trial of the maze, against knowing where the goal is.

    Returns
    -------
    dict of str to array
        "agent" and "untrained" (replicate, step); each strategy (step,).
    """
    group = data["maze"].to_dataset()
    strategies = {str(s): group["strategy_goals"].sel(strategy=s) for s in group["strategy"].values}
    best = strategies.pop("knows the goal").values
    found = {"agent": group["goals"], "untrained": group["untrained_goals"], **strategies}
    return {name: best - values.values for name, values in found.items()}


def _text(values):
    if np.ndim(values) == 0:
        return f"{values:.2f}"
    return "{:.2f} ({:.2f} to {:.2f})".format(*median_and_interval(values))


def summary(data):
    """The outcome as lines of text."""
    bandit = data["bandit"].to_dataset()
    lines = [
        f"{bandit.sizes['replicate']} replicates, weights frozen; median (95 % bootstrap interval)",
        f"  regret of a trial of {bandit.sizes['pull']} pulls",
    ]
    lines += [f"    {name:<12} {_text(value)}" for name, value in total_regret(data).items()]
    steps = data["maze"].sizes["time_in_trial"]
    lines.append(
        f"  goals missed in a trial of {steps} steps of the maze, against knowing the goal"
    )
    lines += [f"    {name:<12} {_text(v[..., -1])}" for name, v in maze_regret(data).items()]
    lines.append("  accuracy of the arm that pays, decoded from the cortex (an ideal observer)")
    group = data["decoding"].to_dataset()
    for k, pull in enumerate(group["pull"].values):
        own, ideal = (group[name].values[:, k] for name in ("accuracy", "ideal"))
        lines.append(f"    after {pull:3d} pulls  {_text(own)}  ({np.median(ideal):.2f})")
    return lines


@styled
def plot_regret(data, *, ax=None):
    """Cumulative regret within a trial of the bandit."""
    ax = axes_or_new(ax)
    group = data["bandit"].to_dataset()
    pull = group["pull"].values
    for name, text, colour in (
        ("regret", "agent, frozen", "blue"),
        ("untrained_regret", "untrained", "vermillion"),
    ):
        median_and_quartiles(ax, pull, group[name].values.cumsum(1), text, COLOURS[colour])
    for strategy in group["strategy"].values:
        colour, line = STRATEGIES[str(strategy)]
        values = group["strategy_regret"].sel(strategy=strategy).values.cumsum()
        ax.plot(pull, values, color=COLOURS[colour], linestyle=line, label=str(strategy))
    totals = total_regret(data)
    top = max(np.median(totals["agent"]) * 1.6, totals["UCB1"] * 1.4)
    ax.set(xlabel="pull of a trial", ylabel="cumulative regret (rewards)", ylim=(0, top))
    ax.set_title(
        f"Bandit: regret {np.median(totals['agent']):.1f},\nThompson {totals['Thompson']:.1f}, "
        f"ideal {totals['ideal']:.1f}"
    )
    legend_beside(ax)
    return ax


@styled
def plot_maze(data, *, ax=None):
    """Goals missed within a trial of the maze."""
    ax = axes_or_new(ax)
    step = data["maze"]["time_in_trial"].values
    found = maze_regret(data)
    for name, text, colour in (
        ("agent", "agent, frozen", "blue"),
        ("untrained", "untrained", "vermillion"),
    ):
        median_and_quartiles(ax, step, found.pop(name), text, COLOURS[colour])
    for name, values in found.items():
        colour, line = STRATEGIES[name]
        ax.plot(step, values, color=COLOURS[colour], linestyle=line, label=name)
    ends = maze_regret(data)
    ax.set(xlabel="step of a trial", ylabel="goals missed, against knowing the goal")
    ax.set_title(
        f"Maze: {np.median(ends['agent'][:, -1]):.1f} goals missed,\n"
        f"Thompson {ends['Thompson'][-1]:.1f}, greedy {ends['greedy'][-1]:.1f}"
    )
    legend_beside(ax)
    return ax


@styled
def plot_decoding(data, *, ax=None):
    """Accuracy with which the arm that pays is read from the cortex, and from the history."""
    ax = axes_or_new(ax)
    group = data["decoding"].to_dataset()
    pull = group["pull"].values
    median_and_quartiles(
        ax, pull, group["accuracy"].values, "cortex, cross-validated", COLOURS["blue"], marker="o"
    )
    style = {"linestyle": "--", "marker": "s", "markersize": 3.5}
    ideal = group["ideal"].values
    median_and_quartiles(ax, pull, ideal, "ideal observer", COLOURS["grey"], **style)
    ax.axhline(0.5, color=COLOURS["grey"], linestyle=":", linewidth=1)
    ax.set_xscale("symlog", linthresh=4, linscale=0.8)
    shown = [k for k in (0, 1, 2, 4, 9, 20, 50, 99) if k in pull]
    ax.set_xticks(shown, [str(k) for k in shown])
    ax.minorticks_off()
    ax.set_xlim(-0.4, 1.15 * pull[-1])
    ax.set(xlabel="pulls made before", ylabel="accuracy: which arm pays", ylim=(0.4, 1.02))
    last = median_and_interval(group["accuracy"].values[:, -1])[0]
    ax.set_title(f"The arm that pays, decoded:\n{last:.2f} after {pull[-1]} pulls")
    legend_beside(ax)
    return ax


@styled
def figure(data):
    """Bandit, maze, decoding."""
    result = new_figure(11.0, 3.7)
    axes = result.subplots(1, 3)
    for ax, plot, name in zip(axes, (plot_regret, plot_maze, plot_decoding), "ABC", strict=True):
        plot(data, ax=ax)
        letter(ax, name)
    legend_below(result)
    count = data["bandit"].sizes["replicate"]
    result.suptitle(
        f"Adaptation within a trial, weights frozen after learning (median and quartiles of {count} "
        "replicates)",
        fontsize=10,
    )
    return result
