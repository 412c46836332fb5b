"""Numbers of the experiments that redo the figures and tables of Lemmel & Grosu (AAAI 2025).

The replicate is the unit: medians over replicates with 95 % bootstrap intervals, and permutation tests
of the difference of means where two methods are compared. `final_return` is that of the last
evaluation, `best_return` that of the best on the way, as in the paper. What the paper reports is in
``analysis/data/lemmel_grosu_2025.csv``. `analysis.reproduction` draws them.
"""

import fnmatch
import functools
import itertools
from pathlib import Path

import numpy as np

from . import verdicts
from .statistics import permutation
from .trials import median_and_interval, summary_table

PUBLISHED = Path(__file__).parent / "data" / "lemmel_grosu_2025.csv"
#: Method to what it is called in the published numbers. Which weights carry the learning signal back in
#: the tables of the paper is not said there.
ALGORITHMS = {
    "linear": "linear_td",
    "linear_meta": "linear_td",
    "rtrl": "rtrrl_rtrl_ctrnn",
    "rtrl_slip": "rtrrl_rtrl_ctrnn",
    "rflo": "rtrrl_rflo_ctrnn",
    "rflo_bp": "rtrrl_rflo_ctrnn",
    "rflo_fa": "rtrrl_rflo_ctrnn",
    "rtu": "rtrrl_*",  # which the paper does not have; beside it stands the best RTRRL
    "lru": "rtrrl_lru",
    "bptt": "ppo_ctrnn",
}
#: Figures 3 and 4 tell apart what the tables do not.
IN_FIGURES = {"linear": "linear_td_no_meta", "rflo_fa": "rtrrl_rflo_ctrnn_fa", "bptt": "ppo_lstm"}
#: Tasks of the two suites of the paper.
SUITES = {
    "Gymnax": (
        *("MetaMaze", "DiscountingChain", "UmbrellaChain", "Catch", "BernoulliBandit"),
        *("GaussianBandit", "PointRobot", "Reacher", "Swimmer", "MemoryChain-4", "DeepSea-4"),
    ),
    "POPGym": (
        *("StatelessCartPole", "NoisyStatelessCartPole", "Minesweeper", "MultiArmedBandit"),
        *("RepeatFirst", "RepeatPrevious"),
    ),
}
#: Level below which a difference is marked, and the return of MemoryChain from which on it is solved.
LEVEL, SOLVED = 0.05, 0.95


# What the paper reports ---------------------------------------------------------------------------


@functools.cache
def _published():
    return tuple(verdicts.published(PUBLISHED))


def published(environment, algorithm, sources=("table 3", "table 2")):
    """What the paper reports of an algorithm in an environment.

    Parameters
    ----------
    environment, algorithm : str
        As in ``lemmel_grosu_2025.csv``; ``rtrrl_*`` is that of RTRRL with the highest median.
    sources : sequence of str
        Where in the paper; the first in which there is something counts.

    Returns
    -------
    (median, standard deviation) or None
        The standard deviation is NaN where the paper has none.
    """
    for source in sources:
        found = [
            (float(row["median"]), float(row["std"] or "nan"))
            for row in _published()
            if (row["source"], row["environment"]) == (source, environment)
            and fnmatch.fnmatchcase(row["algorithm"], algorithm)
        ]
        if found:
            return max(found, key=lambda numbers: numbers[0])
    return None


# What is in a dataset -----------------------------------------------------------------------------


def coordinates(data):
    """Name to values of what varies between runs: `task`, `method` and more."""
    failure = data["points"]["failure"]
    return {name: failure[name].values.tolist() for name in failure.dims}


def returns(data, kind="final_return", **at):
    """Returns of the replicates of one run.

    Parameters
    ----------
    data : xarray.DataTree
    kind : {"final_return", "best_return"}
    **at
        `task`, `method` and what else varies; what is not given is the first.
    """
    known = coordinates(data)
    place = {name: known[name].index(at[name]) if name in at else 0 for name in known}
    return data["evaluation"][kind].isel(place).values


def label(data, method):
    """A method for people."""
    points = data["points"].to_dataset()
    return str(points["method_label"].sel({"method": method}).values)


