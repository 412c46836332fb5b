"""A swimmer among urchins."""

from bgrl.circuit import Parameter
from bgrl.errors import check_count
from bgrl.tasks.base import Task


def swimmer(num_urchins: int = 5) -> Task:
    """Swim to a goal, past urchins.

    Parameters
    ----------
    num_urchins : int
        Urchins, each where a trial put it.

    Notes
    -----
    Follows gymnax 0.0.8, after ivy_gym's swimmer: 500 steps of 0.05 s a trial, all in a square of
    2 x 2 at the start. The reward exp(-distance squared / 2) falls to nothing at an urchin. Nothing
    slows the swimmer, and the water has no walls.
    """
    check_count("swimmer num_urchins", num_urchins)
    urchins = [f"urchin_xys_{k}" for k in range(2 * num_urchins)]
    seen = [*urchins, *("xy_0", "xy_1", "xy_vel_0", "xy_vel_1", "goal_xy_0", "goal_xy_1")]
    pairs = [(urchins[2 * k], urchins[2 * k + 1]) for k in range(num_urchins)]
    safe = "*".join(f"(1 - exp(-30*((xy_0 - {x})**2 + (xy_1 - {y})**2)))" for x, y in pairs)
    drawn = ["xy_0", "xy_1", "goal_xy_0", "goal_xy_1", *urchins]
    return Task(
        name="swimmer",
        summary="swim to a goal past urchins",
        reference="ivy_gym swimmer as in gymnax 0.0.8",
        observations={name: name for name in seen},
        actions=("x", "y"),
        bounds=((-1.0, 1.0), (-1.0, 1.0)),
        variables=(*seen, "time"),
        parameters={"time_step": Parameter(0.05), "max_steps": Parameter(500)},
        step=f"""
            xy_vel_0 = xy_vel_0 + time_step*action_0
            xy_vel_1 = xy_vel_1 + time_step*action_1
            xy_0 = xy_0 + time_step*xy_vel_0
            xy_1 = xy_1 + time_step*xy_vel_1
            near = exp(-0.5*((xy_0 - goal_xy_0)**2 + (xy_1 - goal_xy_1)**2))
            reward = near*{safe}
            time = time + 1
            terminated = 0
            truncated = int(time >= max_steps)
        """,
        reset="xy_vel_0 = 0\nxy_vel_1 = 0\ntime = 0\n"
        + "\n".join(f"{name} = 2*uniform({k}) - 1" for k, name in enumerate(drawn)),
        events={"start": ("start", 0), "end": ("end", 0)},
        bootstraps=False,
    )
