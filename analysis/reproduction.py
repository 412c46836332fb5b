"""Figures of the experiments that redo those of Lemmel & Grosu (AAAI 2025).

What they show is worked out in `analysis.reproduction_numbers`. ``python -m analysis.reproduction`` draws
every dataset of docs/reproduction/ anew and fills the tables of its pages, without a compiler.
"""

import argparse
import re
import sys
import textwrap
from pathlib import Path

import numpy as np

from . import rapid_adaptation
from .learning_curve import plot_learning_curve
from .reproduction_numbers import (
    ALGORITHMS,
    IN_FIGURES,
    LEVEL,
    SUITES,
    coordinates,
    failures,
    headline,
    label,
    longest_solved,
    losses,
    markdown,
    median,
    memory_lengths,
    normalised,
    number,
    published,
    returns,
    scored,
    scores,
    summary,  # noqa: F401 (the experiments')
    table,
)
from .runs import read
from .style import (
    COLOURS,
    axes_or_new,
    legend_below,
    letter,
    median_and_quartiles,
    new_figure,
    save_figure,
    styled,
)
from .trials import median_and_interval

#: Where the datasets of the repository are, and their figures.
FOLDER = Path(__file__).parents[1] / "docs" / "reproduction"
#: Method to colour, marker and line: told apart without colour too.
STYLES = {
    "rflo": ("blue", "o", "-"),
    "rflo_bp": ("blue", "o", "-"),
    "rflo_fa": ("vermillion", "s", "--"),
    "rflo_no_meta": ("sky", "v", "-."),
    "snap1": ("purple", "<", "--"),
    "rtrl": ("vermillion", "D", "--"),
    "rtrl_slip": ("orange", "s", "-."),
    "lru": ("green", "^", "-"),
    "rtu": ("orange", "*", "-"),
    "frozen": ("grey", "X", ":"),
    "bptt": ("purple", "P", "-."),
    "linear": ("sky", "v", ":"),
    "linear_meta": ("purple", "<", "--"),
    "untrained": ("grey", ".", ":"),
    "rtu_raw_input": ("blue", "o", "-"),
    "rtu_raw_reward": ("sky", "s", "-"),
    "rtu_constant_rates": ("vermillion", "v", "-"),
    "rtu_entropy_always": ("green", "^", "-"),
    "rtu_no_entropy": ("green", "v", ":"),
    "rtu_far": ("purple", "D", "-"),
    "rtu_limit_ends": ("vermillion", "<", ":"),
    "rtu_adam": ("purple", "P", ":"),
    "rtu_rates_only": ("grey", "X", "-"),
}
#: How the paper's numbers are drawn among ours: a line, or a mark in a colour of ours.
_REPORTED = {"linestyle": (0, (1, 3)), "linewidth": 1}
_DIAMOND = {"marker": "d", "markersize": 8, "markerfacecolor": "none", "linestyle": "none"}


def _style(method):
    colour, marker, line = STYLES[method]
    return COLOURS[colour], marker, line


def _bar(ax, x, numbers, colour, marker, filled, **kwargs):
    """A median with its interval."""
    middle, low, high = numbers
    ax.vlines(x, low, high, color=colour, linewidth=1.3)
    face = colour if filled else "white"
    style = {"markerfacecolor": face, "markersize": 5, "linestyle": "none"}
    ax.plot(x, middle, marker, color=colour, **style, **kwargs)