def failures(data, method):
    """How many runs of a method failed."""
    return int((data["points"].to_dataset()["failure"].sel({"method": method}) != "").sum())


# The table ----------------------------------------------------------------------------------------


def table(data, **at):
    """Everything that is to be said of the runs, one row each.

    Parameters
    ----------
    data : xarray.DataTree
    **at
        Only of the runs with this `task`, `method` or what else varies.

    Returns
    -------
    list of dict
        What varies; `n`, replicates; `trials`, the fewest of an evaluation of a replicate on the
        way and of the last; `final` and `best`, median and interval; `kept`, replicates that end
        with at least 90 % of their best evaluation; `p`, of the difference of the final returns to
        those of the first method, NaN for that itself; `published`, median and standard deviation
        or None; `failure`; `wall_time` in s.
    """
    known, rows = coordinates(data), []
    points = data["points"].to_dataset()
    first = known["method"][0]
    for values in itertools.product(*(v if k not in at else [at[k]] for k, v in known.items())):
        run = dict(zip(known, values, strict=True))
        final, best = (returns(data, kind, **run) for kind in ("final_return", "best_return"))
        reference = returns(data, **run | {"method": first})
        compared = run["method"] != first
        here = {name: known[name].index(value) for name, value in run.items()}
        trials = np.fmin.reduce(data["evaluation"]["episodes"].isel(here).values, axis=0)
        rows.append(
            {
                **run,
                "n": int((~np.isnan(final)).sum()),
                "trials": (float(np.fmin.reduce(trials[:-1])), float(trials[-1])),
                "final": median_and_interval(final),
                "best": median_and_interval(best),
                "kept": int((final >= best - 0.1 * np.abs(best)).sum()),
                "p": permutation(final, reference) if compared else float("nan"),
                "published": published(run["task"], ALGORITHMS.get(run["method"], "")),
                "failure": str(points["failure"].isel(here).values),
                "wall_time": float(points["wall_time"].isel(here).values),
            }
        )
    return rows


def median(values):
    """Median of the replicates that are known; NaN if none is."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else np.nan


def number(value):
    """A return as text: whole from 100 on, else with two digits."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.2f}"


def _interval(numbers):
    middle, low, high = map(number, numbers)
    return f"{middle} ({low} to {high})"


def _cells(data):
    """The table as text: head, then a row for each run."""
    known = coordinates(data)
    first = label(data, known["method"][0])
    kept = "end at 90 % of best"
    head = [*known, "trials", "final", "best", kept, "paper (best)", f"p (final, against {first})"]
    rows = [head]
    for row in table(data):
        names = [label(data, row[k]) if k == "method" else f"{row[k]}" for k in known]
        if row["failure"]:
            rows.append([*names, "", f"failed: {row['failure']}", "", "", "", ""])
            continue
        paper = "" if row["published"] is None else number(row["published"][0])
        p = "" if np.isnan(row["p"]) else f"{max(row['p'], 1e-4):.2g}"
        returned = _interval(row["final"]), _interval(row["best"])
        way, end = (f"{count:.0f}" for count in row["trials"])
        trials = end if way == end else f"{way}, {end} at the end"
        rows.append([*names, trials, *returned, f"{row['kept']} of {row['n']}", paper, p])
    return rows


def markdown(data):
    """The table of a dataset as Markdown, lines of text."""
    rows = _cells(data)
    rule = ["---"] * len(rows[0])
    return ["| " + " | ".join(row) + " |" for row in (rows[0], rule, *rows[1:])]


def summary(data):
    """Final and best return of every run, as lines of text."""
    if "points" not in data:
        return summary_table(data)
    rows = _cells(data)
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = ["  ".join(f"{text:<{w}}" for text, w in zip(row, widths, strict=True)) for row in rows]
    count = data["evaluation"].sizes["replicate"]
    return [
        f"evaluation with plasticity off, median over {count} replicates (95 % bootstrap interval)",
        *(f"  {line.rstrip()}" for line in lines),
    ]


# Methods compared ---------------------------------------------------------------------------------


