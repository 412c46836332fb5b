"""What an experimenter does to the circuit while it runs: lesions, drugs, light, dopamine clamps.

An `Intervention` says what happens to what, from when and for how long. All interventions of a run are
rows of one table, which is state: changing it recompiles nothing, and a program made without
interventions has no trace of them (``structure["interventions"]`` says which kind it is).

In a program that has them, everything that can be modulated is one vector, `modulation`: factors, 1
where nothing is done, and amounts to add, 0 where nothing is done. In every step the
program decides which rows are active. Where that changes, the vector is put together anew (product of the
factors, sum of the amounts). The equations read it:

===========================  ==========================================================================
`rate` of a neuron           times its state after every Euler step, and times its derivatives
`gain`, `baseline`           of a drive, a striatal neuron or the TD error: gain times it plus baseline
`transmission` of a pathway  times its mask; where it is 0 the pathway's sensitivities, eligibility and
                             optimizer are cleared, and its weights are held
`plasticity` of parameters   0 where they are held
===========================  ==========================================================================
"""

import itertools
import re
from dataclasses import dataclass

import numpy as np

from bgrl.circuit.modulators import through
from bgrl.description import as_annotated, description
from bgrl.errors import InputError, choose

#: Rows of the table.
MOST = 16
#: Events of every task; their numbers are those of `bgrl.step.interventions.TIMING`.
EVENTS = {"trial_start": 1, "trial_end": 2, "reward": 3}
_FOR_GOOD = 2**30
_TEXT = re.compile(
    r"(\w+) (\S+)(?: ([-+.\w]+))?(?: neurons (\S+))?(?: from (\w+))?(?: after (\d+))?(?: for (\d+))?"
)


