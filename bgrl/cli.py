"""What all commands share: errors become one line and an exit code."""

import argparse
import sys

from bgrl.errors import InputError, RunError


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message):
        """Exit with 2 and the message alone."""
        self.exit(2, f"error: {message}\n")


def run_command(main):
    """Run a command's ``main()`` and return its exit code.

    2 for bad input, 1 for a failed run or too little memory, 130 for an interrupt; each with one line on
    stderr.
    """
    try:
        return main() or 0
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
