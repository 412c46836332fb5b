"""Cuts recorded traces into trials, and says where learning stands.

A trial starts in the step whose `done` ends the one before: that step brings the first observation.
What answers an observation (value, policy, action, rates) belongs to the step itself; what follows
from an action (reward, dopamine) arrives one step later, so in the step in which a trial starts,
reward and dopamine still belong to the trial before.

Traces may be longer than memory: they are read a block at a time, and only where something is looked at.
"""

import itertools
import json

import numpy as np
import xarray as xr

#: Variables that belong to the trial that the step ends, not the one it starts.
OUTCOMES = ("reward", "dopamine", "firing")
#: Values of a trace that are in memory at once.
BLOCK = 1 << 21


def windows(traces):
    """Slices of the time axis in which consecutive steps were recorded."""
    starts = _starts(traces["step"].variable)
    return [slice(a, b) for a, b in itertools.pairwise([*starts, traces.sizes["time"]]) if b > a]


def _starts(step):
    """Frames in which windows of consecutive steps begin."""
    found = [0]
    for first in range(0, len(step), BLOCK):
        part = step[first : first + BLOCK + 1].values
        found += (first + 1 + np.flatnonzero(np.diff(part) > 1)).tolist()
    return found


def whole_trials(data):
    """Where whole trials were recorded.

    Returns
    -------
    ndarray (trials, 4) of int
        Replicate, index of the first step, of the step with the outcome, and of the step in which the
        next trial starts: the same, or, where a trial was cut and only closed in the next step, one more.
    """
    traces, ends_at = data["traces"], data["trials"]["end_step"].values
    done, starts = traces["done"].variable, _starts(traces["step"].variable)
    count, length = (done.sizes[dim] for dim in ("replicate", "time"))
    block, ends = max(1, BLOCK // count), [[np.zeros(0, int)] for _ in range(count)]
    for first in range(0, length, block):
        for own, part in zip(ends, done.isel(time=slice(first, first + block)).values, strict=True):
            own.append(first + np.flatnonzero(part > 0.5))
    found, windows = [], []
    for r, own in enumerate(map(np.concatenate, ends)):
        window = np.searchsorted(starts, own, "right")
        step = _at(traces["step"].variable, own)
        closing = ~_among(step, ends_at[r]) & _among(step - 1, ends_at[r])
        whole = window[1:] == window[:-1]
        rows = np.empty((whole.sum(), 4), int)
        rows[:, 0], rows[:, 1], rows[:, 3] = r, own[:-1][whole], own[1:][whole]
        rows[:, 2] = rows[:, 3] - closing[1:][whole]
        found.append(rows)
        windows.append(window[1:][whole])
    found = np.concatenate(found)
    # One window after the other, of each one replicate after the other.
    return found if len(starts) == 1 else found[np.argsort(np.concatenate(windows), kind="stable")]


def _among(steps, ends):
    """Which steps are among those in which trials ended, which come in their order."""
    return np.append(ends, np.nan)[np.searchsorted(ends, steps)] == steps


def _at(variable, frames):
    """A trace without replicates in some frames."""
    found, block = np.zeros(len(frames), variable.dtype), frames // BLOCK
    for k in np.unique(block):
        rows = block == k
        first, last = frames[rows].min(), frames[rows].max() + 1
        found[rows] = variable[first:last].values[frames[rows] - first]
    return found


def _around(variable, replicate, first, last):
    """Parts of a trace in which something is looked at, from a first to a last frame.

    Yields
    ------
    tuple
        Which of them, the frame from which on the trace is known, and the trace of their replicate.
    """
    block = max(1, BLOCK // max(1, int(np.prod(variable.shape[2:]))))
    for r in np.unique(replicate):
        mine = np.flatnonzero((replicate == r) & (first <= last))
        number = first[mine] // block
        for k in np.unique(number):
            rows = mine[number == k]
            a, b = first[rows].min(), last[rows].max() + 1
            yield rows, a, variable.isel(replicate=r, time=slice(a, b)).values


def aligned(data, variable, event, before, after, period=None):
    """A variable around an event of every whole trial.

    Parameters
    ----------
    data : xarray.DataTree
    variable : str
        A variable of ``traces`` with dimensions (replicate, time, ...).
    event : str
        An event of the task. Trials in which it did not happen are left out: the task may not have told
        it, and a trial may end before it.
    before, after : int
        Steps before and after the event to keep; what is outside of the trial is NaN.
    period : {"early", "late"}, optional
        Only trials in the first or the second half of the run.

    Returns
    -------
    xarray.DataArray (trial, lag, ...)
        With coordinates `replicate`, `start` (index of the trial's first step), `trial_return` and
        `lag` in ms.
    """
    traces = recorded(data, variable, "done", "reward")
    trials = select_period(data, whole_trials(data), period)
    centres = event_frames(data, trials, event)
    trials, centres = trials[centres >= 0], centres[centres >= 0]
    lags, values = np.arange(-before, after + 1), traces[variable].variable
    table = np.full((len(trials), len(lags), *values.shape[2:]), np.nan)
    r, start, end, following = trials.T
    outcome = variable in OUTCOMES
    first = np.maximum(centres - before, start + 1 if outcome else start)
    last = np.minimum(centres + after, end if outcome else following - 1)
    for rows, known_from, known in _around(values, r, first, last):
        index = centres[rows, None] + lags
        inside = (index >= first[rows, None]) & (index <= last[rows, None])
        part = table[rows]
        part[inside] = known[index[inside] - known_from]
        table[rows] = part
    step = data.attrs["step_duration_ms"]
    return xr.DataArray(
        table,
        dims=("trial", "lag", *traces[variable].dims[2:]),
        coords={
            "lag": lags * step,
            "replicate": ("trial", trials[:, 0]),
            "start": ("trial", trials[:, 1]),
            "trial_return": ("trial", _returns(traces["reward"].variable, trials)),
        },
        attrs=traces[variable].attrs,
    )


def _returns(reward, trials):
    """Sum of the reward of each trial."""
    found = np.zeros(len(trials))
    r, start, end, _ = trials.T
    for rows, known_from, known in _around(reward, r, start + 1, end):
        lengths = (end - start)[rows]
        for length in np.unique(lengths):
            alike = rows[lengths == length]
            index = start[alike, None] + np.arange(1, length + 1) - known_from
            found[alike] = known[index].sum(axis=1)
    return found


def recorded(data, *variables):
    """The traces of a dataset.

    Raises
    ------
    ValueError
        If one of `variables` was not recorded, with those that were.
    """
    valid = list(data["traces"].data_vars) if "traces" in data.children else []
    for variable in variables:
        if variable not in valid:
            raise ValueError(
                f"{variable!r} was not recorded; recorded: {', '.join(valid) or 'nothing'}"
            )
        if "replicate" not in data["traces"][variable].dims:
            raise ValueError(f"{variable!r} is not a trace of replicates in time")
    return data["traces"].to_dataset()


def event_frames(data, trials, event):
    """Frame of the traces in which an event was in each trial; -1 where it was not, or was not recorded.

    Parameters
    ----------
    data : xarray.DataTree
    trials : array (trials, 4)
        See `whole_trials`.
    event : str

    Returns
    -------
    ndarray (trials,) of int

    Raises
    ------
    ValueError
        If the task has no such event, with those that it has.
    """
    found, (replicate, start, end, _) = events(data), trials.T
    if event not in found:
        raise ValueError(
            f"task {data.attrs.get('task')!r} has no event {event!r}; valid: "
            f"{', '.join(found) or 'none'}"
        )
    if not isinstance(found[event], str):
        anchor, offset = found[event]
        frames = (start if anchor == "start" else end) + offset
        # A trial may be too short for it.
        return np.where((frames >= start) & (frames <= end), frames, -1)
    table, step = data["trials"], data["traces"]["step"].variable
    ends, happened = table["end_step"].values, table["event_step"].sel(event=event).values
    ended, frames = _at(step, end), np.full(len(trials), -1)
    for r in np.unique(replicate):
        mine = np.flatnonzero(replicate == r)
        mine = mine[_among(ended[mine], ends[r])]
        place = np.searchsorted(ends[r], ended[mine])
        frame = end[mine] - (ended[mine] - happened[r, place])
        inside = frame >= start[mine]  # not where it did not happen, which is NaN
        frames[mine[inside]] = frame[inside]
    return frames


def select_period(data, trials, period):
    """Trials in the first half of the run (early), the second (late), or all of them.

    Raises
    ------
    ValueError
        For another period, with those that there are.
    """
    if period is None:
        return trials
    if period not in ("early", "late"):
        raise ValueError(f"unknown period {period!r}; valid: early, late")
    step = _at(data["traces"]["step"].variable, trials[:, 1])
    half = json.loads(data.attrs["configuration"])["run"]["steps"] / 2
    return trials[step <= half if period == "early" else step > half]


def events(data):
    """Name to (anchor, offset) of the task's events, or to the expression that tells them."""
    found = json.loads(data.attrs.get("events", "{}"))
    return {k: v if isinstance(v, str) else tuple(v) for k, v in found.items()}


def replicate_means(table):
    """Mean over the trials of each replicate, (replicate, ...); NaN where there is none."""
    means = []
    for r in np.unique(table["replicate"].values):
        rows = table.values[table["replicate"].values == r]
        count = np.sum(~np.isnan(rows), axis=0)
        means.append(np.where(count > 0, np.nansum(rows, axis=0) / np.maximum(count, 1), np.nan))
    return np.array(means)


def typical(data, variable, event, period, offset=0, magnitude=False):
    """Median over replicates of a variable's mean at an event.

    Parameters
    ----------
    offset : int
        Steps from the event.
    magnitude : bool
        Take the absolute value in every trial first.

    Returns
    -------
    float
        NaN if no whole trial was recorded.
    """
    table = aligned(data, variable, event, -offset, offset, period)
    means = replicate_means(abs(table) if magnitude else table)
    return float(np.nanmedian(means)) if np.isfinite(means).any() else float("nan")


def nan_mean(values):
    """Mean of what is not NaN, NaN if nothing is."""
    values = np.asarray(values)[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def bootstrap_interval(values, statistic=np.median, level=0.95, draws=2000, seed=0):
    """Percentile bootstrap interval of a statistic over replicates.

    Of few replicates it is narrower than its level says if the statistic is the mean: of ten normal
    values an interval of 95 % holds the true mean in 90 % of cases, the true median in 93 % (of six in
    86 % and 94 %, of twenty in 92 % and 95 %; 2,000 samples each).

    Parameters
    ----------
    values : array (replicates,)

    Returns
    -------
    (low, high) : tuple of float
        NaN of fewer than two replicates, from which nothing is known of others.
    """
    values = np.asarray(values, float)
    if len(values) < 2:
        return float("nan"), float("nan")
    generator = np.random.default_rng(seed)
    samples = generator.choice(values, (draws, len(values)))
    tail = 50 * (1 - level)
    low, high = np.percentile(statistic(samples, axis=1), [tail, 100 - tail])
    return float(low), float(high)


def median_and_interval(values):
    """Median over replicates and its 95 % bootstrap interval; of one replicate that is NaN, of none all.

    Returns
    -------
    tuple of float
        Median, low, high.
    """
    values = np.asarray(values, float)
    values = values[~np.isnan(values)]
    if not len(values):
        return (np.nan,) * 3
    return float(np.median(values)), *bootstrap_interval(values)


def final_return(data):
    """Mean return of each replicate in the last evaluation."""
    return data["evaluation"]["mean_return"].values[:, -1]


def best_return(data):
    """Mean return of each replicate in its best evaluation (what the paper reports)."""
    return np.nanmax(data["evaluation"]["mean_return"].values, axis=1)


def counted(count, word):
    """A number of things in words: 1 replicate, 2 replicates."""
    return f"{count} {word}{'s' if count != 1 else ''}"


def summary_table(data):
    """Final and best evaluation over replicates, as lines of text."""
    final, best = final_return(data), best_return(data)
    episodes = data["evaluation"]["episodes"].values[:, -1]
    counts = counted(episodes.max(), "trial")
    counts = f"{episodes.min()} to {counts}" if np.ptp(episodes) else counts
    many = counted(len(final), "replicate")
    lines = [f"evaluation with plasticity off, {many}, {counts} each at the end"]
    # Files written before it was marked lack it.
    if (
        "unfinished" in data["evaluation"]
        and (cut := data["evaluation"]["unfinished"].values).any()
    ):
        lines.append(
            f"  {cut.sum()} of {cut.size} evaluations hold a trial that outlasted them and counts "
            "with its return so far"
        )
    for name, values in (("final", final), ("best", best)):
        low, high = bootstrap_interval(values)
        interval = f" (95 % interval {low:.3f} to {high:.3f})" if len(values) > 1 else ""
        lines.append(
            f"  {name:<6} median {np.median(values):.3f}{interval}, "
            f"worst {values.min():.3f}, best {values.max():.3f}"
        )
    return lines
