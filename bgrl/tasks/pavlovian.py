"""Pavlovian conditioning: cues, rewards that nothing has to be done for, phases of training."""

import math
from dataclasses import dataclass, replace

from bgrl.circuit import Parameter
from bgrl.errors import InputError, check_count, check_flag, choose
from bgrl.tasks.base import Task, pick
from bgrl.tasks.common import NEVER, check_number, numbered, whole_steps


@dataclass(frozen=True)
class Delay:
    """A time that is drawn for each trial; made by `fixed`, `uniform`, `exponential`, `normal`.

    Parameters
    ----------
    points : tuple of (float, float)
        Times (ms) and their weights.
    width : float
        Range of what is added to them (ms).
    mean : float
        Mean of what is added, if it is exponential and `width` has no end; infinite for uniform.
    """

    points: tuple
    width: float = 0.0
    mean: float = math.inf


def fixed(time):
    """Always the same time (ms)."""
    return Delay(((time, 1.0),))


def uniform(low, high):
    """Every step from `low` to `high` (ms) alike."""
    return Delay(((low, 1.0),), high - low)


def exponential(mean, low, high):
    """Constant hazard from `low` to `high` (ms), of this mean if `high` were infinite."""
    return Delay(((low, 1.0),), high - low, mean - low)


def normal(mean, std, low, high, spacing):
    """Times from `low` to `high` (ms), `spacing` apart, weighted by the Gaussian density."""
    count = round((high - low) / spacing) + 1
    times = [low + k * spacing for k in range(count)]
    return Delay(tuple((time, math.exp(-0.5 * ((time - mean) / std) ** 2)) for time in times))


ONE_SECOND = fixed(1000.0)


@dataclass(frozen=True)
class Trials:
    """A kind of trial.

    Parameters
    ----------
    cues : str
        The cues that are shown together, one letter each; none for an uncued reward. ``B>A``: first
        B, then A, each for the duration of a cue.
    probability : float
        Probability of reward.
    magnitudes : tuple of float
        Sizes of the reward, alike in probability.
    delay : Delay
        Time from the start of the cues to the reward.
    weight : float
        How often trials are of this kind, relative to the others of the phase.
    """

    cues: str
    probability: float = 1.0
    magnitudes: tuple = (1.0,)
    delay: Delay = ONE_SECOND
    weight: float = 1.0

    def rows(self, step):
        """What trials of this kind can be, with how probable each is; times in steps."""
        where = f"{self.cues or 'uncued'} trials"
        check_number(f"probability of {where}", self.probability, 0, 1)
        check_number(f"weight of {where}", self.weight, 1e-9)
        if not self.magnitudes:
            raise InputError(f"{where} have no magnitude; one or more numbers are needed")
        sizes = [check_number(f"magnitude of {where}", m) for m in self.magnitudes]
        outcomes = [(self.probability / len(sizes), size, 0) for size in sizes]
        outcomes += [(1 - self.probability, 0.0, int(self.probability > 0))]
        return [
            (chance * share, self.cues, size, omitted, *time)
            for share, *time in _draws(f"delay of {where}", self.delay, step)
            for chance, size, omitted in outcomes
            if chance > 0
        ]


@dataclass(frozen=True)
class Block:
    """Trials in a row of the same kinds, which a phase may have instead of kinds of trial.

    When a block is over the next one is drawn anew; it may be of the same sort.

    Parameters
    ----------
    trials : int
        How many.
    kinds : tuple of Trials
        What each of them can be.
    weight : float
        How often blocks are of this sort, relative to the others of the phase.
    """

    trials: int
    kinds: tuple
    weight: float = 1.0


def _draws(name, delay, step):
    """(share, first step, further steps, exponential scale) of each point of a `Delay`."""
    if not isinstance(delay, Delay):
        raise InputError(f"{name} is {delay!r}; fixed, uniform, exponential or normal is needed")
    total = sum(weight for _, weight in delay.points)
    width = whole_steps(f"range of {name}", delay.width, step, zero=True)
    if delay.mean <= 0:
        raise InputError(f"mean of {name} is not above its lowest time")
    # An exponential number's integer part has this mean.
    scale = NEVER if math.isinf(delay.mean) else 1 / math.log1p(step / delay.mean)
    return [(w / total, whole_steps(name, t, step), width, scale) for t, w in delay.points]


