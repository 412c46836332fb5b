"""The circuit of `models.rtrrl` with a linear recurrent unit (LRU) as cortex.

Orvieto et al., "Resurrecting recurrent neural networks for long sequences", ICML 2023; as the cortex of
RTRRL: Lemmel & Grosu, AAAI 2025, arXiv 2311.04830.

Anatomy
-------
cortex
    Neurons of two state variables each, real and imaginary part of a damped oscillation. They have no
    synapses onto each other, so the neuron's own sensitivities (`snap1`, and here `rflo` too) are the
    exact gradient, at the cost of one number for each weight and variable. Damping, frequency, gain and
    input weights are trained.
dorsal_striatum
    Linear actor, reads both variables.
ventral_striatum
    Linear critic with a bias, reads both variables.

Initial values
--------------
Orvieto et al. draw the squared damping evenly from a ring near the unit circle and scale the input by
sqrt(1 - damping^2). Here time constants and frequencies are drawn evenly on a logarithmic scale, and
the gain is one number. MemoryChain-64 with exact gradients (`snap1`), 300,000 steps, how many of 10
replicates end at 0.95 or more: 10 as it is, 10 with a gain of 1, 10 with time constants of 5 to 50
steps (which are learned, more slowly), but 4 with angles of 0.01 to 0.1 and 5 with 0.001 to pi. An input
that keeps its sign, such as the time left, adds up in slow neurons and drowns what the cue left there.
"""

import math

from bgrl.circuit import (
    Circuit,
    Parameter,
    Population,
    Projection,
    Readout,
    glorot_normal,
    truncated_normal,
    uniform,
)
from bgrl.circuit.ctrnn import meta_inputs
from bgrl.errors import check_count

#: Duration of a task step, in ms, as in `models.rtrrl`.
STEP = 20.0
#: Time constants of the damping, in steps.
TAU_STEPS = (50.0, 1000.0)
#: Angle by which a neuron turns in a step, in radians.
ANGLE = (0.3, math.pi)
#: Gain of the input.
GAIN = 0.1
DYNAMICS = {
    "re": "exp(-exp(nu_log))*(cos(exp(theta_log))*re - sin(exp(theta_log))*im) "
    "+ exp(gamma_log)*drive_re",
    "im": "exp(-exp(nu_log))*(sin(exp(theta_log))*re + cos(exp(theta_log))*im) "
    "+ exp(gamma_log)*drive_im",
}


def circuit(task, units=32):
    """The circuit for a task.

    Parameters
    ----------
    task : bgrl.tasks.Task
    units : int
        Neurons in the cortex, of two variables each.

    Returns
    -------
    bgrl.circuit.Circuit
    """
    check_count("units", units)
    inputs = meta_inputs(task)
    cortex = Population(
        size=units,
        map=DYNAMICS,
        drives=("drive_re", "drive_im"),
        parameters={
            "nu_log": Parameter(
                uniform(-math.log(TAU_STEPS[1]), -math.log(TAU_STEPS[0])), trainable=True
            ),
            "theta_log": Parameter(uniform(*map(math.log, ANGLE)), trainable=True),
            "gamma_log": Parameter(math.log(GAIN), trainable=True),
        },
    )
    # Real and imaginary part share the variance of LeCun's initial weights.
    weights = truncated_normal(1 / math.sqrt(2 * sum(inputs.values())))
    projections = {
        f"{source}->cortex.{part}": Projection(
            source, "cortex", drive=f"drive_{part}", weights=weights
        )
        for part in ("re", "im")
        for source in inputs
    }
    readouts = {
        kind: Readout(
            name,
            variables=("re", "im"),
            weights=glorot_normal(2 * units, channels),
            feedback=glorot_normal(2 * units, channels),
        )
        for kind, name, channels in (
            ("actor", "dorsal_striatum", task.actor_channels),
            ("critic", "ventral_striatum", 1),
        )
    }
    return Circuit(STEP, 1, {"cortex": cortex}, projections, inputs, **readouts)
