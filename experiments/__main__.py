"""Lists the experiments: ``python -m experiments``; the tasks: ``python -m experiments tasks``.

``python -m experiments NAME [options]`` runs one, as ``python -m experiments.NAME`` does, and ``python -m
experiments FILE.py [options]`` one of one's own, written like those here.
"""

import ast
import runpy
import sys
import textwrap
from pathlib import Path

from bgrl import commands, experiments, tasks
from bgrl.cli import run_command, typed
from bgrl.errors import InputError, choose
from bgrl.experiment import load_own
from bgrl.experiment import main as run_experiment
from bgrl.own import is_file


def listing():
    """Name and first line of every experiment, as lines of text."""
    lines = [f"{typed('experiments.NAME')} [--help]", ""]
    for name in commands.names("bgrl.experiments"):
        package = Path(experiments.__path__[0], name, "__init__.py")
        file = package if package.is_file() else package.parent.with_suffix(".py")
        first = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))).splitlines()[0]
        lines.append(f"  {name:<17} {first}")
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
    lines.append(
        "gymnasium:NAME: any Gymnasium environment; --observe 0,2 chooses what is seen of it"
    )
    lines.append("FILE.py: a task of your own (docs/own.md)")
    return lines


def main():
    """The command."""
    listings = {"experiments": listing, "tasks": task_listing}
    name, *rest = sys.argv[1:] or ["experiments"]
    if name in ("-h", "--help"):
        print(__doc__ or "")
        name = "experiments"
    if is_file(name):
        return run_experiment(Path(name).stem, load_own(name), rest)
    runnable = commands.names("bgrl.experiments")
    choose("experiment or listing", name, [*listings, *runnable])
    if name in runnable:
        sys.argv[1:] = rest
        return runpy.run_module(f"bgrl.experiments.{name}", run_name="__main__", alter_sys=True)
    if rest:
        raise InputError(f"{name} takes no more words, not {' '.join(rest)}")
    print("\n".join(listings[name]()))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
