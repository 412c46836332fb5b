"""Tasks, one file per family; every public function of a module here that returns a `Task` is one.

`make` finds a task by name, `names` lists them.
"""

import importlib
import inspect
import pkgutil
import typing

from bgrl import own
from bgrl.description import as_annotated
from bgrl.errors import InputError, choose, plain
from bgrl.tasks.base import Task

__all__ = ["Task", "as_gymnasium", "make", "make_observed", "names", "option_types", "options"]


def _factories():
    found = {}
    for module in pkgutil.iter_modules(__path__):
        for name, function in vars(importlib.import_module(f"{__name__}.{module.name}")).items():
            makes_task = getattr(function, "__annotations__", {}).get("return") is Task
            if inspect.isfunction(function) and makes_task and not name.startswith("_"):
                found[name] = function
    return found


def _factory(name):
    """The function that makes a task: of this package, or `task` in a Python file of the user's own."""
    if own.is_file(name):
        return own.member(name, "task", "a task")
    return _factories()[choose("task", name, names())]


def names():
    """Names of all tasks."""
    return sorted(name for name, function in _factories().items() if _has_defaults(function))


def _has_defaults(function):
    return all(p.default is not p.empty for p in inspect.signature(function).parameters.values())


def options(name):
    """Option name to default value of a task, in the order of its signature."""
    function = _factory(name)
    return {k: p.default for k, p in inspect.signature(function).parameters.items()}


def option_types(name):
    """Option name to type of a task, or of a Gymnasium environment (``gymnasium:NAME``)."""
    as_annotated("task", name, str, "tasks.make")
    if name.startswith("gymnasium:"):
        return {"observe": str, "reward_scale": float}
    function = _factory(name)
    hints = typing.get_type_hints(function)
    return {k: hints.get(k, float) for k in inspect.signature(function).parameters}


def make(name, **settings):
    """Make a task by name.

    Parameters
    ----------
    name : str
        One of `names`, ``gymnasium:`` and the name of a Gymnasium environment, or a Python file with
        a function ``task(**options)``.
    **settings
        The task's own options; of an environment `observe` and `reward_scale`, see
        `bgrl.bridge.task.gymnasium_task`.

    Raises
    ------
    InputError
        For an unknown task or option, with the valid ones.
    """
    valid = option_types(name)
    if unknown := sorted(set(settings) - set(valid)):
        raise InputError(
            f"task {name!r} has no option {', '.join(unknown)}; valid: {', '.join(valid) or 'none'}"
        )
    settings = {option: plain(value) for option, value in settings.items()}
    if name.startswith("gymnasium:"):
        from bgrl.bridge.task import gymnasium_task

        return gymnasium_task(name.removeprefix("gymnasium:"), **settings)
    made = _factory(name)(**settings)
    if not isinstance(made, Task):
        raise InputError(f"{name}: its `task` returns {type(made).__name__}; a Task is needed")
    return made


def make_observed(name, observe="", **settings):
    """Make a task of which the agent sees only a part.

    Parameters
    ----------
    name : str
    observe : str
        Names or numbers of the observations to keep, separated by commas; "even", "odd", or all if
        nothing is said.
    **settings
        The task's own options.
    """
    as_annotated("task", name, str, "tasks.make")
    if name.startswith("gymnasium:"):
        return make(name, observe=observe, **settings)
    task = make(name, **settings)
    if not observe:
        return task
    channels = list(task.observations)
    halves = {"even": channels[0::2], "odd": channels[1::2]}
    return task.observing(halves.get(observe) or observe.split(","))


def as_gymnasium(task):
    """A task as a `gymnasium.Env`, step for step the compiled one; see `bgrl.bridge.twin.TaskEnv`.

    Parameters
    ----------
    task : Task or str
        A task, or the name of one.

    Raises
    ------
    InputError
        If Gymnasium is not installed.
    """
    from bgrl.bridge.twin import TaskEnv

    return TaskEnv(make(task) if isinstance(task, str) else task)