@description
class Intervention:
    """One thing that is done to the circuit in a run.

    Parameters
    ----------
    kind : str
        ``"inactivate"``: a population or readout is silent, its state 0; or a projection carries
        nothing and learns nothing. Weights stay as they are and work again afterwards.
        ``"gain"``: multiplies the drive of a population or readout, what a projection transmits, or
        dopamine (the TD error). ``"drive"``: adds to the drive of a population or readout, or to
        dopamine. ``"clamp"``: dopamine has this value. ``"block_plasticity"``: a projection or trained
        parameter, or ``"all"``, keeps its values; eligibility goes on.
    target : str
        A population, ``population.drive`` where it has several, a readout, a projection
        (``"cortex->cortex"``, ``"cortex->dorsal_striatum"``), a trained parameter (``"cortex.tau"``,
        ``"ventral_striatum.bias"``), ``"dopamine"`` or ``"all"``.
    value : float, optional
        Factor, amount or level; dimensionless, like drives and rates.
    start : int or str
        A step of the run, or an event: whenever it happens, for `duration` steps. ``"trial_start"`` (the
        step of the first observation; `reward` and dopamine of that step still belong to the trial
        before), ``"trial_end"`` (the step of the last reward: the same step, or the one before where a
        time limit cut the trial), ``"reward"`` (not 0), or an event of the task that can be told when it
        happens (the first of its kind in a trial).
    delay : int
        Task steps from there to the onset.
    duration : int, optional
        Task steps; until the run ends if nothing is said. An event that happens again opens a new
        window and ends the one before.
    neurons : tuple of int, optional
        Which neurons of a population, or rows of a readout; all of them if nothing is said.

    Raises
    ------
    InputError
        If the kind is unknown, a value is missing or given to a kind that takes none, `start`,
        `delay` or `duration` is no such number of steps, or `neurons` are none, negative or given
        twice. `bgrl.simulate` refuses targets, events and neurons that the agent does not have.
    """

    kind: str
    target: str
    value: float | None = None
    start: int | str = 0
    delay: int = 0
    duration: int | None = None
    neurons: tuple[int, ...] | None = None

    def __post_init__(self):
        choose("intervention", self.kind, KINDS)
        valued = KINDS[self.kind].valued
        if valued != (self.value is not None):
            need = "a value is needed" if valued else "it takes no value"
            raise InputError(f"{self.kind} {self.target}: value is {self.value!r}; {need}")
        for name, lowest in (("start", 0), ("delay", 0), ("duration", 1)):
            given = getattr(self, name)
            if (name, type(given)) == ("start", str) or (name, given) == ("duration", None):
                continue
            if not lowest <= given < _FOR_GOOD:
                event = " or an event" if name == "start" else ""
                raise InputError(
                    f"{self.kind} {self.target}: {name} is {given!r}; a number of steps, "
                    f"{lowest} or more,{event} is needed"
                )
        neurons = self.neurons
        if neurons is not None and (
            not neurons or min(neurons) < 0 or len(set(neurons)) < len(neurons)
        ):
            raise InputError(
                f"{self.kind} {self.target}: neurons are {', '.join(map(str, neurons)) or 'none'}; "
                "one or more numbers from 0, each once, are needed"
            )

    def open_until(self):
        """The step, counted from `start`, in which its window closes."""
        return self.delay + (_FOR_GOOD if self.duration is None else self.duration)

    def __str__(self):
        parts = [self.kind, self.target]
        parts += [] if self.value is None else [_shortest(self.value)]
        parts += [] if self.neurons is None else ["neurons", ",".join(map(str, self.neurons))]
        parts += [] if self.start == 0 else ["from", str(self.start)]
        parts += [] if self.delay == 0 else ["after", str(self.delay)]
        parts += [] if self.duration is None else ["for", str(self.duration)]
        return " ".join(parts)

    @classmethod
    def parse(cls, text):
        """The inverse of ``str``.

        Raises
        ------
        InputError
            If the text is not of the form that ``str`` makes, or the intervention cannot be.

        Examples
        --------
        >>> Intervention.parse("drive cortex 0.5 neurons 0,1 from reward after 2 for 10").duration
        10
        """
        as_annotated("text", text, str, "Intervention.parse")
        match = _TEXT.fullmatch(" ".join(text.split()))
        try:
            kind, target, value, neurons, start, delay, duration = match.groups()
            start = start or "0"
            if value is not None and not np.isfinite(float(value)):
                raise InputError(f"{kind} {target}: value {value} is no finite number")
            return cls(
                kind,
                target,
                None if value is None else float(value),
                int(start) if start.isdigit() else start,
                int(delay or 0),
                None if duration is None else int(duration),
                None if neurons is None else tuple(int(k) for k in neurons.split(",")),
            )
        except InputError:
            raise
        except (AttributeError, ValueError):
            raise InputError(
                f"cannot read intervention {text!r}; write KIND TARGET [VALUE] [neurons 0,1,...] "
                "[from STEP or EVENT] [after STEPS] [for STEPS]"
            ) from None


def _shortest(number):
    """The shortest text that is read as this number."""
    text = f"{number:g}"
    return text if float(text) == number else repr(number)


# What can be modulated ----------------------------------------------------------------------


def modulated(agent):
    """Everything that interventions can act on in an agent, as JSON values.

    Parameters
    ----------
    agent : bgrl.agent.Agent

    Returns
    -------
    dict
        `variables`: links of the network's groups ("group.variable") to their size and whether they
        are factors (1) or amounts (0). `pathways`: names of projections and trained parameters.
    """
    variables = {}
    for name, p in agent.circuit.populations.items():
        variables[f"{name}.modulation_rate"] = [int(p.size), 1]
        for drive in p.all_drives:
            variables[f"{name}.modulation_gain_{drive}"] = [int(p.size), 1]
            variables[f"{name}.modulation_baseline_{drive}"] = [int(p.size), 0]
    for name, size in (("readout", agent.task.actor_channels + 1), ("dopamine", 1)):
        variables |= {
            f"{name}.modulation_gain": [size, 1],
            f"{name}.modulation_baseline": [size, 0],
        }
    return {"variables": variables, "pathways": _pathways(agent)}


