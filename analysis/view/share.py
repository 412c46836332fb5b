"""What leaves the window: a panel's figure as PNG or SVG, and the lines of Python that draw it.

A panel says what draws it as calls of functions of `analysis`. The figure is made by these calls, and the
lines are these calls written down, so that the lines draw the figure.
"""

import io
import math
from dataclasses import dataclass, field

import matplotlib
import panel as pn

from ..stretches import stretches
from ..style import TEXT_AS_TEXT, legend_below, new_figure
from . import draw

TITLE = "Take along"


@dataclass(frozen=True)
class Call:
    """A function of `analysis` that draws into axes.

    Parameters
    ----------
    function : callable
        ``function(*data, *arguments, ax=ax, **options)``.
    arguments : tuple
    options : dict
    runs : tuple of str, optional
        Labels of the runs that it draws; the one that is looked at if nothing is said.
    axes : int, optional
        Number of the axes; each call has its own if nothing is said.
    cut : tuple, optional
        Variables and step to which `analysis.stretches` cuts a long run first.
    """

    function: object
    arguments: tuple = ()
    options: dict = field(default_factory=dict)
    runs: tuple = ()
    axes: int | None = None
    cut: tuple | None = None


def _placed(state, calls):
    """(call, labels of its runs, number of its axes) of each."""
    return [
        (c, c.runs or (state.opened.label,), k if c.axes is None else c.axes)
        for k, c in enumerate(calls)
    ]


def _shape(placed):
    count = 1 + max(k for *_, k in placed)
    columns = 1 if count < 4 else 2
    rows = math.ceil(count / columns)
    return rows, columns, (6.4 * columns, 0.4 + 3.0 * rows)


def figure(state, calls):
    """The figure that calls draw.

    Parameters
    ----------
    state : analysis.view.state.State
    calls : list of Call

    Returns
    -------
    matplotlib.figure.Figure
    """
    placed = _placed(state, calls)
    rows, columns, size = _shape(placed)
    made = new_figure(*size)
    axes = made.subplots(rows, columns, squeeze=False).flat
    for call, labels, k in placed:
        data = [state.runs[label].data for label in labels]
        if call.cut:
            data = [stretches(one, call.cut[0], at=call.cut[1]) for one in data]
        call.function(*data, *call.arguments, ax=axes[k], **call.options)
    if len(axes) < len(placed):
        legend_below(made, ncols=1)
    return made


def python(state, calls, name="view.png"):
    """The lines of Python that draw a figure.

    Parameters
    ----------
    state : analysis.view.state.State
    calls : list of Call
    name : str
        Of the file that they write.

    Returns
    -------
    str
    """
    placed = _placed(state, calls)
    rows, columns, size = _shape(placed)
    several = len(axes := {k for *_, k in placed}) < len(placed)
    style = {"new_figure", "save_figure"} | ({"legend_below"} if several else set())
    modules = {"bgrl.analysis.style": style}
    if any(call.cut for call, *_ in placed):
        modules["bgrl.analysis.stretches"] = {"stretches"}
    for call, *_ in placed:
        module = call.function.__module__.removeprefix("bgrl.")
        modules.setdefault(f"bgrl.{module}", set()).add(call.function.__name__)
    labels = list(dict.fromkeys(label for _, own, _ in placed for label in own))
    names = {label: "data" if len(labels) == 1 else f"run{k}" for k, label in enumerate(labels)}
    lines = ["import bgrl"]
    lines += [f"from {m} import {', '.join(sorted(found))}" for m, found in sorted(modules.items())]
    lines.append("")
    for label in labels:
        one = state.runs[label]
        opened = "...  # the run that you have"
        if one.file or one.folder:
            opened = f"bgrl.open({one.file!r})" if one.file else f"bgrl.follow({one.folder!r})"
        lines.append(f"{names[label]} = {opened}")
    lines.append(f"figure = new_figure({size[0]:g}, {size[1]:g})")
    lines.append(f"axes = figure.subplots({rows}, {columns}, squeeze=False).flat")
    for call, own, k in placed:
        words = [names[label] for label in own]
        if call.cut:
            words = [f"stretches({name}, {call.cut[0]!r}, at={call.cut[1]!r})" for name in words]
        words += [repr(a) for a in call.arguments]
        words += [f"{name}={value!r}" for name, value in call.options.items()]
        lines.append(f"{call.function.__name__}({', '.join([*words, f'ax=axes[{k}]'])})")
    if len(axes) < len(placed):
        lines.append("legend_below(figure, ncols=1)")
    lines.append(f"save_figure(figure, {name!r})")
    return "\n".join(lines)


def saved(made, suffix):
    """A figure as the bytes of a PNG or SVG file."""
    file = io.BytesIO()
    with matplotlib.rc_context(TEXT_AS_TEXT):
        made.savefig(file, format=suffix, metadata={"Date": None} if suffix == "svg" else None)
    file.seek(0)
    return file


def panel(state, panels):
    """Which panel, its figure as a file, and its lines.

    Parameters
    ----------
    panels : dict of str to module
        Title to a panel that has `drawing`.
    """
    which = pn.widgets.Select(label="panel", options=list(panels), width=150)
    text = draw.code("")

    def calls():
        return panels[which.value].drawing(state)

    def file(suffix):
        try:
            return saved(figure(state, calls()), suffix)
        except Exception as error:
            text.object = draw.as_note(f"cannot be drawn: {error}", "alert")
            raise

    def tell(*_):
        try:
            text.object = draw.as_code(python(state, calls()))
        except Exception as error:
            text.object = draw.as_note(f"cannot be drawn: {error}", "alert")

    downloads = [
        pn.widgets.FileDownload(
            callback=lambda suffix=suffix: file(suffix),
            filename=f"view.{suffix}",
            label=suffix.upper(),
            width=90,
            embed=False,
            align="end",
        )
        for suffix in ("png", "svg")
    ]
    lines = pn.widgets.FileDownload(
        callback=lambda: io.StringIO(python(state, calls()) + "\n"),
        filename="view.py",
        label="Python",
        width=90,
        align="end",
    )
    which.param.watch(tell, "value")
    state.param.watch(tell, list(state.SHARED))
    tell()
    note = draw.said(
        "The address of this page holds all that is chosen in it: sent on, it opens the same view."
    )
    return pn.Column(draw.row(which, *downloads, lines), text, note, **draw.STRETCH)
