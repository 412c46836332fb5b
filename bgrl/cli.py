"""What all commands share: errors become one line and an exit code."""

import argparse
import os
import sys

from bgrl.errors import InputError, RunError, choose


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, and that takes the value of an option once.

    Of two values of one option argparse keeps the last; which was meant cannot be known.
    """

    def __init__(self, *args, **keywords):
        super().__init__(*args, **keywords)
        for kind in (None, "store"):
            self.register("action", kind, _Once)

    def parse_known_args(self, *args, **keywords):
        """As argparse does; every parse begins with no option given."""
        self.given = set()
        return super().parse_known_args(*args, **keywords)

    def parse_args(self, args=None, namespace=None):
        """As argparse does; what is no option is refused with all that are."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            options = sorted(name for name in self._option_string_actions if name[:2] == "--")
            valid = f"; valid: {', '.join(options)}"
            self.error(f"unrecognized arguments: {' '.join(unknown)}{valid}")
        return found

    def _check_value(self, action, value):
        # Refused as names are everywhere, and with the name that was probably meant.
        if action.choices is not None and value not in action.choices:
            name = action.option_strings[0] if action.option_strings else action.dest
            choose(name.lstrip("-"), value, action.choices, getattr(action.choices, "also", ""))

    def error(self, message):
        """Exit with 2 and the message alone."""
        self.exit(2, f"error: {message}\n")


class _Once(argparse.Action):
    """Keep the value of an option or argument, and refuse a second one."""

    def __call__(self, parser, namespace, values, option_string=None):
        if self.dest in parser.given:
            parser.error(f"{self.option_strings[0]} is given twice; give it one value")
        parser.given.add(self.dest)
        setattr(namespace, self.dest, values)


def typed(module):
    """How a command in a folder beside ``bgrl`` is typed; in an install that folder is inside of it.

    Parameters
    ----------
    module : str
        ``experiments.train``, for instance.
    """
    return f"python -m {short(f'bgrl.{module}')}"


def short(module):
    """The name of a module as it is typed: in a checkout, folders beside ``bgrl`` have a short one."""
    inside = module.removeprefix("bgrl.")
    checkout = sys.modules.get("bgrl.checkout")
    return inside if checkout and inside.split(".")[0] in checkout.FOLDERS else module


def run_command(main):
    """Run a command's ``main()`` and return its exit code.

    2 for bad input, 1 for a failed run or too little memory, 130 for an interrupt; each with one line on
    stderr. 141, as the shell has it, where nobody reads the output any more. Characters that the
    terminal cannot show are written as escapes.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started the command
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (as long as the process)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = main() or 0
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # What is still to be written, at the end of Python too, goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (RunError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except MemoryError as error:
        why = f" ({' '.join(str(error).split())})" if str(error) else ""
        print(f"error: there is not enough memory{why}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "interrupted; a run goes on from its last checkpoint when the command is given again",
            file=sys.stderr,
        )
        return 130
