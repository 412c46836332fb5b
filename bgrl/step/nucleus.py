"""The nuclei: state variables that start anew where a trial is done, and take Euler steps."""

import math
from zlib import crc32

import numpy as np

from bgrl import random
from bgrl.circuit.clock import check_time_constants
from bgrl.circuit.equations import noises
from bgrl.circuit.values import sample
from bgrl.language import evaluate


def write(b, plan):
    """A group for every population (neurons), slots reset and cortex."""
    for name, p in plan.populations.items():
        states, local = plan.dynamics(name), plan.local_steps[name]
        b.group(name, p["size"])
        b.variables(name, *states, *(f"initial_{v}" for v in states))
        b.variables(name, *p["parameters"], *p["drives"], "done")
        factors = (local.jacobian, local.gain, local.slope)
        b.variables(name, *(v for kind in factors for v in kind.values()))
        b.link(name, "task_done", "task", plan.agent_starts, 0)
        lines = [f"{v} = done*initial_{v} + (1 - done)*{v}" for v in states]
        b.code("reset", name, "\n".join(["done = task_done", *lines]))
        drawn, releases = noises(states) if "derivatives" in p else (), p.get("releases", {})
        if drawn or releases:
            _draw(b, plan, name, drawn, releases)
        b.code("cortex", name, local.code)


def _draw(b, plan, name, drawn, releases):
    """A normal number for every noise of every neuron, and whether it releases, anew in each Euler step.

    Where noise is off, release is what it is on average.
    """
    size, several = plan.populations[name]["size"], plan.structure["substeps"] > 1
    b.variables(name, *(f"drawn_{noise}" for noise in drawn), *releases)
    b.variables(name, "gain_noise", shared=True)
    b.constant(name, "own_neuron", range(size))
    b.link(name, "task_seed", "task", "seed")
    b.link(name, "task_replicate", "task", "replicate", 0)
    index = "int(own_neuron)"
    if several:
        b.variables(name, "next_euler_step")
        b.code("reset", name, "next_euler_step = 0.0")
        index += f" + {size}*int(next_euler_step)"
    lines = []
    for noise in drawn:
        lines.append(f"drawn_{noise} = gain_noise*{normal(f'{name}.{noise}', index)}")
    for release, failure in releases.items():
        happens = f"int({uniform(f'{name}.{release}', index)} >= {failure})"
        lines.append(f"{release} = gain_noise*{happens} + (1 - gain_noise)*(1 - {failure})")
    if several:
        lines.append("next_euler_step = next_euler_step + 1")
    b.code("cortex", name, "\n".join(lines))


def normal(name, index):
    """Code of a normal number, in groups that know seed and replicate of the task.

    Parameters
    ----------
    name : str
        Each has a stream of its own, so that another nucleus does not change it.
    index : str
        Code of a whole number that is another one for every number of a step.
    """
    radius, angle = (uniform(name, f"{k} + 2*({index})") for k in range(2))
    # Box & Muller 1958.
    return f"sqrt(-2*log({radius}))*cos({2 * math.pi!r}*{angle})"


def uniform(name, index):
    """Code of a number that is uniform from 0 to 1, otherwise as `normal`."""
    stream = random.STREAMS["noise"] + 8 * (crc32(name.encode()) % 2**27)
    return f"counter_uniform(task_seed, task_replicate, {stream}, t_in_timesteps, {index})"


def start(agent, plan, seed):
    """Initial states and parameters."""
    values = {}
    for name, p in agent.circuit.populations.items():
        if p.noises or p.releases:
            values[f"{name}.gain_noise"] = 1.0
        known = {
            key: replicated(agent, parameter.value, (p.size,), seed, f"{name}.{key}")
            for key, parameter in p.all_parameters.items()
        }
        for junction in p.junctions:
            weights = initial_weights(agent, junction.pathway, seed)
            known[junction.conductance] = weights.sum(axis=-1)
        values |= {f"{name}.{key}": drawn for key, drawn in known.items()}
        check_time_constants(name, p, agent.circuit.dt, known)
        for terminal in p.terminals:
            drawn = {key: known[terminal.names[key]] for key in terminal.synapse.parameters}
            check_time_constants(terminal.key, terminal.synapse, agent.circuit.dt, drawn)
        values |= _initial(agent, name, known)
    return values


def _initial(agent, name, parameters):
    """Where the variables of a population start."""
    p, known, values = agent.circuit.populations[name], dict(parameters), {}
    for variable in p.dynamics:
        initial = p.initial_of(variable)
        initial = evaluate(initial, known) if isinstance(initial, str) else np.asarray(initial)
        known[variable] = initial = np.broadcast_to(initial, (agent.replicates, p.size))
        values[f"{name}.{variable}"] = values[f"{name}.initial_{variable}"] = initial
    return values


def settle(agent, plan, state):
    """Set anew what follows from weights and parameters: conductances, and where variables start.

    Parameters
    ----------
    agent : bgrl.agent.Agent
    plan : bgrl.agent.plan.Plan
    state : dict of str to ndarray
        In which a run starts; is changed.
    """
    for name, p in agent.circuit.populations.items():
        for junction in p.junctions:
            (place,) = plan.places[junction.pathway]
            weights = (state[place.array] * state[f"{place.group}.mask"])[:, *place.index]
            state[f"{name}.{junction.conductance}"][...] = weights.sum(axis=-1, dtype=float)
        known = {key: state[f"{name}.{key}"].astype(float) for key in p.all_parameters}
        for key, initial in _initial(agent, name, known).items():
            state[key][...] = initial


def initial_weights(agent, name, seed):
    """Initial weights of a projection, (replicate, target, source); 0 where there is no synapse."""
    projection = agent.circuit.projections[name]
    shape = agent.circuit.shape(projection)
    mask = np.ones(shape) if projection.mask is None else projection.mask
    weights = replicated(agent, projection.weights, shape, seed, name) * mask
    return projection.sign * np.abs(weights) if projection.sign else weights


def replicated(agent, value, shape, seed, name):
    """Initial values of every replicate, see `bgrl.circuit.values.sample`."""
    return np.stack([sample(value, shape, seed, r, name) for r in range(agent.replicates)])
