"""Opponent actor learning (OpAL): direct and indirect pathway learn from dopamine with opposite signs.

Collins & Frank, "Opponent actor learning (OpAL)", Psychol. Rev. 121:337 (2014). A critic learns values V,
two actors the weights G (go) and N (no go) of actions::

    delta = r - V
    V <- V + alpha_c delta        G <- G + alpha G delta        N <- N - alpha N delta
    policy = softmax(beta_G G - beta_N N),  beta_G = beta (1 + rho),  beta_N = beta (1 - rho)

Tonic dopamine rho, from -1 to 1, shifts choice from costs to benefits. Learning follows delta alone.

Anatomy
-------
cortex
    What is seen, a neuron for each observation.
d1, d2
    Dorsal striatum, direct and indirect pathway, a neuron for each action: the synapses from cortex are
    G and N. Dopamine multiplies what d1 sends on by 1 + rho, and d2 by 1 - rho.
thalamus
    A neuron for each action, excited by d1 and inhibited by d2; pallidum is left out. The action is
    drawn from its activity.
ventral_striatum
    The critic; its synapses from cortex are V. It is read by `vta`, where the TD error arises.

Learning
--------
A synapse onto d1 or d2 is eligible for one step if it transmitted and its neuron's action was chosen; one
onto ventral striatum, if it transmitted. So feedback must follow a choice at once, as the paper has it.
An observation whose name starts with that of an action, as `left_A`, reaches that action only; others
reach all actions. Discount, optimizer and learning rates of a run have no influence on weights if what
comes before the choice is unseen or, with a discount of 1, stays the same.

The input `dopamine` is rho plus the rectified TD error of the step before. Two steps without anything
to see after feedback, and it is rho.

Numbers
-------
Learning rates and beta are the "original parameters" of the authors' later program (github.com/amjaskir/
opal-star, helpers/params.py; Jaskir & Frank 2023, eLife 12:e85107), in which rewards are 1 and -1, as
are beta_G and beta_N. They are not checked against the text of the paper. Initial G and N of 1 and
V of 0 are in both.
"""

import numpy as np

from bgrl.circuit import Circuit, Parameter, Population, Projection, Readout, Rule
from bgrl.errors import check_count

#: Learning rates of the value of what is seen, and of G and N.
ALPHA_CRITIC, ALPHA_ACTOR = 0.1, 0.3
#: How many observations are seen at once; their synapses share `ALPHA_CRITIC`, for V is their sum.
SEEN = 2
#: Inverse temperature.
BETA = 1.5
#: Duration of a task step (ms), and updates in it: as many as synapses from input to thalamus.
STEP, SUBSTEPS = 20.0, 3
#: Sign with which dopamine acts on what a pathway learns and sends on.
SIGNS = {"d1": 1, "d2": -1}


def circuit(task, units=32):
    """The circuit for a task with a choice of actions.

    Parameters
    ----------
    task : bgrl.tasks.Task
    units : int
        Changes nothing: task and anatomy say how many neurons there are.

    Returns
    -------
    bgrl.circuit.Circuit
    """
    check_count("units", units)
    seen, actions = len(task.observations), task.actor_channels
    each = np.eye(actions)
    striatum = {
        "map": {"rate": "drive*(1 + modulation)"},
        "parameters": {"alpha": Parameter(ALPHA_ACTOR)},
        "drives": ("drive", "modulation"),
    }
    populations = {
        "cortex": Population(seen, map={"rate": "drive"}),
        "d1": Population(actions, **striatum),
        "d2": Population(actions, **striatum),
        "thalamus": Population(actions, map={"rate": "drive"}),
        "ventral_striatum": Population(
            1, map={"rate": "drive"}, parameters={"alpha": Parameter(ALPHA_CRITIC / SEEN)}
        ),
    }
    projections = {
        "observation->cortex": _fixed("observation", "cortex", np.eye(seen)),
        "cortex->ventral_striatum": Projection(
            "cortex",
            "ventral_striatum",
            rule=Rule("weight + alpha*dopamine*eligibility", "pre"),
        ),
    }
    for name, sign in SIGNS.items():
        change = f"{'+' if sign > 0 else '-'} alpha*weight*dopamine*eligibility"
        projections |= {
            f"cortex->{name}": Projection(
                "cortex",
                name,
                weights=1.0,
                mask=_topography(task),
                rule=Rule(f"weight {change}", "pre*chosen"),
            ),
            f"dopamine->{name}": _fixed("dopamine", name, sign, "modulation"),
            f"{name}->thalamus": _fixed(name, "thalamus", sign * BETA * each),
        }
    actor = Readout(
        "motor",
        "thalamus",
        weights=each,
        feedback_to={"d1.rate": each, "d2.rate": each},
        plastic=False,
    )
    critic = Readout("vta", "ventral_striatum", weights=1.0, plastic=False)
    inputs = {"observation": seen, "dopamine": 1}
    return Circuit(STEP / SUBSTEPS, SUBSTEPS, populations, projections, inputs, actor, critic)


def _fixed(source, target, weights, drive="drive"):
    return Projection(source, target, drive, weights=weights, plastic=False)


def _topography(task):
    """Which observations reach which actions, (action, observation)."""
    own = np.array(
        [[seen.startswith(f"{action}_") for seen in task.observations] for action in task.actions]
    )
    reaches = own | ~own.any(axis=0)
    # Continuous actions have two channels each.
    return np.tile(reaches, (task.actor_channels // len(task.actions), 1)).astype(int)
