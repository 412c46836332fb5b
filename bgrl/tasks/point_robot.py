"""A point that looks for a goal on a half circle."""

from bgrl.circuit import Parameter
from bgrl.tasks.base import OBSERVED_TIME, Task


def point_robot() -> Task:
    """Move a point to a hidden goal on a half circle, again and again.

    Notes
    -----
    Follows gymnax 0.0.8, after the semi-circle task of Dorfman et al. (2021), NeurIPS: 100 steps a
    trial; at the goal the point is put down anywhere in the half disc. Whether it is at the goal, and
    a dense reward if that is asked for, are judged by where it was before the step. The last action is
    observed as it was given, beyond the bounds too.
    """
    return Task(
        name="point_robot",
        summary="move a point to a hidden goal",
        reference="Dorfman et al. 2021 as in gymnax 0.0.8",
        observations={
            "pos_0": "pos_0",
            "pos_1": "pos_1",
            "last_reward": "last_reward",
            "last_action_0": "last_action_0",
            "last_action_1": "last_action_1",
            "time": OBSERVED_TIME,
        },
        actions=("x", "y"),
        bounds=((-0.1, 0.1), (-0.1, 0.1)),
        variables=(
            *("time", "last_action_0", "last_action_1", "last_reward"),
            *("pos_0", "pos_1", "goal_0", "goal_1", "goals_reached"),
        ),
        parameters={
            "max_force": Parameter(0.1),
            "circle_radius": Parameter(1.0),
            "dense_reward": Parameter(0),
            "goal_radius": Parameter(0.2),
            "center_init": Parameter(0),
            "normalize_time": Parameter(1),
            "max_steps": Parameter(100),
        },
        step="""
            away_0 = goal_0 - pos_0
            away_1 = goal_1 - pos_1
            distance = sqrt(away_0*away_0 + away_1*away_1)
            reached = int(distance <= goal_radius)
            reward = (1 - dense_reward)*reached - dense_reward*distance
            radius = (1 - center_init)*circle_radius*uniform(0)
            moved_0 = pos_0 + clip(action_0, -max_force, max_force)
            moved_1 = pos_1 + clip(action_1, -max_force, max_force)
            angle = pi*uniform(1)
            pos_0 = reached*radius*cos(angle) + (1 - reached)*moved_0
            pos_1 = reached*radius*sin(angle) + (1 - reached)*moved_1
            goals_reached = goals_reached + reached
            last_action_0 = action_0
            last_action_1 = action_1
            last_reward = reward
            time = time + 1
            terminated = int(time >= max_steps)
        """,
        reset="""
            time = 0
            goal_angle = pi*uniform(2)
            goal_0 = circle_radius*cos(goal_angle)
            goal_1 = circle_radius*sin(goal_angle)
            start_radius = (1 - center_init)*circle_radius*uniform(3)
            start_angle = pi*uniform(4)
            pos_0 = start_radius*cos(start_angle)
            pos_1 = start_radius*sin(start_angle)
            last_action_0 = 0
            last_action_1 = 0
            last_reward = 0
            goals_reached = 0
        """,
        events={"start": ("start", 0), "end": ("end", 0)},
    )
