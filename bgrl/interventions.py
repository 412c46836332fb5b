"""What an experimenter does to the circuit while it runs: lesions, drugs, light, dopamine clamps.

An `Intervention` says what happens to what, from when and for how long. All interventions of a run are
rows of one table, which is state: changing it recompiles nothing, and a program made without
interventions has no trace of them (``structure["interventions"]`` says which kind it is).

In a program that has them, everything that can be modulated is one vector, `modulation`: factors, 1
where nothing is done, and amounts to add, 0 where nothing is done. In every step `TIMING` decides which
rows are active. Where that changes, `Modulation` puts the vector together anew (product of the factors,
sum of the amounts). The equations read it:

===========================  ==========================================================================
`rate` of a neuron           times its state after every Euler step, and times its derivatives
`gain`, `baseline`           of a drive, a striatal neuron or the TD error: gain times it plus baseline
`transmission` of a pathway  times its mask; where it is 0 the pathway's sensitivities, eligibility and
                             optimizer are cleared, and its weights are held (`Hold`)
`plasticity` of parameters   0 where they are held
===========================  ==========================================================================
"""

import re
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np

from bgrl.errors import InputError, choose
from bgrl.matrices import Operation

#: Rows of the table.
MOST = 16
#: Kind to whether it takes a value.
KINDS = {
    "inactivate": False,
    "gain": True,
    "drive": True,
    "clamp": True,
    "block_plasticity": False,
}
#: Events of every task; their numbers are those of `TIMING`.
EVENTS = {"trial_start": 1, "trial_end": 2, "reward": 3}
_FOR_GOOD = 2**30
_TEXT = re.compile(
    r"(\w+) (\S+)(?: ([-+.\w]+))?(?: neurons (\S+))?(?: from (\w+))?(?: after (\d+))?(?: for (\d+))?"
)

#: Brian2 code of the rows: steps since the event, and whether the window around it is open.
TIMING = """
    now = int(checkpoint < 0)*t_in_timesteps + int(checkpoint >= 0)*checkpoint
    ends = int(event == 2 and ended > 0 and trial_length > 0)
    happens = int(event == 1 and done > 0) + ends + int(event == 3 and reward != 0)
    later = (1 - happens)*(since + int(since >= 0))
    since = int(event == 0)*now + int(event != 0)*later
    active = 1.0*int(since >= delay and since - delay < duration)
"""


@dataclass(frozen=True)
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
        before), ``"trial_end"`` (the same step, that of the last reward), ``"reward"`` (not 0), or an
        event of the task that can be told when it happens.
    delay : int
        Task steps from there to the onset.
    duration : int, optional
        Task steps; until the run ends if nothing is said. An event that happens again opens a new
        window and ends the one before.
    neurons : tuple of int, optional
        Which neurons of a population, or rows of a readout; all of them if nothing is said.
    """

    kind: str
    target: str
    value: float | None = None
    start: int | str = 0
    delay: int = 0
    duration: int | None = None
    neurons: tuple | None = None

    def __post_init__(self):
        choose("intervention", self.kind, KINDS)
        if KINDS[self.kind] != (self.value is not None):
            need = "a value is needed" if KINDS[self.kind] else "it takes no value"
            raise InputError(f"{self.kind} {self.target}: value is {self.value!r}; {need}")
        if self.value is not None and not (
            isinstance(self.value, Real) and np.isfinite(self.value)
        ):
            raise InputError(f"{self.kind} {self.target}: value {self.value!r} is no finite number")
        for name, lowest in (("start", 0), ("delay", 0), ("duration", 1)):
            given = getattr(self, name)
            if (name, type(given)) == ("start", str) or (name, given) == ("duration", None):
                continue
            if not isinstance(given, Integral) or not lowest <= given < _FOR_GOOD:
                event = " or an event" if name == "start" else ""
                raise InputError(
                    f"{self.kind} {self.target}: {name} is {given!r}; a number of steps, "
                    f"{lowest} or more,{event} is needed"
                )
        if self.neurons is not None:
            object.__setattr__(self, "neurons", tuple(self.neurons))

    def __str__(self):
        parts = [self.kind, self.target]
        parts += [] if self.value is None else [f"{self.value:g}"]
        parts += [] if self.neurons is None else ["neurons", ",".join(map(str, self.neurons))]
        parts += [] if self.start == 0 else ["from", str(self.start)]
        parts += [] if self.delay == 0 else ["after", str(self.delay)]
        parts += [] if self.duration is None else ["for", str(self.duration)]
        return " ".join(parts)

    @classmethod
    def parse(cls, text):
        """The inverse of ``str``.

        Examples
        --------
        >>> Intervention.parse("drive cortex 0.5 neurons 0,1 from reward after 2 for 10").duration
        10
        """
        match = _TEXT.fullmatch(" ".join(text.split()))
        try:
            kind, target, value, neurons, start, delay, duration = match.groups()
            start = start or "0"
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
        are factors (1) or amounts (0). `pathways`: projections and trained parameters to the parts
        that they are made of, (group, parameter, first row, last, first column, last).
    """
    variables = {}
    for name, p in agent.circuit.populations.items():
        variables[f"{name}.modulation_rate"] = [int(p.size), 1]
        for drive in p.drives:
            variables[f"{name}.modulation_gain_{drive}"] = [int(p.size), 1]
            variables[f"{name}.modulation_baseline_{drive}"] = [int(p.size), 0]
    for name, size in (("readout", agent.task.actor_channels + 1), ("dopamine", 1)):
        variables |= {
            f"{name}.modulation_gain": [size, 1],
            f"{name}.modulation_baseline": [size, 0],
        }
    return {"variables": variables, "pathways": _pathways(agent)}


