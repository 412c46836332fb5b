"""The task takes the action, says what happened, and starts its next trial; the agent's next input."""

from bgrl import random
from bgrl.language import canonical, single_assignments
from bgrl.step.exchange import Exchange
from bgrl.step.statistics import taken_in
from bgrl.tasks.base import DRAW, OUTCOME

#: Where a normalised input is clipped, and what is added to its variance.
LARGEST_INPUT, SMALLEST_VARIANCE = 5.0, 1e-8
#: The mean of inputs starts as if they had been 0 for so many steps before the first.
INERTIA = 30_000


def write(b, plan):
    """Groups ``task`` (one element) and ``input`` (channels), slots environment and reset."""
    _task(b, plan)
    _input(b, plan)


def start(agent, plan, seed):
    """Settings of the task, seed, and a trial that begins in the first step."""
    task = {f"task.{name}": p.value for name, p in agent.task.parameters.items()}
    if agent.learning.normalize_input:
        task |= {"input.input_variance": 1.0, "input.input_count": 1.0}
        if plan.learning["rates_fall"]:
            task["input.rate_half_life"] = agent.learning.rate_half_life
    return task | {
        "task.seed": seed,
        "task.replicate": range(agent.replicates),
        "task.restart": 1.0,
        "input.tonic_dopamine": agent.circuit.dopamine.tonic,
        "input.first_action": float(agent.learning.first_input == "action_0"),
    }


def _task(b, plan):
    _declare(b, plan)
    b.code("environment", "task", DRAW.sub(_draw, "\n".join(_code(b, plan.task))))


def _declare(b, plan):
    """The group of the task with its variables, where its action is from, and what answers outside."""
    task = plan.task
    b.group("task")
    b.variables("task", *task["variables"], "reward", "terminated", "truncated", "done", "restart")
    b.variables("task", "trial_length", "trial_return")
    b.variables("task", *task["parameters"], shared=True)
    b.variables("task", "replicate", kind="integer")
    b.variables("task", "seed", kind="integer", shared=True)
    b.tables |= task["tables"]
    if plan.continuous:
        for k in range(plan.actions):
            b.link("task", f"action_{k}", "policy", "action", k)
    else:
        b.link("task", "action", "policy", "action")
    if task["external"]:
        b.operate(
            "environment",
            Exchange,
            plan.actions if plan.continuous else 1,
            len(task["variables"]),
            task["closes"],
        )


def _code(b, task):
    """Lines of a step: the task's own code, and what counts, ends and starts trials around it."""
    own = {*task["variables"], *OUTCOME}
    names = {}
    step = _assigned(task["step"], names, own, keeps="restart" if task["closes"] else None)
    outcome = {name: names.pop(name, name) for name in OUTCOME}
    happened = _happened(b, task["events"], names)
    reset = _assigned(task["reset"], names, own, changes="done")
    done, ended, pending = _ending(b, task)
    anew = ("trial_return", "trial_return_lost", *happened)
    return [
        "trial_length = (trial_length*(1 - done) + 1)*(1 - restart)",
        *(f"{name} = {name}*(1 - done)*(1 - restart)" for name in anew),
        "truncated = 0.0",
        *step,
        # In a step that only starts a trial nothing comes of what the code makes of its state.
        *(f"{name} = where(restart, 0.0, {outcome[name]})" for name in OUTCOME),
        *(f"{name} = {name} + {first}*trial_length" for name, first in happened.items()),
        *ended,
        f"done = 1.0*int({done})",
        taken_in(b, "task", "trial_return", "reward"),
        *reset,
        *(f"{name} = {names[name]}" for name in task["variables"] if name in names),
        f"restart = {pending}",
    ]


def _ending(b, task):
    """When a trial is done, and what its end leaves for the next step.

    Returns
    -------
    str
        Condition in which the next trial starts in this step.
    list of str
        Lines that tell apart what has ended, trial and session, where that is not the same.
    str
        Expression that is 1 where the next step does nothing but start a trial.
    """
    done, ended, pending = "terminated > 0 or truncated > 0 or restart > 0", [], "0.0"
    if task["closes"]:
        # Where a trial is only cut, the next step is the one that starts another.
        b.variables("task", "ended")
        ended = ["ended = 1.0*int(terminated > 0 or truncated > 0)"]
        done, pending = "terminated > 0 or restart > 0", "ended*(1 - done)"
    if not task["unbroken"]:
        return done, ended, pending
    b.variables("task", "session_ended")
    if task["closes"]:
        # A trial in which the session ends is only cut.
        done, pending = "(terminated > 0 and truncated <= 0) or restart > 0", "truncated"
        return done, [*ended, "session_ended = restart"], pending
    return done, [*ended, "session_ended = 1.0*int(truncated > 0 or restart > 0)"], pending