def _second(cues, probability=1.0, magnitudes=(1.0,)):
    return Trials(cues, probability, magnitudes, fixed(2000.0))


def _blocking(cues, probability):
    return Trials(cues, probability, delay=fixed(1500.0))


def _starkweather(probability):
    gaussian = normal(2000.0, 500.0, 1200.0, 2800.0, 200.0)
    delays = {"A": gaussian, "B": fixed(1200.0), "C": fixed(2800.0)}
    kinds = [Trials(cue, probability, delay=delay) for cue, delay in delays.items()]
    return (*kinds, Trials("D", 0.0, delay=fixed(2000.0)))


def _sized(magnitude):
    """Trials of one size of reward, 2 s after the odour, give or take 0.2 s."""
    return (Trials("A", magnitudes=(magnitude,), delay=uniform(1800.0, 2200.0)),)


def _linked(a, b):
    """Trials of either target, with these sizes of reward."""
    return tuple(Trials(cue, magnitudes=(size,)) for cue, size in (("A", a), ("B", b)))


def _qian(paid, further):
    """Odour A with this probability of reward, B without, and further trials."""
    common = {"delay": uniform(3500.0, 4500.0)}
    kinds = (Trials("A", paid, weight=0.4, **common), Trials("B", 0.0, weight=0.2, **common))
    return (*kinds, Trials(*further, weight=0.4, **common))


def _contingency(paid, further):
    """A preset: conditioning, and then with that probability and those further trials."""
    return {
        "phases": ((1000, _qian(0.75, ("", 0.0))), (None, _qian(paid, further))),
        "iti": exponential(14_000.0, 10_000.0, 40_000.0),
        "cue": 1000.0,
        "reference": "Qian et al. 2025, Nat. Neurosci., doi 10.1038/s41593-025-01915-4",
    }


def _chain(cues):
    """Trials with cues of 1 s one after the other, rewarded at the end of the last."""
    return Trials(">".join(cues), delay=fixed(1000.0 * len(cues)))


_EARLY_ITI = exponential(4000.0, 2000.0, 12_000.0)
_FIORILLO_ITI = exponential(9000.0, 5000.0, 25_000.0)
_STARKWEATHER_ITI = exponential(13_000.0, 1000.0, 60_000.0)
_EXPECTED = (0.005, 0.015, 0.06, 0.125, 0.25, 0.5, 1.0)

