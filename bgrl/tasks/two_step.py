"""The two-step task: rare transitions tell planning from habit."""

from bgrl.circuit import Parameter
from bgrl.errors import InputError, check_count, choose
from bgrl.tasks.base import Task, pick
from bgrl.tasks.common import check_number, reflected, whole_steps

#: Version to its settings; a second-stage choice and walks, or reversals without one.
VERSIONS = {
    "wang_2018": {"common": 0.8, "choices": 100},
    "daw_2011": {"common": 0.7, "choices": 201},
}
#: Stages 0 fixation, 1 first, 2 second; the action in the last step of a stage counts.
STEP = """
    last = initialised*int(time >= {steps} - 1)
    ends_first = last*int(stage == 1)
    ends_second = last*int(stage == 2)
    usual = int(uniform(0) < common)
    went = usual*action + (1 - usual)*(1 - action)
    choice = choice + ends_first*(action - choice)
    rare = rare + ends_first*(1 - usual - rare)
    place = place + ends_first*(went - place)
    chance = {chance}
    reward = ends_second*int(uniform(1) < chance)
    count = count + ends_second
    terminated = ends_second*int(count >= choices)
    {change}
    time = (time + 1)*(1 - last)
    stage = (stage + last)*(1 - ends_second)
    second_on = ends_first
    outcome_on = ends_second
"""
REVERSALS = """
    reversal_on = ends_second*int(uniform(2) < reversal)
    good = good + reversal_on*(1 - 2*good)
"""


def two_step(
    version: str = "wang_2018",
    common: float | None = None,
    high: float = 0.9,
    low: float = 0.1,
    reversal: float = 0.025,
    walk: float = 0.025,
    bounds: tuple[float, float] = (0.25, 0.75),
    choices: int | None = None,
    fixation: float = 20.0,
    first: float = 20.0,
    second: float = 20.0,
    step: float = 20.0,
) -> Task:
    """Choose left or right, and be taken to the usual or the other of two places with rewards.

    A trial is an episode of many first-stage choices, as in meta-reinforcement learning: what it
    learns the agent keeps in its activity, which starts anew with each trial. Each of them is:
    fixation, first stage, second stage, each with a channel of its own (two for the second, which
    say where one is). The action in the last step of the first stage is the choice; action k leads
    to place k, or rarely to the other. The reward comes in the step after the last of the second
    stage.

    Parameters
    ----------
    version : {"wang_2018", "daw_2011"}
        Whether one place is rewarded often, the other rarely, and they change roles (Wang); or one
        chooses again in the second stage, by the action in its last step, and the four probabilities
        of reward walk (Daw).
    common : float, optional
        Probability of the usual transition; 0.8 or 0.7.
    high, low : float
        Probabilities of reward in the good and the bad place (Wang).
    reversal : float
        Probability that they change roles after each reward or its absence (Wang).
    walk : float
        Standard deviation of the change of each probability of reward (Daw).
    bounds : (float, float)
        Where the walks are reflected (Daw).
    choices : int, optional
        First-stage choices in a trial; 100 or 201.
    fixation, first, second : float
        Durations of the stages (ms).
    step : float
        Duration of a step (ms).

    Notes
    -----
    Wang et al. (2018), Nat. Neurosci. 21:860 (simulation of the two-step task), after Daw, Gershman,
    Seymour, Dayan & Dolan (2011), Neuron 69:1204. One step for each stage is Wang's; the human times
    of Daw's version are left out and its walks start uniformly between the bounds. The place that
    starts as the good one is drawn for each trial. Within a trial the variables `first_on`,
    `second_on` and `outcome_on` are 1 in the step in which a stage or an outcome comes; `choice`,
    `rare` and `place` are the last first-stage choice, whether its transition was rare, and where it
    led.
    """
    preset = VERSIONS[choose("version", version, VERSIONS)]
    common = preset["common"] if common is None else common
    choices = preset["choices"] if choices is None else choices
    check_count("choices", choices)
    durations = {"fixation": fixation, "first": first, "second": second}
    parameters = {
        "common": Parameter(check_number("common", common, 0, 1)),
        "choices": Parameter(choices),
    } | {f"{k}_steps": Parameter(whole_steps(k, v, step)) for k, v in durations.items()}
    # Both, so that options of the other version are checked too.
    walks, roles = _walks(walk, bounds), _roles(high, low, reversal)
    rewards = walks if version == "daw_2011" else roles
    return Task(
        name="two_step",
        summary="choose by planning over rare and common transitions",
        reference="Wang et al. 2018, Nat. Neurosci. 21:860; Daw et al. 2011, Neuron 69:1204",
        observations={
            "fixation": "int(stage == 0)",
            "first": "int(stage == 1)",
            "place_0": "int(stage == 2)*(1 - place)",
            "place_1": "int(stage == 2)*place",
        },
        actions=("left", "right"),
        variables=(
            *("time", "stage", "count", "choice", "rare", "place"),
            *("initialised", "first_on", "second_on", "outcome_on"),
            *rewards["variables"],
        ),
        parameters=parameters | rewards["parameters"],
        step=STEP.format(
            steps=f"({pick('stage', [f'{k}_steps' for k in durations])})",
            chance=rewards["chance"],
            change=rewards["change"],
        )
        + "first_on = last*int(stage == 1)",
        reset=f"""
            time = 0
            stage = 0
            count = 0
            initialised = 1
            {rewards["start"]}
        """,
        events={
            "choice": ("end", -int(parameters["second_steps"].value) - 1),
            "outcome": ("end", 0),
        },
        chance_return=choices * rewards["mean"],
        step_duration=step,
    )


def _roles(high, low, reversal):
    """Rewards by place, with reversals."""
    return {
        "variables": ("good", "reversal_on"),
        "parameters": {
            "high": Parameter(check_number("high", high, 0, 1)),
            "low": Parameter(check_number("low", low, 0, 1)),
            "reversal": Parameter(check_number("reversal", reversal, 0, 1)),
        },
        "chance": "low + (high - low)*int(place == good)",
        "change": REVERSALS,
        "start": "good = int(uniform(3) < 0.5)",
        "mean": (high + low) / 2,
    }


def _walks(walk, bounds):
    """Rewards by place and second choice, which walk."""
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        raise InputError(f"bounds is {bounds!r}; two probabilities are needed")
    low, high = (check_number("bounds", b, 0, 1) for b in bounds)
    check_number("upper of bounds", high, low)
    chances = [f"chance_{k}" for k in range(4)]
    moves = [
        f"moved_{k} = {name} + walk*normal({k})\n"
        f"{name} = {name} + ends_second*({reflected(f'moved_{k}', 'low', 'high')} - {name})"
        for k, name in enumerate(chances)
    ]
    starts = [f"{name} = low + (high - low)*uniform({k + 3})" for k, name in enumerate(chances)]
    return {
        "variables": chances,
        "parameters": {
            "walk": Parameter(check_number("walk", walk, 0, high - low)),
            "low": Parameter(low),
            "high": Parameter(high),
        },
        "chance": pick("(2*place + action)", chances),
        "change": "\n".join(moves),
        "start": "\n".join(starts),
        "mean": (high + low) / 2,
    }
