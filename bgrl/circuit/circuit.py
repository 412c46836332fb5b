"""What a circuit is: nuclei, pathways and readouts, as plain frozen descriptions.

Nothing here knows Brian2. A description prints, compares, pickles, and goes through JSON in the
shape of the recorded circuits (`tests/fixtures/README.md`). How one is edited is in
`bgrl.circuit.editing`. Times are in ms, everything else is dimensionless unless a unit is given.
"""

import json
import re
from dataclasses import field, replace

import numpy as np

from bgrl.circuit.clock import agree, check_duration, check_time_constants
from bgrl.circuit.editing import Editing
from bgrl.circuit.modulators import KINDS, Factor, Junction, through
from bgrl.circuit.nucleus import _NAME, Function, Population, delay_variable
from bgrl.circuit.pathway import Dopamine, Projection, Readout, Rule, without
from bgrl.circuit.synapse import Terminal, key_of
from bgrl.circuit.text import (
    from_json,
    functions_to_json,
    lesion_text,
    parameters_from,
    parameters_text,
    synapse_from,
    synapse_text,
    synapses_text,
    to_json,
)
from bgrl.circuit.values import check_binary, check_rows, check_value, values_of
from bgrl.description import as_annotated, description
from bgrl.errors import InputError, check_count, choose
from bgrl.language import symbols
from bgrl.quantities import Time

_END = r"[A-Za-z]\w*(\.[A-Za-z]\w*)*"
_PATHWAY = re.compile(rf"[A-Za-z]\w*|{_END}(->{_END})+", re.ASCII)
#: Most Euler steps of a delay; each is a state variable of every neuron that is delayed.
LONGEST_DELAY = 200
#: Inputs that an agent gives itself: the previous action and reward, and dopamine.
OWN_INPUTS = ("action", "reward", "dopamine")


