"""Action selection by the basal ganglia: the GPR model.

Gurney, Prescott & Redgrave, "A computational model of action selection in the basal ganglia", I and
II, Biol. Cybern. 84:401-410 and 84:411-423 (2001). Channels compete, one for each action; how much a
channel asks for is its salience, the observation. GPi inhibits all channels, and a channel is selected
where its GPi neuron falls silent. Nothing is learned.

Anatomy
-------
d1, d2
    Striatum, selection and control pathway. Dopamine raises the input of d1 and lowers that of d2.
stn
    Receives the salience of its own channel, is inhibited by GPe; excites all channels of GPe and GPi.
gpe
    Inhibited by d2; inhibits STN and GPi of its own channel.
gpi
    Output, in the rat entopeduncular nucleus and SNr; inhibited by d1 and GPe.
dorsal_striatum
    The actor, without counterpart in the papers: the less GPi inhibits a channel, the likelier it is
    chosen. It always chooses one, even if none is selected; that is to be read from GPi.
ventral_striatum
    The critic, always 0.

Neurons
-------
Activation a follows its input u, da/dt = k (u - a); output y = a - epsilon, cut below 0 and above 1.
As in the authors' code an update takes u as constant and solves for a exactly.

Numbers
-------
Rate, thresholds, weights and dopamine are those of the authors' own programs (ModelDB 83560,
intrinsic_model_ZOH.m and GPR_engine.m), which say that they are from paper II; `BasalGanglia` of Nengo
and a submission to ReScience (Rougier) have the same ones. They are not checked against the text of the
papers. A later version (ABRG-Models/GPR-BasalGanglia) has other thresholds, time constants and -0.4 from
GPe to GPi. `STEP`, `DT` and `GAIN` are ours.

Dopamine, lambda of the papers, is `Dopamine.tonic` plus the TD error of the step before, the same for
both pathways.

The authors' programs leave open how low GPi must fall. At rest it is 0.170. With salience 0.4 in one
channel it falls to 0.085 there, and with 0.6 in another as well, to 0.042 in that one. So 0.05 as a
limit would select the second, but not the first.
"""

import math

import numpy as np

from bgrl.circuit import Circuit, Dopamine, Parameter, Population, Projection, Readout
from bgrl.errors import InputError, check_count
from bgrl.tasks.common import whole_steps

#: Channels in the simulations of paper II.
CHANNELS = 6
#: Rate k at which activation follows its input, per s: a time constant of 40 ms.
RATE = 25.0
#: Output threshold epsilon; negative where neurons fire without input.
THRESHOLDS = {"d1": 0.2, "d2": 0.2, "stn": -0.25, "gpe": -0.2, "gpi": -0.2}
#: Weights within a channel.
WEIGHTS = {
    "observation->d1": 1.0,
    "observation->d2": 1.0,
    "observation->stn": 1.0,
    "d1->gpi": -1.0,
    "d2->gpe": -1.0,
    "gpe->stn": -1.0,
    "gpe->gpi": -0.3,
}
#: Weight from every channel of STN to every channel of GPe and GPi.
STN_WEIGHT = 0.9
#: Sign with which dopamine scales the input of the striatum: u = salience (1 + sign lambda).
MODULATION = {"d1": 1.0, "d2": -1.0}
#: Tonic dopamine, lambda of the papers.
TONIC = 0.2

#: Duration of a task step, if the task says nothing, and of an update of the neurons, in ms.
STEP, DT = 10.0, 1.0
#: How the actor reads GPi: a difference of 0.05 makes a choice 12 times as likely.
GAIN = 50.0


def circuit(task, units=CHANNELS):
    """The circuit for a task.

    Parameters
    ----------
    task : bgrl.tasks.Task
        Its k-th observation is the salience of the k-th channel, which stands for its k-th action.
    units : int
        Channels, neurons of each nucleus; those beyond the task's have no salience.

    Returns
    -------
    bgrl.circuit.Circuit

    Raises
    ------
    InputError
        If the task has more observations or actions than there are channels.
    """
    check_count("units", units)
    saliences, actions = len(task.observations), task.actor_channels
    if units < max(saliences, actions):
        raise InputError(
            f"units is {units}; the model gpr needs a channel for each of the {saliences} observations "
            f"and {actions} actions of task {task.name!r}"
        )
    populations = {name: _nucleus(name, units) for name in THRESHOLDS}
    sizes = dict.fromkeys(THRESHOLDS, units) | {"observation": saliences}
    projections = {}
    for name, weight in WEIGHTS.items():
        source, target = name.split("->")
        weights = weight * np.eye(units, sizes[source])
        projections[name] = Projection(source, target, weights=weights, plastic=False)
    for target in ("gpe", "gpi"):
        projections[f"stn->{target}"] = Projection("stn", target, weights=STN_WEIGHT, plastic=False)
    for target, sign in MODULATION.items():
        projections[f"dopamine->{target}"] = Projection(
            "dopamine", target, "modulation", weights=sign, plastic=False
        )
    return Circuit(
        dt=DT,
        substeps=whole_steps("step", task.step_duration or STEP, DT),
        populations=populations,
        projections=projections,
        inputs={"observation": saliences, "dopamine": 1},
        actor=Readout(
            "dorsal_striatum", "gpi", weights=-GAIN * np.eye(actions, units), plastic=False
        ),
        critic=Readout("ventral_striatum", "gpi", plastic=False),
        dopamine=Dopamine(tonic=TONIC),
    )


def _nucleus(name, size):
    """Neurons with the threshold of a nucleus, modulated by dopamine if it is striatum."""
    striatum, threshold = name in MODULATION, THRESHOLDS[name]
    total = "drive*(1 + modulation)" if striatum else "drive"
    activation = f"{total} + decay*(activation - {total})"
    return Population(
        size,
        map={"rate": f"clip({activation} - threshold, 0, 1)", "activation": activation},
        parameters={
            "decay": Parameter(math.exp(-RATE * DT / 1000)),
            "threshold": Parameter(threshold),
        },
        drives=("drive", "modulation") if striatum else ("drive",),
        initial={"rate": max(-threshold, 0.0)},
    )
