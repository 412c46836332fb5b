"""An arm of two links that reaches for a point."""

from bgrl.circuit import Parameter
from bgrl.tasks.base import Task


def reacher() -> Task:
    """Bring the end of an arm of two links to a goal.

    Notes
    -----
    Follows gymnax 0.0.8, after ivy_gym's reacher: 100 steps of 0.05 s a trial, the goal anywhere in a
    square of 4 x 4 (not all of which is in reach), reward exp(-distance squared). Both joints' angles
    are to the axis, nothing slows them, and torque is not limited but by the bounds of the action.
    """
    return Task(
        name="reacher",
        summary="reach for a goal with an arm",
        reference="ivy_gym reacher as in gymnax 0.0.8",
        observations={
            "cos_0": "cos(angles_0)",
            "cos_1": "cos(angles_1)",
            "sin_0": "sin(angles_0)",
            "sin_1": "sin(angles_1)",
            **{name: name for name in ("angle_vels_0", "angle_vels_1", "goal_xy_0", "goal_xy_1")},
        },
        actions=("torque_0", "torque_1"),
        bounds=((-1.0, 1.0), (-1.0, 1.0)),
        variables=(
            *("angles_0", "angles_1", "angle_vels_0", "angle_vels_1"),
            *("goal_xy_0", "goal_xy_1", "time"),
        ),
        parameters={
            "torque_scale": Parameter(1.0),
            "time_step": Parameter(0.05),
            "max_steps": Parameter(100),
        },
        step="""
            angle_vels_0 = angle_vels_0 + time_step*torque_scale*action_0
            angle_vels_1 = angle_vels_1 + time_step*torque_scale*action_1
            angles_0 = angles_0 + time_step*angle_vels_0
            angles_1 = angles_1 + time_step*angle_vels_1
            away_0 = cos(angles_0) + cos(angles_1) - goal_xy_0
            away_1 = sin(angles_0) + sin(angles_1) - goal_xy_1
            reward = exp(-away_0*away_0 - away_1*away_1)
            time = time + 1
            terminated = 0
            truncated = int(time >= max_steps)
        """,
        reset="""
            angles_0 = pi*(2*uniform(0) - 1)
            angles_1 = pi*(2*uniform(1) - 1)
            angle_vels_0 = 2*uniform(2) - 1
            angle_vels_1 = 2*uniform(3) - 1
            goal_xy_0 = 4*uniform(4) - 2
            goal_xy_1 = 4*uniform(5) - 2
            time = 0
        """,
        events={"start": ("start", 0), "end": ("end", 0)},
        bootstraps=False,
    )
