"""Beta oscillations of the subthalamic nucleus and the globus pallidus when dopamine is lost.

Nevado Holgado, Terry & Bogacz 2010, "Conditions for the generation of beta oscillations in the
subthalamic nucleus-globus pallidus network", J. Neurosci. 30:12340. Two nuclei that excite and inhibit
each other through axons that take time; the less dopamine, the stronger their synapses. Nothing is
learned.

Anatomy
-------
stn
    Excited by cortex, inhibited by GPe.
gpe
    Excited by STN, inhibited by itself and by d2, the striatal neurons of the indirect pathway.
cortex, d2
    Constant rates; what a task shows does not reach them.
dorsal_striatum, ventral_striatum
    Actor and critic, without counterpart in the paper: they choose at random and expect nothing.

Neurons
-------
The rate follows a sigmoid of its input, tau drate/dt = F(input) - rate with F(x) = maximum/(1 +
(maximum - resting)/resting exp(-4 x/maximum)): `resting` without input, slope 1 at half of the maximum.
White noise moves every rate, by a standard deviation of `NOISE` where nothing else does. It is ours, as
are `DT` and `STEP`. With several `units` a nucleus has as many neurons, each with noise of its
own, and all are connected with all by weights divided by their number.

A weight is that of health, that of the parkinsonian animal without dopamine, and on the straight line
between them in between: health (1 + depletion rise), depletion = 1 - dopamine, from 0 to 1. Dopamine is
the input of that name, `Dopamine.tonic` plus the TD error of the step before; tonic 1 is health.

Numbers
-------
Those of tables 1 and 3 of the paper, as a public program quotes them that says it follows these tables
and equations 3 and 5 (a stimulated STN, in MATLAB; the script without dopamine has the same). They are
not checked against the text of the paper. Of that the abstract was read: the loop oscillates in the beta
band (13 to 30 Hz) if (1) STN and GPe are coupled strongly enough, (2) neurons react fast compared with
the delays, and (3) cortex excites STN much compared with how striatum inhibits GPe.
"""

from bgrl.circuit import Circuit, Dopamine, Parameter, Population, Projection, Readout
from bgrl.errors import check_count
from bgrl.tasks.common import whole_steps

#: Weight in health and without dopamine, of every pathway; those from GPe and striatum inhibit.
WEIGHTS = {
    "cortex->stn": (2.42, 9.2),
    "gpe->stn": (1.12, 10.7),
    "stn->gpe": (19.0, 20.0),
    "gpe->gpe": (6.60, 12.3),
    "d2->gpe": (15.1, 139.4),
}
#: How long signals take, in ms.
DELAYS = {"gpe->stn": 6.0, "stn->gpe": 6.0, "gpe->gpe": 4.0}
#: Time constants, in ms; highest rate, and rate without input, in spikes/s.
TAU = {"stn": 6.0, "gpe": 14.0}
MAXIMUM = {"stn": 300.0, "gpe": 400.0}
RESTING = {"stn": 17.0, "gpe": 75.0}
#: Constant rates, in spikes/s.
RATES = {"cortex": 27.0, "d2": 2.0}

#: Standard deviation of a rate that nothing but noise moves, in spikes/s.
NOISE = 0.5
#: Duration of a task step, if the task says nothing, and of an Euler step, in ms.
STEP, DT = 1.0, 0.2


def circuit(task, units=1):
    """The circuit for a task.

    Parameters
    ----------
    task : bgrl.tasks.Task
        Whatever it shows changes nothing.
    units : int
        Neurons of each nucleus.

    Returns
    -------
    bgrl.circuit.Circuit
    """
    check_count("units", units)
    populations = {name: _constant(rate, units) for name, rate in RATES.items()}
    populations |= {name: _nucleus(name, units) for name in TAU}
    projections = {
        name: Projection(
            *name.split("->"),
            drive=_drive(name),
            weights=(1 if _source(name) in ("cortex", "stn") else -1) * health / units,
            plastic=False,
            delay=DELAYS.get(name, 0.0),
        )
        for name, (health, _) in WEIGHTS.items()
    }
    for target in TAU:
        projections[f"dopamine->{target}"] = Projection(
            "dopamine", target, "dopaminergic", weights=1.0, plastic=False
        )
    return Circuit(
        dt=DT,
        substeps=whole_steps("step", task.step_duration or STEP, DT),
        populations=populations,
        projections=projections,
        inputs={"observation": len(task.observations), "dopamine": 1},
        actor=Readout("dorsal_striatum", "stn", plastic=False),
        critic=Readout("ventral_striatum", "stn", plastic=False),
        dopamine=Dopamine(tonic=1.0),
    )


def _source(pathway):
    """Where a pathway comes from."""
    return pathway.split("->")[0]


def _drive(pathway):
    """The drive that a pathway feeds; one for each, since dopamine changes each by another factor."""
    return f"{_source(pathway)}_input"


def _constant(rate, size):
    """Neurons that fire at a constant rate."""
    return Population(
        size, map={"rate": "firing"}, parameters={"firing": Parameter(rate)}, initial={"rate": rate}
    )


def _nucleus(name, size):
    """Neurons whose afferents gain by the loss of dopamine."""
    pathways = [pathway for pathway in WEIGHTS if pathway.endswith(f"->{name}")]
    rises = {f"rise_{_source(p)}": Parameter(WEIGHTS[p][1] / WEIGHTS[p][0] - 1) for p in pathways}
    lost = "clip(1 - dopaminergic, 0, 1)"
    total = " + ".join(f"{_drive(p)}*(1 + {lost}*rise_{_source(p)})" for p in pathways)
    driven = f"maximum/(1 + (maximum - resting)/resting*exp(-4*({total})/maximum))"
    return Population(
        size,
        equations=f"""
            drate/dt = (-rate + {driven})/tau + noise*sqrt(2/tau)*xi : 1
            tau : second
        """,
        parameters={
            "tau": Parameter(TAU[name], unit="ms"),
            "maximum": Parameter(MAXIMUM[name]),
            "resting": Parameter(RESTING[name]),
            "noise": Parameter(NOISE),
            **rises,
        },
        drives=(*map(_drive, pathways), "dopaminergic"),
        initial={"rate": RESTING[name]},
    )
