"""The viewer's command: ``python -m analysis.view results/x.nc``."""

import argparse
import importlib.util
import sys

HELP = """Shows runs in the browser: the circuit, learning, traces, dopamine and activity around events,
several runs compared. It answers this machine alone unless --address is given, and reads files without
running anything that they hold. Ctrl-C ends it."""
NEEDED = ("panel", "bokeh")


def main(arguments=None):
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=HELP)
    parser.error = lambda message: parser.exit(2, f"error: {message}\n")
    parser.add_argument("files", metavar="FILE.nc", nargs="*", help="a run; several are compared")
    parser.add_argument(
        "--live",
        metavar="FOLDER",
        help="of a run that goes on (OUTPUT.partial): follows it and steers it",
    )
    parser.add_argument(
        "--address",
        default="127.0.0.1",
        help="of this machine that others may look from; whoever reaches it sees the runs",
    )
    parser.add_argument("--port", type=int, default=0, help="a free one if nothing is said")
    options = parser.parse_args(arguments)
    if not options.files and options.live is None:
        return _fail("no file is given; FILE.nc or --live FOLDER is needed")
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        return _fail(f"the viewer needs {' and '.join(missing)}: pip install 'bgrl[view]'")
    from .serve import serve

    try:
        return serve(options.files, options.live, options.address, options.port)
    except (ValueError, OSError) as error:
        return _fail(error)


def _fail(text):
    print(f"error: {' '.join(str(text).split())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
