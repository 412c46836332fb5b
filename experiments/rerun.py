"""A data file is made again by its command, and compared: ``python -m experiments.rerun FILE.nc``.

The file knows the command that made it, and what was asked of the run while it went on. What is made anew
goes to FILE-rerun.nc, or to ``--output``. Numbers that differ are told, with exit code 1, and other
versions of what made them.
"""

import argparse
import importlib
import json
import runpy
import shlex
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import xarray as xr

from bgrl.cli import Parser, run_command, typed
from bgrl.dataset import read_attributes
from bgrl.errors import InputError, RunError

#: Options that say where the file and its figure go, and how short they may be written.
_PLACES = {"--output": 4, "--figure": 5}


def command_of(path):
    """Module and words of the command that made a data file.

    Parameters
    ----------
    path : path

    Returns
    -------
    (str, list of str)
        The words without those that say where its files go.

    Raises
    ------
    InputError
        If it does not know its command, as what `bgrl.simulate` returned; or the run was steered, and its
        command has no option for interventions.
    """
    attributes = read_attributes(path)
    command, steered = attributes.get("command"), attributes.get("steered")
    if not command:
        raise InputError(f"{path} was made by a script, or before files knew their command")
    _, _, module, *words = shlex.split(command)
    module = f"bgrl.{module.removeprefix('bgrl.')}"
    kept, following = [], False
    others = _PLACES if steered is None else _PLACES | {"--intervene": 5}
    for word in words:
        name, equals, _ = word.partition("=")
        place = any(long.startswith(name) and len(name) >= n for long, n in others.items())
        if not place and not following and word != "--overwrite":
            kept.append(word)
        following = place and not equals
    if steered is None:
        return module, kept
    if not hasattr(importlib.import_module(module).Config, "intervene"):
        raise InputError(f"{path} was steered ({steered}), for which {module} has no option")
    return module, [*kept, "--intervene", steered]


def differences(first, second):
    """Names of variables of two files whose numbers differ, with the largest difference as text.

    Parameters
    ----------
    first, second : xarray.DataTree
        Where the first was steered, it may lack the trace of interventions.

    Returns
    -------
    dict of str to str
    """
    found = {}
    for path in dict.fromkeys((*first.groups, *second.groups)):
        a, b = (
            tree[path].to_dataset(inherit=False) if path in tree.groups else xr.Dataset()
            for tree in (first, second)
        )
        for name in dict.fromkeys((*a.variables, *b.variables)):
            label = f"{path.strip('/')}/{name}".strip("/")
            if name not in a.variables or name not in b.variables:
                found[label] = "in one of them only"
            elif a[name].shape != b[name].shape:
                found[label] = f"{a[name].shape} and {b[name].shape}"
            elif a[name].dtype.kind not in "fiub":
                if (a[name].values != b[name].values).any():
                    found[label] = "other texts"
            elif not np.array_equal(a[name].values, b[name].values, equal_nan=True):
                apart = np.nanmax(np.abs(a[name].values - b[name].values.astype(float)), initial=0)
                found[label] = f"by up to {apart:.3g}"
    lacking = (
        ("traces/intervention", "traces/intervention_name") if "steered" in first.attrs else ()
    )
    return {k: v for k, v in found.items() if k not in lacking}


def main(arguments=None):
    """The command."""
    parser = Parser(
        prog=typed("experiments.rerun"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE.nc", help="data file of a command")
    parser.add_argument(
        "--output", metavar="OTHER.nc", help="where to write; FILE-rerun.nc by default"
    )
    options = parser.parse_args(arguments)
    module, words = command_of(options.file)
    output = options.output or f"{Path(options.file).with_suffix('')}-rerun.nc"
    if Path(output).exists():
        raise InputError(f"{output} exists; remove it, or choose another --output")
    words += ["--output", output]
    print(f"{typed(module.removeprefix('bgrl.'))} {shlex.join(words)}", flush=True)
    try:
        with mock.patch.object(sys, "argv", [module, *words]):
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if ended.code:
            return ended.code
    with (
        xr.open_datatree(options.file, engine="netcdf4") as before,
        xr.open_datatree(output, engine="netcdf4") as after,
    ):
        for name in ("source_revision", "versions"):
            made = [json.dumps(data.attrs.get(name, "")) for data in (before, after)]
            if made[0] != made[1]:
                print(f"{name}: {made[0]} then, {made[1]} now")
        found = differences(before, after)
    if found:
        told = "; ".join(f"{name} {text}" for name, text in list(found.items())[:5])
        raise RunError(f"{output} differs from {options.file} in {len(found)} variables: {told}")
    print(f"the same numbers as {options.file}")
    return 0


if __name__ == "__main__":
    import bgrl.experiments.rerun

    sys.exit(run_command(bgrl.experiments.rerun.main))
