"""Derivatives of one Euler step, from the equations of a population.

A population's next state s' = F(s, I, theta) has, inside one neuron, the Jacobian dF/ds, the gain
dF/dI of each drive and the slope dF/dtheta of each trained parameter. They are found symbolically; what
is made of them is in `bgrl.learning.sensitivity`.

Functions with kinks (``abs``, ``clip``, ``int(x > 0)*x``) are differentiated almost everywhere. Where a
symbol matters only through steps (``int(x > 0)``, ``sign``, ``floor``, ``ceil``) the derivative would be
zero almost everywhere and nothing could be learned through it: such equations are refused, unless the
user gives a function of their own (`bgrl.circuit.Function`) with the derivative to use.
"""

import functools
import json
import re
from dataclasses import dataclass

import sympy

from bgrl.circuit import Function
from bgrl.circuit.equations import noises
from bgrl.errors import InputError
from bgrl.language import canonical
from bgrl.learning.sensitivity import dynamics
from bgrl.learning.symbolic import symbol, to_sympy, to_text

#: A whole number over another, no part of another number.
_FRACTION = re.compile(r"(?<![\w.])(?<!e[-+])(\d+)/(\d+)(?![\w.])")


@dataclass(frozen=True)
class LocalStep:
    """The step of a population and its derivatives.

    Attributes
    ----------
    jacobian, gain, slope : dict of (str, str) to str
        Names of the variables that hold dF_s/ds', dF_s/dI and dF_s/dtheta; entries that are zero
        everywhere are left out.
    code : str
        Sets the names above from the state before the step, then takes the step.
    formulas : dict of str to str
        The same names, and ``next_<variable>``, to expressions for people.
    """

    jacobian: dict
    gain: dict
    slope: dict
    code: str
    formulas: dict


def local_step(
    dynamics,
    euler_step,
    drives=(),
    parameters=(),
    functions=None,
    differentiate=True,
    noises=(),
    direct=(),
):
    """Derive the step of one population.

    Parameters
    ----------
    dynamics : dict of str to str
        State variable to derivative (per ms), or to next value.
    euler_step : float or None
        Duration of the Euler step in ms; None for a map.
    drives, parameters : sequence of str
        What to differentiate by; parameters are the trained ones.
    functions : dict of str to Function, optional
        The user's own functions.
    differentiate : bool
        Whether derivatives are needed at all.
    noises : sequence of str
        White noises in the derivatives. In the code there is in the place of ``xi`` the variable
        ``drawn_xi``, a standard normal number of this step, times dt^(-1/2) (Euler-Maruyama); derivatives
        are taken with it held.
    direct : sequence of str
        State variables whose right-hand side is the next value, as those of delay lines and of what
        synapses transmit; of a map all are.

    Returns
    -------
    LocalStep

    Raises
    ------
    InputError
        If an expression has no derivative that would be of use, or is not linear in its noise; it is
        shown.
    """
    own = {name: _own_function(name, f) for name, f in (functions or {}).items()}
    names, outputs = {"jacobian": {}, "gain": {}, "slope": {}}, []
    steps = {}
    for variable, text in dynamics.items():
        following = euler_step is None or variable in direct
        rate = _held(_read(text, own), noises, euler_step, text, check=not following)
        scale = 1 if following else sympy.Float(euler_step)
        kept = 0 if following else symbol(variable)
        steps[f"next_{variable}"] = kept + scale * rate
        others = (("jacobian", dynamics), ("gain", drives), ("slope", parameters))
        for kind, symbols in others if differentiate else ():
            for other in symbols:
                derivative = scale * _differentiate(rate, other, text)
                if not following and other == variable:
                    derivative += 1
                if derivative != 0:
                    name = f"{kind}_{variable}_{other}"
                    names[kind][variable, other] = name
                    outputs.append((name, derivative))
    outputs = [(name, _expand(e)) for name, e in [*outputs, *steps.items()]]
    lines = _code(outputs) + [f"{variable} = next_{variable}" for variable in dynamics]
    formulas = {name: _to_code(expression) for name, expression in outputs}
    return LocalStep(**names, code="\n".join(lines), formulas=formulas)


def population_step(population, dt, trained, differentiate=True):
    """`local_step` of a population of `Agent.structure()`.

    Parameters
    ----------
    population : dict
    dt : float
        Duration of an Euler step in ms.
    trained : sequence of str
        Its parameters to differentiate by.
    differentiate : bool

    Returns
    -------
    LocalStep
    """
    return _population_step(json.dumps(population), dt, tuple(trained), differentiate)


