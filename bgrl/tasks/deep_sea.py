"""Exploration: one treasure that a random walk hardly ever finds."""

from bgrl.circuit import Parameter
from bgrl.errors import InputError, check_count, check_flag
from bgrl.tasks.base import Task


def deep_sea(size: int = 8, deterministic: bool = True, sample_action_map: bool = False) -> Task:
    """Dive right on every step, at a cost, to reach the treasure in the last column.

    Parameters
    ----------
    size : int
        Rows and columns. A trial takes `size` steps.
    deterministic : bool
        Whether a move right always succeeds; else it fails with probability ``1/size``.
    sample_action_map : bool
        Whether which action is right is drawn for each cell and trial; needs `deterministic` off.

    Notes
    -----
    bsuite's deep_sea (Osband et al. 2020, ICLR) as in gymnax 0.0.8, which differs in that action 1
    is right in every cell unless a map is drawn, that a new map is drawn for each trial instead of
    once, and that the rewards of the stochastic version have no noise.
    """
    check_count("deep_sea size", size)
    if size < 2:
        raise InputError(f"deep_sea size is {size}; at least 2 is needed")
    check_flag("deep_sea deterministic", deterministic)
    check_flag("deep_sea sample_action_map", sample_action_map)
    if sample_action_map and deterministic:
        raise InputError("deep_sea sample_action_map needs deterministic=False")
    cells = [(row, column) for row in range(size) for column in range(size)]
    where = [f"int(row == {row} and column == {column})" for row, column in cells]
    mapping = [f"action_mapping_{k}" for k in range(len(cells))] if sample_action_map else []
    rightward = " + ".join(f"{here}*{name}" for here, name in zip(where, mapping, strict=False))
    draws = [f"{name} = int(uniform({k}) < 0.5)" for k, name in enumerate(mapping, 1)]
    return Task(
        name="deep_sea",
        summary="find a treasure that needs the same costly move on every step",
        reference="bsuite deep_sea (Osband et al. 2020) as in gymnax 0.0.8",
        observations={f"cell_{r}_{c}": here for (r, c), here in zip(cells, where, strict=True)},
        actions=("left", "right"),
        variables=("row", "column", *mapping),
        parameters={
            "unscaled_move_cost": Parameter(0.01),
            "deterministic": Parameter(float(deterministic)),
            "max_steps": Parameter(2000),
        },
        step=f"""
            rightward = {rightward or 1}
            right = int(action == rightward)
            swept = (1 - deterministic)*int(uniform(0) <= 1.0/{size})
            moved = right*(1 - swept)
            reward = right*int(column == {size - 1}) - moved*unscaled_move_cost/{size}
            column = clip(column + moved - (1 - right), 0, {size - 1})
            row = row + 1
            terminated = int(row == {size})
            truncated = int(row >= max_steps)
        """,
        reset="""
            row = 0
            column = 0
            """
        + "\n".join(draws),
        events={"start": ("start", 0), "bottom": ("end", 0)},
        bootstraps=False,
        chance_return=0.5**size - 0.005 if deterministic else None,
        best_return=0.99 if deterministic else None,
    )
