"""Cuts recorded traces into trials, and says where learning stands.

A trial starts in the step whose `done` ends the one before: that step brings the first observation.
What answers an observation (value, policy, action, rates) belongs to the step itself; what follows
from an action (reward, dopamine) arrives one step later, so in the step in which a trial starts,
reward and dopamine still belong to the trial before.
"""

import itertools
import json

import numpy as np
import xarray as xr

#: Variables that belong to the trial that the step ends, not the one it starts.
OUTCOMES = ("reward", "dopamine")


def windows(traces):
    """Slices of the time axis in which consecutive steps were recorded."""
    step = traces["step"].values
    cuts = np.flatnonzero(np.diff(step) > 1) + 1
    edges = [0, *cuts.tolist(), len(step)]
    return [slice(a, b) for a, b in itertools.pairwise(edges) if b > a]


def whole_trials(data):
    """Where whole trials were recorded.

    Returns
    -------
    ndarray (trials, 4) of int
        Replicate, index of the first step, of the step with the outcome, and of the step in which the
        next trial starts: the same, or, where a trial was cut and only closed in the next step, one more.
    """
    rows, traces = [], data["traces"]
    done, step = traces["done"].values > 0.5, traces["step"].values
    ends_at = data["trials"]["end_step"].values
    for window in windows(traces):
        for r in range(done.shape[0]):
            ends = np.flatnonzero(done[r, window]) + window.start
            closing = ~np.isin(step, ends_at[r]) & np.isin(step - 1, ends_at[r])
            rows += [(r, a, b - closing[b], b) for a, b in itertools.pairwise(ends)]
    return np.array(rows, int).reshape(-1, 4)


def aligned(data, variable, event, before, after, period=None):
    """A variable around an event of every whole trial.

    Parameters
    ----------
    data : xarray.DataTree
    variable : str
        A variable of ``traces`` with dimensions (replicate, time, ...).
    event : str
        An event of the task. Of one that the task tells when it happens, trials in which it did not are
        left out.
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
    lags = np.arange(-before, after + 1)
    values = traces[variable].values
    first = 1 if variable in OUTCOMES else 0
    table = np.full((len(trials), len(lags), *values.shape[2:]), np.nan)
    for k, (r, start, end, following) in enumerate(trials):
        index = centres[k] + lags
        last = end if variable in OUTCOMES else following - 1
        inside = (index >= start + first) & (index <= last)
        table[k, inside] = values[r, index[inside]]
    reward = traces["reward"].values
    returns = [reward[r, start + 1 : end + 1].sum() for r, start, end, _ in trials]
    step = data.attrs["step_duration_ms"]
    return xr.DataArray(
        table,
        dims=("trial", "lag", *traces[variable].dims[2:]),
        coords={
            "lag": lags * step,
            "replicate": ("trial", trials[:, 0]),
            "start": ("trial", trials[:, 1]),
            "trial_return": ("trial", np.array(returns, float)),
        },
        attrs=traces[variable].attrs,
    )


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
    found = events(data)
    if event not in found:
        raise ValueError(
            f"task {data.attrs.get('task')!r} has no event {event!r}; valid: "
            f"{', '.join(found) or 'none'}"
        )
    if not isinstance(found[event], str):
        anchor, offset = found[event]
        return trials[:, 1 if anchor == "start" else 2] + offset
    table, step = data["trials"], data["traces"]["step"].values
    ends, happened = table["end_step"].values, table["event_step"].sel(event=event).values
    frames = np.full(len(trials), -1)
    for k, (r, _, end, _) in enumerate(trials):
        at = happened[r, ends[r] == step[end]]
        frame = np.flatnonzero(np.isin(step, at))
        frames[k] = frame[0] if len(frame) else -1
    return frames


def select_period(data, trials, period):
    """Trials in the first half of the run (early), the second (late), or all of them."""
    if period is None:
        return trials
    if period not in ("early", "late"):
        raise ValueError(f"unknown period {period!r}; valid: early, late")
    step = data["traces"]["step"].values[trials[:, 1]]
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

    Parameters
    ----------
    values : array (replicates,)

    Returns
    -------
    (low, high) : tuple of float
    """
    values = np.asarray(values, float)
    generator = np.random.default_rng(seed)
    samples = generator.choice(values, (draws, len(values)))
    tail = 50 * (1 - level)
    low, high = np.percentile(statistic(samples, axis=1), [tail, 100 - tail])
    return float(low), float(high)


def final_return(data):
    """Mean return of each replicate in the last evaluation."""
    return data["evaluation"]["mean_return"].values[:, -1]


def best_return(data):
    """Mean return of each replicate in its best evaluation (what the paper reports)."""
    return np.nanmax(data["evaluation"]["mean_return"].values, axis=1)


def summary_table(data):
    """Final and best evaluation over replicates, as lines of text."""
    final, best = final_return(data), best_return(data)
    episodes = data["evaluation"]["episodes"].values[:, -1]
    counts = f"{episodes.min()}" + (f" to {episodes.max()}" if np.ptp(episodes) else "")
    lines = [
        f"evaluation with plasticity off, {len(final)} replicates, {counts} trials each at the end"
    ]
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
        lines.append(
            f"  {name:<6} median {np.median(values):.3f} (95 % interval {low:.3f} to {high:.3f}), "
            f"worst {values.min():.3f}, best {values.max():.3f}"
        )
    return lines
