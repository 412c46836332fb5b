"""Two or more runs by what differs between them: side by side, or each less the one looked at."""

from pathlib import Path

import numpy as np
import panel as pn
from bokeh.models import Range1d, Span

from ..difference import around, difference, learning_curves, plot_difference
from ..event_aligned import plot_event_aligned
from ..learning_curve import plot_learning_curve
from ..runs import shown
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
    less = pn.widgets.Checkbox(
        label="less the run that is looked at", value=state.subtract, align="end"
    )

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
    arguments, options = ((), {}) if what == LEARNING else ((what, event), window)
    found = []
    for k, label in enumerate(_chosen(state)):
        own = options | {"colour": COLOURS[ORDER[k % len(ORDER)]], "label": label}
        if not state.subtract:
            plot = plot_learning_curve if what == LEARNING else plot_event_aligned
            found.append(Call(plot, arguments, own, (label,), 0))
        elif label != state.opened.label:
            found.append(Call(plot_difference, arguments, own, (label, state.opened.label), 0))
    return found


def _chosen(state):
    """Labels of the runs that are compared."""
    return [label for label in state.runs if label in state.compared] or [state.opened.label]


def _what(state):
    return state.choice("comparing", [LEARNING, *state.opened.signals()[0]])


def _values(state, label, at=None):
    """X and (replicate, x) of what is compared."""
    data, what = state.runs[label].data, _what(state)
    if what == LEARNING:
        return learning_curves(data, at)
    return around(data, what, state.choice("event", state.opened.events), state.before, state.after)


def _figures(state):
    what, labels = _what(state), _chosen(state)
    event = state.choice("event", state.opened.events)
    xlabel = "step of learning" if what == LEARNING else f"time from {event} (ms), late in learning"
    ylabel = "return per trial" if what == LEARNING else what
    if state.subtract:
        made = draw.axes(
            f"less {state.opened.label}", xlabel, f"difference of {ylabel}", height=300
        )
        for k, label in enumerate(labels):
            if label == state.opened.label:
                continue
            x, a = _values(state, label)
            b = _values(state, state.opened.label, x)[1]
            mean, error = difference(a, b)
            draw.line_with_band(
                made,
                x,
                COLOURS[ORDER[k % len(ORDER)]],
                f"{label}: mean and s.e., n = {len(a)} and {len(b)}",
                middle=mean,
                low=mean - error,
                high=mean + error,
            )
        made.add_layout(Span(location=0, dimension="width", line_color="#222222"))
        draw.legend_below(made)
        made.legend.ncols = 1
        return [made] if len(made.renderers) else [draw.said("choose another run to subtract from")]
    parts, y = [], Range1d()
    for k, label in enumerate(labels):
        x, values = _values(state, label)
        known = ~np.isnan(values).all(axis=0)
        low, middle, high = np.nanpercentile(values[:, known], [25, 50, 75], axis=0)
        made = draw.axes(label, xlabel, ylabel, height=300, y_range=y)
        draw.line_with_band(
            made,
            x[known],
            COLOURS[ORDER[k % len(ORDER)]],
            f"median and quartiles, n = {len(values)}",
            middle=middle,
            low=low,
            high=high,
        )
        draw.legend_below(made)
        parts.append((made, low, high))
    low, high = min(p[1].min() for p in parts), max(p[2].max() for p in parts)
    room = 0.06 * ((high - low) or 1.0)
    y.update(start=low - room, end=high + room)
    return [made for made, *_ in parts]
