"""Dopamine: the TD error, how its neurons fire, and its way to all that it teaches."""

import numpy as np


def write(b, plan):
    """Group ``dopamine`` (one element), and what taught groups get of it; slot dopamine."""
    b.group("dopamine")
    b.variables("dopamine", "value", "td_error", "firing")
    b.variables("dopamine", "discount", "baseline", "gain", shared=True)
    b.link("dopamine", "critic", "readout", "activity", plan.actor_rows)
    b.link("dopamine", "reward", "task", "reward")
    b.link("dopamine", "done", "task", "done")
    error, average = "reward + discount*critic*(1 - done) - value", ""
    if plan.learning["continuing"]:
        b.variables("dopamine", "average_reward")
        b.variables("dopamine", "rate_average_reward", shared=True)
        error += " - average_reward"
        average = "average_reward = average_reward + rate_average_reward*td_error"
    if plan.task["closes"]:
        # A step that only starts a trial teaches nothing.
        b.link("dopamine", "ended", "task", "ended")
        error = f"(1 - done*(1 - ended))*({error})"
    b.code(
        "dopamine",
        "dopamine",
        f"""
        td_error = {b.modulated("dopamine", error)}
        value = critic
        {average}
        firing = clip(baseline + gain*td_error, 0, inf)
        """,
    )
    for name in plan.taught():
        b.variables(name, "dopamine", "discount", "trace_decay")
        b.link(name, "td_error", "dopamine", "td_error", 0)
        b.code("dopamine", name, "dopamine = td_error\ntrace_decay = discount*(1 - done)")


def start(agent, plan, seed):
    """Discounts, those of traces among them, and a baseline of firing."""
    learning, dopamine = agent.learning, agent.circuit.dopamine
    traces = [learning.trace_actor] * plan.actor_rows + [learning.trace_critic]
    values = {
        "dopamine.discount": learning.discount,
        "dopamine.baseline": dopamine.baseline,
        # Before anything has happened there is no error.
        "dopamine.firing": dopamine.baseline,
        "dopamine.gain": dopamine.gain,
    }
    if plan.learning["continuing"]:
        values["dopamine.rate_average_reward"] = learning.rate_average_reward
    for name in plan.taught():
        values[f"{name}.discount"] = learning.discount * learning.trace_network
    return values | {"readout.discount": learning.discount * np.array(traces)}
