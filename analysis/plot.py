"""Redraws figures from a data file: ``python -m analysis.plot FILE.nc [--kind K]``.

What is at --figure is kept unless --overwrite is given; FILE-KIND.png is this command's own and drawn
anew.
"""

import argparse
import errno
import importlib.util
import json
import os
import sys
from pathlib import Path

import xarray as xr

try:
    import matplotlib  # noqa: F401
except ValueError:  # before main() could say so
    if __name__ != "__main__":
        raise
    print(
        f"error: MPLBACKEND is {os.environ.get('MPLBACKEND')!r}, which matplotlib does not know; unset "
        "it or set it to agg",
        file=sys.stderr,
    )
    sys.exit(2)

from . import (
    action_selection,
    benchmark,
    cartpole,
    circuit,
    distributional,
    dopamine,
    gradient_quality,
    lesions,
    medication,
    memory_chain,
    rapid_adaptation,
    recovery,
    reproduction,
    sweep,
    task_gallery,
    train,
)
from .learning_curve import plot_learning_curve
from .style import new_figure, save_figure

#: Task, or experiment that says its name, to its figure; others have that of `train`.
FIGURES = {
    "action_selection": action_selection.figure,
    "medication": medication.figure,
    "memory_chain": memory_chain.figure,
    "cartpole": cartpole.figure,
    "stateless_cartpole": cartpole.figure,
    "benchmark": benchmark.figure,
    "gradient_quality": gradient_quality.figure,
    "sweep": sweep.figure,
    "distributional": distributional.figure,
    "dopamine": dopamine.figure,
    "lesions": lesions.figure,
    "recovery": recovery.figure,
    "task_gallery": task_gallery.figure,
    "rapid_adaptation": rapid_adaptation.figure,
    **reproduction.FIGURES,
}


def _overview(data):
    name = data.attrs["experiment"] if "experiment" in data.attrs else data.attrs["task"]
    return FIGURES.get(name, train.figure)(data)


def _single(plot):
    def draw(data):
        figure = new_figure(5.0, 3.4)
        plot(data, ax=figure.add_subplot())
        return figure

    return draw


#: Kind of figure to what draws it.
KINDS = {
    "overview": _overview,
    "train": train.figure,
    "learning_curve": _single(plot_learning_curve),
    "trial_length": _single(cartpole.plot_trial_length),
    "policy_at_query": _single(memory_chain.plot_policy_at_query),
    "policy_against_angle": _single(cartpole.plot_policy_against_angle),
    "circuit": circuit.figure,
}


#: Errors of the machine, not of what was given: exit code 1.
_EXHAUSTED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOMEM, errno.EMFILE)


def _fail(text, code=2):
    print(f"error: {' '.join(str(text).split())}", file=sys.stderr)
    return code


def _drawing(kind):
    """What draws a kind of figure: one of `KINDS`, or `figure` of a Python file of the user's own."""
    if kind in KINDS:
        return KINDS[kind]
    if not kind.endswith(".py"):
        raise ValueError(f"unknown kind {kind!r}; valid: {', '.join(KINDS)}, FILE.py")
    if not Path(kind).is_file():
        raise ValueError(f"{kind}: no such file")
    spec = importlib.util.spec_from_file_location(f"own_{Path(kind).stem}", kind)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "figure"):
        raise ValueError(f"{kind} has no function figure(data)")
    return module.figure


def _target(options):
    """Where the figure goes; `ValueError` if it cannot, or something is there that is to be kept."""
    if options.figure is None:
        return Path(f"{Path(options.file).with_suffix('')}-{Path(options.kind).stem}.png")
    target = Path(options.figure)
    if target.suffix not in (".png", ".svg", ".pdf"):
        raise ValueError(f"{target}: the name must end in .png or .svg or .pdf")
    if target.is_dir():
        raise ValueError(f"cannot write {target}: it is a folder")
    if not target.parent.is_dir():
        raise ValueError(f"cannot write {target}: {target.parent} is no folder")
    if os.path.lexists(target) and not options.overwrite:
        raise ValueError(
            f"{target} exists; choose another --figure, or replace it with --overwrite"
        )
    return target


def read(path):
    """Open a data file, of which what a figure looks at is read; to be closed.

    Raises
    ------
    ValueError
        If it is missing, truncated, or of something else.
    """
    if not Path(path).is_file():
        raise ValueError(f"{path}: no such file")
    try:
        data = xr.open_datatree(path, engine="netcdf4")
        json.loads(data.attrs["configuration"])
    except Exception as error:  # the readers raise whatever their C libraries think of
        raise ValueError(f"{path}: not a bgrl data file ({type(error).__name__})") from None
    return data


def main(arguments=None):
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.plot", description=__doc__.strip()
    )
    parser.error = lambda message: parser.exit(2, f"error: {message}\n")
    parser.add_argument("file", metavar="FILE.nc", help="data file of an experiment")
    parser.add_argument(
        "--kind",
        action="append",
        help=f"one of {', '.join(KINDS)} (default overview), or FILE.py with a function figure(data)",
    )
    parser.add_argument(
        "--figure",
        action="append",
        metavar="FILE.png",
        help="where to write, PNG, SVG or PDF by its suffix; FILE-KIND.png by default",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what is at --figure")
    options = parser.parse_args(arguments)
    for name, default in (("kind", "overview"), ("figure", None)):
        given = getattr(options, name) or [default]
        if len(given) > 1:
            return _fail(f"--{name} is given twice; give it one value")
        setattr(options, name, given[0])
    try:
        draw, target = _drawing(options.kind), _target(options)
    except ValueError as error:
        return _fail(error)
    except Exception as error:  # of the user's own file
        return _fail(f"{options.kind}: {type(error).__name__}: {error}")
    try:
        with read(options.file) as data:
            figure = draw(data)
    except KeyError as error:
        return _fail(f"{options.file} lacks {error}")
    except RuntimeError as error:  # the netCDF library, on contents it cannot read
        return _fail(f"{options.file} is damaged ({error})")
    except (ValueError, OSError) as error:
        return _fail(error if options.file in str(error) else f"{options.file}: {error}")
    except MemoryError as error:
        return _fail(f"{options.file}: there is not enough memory ({error})", 1)
    except Exception as error:  # a file without what the figure shows, of another task or too short
        reason = f"{type(error).__name__}: {error}"
        return _fail(f"{options.file} has not what {options.kind!r} draws ({reason})")
    try:
        save_figure(figure, target)
    except OSError as error:
        code = 1 if error.errno in _EXHAUSTED else 2
        return _fail(f"cannot write {target}: {error.strerror}", code)
    except (ValueError, RuntimeError) as error:  # what is drawn is made only now
        return _fail(f"{options.file} has not what {options.kind!r} draws ({error})")
    print(f"wrote {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