def _pathways(agent):
    """Names of what may be held or lesioned; of gap junctions the target has a part of its own."""
    electrical = {name for name, p in agent.circuit.projections.items() if p.electrical}
    return [name for name in agent.pathways() if name not in electrical]


def modulation_places(description):
    """Where everything is in the vector `modulation`.

    Parameters
    ----------
    description : dict
        What `modulated` returns.

    Returns
    -------
    dict of str to (int, int, int)
        Name to first and last place, and what it is where nothing is done.
    """
    entries = dict(description["variables"])
    for name in description["pathways"]:
        entries |= {f"transmission of {name}": (1, 1), f"plasticity of {name}": (1, 1)}
    found, first = {}, 0
    for name, (size, base) in entries.items():
        found[name] = first, first + size, base
        first += size
    return found


# The table ----------------------------------------------------------------------------------


def changes(agent, interventions):
    """The rows of the table.

    Parameters
    ----------
    agent : bgrl.agent.Agent
    interventions : sequence of Intervention

    Returns
    -------
    list of (int, int, int, dict)
        Event, delay and duration as `TIMING` reads them, and what is changed: name of a place to
        (neurons or None, value).

    Raises
    ------
    InputError
        For a target, event or neuron that does not exist, with the valid ones.
    """
    if len(interventions) > MOST:
        raise InputError(f"{len(interventions)} interventions; at most {MOST} fit")
    rows = []
    for intervention in interventions:
        if interventions.count(intervention) > 1:
            raise InputError(f"{intervention}: given twice; once is needed")
        event, delay = _timing(agent.task, intervention)
        duration = _FOR_GOOD if intervention.duration is None else intervention.duration
        rows.append((event, delay, duration, _effects(agent, intervention)))
    return rows


def check_interventions(interventions, steps):
    """Refuse what are no interventions in a run of `steps`, never happen, or contradict each other.

    Raises
    ------
    InputError
    """
    for intervention in interventions:
        if not isinstance(intervention, Intervention):
            raise InputError(f"an Intervention is needed, not {intervention!r}")
        start, delay = intervention.start, intervention.delay
        if isinstance(start, int) and start + delay > steps:
            raise InputError(
                f"{intervention}: the run ends at step {steps}; an earlier start is needed"
            )
    for one, other in itertools.combinations(interventions, 2):
        clamps = one.kind == other.kind == "clamp" and one.value != other.value
        if clamps and _together(one, other):
            raise InputError(f"{one} and {other}: dopamine cannot have both values at once")


def _together(one, other):
    """Whether two interventions are surely active at the same time at some time."""
    if {type(one.start), type(other.start)} == {int}:
        shift = other.start - one.start
    elif one.start == other.start:
        shift = 0
    else:
        return False
    first = max(one.delay, shift + other.delay)
    return first < min(one.open_until(), shift + other.open_until())


def _timing(task, intervention):
    if not isinstance(intervention.start, str):
        return 0, intervention.start + intervention.delay
    events = {name: (number, 0) for name, number in EVENTS.items()}
    for number, name in enumerate(task.happenings, 1 + max(EVENTS.values())):
        events.setdefault(name, (number, 0))
    for name, (anchor, offset) in ((k, v) for k, v in task.events.items() if k not in events):
        # What is counted back from the end of a trial cannot be told when it happens.
        if offset >= 0:
            events.setdefault(name, (EVENTS[f"trial_{anchor}"], offset))
    choose("event to start from", intervention.start, events)
    event, offset = events[intervention.start]
    return event, offset + intervention.delay


def _effects(agent, intervention):
    targets = KINDS[intervention.kind].effects(agent, intervention.value)
    effects = targets[choose(f"target to {intervention.kind}", intervention.target, targets)]
    chosen = _neurons(agent, intervention, effects)
    return {place: (chosen, value) for place, value in effects.items()}


