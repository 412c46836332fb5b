"""What tasks share: durations in whole steps, checked numbers, choices without branches."""

from itertools import accumulate

from bgrl.circuit import Parameter
from bgrl.errors import InputError, check_flag, check_integer, check_number

#: A number of steps that no trial reaches.
NEVER = 1e6


def check_several(name, value):
    """Return an integer of 2 or more, else refuse it."""
    return check_integer(name, value, 2)


def whole_steps(name, duration, step, zero=False):
    """A duration in steps.

    Parameters
    ----------
    name : str
        For the message.
    duration, step : float
        In ms.
    zero : bool
        Whether no time at all is allowed.

    Raises
    ------
    InputError
        If it is not a positive multiple of the step.
    """
    check_number("step", step, 1e-3)
    count = round(check_number(name, duration) / step)
    if abs(duration / step - count) > 1e-6 or count < (0 if zero else 1):
        kind = "0 or a" if zero else "a"
        raise InputError(
            f"{name} is {duration!r} ms; {kind} positive multiple of the step of {step:g} ms is needed"
        )
    return count


def period_starts(step, optional=(), **durations):
    """The step in which each of the periods of a trial starts, and in which the last ends.

    Parameters
    ----------
    step : float
        In ms.
    optional : tuple of str
        Periods that may have no duration.
    **durations : float
        In ms, in their order.

    Returns
    -------
    list of int
        One more than there are periods.
    """
    counts = [whole_steps(k, v, step, zero=k in optional) for k, v in durations.items()]
    return [0, *accumulate(counts)]


def numbered(name, values):
    """Parameters ``name_0``, ``name_1``, ..."""
    return {f"{name}_{k}": Parameter(float(value)) for k, value in enumerate(values)}


def reflected(value, low, high):
    """Expression of a value reflected at two bounds, which one step of a walk may cross once."""
    inside = f"abs({value} - {low}) + {low}"
    return f"clip({high} - abs({high} - ({inside})), {low}, {high})"


#: Fixate (action 0) until `go`, then answer with action 1 or 2; the answer `target` + 1 is right.
DECISION = """
    asked = int(time >= go)
    early = (1 - asked)*int(action > 0)
    answered = asked*int(action > 0)
    correct = asked*int(action == target + 1)
    missed = int(time >= go + decision_steps - 1)
    reward = reward_correct*correct + reward_wrong*(answered - correct) + reward_early*early
    terminated = clip(answered + aborts*early + missed, 0, 1)
    time = time + 1
"""


def decision_parameters(step, decision, wrong, early, abort):
    """Parameters of `DECISION`.

    Parameters
    ----------
    step, decision : float
        In ms.
    wrong : float
        Reward of a wrong answer, 1 at most; that of the right one is 1.
    early : float
        Reward for each second of answering before `go`, 0 at most.
    abort : bool
        Whether an early answer ends the trial.
    """
    return {
        "decision_steps": Parameter(whole_steps("decision", decision, step)),
        "reward_correct": Parameter(1.0),
        "reward_wrong": Parameter(check_number("wrong", wrong, high=1)),
        "reward_early": Parameter(check_number("early", early, high=0) * step / 1000),
        "aborts": Parameter(float(check_flag("abort", abort))),
    }
