"""From what a run recorded to a labelled dataset, and to a file that is whole or not there.

=============== ==================================================================================
group           contents
=============== ==================================================================================
``trials``      (replicate, trial): `trial_return`, `length`, `end_step`, `terminated`; of a task that
                tells events, `event_step` (replicate, trial, event)
``evaluation``  (replicate, checkpoint): `mean_return`, `episodes`, `unfinished`; coordinate `step`
``traces``      (replicate, time, ...): what was recorded; coordinates `step` and time in s
``weights``     (replicate, checkpoint, post, pre): a variable per projection and trained parameter
``envelope``    (bound, replicate, bin, ...): lowest and highest value of each trace in bins of `BIN`
                frames; only in files, of long recordings, where `analysis.envelope` looks at it
=============== ==================================================================================

Replicates have different numbers of trials: where one has none any more everything is NaN, in memory as
in the file, so that a mean is a mean. That is why numbers of steps are floats there.

Traces and trials may be longer than memory: they stay on disk until they are looked at, and are written
a block at a time.
"""

import json
import os
import platform
import subprocess
from dataclasses import asdict
from functools import partial
from importlib import metadata
from numbers import Integral
from operator import itemgetter
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from bgrl.agent import describe
from bgrl.errors import InputError, RunError, from_system
from bgrl.recording import BLOCK, EVENT, TOGETHER, VARIABLES, entry

SCHEMA_VERSION = 1
#: What `unfinished` of an evaluation says.
UNFINISHED = "1 if the last trial outlasted the evaluation and counts with its return so far"
#: Dimensions that grow with the length of a run.
LONG = ("time", "trial", "bin")
#: Frames in a bin of ``envelope``, which makes a file 2 % larger; and how many a recording has at least
#: for there to be one, fewer being read at once.
BIN, LEAST = 64, 100_000
#: Bytes of a chunk of the file, or more where it holds a single value of every step.
CHUNK = 1 << 16


def assemble(agent, run, names, sink, evaluations, work, stopped=None):
    """The dataset of a run.

    Parameters
    ----------
    agent : Agent
    run : Run
    names : dict of str to str
        Dataset name to state name of what was recorded.
    sink : Sink
    evaluations : list of dict
    work : Work
    stopped : str, optional
        Why the run ended early.

    Returns
    -------
    xarray.DataTree
    """
    groups = {
        "/": xr.Dataset(attrs=_attributes(agent, run, stopped)),
        "/trials": _trials(agent, sink),
        "/evaluation": _evaluation(agent, evaluations),
        "/weights": _weights(agent, evaluations, work),
    }
    if names:
        groups["/traces"] = _traces(agent, run, names, sink)
    return xr.DataTree.from_dict(groups)