def _pathways(agent):
    circuit, found = agent.circuit, {}
    for group, afferents in agent.afferents().items():
        first, rows = 0, int(circuit.size(afferents["target"]))
        for key in afferents["projections"]:
            last = first + int(circuit.size(circuit.projections[key].source))
            found[key] = [[group, "weight", 0, rows, first, last]]
            first = last
    for name, p in circuit.populations.items():
        for key, parameter in p.parameters.items():
            if parameter.trainable:
                found[f"{name}.{key}"] = [[name, key, 0, int(p.size), 0, 1]]
    column, columns = 0, {}
    for state in agent.readout_states():
        columns[state] = column, column + int(circuit.size(state[0]))
        column = columns[state][1]
    for readout, (first, last) in _rows(agent).items():
        found[f"{readout.reads}->{readout.name}"] = [
            ["readout_drive", "weight", first, last, *columns[state]] for state in readout.states()
        ]
    found[f"{circuit.critic.name}.bias"] = [["readout", "bias", first, last, 0, 1]]
    return found


def _rows(agent):
    """First and last row of each readout."""
    (actor, channels), (critic, _) = agent.readouts()
    return {actor: (0, channels), critic: (channels, channels + 1)}


def places(description):
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
        if not isinstance(intervention, Intervention):
            raise InputError(f"an Intervention is needed, not {intervention!r}")
        event, delay = _timing(agent.task, intervention)
        duration = _FOR_GOOD if intervention.duration is None else intervention.duration
        rows.append((event, delay, duration, _effects(agent, intervention)))
    return rows


def _timing(task, intervention):
    if not isinstance(intervention.start, str):
        return 0, intervention.start + intervention.delay
    events = {name: (number, 0) for name, number in EVENTS.items()}
    for name, (anchor, offset) in task.events.items():
        # What is counted back from the end of a trial cannot be told when it happens.
        if offset >= 0:
            events.setdefault(name, (EVENTS[f"trial_{anchor}"], offset))
    choose("event to start from", intervention.start, events)
    event, offset = events[intervention.start]
    return event, offset + intervention.delay


def _effects(agent, intervention):
    kind, target, value = intervention.kind, intervention.target, intervention.value
    found = {}
    if kind == "inactivate":
        found |= {name: (f"{name}.modulation_rate", 0) for name in agent.circuit.populations}
        found |= _readouts(agent, "gain", 0) | _transmissions(agent, 0)
    elif kind == "gain":
        found |= _drives(agent, "gain", value) | _readouts(agent, "gain", value)
        found |= _transmissions(agent, value) | {"dopamine": ("dopamine.modulation_gain", value)}
    elif kind == "drive":
        found |= _drives(agent, "baseline", value) | _readouts(agent, "baseline", value)
        found |= {"dopamine": ("dopamine.modulation_baseline", value)}
    elif kind == "clamp":
        found["dopamine"] = ("dopamine.modulation_baseline", value)
    else:
        found |= {name: (f"plasticity of {name}", 0) for name in _pathways(agent)}
        found["all"] = None
    choose(f"target to {kind}", target, found)
    if target == "all":
        _no_neurons(intervention)
        return {f"plasticity of {name}": (None, 0) for name in _pathways(agent)}
    place, value = found[target]
    effects = {place: (_neurons(agent, intervention), value)}
    if kind == "clamp":
        effects["dopamine.modulation_gain"] = (None, 0)
    return effects


def _drives(agent, what, value):
    """Populations of one drive by their name, else each drive by its own."""
    found = {}
    for name, p in agent.circuit.populations.items():
        for drive in p.drives:
            place = f"{name}.modulation_{what}_{drive}"
            found[name if len(p.drives) == 1 else f"{name}.{drive}"] = place, value
    return found


def _readouts(agent, what, value):
    return {r.name: (f"readout.modulation_{what}", value) for r in _rows(agent)}


