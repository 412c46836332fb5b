"""A Gymnasium environment as a task."""

import contextlib
import inspect
import traceback
from numbers import Real
from pathlib import Path

import numpy as np

from bgrl.bridge.connection import Environment, EnvironmentFailed
from bgrl.bridge.spaces import MOST, WRAP, Actions, Observations, spaces
from bgrl.circuit import Parameter
from bgrl.description import as_annotated
from bgrl.errors import InputError, RunError, check_number
from bgrl.tasks.base import PREFIX, Task


def gymnasium_task(name, observe="", reward_scale=1.0, **settings):
    """A task that is a Gymnasium environment.

    Parameters
    ----------
    name : str
        Gymnasium's name.
    observe : str
        Numbers of the entries of the observation to show, separated by commas; "even", "odd", or
        everything if nothing is said.
    reward_scale : float
        Reward is multiplied by this. Returns of about 1 are learned fastest: steps of learning have a
        size of their own, and values must first grow to that of the returns.
    **settings
        What ``gymnasium.make`` takes: `max_episode_steps`, and the `keywords` of the environment.

    Raises
    ------
    InputError
        If there is no such environment, or its spaces are not supported.
    EnvironmentFailed
        If it raises when it is made.
    """
    as_annotated("observe", observe, str, f"environment {name!r}")
    reward_scale = check_number("reward_scale", reward_scale)
    limit = settings.get("max_episode_steps")
    as_annotated("max_episode_steps", limit, int | None, f"environment {name!r}")
    environment = make_environment(name, settings)
    try:
        _refuse_script(name, environment)
        seen = Observations(name, environment.observation_space)
        actions = Actions(name, environment.action_space)
        step_duration = _step_duration(environment)
    finally:
        with contextlib.suppress(Exception):
            environment.close()
    kept = _observed(name, observe, seen.size)
    if len(kept) > MOST:
        raise InputError(
            f"environment {name!r} shows {len(kept)} numbers; {MOST} at the most can be: choose some "
            f"with observe, or {WRAP}"
        )
    told = ("told_reward", "told_terminated", "told_truncated")
    return Task(
        name=PREFIX + name,
        summary=f"Gymnasium's {name}",
        reference=f"gymnasium, environment {name}",
        observations={f"entry_{k}": f"told_{i}" for i, k in enumerate(kept)},
        actions=actions.labels,
        bounds=actions.bounds,
        variables=(*told, *(f"told_{i}" for i in range(len(kept)))),
        step="""
            reward = reward_scale*told_reward
            terminated = told_terminated
            truncated = told_truncated
        """,
        reset="",
        parameters={"reward_scale": Parameter(reward_scale)},
        environment=Environment(name, tuple(kept), actions.size, settings),
        step_duration=step_duration,
    )


def _step_duration(environment):
    """Duration of a step in ms, where the environment has one: its `dt`, in s by convention."""
    dt = getattr(environment.unwrapped, "dt", None)
    number = isinstance(dt, Real) and not isinstance(dt, bool)
    return 1000 * float(dt) if number and np.isfinite(dt) and dt > 0 else None


def _observed(name, observe, channels):
    choices = {"": slice(None), "even": slice(0, None, 2), "odd": slice(1, None, 2)}
    if observe in choices:
        return list(range(channels))[choices[observe]]
    try:
        kept = [int(k) for k in observe.split(",")]
    except ValueError:
        kept = [-1]
    if not all(0 <= k < channels for k in kept) or len(set(kept)) < len(kept):
        raise InputError(
            f"observe is {observe!r}; environment {name!r} has entries 0 to {channels - 1}; valid: "
            "numbers separated by commas, even, odd; no number twice"
        )
    return kept


def keywords(name):
    """Names of the keyword arguments of an environment, none if there is no such environment."""
    spaces()
    import gymnasium

    try:
        maker = gymnasium.spec(name).entry_point
        if isinstance(maker, str):
            maker = gymnasium.envs.registration.load_env_creator(maker)
        found = inspect.signature(maker).parameters.values()
    except Exception:  # whatever the environment's own package raises; `make_environment` tells it
        return []
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p.name for p in found if p.kind in named and p.name != "render_mode"]


def make_environment(name, settings):
    """Make an environment of Gymnasium by its name; see `gymnasium_task` for the errors.

    Raises
    ------
    InputError
        If there is no such environment.
    EnvironmentFailed
        If it raises something else when it is made.
    """
    spaces()
    import gymnasium

    try:
        return gymnasium.make(name, disable_env_checker=True, **settings)
    except Exception as error:  # whatever the environment's own package raises
        unknown = isinstance(error, gymnasium.error.Error | ImportError) or name.count(":") > 1
        if not unknown:
            raise EnvironmentFailed(f"environment {name!r} failed: {in_one_line(error)}") from None
        why = " ".join(str(error).split("\n")[0].split()) or type(error).__name__
        raise InputError(f"no Gymnasium environment {name!r}: {why}") from None


def _refuse_script(name, environment):
    """Refuse an environment that only the script that is run knows."""
    entry = environment.spec.entry_point
    module = entry.split(":")[0] if isinstance(entry, str) else getattr(entry, "__module__", "")
    if module == "__main__":
        raise InputError(
            f"environment {name!r} is defined in the script that is run, which the process of the "
            f"environments does not see; put it into a module and name that, gymnasium:MODULE:{name}"
        )


def in_one_line(error):
    """An exception in one line."""
    if isinstance(error, RunError):
        return str(error)
    words = " ".join(str(error).strip().split("\n")[0].split())
    if not words:
        place = traceback.extract_tb(error.__traceback__)[-1]
        words = f"in {Path(place.filename).name}, line {place.lineno}"
    return f"{type(error).__name__}: {words}"
