"""What lesions take and what may not learn: masks, cleared memory of synapses, weights that are held."""

from dataclasses import replace
from math import prod

from bgrl.interventions import changes, modulated, modulation_places
from bgrl.step.modulation import Hold, Modulation, Part, Pathway


def write(b, plan):
    """Operations that follow the vector of interventions; slots environment and plasticity."""
    if not plan.intervened:
        return
    description = plan.structure["interventions"]
    where = modulation_places(description)
    for name in description["pathways"]:
        for place in plan.places[name]:
            _keep(b, place)
    pathways = tuple(
        Pathway(
            where[f"transmission of {name}"][0],
            where[f"plasticity of {name}"][0],
            tuple(_part(b, place) for place in plan.places[name]),
        )
        for name in description["pathways"]
    )
    size = b.groups["modulation"].size
    silent = dict.fromkeys(_silent(b, plan, where))
    of_synapses = tuple(n for _, n, *_ in silent if b.groups[n.split(".")[0]].ends)
    b.operate(
        "environment", Modulation, tuple(where.values()), pathways, tuple(silent), of_synapses
    )
    b.operate("plasticity", Hold, size, pathways)


def begin(agent, interventions, state):
    """Set the table of interventions, and what is intact, in the state from which a run starts.

    Parameters
    ----------
    agent : bgrl.agent.Agent
    interventions : sequence of bgrl.interventions.Intervention
    state : dict of str to ndarray
        Is changed.
    """
    set_table(agent, interventions, state)
    for first, last, base in modulation_places(modulated(agent)).values():
        state["modulation.value"][:, first:last] = base
    state["intervention.since"][...] = state["intervention.checkpoint"][...] = -1
    for name in state:
        if ".intact_" in name:
            state[name][...] = state[name.replace(".intact_", ".")]


def set_table(agent, interventions, state):
    """Set the rows of the table; those behind the last do nothing.

    Parameters
    ----------
    agent : bgrl.agent.Agent
    interventions : sequence of bgrl.interventions.Intervention
    state : dict of str to ndarray
        Is changed.
    """
    where = modulation_places(modulated(agent))
    for name in ("intervention.event", "intervention.delay", "intervention.duration"):
        state[name][...] = 0
    state["effect.change"][...] = 0
    for k, (event, delay, duration, effects) in enumerate(changes(agent, interventions)):
        for name, value in (("event", event), ("delay", delay), ("duration", duration)):
            state[f"intervention.{name}"][:, k] = value
        for name, (neurons, value) in effects.items():
            first, last, base = where[name]
            columns = slice(first, last) if neurons is None else [first + n for n in neurons]
            # What is multiplied is kept as the difference to 1, so that an empty row does nothing.
            state["effect.change"][:, k, columns] = value - base


def _keep(b, place):
    """Add what a parameter is held at, and the masks as they are without interventions."""
    group, key = place.group, place.variable
    names = [f"held_{key}"]
    if key == "weight":
        names += ["intact_mask"]
        names += ["intact_feedback"] if "feedback" in b.groups[group].variables else []
    b.variables(group, *(n for n in names if n not in b.groups[group].variables))


def _part(b, place):
    """Some parameters of a group, with all that is kept of them."""
    group, key = place.group, place.variable
    rows, columns = (*b.groups[group].shape, 1)[:2]
    masks = [v for v in ("mask", "feedback") if f"intact_{v}" in b.groups[group].variables]
    cleared = b.kept_for(f"{group}.{key}")
    part = Part(
        (*place.rows, rows),
        (*(place.columns or (0, 1)), columns),
        f"{group}.{key}",
        f"{group}.held_{key}",
        tuple((f"{group}.{v}", f"{group}.intact_{v}") for v in masks),
        tuple((name, size // (rows * columns)) for name, size in cleared.items()),
        (),
    )
    of_synapses = (name for name in part.arrays() if b.groups[name.split(".")[0]].ends)
    return replace(part, synapses=tuple(of_synapses))


def _silent(b, plan, where):
    """Sensitivities of neurons that are silent: place of their rate, array, neurons, entries of each.

    What their synapses keep goes on.
    """
    for block in plan.blocks:
        for exact, states in ((False, block.states), (True, block.exact)):
            for name, variable in states:
                if variable in plan.populations[name].get("kept", ()):
                    continue
                array = block.array(name, variable, exact)
                entries = prod(b.groups[array.split(".")[0]].shape[1:])
                yield where[f"{name}.modulation_rate"][0], array, plan.sizes[name], entries
