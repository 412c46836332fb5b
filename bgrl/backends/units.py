"""Units of equations, which Brian2 knows how to check."""

from brian2 import DimensionMismatchError, second
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.core.variables import Variable
from brian2.parsing.expressions import parse_expression_dimensions
from brian2.units.fundamentalunits import DIMENSIONLESS

from bgrl.circuit.equations import noises
from bgrl.errors import InputError
from bgrl.language import CONSTANTS
from bgrl.learning.sensitivity import dynamics
from bgrl.quantities import UNITS

#: Unit of white noise, whose integral over a time has that time as its variance.
NOISE = "1/sqrt(ms)"


def check_structure(structure):
    """Refuse an agent whose equations have units that do not fit, see `check_units`."""
    for p in structure["populations"].values():
        direct, synaptic = p.get("direct", ()), p.get("with_units", ())
        rates = {
            name: text
            for name, text in dynamics(p).items()
            if name in synaptic or (p["has_units"] and name not in direct)
        }
        if rates:
            units = {key: parameter["unit"] for key, parameter in p["parameters"].items()}
            units |= dict.fromkeys([*dynamics(p), *p["drives"]], "1")
            units |= dict.fromkeys(noises(dynamics(p)), NOISE)
            units |= dict.fromkeys(p.get("releases", ()), "1")
            check_units(rates, units, p["functions"])


def check_units(dynamics, units, functions=None):
    """Check that right-hand sides written with units are rates of change.

    Parameters
    ----------
    dynamics : dict of str to str
        State variable to derivative.
    units : dict of str to str
        Unit, of `bgrl.quantities.UNITS` or `NOISE`, of every symbol.
    functions : dict of str to Function, optional
        The user's own functions, of dimensionless arguments and value.

    Raises
    ------
    InputError
        If a derivative is not one over time, or adds what has different units.
    """
    dimensions = {unit: (second**power).dim for unit, (power, _) in UNITS.items()}
    dimensions |= {"1": DIMENSIONLESS, NOISE: (second**-0.5).dim}
    units = dict.fromkeys(CONSTANTS, "1") | units
    known = {k: Variable(name=k, dimensions=dimensions[v]) for k, v in units.items()}
    known |= DEFAULT_FUNCTIONS
    # The rules of tanh are those of any function of a number.
    known |= dict.fromkeys(functions or {}, DEFAULT_FUNCTIONS["tanh"])
    for variable, text in dynamics.items():
        try:
            found = parse_expression_dimensions(text, known)
        except DimensionMismatchError as error:
            raise InputError(f"units of d{variable}/dt = {text} do not fit: {error}") from None
        if found is not (1 / second).dim:
            raise InputError(
                f"units of d{variable}/dt = {text} do not fit: it must be one over time, "
                f"it is {'dimensionless' if found is DIMENSIONLESS else found}"
            )
