"""Files of a user's own, in the place of the name of a model, a task, an optimizer or an experiment."""

import functools
import hashlib
import importlib.util
import sys
import traceback
from pathlib import Path

from bgrl.errors import InputError

#: How the names of modules begin that are files of the user's own.
_OWN = "own_"


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


def is_own(module):
    """Whether a module of that name is a file of the user's own."""
    return module.startswith(_OWN)


def digest(paths):
    """What tells the contents of files from other contents, as text."""
    return hashlib.sha256(b"".join(Path(path).read_bytes() for path in paths)).hexdigest()[:16]


def member(path, name, what, kind=object):
    """What a Python file of the user's own calls by a name.

    Parameters
    ----------
    path : str
    name : str
    what : str
        For the message: what such a file must have it for.
    kind : type
        Of which it must be.

    Raises
    ------
    InputError
        If there is no such file, it fails, or has nothing of that name, or something else.
    """
    module = load(str(Path(path).absolute()))
    if not hasattr(module, name):
        raise InputError(f"{path} has no {name}, which {what} needs")
    found = getattr(module, name)
    if not isinstance(found, kind):
        raise InputError(_not_of(f"{path}: {name} is", found, kind))
    return found


def function(path, name, what, kind):
    """A function of a Python file of the user's own, whose errors are those of what was given.

    Parameters
    ----------
    path, name, what : str
        See `member`.
    kind : type
        Of what it must return.

    Returns
    -------
    callable
        With the signature of the user's; raises `InputError` where that raises anything, or returns
        something else.

    Raises
    ------
    InputError
        If there is no such function.
    """
    theirs = member(path, name, what)
    if not callable(theirs):
        raise InputError(f"{path}: {name} is of type {type(theirs).__name__}; a function is needed")

    @functools.wraps(theirs)
    def checked(*arguments, **options):
        try:
            made = theirs(*arguments, **options)
        except InputError:
            raise
        except Exception as error:  # whatever the user's function raises
            raise InputError(_failed(path, error)) from error
        if not isinstance(made, kind):
            raise InputError(_not_of(f"{path}: its `{name}` returns", made, kind))
        return made

    return checked


def _not_of(start, found, kind):
    article = "an" if kind.__name__[0] in "AEIOU" else "a"
    return f"{start} {type(found).__name__}; {article} {kind.__name__} is needed"


def _failed(path, error):
    """The error of a file of the user's own in one line, with the line of the file that led to it."""
    file = str(Path(path).absolute())
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    place = f", line {lines[-1]}" if lines else ""
    if isinstance(error, InputError):
        return f"{path}{place}: {error}"
    return f"{path}{place} failed: {type(error).__name__}: {' '.join(str(error).split())}"


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
    name = f"{_OWN}{Path(path).stem}_{hashlib.sha256(path.encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    # What is defined there is found by this name in other processes, too, which have loaded it.
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever the user's file raises
        raise InputError(_failed(path, error)) from error
    return module
