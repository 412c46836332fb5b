"""Derivatives of one Euler step, from the equations of a population.

A population's next state s' = F(s, I, theta) has, inside one neuron, the Jacobian dF/ds, the gain
dF/dI of each drive and dF/dtheta of each parameter. RFLO (Murray 2019, eLife 8:e43299) carries the
sensitivity S of a neuron's state to a parameter forward with these alone:

    S <- dF/ds S + dF/dI r      for a weight from a source with rate r into drive I,
    S <- dF/ds S + dF/dtheta    for a parameter of the neuron,

and lets no recurrent weight in.
"""

from dataclasses import dataclass

import sympy
from brian2 import DimensionMismatchError, second
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.core.variables import Variable
from brian2.parsing.expressions import parse_expression_dimensions
from brian2.parsing.sympytools import str_to_sympy, sympy_to_str
from brian2.units.fundamentalunits import DIMENSIONLESS

from bgrl.errors import InputError


@dataclass(frozen=True)
class LocalStep:
    """The step of a population and its derivatives as lines of code.

    Attributes
    ----------
    jacobian, gain, slope : dict of (str, str) to str
        Names of the variables that hold dF_s/ds', dF_s/dI and dF_s/dtheta; entries that are zero
        everywhere are left out.
    code : str
        Sets the names above from the state before the step, then takes the step.
    """

    jacobian: dict
    gain: dict
    slope: dict
    code: str


def local_step(dynamics, euler_step, drives, parameters):
    """Derive the step of one population.

    Parameters
    ----------
    dynamics : dict of str to str
        State variable to derivative (per ms), or to next value.
    euler_step : float or None
        Duration of the Euler step in ms; None for a map.
    drives, parameters : sequence of str
        What to differentiate by; parameters are the trained ones.

    Returns
    -------
    LocalStep
    """
    expressions = {}
    for variable, text in dynamics.items():
        expression = str_to_sympy(text)
        if euler_step is not None:
            expression = _symbol(variable) + sympy.Float(euler_step) * expression
        expressions[variable] = expression
    outputs, names = [], {"jacobian": {}, "gain": {}, "slope": {}}
    for variable, expression in expressions.items():
        for kind, others in (("jacobian", dynamics), ("gain", drives), ("slope", parameters)):
            for other in others:
                derivative = _differentiate(expression, other, dynamics[variable])
                if derivative != 0:
                    name = f"{kind}_{variable}_{other}"
                    names[kind][variable, other] = name
                    outputs.append((name, derivative))
    outputs += [(f"next_{variable}", expression) for variable, expression in expressions.items()]
    shared, reduced = sympy.cse(
        [expression for _, expression in outputs],
        symbols=(sympy.Symbol(f"shared_{i}", real=True) for i in range(1000)),
    )
    lines = [f"{symbol} = {_to_code(expression)}" for symbol, expression in shared]
    lines += [f"{name} = {_to_code(e)}" for (name, _), e in zip(outputs, reduced, strict=True)]
    lines += [f"{variable} = next_{variable}" for variable in dynamics]
    return LocalStep(**names, code="\n".join(lines))


def check_units(dynamics, units):
    """Check that right-hand sides written with units are rates of change.

    Parameters
    ----------
    dynamics : dict of str to str
        State variable to derivative.
    units : dict of str to str
        Unit, "1" or "ms", of every symbol.

    Raises
    ------
    InputError
        If a derivative is not one over time, or adds what has different units.
    """
    dimensions = {"1": DIMENSIONLESS, "ms": second.dim}
    variables = {k: Variable(name=k, dimensions=dimensions[v]) for k, v in units.items()}
    for variable, text in dynamics.items():
        try:
            found = parse_expression_dimensions(text, variables | DEFAULT_FUNCTIONS)
        except DimensionMismatchError as error:
            raise InputError(f"units of d{variable}/dt = {text} do not fit: {error}") from None
        if found is not (1 / second).dim:
            raise InputError(
                f"units of d{variable}/dt = {text} do not fit: it must be one over time, "
                f"it is {'dimensionless' if found is DIMENSIONLESS else found}"
            )


def _symbol(name):
    return sympy.Symbol(name, real=True)


def _differentiate(expression, by, text):
    derivative = sympy.diff(expression, _symbol(by))
    if derivative.has(sympy.Derivative):
        raise InputError(f"no derivative of {text!r} with respect to {by!r} is known")
    return derivative


def _to_code(expression):
    """Brian2 code in which small integer powers are products, which compile to faster code."""
    expression = expression.replace(
        lambda e: e.is_Pow and e.exp in (2, 3),
        lambda e: sympy.Mul(*[e.base] * int(e.exp), evaluate=False),
    )
    return sympy_to_str(expression)
