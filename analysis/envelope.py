"""Traces of any length in as many points as a screen has: lowest and highest value of each bin.

A mean of bins, or every hundredth step, would lose what lasts one step, such as a burst of dopamine.
Files of long recordings have such bins, each of a few frames (the group ``envelope``), so that a whole
run is looked at without reading it; a closer look reads its own frames. Where there are none (a file of
before, a run that goes on) the first look reads the trace, a block at a time, and its bins are kept; of
a run that goes on only what is new is read then.
"""

from typing import NamedTuple

import numpy as np

from .stretches import search

#: Frames in a bin that is kept, where the file has none.
BIN = 64
#: Values that are in memory at once.
BLOCK = 1 << 21


class Window(NamedTuple):
    """A part of a trace, bin by bin.

    Attributes
    ----------
    first, last : ndarray (bins,) of int
        Steps of the run in which each bin begins and ends; the same where a bin is one step.
    low, high : ndarray (bins, ...)
        Lowest and highest value in it, NaN where there is no number.
    """

    first: np.ndarray
    last: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Envelopes:
    """Windows of the traces of one run, of which what was read is kept.

    Parameters
    ----------
    data : xarray.DataTree
        Of `bgrl.open`, of a run that goes on (`bgrl.follow`), or in memory.

    Raises
    ------
    ValueError
        If no traces were recorded.

    Examples
    --------
    >>> traces = Envelopes(bgrl.open("run.nc"))  # doctest: +SKIP
    >>> traces.window("dopamine", replicate=0)  # the whole run in 2,000 bins  # doctest: +SKIP
    >>> traces.window("cortex", 5000, 5200, replicate=0)  # 200 steps, all neurons  # doctest: +SKIP
    """

    def __init__(self, data):
        self._kept = {}
        self.update(data)

    def update(self, data):
        """Go on with the same run as it is now; of traces, only what is new will be read.

        Raises
        ------
        ValueError
            If no traces were recorded.
        """
        if "traces" not in data.children or "step" not in data["traces"].coords:
            raise ValueError("no traces were recorded in this run")
        self._traces, self._stored, self._bin = data["traces"].to_dataset(), {}, BIN
        if "envelope" in data.children:
            self._stored = data["envelope"].to_dataset().variables
            self._bin = int(data["envelope"].attrs["frames_per_bin"])

    def window(self, name, start=None, stop=None, points=2000, **place):
        """A trace between two steps of the run.

        Parameters
        ----------
        name : str
            In ``traces``.
        start, stop : int, optional
            Steps, the second not included; from the first and to the last that was recorded, if nothing
            is said.
        points : int
            Bins there are at most. A bin of many steps may begin a little before `start`, or end
            a little after `stop`.
        **place
            Number of the replicate, of the neuron, ... by the name of its dimension; everything along
            a dimension that is not named.

        Returns
        -------
        Window

        Raises
        ------
        ValueError
            If it was not recorded, with what was, or there is no such place.
        """
        self._check(name, place)
        step = self._traces["step"].variable
        first = 0 if start is None else search(step, start)
        last = len(step) if stop is None else search(step, stop)
        low, high = self._binned(name, place, first, last, points)
        before, after = self._binned("step", {}, first, last, points)
        return Window(before, after, low, high)

    def _check(self, name, place):
        if name not in self._traces.data_vars:
            valid = ", ".join(self._traces.data_vars)
            raise ValueError(f"{name!r} was not recorded; recorded: {valid or 'nothing'}")
        variable = self._traces[name].variable
        for dim, k in place.items():
            if dim not in variable.sizes or dim == "time":
                valid = ", ".join(d for d in variable.dims if d != "time")
                raise ValueError(f"{name!r} has no dimension {dim!r}; valid: {valid or 'none'}")
            if not 0 <= k < variable.sizes[dim]:
                raise ValueError(f"{dim} is {k}; 0 to {variable.sizes[dim] - 1} were recorded")

    def _binned(self, name, place, first, last, points):
        """Lowest and highest values of the bins between two frames."""
        variable = self._traces[name].variable.isel(place)
        if last - first <= points * self._bin:
            return _read(variable, first, last, max(1, -(-(last - first) // points)))
        first, last = first // self._bin, -(-last // self._bin)
        if name in self._stored:
            low, high = _moved(self._stored[name].isel(place), "bin", first, last)
        else:
            low, high = self._kept_bins((name, *sorted(place.items())), variable, last)
            low, high = low[first:last], high[first:last]
        return _reduced(low, high, -(-len(low) // points))

    def _kept_bins(self, key, variable, last):
        """All bins before the last, which may be short; only what is new is read."""
        low, high = self._kept.get(key) or _read(variable, 0, 0, 1)
        if len(low) < last:
            new = _read(variable, len(low) * BIN, last * BIN, BIN)
            low, high = (np.concatenate(rows) for rows in zip((low, high), new, strict=True))
            whole = variable.sizes["time"] // BIN
            self._kept[key] = low[:whole], high[:whole]
        return low, high


def _read(variable, first, last, size):
    """Lowest and highest values of bins of `size` frames, between two frames; time comes first."""
    parts = []
    each = int(np.prod([n for dim, n in variable.sizes.items() if dim != "time"]))
    block = size * max(1, BLOCK // (size * max(1, each)))
    for start in range(first, max(last, first + 1), block):
        values = _moved(variable, "time", start, min(start + block, last))
        parts.append(_reduced(values, values, size))
    return tuple(np.concatenate(rows) for rows in zip(*parts, strict=True))


def _moved(variable, dim, first, last):
    """A part of a variable along a dimension, which comes first, or behind the bounds of bins."""
    place = 1 if "bound" in variable.dims else 0
    values = variable.isel({dim: slice(first, last)}).values
    return np.moveaxis(values, variable.dims.index(dim), place)


def _reduced(low, high, size):
    """Bins of `size` bins, the last of which may have fewer."""
    if size <= 1 or not len(low):
        return low, high
    edges = np.arange(0, len(low), size)
    return np.fmin.reduceat(low, edges), np.fmax.reduceat(high, edges)
