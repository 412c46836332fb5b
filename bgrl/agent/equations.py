"""The sensitivity equations of a circuit, written for people.

What is printed is what `bgrl.step` makes code and matrix products of: it comes from the same
derivatives and the same plan.
"""

from dataclasses import replace

from bgrl.agent import Agent
from bgrl.circuit import Circuit, Readout
from bgrl.circuit.circuit import OWN_INPUTS
from bgrl.description import as_annotated
from bgrl.learning import Learning
from bgrl.learning.derivatives import population_step
from bgrl.learning.methods import METHODS
from bgrl.learning.sensitivity import blocks, cost, dynamics, kept_edges
from bgrl.tasks.scripted import scripted


def watched(circuit):
    """The circuit with an actor and a critic whose learning signals reach every state of every nucleus.

    Their weights are zero, so that nothing else changes.
    """
    states = [
        (name, variable) for name, p in circuit.populations.items() for variable in p.dynamics
    ]
    critic = Readout("ventral_striatum", *states[0])
    feedback = {".".join(state): 0.0 for state in states[1:]}
    actor = Readout("dorsal_striatum", *states[0], feedback_to=feedback)
    return replace(circuit, actor=actor, critic=critic)


def sensitivity_equations(circuit, method):
    """What a method carries forward in time for every trained parameter of a circuit, as text.

    Parameters
    ----------
    circuit : bgrl.Circuit
        That of an agent is ``agent.circuit``. One without actor or critic is treated as if every
        state taught something.
    method : str
        One of `bgrl.learning.METHODS`.

    Returns
    -------
    str
        Its cost, the step and its derivatives for each nucleus, and an equation for each sensitivity.

    Raises
    ------
    InputError
        For an unknown method, with those that there are.

    Examples
    --------
    >>> from bgrl import models, tasks
    >>> circuit = models.circuit("rtrrl", tasks.make("memory_chain"))
    >>> sensitivity_equations(circuit, "none").splitlines()[0]
    'none keeps nothing: nothing is learned.'
    """
    as_annotated("circuit", circuit, Circuit, "sensitivity_equations")
    if circuit.actor is None or circuit.critic is None:
        circuit = watched(circuit)
    observed = sum(v for k, v in circuit.inputs.items() if k not in OWN_INPUTS)
    row = [[0.0] * max(observed, 1)]
    task = scripted(row, [0.0], [0.0], [-1.0], actions=circuit.inputs.get("action", 2))
    structure = Agent(circuit, task, Learning(sensitivity=method)).structure()
    found = [block for block in blocks(structure) if block.states]
    lines = [f"{method} keeps {METHODS[method].summary}."]
    if not found:
        return "\n".join([*lines, "No learning signal reaches a plastic parameter through that."])
    lines += [
        f"{cost(structure)}.",
        "",
        "S[s i; j] is the derivative of state s of neuron i to a parameter of neuron j, S[s i; j k] to",
        "the weight from afferent k; x[k] is the state of that afferent, w[i l] a weight of the",
        "projection named. A, G and B are the derivatives of a neuron's step to its states, drives and",
        "parameters. All right-hand sides are taken before the step.",
    ]
    for name in dict.fromkeys(n for block in found for n, _ in block.states):
        lines += ["", *_step_lines(name, structure, found)]
    for block in found:
        lines += ["", *_block_lines(block, structure)]
    return "\n".join(lines)


def _local(name, structure, found):
    trained = [b.key for b in found if b.group == name]
    return population_step(structure["populations"][name], structure["dt"], trained)


def _step_lines(name, structure, found):
    p, local = structure["populations"][name], _local(name, structure, found)
    kind = f"one Euler step of {structure['dt']:g} ms" if "derivatives" in p else "one step"
    steps = structure["substeps"]
    lines = [f"{name}: {kind}{f', {steps} a task step' if steps > 1 else ''}"]
    for v in dynamics(p):
        lines.append(f"  {v} <- {local.formulas[f'next_{v}']}")
    for symbol, names in (("A", local.jacobian), ("G", local.gain), ("B", local.slope)):
        for (v, other), formula in names.items():
            lines.append(f"  {symbol}[{name}.{v}, {other}] = {local.formulas[formula]}")
    return lines


def _block_lines(block, structure):
    local = _local(block.owner, structure, [block])
    edges = kept_edges(structure, block.method, block.owner)
    weights = block.drive is not None
    tail = "; j k]" if weights else "; j]"
    if weights:
        names = ", ".join(structure["afferents"][block.group]["projections"])
        lines = [f"To the weights into {block.owner}.{block.drive} (of {names})"]
    else:
        lines = [f"To {block.owner}.{block.key}"]
    lines[0] += f", {' x '.join(map(str, block.shape))}:"
    for name, v in block.states:
        i = "i" if block.coupled else "j"
        left = f"  S[{name}.{v} {i}{tail}"
        terms = []
        for source, target, key in edges:
            if target != (name, v) or source not in block.states:
                continue
            state = ".".join(source)
            if key is None:
                terms.append(f"A[{name}.{v}, {source[1]}] S[{state} {i}{tail}")
            else:
                drive = structure["projections"][key]["drive"]
                gain = f"G[{name}.{v}, {drive}]"
                if block.coupled:
                    terms.append(f"{gain} sum over l of w[i l]({key}) S[{state} l{tail}")
                else:
                    terms.append(f"{gain} w[j j]({key}) S[{state} j{tail}")
        if name == block.owner:
            own = "[i = j] " if block.coupled else ""
            if weights and (v, block.drive) in local.gain:
                terms.append(f"{own}G[{name}.{v}, {block.drive}] x[k]")
            elif not weights and (v, block.key) in local.slope:
                terms.append(f"{own}B[{name}.{v}, {block.key}]")
        pad = "\n" + " " * (len(left) + 2) + "+ "
        lines.append(f"{left} <- {pad.join(terms)}")
    return lines
