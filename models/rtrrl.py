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
from bgrl.circuit import truncated_normal, uniform
from bgrl.ctrnn import ctrnn_circuit
from bgrl.errors import InputError
from bgrl.learning import Learning

#: Units of the cortex (table 1 of the paper).
UNITS = 32
#: Duration of a task step, in ms; the paper counts time in steps.
STEP = 20.0
#: Time constants are drawn from this range, in steps, and trained (official code).
TAU_STEPS = (1.0, 5.0)
#: Learning that rarely gets stuck. With the paper's numbers the policy often settles on one action
#: before a memory has formed, and then nothing is learned any more: on MemoryChain-8, 31 of 40
#: replicates reach a return of 0.95 within 100,000 steps; with a slower actor and more entropy 40.
STEADY = {"rate_actor": 3e-4, "entropy_weight": 1e-3}


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
    if not isinstance(units, int) or units < 1:
        raise InputError(f"units is {units!r}; a positive integer is needed")
    if not isinstance(substeps, int) or substeps < 1:
        raise InputError(f"substeps is {substeps!r}; a positive integer is needed")
    inputs = {"observation": len(task.observations), "action": len(task.actions), "reward": 1}
    return ctrnn_circuit(
        inputs=inputs,
        actions=len(task.actions),
        units=units,
        step=step,
        substeps=substeps,
        tau=uniform(TAU_STEPS[0] * step, TAU_STEPS[1] * step),
        # LeCun normal over the whole fan-in: all inputs, the recurrent rates and the bias.
        weights=truncated_normal(1 / math.sqrt(sum(inputs.values()) + units + 1)),
        # Glorot normal.
        readout=lambda channels: truncated_normal(math.sqrt(2 / (units + channels))),
    )


def agent(task, units=UNITS, replicates=1, dtype="float32", substeps=1, **learning):
    """The paper's agent for a task; further keywords are those of `bgrl.learning.Learning`."""
    return Agent(
        circuit=circuit(task, units, substeps=substeps),
        task=task,
        learning=Learning(**learning),
        replicates=replicates,
        dtype=dtype,
    )