def _happened(b, events, names):
    """Add a variable for each event: the step of the trial in which it was first, 0 if it was not yet.

    Returns
    -------
    dict of str to str
        Variable to an expression that is 1 in the step in which its event is first.
    """
    found = {}
    for name, expression in events.items():
        b.variables("task", f"event_{name}")
        now = canonical(expression, names)
        found[f"event_{name}"] = f"1.0*int({now} > 0)*int(event_{name} <= 0)"
    return found


def _assigned(code, names, own, changes=None, keeps=None):
    """Lines of a task's code, in which no name is set twice.

    Where `changes` names a flag, the task's own variables change only if it is 1; where `keeps` names
    one, only if it is 0.
    """
    lines = []
    for name, old, new, value in single_assignments(code, names):
        if name in own and changes:
            value = f"where({changes}, {value}, {old})"
        elif name in own and keeps:
            value = f"where({keeps}, {old}, {value})"
        # 1.0 keeps flags and counts from becoming integers.
        lines.append(f"{new} = 1.0*({value})")
    return lines


def _draw(match):
    """The code of ``uniform(k)`` and ``normal(k)``."""
    stream, k = random.STREAMS["task"], int(match[2])

    def uniform(index):
        return f"counter_uniform(seed, replicate, {stream}, t_in_timesteps, {index})"

    if match[1] == "uniform":
        return uniform(k)
    # Box & Muller 1958.
    k = random.NORMAL_OFFSET + 2 * k
    return f"(sqrt(-2*log({uniform(k)}))*cos(6.283185307179586*{uniform(k + 1)}))"


def _input(b, plan):
    channels = sum(plan.inputs.values())
    b.group("input", channels)
    b.variables("input", "x")
    b.constant("input", "channel", range(channels))
    b.variables("input", "first_action", "tonic_dopamine", shared=True)
    observations = plan.task["observations"].values()
    for variable in plan.symbols_of_task(*observations):
        shared = variable in plan.task["parameters"]
        b.link("input", f"task_{variable}", "task", variable, None if shared else 0)
    b.link("input", "reward", "task", "reward", 0)
    b.link("input", "done", "task", plan.agent_starts, 0)
    b.link("input", "firing", "dopamine", "firing", 0)
    b.link("input", "baseline", "dopamine", "baseline")
    b.link("input", "firing_gain", "dopamine", "gain")
    terms, first, column = [], 0, 0
    observations = iter(observations)
    for name, width in plan.inputs.items():
        if name == "action":
            column = [min(max(k - first, 0), plan.actions - 1) for k in range(channels)]
        terms += _terms(plan, name, first, width, observations)
        first += width
    b.link("input", "action", "policy", "action", column if plan.continuous else 0)
    b.code("reset", "input", "x = " + " + ".join(terms))
    if plan.learning["normalize_input"]:
        _normalize(b, plan)


def _normalize(b, plan):
    """Every channel compressed, centred and scaled, see `Learning.normalize_input`.

    The mean starts at 0 and moves as if `INERTIA` inputs had been seen, the variance at 1 as if one had.
    Where rates fall the mean settles as they do (the sum of all its changes to come is finite).
    In single precision the count stops at 2**24: from then on the last inputs of about that number weigh
    most, instead of all alike.
    """
    b.variables("input", "compressed", "input_mean", "input_variance", "input_count")
    seen = f"(input_count + {INERTIA})"
    if plan.learning["rates_fall"]:
        b.variables("input", "rate_half_life", shared=True)
        seen = f"({seen}*(1 + input_count/rate_half_life))"
    change = f"(compressed - input_mean)/{seen}"
    mean = taken_in(b, "input", "input_mean", change)
    change = "(away*away - input_variance)/input_count"
    variance = taken_in(b, "input", "input_variance", change)
    b.code(
        "reset",
        "input",
        f"""
        compressed = x/(1 + abs(x))
        normal = (compressed - input_mean)/sqrt(input_variance + {SMALLEST_VARIANCE})
        x = clip(normal, -{LARGEST_INPUT}, {LARGEST_INPUT})
        """,
    )
    b.code(
        "plasticity",
        "input",
        f"""
        input_count = input_count + 1
        {mean}
        away = compressed - input_mean
        {variance}
        """,
    )


def _terms(plan, name, first, width, observations):
    """What the channels of one input add to the sum of all."""
    if name == "action":
        here = f"int(channel >= {first} and channel < {first + width})"
        if plan.continuous:
            return [f"{here}*(1 - done)*action"]
        taken = f"(1 - done)*int(action == channel - {first})"
        return [f"{here}*({taken} + done*first_action*int(channel == {first}))"]
    if name == "reward":
        return [f"int(channel == {first})*(1 - done)*reward"]
    if name == "dopamine":
        level = "(firing - baseline)/firing_gain + tonic_dopamine"
        return [f"int(channel == {first})*({level})"]
    found = []
    for k, expression in zip(range(first, first + width), observations, strict=False):
        names = {variable: f"task_{variable}" for variable in plan.symbols_of_task(expression)}
        found.append(f"int(channel == {k})*({canonical(expression, names)})")
    return found
