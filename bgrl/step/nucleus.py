"""The nuclei: state variables that start anew where a trial is done, and take Euler steps."""

import numpy as np

from bgrl.circuit.clock import check_time_constants
from bgrl.circuit.values import sample


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
        b.code("cortex", name, local.code)


def start(agent, plan, seed):
    """Initial states and parameters."""
    values = {}
    for name, p in agent.circuit.populations.items():
        for variable in p.dynamics:
            initial = np.broadcast_to(np.asarray(p.initial.get(variable, 0.0)), (p.size,))
            values[f"{name}.{variable}"] = values[f"{name}.initial_{variable}"] = initial
        for key, parameter in p.parameters.items():
            full = f"{name}.{key}"
            values[full] = replicated(agent, parameter.value, (p.size,), seed, full)
        drawn = {key: values[f"{name}.{key}"] for key in p.parameters}
        check_time_constants(name, p, agent.circuit.dt, drawn)
    return values


def replicated(agent, value, shape, seed, name):
    """Initial values of every replicate, see `bgrl.circuit.values.sample`."""
    return np.stack([sample(value, shape, seed, r, name) for r in range(agent.replicates)])
