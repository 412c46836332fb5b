"""Dopamine neurons from pessimistic to optimistic, which learn the distribution of reward.

Dabney, Kurth-Nelson, Uchida, Starkweather, Hassabis, Munos & Botvinick 2020, "A distributional code for
value in dopamine-based reinforcement learning", Nature 577:671.

Anatomy
-------
cortex
    The recurrent network of `models.rtrrl`; receives the observation, the previous action and the
    previous reward.
vta
    Dopamine neurons. Neuron i has a value V_i, what its synapses from cortex predict of the reward of the
    next step. It responds to a reward r with a_i (r - V_i) if that is positive and with b_i (r - V_i) if
    it is negative, and its synapses learn from its own response, V_i <- V_i + rate*response. So V_i,
    where the response reverses, settles on the expectile tau_i = a_i/(a_i + b_i) of the rewards that
    follow a cortical state: the mean for 0.5, more for an optimist, less for a pessimist.
dorsal_striatum
    Linear actor, reads cortex.
ventral_striatum
    The critic, the mean value of `vta`, with fixed weights. So if nothing later than the next reward
    counts (`discount` 0) the TD error, from which actor and cortex learn, is the mean error of the
    dopamine neurons. With other discounts it is that plus a shaping term, the discounted change of a
    potential (Ng, Harada & Russell 1999, ICML), which leaves the best policy what it is; but values of
    the next reward take no variance from the rewards after it. Bernoulli bandit, five replicates after
    150,000 steps: with discount 0 four choose the better arm nearly always, with 0.9 none does (with the
    critic of `models.rtrrl` five and four do). Cortex learns for the actor, and for the critic by methods
    that cross synapses (`rtrl`).

Timing
------
The reward that an action or a cue in step t brings arrives in step t + 1, when `value` moves on to what
comes after it. `expected` is the value of a sub-step before, so the second of the two sub-steps of t + 1
compares the reward with the value at the end of t. The synapses' eligibility is the cortical rate that
made that value, so the response meets the activity that it is about.

In the last step of a trial the input `reward` is 0 and states start anew (`bgrl.step`): that reward is
not learned from here, though actor and cortex learn from it. A trial must outlast its reward by a step.
"""

import math

import numpy as np

from bgrl.circuit import (
    Circuit,
    Parameter,
    Population,
    Projection,
    Readout,
    Rule,
    glorot_normal,
    truncated_normal,
    uniform,
)
from bgrl.circuit.ctrnn import meta_inputs, rate_population
from bgrl.errors import InputError, check_count
from bgrl.models.rtrrl import STEP, TAU_STEPS

#: Expectile of each dopamine neuron, evenly spaced; their number and `RATE` are ours.
EXPECTILES = tuple((k + 0.5) / 20 for k in range(20))
#: Step of the values for a response of 1 and one active synapse.
RATE = 0.02
#: From cortex to value to response.
SUBSTEPS = 2
VTA = {
    "value": "drive",
    "expected": "value",
    "response": "(pessimism + (optimism - pessimism)*int(reward > expected))*(reward - expected)",
}


def circuit(task, units=32, expectiles=EXPECTILES):
    """The circuit for a task.

    Parameters
    ----------
    task : bgrl.tasks.Task
    units : int
        Neurons in the cortex.
    expectiles : sequence of float
        Of each dopamine neuron, between 0 and 1; all 0.5 for neurons that are alike.

    Returns
    -------
    bgrl.circuit.Circuit
    """
    check_count("units", units)
    taus = np.asarray(expectiles, float)
    if taus.ndim != 1 or not taus.size or not ((taus > 0) & (taus < 1)).all():
        raise InputError(f"expectiles are {expectiles}; numbers between 0 and 1 are needed")
    neurons, inputs = len(taus), meta_inputs(task)
    weights = truncated_normal(1 / math.sqrt(sum(inputs.values()) + units + 1))
    tau = uniform(TAU_STEPS[0] * STEP, TAU_STEPS[1] * STEP)
    populations = {
        "cortex": rate_population(units, tau, weights, STEP),
        "vta": Population(
            neurons,
            map=VTA,
            parameters={
                "optimism": Parameter(taus),
                "pessimism": Parameter(1 - taus),
                "rate": Parameter(RATE),
            },
            drives=("drive", "reward"),
        ),
    }
    projections = {f"{k}->cortex": Projection(k, "cortex", weights=weights) for k in inputs}
    projections["cortex->cortex"] = Projection("cortex", "cortex", weights=weights)
    projections["cortex->vta"] = Projection(
        "cortex",
        "vta",
        weights=glorot_normal(units, neurons),
        rule=Rule("weight + rate*response*eligibility", "pre"),
    )
    projections["reward->vta"] = Projection("reward", "vta", "reward", weights=1.0, plastic=False)
    draw = glorot_normal(units, task.actor_channels)
    actor = Readout("dorsal_striatum", weights=draw, feedback=draw)
    mean = np.full((1, neurons), 1 / neurons)
    critic = Readout("ventral_striatum", "vta", "value", mean, mean, plastic=False)
    return Circuit(STEP / SUBSTEPS, SUBSTEPS, populations, projections, inputs, actor, critic)
