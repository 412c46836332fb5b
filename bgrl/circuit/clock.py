"""Durations: of a step of the task and of the circuit, and the time constants that an Euler step bears.

Task and circuit step together: `agree` says whether they mean the same time by it. A state variable that
leaks with a time constant tau, dx/dt = -x/tau + ..., becomes x (1 - dt/tau) + ... in an Euler step of dt.
Where tau is dt/2 or less that grows without bound, whatever the equations say: such circuits are refused.
From there to dt it rings but stays bounded; above, a rate stays within what its neuron can fire, which is
why learning takes time constants no lower than a step (as in Lemmel & Grosu, AAAI 2025). Only what can be
told from the equations is refused: variables in whose own derivative they appear linearly. Difference
equations have no time constants. Nothing here knows Brian2.
"""

import math
import re
from numbers import Real

import numpy as np

from bgrl.circuit.values import Distribution, summary
from bgrl.errors import InputError
from bgrl.language import evaluate


def agree(step, other):
    """Whether two durations are the same but for rounding."""
    return math.isclose(step, other, rel_tol=1e-6)


def check_duration(name, value):
    """Refuse what is no duration.

    Raises
    ------
    InputError
        Naming it.
    """
    number = isinstance(value, Real) and not isinstance(value, bool | np.bool_)
    if not number or not math.isfinite(value) or value <= 0:
        raise InputError(f"{name} is {value!r}; a positive number (ms) is needed")


def lowest_trained(population, key, dt):
    """Lowest value that learning may give a parameter, in its unit, or None.

    A time constant goes no lower than an Euler step where its description says nothing.
    """
    parameter = population.all_parameters[key]
    timed = parameter.unit == "ms" and parameter.trainable
    timed &= population.derivatives is not None or key not in population.parameters
    return float(dt) if timed and parameter.minimum is None else parameter.minimum


def check_time_constants(name, population, dt, values=None):
    """Refuse times that are not positive, and what an Euler step does not bear.

    Parameters
    ----------
    name : str
        Of the population.
    population : bgrl.circuit.Population
    dt : float
        Euler step, in ms.
    values : dict of str to array (..., size), optional
        What was drawn for its parameters, where that is known.

    Raises
    ------
    InputError
        Naming the parameter, and what would be valid.
    """
    values = values or {}
    bounds = {key: _bounds(values.get(key, p.value)) for key, p in population.parameters.items()}
    for key, p in population.parameters.items():
        low = bounds[key][0]
        if p.unit == "ms" and not np.all(low > 0):
            raise InputError(
                f"{name}.{key} is {_told(values.get(key, p.value))} ms; a time above 0 is needed"
            )
        if p.minimum is not None:
            _check_minimum(f"{name}.{key}.minimum", p)
    if population.derivatives is None:
        return
    lowest = {
        key: bounds[key][0] if p.minimum is None or not p.trainable else p.minimum
        for key, p in population.parameters.items()
    }
    cases = [("", {k: b[0] for k, b in bounds.items()}), ("", {k: b[1] for k, b in bounds.items()})]
    for suffix, case in (*cases, (".minimum", lowest)):
        for variable, expression in population.derivatives.items():
            leak = _leak(population, variable, expression, case)
            fastest = 0.0 if leak is None else float(np.max(leak))
            if fastest * dt < 2 * (1 - 1e-9):
                continue
            times = [k for k in case if re.search(rf"\b{k}\b", expression)]
            times = [k for k in times if population.parameters[k].unit == "ms"] or times
            if not times and population.equations is not None:
                continue  # what does not fit its units is refused as that
            told = ", ".join(
                f"{name}.{k}{suffix} is {_told(_value(population, values, k, suffix))}"
                for k in times
            )
            raise InputError(
                f"{told or name}: {variable} has a time constant of {1 / fastest:.3g} ms, and an "
                f"Euler step of {dt:g} ms needs more than {dt / 2:g} ms; raise it, or lower dt"
            )


def _value(population, values, key, suffix):
    p = population.parameters[key]
    if suffix and p.trainable and p.minimum is not None:
        return p.minimum
    return values.get(key, p.value)


def _check_minimum(name, parameter):
    minimum = parameter.minimum
    if not isinstance(minimum, Real) or isinstance(minimum, bool) or not math.isfinite(minimum):
        raise InputError(f"{name} is {minimum!r}; a finite number or None is needed")
    if parameter.unit == "ms" and minimum <= 0:
        raise InputError(f"{name} is {minimum:g} ms; a time above 0 is needed")


def _told(value):
    if isinstance(value, Distribution) or np.ndim(value) == 0:
        return summary(value)
    return f"{np.min(value):g} at the least"


def _bounds(value):
    """Lowest and highest value; of a normal distribution, whose draws are checked, the mean."""
    if not isinstance(value, Distribution):
        array = np.asarray(value, float)
        return array, array
    if value.kind == "uniform":
        return np.float64(value.a), np.float64(value.b)
    reach = 2 * value.b / value._TRUNCATED_STD if value.kind == "truncated_normal" else 0.0
    return np.float64(value.a - reach), np.float64(value.a + reach)


def _leak(population, variable, expression, parameters):
    """How fast a variable leaks, per ms, where its derivative is linear in itself; else None."""
    still = *population.drives, *population.dynamics, *population.noises
    known = dict.fromkeys(still, np.float64(0)) | parameters
    with np.errstate(all="ignore"):
        one, two, three = (
            evaluate(expression, known | {variable: np.float64(x)}, population.functions)
            for x in (1, 2, 3)
        )
        slope = two - one
        bent = np.abs(one - 2 * two + three)
    if not np.isfinite(slope).all():
        return None
    linear = bent <= 1e-9 * np.maximum(np.abs(one), np.abs(three))
    return np.where(linear, -slope, 0.0)
