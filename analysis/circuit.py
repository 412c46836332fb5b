"""A circuit diagram: nuclei in their anatomical places, projections by sign, strength and plasticity.

Drawn from a circuit or its description (``circuit.to_dict()``), before any run, or from a dataset with
the weights that were learned. Whatever is drawn carries a name (matplotlib's gid, the id in SVG), such
as `inhibitory:gpi->thalamus`.
"""

import textwrap
from dataclasses import replace
from functools import cache

import numpy as np
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from . import anatomy
from .pathways import ELECTRICAL, Arrow, read_circuit
from .style import COLOURS, new_figure, styled

ABBREVIATIONS = {name: name.upper() for name in ("d1", "d2", "stn", "vta")} | {
    "gpe": "GPe",
    "gpi": "GPi",
    "snr": "SNr",
    "snc": "SNc",
}
KINDS = {1: "excitatory", -1: "inhibitory", 0: "mixed", ELECTRICAL: "electrical"}
LINES = {1: COLOURS["vermillion"], -1: COLOURS["blue"], 0: "#444444", ELECTRICAL: "#444444"}
DOPAMINE, MODULATOR, LESIONED, TEXT = COLOURS["green"], "#9B4F7F", "#B0B0B0", "#222222"
FILLS = {"population": "#EAF0F6", "input": "white", "readout": "#FFF3D1", "dopamine": "#DFF2EA"}
#: What the legend says of the ends of lines.
SIGNS = {1: "excitatory", -1: "inhibitory", 0: "mixed signs", ELECTRICAL: "gap junctions"}
#: Width of a projection without strength, and of the strongest, in points.
WIDTHS = (0.8, 4.4)
#: Height of a row of the legend, and length of the mark in it, in inches.
ROW, MARK = 0.25, 0.5


