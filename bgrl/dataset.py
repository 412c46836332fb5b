"""From what a run recorded to a labelled dataset, and to a file that is whole or not there.

=============== ==================================================================================
group           contents
=============== ==================================================================================
``trials``      (replicate, trial): `trial_return`, `length`, `end_step`, `terminated`
``evaluation``  (replicate, checkpoint): `mean_return`, `episodes`; coordinate `step`
``traces``      (replicate, time, ...): what was recorded; coordinates `step` and time in s
``weights``     (replicate, checkpoint, post, pre): a variable per projection and trained parameter
=============== ==================================================================================
"""

import json
import os
import platform
import subprocess
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import numpy as np
import xarray as xr

from bgrl.agent import describe
from bgrl.errors import InputError, RunError
from bgrl.recording import GRADIENTS, VARIABLES
from bgrl.sensitivity import compared

SCHEMA_VERSION = 1


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
        groups["/traces"] = _traces(agent, names, sink)
    return xr.DataTree.from_dict(groups)


def _variable(dims, values, long_name, units="1"):
    return xr.Variable(dims, values, {"long_name": long_name, "units": units})


def _replicate(agent):
    return _variable("replicate", np.arange(agent.replicates), "replicate")


def _trials(agent, sink):
    rows = sink.read_trials()
    order = np.argsort(rows["replicate"], kind="stable")
    rows = rows[order]
    counts = np.bincount(rows["replicate"], minlength=agent.replicates)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (agent.replicates, int(counts.max(initial=0)))

    def ragged(values, missing):
        table = np.full(shape, missing, values.dtype)
        table[rows["replicate"], place] = values
        return table

    dims = ("replicate", "trial")
    return xr.Dataset(
        {
            "trial_return": _variable(
                dims, ragged(rows["trial_return"], np.nan), "return of the trial"
            ),
            "length": _variable(
                dims, ragged(rows["length"].astype(np.int64), -1), "length of the trial", "steps"
            ),
            "end_step": _variable(
                dims, ragged(rows["step"], -1), "step in which it ended", "steps"
            ),
            "terminated": _variable(
                dims,
                ragged(rows["terminated"].astype(np.int8), -1),
                "1 if it ended by itself, 0 if at a time limit",
            ),
        },
        {"replicate": _replicate(agent)},
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
        },
        {
            "replicate": _replicate(agent),
            "step": _variable("checkpoint", _steps(evaluations), "steps learned", "steps"),
        },
    )


def _steps(evaluations):
    return np.array([e["step"] for e in evaluations], np.int64)


def _traces(agent, names, sink):
    frames = sink.read_frames()
    circuit, task = agent.circuit, agent.task
    channel = [k for k, count in circuit.inputs.items() for _ in range(count)]
    observed = [k for k, name in enumerate(channel) if name not in ("action", "reward")]
    variables, coordinates = {}, {"replicate": _replicate(agent)}
    for name, source in names.items():
        values = np.moveaxis(np.asarray(frames[source]), 0, 1) if frames[source].ndim > 1 else None
        if values is None:
            variables[name] = _variable(("time",), np.asarray(frames[source]), source)
            continue
        long_name = VARIABLES.get(name, (None, None))[1]
        continuous = agent.task.continuous and name in ("action", "entropy", "policy_scale")
        if name == "policy" or continuous:
            values, dims = values[..., : len(task.actions)], ("action_unit",)
            coordinates["action_unit"] = ("action_unit", list(task.actions))
        elif name == "observation":
            values = values[..., observed]
            dims = ("observation_channel",)
            coordinates["observation_channel"] = ("observation_channel", list(task.observations))
        elif name in GRADIENTS:
            dims, long_name = ("parameter",), GRADIENTS[name][1]
            compared_names = [part[0] for part in compared(agent.structure())]
            coordinates["parameter"] = ("parameter", compared_names)
        elif name in circuit.populations:
            dims, long_name = (f"{name}_unit",), f"state of {name}"
        else:
            dims = tuple(f"{name}_{k}" for k in range(values.ndim - 2))
        variables[name] = _variable(("replicate", "time", *dims), values, long_name or source)
    if "gradient_product" in variables:
        variables |= _gradient_comparison(variables)
    step = frames["step"].astype(np.int64)
    coordinates["step"] = _variable("time", step, "step", "steps")
    coordinates["time"] = _variable("time", step * circuit.step / 1000, "time", "s")
    return xr.Dataset(variables, coordinates)


