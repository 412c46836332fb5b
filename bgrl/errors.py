"""The two ways in which things go wrong: what the user gave, and what happened in a run.

Commands print the message as one line; `InputError` exits with 2, `RunError` with 1.
"""

import errno
from numbers import Integral

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