@functools.lru_cache(maxsize=64)
def _population_step(population, dt, trained, differentiate):
    """Of a population in JSON: agents of one model share it, in whatever task they are."""
    population = json.loads(population)
    functions = {name: Function(**f) for name, f in population["functions"].items()}
    euler = dt if "derivatives" in population else None
    drives, equations = population["drives"], dynamics(population)
    noise = () if euler is None else noises(equations)
    direct = population.get("direct", ())
    return local_step(equations, euler, drives, trained, functions, differentiate, noise, direct)


def _held(rate, noises, euler_step, text, check):
    """The rate of change with a normal number in the place of each noise, whose variance is 1/dt.

    A next value, unlike a rate of change, need not be linear in it.
    """
    for noise in map(symbol, noises):
        if check and sympy.diff(rate, noise).free_symbols & set(map(symbol, noises)):
            raise InputError(
                f"{text!r} is not linear in its noise; a factor times {noise} is needed, as "
                f"sigma*sqrt(2/tau)*{noise}"
            )
        rate = rate.subs(noise, symbol(f"drawn_{noise}") / sympy.sqrt(sympy.Float(euler_step)))
    return rate


# Functions that sympy does not differentiate as is wanted here ----------------------------------


class _Step(sympy.Function):
    """Piecewise constant: no derivative where there is one."""

    # A number, whatever sympy thinks of the comparison that it is of.
    is_commutative = True

    def _eval_derivative(self, _):
        return sympy.S.Zero


class int_(_Step):  # noqa: N801 (Brian2's name of int in symbolic expressions)
    """1 where a condition holds, else 0."""

    @classmethod
    def eval(cls, condition):
        """A condition that always or never holds, x > x for instance, is a number."""
        if condition in (sympy.true, sympy.false):
            return sympy.Integer(bool(condition))
        return None


class sign(_Step):  # noqa: N801
    """-1, 0 or 1."""


class floor(_Step):  # noqa: N801
    """Largest integer below."""


class ceil(_Step):  # noqa: N801
    """Smallest integer above."""


class clip(sympy.Function):  # noqa: N801
    """A value kept between two bounds."""

    def fdiff(self, argindex=1):
        """See `sympy.Function.fdiff`."""
        value, low, high = self.args
        inside = sympy.And(value > low, value < high)
        return int_({1: inside, 2: value <= low, 3: value >= high}[argindex])


class logistic(sympy.Function):  # noqa: N801
    """1/(1 + exp(-x)), whose derivative does not overflow where exp(-x) does."""

    def fdiff(self, argindex=1):
        """See `sympy.Function.fdiff`."""
        return self * (1 - self)


class softplus(sympy.Function):  # noqa: N801
    """log(1 + exp(x)), whose derivative does not overflow where exp(x) does."""

    def fdiff(self, argindex=1):
        """See `sympy.Function.fdiff`."""
        return logistic(self.args[0])


def _own_function(name, description):
    """A function of the user as a class of sympy; its value and derivative are expressions."""
    arguments = [symbol(a) for a in description.arguments]

    value = _read(description.value, {})
    if description.derivatives is None:
        derivatives = [_differentiate(value, a.name, description.value) for a in arguments]
    else:
        derivatives = [_read(text, {}) for text in description.derivatives]

    def at(body, actual):
        return body.subs(dict(zip(arguments, actual, strict=True)), simultaneous=True)

    return type(
        name,
        (sympy.Function,),
        {
            "nargs": len(arguments),
            "fdiff": lambda self, argindex=1: at(derivatives[argindex - 1], self.args),
            "expanded": lambda self: at(value, self.args),
        },
    )


def _read(text, own):
    """An expression as one of sympy, which must be a number that is real and finite somewhere."""
    try:
        expression = _prepare(to_sympy(canonical(text, floats=False)), own)
    except ZeroDivisionError:
        expression = sympy.nan
    _check_number(expression, text)
    return expression


def _check_number(expression, text):
    """Refuse what is infinite, complex or no number, whatever its symbols are."""
    # A bound of clip and a side of a comparison may be infinite, a sum or factor may not.
    endless = {sympy.oo, -sympy.oo}
    for node in sympy.preorder_traversal(expression):
        infinite = node is expression and node in endless
        if isinstance(node, sympy.Add | sympy.Mul | sympy.Pow):
            infinite = not endless.isdisjoint(node.args)
        numeric = isinstance(node, sympy.Expr) and node not in endless
        unreal = numeric and node.is_extended_real is False
        if infinite or unreal or node in (sympy.nan, sympy.zoo):
            raise InputError(
                f"{text!r} is no finite real number, whatever the values of its symbols; a part of "
                "it divides by zero or has a negative root or logarithm"
            )


