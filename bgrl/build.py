"""From the description of an agent to Brian2 objects; the step is the table `bgrl.step.SLOTS`.

Everything is dimensionless or in ms. Replicates are the outer index of every group. All afferents of
one drive of a population are one dense matrix (target, source): the sources are gathered into one
group, so that drive, sensitivity, plasticity and eligibility are one kernel each.

Groups and synapses, with R replicates, n neurons, m actions:

=========================  =============  ====================================================
``task``                   R              the environment
``input``                  R x channels   observation, previous action, previous reward
``<population>``           R x n          a nucleus
``<population>_<drive>``   R x n x p      weights of all p afferents of a drive (Synapses)
``striatum``               R x (m + 1)    rows 0..m-1 the actor, row m the critic
``<population>_striatum``  R x (m+1) x n  readout weights (Synapses)
``policy``                 R              samples the action
``vta``                    R              the TD error
=========================  =============  ====================================================
"""

import re
from itertools import count

import brian2 as b2
import numpy as np

from bgrl import random
from bgrl.learning import OPTIMIZERS
from bgrl.sensitivity import check_units, local_step
from bgrl.step import unroll
from bgrl.tasks.base import ASSIGNMENT, OUTCOME

_BRIAN_SLOTS = ("start", "groups", "thresholds", "synapses", "resets")
_DRAW = re.compile(r"\b(uniform|normal)\(\s*(\d+)\s*\)")
_NORMAL_OFFSET = 1000


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
        The same names to the variables.
    """

    def __init__(self, structure, suffix=""):
        self._suffix = suffix
        self.structure = structure
        self.replicates = structure["replicates"]
        self.actions = structure["task"]["actions"]
        self.optimizer = OPTIMIZERS[structure["learning"]["optimizer"]]
        self.clips = structure["learning"]["clip"]
        self.trains_network = structure["learning"]["sensitivity"] != "none"
        self.read = {
            readout["reads"]: readout["variable"]
            for readout in (structure["critic"], structure["actor"])
        }
        self.groups, self.layout, self.variables = {}, {}, {}
        self._order = count()
        self.namespace = {
            "counter_uniform": counter_uniform_function(),
            **{
                name: b2.TimedArray(np.asarray(values), dt=1 * b2.ms, name=f"table_{name}")
                for name, values in structure["task"]["tables"].items()
            },
        }
        self.clock = b2.Clock(dt=1 * b2.ms, name="step_clock*")
        self._create_groups()
        self._create_synapses()
        self._environment()
        for name in structure["populations"]:
            self._population_dynamics(name)
        self._striatum()
        self._dopamine()
        self._learning()
        self.brian = b2.Network(list(self.groups.values()))
        # Brian2's own slots stay empty, but the groups' unused updaters need a place.
        self.brian.schedule = [*_BRIAN_SLOTS, *structure["slots"], "end"]

    def calls(self, learn=True):
        """Code objects of one task step, in order, sub-steps repeated.

        Parameters
        ----------
        learn : bool
            Whether the slots in which learning happens are part of it.
        """
        by_slot = {slot: [] for slot in self.structure["slots"]}
        for item in self.brian.sorted_objects:
            if item._code_objects:
                by_slot[item.when] += item._code_objects
        order = unroll(self.structure["slots"], self.structure["substeps"], learn)
        return [code_object for slot in order for code_object in by_slot[slot]]

    # Groups ---------------------------------------------------------------------------------

    def _group(self, name, size, variables, shared=(), integers=(), links=None):
        """A NeuronGroup of replicates (x `size`); `variables` and `integers` join the state."""
        links = links or {}
        lines = [f"{v} : 1" for v in variables]
        lines += [f"{v} : 1 (shared)" for v in shared]
        lines += [f"{v} : integer{flag}" for v, flag in integers]
        lines += [f"{v} : 1 (linked)" for v in links]
        group = b2.NeuronGroup(
            self.replicates * (size or 1),
            "\n".join(lines),
            name=f"{name}{self._suffix}",
            clock=self.clock,
            namespace=self.namespace,
        )
        shape = (self.replicates,) if size is None else (self.replicates, size)
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

    def _per_replicate(self, size):
        return np.repeat(np.arange(self.replicates), size)

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
                *("trial_length", "trial_return"),
            ],
            shared=task["parameters"],
            integers=(("replicate", ""), ("seed", " (shared)")),
            links=["action"],
        )
        observed = self._task_symbols(" ".join(task["observations"].values()))
        self._group(
            "input",
            sum(self.structure["inputs"].values()),
            ["x", "channel"],
            shared=["first_action"],
            links=[*(f"task_{v}" for v in observed), "reward", "done", "action"],
        )
        for name, p in self.structure["populations"].items():
            self._population_group(name, p)
        forced = ["forced_action"] if "forced_action" in task["variables"] else []
        self._group(
            "policy",
            None,
            ["action", "entropy", "log_normaliser"],
            integers=(("replicate", ""), ("seed", " (shared)")),
            links=[*(f"activity_{k}" for k in range(self.actions)), *forced],
        )
        corrections = ["updates", "correction_1", "correction_2"] if self.optimizer.state else []
        clipping = ["clip_scale"] if self.clips else []
        squares = [f"squared_{name}" for name in self._targets()] if self.clips else []
        self._group(
            "vta",
            None,
            ["value", "td_error", *corrections, *clipping, *squares],
            shared=["discount", *(["max_norm"] if self.clips else [])],
            links=["critic", "reward", "done"],
        )
        self._group(
            "striatum",
            self.actions + 1,
            [
                *("activity", "bias", "policy", "is_actor", "row"),
                *("learning_signal", "entropy_signal"),
                *(f"drive_{name}" for name in self.read),
                *self._plastic_variables(["bias"]),
                *self._squares("striatum"),
            ],
            shared=["actor_weight", "entropy_weight"],
            links=[
                *("action", "entropy", "log_normaliser", "td_error", "done"),
                *self._sent(),
                *self._clip_links(),
            ],
        )
        self._create_links(observed, forced)

    def _population_group(self, name, p):
        if p["has_units"]:
            units = {k: v["unit"] for k, v in p["parameters"].items()}
            units |= dict.fromkeys([*self._dynamics(p), *p["drives"]], "1")
            check_units(self._dynamics(p), units)
        trained = self._trained_parameters(name)
        local = self._local_step(name)
        factors = [v for kind in (local.jacobian, local.gain, local.slope) for v in kind.values()]
        signals = ["learning_signal", "entropy_signal"] if self._trains(name) else []
        self._group(
            name,
            p["size"],
            [
                *self._dynamics(p),
                *(f"initial_{v}" for v in self._dynamics(p)),
                *p["parameters"],
                *p["drives"],
                *factors,
                *(f"sensitivity_{v}_{k}" for k in trained for v in self._dynamics(p)),
                "done",
                *signals,
                *(self._plastic_variables(trained) if self._trains(name) else []),
                *(self._squares(name) if self._trains(name) else []),
            ],
            links=["task_done", "td_error", *self._sent(), *self._clip_links()],
        )
        for drive in self._fed_drives(name):
            sources = self._sources(name, drive)
            self._group(
                f"{name}_{drive}_afferents",
                sum(size for *_, size in sources),
                ["x", "block"],
                links=[f"from_{k}" for k in range(len(sources))],
            )

    def _create_links(self, observed, forced):
        R, m = self.replicates, self.actions
        rows = np.arange(R) * (m + 1)
        self._link("task", "action", "policy", "action")
        channels = self._per_replicate(len(self.groups["input"]) // R)
        for variable in observed:
            index = None if variable in self.structure["task"]["parameters"] else channels
            self._link("input", f"task_{variable}", "task", variable, index)
        for variable in ("reward", "done"):
            self._link("input", variable, "task", variable, channels)
        self._link("input", "action", "policy", "action", channels)
        self._constant("input", "channel", np.arange(len(self.groups["input"]) // R))
        for variable in forced:
            self._link("policy", variable, "task", variable)
        for k in range(m):
            self._link("policy", f"activity_{k}", "striatum", "activity", rows + k)
        self._link("vta", "critic", "striatum", "activity", rows + m)
        self._link("vta", "reward", "task", "reward")
        self._link("vta", "done", "task", "done")
        per_row = self._per_replicate(m + 1)
        for variable in ("action", "entropy", "log_normaliser"):
            self._link("striatum", variable, "policy", variable, per_row)
        self._link("striatum", "done", "task", "done", per_row)
        self._constant("striatum", "row", np.arange(m + 1))
        for name in ("striatum", *self.structure["populations"]):
            index = self._per_replicate(len(self.groups[name]) // R)
            for variable in ("td_error", *self._sent(), *self._clip_links()):
                source = variable.removeprefix("sent_")
                self._link(name, variable, "vta", source, index)
            if name != "striatum":
                self._link(name, "task_done", "task", "done", index)
                for drive in self._fed_drives(name):
                    self._link_afferents(name, drive)

    def _link_afferents(self, name, drive):
        """Each afferent reads its own source; elsewhere the link points at the first element."""
        group = f"{name}_{drive}_afferents"
        sources = self._sources(name, drive)
        total = sum(size for *_, size in sources)
        block = np.repeat(np.arange(len(sources)), [size for *_, size in sources])
        self._constant(group, "block", block)
        start = 0
        for k, (source, variable, offset, size) in enumerate(sources):
            width = len(self.groups[source]) // self.replicates
            index = np.arange(self.replicates)[:, None] * width + np.zeros(total, int)
            index[:, start : start + size] += offset + np.arange(size)
            self._link(group, f"from_{k}", source, variable, index.ravel())
            start += size

    def _sources(self, name, drive):
        """(group, variable, offset, size) of each block of afferents of a drive."""
        inputs, blocks = self.structure["inputs"], []
        offsets = dict(zip(inputs, np.cumsum([0, *inputs.values()]), strict=False))
        for p in self.structure["projections"].values():
            if (p["target"], p["drive"]) != (name, drive):
                continue
            if p["source"] in inputs:
                blocks.append(("input", "x", int(offsets[p["source"]]), inputs[p["source"]]))
            else:
                size = self.structure["populations"][p["source"]]["size"]
                blocks.append((p["source"], p["reads"], 0, size))
        return blocks

    def _fed_drives(self, name):
        drives = self.structure["populations"][name]["drives"]
        return [drive for drive in drives if self._sources(name, drive)]

    def _create_synapses(self):
        for name, p in self.structure["populations"].items():
            for drive in self._fed_drives(name):
                trained = self._trains(name)
                variables = ["w", "mask"]
                if trained:
                    variables += ["plastic", *self._plastic_variables(["w"])]
                    variables += [f"sensitivity_{v}_w" for v in self._dynamics(p)]
                    variables += ["weight_sign"] if self._signed(name, drive) else []
                sums = {f"{drive}_post": "mask*w*x_pre"}
                sums |= self._square_sums(name, f"{name}_{drive}") if trained else {}
                self._connect(f"{name}_{drive}", f"{name}_{drive}_afferents", name, variables, sums)
        for name, variable in self.read.items():
            feedback = "feedback" if self._random_feedback() else "w"
            variables = ["w", "mask", *self._plastic_variables(["w"])]
            sums = {f"drive_{name}_post": f"mask*w*{variable}_pre"}
            if self._trains(name):
                variables += ["feedback"] if self._random_feedback() else []
                for signal in ("learning_signal", "entropy_signal"):
                    sums[f"{signal}_pre"] = f"mask*{feedback}*{signal}_post"
            sums |= self._square_sums("striatum", f"{name}_striatum")
            self._connect(f"{name}_striatum", name, "striatum", variables, sums)
        if self.clips:
            for name in self._targets():
                sums = {f"squared_{name}_post": "square_pre"}
                self._connect(f"{name}_vta", name, "vta", [], sums)

    def _square_sums(self, name, group):
        if not self.clips:
            return {}
        gradient = self._gradient_code("w", *self._gradients(name)[group]["w"])
        return {f"square_{group}_post": f"({gradient})**2"}

    def _connect(self, name, source, target, variables, sums):
        """Dense synapses within each replicate, ordered (replicate, target, source)."""
        pre, post = (len(self.groups[g]) // self.replicates for g in (source, target))
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
        r, j, i = np.meshgrid(
            np.arange(self.replicates), np.arange(post), np.arange(pre), indexing="ij"
        )
        synapses.connect(i=(r * pre + i).ravel(), j=(r * post + j).ravel())
        self.groups[name] = synapses
        for variable in variables:
            self._register(name, variable, (self.replicates, post, pre))

    # The step -------------------------------------------------------------------------------

    def _environment(self):
        task = self.structure["task"]
        own = {*task["variables"], *OUTCOME}
        # Flags and counts are floating-point: 1.0 keeps their type from becoming integer.
        step = [
            f"{name} = 1.0*({value})" if name in own else f"{name} = {value}"
            for name, value in _assignments(task["step"])
        ]
        reset = [
            f"{name} = done*({value}) + (1 - done)*{name}" if name in own else f"{name} = {value}"
            for name, value in _assignments(task["reset"])
        ]
        code = f"""
            trial_length = (trial_length*(1 - done) + 1)*(1 - restart)
            trial_return = trial_return*(1 - done)*(1 - restart)
            truncated = 0.0
            {chr(10).join(step)}
            reward = reward*(1 - restart)
            terminated = terminated*(1 - restart)
            done = 1.0*int(terminated + truncated + restart > 0)
            trial_return = trial_return + reward
            {chr(10).join(reset)}
            restart = 0.0
        """
        self._run("task", "environment", _dedent(self._expand_draws(code)))
        terms, start = [], 0
        for name, channels in self.structure["inputs"].items():
            if name == "action":
                here = f"int(channel >= {start} and channel < {start + channels})"
                taken = f"(1 - done)*int(action == channel - {start})"
                terms.append(f"{here}*({taken} + done*first_action*int(channel == {start}))")
            elif name == "reward":
                terms.append(f"int(channel == {start})*(1 - done)*reward")
            else:
                for k, expression in enumerate(task["observations"].values(), start):
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
            k = _NORMAL_OFFSET + 2 * k
            radius, angle = draw % (stream, k), draw % (stream, k + 1)
            return f"(sqrt(-2*log({radius}))*cos(6.283185307179586*{angle}))"

        return _DRAW.sub(replace, code)

    def _population_dynamics(self, name):
        p = self.structure["populations"][name]
        variables, trained = self._dynamics(p), self._trained_parameters(name)
        lines = ["done = task_done"]
        lines += [f"{v} = done*initial_{v} + (1 - done)*{v}" for v in variables]
        lines += [_scaled(f"sensitivity_{v}_{k}", "done") for k in trained for v in variables]
        self._run(name, "reset", "\n".join(lines))
        for drive in self._fed_drives(name):
            if self._trains(name):
                lines = [_scaled(f"sensitivity_{v}_w", "done_post") for v in variables]
                self._run(f"{name}_{drive}", "reset", "\n".join(lines))
            blocks = len(self._sources(name, drive))
            terms = [f"int(block == {k})*from_{k}" for k in range(blocks)]
            self._run(f"{name}_{drive}_afferents", "drive", "x = " + " + ".join(terms))
            self._sum(f"{name}_{drive}", f"{drive}_post", "drive")
        local = self._local_step(name)
        self._run(name, "cortex", local.code)
        if trained:
            code = [self._advance(local, variables, k, local.slope, k) for k in trained]
            self._run(name, "sensitivity", "\n".join(code))
        if self._trains(name):
            for drive in self._fed_drives(name):
                code = self._advance(
                    local, variables, "w", local.gain, drive, "_post", "*mask*x_pre"
                )
                self._run(f"{name}_{drive}", "sensitivity", code)

    def _advance(self, local, variables, parameter, source, key, suffix="", factor=""):
        """S_v <- sum over u of dF_v/du S_u + dF_v/d(source) (factor), all v at once."""
        lines = []
        for v in variables:
            terms = [
                f"{local.jacobian[v, u]}{suffix}*sensitivity_{u}_{parameter}"
                for u in variables
                if (v, u) in local.jacobian
            ]
            if (v, key) in source:
                terms.append(f"{source[v, key]}{suffix}{factor}")
            lines.append(f"next_{v}_{parameter} = {' + '.join(terms) or '0'}")
        lines += [f"sensitivity_{v}_{parameter} = next_{v}_{parameter}" for v in variables]
        return "\n".join(lines)

    def _striatum(self):
        for name in self.read:
            self._sum(f"{name}_striatum", f"drive_{name}_post", "striatum")
        total = " + ".join(f"drive_{name}" for name in self.read)
        self._run("striatum", "striatum", f"activity = {total} + (1 - is_actor)*bias")
        self._run("policy", "striatum", self._policy_code())
        code = """
            log_policy = is_actor*(activity - log_normaliser)
            policy = is_actor*exp(log_policy)
            chosen = int(action == row)
            learning_signal = is_actor*actor_weight*(chosen - policy) + 1 - is_actor
            entropy_signal = -is_actor*entropy_weight*policy*(log_policy + entropy)
        """
        self._run("striatum", "striatum", _dedent(code))
        for name in self.read:
            if self._trains(name):
                for signal in ("learning_signal", "entropy_signal"):
                    self._sum(f"{name}_striatum", f"{signal}_pre", "striatum")

    def _policy_code(self):
        """Softmax over the actor's rows, its entropy, and a sample by inversion."""
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
        lines = ["td_error = reward + discount*critic*(1 - done) - value", "value = critic"]
        if self.optimizer.state:
            for k, decay in enumerate((self.optimizer.decay_1, self.optimizer.decay_2), 1):
                lines.append(f"correction_{k} = -1/expm1((updates + 1)*{float(np.log(decay))!r})")
        self._run("vta", "dopamine", "\n".join(lines))
        for name in self._targets():
            lines = ["dopamine = td_error", "trace_decay = discount*(1 - done)"]
            lines += [f"{v.removeprefix('sent_')} = {v}" for v in self._sent()]
            self._run(name, "dopamine", "\n".join(lines))

    # Learning -------------------------------------------------------------------------------

    def _learning(self):
        if self.clips:
            self._clipping()
        if self.optimizer.state:
            self._run("vta", "plasticity", "updates = updates + 1")
        for slot in ("plasticity", "eligibility"):
            for name in self._targets():
                for group, gradients in self._gradients(name).items():
                    lines = [
                        getattr(self, f"_{slot}_code")(group, key, *gradient)
                        for key, gradient in gradients.items()
                    ]
                    self._run(group, slot, "\n".join(lines))

    def _gradients(self, name):
        """Group to parameter to (derivative of the readout's state, suffix, scale)."""
        if name == "striatum":
            found = {"striatum": {"bias": ("(1 - is_actor)", "", 1)}}
            for source, variable in self.read.items():
                found[f"{source}_striatum"] = {"w": (f"mask*{variable}_pre", "_post", 1)}
            return found
        variable = self.read[name]
        found = {}
        for drive in self._fed_drives(name):
            found[f"{name}_{drive}"] = {"w": (f"sensitivity_{variable}_w", "_post", 1)}
        parameters = self.structure["populations"][name]["parameters"]
        step = self.structure["dt"] * self.structure["substeps"]
        own = {
            key: (
                f"sensitivity_{variable}_{key}",
                "",
                step if parameters[key]["unit"] == "ms" else 1,
            )
            for key in self._trained_parameters(name)
        }
        return found | ({name: own} if own else {})

    @staticmethod
    def _gradient_code(key, derivative, suffix, scale):
        scaled = derivative if scale == 1 else f"{scale!r}*{derivative}"
        return f"dopamine{suffix}*eligibility_{key} + entropy_signal{suffix}*{scaled}"

    def _plasticity_code(self, group, key, derivative, suffix, scale):
        gradient = self._gradient_code(key, derivative, suffix, scale)
        if self.clips:
            gradient = f"clip_scale{suffix}*({gradient})"
        own = {v: f"{v}_{key}" for v in ("gradient", "update", *self.optimizer.state)}
        own |= {f"correction_{k}": f"correction_{k}{suffix}" for k in (1, 2)}
        rule = re.sub(r"\b\w+\b", lambda m: own.get(m[0], m[0]), _dedent(self.optimizer.code))
        change = f"learning_rate{suffix}*update_{key}"
        change = change if scale == 1 else f"{scale!r}*{change}"
        variables = self.groups[group].variables
        if "plastic" in variables:
            change = f"plastic*{change}"
        lines = [f"gradient_{key} = {gradient}", rule, f"{key} = {key} + {change}"]
        if "weight_sign" in variables:
            lines.append("w = int(weight_sign == 0)*w + weight_sign*clip(weight_sign*w, 0, inf)")
        population = self.structure["populations"].get(group, {"parameters": {}})
        minimum = population["parameters"].get(key, {}).get("minimum")
        if minimum is not None:
            lines.append(f"{key} = clip({key}, {minimum!r}, inf)")
        return "\n".join(lines)

    @staticmethod
    def _eligibility_code(group, key, derivative, suffix, scale):
        scaled = derivative if scale == 1 else f"{scale!r}*{derivative}"
        decayed = f"trace_decay{suffix}*eligibility_{key}"
        return f"eligibility_{key} = {decayed} + learning_signal{suffix}*{scaled}"

    def _clipping(self):
        """Norm of the gradient of all parameters of a replicate, summed neuron by neuron."""
        for name in self._targets():
            terms = []
            for group, gradients in self._gradients(name).items():
                if group == name:
                    own = [self._gradient_code(key, *g) for key, g in gradients.items()]
                    terms += [f"({code})**2" for code in own]
                else:
                    self._sum(group, f"square_{group}_post", "plasticity")
                    terms.append(f"square_{group}")
            self._run(name, "plasticity", f"square = {' + '.join(terms)}")
            self._sum(f"{name}_vta", f"squared_{name}_post", "plasticity")
        totals = [f"squared_{name}" for name in self._targets()]
        norm = f"sqrt({' + '.join(totals)})"
        self._run("vta", "plasticity", f"clip_scale = clip(max_norm/({norm} + 1e-30), 0, 1)")
        for name in self._targets():
            self._run(name, "plasticity", "clip_scale = sent_clip_scale")

    # What the structure says ----------------------------------------------------------------

    @staticmethod
    def _dynamics(p):
        return p["derivatives"] if "derivatives" in p else p["map"]

    def _local_step(self, name):
        p = self.structure["populations"][name]
        euler = self.structure["dt"] if "derivatives" in p else None
        return local_step(self._dynamics(p), euler, p["drives"], self._trained_parameters(name))

    def _trains(self, name):
        return self.trains_network and name in self.read

    def _trained_parameters(self, name):
        parameters = self.structure["populations"][name]["parameters"]
        return [k for k, v in parameters.items() if v["trainable"] and self._trains(name)]

    def _signed(self, name, drive):
        return any(
            p["signed"]
            for p in self.structure["projections"].values()
            if (p["target"], p["drive"]) == (name, drive)
        )

    def _random_feedback(self):
        return self.structure["learning"]["feedback"] == "random"

    def _targets(self):
        """Groups that dopamine reaches."""
        return [*(name for name in self.read if self._trains(name)), "striatum"]

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
        if parameters != ["w"]:
            names += ["learning_rate", "discount", "dopamine", "trace_decay"]
            names += [v.removeprefix("sent_") for v in self._sent()]
        return names

    def _task_symbols(self, expression):
        task = self.structure["task"]
        words = set(re.findall(r"\w+", expression))
        return [v for v in (*task["variables"], *task["parameters"]) if v in words]


def _assignments(code):
    """(name, value) of each line of a task's code, ``x += y`` written out."""
    for line in filter(str.strip, code.splitlines()):
        name, operator, value = ASSIGNMENT.match(line).groups()
        yield name, value if operator == "=" else f"{name} {operator[0]} ({value})"


def _scaled(variable, flag):
    return f"{variable} = (1 - {flag})*{variable}"


def _dedent(code):
    return "\n".join(line.strip() for line in code.splitlines() if line.strip())