def normalised(data, kind, task):
    """Returns of a task between those of an untrained agent (0) and the best that is known (1).

    The best that is known is the highest of our medians of the best return and of the published
    medians. Where untrained agents are not among the methods, or failed, 0 is guessing, where that is
    known, else the lowest median of the methods. NaN where nothing is better than that, and for a
    method that failed.

    Returns
    -------
    dict of str to array (replicates,)
    """
    methods = coordinates(data)["method"]
    highest = [median(returns(data, "best_return", task=task, method=m)) for m in methods]
    highest += [p[0] for a in ALGORITHMS.values() if (p := published(task, a))]
    finals = {m: median(returns(data, task=task, method=m)) for m in methods}
    chance = finals.get("untrained", np.nan)
    if np.isnan(chance):
        chance = float(data["points"].to_dataset()["chance_return"].sel(task=task))
    if np.isnan(chance):
        chance = np.fmin.reduce(list(finals.values()))
    scale = np.fmax.reduce(highest) - chance
    scale = scale if scale > 0 else np.nan
    return {m: (returns(data, kind, task=task, method=m) - chance) / scale for m in methods}


def _by_method(data, kind, suite):
    """Method to its normalised returns (replicates,) in each task of a suite in which it has any."""
    tasks = [task for task in SUITES[suite] if task in coordinates(data)["task"]]
    found = [normalised(data, kind, task) for task in tasks]
    methods = coordinates(data)["method"]
    return {m: [each[m] for each in found if not np.isnan(each[m]).all()] for m in methods}


def scores(data, kind, suite):
    """Mean over the tasks of a suite of the normalised return, by method; see `scored`.

    Returns
    -------
    dict of str to array (replicates,)
        Without methods that have no such return; empty if no task of the suite was run.
    """
    found = _by_method(data, kind, suite)
    return {m: np.mean(values, axis=0) for m, values in found.items() if values}


def scored(data, suite):
    """Of how many tasks of a suite the final score of each method is the mean: where it did not fail."""
    return {m: len(values) for m, values in _by_method(data, "final_return", suite).items()}


def memory_lengths(data):
    """Steps that each task, a MemoryChain, asks to remember."""
    return [int(task.rpartition("-")[2]) for task in coordinates(data)["task"]]


def longest_solved(data, method):
    """The longest memory, in steps, of which the median replicate ends at 0.95 or more; 0 if none."""
    solved = [
        n
        for n in memory_lengths(data)
        if median(returns(data, task=f"MemoryChain-{n}", method=method)) >= SOLVED
    ]
    return max(solved, default=0)


def reached(data, method):
    """In how many tasks a method's median reaches what the paper reports of it: final, best, tasks.

    Tasks in which it failed do not count.
    """
    rows = [r for r in table(data, method=method) if r["published"] and r["n"]]
    final, best = (
        sum(r[kind][0] >= round(r["published"][0], 2) - 0.005 for r in rows)
        for kind in ("final", "best")
    )
    return final, best, len(rows)


def headline(data):
    """How many published values are reached, or what ends highest where none is published; one line."""
    parts = []
    for method in coordinates(data)["method"]:
        final, best, count = reached(data, method)
        if count:
            parts.append(f"{label(data, method)} {final} at the end, {best} on the way, of {count}")
    if parts:
        return "Published medians reached: " + "; ".join(parts)
    for task in coordinates(data)["task"]:
        rows = [row for row in table(data, task=task) if row["n"]]
        if rows:
            best = max(rows, key=lambda row: row["final"][0])
            parts.append(f"{task}: {label(data, best['method'])} {number(best['final'][0])}")
    several = len(coordinates(data)["method"]) > 1
    return f"{'Highest median' if several else 'Median'} at the end: " + "; ".join(parts)


def losses(data):
    """Method to the tasks in which its final returns are below those of the first (p < 0.05)."""
    first = coordinates(data)["method"][0]
    rows = table(data)
    level = {r["task"]: r["final"][0] for r in rows if r["method"] == first}
    found = {method: [] for method in coordinates(data)["method"][1:]}
    for row in rows:
        if row["p"] < LEVEL and row["final"][0] < level[row["task"]]:
            found[row["method"]].append(row["task"])
    return found
