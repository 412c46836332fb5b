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

from bgrl.agent import Agent
from bgrl.circuit import Circuit, Parameter, Population, Projection, Readout, truncated_normal, uniform
from bgrl.learning import Learning

#: Units of the cortex (table 1 of the paper).
UNITS = 32
#: Duration of a task step, in ms; the paper counts time in steps.
STEP = 20.0
#: Time constants are drawn from U(1, 5) steps and trained; 1 is the lowest (official code).
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
    inputs = {"observation": len(task.observations), "action": len(task.actions), "reward": 1}
    # LeCun normal over the whole fan-in: all inputs, the recurrent rates and the bias.
    lecun = truncated_normal(1 / math.sqrt(sum(inputs.values()) + max(units, 1) + 1))
    cortex = Population(
        size=units,
        equations="""
            drate/dt = (-rate + tanh(drive + bias))/tau : 1
            tau : second
        """,
        parameters={
            "tau": Parameter(
                uniform(TAU_STEPS[0] * step, TAU_STEPS[1] * step),
                unit="ms",
                trainable=True,
                minimum=step,
            ),
            "bias": Parameter(lecun, trainable=True),
        },
    )
    projections = {
        f"{source}->cortex": Projection(source, "cortex", weights=lecun)
        for source in (*inputs, "cortex")
    }
    return Circuit(
        dt=step / substeps,
        substeps=substeps,
        populations={"cortex": cortex},
        projections=projections,
        inputs=inputs,
        actor=_readout("dorsal_striatum", units, len(task.actions)),
        critic=_readout("ventral_striatum", units, 1),
    )


def _readout(name, units, channels):
    """Glorot-normal weights and feedback."""
    glorot = truncated_normal(math.sqrt(2 / (max(units, 1) + channels)))
    return Readout(name, weights=glorot, feedback=glorot)


def agent(task, units=UNITS, replicates=1, dtype="float32", substeps=1, **learning):
    """The paper's agent for a task; keywords are those of `bgrl.learning.Learning`."""
    return Agent(
        circuit=circuit(task, units, substeps=substeps),
        task=task,
        learning=Learning(**learning),
        replicates=replicates,
        dtype=dtype,
    )
