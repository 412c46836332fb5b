"""From what a run recorded to a labelled dataset.

=============== ==================================================================================
group           contents
=============== ==================================================================================
``trials``      (replicate, trial): `trial_return`, `length`, `end_step`, `terminated`; of a task that
                tells events, `event_step` (replicate, trial, event)
``evaluation``  (replicate, checkpoint): `mean_return`, `episodes`, `unfinished`; coordinate `step`
``traces``      (replicate, time, ...): what was recorded; coordinates `step` and time in s
``weights``     (replicate, checkpoint, post, pre): a variable per projection and trained parameter;
                statistics by which an agent scales its inputs and reward, if it does
=============== ==================================================================================

Replicates have different numbers of trials: where one has none any more everything is NaN, in memory as
in the file, so that a mean is a mean. That is why numbers of steps are floats there.

Traces and trials may be longer than memory: they stay on disk until they are looked at.
"""

from functools import partial
from numbers import Integral
from operator import itemgetter

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from bgrl.recording import BLOCK, COMPARED, EVENT, TOGETHER

#: What `unfinished` of an evaluation says.
UNFINISHED = "1 if the last trial outlasted the evaluation and counts with its return so far"


def assemble(layout, frames, trials, evaluations, snapshots, indexed=True):
    """The dataset of a run.

    Parameters
    ----------
    layout : dict
        See `bgrl.layout.layout`; and `attributes` of the root.
    frames : Rows
        What was recorded.
    trials : (Rows, ndarray)
        Of `bgrl.recording.sorted_trials`.
    evaluations : list of dict
    snapshots : list of dict of str to ndarray
        What had been learned at each of them.
    indexed : bool
        Whether there is an index of the time, which is all of it in memory.

    Returns
    -------
    xarray.DataTree
    """
    groups = {
        "/": xr.Dataset(attrs=layout["attributes"]),
        "/trials": _trials(layout, *trials),
        "/evaluation": _evaluation(layout, evaluations),
        "/weights": _weights(layout, evaluations, snapshots),
    }
    if layout["traces"]:
        groups["/traces"] = _traces(layout, frames, indexed)
    return xr.DataTree.from_dict(groups)


class Stored(BackendArray):
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


def label(long_name, units="1"):
    """Attributes of a variable of a dataset: what it is, in words, and its unit."""
    return {"long_name": long_name, "units": units}


def variable(dims, values, long_name, units="1"):
    """A labelled variable of a dataset, also of a `Stored` array.

    Parameters
    ----------
    dims : str or tuple of str
    values : array or Stored
    long_name, units : str

    Returns
    -------
    xarray.Variable
    """
    if isinstance(values, Stored):
        values = indexing.LazilyIndexedArray(values)
    return xr.Variable(dims, values, label(long_name, units))


def _replicate(layout):
    return variable("replicate", np.arange(layout["replicates"]), "replicate")


