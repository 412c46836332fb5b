"""Catching a falling ball."""

from bgrl.circuit import Parameter
from bgrl.errors import InputError, check_count
from bgrl.tasks.base import Task


def catch(rows: int = 10, columns: int = 5) -> Task:
    """Be under a ball when it reaches the bottom row.

    Parameters
    ----------
    rows, columns : int
        Size of the picture, one observation a cell. A trial takes ``rows - 1`` steps.

    Notes
    -----
    bsuite's catch (Osband et al. 2020, ICLR) as in gymnax 0.0.8, which also ends a trial after 1000
    steps.
    """
    check_count("catch rows", rows)
    check_count("catch columns", columns)
    if rows < 2:
        raise InputError(f"catch rows is {rows}; at least 2 is needed")
    bottom = rows - 1
    picture = {
        f"cell_{r}_{c}": f"int(ball_y == {r} and ball_x == {c})"
        for r in range(bottom)
        for c in range(columns)
    }
    for c in range(columns):
        here = f"(ball_y == {bottom} and ball_x == {c}) or paddle_x == {c}"
        picture[f"cell_{bottom}_{c}"] = f"int({here})"
    return Task(
        name="catch",
        summary="catch a falling ball",
        reference="bsuite catch (Osband et al. 2020) as in gymnax 0.0.8",
        observations=picture,
        actions=("left", "stay", "right"),
        variables=("ball_x", "ball_y", "paddle_x"),
        parameters={"max_steps": Parameter(1000)},
        step=f"""
            paddle_x = clip(paddle_x + action - 1, 0, {columns - 1})
            ball_y = ball_y + 1
            terminated = int(ball_y == {bottom})
            reward = terminated*(2*int(paddle_x == ball_x) - 1)
            truncated = int(ball_y >= max_steps)
        """,
        reset=f"""
            ball_x = floor({columns}*uniform(0))
            ball_y = 0
            paddle_x = {columns // 2}
        """,
        events={"drop": ("start", 0), "outcome": ("end", 0)},
        bootstraps=False,
        # The ball's column is drawn without regard to where the paddle goes.
        chance_return=2 / columns - 1,
        best_return=1.0 if bottom >= columns // 2 else None,
    )
