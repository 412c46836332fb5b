"""The circuit of real-time recurrent reinforcement learning: one recurrent cortex, two striata.

Lemmel & Grosu, "Real-Time Recurrent Reinforcement Learning", AAAI 2025, arXiv 2311.04830.

Anatomy
-------
cortex
    Continuous-time recurrent network (CT-RNN) with trained weights, biases and time constants. Its
    input is the observation, the previous action and the previous reward (meta-RL).
dorsal_striatum
    Linear actor: a logit for each action.
ventral_striatum
    Linear critic with a bias.
"""

import math

from bgrl.circuit import glorot_normal, truncated_normal, uniform
from bgrl.circuit.ctrnn import ctrnn_circuit, meta_inputs
from bgrl.errors import check_count

#: Units of the cortex (table 1 of the paper).
UNITS = 32
#: Duration of a task step, in ms; the paper counts time in steps.
STEP = 20.0
#: Time constants are drawn from this range, in steps, and trained (official code).
TAU_STEPS = (1.0, 5.0)


def circuit(task, units=UNITS, step=STEP, substeps=1):
    """The circuit for a task.

    Parameters
    ----------
    task : bgrl.tasks.Task
    units : int
        Neurons in the cortex.
    step : float
        Duration of a task step, in ms.
    substeps : int
        Euler steps per task step.

    Returns
    -------
    bgrl.circuit.Circuit
    """
    check_count("units", units)
    check_count("substeps", substeps)
    inputs = meta_inputs(task)
    return ctrnn_circuit(
        inputs=inputs,
        actor_channels=task.actor_channels,
        units=units,
        step=step,
        substeps=substeps,
        tau=uniform(TAU_STEPS[0] * step, TAU_STEPS[1] * step),
        # LeCun normal over the whole fan-in: all inputs, the recurrent rates and the bias.
        weights=truncated_normal(1 / math.sqrt(sum(inputs.values()) + units + 1)),
        readout=lambda channels: glorot_normal(units, channels),
    )
