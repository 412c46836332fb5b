"""Cortex, the direct, indirect and hyperdirect pathways, thalamus, and back to cortex: a closed loop.

Anatomy
-------
cortex
    The recurrent network of `models.rtrrl`; its rates are deviations from a baseline. It receives the
    observation, the previous action, the previous reward and the thalamus.
d1, d2
    Dorsal striatum, the actor: neurons of the direct and of the indirect pathway, some for each
    action. Their synapses from cortex are where actions are learned. Dopamine makes `d1` more and
    `d2` less excitable (Gerfen & Surmeier 2011, Annu. Rev. Neurosci. 34:441); that the same dopamine
    strengthens synapses onto `d1` and weakens those onto `d2` follows from the signs of the pathways.
stn
    Subthalamic nucleus, excited by cortex (hyperdirect pathway), excites all channels of `gpe`, `gpi`.
gpe, gpi
    External and internal pallidum (`gpi` with the substantia nigra pars reticulata), inhibitory and
    tonically active.
thalamus
    Disinhibited where `gpi` pauses; excites cortex. The action is drawn from its activity.
ventral_striatum
    The critic, linear, reads cortex.

Which pathway goes where, with what sign, and which are focused on one channel or diffuse, follows
Gurney, Prescott & Redgrave 2001, Biol. Cybern. 84:401 (`models.gpr` has its numbers); `gpi` to
thalamus to cortex after Alexander, DeLong & Strick 1986, Annu. Rev. Neurosci. 9:357. Neurons of the
basal ganglia have logistic rates here, so that a gradient passes; the strengths of pathways are chosen
so that each of these stages passes on a deviation about as large as it receives.

The learning signal reaches `thalamus`, which is read, and by fixed weights `d1`, `d2` and cortex: that
is enough for methods that cross no synapse (`rflo`, `snap1`).
"""

import math

import numpy as np

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
from bgrl.circuit.ctrnn import meta_inputs, rate_population
from bgrl.errors import check_count
from bgrl.models.rtrrl import STEP, TAU_STEPS

#: Neurons of each nucleus for each action.
CHANNEL = 4
#: Euler steps in a task step: as many as synapses from cortex through `d1` and `gpi` to the thalamus
#: and back.
SUBSTEPS = 4
#: Time constant of the nuclei below cortex, in ms.
TAU = STEP / SUBSTEPS
NUCLEUS = """
    drate/dt = (-rate + 1/(1 + exp(-drive - bias)))/tau : 1
    tau : second
"""
STRIATUM = """
    drate/dt = (-rate + 1/(1 + exp(-drive*(1 + modulation) - bias)))/tau : 1
    tau : second
"""
#: Tonic excitability: striatum is quiet, pallidum active, in between the others.
BIAS = {"d1": -1.0, "d2": -1.0, "stn": 0.0, "gpe": 2.0, "gpi": 3.5, "thalamus": 2.0}
#: Source, target: total strength onto a neuron; whether it stays within a channel.
PATHWAYS = {
    ("d1", "gpi"): (-6.0, True),
    ("d2", "gpe"): (-6.0, True),
    ("gpe", "stn"): (-2.0, True),
    ("gpe", "gpi"): (-3.0, True),
    ("stn", "gpe"): (2.0, False),
    ("stn", "gpi"): (2.0, False),
    ("gpi", "thalamus"): (-4.0, True),
}
#: What phasic dopamine adds to the excitability of `d1` and takes from that of `d2`.
MODULATION = 0.2
#: Weight of a channel of the thalamus in the choice of its action.
CHOICE = 8.0


def circuit(task, units=32):
    """The circuit for a task with a choice of actions.

    Parameters
    ----------
    task : bgrl.tasks.Task
    units : int
        Neurons in the cortex; the other nuclei have `CHANNEL` for each action.

    Returns
    -------
    bgrl.circuit.Circuit
    """
    check_count("units", units)
    inputs = meta_inputs(task)
    channels = task.actor_channels
    size = channels * CHANNEL
    afferents = {"thalamus": size, **inputs, "cortex": units}
    weights = truncated_normal(1 / math.sqrt(sum(afferents.values()) + 1))
    tau = uniform(TAU_STEPS[0] * STEP, TAU_STEPS[1] * STEP)
    populations = {"cortex": rate_population(units, tau, weights, STEP)}
    for name, bias in BIAS.items():
        striatum = name in ("d1", "d2")
        populations[name] = Population(
            size,
            equations=STRIATUM if striatum else NUCLEUS,
            parameters={"tau": Parameter(TAU, unit="ms"), "bias": Parameter(bias)},
            drives=("drive", "modulation") if striatum else ("drive",),
        )
    projections = {f"{k}->cortex": Projection(k, "cortex", weights=weights) for k in afferents}
    for target in ("d1", "d2", "stn"):
        draw = truncated_normal(1 / math.sqrt(units))
        projections[f"cortex->{target}"] = Projection("cortex", target, weights=draw)
    focused = np.kron(np.eye(channels), np.ones((CHANNEL, CHANNEL)))
    for (source, target), (strength, within) in PATHWAYS.items():
        mask = focused if within else np.ones((size, size))
        projections[f"{source}->{target}"] = Projection(
            source,
            target,
            weights=mask * strength / mask.sum(1, keepdims=True),
            mask=mask,
            sign=1 if strength > 0 else -1,
            plastic=False,
        )
    for target, sign in (("d1", 1), ("d2", -1)):
        projections[f"dopamine->{target}"] = Projection(
            "dopamine", target, "modulation", weights=sign * MODULATION, plastic=False
        )
    reading = np.kron(np.eye(channels), np.ones((1, CHANNEL))) / CHANNEL
    actor = Readout(
        "motor",
        "thalamus",
        weights=CHOICE * reading,
        feedback=CHOICE * reading,
        feedback_to={
            "d1.rate": reading,
            "d2.rate": -reading,
            "cortex.rate": glorot_normal(units, channels),
        },
        plastic=False,
    )
    draw = glorot_normal(units, 1)
    critic = Readout("ventral_striatum", "cortex", weights=draw, feedback=draw)
    inputs = inputs | {"dopamine": 1}
    return Circuit(TAU, SUBSTEPS, populations, projections, inputs, actor, critic)
