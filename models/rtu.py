"""The circuit of `models.rtrrl` whose cortical neurons have a slow memory besides their rate.

Two bodies of work in one neuron: the continuous-time neuron of RTRRL (Lemmel & Grosu, AAAI 2025, arXiv
2311.04830), and the recurrent trace unit (Elelimy, White, Bowling & White 2024, "Real-time recurrent
learning using trace units in reinforcement learning", NeurIPS), a damped oscillation that has no synapses
onto others, so that its exact gradient costs one number for each weight and variable.

Anatomy
-------
cortex
    Neurons of three state variables. `rate` follows tanh of input, lateral synapses, bias, and the
    neuron's own memory, with a time constant of a few steps. `re` and `im`, the memory, are real and
    imaginary part of a damped oscillation that the input drives through weights of its own. All of it
    is trained. What is kept of the gradient is local to the neuron: `rflo` is exact but for the lateral
    synapses.
dorsal_striatum
    Linear actor, reads all three variables.
ventral_striatum
    Linear critic with a bias, reads all three variables.

Initial values
--------------
Time constants and angles of the memory are drawn evenly on a logarithmic scale. Its input is scaled by
sqrt(1 - damping^2), which gives every neuron the same variance under white input (Orvieto et al. 2023,
ICML). Time constants stay below `LONGEST`, where the memory would no longer forget. Readouts start at
zero, so that the first policy favours nothing.
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
#: Time constants of the rate, and of the damping of the memory, in steps.
TAU_STEPS, MEMORY_STEPS = (1.0, 5.0), (2.0, 100.0)
#: Longest time constant of the memory that learning may reach, in steps.
LONGEST = 1000.0
#: Angle by which the memory turns in a step, in radians.
ANGLE = (0.05, math.pi)
_KEPT, _TURN = "exp(-exp(nu_log))", "exp(theta_log)"
_GAIN = "sqrt(-expm1(-2*exp(nu_log)))"
DYNAMICS = {
    "rate": "rate + (tanh(drive + bias + re) - rate)/tau",
    "re": f"{_KEPT}*(cos({_TURN})*re - sin({_TURN})*im) + {_GAIN}*drive_re",
    "im": f"{_KEPT}*(sin({_TURN})*re + cos({_TURN})*im) + {_GAIN}*drive_im",
}


def circuit(task, units=32):
    """The circuit for a task.

    Parameters
    ----------
    task : bgrl.tasks.Task
    units : int
        Neurons in the cortex, of three variables each.

    Returns
    -------
    bgrl.circuit.Circuit
    """
    check_count("units", units)
    inputs = meta_inputs(task)
    width = sum(inputs.values())
    # LeCun normal over the whole fan-in; real and imaginary part share its variance.
    fast = truncated_normal(1 / math.sqrt(width + units + 1))
    slow = truncated_normal(1 / math.sqrt(2 * width))
    shortest, longest = map(math.log, MEMORY_STEPS)
    cortex = Population(
        size=units,
        map=DYNAMICS,
        drives=("drive", "drive_re", "drive_im"),
        parameters={
            "tau": Parameter(uniform(*TAU_STEPS), trainable=True, minimum=1.0),
            "bias": Parameter(fast, trainable=True),
            "nu_log": Parameter(
                uniform(-longest, -shortest), trainable=True, minimum=-math.log(LONGEST)
            ),
            "theta_log": Parameter(uniform(*map(math.log, ANGLE)), trainable=True),
        },
    )
    projections = {
        f"{source}->cortex": Projection(source, "cortex", weights=fast)
        for source in (*inputs, "cortex")
    } | {
        f"{source}->cortex.{part}": Projection(
            source, "cortex", drive=f"drive_{part}", weights=slow
        )
        for part in ("re", "im")
        for source in inputs
    }
    readouts = {
        kind: Readout(
            name,
            variables=tuple(DYNAMICS),
            weights=0.0,
            feedback=glorot_normal(len(DYNAMICS) * units, channels),
        )
        for kind, name, channels in (
            ("actor", "dorsal_striatum", task.actor_channels),
            ("critic", "ventral_striatum", 1),
        )
    }
    return Circuit(STEP, 1, {"cortex": cortex}, projections, inputs, **readouts)
