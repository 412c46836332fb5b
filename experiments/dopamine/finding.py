"""What a finding is: sessions to run, numbers to take from them, and criteria written down before."""

from dataclasses import dataclass, field

import numpy as np

from bgrl import tasks
from bgrl.analysis.alignment import trial_mean
from bgrl.tasks.pavlovian import Delay, exponential, rows

#: Interval between trials, unless a finding has one of its own: exponential, so that the cue cannot be
#: foreseen, and long against the discount, so that the value before the cue is low.
ITI = exponential(9000.0, 3000.0, 30_000.0)
#: As value networks were trained (Hennig et al. 2023, PLoS Comput. Biol. 19:e1011067): steps of 200 ms
#: and a discount of 0.93 for each.
STEP, DISCOUNT = 200.0, 0.93
#: Time from the reward to the end of the trial (ms).
AFTER = 1000.0


@dataclass(frozen=True)
class Arm:
    """A group of agents with one history of training.

    Parameters
    ----------
    phases : tuple
        Of the task `pavlovian`.
    learning : int
        Trials with plasticity; somewhat fewer, so that none of the trials after them is learned from.
    testing : int
        Trials after them, with plasticity off.
    cue, after, step : float
        In ms.
    iti : bgrl.tasks.pavlovian.Delay
    discount, trace, rate : float
        Of value per step; decay of the eligibility of critic and cortex; step size of both.
    unbroken : bool
        Whether the agents' state runs on over trials.
    activity : bool
        Whether to record the cortex in the tests, to refit and to decode.
    model : str
        Circuit, where that is what a finding is about; that of the experiment if empty.
    watched : str
        Variable of a nucleus to record all the time instead of the activity of the cortex.
    """

    phases: tuple
    learning: int
    testing: int = 0
    cue: float = 1000.0
    iti: Delay = ITI
    after: float = AFTER
    step: float = STEP
    discount: float = DISCOUNT
    trace: float = 0.5
    rate: float = 3e-3
    unbroken: bool = False
    activity: bool = False
    model: str = ""
    watched: str = ""

    @property
    def recorded(self):
        """Variables to record besides the TD error, value, reward and end of trials."""
        names = ("kind", "phase", "block", "since")
        return tuple(f"task.{name}" for name in names if name in self.task().variables)

    def task(self):
        """The task `pavlovian` of this arm."""
        names = ("phases", "cue", "iti", "after", "step", "unbroken")
        return tasks.make("pavlovian", **{name: getattr(self, name) for name in names})

    def learns(self):
        """Settings of learning that are not those of the experiment."""
        found = dict.fromkeys(("trace_critic", "trace_network"), self.trace)
        found |= dict.fromkeys(("rate_critic", "rate_network"), self.rate)
        return found | {"discount": self.discount}

    def kinds(self):
        """What the kinds of trial are, by number, see `bgrl.tasks.pavlovian.rows`."""
        return rows(self.phases, self.step)

    def steps(self):
        """(steps with plasticity, steps in all) that these trials take.

        Trials have random durations: plasticity ends four standard deviations before all trials with
        plasticity are over, in the mean.
        """
        mean, variance = self._moments(self.learning)
        learned = mean - (4 * np.sqrt(variance) if self.testing else 0)
        tested, _ = self._moments(self.testing, self.learning)
        return int(learned), int(mean + tested)

    def _moments(self, trials, first=0):
        """Mean and variance of the steps of so many trials from the `first` on."""
        kinds, ends = self.kinds(), np.cumsum([n or np.inf for n, _ in self.phases])
        iti, spread = _moments_of(self.iti, self.step)
        mean = variance = 0.0
        for phase, end in enumerate(ends):
            start = ends[phase - 1] if phase else 0
            count = max(0, min(end, first + trials) - max(start, first))
            own = [row for row in kinds if row["phase"] == phase]
            chance = np.array([row["probability"] for row in own])
            delay = np.array([row["delay"] + row["width"] / 2 for row in own])
            length = chance @ delay
            mean += count * (iti + length + self.after / self.step)
            variance += count * (spread + chance @ (delay - length) ** 2)
        return mean, variance


@dataclass(frozen=True)
class Choosing:
    """A group of agents that choose, many times in a trial: what they learn of it is in their state.

    Parameters
    ----------
    made : callable
        () to the task.
    learning, testing : int
        Steps with plasticity, and those after them without.
    recorded : tuple of str
        Variables of the task to record in the tests.
    discount, trace, rate, entropy : float
        Of value per step; decay of all eligibilities; step size of actor, critic and cortex; weight
        of entropy.
    """

    made: object
    learning: int
    testing: int
    recorded: tuple = ()
    discount: float = 0.8
    trace: float = 0.8
    rate: float = 1e-3
    entropy: float = 0.01
    unbroken: bool = False
    activity: bool = False
    model: str = ""
    watched: str = ""

    def task(self):
        """The task of this arm."""
        return self.made()

    def learns(self):
        """Settings of learning that are not those of the experiment."""
        found = dict.fromkeys(("trace_actor", "trace_critic", "trace_network"), self.trace)
        found |= dict.fromkeys(("rate_actor", "rate_critic", "rate_network"), self.rate)
        return found | {"discount": self.discount, "entropy_weight": self.entropy}

    def steps(self):
        """(steps with plasticity, steps in all)."""
        return self.learning, self.learning + self.testing


