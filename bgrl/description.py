"""What all descriptions (`Agent`, `Circuit`, `Task`, `Run`, ...) are: frozen, and checked at the door.

A description's annotations say what it takes: a wrong, missing or unknown argument is refused in one
line, and what NumPy computed is kept as Python's own number, so that files, comparisons and cache keys
are the same whichever was given. What else must hold (ranges, names) the description says itself.
"""

import functools
import importlib
import inspect
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bgrl.errors import InputError, check_flag, check_integer, check_number, choose, plain
from bgrl.quantities import Time, check_time

_CHECKS = {bool: check_flag, int: check_integer, float: check_number, Time: check_time}
#: What is needed where it is none of these numbers.
_NEEDED = {
    **{
        int: "an integer",
        float: "a finite number",
        Time: "a finite number (ms)",
        bool: "True or False",
        str: "a text",
    },
    **{tuple: "a tuple", dict: "a dict", types.NoneType: "None"},
}


@typing.dataclass_transform(frozen_default=True)
def description(cls=None, /, **options):
    """Make a class a frozen dataclass whose arguments are checked against its annotations.

    Parameters
    ----------
    **options
        Of `dataclasses.dataclass`.

    Examples
    --------
    >>> @description
    ... class Pause:
    ...     steps: int = 1
    >>> Pause(np.int64(3))
    Pause(steps=3)
    >>> Pause(seconds=3)
    Traceback (most recent call last):
    bgrl.errors.InputError: unknown argument of Pause 'seconds'; valid: steps
    """
    if cls is None:
        return functools.partial(description, **options)
    cls = dataclass(frozen=True, **options)(cls)
    init, signature = cls.__init__, inspect.signature(cls.__init__)

    @functools.wraps(init)
    def checked(self, *args, **kwargs):
        given = _bound(cls, signature, self, args, kwargs)
        hints = _hints(cls)
        for name, value in given.arguments.items():
            if name in hints:
                called = getattr(cls, "CALLED", "") + name
                given.arguments[name] = as_annotated(called, value, hints[name], cls.__name__)
        init(*given.args, **given.kwargs)

    cls.__init__ = checked
    cls._repr_html_ = _html
    return cls


def _html(self):
    """What a notebook shows; by its name, since it draws and this module is imported by all."""
    return importlib.import_module("bgrl.notebook").html(self)


@functools.cache
def _hints(cls):
    return typing.get_type_hints(cls)


def _bound(cls, signature, self, args, kwargs):
    names = list(signature.parameters)[1:]
    for name in kwargs:
        choose(f"argument of {cls.__name__}", name, names)
    try:
        return signature.bind(self, *args, **kwargs)
    except TypeError as error:  # one is missing, given twice, or there are too many
        raise InputError(f"{cls.__name__}: {error}; arguments: {', '.join(names)}") from None


def as_annotated(name, value, hint, owner, infinite=False):
    """Return a value as its annotation says, else refuse it.

    Parameters
    ----------
    name : str
        For the message.
    value : object
    hint : type
        A number, str, tuple, dict or class, or several of them; anything goes where it is none of these.
    owner : str
        What takes it, for the message.
    infinite : bool
        Whether a number may be infinite.

    Raises
    ------
    InputError
        Naming the value and what is needed.
    """
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for kind in kinds:
        if kind is object:
            return value
        try:
            return _as(kind, name, value, owner, infinite)
        except _OtherError:
            continue
    needed = " or ".join(map(_needed, kinds))
    raise InputError(f"{name} is {_shown(value)}; {needed} is needed in {owner}")


class _OtherError(Exception):
    """A value is of another kind."""


def _as(kind, name, value, owner, infinite):
    origin = typing.get_origin(kind) or kind
    if origin in _CHECKS:
        number = plain(value)
        if origin is float and isinstance(number, float) and number == number and infinite:
            return number
        try:
            return _CHECKS[origin](name, value)
        except InputError:
            raise _OtherError from None
    inner = typing.get_args(kind)
    if origin is tuple and isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
        items = np.atleast_1d(value).tolist() if isinstance(value, np.ndarray) else value
        each = inner[0] if inner else object
        return tuple(as_annotated(f"an entry of {name}", v, each, owner) for v in items)
    if origin is dict and isinstance(value, Mapping):
        each = inner[1] if inner else object
        return {
            as_annotated(f"a key of {name}", k, str, owner): as_annotated(
                f"{name}[{k!r}]", v, each, owner
            )
            for k, v in value.items()
        }
    if origin is str and isinstance(value, str):
        return str(value)
    if origin in (tuple, dict, str) or not isinstance(value, origin):
        raise _OtherError
    return value


def _needed(kind):
    kind = typing.get_origin(kind) or kind
    if kind in _NEEDED:
        return _NEEDED[kind]
    made = getattr(kind, "MADE_BY", None)
    article = "an" if kind.__name__[0] in "AEIO" else "a"
    return f"{article} {kind.__name__}" + (f" ({made} makes one)" if made else "")


def _shown(value):
    """A value in one line, cut where it is long."""
    text = " ".join(repr(value).split())
    return text if len(text) < 60 else f"{text[:50]}... ({type(value).__name__})"
