"""Choosing between arms whose rewards change."""

import math

from bgrl.circuit import Parameter
from bgrl.errors import InputError, check_count, check_flag
from bgrl.tasks.base import Task, pick
from bgrl.tasks.common import check_number, check_several, reflected, whole_steps

#: A number of choices beyond any that is counted, in single precision up to 2**24.
MOST = 1e30
#: One choice in the last step of each interval; `chosen` is what it brings, set by the caller.
CHOICE = """
    chooses = initialised*int(time >= choice_steps - 1)
    {payoff}
    reward = chooses*chosen
    count = count + chooses
    terminated = chooses*int(count >= choices)
    time = (time + 1)*(1 - chooses)
    {change}
    outcome_on = chooses
    go = int(time >= choice_steps - 1)
"""
#: The first choice of a trial; contingencies are drawn anew at the start and unless carried over.
START = """
    time = 0
    count = 0
    go = int(choice_steps < 1.5)
    fresh = 1 - carry*initialised
    {contingencies}
    initialised = 1
"""


def _bandit(name, summary, reference, arms, variables, settings, parameters, code, **known):
    """A bandit from what sets it apart."""
    choices, choice, carry, step = settings
    payoff, change, contingencies = code
    return Task(
        name=name,
        summary=summary,
        reference=reference,
        observations={"go": "go"},
        actions=tuple(f"arm_{k}" for k in range(arms)),
        variables=("time", "count", "go", "initialised", "outcome_on", *variables),
        parameters={
            "choices": Parameter(choices),
            "choice_steps": Parameter(whole_steps("choice", choice, step)),
            "carry": Parameter(float(check_flag("carry", carry))),
        }
        | parameters,
        step=CHOICE.format(payoff=payoff, change=change),
        reset=START.format(contingencies=contingencies),
        events={"choice": ("end", -1), "outcome": ("end", 0)},
        step_duration=step,
        **known,
    )


def reversal_bandit(
    high: float = 0.8,
    low: float = 0.2,
    hazard: float = 0.02,
    block: tuple[int, int] | None = None,
    choices: int = 100,
    choice: float = 20.0,
    carry: bool = False,
    step: float = 20.0,
) -> Task:
    """Choose between two arms, a good and a bad one, which change places unannounced.

    A trial is an episode of many choices, as in meta-reinforcement learning: what it learns about
    the arms the agent keeps in its activity, which starts anew with each trial. With ``choices=1``
    and ``carry=True`` each choice is a trial, and only plasticity learns.

    Parameters
    ----------
    high, low : float
        Probabilities of reward of the good and the bad arm.
    hazard : float
        Probability of a reversal after each choice.
    block : (int, int), optional
        Reversals come after a number of choices drawn from this range instead; `hazard` is then
        not used.
    choices : int
        Choices in a trial.
    choice : float
        Time for each choice (ms). The channel `go` is on in the last step of it, whose action is the
        choice; other actions do nothing.
    carry : bool
        Whether the next trial goes on with the same arms; else the good one is drawn again.
    step : float
        Duration of a step (ms).

    Notes
    -----
    Beron, Neufeld, Linderman & Sabatini (2022), PNAS 119:e2113961119 (probabilities 0.8 and 0.2,
    hazard 0.02). Episodes of 100 choices, one in each step, are those of Wang et al. (2018), Nat.
    Neurosci. 21:860. The mouse's times are left out. Within a trial the variable `outcome_on` is 1
    in the step with a choice's outcome, `reversal_on` where the arms have just changed places.
    """
    check_count("choices", choices)
    check_number("hazard", hazard, 0, 1)
    first, last = (MOST, MOST) if block is None else _block(block)
    return _bandit(
        "reversal_bandit",
        "choose the better of two arms that change places",
        "Beron et al. 2022, PNAS 119:e2113961119; episodes of Wang et al. 2018",
        2,
        ("good", "since", "length", "reversal_on"),
        (choices, choice, carry, step),
        {
            "high": Parameter(check_number("high", high, 0, 1)),
            "low": Parameter(check_number("low", low, 0, 1)),
            "hazard": Parameter(hazard if block is None else 0.0),
            "block_first": Parameter(first),
            "block_last": Parameter(last),
        },
        (
            "chosen = int(uniform(0) < low + (high - low)*int(action == good))",
            """
            since = since + chooses
            due = clip(int(since >= length) + int(uniform(1) < hazard), 0, 1)
            reversal_on = chooses*due
            good = good + reversal_on*(1 - 2*good)
            since = since*(1 - reversal_on)
            next_length = block_first + floor(uniform(2)*(block_last - block_first + 1))
            length = length + reversal_on*(next_length - length)
            """,
            """
            first_length = block_first + floor(uniform(3)*(block_last - block_first + 1))
            good = fresh*int(uniform(4) < 0.5) + (1 - fresh)*good
            since = (1 - fresh)*since
            length = fresh*first_length + (1 - fresh)*length
            """,
        ),
        chance_return=choices * (high + low) / 2,
    )