#: Name to phases ((trials, kinds), ...; the last lasts for good), inter-trial interval, duration of
#: the cues (ms) and reference.
PRESETS = {
    "schultz_1997": {
        "phases": ((300, (Trials("A"),)), (None, (Trials("A", 0.9),))),
        "iti": _EARLY_ITI,
        "cue": math.inf,
        "reference": "Schultz, Dayan & Montague 1997, Science 275:1593",
    },
    "waelti_2001": {
        "phases": (
            (200, (_blocking("A", 1.0), _blocking("B", 0.0))),
            (200, (_blocking("AX", 1.0), _blocking("BY", 1.0))),
            (None, (_blocking("X", 0.0), _blocking("Y", 0.0))),
        ),
        "iti": _EARLY_ITI,
        "cue": math.inf,
        "reference": "Waelti, Dickinson & Schultz 2001, Nature 412:43",
    },
    "fiorillo_2003": {
        "phases": ((None, tuple(_second(c, p / 4) for p, c in enumerate("ABCDE"))),),
        "iti": _FIORILLO_ITI,
        "cue": math.inf,
        "reference": "Fiorillo, Tobler & Schultz 2003, Science 299:1898",
    },
    "tobler_2005": {
        "phases": (
            (
                None,
                (
                    _second("A", magnitudes=(0.1, 0.3)),
                    _second("B", magnitudes=(0.3, 1.0)),
                    _second("C", magnitudes=(0.1, 1.0)),
                ),
            ),
        ),
        "iti": _FIORILLO_ITI,
        "cue": math.inf,
        "reference": "Tobler, Fiorillo & Schultz 2005, Science 307:1642",
    },
    "starkweather_2017_task1": {
        "phases": ((None, _starkweather(1.0)),),
        "iti": _STARKWEATHER_ITI,
        "cue": 1000.0,
        "reference": "Starkweather, Babayan, Uchida & Gershman 2017, Nat. Neurosci. 20:581, task 1",
    },
    "starkweather_2017_task2": {
        "phases": ((None, _starkweather(0.9)),),
        "iti": _STARKWEATHER_ITI,
        "cue": 1000.0,
        "reference": "Starkweather, Babayan, Uchida & Gershman 2017, Nat. Neurosci. 20:581, task 2",
    },
    "eshel_2015": {
        "phases": (
            (
                None,
                (
                    Trials("A", magnitudes=_EXPECTED, delay=fixed(1500.0)),
                    Trials("", magnitudes=_EXPECTED, delay=fixed(1500.0)),
                    Trials("B", 0.0, delay=fixed(1500.0)),
                ),
            ),
        ),
        "iti": exponential(8000.0, 4000.0, 25_000.0),
        "cue": 1000.0,
        "reference": "Eshel, Bukwich, Rao, Hemmelder, Tian & Uchida 2015, Nature 525:243",
    },
    "hollerman_1998": {
        "phases": (
            (300, (Trials("A"),)),
            (
                None,
                (
                    Trials("A", 7 / 8, weight=0.8),
                    Trials("A", delay=fixed(500.0), weight=0.1),
                    Trials("A", delay=fixed(1500.0), weight=0.1),
                ),
            ),
        ),
        "iti": _EARLY_ITI,
        "cue": math.inf,
        "reference": "Hollerman & Schultz 1998, Nat. Neurosci. 1:304",
    },
    "tobler_2003": {
        "phases": (
            (300, (_blocking("A", 1.0), _blocking("B", 0.0), _blocking("C", 1.0))),
            (
                500,
                (
                    *(_blocking("A", 1.0), _blocking("AX", 0.0)),
                    *(_blocking("B", 0.0), _blocking("BY", 0.0), _blocking("C", 1.0)),
                ),
            ),
            (None, tuple(_blocking(cues, 0.0) for cues in ("X", "Y", "C", "CX", "CY"))),
        ),
        "iti": exponential(16_000.0, 12_000.0, 20_000.0),
        "cue": math.inf,
        "reference": "Tobler, Dickinson & Schultz 2003, J. Neurosci. 23:10402",
    },
    "second_order": {
        "phases": (
            (300, (Trials("A"),)),
            (None, (Trials("A"), Trials("B>A", 0.0, delay=fixed(2000.0)), Trials("C", 0.0))),
        ),
        "iti": _EARLY_ITI,
        "cue": 1000.0,
        "reference": "Maes et al. 2020, Nat. Neurosci. 23:176 (the finding, not the times)",
    },
    "preconditioning": {
        "phases": (
            (100, tuple(Trials(cues, 0.0, delay=fixed(2000.0)) for cues in ("A>B", "C>D"))),
            (300, (Trials("B"), Trials("D", 0.0))),
            (None, (Trials("A", 0.0), Trials("C", 0.0))),
        ),
        "iti": _EARLY_ITI,
        "cue": 1000.0,
        "reference": "Sadacca, Jones & Schoenbaum 2016, eLife 5:e13665",
    },
    "takahashi_2017": {
        "phases": (
            (300, (Trials("A>F"), Trials("B>G"))),
            (None, (Trials("A>F"), Trials("A>G"), Trials("B>F"), Trials("B>G"))),
        ),
        "iti": _EARLY_ITI,
        "cue": 1000.0,
        "reference": "Takahashi et al. 2017, Neuron 95:1395",
    },
    "amo_2022": {
        "phases": ((None, (Trials("A", delay=fixed(3000.0)),)),),
        "iti": _FIORILLO_ITI,
        "cue": 1000.0,
        "reference": "Amo, Matias, Yamanaka, Tanaka, Uchida & Watabe-Uchida 2022, Nat. Neurosci. 25:1082",
    },
    "dabney_2020_probability": {
        "phases": ((None, (_second("A", 0.1), _second("B", 0.5), _second("C", 0.9))),),
        "iti": exponential(8000.0, 4000.0, 25_000.0),
        "cue": 1000.0,
        "reference": "Dabney et al. 2020, Nature 577:671, variable probability",
    },
    "kim_2020": {
        "phases": (
            (
                None,
                (
                    replace(_chain("ABCDEFGH"), weight=0.97),
                    *(replace(_chain(c), weight=0.01) for c in ("ADEFGH", "ABCFGH", "ABCDEH")),
                ),
            ),
        ),
        "iti": fixed(6000.0),
        "cue": 1000.0,
        "reference": "Kim et al. 2020, Cell 183:1600",
    },
    "babayan_2018": {
        "phases": (
            (1000, tuple(Block(5, _sized(size)) for size in (0.1, 1.0))),
            (
                None,
                tuple(
                    Block(5, _sized(size), weight)
                    for size, weight in zip(
                        (0.1, 0.2, 0.4, 0.6, 0.8, 1.0), (39, 3, 3, 3, 3, 39), strict=True
                    )
                ),
            ),
        ),
        "iti": exponential(3600.0, 2000.0, 20_000.0),
        "cue": 1000.0,
        "reference": "Babayan, Uchida & Gershman 2018, Nat. Commun. 9:1891",
    },
    "bromberg_martin_2010": {
        "phases": ((None, (Block(20, _linked(1.0, 0.0)), Block(20, _linked(0.0, 1.0)))),),
        "iti": _EARLY_ITI,
        "cue": math.inf,
        "reference": "Bromberg-Martin, Matsumoto, Hong & Hikosaka 2010, J. Neurophysiol. 104:1068",
    },
    "qian_2025_degradation": _contingency(0.75, ("", 0.75)),
    "qian_2025_cued": _contingency(0.75, ("C", 0.75)),
    "qian_2025_extinction": _contingency(0.0, ("", 0.0)),
    "jeong_2022_random": {
        "phases": (
            (500, (Trials("", delay=fixed(500.0)),)),
            (None, (Trials("A", delay=fixed(3000.0)),)),
        ),
        "iti": exponential(11_000.0, 500.0, 60_000.0),
        "cue": 3000.0,
        "reference": "Jeong et al. 2022, Science 378:eabq6740, random rewards",
    },
    "jeong_2022_delay": {
        "phases": (
            (500, (Trials("A", delay=fixed(3000.0)),)),
            (None, (Trials("A", delay=fixed(9000.0)),)),
        ),
        "iti": exponential(30_000.0, 1000.0, 90_000.0),
        "cue": 1000.0,
        "reference": "Jeong et al. 2022, Science 378:eabq6740, a longer delay",
    },
}


