"""Interventions in a step: which of them are active, and what that makes of drives and states.

In a program that accepts interventions everything that can be modulated is one vector,
``modulation.value``; `bgrl.interventions` says what it means, `bgrl.step.hold` what a lesion takes.
"""

from bgrl.interventions import EVENTS, MOST, modulation_places

#: Steps since the event of each row of the table, and whether the window around it is open. `told` stands
#: for the events of the task that are told when they happen.
TIMING = """
    now = int(checkpoint < 0)*t_in_timesteps + int(checkpoint >= 0)*checkpoint
    ends = int(event == 2 and ended > 0 and trial_length > 0)
    happens = int(event == 1 and done > 0) + ends + int(event == 3 and reward != 0){told}
    later = (1 - happens)*(since + int(since >= 0))
    since = int(event == 0)*now + int(event != 0)*later
    active = 1.0*int(since >= delay and since - delay < duration)
"""


def write(b, plan):
    """Groups ``intervention`` (rows of the table), ``modulation`` and ``effect``; most slots."""
    if not plan.intervened:
        return
    where = modulation_places(plan.structure["interventions"])
    size = max(last for _, last, _ in where.values())
    b.group("modulation", size)
    b.variables("modulation", "value")
    b.group("effect", MOST, size)
    b.variables("effect", "change")
    b.group("intervention", MOST)
    b.variables("intervention", "active", "applied")
    b.variables("intervention", "event", "delay", "duration", "since", kind="integer")
    b.variables("intervention", "checkpoint", kind="integer", shared=True)
    for variable in ("done", "reward", "trial_length"):
        b.link("intervention", variable, "task", variable, 0)
    b.link("intervention", "ended", "task", "ended" if plan.task["closes"] else "done", 0)
    for name in plan.structure["interventions"]["variables"]:
        first, last, _ = where[name]
        b.link(*name.split("."), "modulation", "value", range(first, last))
    told = ""
    for k, name in enumerate(plan.task["events"], 1 + max(EVENTS.values())):
        b.link("intervention", f"event_{name}", "task", f"event_{name}", 0)
        told += f" + int(event == {k} and trial_length > 0 and event_{name} == trial_length)"
    b.code("environment", "intervention", TIMING.format(told=told))
    for name in plan.populations:
        _nucleus(b, plan, name)
    lines = [
        f"{signal} = modulation_gain*{signal}" for signal in ("learning_signal", "entropy_signal")
    ]
    b.code("striatum", "readout", "\n".join(lines))


def _nucleus(b, plan, name):
    """Silent neurons, scaled drives, and what both do to the derivatives of a step."""
    local = plan.local_steps[name]
    kept = plan.populations[name].get("kept", ())
    silencing = [f"{v} = modulation_rate*{v}" for v in plan.dynamics(name) if v not in kept]
    b.code("reset", name, "\n".join(silencing))
    for drive in plan.populations[name]["drives"]:
        driven = drive if plan.feeding(name, drive) else "0"
        change = f"modulation_gain_{drive}*{driven} + modulation_baseline_{drive}"
        b.code("drive", name, f"{drive} = {change}")
    own = {key: v for key, v in (local.jacobian | local.slope).items() if key[0] not in kept}
    lines = [*silencing, *(f"{v} = modulation_rate*{v}" for v in own.values())]
    for (_, drive), v in local.gain.items():
        lines.append(f"{v} = modulation_rate*modulation_gain_{drive}*{v}")
    b.code("cortex", name, "\n".join(lines))
