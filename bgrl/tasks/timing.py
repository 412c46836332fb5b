"""Judging the duration of an interval."""

from bgrl.circuit import Parameter
from bgrl.errors import InputError
from bgrl.tasks.base import Task, pick
from bgrl.tasks.common import (
    DECISION,
    check_number,
    decision_parameters,
    numbered,
    whole_steps,
)

#: In ms; those of Gouvêa et al. in whole steps of 20 ms.
DURATIONS = (600.0, 1060.0, 1260.0, 1380.0, 1620.0, 1740.0, 1940.0, 2400.0)


def interval_timing(
    durations: tuple[float, ...] = DURATIONS,
    boundary: float = 1500.0,
    tone: float = 160.0,
    fixation: float = 500.0,
    decision: float = 1000.0,
    wrong: float = 0.0,
    early: float = -1.0,
    abort: bool = False,
    step: float = 20.0,
) -> Task:
    """Say whether the interval between two tones was short or long.

    A trial is: fixation, first tone, interval, second tone, decision. The interval is from the start
    of the first to the start of the second tone, which asks for the answer; the answer ends the
    trial, as does the end of the decision period, without reward.

    Parameters
    ----------
    durations : tuple of float
        The intervals (ms); one is drawn for each trial.
    boundary : float
        Longer intervals are long, shorter ones short (ms).
    tone : float
        Duration of each tone (ms).
    fixation, decision : float
        Durations of the periods (ms).
    wrong : float
        Reward of a wrong answer.
    early : float
        Reward for each second of answering before the second tone.
    abort : bool
        Whether an answer before the second tone ends the trial.
    step : float
        Duration of a step (ms).

    Notes
    -----
    Gouvêa, Monteiro, Motiwala, Soares, Machens & Paton (2015), eLife 4:e11386. Their intervals of
    1050 and 1950 ms and their tone of 150 ms are no multiples of 20 ms: here they are 1060, 1940 and
    160 ms; with a step of 10 ms they can be as they were. The duration of the decision is ours, wrong
    answers cost no time-out (10 s after 150 ms of noise in the paper), and the rat's staying in the
    port is not answering. The second tone is at no fixed time: the event `go` and the
    variable `go_on` tell its first step.
    """
    if not isinstance(durations, tuple | list) or not durations:
        raise InputError(f"durations is {durations!r}; a list of times in ms is needed")
    counts = [whole_steps("duration", duration, step) for duration in durations]
    if boundary in durations:
        raise InputError(f"duration {boundary:g} ms is the boundary; neither short nor long")
    length, start = whole_steps("tone", tone, step), whole_steps("fixation", fixation, step)
    if length >= min(counts):
        raise InputError(f"tone is {tone:g} ms; less than the shortest interval is needed")
    return Task(
        name="interval_timing",
        summary="judge an interval as short or long",
        reference="Gouvêa et al. 2015, eLife 4:e11386; intervals in whole steps",
        observations={"tone": "sounds"},
        actions=("fixate", "short", "long"),
        variables=("time", "kind", "interval", "go", "target", "sounds", "go_on"),
        parameters={
            "interval_start": Parameter(start),
            "tone_steps": Parameter(length),
            "boundary": Parameter(check_number("boundary", boundary, 0) / step),
        }
        | numbered("duration", counts)
        | decision_parameters(step, decision, wrong, early, abort),
        step=f"""{DECISION}
            go_on = int(time == go)*(1 - terminated)
            first = int(time >= interval_start)*int(time < interval_start + tone_steps)
            sounds = first + int(time >= go)*int(time < go + tone_steps)
        """,
        reset=f"""
            time = 0
            sounds = 0
            kind = floor({len(counts)}*uniform(0))
            interval = {pick("kind", [f"duration_{k}" for k in range(len(counts))])}
            go = interval_start + interval
            target = int(interval > boundary)
        """,
        events={
            "first_tone": ("start", start),
            "go": "go_on",
            "choice": ("end", -1),
            "outcome": ("end", 0),
        },
        best_return=1.0,
        step_duration=step,
    )
