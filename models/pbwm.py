"""Prefrontal cortex keeps what a gate of the basal ganglia lets in, and dopamine teaches the gate (PBWM).

After O'Reilly & Frank 2006, "Making working memory work", Neural Comput. 18:283, in as few neurons as
will do: one stripe of prefrontal cortex that copies what is seen, one neuron for Go and one for NoGo.
What is said here of their model was read in the descriptions of the authors' later programs
(github.com/emer/leabra, pbwm/README.md and examples/sir2/README.md), not in the paper; all numbers are
ours.

Anatomy
-------
cortex
    What is seen, a neuron for each observation.
pfc
    Prefrontal cortex, a neuron for each of cortex, which excites it, as it does itself. It is linear:
    with the gate shut it keeps what it has as it is, and with it the gradient through time.
d1, d2
    Striatum, Go and NoGo: direct and indirect pathway, the latter without external pallidum. They learn
    from cortex what opens and what shuts the gate.
gpi
    Internal pallidum, tonically active: the gate is shut. It takes from the gain of cortex onto pfc, and
    adds to that of pfc onto itself. Where it pauses, what is seen comes in and what was kept goes (in
    their model, too, gating first clears what was maintained). Thalamus is left out.
motor
    The actor, reads pfc only: what it does not keep cannot be answered.
ventral_striatum
    The critic, reads cortex.

The gate is two synapses behind cortex, so what cortex tells pfc is delayed by as much.

Learning
--------
The gate explores: the excitability of gpi is noisy. How much it opened by noise is told d1 and d2, and
leaves a tag, which fades, at each of their synapses that transmitted. A TD error turns tags into
weights: d1 learns what opened the gate before a reward that was better than expected, d2 what shut it.
In theirs tags are left by gating itself, and follow dopamine at reward only. All of it is local to the
synapse. Without these rules (`by_gradient`) the gate learns by the gradient of the policy, which must
cross d1, gpi and pfc: `rtrl` does, and methods that stay in a nucleus leave the gate as it was.
"""

from dataclasses import replace

import numpy as np

from bgrl.circuit import Circuit, Parameter, Population, Projection, Readout, Rule
from bgrl.errors import check_count

#: Duration of a task step (ms), and Euler steps in it: as many as synapses from observation to pfc by way
#: of the gate.
STEP, SUBSTEPS = 200.0, 4
#: Time constant of all neurons, in ms.
TAU = STEP / SUBSTEPS
#: Learning rate of the gate.
ALPHA = 0.01
#: Drive that cortex must overcome in d1 and d2; tonic excitability of gpi; strength of d1 and d2 onto it.
THRESHOLD, TONIC, STRENGTH = 1.0, 1.0, 8.0
#: Standard deviation of the noise that makes the gate explore, and its time constant in ms.
NOISE, TAU_NOISE = 1.0, 100.0
#: Weight of pfc onto itself with the gate open; with it shut that is doubled, and nothing is lost.
KEPT = 0.5
#: Sign with which d1 and d2 open the gate.
SIGNS = {"d1": 1, "d2": -1}
LINEAR = """
    drate/dt = (-rate + drive)/tau : 1
    tau : second
"""
STRIATUM = """
    drate/dt = (-rate + 1/(1 + exp(threshold - drive)))/tau : 1
    tau : second
"""
PALLIDUM = """
    drate/dt = (-rate + 1/(1 + exp(-drive - tonic - noise)))/tau : 1
    dnoise/dt = -noise/tau_noise + sigma*sqrt(2/tau_noise)*xi : 1
    tau : second
    tau_noise : second
"""


def circuit(task, units=32):
    """The circuit for a task.

    Parameters
    ----------
    task : bgrl.tasks.Task
    units : int
        Changes nothing: the task says how many neurons there are.

    Returns
    -------
    bgrl.circuit.Circuit
    """
    check_count("units", units)
    seen = len(task.observations)
    tau = {"tau": Parameter(TAU, unit="ms")}
    striatum = Population(
        1,
        equations=STRIATUM,
        parameters=tau | {"threshold": Parameter(THRESHOLD), "alpha": Parameter(ALPHA)},
        drives=("drive", "opened"),
    )
    noisy = {
        "tonic": Parameter(TONIC),
        "sigma": Parameter(NOISE),
        "tau_noise": Parameter(TAU_NOISE, unit="ms"),
    }
    populations = {
        "cortex": Population(seen, equations=LINEAR, parameters=tau),
        "pfc": Population(seen, equations=LINEAR, parameters=tau),
        "d1": striatum,
        "d2": striatum,
        "gpi": Population(1, equations=PALLIDUM, parameters=tau | noisy),
    }
    each, fixed = np.eye(seen), {"plastic": False}
    one = {"mask": each, "plastic": False}
    projections = {
        "observation->cortex": Projection("observation", "cortex", weights=each, **one),
        "cortex->pfc": Projection("cortex", "pfc", weights=each, delay=2 * TAU, **one),
        "pfc->pfc": Projection("pfc", "pfc", weights=KEPT * each, **one),
    }
    for name, sign in SIGNS.items():
        change = f"{'+' if sign > 0 else '-'} alpha*dopamine*eligibility"
        projections |= {
            f"cortex->{name}": Projection(
                "cortex",
                name,
                sign=1,
                rule=Rule(f"weight {change}", "trace_decay*eligibility + pre*opened"),
            ),
            f"{name}->gpi": Projection(name, "gpi", weights=-sign * STRENGTH, sign=-sign, **fixed),
            f"gpi->{name}": Projection("gpi", name, "opened", "noise", weights=-1.0, **fixed),
        }
    actor = Readout("motor", "pfc")
    critic = Readout("ventral_striatum", "cortex")
    made = Circuit(TAU, SUBSTEPS, populations, projections, {"observation": seen}, actor, critic)
    made = made.modulate("gpi", "cortex->pfc", "gain", weights=-1.0)
    return made.modulate("gpi", "pfc->pfc", "gain", weights=1.0)


def by_gradient(circuit):
    """The same circuit whose gate learns by the gradient, without tags."""
    for name in SIGNS:
        plain = replace(circuit.projections[f"cortex->{name}"], rule=None)
        # What only tags need goes with them.
        circuit = circuit.disconnect(f"gpi->{name}").disconnect(f"cortex->{name}")
        circuit = replace(circuit, projections={**circuit.projections, f"cortex->{name}": plain})
    return circuit
