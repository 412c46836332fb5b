"""The parts of a step in their order, the blueprint that they write, and the state a run starts from."""

import numpy as np

from bgrl.agent import MAX_SEED
from bgrl.agent.plan import Plan
from bgrl.errors import BlueprintError, InputError, check_integer
from bgrl.step import (
    dopamine,
    eligibility,
    environment,
    feedback,
    gradient,
    hold,
    interventions,
    nucleus,
    optimizer,
    oracle,
    policy,
    readout,
    rules,
    sensitivity,
    synapses,
)
from bgrl.step.blueprint import Blueprint

#: Within a slot, what an earlier part writes happens first.
PARTS = (
    environment,
    nucleus,
    synapses,
    sensitivity,
    readout,
    policy,
    dopamine,
    interventions,
    feedback,
    gradient,
    oracle,
    optimizer,
    eligibility,
    rules,
    hold,
)


def blueprint(structure):
    """Write down the step of an agent.

    Parameters
    ----------
    structure : dict
        `bgrl.agent.Agent.structure`.

    Returns
    -------
    Blueprint
    """
    b, plan = Blueprint(structure), Plan(structure)
    for part in PARTS:
        part.write(b, plan)
    b.check()
    return b


def initial_state(agent, layout, seed, interventions=()):
    """The state in which a run starts.

    Parameters
    ----------
    agent : bgrl.agent.Agent
    layout : dict of str to (dtype, shape)
        The arrays of the program.
    seed : int
        0 to 2**31 - 1.
    interventions : sequence of bgrl.interventions.Intervention
        Of a program whose structure was made for them.

    Returns
    -------
    dict of str to ndarray
        Every array of `layout`; what nothing is said of is zero.

    Raises
    ------
    InputError
        For a seed that cannot be, or a number that the type of the program cannot hold.
    """
    seed = check_integer("seed", seed, 0, MAX_SEED)
    plan = Plan(agent.structure("modulation.value" in layout))
    state = {name: np.zeros(shape, dtype) for name, (dtype, shape) in layout.items()}
    for part in PARTS:
        for name, value in getattr(part, "start", _nothing)(agent, plan, seed).items():
            if name not in state:
                raise BlueprintError(f"{part.__name__} starts {name}, which does not exist")
            _put(name, state[name], value)
    if plan.intervened:
        hold.begin(agent, interventions, state)
    return state


def _put(name, array, value):
    """Fill an array of the state."""
    with np.errstate(over="ignore"):
        array[...] = value
    if array.dtype.kind == "f" and not np.isfinite(array).all() and np.isfinite(value).all():
        raise InputError(
            f"{name} starts at {np.abs(value).max():.3g}, which {array.dtype} cannot hold; a smaller "
            "number, or dtype float64, is needed"
        )


def _nothing(agent, plan, seed):
    return {}
