"""From the description of an agent to Brian2 objects; the step is the table `bgrl.step.SLOTS`.

Everything is dimensionless or in ms. Replicates are the outer index of every group. All afferents of
one drive of a population that learn alike are one dense matrix (target, source): the sources are
gathered into one group, so that drive, sensitivity, plasticity and eligibility are one kernel each.

Groups and synapses, with R replicates, n neurons, p afferents, m actions:

==========================  =============  ===================================================
``task``                    R              the environment
``input``                   R x channels   observation, previous action, previous reward
``<population>``            R x n          a nucleus
``<population>_<drive>``    R x n x p      weights of the afferents of a drive (Synapses)
``<name>_afferents``        R x p          their presynaptic states, side by side
``<population>_by_<group>`` R x n x ...    sensitivity of a nucleus to the parameters of a group
``readout``                 R x (m + 1)    rows 0..m-1 the actor, row m the critic; continuous
                                           actions take two rows each: means, then scales
``readout_drive``           R x (m+1) x p  readout weights (Synapses)
``policy``                  R (x m)        samples the action, or each of continuous ones
``dopamine``                R              the TD error
``oracle``                  R x blocks     products of gradients with exact ones, on request
``intervention``            R x rows       which interventions are active, on request; ``effect``
                                           and ``modulation`` hold what they do
==========================  =============  ===================================================
"""

import math
import re
from dataclasses import dataclass
from itertools import count
from math import prod
from operator import itemgetter

import brian2 as b2
import numpy as np

from bgrl import random
from bgrl.bridge import Exchange
from bgrl.circuit import IDENTIFIER
from bgrl.derivatives import check_units, population_step
from bgrl.errors import InputError
from bgrl.interventions import MOST, TIMING, Hold, Modulation, Part, Pathway, places
from bgrl.learning import OPTIMIZERS
from bgrl.matrices import (
    Clearing,
    Columns,
    Comparison,
    Contraction,
    Coupling,
    Propagation,
    SelfWeights,
)
from bgrl.sensitivity import blocks, compared, dynamics, kept_edges, sizes, symbols
from bgrl.step import unroll
from bgrl.tasks.base import DRAW, OUTCOME, assignments

_BRIAN_SLOTS = ("start", "groups", "thresholds", "synapses", "resets")


@dataclass(frozen=True)
class Gradient:
    """A step's gradient of the parameters of one block, as expressions of the group they are in.

    Attributes
    ----------
    learning, entropy : str
        Of value and log policy, and of the policy's entropy.
    suffix : str
        What turns the name of a neuron's variable into the synapse's name for it.
    scale : float
        Natural size of the parameter: a task step for times, else 1.
    """

    learning: str
    entropy: str
    suffix: str = ""
    scale: float = 1


def counter_uniform_function():
    """The generator of `bgrl.random` as a Brian2 function for every target."""
    function = b2.Function(
        random.counter_uniform,
        arg_units=[1] * 5,
        return_unit=1,
        arg_types=["integer"] * 5,
        return_type="float",
        stateless=True,
    )
    function.implementations.add_implementation("numpy", random.counter_uniform)
    function.implementations.add_implementation("cpp", random.CPP, name="_counter_uniform")
    function.implementations.add_implementation("cython", random.CYTHON, name="_counter_uniform")
    return function


