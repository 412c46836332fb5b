"""A cortex that decides by itself, taught by basal ganglia that learn from reward.

Topalidou, Kase, Boraud & Rougier, "One critic, two actors: evidence for covert learning in the basal
ganglia". The loops of `models.guthrie_2013`, in which the cortex too may choose: its neurons compete with
each other, and associative neurons of cortex join its two parts. Basal ganglia learn from the TD error;
cortex learns by Hebb's rule which cues are chosen, whatever comes of it. Without the output of the
basal ganglia the cortex still decides, but by what it has learned so far only.

Anatomy
-------
That of `models.guthrie_2013`, with, beside it,

cortex_cognitive, cortex_motor, cortex_associative
    Each neuron excites itself and inhibits all others of its part; cognitive and motor neurons excite
    the associative neurons of their cue or position, and are excited by them.

Learning
--------
Synapses from cortex to the cognitive striatum change by the TD error of the outcome times the rate
of the striatal neuron, those of the chosen cue only. Those from the cognitive to the associative
cortex change at every choice by the rate of the former, those of the cue only that cognitive cortex
favours, which need not be the one at the position that was chosen. Both come to their bounds ever
more slowly. GPi is silenced by ``inactivate gpi_cognitive->thalamus_cognitive``, and the same of
the motor loop.

Numbers
-------
Those of its program (rougier/one-critic-two-actors, experiments/model.json, commit 9eef160, 2016),
in spikes/s and ms; the text of the paper was not read. Noise is that of `guthrie_2013`; there it is
of the potential, which in the striatum is not quite the same. Weights of one cue at all positions
are one weight there; here each is drawn by itself and all learn alike. Topalidou & Rougier 2015
(ReScience 1) is no model of its own: it reproduces `guthrie_2013`.
"""

from dataclasses import replace

import numpy as np

from bgrl.circuit import Parameter, Projection, Rule, normal
from bgrl.models import guthrie_2013 as guthrie
from bgrl.models.guthrie_2013 import BOUNDS, CHANNELS, SIZES, WEIGHT

#: Gains that differ from those of the model it is made of.
GAINS = {"gpi->thalamus": -0.3, "thalamus->cortex": 0.4, "cortex->thalamus": 0.1}
#: Of a cortical neuron onto itself, and minus that onto all others.
COMPETITION = 0.5
#: Gains between the parts of cortex.
CORTICAL = {
    ("cognitive", "associative"): 0.025,
    ("motor", "associative"): 0.01,
    ("associative", "cognitive"): 0.01,
    ("associative", "motor"): 0.025,
}
#: Standard deviation of weights that differ at first.
SPREAD = 0.005
#: Rates of learning: of the striatum for outcomes above and below the value, and of the cortex.
LTP, LTD, HEBB = 0.005, 0.003, 0.0005
#: What tells a synapse of a cue the rates of the other cues in cognitive cortex.
OTHERS = tuple(f"other_{k}" for k in range(1, CHANNELS))
#: What the model is made to learn with, see `bgrl.learning.Learning`.
LEARNING = guthrie.LEARNING | {"rate_critic": 0.025}


def circuit(task, units=CHANNELS):
    """The circuit for a task.

    Parameters
    ----------
    task : bgrl.tasks.Task
        As of `bgrl.models.guthrie_2013.circuit`.
    units : int
        Changes nothing.

    Returns
    -------
    bgrl.circuit.Circuit

    Raises
    ------
    InputError
        If the task has more actions than there are positions.
    """
    made = guthrie.circuit(task, units)
    populations = dict(made.populations)
    striatum = populations["striatum_cognitive"]
    learned = {"ltp": Parameter(LTP), "ltd": Parameter(LTD)}
    populations["striatum_cognitive"] = replace(striatum, parameters=striatum.parameters | learned)
    associative = populations["cortex_associative"]
    populations["cortex_associative"] = replace(
        associative,
        parameters=associative.parameters | {"hebb": Parameter(HEBB)},
        drives=("drive", "outcome", *OTHERS),
    )
    projections = {name: _changed(p) for name, p in made.projections.items()}
    taught = "cortex_cognitive->striatum_cognitive"
    change = "(ltp*int(dopamine > 0) + ltd*int(dopamine < 0))*dopamine*eligibility"
    if projections[taught].plastic:
        rule = Rule(_bounded(change, 1.0), "rate*outcome")
        projections[taught] = replace(projections[taught], rule=rule)
    projections |= _cortical(made, learns=projections[taught].plastic)
    return replace(made, populations=populations, projections=projections)


def _changed(projection):
    """With the gain, and the spread of weights, of this model."""
    source, target = (name.split("_")[0] for name in (projection.source, projection.target))
    p, gain = projection, GAINS.get(f"{source}->{target}")
    if gain is not None:
        return replace(p, weights=gain)
    if (source, target) == ("cortex", "striatum"):
        gain = p.weights.a / WEIGHT
        return replace(p, weights=normal(SPREAD * gain, WEIGHT * gain))
    return p


def _bounded(change, gain):
    """The next weight, which comes to its bounds ever more slowly; of a pathway with a gain."""
    lowest, highest = (gain * bound for bound in BOUNDS)
    slower = f"({highest!r} - weight)*(weight - {lowest!r})"
    return f"weight + {change}*{slower}/{gain!r}"


def _cortical(made, learns):
    """Projections inside cortex."""
    found = {}
    for part in ("cognitive", "motor", "associative"):
        size = SIZES[part]
        weights = COMPETITION * (2 * np.eye(size) - 1)
        name = f"cortex_{part}"
        found[f"{name}->{name}"] = Projection(name, name, weights=weights, plastic=False)
    for (part, target), gain in CORTICAL.items():
        name = f"cortex_{part}->cortex_{target}"
        found[name] = Projection(
            f"cortex_{part}",
            f"cortex_{target}",
            weights=normal(SPREAD * gain, WEIGHT * gain),
            mask=guthrie.topography(part, target),
            plastic=False,
        )
    learned = "cortex_cognitive->cortex_associative"
    gain = CORTICAL["cognitive", "associative"]
    favoured = "*".join(f"int(pre > {name})" for name in OTHERS)
    rule = Rule(_bounded("hebb*eligibility", gain), f"pre*{favoured}*outcome")
    found[learned] = replace(found[learned], rule=rule, plastic=learns)
    of_cue = guthrie.topography("cognitive", "associative")
    for k, name in enumerate(OTHERS, 1):
        other = of_cue @ np.roll(np.eye(CHANNELS), k, axis=1)
        found[name] = Projection(
            *("cortex_cognitive", "cortex_associative", name), weights=other, plastic=False
        )
    # That a cue was chosen, whichever it was.
    told = made.projections["outcome"]
    any_cue = np.ones_like(of_cue) @ told.weights
    found["choice"] = replace(told, target="cortex_associative", weights=any_cue)
    return found
