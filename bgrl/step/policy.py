"""The policy: probabilities of the actions, a sample, its entropy, and what both say about the readout.

A choice has one element, ``policy``, that reads the actor's rows. Of continuous actions each has an
element that reads a mean and a scale.
"""

import math

import numpy as np

from bgrl import random

#: Smallest and largest scale of a continuous action: log(1 + exp(-2)) and log(1 + exp(2)).
SCALES = math.log1p(math.exp(-2)), math.log1p(math.exp(2))


def write(b, plan):
    """Group ``policy``, and the learning signals of the rows of the readout; slot striatum."""
    if plan.continuous:
        _gaussian(b, plan)
    else:
        _softmax(b, plan)
    if "inverse_temperature" in plan.learning.get("modulated", {}):
        signals = ("learning_signal", "entropy_signal")
        lines = [f"{signal} = inverse_temperature*{signal}" for signal in signals]
        b.code("striatum", "readout", "\n".join(lines))
    b.variables("policy", "replicate", kind="integer")
    b.variables("policy", "seed", kind="integer", shared=True)


def start(agent, plan, seed):
    """Seed, bounds of continuous actions, and which rows of the readout are their scales."""
    replicate = np.arange(agent.replicates)
    values = {"policy.seed": seed, "policy.replicate": replicate}
    m = plan.actions
    if plan.continuous:
        values["policy.replicate"] = replicate[:, None]
        values["policy.low"], values["policy.high"] = np.transpose(agent.task.bounds)
        values["readout.is_scale"] = np.arange(2 * m + 1) // m == 1
    if plan.learning["entropy_bounded"]:
        share = agent.learning.entropy_share
        if plan.continuous:
            smallest, largest = SCALES
            values["readout.least_scale"] = smallest + share * (largest - smallest)
        else:
            values["readout.least_entropy"] = share * math.log(m)
    return values


def _encouraged(b, plan, quantity, signal):
    """The entropy's signal, where there is less of the quantity than is asked for, see `Learning`."""
    if not plan.learning["entropy_bounded"]:
        return signal
    b.variables("readout", f"least_{quantity}", shared=True)
    # The certainty of a choice may grow with age; the scale of a continuous action keeps its floor.
    age = "youth*" if plan.learning["rates_fall"] and quantity == "entropy" else ""
    return f"int({quantity} < {age}least_{quantity})*({signal})"


def _uniform(index):
    """The code of a random number of the policy."""
    return f"counter_uniform(seed, replicate, {random.STREAMS['policy']}, t_in_timesteps, {index})"


def _softmax(b, plan):
    m = plan.actions
    b.group("policy")
    b.variables("policy", "action", "entropy", "log_normaliser")
    for k in range(m):
        b.link("policy", f"activity_{k}", "readout", "activity", k)
    b.variables("readout", "policy")
    b.constant("readout", "row", range(m + 1))
    for variable in ("action", "entropy", "log_normaliser"):
        b.link("readout", variable, "policy", variable, 0)
    forced = "forced_action" in plan.task["variables"]
    if forced:
        b.link("policy", "forced_action", "task", "forced_action")
    b.code("striatum", "policy", _sample(m, forced))
    entropy = "-is_actor*entropy_weight*policy*(log_policy + entropy)"
    b.code(
        "striatum",
        "readout",
        f"""
        log_policy = is_actor*(activity - log_normaliser)
        policy = is_actor*exp(log_policy)
        chosen = int(action == row)
        learning_signal = is_actor*actor_weight*(chosen - policy) + 1 - is_actor
        entropy_signal = {_encouraged(b, plan, "entropy", entropy)}
        """
        + ("chosen_signal = is_actor*chosen" if plan.chosen else ""),
    )
    if plan.chosen:
        b.variables("readout", "chosen_signal")


def _sample(m, forced):
    """Probabilities of m actions, their entropy, and one of them by inversion."""
    lines = ["largest = activity_0"]
    lines += [f"largest = clip(activity_{k}, largest, inf)" for k in range(1, m)]
    total = " + ".join(f"exp(activity_{k} - largest)" for k in range(m))
    lines.append(f"log_normaliser = largest + log({total})")
    lines += [f"log_{k} = activity_{k} - log_normaliser" for k in range(m)]
    lines += [f"p_{k} = exp(log_{k})" for k in range(m)]
    lines.append("entropy = -(" + " + ".join(f"p_{k}*log_{k}" for k in range(m)) + ")")
    lines.append(f"u = {_uniform(0)}")
    lines.append("below_0 = p_0")
    lines += [f"below_{k} = below_{k - 1} + p_{k}" for k in range(1, m - 1)]
    sampled = " + ".join(f"int(u >= below_{k})" for k in range(m - 1)) or "0*u"
    if forced:
        here = "int(forced_action >= 0)"
        sampled = f"{here}*forced_action + (1 - {here})*({sampled})"
    return "\n".join([*lines, f"action = {sampled}"])


def _gaussian(b, plan):
    """A normal distribution of each action.

    Mean and logarithmic scale are squashed between their bounds (the latter -2 and 2), as in the
    official code of RTRRL; a sample may lie outside. The log policy of several actions is the sum of
    theirs (the official code takes the mean).
    """
    m = plan.actions
    b.group("policy", m)
    b.variables("policy", "action", "entropy", "mean", "scale", "mean_slope", "scale_slope")
    b.variables("policy", "low", "high")
    b.constant("policy", "column", range(m))
    b.link("policy", "activity_mean", "readout", "activity", range(m))
    b.link("policy", "activity_scale", "readout", "activity", range(m, 2 * m))
    b.variables("readout", "is_scale")
    for variable in ("action", "mean", "scale", "mean_slope", "scale_slope"):
        b.link("readout", variable, "policy", variable, [*range(m), *range(m), 0])
    # Box & Muller 1958.
    radius, angle = _uniform("2*int(column)"), _uniform("2*int(column) + 1")
    b.code(
        "striatum",
        "policy",
        f"""
        mean_share = 1/(1 + exp(-activity_mean))
        scale_share = 1/(1 + exp(-activity_scale))
        log_scale = 4*scale_share - 2
        mean = low + (high - low)*mean_share
        scale = log(1 + exp(log_scale))
        mean_slope = (high - low)*mean_share*(1 - mean_share)
        scale_slope = 4*scale_share*(1 - scale_share)/(1 + exp(-log_scale))
        entropy = {0.5 * math.log(2 * math.pi * math.e)!r} + log(scale)
        draw = sqrt(-2*log({radius}))*cos({2 * math.pi!r}*{angle})
        action = mean + scale*draw
        """,
    )
    entropy = "is_scale*entropy_weight*scale_slope/scale"
    b.code(
        "striatum",
        "readout",
        f"""
        is_mean = is_actor*(1 - is_scale)
        away = (action - mean)/scale
        slope = is_mean*away*mean_slope + is_scale*(away*away - 1)*scale_slope
        learning_signal = actor_weight*slope/scale + 1 - is_actor
        entropy_signal = {_encouraged(b, plan, "scale", entropy)}
        """,
    )
