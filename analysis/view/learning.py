"""Learning curves of all replicates; the step that is picked is the one that the other panels show."""

import numpy as np
import panel as pn
from bokeh.events import Tap
from bokeh.models import BoxAnnotation, ColumnDataSource, Range1d

from ..learning_curve import plot_learning_curve
from ..style import COLOURS
from ..traces import intervals
from . import draw
from .share import Call

TITLE = "Learning"


def panel(state):
    """The curves; a click picks the evaluation nearest to it."""
    content, drawn = pn.Column(**draw.STRETCH), {}
    steps = pn.widgets.DiscreteSlider(label="step of learning", options=[0], **draw.STRETCH)
    cursor = draw.vertical(state.step, line_color=COLOURS["vermillion"], line_width=2)

    def fill():
        options = state.opened.checkpoints.tolist()
        steps.param.update(options=options, value=options[state.checkpoint])
        drawn["fill"]()

    def redraw(*_):
        figure, filled = _curves(state, cursor)
        drawn.update(fill=filled, shaded=intervals(state.data))
        content[:] = [figure]
        fill()

    def follow(*_):
        cursor.location = state.step
        steps.value = int(state.opened.checkpoints[state.checkpoint])

    def grow(_):
        """An evaluation came in a run that goes on: its step is picked if the last one was."""
        known, now = steps.options, state.opened.checkpoints.tolist()
        latest = state.step >= known[-1]
        if drawn["shaded"] != intervals(state.data):
            redraw()
        elif now != known:
            fill()
        state.step = now[-1] if latest else state.step

    steps.param.watch(lambda event: state.param.update(step=int(event.new)), "value")
    state.param.watch(redraw, "run")
    state.param.watch(follow, "step")
    state.param.watch(grow, "looks")
    redraw()
    return pn.Column(content, steps, **draw.STRETCH)


def drawing(state):
    """The call that draws it."""
    return [Call(plot_learning_curve)]


def _curves(state, cursor):
    """The figure, and what fills it with the evaluations that there are: cheaper than another figure."""
    data = state.data
    made = draw.axes(
        " ",
        "step of learning",
        "return per trial, plasticity off",
        height=260,
        x_range=Range1d(-0.02 * state.opened.steps, 1.02 * state.opened.steps),
        name="learning",
    )
    each, label = ColumnDataSource({"x": [], "y": []}), "median and quartiles, each replicate thin"
    made.multi_line("x", "y", source=each, line_color=COLOURS["blue"], line_alpha=0.35)
    nothing = {"middle": [], "low": [], "high": []}
    band = draw.line_with_band(made, [], COLOURS["blue"], label, **nothing)
    # Of a single evaluation there is no line.
    made.scatter("x", "middle", source=band, size=5, color=COLOURS["blue"])
    levels = (("best_return", "best possible", "dashed"), ("chance_return", "guessing", "dotted"))
    for key, text, dash in levels:
        if key in data.attrs:
            level = float(data.attrs[key])
            style = {"line_color": COLOURS["grey"], "line_dash": dash, "line_width": 2}
            made.line(
                [0, state.opened.steps], [level] * 2, legend_label=f"{text}: {level:g}", **style
            )
    shade(made, state.opened)
    for text, colour in shades(state.opened):
        style = {"fill_color": colour, "fill_alpha": 0.2, "line_color": None}
        draw.in_legend(made, f"shaded: {text}", "patch", **style)
    made.add_layout(cursor)
    draw.legend_below(made)

    def pick(event):
        x = state.opened.checkpoints
        state.step = int(x[np.abs(x - event.x).argmin()])

    def fill():
        x, values = state.opened.checkpoints, state.data["evaluation"]["mean_return"].values
        known = ~np.isnan(values).all(axis=0)
        low, middle, high = np.nanpercentile(values[:, known], [25, 50, 75], axis=0)
        each.data = {"x": [x] * len(values), "y": list(values)}
        band.data = {"x": x[known], "middle": middle, "low": low, "high": high}
        word = "final" if x[-1] >= state.opened.steps else "last"
        last = np.nanmedian(values[:, -1])
        made.title.text = f"{word} return {last:.2f}, n = {len(values)} replicates"

    made.on_event(Tap, pick)
    return pn.pane.Bokeh(made, **draw.STRETCH), fill


def shades(opened):
    """(What was done, colour) of each intervention."""
    colours = COLOURS["grey"], COLOURS["sky"], COLOURS["purple"]
    return [(text, colours[k % 3]) for k, (text, *_) in enumerate(intervals(opened.data))]


def shade(made, opened):
    """Shade the time of each intervention."""
    for (_, start, end), (_, colour) in zip(intervals(opened.data), shades(opened), strict=True):
        style = {"fill_color": colour, "fill_alpha": 0.2, "line_color": None}
        made.add_layout(BoxAnnotation(left=start, right=end, **style))