def pavlovian(
    preset: str = "schultz_1997",
    phases: tuple | None = None,
    iti: Delay | None = None,
    cue: float | None = None,
    after: float = 500.0,
    licking: bool = False,
    lick_cost: float = 0.0,
    unbroken: bool = False,
    step: float = 20.0,
) -> Task:
    """Cues predict rewards, which come whatever one does.

    A trial is: inter-trial interval (nothing is seen), cue, reward or none, some time after it. Its
    first step is the one after the end of the trial before. In the step of the reward a cue that
    lasts until then is off.

    Parameters
    ----------
    preset : str
        Name of an experiment in `PRESETS`, which gives the three that follow.
    phases : tuple of (int or None, tuple of Trials), optional
        Number of trials, and what they can be, for each phase of training; the last, with None,
        lasts for good. Instead of kinds of trial a phase may have sorts of `Block`. Trials are counted
        over the whole run, so an evaluation is in the phase that training is in.
    iti : Delay, optional
        Time from the start of the trial to the cue; `fixed`, `uniform` or `exponential`.
    cue : float, optional
        Duration of the cues (ms); infinite, or more than the delay, for cues that last until the
        reward (delay conditioning), less for a trace.
    after : float
        Time from the reward to the end of the trial (ms).
    licking : bool
        Whether there are two actions, to wait and to lick; licking brings nothing.
    lick_cost : float
        What each step of licking costs.
    unbroken : bool
        Whether trials are those of one session, in which the agent's state runs on over them. If not,
        it starts anew with each trial.
    step : float
        Duration of a step (ms).

    Notes
    -----
    `schultz_1997`: one cue 1 s before the reward, after 300 trials omissions in every tenth.
    `waelti_2001`: blocking: A+ B-, then AX+ BY+, then the probes X- Y-, 1.5 s, where monkeys saw
    reminders of the compounds among the probes. `fiorillo_2003`: probabilities 0, 0.25, 0.5, 0.75
    and 1 (A to E), 2 s, intervals between trials of 9 s in the mean. `tobler_2005`: two sizes of
    reward for each of three cues, relative to the largest. `starkweather_2017_task1` and `_task2`:
    A with a reward after 1.2 to 2.8 s (Gaussian weights, mean 2, standard deviation 0.5 s, in steps
    of 0.2 s), B after 1.2 s, C after 2.8 s, D without; in task 2 a tenth of the rewards of A, B and
    C are omitted. `eshel_2015`: seven sizes of reward, relative to 20 µl, 1.5 s after odour A or
    unannounced, and odour B without. `hollerman_1998`: a reward 1 s after the cue, then in a tenth of
    the trials each 0.5 s earlier, 0.5 s later, and not at all. `tobler_2003`: conditioned inhibition: A+
    B- C+, then AX- and BY- among them, then X, Y and their summation with C. `second_order`: A+, then
    A+, B followed by A and C, both unrewarded. `preconditioning`: A followed by B and C by D, then B+ D-,
    then A and C. `takahashi_2017`: rewards of equal size with flavours F and G, which are a cue from
    the reward on; then flavours as expected and swapped. `amo_2022`: an odour of 1 s, reward 3 s
    after its start. `dabney_2020_probability`: rewards with probability 0.1, 0.5 and 0.9, 2 s after the
    cue. `kim_2020`: eight positions of 1 s each, reward after the last, and in a hundredth of the trials
    each three jumps over two of them (which two is ours). `babayan_2018`: blocks of five rewards of 1 or
    10 µl, relative to the latter, then rare blocks of 2, 4, 6 and 8 among them; 2 s after the odour, as
    in the model of Hennig et al. 2023. `bromberg_martin_2010`: two targets of which one is rewarded, the
    other in the next block. `qian_2025_degradation`, `_cued`, `_extinction`: odour A is rewarded in
    three of four trials, B never, a further two fifths of trials are blank; then these have rewards
    too, or these and odour C, or there are no rewards any more; steps of 500 ms, as in the authors'
    model. `jeong_2022_random`: rewards at random, 12 s apart, then an odour before each;
    `jeong_2022_delay`: a reward 3 s after the cue, then 9 s (the program for ANCCR). Facts of these that
    were not read in the papers themselves but are told of them, and so are not verified: all times of
    `hollerman_1998`,
    `tobler_2003`, `takahashi_2017`, `bromberg_martin_2010`, the duration of the odour of `amo_2022`, and
    1.5 s of `waelti_2001`;
    `second_order` and the times of `preconditioning` (10 s cues in the paper) are ours.
    `kim_2020` follows another group's simulation (8 positions, 1 % teleports, 6 s between trials).
    What the papers leave open or spread over sessions is ours:
    numbers of trials, how often each kind comes, and intervals between trials, which are exponential
    within bounds so that the time of the cue cannot be known; the upper bounds make their means shorter
    than the 4, 9, 8 and 13 s of exponentials without: 3.9, 8.9, 7.9 and 12.6 s.

    The cue and the reward may be at no fixed time: the events `cue`, `reward` and `omission`, and the
    variables `cue_on`, `reward_on` and `omission_on`, tell the step of a cue, of a reward and of the
    absence of one that was possible in that kind of trial; `phase` and `kind` are numbers from 0, the
    latter that of the row in `rows`. Where there are blocks `block` is the sort (see `blocks`), and
    `since` how many trials of the block came before.
    """
    chosen = PRESETS[choose("preset", preset, PRESETS)]
    check_flag("licking", licking)
    phases = chosen["phases"] if phases is None else phases
    iti = chosen["iti"] if iti is None else iti
    table = rows(phases, step)
    cues = sorted({letter for row in table for letter in row["cues"] if letter != ">"})
    chained = [c for c in cues if any(_place(c, row["cues"]) for row in table)]
    if not cues:
        raise InputError("phases have no cue; at least one letter is needed")
    onsets = _draws("iti", iti, step)
    if len(onsets) > 1:
        raise InputError("iti is a set of times; fixed, uniform or exponential is needed")
    spreads = any(row["width"] for row in table)
    columns = ("upto", "magnitude", "omits", "delay", *(("width", "scale") if spreads else ()))
    cue_steps = _cue_steps(chosen["cue"] if cue is None else cue, step)
    if chained and cue_steps == NEVER:
        raise InputError("cue is infinite; cues one after the other need a duration")
    after_steps = whole_steps("after", after, step)
    parameters = {
        "iti_first": Parameter(onsets[0][1]),
        "iti_width": Parameter(onsets[0][2]),
        "iti_scale": Parameter(onsets[0][3]),
        "cue_steps": Parameter(cue_steps),
        "after_steps": Parameter(after_steps),
        "lick_cost": Parameter(check_number("lick_cost", lick_cost)),
        **numbered("phase_end", _phase_ends(phases)),
    }
    for column in columns:
        parameters |= numbered(column, [row[column] for row in table])
    sorts = blocks(phases)
    # Without blocks of several trials, a trial is drawn for its phase.
    blocked = len(sorts) > len(phases) or any(sort["trials"] > 1 for sort in sorts)
    if blocked:
        parameters |= numbered("block_upto", [sort["upto"] for sort in sorts])
    return Task(
        name="pavlovian",
        summary="cues that predict rewards",
        reference=chosen["reference"],
        observations={
            f"cue_{letter}": f"shows_{letter}*int(time >= onset{lag})*int(time < offset{lag})"
            for letter in cues
            for lag in (f" + lag_{letter}" if letter in chained else "",)
        },
        actions=("wait", "lick") if licking else ("wait",),
        variables=(
            *("time", "trial", "phase", "kind", "onset", "offset", "reward_time"),
            *("size", "omitted", "cue_on", "reward_on", "omission_on"),
            *(("block", "since", "length") if blocked else ()),
            *(f"shows_{letter}" for letter in cues),
            *(f"lag_{letter}" for letter in chained),
        ),
        parameters=parameters,
        step=_step(cues, licking),
        reset=_reset(table, cues, chained, len(phases), spreads, sorts if blocked else ()),
        events={
            "cue": "cue_on",
            "reward": "reward_on",
            "omission": "omission_on",
            "outcome": ("end", -after_steps),
            "end": ("end", 0),
        },
        unbroken=unbroken,
        step_duration=step,
    )


