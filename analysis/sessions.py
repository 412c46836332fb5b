"""A recorded session as arrays: signals in time, and when what happened in each trial."""

from dataclasses import dataclass, field, replace

import numpy as np

from . import alignment

#: Response to an event: from the event on, so long (ms). Activity of cortex follows what is seen with its
#: time constants, so the TD error of a change of value is spread over some steps.
RESPONSE = (0.0, 400.0)
#: The time before the cue that counts as baseline (ms).
BASELINE = 1000.0


@dataclass(frozen=True)
class Session:
    """Replicates of one session.

    Parameters
    ----------
    signals : dict of str to array (replicate, time)
        `dopamine`, `value`, `reward`, `done`, ...
    events : dict of str to array (replicate, trial)
        Index on the time axis at which an event first happened in each trial, NaN where it did not;
        `start` is that of the trial's first step.
    labels : dict of str to array (replicate, trial)
        What the trial was (`kind`, `phase`), NaN where a replicate has no such trial.
    step : float
        Duration of a step in ms.
    tested_from : int
        Index on the time axis from which on plasticity is off; the number of steps if never.
    activity : array (replicate, time, unit), optional
    """

    signals: dict
    events: dict
    labels: dict
    step: float
    tested_from: int
    activity: np.ndarray | None = field(default=None, repr=False)

    def steps(self, duration):
        """A duration in ms as a whole number of steps, one at least."""
        return max(1, round(duration / self.step))

    @property
    def ends(self):
        """Index of the first step that belongs to the trial no more, (replicate, trial)."""
        start = self.events["start"]
        following = np.concatenate([start[:, 1:], np.full((len(start), 1), np.nan)], axis=1)
        length = next(iter(self.signals.values())).shape[1]
        return np.where(np.isnan(following), length, following)

    def chosen(self, tested=None, **labels):
        """Trials with these labels, (replicate, trial).

        Parameters
        ----------
        tested : bool, optional
            Only those that start with plasticity off, but the first of them; or only those before.
        **labels
            Name to a value, or to several.
        """
        start = self.events["start"]
        found = ~np.isnan(start)
        for name, values in labels.items():
            found &= np.isin(self.labels[name], np.atleast_1d(values))
        if tested is True:
            later = np.nan_to_num(start, nan=-1) >= self.tested_from
            found &= later & (np.cumsum(later, axis=1) > 1)
        elif tested is False:
            found &= self.ends <= self.tested_from
        return found

    def aligned(self, signal, event, before, after):
        """A signal around an event, (replicate, trial, lag), and the lags in ms."""
        first, last = self.steps(before), self.steps(after)
        table = alignment.around(
            self.signals[signal],
            self.events[event],
            first,
            last,
            (self.events["start"] + 1, self.ends),
        )
        return table, np.arange(-first, last + 1) * self.step

    def baseline(self, signal):
        """Mean of each replicate over the second before the cue of tested trials, (replicate,).

        Of all trials, where none is tested.
        """
        values = alignment.baseline(self.signals[signal], self.events["cue"], self.steps(BASELINE))
        tested = self.chosen(tested=True)
        return alignment.trial_mean(values, tested if tested.any() else None)

    def response(self, signal, event, first=RESPONSE[0], last=RESPONSE[1], baseline=None):
        """Sum of a signal over a window after an event, less as much of the baseline.

        Parameters
        ----------
        signal, event : str
        first, last : float
            In ms from the event; the step at `last` is not included.
        baseline : float or array (replicate,), optional
            `Session.baseline` if nothing is said.

        Returns
        -------
        array (replicate, trial)
            In the units of the signal, NaN where the event did not happen.
        """
        return self.response_at(signal, self.events[event], first, last, baseline)

    def response_at(self, signal, steps, first=RESPONSE[0], last=RESPONSE[1], baseline=None):
        """The same at any steps, (replicate, trial)."""
        low, high = round(first / self.step), round(last / self.step)
        high = max(high, low + 1)
        before = max(0, -low)
        table = alignment.around(
            self.signals[signal], steps, before, max(high, 0), (self.events["start"] + 1, self.ends)
        )
        baseline = self.baseline(signal) if baseline is None else baseline
        table = table - np.reshape(baseline, (-1, 1, 1))
        return alignment.window(table, before, low, high, total=True)

    def shuffled(self, seed=0):
        """The control: dopamine and activity of each replicate in a random order of time."""
        generator = np.random.default_rng(seed)
        signals = dict(self.signals)
        for name in ("dopamine", "refit"):
            if name in signals:
                signals[name] = generator.permuted(signals[name], axis=1)
        activity = self.activity
        if activity is not None:
            activity = np.array([generator.permutation(rows) for rows in activity])
        return replace(self, signals=signals, activity=activity)


def session(data, population="cortex"):
    """The session of a dataset.

    Parameters
    ----------
    data : xarray.DataTree
        Traces of every step of a part of the run: `dopamine`, and what else is to be looked at.
        Variables of the task (``task.kind``) are signals like them, and labels of trials, with their
        value in the first step of each. Events are those that the task tells (``trials/event_step``).
    population : str
        Whose activity to take along, if it was recorded.

    Returns
    -------
    Session

    Raises
    ------
    ValueError
        If steps of the run were left out.
    """
    traces, step = data["traces"], data["traces"]["step"].values
    if len(step) > 1 and (np.diff(step) != 1).any():
        raise ValueError("a session needs the traces of every step; some were left out")
    number = _trial_numbers(data["trials"]["end_step"].values, step)
    trials = number.max() + 1
    start = first_steps(np.ones_like(number), number, trials)
    events = _events(data["trials"], step, trials) if "event_step" in data["trials"] else {}
    index = np.nan_to_num(start).astype(int)
    labels, signals = {}, {}
    for name, values in traces.data_vars.items():
        if values.dims != ("replicate", "time"):
            continue
        values = values.values.astype(float)
        if name.startswith("task."):
            first = np.take_along_axis(values, index, axis=1)
            labels[name.removeprefix("task.")] = np.where(np.isnan(start), np.nan, np.round(first))
        signals[name] = values
    activity = traces[population].values if population in traces else None
    duration = data.attrs["step_duration_ms"]
    return Session(signals, events | {"start": start}, labels, duration, len(step), activity)


def _trial_numbers(ends, step):
    """Number of the trial of each step, from 0, (replicate, time): a trial starts where one ends."""
    return np.array([np.searchsorted(row[~np.isnan(row)], step, side="right") for row in ends])


def first_steps(flag, trial, trials):
    """Index at which a flag is first above 0 in each trial.

    Parameters
    ----------
    flag : array (replicate, time)
    trial : array (replicate, time) of int
        Number of the trial, from 0.
    trials : int

    Returns
    -------
    array (replicate, trials)
        NaN where it never is.
    """
    found = np.full((len(trial), trials), np.nan)
    for r in range(len(trial)):
        steps = np.flatnonzero(np.asarray(flag[r]) > 0)[::-1]
        found[r, trial[r, steps]] = steps
    return found


def _events(group, step, trials):
    """Name to index of events that were recorded with the trials, which are those of the whole run."""
    found = {}
    for name in group["event"].values:
        index = group["event_step"].sel(event=name).values[:, :trials] - step[0]
        index = np.where((index >= 0) & (index < len(step)), index, np.nan)
        missing = np.full((len(index), trials - index.shape[1]), np.nan)
        found[str(name)] = np.concatenate([index, missing], axis=1)
    return found