def _prepare(expression, own):
    """Put the functions above in the place of sympy's and Brian2's."""
    one, call = sympy.S.One, sympy.core.function.AppliedUndef
    known = {"int_": int_, "clip": clip, **own}
    expression = expression.replace(
        lambda e: isinstance(e, call) and e.func.__name__ in known,
        lambda e: known[e.func.__name__](*e.args),
    )
    expression = expression.replace(
        lambda e: isinstance(e, call) and e.func.__name__ == "sqrt",
        lambda e: sympy.Pow(e.args[0], sympy.Rational(1, 2)),
    )
    for theirs, ours in ((sympy.sign, sign), (sympy.floor, floor), (sympy.ceiling, ceil)):
        expression = expression.replace(theirs, ours)

    def exponent(e):
        """The x where `e` is 1 + exp(x)."""
        if e.is_Add and len(e.args) == 2 and e.args[0] == one and isinstance(e.args[1], sympy.exp):
            return e.args[1].args[0]
        return None

    expression = expression.replace(
        lambda e: isinstance(e, sympy.log) and exponent(e.args[0]) is not None,
        lambda e: softplus(exponent(e.args[0])),
    )
    return expression.replace(
        lambda e: e.is_Pow and e.exp in (-1, -2, -3) and exponent(e.base) is not None,
        lambda e: logistic(-exponent(e.base)) ** -e.exp,
    )


def _differentiate(expression, by, text):
    if symbol(by) not in expression.free_symbols:
        return sympy.S.Zero
    derivative = sympy.powsimp(sympy.diff(expression, symbol(by)))
    if derivative.has(sympy.Derivative, sympy.Subs):
        raise InputError(
            f"no derivative of {text!r} with respect to {by!r} is known; write the part of it that "
            "has none as a function of your own, functions={'name': Function(...)}"
        )
    _check_number(derivative, text)
    if derivative == 0:
        raise InputError(
            f"{text!r} depends on {by!r} only through steps (int, sign, floor, ceil): its derivative "
            "is zero and nothing would be learned through it; write the step as a function of your "
            "own with the derivative to use, functions={'name': Function(...)}"
        )
    return derivative


def _expand(expression):
    """Write out the functions that Brian2 does not know."""
    expression = expression.replace(lambda e: hasattr(e, "expanded"), lambda e: e.expanded())
    expression = expression.replace(sympy.Mod, lambda x, y: x - y * floor(x / y))
    expression = expression.replace(logistic, lambda x: 1 / (1 + sympy.exp(-x)))
    return expression.replace(softplus, lambda x: sympy.log(1 + sympy.exp(x)))


def _code(outputs):
    """Lines that set every name, with what they share computed once."""
    flags = {}
    for _, expression in outputs:
        for condition in sorted(expression.atoms(int_, sign), key=sympy.default_sort_key):
            flags.setdefault(condition, sympy.Symbol(f"flag_{len(flags)}", real=True))
    reduced = [expression.xreplace(flags) for _, expression in outputs]
    shared, reduced = sympy.cse(
        reduced, symbols=(sympy.Symbol(f"shared_{i}", real=True) for i in range(1000))
    )
    lines = [(symbol, condition) for condition, symbol in flags.items()]
    lines += [*shared, *((name, e) for (name, _), e in zip(outputs, reduced, strict=True))]
    return [f"{name} = {_real(expression)}" for name, expression in lines]


def _real(expression):
    """Code of an expression that is a real number, never an integer."""
    # Brian2 divides two whole numbers in single precision in C++, whatever the program's is.
    text = _FRACTION.sub(r"\1.0/\2", _to_code(expression))
    flat = expression.replace(lambda e: isinstance(e, _Step), lambda e: sympy.S.One)
    return text if flat.free_symbols else f"1.0*({text})"


def _to_code(expression):
    """Brian2 code in which small integer powers are products, which compile to faster code."""
    expression = expression.replace(
        lambda e: e.is_Pow and e.exp in (2, 3),
        lambda e: sympy.Mul(*[e.base] * int(e.exp), evaluate=False),
    )
    return to_text(expression)
