"""Actions that ask to be selected, each as much as its salience says; nothing is to be learned."""

from bgrl.circuit import Parameter
from bgrl.errors import InputError
from bgrl.tasks.base import Task
from bgrl.tasks.common import check_number, check_several, whole_steps


def salience(levels, onsets, channels: int, duration: float, step: float) -> Task:
    """Watch which channel is selected while their saliences come on one after another.

    A trial starts without salience. There is no reward, and no action changes anything.

    Parameters
    ----------
    levels : sequence of float
        Salience of the first channels, one each, from its onset to the end of the trial; the others
        have none.
    onsets : sequence of float
        When each of them comes on (ms).
    channels : int
        Channels, an observation and an action each.
    duration : float
        Of a trial (ms).
    step : float
        Duration of a step (ms).

    Notes
    -----
    Levels, onsets and duration are run-time values.

    Raises
    ------
    InputError
        For times that are no whole steps, or levels and onsets that do not fit.
    """
    check_several("channels", channels)
    if not 0 < len(levels) == len(onsets) <= channels:
        raise InputError(
            f"{len(levels)} levels and {len(onsets)} onsets; one of each for some or all of "
            f"{channels} channels are needed"
        )
    parameters = {"trial_steps": Parameter(whole_steps("duration", duration, step))}
    observations = {f"salience_{k}": "0" for k in range(channels)}
    for k, (level, onset) in enumerate(zip(levels, onsets, strict=True)):
        parameters[f"level_{k}"] = Parameter(check_number("level", level))
        parameters[f"onset_{k}"] = Parameter(whole_steps("onset", onset, step, zero=True))
        observations[f"salience_{k}"] = f"level_{k}*int(time >= onset_{k})"
    return Task(
        name="salience",
        summary="watch which action is selected",
        reference="protocol of Gurney, Prescott & Redgrave 2001, Biol. Cybern. 84:411",
        observations=observations,
        actions=tuple(f"channel_{k}" for k in range(channels)),
        variables=("time",),
        parameters=parameters,
        step="""
            time = time + 1
            reward = 0
            terminated = int(time >= trial_steps)
        """,
        reset="time = 0",
        step_duration=step,
    )
