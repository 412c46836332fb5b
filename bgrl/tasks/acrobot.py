"""A double pendulum that is driven at its middle joint."""

from bgrl.circuit import Parameter
from bgrl.tasks.base import Task, pick

#: The names of a stage's angles and velocities, and of their derivatives.
_STATE = ("joint_angle1", "joint_angle2", "velocity_1", "velocity_2")


def _derivatives(k, state):
    """Lines for the accelerations `first_k` and `second_k` at a state (Sutton & Barto's equations)."""
    angle_1, angle_2, velocity_1, velocity_2 = state
    return f"""
        lever_{k} = link_mass_2*link_length_1*link_com_pos_2*sin({angle_2})
        arm_{k} = link_mass_2*link_length_1*link_com_pos_2*cos({angle_2})
        d1_{k} = inertia_1 + 2*arm_{k}
        d2_{k} = inertia_2 + arm_{k}
        phi2_{k} = link_mass_2*link_com_pos_2*gravity*sin({angle_1} + {angle_2})
        spin_{k} = lever_{k}*{velocity_2}*({velocity_2} + 2*{velocity_1})
        phi1_{k} = pull*sin({angle_1}) + phi2_{k} - spin_{k}
        turn_{k} = torque + d2_{k}/d1_{k}*phi1_{k} - lever_{k}*{velocity_1}*{velocity_1} - phi2_{k}
        second_{k} = turn_{k}/(inertia_2 - d2_{k}*d2_{k}/d1_{k})
        first_{k} = -(d2_{k}*second_{k} + phi1_{k})/d1_{k}
    """


def _runge_kutta():
    """Lines of one step of the classical Runge-Kutta method."""
    stages, code, state = [], "", _STATE
    for k, fraction in enumerate((None, 0.5, 0.5, 1)):
        if fraction is not None:
            new = tuple(f"{name}_{k}" for name in ("angle_1", "angle_2", "speed_1", "speed_2"))
            moves = zip(new, _STATE, stages[-1], strict=True)
            code += "\n".join(f"{n} = {y} + {fraction}*time_step*{d}" for n, y, d in moves)
            state = new
        code += _derivatives(k, state)
        stages.append((state[2], state[3], f"first_{k}", f"second_{k}"))
    for name, slopes in zip(_STATE, zip(*stages, strict=True), strict=True):
        a, b, c, d = slopes
        code += f"new_{name} = {name} + time_step/6*({a} + 2*{b} + 2*{c} + {d})\n"
    return code


def _wrapped(angle):
    return f"{angle} - 2*pi*floor(({angle} + pi)/(2*pi))"


def acrobot() -> Task:
    """Swing the free end of a double pendulum above a line; each step before costs 1.

    Notes
    -----
    Sutton (1996), NIPS 8:1038, with the equations and constants of Gymnasium's Acrobot-v1 as in
    gymnax 0.0.8, without deviation: one Runge-Kutta step of 0.2 s a step, 500 steps at the most.
    """
    torques = [f"available_torque_{k}" for k in range(3)]
    return Task(
        name="acrobot",
        summary="swing up a double pendulum",
        reference="Sutton 1996; Acrobot-v1 as in gymnax 0.0.8",
        observations={
            "cos_1": "cos(joint_angle1)",
            "sin_1": "sin(joint_angle1)",
            "cos_2": "cos(joint_angle2)",
            "sin_2": "sin(joint_angle2)",
            "velocity_1": "velocity_1",
            "velocity_2": "velocity_2",
        },
        actions=("negative", "none", "positive"),
        variables=(*_STATE, "time"),
        parameters={
            "time_step": Parameter(0.2),
            "link_length_1": Parameter(1.0),
            "link_mass_1": Parameter(1.0),
            "link_mass_2": Parameter(1.0),
            "link_com_pos_1": Parameter(0.5),
            "link_com_pos_2": Parameter(0.5),
            "link_moi": Parameter(1.0),
            "gravity": Parameter(9.8),
            "max_vel_1": Parameter(4 * 3.141592653589793),
            "max_vel_2": Parameter(9 * 3.141592653589793),
            "torque_noise_max": Parameter(0.0),
            "max_steps": Parameter(500),
            **{name: Parameter(k - 1.0) for k, name in enumerate(torques)},
        },
        step=f"""
            torque = {pick("action", torques)} + torque_noise_max*(2*uniform(0) - 1)
            inertia_2 = link_mass_2*link_com_pos_2*link_com_pos_2 + link_moi
            upper = link_mass_1*link_com_pos_1*link_com_pos_1 + link_moi
            inertia_1 = inertia_2 + upper + link_mass_2*link_length_1*link_length_1
            pull = (link_mass_1*link_com_pos_1 + link_mass_2*link_length_1)*gravity
            {_runge_kutta()}
            joint_angle1 = {_wrapped("new_joint_angle1")}
            joint_angle2 = {_wrapped("new_joint_angle2")}
            velocity_1 = clip(new_velocity_1, -max_vel_1, max_vel_1)
            velocity_2 = clip(new_velocity_2, -max_vel_2, max_vel_2)
            time = time + 1
            terminated = int(-cos(joint_angle1) - cos(joint_angle1 + joint_angle2) > 1)
            truncated = int(time >= max_steps)
            reward = terminated - 1
        """,
        reset="""
            joint_angle1 = 0.2*uniform(1) - 0.1
            joint_angle2 = 0.2*uniform(2) - 0.1
            velocity_1 = 0.2*uniform(3) - 0.1
            velocity_2 = 0.2*uniform(4) - 0.1
            time = 0
        """,
        events={"start": ("start", 0), "end": ("end", 0)},
        bootstraps=False,
    )
