"""Sensitivities: the derivatives of states to parameters, carried forward with the state.

Which are kept is said in `bgrl.learning.sensitivity`. Those of the neuron that owns a parameter lie
beside the parameter and are element-wise code; those that cross synapses are matrix products
(`Propagation`), in groups ``<population>_by_<group>`` of their own.
"""

from math import prod

from bgrl.learning.sensitivity import kept_edges
from bgrl.step.operation import Clearing
from bgrl.step.propagation import Columns, Coupling, Propagation, SelfWeights


def write(b, plan):
    """Groups of sensitivities, slots reset and sensitivity."""
    for block in plan.blocks:
        parameter = f"{block.group}.{block.key}"
        for array, shape in block.arrays(plan.sizes).items():
            group, variable = array.split(".")
            if group not in b.groups:
                b.group(group, *shape)
            b.variables(group, variable, kept_for=parameter)
    for name in plan.populations:
        blocks = [block for block in plan.blocks if block.owner == name]
        _clear(b, plan, blocks)
        own = _own_effects(b, plan, name)
        for block in blocks:
            if block.states and not block.coupled:
                b.code("sensitivity", block.group, _advance(plan, block, own))
        _propagate(b, plan, [k for k in blocks if k.coupled and k.states], exact=False)
        _propagate(b, plan, [k for k in blocks if k.exact and k.method != "rtrl"], exact=True)


def _clear(b, plan, blocks):
    """Where a trial is done, sensitivities start anew."""
    arrays = {k: prod(v) for block in blocks for k, v in block.arrays(plan.sizes).items()}
    if arrays:
        b.operate("reset", Clearing, arrays, f"task.{plan.agent_starts}")


def _self_edges(plan, name):
    """Edges through synapses by which a method lets each neuron of a population act on itself."""
    for block in plan.blocks:
        if block.owner == name and block.states and not block.coupled:
            edges = kept_edges(plan.structure, block.method, name)
            if found := [edge for edge in edges if edge[2] is not None]:
                return found
    return []


def _own_effects(b, plan, name):
    """Reach of a method to names of dF_s/ds' of a neuron, with its self-connection or without."""
    local = plan.local_steps[name]
    terms = {}
    for k, (source, target, key) in enumerate(_self_edges(plan, name)):
        group, first, columns = plan.column(key)
        b.variables(name, f"self_{k}")
        arrays = f"{group}.weight", f"{group}.mask", columns, first, f"{name}.self_{k}"
        b.operate("sensitivity", SelfWeights, plan.sizes[name], *arrays)
        drive = plan.projections[key]["drive"]
        if (target[1], drive) in local.gain:
            product = f"{local.gain[target[1], drive]}*self_{k}"
            terms.setdefault((target[1], source[1]), []).append(product)
    lines, own = [], dict(local.jacobian)
    for (v, u), products in terms.items():
        products += [local.jacobian[v, u]] if (v, u) in local.jacobian else []
        b.variables(name, f"own_{v}_{u}")
        lines.append(f"own_{v}_{u} = {' + '.join(products)}")
        own[v, u] = f"own_{v}_{u}"
    if lines:
        b.code("sensitivity", name, "\n".join(lines))
    return {"nucleus": own, "neuron": local.jacobian, "nothing": {}}


def _advance(plan, block, own):
    """S_v <- sum over u of dF_v/du S_u + dF_v/dtheta, all v of the owner at once."""
    local, variables, key = plan.local_steps[block.owner], [v for _, v in block.states], block.key
    suffix, factor = ("_post", "*mask*x_pre") if block.drive else ("", "")
    direct = local.gain if block.drive else local.slope
    jacobian = own[plan.learning["methods"][block.method]["reach"]]
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
    return "\n".join(lines + [f"sensitivity_{v}_{key} = next_{v}_{key}" for v in variables])


def _propagate(b, plan, blocks, exact):
    """Sensitivities that cross synapses, of blocks of one population; see `Propagation`."""
    alike = {}
    for block in blocks:
        method = "rtrl" if exact else block.method
        states = block.exact if exact else block.states
        alike.setdefault((method, states), []).append(block)
    for (method, states), members in alike.items():
        couplings, diagonals = [], []
        for source, target, key in kept_edges(plan.structure, method, members[0].owner):
            if source in states and target in states:
                _effect(plan, source, target, key, couplings, diagonals)
        columns = [
            Columns(k.shape, {s: k.array(*s, exact) for s in states}, _direct(plan, k, states))
            for k in members
        ]
        rows = {(name, v): plan.sizes[name] for name, v in states}
        values = rows, tuple(couplings), tuple(diagonals), tuple(columns)
        b.operate("sensitivity", Propagation, *values)


def _effect(plan, source, target, key, couplings, diagonals):
    """Put what a state does to another into the list where it belongs, unless it is zero."""
    (name, v), local = target, plan.local_steps[target[0]]
    if key is None:
        if (v, source[1]) in local.jacobian:
            diagonals.append((target, source, f"{name}.{local.jacobian[v, source[1]]}"))
        return
    drive = plan.projections[key]["drive"]
    if (v, drive) in local.gain:
        group, first, columns = plan.column(key)
        arrays = f"{name}.{local.gain[v, drive]}", f"{group}.weight", f"{group}.mask"
        couplings.append(Coupling(target, source, *arrays, columns, first))


def _direct(plan, block, states):
    """What parameters do to their own neuron at once, see `Columns`."""
    local, key = plan.local_steps[block.owner], block.drive or block.key
    factors = local.gain if block.drive else local.slope
    weights = (f"{block.group}.mask", f"{block.group}_afferents.x") if block.drive else (None, None)
    return tuple(
        (state, f"{block.owner}.{factors[state[1], key]}", *weights)
        for state in states
        if state[0] == block.owner and (state[1], key) in factors
    )
