"""A task that only shows something: an array over time and channels, for circuits that are watched."""

import numpy as np

from bgrl.errors import InputError
from bgrl.quantities import Time, check_time
from bgrl.tasks.base import Task


def stimulus(values, step: Time | None = None, channels=None) -> Task:
    """A stimulus given as an array, shown once; its last row stays.

    There is no reward, and one action that does nothing.

    Parameters
    ----------
    values : array (steps, channels) or (steps,), or brian2.TimedArray
        A row for each task step; zeros are shown before the first.
    step : float or quantity, optional
        Duration of a task step, in ms. A `TimedArray` has its own. If nothing is said a step is a
        step, however long.
    channels : sequence of str, optional
        Names of the observations; ``channel_0``, ``channel_1``, ... if nothing is said.

    Raises
    ------
    InputError
        For an array of another shape or with values that are not finite, names that do not fit, or a
        duration that is given twice.

    Examples
    --------
    >>> ramp = stimulus(np.linspace(0, 1, 50), step=20, channels=["current"])
    >>> list(ramp.observations), ramp.step_duration
    (['current'], 20.0)
    """
    if hasattr(values, "values") and hasattr(values, "dt"):  # a TimedArray
        if step is not None:
            raise InputError("stimulus: a TimedArray has a duration of its steps; leave out `step`")
        values, step = values.values, 1000 * float(values.dt)
    try:
        rows = np.asarray(values, float)
    except (TypeError, ValueError):
        raise InputError(
            "stimulus: the values are no numbers; (steps, channels) is needed"
        ) from None
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or not rows.size:
        raise InputError(
            f"stimulus: the values have shape {rows.shape}; (steps, channels) is needed"
        )
    names = [f"channel_{k}" for k in range(rows.shape[1])] if channels is None else list(channels)
    if len(names) != rows.shape[1]:
        raise InputError(f"stimulus: {len(names)} names for {rows.shape[1]} channels")
    return Task(
        name="stimulus",
        summary="show an array",
        reference="none",
        observations={name: f"shown(t, {k})" for k, name in enumerate(names)},
        actions=("nothing",),
        variables=(),
        step="reward = 0\nterminated = 0",
        reset="",
        # An agent sees something before its first step: here nothing.
        tables={"shown": np.vstack([np.zeros(len(names)), rows])},
        step_duration=None if step is None else check_time("step of a stimulus", step),
    )
