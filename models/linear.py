"""No recurrent network: actor and critic read the input itself, as in linear TD(lambda).

The baseline of Lemmel & Grosu, "Real-Time Recurrent Reinforcement Learning", AAAI 2025, arXiv
2311.04830: what a circuit without memory can learn. Sutton & Barto 2018, section 13.6 (one-step
actor-critic with eligibility traces).

Anatomy
-------
cortex
    A relay: one neuron for each channel of the input (observation, previous action, previous reward),
    whose rate is that channel's value in the same step. Nothing in it is learned.
dorsal_striatum
    Linear actor: a logit for each action.
ventral_striatum
    Linear critic with a bias.
"""

import numpy as np

from bgrl.circuit import Circuit, Population, Projection, Readout, glorot_normal
from bgrl.circuit.ctrnn import meta_inputs
from bgrl.errors import check_count

#: Duration of a task step, in ms, as in `models.rtrrl`.
STEP = 20.0


def circuit(task, units=32):
    """The circuit for a task.

    Parameters
    ----------
    task : bgrl.tasks.Task
    units : int
        Not used: there are as many neurons as channels of the input.

    Returns
    -------
    bgrl.circuit.Circuit
    """
    check_count("units", units)
    inputs = meta_inputs(task)
    size = sum(inputs.values())
    relay = np.split(np.eye(size), np.cumsum([*inputs.values()])[:-1], axis=1)

    def readout(name, channels):
        weights = glorot_normal(size, channels)
        return Readout(name, weights=weights, feedback=weights)

    return Circuit(
        dt=STEP,
        substeps=1,
        populations={"cortex": Population(size, map={"rate": "drive"})},
        projections={
            f"{source}->cortex": Projection(source, "cortex", weights=weights, plastic=False)
            for source, weights in zip(inputs, relay, strict=True)
        },
        inputs=inputs,
        actor=readout("dorsal_striatum", task.actor_channels),
        critic=readout("ventral_striatum", 1),
    )