def blocks(phases):
    """The sorts of block of each phase, in order; a phase without has one, of a single trial.

    Parameters
    ----------
    phases : tuple
        As for `pavlovian`.

    Returns
    -------
    list of dict
        `phase`, `trials`, `kinds`; `share` of the blocks of the phase, and `upto`, the phase plus the
        cumulated share.
    """
    found = []
    for phase, (_, kinds) in enumerate(phases):
        sorts = kinds if isinstance(kinds[0], Block) else (Block(1, kinds),)
        total, cumulated = sum(sort.weight for sort in sorts), 0.0
        for sort in sorts:
            share = sort.weight / total
            cumulated += share
            own = {"phase": phase, "trials": sort.trials, "kinds": sort.kinds, "share": share}
            found.append(own | {"upto": phase + cumulated})
        found[-1]["upto"] = phase + 1.0
    return found


def rows(phases, step=20.0):
    """Everything that a trial can be, phase by phase and block by block.

    Parameters
    ----------
    phases : tuple
        As for `pavlovian`.
    step : float
        In ms.

    Returns
    -------
    list of dict
        phase, block (number of its sort, see `blocks`), cues, magnitude, omits; delay, width (steps) and
        scale of the time to the reward; probability within the phase, and `upto`, the block plus
        the cumulated probability within it.
    """
    _check_phases(phases)
    found = []
    for block, sort in enumerate(blocks(phases)):
        total, cumulated = sum(kind.weight for kind in sort["kinds"]), 0.0
        for kind in sort["kinds"]:
            for chance, *values in kind.rows(step):
                within = chance * kind.weight / total
                cumulated += within
                names = ("cues", "magnitude", "omits", "delay", "width", "scale")
                row = dict(zip(names, values, strict=True))
                row |= {
                    "phase": sort["phase"],
                    "block": block,
                    "probability": within * sort["share"],
                }
                found.append(row | {"upto": block + cumulated})
        found[-1]["upto"] = block + 1.0
    return found


