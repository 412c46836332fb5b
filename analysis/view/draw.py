"""What the panels share: one look of the figures in the browser, and controls of the state."""

import html

import numpy as np
import panel as pn
from bokeh.models import ColorBar, ColumnDataSource, HoverTool, LinearColorMapper, Span
from bokeh.plotting import figure
from matplotlib import colormaps
from matplotlib.colors import to_hex

from ..style import COLOURS

#: Blue for negative, white, red for positive values, as in the other figures.
PALETTE = [to_hex(colour) for colour in colormaps["RdBu_r"](np.linspace(0, 1, 255))]
#: Tools of every figure.
TOOLS = "xpan,xwheel_zoom,xbox_zoom,reset"
STRETCH = {"sizing_mode": "stretch_width"}


def axes(title, xlabel, ylabel, *, height=230, tools="pan,wheel_zoom,box_zoom,reset", **options):
    """An empty Bokeh figure in the look of all.

    Parameters
    ----------
    title, xlabel, ylabel : str
    height : int
        In pixels.
    tools : str
    **options
        Of `bokeh.plotting.figure`.
    """
    made = figure(
        title=title,
        x_axis_label=xlabel,
        y_axis_label=ylabel,
        height=height,
        sizing_mode="stretch_width",
        min_width=260,
        tools=tools,
        toolbar_location="above",
        output_backend="canvas",
        **options,
    )
    made.toolbar.logo = None
    made.toolbar.autohide = False
    made.title.text_font_size = "12px"
    made.min_border_right = 24
    made.outline_line_color = None
    made.grid.grid_line_color = "#EEEEEE"
    made.axis.axis_label_text_font_style = "normal"
    made.axis.axis_label_text_font_size = "12px"
    made.xaxis.formatter.use_scientific = False
    made.axis.minor_tick_line_color = None
    made.yaxis.ticker.desired_num_ticks = max(4, height // 45)
    return made


def image(made, source, mapper_label, *, limit=1.0):
    """An image in a figure, from a source with `image_data`; returns its colour mapper."""
    mapper = LinearColorMapper(palette=PALETTE, low=-limit, high=limit, nan_color="#FFFFFF")
    made.image("image", "x", "y", "dw", "dh", source=source, color_mapper=mapper)
    bar = ColorBar(color_mapper=mapper, width=10, title=mapper_label, padding=4)
    bar.update(title_text_font_size="11px", title_text_font_style="normal", title_standoff=6)
    made.add_layout(bar, "right")
    made.grid.grid_line_color = None
    return mapper


def image_data(values, x, y):
    """The data of an image source.

    Parameters
    ----------
    values : array (rows, columns)
        The first row is the lowest.
    x, y : (float, float)
        Its edges.
    """
    box = {"x": [x[0]], "y": [y[0]], "dw": [x[1] - x[0]], "dh": [y[1] - y[0]]}
    return {"image": [values.astype(float)], **box}


def count_places(axis, count, most=10):
    """Whole numbers from 0 on an axis, no more than so many."""
    axis.ticker = list(range(0, count, -(-count // most)))


def vertical(at, **style):
    """A vertical line through a figure."""
    return Span(location=at, dimension="height", **{"line_color": "#222222"} | style)


def in_legend(made, label, kind="line", **style):
    """An entry of the legend for what has none by itself: marks, shades, levels."""
    draw = {"line": made.line, "patch": made.patch}[kind]
    draw([float("nan")], [float("nan")], legend_label=label, **style)


def hover(made, *tooltips, **options):
    """Tell values under the pointer."""
    made.add_tools(HoverTool(tooltips=list(tooltips), **options))


def line_with_band(made, x, colour, label, *, middle, low, high, dash="solid"):
    """A curve and its band, in the legend under a label."""
    source = ColumnDataSource({"x": x, "middle": middle, "low": low, "high": high})
    made.varea("x", "low", "high", source=source, fill_color=colour, fill_alpha=0.2)
    made.line(
        "x",
        "middle",
        source=source,
        line_color=colour,
        line_width=2,
        line_dash=dash,
        legend_label=label,
    )
    return source


def legend_below(made):
    """Put the legend of a figure under it, where it hides nothing, and make room for it."""
    if not made.legend:
        return
    legend = made.legend[0]
    made.add_layout(legend, "below")
    made.height += 22 * len(legend.items)
    legend.location = "left"
    legend.label_text_font_size = "11px"
    legend.border_line_color = None
    legend.padding = legend.margin = legend.spacing = 1
    legend.click_policy = "hide"


def key(entries):
    """What lines and shades mean, as HTML.

    Parameters
    ----------
    entries : list of (str, str, str)
        Label, colour, and solid, dashed, dotted or shade.
    """
    parts = []
    for label, colour, look in entries:
        mark = f"border-left:2px {look} {colour};height:14px;width:0"
        if look == "shade":
            mark = f"background:{colour};opacity:0.35;height:12px;width:16px"
        mark = f'<span style="display:inline-block;vertical-align:middle;{mark}"></span>'
        text = html.escape(label)
        parts.append(f'<span style="margin-right:16px;white-space:nowrap">{mark} {text}</span>')
    return f'<p style="margin:2px 0;font-size:12px;line-height:20px">{" ".join(parts)}</p>'


def said(text, kind="note"):
    """Lines of text of any origin, escaped."""
    return pn.pane.HTML(as_note(text, kind), **STRETCH)


def as_note(text, kind="note"):
    """What such lines are in HTML, to be put into the pane of others."""
    colour = {"note": "#555555", "alert": COLOURS["vermillion"]}[kind]
    style = f"color:{colour};margin:2px 0;white-space:pre-line;overflow-wrap:anywhere"
    return f'<p style="{style}">{html.escape(text)}</p>'


def select(state, name, label, options, **given):
    """A list to choose a value of the state from."""
    widget = pn.widgets.Select(
        label=label,
        options=options,
        value=state.choice(name, list(options)),
        **{"width": 150} | given,
    )

    def follow(_):
        if getattr(state, name) in list(widget.options):
            widget.value = getattr(state, name)

    widget.param.watch(lambda event: state.param.update(**{name: event.new}), "value")
    state.param.watch(follow, name)
    return widget


def heading(text):
    """The name of what follows."""
    return pn.pane.HTML(f"<h3 style='margin:6px 0 2px'>{html.escape(text)}</h3>", **STRETCH)


def code(text):
    """Text in columns as it is."""
    return pn.pane.HTML(as_code(text), **STRETCH)


def as_code(text):
    """What such text is in HTML, to be put into the pane of another."""
    look = "white-space:pre-wrap;overflow-wrap:anywhere;background:#F5F5F5;padding:8px;margin:2px 0"
    return f'<pre tabindex="0" style="{look}">{html.escape(text)}</pre>'


def table(rows, most=8):
    """Names and values; many are folded away."""
    cell = "text-align:left;vertical-align:top;padding:1px 10px 1px 0;overflow-wrap:anywhere"
    lines = "".join(
        f'<tr><th style="{cell};font-weight:600;min-width:100px">{html.escape(str(k))}</th>'
        f'<td style="{cell}">{html.escape(str(v))}</td></tr>'
        for k, v in rows.items()
    )
    text = f"<table style='font-size:13px'>{lines}</table>"
    if len(rows) > most:
        text = f"<details><summary>{len(rows)} settings</summary>{text}</details>"
    return pn.pane.HTML(text, **STRETCH)


def row(*content):
    """Controls beside each other, in further lines where the window is narrow."""
    return pn.FlexBox(*content, align_items="end", gap="6px", **STRETCH)


def button(label, pressed):
    """A button and what it does."""
    made = pn.widgets.Button(label=label, width=max(70, 20 + 7 * len(label)), align="end")
    made.on_click(pressed)
    return made


def integer(state, name, label):
    """A whole number of the state."""
    bounds = state.param[name].bounds
    widget = pn.widgets.IntInput(
        label=label, value=getattr(state, name), start=bounds[0], end=bounds[1], width=100
    )
    widget.param.watch(lambda event: state.param.update(**{name: event.new}), "value")
    state.param.watch(lambda event: widget.param.update(value=event.new), name)
    return widget


def part(made):
    """A figure or text as a part of a panel that takes its share of the width."""
    if isinstance(made, pn.viewable.Viewable):
        return made
    box = {"flex": "1 1 320px", "min-width": "min(320px, 100%)"}
    return pn.Column(pn.pane.Bokeh(made, **STRETCH), styles=box, **STRETCH)


def line(text):
    """A line of text of any origin as HTML."""
    return f'<span style="overflow-wrap:anywhere">{html.escape(text)}</span>'