def _transmissions(agent, value):
    names = [*agent.circuit.projections, *(f"{r.reads}->{r.name}" for r in _rows(agent))]
    return {name: (f"transmission of {name}", value) for name in names}


def _neurons(agent, intervention):
    """Which entries of its place an intervention changes; None for all."""
    readouts = {r.name: rows for r, rows in _rows(agent).items()}
    name = intervention.target.split(".")[0]
    if name in readouts and "." not in intervention.target:
        first, last = readouts[name]
    elif name in agent.circuit.populations and intervention.kind != "block_plasticity":
        first, last = 0, agent.circuit.size(name)
    else:
        return _no_neurons(intervention)
    if intervention.neurons is None:
        return list(range(first, last))
    for k in intervention.neurons:
        if not isinstance(k, Integral) or not 0 <= k < last - first:
            raise InputError(f"{intervention}: {name!r} has neurons 0 to {last - first - 1}")
    return [first + k for k in intervention.neurons]


def _no_neurons(intervention):
    if intervention.neurons is not None:
        raise InputError(f"{intervention}: neurons can only be chosen of a population or readout")


def initial_values(agent, interventions, state):
    """Set the arrays of interventions in the state from which a run starts.

    Parameters
    ----------
    agent : bgrl.agent.Agent
    interventions : sequence of Intervention
    state : dict of str to ndarray
        Of a program made with interventions; changed in place.
    """
    where = places(modulated(agent))
    for k, (event, delay, duration, effects) in enumerate(changes(agent, interventions)):
        for name, value in (("event", event), ("delay", delay), ("duration", duration)):
            state[f"intervention.{name}"][:, k] = value
        for name, (neurons, value) in effects.items():
            first, last, base = where[name]
            columns = slice(first, last) if neurons is None else [first + n for n in neurons]
            # What is multiplied is kept as the difference to 1, so that an empty row does nothing.
            state["effect.change"][:, k, columns] = value - base
    for first, last, base in where.values():
        state["modulation.value"][:, first:last] = base
    state["intervention.since"][...] = state["intervention.checkpoint"][...] = -1
    for name in state:
        if ".intact_" in name:
            state[name][...] = state[name.replace(".intact_", ".")]


def at_checkpoint(state, step):
    """Make the interventions in force at a step those of an evaluation, whose steps count from 0."""
    if "intervention.checkpoint" in state:
        state["intervention.checkpoint"][...] = step
        state["intervention.since"][...] = -1


