"""Files of a user's own, in the place of the name of a model, a task, an optimizer or an experiment."""

import functools
import importlib.util
from pathlib import Path

from bgrl.errors import InputError


class NamesOrFile(tuple):
    """Names to choose from, besides which a Python file may be given."""

    __slots__ = ()
    #: For messages.
    also = "FILE.py"

    def __contains__(self, name):
        return super().__contains__(name) or is_file(name)


def is_file(name):
    """Whether something is given as a Python file rather than by its name."""
    return isinstance(name, str) and name.endswith(".py")


def member(path, name, what):
    """What a Python file of the user's own calls by a name.

    Parameters
    ----------
    path : str
    name : str
    what : str
        For the message: what such a file must have it for.

    Raises
    ------
    InputError
        If there is no such file, it fails, or has nothing of that name.
    """
    module = load(str(Path(path).absolute()))
    if not hasattr(module, name):
        raise InputError(f"{path} has no {name}, which {what} needs")
    return getattr(module, name)


@functools.cache
def load(path):
    """A Python file as a module; once a process.

    Raises
    ------
    InputError
        If there is no such file, or it fails.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    spec = importlib.util.spec_from_file_location(f"own_{Path(path).stem}", path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's file raises
        reason = " ".join(str(error).split())
        raise InputError(f"{path} failed: {type(error).__name__}: {reason}") from None
    return module
