"""The two ways in which things go wrong: what the user gave, and what happened in a run.

Commands print the message as one line; `InputError` exits with 2, `RunError` with 1.
"""


class InputError(ValueError):
    """Something given by the user is not valid; the message names it and what would be."""


class RunError(RuntimeError):
    """Something failed while building or running; the message says what was kept."""


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
