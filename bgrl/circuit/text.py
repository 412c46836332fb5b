"""Circuits as JSON values, and in words."""

import numpy as np

from bgrl.circuit.pathway import Rule
from bgrl.circuit.synapse import Synapse
from bgrl.circuit.values import Distribution, Parameter, summary, values_of


def synapses_text(pathway):
    """Which synapses of a projection or readout there are, and their weights, as text."""
    mask, lost = pathway.mask, pathway.lesioned
    text = "" if mask is None else f", density {mask.mean():.2g}"
    text += f", weights {summary(pathway.weights)}"
    return text if lost is None else text + lesion_text(lost, lost.sum() + mask.sum())


def lesion_text(lost, total):
    """What share of all that there was is lesioned, as text."""
    percent = 0 if lost is None else 100 * lost.sum() / total
    return f", lesioned {percent:.{0 if percent >= 1 else 2}f} %" if percent else ""


def to_json(value):
    """A value of a description as JSON values."""
    if isinstance(value, Distribution):
        return {value.kind: [value.a, value.b]}
    if isinstance(value, Rule | Synapse | Parameter):
        return to_json(values_of(value))
    if isinstance(value, dict):
        return {k: to_json(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def functions_to_json(functions):
    """The functions of a population as JSON values."""
    return {
        name: {k: v for k, v in to_json(values_of(f)).items() if v is not None}
        for name, f in functions.items()
    }


def from_json(value):
    """The inverse of `to_json`, but for what has a class of its own."""
    if isinstance(value, dict):
        if len(value) == 1 and next(iter(value)) in ("normal", "truncated_normal", "uniform"):
            kind, bounds = next(iter(value.items()))
            return Distribution(kind, *bounds)
        return {k: from_json(v) for k, v in value.items()}
    return np.asarray(value) if isinstance(value, list) else value


def parameters_text(parameters):
    """Lines of parameters and their values."""
    lines = []
    for key, p in parameters.items():
        unit = "" if p.unit == "1" else f" {p.unit}"
        trained = ", trained" if p.trainable else ""
        lines.append(f"    {key}: {summary(p.value)}{unit}{trained}")
    return lines


def synapse_text(synapse):
    """Lines of the dynamics of a projection."""
    lines = [f"    d{v}/dt = {expression}" for v, expression in synapse.derivatives.items()]
    return [*lines, f"    transmits {synapse.output}", *parameters_text(synapse.parameters)]


def synapse_from(description):
    """A synapse from JSON values, or None."""
    if description is None or isinstance(description, Synapse):
        return description
    found = description | {"parameters": parameters_from(description["parameters"])}
    return Synapse(**found | {"initial": from_json(description["initial"])})


def parameters_from(description):
    """Parameters from JSON values, or their names if values are given elsewhere."""
    if isinstance(description, dict):
        return {k: Parameter(**from_json(v)) for k, v in description.items()}
    return list(description)