# In the program -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A rectangle of the parameters of a group.

    Attributes
    ----------
    rows, columns : (int, int, int)
        First and last (not included), and how many the group has.
    values, held : str
        Arrays of the parameters, and of what they are held at.
    masks : tuple of (str, str)
        Arrays that the pathway transmits by, and the same without interventions.
    cleared : tuple of (str, int)
        Arrays (leading, rows, columns) of what is kept of each parameter, and the leading size.
    """

    rows: tuple
    columns: tuple
    values: str
    held: str
    masks: tuple
    cleared: tuple

    def view(self, array, r):
        """The rectangle of replicate `r`, its leading axis first if there is one."""
        whole = array[r].reshape(-1, self.rows[2], self.columns[2])
        return whole[:, slice(*self.rows[:2]), slice(*self.columns[:2])]

    def loop(self, statement, leading=1):
        """C++ loop over the rectangle of replicate ``r``; the statement finds its index in ``s``."""
        (first, last, rows), (left, right, columns) = self.rows, self.columns
        return (
            f"for (size_t l = 0; l < {leading}; l++) for (size_t i = {first}; i < {last}; i++) "
            f"for (size_t c = {left}; c < {right}; c++) {{ "
            f"const size_t s = ((r*{leading} + l)*{rows} + i)*{columns} + c; {statement} }}"
        )


@dataclass(frozen=True)
class Pathway:
    """Parameters that are lesioned or held together.

    Attributes
    ----------
    transmission, plasticity : int
        Places in the vector.
    parts : tuple of Part
    """

    transmission: int
    plasticity: int
    parts: tuple

    def closed(self, value):
        """Whether nothing may be learned."""
        return value[self.transmission] == 0 or value[self.plasticity] == 0

    def closed_cpp(self, value):
        """The same in C++."""
        return f"({value}[{self.transmission}] == 0 || {value}[{self.plasticity}] == 0)"


@dataclass(frozen=True, eq=False)
class Modulation(Operation):
    """Where the active rows change: the vector, masks, what is held, what is cleared.

    Attributes
    ----------
    places : tuple of (int, int, int)
        First and last place, and what it is where nothing is done.
    pathways : tuple of Pathway
    sensitivities : tuple of (int, str, int, int)
        Of silent neurons: place of the first neuron's `rate`, array, number of neurons, and entries
        that each of them has.
    """

    places: tuple
    pathways: tuple
    sensitivities: tuple

    def run(self, arrays):
        """See `Operation`."""
        active, applied = arrays("intervention.active"), arrays("intervention.applied")
        for r in np.flatnonzero((active != applied).any(1)):
            applied[r] = active[r]
            value = arrays("modulation.value")[r]
            before = value.copy()
            rows = arrays("effect.change")[r][active[r] > 0]
            for first, last, base in self.places:
                part = rows[:, first:last]
                value[first:last] = (1 + part).prod(0) if base else part.sum(0)
            for pathway in self.pathways:
                self._change(pathway, before, value, arrays, r)
            for place, name, neurons, _ in self.sensitivities:
                arrays(name)[r][value[place : place + neurons] == 0] = 0

    @staticmethod
    def _change(pathway, before, value, arrays, r):
        transmission = value[pathway.transmission]
        for part in pathway.parts:
            if pathway.closed(value) and not pathway.closed(before):
                part.view(arrays(part.held), r)[...] = part.view(arrays(part.values), r)
            for mask, intact in part.masks:
                part.view(arrays(mask), r)[...] = part.view(arrays(intact), r) * transmission
            for name, _ in part.cleared if transmission == 0 else ():
                part.view(arrays(name), r)[...] = 0

    def cpp(self, pointer):
        """See `Operation`."""
        size = self.places[-1][1]
        lines = [
            f"static real before[{size}];",
            f"for (size_t r = 0; r < {self.replicates}; r++) {{",
            f"real* const active = {pointer('intervention.active')} + r*{MOST};",
            f"real* const applied = {pointer('intervention.applied')} + r*{MOST};",
            f"if (std::equal(active, active + {MOST}, applied)) continue;",
            f"std::copy_n(active, {MOST}, applied);",
            f"real* const value = {pointer('modulation.value')} + r*{size};",
            f"std::copy_n(value, {size}, before);",
            f"const real* const change = {pointer('effect.change')} + r*{MOST * size};",
        ]
        for first, last, base in self.places:
            change = f"change[k*{size} + q]"
            step = f"value[q] *= 1 + {change};" if base else f"value[q] += {change};"
            lines.append(
                f"for (size_t q = {first}; q < {last}; q++) {{ value[q] = {base}; "
                f"for (size_t k = 0; k < {MOST}; k++) if (active[k] > 0) {step} }}"
            )
        for pathway in self.pathways:
            lines += self._change_cpp(pathway, pointer)
        for place, name, neurons, entries in self.sensitivities:
            start = f"{pointer(name)} + (r*{neurons} + i)*{entries}"
            lines.append(
                f"for (size_t i = 0; i < {neurons}; i++) if (value[{place} + i] == 0) "
                f"std::fill_n({start}, {entries}, real(0));"
            )
        return "\n".join([*lines, "}"])

    @staticmethod
    def _change_cpp(pathway, pointer):
        transmission, lines = f"value[{pathway.transmission}]", []
        for part in pathway.parts:
            hold = part.loop(f"{pointer(part.held)}[s] = {pointer(part.values)}[s];")
            closing = f"{pathway.closed_cpp('value')} && !{pathway.closed_cpp('before')}"
            lines.append(f"if ({closing}) {hold}")
            for mask, intact in part.masks:
                lines.append(
                    part.loop(f"{pointer(mask)}[s] = {pointer(intact)}[s]*{transmission};")
                )
            for name, leading in part.cleared:
                cleared = part.loop(f"{pointer(name)}[s] = 0;", leading)
                lines.append(f"if ({transmission} == 0) {cleared}")
        return lines


@dataclass(frozen=True, eq=False)
class Hold(Operation):
    """Parameters that may not learn are put back, whatever rule moved them.

    Attributes
    ----------
    size : int
        Of the vector.
    pathways : tuple of Pathway
    """

    size: int
    pathways: tuple

    def run(self, arrays):
        """See `Operation`."""
        for r, value in enumerate(arrays("modulation.value")):
            for pathway in self.pathways:
                for part in pathway.parts if pathway.closed(value) else ():
                    part.view(arrays(part.values), r)[...] = part.view(arrays(part.held), r)

    def cpp(self, pointer):
        """See `Operation`."""
        lines = [
            f"for (size_t r = 0; r < {self.replicates}; r++) {{",
            f"const real* const value = {pointer('modulation.value')} + r*{self.size};",
        ]
        for pathway in self.pathways:
            for part in pathway.parts:
                back = part.loop(f"{pointer(part.values)}[s] = {pointer(part.held)}[s];")
                lines.append(f"if {pathway.closed_cpp('value')} {back}")
        return "\n".join([*lines, "}"])
