"""An agent: a circuit in a task with a way of learning, and the values it starts from.

`Agent.structure` is all that a compiled program depends on. Everything else (weights, masks,
learning rates, the task's settings, seeds) is state: a dict of arrays by name, which a program takes
and returns. Names are ``group.variable``; the leading axis is the replicate where there is one.
Nothing here knows Brian2.
"""

import json
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from bgrl.circuit import Circuit, Distribution, sample
from bgrl.clock import agree, check_time_constants, lowest_trained
from bgrl.errors import InputError, choose
from bgrl.interventions import initial_values, modulated
from bgrl.learning import Learning
from bgrl.step import SLOTS
from bgrl.tasks.base import Task

DTYPES = ("float32", "float64")
MAX_SEED = 2**31 - 1
#: Groups of the network that are no populations.
_GROUPS = (
    *("task", "input", "policy", "dopamine", "readout", "readout_drive", "oracle"),
    *("intervention", "modulation", "effect"),
)


@dataclass(frozen=True, eq=False)
class Agent:
    """What learns, where, and how.

    Parameters
    ----------
    circuit : Circuit
        With an actor and a critic, and inputs whose channels fit the task.
    task : Task
    learning : Learning
    replicates : int
        Independent agents, each with its own weights and randomness.
    dtype : {"float32", "float64"}
    """

    circuit: Circuit
    task: Task
    learning: Learning = field(default_factory=Learning)
    replicates: int = 1
    dtype: str = "float32"

    def __post_init__(self):
        choose("dtype", self.dtype, DTYPES)
        if not isinstance(self.replicates, int | np.integer) or self.replicates < 1:
            raise InputError(f"replicates is {self.replicates!r}; a positive integer is needed")
        if self.circuit.actor is None or self.circuit.critic is None:
            raise InputError("the circuit has no actor or no critic and cannot learn a task")
        self._check_steps()
        self._check_inputs()
        self._check_readouts()
        self._check_names()
        self._check_rules()

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
        parameters = [f"{n}.{k}" for n, p in populations.items() for k in p.parameters]
        for name in self.learning.overrides:
            choices = [*self.circuit.projections, *parameters]
            choose("projection or parameter in overrides", name, choices)
        groups = (*_GROUPS, *self.afferents())
        taken = {*groups, *(f"{group}_afferents" for group in groups)}
        if both := sorted(taken & set(populations)):
            raise InputError(
                f"a population must not be called {', '.join(both)}: the network uses that name itself"
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

    def with_replicates(self, replicates):
        """The same agent with another number of replicates."""
        return replace(self, replicates=replicates)

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
        """How a projection or parameter learns by gradient: the run's method, its own, or not."""
        projections = self.circuit.projections
        if name in projections:
            learns = projections[name].plastic and projections[name].rule is None
        else:
            population, parameter = name.split(".")
            learns = self.circuit.populations[population].parameters[parameter].trainable
        method = self.learning.overrides.get(name, self.learning.sensitivity)
        return method if learns else "none"

    def afferents(self):
        """The matrices that weights are kept in: all afferents of a drive that learn alike.

        Returns
        -------
        dict of str to dict
            Group name to `target`, `drive`, `sensitivity` and `projections` (names, in the order of
            the columns).
        """
        groups = {}
        for name, p in self.circuit.populations.items():
            for drive in p.drives:
                for key in self.circuit.afferents(name, drive):
                    method = self.sensitivity(key)
                    group = f"{name}_{drive}"
                    if self._rule(key):
                        group = key.replace("->", "_to_")
                    elif method != self.learning.sensitivity:
                        group += f"_{method}"
                    entry = {"target": name, "drive": drive, "sensitivity": method}
                    groups.setdefault(group, entry | {"projections": []})["projections"].append(key)
        return groups

    def _rule(self, name):
        """The rule by which a projection learns, if it has one and learns at all."""
        projection = self.circuit.projections[name]
        return projection.rule if projection.plastic else None

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
            populations[name] = {
                "size": int(p.size),
                "map" if p.derivatives is None else "derivatives": dict(p.dynamics),
                "has_units": p.equations is not None,
                "parameters": {
                    k: {
                        "sensitivity": self.sensitivity(f"{name}.{k}"),
                        "unit": v.unit,
                        "minimum": lowest_trained(p, k, self.circuit.dt),
                    }
                    for k, v in p.parameters.items()
                },
                "drives": list(p.drives),
                "functions": circuit["populations"][name].get("functions", {}),
            }
        projections = {
            name: {
                "source": p.source,
                "target": p.target,
                "drive": p.drive,
                "reads": p.reads,
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
                "fixed_feedback": any(r.feedback_to for r, _ in self.readouts())
                or self.learning.feedback == "random",
            },
            "task": self.task.structure(),
            "learning": self.learning.structure(),
            "interventions": modulated(self) if interventions else None,
            "replicates": int(self.replicates),
            "dtype": self.dtype,
        }

    def to_dict(self):
        """The whole configuration as JSON values."""
        return {
            "circuit": self.circuit.to_dict(),
            "task": self.task.to_dict(),
            "learning": self.learning.to_dict(),
            "replicates": int(self.replicates),
            "dtype": self.dtype,
        }

    def initial_state(self, layout, seed, interventions=()):
        """The state in which a run starts.

        Parameters
        ----------
        layout : dict of str to (dtype, shape)
            The arrays of the program.
        seed : int
            0 to 2**31 - 1.
        interventions : sequence of bgrl.interventions.Intervention
            Of a program whose structure was made for them.

        Returns
        -------
        dict of str to ndarray
            Every array of `layout`; what nothing is said of is zero.
        """
        if not isinstance(seed, int | np.integer) or not 0 <= seed <= MAX_SEED:
            raise InputError(f"seed is {seed!r}; an integer from 0 to {MAX_SEED} is needed")
        state = {name: np.zeros(shape, dtype) for name, (dtype, shape) in layout.items()}
        values = {
            **self._neuron_values(seed),
            **self._afferent_values(seed),
            **self._readout_values(seed),
            **self._scalar_values(seed),
        }
        for name, value in values.items():
            if name in state:
                state[name][...] = value
        if "modulation.value" in state:
            initial_values(self, interventions, state)
        return state

    def _replicated(self, value, shape, seed, name):
        return np.stack([sample(value, shape, seed, r, name) for r in range(self.replicates)])

    def _neuron_values(self, seed):
        values = {}
        for name, p in self.circuit.populations.items():
            for variable in p.dynamics:
                initial = np.broadcast_to(np.asarray(p.initial.get(variable, 0.0)), (p.size,))
                values[f"{name}.{variable}"] = values[f"{name}.initial_{variable}"] = initial
            for key, parameter in p.parameters.items():
                full = f"{name}.{key}"
                values[full] = self._replicated(parameter.value, (p.size,), seed, full)
            drawn = {k: values[f"{name}.{k}"] for k in p.parameters}
            check_time_constants(name, p, self.circuit.dt, drawn)
            values[f"{name}.learning_rate"] = self.learning.rate_network
            values[f"{name}.discount"] = self.learning.discount * self.learning.trace_network
        return values

    def _afferent_values(self, seed):
        values = {}
        for group, afferents in self.afferents().items():
            blocks = {"weight": [], "mask": [], "weight_sign": []}
            for key in afferents["projections"]:
                projection = self.circuit.projections[key]
                shape = self.circuit.shape(projection)
                mask = np.ones(shape) if projection.mask is None else projection.mask
                weights = self._replicated(projection.weights, shape, seed, key) * mask
                if projection.sign:
                    weights = projection.sign * np.abs(weights)
                blocks["weight"].append(weights)
                full = (self.replicates, *shape)
                blocks["mask"].append(np.broadcast_to(np.asarray(mask, float), full))
                blocks["weight_sign"].append(np.full(full, float(projection.sign or 0)))
            for kind, parts in blocks.items():
                values[f"{group}.{kind}"] = np.concatenate(parts, axis=-1)
        return values

    def _readout_values(self, seed):
        learning, rows = self.learning, self.task.actor_channels
        values = {
            "readout.is_actor": np.arange(rows + 1) < rows,
            "readout.learning_rate": [learning.rate_actor * self.circuit.actor.plastic] * rows
            + [learning.rate_critic * self.circuit.critic.plastic],
            "readout.discount": learning.discount
            * np.array([learning.trace_actor] * rows + [learning.trace_critic]),
        }
        if self.task.continuous:
            values["policy.low"], values["policy.high"] = np.transpose(self.task.bounds)
            values["readout.is_scale"] = np.arange(rows + 1) // len(self.task.actions) == 1
        blocks = {"weight": [], "feedback": [], "mask": []}
        for readout, channels in self.readouts():
            for kind, parts in self._readout_row(readout, channels, seed).items():
                blocks[kind].append(parts)
        for kind, parts in blocks.items():
            values[f"readout_drive.{kind}"] = np.concatenate(parts, axis=1)
        return values

    def _readout_row(self, readout, channels, seed):
        """Weights, feedback and mask of one readout, (replicate, channel, afferent)."""
        size = self.circuit.populations[readout.reads].size
        drawn = {}
        for kind in ("weights", "feedback"):
            shape = (channels, len(readout.variables) * size)
            name = f"{readout.name}.{kind}"
            drawn[kind] = self._replicated(getattr(readout, kind), shape, seed, name)
        if self.learning.feedback == "symmetric":
            drawn["feedback"] = np.zeros_like(drawn["feedback"])
        blocks = {"weight": [], "feedback": [], "mask": []}
        for population, variable in self.readout_states():
            size = self.circuit.populations[population].size
            w = feedback = mask = np.zeros((self.replicates, channels, size))
            if (population, variable) in readout.states():
                start = readout.variables.index(variable) * size
                mask = np.ones_like(w)
                if readout.mask is not None:
                    mask = mask * readout.mask[start : start + size]
                w = drawn["weights"][..., start : start + size] * mask
                feedback = drawn["feedback"][..., start : start + size] * mask
            elif (state := f"{population}.{variable}") in readout.feedback_to:
                name = f"{readout.name}.feedback.{state}"
                feedback = self._replicated(
                    readout.feedback_to[state], (channels, size), seed, name
                )
                lesioned = self.circuit.populations[population].lesioned
                feedback = feedback if lesioned is None else feedback * (1 - lesioned)
            for kind, part in (("weight", w), ("feedback", feedback), ("mask", mask)):
                blocks[kind].append(part)
        return {kind: np.concatenate(parts, axis=-1) for kind, parts in blocks.items()}

    def _scalar_values(self, seed):
        learning = self.learning
        values = {f"task.{k}": p.value for k, p in self.task.parameters.items()}
        replicate = np.arange(self.replicates)
        values |= {
            "task.seed": seed,
            "policy.seed": seed,
            "task.replicate": replicate,
            "policy.replicate": replicate[:, None] if self.task.continuous else replicate,
            "task.restart": 1.0,
            "dopamine.discount": learning.discount,
            "dopamine.baseline": self.circuit.dopamine.baseline,
            # Before anything has happened there is no error.
            "dopamine.firing": self.circuit.dopamine.baseline,
            "dopamine.gain": self.circuit.dopamine.gain,
            "input.tonic_dopamine": self.circuit.dopamine.tonic,
            "dopamine.max_norm": learning.max_norm or 0.0,
            "dopamine.rate_average_reward": learning.rate_average_reward or 0.0,
            "readout.actor_weight": learning.actor_weight,
            "readout.entropy_weight": learning.entropy_weight,
            "input.first_action": float(learning.first_input == "action_0"),
        }
        return values


def describe(configuration):
    """A configuration as one line of JSON; the order of its entries (weight columns) is kept."""
    return json.dumps(configuration, separators=(",", ":"))
