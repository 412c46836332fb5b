"""How a circuit is edited: by name, one line an edit, each returning another circuit.

The circuit that was asked stays as it was. Names are those that ``print(circuit)`` shows: populations
("stn"), projections ("d1->gpi"), what actor and critic read ("cortex->dorsal_striatum"); a name that
matches nothing is refused with those that exist. Draws (`lesion`, `with_density`, `wire`) follow from a
seed and the name alone. Nothing here knows Brian2.
"""

import math
from dataclasses import replace

import numpy as np

from bgrl.circuit import wiring
from bgrl.circuit.clock import agree, check_duration
from bgrl.circuit.difference import difference
from bgrl.circuit.fields import (
    PROJECTION,
    READOUT,
    names_of,
    read_count,
    read_fraction,
    read_number,
    read_text,
    with_field,
)
from bgrl.circuit.modulators import KINDS
from bgrl.circuit.pathway import Projection
from bgrl.circuit.values import truncated_normal, values_of
from bgrl.errors import InputError, check_count, choose
from bgrl.quantities import UNITS, in_ms
from bgrl.random import generator, own_seed


class Editing:
    """The edits of a `bgrl.circuit.Circuit`, which inherits them."""

    def lesion(self, name, fraction=1.0, seed=0):
        """Cut neurons off, or remove synapses.

        Neurons lose all their synapses, those to actor and critic and those that are made later
        included; they stay in the circuit (and in recordings), and nothing reaches or leaves them.
        Nothing changes size, so the program that was compiled for the circuit runs the lesioned one.

        Parameters
        ----------
        name : str
            A population, a projection, or what a readout reads ("cortex->dorsal_striatum").
        fraction : float
            Of the neurons or synapses that are left, 0 to 1, drawn at random. What a smaller fraction
            takes, a larger one with the same seed takes too.
        seed : int

        Raises
        ------
        InputError
            For an unknown name, with those that exist, a fraction out of range, or one above 0 that takes
            nothing of what is left.
        """
        choose("population or projection", name, [*self.populations, *self._pathways()])
        fraction = read_fraction("fraction", fraction)
        if name in self.populations:
            p = self.populations[name]
            lesioned = np.zeros(p.size, int) if p.lesioned is None else p.lesioned
            taken = _drawn(1 - lesioned, fraction, seed, name, "neurons")
            return self._with_population(name, lesioned=lesioned + taken) if taken.any() else self
        pathway = self._pathway_of(name)
        if name in self.projections:
            shape = self.shape(pathway)
        else:
            shape = len(pathway.variables) * self.populations[pathway.reads].size
        mask = np.ones(shape, int) if pathway.mask is None else pathway.mask
        taken = _drawn(mask, fraction, seed, name, "synapses")
        lesioned = 0 if pathway.lesioned is None else pathway.lesioned
        return self._with_pathway(name, lesioned=lesioned + taken) if taken.any() else self

    def connect(self, source, target, name=None, **fields):
        """Add a projection.

        Parameters
        ----------
        source, target : str
            A population or input, and a population.
        name : str, optional
            "source->target" where nothing is said.
        **fields
            Of `bgrl.circuit.Projection`. Weights are LeCun-normal over all afferents of the drive,
            the new ones included, where nothing is said.

        Raises
        ------
        InputError
            For a name that exists already, or a projection that cannot be.
        """
        name = f"{source}->{target}" if name is None else name
        if name in self._pathways():
            raise InputError(f"{name!r} exists already; give the new one another name=")
        for key in fields:
            choose("field of a projection", key, set(Projection.__dataclass_fields__))
        choose("source", source, [*self.populations, *self.inputs])
        choose("target", target, self.populations)
        drive = fields.get("drive", "drive")
        others = [
            p.source
            for p in self.projections.values()
            if (p.target, p.drive, p.modulates) == (target, drive, None)
        ]
        fan_in = sum(self.size(end) for end in (*others, source))
        fields.setdefault("weights", truncated_normal(1 / math.sqrt(fan_in)))
        projections = {**self.projections, name: Projection(source, target, **fields)}
        return replace(self, projections=projections)

    def modulate(self, source, target, effect, weights, name=None, **fields):
        """Let a population or input modulate a nucleus or pathway, see `bgrl.circuit.modulators`.

        Parameters
        ----------
        source : str
            A population or input.
        target : str
            A population, one of its drives ("striatum.apical"), or a projection.
        effect : {"excitability", "gain", "plasticity"}
            What adds to a drive, multiplies it, or multiplies the steps of learning.
        weights : float, array or Distribution
            Of the new projection: by how much, for a signal of 1.
        name : str, optional
            "source->target.effect" where nothing is said.
        **fields
            Of `bgrl.circuit.Projection`, a delay for instance. It does not learn, unless `plastic` is
            set.

        Raises
        ------
        InputError
            For an unknown target or effect, with those that exist.
        """
        choose("effect of a modulator", effect, ("excitability", *KINDS))
        for kind, readout in self._readouts().items():
            if target in (readout.name, f"{readout.reads}->{readout.name}"):
                raise InputError(
                    f"{target!r} is the {kind} or what it reads, which follow signals by settings of "
                    "learning: Learning(modulated={'inverse_temperature': ..., 'rate_actor': ..., "
                    "'rate_critic': ...})"
                )
        drives = {
            f"{k}.{drive}": (k, drive) for k, p in self.populations.items() for drive in p.drives
        }
        paths = [k for k, p in self.projections.items() if p.modulates is None]
        choose("population, drive or projection", target, [*self.populations, *drives, *paths])
        name = f"{source}->{target}.{effect}" if name is None else name
        fields = {"plastic": False, "weights": weights} | fields
        if effect != "excitability":
            fields["modulates"] = effect
        nucleus = target
        if target in drives:
            nucleus, fields["drive"] = drives[target]
        elif target in self.projections:
            nucleus, fields["pathway"] = self.projections[target].target, target
            if effect == "excitability":
                raise InputError(
                    f"excitability is of a population or drive; {target!r} is a projection"
                )
        return self.connect(source, nucleus, name, **fields)

    def disconnect(self, name):
        """Remove a projection, with what modulates it and parameters that only its rule uses.

        Unlike `lesion`, this makes another program.

        Raises
        ------
        InputError
            For an unknown name, with those that exist.
        """
        choose("projection", name, self.projections)
        left = {k: p for k, p in self.projections.items() if name not in (k, p.pathway)}
        found, target = replace(self, projections=left), self.projections[name].target
        kept = self.populations[target].parameters.keys() - (self.used(target) - found.used(target))
        parameters = {k: p for k, p in self.populations[target].parameters.items() if k in kept}
        return found._with_population(target, parameters=parameters)

    def add_population(self, name, population):
        """Add a nucleus, a `bgrl.circuit.Population`, which `connect` then connects.

        Raises
        ------
        InputError
            If there is one of that name, or the name or the population cannot be in the circuit.
        """
        if name in self.populations:
            raise InputError(f"population {name!r} exists already")
        return replace(self, populations={**self.populations, name: population})

    def remove_population(self, name):
        """Remove a nucleus with all its projections; one that actor or critic use cannot go.

        Raises
        ------
        InputError
            For an unknown name, with those that exist, and for what actor or critic read or feed
            back to.
        """
        choose("population", name, self.populations)
        for readout in self._readouts().values():
            if name in {readout.reads, *(state.split(".")[0] for state in readout.feedback_to)}:
                raise InputError(f"{readout.name!r} reads or feeds back to {name!r}; lesion it")
        circuit = self
        for key, p in self.projections.items():
            if name in (p.source, p.target) and key in circuit.projections:
                circuit = circuit.disconnect(key)
        left = {k: p for k, p in circuit.populations.items() if k != name}
        return replace(circuit, populations=left)

    def scale(self, name, factor):
        """Multiply the initial weights of a projection or readout by a number, at least 0.

        Raises
        ------
        InputError
            For an unknown name, with those that exist, or a factor that is no finite number of at
            least 0.
        """
        choose("projection", name, self._pathways())
        factor = read_number("factor", factor)
        if factor < 0:
            raise InputError(
                f"factor is {factor:g}; at least 0 is needed, with_sign changes the sign"
            )
        return self._with_pathway(name, weights=self._pathway_of(name).weights * factor)

    def wire(self, name, pattern, seed=0, **options):
        """Choose which synapses of a projection exist.

        Parameters
        ----------
        name : str
            A projection.
        pattern : callable
            One of `bgrl.circuit.wiring`, or any function ``(targets, sources, seed=..., **options)``
            that returns an array of 0 and 1.
        seed : int
            The same seed draws other synapses for another projection.
        **options
            Of the pattern.

        Raises
        ------
        InputError
            For an unknown name, with those that exist, a projection that is lesioned, options that
            the pattern does not take or refuses, or a result that is not zeros and ones of the
            shape of the weights.
        """
        choose("projection", name, self.projections)
        shape = self.shape(self.projections[name])
        try:
            mask = pattern(*shape, seed=own_seed(seed, name=name), **options)
        except TypeError as error:
            raise InputError(f"wiring of {name!r}: {error}") from None
        return self.set(f"{name}.mask", mask)

    def with_density(self, name, density, seed=0):
        """Draw which synapses of a projection exist, `density` (0 to 1) of all that could.

        Raises
        ------
        InputError
            For an unknown name, with those that exist, a projection that is lesioned, or a density
            that is no number from 0 to 1.
        """
        return self.wire(name, wiring.random, seed, density=read_fraction("density", density))

    def with_sign(self, name, sign):
        """Make a projection excitatory (1), inhibitory (-1) or neither (None), see `Projection`.

        Raises
        ------
        InputError
            For an unknown name, with those that exist, or another sign.
        """
        return self.set(f"{name}.sign", sign)

    def resize(self, name, size):
        """Give a population another number of neurons.

        Numbers and distributions follow as they are: the width of initial weights stays, which `scale`
        changes.

        Raises
        ------
        InputError
            Where weights, wiring, parameters, initial values or a lesion are arrays.
        """
        choose("population", name, self.populations)
        check_count(f"size of {name!r}", size)
        p = self.populations[name]
        fixed = {f"{name}.{k}": q.value for k, q in p.parameters.items()}
        fixed |= {f"{name}.{v}": value for v, value in p.initial.items()}
        fixed[f"{name}.lesioned"] = p.lesioned
        for key, q in self.projections.items():
            if name in (q.source, q.target):
                fixed |= {f"{key}.{f}": getattr(q, f) for f in ("weights", "lesioned", "mask")}
            if name == q.source and q.dynamics is not None:
                fixed |= {f"{key}.{k}": v.value for k, v in q.dynamics.parameters.items()}
                fixed |= {f"{key}.{k}": v for k, v in q.dynamics.initial.items()}
        for kind, readout in self._readouts().items():
            if readout.reads == name:
                fixed |= {
                    f"{kind}.{f}": getattr(readout, f) for f in ("weights", "feedback", "mask")
                }
            for state, value in readout.feedback_to.items():
                if state.split(".")[0] == name:
                    fixed[f"feedback of {readout.name} to {state}"] = value
        for what, value in fixed.items():
            if size != p.size and np.ndim(value):
                raise InputError(
                    f"{what} is an array for {p.size} neurons of {name!r}; resize first, or give it anew"
                )
        return self._with_population(name, size=int(size))

    def set(self, path, value):
        """Set one field, by name.

        Parameters
        ----------
        path : str
            "dt" (ms), "substeps"; of a population "cortex.size", "cortex.equations", a parameter
            ("cortex.tau", in its unit), "cortex.tau.trainable", "cortex.tau.minimum" or the initial value
            of a variable ("cortex.rate"); of a projection "cortex->cortex.plastic", "weights", "mask",
            "sign", "drive", "reads", "electrical", "delay" (ms), "dynamics" (a `Synapse`, None, or text
            such as "exponential(20)"), and of its synapse what is of a population, "cortex->gpe.tau"; of
            a readout "actor.weights", "feedback", "mask", "reads", "plastic"; of dopamine neurons
            "dopamine.tonic", "dopamine.noise", "dopamine.baseline", "dopamine.gain".
        value : object
            Or text, as on the command line: "20", "False", "None", "uniform(20, 100)".

        Raises
        ------
        InputError
            For an unknown name, with those that exist, or a value that cannot be.
        """
        if path == "dt":
            value = in_ms(path, value)
        if path in ("dt", "substeps"):
            read = read_number if path == "dt" else read_count
            return replace(self, **{path: read(path, value)})
        owners = [*self.populations, *self._pathways(), *self._readouts(), "dopamine"]
        owner = max((o for o in owners if path.startswith(f"{o}.")), key=len, default=None)
        if owner is None:
            before = path.rpartition(".")[0]
            unknown = path if before in ("", "dt", "substeps") else before
            choose("name", unknown, [*owners, "dt", "substeps"])
            raise InputError(f"what of {path!r} is meant is not said; {path}.NAME is needed")
        name = path.removeprefix(f"{owner}.")
        fields = values_of(self.dopamine)
        if owner == "dopamine" and (name in fields or owner not in self.populations):
            changed = {choose(f"field of {owner!r}", name, fields): read_number(path, value)}
            return replace(self, dopamine=replace(self.dopamine, **changed))
        if owner not in self.populations:
            fields = PROJECTION if owner in self.projections else READOUT
            dynamics = getattr(self._pathway_of(owner), "dynamics", None)
            own = [] if dynamics is None else names_of(dynamics)
            choose(f"field of {owner!r}", name, [*fields, *own])
            if name in own:
                changed = replace(dynamics, **with_field(dynamics, path, name, value))
                return self._with_pathway(owner, dynamics=changed)
            value = fields[name](path, value)
            if name == "mask" and self._pathway_of(owner).lesioned is not None:
                raise InputError(f"{owner!r} is lesioned; wire it first, then lesion")
            return self._with_pathway(owner, **{name: value})
        p = self.populations[owner]
        choose(f"field of {owner!r}", name, ["size", "equations", *names_of(p)])
        if name == "size":
            return self.resize(owner, read_count(path, value))
        if name == "equations":
            text = read_text(path, value)
            return self._with_population(owner, equations=text, derivatives=None, map=None)
        return self._with_population(owner, **with_field(p, path, name, value))

    def with_step(self, step, substeps=None):
        """The same circuit with task steps of another duration; all its times stay what they are.

        But the lowest that learning may make of a time constant, if that is one step, becomes that of a
        finer step, and is no less than an Euler step. Difference equations go on counting steps.

        Parameters
        ----------
        step : float
            In ms.
        substeps : int, optional
            Euler steps in it. If nothing is said, as many as before in a finer step, and more, none
            longer than before, in a coarser one.

        Raises
        ------
        InputError
            If the duration is no time above 0, `substeps` is no positive integer, a time constant is
            too short for the Euler step, or a delay is no multiple of it.
        """
        step = in_ms("step", step)
        check_duration("step", step)
        if substeps is None:
            coarser = math.ceil(step / self.dt * (1 - 1e-6))
            substeps = coarser if step > self.step else self.substeps
        check_count("substeps", substeps)
        dt = step / substeps
        if agree(step, self.step) and substeps == self.substeps:
            return self

        def followed(parameter):
            lowest = parameter.minimum
            if lowest is None or parameter.unit != "ms":
                return parameter
            for before, now in ((self.step, step), (self.dt, dt)):
                if agree(parameter.minimum, before):
                    lowest = min(lowest, now)
                    break
            return replace(parameter, minimum=max(lowest, dt))

        return self._with_times(dt, substeps, followed)

    def stretched(self, step):
        """The same circuit with task steps of another duration, and all its times in proportion.

        What it does in a step stays the same; only what is in ms is called another time.

        Parameters
        ----------
        step : float
            In ms.

        Raises
        ------
        InputError
            If the duration is no time above 0.
        """
        step = in_ms("step", step)
        check_duration("step", step)
        if agree(step, self.step):
            return self
        factor = step / self.step

        def scaled(parameter):
            own = factor ** UNITS[parameter.unit][0]
            minimum = None if parameter.minimum is None else parameter.minimum * own
            return replace(parameter, value=parameter.value * own, minimum=minimum)

        return self._with_times(self.dt * factor, self.substeps, scaled, factor)

    def _with_times(self, dt, substeps, change, delays=1.0):
        """Another clock, all parameters with a unit changed, delays times a factor; at once, to fit."""
        populations = {
            name: replace(
                p,
                parameters={k: change(q) if q.unit != "1" else q for k, q in p.parameters.items()},
            )
            for name, p in self.populations.items()
        }
        projections = {}
        for name, p in self.projections.items():
            dynamics = p.dynamics
            if dynamics is not None:
                found = dynamics.parameters.items()
                found = {k: change(q) if q.unit != "1" else q for k, q in found}
                dynamics = replace(dynamics, parameters=found)
            projections[name] = replace(p, delay=p.delay * delays, dynamics=dynamics)
        return replace(
            self, dt=dt, substeps=substeps, populations=populations, projections=projections
        )

    def diff(self, other):
        """What makes this circuit another one, as text: a line for each difference, none if equal."""
        return difference(self.to_dict(), other.to_dict())

    def _readouts(self):
        """Actor and critic, where there are."""
        return {k: r for k in ("actor", "critic") if (r := getattr(self, k)) is not None}

    def _pathways(self):
        """Name to "actor" or "critic", or None for a projection."""
        readouts = {f"{r.reads}->{r.name}": kind for kind, r in self._readouts().items()}
        return readouts | dict.fromkeys(self.projections)

    def _pathway_of(self, name):
        kind = self._pathways().get(name, name)
        return self.projections[name] if kind is None else getattr(self, kind)

    def _with_pathway(self, name, **changes):
        kind = self._pathways().get(name, name)
        changed = replace(self._pathway_of(name), **changes)
        if kind is not None:
            return replace(self, **{kind: changed})
        return replace(self, projections={**self.projections, name: changed})

    def _with_population(self, name, **changes):
        changed = replace(self.populations[name], **changes)
        return replace(self, populations={**self.populations, name: changed})


def _drawn(present, fraction, seed, name, what):
    """A share of the ones of an array, as an array of 0 and 1."""
    taken = np.zeros(present.shape, int)
    there = np.flatnonzero(present)
    if fraction and len(there) and not round(fraction * len(there)):
        raise InputError(
            f"fraction {fraction:g} of {name!r} takes none of the {len(there)} {what} that are left; 0, "
            f"or at least {1 / len(there):.2g}, is needed"
        )
    order = generator(own_seed(seed, name=name)).permutation(there)
    taken.flat[order[: round(fraction * len(there))]] = 1
    return taken