@description(eq=False)
class Circuit(Editing):
    """Populations, the projections between them, and the two readouts.

    It does not change; the methods of `bgrl.circuit.editing.Editing` return another circuit.

    Parameters
    ----------
    dt : float
        One Euler step, in ms; it must bear all time constants, see `bgrl.circuit.clock`.
    substeps : int
        Euler steps per task step, during which the input is held.
    populations : dict of str to Population
    projections : dict of str to Projection
    inputs : dict of str to int
        Number of channels of each input: `observation`, `action` (previous, one-hot), `reward`
        (previous) and `dopamine` (of the step before, see `Dopamine`) in a circuit that learns.
    actor, critic : Readout, optional
    dopamine : Dopamine

    Raises
    ------
    InputError
        If `dt` is not above 0, there is less than one Euler step in a task step, a time constant is
        too short for the Euler step, a delay is no multiple of it or too long, a name is not valid
        or is that of two things, a projection or readout names what is not there, or values do not
        fit the sizes.
    """

    MADE_BY = "models.circuit(NAME, task)"

    dt: Time
    substeps: int
    populations: dict[str, Population]
    projections: dict[str, Projection]
    inputs: dict[str, int]
    actor: Readout | None = None
    critic: Readout | None = None
    dopamine: Dopamine = field(default_factory=Dopamine)

    def __post_init__(self):
        check_duration("dt", self.dt)
        check_count("substeps", self.substeps)
        for name in (*self.populations, *self.inputs):
            if not isinstance(name, str) or not _NAME.match(name):
                raise InputError(f"{name!r} is not a valid name; letters, digits, underscores")
        if both := set(self.populations) & set(self.inputs):
            raise InputError(f"both a population and an input: {', '.join(sorted(both))}")
        for name, channels in self.inputs.items():
            if channels < 1:
                raise InputError(f"input {name!r}: {channels} channels; at least 1 is needed")
        if both := {*self.populations, *self.inputs} & set(self.projections):
            raise InputError(
                f"both a projection and a population or input: {', '.join(sorted(both))}"
            )
        self._check_pathway_names()
        for name, population in self.populations.items():
            population.check(name)
            check_time_constants(name, population, self.dt)
        for name, projection in self.projections.items():
            self._check_projection(name, projection)
        self._remember()
        for readout in (self.actor, self.critic):
            if readout is not None:
                self._check_readout(readout)
        self._cut_lesioned()

    def _check_pathway_names(self):
        """Projections and readouts are known by their names, so nothing else may have these."""
        for name in self.projections:
            if not _PATHWAY.fullmatch(name):
                raise InputError(
                    f"{name!r} is not a valid name of a projection; 'source->target', or letters, "
                    "digits, underscores"
                )
        readouts = [readout for readout in (self.actor, self.critic) if readout is not None]
        for readout in readouts:
            if not _NAME.match(readout.name):
                raise InputError(
                    f"{readout.name!r} is not a valid name of a readout; letters, digits, underscores"
                )
            for kind in ("populations", "inputs", "projections"):
                if readout.name in getattr(self, kind):
                    raise InputError(
                        f"both a readout and one of the {kind}: {readout.name}; rename one of them"
                    )
            sources = {readout.reads, *map(".".join, readout.states())}
            if both := {f"{source}->{readout.name}" for source in sources} & set(self.projections):
                raise InputError(f"both a projection and what a readout reads: {both.pop()}")
        if len({readout.name for readout in readouts}) < len(readouts):
            raise InputError(
                f"actor and critic are both called {self.actor.name!r}; each needs its own name"
            )

    def _remember(self):
        """Give each population what projections bring: synapses, delay lines, factors of modulators."""
        terminals = {name: {} for name in self.populations}
        delayed = {name: {} for name in self.populations}
        factors = {name: {} for name in self.populations}
        junctions = {name: [] for name in self.populations}
        called = {name: {name: name} for name in self.populations}
        for name, p in self.projections.items():
            key = key_of(name)
            if (other := called[p.target].setdefault(key, name)) != name:
                raise InputError(
                    f"in {p.target!r} what comes by {name!r} and what is of {other!r} would both be "
                    f"called {key!r}; rename one of them"
                )
            for what, there in (("a delay", p.delay), ("dynamics", p.dynamics)):
                if there and p.source in self.inputs:
                    raise InputError(
                        f"{name!r} has {what}, but {p.source!r} is an input; only what comes from a "
                        "population has"
                    )
            if p.dynamics is not None:
                if key in terminals[p.source]:
                    raise InputError(
                        f"the synapses of {name!r} and of another projection from {p.source!r} would "
                        f"both be called {key!r}; rename one of them"
                    )
                terminals[p.source][key] = Terminal(key, p.reads, p.dynamics, self.dt)
            if p.modulates:
                factor = self._factor(p)
                if factors[p.target].setdefault(factor.name, factor) != factor:
                    raise InputError(
                        f"a drive of {p.target!r} and a projection to it are both called "
                        f"{factor.of!r}, and the gains of both are modulated; rename one of them"
                    )
            if p.electrical:
                junctions[p.target].append(Junction(name, p.drive, p.reads))
            if steps := self._delay_steps(name, p):
                variable, lines = self._transmitted(name), delayed[p.source]
                lines[variable] = max(steps, lines.get(variable, 0))
        for name, p in self.populations.items():
            brought = {
                "delayed": delayed[name],
                "terminals": tuple(terminals[name].values()),
                "factors": tuple(factors[name].values()),
                "junctions": tuple(junctions[name]),
            }
            if any(getattr(p, field) != value for field, value in brought.items()):
                self.populations[name] = replace(p, **brought)
                self.populations[name].check_names(name)

    def _factor(self, projection):
        """What a modulator multiplies."""
        p = projection
        if p.pathway is None:
            return Factor(p.modulates, p.drive if p.modulates == "gain" else p.target)
        fed = self.projections[p.pathway].drive if p.modulates == "gain" else None
        return Factor(p.modulates, key_of(p.pathway), fed)

    def modulated(self, name, kind):
        """Whether the gain or plasticity of a projection is modulated by itself."""
        return any((p.modulates, p.pathway) == (kind, name) for p in self.projections.values())

    def fed_by(self, name):
        """The drive of its target that sums up a projection, which may be one of modulators."""
        p = self.projections[name]
        if p.modulates:
            return self._factor(p).name
        alone = p.electrical or self.modulated(name, "gain")
        return through(key_of(name)) if alone else p.drive

    def _transmitted(self, name):
        """The state variable of its source that a projection transmits, but for its delay."""
        p = self.projections[name]
        if p.dynamics is None:
            return p.reads
        return Terminal(key_of(name), p.reads, p.dynamics, self.dt).transmitted

    def _delay_steps(self, name, projection):
        """Euler steps of a projection's delay."""
        if not projection.delay:
            return 0
        steps = round(projection.delay / self.dt)
        if steps < 1 or not agree(steps * self.dt, projection.delay):
            raise InputError(
                f"delay of {name!r} is {projection.delay:g} ms; a multiple of the Euler step of "
                f"{self.dt:g} ms is needed"
            )
        if steps > LONGEST_DELAY:
            raise InputError(
                f"delay of {name!r} is {steps} Euler steps; at most {LONGEST_DELAY} are possible"
            )
        return steps

    def read_by(self, name):
        """The state variable that a projection transmits: that of its synapse or delay line, if any."""
        steps = round(self.projections[name].delay / self.dt)
        return delay_variable(self._transmitted(name), steps)

    def _cut_lesioned(self):
        """Take the synapses of lesioned neurons, whenever and however they were made."""
        # Where nothing is lesioned nothing is made of the size of a circuit, which may be too large.
        gone = {
            name: p.lesioned.astype(bool)
            for name, p in self.populations.items()
            if p.lesioned is not None
        }
        for name, p in self.projections.items():
            if {p.target, p.source} & set(gone):
                there = [gone.get(k, np.zeros(self.size(k), bool)) for k in (p.target, p.source)]
                self.projections[name] = without(p, np.logical_or.outer(*there))
        for kind in ("actor", "critic"):
            readout = getattr(self, kind)
            if readout is not None and readout.reads in gone:
                lost = np.tile(gone[readout.reads], len(readout.variables))
                object.__setattr__(self, kind, without(readout, lost))

    def _check_readout(self, readout):
        choose(f"population read by {readout.name!r}", readout.reads, self.populations)
        population = self.populations[readout.reads]
        if not readout.variables:
            raise InputError(f"{readout.name!r} reads no variable of {readout.reads!r}")
        for variable in readout.variables:
            choose(f"variable of {readout.reads!r}", variable, population.described)
        if len(set(readout.variables)) < len(readout.variables):
            raise InputError(
                f"{readout.name!r} reads {', '.join(readout.variables)}; give each variable once"
            )
        width = len(readout.variables) * population.size
        check_rows(f"weights of {readout.name!r}", readout.weights, width)
        check_rows(f"feedback of {readout.name!r}", readout.feedback, width)
        for what, value in (("mask", readout.mask), ("lesion", readout.lesioned)):
            check_binary(f"{what} of {readout.name!r}", value, (width,), "variables x neurons")
        read = [".".join(state) for state in readout.states()]
        for state, weights in readout.feedback_to.items():
            valid = [f"{k}.{v}" for k, p in self.populations.items() for v in p.dynamics]
            choose(f"feedback of {readout.name!r}", state, [v for v in valid if v not in read])
            size = self.populations[state.split(".")[0]].size
            check_rows(f"feedback of {readout.name!r} to {state!r}", weights, size)

    def _check_projection(self, name, projection):
        choose(f"source of {name!r}", projection.source, [*self.populations, *self.inputs])
        choose(f"target of {name!r}", projection.target, self.populations)
        choose(
            f"drive of {projection.target!r}",
            projection.drive,
            self.populations[projection.target].drives,
        )
        if projection.source in self.populations:
            choose(
                f"variable of {projection.source!r}",
                projection.reads,
                self.populations[projection.source].described,
            )
        if projection.electrical:
            choose(
                f"population at the other end of {name!r}, which is electrical",
                projection.source,
                self.populations,
            )
            choose(
                f"variable of {projection.target!r}, the other end of {name!r},",
                projection.reads,
                self.populations[projection.target].described,
            )
        if projection.sign not in (None, 1, -1):
            raise InputError(f"sign of {name!r} is {projection.sign!r}; valid: 1, -1, none")
        if projection.rule is not None:
            projection.rule.check(name, self.populations[projection.target])
        self._check_modulator(name, projection)
        if projection.dynamics is not None:
            projection.dynamics.check(name, self.size(projection.source))
            check_time_constants(name, projection.dynamics, self.dt)
        shape = self.shape(projection)
        check_value(f"weights of {name!r}", projection.weights, shape)
        for what, value in (("mask", projection.mask), ("lesion", projection.lesioned)):
            check_binary(f"{what} of {name!r}", value, shape, "target, source")

    def _check_modulator(self, name, p):
        if p.modulates is not None:
            choose(f"what {name!r} modulates", p.modulates, KINDS)
        if p.pathway is None:
            return
        if p.modulates is None:
            raise InputError(f"{name!r} has a pathway, but does not say what it modulates of it")
        others = {
            key
            for key, q in self.projections.items()
            if q.target == p.target and q.modulates is None
        }
        choose(f"pathway to {p.target!r} that {name!r} modulates", p.pathway, others)

    @property
    def step(self):
        """Duration of one task step, in ms."""
        return self.dt * self.substeps

    def size(self, name):
        """Number of neurons of a population, or of channels of an input."""
        return self.inputs[name] if name in self.inputs else self.populations[name].size

    def shape(self, projection):
        """Shape (target, source) of a projection's weights."""
        return self.size(projection.target), self.size(projection.source)

    def afferents(self, population, drive):
        """Names of the projections that feed a drive, in the order of its weight columns."""
        return [
            name
            for name, p in self.projections.items()
            if (p.target, self.fed_by(name)) == (population, drive)
        ]

    def used(self, name):
        """Symbols in the equations of a population and in the rules of the projections to it.

        Parameters
        ----------
        name : str
            Of the population.

        Returns
        -------
        frozenset of str
        """
        into = (p.rule for p in self.projections.values() if p.target == name)
        texts = [text for rule in into if rule for text in (rule.weight, rule.eligibility)]
        texts += self.populations[name].described.values()
        return frozenset().union(*map(symbols, texts))

    def to_dict(self):
        """The circuit as JSON values (lists, numbers, strings)."""
        populations = {}
        for name, p in self.populations.items():
            kind = "map" if p.derivatives is None else "derivatives"
            kind = "equations" if p.equations is not None else kind
            populations[name] = {
                "size": int(p.size),
                kind: p.equations if p.equations is not None else dict(p.described),
                "parameters": {k: to_json(values_of(v)) for k, v in p.parameters.items()},
                "drives": list(p.drives),
                "initial": to_json(p.initial),
                **({"functions": functions_to_json(p.functions)} if p.functions else {}),
                "lesioned": to_json(p.lesioned),
            }
        readouts = {
            kind: to_json(values_of(readout))
            for kind in ("actor", "critic")
            if (readout := getattr(self, kind)) is not None
        }
        return {
            "dt": float(self.dt),
            "substeps": int(self.substeps),
            "populations": populations,
            "projections": {k: to_json(values_of(p)) for k, p in self.projections.items()},
            "inputs": {k: int(v) for k, v in self.inputs.items()},
            **readouts,
            "dopamine": values_of(self.dopamine),
        }

    @classmethod
    def from_dict(cls, description):
        """The inverse of `to_dict`; also reads the bare form of the recorded circuits.

        Raises
        ------
        InputError
            For a missing or unknown key, or a circuit that cannot be.
        """
        special = ("parameters", "initial", "functions")
        try:
            populations = {
                name: Population(
                    **{k: v for k, v in p.items() if k not in special},
                    parameters=parameters_from(p.get("parameters", {})),
                    initial=from_json(p.get("initial", {})),
                    functions={k: Function(**f) for k, f in p.get("functions", {}).items()},
                )
                for name, p in description["populations"].items()
            }
            projections = {
                name: Projection(
                    **{k: v for k, v in from_json(p).items() if k not in ("rule", "dynamics")},
                    rule=Rule(**p["rule"]) if p.get("rule") else None,
                    dynamics=synapse_from(p.get("dynamics")),
                )
                for name, p in description["projections"].items()
            }
            readouts = {
                kind: Readout(**from_json(description[kind]))
                for kind in ("actor", "critic")
                if description.get(kind) is not None
            }
            return cls(
                dt=description["dt"],
                substeps=description["substeps"],
                populations=populations,
                projections=projections,
                inputs=dict(description["inputs"]),
                **readouts,
                dopamine=Dopamine(**description.get("dopamine", {})),
            )
        except KeyError as error:
            raise InputError(f"circuit description lacks {error}") from None
        except InputError:
            raise
        except (TypeError, AttributeError, ValueError) as error:
            raise InputError(f"circuit description is not valid: {error}") from None

    def to_json(self):
        """The circuit as JSON text."""
        return json.dumps(self.to_dict(), indent=1)

    @classmethod
    def from_json(cls, text):
        """The inverse of `to_json`.

        Raises
        ------
        InputError
            If the text is no JSON, a key is missing or unknown, or the circuit cannot be.
        """
        try:
            return cls.from_dict(json.loads(as_annotated("text", text, str, "Circuit.from_json")))
        except json.JSONDecodeError as error:
            raise InputError(f"circuit description is not JSON: {error}") from None

    def __eq__(self, other):
        return isinstance(other, Circuit) and self.to_dict() == other.to_dict()

    def __str__(self):
        steps = "Euler step" if self.substeps == 1 else "Euler steps"
        lines = [f"circuit, {self.substeps} {steps} of {self.dt:g} ms a task step"]
        lines += [
            f"  input {name}: {channels} channel{'s' if channels > 1 else ''}"
            for name, channels in self.inputs.items()
        ]
        for name, p in self.populations.items():
            lines.append(
                f"  population {name}: {p.size} neuron{'s' if p.size > 1 else ''}"
                + lesion_text(p.lesioned, p.size)
            )
            for variable, expression in p.described.items():
                left = f"next {variable}" if p.derivatives is None else f"d{variable}/dt"
                lines.append(f"    {left} = {expression}")
            lines += parameters_text(p.parameters)
        for name, p in self.projections.items():
            lines.append(f"  {name}: {self._pathway(p)}")
            lines += synapse_text(p.dynamics) if p.dynamics else []
        for kind in ("actor", "critic"):
            if (readout := getattr(self, kind)) is not None:
                read = ", ".join(".".join(state) for state in readout.states())
                fixed = "" if readout.plastic else ", fixed"
                lines.append(f"  {kind} {readout.name} reads {read}{fixed}{synapses_text(readout)}")
        if self.dopamine != Dopamine():
            values = (f"{name} {value:g}" for name, value in values_of(self.dopamine).items())
            lines.append(f"  dopamine: {', '.join(values)}")
        return "\n".join(lines)

    def _pathway(self, projection):
        """A projection as one line."""
        p = projection
        learns = ("plastic by a rule" if p.rule else "plastic") if p.plastic else "fixed"
        parts = [" x ".join(map(str, self.shape(p))), "electrical" if p.electrical else learns]
        if p.modulates:
            alone = p.modulates == "plasticity" or len(self.populations[p.target].drives) == 1
            whose = p.pathway or (p.target if alone else f"{p.target}.{p.drive}")
            parts.append(f"modulates {p.modulates} of {whose}")
        elif p.drive != "drive":
            parts.append(f"drive {p.drive}")
        if p.reads != "rate" and p.source in self.populations:
            parts.append(f"reads {p.reads}")
        if p.delay:
            parts.append(f"delay {p.delay:g} ms")
        if p.sign:
            parts.append("excitatory" if p.sign > 0 else "inhibitory")
        return ", ".join(parts) + synapses_text(p)
