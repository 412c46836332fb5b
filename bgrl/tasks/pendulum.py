"""Swinging up a pendulum."""

from bgrl.circuit import Parameter
from bgrl.tasks.base import Task


def pendulum() -> Task:
    """Swing a pendulum up and hold it, with a torque that is too weak to lift it at once.

    Notes
    -----
    Gymnasium's Pendulum-v1 as in gymnax 0.0.8, without deviation: steps of 0.05 s, 200 of them a
    trial; angle 0 is up. The reward is that of the state before the step.
    """
    return Task(
        name="pendulum",
        summary="swing up a pendulum and hold it",
        reference="Gymnasium Pendulum-v1 as in gymnax 0.0.8",
        observations={"cos": "cos(theta)", "sin": "sin(theta)", "theta_dot": "theta_dot"},
        actions=("torque",),
        bounds=((-2.0, 2.0),),
        variables=("theta", "theta_dot", "time"),
        parameters={
            "max_speed": Parameter(8.0),
            "max_torque": Parameter(2.0),
            "time_step": Parameter(0.05),
            "gravity": Parameter(10.0),
            "mass": Parameter(1.0),
            "pole_length": Parameter(1.0),
            "max_steps": Parameter(200),
        },
        step="""
            torque = clip(action_0, -max_torque, max_torque)
            angle = theta - 2*pi*floor((theta + pi)/(2*pi))
            reward = -(angle*angle + 0.1*theta_dot*theta_dot + 0.001*torque*torque)
            fall = 1.5*gravity/pole_length*sin(theta)
            acceleration = fall + 3*torque/(mass*pole_length*pole_length)
            theta_dot = clip(theta_dot + time_step*acceleration, -max_speed, max_speed)
            theta = theta + time_step*theta_dot
            time = time + 1
            terminated = 0
            truncated = int(time >= max_steps)
        """,
        reset="""
            theta = pi*(2*uniform(0) - 1)
            theta_dot = 2*uniform(1) - 1
            time = 0
        """,
        events={"start": ("start", 0), "end": ("end", 0)},
        bootstraps=False,
    )
