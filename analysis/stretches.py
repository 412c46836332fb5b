"""Some stretches of a long run in memory, as a small dataset that every analysis takes."""

import numpy as np
import xarray as xr

#: Stretches, evenly spread over the recording, and recorded steps in each.
COUNT, FRAMES = 16, 3000
#: Values that are read at once when a place among many is searched.
BLOCK = 4096


def is_long(data, count=COUNT, frames=FRAMES):
    """Whether a run is longer than all stretches together."""
    return data["traces"].sizes["time"] > (count + 1) * frames


def stretches(data, variables, *, at=None, count=COUNT, frames=FRAMES):
    """A run of which only some stretches are looked at, with the trials that lie in them.

    Parameters
    ----------
    data : xarray.DataTree
        A run of any length.
    variables : sequence of str
        Of ``traces``, that are kept.
    at : int, optional
        A step of the run in the middle of one more stretch.
    count, frames : int
        How many stretches, and recorded steps in each.

    Returns
    -------
    xarray.DataTree
        `data` itself where it is no longer than all stretches; else one in memory, whose traces have
        gaps, with ``trials`` and the attributes, without other groups.
    """
    traces = data["traces"].to_dataset()
    total = traces.sizes["time"]
    if not is_long(data, count, frames):
        return data
    step = traces["step"].variable
    starts = np.linspace(0, total - frames, count).astype(int).tolist()
    if at is not None:
        middle = search(step, at)
        starts = sorted([*starts, min(max(middle - frames // 2, 0), total - frames)])
    windows = []
    for start in starts:  # the one at the step may overlap another
        first = max(start, windows[-1].stop if windows else 0)
        if first < start + frames:
            windows.append(slice(first, start + frames))
    names = [name for name in dict.fromkeys(variables) if name in traces]
    kept = traces[names].drop_vars("time", errors="ignore")
    parts = xr.concat([kept.isel(time=window).load() for window in windows], "time")
    spans = [(int(step[w.start].values), int(step[w.stop - 1].values)) for w in windows]
    groups = {"/": xr.Dataset(attrs=data.attrs), "/traces": parts}
    return xr.DataTree.from_dict(groups | {"/trials": _trials(data["trials"], spans)})


def _trials(trials, spans):
    """Trials that end within spans of steps, of each replicate one after the other."""
    rows = []
    for r in range(trials.sizes["replicate"]):
        own = trials.to_dataset().isel(replicate=r)
        windows = [window(own["end_step"].variable, *span) for span in spans]
        rows.append(xr.concat([own.isel(trial=w).load() for w in windows], "trial"))
    most = max(row.sizes["trial"] for row in rows)
    rows = [row.astype(float).pad(trial=(0, most - row.sizes["trial"])) for row in rows]
    return xr.concat(rows, "replicate")


def window(ends, first, last):
    """Slice of the trials of a replicate that end between two steps, both included.

    Parameters
    ----------
    ends : xarray.Variable (trial,)
        Steps at which they end, in order, NaN after the last; it is not read whole.
    first, last : int
    """
    start = search(ends, first)
    return slice(start, search(ends, last + 1, start))


def search(values, number, start=0):
    """Index of the first of rising values that is no lower than a number; a few and a block are read.

    Parameters
    ----------
    values : xarray.Variable (any,)
        NaN, if there are some, are the last.
    number : int
    start : int
        The index is no lower; it is found faster if it is close.
    """
    low, high = start, len(values)
    middle = low + BLOCK
    while high - low > BLOCK:
        if float(values[middle].values) < number:
            low = middle + 1
        else:  # also where it is no number
            high = middle
        middle = (low + high) // 2
    return low + int(np.searchsorted(values[low:high].values, number))
