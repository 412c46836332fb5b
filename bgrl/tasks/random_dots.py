"""Judging the direction of noisy motion."""

from bgrl.circuit import Parameter
from bgrl.errors import InputError
from bgrl.tasks.base import Task, pick
from bgrl.tasks.common import (
    DECISION,
    check_number,
    decision_parameters,
    numbered,
    period_starts,
)

#: Of neurogym, in percent.
COHERENCES = (0.0, 6.4, 12.8, 25.6, 51.2)


def random_dots(
    coherences: tuple[float, ...] = COHERENCES,
    noise: float = 1.0,
    fixation: float = 100.0,
    stimulus: float = 2000.0,
    delay: float = 0.0,
    decision: float = 100.0,
    wrong: float = 0.0,
    early: float = -1.0,
    abort: bool = False,
    step: float = 20.0,
) -> Task:
    """Say whether noisy dots moved left or right.

    A trial is: fixation, stimulus, delay, decision. The fixation channel is on until the decision,
    where its end asks for the answer; the answer ends the trial, as does the end of the decision
    period, without reward. In the stimulus the channels `left` and `right` are 0.5 with half the
    coherence added to the one and taken from the other, and noise in each step.

    Parameters
    ----------
    coherences : tuple of float
        Percent of the dots that move together; one is drawn for each trial.
    noise : float
        Standard deviation of each channel's noise averaged over 1 ms; it falls with the square root
        of the duration of a step, so that what can be known in a trial depends on no step.
    fixation, stimulus, delay, decision : float
        Durations of the periods (ms); `delay` may be 0.
    wrong : float
        Reward of a wrong answer.
    early : float
        Reward for each second of answering before the decision.
    abort : bool
        Whether an answer before the decision ends the trial.
    step : float
        Duration of a step (ms).

    Notes
    -----
    Britten, Shadlen, Newsome & Movshon (1992), J. Neurosci. 12:4745, in the abstraction of
    neurogym's PerceptualDecisionMaking: the dots are summed up as the evidence for either direction.
    Other than in neurogym early answers cost in every period before the decision, not in the
    fixation period only. At coherence 0 the direction that is rewarded is a coin's.
    """
    if not isinstance(coherences, tuple | list) or not coherences:
        raise InputError(f"coherences is {coherences!r}; a list of percents is needed")
    for coherence in coherences:
        check_number("coherence", coherence, 0, 100)
    periods = {"fixation": fixation, "stimulus": stimulus, "delay": delay}
    _, on, off, go = period_starts(step, optional=("delay",), **periods)
    sigma = check_number("noise", noise, 0) / step**0.5
    levels = [f"coherence_{k}" for k in range(len(coherences))]
    return Task(
        name="random_dots",
        summary="judge the direction of noisy motion",
        reference="Britten, Shadlen, Newsome & Movshon 1992, J. Neurosci. 12:4745, as in neurogym",
        observations={"fixation": "int(time < go)", "left": "left", "right": "right"},
        actions=("fixate", "left", "right"),
        variables=("time", "target", "level", "coherence", "left", "right"),
        parameters={
            "stimulus_start": Parameter(on),
            "delay_start": Parameter(off),
            "go": Parameter(go),
            "sigma": Parameter(sigma),
        }
        | numbered("coherence", coherences)
        | decision_parameters(step, decision, wrong, early, abort),
        step=f"""{DECISION}
            moving = int(time >= stimulus_start)*int(time < delay_start)
            signal = (1 - 2*target)*coherence/200
            left = moving*(0.5 + signal + sigma*normal(0))
            right = moving*(0.5 - signal + sigma*normal(1))
        """,
        reset=f"""
            time = 0
            target = int(uniform(0) < 0.5)
            level = floor({len(coherences)}*uniform(1))
            coherence = {pick("level", levels)}
            left = 0
            right = 0
        """,
        events={
            "stimulus": ("start", on),
            "stimulus_end": ("start", off),
            "go": ("start", go),
            "choice": ("end", -1),
            "outcome": ("end", 0),
        },
        step_duration=step,
    )
