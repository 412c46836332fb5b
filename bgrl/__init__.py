"""bgrl: basal-ganglia-inspired circuits that learn online, on Brian2.

What most scripts need is here: ``from bgrl import Agent, Circuit, Learning, Record, Run, simulate``.
It is imported when it is asked for, and Brian2 only when something is built.
"""

import importlib
import sys
from pathlib import Path

__version__ = "0.1.0"

#: Name to the module that has it; a module itself where they are called the same.
_FACE = {
    "Agent": "agent",
    "analysis": "analysis",
    "Circuit": "circuit",
    "Distribution": "circuit",
    "Dopamine": "circuit",
    "follow": "following",
    "Function": "circuit",
    "InputError": "errors",
    "Intervention": "interventions",
    "Learning": "learning",
    "Optimizer": "learning",
    "Parameter": "circuit",
    "Population": "circuit",
    "Projection": "circuit",
    "Readout": "circuit",
    "Record": "recording",
    "Rule": "circuit",
    "Run": "simulation",
    "Synapse": "circuit",
    "RunError": "errors",
    "Task": "tasks.base",
    "read": "dataset",
    "sensitivity_equations": "agent.equations",
    "simulate": "simulation",
    "steer": "requests",
    "steering": "requests",
    "tasks": "tasks",
    "models": "models",
    "open": "analysis.runs",
    "wiring": "circuit.wiring",
    "write": "dataset",
}
__all__ = sorted(_FACE)


def __getattr__(name):
    if name not in _FACE:
        # With what Python needs to guess the name that was meant.
        message = f"module 'bgrl' has no attribute {name!r}"
        raise AttributeError(message, name=name, obj=sys.modules[__name__])
    module = importlib.import_module(f"bgrl.{_FACE[name]}")
    return module if name == _FACE[name].rpartition(".")[2] else getattr(module, name)


def __dir__():
    return [*globals(), *__all__]


if not Path(__file__).with_name("models").exists():  # a checkout
    importlib.import_module("bgrl.checkout").find_folders()

if sys.argv[:1] == ["-m"]:  # Python is still looking for the module that it was told to run
    importlib.import_module("bgrl.commands").check_typed()
