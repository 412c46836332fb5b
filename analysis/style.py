"""One look for all figures: sizes, colours that colour-blind readers can tell apart, panel letters."""

import functools
import io
import os
from pathlib import Path

import matplotlib
import matplotlib.font_manager
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

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
#: Line styles, where there are more curves than colours.
LINES = ("-", "--", "-.", ":")
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

#: Widths of one and two columns of a journal, and the height of a page, in mm.
COLUMNS_MM, TALLEST_MM, MM = (89, 183), 247, 25.4
#: Faces of type that journals ask for, the first that is installed.
FACES = ("Arial", "Helvetica", "Liberation Sans", "DejaVu Sans")
TEXT_AS_TEXT = {"svg.fonttype": "none", "svg.hashsalt": "bgrl", "pdf.fonttype": 42}


class _ShownFigure(Figure):
    """A figure that notebooks show; pyplot, which would see to that, is not used here.

    Private, since matplotlib gives each subclass a method `set` whose text the documentation cannot read.
    """

    def _repr_png_(self):
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


def new_figure(width, height, layout="constrained"):
    """An empty figure in this look; sizes in inches; `layout` "none" leaves margins to the caller."""
    with matplotlib.rc_context(RC):
        return _ShownFigure(figsize=(width, height), dpi=RC["figure.dpi"], layout=layout)


def as_paper(figure):
    """Give a figure the size and the type of a printed one.

    One or two columns wide (89 or 183 mm), type from 5 to 8 points in a sans-serif face, thin lines.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Is changed.
    """
    width, height = figure.get_size_inches()
    columns = COLUMNS_MM[0] if width <= 5.5 else COLUMNS_MM[1]
    factor = columns / MM / width
    figure.set_size_inches(columns / MM, min(height * factor, TALLEST_MM / MM))
    face = next((f for f in FACES if _installed(f)), "sans-serif")
    for text in figure.findobj(Text):
        size = min(max(text.get_fontsize() * factor, 5.0), 8.0)
        text.set(fontsize=size, fontfamily=face)
    for line in figure.findobj(Line2D):
        line.set(
            linewidth=max(0.4, line.get_linewidth() * 0.6), markersize=line.get_markersize() * 0.6
        )


def _installed(face):
    return face in matplotlib.font_manager.get_font_names()


def save_figure(figure, path):
    """Write a figure, whole or not at all; text stays text in SVG and PDF, equal figures are equal bytes.

    Raises
    ------
    ValueError
        For a suffix that matplotlib does not know.
    OSError
        If it cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix)
    try:
        with matplotlib.rc_context(TEXT_AS_TEXT):
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


def captioned(ax, title, caption):
    """Set a title, and below it in small type what is drawn: the band and how many are in it.

    Parameters
    ----------
    ax : matplotlib Axes
    title, caption : str
    """
    for text in [t for t in ax.texts if t.get_gid() == "caption"]:
        text.remove()
    lines = caption.count("\n") + 1
    ax.set_title(title, pad=6 + 9 * lines)
    style = {"fontsize": 7, "color": COLOURS["grey"], "va": "bottom", "gid": "caption"}
    ax.annotate(caption, (0, 1), (0, 4), "axes fraction", textcoords="offset points", **style)


def quartiles_of(count):
    """What a band says of itself."""
    return f"median and quartiles, n = {count} replicate{'s' if count != 1 else ''}"


def legend_beside(ax, **options):
    """A legend at the right of the axes, where it hides no curve; None where nothing has a label."""
    if not ax.get_legend_handles_labels()[1]:
        return None
    return ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0, **options)


def legend_below(figure, **options):
    """One legend below all axes of a figure, in the place of theirs; None where nothing has a label.

    Parameters
    ----------
    figure : matplotlib Figure
    **options
        Of `matplotlib.figure.Figure.legend`.
    """
    entries = {}
    for ax in figure.axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
        if ax.get_legend():
            ax.get_legend().remove()
    if not entries:
        return None
    options = {"ncols": len(entries), "fontsize": 8} | options
    return figure.legend(entries.values(), entries.keys(), loc="outside lower center", **options)


def unbroken(x, values, step):
    """A trace for drawing, in which no line crosses a gap of the recording.

    Parameters
    ----------
    x : array (points,)
    values : array (points,)
    step : array (points,) of int
        Steps that were recorded; a distance larger than the least is a gap.

    Returns
    -------
    (x, values) : arrays
        With a NaN in each gap.
    """
    apart = np.diff(step)
    gaps = np.flatnonzero(apart > apart.min(initial=np.iinfo(np.int64).max)) + 1
    x, values = np.asarray(x, float), np.asarray(values, float)
    return np.insert(x, gaps, x[gaps]), np.insert(values, gaps, np.nan)


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
