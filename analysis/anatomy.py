"""Where nuclei go in a circuit diagram, and how the lines between them run: geometry, nothing drawn.

One unit is one inch of the diagram at its natural size; x to the right, y upwards.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.bezier import BezierSegment, split_de_casteljau

#: Column and row of each nucleus, as in a coronal section: cortex on top, basal ganglia below it, the
#: thalamus beside them, the dopaminergic midbrain at the bottom. Empty columns and rows are left out.
PLACES = {
    "cortex": (3, 0),
    "ventral_striatum": (1, 1),
    "dorsal_striatum": (2, 1),
    "d2": (4, 1),
    "d1": (5, 1),
    "gpe": (4, 2),
    "thalamus": (6, 2),
    "stn": (3, 3),
    "gpi": (5, 4),
    "snr": (6, 4),
    "dopamine": (1.5, 4),
    "vta": (1, 5),
    "snc": (2, 5),
}
#: Distances of columns and rows; of the inputs from the first column.
PITCH, ASIDE = (1.55, 1.3), 1.95
#: Half of the width and height of a nucleus.
HALF = (0.6, 0.26)
#: Room between the lines to a nucleus and its border.
GAP = 0.03
#: How far lines may bend, as a share of their length, and how far beside the middle they may end.
BENDS = (0.0, 0.08, -0.08, 0.16, -0.16, 0.25, -0.25, 0.35, -0.35, 0.5, -0.5, 0.7, -0.7)
SHIFTS = (0.0, 0.3, -0.3)


@dataclass(frozen=True)
class Box:
    """Where a nucleus is: its centre, and half of its width and height."""

    x: float
    y: float
    half_width: float = HALF[0]
    half_height: float = HALF[1]

    def holds(self, points, margin=0.0):
        """Whether each of `points` (n, 2) is inside, or nearer than `margin`."""
        away = np.abs(np.asarray(points) - (self.x, self.y))
        return (away <= (self.half_width + margin, self.half_height + margin)).all(axis=-1)

    def meets(self, other):
        """Whether two boxes overlap."""
        return (
            abs(self.x - other.x) < self.half_width + other.half_width
            and abs(self.y - other.y) < self.half_height + other.half_height
        )

    def anchor(self, other):
        """Where lines to another box aim: the centre; in a wide box, as near above it as can be."""
        reach = max(self.half_width - HALF[0], 0.0)
        return np.array([np.clip(other.x, self.x - reach, self.x + reach), self.y])


def place(names, inputs, pairs):
    """Places of all nuclei and inputs.

    Parameters
    ----------
    names : sequence of str
        Nuclei. Those not in `PLACES` come as near as can be to what they are connected to.
    inputs : sequence of str
        Drawn at the left, at the height of what they project to.
    pairs : sequence of (str, str)
        Source and target of every line.

    Returns
    -------
    dict of str to Box
    """
    cells = {name: PLACES[name] for name in names if name in PLACES}
    for name in names:
        if name not in cells:
            cells[name] = _free_cell(name, cells, pairs)
    # Dopamine may lie between two columns.
    columns = sorted({c for name, (c, _) in cells.items() if name not in ("cortex", "dopamine")})
    columns = columns or [0]
    rows = sorted({row for _, row in cells.values()})
    boxes = {
        name: Box(
            ASIDE + PITCH[0] * float(np.interp(column, columns, range(len(columns)))),
            -PITCH[1] * rows.index(row),
        )
        for name, (column, row) in cells.items()
        if name != "cortex"
    }
    if "cortex" in cells:
        # As wide as all that lies below it, so that its lines run straight down.
        reach = PITCH[0] * (len(columns) - 1) / 2
        boxes["cortex"] = Box(ASIDE + reach, 0.0, HALF[0] + reach, 0.32)
    return boxes | _beside(inputs, boxes, pairs)


def _free_cell(name, cells, pairs):
    """The free cell nearest to the middle of all that a nucleus is connected to."""
    near = {a for pair in pairs if name in pair for a in pair} & set(cells)
    middle = np.mean([cells[other] for other in near] or [(3, 2)], axis=0)
    # The row of the cortex is left to it.
    free = [(c, r) for r in range(1, 8) for c in range(1, 8) if (c, r) not in cells.values()]
    # Of cells equally near, the one at the side, out of the way of what runs down from the cortex.
    return min(free, key=lambda cell: (np.hypot(*(cell - middle)), -cell[0], cell[1]))


def _beside(inputs, boxes, pairs):
    """Inputs in a column at the left: each at the mean height of its targets, none on another."""
    targets = {name: [boxes[b].y for a, b in pairs if a == name] for name in inputs}
    wanted = {name: float(np.mean(heights or [0.0])) for name, heights in targets.items()}
    order = sorted(inputs, key=lambda name: -wanted[name])
    heights = np.array([wanted[name] for name in order])
    step = 2 * HALF[1] + 0.24
    for _ in range(200):  # neighbours push each other apart
        lack = np.maximum(0.0, step - (heights[:-1] - heights[1:])) / 2
        heights[:-1] += lack
        heights[1:] -= lack
    return {name: Box(0.0, float(y)) for name, y in zip(order, heights, strict=True)}


def points(curve, count=40):
    """`count` points along a Bézier curve (control points, 2)."""
    return BezierSegment(np.asarray(curve))(np.linspace(0, 1, count))


def cut(curve, start, end):
    """The part of a Bézier curve between two of its parameters."""
    curve = split_de_casteljau(np.asarray(curve), end)[0]
    return np.array(split_de_casteljau(np.array(curve), start / end)[1])


def parameter_before_end(curve, distance):
    """The parameter at which a curve has `distance` left to go."""
    fine = points(curve, 400)
    gone = np.append(0.0, np.hypot(*np.diff(fine, axis=0).T).cumsum())
    return float(np.interp(gone[-1] - distance, gone, np.linspace(0, 1, 400)))


def route(pairs, boxes, others=()):
    """A curve for every line, from border to border.

    Lines are straight if they can be: they bend around nuclei, and away from each other. Two between
    the same nuclei part to either side.

    Parameters
    ----------
    pairs : sequence of (str, str)
        Source and target of every line.
    boxes : dict of str to Box
    others : sequence of ndarray
        Curves that are there already.

    Returns
    -------
    list of ndarray (control points, 2)
    """
    taken, curves = [points(curve) for curve in others], {}
    between = [frozenset(pair) for pair in pairs]
    # Short lines have least choice; those to itself have most.
    length = [_distance(boxes[a], boxes[b]) if a != b else np.inf for a, b in pairs]
    for k in np.argsort(length, kind="stable"):
        a, b = pairs[k]
        beside = [box for name, box in boxes.items() if name not in (a, b)]
        least = np.inf
        for price, curve in _candidates(boxes[a], boxes[b], between.count(between[k]) == 1):
            if price >= least:  # already by itself
                continue
            made = curve()
            if made is None:
                continue
            cost = price + _cost(made, beside, taken)
            if cost < least:
                least, curves[k] = cost, made
        taken.append(points(curves[k]))
    return [curves[k] for k in range(len(pairs))]


def _candidates(a, b, alone):
    """What a line between two boxes costs by itself, and a function that makes its curve, or None."""
    if a is b:
        for curve in _loops(a):
            yield 0.0, lambda curve=curve: curve
        return
    for bend in BENDS:
        for shift in SHIFTS:
            if alone or bend:
                yield _price(bend, shift), partial(_bent, a, b, bend, shift)


def _price(bend, shift):
    """What a line costs by itself; a little bent is hardly worse than straight, much bent is."""
    return 1.5 * abs(bend) + 4 * bend**2 + 0.6 * abs(shift)


def _distance(a, b):
    return float(np.hypot(*(a.anchor(b) - b.anchor(a))))


def _bent(a, b, bend, shift):
    """A line from one box to another, to the left of its way by `bend` of its length.

    None if nothing of it lies between the boxes.
    """
    shift *= min(b.half_width / HALF[0], 1.0)  # a point of a line has no room beside it
    start, end = a.anchor(b), b.anchor(a) + (shift, 0.0)
    along = end - start
    middle = (start + end) / 2 + 2 * bend * np.array([-along[1], along[0]])
    curve = np.array([start, middle, end])
    fine = points(curve, 400)
    leaves = np.flatnonzero(a.holds(fine, GAP))[-1]
    enters = np.flatnonzero(b.holds(fine, GAP))[0]
    if enters < leaves + 20:  # bent so far that it comes back to where it left
        return None
    return cut(curve, leaves / 399, enters / 399)


def _loops(box):
    """Lines from a box to itself: above, below, and at its sides."""
    w, h = box.half_width + GAP, box.half_height + GAP
    foot, rise = 0.16, 0.62
    for x in (0.0, 0.5 * w, -0.5 * w):
        for up in (1, -1):
            yield np.array(
                [
                    (box.x + x + side * foot * spread, box.y + up * (h + out))
                    for side, spread, out in (
                        (-1, 1, 0),
                        (-1, 1.8, rise),
                        (1, 1.8, rise),
                        (1, 1, 0),
                    )
                ]
            )
    for right in (1, -1):
        yield np.array(
            [
                (box.x + right * (w + out), box.y + side * foot * spread)
                for side, spread, out in (
                    (1, 0.8, 0),
                    (1, 1.8, rise),
                    (-1, 1.8, rise),
                    (-1, 0.8, 0),
                )
            ]
        )


def _cost(curve, others, taken):
    """What speaks against a curve: nuclei in its way, lines beside it, ends on ends."""
    along = points(curve)
    hidden = np.array([box.holds(along, 0.1).mean() for box in others])
    cost = 20 * hidden.sum() + 2 * (hidden > 0).sum()
    if taken:
        lines = np.array(taken)
        x, y = np.moveaxis(along[:, None, None] - lines, -1, 0)
        apart = x * x + y * y  # squared, (points, lines, points)
        cost += 2.5 * (apart.min(axis=2) < 0.12**2).mean(axis=0).sum()
        cost += 0.4 * (apart[[0, 0, -1, -1], :, [0, -1, 0, -1]] < 0.14**2).sum()
    return cost