def _moments_of(delay, step):
    """Mean and variance of a time between trials, in steps."""
    (time, _), *_ = delay.points
    further = np.arange(round(delay.width / step) + 1)
    rate = 0.0 if np.isinf(delay.mean) else np.log1p(step / delay.mean)
    chance = np.exp(-rate * further)
    chance /= chance.sum()
    mean = chance @ further
    return time / step + mean, chance @ (further - mean) ** 2


@dataclass(frozen=True)
class Criterion:
    """A measure whose interval over replicates must lie between two bounds.

    Parameters
    ----------
    measure : str
    text : str
        What must be so, in words.
    low, high : float
        The 95 % bootstrap interval of the mean over replicates must lie above and below.
    published : str
        What was recorded.
    """

    measure: str
    text: str
    low: float = -np.inf
    high: float = np.inf
    published: str = ""


@dataclass(frozen=True)
class Panel:
    """A panel of the figure: curves of replicates.

    Parameters
    ----------
    xlabel, ylabel : str
    x : array (points,)
    curves : dict of str to array (replicate, points)
    published : dict of str to array (points,)
        What the original or its authors' model shows, on the same axes.
    """

    xlabel: str
    ylabel: str
    x: np.ndarray
    curves: dict
    published: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """A finding and what decides whether a model shows it.

    Parameters
    ----------
    name, title : str
    reference : str
    arms : dict of str to Arm
    measure : callable
        From name to `analysis.sessions.Session` of each arm to (name to array (replicate,), panel).
    criteria : tuple of Criterion
        All must hold.
    expected : {"passes", "fails"}
        Of a model that learns value by TD from what happens. Where it is "fails" the animals show
        more than such a model can, and passing means that something leaks.
    note : str
        What the published numbers rest on.
    """

    name: str
    title: str
    reference: str
    arms: dict
    measure: object
    criteria: tuple
    expected: str = "passes"
    note: str = ""


def numbers(arm, cues=None, rewarded=None, phase=None, **values):
    """Numbers of the kinds of trial that match.

    Parameters
    ----------
    arm : Arm
    cues : str, optional
    rewarded : bool, optional
    phase : int, optional
    **values
        Of a row of `Arm.kinds`: `magnitude`, `delay` (steps).
    """
    wanted = values | ({} if cues is None else {"cues": cues})
    wanted |= {} if phase is None else {"phase": phase}
    return [
        number
        for number, row in enumerate(arm.kinds())
        if all(row[k] == v for k, v in wanted.items())
        and (rewarded is None or (row["magnitude"] != 0) == rewarded)
    ]


def ratio(a, b):
    """Quotient, NaN where there is nothing to divide by."""
    b = np.where(np.abs(b) > 1e-9, b, np.nan)
    return np.asarray(a) / b


def kinds_mean(session, values, kinds, tested=True, first=None, last=None):
    """Mean over the trials of some kinds of each replicate, (replicate,)."""
    return trial_mean(values, session.chosen(tested=tested, kind=kinds), first, last)


def shared_blocks(values, count):
    """The trials that every replicate has, in order and in so many parts.

    Parameters
    ----------
    values : array (replicate, trial)
        NaN where there is no trial; their number is random, as the time between them is.
    count : int

    Returns
    -------
    list of array
    """
    return np.array_split(np.arange((~np.isnan(values)).sum(axis=1).min()), count)


def free_response(session, arm):
    """Mean response to a free reward of each replicate, the unit of other responses, (replicate,)."""
    return kinds_mean(session, session.response("dopamine", "reward"), numbers(arm, ""))


def cue_responses(session, arm, names, phase):
    """Kinds of trial and mean responses to the cue (free rewards), by the cues that are shown."""
    cue, free = session.response("dopamine", "cue"), free_response(session, arm)
    kinds = {name: numbers(arm, name, phase=phase) for name in names}
    return kinds, {name: kinds_mean(session, cue, own) / free for name, own in kinds.items()}


def courses(session, kinds, signal="dopamine", event="cue", before=1000.0, after=3000.0, **chosen):
    """Mean time course around an event of each replicate, (replicate, lag), and lags in s."""
    table, lags = session.aligned(signal, event, before, after)
    return kinds_mean(session, table, kinds, **{"tested": True, **chosen}), lags / 1000


def course_panel(session, kinds, after, **chosen):
    """Panel of the mean TD error around the cue in some kinds of trial.

    Parameters
    ----------
    session : bgrl.analysis.sessions.Session
    kinds : dict of str to list of int
        Name of a curve to numbers of its kinds of trial.
    after : float
        Time from the cue that is shown (ms).
    **chosen : dict
        Name of a curve to which of its trials count, see `kinds_mean`; without it all of the tests.
    """
    curves, lags = {}, None
    for name, own in kinds.items():
        curves[name], lags = courses(session, own, after=after, **chosen.get(name, {}))
    return Panel("time from cue (s)", "TD error", lags, curves)
