"""Dopamine: the TD error, how its neurons fire, and its way to all that it teaches.

The array ``dopamine.td_error`` holds it as it was computed. Whatever receives it calls it ``dopamine``:
the targets, the equations of rules and optimizers, and the variable in a dataset.
"""

import numpy as np

from bgrl.step.nucleus import normal
from bgrl.step.signals import scaled
from bgrl.step.statistics import taken_in


def write(b, plan):
    """Group ``dopamine`` (one element), and what taught groups get of it; slot dopamine."""
    b.group("dopamine")
    b.variables("dopamine", "value", "td_error", "firing")
    b.variables("dopamine", "discount", "baseline", "gain", shared=True)
    b.link("dopamine", "critic", "readout", "activity", plan.actor_rows)
    b.link("dopamine", "reward", "task", "reward")
    b.link("dopamine", "done", "task", plan.agent_starts)
    reward = "reward"
    if plan.learning["scale_reward"]:
        reward = "reward/sqrt(return_variance)"
        _scale_reward(b, plan)
    discount = scaled(b, plan, "dopamine", "discount", "discount")
    error, average = f"{reward} + {discount}*critic*(1 - done) - value", ""
    if plan.learning["continuing"]:
        b.variables("dopamine", "average_reward")
        b.variables("dopamine", "rate_average_reward", shared=True)
        error += " - average_reward"
        average = "average_reward = average_reward + rate_average_reward*td_error"
    if plan.task["closes"]:
        # A step that only starts a trial teaches nothing.
        b.link("dopamine", "ended", "task", "ended")
        error = f"(1 - done*(1 - ended))*({error})"
    if plan.structure.get("noisy_dopamine"):
        b.variables("dopamine", "noise", "gain_noise", shared=True)
        b.link("dopamine", "task_seed", "task", "seed")
        b.link("dopamine", "task_replicate", "task", "replicate", 0)
        error += f" + gain_noise*noise*{normal('dopamine', '0')}"
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
        discount = scaled(b, plan, name, "discount", "discount")
        b.code("dopamine", name, f"dopamine = td_error\ntrace_decay = {discount}*(1 - done)")


def _scale_reward(b, plan):
    """The variance of the discounted sum of past reward, see `Learning.scale_reward`.

    It starts as if one sum had been seen, with a mean of 0 and a variance of 1.
    """
    b.variables("dopamine", "past_reward", "return_mean", "return_variance", "return_count")
    mean = taken_in(b, "dopamine", "return_mean", "away/return_count")
    change = "(squared - return_variance)/return_count"
    variance = taken_in(b, "dopamine", "return_variance", change)
    b.code(
        "plasticity",
        "dopamine",
        f"""
        past_reward = {scaled(b, plan, "dopamine", "discount", "discount")}*past_reward + reward
        return_count = return_count + 1
        away = past_reward - return_mean
        {mean}
        squared = away*(past_reward - return_mean)
        {variance}
        past_reward = (1 - done)*past_reward
        """,
    )


def start(agent, plan, seed):
    """Discounts (those of eligibility traces, too) and the firing of dopamine neurons."""
    learning, dopamine = agent.learning, agent.circuit.dopamine
    traces = [learning.trace_actor] * plan.actor_rows + [learning.trace_critic]
    values = {
        "dopamine.discount": learning.discount,
        "dopamine.baseline": dopamine.baseline,
        # Before anything has happened there is no error.
        "dopamine.firing": dopamine.baseline,
        "dopamine.gain": dopamine.gain,
    }
    if dopamine.noise:
        values |= {"dopamine.noise": dopamine.noise, "dopamine.gain_noise": 1.0}
    if plan.learning["continuing"]:
        values["dopamine.rate_average_reward"] = learning.rate_average_reward
    if plan.learning["scale_reward"]:
        values |= {"dopamine.return_variance": 1.0, "dopamine.return_count": 1.0}
    for name in plan.taught():
        values[f"{name}.discount"] = learning.discount * learning.trace_network
    return values | {"readout.discount": learning.discount * np.array(traces)}
