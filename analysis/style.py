"""One look for all figures: sizes, colours that colour-blind readers can tell apart, panel letters."""

import functools
import os
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

#: Okabe & Ito 2008, "Color Universal Design".
COLOURS = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "grey": "#7F7F7F",
}
#: Periods of learning.
PERIODS = {"early": COLOURS["orange"], "late": COLOURS["blue"]}

RC = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "figure.dpi": 150,
    "savefig.dpi": 150,
    "figure.constrained_layout.use": True,
}


def new_figure(width, height, layout="constrained"):
    """An empty figure in this look; sizes in inches; `layout` "none" leaves margins to the caller."""
    with matplotlib.rc_context(RC):
        return Figure(figsize=(width, height), dpi=RC["figure.dpi"], layout=layout)


def save_figure(figure, path):
    """Write a figure, whole or not at all; in SVG, text stays text and equal figures equal bytes.

    Raises
    ------
    ValueError
        For a suffix that matplotlib does not know.
    OSError
        If it cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    metadata = {"Date": None} if path.suffix == ".svg" else None
    try:
        with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "bgrl"}):
            figure.savefig(temporary, metadata=metadata)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def styled(function):
    """Decorator: draw with this look."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        with matplotlib.rc_context(RC):
            return function(*args, **kwargs)

    return wrapper


def axes_or_new(ax):
    """The axes given, or those of a new small figure."""
    return new_figure(4.5, 3.0).add_subplot() if ax is None else ax


def letter(ax, text):
    """Put a panel letter above the left end of the axes."""
    ax.text(
        -0.02,
        1.04,
        text,
        transform=ax.transAxes,
        ha="right",
        va="bottom",
        fontweight="bold",
        fontsize=11,
    )


def median_and_quartiles(ax, x, values, label=None, colour=None, singles=False, **kwargs):
    """Draw the median over the first axis, its quartiles, and faintly each row if asked.

    Parameters
    ----------
    values : array (replicates, points)
    """
    kept = ~np.isnan(values).all(axis=0)
    x, values = np.asarray(x)[kept], values[:, kept]
    if not values.size:
        return
    low, middle, high = np.nanpercentile(values, [25, 50, 75], axis=0)
    if singles:
        for row in values:
            ax.plot(x, row, color=colour, alpha=0.25, linewidth=0.7)
    ax.fill_between(x, low, high, color=colour, alpha=0.25, linewidth=0)
    ax.plot(x, middle, color=colour, label=label, **kwargs)
