"""Verdicts on the findings of `experiments.dopamine`: table and page.

A finding passes if the bootstrap interval over replicates of the mean of each of its measures lies
within the bounds of its criterion. The criteria are in the file, written there before the run.
"""

import json
import math
import textwrap
from dataclasses import dataclass

import numpy as np

from .style import COLOURS, legend_beside, median_and_quartiles, new_figure, styled
from .trials import bootstrap_interval

COLUMNS = 3
ORDER = ("blue", "vermillion", "green", "purple", "orange", "sky")


@dataclass(frozen=True)
class Result:
    """What became of a criterion: mean over replicates, 95 % interval, bounds, verdict."""

    measure: str
    text: str
    mean: float
    low: float
    high: float
    bounds: tuple
    published: str

    @property
    def passed(self):
        """Whether the interval lies within the bounds."""
        return self.low > self.bounds[0] and self.high < self.bounds[1]


def results(group):
    """The results of a finding, one for each criterion.

    Parameters
    ----------
    group : xarray.Dataset
        Of a finding, see `experiments.dopamine.run`.

    Returns
    -------
    list of Result
    """
    found = []
    for criterion in json.loads(group.attrs["criteria"]):
        values = group[criterion["measure"]].values
        bounds = tuple(
            sign * math.inf if criterion[k] is None else criterion[k]
            for k, sign in (("low", -1), ("high", 1))
        )
        # A replicate without the measure is no evidence: nothing passes.
        complete = not np.isnan(values).any()
        low, high = bootstrap_interval(values, np.mean) if complete else (np.nan, np.nan)
        mean = float(values.mean())
        text = (criterion["measure"], criterion["text"])
        found.append(Result(*text, mean, low, high, bounds, criterion["published"]))
    return found


def passes(group):
    """Whether a finding is shown: all criteria hold."""
    return all(result.passed for result in results(group))


def known(group):
    """Whether every measure is a number in every replicate, of which there are two at least."""
    return not any(math.isnan(result.low) for result in results(group))


def scored(group):
    """Whether a finding counts: what animals show is not disputed."""
    return group.attrs["expected"] != "disputed"


def as_expected(group):
    """Whether that is what theory says of an error about value; not where a measure is unknown."""
    return known(group) and passes(group) == (group.attrs["expected"] == "passes")


def verdict(group):
    """The verdict as a few words."""
    if not known(group):
        return "UNKNOWN"
    word = "PASS" if passes(group) else "FAIL"
    if group.attrs["expected"] == "fails":
        return f"{word} ({'as expected' if word == 'FAIL' else 'a leak'})"
    return word if scored(group) else f"{word} (disputed)"


def findings(data):
    """Name to group of the findings of a dataset, with one method."""
    return {name: node.to_dataset() for name, node in data.children.items()}


def methods(data):
    """Name to dataset of each method that is compared in a dataset; none where there is one only."""
    return {name: node for name, node in data.children.items() if node.children}


def summary(data):
    """The table, as lines of text."""
    runs = methods(data)
    if runs:
        return [*compared(runs), *(f"{name}: {summary(run)[-1]}" for name, run in runs.items())]
    groups = findings(data)
    replicates = next(iter(groups.values())).sizes["replicate"]
    model, method = (data.attrs.get(name, "?") for name in ("model", "sensitivity"))
    lines = [
        f"model {model}, sensitivity {method}, {replicates} replicates; mean (95 % interval), bounds, "
        "what was recorded"
    ]
    for name, group in groups.items():
        lines.append(f"{verdict(group):<19} {name}: {group.attrs['title']}")
        for r in results(group):
            mark = "+" if r.passed else "-"
            numbers = f"{r.mean:7.3f} ({r.low:.3f} to {r.high:.3f})"
            published = f"; recorded: {r.published}" if r.published else ""
            lines.append(f"  {mark} {r.text:<52} {numbers}, {_bounds(r)}{published}")
    judged = [group for group in groups.values() if scored(group)]
    shown = sum(map(passes, judged))
    lines.append(
        f"{shown} of {len(judged)} findings are shown; {sum(map(as_expected, judged))} verdicts "
        "are what is expected of an error about value"
    )
    return lines


def markdown(data):
    """The table for a page of documentation: a row for each criterion, and what was measured besides."""
    lines = [
        "| finding | verdict | criterion | mean (95 % interval) | must be | recorded |",
        "|---|---|---|---|---|---|",
    ]
    for name, group in findings(data).items():
        for k, r in enumerate(results(group)):
            first = (f"`{name}`", verdict(group)) if k == 0 else ("", "")
            number = f"{r.mean:.3f} ({r.low:.3f} to {r.high:.3f})"
            mark = "yes" if r.passed else "no"
            cells = (*first, r.text, number, f"{_bounds(r)}: {mark}", r.published)
            lines.append(f"| {' | '.join(cells)} |")
        judged = {r.measure for r in results(group)}
        for measure, values in group.data_vars.items():
            if values.dims == ("replicate",) and measure not in judged:
                kept = values.values[~np.isnan(values.values)]
                number = "unknown"
                if len(kept):
                    low, high = bootstrap_interval(kept, np.mean)
                    number = f"{kept.mean():.3f} ({low:.3f} to {high:.3f})"
                if len(kept) < len(values):
                    number += f", {len(kept)} of {len(values)} replicates"
                lines.append(f"| | | {values.attrs['long_name']} | {number} | not judged | |")
    return lines


