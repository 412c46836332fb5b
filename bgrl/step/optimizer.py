"""Plasticity: parameters move by what an optimizer makes of their gradients.

An optimizer may ask for totals: sums of an expression over all parameters of a replicate. Each neuron
adds up the values of its synapses and its own parameters, and ``dopamine`` those of the neurons. What the
optimizer computes of the totals, once a step for the whole replicate, is sent back to every neuron.
Clipping of gradients by their norm is a stage of its own before the optimizer, and works the same way.

The names of the ready-made optimizers are kept for them (`bgrl.circuit.equations.RESERVED`). Those of any
other are changed (`_apart`), so that they are nobody else's.
"""

import json
import re
from dataclasses import asdict
from functools import partial

from bgrl.circuit.modulators import factor as plasticity_factor
from bgrl.language import assignments
from bgrl.learning.optimizers import CLIPPING, OPTIMIZERS
from bgrl.step.gradient import gradients
from bgrl.step.signals import factor
from bgrl.step.synapses import keep_sign

_WORD = re.compile(r"\b[A-Za-z_]\w*\b")
_SET = re.compile(r"^\s*(\w+)\s*=(?!=)", re.MULTILINE)
#: As text, since a structure that was read from a file has lists for tuples.
_READY_MADE = {json.dumps(asdict(known), sort_keys=True) for known in OPTIMIZERS.values()}


def write(b, plan):
    """What an optimizer keeps and does, slot plasticity."""
    rule = _apart(plan.learning["optimizer"])
    stages = [asdict(CLIPPING), rule] if plan.learning["clip"] else [rule]
    if plan.learning["clip"]:
        b.variables("dopamine", "max_norm", shared=True)
    for name in plan.targets():
        b.variables(name, "learning_rate")
    if plan.learning["rates_fall"]:
        _fall(b, plan)
    for name in filter(partial(_scaled, plan), plan.targets()):
        b.variables(name, "rate_factor")
        if name == "readout":
            actor, critic = (factor(b, plan, name, f"rate_{k}") or "1" for k in ("actor", "critic"))
            text = f"is_actor*{actor} + (1 - is_actor)*{critic}"
        else:
            text = factor(b, plan, name, "rate_network")
        b.code("plasticity", name, f"rate_factor = {text}")
    before = []
    for stage in stages:
        _once(b, plan, stage, before)
        before.append(stage)
    for name in plan.targets():
        for group, parameters in gradients(plan, name).items():
            lines = []
            for key, gradient in parameters.items():
                kept = [f"{v}_{key}" for stage in stages for v in stage["state"]]
                b.variables(group, *kept, kept_for=f"{group}.{key}")
                lines += _moved(plan, stages, name, group, key, gradient)
            b.code("plasticity", group, "\n".join(lines))


def start(agent, plan, seed):
    """Learning rates, how they fall, and the norm to which gradients are clipped."""
    learning, circuit = agent.learning, agent.circuit
    rates = [learning.rate_actor * circuit.actor.plastic] * plan.actor_rows
    values = {f"{name}.learning_rate": learning.rate_network for name in plan.targets()}
    values["readout.learning_rate"] = [*rates, learning.rate_critic * circuit.critic.plastic]
    if plan.learning["rates_fall"]:
        values["dopamine.rate_half_life"] = learning.rate_half_life
        values["readout.youth"] = 1.0  # the policy reads it before it is set
    if plan.learning["clip"]:
        values["dopamine.max_norm"] = learning.max_norm
    return values


def _fall(b, plan):
    """Every parameter moves less the older the agent is, see `Learning.rate_half_life`.

    Learning begins in step 1, so that the step of the run says how old the agent is. A count of its own
    would stop at 2**24 in single precision.
    """
    b.variables("dopamine", "youth")
    b.variables("dopamine", "rate_half_life", shared=True)
    code = "youth = rate_half_life/(rate_half_life + (t_in_timesteps - 1))"
    b.code("plasticity", "dopamine", code)
    for name in plan.targets():
        b.variables(name, "youth")
        b.link(name, "sent_youth", "dopamine", "youth", 0)
        b.code("plasticity", name, "youth = sent_youth")


def _apart(stage):
    """A stage of a user with other names for what it sets and keeps, its lines in one form.

    ``scale`` is ``own_scale_``, and ``own_scale__weight`` where it is that of a parameter. No circuit has
    names that begin so, and no optimizer such that end with an underscore.
    """
    if json.dumps(stage, sort_keys=True) in _READY_MADE:
        return stage
    code = {k: assignments(f"optimizer, {k}", stage[k]) for k in ("code", "once")}
    own = {name for lines in code.values() for name, *_ in lines} - {"update"}
    own |= {*stage["state"], *stage["totals"], *stage["once_state"]}
    names = {name: f"own_{name}_" for name in own}
    text = {
        k: "\n".join(f"{names.get(name, name)} = {_said(value, names)}" for name, value, _ in lines)
        for k, lines in code.items()
    }
    kept = {k: [names[name] for name in stage[k]] for k in ("state", "once_state")}
    totals = {names[name]: _said(value, names) for name, value in stage["totals"].items()}
    return {**text, **kept, "totals": totals}