class Network:
    """The Brian2 objects of an agent.

    Parameters
    ----------
    structure : dict
        `Agent.structure()`.
    suffix : str
        Appended to the names of the Brian2 objects; ``"*"`` makes them unique in this process.

    Attributes
    ----------
    brian : brian2.Network
        With the step's slots as its schedule.
    layout : dict of str to (dtype, shape)
        Every array that makes up the state.
    variables : dict of str to brian2 variable
        The same names to the variables, and "clock.timestep", which is no part of the state.
    ended : str
        Array that is 1 where a trial ended in this step (the next may start a step later).
    """

    def __init__(self, structure, suffix=""):
        self._suffix = suffix
        self.structure = structure
        self.replicates = structure["replicates"]
        self.itemsize = np.dtype(structure["dtype"]).itemsize
        self.actions = structure["task"]["actions"]
        self.continuous = structure["task"]["continuous"]
        self.actor_rows = (2 if self.continuous else 1) * self.actions
        self.optimizer = OPTIMIZERS[structure["learning"]["optimizer"]]
        self.clips = structure["learning"]["clip"]
        self.continuing = structure["learning"]["continuing"]
        self.ended = "task.ended" if self._ended() else "task.done"
        self.modulated = structure["interventions"] or {"variables": {}, "pathways": {}}
        self.sizes = sizes(structure)
        self.blocks = blocks(structure)
        self.signalled = [
            tuple(state)
            for state in structure["readout"]["states"]
            if any(tuple(state) in {*b.states, *b.exact} for b in self.blocks)
        ]
        self.chosen = self._states_told_the_choice()
        self._local_steps = {name: self._local_step(name) for name in structure["populations"]}
        self.groups, self.layout, self.variables = {}, {}, {}
        self._order = count()
        self._operations = []
        self.namespace = {
            "counter_uniform": counter_uniform_function(),
            **{
                name: b2.TimedArray(np.asarray(values), dt=1 * b2.ms, name=f"table_{name}")
                for name, values in structure["task"]["tables"].items()
            },
        }
        self.clock = b2.Clock(dt=1 * b2.ms, name="step_clock*")
        self.variables["clock.timestep"] = self.clock.variables["timestep"]
        self._create_groups()
        self._create_synapses()
        self._create_links()
        self._environment()
        if structure["interventions"]:
            self._interventions()
        for name in structure["populations"]:
            self._population_dynamics(name)
        self._striatum()
        self._dopamine()
        self._learning()
        self.brian = b2.Network(list(self.groups.values()))
        # Brian2's own slots stay empty, but the groups' unused updaters need a place.
        self.brian.schedule = [*_BRIAN_SLOTS, *structure["slots"], "end"]

    def schedule(self, learn=True):
        """One task step, in order, sub-steps repeated.

        Parameters
        ----------
        learn : bool
            Whether the slots in which learning happens are part of it.

        Returns
        -------
        list of (str, list)
            Slot, and its code objects of Brian2 and operations of `bgrl.matrices`.
        """
        by_slot = {slot: [] for slot in self.structure["slots"]}
        for item in self.brian.sorted_objects:
            if item._code_objects:
                by_slot[item.when].append((item.order, item._code_objects))
        for slot, order, operation in self._operations:
            by_slot[slot].append((order, [operation]))
        order = unroll(self.structure["slots"], self.structure["substeps"], learn)
        return [
            (slot, [c for _, calls in sorted(by_slot[slot], key=itemgetter(0)) for c in calls])
            for slot in order
        ]

    def calls(self, learn=True):
        """What `schedule` holds, without the slots."""
        return [call for _, calls in self.schedule(learn) for call in calls]

    def operations(self):
        """The operations of `bgrl.matrices` and `bgrl.bridge`, in no order."""
        return [operation for _, _, operation in self._operations]

    def _operate(self, slot, kind, *values):
        """Add an operation to a slot."""
        order = next(self._order)
        name = f"{kind.__name__.lower()}_{order}"
        self._operations.append((slot, order, kind(name, self.replicates, *values)))

    # Groups ---------------------------------------------------------------------------------

    def _group(self, name, size, variables, shared=(), integers=(), links=(), shape=None):
        """A NeuronGroup of replicates (x `size`); `variables` and `integers` join the state."""
        lines = [f"{v} : 1" for v in variables]
        lines += [f"{v} : 1 (shared)" for v in shared]
        lines += [f"{v} : integer{flag}" for v, flag in integers]
        lines += [f"{v} : 1 (linked)" for v in links]
        try:
            group = b2.NeuronGroup(
                self.replicates * (size or 1),
                "\n".join(lines),
                name=f"{name}{self._suffix}",
                clock=self.clock,
                namespace=self.namespace,
            )
        except SyntaxError as error:  # a name that Brian2 uses itself, of a unit for instance
            raise InputError(f"{name!r}: {error}") from None
        shape = (() if size is None else (size,)) if shape is None else shape
        shape = (self.replicates, *shape)
        self.groups[name] = group
        for variable in variables:
            self._register(name, variable, shape)
        for variable in shared:
            self._register(name, variable, ())
        for variable, flag in integers:
            self._register(name, variable, () if flag else shape)
        return group

    def _register(self, group, variable, shape):
        brian_variable = self.groups[group].variables[variable]
        name = f"{group}.{variable}"
        self.layout[name] = (np.dtype(brian_variable.dtype).name, tuple(shape))
        self.variables[name] = brian_variable

    def _link(self, group, name, source, variable, index=None):
        """Make `name` of a group a view of another group's variable."""
        index = None if index is None else np.asarray(index, int)
        setattr(
            self.groups[group],
            name,
            b2.linked_var(self.groups[source], variable, index=index),
        )

    def _width(self, group):
        """Elements of a group in one replicate."""
        return len(self.groups[group]) // self.replicates

    def _per_replicate(self, group):
        """Of each element of a group, its replicate."""
        return np.repeat(np.arange(self.replicates), self._width(group))

    def _constant(self, group, name, values):
        """Set a constant that is part of the program, not of the state."""
        setattr(self.groups[group], name, np.tile(values, self.replicates))
        del self.layout[f"{group}.{name}"], self.variables[f"{group}.{name}"]

    def _run(self, group, slot, code):
        """Add code to a slot; within a slot, code runs in the order in which it was added."""
        order = next(self._order)
        name = f"{group}_{slot}_{order}{self._suffix}"
        self.groups[group].run_regularly(code, when=slot, order=order, name=name)

    def _sum(self, synapses, target, slot):
        """Give a summed variable of synapses its place in the schedule."""
        updater = self.groups[synapses].summed_updaters[target]
        updater.when, updater.order = slot, next(self._order)

    def _create_groups(self):
        task = self.structure["task"]
        self._group(
            "task",
            None,
            [
                *task["variables"],
                *("reward", "terminated", "truncated", "done", "restart"),
                *("trial_length", "trial_return", *self._ended()),
            ],
            shared=task["parameters"],
            integers=(("replicate", ""), ("seed", " (shared)")),
            links=[f"action_{k}" for k in range(self.actions)] if self.continuous else ["action"],
        )
        self._group(
            "input",
            sum(self.structure["inputs"].values()),
            ["x", "channel"],
            shared=["first_action", "tonic_dopamine"],
            links=[
                *(f"task_{v}" for v in self._observed()),
                *("reward", "done", "action", "firing", "baseline", "firing_gain"),
            ],
        )
        for name, p in self.structure["populations"].items():
            self._population_group(name, p)
        self._sensitivity_groups()
        self._policy_group()
        average = ["average_reward"] if self.continuing else []
        corrections = ["updates", "correction_1", "correction_2"] if self.optimizer.state else []
        clipping = ["clip_scale"] if self.clips else []
        squares = [f"squared_{name}" for name in self._targets()] if self.clips else []
        self._group(
            "dopamine",
            None,
            ["value", "td_error", "firing", *average, *corrections, *clipping, *squares],
            shared=[
                *("discount", "baseline", "gain"),
                *(["rate_average_reward"] if self.continuing else []),
                *(["max_norm"] if self.clips else []),
            ],
            links=["critic", "reward", "done", *self._ended(), *self._modulation_links("dopamine")],
        )
        self._group(
            "readout",
            self.actor_rows + 1,
            [
                *("activity", "bias", "drive", "is_actor"),
                *(["is_scale"] if self.continuous else ["policy", "row"]),
                *("learning_signal", "entropy_signal"),
                *(["chosen_signal"] if self.chosen else []),
                *self._plastic_variables(["bias"]),
                *("dopamine", "discount", "trace_decay"),
                *self._held("readout"),
                *self._squares("readout"),
            ],
            shared=["actor_weight", "entropy_weight"],
            links=[
                *("action", "td_error", "done"),
                *self._policy_links(),
                *self._sent(),
                *self._clip_links(),
                *self._modulation_links("readout"),
            ],
        )
        for group in (*self.structure["afferents"], "readout_drive"):
            sources = self._sources(group)
            signals = self._returning() if group == "readout_drive" else []
            self._group(
                f"{group}_afferents",
                sum(size for *_, size in sources),
                ["x", "block", *signals],
                links=[f"from_{k}" for k in range(len(sources))],
            )
        parts = compared(self.structure)
        if parts:
            self._group("oracle", len(parts), ["product", "square", "exact_square"])
        if self.structure["interventions"]:
            self._intervention_groups()

    def _intervention_groups(self):
        """The rows of the table, what they change, and the vector of what that makes."""
        timing = [(v, "") for v in ("event", "delay", "duration", "since")]
        self._group(
            "intervention",
            MOST,
            ["active", "applied"],
            integers=[*timing, ("checkpoint", " (shared)")],
            links=["done", "ended", "reward", "trial_length"],
        )
        size = max(last for _, last, _ in places(self.modulated).values())
        self._group("modulation", size, ["value"])
        self._group("effect", MOST * size, ["change"], shape=(MOST, size))

    def _policy_group(self):
        integers = (("replicate", ""), ("seed", " (shared)"))
        if self.continuous:
            variables = ["action", "entropy", "mean", "scale", "mean_slope", "scale_slope"]
            variables += ["low", "high", "column"]
            links = ["activity_mean", "activity_scale"]
            self._group("policy", self.actions, variables, integers=integers, links=links)
        else:
            links = [*(f"activity_{k}" for k in range(self.actions)), *self._forced()]
            variables = ["action", "entropy", "log_normaliser"]
            self._group("policy", None, variables, integers=integers, links=links)

    def _policy_links(self):
        """What the rows of the readout read of the policy, besides the action."""
        if self.continuous:
            return ["mean", "scale", "mean_slope", "scale_slope"]
        return ["entropy", "log_normaliser"]

    def _population_group(self, name, p):
        if p["has_units"]:
            units = {k: v["unit"] for k, v in p["parameters"].items()}
            units |= dict.fromkeys([*dynamics(p), *p["drives"]], "1")
            check_units(dynamics(p), units, p["functions"])
        local = self._local_steps[name]
        factors = [v for kind in (local.jacobian, local.gain, local.slope) for v in kind.values()]
        own = [b for b in self.blocks if b.group == name]
        trained = [b.key for b in own if b.states]
        signals = [v for population, v in self.signalled if population == name]
        told = [v for population, v in self.chosen if population == name]
        self._group(
            name,
            p["size"],
            [
                *dynamics(p),
                *(f"initial_{v}" for v in dynamics(p)),
                *p["parameters"],
                *p["drives"],
                *self._partial_sums(name),
                *factors,
                *self._own_variables(name),
                *(v for b in own for v in self._block_variables(b)),
                "done",
                *(f"{kind}_signal_{v}" for v in signals for kind in ("learning", "entropy")),
                *(["dopamine", "discount", "trace_decay"] if name in self._modulated() else []),
                *(["chosen"] if told else []),
                *(self._plastic_variables(trained) if self._trains(name) else []),
                *(self._squares(name) if self._trains(name) else []),
                *self._held(name),
            ],
            links=[
                *("task_done", "td_error"),
                *(f"sent_{kind}_{v}" for v in signals for kind in ("learning", "entropy")),
                *(f"sent_chosen_{v}" for v in told),
                *self._sent(),
                *self._clip_links(),
                *self._modulation_links(name),
            ],
        )

    def _sensitivity_groups(self):
        """Sensitivities that are as large as a population times a block."""
        found = {}
        for block in self.blocks:
            for array, shape in block.arrays(self.sizes).items():
                group, variable = array.split(".")
                if group != block.group:
                    found.setdefault(group, (shape, []))[1].append(variable)
        for group, (shape, variables) in found.items():
            self._group(group, prod(shape), variables, shape=shape)

    def _block_variables(self, block):
        """Sensitivities and gradients of a block that are as large as the block."""
        found = []
        if not block.coupled:
            found += [f"sensitivity_{v}_{block.key}" for _, v in block.states]
        if block.states and block.coupled:
            found += [f"learning_gradient_{block.key}", f"entropy_gradient_{block.key}"]
        elif block.exact:
            found += [f"learning_gradient_{block.key}"]
        if block.exact and block.method != "rtrl":
            found += [f"exact_gradient_{block.key}"]
        return found

    def _create_links(self):
        R, m = self.replicates, self.actor_rows
        rows = np.arange(R) * (m + 1)
        channels = self._per_replicate("input")
        for variable in self._observed():
            index = None if variable in self.structure["task"]["parameters"] else channels
            self._link("input", f"task_{variable}", "task", variable, index)
        for variable in ("reward", "done"):
            self._link("input", variable, "task", variable, channels)
        self._link("input", "firing", "dopamine", "firing", channels)
        self._link("input", "baseline", "dopamine", "baseline")
        self._link("input", "firing_gain", "dopamine", "gain")
        self._constant("input", "channel", np.arange(self._width("input")))
        self._link_policy(rows)
        self._link("dopamine", "critic", "readout", "activity", rows + m)
        self._link("dopamine", "reward", "task", "reward")
        for variable in ("done", *self._ended()):
            self._link("dopamine", variable, "task", variable)
        per_row = self._per_replicate("readout")
        self._link("readout", "done", "task", "done", per_row)
        for name in ("readout", *self.structure["populations"]):
            index = self._per_replicate(name)
            for variable in ("td_error", *self._sent(), *self._clip_links()):
                self._link(name, variable, "dopamine", variable.removeprefix("sent_"), index)
            if name != "readout":
                self._link(name, "task_done", "task", "done", index)
        for group in (*self.structure["afferents"], "readout_drive"):
            self._link_afferents(group)
        if self._returning():
            self._link_signals()
        if self.structure["interventions"]:
            self._link_interventions()

    def _link_policy(self, rows):
        """The policy reads the actor's rows; task, input and the rows read the policy."""
        R, m = self.replicates, self.actions
        per_row, channels = self._per_replicate("readout"), self._per_replicate("input")
        if not self.continuous:
            self._link("task", "action", "policy", "action")
            self._link("input", "action", "policy", "action", channels)
            for variable in self._forced():
                self._link("policy", variable, "task", variable)
            for k in range(m):
                self._link("policy", f"activity_{k}", "readout", "activity", rows + k)
            self._constant("readout", "row", np.arange(m + 1))
        else:
            action = np.arange(R)[:, None] * m + np.arange(m)
            for k in range(m):
                self._link("task", f"action_{k}", "policy", "action", action[:, k])
            start = self._first_channel("action")
            column = np.clip(np.arange(self._width("input")) - start, 0, m - 1)
            self._link("input", "action", "policy", "action", channels * m + np.tile(column, R))
            for k, variable in enumerate(("activity_mean", "activity_scale")):
                index = (rows[:, None] + k * m + np.arange(m)).ravel()
                self._link("policy", variable, "readout", "activity", index)
            per_row = per_row * m + np.tile([*np.arange(m), *np.arange(m), 0], R)
            self._constant("policy", "column", np.arange(m))
        for variable in ("action", *self._policy_links()):
            self._link("readout", variable, "policy", variable, per_row)

    def _first_channel(self, name):
        """First channel of an input, 0 if there is none of that name."""
        inputs = list(self.structure["inputs"])
        widths = list(self.structure["inputs"].values())
        return sum(widths[: inputs.index(name)]) if name in inputs else 0

    def _link_afferents(self, group):
        """Each afferent reads its own source; elsewhere the link points at the first element."""
        sources = self._sources(group)
        total = sum(size for *_, size in sources)
        block = np.repeat(np.arange(len(sources)), [size for *_, size in sources])
        self._constant(f"{group}_afferents", "block", block)
        start = 0
        for k, (source, variable, offset, size) in enumerate(sources):
            index = np.arange(self.replicates)[:, None] * self._width(source) + np.zeros(total, int)
            index[:, start : start + size] += offset + np.arange(size)
            self._link(f"{group}_afferents", f"from_{k}", source, variable, index.ravel())
            start += size

    def _link_signals(self):
        """Populations read the learning signals that return to what the striatum reads."""
        start, total = 0, self._width("readout_drive_afferents")
        for name, variable, _, size in self._sources("readout_drive"):
            index = np.arange(self.replicates)[:, None] * total + start + np.arange(size)
            kinds = ("learning", "entropy") if (name, variable) in self.signalled else ()
            kinds += ("chosen",) if (name, variable) in self.chosen else ()
            for kind in kinds:
                source = "readout_drive_afferents", f"{kind}_signal"
                self._link(name, f"sent_{kind}_{variable}", *source, index.ravel())
            start += size

    def _link_interventions(self):
        """Interventions follow the task; the rest of the network reads what they do."""
        index = self._per_replicate("intervention")
        for variable in ("done", "reward", "trial_length"):
            self._link("intervention", variable, "task", variable, index)
        self._link("intervention", "ended", *self.ended.split("."), index)
        where = places(self.modulated)
        for name in self.modulated["variables"]:
            first, last, _ = where[name]
            index = np.arange(self.replicates)[:, None] * self._width("modulation")
            index = (index + np.arange(first, last)).ravel()
            self._link(*name.split("."), "modulation", "value", index)

    def _sources(self, group):
        """(group, variable, offset, size) of each block of the afferents of a group of synapses."""
        if group == "readout_drive":
            states = self.structure["readout"]["states"]
            return [(name, variable, 0, self.sizes[name]) for name, variable in states]
        inputs, found = self.structure["inputs"], []
        offsets = dict(zip(inputs, np.cumsum([0, *inputs.values()]), strict=False))
        for key in self.structure["afferents"][group]["projections"]:
            p = self.structure["projections"][key]
            if p["source"] in inputs:
                found.append(("input", "x", int(offsets[p["source"]]), inputs[p["source"]]))
            else:
                found.append((p["source"], p["reads"], 0, self.sizes[p["source"]]))
        return found

    def _column(self, key):
        """Group of a projection's weights, their first column in it, and all its columns."""
        for group, afferents in self.structure["afferents"].items():
            widths = [size for *_, size in self._sources(group)]
            if key in afferents["projections"]:
                first = sum(widths[: afferents["projections"].index(key)])
                return group, first, sum(widths)
        raise KeyError(key)

    def _feeding(self, name, drive):
        """Groups of synapses that feed a drive."""
        return [
            group
            for group, afferents in self.structure["afferents"].items()
            if (afferents["target"], afferents["drive"]) == (name, drive)
        ]

    def _partial_sums(self, name):
        """Variables for the parts of a drive whose afferents are several groups."""
        drives = self.structure["populations"][name]["drives"]
        groups = [self._feeding(name, drive) for drive in drives]
        return [f"sum_{group}" for parts in groups if len(parts) > 1 for group in parts]

    def _create_synapses(self):
        for block in self.blocks:
            if block.drive is None:
                continue
            group, name = block.group, block.owner
            variables = ["weight", "mask", *self._block_variables(block), *self._held(group)]
            if block.states:
                variables += self._plastic_variables(["weight"])
            elif self._rule(group):
                variables += ["eligibility_weight"]
            if (block.states or self._rule(group)) and self._signed(group):
                variables += ["weight_sign"]
            alone = len(self._feeding(name, block.drive)) == 1
            sums = {f"{block.drive if alone else f'sum_{group}'}_post": "mask*weight*x_pre"}
            sums |= self._square_sums(name, group) if block.states else {}
            self._connect(group, f"{group}_afferents", name, variables, sums)
        fixed = self.structure["readout"]["fixed_feedback"]
        variables = ["weight", "mask", *self._plastic_variables(["weight"])]
        variables += self._held("readout_drive")
        sums = {"drive_post": "mask*weight*x_pre"}
        if self._returning():
            variables += ["feedback"] if fixed else []
            variables += ["intact_feedback"] if fixed and self.structure["interventions"] else []
            paths = [] if self.structure["learning"]["feedback"] == "random" else ["mask*weight"]
            paths += ["feedback"] if fixed else []
            for signal in self._returning():
                sums[f"{signal}_pre"] = f"({' + '.join(paths)})*{signal}_post"
        sums |= self._square_sums("readout", "readout_drive")
        self._connect("readout_drive", "readout_drive_afferents", "readout", variables, sums)
        if self.clips:
            for name in self._targets():
                sums = {f"squared_{name}_post": "square_pre"}
                self._connect(f"{name}_dopamine", name, "dopamine", [], sums)

    def _square_sums(self, name, group):
        if not self.clips:
            return {}
        gradient = self._gradient_code("weight", self._gradients(name)[group]["weight"])
        return {f"square_{group}_post": f"({gradient})**2"}

    def _connect(self, name, source, target, variables, sums):
        """Dense synapses within each replicate, ordered (replicate, target, source)."""
        pre, post = self._width(source), self._width(target)
        model = [f"{v} : 1" for v in variables]
        model += [f"{t} = {expression} : 1 (summed)" for t, expression in sums.items()]
        synapses = b2.Synapses(
            self.groups[source],
            self.groups[target],
            "\n".join(model),
            name=f"{name}{self._suffix}",
            clock=self.clock,
            namespace=self.namespace,
        )
        # What `bgrl.backends.dense` needs to know.
        synapses.add_attribute("dense")
        synapses.dense = (self.replicates, post, pre)
        synapses.connect(i=f"j//{post}*{pre} + k for k in range({pre})")
        self.groups[name] = synapses
        for variable in variables:
            self._register(name, variable, (self.replicates, post, pre))

    # The step -------------------------------------------------------------------------------

    def _environment(self):
        task = self.structure["task"]
        own = {*task["variables"], *OUTCOME}
        # Flags and counts are floating-point: 1.0 keeps their type from becoming integer.
        taken = "restart*{0} + (1 - restart)*({1})" if task["closes"] else "1.0*({1})"
        step = [
            f"{name} = {taken.format(name, value)}" if name in own else f"{name} = {value}"
            for name, value in assignments(task["step"])
        ]
        reset = [
            f"{name} = done*({value}) + (1 - done)*{name}" if name in own else f"{name} = {value}"
            for name, value in assignments(task["reset"])
        ]
        ended, done, pending = "", "terminated + truncated + restart", "0.0"
        if task["closes"]:
            # Where a trial is only cut, the next step is the one that starts another.
            ended = (
                "truncated = truncated*(1 - restart)\nended = 1.0*int(terminated + truncated > 0)"
            )
            done, pending = "terminated + restart", "ended*(1 - done)"
        code = f"""
            trial_length = (trial_length*(1 - done) + 1)*(1 - restart)
            trial_return = trial_return*(1 - done)*(1 - restart)
            truncated = 0.0
            {chr(10).join(step)}
            reward = reward*(1 - restart)
            terminated = terminated*(1 - restart)
            {ended}
            done = 1.0*int({done} > 0)
            trial_return = trial_return + reward
            {chr(10).join(reset)}
            restart = {pending}
        """
        if task["external"]:
            count = self.actions if self.continuous else 1
            self._operate("environment", Exchange, count, len(task["variables"]), task["closes"])
        self._run("task", "environment", _dedent(self._expand_draws(code)))
        terms, start = [], 0
        observations = iter(task["observations"].values())
        for name, channels in self.structure["inputs"].items():
            if name == "action" and self.continuous:
                here = f"int(channel >= {start} and channel < {start + channels})"
                terms.append(f"{here}*(1 - done)*action")
            elif name == "action":
                here = f"int(channel >= {start} and channel < {start + channels})"
                taken = f"(1 - done)*int(action == channel - {start})"
                terms.append(f"{here}*({taken} + done*first_action*int(channel == {start}))")
            elif name == "reward":
                terms.append(f"int(channel == {start})*(1 - done)*reward")
            elif name == "dopamine":
                level = "(firing - baseline)/firing_gain + tonic_dopamine"
                terms.append(f"int(channel == {start})*({level})")
            else:
                for k, expression in zip(
                    range(start, start + channels), observations, strict=False
                ):
                    for variable in self._task_symbols(expression):
                        expression = re.sub(rf"\b{variable}\b", f"task_{variable}", expression)
                    terms.append(f"int(channel == {k})*({expression})")
            start += channels
        self._run("input", "reset", "x = " + " + ".join(terms))

    def _expand_draws(self, code):
        def replace(match):
            kind, k = match[1], int(match[2])
            draw = "counter_uniform(seed, replicate, %d, t_in_timesteps, %d)"
            stream = random.STREAMS["task"]
            if kind == "uniform":
                return draw % (stream, k)
            # Box & Muller 1958.
            k = random.NORMAL_OFFSET + 2 * k
            radius, angle = draw % (stream, k), draw % (stream, k + 1)
            return f"(sqrt(-2*log({radius}))*cos(6.283185307179586*{angle}))"

        return DRAW.sub(replace, code)

    def _interventions(self):
        """What is done to the circuit in this step, once the task has said what happened."""
        self._run("intervention", "environment", _dedent(TIMING))
        where = places(self.modulated)
        silent = []
        for block in self.blocks:
            for exact, states in ((False, block.states), (True, block.exact)):
                for name, variable in states:
                    array, n = block.array(name, variable, exact), self.sizes[name]
                    entries = prod(self.layout[array][1][2:])
                    silent.append((where[f"{name}.modulation_rate"][0], array, n, entries))
        self._operate(
            "environment",
            Modulation,
            tuple(where.values()),
            self._pathways(),
            tuple(dict.fromkeys(silent)),
        )

    def _pathways(self):
        """What lesions and blocks of plasticity act on."""
        where = places(self.modulated)
        return tuple(
            Pathway(
                where[f"transmission of {name}"][0],
                where[f"plasticity of {name}"][0],
                tuple(self._part(*part) for part in parts),
            )
            for name, parts in self.modulated["pathways"].items()
        )

    def _part(self, group, key, *rectangle):
        """Some parameters of a group, with all that is kept of them."""
        first, last, left, right = rectangle
        _, rows, columns = (*self.layout[f"{group}.{key}"][1], 1)[:3]
        masks = [f"{group}.{name}" for name in ("mask", "feedback")]
        cleared = [
            (name, prod(shape) // (self.replicates * rows * columns))
            for name, (_, shape) in self.layout.items()
            for owner, variable in [name.split(".")]
            if (owner == group or owner.endswith(f"_by_{group}"))
            and variable.endswith(f"_{key}")
            and variable != f"held_{key}"
        ]
        return Part(
            (first, last, rows),
            (left, right, columns),
            f"{group}.{key}",
            f"{group}.held_{key}",
            tuple((m, m.replace(".", ".intact_")) for m in masks if m in self.layout),
            tuple(cleared),
        )

    def _population_dynamics(self, name):
        p = self.structure["populations"][name]
        variables, local = dynamics(p), self._local_steps[name]
        blocks = [b for b in self.blocks if b.owner == name]
        uncoupled = [b for b in blocks if b.states and not b.coupled]
        lines = ["done = task_done"]
        lines += [f"{v} = done*initial_{v} + (1 - done)*{v}" for v in variables]
        silencing = [f"{v} = modulation_rate*{v}" for v in variables]
        silencing = silencing if self.structure["interventions"] else []
        self._run(name, "reset", "\n".join([*lines, *silencing]))
        self._clear(blocks)
        for drive in p["drives"]:
            for group in self._feeding(name, drive):
                self._gather(group, "drive")
            if len(self._feeding(name, drive)) > 1:
                parts = " + ".join(f"sum_{group}" for group in self._feeding(name, drive))
                self._run(name, "drive", f"{drive} = {parts}")
            if self.structure["interventions"]:
                driven = drive if self._feeding(name, drive) else "0"
                change = f"modulation_gain_{drive}*{driven} + modulation_baseline_{drive}"
                self._run(name, "drive", f"{drive} = {change}")
        self._run(name, "cortex", local.code)
        if self.structure["interventions"]:
            # Code of its own: x = a*x is done in place for NumPy, in all that is the same array as x.
            self._run(name, "cortex", "\n".join([*silencing, *self._scaled(local)]))
        own = self._own_effects(name)
        for block in uncoupled:
            if block.group == name:
                self._run(name, "sensitivity", self._advance(block, local.slope, own))
            else:
                code = self._advance(block, local.gain, own, "_post", "*mask*x_pre")
                self._run(block.group, "sensitivity", code)
        self._propagate([b for b in blocks if b.coupled and b.states], exact=False)
        self._propagate([b for b in blocks if b.exact and b.method != "rtrl"], exact=True)

    def _scaled(self, local):
        """Derivatives of a step whose drives are scaled and whose silent neurons do nothing."""
        lines = [
            f"{v} = modulation_rate*{v}" for v in (*local.jacobian.values(), *local.slope.values())
        ]
        for (_, drive), v in local.gain.items():
            lines.append(f"{v} = modulation_rate*modulation_gain_{drive}*{v}")
        return lines

    def _gather(self, group, slot):
        """Put the presynaptic states of synapses side by side, and sum what they transmit."""
        terms = [f"int(block == {k})*from_{k}" for k in range(len(self._sources(group)))]
        self._run(f"{group}_afferents", slot, "x = " + " + ".join(terms))
        for target, updater in self.groups[group].summed_updaters.items():
            if not target.startswith(("learning", "entropy", "square")):
                updater.when, updater.order = slot, next(self._order)

    def _clear(self, blocks):
        """Where a trial is done, sensitivities start anew."""
        arrays = {
            name: prod(shape)
            for block in blocks
            for name, shape in block.arrays(self.sizes).items()
        }
        if arrays:
            self._operate("reset", Clearing, arrays, "task.done")

    def _self_edges(self, name):
        """Edges of a population onto itself through synapses, which `snap1` follows."""
        if not any(b.owner == name and b.method == "snap1" and b.states for b in self.blocks):
            return []
        return [e for e in kept_edges(self.structure, "snap1", name) if e[2] is not None]

    def _own_variables(self, name):
        """Variables for what a neuron does to itself, its self-connection included."""
        edges = self._self_edges(name)
        pairs = dict.fromkeys((target[1], source[1]) for source, target, _ in edges)
        return [f"self_{k}" for k in range(len(edges))] + [f"own_{v}_{u}" for v, u in pairs]

    def _own_effects(self, name):
        """Method to names of dF_s/ds' of a neuron, which for `snap1` has its self-connection."""
        local = self._local_steps[name]
        terms = {}
        for k, (source, target, key) in enumerate(self._self_edges(name)):
            group, first, columns = self._column(key)
            arrays = f"{group}.weight", f"{group}.mask", columns, first, f"{name}.self_{k}"
            self._operate("sensitivity", SelfWeights, self.sizes[name], *arrays)
            drive = self.structure["projections"][key]["drive"]
            if (target[1], drive) in local.gain:
                product = f"{local.gain[target[1], drive]}*self_{k}"
                terms.setdefault((target[1], source[1]), []).append(product)
        lines, own = [], dict(local.jacobian)
        for (v, u), products in terms.items():
            products += [local.jacobian[v, u]] if (v, u) in local.jacobian else []
            lines.append(f"own_{v}_{u} = {' + '.join(products)}")
            own[v, u] = f"own_{v}_{u}"
        if lines:
            self._run(name, "sensitivity", "\n".join(lines))
        return {"snap1": own, "rflo": local.jacobian}

    @staticmethod
    def _advance(block, direct, own, suffix="", factor=""):
        """S_v <- sum over u of dF_v/du S_u + dF_v/dtheta, all v of a neuron at once."""
        variables, key = [v for _, v in block.states], block.key
        jacobian = own[block.method]
        lines = []
        for v in variables:
            terms = [
                f"{jacobian[v, u]}{suffix}*sensitivity_{u}_{key}"
                for u in variables
                if (v, u) in jacobian
            ]
            if (v, block.drive or key) in direct:
                terms.append(f"{direct[v, block.drive or key]}{suffix}{factor}")
            lines.append(f"next_{v}_{key} = {' + '.join(terms) or '0'}")
        lines += [f"sensitivity_{v}_{key} = next_{v}_{key}" for v in variables]
        return "\n".join(lines)

    def _propagate(self, blocks, exact):
        """Sensitivities that cross synapses, of blocks of one population; see `Propagation`."""
        alike = {}
        for block in blocks:
            method = "rtrl" if exact else block.method
            states = block.exact if exact else block.states
            alike.setdefault((method, states), []).append(block)
        for (method, states), members in alike.items():
            arrays = {b: {s: b.array(*s, exact) for s in states} for b in members}
            couplings, diagonals = [], []
            for source, target, key in kept_edges(self.structure, method, members[0].owner):
                if source in states and target in states:
                    self._effect(source, target, key, couplings, diagonals)
            self._operate(
                "sensitivity",
                Propagation,
                {(name, v): self.sizes[name] for name, v in states},
                tuple(couplings),
                tuple(diagonals),
                tuple(Columns(b.shape, arrays[b], self._direct(b, states)) for b in members),
            )

    def _effect(self, source, target, key, couplings, diagonals):
        """Put what a state does to another into the list where it belongs, unless it is zero."""
        (name, v), local = target, self._local_steps[target[0]]
        if key is None:
            if (v, source[1]) in local.jacobian:
                diagonals.append((target, source, f"{name}.{local.jacobian[v, source[1]]}"))
            return
        drive = self.structure["projections"][key]["drive"]
        if (v, drive) in local.gain:
            group, first, columns = self._column(key)
            arrays = f"{name}.{local.gain[v, drive]}", f"{group}.weight", f"{group}.mask"
            couplings.append(Coupling(target, source, *arrays, columns, first))

    def _direct(self, block, states):
        """What parameters do to their own neuron at once, see `Columns`."""
        local = self._local_steps[block.owner]
        found = []
        for state in states:
            if state[0] != block.owner:
                continue
            factor = (local.gain if block.drive else local.slope).get(
                (state[1], block.drive or block.key)
            )
            weights = (f"{block.group}.mask", f"{block.group}_afferents.x")
            if factor:
                found.append(
                    (state, f"{block.owner}.{factor}", *(weights if block.drive else (None, None)))
                )
        return tuple(found)

    def _striatum(self):
        self._gather("readout_drive", "striatum")
        activity = "drive + (1 - is_actor)*bias"
        if self.structure["interventions"]:
            activity = f"modulation_gain*({activity}) + modulation_baseline"
        self._run("readout", "striatum", f"activity = {activity}")
        policy = self._gaussian_code() if self.continuous else self._softmax_code()
        for group, code in zip(("policy", "readout"), policy, strict=True):
            self._run(group, "striatum", _dedent(code))
        if self.structure["interventions"]:
            signals = ("learning_signal", "entropy_signal")
            lines = [f"{signal} = modulation_gain*{signal}" for signal in signals]
            self._run("readout", "striatum", "\n".join(lines))
        for signal in self._returning():
            self._sum("readout_drive", f"{signal}_pre", "striatum")
        for name in self.structure["populations"]:
            lines = [
                f"{kind}_signal_{v} = sent_{kind}_{v}"
                for population, v in self.signalled
                for kind in ("learning", "entropy")
                if population == name
            ]
            told = [f"sent_chosen_{v}" for population, v in self.chosen if population == name]
            lines += [f"chosen = {' + '.join(told)}"] if told else []
            if lines:
                self._run(name, "striatum", "\n".join(lines))

    def _gaussian_code(self):
        """A normal distribution of each action, its entropy, a sample, and the gradients.

        Mean and logarithmic scale are squashed between their bounds (the latter -2 and 2), as in the
        official code of RTRRL; a sample may lie outside. The log policy of several actions is the sum
        of theirs (the official code takes the mean).
        """
        stream = random.STREAMS["policy"]
        draw = f"counter_uniform(seed, replicate, {stream}, t_in_timesteps, %s)"
        # Box & Muller 1958.
        radius, angle = draw % "2*int(column)", draw % "2*int(column) + 1"
        policy = f"""
            mean_share = 1/(1 + exp(-activity_mean))
            scale_share = 1/(1 + exp(-activity_scale))
            log_scale = 4*scale_share - 2
            mean = low + (high - low)*mean_share
            scale = log(1 + exp(log_scale))
            mean_slope = (high - low)*mean_share*(1 - mean_share)
            scale_slope = 4*scale_share*(1 - scale_share)/(1 + exp(-log_scale))
            entropy = {0.5 * math.log(2 * math.pi * math.e)!r} + log(scale)
            draw = sqrt(-2*log({radius}))*cos({2 * math.pi!r}*{angle})
            action = mean + scale*draw
        """
        readout = """
            is_mean = is_actor*(1 - is_scale)
            away = (action - mean)/scale
            slope = is_mean*away*mean_slope + is_scale*(away*away - 1)*scale_slope
            learning_signal = actor_weight*slope/scale + 1 - is_actor
            entropy_signal = is_scale*entropy_weight*scale_slope/scale
        """
        return policy, readout

    def _softmax_code(self):
        """A choice with probabilities, their entropy, a sample by inversion, and the gradients."""
        told = "chosen_signal = is_actor*chosen" if self.chosen else ""
        readout = f"""
            log_policy = is_actor*(activity - log_normaliser)
            policy = is_actor*exp(log_policy)
            chosen = int(action == row)
            learning_signal = is_actor*actor_weight*(chosen - policy) + 1 - is_actor
            entropy_signal = -is_actor*entropy_weight*policy*(log_policy + entropy)
            {told}
        """
        return self._sample_code(), readout

    def _sample_code(self):
        m = self.actions
        lines = ["largest = activity_0"]
        lines += [f"largest = clip(activity_{k}, largest, inf)" for k in range(1, m)]
        lines.append(
            "log_normaliser = largest + log("
            + " + ".join(f"exp(activity_{k} - largest)" for k in range(m))
            + ")"
        )
        lines += [f"log_{k} = activity_{k} - log_normaliser" for k in range(m)]
        lines += [f"p_{k} = exp(log_{k})" for k in range(m)]
        lines.append("entropy = -(" + " + ".join(f"p_{k}*log_{k}" for k in range(m)) + ")")
        stream = random.STREAMS["policy"]
        lines.append(f"u = counter_uniform(seed, replicate, {stream}, t_in_timesteps, 0)")
        lines.append("below_0 = p_0")
        lines += [f"below_{k} = below_{k - 1} + p_{k}" for k in range(1, m - 1)]
        sampled = " + ".join(f"int(u >= below_{k})" for k in range(m - 1)) or "0*u"
        if "forced_action" in self.structure["task"]["variables"]:
            forced = "int(forced_action >= 0)"
            sampled = f"{forced}*forced_action + (1 - {forced})*({sampled})"
        return "\n".join([*lines, f"action = {sampled}"])

    def _dopamine(self):
        error = "reward + discount*critic*(1 - done) - value"
        error += " - average_reward" if self.continuing else ""
        if self._ended():
            # A step that only starts a trial teaches nothing.
            error = f"(1 - done*(1 - ended))*({error})"
        lines = [f"td_error = {error}", "value = critic"]
        if self.continuing:
            lines.append("average_reward = average_reward + rate_average_reward*td_error")
        if self.structure["interventions"]:
            lines.insert(1, "td_error = modulation_gain*td_error + modulation_baseline")
        lines.append("firing = clip(baseline + gain*td_error, 0, inf)")
        if self.optimizer.state:
            for k, decay in enumerate((self.optimizer.decay_1, self.optimizer.decay_2), 1):
                lines.append(f"correction_{k} = -1/expm1((updates + 1)*{float(np.log(decay))!r})")
        self._run("dopamine", "dopamine", "\n".join(lines))
        for name in self._modulated():
            lines = ["dopamine = td_error", "trace_decay = discount*(1 - done)"]
            if name in self._targets():
                lines += [f"{v.removeprefix('sent_')} = {v}" for v in self._sent()]
            self._run(name, "dopamine", "\n".join(lines))

    # Learning -------------------------------------------------------------------------------

    def _learning(self):
        self._contract()
        if self.clips:
            self._clipping()
        if self.optimizer.state:
            self._run("dopamine", "plasticity", "updates = updates + 1")
        for slot in ("plasticity", "eligibility"):
            for name in self._targets():
                for group, gradients in self._gradients(name).items():
                    lines = [
                        getattr(self, f"_{slot}_code")(group, key, gradient)
                        for key, gradient in gradients.items()
                    ]
                    self._run(group, slot, "\n".join(lines))
            for group in filter(self._rule, self.structure["afferents"]):
                self._run(group, slot, getattr(self, f"_{slot}_by_rule")(group))
        if self.structure["interventions"]:
            self._operate("plasticity", Hold, self._width("modulation"), self._pathways())

    def _plasticity_by_rule(self, group):
        """The weight's rule; missing synapses keep theirs."""
        value = self._in_synapses(group, self._rule(group)["weight"])
        return "\n".join([f"weight = weight + mask*({value} - weight)", *self._keep_sign(group)])

    def _eligibility_by_rule(self, group):
        value = self._in_synapses(group, self._rule(group)["eligibility"])
        return f"eligibility_weight = mask*({value})"

    def _in_synapses(self, group, expression):
        """A rule's expression with the names that its symbols have in synapses."""
        own = {"weight": "weight", "eligibility": "eligibility_weight", "pre": "x_pre"}
        name = self.structure["afferents"][group]["target"]
        p = self.structure["populations"][name]
        post = (*dynamics(p), *p["parameters"], *p["drives"], "dopamine", "chosen", "trace_decay")
        own |= {symbol: f"{symbol}_post" for symbol in post}
        return IDENTIFIER.sub(lambda match: own.get(match[0], match[0]), expression)

    def _keep_sign(self, group):
        if "weight_sign" not in self.groups[group].variables:
            return []
        sign = "clip(weight_sign*weight, 0, inf)"
        return [f"weight = int(weight_sign == 0)*weight + weight_sign*{sign}"]

    def _contract(self):
        """Learning signals meet the sensitivities that are kept of whole populations."""
        for block in self.blocks:
            wanted = []
            if block.states and block.coupled:
                wanted.append((("learning", "entropy"), False, ("learning", "entropy")))
            if block.exact and block.method != "rtrl":
                wanted.append((("learning",), True, ("exact",)))
            for kinds, exact, names in wanted:
                terms = tuple(
                    (
                        tuple(f"{n}.{kind}_signal_{v}" for kind in kinds),
                        block.array(n, v, exact),
                        self.sizes[n],
                    )
                    for n, v in (block.exact if exact else block.states)
                    if (n, v) in self.signalled
                )
                gradients = tuple(f"{block.group}.{name}_gradient_{block.key}" for name in names)
                self._operate("plasticity", Contraction, prod(block.shape), terms, gradients)
            if block.exact and block.states and not block.coupled:
                learning = self._gradient(block, "learning", "_post" if block.drive else "", 1)
                code = f"learning_gradient_{block.key} = {learning}"
                self._run(block.group, "plasticity", code)
        parts, rows = [], []
        for _, block, first, last in compared(self.structure):
            exact = "learning" if block.method == "rtrl" else "exact"
            names = [f"{block.group}.{kind}_gradient_{block.key}" for kind in ("learning", exact)]
            columns = prod(block.shape[1:])
            parts.append((*names, columns, first, last))
            rows.append(block.shape[0])
        if parts:
            self._operate("plasticity", Comparison, tuple(parts), tuple(rows))

    def _gradients(self, name):
        """Group to parameter to `Gradient` of all that a target of dopamine learns."""
        if name == "readout":
            bias = [f"(1 - is_actor)*{kind}_signal" for kind in ("learning", "entropy")]
            w = [f"mask*x_pre*{kind}_signal_post" for kind in ("learning", "entropy")]
            return {
                "readout": {"bias": Gradient(*bias)},
                "readout_drive": {"weight": Gradient(*w, "_post")},
            }
        parameters = self.structure["populations"][name]["parameters"]
        step = self.structure["dt"] * self.structure["substeps"]
        found = {}
        for block in self.blocks:
            if block.owner != name or not block.states:
                continue
            suffix = "_post" if block.drive else ""
            times = block.drive is None and parameters[block.key]["unit"] == "ms"
            scale = step if times else 1
            kinds = [self._gradient(block, kind, suffix, scale) for kind in ("learning", "entropy")]
            found.setdefault(block.group, {})[block.key] = Gradient(*kinds, suffix, scale)
        return found

    def _gradient(self, block, kind, suffix, scale):
        if block.coupled:
            terms = [f"{kind}_gradient_{block.key}"]
        else:
            terms = [
                f"{kind}_signal_{v}{suffix}*sensitivity_{v}_{block.key}"
                for n, v in block.states
                if (n, v) in self.signalled
            ]
        total = " + ".join(terms)
        return total if scale == 1 else f"{scale!r}*({total})"

    @staticmethod
    def _gradient_code(key, gradient):
        return f"dopamine{gradient.suffix}*eligibility_{key} + {gradient.entropy}"

    def _plasticity_code(self, group, key, gradient):
        suffix, scale = gradient.suffix, gradient.scale
        total = self._gradient_code(key, gradient)
        if self.clips:
            total = f"clip_scale{suffix}*({total})"
        own = {v: f"{v}_{key}" for v in ("gradient", "update", *self.optimizer.state)}
        own |= {f"correction_{k}": f"correction_{k}{suffix}" for k in (1, 2)}
        rule = re.sub(r"\b\w+\b", lambda m: own.get(m[0], m[0]), _dedent(self.optimizer.code))
        change = f"learning_rate{suffix}*update_{key}"
        change = change if scale == 1 else f"{scale!r}*{change}"
        lines = [f"gradient_{key} = {total}", rule, f"{key} = {key} + {change}"]
        lines += self._keep_sign(group)
        population = self.structure["populations"].get(group, {"parameters": {}})
        minimum = population["parameters"].get(key, {}).get("minimum")
        if minimum is not None:
            lines.append(f"{key} = clip({key}, {minimum!r}, inf)")
        return "\n".join(lines)

    @staticmethod
    def _eligibility_code(group, key, gradient):
        decayed = f"trace_decay{gradient.suffix}*eligibility_{key}"
        return f"eligibility_{key} = {decayed} + {gradient.learning}"

    def _clipping(self):
        """Norm of the gradient of all parameters of a replicate, summed neuron by neuron."""
        for name in self._targets():
            terms = []
            for group, gradients in self._gradients(name).items():
                if group == name:
                    own = [self._gradient_code(key, g) for key, g in gradients.items()]
                    terms += [f"({code})**2" for code in own]
                else:
                    self._sum(group, f"square_{group}_post", "plasticity")
                    terms.append(f"square_{group}")
            self._run(name, "plasticity", f"square = {' + '.join(terms)}")
            self._sum(f"{name}_dopamine", f"squared_{name}_post", "plasticity")
        totals = [f"squared_{name}" for name in self._targets()]
        norm = f"sqrt({' + '.join(totals)})"
        self._run("dopamine", "plasticity", f"clip_scale = clip(max_norm/({norm} + 1e-30), 0, 1)")
        for name in self._targets():
            self._run(name, "plasticity", "clip_scale = sent_clip_scale")

    # What the structure says ----------------------------------------------------------------

    def _local_step(self, name):
        trained = [b.key for b in self.blocks if b.group == name and (b.states or b.exact)]
        needed = any(name == n for b in self.blocks for n, _ in (*b.states, *b.exact))
        population = self.structure["populations"][name]
        return population_step(population, self.structure["dt"], trained, needed)

    def _rule(self, group):
        """The rule of a group of synapses of one projection, if that learns by a rule."""
        projections = self.structure["afferents"][group]["projections"]
        return self.structure["projections"][projections[0]]["rule"]

    def _states_told_the_choice(self):
        """(population, variable) that the actor reads or feeds back to, where a rule asks for it."""
        asking = {
            afferents["target"]
            for group, afferents in self.structure["afferents"].items()
            if "chosen" in symbols(" ".join((self._rule(group) or {}).values()))
        }
        states = [tuple(state) for state in self.structure["readout"]["states"]]
        return [state for state in states if state[0] in asking]

    def _returning(self):
        """Signals that return from the readouts to what they read."""
        found = ["learning_signal", "entropy_signal"] if self.signalled else []
        return found + (["chosen_signal"] if self.chosen else [])

    def _trains(self, name):
        return any(b.owner == name and b.states for b in self.blocks)

    def _signed(self, group):
        projections = self.structure["afferents"][group]["projections"]
        return any(self.structure["projections"][key]["signed"] for key in projections)

    def _observed(self):
        return self._task_symbols(" ".join(self.structure["task"]["observations"].values()))

    def _ended(self):
        """Whether a trial ended is told apart from whether one starts only where they can differ."""
        return ["ended"] if self.structure["task"]["closes"] else []

    def _forced(self):
        forced = "forced_action" in self.structure["task"]["variables"]
        return ["forced_action"] if forced else []

    def _targets(self):
        """Groups whose parameters an optimizer moves."""
        return [*(n for n in self.structure["populations"] if self._trains(n)), "readout"]

    def _modulated(self):
        """Groups that dopamine reaches, those that learn by rules of their own included."""
        ruled = {a["target"] for g, a in self.structure["afferents"].items() if self._rule(g)}
        names = self.structure["populations"]
        return [*(n for n in names if self._trains(n) or n in ruled), "readout"]

    def _sent(self):
        """Links by which the optimizer's corrections reach the targets of dopamine."""
        return ["sent_correction_1", "sent_correction_2"] if self.optimizer.state else []

    def _clip_links(self):
        return ["sent_clip_scale"] if self.clips else []

    def _squares(self, name):
        """Variables in which a neuron sums the squared gradients of its parameters."""
        if not self.clips:
            return []
        synapses = [group for group in self._gradients(name) if group != name]
        return ["clip_scale", "square", *(f"square_{group}" for group in synapses)]

    def _plastic_variables(self, parameters):
        """Variables of plastic parameters, and of their neuron where it is the neuron's own."""
        names = [f"{v}_{k}" for k in parameters for v in ("eligibility", *self.optimizer.state)]
        if parameters != ["weight"]:
            names += ["learning_rate"]
            names += [v.removeprefix("sent_") for v in self._sent()]
        return names

    def _modulation_links(self, group):
        """Links by which a group reads what interventions do to it."""
        names = (name.split(".") for name in self.modulated["variables"])
        return [variable for owner, variable in names if owner == group]

    def _held(self, group):
        """Variables for the parameters that interventions hold, and for what they close."""
        parts = [part for parts in self.modulated["pathways"].values() for part in parts]
        held = [f"held_{key}" for owner, key, *_ in parts if owner == group]
        return [*dict.fromkeys(held), *(["intact_mask"] if "held_weight" in held else [])]

    def _task_symbols(self, expression):
        task = self.structure["task"]
        words = set(re.findall(r"\w+", expression))
        return [v for v in (*task["variables"], *task["parameters"]) if v in words]


def _dedent(code):
    return "\n".join(line.strip() for line in code.splitlines() if line.strip())
