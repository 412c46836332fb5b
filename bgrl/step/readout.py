"""Actor and critic: the rows of one readout, the critic the last.

Rows 0 to m - 1 are the logits of m actions; continuous actions take two rows each, means first, then
scales. The actor has no bias, the critic has one.
"""

import numpy as np

from bgrl.step.nucleus import replicated
from bgrl.step.signals import factor
from bgrl.step.synapses import TRANSMITTED, connect, gather


def write(b, plan):
    """Groups ``readout`` (rows), its afferents and its synapses ``readout_drive``, slot striatum."""
    b.group("readout", plan.actor_rows + 1)
    b.variables("readout", "activity", "bias", "drive", "is_actor")
    b.variables("readout", "learning_signal", "entropy_signal")
    b.variables("readout", "actor_weight", "entropy_weight", shared=True)
    b.link("readout", "done", "task", plan.agent_starts, 0)
    connect(b, plan, "readout_drive", "readout")
    gather(b, plan, "readout_drive", "striatum")
    b.sum("striatum", "readout_drive", "post", "drive", TRANSMITTED)
    activity = b.modulated("readout", "drive + (1 - is_actor)*bias")
    code = f"activity = {activity}"
    if sharper := factor(b, plan, "readout", "inverse_temperature"):
        b.variables("readout", "inverse_temperature")
        code += f"\ninverse_temperature = is_actor*{sharper} + 1 - is_actor"
        code += "\nactivity = inverse_temperature*activity"
    b.code("striatum", "readout", code)


def start(agent, plan, seed):
    """Initial weights, and which rows are whose."""
    rows = plan.actor_rows
    weights = {kind: [] for kind in ("weight", "mask")}
    for readout, channels in agent.readouts():
        shape = channels, len(readout.variables) * plan.sizes[readout.reads]
        drawn = replicated(agent, readout.weights, shape, seed, f"{readout.name}.weights")
        mask = np.ones(shape[1]) if readout.mask is None else np.asarray(readout.mask, float)
        mask = np.broadcast_to(mask, drawn.shape)
        weights["weight"].append(spread(plan, readout, drawn * mask))
        weights["mask"].append(spread(plan, readout, mask))
    return {
        "readout.is_actor": np.arange(rows + 1) < rows,
        "readout.actor_weight": agent.learning.actor_weight,
        "readout.entropy_weight": agent.learning.entropy_weight,
        **{f"readout_drive.{k}": np.concatenate(v, axis=1) for k, v in weights.items()},
    }


def spread(plan, readout, values):
    """Put columns for what one readout reads where they are among all that readouts read or reach.

    Parameters
    ----------
    plan : Plan
    readout : bgrl.circuit.Readout
    values : array (replicates, rows, afferents of the readout)

    Returns
    -------
    ndarray (replicates, rows, afferents)
        Zero elsewhere.
    """
    size, width = plan.sizes[readout.reads], plan.width("readout_drive")
    found = np.zeros((*values.shape[:-1], width))
    for k, state in enumerate(readout.states()):
        found[..., slice(*plan.columns[state])] = values[..., k * size : (k + 1) * size]
    return found