class _Stored(BackendArray):
    """An array computed from rows on disk, of which only what is looked at is read.

    Parameters
    ----------
    read : callable
        ``read(first, last)`` gives the part of the array between two places of its long axis.
    rows : int
        Length of that axis.
    block : int
        How much of it is read at once.
    axis : int
        Which one it is.
    """

    def __init__(self, read, rows, block, axis=1):
        empty = read(0, 0)
        self._read, self._block, self._axis = read, block, axis
        self.shape = (*empty.shape[:axis], rows, *empty.shape[axis + 1 :])
        self.dtype = empty.dtype

    def __getitem__(self, key):
        basic = indexing.IndexingSupport.BASIC
        return indexing.explicit_indexing_adapter(key, self.shape, basic, self._get)

    def __reduce__(self):
        """Copied, or sent to another process, it is an array in memory."""
        return indexing.as_indexable, (self._get((slice(None),) * len(self.shape)),)

    def _get(self, key):
        """What a tuple of integers, and of slices with positive steps, looks at."""
        single = tuple(0 if isinstance(k, Integral) else slice(None) for k in key)
        ranges = [
            range(n)[k : k + 1] if isinstance(k, Integral) else range(n)[k]
            for k, n in zip(key, self.shape, strict=True)
        ]
        values = np.empty([len(r) for r in ranges], self.dtype)
        source = [slice(r.start, r.stop, r.step) for r in ranges]
        target = [slice(None)] * len(ranges)
        wanted = ranges[self._axis]
        size = max(1, self._block // wanted.step)
        for k in range(0, len(wanted), size):
            rows = wanted[k : k + size]
            target[self._axis] = slice(k, k + size)
            source[self._axis] = slice(None, None, rows.step)
            values[tuple(target)] = self._read(rows[0], rows[-1] + 1)[tuple(source)]
        return values[single]


def _variable(dims, values, long_name, units="1"):
    if isinstance(values, _Stored):
        values = indexing.LazilyIndexedArray(values)
    return xr.Variable(dims, values, {"long_name": long_name, "units": units})


def _replicate(agent):
    return _variable("replicate", np.arange(agent.replicates), "replicate")


def _trials(agent, sink):
    rows, counts = sink.sorted_trials(agent.replicates)
    starts = np.cumsum(counts) - counts
    block = max(1, BLOCK // (sink.trial.itemsize * agent.replicates))

    def table(first, last, value):
        """Numbers of some trials of all replicates; `value` makes them of rows."""
        found = [
            value(rows[start + min(first, count) : start + min(last, count)])
            for start, count in zip(starts, counts, strict=True)
        ]
        filled = np.full((agent.replicates, last - first, *found[0].shape[1:]), np.nan)
        for r, values in enumerate(found):
            filled[r, : len(values)] = values
        return filled

    def ragged(value):
        return _Stored(partial(table, value=value), int(counts.max()), block)

    def event_steps(rows):
        """Steps of the run, from the last step of a trial and how far into it an event happened."""
        into = np.stack([rows[f"{EVENT}{name}"] for name in events], 1)
        steps = (rows["step"] - rows["length"])[:, None] + into
        return np.where(into > 0, steps, np.nan)

    dims, events = ("replicate", "trial"), list(agent.task.happenings)
    told = {}
    if events:
        what = "step in which an event was first in the trial, NaN if it was not"
        told["event_step"] = _variable((*dims, "event"), ragged(event_steps), what, "steps")
    return xr.Dataset(
        {
            "trial_return": _variable(
                dims, ragged(itemgetter("trial_return")), "return of the trial"
            ),
            "length": _variable(dims, ragged(itemgetter("length")), "length of the trial", "steps"),
            "end_step": _variable(
                dims, ragged(itemgetter("step")), "step in which it ended", "steps"
            ),
            "terminated": _variable(
                dims,
                ragged(itemgetter("terminated")),
                "1 if it ended by itself, 0 if at a time limit",
            ),
            **told,
        },
        {"replicate": _replicate(agent), **({"event": events} if events else {})},
    )


def _evaluation(agent, evaluations):
    def table(key, dtype):
        rows = np.array([e[key] for e in evaluations], dtype)
        return rows.reshape(len(evaluations), agent.replicates).T

    dims = ("replicate", "checkpoint")
    return xr.Dataset(
        {
            "mean_return": _variable(
                dims, table("mean_return", float), "mean return, plasticity off"
            ),
            "episodes": _variable(dims, table("episodes", np.int64), "trials evaluated"),
            "unfinished": _variable(dims, table("unfinished", np.int8), UNFINISHED),
        },
        {
            "replicate": _replicate(agent),
            "step": _variable("checkpoint", _steps(evaluations), "steps learned", "steps"),
        },
    )


def _steps(evaluations):
    return np.array([e["step"] for e in evaluations], np.int64)


def _traces(agent, run, names, sink):
    frames = sink.read_frames()
    block = max(1, BLOCK // frames.dtype.itemsize)

    def stored(compute, axis=1):
        """What is computed from frames, with time along `axis`."""
        return _Stored(lambda first, last: compute(frames[first:last]), len(frames), block, axis)

    variables, coordinates = {}, {"replicate": _replicate(agent)}
    for name, source in names.items():
        known, shape = entry(name, source, agent.circuit), frames.dtype[source].shape
        if shape:
            kept = known.places(agent, run) if known.places and shape[1:] else {}
            places = list(kept.values()) or slice(None)
            own = known.dims or tuple(f"{name}_{k}" for k in range(len(shape) - 1))
            dims = ("replicate", "time", *(own if shape[1:] else ()))
            values = stored(partial(_channels, source, places))
            if kept:
                coordinates[dims[-1]] = (dims[-1], list(kept))
        else:  # one number for all replicates
            dims, values = "time", stored(itemgetter(source), axis=0)
        variables[name] = _variable(dims, values, known.long_name, known.units)
    if set(TOGETHER["gradients"]) <= set(variables):
        dims = variables["gradient_product"].dims
        texts = {
            "gradient_cosine": "cosine of gradient and exact gradient",
            "gradient_norm_ratio": "norm of gradient over exact gradient's",
        }
        for k, (name, text) in enumerate(texts.items()):
            variables[name] = _variable(dims, stored(partial(_gradient_comparison, k)), text)
    step = stored(itemgetter("step"), axis=0)
    coordinates["step"] = _variable("time", step, "step", "steps")
    time = coordinates["step"].values * agent.circuit.step / 1000
    coordinates["time"] = _variable("time", time, "time", "s")
    return xr.Dataset(variables, coordinates)


def _channels(source, places, frames):
    """Some places of the last axis of an array of the frames, the replicates first."""
    return np.moveaxis(frames[source], 0, 1)[..., places]


def _gradient_comparison(k, frames):
    """Cosine (`k` 0) or norm ratio (1) to the exact gradient; NaN where one of them is zero."""
    product, square, exact = (
        np.moveaxis(frames[VARIABLES[name].sources], 0, 1).astype(float)
        for name in TOGETHER["gradients"]
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.sqrt(square / exact) if k else product / np.sqrt(square) / np.sqrt(exact)
    values[~np.isfinite(values)] = np.nan
    return values


def _weights(agent, evaluations, work):
    snapshots = []
    for evaluation in evaluations:
        with np.load(work.snapshot_path(evaluation["step"]), allow_pickle=False) as archive:
            snapshots.append({name: archive[name] for name in archive.files})
    coordinates = {
        "replicate": _replicate(agent),
        "step": _variable("checkpoint", _steps(evaluations), "steps learned", "steps"),
    }
    if not snapshots:
        return xr.Dataset(coords=coordinates)
    stacked = {name: np.stack([s[name] for s in snapshots], axis=1) for name in snapshots[0]}
    variables = {
        name: _variable(
            ("replicate", "checkpoint", *dims), stacked[array][:, :, *index], long_name, units
        )
        for name, array, index, dims, long_name, units in _learned(agent)
    }
    return xr.Dataset(variables, coordinates)


def _learned(agent):
    """Everything in ``weights``, and where it is in the network's state.

    Yields
    ------
    tuple
        Name, array, index into it (behind the replicate), dimensions, long name, units.
    """
    circuit, known = agent.circuit, agent.plan.places
    for key in filter(circuit.projections.get, known):
        projection, (place,) = circuit.projections[key], known[key]
        dims = f"post_{projection.target}", f"pre_{projection.source}"
        yield key, place.array, place.index, dims, f"weights {key}", "1"
    for name, p in circuit.populations.items():
        for key, parameter in p.all_parameters.items():
            if parameter.trainable:
                (place,) = known[f"{name}.{key}"]
                text = f"{key} of {name}"
                yield (
                    f"{name}.{key}",
                    place.array,
                    place.index,
                    (f"post_{name}",),
                    text,
                    parameter.unit,
                )
    for readout, _ in agent.readouts():
        places = known[f"{readout.reads}->{readout.name}"]
        for state, place in zip(readout.states(), places, strict=True):
            source = readout.reads if len(readout.variables) == 1 else ".".join(state)
            dims = f"post_{readout.name}", f"pre_{readout.reads}"
            key = f"{source}->{readout.name}"
            yield key, place.array, place.index, dims, f"weights {key}", "1"
    critic = circuit.critic.name
    (place,) = known[f"{critic}.bias"]
    yield f"{critic}.bias", place.array, (place.rows[0],), (), f"bias of {critic}", "1"


def set_weights(agent, state, data, checkpoint=-1):
    """Put what another run learned into the state of an agent.

    Parameters
    ----------
    agent : Agent
        With projections and trained parameters of the same names and sizes.
    state : dict of str to ndarray
        Is changed.
    data : xarray.DataTree
        Of the other run, with as many replicates.
    checkpoint : int
        Which of its checkpoints.

    Raises
    ------
    InputError
        If something was not learned there, or has another size.
    """
    learned = data["weights"].isel(checkpoint=checkpoint)
    for name, array, index, *_ in _learned(agent):
        if name not in learned:
            raise InputError(f"the dataset has no weights {name!r}; it has {', '.join(learned)}")
        part, values = state[array][:, *index], learned[name].values
        if part.shape != values.shape:
            raise InputError(
                f"weights {name!r} of the dataset have shape {values.shape}; {part.shape} "
                "(replicate, ...) is needed"
            )
        part[...] = values


def _attributes(agent, run, stopped):
    task = agent.task
    attributes = {
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
            attributes[key] = float(getattr(task, key))
    if stopped:
        attributes["stopped"] = stopped
    return attributes


def provenance():
    """Root attributes that say what made a file: versions, source revision, schema version."""
    versions = {name: metadata.version(name) for name in ("brian2", "numpy", "xarray")}
    return {
        "versions": describe({"python": platform.python_version(), **versions}),
        "source_revision": _revision(),
        "schema_version": SCHEMA_VERSION,
    }


def _revision():
    """Commit of the checkout that the package is used from, or nothing."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""


def write(data, path):
    """Write a dataset as netCDF-4: to a temporary name first, then renamed. What is there is replaced.

    Traces and trials are written a block at a time, however long they are.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    RunError
        If writing fails, a full disk for instance; nothing is left behind.
    """
    path = Path(path)
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
            stored = _Stored(
                partial(_bounds, variable, axis), bins, max(1, BLOCK // (BIN * frame)), 1 + axis
            )
            dims = ("bound", *("bin" if dim == "time" else dim for dim in variable.dims))
            text = f"lowest and highest {variable.attrs.get('long_name', name)} in each bin"
            found[name] = _variable(dims, stored, text, variable.attrs.get("units", "1"))
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
    """Read a dataset that `write` wrote into memory; `xarray.open_datatree` reads what is looked at.

    Raises
    ------
    InputError
        If the file is missing, truncated, or not one.
    RunError
        If it cannot be opened because too many files are.
    """
    _check_readable(path)
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
