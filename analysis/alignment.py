"""Signals around events that happen at another time in every trial.

Everything here is a function of arrays: `signal` is (replicate, time, ...), `steps` (replicate, trial)
holds for each trial the index on the time axis at which an event first happened, NaN where it did not.
A table of aligned trials is (replicate, trial, lag, ...), NaN where nothing is known.
"""

import numpy as np


def around(signal, steps, before, after, inside=None):
    """A signal around an event of every trial.

    Parameters
    ----------
    signal : array (replicate, time, ...)
    steps : array (replicate, trial)
        Index of the event; NaN where it did not happen.
    before, after : int
        Steps to keep on both sides of the event, which is at lag 0.
    inside : (array, array), optional
        First index of each trial, and the first that belongs to it no more, (replicate, trial) each:
        what lies outside of the trial is NaN.

    Returns
    -------
    array (replicate, trial, before + 1 + after, ...)
    """
    signal, steps = np.asarray(signal, float), np.asarray(steps, float)
    known = ~np.isnan(steps)
    index = np.where(known, steps, 0).astype(int)[..., None] + np.arange(-before, after + 1)
    kept = known[..., None] & (index >= 0) & (index < signal.shape[1])
    if inside is not None:
        first, last = (np.asarray(edge, float)[..., None] for edge in inside)
        kept &= (index >= first) & (index < last)
    rows = np.arange(len(signal))[:, None, None]
    table = signal[rows, np.clip(index, 0, signal.shape[1] - 1)]
    return np.where(kept.reshape(kept.shape + (1,) * (table.ndim - 3)), table, np.nan)


def window(table, before, first, last, total=False):
    """Mean of aligned trials over a window, or their sum.

    Parameters
    ----------
    table : array (replicate, trial, lag)
        As `around` returns it.
    before : int
        Steps before the event that it holds.
    first, last : int
        Lags from the event; the last is not included.
    total : bool
        Sum instead of mean.

    Returns
    -------
    array (replicate, trial)
        NaN where nothing is known of the window.
    """
    part = table[:, :, max(first + before, 0) : max(last + before, 0)]
    count = (~np.isnan(part)).sum(axis=2)
    summed = np.nansum(part, axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, summed if total else summed / np.maximum(count, 1), np.nan)


def baseline(signal, cue, steps):
    """Mean of the last steps before the cue of each trial, (replicate, trial).

    Parameters
    ----------
    signal : array (replicate, time)
    cue : array (replicate, trial)
    steps : int
        How many; of one second, as in most recordings, 1000 ms divided by the duration of a step.
    """
    return window(around(signal, cue, steps, 0), steps, -steps, 0)


def peak_time(signal, cue, first, last, steps, deviations=2.0):
    """When a signal is highest after the cue of each trial, if it stands out.

    As Amo et al. 2022 (Nat. Neurosci. 25:1082) count it: the peak in a window counts if it lies more than
    two standard deviations of the time before the cue above the mean of that time. Here both are
    those of all trials of a replicate, since single trials of a model have no noise.

    Parameters
    ----------
    signal : array (replicate, time)
    cue : array (replicate, trial)
    first, last : int
        Lags in which to search; the last is not included.
    steps : int
        Steps before the cue.
    deviations : float

    Returns
    -------
    array (replicate, trial)
        Lag in steps; NaN where no peak stands out.
    """
    before = around(signal, cue, steps, 0)[:, :, :steps]
    table = around(signal, cue, 0, last)[:, :, first:last]
    found = np.full(table.shape[:2], np.nan)
    for r, rows in enumerate(table):
        rest = before[r][~np.isnan(before[r])]
        level = rest.mean() + deviations * rest.std() if len(rest) else np.inf
        for k, row in enumerate(rows):
            if not np.isnan(row).all() and np.nanmax(row) > level:
                found[r, k] = first + np.nanargmax(row)
    return found


def heat_map(table, blocks):
    """Aligned trials in the order in which they came, averaged in blocks over trials and replicates.

    Parameters
    ----------
    table : array (replicate, trial, lag)
        A trial of NaN alone (another kind of trial) counts for nothing.
    blocks : int
        Rows of the result.

    Returns
    -------
    array (blocks, lag)
    """
    means = []
    for rows in table:
        rows = rows[~np.isnan(rows).all(axis=1)]
        means.append([_mean(part) for part in np.array_split(rows, blocks)])
    return _mean(np.array(means))


def _mean(values):
    """Mean over the first axis of what is not NaN; NaN where nothing is."""
    count = (~np.isnan(values)).sum(axis=0)
    return np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan)


def trial_mean(values, chosen=None, first=None, last=None):
    """Mean of each replicate over its trials, of those that are not NaN.

    Parameters
    ----------
    values : array (replicate, trial, ...)
    chosen : array (replicate, trial) of bool, optional
    first, last : int, optional
        Only so many of the chosen trials, counted from the first or from the last.

    Returns
    -------
    array (replicate, ...)
        NaN where a replicate has no such trial.
    """
    values = np.asarray(values, float)
    known = ~np.isnan(values.reshape(*values.shape[:2], -1)).all(axis=2)
    if chosen is not None:
        known &= chosen
    found = []
    for row, kept in zip(values, known, strict=True):
        rows = row[kept]
        rows = rows if first is None else rows[:first]
        found.append(_mean(rows if last is None else rows[len(rows) - min(last, len(rows)) :]))
    return np.array(found)
