"""Noisy accumulation of evidence to a bound: neurons that leak and inhibit each other.

Usher & McClelland 2001, "The time course of perceptual choice: the leaky, competing accumulator model",
Psychol. Rev. 108:550, in its linear form. Where leak and inhibition are equal, as here, the difference of
two accumulators is a drift-diffusion process (Bogacz, Brown, Moehlis, Holmes & Cohen 2006, Psychol. Rev.
113:700), of which accuracy and mean time are known. Nothing is learned.

Anatomy
-------
lip
    One accumulator for each action but the first, which is to wait. Each integrates the observation that
    has the number of its action (the first observation, fixation, is none of them), leaks, and is
    inhibited by the others; every one has white noise of its own.
colliculus
    Starts the action whose accumulator exceeds the mean of the others by the bound. While the first
    observation is on, none is started.
dorsal_striatum
    The actor: takes the action that the colliculus starts, and waits if it starts none.
ventral_striatum
    The critic, always 0.

Numbers
-------
`DRIFT`, `BOUND` and `NON_DECISION` are fitted here to monkey 1 of Roitman & Shadlen 2002 (J. Neurosci.
22:9475) by maximum likelihood: choices and mean reaction times of 2,615 trials, as they are in the
documentation of PyDDM (roitman_rts.csv), by a diffusion process whose drift is proportional to coherence
(Palmer, Huk & Shadlen 2005, J. Vis. 5:1). The unit of the accumulators is such that the difference of two
gathers a variance of 1 in a second. Leak, `DT` and how the actor reads are ours; the text of these papers
was not read at the source. In steps of `DT` a process jumps past its bound, by 0.583 of a step's standard
deviation on average (Siegmund 1979, Adv. Appl. Probab. 11:701, not read at the source), so the bound of
the colliculus is lower by that.
"""

import math

import numpy as np

from bgrl.circuit import Circuit, Parameter, Population, Projection, Readout
from bgrl.errors import InputError, check_count
from bgrl.tasks.common import whole_steps

#: Drift of the difference per s, for a coherence of 1, and its bound.
DRIFT, BOUND = 14.10, 0.638
#: What a reaction takes besides the decision, in ms; added where times are compared with data.
NON_DECISION = 379.0
#: Time constant of the leak, in ms, and the weight with which accumulators inhibit each other; -1
#: balances the leak.
TAU, INHIBITION = 200.0, -1.0
#: Duration of a task step, if the task says nothing, and of an Euler step, in ms.
STEP, DT = 1.0, 1.0
#: How far a process exceeds its bound, in standard deviations of a step.
OVERSHOOT = 0.5826
#: Drive of the colliculus by fixation: more than any accumulator's.
FIXATION = -100.0
#: Logits of waiting, and of an action that is started.
WAIT, START = 20.0, 40.0


def circuit(task, units=1):
    """The circuit for a task.

    Parameters
    ----------
    task : bgrl.tasks.Task
        Its first observation, fixation, forbids to act while it is above 0; its k-th is the evidence for
        its k-th action, the first of which is to wait.
    units : int
        Neurons of each accumulator; their mean is the accumulator.

    Returns
    -------
    bgrl.circuit.Circuit

    Raises
    ------
    InputError
        For a task with fewer than two actions or continuous ones.
    """
    check_count("units", units)
    actions, seen = len(task.actions), len(task.observations)
    if task.continuous or actions < 2:
        raise InputError(
            f"task {task.name!r} has {actions} {'continuous ' if task.continuous else ''}action(s); the "
            "model accumulator needs a choice of two or more"
        )
    channels = actions - 1
    pool = np.kron(np.eye(channels), np.ones((units, units)) / units)
    every = np.kron(np.ones((channels, channels)), np.ones((units, units)) / units)
    evidence = np.kron(np.eye(channels, seen, 1), np.ones((units, 1)))
    # An accumulator against the mean of the others, for each action but waiting.
    others = (1 - np.eye(channels)) / max(channels - 1, 1)
    compared = np.vstack([np.zeros(channels), np.eye(channels) - others])
    fixation = np.zeros((actions, seen))
    fixation[1:, 0] = FIXATION
    bound = BOUND - OVERSHOOT * math.sqrt(DT / 1000)
    populations = {
        "lip": Population(
            channels * units,
            equations="""
                drate/dt = (-rate + drive)/tau + noise*sqrt(2/tau)*xi : 1
                tau : second
            """,
            parameters={
                "tau": Parameter(TAU, unit="ms"),
                # Half of the variance of the difference, which is 1 in a second.
                "noise": Parameter(math.sqrt(units * TAU / 1000) / 2),
            },
            # What evidence of 0.5 for each of two settles at.
            initial={"rate": DRIFT * TAU / 1000 / 4},
        ),
        "colliculus": Population(
            actions,
            map={"rate": "waiting + int(drive > bound)"},
            parameters={
                "waiting": Parameter(np.eye(actions)[0] * WAIT / START),
                "bound": Parameter(bound),
            },
        ),
    }
    connections = {
        "observation->lip": (evidence * DRIFT * TAU / 1000, "observation", "lip"),
        "lip->lip": (INHIBITION * (every - pool), "lip", "lip"),
        "lip->colliculus": (np.kron(compared, np.ones((1, units)) / units), "lip", "colliculus"),
        "observation->colliculus": (fixation, "observation", "colliculus"),
    }
    return Circuit(
        dt=DT,
        substeps=whole_steps("step", task.step_duration or STEP, DT),
        populations=populations,
        projections={
            name: Projection(source, target, weights=weights, plastic=False)
            for name, (weights, source, target) in connections.items()
        },
        inputs={"observation": seen},
        actor=Readout(
            "dorsal_striatum", "colliculus", weights=START * np.eye(actions), plastic=False
        ),
        critic=Readout("ventral_striatum", "colliculus", plastic=False),
    )
