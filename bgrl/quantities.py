"""Quantities of Brian2, as ``40*ms``, in the place of numbers of ms.

They are told by their dimensions, so Brian2 is not imported. Only times have a place in a description:
everything else in it is without unit.
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
    exponents = [value.dim.get_dimension(dimension) for dimension in _DIMENSIONS]
    if exponents != [float(dimension == "time") for dimension in _DIMENSIONS]:
        raise InputError(f"{name} is {value!r}; a time is needed, or a number of ms")
    # Of seconds; twelve digits hide that a thousandth has no exact floating-point number.
    found = np.round(1000 * np.asarray(value, float), 12)
    return found if found.ndim else found.item()


def check_time(name, value):
    """Return a time as a number of ms, else refuse it; see `bgrl.errors.check_number`."""
    return check_number(name, in_ms(name, value))
