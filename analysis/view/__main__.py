"""The viewer's command: ``python -m analysis.view results/x.nc``."""

import argparse
import gc
import importlib
import importlib.util
import os
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
        action="append",
        metavar="FOLDER",
        help="of a run that goes on (OUTPUT.partial): follows it and steers it",
    )
    parser.add_argument(
        "--address",
        action="append",
        help="of this machine that others may look from (default 127.0.0.1: nobody); whoever reaches it "
        "sees the runs and may steer one that goes on",
    )
    parser.add_argument("--port", action="append", type=int, help="a free one if nothing is said")
    options = parser.parse_args(arguments)
    for name, default in (("live", None), ("address", "127.0.0.1"), ("port", 0)):
        given = getattr(options, name) or [default]
        if len(given) > 1:
            return _fail(f"--{name} is given twice; give it one value")
        setattr(options, name, given[0])
    if not 0 <= options.port < 2**16:
        return _fail(f"--port is {options.port}; a number from 0 to 65535 is needed")
    if not options.files and options.live is None:
        return _fail("no file is given; FILE.nc or --live FOLDER is needed")
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        return _fail(
            f"the viewer needs {' and '.join(missing)}: pip install '.[view]' in a checkout"
        )
    from .serve import serve

    try:
        going = None if options.live is None else _going(options.live)
        return serve(options.files, going, options.address, options.port)
    except ValueError as error:
        return _fail(error)
    except OSError as error:
        return _fail(f"cannot answer at {options.address}, port {options.port}: {error.strerror}")


def _going(folder):
    """A run that goes on, which `bgrl` knows how to follow and steer: needed here, and only here."""
    from .state import Going

    os.nice(10)  # the run goes first
    bgrl = importlib.import_module("bgrl")
    return Going(folder, bgrl.follow, bgrl.steer, bgrl.steering)


def _fail(text):
    print(f"error: {' '.join(str(text).split())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    # Half a second less: nothing of what is imported is garbage (`serve` collects again), and dask, where
    # it is installed, would be imported by xarray only to see that no array is one of its.
    gc.disable()
    sys.modules.setdefault("dask", None)
    sys.exit(main())
