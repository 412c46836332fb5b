"""The two ways in which things go wrong: what the user gave, and what happened in a run.

Commands print the message as one line; `InputError` exits with 2, `RunError` with 1.
"""

import difflib
import errno
import math
import os
from numbers import Integral, Real
from pathlib import Path

#: What the operating system reports of the machine rather than of what the user gave.
_EXHAUSTED = {
    getattr(errno, name): advice
    for name, advice in (
        ("ENOSPC", ""),
        ("EDQUOT", ""),
        ("EFBIG", ""),
        ("EIO", ""),
        ("ENOMEM", ""),
        ("EMFILE", "; `ulimit -n` says how many a process may open"),
        ("ENFILE", ""),
    )
}


class InputError(ValueError):
    """Something given by the user is not valid; the message names it and what would be."""


class RunError(RuntimeError):
    """Something failed while building or running; the message says what was kept."""


class BlueprintError(RuntimeError):
    """A part of the step names something that does not exist, or twice the same: an error of the part."""


def from_system(text, error):
    """The exception to raise for one of the operating system.

    Parameters
    ----------
    text : str
        What was tried.
    error : OSError

    Returns
    -------
    RunError or InputError
        The former where the machine has no more of something: disk, memory, files.
    """
    reason = " ".join((error.strerror or str(error)).split())
    kind = RunError if error.errno in _EXHAUSTED else InputError
    return kind(f"{text}: {reason}{_EXHAUSTED.get(error.errno, '')}")


def plain(value):
    """A NumPy scalar, or an array of no dimension, as Python's own; anything else as it is.

    A quantity of Brian2 (`bgrl.quantities`) is none of these: its number alone says nothing.
    """
    bare = getattr(value, "ndim", None) == 0 and not hasattr(value, "dim")
    return value.item() if bare else value


def check_number(name, value, low=-math.inf, high=math.inf):
    """Return a finite number as a float, else refuse it.

    Parameters
    ----------
    name : str
        For the message.
    value : object
        True and False are no numbers, numbers in text are none either.
    low, high : float
        Least and greatest that are valid.

    Raises
    ------
    InputError
        Naming it and the range.
    """
    number = plain(value)
    finite = isinstance(number, Real) and not isinstance(number, bool) and math.isfinite(number)
    if finite and low <= number <= high:
        return float(number)
    anything = (low, high) == (-math.inf, math.inf)
    needed = "a finite number" if anything else f"a number from {low:g} to {high:g}"
    raise InputError(f"{name} is {value!r}; {needed} is needed")


def check_integer(name, value, low=-math.inf, high=math.inf):
    """Return a whole number of a range as an int, else refuse it; 2.0 is refused as well.

    Raises
    ------
    InputError
        Naming it and the range.
    """
    number = plain(value)
    whole = isinstance(number, Integral) and not isinstance(number, bool)
    if whole and low <= number <= high:
        return int(number)
    if high < math.inf:
        needed = f"an integer from {low} to {high}"
    else:
        needed = {-math.inf: "an integer", 1: "a positive integer"}.get(low)
        needed = needed or f"an integer of {low} or more"
    raise InputError(f"{name} is {value!r}; {needed} is needed")


def check_count(name, value):
    """Return a positive integer as an int, else refuse it.

    Raises
    ------
    InputError
        Naming it.
    """
    return check_integer(name, value, 1)


def check_flag(name, value):
    """Return True or False, NumPy's too, else refuse it; 1 and 0 are numbers.

    Raises
    ------
    InputError
        Naming it.
    """
    flag = plain(value)
    if not isinstance(flag, bool):
        raise InputError(f"{name} is {value!r}; True or False is needed")
    return flag


def check_path(name, value):
    """Return a path as a `pathlib.Path`, else refuse it.

    Raises
    ------
    InputError
        Naming it.
    """
    if not isinstance(value, str | os.PathLike) or not str(value):
        raise InputError(f"{name} is {value!r}; a path is needed")
    return Path(value)


def choose(kind, name, valid, also=""):
    """Return `name` if it is among `valid`, else refuse it.

    Parameters
    ----------
    kind : str
        What is being chosen, for the message ("task", "backend", ...).
    name : str
        The user's choice.
    valid : iterable of str
        The choices that exist.
    also : str
        What else may be given, for the message ("FILE.py").

    Raises
    ------
    InputError
        Naming the unknown choice, listing the valid ones, and asking whether the nearest was meant.
    """
    valid = sorted(valid)
    if isinstance(name, str) and name in valid:
        return name
    near = nearest(str(name), valid)
    meant = f"; did you mean {near!r}?" if near else ""
    listed = " or ".join(filter(None, (", ".join(valid), also))) or "none"
    raise InputError(f"unknown {kind} {name!r}; valid: {listed}{meant}")


def choose_each(kind, text, valid, also=""):
    """Names separated by commas, each one of those that are valid, see `choose`, and given once.

    Raises
    ------
    InputError
        Naming the unknown choice, with the valid ones, or what is given twice.
    """
    return once(kind, [choose(kind, name.strip(), valid, also) for name in text.split(",")])


def once(kind, values):
    """Return `values`, which are of a kind, if each is given once; else refuse the first that is not.

    Raises
    ------
    InputError
        Naming what is given twice.
    """
    if twice := [value for value in values if values.count(value) > 1]:
        raise InputError(f"{kind} {twice[0]} is given twice; once is enough")
    return values


def nearest(name, valid):
    """The name that was probably meant: with other letters, or the only one so begun; else None.

    Parameters
    ----------
    name : str
    valid : iterable of str

    Returns
    -------
    str or None
    """
    typed, valid = name.lower(), list(valid)
    whole = {choice.lower(): choice for choice in valid}
    starts = [name[: len(typed)] for name in whole]
    # A name that is short may be begun by chance.
    begun = {s: whole[n] for s, n in zip(starts, whole, strict=True) if starts.count(s) == 1}
    for choices in (whole, begun if len(typed) > 2 else {}):
        near = difflib.get_close_matches(typed, choices, 1, 0.66)
        if near:
            return choices[near[0]]
    return None