@styled
def plot_returns(data, task, *, ax=None):
    """Final and best return of a task, by method, with what the paper reports.

    Small dots are the final returns of the replicates; an asterisk a final return other than that of
    the first method (p < 0.05, not corrected for the number of comparisons).
    """
    ax = axes_or_new(ax)
    methods = coordinates(data)["method"]
    rows = {row["method"]: row for row in table(data, task=task)}
    for k, method in enumerate(methods):
        colour, marker, _ = _style(method)
        values = returns(data, task=task, method=method)
        ax.plot(np.full(len(values), k - 0.3), values, ".", color=colour, markersize=2.5, alpha=0.7)
        _bar(ax, k - 0.12, rows[method]["final"], colour, marker, True)
        _bar(ax, k + 0.12, rows[method]["best"], colour, marker, False)
        if rows[method]["published"]:
            level, deviation = rows[method]["published"]
            style = {"color": "black", "capsize": 2, "markersize": 4.5, "linewidth": 0.8}
            ax.errorbar(k + 0.34, level, deviation, fmt="d", **style)
        if rows[method]["p"] < LEVEL:
            ax.text(k, 1, "*", ha="center", va="top", transform=ax.get_xaxis_transform())
    ax.set_xticks([])
    ax.set_xlim(-0.6, len(methods) - 0.4)
    ax.margins(y=0.12)
    low, high = ax.get_ylim()
    if high - low < 0.02 * abs(high):  # all the same: no difference in the last digits
        ax.set_ylim(high - 0.02 * abs(high), high + 0.01 * abs(high))
    ax.set_title(task, fontsize=8.5)
    return ax


@styled
def plot_curves(data, task, *, ax=None):
    """Learning curves of a task, by method; dashed lines are the best returns that the paper reports."""
    ax = axes_or_new(ax)
    known = coordinates(data)
    evaluation = data["evaluation"].to_dataset().sel(task=task)
    for name in evaluation["mean_return"].dims:
        if name not in ("method", "replicate", "checkpoint"):
            evaluation = evaluation.isel({name: 0})
    for method in known["method"]:
        colour, _, line = _style(method)
        own = evaluation.sel({"method": method})
        steps, values = own["step"].values / 1e6, own["mean_return"].values
        kept = ~np.isnan(steps)
        median_and_quartiles(
            ax, steps[kept], values[:, kept], label(data, method), colour, linestyle=line
        )
        reported = published(task, ALGORITHMS.get(method, ""))
        if reported:
            ax.axhline(reported[0], color=colour, **_REPORTED)
    ax.set_title(task, fontsize=8.5)
    return ax


def _title(result, text):
    """A title of a whole figure, in lines that fit it."""
    lines = textwrap.wrap(text, int(result.get_figwidth() * 14))
    result.suptitle("\n".join(lines), fontsize=9.5)


def _legend(result, ax, entries, **options):
    """A legend below a figure of what the markers of its axes mean: text to style."""
    handles = [ax.plot([], [], linestyle="none", **style)[0] for style in entries.values()]
    result.legend(handles, entries.keys(), loc="outside lower center", **options)


def _name_methods(data, ax, notes=None):
    """Put the names of the methods below the axes, slanted; behind some a note."""
    notes = notes or {}
    names = [label(data, method) + notes.get(method, "") for method in coordinates(data)["method"]]
    style = {"fontsize": 7, "rotation": 30, "ha": "right", "rotation_mode": "anchor"}
    ax.set_xticks(range(len(names)), names, **style)


