"""A cognitive and a motor loop through cortex and basal ganglia that choose a cue and where it is.

Guthrie, Leblois, Garenne & Boraud 2013, "Interaction between cognitive and motor cortico-basal ganglia
loops during decision making: a computational study", J. Neurophysiol. 109:3025. Two of four cues are
shown at two of four positions. The cognitive loop chooses a cue, the motor loop a position, and
associative neurons, one for each cue at each position, let the first bias the second. Each loop is a
competition of the direct pathway, a positive feedback through the striatum of its own channel, with the
hyperdirect one, a negative feedback through STN onto all channels; noise decides until something is
learned.

Anatomy
-------
cortex_cognitive, cortex_motor, cortex_associative
    Four cues, four positions, and sixteen pairs; see what the task shows of them.
striatum_cognitive, striatum_motor, striatum_associative
    Receive the cortex of their own name; associative neurons those of their cue and position, too.
stn_cognitive, stn_motor
    Receive the cortex of their own channel, excite all channels of their GPi.
gpi_cognitive, gpi_motor
    Inhibited by the striatum of their channel and by the associative neurons that belong to it.
thalamus_cognitive, thalamus_motor
    Inhibited by GPi, in a loop of excitation with the cortex of their channel.
accumbens
    One neuron for each cue, active where it was chosen.
dorsal_striatum
    The actor: the motor neuron that fires most has its position chosen.
ventral_striatum
    The critic: the value of the cue that was chosen.

Neurons
-------
A rate follows its input above a threshold, tau drate/dt = clip(input - threshold, 0, 1000) - rate, in the
striatum a sigmoid of it. Noise is in proportion to the rate. In the programs below the potential follows
the input and the rate is cut from it; where nothing moves both are the same.

Learning
--------
Synapses from cognitive cortex to cognitive striatum change by the dopamine of the outcome times the rate
of the striatal neuron, those of the chosen cue only: more for a reward above its value (`LTP`) than for
one below (`LTD`). Values follow with the rate 0.05 (`LEARNING`). A task that does not tell which cue was
chosen teaches nothing.

Numbers
-------
Those of the programs of Rougier and Topalidou that reproduce the paper
(basal-ganglia/guthrie-et-al-2013 in rougier/Neurosciences, commit a5d01bd), in spikes/s and ms. The
text of the paper was not read at the source, nor that of their reproduction of it (Topalidou &
Rougier 2015, ReScience 1). In model-learning.py noise is drawn in every ms, uniformly, as wide as a
share of the rate (`NOISE`); here it is white with the same variance, the square of that width over
12. Their program in Cython adds noise of that width, whatever the rate. `DT` is theirs, `STEP` and
`GAIN` are ours.
"""

from dataclasses import replace

import numpy as np

from bgrl.circuit import Circuit, Parameter, Population, Projection, Readout, Rule, normal
from bgrl.errors import InputError, check_count
from bgrl.tasks.common import whole_steps

#: Cues, and positions.
CHANNELS = 4
PARTS = ("cognitive", "motor", "associative")
#: Neurons of each part, in the order of what the task shows; and of what tells which cue was chosen.
SIZES = {"cognitive": 4, "motor": 4, "associative": 16, "chosen": 4}
#: Threshold of each nucleus; negative where neurons fire without input.
THRESHOLDS = {"cortex": -3.0, "striatum": 0.0, "stn": -10.0, "gpi": 10.0, "thalamus": -40.0}
#: Width of the uniform noise that is drawn in a ms, as a share of the rate.
NOISE = {"cortex": 0.01, "striatum": 0.001, "stn": 0.001, "gpi": 0.03, "thalamus": 0.001}
#: How much of the width of uniform noise is its standard deviation.
WIDTH = 1 / np.sqrt(12)
#: Time constant of all neurons, in ms.
TAU = 10.0
#: Gain of each pathway, in both loops; those that begin with "associative" leave associative neurons.
GAINS = {
    "cortex->striatum": 1.0,
    "cortex->associative striatum": 0.2,
    "cortex->stn": 1.0,
    "striatum->gpi": -2.0,
    "associative striatum->gpi": -2.0,
    "stn->gpi": 1.0,
    "gpi->thalamus": -0.5,
    "thalamus->cortex": 1.0,
    "cortex->thalamus": 0.4,
}
#: Striatal rate: lowest, highest, input of half of it, and the width of the rise.
SIGMOID = {"lowest": 0.0, "highest": 20.0, "half": 16.0, "width": 3.0}
#: Input of a cue to each of its three cortical neurons.
CUE = 7.0
#: Weights from cortex to striatum: mean and standard deviation at first, and bounds.
WEIGHT, SPREAD, BOUNDS = 0.5, 0.0025, (0.25, 0.75)
#: Rates of learning for outcomes above and below the value.
LTP, LTD = 0.002, 0.001
RULE = Rule(
    "clip(weight + (ltp*int(dopamine > 0) + ltd*int(dopamine < 0))*dopamine*eligibility, "
    f"{BOUNDS[0]}, {BOUNDS[1]})",
    "rate*outcome",
)
#: Duration of a task step, if the task says nothing, and of an Euler step, in ms.
STEP, DT = 1.0, 1.0
#: How the actor reads the motor cortex: ten spikes/s more make a choice e^10 times as likely.
GAIN = 1.0
#: What the model is made to learn with, see `bgrl.learning.Learning`: values of the outcome alone.
LEARNING = {
    "sensitivity": "none",
    "optimizer": "sgd",
    "discount": 0.0,
    "rate_critic": 0.05,
    "rate_actor": 0.0,
    "entropy_weight": 0.0,
}


