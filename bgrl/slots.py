"""One step of an agent, as a table: reading it is reading the algorithm.

`SLOTS` is the schedule of a step; every part of `bgrl.step` puts what it does into one of its slots.
"""

#: One step, in order: slot and what happens in it.
SLOTS = {
    "environment": "the task takes action a(t), emits observation, reward, done",
    "reset": "where done: state and sensitivities start anew; the next input is put together",
    "drive": "summed input to every population, from the input and the rates h(t)",
    "cortex": "one Euler step of the rate equations, h(t) to h(t+1), and its derivatives",
    "sensitivity": "sensitivity J(t) to J(t+1), from the same h(t), input and drive",
    "striatum": "critic v, policy, action a(t+1), learning signals to the populations",
    "dopamine": "TD error = r + discount v (1 - done) - v_previous, sent to every target",
    "plasticity": "parameters move by TD error times eligibility, as it stood before this step",
    "eligibility": "eligibility decays (where done: starts anew), and this step's gradient is added",
}
#: Repeated for every Euler step of a task step.
SUBSTEP_SLOTS = ("drive", "cortex", "sensitivity")
#: Left out when the agent is evaluated.
LEARNING_SLOTS = ("sensitivity", "plasticity", "eligibility")


def unroll(slots, substeps, learn):
    """Slots of one task step in the order in which they run, sub-steps repeated.

    Parameters
    ----------
    slots : sequence of str
        `SLOTS`, in order.
    substeps : int
        Euler steps per task step.
    learn : bool
        Whether learning is part of it.
    """
    kept = [slot for slot in slots if learn or slot not in LEARNING_SLOTS]
    inner = [slot for slot in kept if slot in SUBSTEP_SLOTS]
    order = []
    for slot in kept:
        if slot not in SUBSTEP_SLOTS:
            order.append(slot)
        elif slot == inner[0]:
            order += substeps * inner
    return order
