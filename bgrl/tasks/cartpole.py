"""Balancing a pole on a cart, fully or partly observed."""

from dataclasses import replace

from bgrl.circuit import Parameter
from bgrl.description import as_annotated
from bgrl.tasks.base import Task, level

PHYSICS = """
    force = (2*action - 1)*force_mag
    costheta = cos(theta)
    sintheta = sin(theta)
    total_mass = masscart + masspole
    polemass_length = masspole*pole_length
    push = (force + polemass_length*theta_dot*theta_dot*sintheta)/total_mass
    inertia = pole_length*(4.0/3.0 - masspole*costheta*costheta/total_mass)
    theta_acceleration = (gravity*sintheta - costheta*push)/inertia
    x_acceleration = push - polemass_length*theta_acceleration*costheta/total_mass
    x = x + tau*x_dot
    x_dot = x_dot + tau*x_acceleration
    theta = theta + tau*theta_dot
    theta_dot = theta_dot + tau*theta_acceleration
    time = time + 1
    terminated = int(abs(x) > x_threshold or abs(theta) > theta_threshold)
    truncated = int(time >= max_steps)
    reward = reward_per_step
"""


def cartpole(observe: str = "all") -> Task:
    """Keep the pole up, pushing left or right.

    Parameters
    ----------
    observe : str
        Which of 0 `x`, 1 `x_dot`, 2 `theta`, 3 `theta_dot` are seen: names or numbers, separated
        by commas; ``all``, ``positions`` and ``velocities`` are short for the usual masks.

    Notes
    -----
    Barto, Sutton & Anderson (1983), IEEE Trans. SMC 13:834, with the constants of Gymnasium's
    CartPole-v1, as in gymnax 0.0.8: a trial lasts 500 steps at the most.
    """
    as_annotated("observe", observe, str, "cartpole")
    task = Task(
        name="cartpole",
        summary="balance a pole on a cart",
        reference="Barto, Sutton & Anderson 1983; CartPole-v1 as in gymnax 0.0.8",
        observations={name: name for name in ("x", "x_dot", "theta", "theta_dot")},
        actions=("left", "right"),
        variables=("x", "x_dot", "theta", "theta_dot", "time"),
        parameters={
            "gravity": Parameter(9.8),
            "masscart": Parameter(1.0),
            "masspole": Parameter(0.1),
            "pole_length": Parameter(0.5),
            "force_mag": Parameter(10.0),
            "tau": Parameter(0.02),
            "theta_threshold": Parameter(12 * 2 * 3.141592653589793 / 360),
            "x_threshold": Parameter(2.4),
            "max_steps": Parameter(500),
            "reward_per_step": Parameter(1.0),
        },
        step=PHYSICS,
        reset="""
            x = 0.1*uniform(0) - 0.05
            x_dot = 0.1*uniform(1) - 0.05
            theta = 0.1*uniform(2) - 0.05
            theta_dot = 0.1*uniform(3) - 0.05
            time = 0
        """,
        events={"start": ("start", 0), "fall": ("end", 0)},
        bootstraps=False,
        best_return=500.0,
    )
    masks = {"all": "0,1,2,3", "positions": "0,2", "velocities": "1,3"}
    return task.observing([c.strip() for c in masks.get(observe, observe).split(",")])


def stateless_cartpole(difficulty: str = "easy") -> Task:
    """Keep the pole up, seeing where things are but not how fast they move.

    Parameters
    ----------
    difficulty : str
        ``easy`` (200 steps at the most), ``medium`` (400) or ``hard`` (600).

    Notes
    -----
    POPGym's StatelessCartPole (Morad et al. 2023, ICLR) as in popjym: the reward of a step is 1
    divided by the most steps, so that the return of a whole trial is 1.
    """
    steps = level(difficulty, {"easy": 200, "medium": 400, "hard": 600})
    task = cartpole(observe="positions")
    return replace(
        task,
        name="stateless_cartpole",
        summary="balance a pole without seeing velocities",
        reference=f"POPGym StatelessCartPole{difficulty.capitalize()} (Morad et al. 2023)",
        parameters=task.parameters
        | {"max_steps": Parameter(steps), "reward_per_step": Parameter(1 / steps)},
        best_return=1.0,
    )


def noisy_stateless_cartpole(difficulty: str = "easy") -> Task:
    """Keep the pole up, seeing where things are through noise.

    Parameters
    ----------
    difficulty : str
        Standard deviation of the noise, ``easy`` (0.1, in m and rad), ``medium`` (0.2) or ``hard``
        (0.3).

    Notes
    -----
    POPGym's NoisyStatelessCartPole (Morad et al. 2023, ICLR) as in popjym: 200 steps at the most. What
    is seen is limited to twice the range in which a trial goes on.
    """
    noise = level(difficulty, {"easy": 0.1, "medium": 0.2, "hard": 0.3})
    task = stateless_cartpole()
    return replace(
        task,
        name="noisy_stateless_cartpole",
        summary="balance a pole without seeing velocities, through noise",
        reference=f"POPGym NoisyStatelessCartPole{difficulty.capitalize()} (Morad et al. 2023)",
        observations={
            v: f"clip({v} + noise_{v}, -2*{v}_threshold, 2*{v}_threshold)" for v in ("x", "theta")
        },
        variables=(*task.variables, "noise_x", "noise_theta"),
        parameters=task.parameters | {"noise_sigma": Parameter(noise)},
        step=PHYSICS + "noise_x = noise_sigma*normal(0)\nnoise_theta = noise_sigma*normal(1)",
        best_return=None,
    )
