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
#: Learning that does not get stuck, which the experiments use. MemoryChain-8, 40 replicates, how many
#: have a return of 0.95 or more after 90,000 steps: 32 with random feedback and Adam (the paper's), 37
#: with symmetric feedback and Adam, 37 with random feedback and AMSGrad, 40 with both, and these at
#: every evaluation from 20,000 steps on. Adam's steps grow again once the TD error has vanished, and
#: noise then undoes what was learned; with random feedback the policy may settle on one action before
#: it can read the memory, and the critic, which reads it, then leaves no TD error to learn from.
STEADY = {"feedback": "symmetric", "optimizer": "amsgrad"}


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