def _trials(layout, rows, counts):
    starts, replicates = np.cumsum(counts) - counts, layout["replicates"]
    block = max(1, BLOCK // (rows.dtype.itemsize * replicates))

    def table(first, last, value):
        """Numbers of some trials of all replicates; `value` makes them of rows."""
        found = [
            value(rows[start + min(first, count) : start + min(last, count)])
            for start, count in zip(starts, counts, strict=True)
        ]
        filled = np.full((replicates, last - first, *found[0].shape[1:]), np.nan)
        for r, values in enumerate(found):
            filled[r, : len(values)] = values
        return filled

    def ragged(value):
        return Stored(partial(table, value=value), int(counts.max()), block)

    def event_steps(rows):
        """Steps of the run, from the last step of a trial and how far into it an event happened."""
        into = np.stack([rows[f"{EVENT}{name}"] for name in events], 1)
        steps = (rows["step"] - rows["length"])[:, None] + into
        return np.where(into > 0, steps, np.nan)

    dims, events = ("replicate", "trial"), layout["events"]
    told = {}
    if events:
        what = "step in which an event was first in the trial, NaN if it was not"
        told["event_step"] = variable((*dims, "event"), ragged(event_steps), what, "steps")
    return xr.Dataset(
        {
            "trial_return": variable(
                dims, ragged(itemgetter("trial_return")), "return of the trial"
            ),
            "length": variable(dims, ragged(itemgetter("length")), "length of the trial", "steps"),
            "end_step": variable(
                dims, ragged(itemgetter("step")), "step in which it ended", "steps"
            ),
            "terminated": variable(
                dims,
                ragged(itemgetter("terminated")),
                "1 if it ended by itself, 0 if at a time limit",
            ),
            **told,
        },
        {"replicate": _replicate(layout), **({"event": events} if events else {})},
    )


def _evaluation(layout, evaluations):
    def table(key, dtype):
        rows = np.array([e[key] for e in evaluations], dtype)
        return rows.reshape(len(evaluations), layout["replicates"]).T

    dims = ("replicate", "checkpoint")
    return xr.Dataset(
        {
            "mean_return": variable(
                dims, table("mean_return", float), "mean return, plasticity off"
            ),
            "episodes": variable(dims, table("episodes", np.int64), "trials evaluated"),
            "unfinished": variable(dims, table("unfinished", np.int8), UNFINISHED),
        },
        {
            "replicate": _replicate(layout),
            "step": variable("checkpoint", _steps(evaluations), "steps learned", "steps"),
        },
    )


def _steps(evaluations):
    return np.array([e["step"] for e in evaluations], np.int64)


def _traces(layout, frames, indexed=True):
    block = max(1, BLOCK // frames.dtype.itemsize)

    def stored(compute, axis=1):
        """What is computed from frames, with time along `axis`."""
        return Stored(lambda first, last: compute(frames[first:last]), len(frames), block, axis)

    variables, coordinates = {}, {"replicate": _replicate(layout)}
    for name, known in layout["traces"].items():
        if "replicate" in known["dims"]:
            values = stored(partial(_channels, known["source"], known["places"] or slice(None)))
        else:  # one number for all replicates
            values = stored(itemgetter(known["source"]), axis=0)
        if known["labels"]:
            coordinates[known["dims"][-1]] = known["dims"][-1], known["labels"]
        variables[name] = variable(known["dims"], values, known["long_name"], known["units"])
    if set(TOGETHER["gradients"]) <= set(variables):
        dims = variables["gradient_product"].dims
        for k, (name, text) in enumerate(COMPARED.items()):
            sources = [layout["traces"][one]["source"] for one in TOGETHER["gradients"]]
            values = stored(partial(_gradient_comparison, k, sources))
            variables[name] = variable(dims, values, text)
    step = stored(itemgetter("step"), axis=0)
    coordinates["step"] = variable("time", step, "step", "steps")
    time = stored(lambda rows: rows["step"] * layout["step"] / 1000, axis=0)
    coordinates["time"] = variable("time", time, "time", "s")
    traces = xr.Dataset(variables, xr.Coordinates(coordinates, indexes={}))
    for dim in traces.dims:
        if dim in coordinates and (dim != "time" or indexed):
            traces = traces.set_xindex(dim)
    return traces


def _channels(source, places, frames):
    """Some places of the last axis of an array of the frames, the replicates first."""
    return np.moveaxis(frames[source], 0, 1)[..., places]


def _gradient_comparison(k, sources, frames):
    """Cosine (`k` 0) or norm ratio (1) to the exact gradient; NaN where one of them is zero."""
    product, square, exact = (np.moveaxis(frames[name], 0, 1).astype(float) for name in sources)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.sqrt(square / exact) if k else product / np.sqrt(square) / np.sqrt(exact)
    values[~np.isfinite(values)] = np.nan
    return values


def _weights(layout, evaluations, snapshots):
    coordinates = {
        "replicate": _replicate(layout),
        "step": variable("checkpoint", _steps(evaluations), "steps learned", "steps"),
    }
    if not snapshots:
        return xr.Dataset(coords=coordinates)
    stacked = {name: np.stack([s[name] for s in snapshots], axis=1) for name in snapshots[0]}
    variables = {}
    for name, array, ends, dims, long_name, units in layout["weights"]:
        index = (k if isinstance(k, int) else slice(*k) for k in ends)
        values = stacked[array][:, :, *index]
        dims = ("replicate", "checkpoint", *dims)
        variables[name] = variable(dims, values, long_name, units)
    return xr.Dataset(variables, coordinates)
