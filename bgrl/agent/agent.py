"""An agent: a circuit in a task with a way of learning, and the values it starts from.

`Agent.structure` is all that a compiled program depends on. Everything else (weights, masks,
learning rates, the task's settings, seeds) is state: a dict of arrays by name, which a program takes
and returns. Names are ``group.variable``; the leading axis is the replicate where there is one.
Nothing here knows Brian2.
"""

import json
from collections import Counter
from dataclasses import asdict, field
from functools import cached_property

import numpy as np

from bgrl.agent.plan import Plan
from bgrl.circuit import Circuit, Distribution
from bgrl.circuit.clock import agree, lowest_trained
from bgrl.circuit.synapse import key_of
from bgrl.description import description
from bgrl.errors import InputError, check_count, choose
from bgrl.interventions import modulated
from bgrl.language import check_expression
from bgrl.learning import Learning
from bgrl.slots import SLOTS
from bgrl.tasks.base import Task

DTYPES = ("float32", "float64")
MAX_SEED = 2**31 - 1
#: Groups of the network that are no populations.
_GROUPS = (
    *("task", "input", "policy", "dopamine", "readout", "readout_drive", "oracle"),
    *("intervention", "modulation", "effect"),
)


@description(eq=False)
class Agent:
    """A circuit in a task, with settings of learning: so many independent replicates of it.

    Parameters
    ----------
    circuit : Circuit
        With an actor and a critic, and inputs whose channels fit the task.
    task : Task
    learning : Learning
        Those of the paper if nothing is said.
    replicates : int
        Independent agents, each with its own weights and randomness.
    dtype : {"float32", "float64"}
        Of everything that is computed.

    Raises
    ------
    InputError
        If circuit and task do not fit: numbers of observations and actions, duration of a step; if the
        circuit has no actor or no critic, a parameter or drive that nothing uses, or a name that the
        network or the dataset needs; or what `learning` names is not in the circuit or does not learn by
        the gradient.
    """

    circuit: Circuit
    task: Task
    learning: Learning = field(default_factory=Learning)
    replicates: int = 1
    dtype: str = "float32"

    def __post_init__(self):
        choose("dtype", self.dtype, DTYPES)
        check_count("replicates", self.replicates)
        if self.circuit.actor is None or self.circuit.critic is None:
            raise InputError("the circuit has no actor or no critic and cannot learn a task")
        self._check_steps()
        self._check_inputs()
        self._check_readouts()
        self._check_names()
        self._check_rules()
        self._check_used()
        self._check_modulated()

    def _check_steps(self):
        """A task that counts time and its circuit must mean the same time by a step."""
        own, circuit = self.task.step_duration, self.circuit
        if own is None or agree(own, circuit.step):
            return
        raise InputError(
            f"task {self.task.name!r} makes steps of {own:g} ms, the circuit of {circuit.step:g} ms "
            f"(dt {circuit.dt:g} ms, substeps {circuit.substeps}); make the task with "
            f"step={circuit.step:g}, or the circuit with dt {own / circuit.substeps:g}"
        )

    def _check_readouts(self):
        for readout, channels in self.readouts():
            for weights in (readout.weights, readout.feedback, *readout.feedback_to.values()):
                if isinstance(weights, Distribution) or np.ndim(weights) != 2:
                    continue
                if len(weights) != channels:
                    raise InputError(
                        f"weights of {readout.name!r} have {len(weights)} channels; task "
                        f"{self.task.name!r} needs {channels}"
                    )

    def _check_names(self):
        populations = self.circuit.populations
        parameters = [f"{n}.{k}" for n, p in populations.items() for k in p.all_parameters]
        for name in self.learning.overrides:
            choices = [*self.circuit.projections, *parameters]
            choose("projection or parameter in overrides", name, choices)
            if not self._follows_the_gradient(name):
                raise InputError(
                    f"overrides: {name!r} does not learn by the gradient: it is fixed, or has a rule; "
                    "leave it out, or make it plastic or trainable"
                )
        self._check_groups()
        readouts = [readout.name for readout, _ in self.readouts()]
        for name in ("all", "dopamine"):
            if name in (*populations, *readouts, *self.circuit.projections):
                raise InputError(
                    f"no population, readout or projection must be called {name}: interventions call "
                    "something else so"
                )
        if taken := sorted(self._dimensions() & set(self.circuit.projections)):
            raise InputError(
                f"no projection must be called {taken[0]}: in a dataset weights have a dimension or "
                "coordinate of that name"
            )
        if len(populations) == 1:  # in a dataset its parameters go by their own names
            (own,) = (p.all_parameters for p in populations.values())
            if both := sorted(set(own) & set(self.circuit.projections)):
                raise InputError(
                    f"both a projection and a parameter: {both[0]}; rename one of them"
                )

    def _dimensions(self):
        """Names of the dimensions and coordinates that ``weights`` of a dataset has."""
        found = {"replicate", "checkpoint", "step", "channel"}
        for p in self.circuit.projections.values():
            found |= {f"post_{p.target}", f"pre_{p.source}"}
        for readout, _ in self.readouts():
            found |= {f"post_{readout.name}", f"pre_{readout.reads}"}
        return found

    def _check_groups(self):
        """No two groups of the network (`bgrl.step`) may have one name."""
        populations, afferents = self.circuit.populations, self.afferents()
        names = [*_GROUPS, *populations, *afferents]
        names += [f"{group}_afferents" for group in (*afferents, "readout_drive")]
        names += [f"{name}_dopamine" for name in (*populations, "readout")]
        names += [f"{n}_by_{group}" for n in populations for group in (*populations, *afferents)]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if both := sorted(set(twice) & set(populations)):
            raise InputError(
                f"a population must not be called {', '.join(both)}: the network uses that name itself"
            )
        if twice:
            raise InputError(
                f"two parts of the network would be called {twice[0]!r}, which is made of names of "
                "populations, drives and projections; rename one of them"
            )

    def _check_rules(self):
        states = {name for name, _ in self.readout_states()}
        for name, p in self.circuit.projections.items():
            if p.rule is None or "chosen" not in p.rule.weight + p.rule.eligibility:
                continue
            if self.task.continuous:
                raise InputError(f"rule of {name!r}: `chosen` needs a choice of actions")
            if p.target not in states:
                raise InputError(
                    f"rule of {name!r}: `chosen` is not known in {p.target!r}, which the actor neither "
                    "reads nor feeds back to (feedback_to)"
                )

    def _check_used(self):
        """A parameter, or a drive that is fed, must do something."""
        for name, p in self.circuit.populations.items():
            declared = {k: f"parameter {k!r}" for k in p.parameters}
            for key, q in self.circuit.projections.items():
                if q.target == name and q.modulates is None:
                    declared.setdefault(q.drive, f"drive {q.drive!r}, which {key!r} feeds")
            unused = [k for k in declared if k not in self.circuit.used(name)]
            if unused:
                raise InputError(
                    f"population {name!r}: no equation or rule uses its {declared[unused[0]]}; use it or "
                    f"leave it out, or write 0*{unused[0]} if it shall do nothing"
                )

    def _check_modulated(self):
        """Settings of learning are scaled by signals of one number."""
        circuit = self.circuit
        signals = [n for n in (*circuit.populations, *circuit.inputs) if circuit.size(n) == 1]
        for name, text in self.learning.modulated.items():
            check_expression(f"factor of {name}", text, signals)

    def _check_inputs(self):
        """Observations are dealt out to the inputs in order; action and reward have their own."""
        inputs = self.circuit.inputs
        needed = {"action": len(self.task.actions), "reward": 1, "dopamine": 1}
        observing = {k: v for k, v in inputs.items() if k not in needed}
        if len(observing) == 1:
            needed[next(iter(observing))] = len(self.task.observations)
        elif sum(observing.values()) != len(self.task.observations):
            raise InputError(
                f"inputs {', '.join(observing) or '(none)'} have {sum(observing.values())} channels "
                f"together; task {self.task.name!r} needs {len(self.task.observations)}"
            )
        for name, channels in inputs.items():
            if channels != needed.get(name, channels):
                raise InputError(
                    f"input {name!r} has {channels} channels; task {self.task.name!r} needs "
                    f"{needed[name]}"
                )

    def readouts(self):
        """Actor and critic with their numbers of channels, in the order of the striatum's rows."""
        return (self.circuit.actor, self.task.actor_channels), (self.circuit.critic, 1)

    def readout_states(self):
        """(population, variable) of all that readouts read or reach by feedback, in order."""
        used = set()
        for readout, _ in self.readouts():
            used |= {*readout.states(), *(tuple(k.split(".")) for k in readout.feedback_to)}
        states = [(n, v) for n, p in self.circuit.populations.items() for v in p.dynamics]
        return [state for state in states if state in used]

    def sensitivity(self, name):
        """Name of the method (`bgrl.learning.METHODS`) by which a projection or parameter learns.

        Its own where `overrides` of the settings name it, else that of the run; "none" where it is not
        trained, or has a rule of its own instead of the gradient.
        """
        method = self.learning.overrides.get(name, self.learning.sensitivity)
        return method if self._follows_the_gradient(name) else "none"

    def _follows_the_gradient(self, name):
        """Whether a projection or parameter learns, and by no rule of its own."""
        projections = self.circuit.projections
        if name in projections:
            return projections[name].plastic and projections[name].rule is None
        population, parameter = name.split(".")
        return self.circuit.populations[population].all_parameters[parameter].trainable

    def afferents(self):
        """The matrices in which weights are kept: one for all projections into a drive that learn alike.

        Returns
        -------
        dict of str to dict
            Group name to `target`, `drive`, `sensitivity` and `projections` (names to first and last
            column, the latter not included).

        Raises
        ------
        InputError
            If two groups would have the same name; an agent refuses that when it is made.
        """
        groups = {}
        for name, p in self.circuit.populations.items():
            for drive in p.all_drives:
                for key in self.circuit.afferents(name, drive):
                    size = int(self.circuit.size(self.circuit.projections[key].source))
                    method = self.sensitivity(key)
                    group = f"{name}_{drive}"
                    if self._learns_alone(key):
                        group = key_of(key)
                    elif method != self.learning.sensitivity:
                        group += f"_{method}"
                    entry = {"target": name, "drive": drive, "sensitivity": method}
                    kept = groups.setdefault(group, entry | {"projections": {}})
                    columns = kept["projections"]
                    alone = any(map(self._learns_alone, (*columns, key)))
                    if not entry.items() <= kept.items() or (columns and alone):
                        raise InputError(
                            f"the weights of {next(iter(columns))!r} and {key!r} would both be called "
                            f"{group!r}; rename a projection, population or drive"
                        )
                    first = max((last for _, last in columns.values()), default=0)
                    columns[key] = [first, first + size]
        return groups

    def _learns_alone(self, name):
        """Whether no other projection into its drive may learn as this one does."""
        return bool(self._rule(name)) or self.circuit.modulated(name, "plasticity")

    def _rule(self, name):
        """The rule by which a projection learns, if it has one and learns at all."""
        projection = self.circuit.projections[name]
        return projection.rule if projection.plastic else None

    def pathways(self):
        """Names, in `bgrl.agent.plan.Plan.places`, of all that may learn or be lesioned."""
        trained = [
            f"{name}.{key}"
            for name, p in self.circuit.populations.items()
            for key, parameter in p.all_parameters.items()
            if parameter.trainable
        ]
        readouts = [readout for readout, _ in self.readouts()]
        read = [f"{readout.reads}->{readout.name}" for readout in readouts]
        projections = [key for group in self.afferents().values() for key in group["projections"]]
        return [*projections, *trained, *read, f"{self.circuit.critic.name}.bias"]

    @cached_property
    def plan(self):
        """What follows from the structure, see `bgrl.agent.plan.Plan`."""
        return Plan(self.structure())

    def structure(self, interventions=False):
        """What the compiled program depends on, as JSON values.

        Parameters
        ----------
        interventions : bool
            Whether it can be intervened in what the program does; in what way is state.
        """
        circuit = self.circuit.to_dict()
        populations = {}
        for name, p in self.circuit.populations.items():
            alike = p.derivatives is None and not p.terminals
            populations[name] = {
                "size": int(p.size),
                "map" if alike else "derivatives": dict(p.dynamics),
                **({"direct": p.direct} if p.direct else {}),
                **({"kept": p.kept} if p.kept else {}),
                **({"with_units": p.synaptic} if p.terminals else {}),
                **({"releases": p.releases} if p.releases else {}),
                "has_units": p.equations is not None,
                "parameters": {
                    k: {
                        "sensitivity": self.sensitivity(f"{name}.{k}"),
                        "unit": v.unit,
                        "minimum": lowest_trained(p, k, self.circuit.dt),
                    }
                    for k, v in p.all_parameters.items()
                },
                "drives": list(p.all_drives),
                **({"arriving": p.arriving} if p.arriving else {}),
                "functions": circuit["populations"][name].get("functions", {}),
            }
        projections = {
            name: {
                "source": p.source,
                "target": p.target,
                "drive": self.circuit.fed_by(name),
                "reads": self.circuit.read_by(name),
                "signed": p.sign is not None,
                "rule": asdict(rule) if (rule := self._rule(name)) else None,
            }
            for name, p in self.circuit.projections.items()
        }
        return {
            "slots": list(SLOTS),
            "dt": circuit["dt"],
            "substeps": circuit["substeps"],
            "populations": populations,
            "projections": projections,
            "inputs": circuit["inputs"],
            "afferents": self.afferents(),
            "readout": {
                "states": [list(state) for state in self.readout_states()],
                "readouts": self._readout_parts(),
                "fixed_feedback": any(r.feedback_to for r, _ in self.readouts())
                or self.learning.feedback == "random",
            },
            "task": self.task.structure(),
            "learning": self.learning.structure(),
            "interventions": modulated(self) if interventions else None,
            **({"noisy_dopamine": True} if self.circuit.dopamine.noise else {}),
            "replicates": int(self.replicates),
            "dtype": self.dtype,
        }

    def _readout_parts(self):
        """Name of each readout to the states that it reads, its first and last row; if it is fixed."""
        found, first = {}, 0
        for readout, channels in self.readouts():
            reads = [list(state) for state in readout.states()]
            found[readout.name] = {"reads": reads, "rows": [first, first + channels]}
            if not readout.plastic:
                found[readout.name]["fixed"] = True
            first += channels
        return found

    def to_dict(self):
        """The whole configuration as JSON values."""
        return {
            "circuit": self.circuit.to_dict(),
            "task": self.task.to_dict(),
            "learning": self.learning.to_dict(),
            "replicates": int(self.replicates),
            "dtype": self.dtype,
        }


def describe(configuration):
    """A configuration as one line of JSON; the order of its entries (weight columns) is kept."""
    return json.dumps(configuration, separators=(",", ":"))
