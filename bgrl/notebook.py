"""What a notebook shows of descriptions: circuits drawn, agents, tasks and runs as tables."""

import dataclasses
import html as escapes
import importlib
import io

from bgrl.agent import Agent
from bgrl.circuit import Circuit
from bgrl.tasks.base import Task

#: Length of a value in a table, beyond which it is told in short.
_LONG = 120


def html(shown):
    """A description as HTML.

    Parameters
    ----------
    shown : Agent, Circuit, Task, Run or any other description

    Returns
    -------
    str
    """
    if isinstance(shown, Circuit):
        return f"{_drawing(shown)}{_folded('as text', str(shown))}"
    if isinstance(shown, Task):
        return _table(f"task {shown.name}: {shown.summary}", _of_task(shown))
    if isinstance(shown, Agent):
        count = f"{shown.replicates} replicate{'s' if shown.replicates > 1 else ''}"
        return (
            _table(f"agent: {count}, {shown.dtype}, in the task {shown.task.name}", {})
            + html(shown.circuit)
            + _table("learning", _fields(shown.learning))
            + _table(f"task {shown.task.name}: {shown.task.summary}", _of_task(shown.task))
        )
    return _table(type(shown).__name__, _fields(shown))


def _of_task(task):
    kind = "continuous actions" if task.continuous else "actions"
    found = {
        "observations": ", ".join(task.observations),
        kind: ", ".join(task.actions),
        "parameters": ", ".join(f"{k} = {p.value}" for k, p in task.parameters.items()),
        "events": ", ".join(task.events),
        "step": f"{task.step_duration:g} ms" if task.step_duration else "",
        "follows": task.reference,
    }
    return {k: v for k, v in found.items() if v}


def _fields(shown):
    """Fields of a description; those that are not the default are strong."""
    found = {}
    for f in dataclasses.fields(shown):
        value = getattr(shown, f.name)
        default = f.default if f.default_factory is dataclasses.MISSING else f.default_factory()
        own = default is dataclasses.MISSING or str(value) != str(default)
        found[f.name] = (_text(value), own)
    return found


def _text(value):
    text = " ".join(str(value).split())
    return text if len(text) <= _LONG else f"{text[: _LONG - 3]}..."


def _table(title, rows):
    lines = []
    for name, value in rows.items():
        text, strong = value if isinstance(value, tuple) else (value, False)
        text = escapes.escape(str(text))
        text = f"<b>{text}</b>" if strong else text
        style = "text-align: left; vertical-align: top"
        lines.append(
            f'<tr><th style="{style}">{escapes.escape(name)}</th><td style="{style}">{text}</td></tr>'
        )
    return f"<div><b>{escapes.escape(title)}</b><table>{''.join(lines)}</table></div>"


def _folded(title, text):
    return f"<details><summary>{title}</summary><pre>{escapes.escape(text)}</pre></details>"


def _drawing(circuit):
    """The circuit as SVG; matplotlib is imported only now."""
    draw = importlib.import_module("bgrl.analysis.circuit").plot_circuit
    figure, file = draw(circuit).figure, io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue()
    return text[text.index("<svg") :]
