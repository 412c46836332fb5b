"""Two or more runs by what differs between them: side by side, or each less the one looked at."""

from pathlib import Path

import numpy as np
import panel as pn
from bokeh.models import Range1d, Span

from ..difference import around, difference, learning_curves, plot_difference
from ..event_aligned import plot_event_aligned
from ..learning_curve import plot_learning_curve
from ..runs import shown
from ..stretches import stretches
from ..style import COLOURS
from . import draw
from .share import Call
from .state import differing as differing_in

TITLE = "Compare"
LEARNING = "learning curve"
#: Colours of runs; dashes tell more of them apart.
ORDER = ("blue", "vermillion", "green", "purple", "orange", "sky", "grey")


def panel(state):
    """Which runs, what of them, and whether subtracted."""
    content = pn.FlexBox(gap="6px", **draw.STRETCH)
    runs = pn.widgets.MultiSelect(
        label="runs",
        options=list(state.runs),
        value=_chosen(state),
        size=min(5, len(state.runs)),
        width=340,
    )
    what = draw.select(state, "comparing", "of each", [LEARNING, *state.opened.signals()[0]])
    ways = {"side by side": False, "less the run that is looked at": True}
    less = pn.widgets.Select(label="how", options=ways, value=state.subtract, width=220)

    def redraw(*_):
        what.options = [LEARNING, *state.opened.signals()[0]]
        runs.value, less.value = _chosen(state), state.subtract
        try:
            content[:] = [draw.part(one) for one in _figures(state)]
        except (ValueError, KeyError) as error:
            content[:] = [draw.said(f"cannot be compared: {error}", "alert")]

    runs.param.watch(lambda event: state.param.update(compared=event.new), "value")
    less.param.watch(lambda event: state.param.update(subtract=event.new), "value")
    state.param.watch(
        redraw, ["run", "compared", "comparing", "subtract", "event", "before", "after"]
    )
    redraw()
    told = (
        draw.table(differing(state))
        if len(state.runs) > 1
        else draw.said("one run is open; of several files each is compared")
    )
    return pn.Column(told, draw.row(runs, what, less), content, **draw.STRETCH)


def differing(state):
    """Setting to its value in each run."""
    found = differing_in([one.data for one in state.runs.values()])
    names = [Path(one.file).name if one.file else one.label for one in state.runs.values()]
    return {
        setting: "; ".join(f"{n}: {shown(v)}" for n, v in zip(names, values, strict=True))
        for setting, values in found.items()
    }


def drawing(state):
    """The calls that draw it: all in one pair of axes."""
    what, event = _what(state), state.choice("event", state.opened.events)
    window = {"before": state.before, "after": state.after}
    cut = None if what == LEARNING else ([what, "done", "reward"], None)
    arguments, options = ((), {}) if what == LEARNING else ((what, event), window)
    found = []
    for k, label in enumerate(_chosen(state)):
        own = options | {"colour": _colour(k), "label": label}
        if not state.subtract:
            plot = plot_learning_curve if what == LEARNING else plot_event_aligned
            found.append(Call(plot, arguments, own, (label,), 0, cut))
        elif label != state.opened.label:
            found.append(Call(plot_difference, arguments, own, (label, state.opened.label), 0, cut))
    return found


def _chosen(state):
    """Labels of the runs that are compared."""
    return [label for label in state.runs if label in state.compared] or [state.opened.label]


def _colour(k):
    return COLOURS[ORDER[k % len(ORDER)]]


def _what(state):
    return state.choice("comparing", [LEARNING, *state.opened.signals()[0]])


def _values(state, label, at=None):
    """X and (replicate, x) of what is compared."""
    data, what = state.runs[label].data, _what(state)
    if what == LEARNING:
        return learning_curves(data, at)
    data = stretches(data, [what, "done", "reward"])
    return around(data, what, state.choice("event", state.opened.events), state.before, state.after)


def _labels(state):
    """Labels of the axes."""
    what, event = _what(state), state.choice("event", state.opened.events)
    if what == LEARNING:
        return "step of learning", "return per trial"
    return f"time from {event} (ms), late in learning", what


def _figures(state):
    return [_less(state)] if state.subtract else _beside(state)


def _less(state):
    """Each run less the one that is looked at, in one figure."""
    xlabel, ylabel = _labels(state)
    reference = state.opened.label
    others = [(k, label) for k, label in enumerate(_chosen(state)) if label != reference]
    if not others:
        return draw.said("choose another run to subtract from")
    options = {"height": 300, "name": "compare less"}
    made = draw.axes(f"each less: {reference}", xlabel, f"difference of {ylabel}", **options)
    for k, label in others:
        x, a = _values(state, label)
        b = _values(state, reference, x)[1]
        mean, error = difference(a, b)
        text = f"{label}: mean and s.e., n = {len(a)} and {len(b)}"
        band = {"middle": mean, "low": mean - error, "high": mean + error}
        draw.line_with_band(made, x, _colour(k), text, **band)
    made.add_layout(Span(location=0, dimension="width", line_color="#222222"))
    draw.legend_below(made)
    return made


def _beside(state):
    """A figure for each run, all with the same axes."""
    xlabel, ylabel = _labels(state)
    parts, y = [], Range1d()
    for k, label in enumerate(_chosen(state)):
        x, values = _values(state, label)
        known = ~np.isnan(values).all(axis=0)
        low, middle, high = np.nanpercentile(values[:, known], [25, 50, 75], axis=0)
        made = draw.axes(label, xlabel, ylabel, height=300, y_range=y, name=f"compare {k}")
        text = f"median and quartiles, n = {len(values)}"
        draw.line_with_band(made, x[known], _colour(k), text, middle=middle, low=low, high=high)
        draw.legend_below(made)
        parts.append((made, low, high))
    low, high = min(p[1].min() for p in parts), max(p[2].max() for p in parts)
    room = 0.06 * ((high - low) or 1.0)
    y.update(start=low - room, end=high + room)
    return [made for made, *_ in parts]
