"""The two ways in which things go wrong: what the user gave, and what happened in a run.

Commands print the message as one line; `InputError` exits with 2, `RunError` with 1.
"""

from numbers import Integral


class InputError(ValueError):
    """Something given by the user is not valid; the message names it and what would be."""


class RunError(RuntimeError):
    """Something failed while building or running; the message says what was kept."""


def check_count(name, value):
    """Refuse what is not a positive integer.

    Raises
    ------
    InputError
        Naming it.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise InputError(f"{name} is {value!r}; a positive integer is needed")


def choose(kind, name, valid):
    """Return `name` if it is among `valid`, else refuse it.

    Parameters
    ----------
    kind : str
        What is being chosen, for the message ("task", "backend", ...).
    name : str
        The user's choice.
    valid : iterable of str
        The choices that exist.

    Raises
    ------
    InputError
        Naming the unknown choice and listing the valid ones.
    """
    valid = sorted(valid)
    if name not in valid:
        raise InputError(f"unknown {kind} {name!r}; valid: {', '.join(valid) or 'none'}")
    return name
