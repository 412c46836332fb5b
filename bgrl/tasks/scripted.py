"""A task that follows a script whatever the agent does; for replaying recorded numbers."""

import numpy as np

from bgrl.errors import InputError
from bgrl.tasks.base import Task


def scripted(observation, reward, done, action, actions: int) -> Task:
    """A script of observations, rewards, ends of trials and forced actions.

    Parameters
    ----------
    observation : array (steps, channels)
    reward, done : array (steps,)
    action : array (steps,) of int
        What the agent is made to choose in each step; -1 leaves the choice to it.
    actions : int
        Number of actions.
    """
    observation = np.atleast_2d(np.asarray(observation, float))
    columns = [np.asarray(column, float) for column in (reward, done, action)]
    if any(column.shape != (len(observation),) for column in columns):
        raise InputError("scripted task: observation, reward, done and action differ in length")
    channels = observation.shape[1]
    return Task(
        name="scripted",
        summary="follow a script",
        reference="none",
        observations={f"observation_{k}": f"script(t, {k})" for k in range(channels)},
        actions=tuple(f"action_{k}" for k in range(actions)),
        variables=("forced_action",),
        step=f"""
            reward = script(t, {channels})
            terminated = script(t, {channels + 1})
            forced_action = script(t, {channels + 2})
        """,
        reset="",
        tables={"script": np.column_stack([observation, *columns])},
    )