def _gradient_comparison(variables):
    """Cosine and norm ratio to the exact gradient; NaN where one of them is zero."""
    product, square, exact = (variables[name].values.astype(float) for name in GRADIENTS)
    dims = variables["gradient_product"].dims
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = product / np.sqrt(square) / np.sqrt(exact)
        ratio = np.sqrt(square / exact)
    cosine[~np.isfinite(cosine)] = ratio[~np.isfinite(ratio)] = np.nan
    return {
        "gradient_cosine": _variable(dims, cosine, "cosine of gradient and exact gradient"),
        "gradient_norm_ratio": _variable(dims, ratio, "norm of gradient over exact gradient's"),
    }


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
    circuit, variables = agent.circuit, {}
    for group, afferents in agent.afferents().items():
        start = 0
        for key in afferents["projections"]:
            projection = circuit.projections[key]
            width = circuit.size(projection.source)
            block = stacked[f"{group}.weight"][..., start : start + width]
            variables[key] = _projection(block, projection.target, projection.source, key)
            start += width
    for name, p in circuit.populations.items():
        for key, parameter in p.parameters.items():
            if parameter.trainable:
                values = stacked[f"{name}.{key}"]
                label = key if len(circuit.populations) == 1 else f"{name}.{key}"
                dims = ("replicate", "checkpoint", f"post_{name}")
                variables[label] = _variable(dims, values, f"{key} of {name}", parameter.unit)
    row = start = 0
    columns = {}
    for name, variable in agent.readout_states():
        columns[name, variable] = start
        start += circuit.populations[name].size
    m = len(agent.task.actions)
    for readout, channels in agent.readouts():
        for state in readout.states():
            size = circuit.populations[readout.reads].size
            column = slice(columns[state], columns[state] + size)
            block = stacked["readout_drive.weight"][:, :, row : row + channels, column]
            source = readout.reads if len(readout.variables) == 1 else ".".join(state)
            key = f"{source}->{readout.name}"
            variables[key] = _projection(block, readout.name, readout.reads, key)
        row += channels
    bias = stacked["readout.bias"][..., m]
    variables[f"{circuit.critic.name}.bias"] = _variable(
        ("replicate", "checkpoint"), bias, f"bias of {circuit.critic.name}"
    )
    return xr.Dataset(variables, coordinates)


def _projection(block, target, source, key):
    dims = ("replicate", "checkpoint", f"post_{target}", f"pre_{source}")
    return _variable(dims, block, f"weights {key}")


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
    """Write a dataset as netCDF-4: to a temporary name first, then renamed.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    RunError
        If writing fails, a full disk for instance; nothing is left behind.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    encoding = {
        f"/{group}": {
            name: {"zlib": True, "complevel": 1, "shuffle": True}
            for name, variable in data[group].data_vars.items()
            if variable.ndim and variable.dtype.kind in "fi"
        }
        for group in data.children
    }
    try:
        data.to_netcdf(temporary, engine="netcdf4", encoding=encoding)
        os.replace(temporary, path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)


def read(path):
    """Read a dataset that `write` wrote.

    Raises
    ------
    InputError
        If the file is missing, truncated, or not one.
    """
    try:
        with xr.open_datatree(path, engine="netcdf4") as opened:
            data = opened.load()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except Exception as error:  # the readers raise whatever their C libraries think of
        raise InputError(f"{path}: not a readable netCDF-4 file ({type(error).__name__})") from None
    if data.attrs.get("schema_version") != SCHEMA_VERSION:
        raise InputError(f"{path}: not a bgrl dataset of schema version {SCHEMA_VERSION}")
    return data


def configuration(data):
    """The configuration of a dataset as a dict."""
    return json.loads(data.attrs["configuration"])
