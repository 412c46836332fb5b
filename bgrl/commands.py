"""Which modules are commands: what ``python -m`` is answered with that names none of them.

Python's own answer says that there is no such module and nothing of those that there are; and of a module
that is no command it runs nothing, in silence.
"""

import importlib.util
import pkgutil
import re
import sys
from pathlib import Path

from bgrl.cli import run_command, short
from bgrl.errors import choose

#: Packages with commands.
PACKAGES = ("bgrl", "bgrl.analysis", "bgrl.experiments")
#: How a module ends that is a command.
_RUNS = re.compile('^if __name__ == "__main__":', re.MULTILINE)
#: Options of Python without a value, the last of them -m, which the module's name may follow at once.
_MODULE = re.compile("-[bBdEiIOPqsSuvx]*m(.*)")


def names(package):
    """Names of the commands in a package, without its own, in order."""
    folders = importlib.util.find_spec(package).submodule_search_locations
    found = sorted(module.name for module in pkgutil.iter_modules(folders))
    return [name for name in found if name[0] != "_" and is_command(f"{package}.{name}")]


def is_command(module):
    """Whether ``python -m`` with a module's full name does something."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # its package
        return False
    if spec is None:
        return False
    if spec.submodule_search_locations:
        return Path(spec.submodule_search_locations[0], "__main__.py").is_file()
    return _RUNS.search(Path(spec.origin).read_text(encoding="utf-8")) is not None


def check(module):
    """Refuse a module, given by its full name, that is no command.

    Raises
    ------
    InputError
        Naming those that are.
    """
    if is_command(module):
        return
    package, _, name = module.rpartition(".")
    if package == "bgrl.experiments":
        choose("experiment", name, names(package))
    valid = [f"{package}.{name}" for package in PACKAGES[:2] for name in names(package)]
    choose("command", short(module), {*map(short, valid), short("bgrl.experiments")})


def check_typed():
    """End a ``python -m`` of a module of ours that is no command; called while Python looks for it."""
    words = iter(sys.orig_argv[1:])
    given = (found[1] or next(words, "") for found in map(_MODULE.fullmatch, words) if found)
    module = next(given, "")  # none where a program starts another in its own way
    top = module.split(".")[0]
    if top != "bgrl":
        # A short name of a checkout, unless a package of the user's own is called the same.
        file = getattr(sys.modules.get(top), "__file__", None)
        if file is None or Path(file).parents[1] != Path(__file__).parents[1]:
            return
        module = f"bgrl.{module}"
    code = run_command(lambda: check(module))
    if code:
        sys.exit(code)
