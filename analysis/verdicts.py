"""Numbers of an experiment beside what is expected of them, replicates being the unit."""

import csv
from typing import NamedTuple

import numpy as np

from .trials import bootstrap_interval


class Verdict(NamedTuple):
    """A number of the simulations beside what is expected of it.

    Attributes
    ----------
    value, low, high : float
        Median or mean over replicates, and its 95 % interval.
    expected : str
        In words.
    shown : bool
        Whether the whole interval is as expected.
    """

    value: float
    low: float
    high: float
    expected: str
    shown: bool


def verdict(values, lowest, highest, expected, middle=np.median):
    """Whether replicates are where they are expected.

    Parameters
    ----------
    values : array (replicates,)
        With a NaN among them nothing is shown.
    lowest, highest : float
        Where the whole interval must be.
    expected : str
        The same in words.
    middle : callable
        ``np.median`` or ``np.mean``.

    Returns
    -------
    Verdict
    """
    low, high = bootstrap_interval(values, middle)
    return Verdict(
        float(middle(values)), low, high, expected, bool(lowest <= low and high <= highest)
    )


def lines(found, word="shown"):
    """Verdicts, name to `Verdict`, as lines of text; the last one counts them."""
    width = max(map(len, found))
    rows = []
    for name, v in found.items():
        number = f"{v.value:.4g} ({v.low:.4g} to {v.high:.4g})"
        text = word if v.shown else f"NOT {word.upper()}"
        rows.append(f"{name:<{width}}  {number:<30} {v.expected:<38} {text}")
    return [*rows, f"{sum(v.shown for v in found.values())} of {len(found)} {word}"]


def published(path):
    """Rows of a file of published numbers, as dicts.

    Parameters
    ----------
    path : pathlib.Path
        Comma-separated, columns named in the first line. Lines that begin with # say where from.
    """
    text = path.read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in text if not line.startswith("#")))
