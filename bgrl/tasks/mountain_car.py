"""A car in a valley that is too weak to climb out at once."""

from bgrl.circuit import Parameter
from bgrl.tasks.base import Task

_REFERENCE = "Moore 1990"


def _mountain_car(physics, reward, parameters, **fields):
    """A task of both cars: velocity gains `push`; `stopped` is where it is taken."""
    return Task(
        observations={"position": "position", "velocity": "velocity"},
        variables=("position", "velocity", "time"),
        parameters={
            "min_position": Parameter(-1.2),
            "max_position": Parameter(0.6),
            "max_speed": Parameter(0.07),
            "gravity": Parameter(0.0025),
            "goal_velocity": Parameter(0.0),
            **parameters,
        },
        step=f"""
            push = {physics["push"]}
            velocity = clip(velocity + push - gravity*cos(3*position), -max_speed, max_speed)
            position = clip(position + velocity, min_position, max_position)
            velocity = velocity*(1 - int({physics["stopped"]} and velocity < 0))
            time = time + 1
            terminated = int(position >= goal_position and velocity >= goal_velocity)
            truncated = int(time >= max_steps)
            reward = {reward}
        """,
        reset="""
            position = 0.2*uniform(0) - 0.6
            velocity = 0
            time = 0
        """,
        events={"start": ("start", 0), "end": ("end", 0)},
        bootstraps=False,
        **fields,
    )


def mountain_car() -> Task:
    """Rock a car out of a valley, pushing left, right or not; each step costs 1.

    Notes
    -----
    Moore (1990), PhD thesis, Cambridge, with the constants of Gymnasium's MountainCar-v0 as in gymnax
    0.0.8, without deviation: a trial lasts 200 steps at the most.
    """
    return _mountain_car(
        {"push": "(action - 1)*force", "stopped": "position == min_position"},
        "-1",
        {
            "goal_position": Parameter(0.5),
            "force": Parameter(0.001),
            "max_steps": Parameter(200),
        },
        name="mountain_car",
        summary="rock a weak car out of a valley",
        reference=f"{_REFERENCE}; MountainCar-v0 as in gymnax 0.0.8",
        actions=("left", "coast", "right"),
    )


def mountain_car_continuous() -> Task:
    """Rock a car out of a valley with any force; the goal pays 100, force costs.

    Notes
    -----
    Moore (1990), PhD thesis, Cambridge, with the constants of Gymnasium's MountainCarContinuous-v0 as
    in gymnax 0.0.8: a trial lasts 999 steps at the most. Unlike in Gymnasium, the car loses its
    velocity where it rolls back at the goal, and not at the left wall.
    """
    return _mountain_car(
        {
            "push": "power*clip(action_0, min_action, max_action)",
            "stopped": "position >= goal_position",
        },
        "100*terminated - 0.1*action_0*action_0",
        {
            "goal_position": Parameter(0.45),
            "power": Parameter(0.0015),
            "min_action": Parameter(-1.0),
            "max_action": Parameter(1.0),
            "max_steps": Parameter(999),
        },
        name="mountain_car_continuous",
        summary="rock a weak car out of a valley with any force",
        reference=f"{_REFERENCE}; MountainCarContinuous-v0 as in gymnax 0.0.8",
        actions=("force",),
        bounds=((-1.0, 1.0),),
    )
