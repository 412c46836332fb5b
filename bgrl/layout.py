"""What a run records, and how its files are to be read: a description in JSON values.

A run writes its layout at its start. With it, `bgrl.assembly` makes the labelled dataset of a finished
run, and `bgrl.following` that of a run which goes on, from the rows of numbers that lie on disk.
"""

import numpy as np

from bgrl.recording import entry


def layout(agent, run, names, sink):
    """The layout of a run: all that `bgrl.assembly` needs to know besides the numbers.

    Parameters
    ----------
    agent : Agent
    run : Run
    names : dict of str to str
        Dataset name to state name of what is recorded.
    sink : Sink

    Returns
    -------
    dict
        `replicates`; `step` in ms; `frames` and `trials`, the fields of a row of each file; `traces` and
        `weights`, which say where a variable of the dataset is in a row or a snapshot, and its
        dimensions, name and units; `events` that the task tells.
    """
    traces = {}
    for name, source in names.items():
        known, shape = entry(name, source, agent.circuit), sink.dtype[source].shape
        kept = known.places(agent, run) if known.places and shape[1:] else {}
        own = known.dims or tuple(f"{name}_{k}" for k in range(len(shape) - 1))
        traces[name] = {
            "source": source,
            "dims": ["replicate", "time", *(own if shape[1:] else ())] if shape else ["time"],
            "labels": list(kept),
            "places": list(kept.values()),
            "long_name": known.long_name,
            "units": known.units,
        }
    return {
        "replicates": int(agent.replicates),
        "step": float(agent.circuit.step),
        "frames": _fields(sink.dtype),
        "trials": _fields(sink.trial),
        "traces": traces,
        "events": list(agent.task.happenings),
        "weights": [
            [name, array, [_ends(k) for k in index], list(dims), long_name, units]
            for name, array, index, dims, long_name, units in learned(agent)
        ],
    }


def _fields(dtype):
    return [list(field) for field in dtype.descr]


def row_type(fields):
    """The NumPy type of a row, from its fields in a layout."""
    return np.dtype([(name, kind, *map(tuple, shape)) for name, kind, *shape in fields])


def _ends(index):
    return index if isinstance(index, int) else [index.start, index.stop]


def learned(agent):
    """Everything in ``weights``, and where it is in the network's state.

    Besides weights and trained parameters these are the statistics that an agent keeps of its inputs
    and of reward, without which its weights would mean something else.

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
    yield from _statistics(agent)


def _statistics(agent):
    """Running statistics by which inputs and reward are scaled: weights are learned behind them."""
    if agent.learning.normalize_input:
        channels = (slice(0, sum(agent.circuit.inputs.values())),)
        for key in ("mean", "variance", "count"):
            text = f"{key} of inputs, by which they are normalised"
            yield f"input.{key}", f"input.input_{key}", channels, ("channel",), text, "1"
    if agent.learning.scale_reward:
        for key in ("mean", "variance", "count"):
            name = f"dopamine.return_{key}"
            yield name, name, (), (), f"{key} of discounted past reward, which scales reward", "1"