def _check_phases(phases):
    pairs = isinstance(phases, tuple | list) and all(
        isinstance(phase, tuple | list) and len(phase) == 2 for phase in phases
    )
    if not pairs or not phases:
        raise InputError(f"phases is {phases!r}; pairs of a number of trials and kinds are needed")
    for phase, (count, kinds) in enumerate(phases):
        if phase < len(phases) - 1:
            check_count(f"number of trials in phase {phase}", count)
        if not isinstance(kinds, tuple | list):
            raise InputError(
                f"phase {phase} has {kinds!r}; a tuple of Trials or of Block is needed"
            )
        if kinds and all(isinstance(kind, Block) for kind in kinds):
            for block in kinds:
                check_count(f"trials of a block in phase {phase}", block.trials)
                check_number(f"weight of a block in phase {phase}", block.weight, 1e-9)
                _check_kinds(phase, block.kinds)
        else:
            _check_kinds(phase, kinds)
    if phases[-1][0] is not None:
        raise InputError("the last phase lasts for good; its number of trials must be None")


def _check_kinds(phase, kinds):
    if not kinds or not all(isinstance(kind, Trials) for kind in kinds):
        raise InputError(
            f"phase {phase} has {kinds!r}; one or more Trials are needed, or one or more Block"
        )
    for kind in kinds:
        shown = kind.cues.replace(">", "")
        if not all(c.isascii() and c.isalpha() for c in shown):
            raise InputError(f"cues are {kind.cues!r}; letters are needed, one for each cue")
        if len(set(shown)) < len(shown) or (kind.cues and "" in kind.cues.split(">")):
            raise InputError(
                f"cues are {kind.cues!r}; each once, and one or more on either side of '>' are needed"
            )