def _grid(data, plot, width, height, columns=4):
    """A figure with a panel for each task."""
    tasks = coordinates(data)["task"]
    columns = min(columns, len(tasks))
    rows = -(-len(tasks) // columns)
    result = new_figure(1.2 + width * columns, 1.2 + height * rows)
    axes = result.subplots(rows, columns, squeeze=False)
    for ax in axes.flat[len(tasks) :]:
        ax.set_axis_off()
    for ax, task in zip(axes.flat, tasks, strict=False):
        plot(data, task, ax=ax)
    return result, axes


@styled
def returns_figure(data):
    """A panel for each task: final and best return by method."""
    result, axes = _grid(data, plot_returns, 2.1, 1.7, 5)
    for ax in axes[:, 0]:
        ax.set_ylabel("return per trial")
    entries = {
        "final, median and 95 % interval": {"marker": "o", "color": "black"},
        "best on the way": {"marker": "o", "color": "black", "markerfacecolor": "white"},
        "replicates, final": {"marker": ".", "color": "black", "markersize": 3},
    }
    if any(row["published"] for row in table(data)):
        entries["paper: best, median and s.d."] = {
            "marker": "d",
            "color": "black",
            "markersize": 4.5,
        }
    for method in reversed(coordinates(data)["method"]):
        colour, marker, _ = _style(method)
        entries = {label(data, method): {"marker": marker, "color": colour}} | entries
    columns = min(len(entries), int(result.get_figwidth() / 2.2))
    _legend(result, axes.flat[0], entries, ncols=columns, fontsize=8)
    _title(result, headline(data))
    return result


@styled
def curves_figure(data):
    """A panel for each task: learning curves."""
    result, axes = _grid(data, plot_curves, 2.9, 2.2)
    for ax in axes[:, 0]:
        ax.set_ylabel("return per trial")
    for ax in axes.flat:
        ax.set_xlabel("steps learned (millions)")
    if any(row["published"] for row in table(data)):
        axes.flat[0].plot([], [], color="black", label="paper: best", **_REPORTED)
    legend_below(result, ncols=int(result.get_figwidth() / 2))
    count = data["evaluation"].sizes["replicate"]
    text = f"{headline(data)} (median and quartiles of {count} replicates)"
    _title(result, text)
    return result


@styled
def plot_memory(data, kind, *, ax=None):
    """Return of MemoryChain against the length of the memory; open diamonds: the paper, table 2."""
    ax = axes_or_new(ax)
    known = coordinates(data)
    lengths = np.array(memory_lengths(data))
    # Methods stand beside each other, a thirtieth of the axis apart.
    beside = (np.log2(lengths.max() / lengths.min()) or 1) / 30
    drawn, reported = {}, False
    for k, method in enumerate(known["method"]):
        colour, marker, line = _style(method)
        numbers = np.array(
            [median_and_interval(returns(data, kind, task=t, method=method)) for t in known["task"]]
        )
        x = lengths * 2 ** (beside * (k - (len(known["method"]) - 1) / 2))
        ax.vlines(x, numbers[:, 1], numbers[:, 2], color=colour, linewidth=1.2)
        style = {"linestyle": line, "marker": marker, "markersize": 4.5, "linewidth": 1.2}
        ax.plot(x, numbers[:, 0], color=colour, label=label(data, method), **style)
        if "*" not in (algorithm := ALGORITHMS.get(method, "*")):
            drawn[algorithm] = colour
    for algorithm, colour in drawn.items() if kind == "best_return" else ():
        found = {n: published(t, algorithm) for n, t in zip(lengths, known["task"], strict=True)}
        found = {n: value[0] for n, value in found.items() if value}
        ax.plot(found.keys(), found.values(), color=colour, **_DIAMOND)
        reported |= bool(found)
    if reported:
        ax.plot([], [], color="black", label="paper, table 2\n(same colour)", **_DIAMOND)
    ax.set_xscale("log", base=2)
    ax.set_xticks(lengths, [str(n) for n in lengths])
    ax.minorticks_off()
    ax.axhline(0, color=COLOURS["grey"], linestyle=":", linewidth=1)
    ax.set(xlabel="memory length (steps)", ylabel="return per trial")
    return ax


@styled
def memory_figure(data):
    """Final and best return of MemoryChain against the length of the memory."""
    result = new_figure(9.6, 3.9)
    axes = result.subplots(1, 2, sharey=True)
    for ax, kind, text in zip(
        axes, ("final_return", "best_return"), ("At the end", "Best on the way"), strict=True
    ):
        plot_memory(data, kind, ax=ax)
        ax.set_title(text)
    axes[1].set_ylabel("")
    handles, labels = axes[1].get_legend_handles_labels()
    result.legend(handles, labels, loc="outside center right", fontsize=8)
    for ax, name in zip(axes, "AB", strict=True):
        letter(ax, name)
    ends = [
        f"{label(data, m)} {longest_solved(data, m) or 'none'}" for m in coordinates(data)["method"]
    ]
    count = data["evaluation"].sizes["replicate"]
    text = (
        f"Longest memory (steps) solved at the end by the median of {count} replicates: "
        f"{', '.join(ends)}"
    )
    _title(result, text)
    return result


@styled
def entropy_figure(data):
    """Final and best return against the weight of the policy's entropy."""
    known = coordinates(data)
    weights = np.array(known["entropy_weight"], float)
    result = new_figure(5.6, 4.2)
    ax = result.subplots()
    task, method = known["task"][0], known["method"][0]
    least, medians = weights[weights > 0].min(initial=1), {}
    for kind, text, colour, shift in (
        ("final_return", "final", "blue", 0.8),
        ("best_return", "best on the way", "orange", 1.25),
    ):
        rows = [
            returns(data, kind, task=task, method=method, entropy_weight=w)
            for w in known["entropy_weight"]
        ]
        numbers = np.array([median_and_interval(row) for row in rows])
        medians[kind] = numbers[:, 0]
        x = np.where(weights, weights * shift, least * (shift - 1))
        ax.vlines(x, numbers[:, 1], numbers[:, 2], color=COLOURS[colour])
        filled = COLOURS[colour] if kind == "final_return" else "white"
        style = {"marker": "o", "markerfacecolor": filled}
        ax.plot(x, numbers[:, 0], color=COLOURS[colour], label=text, **style)
        for place, row in zip(x, rows, strict=True):
            ax.plot([place] * len(row), row, ".", color=COLOURS[colour], markersize=2.5)
    reported = published(task, ALGORITHMS.get(method, ""), ("figure 4",))
    if reported:
        text = "paper, figure 4: median of the best (approx.)"
        ax.axhline(reported[0], color="black", label=text, **_REPORTED)
    if weights.all():
        ax.set_xscale("log")
    else:  # 0 stands left of the others
        ax.set_xscale("symlog", linthresh=least)
    ax.set(xlabel="weight of the policy's entropy", ylabel=f"return per trial of {task}")
    legend_below(result, ncols=3)
    best = int(np.nanargmax(medians["final_return"]))
    count = data["evaluation"].sizes["replicate"]
    ax.set_title(
        f"{label(data, method)}: final return highest, {number(medians['final_return'][best])},\n"
        f"at a weight of {weights[best]:g} (median, 95 % interval, {count} replicates)"
    )
    return result


@styled
def plot_scores(data, suite, *, ax=None):
    """Mean normalised return over a suite of tasks by method: final, best and what figure 3 shows."""
    ax = axes_or_new(ax)
    methods = coordinates(data)["method"]
    for kind, shift, filled in (("final_return", -0.2, True), ("best_return", 0.2, False)):
        for method, values in scores(data, kind, suite).items():
            k, (colour, *_) = methods.index(method), _style(method)
            middle, low, high = median_and_interval(values)
            face = colour if filled else "white"
            ax.bar(k + shift, middle, 0.38, color=face, edgecolor=colour, linewidth=1.2)
            ax.vlines(k + shift, low, high, color="black", linewidth=1)
    for k, method in enumerate(methods):
        name = IN_FIGURES.get(method, ALGORITHMS.get(method, ""))
        if reported := published(suite, name, ("figure 3",)):
            ax.plot(k + 0.2, reported[0], "d", color="black", markersize=5)
    found = scored(data, suite)
    count = max(found.values())
    _name_methods(data, ax, {m: f" ({n} of {count} tasks)" for m, n in found.items() if n < count})
    ax.axhline(0, color="black", linewidth=0.6)
    ax.set(ylabel="mean normalised return", title=f"{suite}, {count} tasks")
    return ax


@styled
def plot_matrix(data, *, ax=None):
    """Final return of every task by every method, coloured by the normalised return."""
    ax = axes_or_new(ax)
    known = coordinates(data)
    values = np.array(
        [
            [
                median_and_interval(normalised(data, "final_return", task)[m])[0]
                for m in known["method"]
            ]
            for task in known["task"]
        ]
    )
    ax.imshow(values, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for i, task in enumerate(known["task"]):
        for j, method in enumerate(known["method"]):
            middle = median(returns(data, task=task, method=method))
            text = "failed" if np.isnan(middle) else number(middle)
            colour = "white" if values[i, j] < 0.55 else "black"
            ax.text(j, i, text, ha="center", va="center", fontsize=7, color=colour)
    ax.set_yticks(range(len(known["task"])), known["task"], fontsize=7)
    _name_methods(data, ax)
    ax.set_title("Final return, median (brighter: nearer to the best known)", fontsize=8.5)
    return ax


@styled
def suite_figure(data):
    """Normalised return over the suites, and every task."""
    suites = [name for name in SUITES if scores(data, "final_return", name)]
    tasks = len(coordinates(data)["task"])
    result = new_figure(11.0, max(4.8, 1.6 + 0.3 * tasks))
    left, right = result.subfigures(1, 2, width_ratios=(1, 1.15))
    axes = left.subplots(len(suites), 1, squeeze=False)[:, 0]
    for ax, suite in zip(axes, suites, strict=True):
        plot_scores(data, suite, ax=ax)
    plot_matrix(data, ax=right.subplots())
    entries = {
        "final": {"marker": "s", "color": "black"},
        "best": {"marker": "s", "color": "black", "markerfacecolor": "white"},
        "paper, figure 3 (approx., its own scale)": {"marker": "d", "color": "black"},
    }
    _legend(left, axes[0], entries, ncols=3, fontsize=7)
    count = data["evaluation"].sizes["replicate"]
    ranking = []
    for suite in suites:
        found = {m: median(v) for m, v in scores(data, "final_return", suite).items()}
        best = max(found, key=lambda m: np.nan_to_num(found[m], nan=-np.inf))
        counts = scored(data, suite)
        count, most = counts[best], max(counts.values())
        part = f" (of {count} of {most} tasks)" if count < most else ""
        ranking.append(f"{suite}: {label(data, best)} {found[best]:.2f}{part}")
    _title(result, f"Highest normalised final return, {'; '.join(ranking)} ({count} replicates)")
    return result


@styled
def plot_ablations(data, task, *, ax=None):
    """Final return of a task by method, one a line from above; the vertical line is the first's."""
    ax = axes_or_new(ax)
    rows = table(data, task=task)
    ax.axvline(rows[0]["final"][0], color="black", linewidth=0.6)
    for k, row in enumerate(rows):
        colour, marker, _ = _style(row["method"])
        middle, low, high = row["final"]
        values = returns(data, task=task, method=row["method"])
        ax.plot(values, np.full(len(values), k + 0.25), ".", color=colour, markersize=2.5)
        ax.hlines(k, low, high, color=colour, linewidth=1.3)
        ax.plot(middle, k, marker, color=colour, markersize=5, linestyle="none")
        if row["p"] < LEVEL:
            ax.text(1.0, k, "*", va="center", transform=ax.get_yaxis_transform())
    ax.set_yticks(range(len(rows)), [label(data, row["method"]) for row in rows], fontsize=7)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.margins(x=0.08)
    ax.set_title(task, fontsize=8.5)
    return ax


@styled
def ablations_figure(data):
    """A panel for each task: final return as it is, and without one remedy each."""
    result, axes = _grid(data, plot_ablations, 1.75, 1.75, 5)
    for ax in axes[:, 1:].flat:
        ax.tick_params(labelleft=False)
    result.supxlabel(
        "final return per trial: median and 95 % interval; dots: replicates; * other than the first "
        "(p < 0.05)",
        fontsize=8,
    )
    known = coordinates(data)
    count = len(known["task"]) - failures(data, known["method"][0])
    parts = [
        f"{label(data, m)} {len(tasks)}" + (f" ({n} failed)" if (n := failures(data, m)) else "")
        for m, tasks in losses(data).items()
    ]
    title = f"Tasks of {count} in which less is reached at the end (p < 0.05): " + ", ".join(parts)
    _title(result, title)
    return result


@styled
def single_figure(data):
    """The learning curve of a single run."""
    result = new_figure(5.0, 3.4)
    plot_learning_curve(data, ax=result.subplots())
    return result


#: Experiment to its figure.
FIGURES = {
    "fig3_suite": suite_figure,
    "fig4_memory": memory_figure,
    "fig4_entropy": entropy_figure,
    "fig5_learning": curves_figure,
    "fig6_locomotion": curves_figure,
    "fig9_ablations": returns_figure,
    "fig10_acrobot": curves_figure,
    "tables": returns_figure,
    "rtrl_slip": memory_figure,
    "lasting_ablations": ablations_figure,
}


def figure(data):
    """The figure of a dataset."""
    return FIGURES.get(data.attrs.get("experiment"), single_figure)(data)


# Figures and pages of a folder --------------------------------------------------------------------


def redraw(folder, target=None):
    """Draw every dataset of a folder as NAME.svg beside it.

    Parameters
    ----------
    folder : path
    target : path, optional
        Another folder for the figures.

    Returns
    -------
    list of Path

    Raises
    ------
    ValueError
        If one of them is no dataset of an experiment whose figure is known.
    """
    from . import plot

    drawn = []
    for path in sorted(Path(folder).glob("*.nc")):
        with read(path) as data:
            data.load()  # each number is looked at many times
            name = data.attrs.get("experiment", data.attrs.get("task"))
            if name not in plot.FIGURES:
                raise ValueError(f"{path}: of {name!r}, which has no figure here")
            save_to = Path(target or folder) / f"{path.stem}.svg"
            save_figure(plot.FIGURES[name](data), save_to)
        drawn.append(save_to)
    return drawn


#: Of a table in a page: what is between these lines is made from NAME.nc.
_BLOCK = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->)", re.S)


def page_tables(page):
    """The text of a page with every table made anew from the dataset beside it.

    Parameters
    ----------
    page : path
        A Markdown file with ``<!-- table NAME -->`` and ``<!-- end -->`` around each table.
    """

    def made(match):
        with read(Path(page).parent / f"{match[2]}.nc") as data:
            return match[1] + "\n".join([*_described(data), "", *_table(data), ""]) + match[3]

    return _BLOCK.sub(made, Path(page).read_text())


def _table(data):
    """A dataset as Markdown: its table, or its summary as it is printed."""
    if "points" in data:
        return markdown(data)
    return ["```text", *rapid_adaptation.summary(data), "```"]


def _described(data):
    """How a dataset was made, lines of Markdown."""
    if "points" in data:
        points = data["points"].to_dataset()
        seconds = float(points["wall_time"].sum())
        revisions = sorted({str(v) for v in points["source_revision"].values.flat if v})
    else:
        seconds, revisions = data.attrs["wall_seconds"], [data.attrs["source_revision"]]
    return [
        f"`{data.attrs['command']}`",
        f"(revision {', '.join(revisions)}; wall time of all runs {seconds / 60:.0f} min)",
    ]


def main(arguments=None):
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis.reproduction",
        description="Draws every dataset of a folder anew, as NAME.svg beside it, and makes the tables "
        "of its pages anew; needs no compiler.",
    )
    parser.add_argument("folder", nargs="?", default=FOLDER, help="docs/reproduction by default")
    options = parser.parse_args(arguments)
    try:
        found = redraw(options.folder)
        if not found:
            raise ValueError(f"{options.folder} has no dataset")
        for page in sorted(Path(options.folder).glob("*.md")):
            page.write_text(page_tables(page))
            found.append(page)
    except (ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print("\n".join(f"wrote {path}" for path in found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
