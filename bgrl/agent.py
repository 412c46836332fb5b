"""An agent: a circuit in a task with a way of learning, and the values it starts from.

`Agent.structure` is all that a compiled program depends on. Everything else (weights, masks,
learning rates, the task's settings, seeds) is state: a dict of arrays by name, which a program takes
and returns. Names are ``group.variable``; the leading axis is the replicate where there is one.
Nothing here knows Brian2.
"""

import json
from dataclasses import dataclass, field, replace

import numpy as np

from bgrl.circuit import Circuit, sample
from bgrl.errors import InputError, choose
from bgrl.learning import Learning
from bgrl.step import SLOTS
from bgrl.tasks.base import Task

DTYPES = ("float32", "float64")
MAX_SEED = 2**31 - 1


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
        sizes = {"action": len(self.task.actions), "reward": 1}
        for name, channels in self.circuit.inputs.items():
            needed = sizes.get(name, len(self.task.observations))
            if channels != needed:
                raise InputError(
                    f"input {name!r} has {channels} channels; task {self.task.name!r} needs {needed}"
                )

    def with_replicates(self, replicates):
        """The same agent with another number of replicates."""
        return replace(self, replicates=replicates)

    @property
    def actions(self):
        """Number of actions."""
        return len(self.task.actions)

    def readouts(self):
        """Populations read by the actor or the critic, in the circuit's order."""
        read = (self.circuit.actor.reads, self.circuit.critic.reads)
        return [name for name in self.circuit.populations if name in read]

    def structure(self):
        """What the compiled program depends on, as JSON values."""
        circuit = self.circuit.to_dict()
        populations = {}
        for name, p in self.circuit.populations.items():
            populations[name] = {
                "size": int(p.size),
                "map" if p.derivatives is None else "derivatives": dict(p.dynamics),
                "has_units": p.equations is not None,
                "parameters": {
                    k: {"trainable": v.trainable, "unit": v.unit, "minimum": v.minimum}
                    for k, v in p.parameters.items()
                },
                "drives": list(p.drives),
            }
        projections = {
            name: {
                "source": p.source,
                "target": p.target,
                "drive": p.drive,
                "reads": p.reads,
                "signed": p.sign is not None,
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
            "actor": {k: circuit["actor"][k] for k in ("reads", "variable")},
            "critic": {k: circuit["critic"][k] for k in ("reads", "variable")},
            "task": self.task.structure(),
            "learning": self.learning.structure(),
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

    def initial_state(self, layout, seed):
        """The state in which a run starts.

        Parameters
        ----------
        layout : dict of str to (dtype, shape)
            The arrays of the program.
        seed : int
            0 to 2**31 - 1.

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
            values[f"{name}.learning_rate"] = self.learning.rate_network
            values[f"{name}.discount"] = self.learning.discount * self.learning.trace_network
        return values

    def _afferent_values(self, seed):
        values = {}
        for name, p in self.circuit.populations.items():
            for drive in p.drives:
                blocks = {"w": [], "mask": [], "weight_sign": [], "plastic": []}
                for key in self.circuit.afferents(name, drive):
                    projection = self.circuit.projections[key]
                    shape = self.circuit.shape(projection)
                    mask = np.ones(shape) if projection.mask is None else projection.mask
                    weights = self._replicated(projection.weights, shape, seed, key) * mask
                    if projection.sign:
                        weights = projection.sign * np.abs(weights)
                    blocks["w"].append(weights)
                    for kind, value in (
                        ("mask", mask),
                        ("weight_sign", projection.sign or 0),
                        ("plastic", float(projection.plastic)),
                    ):
                        full = (self.replicates, *shape)
                        blocks[kind].append(np.broadcast_to(np.asarray(value, float), full))
                for kind, parts in blocks.items():
                    if parts:
                        values[f"{name}_{drive}.{kind}"] = np.concatenate(parts, axis=-1)
        return values

    def _readout_values(self, seed):
        learning, rows = self.learning, self.actions + 1
        values = {
            "striatum.is_actor": np.arange(rows) < self.actions,
            "striatum.learning_rate": [learning.rate_actor] * self.actions + [learning.rate_critic],
            "striatum.discount": learning.discount
            * np.array([learning.trace_actor] * self.actions + [learning.trace_critic]),
        }
        parts = ((self.circuit.actor, self.actions), (self.circuit.critic, 1))
        for name in self.readouts():
            size = self.circuit.populations[name].size
            for kind in ("weights", "feedback"):
                blocks = [
                    self._replicated(
                        getattr(readout, kind) if readout.reads == name else 0.0,
                        (channels, size),
                        seed,
                        f"{readout.name}.{kind}",
                    )
                    for readout, channels in parts
                ]
                variable = "w" if kind == "weights" else "feedback"
                values[f"{name}_striatum.{variable}"] = np.concatenate(blocks, axis=1)
            mask = np.repeat(
                [float(readout.reads == name) for readout, _ in parts],
                [channels for _, channels in parts],
            )
            values[f"{name}_striatum.mask"] = np.broadcast_to(
                mask[:, None], (self.replicates, rows, size)
            )
        return values

    def _scalar_values(self, seed):
        learning = self.learning
        values = {f"task.{k}": p.value for k, p in self.task.parameters.items()}
        replicate = np.arange(self.replicates)
        values |= {
            "task.seed": seed,
            "policy.seed": seed,
            "task.replicate": replicate,
            "policy.replicate": replicate,
            "task.restart": 1.0,
            "vta.discount": learning.discount,
            "vta.max_norm": learning.max_norm or 0.0,
            "striatum.actor_weight": learning.actor_weight,
            "striatum.entropy_weight": learning.entropy_weight,
            "input.first_action": float(learning.first_input == "action_0"),
        }
        return values


def describe(configuration):
    """A configuration as one line of JSON; the order of its entries (weight columns) is kept."""
    return json.dumps(configuration, separators=(",", ":"))
