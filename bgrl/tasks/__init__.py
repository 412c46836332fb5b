"""Tasks, one file per family; every public function of a module here that returns a `Task` is one.

`make` finds a task by name, `names` lists them.
"""

import contextlib
import importlib
import inspect
import pkgutil
import typing
from dataclasses import replace

from bgrl import own
from bgrl.description import as_annotated
from bgrl.errors import InputError, check_number, choose, plain
from bgrl.tasks.base import PREFIX, Task

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
        return own.function(name, "task", "a task", Task)
    return _factories()[choose("task", name, names(), "gymnasium:NAME or FILE.py")]


def names():
    """Names of all tasks."""
    return sorted(name for name, function in _factories().items() if _has_defaults(function))


def _has_defaults(function):
    return all(p.default is not p.empty for p in _parameters(function).values())


def _parameters(function):
    """Name to parameter of a function that makes a task, but for what takes any others (``**others``)."""
    found = inspect.signature(function).parameters
    return {k: p for k, p in found.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}


def options(name):
    """Option name to default value of a task, in the order of its signature; of an environment none.

    Raises
    ------
    InputError
        For an unknown task, with those that there are.
    """
    as_annotated("task", name, str, "tasks.options")
    if name.startswith(PREFIX):
        return {}
    function = _factory(name)
    return {k: p.default for k, p in _parameters(function).items()}


def option_types(name, **settings):
    """Option name to type of everything that `make` takes for a task.

    Parameters
    ----------
    name : str
        A task, or a Gymnasium environment (``gymnasium:NAME``), whose own keyword arguments have the
        type `object`.
    **settings
        Options that are known already: which parameters a task has may depend on them.

    Raises
    ------
    InputError
        For an unknown task, with those that there are.
    """
    as_annotated("task", name, str, "tasks.make")
    if name.startswith(PREFIX):
        from bgrl.bridge.task import keywords

        found = {"observe": str, "reward_scale": float, "max_episode_steps": int}
        return found | dict.fromkeys(keywords(name.removeprefix(PREFIX)), object)
    function = _factory(name)
    hints, own = typing.get_type_hints(function), _parameters(function)
    found = {k: hints.get(k, float) for k in own}
    given = {k: v for k, v in settings.items() if k in own}
    if all(p.default is not p.empty or k in given for k, p in own.items()):
        # What cannot be made has no parameters yet; `make` says why.
        with contextlib.suppress(InputError):
            found = dict.fromkeys(_factory(name)(**given).parameters, float) | found
        found = {k: found[k] for k in (*own, *found)}
    return found


def make(name, **settings):
    """Make a task by name.

    Parameters
    ----------
    name : str
        One of `names`, ``gymnasium:`` and the name of a Gymnasium environment, or a Python file with
        a function ``task(**options)``.
    **settings
        The task's own options, and values of its parameters; of an environment `observe` and
        `reward_scale`, see `bgrl.bridge.task.gymnasium_task`, `max_episode_steps` and what it takes
        itself.
        Chance and best return, which a parameter may change, are unknown (None) where one is given.

    Raises
    ------
    InputError
        For an unknown task, option or parameter, with the valid ones.

    Examples
    --------
    >>> make("cartpole", gravity=20).parameters["gravity"].value
    20.0
    """
    as_annotated("task", name, str, "tasks.make")
    settings = {option: plain(value) for option, value in settings.items()}
    if name.startswith(PREFIX):
        from bgrl.bridge.task import gymnasium_task

        _refuse_unknown(name, settings, option_types(name))
        return gymnasium_task(name.removeprefix(PREFIX), **settings)
    own = _parameters(_factory(name))
    given = {k: v for k, v in settings.items() if k in own}
    if missing := [k for k, p in own.items() if p.default is p.empty and k not in given]:
        raise InputError(f"task {name!r} needs a value for its option {missing[0]}")
    task = _factory(name)(**given)
    values = {k: v for k, v in settings.items() if k not in own}
    _refuse_unknown(name, values, {**own, **task.parameters}, task.parameters)
    if not values:
        return task
    changed = {
        k: replace(task.parameters[k], value=float(check_number(f"task {name!r}: {k}", v)))
        for k, v in values.items()
    }
    return replace(task, parameters=task.parameters | changed, chance_return=None, best_return=None)


def _refuse_unknown(name, settings, valid, known=None):
    if unknown := sorted(set(settings) - set(valid if known is None else known)):
        raise InputError(
            f"task {name!r} has no option {', '.join(unknown)}; valid: {', '.join(valid) or 'none'}"
        )


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

    Raises
    ------
    InputError
        For an unknown task, option or observation, with the valid ones, or an observation that is
        named twice.
    """
    as_annotated("task", name, str, "tasks.make")
    as_annotated("observe", observe, str, "tasks.make_observed")
    if name.startswith(PREFIX):
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
        If Gymnasium is not installed, or there is no such task.
    """
    from bgrl.bridge.twin import TaskEnv

    return TaskEnv(task if isinstance(task, Task) else make(task))
