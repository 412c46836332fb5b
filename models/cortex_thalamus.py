"""A loop of two nuclei with different activations: what is seen reaches the cortex through the thalamus.

The loop follows the anatomy of thalamo-cortical relay (Sherman & Guillery 2006, "Exploring the Thalamus
and Its Role in Cortical Function", MIT Press); learning is that of `models.rtrrl`. Only the cortex is
read, so the thalamus learns only by a method that crosses synapses (`rtrl`).

Anatomy
-------
thalamus
    Relay neurons with positive (logistic) rates, half as many as in the cortex. They receive the
    observation and the cortex, and have no synapses onto each other.
cortex
    The recurrent network of `models.rtrrl`; receives the thalamus, the previous action and the
    previous reward.
dorsal_striatum, ventral_striatum
    Linear actor and critic, read the cortex.
"""

import math

from bgrl.circuit import (
    Circuit,
    Projection,
    Readout,
    glorot_normal,
    truncated_normal,
    uniform,
)
from bgrl.circuit.ctrnn import EQUATIONS, meta_inputs, rate_population
from bgrl.errors import check_count
from bgrl.models.rtrrl import STEP, TAU_STEPS

THALAMUS = """
    drate/dt = (-rate + 1/(1 + exp(-drive - bias)))/tau : 1
    tau : second
"""


def circuit(task, units=32):
    """The circuit for a task.

    Parameters
    ----------
    task : bgrl.tasks.Task
    units : int
        Neurons in the cortex; the thalamus has half as many.

    Returns
    -------
    bgrl.circuit.Circuit
    """
    check_count("units", units)
    inputs, relay = meta_inputs(task), max(1, units // 2)
    sources = {
        "thalamus": {"observation": inputs["observation"], "cortex": units},
        "cortex": {
            "thalamus": relay,
            **{k: inputs[k] for k in ("action", "reward")},
            "cortex": units,
        },
    }
    # LeCun normal over the whole fan-in, the bias included.
    weights = {k: truncated_normal(1 / math.sqrt(sum(v.values()) + 1)) for k, v in sources.items()}
    tau = uniform(TAU_STEPS[0] * STEP, TAU_STEPS[1] * STEP)
    populations = {
        name: rate_population(size, tau, weights[name], STEP, equations)
        for name, size, equations in (("cortex", units, EQUATIONS), ("thalamus", relay, THALAMUS))
    }
    projections = {
        f"{source}->{target}": Projection(source, target, weights=weights[target])
        for target, names in sources.items()
        for source in names
    }
    readouts = {
        kind: Readout(name, weights=draw, feedback=draw)
        for kind, name, draw in (
            ("actor", "dorsal_striatum", glorot_normal(units, task.actor_channels)),
            ("critic", "ventral_striatum", glorot_normal(units, 1)),
        )
    }
    return Circuit(STEP, 1, populations, projections, inputs, **readouts)
