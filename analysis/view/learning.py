"""Learning curves of all replicates; the step that is picked is the one that the other panels show."""

import numpy as np
import panel as pn
from bokeh.events import Tap
from bokeh.models import BoxAnnotation, Range1d

from ..learning_curve import plot_learning_curve
from ..style import COLOURS
from ..traces import intervals
from . import draw
from .share import Call

TITLE = "Learning"


def panel(state):
    """The curves; a click picks the evaluation nearest to it."""
    content, shaded = pn.Column(**draw.STRETCH), []
    steps = pn.widgets.DiscreteSlider(label="step of learning", options=[0], **draw.STRETCH)
    cursor = draw.vertical(state.step, line_color=COLOURS["vermillion"], line_width=2)

    def redraw(*_):
        options = state.opened.checkpoints.tolist()
        steps.param.update(options=options, value=options[state.checkpoint])
        content[:], shaded[:] = [_curves(state, cursor)], [intervals(state.data)]

    def follow(*_):
        cursor.location = state.step
        steps.value = int(state.opened.checkpoints[state.checkpoint])

    def grow(_):
        """An evaluation came in a run that goes on: its step is picked if the last one was."""
        known, now = steps.options, state.opened.checkpoints.tolist()
        if now != known or shaded != [intervals(state.data)]:
            latest = state.step >= known[-1]
            redraw()
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
    data, x = state.data, state.opened.checkpoints
    values = data["evaluation"]["mean_return"].values
    last, ended = values[:, -1], x[-1] >= state.opened.steps
    made = draw.axes(
        f"{'final' if ended else 'last'} return {np.nanmedian(last):.2f}, n = {len(last)} replicates",
        "step of learning",
        "return per trial, plasticity off",
        height=260,
        x_range=Range1d(-0.02 * state.opened.steps, 1.02 * state.opened.steps),
        name="learning",
    )
    for row in values:
        made.line(x, row, line_color=COLOURS["blue"], line_alpha=0.35)
    known = ~np.isnan(values).all(axis=0)
    low, middle, high = np.nanpercentile(values[:, known], [25, 50, 75], axis=0)
    source = draw.line_with_band(
        made,
        x[known],
        COLOURS["blue"],
        "median and quartiles, each replicate thin",
        middle=middle,
        low=low,
        high=high,
    )
    made.scatter(
        "x", "middle", source=source, size=5, color=COLOURS["blue"]
    )  # of one there is no line
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
        state.step = int(x[np.abs(x - event.x).argmin()])

    made.on_event(Tap, pick)
    return pn.pane.Bokeh(made, **draw.STRETCH)


def shades(opened):
    """(What was done, colour) of each intervention."""
    colours = COLOURS["grey"], COLOURS["sky"], COLOURS["purple"]
    return [(text, colours[k % 3]) for k, (text, *_) in enumerate(intervals(opened.data))]


def shade(made, opened):
    """Shade the time of each intervention."""
    for (_, start, end), (_, colour) in zip(intervals(opened.data), shades(opened), strict=True):
        style = {"fill_color": colour, "fill_alpha": 0.2, "line_color": None}
        made.add_layout(BoxAnnotation(left=start, right=end, **style))
