"""Redraws figures from a data file: ``python -m analysis.plot FILE.nc [--kind K]``."""

import argparse
import json
import sys
from pathlib import Path

import xarray as xr

from analysis import benchmark, cartpole, gradient_quality, memory_chain, task_gallery, train
from analysis.learning_curve import plot_learning_curve
from analysis.style import new_figure

#: Task, or experiment that says its name, to its figure; others have that of `train`.
FIGURES = {
    "memory_chain": memory_chain.figure,
    "cartpole": cartpole.figure,
    "stateless_cartpole": cartpole.figure,
    "benchmark": benchmark.figure,
    "gradient_quality": gradient_quality.figure,
    "task_gallery": task_gallery.figure,
}


def _overview(data):
    task = data.attrs.get("experiment", data.attrs["task"])
    return FIGURES.get(task, train.figure)(data)


def _single(plot):
    def draw(data):
        figure = new_figure(5.0, 3.4)
        plot(data, ax=figure.add_subplot())
        return figure

    return draw


#: Kind of figure to what draws it.
KINDS = {
    "overview": _overview,
    "learning_curve": _single(plot_learning_curve),
    "trial_length": _single(cartpole.plot_trial_length),
    "policy_at_query": _single(memory_chain.plot_policy_at_query),
    "policy_against_angle": _single(cartpole.plot_policy_against_angle),
}


def read(path):
    """Open a data file.

    Raises
    ------
    ValueError
        If it is missing, truncated, or of something else.
    """
    if not Path(path).is_file():
        raise ValueError(f"{path}: no such file")
    try:
        with xr.open_datatree(path, engine="netcdf4") as opened:
            data = opened.load()
        json.loads(data.attrs["configuration"])
    except Exception as error:  # the readers raise whatever their C libraries think of
        raise ValueError(f"{path}: not a bgrl data file ({type(error).__name__})") from None
    return data


def main(arguments=None):
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m analysis.plot", description=__doc__)
    parser.error = lambda message: parser.exit(2, f"error: {message}\n")
    parser.add_argument("file", metavar="FILE.nc", help="data file of an experiment")
    parser.add_argument(
        "--kind", default="overview", help=f"one of {', '.join(KINDS)} (default overview)"
    )
    parser.add_argument(
        "--figure", metavar="FILE.png", help="where to write; FILE-KIND.png by default"
    )
    options = parser.parse_args(arguments)
    try:
        if options.kind not in KINDS:
            raise ValueError(f"unknown kind {options.kind!r}; valid: {', '.join(KINDS)}")
        data = read(options.file)
        default = Path(options.file).with_suffix("")
        target = Path(options.figure or f"{default}-{options.kind}.png")
        figure = KINDS[options.kind](data)
        figure.savefig(target)
    except (ValueError, KeyError, OSError) as error:
        text = f"{options.file} lacks {error}" if isinstance(error, KeyError) else error
        print(f"error: {text}", file=sys.stderr)
        return 2
    print(f"wrote {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
