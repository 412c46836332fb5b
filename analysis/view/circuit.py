"""The circuit, drawn with the weights of the step; what is picked is told in full."""

import io
import json
import re

import numpy as np
import panel as pn
import param
from bokeh.models import ColumnDataSource, Range1d
from panel.custom import JSComponent

from ..circuit import plot_circuit
from ..pathways import read_circuit
from ..style import COLOURS
from . import draw
from .share import Call

TITLE = "Circuit"


class Drawing(JSComponent):
    """A drawing in SVG whose nuclei and pathways are buttons, for the pointer and the keyboard."""

    svg = param.String()
    pick = param.String()
    names = param.List(doc="what can be picked")

    _esm = """
    export function render({ model, el }) {
      const parts = (name) => [...el.querySelectorAll('g[id]')].filter(
        g => ['node', 'name', 'detail', 'line', 'excitatory', 'inhibitory', 'mixed', 'plastic']
          .some(kind => g.id === kind + ':' + name))
      const mark = () => {
        for (const g of el.querySelectorAll('g.picked')) g.classList.remove('picked')
        for (const g of parts(model.pick)) g.classList.add('picked')
      }
      const fill = () => {
        el.innerHTML = model.svg
        const svg = el.querySelector('svg')
        if (!svg) return
        svg.removeAttribute('width'); svg.removeAttribute('height')
        svg.style.cssText = 'width: 100%; height: auto; max-height: 460px; display: block'
        for (const name of model.names) {
          const found = parts(name)
          if (!found.length) continue
          for (const g of found) {
            g.classList.add('pickable')
            g.addEventListener('click', () => { model.pick = name })
            for (const path of g.querySelectorAll('path')) {
              if (!g.id.startsWith('line:')) continue
              const wide = path.cloneNode()
              wide.removeAttribute('clip-path')
              wide.style.cssText =
                'fill: none; stroke: transparent; stroke-width: 12; pointer-events: stroke'
              g.appendChild(wide)
            }
          }
          const button = found[0]
          button.setAttribute('tabindex', 0)
          button.setAttribute('role', 'button')
          button.setAttribute('aria-label', name)
          button.addEventListener('keydown', (event) => {
            if (event.key !== 'Enter' && event.key !== ' ') return
            event.preventDefault()
            model.pick = name
          })
        }
        mark()
      }
      fill()
      model.on('svg', fill)
      model.on('pick', mark)
    }
    """

    _stylesheets = [  # noqa: RUF012
        """
        .pickable { cursor: pointer; outline-offset: 2px }
        .pickable:hover path, .pickable:focus-visible path { filter: drop-shadow(0 0 2px #E69F00) }
        .pickable:focus-visible { outline: 2px solid #E69F00 }
        .picked path { filter: drop-shadow(0 0 3px #E69F00) drop-shadow(0 0 2px #E69F00) }
        """
    ]


def panel(state):
    """The drawing, a list of the same names, and what is picked."""
    drawing = Drawing(sizing_mode="stretch_width", min_height=200)
    names = draw.select(state, "pick", "nucleus or pathway", [], width=260)
    told = pn.Column(**draw.STRETCH)
    drawn = {}

    def redraw(*_):
        nodes, arrows = read_circuit(state.data, state.checkpoint)
        found = [*(n.name for n in nodes), *(a.name for a in arrows)]
        key = state.run, state.checkpoint
        if key not in drawn:
            drawn.clear()
            drawn[key] = _svg(state.data, state.checkpoint)
        names.param.update(options=found, value=state.choice("pick", found))
        drawing.param.update(names=found, svg=drawn[key], pick=names.value)
        tell()

    def tell(*_):
        told[:] = picked(state, names.value)

    def follow(event):
        drawing.pick = event.new
        tell()

    drawing.param.watch(lambda event: state.param.update(pick=event.new), "pick")
    state.param.watch(follow, "pick")
    state.param.watch(tell, "replicate")
    state.param.watch(redraw, ["run", "step"])
    redraw()
    return pn.Column(drawing, names, told, **draw.STRETCH)


def drawing(state):
    """The call that draws it."""
    return [Call(plot_circuit, options={"checkpoint": state.checkpoint})]