def _block(block):
    """The range of a block's length, checked."""
    if not isinstance(block, tuple | list) or len(block) != 2:
        raise InputError(f"block is {block!r}; two numbers of choices are needed")
    for count in block:
        check_count("block", count)
    if block[0] > block[1]:
        raise InputError(f"block is {block!r}; the first number must not be the greater one")
    return block


def drifting_bandit(
    arms: int = 4,
    decay: float = 0.9836,
    centre: float = 0.5,
    diffusion: float = 0.028,
    noise: float = 0.04,
    low: float = 0.0,
    high: float = 1.0,
    choices: int = 150,
    choice: float = 20.0,
    carry: bool = False,
    step: float = 20.0,
) -> Task:
    """Choose between arms whose payoffs drift.

    A trial is an episode of many choices, see `reversal_bandit`. After each choice the mean payoff
    m of every arm becomes ``decay*m + (1 - decay)*centre`` plus Gaussian noise, reflected at the
    bounds. The payoff of the chosen arm is its mean plus Gaussian noise, within the bounds.

    Parameters
    ----------
    arms : int
        Number of arms, 2 or more.
    decay, centre : float
        How the means return to the centre; a decay of 1 makes an unbiased random walk.
    diffusion : float
        Standard deviation of the change of a mean.
    noise : float
        Standard deviation of a payoff.
    low, high : float
        Bounds of means and payoffs.
    choices : int
        Choices in a trial.
    choice : float
        Time for each choice (ms), see `reversal_bandit`.
    carry : bool
        Whether the next trial goes on with the same means.
    step : float
        Duration of a step (ms).

    Notes
    -----
    Daw, O'Doherty, Dayan, Seymour & Dolan (2006), Nature 441:876, in units of 100 points: two
    sessions of 150 choices between four machines. Their means were drawn beforehand; here they start
    from the distribution that the walk tends to (with a decay of 1 from one as wide as the bounds).
    Reflection at the bounds is ours (with these numbers they are three standard deviations away),
    payoffs are not rounded to points, and the times of the imaging experiment are left out. Within a
    trial the variable `outcome_on` is 1 in the step with a choice's outcome.
    """
    check_several("arms", arms)
    check_count("choices", choices)
    check_number("low", low)
    check_number("high", high, low)
    check_number("decay", decay, 0, 1)
    check_number("diffusion", diffusion, 0, high - low)
    wide = (high - low) / math.sqrt(12)
    spread = wide if decay == 1 else min(wide, diffusion / math.sqrt(1 - decay**2))
    means = [f"mean_{k}" for k in range(arms)]
    return _bandit(
        "drifting_bandit",
        "choose the best of several arms that drift",
        "Daw et al. 2006, Nature 441:876; in units of 100 points, means reflected at the bounds",
        arms,
        means,
        (choices, choice, carry, step),
        {
            "decay": Parameter(decay),
            "centre": Parameter(check_number("centre", centre, low, high)),
            "diffusion": Parameter(diffusion),
            "noise": Parameter(check_number("noise", noise, 0)),
            "low": Parameter(low),
            "high": Parameter(high),
            "spread": Parameter(spread),
        },
        (
            f"chosen = clip({pick('action', means)} + noise*normal(0), low, high)",
            "\n".join(_drift(f"mean_{k}", k + 1) for k in range(arms)),
            "\n".join(_first_mean(f"mean_{k}", arms + k + 1) for k in range(arms)),
        ),
        chance_return=choices * centre if math.isclose(low + high, 2 * centre) else None,
    )


def _drift(mean, k):
    """Code of one step of the walk of an arm, with the k-th random number."""
    moved = reflected(f"moved_{k}", "low", "high")
    return f"""
        moved_{k} = decay*{mean} + (1 - decay)*centre + diffusion*normal({k})
        {mean} = {mean} + chooses*({moved} - {mean})
    """


def _first_mean(mean, k):
    """Code of the mean of an arm at the start of a trial, with the k-th random number."""
    drawn = f"clip(centre + spread*normal({k}), low, high)"
    return f"{mean} = fresh*{drawn} + (1 - fresh)*{mean}"