def _neurons(agent, intervention, effects):
    """Which entries of their places an intervention changes; None for all."""
    rows = agent.plan.rows
    name = intervention.target.split(".")[0]
    owners = {place.partition(".modulation_")[0] for place in effects}
    if name in rows and owners == {"readout"}:
        first, last = rows[name]
    elif owners == {name} and name in agent.circuit.populations:
        first, last = 0, agent.circuit.size(name)
    else:
        return _no_neurons(intervention)
    if intervention.neurons is None:
        return list(range(first, last))
    for k in intervention.neurons:
        if not 0 <= k < last - first:
            raise InputError(f"{intervention}: {name!r} has neurons 0 to {last - first - 1}")
    return [first + k for k in intervention.neurons]


def _no_neurons(intervention):
    if intervention.neurons is not None:
        raise InputError(f"{intervention}: neurons can only be chosen of a population or readout")


def at_checkpoint(state, step):
    """Let an evaluation have the interventions that are in force at this step of the run.

    Its own steps count from 0. Those that follow events wait for the first in the evaluation.

    Parameters
    ----------
    state : dict of str to ndarray
        Is changed.
    step : int
        Of the run.
    """
    if "intervention.checkpoint" in state:
        state["intervention.checkpoint"][...] = step
        state["intervention.since"][...] = -1


# Kinds --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """A kind of intervention.

    Parameters
    ----------
    valued : bool
        Whether it takes a value.
    effects : callable
        ``effects(agent, value)`` returns what can be its target: name to what becomes of the places of
        `modulated` there, place to factor or amount.
    """

    valued: bool
    effects: object


def _inactivate(agent, _):
    found = {name: {f"{name}.modulation_rate": 0} for name in agent.circuit.populations}
    return found | _readouts(agent, "gain", 0) | _transmissions(agent, 0)


def _gain(agent, value):
    found = _drives(agent, "gain", value) | _readouts(agent, "gain", value)
    found |= _transmissions(agent, value)
    return found | {"dopamine": {"dopamine.modulation_gain": value}}


def _drive(agent, value):
    found = _drives(agent, "baseline", value) | _readouts(agent, "baseline", value)
    return found | {"dopamine": {"dopamine.modulation_baseline": value}}


def _clamp(agent, value):
    places = {"dopamine.modulation_baseline": value, "dopamine.modulation_gain": 0}
    return {"dopamine": places}


def _block_plasticity(agent, _):
    found = {name: {f"plasticity of {name}": 0} for name in _pathways(agent)}
    return found | {"all": {place: 0 for places in found.values() for place in places}}


def _drives(agent, what, value):
    """Populations of one drive by their name, else each drive by its own."""
    found = {}
    for name, p in agent.circuit.populations.items():
        for drive in p.drives:
            # Pathways that have a drive of their own count as parts of the one that they feed.
            electrical = {junction.key for junction in p.junctions}
            own = [f.of for f in p.factors if f.drive == drive and what == "gain"]
            parts = [through(key) for key in own if key not in electrical]
            places = {f"{name}.modulation_{what}_{part}": value for part in (drive, *parts)}
            found[name if len(p.drives) == 1 else f"{name}.{drive}"] = places
    return found


def _readouts(agent, what, value):
    return {r.name: {f"readout.modulation_{what}": value} for r, _ in agent.readouts()}


def _transmissions(agent, value):
    projections = [name for name, p in agent.circuit.projections.items() if not p.electrical]
    names = [*projections, *(f"{r.reads}->{r.name}" for r, _ in agent.readouts())]
    return {name: {f"transmission of {name}": value} for name in names}


KINDS = {
    "inactivate": Kind(False, _inactivate),
    "gain": Kind(True, _gain),
    "drive": Kind(True, _drive),
    "clamp": Kind(True, _clamp),
    "block_plasticity": Kind(False, _block_plasticity),
}
