"""What a Gymnasium environment shows and takes, as rows of numbers.

An observation becomes the numbers of its parts one after the other (`Observations`), an action is made of
the numbers that an agent sends (`Actions`). What cannot be a row of numbers is refused when the task is
made, with `InputError`; what an environment answers and its spaces do not allow, with `RunError`.
"""

import math
from collections.abc import Mapping, Sequence
from numbers import Real

import numpy as np

from bgrl.errors import InputError, RunError

#: How to make an environment fit, for messages.
WRAP = "wrap it in a module of your own and name that, gymnasium:MODULE:NAME (docs/tasks.md)"
#: Most numbers that are seen, and most values of an action; each is a variable of the program.
MOST = 1000
#: Integer actions further apart cannot all be told in single precision.
_WIDEST = 2**24


def spaces():
    """Gymnasium's module of spaces.

    Raises
    ------
    InputError
        If Gymnasium is not installed.
    """
    try:
        from gymnasium import spaces as found
    except ImportError:
        raise InputError(
            "Gymnasium is not installed; pip install '.[gymnasium]' in a checkout"
        ) from None
    return found


def shown(value):
    """A value an environment gave, in few words."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


class Observations:
    """Observations of a space as rows of numbers.

    Parameters
    ----------
    name : str
        Of the environment.
    space : gymnasium.Space

    Attributes
    ----------
    size : int
        Numbers in a row.

    Raises
    ------
    InputError
        If a part of the space has no fixed number of numbers (text, a sequence, a graph).
    """

    def __init__(self, name, space):
        self._space, self._plain = space, _row_of_numbers(space)
        if odd := _without_numbers(space, "observation"):
            part, kind = odd
            raise InputError(
                f"environment {name!r}: {part} is {type(kind).__name__}, which is no row of numbers; "
                + WRAP
            )
        self.size = int(spaces().flatdim(space))
        if self.size == 0:
            raise InputError(f"environment {name!r} shows nothing: its observations are {space}")

    def numbers(self, seen, kept):
        """Some of the numbers of an observation.

        Parameters
        ----------
        seen
            The observation.
        kept : sequence of int
            Which.

        Raises
        ------
        RunError
            If the observation does not fit its space, or is NaN or infinite there.
        """
        _check(self._space, seen, "observation")
        row = seen if self._plain else spaces().flatten(self._space, seen)
        row = np.asarray(row, float).tolist()
        found = [row[k] for k in kept]
        if not all(map(math.isfinite, found)):
            k = next(k for k in kept if not math.isfinite(row[k]))
            raise RunError(f"observation is {row[k]} at entry {k}")
        return found


def _row_of_numbers(space):
    return isinstance(space, spaces().Box) and len(space.shape) == 1


def _parts(space):
    """Key to space of the parts of a space that is made of others, else None."""
    if isinstance(space, spaces().Dict):
        return dict(space.spaces)
    return dict(enumerate(space.spaces)) if isinstance(space, spaces().Tuple) else None


def _without_numbers(space, where):
    """Name and space of the first part that is no row of numbers, if there is one."""
    kinds = spaces().Box, spaces().Discrete, spaces().MultiBinary, spaces().MultiDiscrete
    if isinstance(space, kinds):
        return None
    parts = _parts(space)
    if parts is None:
        return where, space
    found = (_without_numbers(part, f"{where}[{key!r}]") for key, part in parts.items())
    return next(filter(None, found), None)


def _check(space, seen, where):
    """Refuse an observation that has not the form of its space."""
    parts = _parts(space)
    if parts is not None:
        kind = Mapping if isinstance(space, spaces().Dict) else Sequence
        keys = set(seen) if kind is Mapping and isinstance(seen, Mapping) else None
        keys = set(range(len(seen))) if kind is Sequence and isinstance(seen, Sequence) else keys
        if keys != set(parts):
            raise RunError(f"{where} is {shown(seen)}, its space says {space}")
        for key, part in parts.items():
            _check(part, seen[key], f"{where}[{key!r}]")
        return
    if np.shape(seen) != space.shape:
        raise RunError(f"{where} has shape {np.shape(seen)}, its space says {space.shape}")
    discrete = isinstance(space, spaces().Discrete)
    if discrete or isinstance(space, spaces().MultiDiscrete):
        first, count = space.start, space.n if discrete else space.nvec
        values = np.asarray(seen)
        if (
            values.dtype.kind not in "iub"
            or (values < first).any()
            or (values >= first + count).any()
        ):
            raise RunError(f"{where} is {shown(seen)}, its space says {space}")


class Actions:
    """Actions of a space, made of the numbers that an agent sends.

    Parameters
    ----------
    name : str
        Of the environment.
    space : gymnasium.Space
        `Discrete`, or `Box` with bounds.

    Attributes
    ----------
    size : int
        Numbers that the agent sends: one for a choice, else one for each entry.
    labels : tuple of str
        Names of the choices or of the entries.
    bounds : tuple of (float, float) or None
        Lowest and highest number of each entry; None for a choice. Where actions are integers, half a
        step beyond the lowest and the highest, so that each of them has the same share.

    Raises
    ------
    InputError
        For another space.
    """

    def __init__(self, name, space):
        self._space = space
        self._discrete = isinstance(space, spaces().Discrete)
        if self._discrete:
            self.size, self.bounds, count = 1, None, int(space.n)
        elif isinstance(space, spaces().Box):
            self.size = count = int(np.prod(space.shape))
            self._integer = space.dtype.kind in "iub"
            self.bounds = self._bounds(name)
        else:
            raise InputError(
                f"environment {name!r}: actions {shown(space)} are not supported; valid: Discrete, "
                f"Box; {WRAP}"
            )
        if not 0 < count <= MOST:
            raise InputError(f"environment {name!r} has {count} actions; valid: 1 to {MOST}")
        self.labels = tuple(f"action_{k}" for k in range(count))

    def _bounds(self, name):
        found = []
        for k, pair in enumerate(zip(self._space.low.flat, self._space.high.flat, strict=True)):
            low, high = (float(bound) for bound in pair)
            # What single precision cannot hold is no bound either.
            wide = high - low >= (_WIDEST if self._integer else np.finfo(np.float32).max)
            if wide or not low < high:
                raise InputError(
                    f"environment {name!r}: action {k} is from {low:g} to {high:g}; finite bounds, the "
                    f"first lower, are needed; {WRAP}"
                )
            found.append((low - 0.5, high + 0.5) if self._integer else (low, high))
        return tuple(found)

    def action(self, numbers):
        """The action that numbers stand for, within the bounds of the space."""
        space = self._space
        if self._discrete:
            return int(numbers[0]) + int(space.start)
        values = np.reshape(numbers, space.shape)
        values = np.floor(values + 0.5) if self._integer else values
        return np.clip(values, space.low, space.high).astype(space.dtype)


def number(name, value):
    """What an environment gave as a number.

    Raises
    ------
    RunError
        If it is none, or NaN or infinite.
    """
    scalar = isinstance(value, np.ndarray) and not value.shape and value.dtype.kind in "fiub"
    if not (scalar or isinstance(value, Real | np.bool_)):
        raise RunError(f"{name} is {shown(value)}; a number is needed")
    value = float(value)
    if not math.isfinite(value):
        raise RunError(f"{name} is {value}")
    return value


def flag(name, value):
    """What an environment gave as True or False, as 1 or 0.

    Raises
    ------
    RunError
        If it is neither.
    """
    found = number(name, value)
    if found not in (0, 1):
        raise RunError(f"{name} is {shown(value)}; True or False is needed")
    return found