@styled
def plot_circuit(circuit_or_dataset, *, ax=None, checkpoint=-1):
    r"""Draw a circuit.

    Arrow-heads are excitatory, bars inhibitory, double bars gap junctions; diamonds have mixed signs:
    less than nine tenths of their summed \|weight\| have one. A projection with a `sign` has that. The
    width of a line is the summed \|weight\| onto a neuron of the target, as learned in a dataset, as
    expected where a circuit gives a distribution. Lesioned is what a projection or population calls so;
    in a description that has no word for it, what a mask takes out. Beside a line stand its delay and
    the variables of its synapses. A modulator ends in a disc (gain) or a square (plasticity), at a
    nucleus or at a line. Projections that share all of this are one line.

    Parameters
    ----------
    circuit_or_dataset : Circuit, dict or xarray.DataTree
        A circuit or ``circuit.to_dict()``, or what a run returned.
    ax : matplotlib.axes.Axes, optional
        To fill with the diagram, scaled to its size; those of a new figure of natural size otherwise.
    checkpoint : int
        Whose weights of a dataset are drawn; the last by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If there is no circuit or no such checkpoint, or a weight is not finite.
    """
    nodes, arrows = read_circuit(circuit_or_dataset, checkpoint)
    pairs = [(arrow.source, arrow.target) for arrow in arrows]
    inputs = [node.name for node in nodes if node.kind == "input"]
    boxes = anatomy.place([n.name for n in nodes if n.kind != "input"], inputs, pairs)
    curves = _curves(arrows, boxes)
    strongest = max((a.strength for a in arrows if a.strength), default=0.0)
    entries = _legend(arrows, strongest)
    widths = [_line_width(arrow, strongest) for arrow in arrows]
    strikes = _strikes(nodes, arrows, boxes, curves, widths)
    notes = _notes(arrows, boxes, curves, widths, [spot for _, spot, _ in strikes.values()])
    spots = [spot for _, spot, _ in strikes.values()] + list(notes.values())
    left, right, bottom, top = _extent([*boxes.values(), *spots], curves)
    column = MARK + 0.35 + max((_text_width(text, 8) for *_, text in entries), default=0.0)
    columns = max(1, min(len(entries), int((right - left) / column)))
    rows = -(-len(entries) // columns)
    right = max(right, left + column)
    limits = left, right, bottom - ROW * rows - 0.15, top
    if ax is None:
        size = limits[1] - limits[0], limits[3] - limits[2]
        ax = new_figure(*size, layout="none").add_axes((0, 0, 1, 1))
    pen = _Pen(ax, limits)
    for arrow, curve, width in zip(arrows, curves, widths, strict=True):
        pen.arrow(arrow, curve, width)
    for node in nodes:
        pen.node(node, boxes[node.name])
    for k, (t, spot, text) in strikes.items():
        pen.strike(arrows[k], curves[k], t)
        if text:
            pen.text(text, (spot.x, spot.y), 7.5, f"lesion:{arrows[k].name}")
    for k, spot in notes.items():
        colour = _colour(arrows[k])
        pen.text(arrows[k].note, (spot.x, spot.y), 7, f"note:{arrows[k].name}", color=colour)
    for k, entry in enumerate(entries):
        at = left + 0.15 + (k // rows) * column, bottom - 0.1 - ROW * (k % rows)
        pen.legend_entry(*entry, at)
    return ax


def figure(data):
    """The circuit of a dataset with the weights of its last checkpoint."""
    return plot_circuit(data).figure


def _curves(arrows, boxes):
    """A curve for every arrow; modulators of arrows come last, for they end at one of the others."""
    order = sorted(range(len(arrows)), key=lambda k: bool(arrows[k].arrow))
    direct = [k for k in order if not arrows[k].arrow]
    found = anatomy.route([(arrows[k].source, arrows[k].target) for k in direct], boxes)
    curves = dict(zip(direct, found, strict=True))
    for k in order[len(direct) :]:
        aim = next(j for j in direct if arrows[j].name == arrows[k].arrow)
        end = anatomy.Box(*_at(curves[aim], 0.4)[0], 0.02, 0.02)
        pair, others = (arrows[k].source, ""), [*curves.values()]
        others.pop(list(curves).index(aim))
        (curves[k],) = anatomy.route([pair], boxes | {"": end}, others)
    return [curves[k] for k in range(len(arrows))]


def _line_width(arrow, strongest):
    """In points; proportional to strength above the least that can be seen."""
    thin, thick = WIDTHS
    share = (arrow.strength or 0.0) / strongest if strongest else 0.0
    return 1.2 if arrow.strength is None else thin + (thick - thin) * share


def _colour(arrow):
    if arrow.lesion == 1:
        return LESIONED
    if arrow.modulates and not arrow.dopamine:
        return MODULATOR
    return DOPAMINE if arrow.dopamine else LINES[arrow.sign]


def _percent(share):
    """A share in percent that says 0 and 100 of nothing and all only."""
    rounded = round(100 * share)
    if rounded in (0, 100) and share not in (0, 1):
        return "<1%" if rounded == 0 else ">99%"
    return f"{rounded}%"


def _legend(arrows, strongest):
    """(arrow, line width, text) of every mark that occurs."""
    grey, ordinary = Arrow("legend", "", ""), 1.4
    entries = [
        (replace(grey, name=f"legend-{KINDS[sign]}", sign=sign), ordinary, text)
        for sign, text in SIGNS.items()
        if any(a.sign == sign and not a.modulates for a in arrows)
    ]
    for effect in ("gain", "plasticity"):
        if any(a.modulates == effect for a in arrows):
            mark = replace(grey, name=f"legend-{effect}", modulates=effect)
            entries.append((mark, ordinary, f"modulates {effect}"))
    notes = " ".join(a.note for a in arrows)
    for sign, text in (("ms", "n ms: delay"), ("(", "(x): synapses with variable x")):
        if sign in notes:
            mark = replace(grey, name=f"legend-{text[0]}", strength=1.0)
            entries.append((mark, ordinary, text))
    if any(a.dopamine for a in arrows):
        mark = replace(grey, name="legend-dopamine", source="dopamine")
        entries.append((mark, ordinary, "dopamine (TD error)"))
    if any(a.plastic for a in arrows):
        mark = replace(grey, name="legend-plastic", plastic=True)
        entries.append((mark, ordinary, "plastic (no dot: fixed)"))
    for strength in (strongest, strongest / 4) if strongest else ():
        mark = replace(grey, name=f"legend-{strength:.2g}", strength=strength)
        width = _line_width(mark, strongest)
        entries.append((mark, width, f"Σ|w| per target neuron: {strength:.2g}"))
    if any(0 < a.lesion < 1 for a in arrows):
        mark = replace(grey, name="legend-part", synapses=2, removed=1)
        entries.append((mark, ordinary, "% of synapses lesioned"))
    if any(a.lesion == 1 for a in arrows):
        mark = replace(grey, name="legend-all", removed=1)
        entries.append((mark, ordinary, "all synapses lesioned"))
    return entries


def _extent(boxes, curves):
    """Left, right, bottom and top of all that is drawn but the legend, with a margin."""
    corners = [
        (b.x + sx * b.half_width, b.y + sy * b.half_height)
        for b in boxes
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]
    spread = np.concatenate([np.reshape(corners, (-1, 2)), *map(anatomy.points, curves)])
    (left, bottom), (right, top) = spread.min(axis=0) - 0.15, spread.max(axis=0) + 0.15
    return left, right, bottom, top


@cache
def _text_width(text, size):
    """In inches, at a font size in points."""
    return TextPath((0, 0), text, size=size).get_extents().width / 72


def _strikes(nodes, arrows, boxes, curves, widths):
    """Where lines are struck through, and their percentages, so that these cover nothing.

    Lines of a nucleus that is gone need no percentage.

    Returns
    -------
    dict of int to (float, anatomy.Box, str)
        Number of the line to its parameter, the place of its percentage, and that.
    """
    gone = {node.name for node in nodes if node.lesion == 1}
    along = [anatomy.points(curve) for curve in curves]
    strikes = {}
    for k, arrow in enumerate(arrows):
        if not arrow.lesion:
            continue
        text = "" if gone & {arrow.source, arrow.target} else _percent(arrow.lesion)
        half = np.array([_text_width(text, 7.5) / 2 + 0.03, 0.075]) if text else np.zeros(2)
        lines = np.concatenate([np.zeros((0, 2)), *along[:k], *along[k + 1 :]])
        used = [*boxes.values(), *(spot for _, spot, _ in strikes.values())]
        if arrow.plastic:
            lines = np.vstack([lines, [_dot(arrow, curves[k], widths[k])] * 20])
        strikes[k] = (*_beside(curves[k], half, lines, used, 0.11), text)
    return strikes


def _notes(arrows, boxes, curves, widths, spots):
    """Where notes are, so that these cover nothing: number of the line to a Box."""
    along, notes = [anatomy.points(curve) for curve in curves], {}
    for k, arrow in enumerate(arrows):
        if arrow.note:
            half = np.array([_text_width(arrow.note, 7) / 2 + 0.03, 0.075])
            lines = np.concatenate([along[k], *along[:k], *along[k + 1 :]])
            if arrow.plastic:
                lines = np.vstack([lines, [_dot(arrow, curves[k], widths[k])] * 20])
            used = [*boxes.values(), *spots, *notes.values()]
            _, notes[k] = _beside(curves[k], half, lines, used, 0.03 + widths[k] / 72)
    return notes


def _beside(curve, half, lines, used, gap):
    """The place on a curve beside which a text covers least, and that of the text.

    Parameters
    ----------
    curve : array (control points, 2)
    half : array (2,)
        Half of the text's width and height.
    lines : array (points, 2)
        Of all other lines.
    used : sequence of anatomy.Box
    gap : float
        Between curve and text.

    Returns
    -------
    float, anatomy.Box
    """
    best = np.inf
    for t in (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18):
        at, normal = _at(curve, t)
        for side in (1, -1):
            spot = anatomy.Box(*(at + side * normal * (gap + np.abs(normal) @ half)), *half)
            cost = spot.holds(lines, 0.03).sum() + anatomy.Box(*at, 0.1, 0.1).holds(lines).sum()
            cost += 50 * sum(spot.meets(box) for box in used)
            if cost < best:
                best, found = cost, (t, spot)
    return found


def _at(curve, t):
    """Point of a curve and the unit normal there."""
    k = int(400 * t)
    before, at, after = anatomy.points(curve, 401)[k - 1 : k + 2]
    along = (after - before) / np.hypot(*(after - before))
    return at, np.array([-along[1], along[0]])


def _head(arrow, width):
    """Half of the width, and the length, of an arrow's head, in inches; a bar has next to none."""
    half = 0.045 + (0.014 if arrow.sign else 0.009) * width
    if arrow.modulates:
        half = 0.04 + 0.006 * width
        return half, 2 * half
    return half, {1: 2.2 * half, -1: 0.02, 0: 2.4 * half, ELECTRICAL: 0.06}[arrow.sign]


def _dot(arrow, curve, width):
    """Where the dot of plasticity is: before the head, but not near the source."""
    before = _head(arrow, width)[1] + 0.13
    return _at(curve, max(anatomy.parameter_before_end(curve, before), 0.45))[0]


class _Pen:
    """Draws in axes whose unit is an inch of the diagram at natural size; fonts scale with it."""

    def __init__(self, ax, limits):
        self.ax = ax
        left, right, bottom, top = limits
        ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
        ax.set_axis_off()
        size = ax.get_window_extent().size / ax.figure.dpi
        self.scale = min(size[0] / (right - left), size[1] / (top - bottom))

    def text(self, text, at, size, gid, **kwargs):
        style = {"ha": "center", "va": "center", "color": TEXT, "zorder": 5} | kwargs
        self.ax.text(*at, text, fontsize=size * self.scale, gid=gid, **style)

    def _patch(self, patch, gid):
        patch.set_gid(gid)
        patch.set_clip_on(False)
        self.ax.add_patch(patch)

    def _line(self, curve, width, colour, gid, zorder=2, dashes=None):
        kind = {2: Path.LINETO, 3: Path.CURVE3, 4: Path.CURVE4}[len(curve)]
        codes = [Path.MOVETO] + [kind] * (len(curve) - 1)
        patch = PathPatch(
            Path(curve, codes),
            facecolor="none",
            edgecolor=colour,
            linewidth=width * self.scale,
            linestyle=(0, dashes) if dashes else "-",
            capstyle="butt",
            zorder=zorder,
        )
        self._patch(patch, gid)

    def _shape(self, corners, face, edge, width, gid, zorder=3):
        patch = Polygon(
            corners,
            closed=True,
            facecolor=face,
            edgecolor=edge,
            linewidth=width * self.scale,
            joinstyle="miter",
            zorder=zorder,
        )
        self._patch(patch, gid)

    def node(self, node, box):
        """A nucleus with its name and size."""
        gone = node.lesion == 1
        corner = {"input": 0.0, "dopamine": 0.18}.get(node.kind, 0.1)
        low = box.x - box.half_width, box.y - box.half_height
        self._patch(
            FancyBboxPatch(
                low,
                2 * box.half_width,
                2 * box.half_height,
                boxstyle=f"round,pad=0,rounding_size={corner}" if corner else "square,pad=0",
                facecolor="#F4F4F4" if gone else FILLS[node.kind],
                edgecolor=LESIONED if gone else TEXT,
                linewidth=0.9 * self.scale,
                linestyle="--" if gone else "-",
                zorder=4,
            ),
            f"node:{node.name}",
        )
        if gone:
            high = box.x + box.half_width, box.y + box.half_height
            self._line(np.array([low, high]), 2.0, "#D5D5D5", f"struck:{node.name}", zorder=4.5)
        detail = node.detail
        if node.lesion:
            detail = f"{detail}, {'' if gone else _percent(node.lesion) + ' '}lesioned"
        name = ABBREVIATIONS.get(node.name, node.name.replace("_", " "))
        room = 2 * box.half_width - 0.12
        lines = (
            [name]
            if _text_width(name, 8) <= room
            else textwrap.wrap(name, max(16, 2 * len(name) // 3))
        )
        widest = max(_text_width(line, 9) for line in lines)
        colour = "#777777" if gone else TEXT
        name_size = min(9 if len(lines) == 1 else 7.5, 9 * room / widest)
        detail_size = min(7, 7 * room / _text_width(detail, 7))
        self.text(
            "\n".join(lines),
            (box.x, box.y + 0.09),
            name_size,
            f"name:{node.name}",
            color=colour,
            linespacing=0.95,
        )
        self.text(
            detail,
            (box.x, box.y - (0.11 if len(lines) == 1 else 0.17)),
            detail_size,
            f"detail:{node.name}",
            color=colour,
        )

    def arrow(self, arrow, curve, width):
        """A line with its head, and the dot of plasticity."""
        colour, name = _colour(arrow), arrow.name
        half, long = _head(arrow, width)
        stop = anatomy.parameter_before_end(curve, 0.9 * long)
        dashes = (3.2 / width**0.5, 2.0 / width**0.5) if arrow.dopamine else None
        self._line(anatomy.cut(curve, 0, stop), width, colour, f"line:{name}", dashes=dashes)
        tip, before = curve[-1], anatomy.cut(curve, 0, stop)[-1]
        along = (tip - before) / np.hypot(*(tip - before))
        across = np.array([-along[1], along[0]])
        gid = f"{arrow.modulates or KINDS[arrow.sign]}:{name}"
        if arrow.modulates:
            corners = 24 if arrow.modulates == "gain" else 4
            angle = np.pi / corners + np.linspace(0, 2 * np.pi, corners, endpoint=False)
            round_ = half * (1 if corners > 4 else 1.25)
            ring = np.cos(angle)[:, None] * along + np.sin(angle)[:, None] * across
            self._shape(tip - half * along + round_ * ring, colour, colour, 0, gid)
        elif arrow.sign == 1:
            base = tip - long * along
            self._shape([tip, base + half * across, base - half * across], colour, colour, 0, gid)
        elif arrow.sign == -1:
            ends = np.array([tip + 1.25 * half * across, tip - 1.25 * half * across])
            self._line(ends, 1.2 + 0.35 * width, colour, gid, zorder=3)
        elif arrow.sign == ELECTRICAL:
            for name, at in ((gid, tip), (f"{gid}-2", tip - long * along)):
                ends = np.array([at + 1.25 * half * across, at - 1.25 * half * across])
                self._line(ends, 1.2, colour, name, zorder=3)
        else:
            middle = tip - long / 2 * along
            sides = 0.75 * half * across
            corners = [tip, middle + sides, tip - long * along, middle - sides]
            self._shape(corners, "white", colour, 1.0, gid)
        if arrow.plastic:
            angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
            radius = 0.03 + 0.008 * width
            ring = _dot(arrow, curve, width) + radius * np.stack(
                [np.cos(angle), np.sin(angle)], axis=1
            )
            self._shape(ring, "white", colour, 1.1, f"plastic:{name}", zorder=3.5)

    def strike(self, arrow, curve, t):
        """Two strokes through a line."""
        at, normal = _at(curve, t)
        along = np.array([normal[1], -normal[0]])
        colour = "#777777" if arrow.lesion == 1 else TEXT
        for k in (-1, 1):
            middle = at + 0.025 * k * along
            stroke = np.array(
                [middle - 0.085 * normal - 0.03 * along, middle + 0.085 * normal + 0.03 * along]
            )
            self._line(stroke, 1.2, colour, f"struck-{(k + 1) // 2}:{arrow.name}", zorder=3.6)

    def legend_entry(self, arrow, width, text, at):
        """A mark as it is in the diagram, and what it means."""
        x, y = at
        curve = np.array([(x, y), (x + MARK / 2, y), (x + MARK, y)])
        if arrow.strength is None:
            self.arrow(arrow, curve, width)
        else:
            self._line(curve, width, _colour(arrow), f"line:{arrow.name}")
        if arrow.lesion:
            self.strike(arrow, curve, 0.4)
        self.text(text, (x + MARK + 0.1, y), 8, f"text:{arrow.name}", ha="left")
