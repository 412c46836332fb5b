"""Settings of learning that signals scale (Doya 2002, Neural Netw. 15:495), see `Learning.modulated`."""

import numpy as np

from bgrl.circuit.modulators import factor_text
from bgrl.language import canonical, symbols


def factor(b, plan, group, setting):
    """The factor of a setting, as an expression in a group.

    Parameters
    ----------
    b : Blueprint
    plan : Plan
    group : str
        Gets links to the signals.
    setting : str

    Returns
    -------
    str
        Empty where nothing scales the setting.
    """
    text = plan.learning.get("modulated", {}).get(setting)
    if text is None:
        return ""
    names = {signal: f"sent_signal_{signal}" for signal in sorted(symbols(text))}
    for signal, name in names.items():
        if name not in b.groups[group].links:
            b.link(group, name, *_source(plan, signal))
    return factor_text(canonical(text, names))


def scaled(b, plan, group, setting, expression):
    """An expression times the factor of a setting, where it has one."""
    found = factor(b, plan, group, setting)
    return f"{found}*{expression}" if found else expression


def _source(plan, signal):
    """Group, variable and index of a signal."""
    if signal in plan.inputs:
        first = dict(zip(plan.inputs, np.cumsum([0, *plan.inputs.values()]).tolist(), strict=False))
        return "input", "x", first[signal]
    variables = list(plan.dynamics(signal))
    return signal, "rate" if "rate" in variables else variables[0], 0
