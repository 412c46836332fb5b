"""Quantities of Brian2, as ``40*ms`` or ``2*Hz``, in the place of numbers of ms or of 1/ms.

They are told by their dimensions, so Brian2 is not imported. Times have a place in a description, and
frequencies as parameters of equations: everything else in it is without unit.
"""

import numpy as np

from bgrl.errors import InputError, check_number

#: Dimensions of the International System of Units, by Brian2's names.
_DIMENSIONS = ("length", "mass", "time", "current", "temperature", "substance", "luminosity")


class Time(float):
    """The annotation of what takes a number of ms or a quantity, and holds a number of ms."""


def has_unit(value):
    """Whether a value is a quantity that is no plain number."""
    # Other libraries call other things so.
    return not getattr(getattr(value, "dim", None), "is_dimensionless", True)


#: Unit of a description to the power of a time that it is, and its name in Brian2's equations.
UNITS = {"1": (0, "1"), "ms": (1, "second"), "1/ms": (-1, "Hz")}


def unit_of(value):
    """Unit in a description, a name of `UNITS`, of a number, a time or a frequency; else None."""
    if not has_unit(value):
        return "1"
    exponents = [value.dim.get_dimension(dimension) for dimension in _DIMENSIONS]
    for unit, (power, _) in UNITS.items():
        if exponents == [power * float(dimension == "time") for dimension in _DIMENSIONS]:
            return unit
    return None


def in_unit(name, value, unit):
    """A quantity as a number or array of a unit of `UNITS`; anything else as it is.

    Raises
    ------
    InputError
        For a quantity of another unit.
    """
    if not has_unit(value):
        return value
    if unit_of(value) != unit:
        needed = {"ms": "a time", "1/ms": "a frequency"}.get(unit, "a number without unit")
        raise InputError(f"{name} is {value!r}; {needed} is needed")
    number = np.asarray(value, float)  # of seconds, or one over seconds
    # Twelve digits hide that a thousandth has no exact floating-point number.
    found = np.round(1000 * number, 12) if unit == "ms" else number / 1000
    return found if found.ndim else found.item()


def in_ms(name, value):
    """A quantity as a number or array of ms; anything else as it is.

    Parameters
    ----------
    name : str
        For the message.
    value : object

    Raises
    ------
    InputError
        For a quantity that is no time.
    """
    if not has_unit(value):
        return value
    if unit_of(value) != "ms":
        raise InputError(f"{name} is {value!r}; a time is needed, or a number of ms")
    return in_unit(name, value, "ms")


def check_time(name, value):
    """Return a time as a number of ms, else refuse it; see `bgrl.errors.check_number`."""
    return check_number(name, in_ms(name, value))
