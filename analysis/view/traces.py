"""Traces that are linked: all have the stretch of steps of the window, from the whole run to a step.

Of a stretch no more is read and sent than the screen can show; a closer look reads its own steps.
"""

import numpy as np
import panel as pn
from bokeh.events import RangesUpdate
from bokeh.models import ColumnDataSource, Range1d

from ..style import COLOURS
from ..traces import MARKS, extremes, intervals, mark_style, marks, plot_trace, window
from . import draw
from .learning import shade, shades
from .share import Call

TITLE = "Traces"
#: Points of a trace that are sent to the browser.
POINTS = 1200


def panel(state):
    """One figure below the other, and controls of what they show."""
    content, note = pn.Column(**draw.STRETCH), draw.said("")
    shown = pn.widgets.MultiSelect(label="traces", options=[], size=5, width=240)
    first = pn.widgets.IntInput(label="first step", width=110, start=0)
    last = pn.widgets.IntInput(label="last step", width=110, start=0)
    figures, x, known = [], Range1d(state.first, state.last), [0]

    def refresh(*_):
        """Read the stretch anew."""
        a, b = _stretch(state)
        x.update(start=a, end=b)
        first.value, last.value = a, b
        try:
            seen = marks(state.data, state.replicate, a, b)
            for one in figures:
                one.read(a, b, seen[0])
        except (RuntimeError, OSError) as error:  # the folder of a run that went on is gone
            note.object = draw.as_note(str(error), "alert")
            return
        told = _told(state, a, b, *seen) if figures else "no trace is chosen"
        note.object = draw.as_note(told) + _key(state, seen[0])

    def redraw(*_):
        names = [n for n in state.traces if n in state.opened.curves]
        shown.param.update(options=list(state.opened.curves), value=names)
        x.update(bounds=(0, state.opened.steps), reset_start=0, reset_end=state.opened.steps)
        figures[:] = [Trace(state, name, x, last=name == names[-1]) for name in names]
        for one in figures:  # where one has a bar of colours, all leave room for it
            one.figure.min_border_right = (
                60 if any(o.wide for o in figures) and not one.wide else 24
            )
        content[:] = [pn.pane.Bokeh(one.figure, **draw.STRETCH) for one in figures]
        for one in figures:
            one.figure.on_event(RangesUpdate, zoomed)
        refresh()

    def zoomed(event):
        state.param.update(first=max(0, round(event.x0)), last=max(1, round(event.x1)))

    def by(factor, shift=0.0):
        def change(_):
            a, b = _stretch(state)
            middle, half = (a + b) / 2 + shift * (b - a), max(1.0, (b - a) * factor / 2)
            a, b = max(0, round(middle - half)), min(state.opened.steps, round(middle + half))
            state.param.update(first=a, last=max(b, a + 1))

        return change

    def centre(event):
        """Follow the step that was picked, unless the whole run is in view."""
        a, b = _stretch(state)
        if b - a < state.opened.steps:
            half = (b - a) // 2
            state.param.update(
                first=max(0, event.new - half), last=max(0, event.new - half) + b - a
            )

    def grow(_):
        """Keep the end of a run that goes on in view, if it was; shade what was done to it since."""
        if figures and figures[0].shaded != intervals(state.data):
            redraw()
        (a, b), before, now = _stretch(state), known[0], state.opened.seen
        known[0] = now
        if before and b < before:
            return
        state.param.update(first=0 if a == 0 else now - (b - a), last=now)

    def to_step(_):
        state.param.update(first=max(0, state.step - 50), last=max(0, state.step - 50) + 100)

    whole = lambda _: state.param.update(first=0, last=state.opened.seen)  # noqa: E731
    buttons = [
        draw.button(*given)
        for given in (
            ("zoom in", by(0.25)),
            ("zoom out", by(4)),
            ("earlier", by(1, -0.5)),
            ("later", by(1, 0.5)),
            ("at the step", to_step),
            ("whole run", whole),
        )
    ]
    first.param.watch(lambda event: state.param.update(first=event.new), "value")
    last.param.watch(lambda event: state.param.update(last=event.new), "value")
    shown.param.watch(lambda event: state.param.update(traces=event.new), "value")
    state.param.watch(redraw, ["run", "traces"])
    state.param.watch(refresh, ["first", "last", "replicate", "step"])
    state.param.watch(centre, "step")
    state.param.watch(grow, "looks")
    redraw()
    return pn.Column(draw.row(shown, first, last, *buttons), content, note, **draw.STRETCH)


