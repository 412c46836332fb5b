"""Fields of a circuit as `bgrl.circuit.editing.Editing.set` sets them: names, and what reads values.

What reads a value takes it as it is or as text, and refuses with the name of the field what cannot be.
"""

import ast
import math
import re
from dataclasses import replace
from functools import partial

import numpy as np

from bgrl.circuit import values
from bgrl.circuit.synapse import read_synapse
from bgrl.errors import InputError, check_count
from bgrl.quantities import in_ms, in_unit

DISTRIBUTIONS = ("normal", "truncated_normal", "uniform")
CALL = re.compile(rf"({'|'.join(DISTRIBUTIONS)})\((.+)\)\Z")


def names_of(owner):
    """Parameters and variables of a population or synapse, as `Editing.set` calls them."""
    found = [f"{k}{f}" for k in owner.parameters for f in ("", ".trainable", ".minimum")]
    return [*found, *getattr(owner, "described", owner.dynamics)]


def with_field(owner, path, name, value):
    """The field of a population or synapse with one parameter or initial value changed."""
    key, _, field = name.partition(".")
    if key not in owner.parameters:
        return {"initial": {**owner.initial, name: _initial(path, value)}}
    value = in_unit(path, value, owner.parameters[key].unit)
    changed = {field or "value": _PARAMETER[field](path, value)}
    return {"parameters": {**owner.parameters, key: replace(owner.parameters[key], **changed)}}


def _read(value):
    """Text as the number, word, list or distribution that it says; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        if match := CALL.match(value):
            return getattr(values, match[1])(*map(float, match[2].split(",")))
        return ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError):
        return value


def read_number(path, value):
    """A finite number, as a float."""
    number = _read(value)
    if isinstance(number, bool) or not isinstance(number, int | float | np.number):
        raise InputError(f"{path} is {value!r}; a number is needed")
    if not math.isfinite(number):
        raise InputError(f"{path} is {value!r}; a finite number is needed")
    return float(number)


def read_fraction(path, value):
    """A number from 0 to 1."""
    number = read_number(path, value)
    if not 0 <= number <= 1:
        raise InputError(f"{path} is {number:g}; a number from 0 to 1 is needed")
    return number


def read_count(path, value):
    """A positive whole number."""
    check_count(path, _read(value))
    return int(_read(value))


def _one_of(choices, path, value):
    found = _read(value)
    found = found.item() if isinstance(found, np.generic) else found
    # By type too: True is not 1 here.
    if not any(type(found) is type(c) and found == c for c in choices):
        raise InputError(f"{path} is {value!r}; valid: {', '.join(map(str, choices))}")
    return found


def read_text(path, value):
    """A name, or equations."""
    if not isinstance(value, str):
        raise InputError(f"{path} is {value!r}; a name is needed")
    return value


def _values(path, value):
    """A number, array or Distribution; the circuit checks its shape."""
    found = _read(value)
    if isinstance(found, str | bool) or found is None:
        raise InputError(f"{path} is {value!r}; a number, array, or normal(sd), uniform(low, high)")
    return found


def _initial(path, value):
    """A number or array: a run starts where the description says, drawn by nobody."""
    found = _values(path, value)
    if not isinstance(found, int | float | list | np.ndarray | np.number):
        raise InputError(f"{path} is {value!r}; a number or array is needed")
    return found


def _minimum(path, value):
    return None if _read(value) is None else read_number(path, value)


_bool = partial(_one_of, (True, False))
#: Fields that `Editing.set` sets, and what reads them.
PROJECTION = {
    "weights": _values,
    "mask": lambda path, value: _read(value),
    "sign": partial(_one_of, (1, -1, None)),
    "plastic": _bool,
    "drive": read_text,
    "reads": read_text,
    "delay": lambda path, value: read_number(path, in_ms(path, value)),
    "dynamics": read_synapse,
    "electrical": _bool,
}
READOUT = {
    "weights": _values,
    "feedback": _values,
    "mask": PROJECTION["mask"],
    "reads": read_text,
    "plastic": _bool,
}
_PARAMETER = {"": _values, "trainable": _bool, "minimum": _minimum}
