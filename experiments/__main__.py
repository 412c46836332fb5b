"""Lists the experiments: ``python -m experiments``; the tasks: ``python -m experiments tasks``.

``python -m experiments FILE.py [options]`` runs an experiment of one's own, written like those here.
"""

import ast
import pkgutil
import sys
import textwrap
from pathlib import Path

from bgrl import experiments, tasks
from bgrl.cli import run_command, typed
from bgrl.errors import InputError, choose
from bgrl.experiment import main as run_experiment
from bgrl.own import is_file, load, member


def listing():
    """Name and first line of every experiment, as lines of text."""
    lines = [f"{typed('experiments.NAME')} [--help]", ""]
    for module in sorted(pkgutil.iter_modules(experiments.__path__), key=lambda m: m.name):
        if not module.name.startswith("_"):
            file = f"{module.name}/__init__.py" if module.ispkg else f"{module.name}.py"
            source = Path(experiments.__path__[0], file).read_text()
            first = (ast.get_docstring(ast.parse(source)) or "").splitlines()[0]
            lines.append(f"  {module.name:<16} {first}")
    return lines


def task_listing():
    """Every task with its sizes, settings, parameters and reference, as lines of text."""
    lines = []
    for name in tasks.names():
        task = tasks.make(name)
        kind = "continuous actions" if task.continuous else "actions"
        settings = ", ".join(f"{k}={v}" for k, v in tasks.options(name).items())
        parameters = ", ".join(
            f"{k}={float(p.value):g}{' ms' if p.unit == 'ms' else ''}"
            for k, p in task.parameters.items()
        )
        lines.append(
            f"{name}: {task.summary}; {len(task.observations)} observations, "
            f"{len(task.actions)} {kind}"
        )
        for title, text in (
            ("settings", settings),
            ("parameters", parameters),
            ("reference", task.reference),
        ):
            if text:
                indent = " " * 14
                lines += textwrap.wrap(f"  {title + ':':<12}{text}", 100, subsequent_indent=indent)
    lines.append("gymnasium:NAME: any Gymnasium environment, --observe entries of its observation")
    return lines


def main():
    """The command."""
    kinds = {"experiments": listing, "tasks": task_listing}
    words = sys.argv[1:] or ["experiments"]
    if is_file(words[0]):
        for name in ("run", "Config", "QUICK", "ANALYSIS"):
            member(words[0], name, "an experiment")
        return run_experiment(Path(words[0]).stem, load(str(Path(words[0]).absolute())), words[1:])
    if len(words) > 1:
        raise InputError(
            f"one listing at a time, not {' '.join(words)}; {typed('experiments.NAME')}"
        )
    print("\n".join(kinds[choose("listing", words[0], kinds)]()))


if __name__ == "__main__":
    sys.exit(run_command(main))
