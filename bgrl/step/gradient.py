"""The gradient of every parameter in this step: learning signals meet sensitivities.

`gradients` says it as expressions, which eligibility and optimizer use. Where a sensitivity is kept of
whole populations, the sum over their neurons is an operation of its own, `Contraction`.
"""

import importlib
from dataclasses import dataclass
from math import prod

from bgrl.quantities import UNITS
from bgrl.step.contraction import Contraction


@dataclass(frozen=True)
class Gradient:
    """A step's gradient of the parameters of one block, as expressions of the group they are in.

    Attributes
    ----------
    learning, entropy : str
        Of value and log policy, and of the policy's entropy.
    suffix : str
        What turns the name of a variable of the neuron into the synapse's name for it: "_post", or
        nothing where the parameter is the neuron's own.
    scale : float
        Natural size of the parameter: a task step for times, else 1.
    """

    learning: str
    entropy: str
    suffix: str = ""
    scale: float = 1

    def total(self, key):
        """What an optimizer gets: TD error times eligibility, plus that of the entropy."""
        return f"dopamine{self.suffix}*eligibility_{key} + {self.entropy}"


def write(b, plan):
    """Gradients of blocks whose sensitivities are kept of whole populations; slot plasticity."""
    for block in plan.blocks:
        if block.states and block.coupled:
            names = [f"{kind}_gradient_{block.key}" for kind in ("learning", "entropy")]
            b.variables(block.group, *names)
            contract(b, plan, block, ("learning", "entropy"), names)


def contract(b, plan, block, kinds, names, exact=False):
    """Add the operation that sums learning signals times sensitivities to gradients.

    Parameters
    ----------
    b : Blueprint
    plan : Plan
    block : bgrl.learning.sensitivity.Block
    kinds, names : sequence of str
        Of the learning signals, and of the variables that get the sums.
    exact : bool
        Whether sensitivities are those of the oracle.
    """
    terms = tuple(
        (
            tuple(f"{n}.{kind}_signal_{v}" for kind in kinds),
            block.array(n, v, exact),
            plan.sizes[n],
        )
        for n, v in (block.exact if exact else block.states)
        if (n, v) in plan.signalled
    )
    arrays = tuple(f"{block.group}.{name}" for name in names)
    own = None if exact else plan.learning["methods"][block.method].get("contraction")
    kind = Contraction
    if own:
        module, name = own.split(":")
        kind = getattr(importlib.import_module(module), name)
    b.operate("plasticity", kind, prod(block.shape), terms, arrays)


def gradients(plan, name):
    """All that a group of neurons learns.

    Parameters
    ----------
    plan : Plan
    name : str
        One of `Plan.targets`.

    Returns
    -------
    dict of str to dict
        Group to parameter to `Gradient`.
    """
    if name == "readout":
        bias = [f"(1 - is_actor)*{kind}_signal" for kind in ("learning", "entropy")]
        weight = [f"mask*x_pre*{kind}_signal_post" for kind in ("learning", "entropy")]
        return {
            "readout": {"bias": Gradient(*bias)},
            "readout_drive": {"weight": Gradient(*weight, "_post")},
        }
    found = {}
    for block in plan.blocks:
        if block.owner == name and block.states:
            suffix, scale = "_post" if block.drive else "", 1
            if block.drive is None and (power := _power_of_time(plan, block)):
                scale = (plan.structure["dt"] * plan.structure["substeps"]) ** power
            kinds = [expression(plan, block, kind, scale) for kind in ("learning", "entropy")]
            found.setdefault(block.group, {})[block.key] = Gradient(*kinds, suffix, scale)
    return found


def _power_of_time(plan, block):
    return UNITS[plan.populations[block.owner]["parameters"][block.key]["unit"]][0]


def expression(plan, block, kind, scale=1):
    """A block's gradient of one kind, times a scale."""
    if block.coupled:
        terms = [f"{kind}_gradient_{block.key}"]
    else:
        suffix = "_post" if block.drive else ""
        terms = [
            f"{kind}_signal_{v}{suffix}*sensitivity_{v}_{block.key}"
            for n, v in block.states
            if (n, v) in plan.signalled
        ]
    total = " + ".join(terms)
    return total if scale == 1 else f"{scale!r}*({total})"