def compared(runs):
    """Findings by methods, as lines of Markdown: which are shown by which.

    Parameters
    ----------
    runs : dict of str to xarray.DataTree
        Name of a method to its dataset.
    """
    groups = {name: findings(data) for name, data in runs.items()}
    names = dict.fromkeys(name for found in groups.values() for name in found)
    lines = [f"| finding | {' | '.join(runs)} |", f"|---|{'---|' * len(runs)}"]
    for name in names:
        cells = [verdict(found[name]) if name in found else "" for found in groups.values()]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return lines


def _bounds(result):
    low, high = result.bounds
    if math.isinf(low):
        return f"below {high:g}"
    return f"above {low:g}" if math.isinf(high) else f"in {low:g} to {high:g}"


@styled
def plot_finding(group, *, ax=None):
    """The curves of a finding, median and quartiles over replicates, and what was published.

    Parameters
    ----------
    group : xarray.Dataset
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    ax = new_figure(4.5, 3.2).add_subplot() if ax is None else ax
    x = group["x"].values
    for k, curve in enumerate(group["curve"].values):
        values = group["curves"].sel(curve=curve).values
        colour = COLOURS[ORDER[k % len(ORDER)]]
        style = {"marker": "o", "markersize": 2.5} if len(x) < 20 else {}
        median_and_quartiles(ax, x, values, str(curve), colour, **style)
    if "published" in group:
        for name, values in zip(group["original"].values, group["published"].values, strict=True):
            ax.plot(
                x,
                values,
                color="black",
                linestyle="--",
                linewidth=1.2,
                label=f"for comparison:\n{name}",
            )
    ax.axhline(0, color="black", linewidth=0.5)
    ax.set(xlabel=group["x"].attrs["long_name"], ylabel=group["curves"].attrs["long_name"])
    legend_beside(ax, fontsize=6.5)
    title = "\n".join(textwrap.wrap(f"{verdict(group)}: {group.attrs['title']}", 46))
    ax.set_title(
        title, color="black" if not scored(group) or as_expected(group) else COLOURS["vermillion"]
    )
    first = results(group)[0]
    published = f"; recorded: {first.published}" if first.published else ""
    text = f"{first.text}: {first.mean:.3g} ({first.low:.3g} to {first.high:.3g}){published}"
    ax.annotate(
        "\n".join(textwrap.wrap(text, 62)),
        (0, -0.24),
        xycoords="axes fraction",
        fontsize=6.5,
        va="top",
        color=COLOURS["grey"],
    )
    return ax


@styled
def plot_compared(data, *, ax=None):
    """Findings by methods, coloured by the verdict.

    Parameters
    ----------
    data : xarray.DataTree
        See `methods`.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    runs = {name: findings(run) for name, run in methods(data).items()}
    names = list(dict.fromkeys(name for groups in runs.values() for name in groups))
    if ax is None:
        ax = new_figure(2.6 + 1.05 * len(runs), 1.2 + 0.28 * len(names)).add_subplot()
    for x, groups in enumerate(runs.values()):
        for y, name in enumerate(names):
            if name not in groups:
                continue
            shown, group = passes(groups[name]), groups[name]
            colour = COLOURS["blue"] if shown else "white"
            edge = "black" if not scored(group) or as_expected(group) else COLOURS["vermillion"]
            ax.scatter(x, y, s=90, marker="o", color=colour, edgecolor=edge, linewidth=1.6)
    counts = {
        name: sum(passes(group) for group in groups.values() if scored(group))
        for name, groups in runs.items()
    }
    replicates = next(iter(next(iter(runs.values())).values())).sizes["replicate"]
    ax.set(xlim=(-0.5, len(runs) - 0.5), ylim=(len(names) - 0.5, -0.5), xlabel="method")
    ax.set_xticks(range(len(runs)), [f"{name}\n{counts[name]} shown" for name in runs])
    ax.set_yticks(range(len(names)), names)
    ax.set_title(
        f"Filled: shown; red edge: not what theory says ({replicates} replicates)", fontsize=8
    )
    return ax


@styled
def figure(data):
    """One page: a panel for each finding; or findings by methods, where some are compared."""
    if methods(data):
        return plot_compared(data).figure
    groups = findings(data)
    columns = min(COLUMNS, len(groups))
    rows = math.ceil(len(groups) / columns)
    page = new_figure(4.8 * columns, 3.4 * rows)
    axes = page.subplots(rows, columns, squeeze=False)
    for ax in axes.flat[len(groups) :]:
        ax.set_axis_off()
    for ax, group in zip(axes.flat, groups.values(), strict=False):
        plot_finding(group, ax=ax)
    return page