def circuit(task, units=CHANNELS):
    """The circuit for a task.

    Parameters
    ----------
    task : bgrl.tasks.Task
        Its first four observations are cues, the next four positions, the next sixteen pairs of them (cue
        by cue), and the last four which cue was chosen; its actions are positions.
    units : int
        Changes nothing: there is a neuron for each cue, position and pair.

    Returns
    -------
    bgrl.circuit.Circuit

    Raises
    ------
    InputError
        If the task has more actions than there are positions.
    """
    check_count("units", units)
    seen, actions = len(task.observations), task.actor_channels
    if actions > CHANNELS:
        raise InputError(
            f"task {task.name!r} has {actions} actions; the model guthrie_2013 has {CHANNELS} positions"
        )
    first = np.cumsum([0, *SIZES.values()])
    told = seen == first[-1]  # which cue was chosen
    shown = {
        part: np.eye(size, seen, start)
        for (part, size), start in zip(SIZES.items(), first, strict=False)
    }
    populations = {
        f"{nucleus}_{part}": _nucleus(nucleus, SIZES[part])
        for nucleus in THRESHOLDS
        for part in PARTS
        if part != "associative" or nucleus in ("cortex", "striatum")
    }
    striatum = populations["striatum_cognitive"]
    populations["striatum_cognitive"] = replace(
        striatum,
        parameters=striatum.parameters | {"ltp": Parameter(LTP), "ltd": Parameter(LTD)},
        drives=("drive", "outcome"),
    )
    populations["accumbens"] = Population(CHANNELS, map={"rate": "drive"})
    projections = {
        f"observation->cortex_{part}": _fixed("observation", f"cortex_{part}", CUE * shown[part])
        for part in PARTS
    }
    projections["observation->accumbens"] = _fixed("observation", "accumbens", shown["chosen"])
    projections["outcome"] = _fixed(
        "observation", "striatum_cognitive", shown["chosen"], drive="outcome"
    )
    for part in PARTS:
        _connect(projections, "cortex", "striatum", part, part, spread=True)
    for part in ("cognitive", "motor"):
        _connect(projections, "cortex", "striatum", part, "associative", spread=True)
        _connect(projections, "striatum", "gpi", "associative", part)
        for name in ("cortex->stn", "striatum->gpi", "stn->gpi", "gpi->thalamus"):
            _connect(projections, *name.split("->"), part, part)
        _connect(projections, "thalamus", "cortex", part, part)
        _connect(projections, "cortex", "thalamus", part, part)
    learned = "cortex_cognitive->striatum_cognitive"
    projections[learned] = replace(projections[learned], rule=RULE, plastic=told)
    return Circuit(
        dt=DT,
        substeps=whole_steps("step", task.step_duration or STEP, DT),
        populations=populations,
        projections=projections,
        inputs={"observation": seen},
        actor=Readout(
            "dorsal_striatum",
            "cortex_motor",
            weights=GAIN * np.eye(actions, CHANNELS),
            plastic=False,
        ),
        critic=Readout("ventral_striatum", "accumbens", weights=0.5, plastic=told),
    )


def _nucleus(nucleus, size):
    """Neurons of a nucleus, with a sigmoid in the striatum."""
    total = "drive - threshold"
    driven = f"clip({total}, 0, 1000)"
    parameters = {
        "tau": Parameter(TAU, unit="ms"),
        "threshold": Parameter(THRESHOLDS[nucleus]),
        # What is drawn in a ms, and acts for as long.
        "noise": Parameter(NOISE[nucleus] * np.sqrt(DT / TAU) * WIDTH),
    }
    if nucleus == "striatum":
        driven = f"lowest + (highest - lowest)/(1 + exp((half - ({total}))/width))"
        parameters |= {name: Parameter(value) for name, value in SIGMOID.items()}
    return Population(
        size,
        equations=f"""
            drate/dt = (-rate + {driven})/tau + noise*rate/sqrt(tau)*xi : 1
            tau : second
        """,
        parameters=parameters,
    )


def _fixed(source, target, weights, drive="drive"):
    return Projection(source, target, drive, weights=weights, plastic=False)


def _connect(projections, nucleus, other, part, target, spread=False):
    """Connect a part of one nucleus with a part of another, channel by channel or as its name says."""
    named = f"associative {nucleus}" if part == "associative" != target else nucleus
    onto = f"associative {other}" if target == "associative" != part else other
    gain = GAINS[f"{named}->{onto}"]
    mask = topography(part, target) if nucleus != "stn" else np.ones((CHANNELS, CHANNELS))
    name = f"{nucleus}_{part}->{other}_{target}"
    weights = normal(SPREAD * gain, WEIGHT * gain) if spread else gain
    projections[name] = Projection(
        f"{nucleus}_{part}",
        f"{other}_{target}",
        weights=weights,
        mask=mask,
        plastic=False,
    )


def topography(part, target):
    """Which neurons of a part reach which of another, (target, source)."""
    one, every = np.eye(CHANNELS), np.ones((CHANNELS, 1))
    of_cue, of_position = np.kron(one, every), np.kron(every, one)
    pairs = {"cognitive": of_cue, "motor": of_position}
    if part == target:
        return np.eye(SIZES[part])
    return pairs[part] if target == "associative" else pairs[target].T
