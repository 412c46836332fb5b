"""The command ``python -m bgrl.verify``."""

import sys

from bgrl import verify as replays
from bgrl.backends import BACKENDS
from bgrl.cli import Parser, run_command
from bgrl.errors import choose
from bgrl.learning.methods import METHODS
from bgrl.verify import verify


def main(arguments=None):
    """The command."""
    parser = Parser(
        prog="python -m bgrl.verify", description=(replays.__doc__ or "").split("\n")[0]
    )
    parser.add_argument("files", nargs="+", metavar="FILE.npz", help="recorded files")
    parser.add_argument(
        "--backend", default="cpp", help=f"one of {', '.join(BACKENDS)} (default cpp)"
    )
    parser.add_argument(
        "--sensitivity",
        help=f"for circuits, one of {', '.join(METHODS)} (default rtrl); what a method leaves "
        "out is compared as zero",
    )
    options = parser.parse_args(arguments)
    choose("backend", options.backend, BACKENDS)
    if options.sensitivity:
        choose("sensitivity", options.sensitivity, METHODS)
    failed = 0
    for path in options.files:
        errors, tolerance = verify(path, options.backend, options.sensitivity)
        worst = max(errors.values())
        failed += not worst <= tolerance
        verdict = "ok" if worst <= tolerance else "FAILED"
        print(f"{path}: {verdict}, largest error {worst:.1e} (tolerance {tolerance:.0e})")
        width = max(12, *map(len, errors))
        for key, error in errors.items():
            print(
                f"  {key:<{width}} {error:.1e}{'' if error <= tolerance else '  above tolerance'}"
            )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
