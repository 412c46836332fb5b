"""Synapses between inputs and nuclei: their sources side by side, and the drives that they sum up to.

All afferents of a drive that learn alike are one matrix (targets, sources), whose columns are the sources
of its projections one after the other. A group ``<synapses>_afferents`` holds what these sources send.
"""

import numpy as np

from bgrl.step.nucleus import initial_weights
from bgrl.step.operation import Gathering

#: What a synapse adds to the drive of its target.
TRANSMITTED = "mask*weight*x_pre"


def write(b, plan):
    """Groups of synapses and of their afferents, slot drive."""
    for name, p in plan.populations.items():
        for drive in p["drives"]:
            groups = plan.feeding(name, drive)
            parts = [drive] if len(groups) == 1 else [f"sum_{group}" for group in groups]
            for group, part in zip(groups, parts, strict=True):
                connect(b, plan, group, name)
                if plan.signed(group):
                    b.variables(group, "weight_sign")
                if part != drive:
                    b.variables(name, part)
                gather(b, plan, group, "drive")
                b.sum("drive", group, "post", part, TRANSMITTED)
            if len(parts) > 1:
                b.code("drive", name, f"{drive} = {' + '.join(parts)}")


def start(agent, plan, seed):
    """Initial weights, masks and signs."""
    values = {}
    for group, afferents in plan.afferents.items():
        parts = {"weight": [], "mask": [], "weight_sign": []}
        for key in afferents["projections"]:
            projection = agent.circuit.projections[key]
            shape = agent.circuit.shape(projection)
            mask = np.ones(shape) if projection.mask is None else projection.mask
            parts["weight"].append(initial_weights(agent, key, seed))
            full = (agent.replicates, *shape)
            parts["mask"].append(np.broadcast_to(np.asarray(mask, float), full))
            parts["weight_sign"].append(np.full(full, float(projection.sign or 0)))
        if not plan.signed(group):
            del parts["weight_sign"]
        for kind, blocks in parts.items():
            values[f"{group}.{kind}"] = np.concatenate(blocks, axis=-1)
    return values


def connect(b, plan, group, target):
    """Add synapses with their weights and masks, and the group of their afferents."""
    afferents = f"{group}_afferents"
    b.group(afferents, plan.width(group))
    b.variables(afferents, "x")
    b.synapses(group, afferents, target)
    b.variables(group, "weight", "mask")


def gather(b, plan, group, slot):
    """Put what the sources of synapses send side by side."""
    parts = tuple(
        (f"{source}.{variable}", b.groups[source].size, first, count)
        for source, variable, first, count in plan.sources(group)
    )
    b.operate(slot, Gathering, f"{group}_afferents.x", plan.width(group), parts)


def keep_sign(plan, group):
    """Lines that keep weights from changing their sign, where they must not."""
    if group not in plan.afferents or not plan.signed(group):
        return []
    kept = "clip(weight_sign*weight, 0, inf)"
    return [f"weight = int(weight_sign == 0)*weight + weight_sign*{kept}"]
