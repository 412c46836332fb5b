"""The actor-critic circuit around one continuous-time recurrent network (CT-RNN); no numbers here."""

from bgrl.circuit import Circuit, Parameter, Population, Projection, Readout

#: Funahashi & Nakamura 1993, Neural Networks 6:801.
EQUATIONS = """
    drate/dt = (-rate + tanh(drive + bias))/tau : 1
    tau : second
"""


def meta_inputs(task):
    """Inputs of meta-RL for a task: observation, previous action (one-hot if discrete), reward."""
    return {"observation": len(task.observations), "action": len(task.actions), "reward": 1}


def rate_population(units, tau, weights, step, equations=EQUATIONS):
    """Rate neurons whose time constants and biases learn.

    Parameters
    ----------
    units : int
    tau, weights : float, array or Distribution
        Initial time constants (ms), and biases.
    step : float
        Lowest time constant that learning may reach, in ms.
    equations : str
        With parameters `tau` and `bias`.

    Returns
    -------
    Population
    """
    parameters = {
        "tau": Parameter(tau, unit="ms", trainable=True, minimum=step),
        "bias": Parameter(weights, trainable=True),
    }
    return Population(units, equations=equations, parameters=parameters)


def ctrnn_circuit(inputs, actor_channels, units, step, substeps, tau, weights, readout):
    """One recurrent cortex that every input and its own rates project to, read by both striata.

    Parameters
    ----------
    inputs : dict of str to int
        Channels of each input.
    actor_channels : int
        Outputs of the actor.
    units : int
        Neurons in the cortex.
    step : float
        Duration of a task step, in ms; also the lowest time constant that learning may reach.
    substeps : int
        Euler steps per task step.
    tau, weights : float, array or Distribution
        Initial time constants (ms), and weights and biases.
    readout : callable
        From a number of channels to the Distribution of their weights and feedback.

    Returns
    -------
    Circuit
    """
    return Circuit(
        dt=step / substeps,
        substeps=substeps,
        populations={"cortex": rate_population(units, tau, weights, step)},
        projections={
            f"{source}->cortex": Projection(source, "cortex", weights=weights)
            for source in (*inputs, "cortex")
        },
        inputs=inputs,
        actor=Readout(
            "dorsal_striatum", weights=readout(actor_channels), feedback=readout(actor_channels)
        ),
        critic=Readout("ventral_striatum", weights=readout(1), feedback=readout(1)),
    )