def _svg(data, checkpoint):
    file = io.StringIO()
    plot_circuit(data, checkpoint=checkpoint).figure.savefig(
        file, format="svg", metadata={"Date": None}
    )
    text = file.getvalue()
    return text[text.index("<svg") :]


def picked(state, name):
    """Everything there is to tell about a nucleus or pathway."""
    circuit = state.opened.circuit
    heading = draw.heading(name)
    if name in circuit["populations"]:
        return [heading, *_population(state, name, circuit["populations"][name])]
    if name in circuit["inputs"]:
        text = f"an input of {circuit['inputs'][name]} channels"
        return [heading, draw.said(text), *_activity(state, name)]
    if name == "dopamine":
        text = "the TD error: reward + discount*value - value before"
        learning = state.opened.configuration["agent"]["learning"]
        rows = {k: v for k, v in learning.items() if "discount" in k or "rate" in k or "trace" in k}
        return [heading, draw.said(text), draw.table(rows), *_activity(state, name)]
    if "->" not in name:
        readout = _readout(circuit, name)
        rows = {k: readout[k] for k in ("reads", "variables", "plastic")}
        return [heading, draw.table(rows), *_weights(state, readout["reads"], name)]
    source, target = re.fullmatch(r"(.+)->(.+?)(?:-\d+)?", name).groups()  # "-2": of another sign
    return [heading, *_pathway(state, circuit, source, target)]


def _readout(circuit, name):
    return next(
        circuit[k] for k in ("actor", "critic") if circuit[k] and circuit[k]["name"] == name
    )


def _population(state, name, population):
    """Equations, parameters with what was learned, and activity."""
    rows = {"neurons": population["size"], **_parameters(state, name, population)}
    return [draw.code(_equations(population)), draw.table(rows), *_activity(state, name)]


def _equations(described):
    """The equations of a nucleus or of synapses as they were written."""
    kind = next(k for k in ("equations", "derivatives", "map") if described.get(k))
    text = described[kind]
    text = text if kind == "equations" else json.dumps(text, indent=2)
    return "\n".join(line.strip() for line in text.strip().splitlines())


def _parameters(state, name, described):
    """Parameters of a nucleus or of synapses: what is declared, and what was learned."""
    weights = state.data["weights"] if "weights" in state.data.children else {}
    rows = {}
    for key, parameter in described.get("parameters", {}).items():
        unit = "" if parameter["unit"] == "1" else f" {parameter['unit']}"
        rows[key] = f"{_shown(parameter['value'])}{unit}"
        if f"{name}.{key}" in weights:
            learned = weights[f"{name}.{key}"]
            learned = learned.isel(replicate=state.replicate, checkpoint=state.checkpoint).values
            rows[key] += (
                f"; learned: {learned.mean():.3g}{unit} (mean of neurons, "
                f"{learned.min():.3g} to {learned.max():.3g}) at step {_at(state):,}"
            )
    return rows


def _pathway(state, circuit, source, target):
    """What is declared of the projections, and their weights."""
    found = [
        (key, p)
        for key, p in circuit["projections"].items()
        if (p["source"], p["target"]) == (source, target)
    ]
    content = []
    for key, p in found:
        if len(found) > 1:
            content.append(draw.said(key))
        rows = {k: p[k] for k in ("reads", "drive", "plastic", "sign") if p.get(k) is not None}
        rows |= {"delay": f"{p['delay']:g} ms"} if p.get("delay") else {}
        rows["initial weights"] = _shown(p.get("weights"))
        for k in ("mask", "lesioned"):
            if p.get(k) is not None:
                rows[k] = f"{np.mean(p[k]):.0%} of synapses"
        if rule := p.get("rule"):
            content.append(draw.code("\n".join(f"{k}: {v}" for k, v in rule.items())))
        if dynamics := p.get("dynamics"):
            transmits = f"\ntransmits {dynamics['output']}" if dynamics.get("output") else ""
            content.append(draw.code(_equations(dynamics) + transmits))
            rows |= _parameters(state, key, dynamics)
        content.append(draw.table(rows))
    if not found:
        learned = "dopamine" in (source, target)
        text = "the TD error: it has no weights" if learned else f"what {target} reads"
        content.append(draw.said(text))
    return [*content, *_weights(state, source, target)]


