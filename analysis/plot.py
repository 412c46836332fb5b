"""Redraws figures from a data file: ``python -m analysis.plot FILE.nc [--kind K]``.

Several files, ``python -m analysis.plot A.nc B.nc --kind learning_curve``, are compared: what differs
between their settings labels them. What is at --figure is kept unless --overwrite is given; FILE-KIND.png
is this command's own and drawn anew.
"""

import argparse
import errno
import functools
import importlib.util
import os
import sys
from pathlib import Path

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
    accumulation,
    action_selection,
    benchmark,
    cartpole,
    circuit,
    covert_learning,
    delayed_copy,
    distributional,
    dopamine,
    gating,
    gradient_quality,
    lesions,
    medication,
    memory_chain,
    oscillations,
    rapid_adaptation,
    recovery,
    reproduction,
    sweep,
    task_gallery,
    train,
    two_loops,
)
from .event_aligned import plot_event_aligned
from .learning_curve import plot_learning_curve
from .runs import open as open_runs
from .runs import plot_compare, read
from .style import as_paper, new_figure, save_figure, styled

#: Task, or experiment that says its name, to its figure; others have that of `train`.
FIGURES = {
    "accumulation": accumulation.figure,
    "action_selection": action_selection.figure,
    "medication": medication.figure,
    "oscillations": oscillations.figure,
    "memory_chain": memory_chain.figure,
    "cartpole": cartpole.figure,
    "covert_learning": covert_learning.figure,
    "stateless_cartpole": cartpole.figure,
    "benchmark": benchmark.figure,
    "gating": gating.figure,
    "gradient_quality": gradient_quality.figure,
    "sweep": sweep.figure,
    "delayed_copy": delayed_copy.figure,
    "distributional": distributional.figure,
    "dopamine": dopamine.figure,
    "lesions": lesions.figure,
    "recovery": recovery.figure,
    "task_gallery": task_gallery.figure,
    "two_loops": two_loops.figure,
    "rapid_adaptation": rapid_adaptation.figure,
    **reproduction.FIGURES,
}


def _overview(data):
    name = data.attrs["experiment"] if "experiment" in data.attrs else data.attrs["task"]
    return FIGURES.get(name, train.figure)(data)


def _single(plot, alone=False):
    """A figure of one pair of axes, and of several runs.

    Parameters
    ----------
    plot : callable
        Draws into axes.
    alone : bool
        Whether it says more in axes of its own.
    """

    @styled
    def draw(data):
        if "run" in data.dims:
            return plot_compare(data, plot)
        if alone:
            return plot(data).figure
        figure = new_figure(5.4, 3.4)
        plot(data, ax=figure.add_subplot())
        return figure

    draw.compares = True  # several files as well
    return draw


#: Kind of figure to what draws it.
KINDS = {
    "overview": _overview,
    "train": train.figure,
    "learning_curve": _single(plot_learning_curve),
    "trial_return": _single(functools.partial(train.plot_trials, variable="trial_return")),
    "trial_length": _single(functools.partial(train.plot_trials, variable="length")),
    "traces": _single(train.plot_traces),
    "policy_at_query": _single(memory_chain.plot_policy_at_query),
    "policy_against_angle": _single(cartpole.plot_policy_against_angle),
    "circuit": circuit.figure,
}
#: Steps before and after the event that VARIABLE@EVENT draws.
AROUND = 10


#: Errors of the machine, not of what was given: exit code 1.
_EXHAUSTED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOMEM, errno.EMFILE)


def _fail(text, code=2):
    print(f"error: {' '.join(str(text).split())}", file=sys.stderr)
    return code


def _drawing(kind):
    """What draws a kind of figure: one of `KINDS`, VARIABLE@EVENT, or `figure` of a user's own file."""
    if kind in KINDS:
        return KINDS[kind]
    variable, _, event = kind.partition("@")
    if variable and event:
        around = {"variable": variable, "event": event, "before": AROUND, "after": AROUND}
        return _single(functools.partial(plot_event_aligned, **around), alone=True)
    if not kind.endswith(".py"):
        raise ValueError(
            f"unknown kind {kind!r}; valid: {', '.join(KINDS)}, VARIABLE@EVENT, FILE.py"
        )
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
    if missing := [file for file in options.files if not Path(file).is_file()]:
        raise ValueError(f"{missing[0] or repr('')}: no such file")
    if options.figure is None:
        names = [Path(options.files[0]).with_suffix("").as_posix()]
        names += [Path(file).stem for file in options.files[1:4]]
        names += ["more"] if len(options.files) > 4 else []
        suffix = ".svg" if options.style == "paper" else ".png"
        return Path(f"{'-'.join([*names, Path(options.kind).stem])}{suffix}")
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


def main(arguments=None):
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.plot", description=(__doc__ or "").strip()
    )
    parser.error = lambda message: parser.exit(2, f"error: {message}\n")
    parser.add_argument("files", metavar="FILE.nc", nargs="+", help="data file of an experiment")
    parser.add_argument(
        "--kind",
        action="append",
        help=f"one of {', '.join(KINDS)} (default overview); VARIABLE@EVENT, a trace around an event of "
        "the trial (dopamine@reward); or FILE.py with a function figure(data)",
    )
    parser.add_argument(
        "--style",
        choices=("screen", "paper"),
        default="screen",
        help="paper: one or two columns wide (89, 183 mm), type of 5 to 8 points, SVG by default",
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
    files = ", ".join(options.files)
    try:
        draw, target = _drawing(options.kind), _target(options)
        if len(options.files) > 1 and not hasattr(draw, "compares"):
            valid = [name for name, one in KINDS.items() if hasattr(one, "compares")]
            raise ValueError(
                f"{options.kind} draws one file; of several: {', '.join(valid)}, VARIABLE@EVENT"
            )
    except ValueError as error:
        return _fail(error)
    except Exception as error:  # of the user's own file
        return _fail(f"{options.kind}: {type(error).__name__}: {error}")
    try:
        with read(files) if len(options.files) == 1 else open_runs(options.files) as data:
            figure = draw(data)
        if not hasattr(figure, "savefig"):  # of the user's own file
            given = type(figure).__name__
            return _fail(
                f"{options.kind}: figure(data) gives {given}; a matplotlib Figure is needed"
            )
        if options.style == "paper":
            as_paper(figure)
    except KeyError as error:
        name = str(error.args[0]).removeprefix("Could not find node at ")
        return _fail(f"{files} lacks {name!r}, which {options.kind!r} draws")
    except RuntimeError as error:  # the netCDF library, on contents it cannot read
        return _fail(f"{files} is damaged ({error})")
    except (ValueError, OSError) as error:
        return _fail(error if any(f in str(error) for f in options.files) else f"{files}: {error}")
    except MemoryError as error:
        return _fail(f"{files}: there is not enough memory ({error})", 1)
    except Exception as error:  # a file without what the figure shows, of another task or too short
        reason = f"{type(error).__name__}: {error}"
        return _fail(f"{files} has not what {options.kind!r} draws ({reason})")
    try:
        save_figure(figure, target)
    except OSError as error:
        code = 1 if error.errno in _EXHAUSTED else 2
        return _fail(f"cannot write {target}: {error.strerror}", code)
    except (ValueError, RuntimeError) as error:  # what is drawn is made only now
        return _fail(f"{files} has not what {options.kind!r} draws ({error})")
    print(f"wrote {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
