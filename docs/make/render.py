"""Pages that are made of what they describe: models from their circuits, tasks from a trial of each.

`write` is called when a build begins; `figures` shows a script's figures in the gallery.
"""

import inspect
import re
from pathlib import Path

import numpy as np
import sympy
import xarray as xr
from matplotlib.figure import Figure
from sympy.codegen.cfunctions import expm1

from bgrl import models, tasks
from bgrl.analysis.circuit import plot_circuit
from bgrl.analysis.style import new_figure, save_figure
from bgrl.analysis.task_gallery import plot_trial
from bgrl.bridge.twin import TaskEnv
from bgrl.circuit.values import summary
from bgrl.learning.symbolic import to_sympy

#: Headings in docstrings that NumPy's style does not know.
SECTIONS = ["Anatomy", "Neurons", "Numbers", "Initial values", "Timing", "Learning"]
#: Task in which a model is shown, where it is not the memory task.
SHOWN_IN = {
    "accumulator": "random_dots",
    "opal": "probabilistic_selection",
    "gpr": "multi_armed_bandit",
    "pbwm": "store_ignore_recall",
}
#: Steps of a trial that are drawn.
STEPS = 300


def write(folder):
    """Write the generated pages and their pictures into a folder.

    Parameters
    ----------
    folder : Path
    """
    for kind, names, page in (
        ("models", models.names(), model_page),
        ("tasks", tasks.names(), task_page),
    ):
        target = folder / kind
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            text, figure = page(name)
            save_figure(figure, target / f"{name}.svg")
            _write_if_new(target / f"{name}.rst", text)


def _write_if_new(path, text):
    """Leave a page alone that says the same already, so that it is not built again."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def model_page(name):
    """The page of a model as text, and the drawing of its circuit."""
    circuit = models.circuit(name, tasks.make(SHOWN_IN.get(name, "memory_chain")))
    module = f"bgrl.models.{name}"
    lines = [
        *_title(name),
        f".. automodule:: {module}",
        "   :no-members:",
        "",
        *_title("Circuit", "-"),
        f"In the task ``{SHOWN_IN.get(name, 'memory_chain')}``; "
        f"``python -m experiments.draw {name}`` draws it in any other.",
        "",
        f".. image:: {name}.svg",
        f"   :alt: The circuit of the model {name}",
        "",
        *_title("Equations", "-"),
    ]
    for population, p in circuit.populations.items():
        lines += [f"**{population}**, {p.size} neurons", "", ".. math::", ""]
        lines += [
            f"   {_left(variable, p)} &= {_latex(expression)} \\\\"
            for variable, expression in p.dynamics.items()
        ]
        lines.append("")
        for key, q in p.parameters.items():
            unit = " ms" if q.unit == "ms" else ""
            trained = ", trained" if q.trainable else ""
            lines.append(f"* ``{key}`` {summary(q.value)}{unit}{trained}")
        lines.append("")
    lines += [*_title("As text", "-"), "``print(circuit)``:", "", ".. code-block:: text", ""]
    lines += [f"   {line}" for line in str(circuit).splitlines()]
    lines += ["", *_title("In Python", "-"), f".. autofunction:: {module}.circuit", ""]
    return "\n".join(lines), plot_circuit(circuit).figure


def task_page(name):
    """The page of a task as text, and the picture of a trial."""
    task = tasks.make(name)
    lines = [*_title(name), f"{task.summary[0].upper()}{task.summary[1:]}.", ""]
    lines += [f".. image:: {name}.svg", f"   :alt: A trial of the task {name}", ""]
    lines += [
        "A trial, acting at random. Observations over time, red positive and blue negative, relative to "
        "the largest of each channel; ▲ reward, ▼ loss.",
        "",
    ]
    kind = "continuous actions" if task.continuous else "actions"
    told = {
        "observations": ", ".join(f"``{k}``" for k in task.observations),
        kind: ", ".join(f"``{k}``" for k in task.actions),
        "settings": ", ".join(f"``{k}={v}``" for k, v in tasks.options(name).items()),
        "parameters": ", ".join(
            f"``{k}={float(p.value):g}``{' ms' if p.unit == 'ms' else ''}"
            for k, p in task.parameters.items()
        ),
        "events": ", ".join(f"``{k}``" for k in task.events),
        "one step": f"{task.step_duration:g} ms"
        if task.step_duration
        else "no duration of its own",
        "follows": task.reference.replace("*", r"\*").replace("_", r"\_"),
    }
    for what, text in told.items():
        if text:
            lines += [f"{what}", f"    {text}", ""]
    maker = tasks._factory(name)
    lines += [f".. autofunction:: {maker.__module__}.{maker.__name__}", ""]
    lines += [*_title("State, step and reset", "-"), ".. code-block:: text", ""]
    code = [f"state: {', '.join(task.variables)}", "", "step:", *_dedented(task.step)]
    code += ["", "reset:", *_dedented(task.reset), "", "observations:"]
    code += [f"    {k} = {v}" for k, v in task.observations.items()]
    lines += [f"   {line}".rstrip() for line in code]
    figure = new_figure(6.0, 2.2)
    plot_trial(_played(task), name, ax=figure.add_subplot())
    return "\n".join([*lines, ""]), figure


def _played(task):
    """A trial of a task with random actions, as `bgrl.analysis.task_gallery` takes it."""
    environment = TaskEnv(task)
    environment.action_space.seed(1)
    seen, reward, ended = [environment.reset(seed=1)[0]], [], False
    while not ended and len(reward) < STEPS:
        observation, gained, terminated, truncated, _ = environment.step(
            environment.action_space.sample()
        )
        seen.append(observation)
        reward.append(gained)
        ended = terminated or truncated
    trial = xr.Dataset(
        {
            "observation": (("step", "channel"), np.array(seen[: len(reward)], float)),
            "reward": (("step",), np.array(reward, float)),
        },
        {"channel": list(task.observations)},
        {"ended": int(ended)},
    )
    return xr.DataTree.from_dict({f"/{task.name}": trial})


def _title(text, mark="="):
    return [text, mark * len(text), ""]


def _dedented(code):
    return [f"    {line}" for line in inspect.cleandoc(code).splitlines()]


def _left(variable, population):
    symbol = _symbol(variable)
    if population.derivatives is None:
        return rf"{symbol}^{{\mathrm{{next}}}}"
    return rf"\frac{{\mathrm{{d}}\,{symbol}}}{{\mathrm{{d}}t}}"


def _symbol(name):
    return rf"\mathit{{{name}}}".replace("_", r"\_")


def _latex(expression):
    found = to_sympy(expression).replace(expm1, lambda x: sympy.exp(x) - 1)
    names = {s: _symbol(str(s)) for s in found.free_symbols}
    return re.sub(r"int_\{?", "int", sympy.latex(found, symbol_names=names, order="none"))


def figures(block, block_vars, gallery_conf):
    """Save the figures that a block of a script has left in its variables (a scraper of the gallery)."""
    from sphinx_gallery.scrapers import figure_rst

    names, seen = (
        block_vars["example_globals"],
        block_vars["example_globals"].setdefault("_shown", []),
    )
    paths = []
    for value in list(names.values()):
        if isinstance(value, Figure) and not any(value is other for other in seen):
            path = next(block_vars["image_path_iterator"])
            value.savefig(path, dpi=150)
            seen.append(value)
            paths.append(path)
    return figure_rst(paths, str(Path(gallery_conf["src_dir"])))
