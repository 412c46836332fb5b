"""A labelled dataset as a file that is whole or not there, and what is read of it.

`bgrl.assembly` says what the groups of a dataset are. Files of long recordings have one more,
``envelope`` (bound, replicate, bin, ...): lowest and highest value of each trace in bins of `BIN` frames,
with which `analysis.envelope` looks at them.

What is longer than memory is written a block at a time.
"""

import json
import os
import platform
import subprocess
from dataclasses import asdict
from functools import partial
from importlib import metadata
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr
from xarray.core import indexing

from bgrl.agent import describe
from bgrl.assembly import Stored
from bgrl.description import as_annotated
from bgrl.errors import InputError, RunError, from_system
from bgrl.layout import learned
from bgrl.recording import BLOCK
from bgrl.step import nucleus

SCHEMA_VERSION = 1
#: Dimensions that grow with the length of a run.
LONG = ("time", "trial", "bin")
#: Frames in a bin of ``envelope``, which makes a file 2 % larger; and how many a recording has at least
#: for there to be one, fewer being read at once.
BIN, LEAST = 64, 100_000
#: Bytes of a chunk of the file, or more where it holds a single value of every step.
CHUNK = 1 << 16


def set_weights(agent, state, data, checkpoint=-1):
    """Put what another run learned into the state of an agent, and what follows from that.

    Parameters
    ----------
    agent : Agent
        With projections and trained parameters of the same names and sizes; parameters that are not
        trained are those of the other run, if they were trained there. If it normalises its inputs or
        scales reward, the other run did so too.
    state : dict of str to ndarray
        Is changed.
    data : xarray.DataTree
        Of the other run, with as many replicates.
    checkpoint : int
        Which of its checkpoints.

    Returns
    -------
    list of str
        The arrays of the state that are of the other run.

    Raises
    ------
    InputError
        If it is no dataset of a run, something was not learned there, or has another size.
    """
    if not isinstance(data, xr.DataTree) or "weights" not in data.children:
        raise InputError(
            f"weights is {type(data).__name__}; the dataset of a run is needed, with its group weights "
            "(bgrl.read(FILE) reads one)"
        )
    if not data["weights"].sizes.get("checkpoint"):
        raise InputError(
            "the dataset has no checkpoint; that of a run that was evaluated is needed"
        )
    given = data["weights"].isel(checkpoint=checkpoint)
    places = {name: (array, index) for name, array, index, *_ in learned(agent)}
    for name in given:
        if name.startswith(("input.", "dopamine.")) and name not in places:
            setting = "normalize_input" if name.startswith("input.") else "scale_reward"
            raise InputError(f"the dataset has {name!r}, which needs an agent with {setting}=True")
    for name in agent.plan.parameters:
        if name in given:
            (place,) = agent.plan.places[name]
            places[name] = place.array, place.index
    for name, (array, index) in places.items():
        if name not in given:
            raise InputError(f"the dataset has no weights {name!r}; it has {', '.join(given)}")
        part, values = state[array][:, *index], given[name].values
        if part.shape != values.shape:
            raise InputError(
                f"weights {name!r} of the dataset have shape {values.shape}; {part.shape} "
                "(replicate, ...) is needed"
            )
        if not np.all(np.isfinite(values)):
            raise InputError(f"weights {name!r} of the dataset are NaN or infinite in places")
        part[...] = values
    nucleus.settle(agent, agent.plan, state)
    return list(dict.fromkeys(array for array, _ in places.values()))


def attributes(agent, run):
    """Root attributes of the dataset of a run."""
    task = agent.task
    found = {
        "title": f"bgrl: {task.name}",
        "configuration": describe({"agent": agent.to_dict(), "run": asdict(run)}),
        "task": task.name,
        "seed": int(run.seed),
        "backend": run.backend,
        "dtype": agent.dtype,
        "sensitivity": agent.learning.sensitivity,
        **provenance(),
        "step_duration_ms": float(agent.circuit.step),
        "events": describe(dict(task.events)),
    }
    for key in ("chance_return", "best_return"):
        if getattr(task, key) is not None:
            found[key] = float(getattr(task, key))
    return found