def _shown(value):
    """A value of the description, in short."""
    if isinstance(value, dict):
        ((kind, numbers),) = value.items()
        return f"{kind.replace('_', ' ')} ({', '.join(f'{n:.3g}' for n in numbers)})"
    if isinstance(value, list):
        numbers = np.asarray(value, float)
        return f"{numbers.size} values, mean {numbers.mean():.3g}"
    return str(value) if not isinstance(value, float) else f"{value:.4g}"


def _at(state):
    return int(state.opened.checkpoints[state.checkpoint])


def _weights(state, source, target):
    """Matrix, histogram and course of what was learned."""
    weights = state.data["weights"] if "weights" in state.data.children else {}
    names = [
        name
        for name in getattr(weights, "data_vars", ())
        if name == f"{source}->{target}"
        or (name.startswith(f"{source}.") and name.endswith(f"->{target}"))
    ]
    content = []
    for name in names:
        course = weights[name].isel(replicate=state.replicate).values
        matrix = course[state.checkpoint]
        content += [_matrix(state, name, matrix), _histogram(state, course), _course(state, course)]
    return content or [draw.said("no weights were recorded of it")]


def _matrix(state, name, matrix):
    source, _, target = name.partition("->")
    limit = float(np.abs(matrix).max()) or 1.0
    rows, columns = matrix.shape
    made = draw.axes(
        f"weights at step {_at(state):,}, replicate {state.replicate}",
        f"from {source}",
        f"to {target}",
        height=min(280, 150 + 12 * rows),
        name=f"weights {name}",
        x_range=Range1d(-0.5, columns - 0.5),
        y_range=Range1d(rows - 0.5, -0.5),
    )
    draw.count_places(made.xaxis, columns)
    draw.count_places(made.yaxis, rows)
    source = ColumnDataSource(draw.image_data(matrix, (-0.5, columns - 0.5), (-0.5, rows - 0.5)))
    draw.image(made, source, "weight", limit=limit)
    draw.hover(made, ("from, to", "$x{0}, $y{0}"), ("weight", "@image"))
    return pn.pane.Bokeh(made, **draw.STRETCH)


def _histogram(state, course):
    limit = float(np.abs(course).max()) or 1.0
    edges = np.linspace(-limit, limit, 31)
    made = draw.axes("distribution of weights", "weight", "synapses", height=180)
    parts = (
        (course[0], COLOURS["orange"], "at the start"),
        (course[state.checkpoint], COLOURS["blue"], "now"),
    )
    for values, colour, label in parts:
        count = np.histogram(values, edges)[0]
        style = {"line_color": colour, "line_width": 2, "legend_label": label}
        made.step(edges, [*count, 0], mode="after", **style)
    draw.legend_below(made)
    return pn.pane.Bokeh(made, **draw.STRETCH)


def _course(state, course):
    steps = state.opened.checkpoints
    flat = course.reshape(len(course), -1)
    low, middle, high = np.percentile(flat, [25, 50, 75], axis=1)
    made = draw.axes("weights over checkpoints", "step", "weight", height=180)
    draw.line_with_band(
        made,
        steps,
        COLOURS["blue"],
        f"median and quartiles of {flat.shape[1]} synapses",
        middle=middle,
        low=low,
        high=high,
    )
    made.line(
        steps,
        np.abs(flat).mean(axis=1),
        line_color="#222222",
        line_dash="dashed",
        legend_label="mean of |weight|",
    )
    made.add_layout(draw.vertical(_at(state), line_color=COLOURS["vermillion"]))
    draw.legend_below(made)
    return pn.pane.Bokeh(made, **draw.STRETCH)


def _activity(state, name):
    """The last steps of its activity up to the step, if it was recorded."""
    opened = state.opened
    if name not in opened.curves:
        return [draw.said("its activity was not recorded")]
    from .traces import curve_figure

    first = max(0, state.step - 100)
    return [curve_figure(state, name, first, first + 100, height=170)]
