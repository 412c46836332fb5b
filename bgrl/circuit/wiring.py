"""Wiring patterns: which synapses between two groups of neurons exist.

Each is a function of the number of target and source neurons that returns an array of 0 and 1,
(target, source), the same for the same seed: ``circuit.wire("stn->gpi", wiring.random, density=0.2)``.
All take a `seed`, those that draw nothing too.
"""

from itertools import pairwise

import numpy as np

from bgrl.errors import InputError, check_count, check_number
from bgrl.random import generator


def all_to_all(targets, sources, seed=0):
    """Every source contacts every target."""
    return np.ones((targets, sources), int)


def random(targets, sources, seed=0, *, density):
    """A share of all synapses, to the nearest whole synapse, drawn evenly.

    Parameters
    ----------
    density : float
        0 to 1.

    Raises
    ------
    InputError
        If the density is not from 0 to 1.
    """
    check_number("density", density, 0, 1)
    mask = np.zeros((targets, sources), int)
    chosen = generator(seed).permutation(mask.size)[: round(density * mask.size)]
    mask.flat[chosen] = 1
    return mask


def distance(targets, sources, seed=0, *, width):
    """The nearer two neurons, the more likely they are connected.

    Both groups lie evenly on a ring of circumference 1; a synapse over the distance d exists with
    probability exp(-d^2 / (2 width^2)), the Gaussian of Hellwig (2000), Biol. Cybern. 82:111.

    Parameters
    ----------
    width : float
        Above 0, of the circumference.

    Raises
    ------
    InputError
        If the width is not above 0.
    """
    if not check_number("width", width) > 0:
        raise InputError(f"width is {width!r}; a positive number is needed")
    places = [(np.arange(n) + 0.5) / n for n in (targets, sources)]
    apart = np.abs(np.subtract.outer(*places))
    apart = np.minimum(apart, 1 - apart)
    probability = np.exp(-(apart**2) / (2 * width**2))
    return (generator(seed).random((targets, sources)) < probability).astype(int)


def channels(targets, sources, seed=0, *, number):
    """Parallel channels, each of neighbouring neurons: synapses stay in their channel.

    Alexander, DeLong & Strick (1986), Annu. Rev. Neurosci. 9:357; the channels of Gurney, Prescott &
    Redgrave (2001), Biol. Cybern. 84:401.

    Parameters
    ----------
    number : int
        Channels, at most as many as neurons on either side.

    Raises
    ------
    InputError
        If the number is no positive integer, or there are fewer neurons on one side.
    """
    check_count("number of channels", number)
    if number > min(targets, sources):
        raise InputError(
            f"{number} channels need as many neurons; there are {min(targets, sources)}"
        )
    own = [np.arange(n) * number // n for n in (targets, sources)]
    return np.equal.outer(*own).astype(int)


def small_world(targets, sources, seed=0, *, neighbours, probability):
    """A ring whose neurons contact their nearest neighbours, with some synapses sent elsewhere.

    Watts & Strogatz (1998), Nature 393:440, directed: every neuron keeps its number of efferents.

    Parameters
    ----------
    neighbours : int
        Even: half on either side.
    probability : float
        That a synapse goes to a neuron drawn evenly instead, neither its source nor a target already.

    Raises
    ------
    InputError
        If targets and sources are not as many, `neighbours` is no even, positive number below
        theirs, or the probability is not from 0 to 1.
    """
    check_number("probability", probability, 0, 1)
    if targets != sources:
        raise InputError(f"a ring needs one group of neurons; {sources} are not {targets}")
    check_count("neighbours", neighbours)
    if neighbours % 2 or neighbours >= sources:
        raise InputError(f"neighbours is {neighbours}; an even number below {sources} is needed")
    draw = generator(seed)
    mask = np.zeros((targets, sources), int)
    for source in range(sources):
        for offset in range(1, neighbours // 2 + 1):
            mask[[(source + offset) % targets, (source - offset) % targets], source] = 1
    for source in range(sources):
        for target in np.flatnonzero(mask[:, source]):
            free = np.flatnonzero(mask[:, source] == 0)
            free = free[free != source]
            if len(free) and draw.random() < probability:
                mask[target, source] = 0
                mask[draw.choice(free), source] = 1
    return mask


def fan_out(targets, sources, seed=0, *, synapses, among=None):
    """Every source contacts a number of targets, and no target is left out.

    The rule between two layers of `neural_circuit_policy`. A target that nobody contacts gets as many
    sources as the others have on average, at least one.

    Parameters
    ----------
    synapses : int
        Of each source.
    among : int, optional
        Only the first so many targets are contacted; all where nothing is said.

    Raises
    ------
    InputError
        If `synapses` or `among` is no positive integer, or there are not as many targets.
    """
    check_count("synapses", synapses)
    among = targets if among is None else among
    check_count("among", among)
    if synapses > among or among > targets:
        raise InputError(f"{synapses} synapses to {among} of {targets} neurons cannot be")
    draw = generator(seed)
    mask = np.zeros((targets, sources), int)
    mask[:among] = _contacts(draw, among, sources, synapses)
    wanted = max(1, sources * synapses // among)
    for target in np.flatnonzero(mask[:among].sum(axis=1) == 0):
        mask[target, draw.permutation(sources)[:wanted]] = 1
    return mask


def neural_circuit_policy(targets, sources, seed=0, *, layers, synapses, recurrent):
    """Sensory, inter, command and motor neurons of one population, a sparse chain.

    Lechner et al. (2020), Nat. Mach. Intell. 2:642, without their polarities, which are the sign of a
    projection here. Neurons are ordered by layer; each layer contacts the next as in `fan_out`, and the
    command neurons (the last layer but one) each other. Where the inputs are the sensory neurons, wire
    them to the inter neurons by ``fan_out(..., among=inter)``. Between populations, `fan_out` is the
    rule.

    Parameters
    ----------
    layers : sequence of int
        Neurons of each layer, three (inter, command, motor) or four (sensory first), all neurons
        together.
    synapses : int
        Of each neuron to the next layer, at most all of it.
    recurrent : int
        Of each command neuron to command neurons.

    Raises
    ------
    InputError
        If the layers are not three or four that make up all neurons of one group, or a number is no
        positive integer.
    """
    if targets != sources or sum(layers) != sources or len(layers) not in (3, 4):
        raise InputError(
            f"layers {tuple(layers)} are not three or four that make up one group of {sources} neurons"
        )
    for name, count in (("synapses", synapses), ("recurrent", recurrent)):
        check_count(name, count)
    for size in layers:
        check_count("size of a layer", size)
    edges = np.cumsum((0, *layers))
    parts = [slice(*edge) for edge in pairwise(edges)]
    draw = generator(seed)
    mask = np.zeros((targets, sources), int)
    for k, (source, target) in enumerate(pairwise(parts)):
        size = layers[k + 1]
        own = int(draw.integers(2**32))
        mask[target, source] = fan_out(size, layers[k], own, synapses=min(synapses, size))
    command, size = parts[-2], layers[-2]
    mask[command, command] = _contacts(draw, size, size, min(recurrent, size))
    return mask


def _contacts(draw, targets, sources, synapses):
    mask = np.zeros((targets, sources), int)
    for source in range(sources):
        mask[draw.permutation(targets)[:synapses], source] = 1
    return mask
