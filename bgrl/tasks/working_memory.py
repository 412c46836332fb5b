"""Comparing a stimulus with a remembered one."""

from bgrl.circuit import Parameter
from bgrl.tasks.base import Task
from bgrl.tasks.common import (
    DECISION,
    check_number,
    check_several,
    decision_parameters,
    period_starts,
)


def delayed_match_to_sample(
    stimuli: int = 2,
    fixation: float = 300.0,
    sample: float = 500.0,
    delay: float = 1000.0,
    test: float = 500.0,
    decision: float = 900.0,
    match: float = 0.5,
    wrong: float = 0.0,
    early: float = -1.0,
    abort: bool = False,
    step: float = 20.0,
) -> Task:
    """Say whether the test stimulus is the sample that was shown before a delay.

    A trial is: fixation, sample, delay, test, decision. The fixation channel is on until the
    decision, where its end asks for the answer; the answer ends the trial, as does the end of the
    decision period, without reward.

    Parameters
    ----------
    stimuli : int
        Number of stimuli, 2 or more; one channel each.
    fixation, sample, delay, test, decision : float
        Durations of the periods (ms).
    match : float
        Probability that the test is the sample.
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
    Miller, Erickson & Desimone (1996), J. Neurosci. 16:5154, with the periods of neurogym's
    DelayedMatchToSample. Here there is one test, not a sequence of them with distractors; as in
    neurogym there is an action for match and one for nonmatch, where the monkeys released a lever
    for a match only. Other than in neurogym stimuli are one-hot and without noise, and early answers
    cost in every period before the decision, not in the fixation period only.
    """
    check_several("stimuli", stimuli)
    periods = {"fixation": fixation, "sample": sample, "delay": delay, "test": test}
    _, *starts = period_starts(step, optional=("delay",), **periods)
    names = ("sample_start", "delay_start", "test_start", "go")
    return Task(
        name="delayed_match_to_sample",
        summary="compare a stimulus with a remembered one",
        reference="Miller, Erickson & Desimone 1996, J. Neurosci. 16:5154; periods of neurogym",
        observations={"fixation": "int(time < go)"}
        | {f"stimulus_{k}": f"int(shown == {k + 1})" for k in range(stimuli)},
        actions=("fixate", "match", "nonmatch"),
        variables=("time", "sample", "test", "target", "shown"),
        parameters={name: Parameter(start) for name, start in zip(names, starts, strict=True)}
        | {"match": Parameter(check_number("match", match, 0, 1))}
        | decision_parameters(step, decision, wrong, early, abort),
        step=f"""{DECISION}
            sampled = int(time >= sample_start)*int(time < delay_start)
            tested = int(time >= test_start)*int(time < go)
            shown = sampled*(sample + 1) + tested*(test + 1)
        """,
        reset=f"""
            time = 0
            shown = 0
            sample = floor({stimuli}*uniform(0))
            target = int(uniform(1) >= match)
            other = sample + target*(1 + floor({stimuli - 1}*uniform(2)))
            test = other - {stimuli}*int(other >= {stimuli})
        """,
        events={
            **{
                k: ("start", s)
                for k, s in zip(("sample", "delay", "test", "go"), starts, strict=True)
            },
            "choice": ("end", -1),
            "outcome": ("end", 0),
        },
        best_return=1.0,
        step_duration=step,
    )