def provenance():
    """Root attributes that say what made a file: versions, source revision, schema version."""
    versions = {name: metadata.version(name) for name in ("brian2", "numpy", "xarray")}
    return {
        "versions": describe({"python": platform.python_version(), **versions}),
        "source_revision": _revision(),
        "schema_version": SCHEMA_VERSION,
    }


def _revision():
    """Commit of the checkout that the package is used from, or nothing.

    A package that is only installed may lie in somebody else's checkout, in which git does not know it.
    """
    here = Path(__file__)
    if not _git(here.parent, "ls-files", here.name):
        return ""
    return _git(here.parent, "describe", "--always", "--dirty")


def _git(folder, *words):
    """What git says about a folder, nothing where it fails."""
    command = ["git", "-C", str(folder), *words]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""


def write(data, path):
    """Write a dataset as netCDF-4: to a temporary name first, then renamed. What is there is replaced.

    Traces and trials are written a block at a time, however long they are.

    Parameters
    ----------
    data : xarray.DataTree
        What `bgrl.simulate` returned.
    path : path
        Of the file, in a folder that exists.

    Raises
    ------
    InputError
        If it is no dataset, or the folder cannot be written to.
    RunError
        If writing fails, a full disk for instance; nothing is left behind.
    """
    as_annotated("data", data, xr.DataTree, "write")
    path = Path(as_annotated("path", path, str | os.PathLike, "write"))
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder")
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    groups = {node.path: node.to_dataset(inherit=False) for node in data.subtree}
    if "/traces" in groups and groups["/traces"].sizes.get("time", 0) >= LEAST:
        groups["/envelope"] = _envelope(groups["/traces"])
    rows = {name: _block_rows(group) for name, group in groups.items()}
    # xarray writes all but the contents of what is long.
    empty = {name: group.isel(_long(group, slice(0))) for name, group in groups.items()}
    encoding = {
        name: {k: _encoding(v, rows[name]) for k, v in group.variables.items()}
        for name, group in groups.items()
    }
    unlimited = {name: list(_long(group, None)) for name, group in groups.items()}
    try:
        xr.DataTree.from_dict(empty).to_netcdf(
            temporary, engine="netcdf4", encoding=encoding, unlimited_dims=unlimited
        )
        with netCDF4.Dataset(temporary, "a") as file:
            for name, group in groups.items():
                _append(group, file if name == "/" else file[name], rows[name])
        os.replace(temporary, path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from None
    except RuntimeError as error:  # all that the netCDF library says of a full disk
        raise RunError(f"cannot write {path}: {error}; is the disk full?") from None
    finally:
        temporary.unlink(missing_ok=True)


def _envelope(traces):
    """Lowest (`bound` 0) and highest values (1) in bins of frames."""
    found = {}
    for name, variable in traces.variables.items():
        if "time" in variable.dims and name != "time":
            axis, bins = variable.dims.index("time"), -(-variable.sizes["time"] // BIN)
            frame = max(1, variable.nbytes // variable.sizes["time"])
            stored = Stored(
                partial(_bounds, variable, axis), bins, max(1, BLOCK // (BIN * frame)), 1 + axis
            )
            dims = ("bound", *("bin" if dim == "time" else dim for dim in variable.dims))
            text = f"lowest and highest {variable.attrs.get('long_name', name)} in each bin"
            attributes = {"long_name": text, "units": variable.attrs.get("units", "1")}
            found[name] = xr.Variable(dims, indexing.LazilyIndexedArray(stored), attributes)
    return xr.Dataset(found, attrs={"frames_per_bin": BIN})


def _bounds(variable, axis, first, last):
    """Lowest and highest values of some bins, (2, ...); NaN where there is no number."""
    values = variable.isel(time=slice(first * BIN, last * BIN)).values
    edges = np.arange(0, values.shape[axis], BIN)
    if not len(edges):
        return np.stack([values, values])
    return np.stack([f.reduceat(values, edges, axis) for f in (np.fmin, np.fmax)])


def _long(variable, place):
    """`place` for each long dimension of a variable or group."""
    return {dim: place for dim in variable.dims if dim in LONG}


def _block_rows(group):
    """How many places of a group's long axis are written at once."""
    length = max(1, *(group.sizes.get(dim, 0) for dim in LONG))
    size = sum(variable.nbytes for variable in group.variables.values() if _long(variable, None))
    return max(1, min(length, BLOCK * length // max(1, size)))


def _encoding(variable, rows):
    """How a variable is kept in the file: compressed, in chunks of `rows` of its long axis.

    A chunk is of one replicate and of few of its units, so that a trace is read without the others.
    """
    encoding = {}
    if variable.ndim and variable.dtype.kind in "fi":
        encoding = {"zlib": True, "complevel": 1, "shuffle": True}
    elif variable.dtype.kind in "OU":
        # As characters: strings of any length, read from a file that is opened twice, and closed once,
        # leave HDF5 (1.14 to 2.2) with memory that is gone.
        encoding = {"dtype": "S1"}
    if _long(variable, None):
        left, sizes = CHUNK // (rows * variable.dtype.itemsize), []
        for dim, size in reversed(variable.sizes.items()):
            size = rows if dim in LONG else 1 if dim == "replicate" else min(size, left)
            sizes.insert(0, max(1, size))
            left //= 1 if dim in LONG else sizes[0]
        encoding["chunksizes"] = sizes
    return encoding


def _append(group, file, rows):
    """Write the contents of what is long, `rows` of it at a time."""
    variables = {name: v for name, v in group.variables.items() if _long(v, None)}
    for name in variables:
        # A block is whole chunks of the file, written once: the library need not keep them.
        file[name].set_var_chunk_cache(size=0)
        file[name].set_auto_maskandscale(False)
    length = max(group.sizes.get(dim, 0) for dim in LONG)
    for first in range(0, length, rows):
        block = slice(first, min(first + rows, length))
        for name, variable in variables.items():
            place = tuple(block if dim in LONG else slice(None) for dim in variable.dims)
            file[name][place] = variable[place].values


def read(path):
    """Read a dataset that `write` wrote into memory; `bgrl.open` reads what is looked at.

    Parameters
    ----------
    path : path

    Returns
    -------
    xarray.DataTree
        Without the group ``envelope``, which is made of the traces.

    Raises
    ------
    InputError
        If the file is missing, truncated, or not one.
    RunError
        If it cannot be opened because too many files are.
    """
    _check_readable(as_annotated("path", path, str | os.PathLike, "read"))
    try:
        with xr.open_datatree(path, engine="netcdf4") as opened:
            data = opened.drop_nodes("envelope", errors="ignore").load()
    except Exception as error:  # the readers raise whatever their C libraries think of
        raise InputError(f"{path}: not a readable netCDF-4 file ({type(error).__name__})") from None
    if data.attrs.get("schema_version") != SCHEMA_VERSION:
        raise InputError(f"{path}: not a bgrl dataset of schema version {SCHEMA_VERSION}")
    return data


def read_attributes(path):
    """Root attributes of a data file, without the rest of it.

    Parameters
    ----------
    path : path

    Returns
    -------
    dict of str to object

    Raises
    ------
    InputError
        If the file is missing or no data file of this package.
    RunError
        If it cannot be opened because too many files are.
    """
    try:
        _check_readable(path)
        with netCDF4.Dataset(path) as file:
            return {name: file.getncattr(name) for name in file.ncattrs()}
    except OSError as error:
        raise InputError(f"{path}: not a readable netCDF-4 file ({error.strerror})") from None


def _check_readable(path):
    """Say why a file cannot be opened, before the netCDF library says something else.

    Raises
    ------
    InputError, RunError
    """
    try:
        if not Path(path).is_dir():
            open(path, "rb").close()
            return
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise from_system(f"cannot read {path}", error) from None
    raise InputError(f"{path}: it is a folder")


def configuration(data):
    """The configuration of a dataset as a dict."""
    return json.loads(data.attrs["configuration"])
