"""Named circuits, one file each: anatomy, numbers and where they are from.

A model is a module with ``circuit(task, units)``; `agent` puts it into a task.
"""

import importlib
import pkgutil
import sys

from bgrl import own
from bgrl.agent import Agent
from bgrl.circuit import Circuit
from bgrl.description import as_annotated
from bgrl.errors import choose
from bgrl.learning import Learning
from bgrl.tasks.base import Task

if __name__ == "models":  # in a checkout, see `bgrl.checkout`
    sys.modules[__name__] = importlib.import_module("bgrl.models")

#: Learning that does not get stuck, which the experiments use. MemoryChain-8, 40 replicates of `rtrrl`,
#: how many have a return of 0.95 or more after 90,000 steps: 32 with random feedback and Adam (the
#: paper's), 37 with symmetric feedback and Adam, 37 with random feedback and AMSGrad, 40 with both, and
#: these at every evaluation from 20,000 steps on. Adam's steps grow again once the TD error has
#: vanished, and noise then undoes what was learned; with random feedback the policy may settle on one
#: action before it can read the memory, and the critic, which reads it, then leaves no TD error to
#: learn from.
STEADY = {"feedback": "symmetric", "optimizer": "amsgrad"}


def names():
    """Names of the models."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def circuit(model, task, units=32):
    """The circuit of a model for a task.

    Where the task counts time the circuit's step is as long. Its time constants stay what they are in
    ms; but those of an environment, whose step nobody chose, become as many steps.

    Parameters
    ----------
    model : str
        One of `names`, or a Python file with a function ``circuit(task, units)``.
    task : bgrl.Task
        Whose observations and actions the circuit has inputs and outputs for.
    units : int
        Neurons in the cortex.

    Returns
    -------
    bgrl.Circuit

    Raises
    ------
    InputError
        For an unknown model, with those that there are, or a task that the model cannot have.
    """
    as_annotated("task", task, Task, "models.circuit")
    if own.is_file(model):
        made = own.function(model, "circuit", "a model", Circuit)(task, units)
    else:
        name = choose("model", model, names(), "FILE.py")
        module = importlib.import_module(f"{__name__}.{name}")
        made = module.circuit(task, units)
    if task.step_duration is None:
        return made
    fit = made.with_step if task.environment is None else made.stretched
    return fit(task.step_duration)


def agent(model, task, units=32, replicates=1, dtype="float32", **learning):
    """An agent with the circuit of a model, which `bgrl.simulate` lets learn.

    Parameters
    ----------
    model : str
        One of `names`, or a Python file, see `circuit`.
    task : bgrl.Task
        `bgrl.tasks.make` makes one by its name.
    units : int
        Neurons in the cortex.
    replicates : int
        Independent agents, each with weights and randomness of its own.
    dtype : {"float32", "float64"}
        Of everything that is computed.
    **learning
        Settings of `bgrl.Learning`, whose defaults are the paper's; `STEADY` are ours.

    Returns
    -------
    bgrl.Agent

    Raises
    ------
    InputError
        For an unknown model or setting, with those that there are.

    Examples
    --------
    >>> from bgrl import tasks
    >>> made = agent("rtrrl", tasks.make("memory_chain"), units=8, discount=0.9)
    >>> made.circuit.populations["cortex"].size
    8
    """
    learns = Learning(**learning)
    return Agent(circuit(model, task, units), task, learns, replicates, dtype)