def _sent(stage):
    """Names that a stage has once in a step of a replicate and that all its parameters read."""
    used = set(_WORD.findall(stage["code"]))
    once = dict.fromkeys([*_SET.findall(stage["once"]), *stage["once_state"]])
    return [name for name in once if name in used]


def _names(stage, key, suffix):
    """Name in the code of a stage to the variable that it is for one parameter."""
    own = ("gradient", "update", "eligibility", *stage["state"], *_SET.findall(stage["code"]))
    own = {v: f"{v}_{key}" for v in own}
    neuron = ("learning_rate", "dopamine", *_sent(stage))
    return own | {v: f"{v}{suffix}" for v in neuron}


def _said(text, names):
    return _WORD.sub(lambda match: names.get(match[0], match[0]), text)


def _once(b, plan, stage, before):
    """Totals of a stage, and its code that runs once for a replicate."""
    for total, expression in stage["totals"].items():
        _total(b, plan, stage, before, total, expression)
    kept = dict.fromkeys([*stage["once_state"], *_sent(stage)])
    b.variables("dopamine", *kept)
    if stage["once"]:
        b.code("plasticity", "dopamine", _said(stage["once"], {"dopamine": "td_error"}))
    for name in plan.targets() if _sent(stage) else ():
        lines = []
        for variable in _sent(stage):
            b.variables(name, variable)
            b.link(name, f"sent_{variable}", "dopamine", variable, 0)
            lines.append(f"{variable} = sent_{variable}")
        b.code("plasticity", name, "\n".join(lines))


def _total(b, plan, stage, before, total, expression):
    """The sum of an expression over all parameters, neuron by neuron and then over neurons."""
    for name in plan.targets():
        terms = []
        for group, parameters in gradients(plan, name).items():
            own = []
            for key, gradient in parameters.items():
                value = f"({_gradient(before, key, gradient)})"
                names = _names(stage, key, gradient.suffix) | {"gradient": value}
                term = _said(expression, names)
                counted = _counted(plan, gradient.suffix) if name == "readout" else ""
                own.append(f"{counted}({term})" if counted else term)
            if group == name:
                terms += own
            else:
                b.variables(name, f"{total}_{group}")
                b.sum("plasticity", group, "post", f"{total}_{group}", " + ".join(own))
                terms.append(f"{total}_{group}")
        b.variables(name, total)
        b.code("plasticity", name, f"{total} = {' + '.join(terms)}")
        if f"{name}_dopamine" not in b.groups:
            b.synapses(f"{name}_dopamine", name, "dopamine")
        b.variables("dopamine", f"{total}_{name}")
        b.sum("plasticity", f"{name}_dopamine", "post", f"{total}_{name}", f"{total}_pre")
    b.variables("dopamine", total)
    parts = " + ".join(f"{total}_{name}" for name in plan.targets())
    b.code("plasticity", "dopamine", f"{total} = {parts}")


def _counted(plan, suffix):
    """Factor of the readouts' terms of a total, to which only those that learn add; empty if all do."""
    actor, critic = (not readout.get("fixed") for readout in plan.readouts.values())
    if actor and critic:
        return ""
    return f"is_actor{suffix}*" if actor else f"(1 - is_actor{suffix})*" if critic else "0*"


def _gradient(stages, key, gradient):
    """The gradient of a parameter after some stages, as one expression.

    Such a stage, clipping for instance, assigns one value that it makes of the gradient.
    """
    text = gradient.total(key)
    for stage in stages:
        names = _names(stage, key, gradient.suffix) | {"gradient": f"({text})"}
        text = _said(stage["code"].partition("=")[2].strip(), names)
    return text


def _scaled(plan, name):
    """Whether signals scale a rate of a target."""
    rates = ("rate_actor", "rate_critic") if name == "readout" else ("rate_network",)
    return not plan.learning.get("modulated", {}).keys().isdisjoint(rates)


def _moved(plan, stages, owner, group, key, gradient):
    """Lines that move a parameter."""
    *before, rule = stages
    change = f"learning_rate{gradient.suffix}*update_{key}"
    if plan.learning["rates_fall"]:
        change = f"youth{gradient.suffix}*{change}"
    for drive in plan.plasticity(group):
        change = f"{plasticity_factor(drive + gradient.suffix)}*{change}"
    if _scaled(plan, owner):
        change = f"rate_factor{gradient.suffix}*{change}"
    change = change if gradient.scale == 1 else f"{gradient.scale!r}*{change}"
    lines = [
        f"gradient_{key} = {_gradient(before, key, gradient)}",
        _said(rule["code"], _names(rule, key, gradient.suffix)),
        f"{key} = {key} + {change}",
        *keep_sign(plan, group),
    ]
    population = plan.populations.get(group, {"parameters": {}})
    minimum = population["parameters"].get(key, {}).get("minimum")
    if minimum is not None:
        lines.append(f"{key} = clip({key}, {minimum!r}, inf)")
    return lines