def drawing(state):
    """The calls that draw it."""
    first, last = _stretch(state)
    span = {"replicate": state.replicate, "first": first, "last": last}
    return [Call(plot_trace, (name,), span) for name in state.traces if name in state.opened.curves]


def _stretch(state):
    """First and last step of what is in view."""
    last = min(max(state.last, 1), state.opened.steps)
    return min(state.first, last - 1), last


def _key(state, marked):
    """What lines and shades mean."""
    entries = [
        (event, *mark_style(state.data, event)[:2]) for event, at in marked.items() if len(at)
    ]
    entries += [(f"shaded: {text}", colour, "shade") for text, colour in shades(state.opened)]
    entries.append((f"step of learning {state.step:,}", COLOURS["vermillion"], "solid"))
    return draw.key(entries)


def _told(state, first, last, marked, trials):
    """What the marks of a stretch are, and how many."""
    text = f"Steps {first:,} to {last:,} of replicate {state.replicate}. "
    if trials > MARKS:
        return f"{text}{trials:,} trials, too many to mark their ends and events; zoom in."
    told = ", ".join(f"{k} ({len(at)})" for k, at in marked.items() if len(at))
    return text + (f"Marked: {told}." if told else "")


class Trace:
    """One figure: a curve, or a heat map of many, with its marks."""

    def __init__(self, state, name, x, last=True):
        self.state, self.name, self.shaded = state, name, intervals(state.opened.data)
        variable, place = state.opened.curves[name]
        self.wide = place is None and state.data["traces"][variable].ndim == 3
        units = state.data["traces"][variable].attrs.get("units", "1")
        self.figure = made = draw.axes(
            f"{name} ({units})" if units != "1" else name,
            "step" if last else "",
            "",
            height=150 if last else 130,
            tools=draw.TOOLS,
            x_range=x,
            name=f"trace {name}",
        )
        made.min_border_left = 60
        if self.wide:
            count = state.data["traces"][variable].shape[2]
            made.y_range.update(start=-0.5, end=count - 0.5)
            draw.count_places(made.yaxis, count, most=4)
            self.source = ColumnDataSource(
                draw.image_data(np.zeros((count, 1)), (0, 1), (0, count))
            )
            self.mapper = draw.image(made, self.source, "")
            return
        self.source = ColumnDataSource({"x": [], "low": [], "high": []})
        style = {"source": self.source, "line_color": COLOURS["blue"]}
        made.varea(
            "x", "low", "high", source=self.source, fill_color=COLOURS["blue"], fill_alpha=0.45
        )
        made.line("x", "high", **style)
        made.line("x", "low", **style)
        self.marks = {}
        for event in ("trial end", *state.opened.events):
            colour, _, dashes = mark_style(state.data, event)
            offset, (dash, gap) = dashes or (0, (1, 0))
            style = {"line_color": colour, "line_dash": f"{dash} {gap}", "line_dash_offset": offset}
            self.marks[event] = ColumnDataSource({"x": []})
            made.vspan("x", source=self.marks[event], line_alpha=0.8, **style)
        shade(made, state.opened)
        self.cursor = draw.vertical(state.step, line_color=COLOURS["vermillion"], line_width=1.5)
        made.add_layout(self.cursor)
        draw.hover(
            made,
            ("step", "@x{0,0}"),
            (name, "@low to @high"),
            mode="vline",
            renderers=made.renderers[1:2],
        )

    def read(self, first, last, marked):
        """Show a stretch."""
        state = self.state
        seen = window(
            state.opened.envelopes, state.data, self.name, state.replicate, first, last, POINTS
        )
        if self.wide:
            values = extremes(seen).T
            limit = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
            self.mapper.update(low=-limit, high=limit)
            edges = (
                (first, last) if not len(seen.first) else (seen.first[0] - 0.5, seen.last[-1] + 0.5)
            )
            self.source.data = draw.image_data(values, edges, (-0.5, len(values) - 0.5))
            return
        self.source.data = {"x": seen.first, "low": seen.low, "high": seen.high}
        self.cursor.location = state.step
        for event, source in self.marks.items():
            source.data = {"x": marked.get(event, [])}


def curve_figure(state, name, first, last, height):
    """One curve alone between two steps."""
    one = Trace(state, name, Range1d(first, last))
    one.figure.height = height
    one.read(first, last, marks(state.data, state.replicate, first, last)[0])
    return pn.pane.Bokeh(one.figure, **draw.STRETCH)