def _place(letter, cues):
    """How many cues come before this one in a trial."""
    return next((k for k, shown in enumerate(cues.split(">")) if letter in shown), 0)


def _phase_ends(phases):
    """Trial with which each phase but the last ends."""
    counts = [count for count, _ in phases[:-1]]
    return [sum(counts[: k + 1]) for k in range(len(counts))]


def _cue_steps(cue, step):
    return NEVER if cue == math.inf else whole_steps("cue", cue, step)


def _step(cues, licking):
    shown = " + ".join(f"shows_{letter}" for letter in cues)
    cost = "lick_cost*int(action == 1)" if licking else "0"
    return f"""
        time = time + 1
        cue_on = int(time == onset)*int({shown} > 0)
        outcome_on = int(time == reward_time)
        reward_on = outcome_on*int(size != 0)
        omission_on = outcome_on*omitted
        reward = outcome_on*size - {cost}
        terminated = int(time >= reward_time + after_steps)
    """


def _drawn(first, width, scale, k):
    """Expression of a time, with the k-th random number (see `_draws`)."""
    whole = f"floor(-{scale}*log1p(uniform({k})*expm1(-({width} + 1)/{scale})))"
    return f"{first} + clip({whole}, 0, {width})"


def _reset(table, cues, chained, phases, spreads, sorts):
    def column(name):
        return pick("kind", [f"{name}_{k}" for k in range(len(table))])

    def count(variable, name, size):
        return " + ".join(["0", *(f"int({variable} >= {name}_{k})" for k in range(size))])

    shows = "\n".join(
        f"shows_{letter} = "
        + " + ".join(f"int(kind == {k})" for k, row in enumerate(table) if letter in row["cues"])
        for letter in cues
    )
    for letter in chained:
        places = [_place(letter, row["cues"]) for row in table]
        lag = " + ".join(f"int(kind == {k})*{place}" for k, place in enumerate(places) if place)
        shows += f"\nlag_{letter} = cue_steps*({lag})"
    delay = f"delay = {column('delay')}"
    if spreads:
        delay = f"""
            delay_width = {column("width")}
            delay_scale = {column("scale")}
            delay = {_drawn(f"({column('delay')})", "delay_width", "delay_scale", 2)}
        """
    # Slightly less than 1, so that in single precision a phase does not draw from the next.
    draw = "draw = phase + 0.999999*uniform(0)" if len(table) > 1 else ""
    if sorts:
        draw = f"""
            since = since + 1
            over = int(since >= length) + int({pick("block", [s["phase"] for s in sorts])} != phase)
            over = int(over > 0)
            next_block = phase + 0.999999*uniform(3)
            block = block + over*({count("next_block", "block_upto", len(sorts) - 1)} - block)
            since = since*(1 - over)
            length = {pick("block", [s["trials"] for s in sorts])}
            draw = block + 0.999999*uniform(0)
        """
    return f"""
        time = 0
        phase = {count("trial", "phase_end", phases - 1)}
        trial = trial + 1
        {draw}
        kind = {count("draw", "upto", len(table) - 1)}
        size = {column("magnitude")}
        omitted = {column("omits")}
        onset = {_drawn("iti_first", "iti_width", "iti_scale", 1)}
        {delay}
        reward_time = onset + delay
        offset = onset + clip(delay, 0, cue_steps)
        {shows}
    """
