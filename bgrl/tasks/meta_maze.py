"""A maze whose goal is hidden and stays where it is for a trial."""

from bgrl.circuit import Parameter
from bgrl.errors import InputError, check_count
from bgrl.tasks.base import OBSERVED_TIME, Task, one_hot


def meta_maze(maze_size: int = 9, rf_size: int = 3) -> Task:
    """Find a hidden goal, and find it again from wherever one is put down.

    Parameters
    ----------
    maze_size : int
        Rows and columns, odd. Every second cell of every second row is a wall.
    rf_size : int
        Width of the square around the agent in which it sees walls, odd, 3 or more.

    Notes
    -----
    Miconi et al. (2019), Backpropamine, ICLR, as in gymnax 0.0.8: reaching the goal pays 10 and puts
    the agent down in any open cell. gymnax's trial also ends when that cell is the goal itself. It
    starts in the middle only for a field of 3; for larger ones a cell off it for each ring more,
    in a wall for some sizes. A trial has 200 steps. Last action, last reward and time are observed
    too; the first observation of a trial shows action 0 as if it had been taken.
    """
    for name, value, least in (("maze_size", maze_size, 1), ("rf_size", rf_size, 3)):
        check_count(f"meta_maze {name}", value)
        if value < least or value % 2 == 0:
            raise InputError(f"meta_maze {name} is {value}; an odd number from {least} is needed")
    ring = rf_size // 2
    start = maze_size // 2 + 2 * ring - 1
    return Task(
        name="meta_maze",
        summary="find a hidden goal again and again",
        reference="Miconi et al. 2019 as in gymnax 0.0.8",
        observations={
            **_view(maze_size, ring),
            **one_hot("last_action", "last_action", 4),
            "last_reward": "last_reward",
            "time": OBSERVED_TIME,
        },
        actions=("up", "right", "down", "left"),
        variables=("time", "last_action", "last_reward", "pos_0", "pos_1", "goal_0", "goal_1"),
        parameters={
            "goal_reward": Parameter(10.0),
            "punishment": Parameter(0.0),
            "normalize_time": Parameter(0),
            "max_steps": Parameter(200),
        },
        step=f"""
            next_0 = pos_0 + int(action == 2) - int(action == 0)
            next_1 = pos_1 + int(action == 1) - int(action == 3)
            blocked = {_wall("next_0", "next_1", maze_size, ring)}
            pos_0 = blocked*pos_0 + (1 - blocked)*next_0
            pos_1 = blocked*pos_1 + (1 - blocked)*next_1
            found = int(pos_0 == goal_0 and pos_1 == goal_1)
            reward = found*goal_reward + blocked*punishment
            {_open_cell("put", "uniform(0)", maze_size, ring)}
            pos_0 = found*put_0 + (1 - found)*pos_0
            pos_1 = found*put_1 + (1 - found)*pos_1
            last_action = action
            last_reward = reward
            time = time + 1
            there = int(pos_0 == goal_0 and pos_1 == goal_1)
            terminated = int(there + int(time >= max_steps) > 0)
        """,
        reset=f"""
            time = 0
            last_action = 0
            last_reward = 0
            pos_0 = {start}
            pos_1 = {start}
            {_open_cell("hidden", "uniform(1)", maze_size, ring)}
            goal_0 = hidden_0
            goal_1 = hidden_1
        """,
        events={"start": ("start", 0), "end": ("end", 0)},
    )


def _view(size, ring):
    """Observations of the walls around the agent, row by row."""
    width = 2 * ring + 1
    return {
        f"wall_{r}_{c}": _wall(f"(pos_0 + {r - ring})", f"(pos_1 + {c - ring})", size, ring)
        for r in range(width)
        for c in range(width)
    }


def _wall(row, column, size, ring):
    """Whether a cell is a wall; rows and columns count from the ring of walls around the maze."""
    outside = " or ".join(f"{x} < {ring} or {x} > {ring + size - 1}" for x in (row, column))
    odd = "*".join(f"({x} - {ring} - 2*floor(({x} - {ring})/2))" for x in (row, column))
    return f"int(int({outside}) + {odd} > 0.5)"


def _open_cell(name, draw, size, ring):
    """Lines that draw one of the open cells, row by row: a row without walls, then one with."""
    pair = size + size // 2 + 1
    cells = size * size - (size // 2) ** 2
    return f"""
            {name}_cell = floor({cells}*{draw})
            {name}_pair = floor({name}_cell/{pair})
            {name}_rest = {name}_cell - {pair}*{name}_pair
            {name}_clear = int({name}_rest < {size})
            {name}_0 = {ring} + 2*{name}_pair + 1 - {name}_clear
            {name}_1 = {ring} + {name}_rest + (1 - {name}_clear)*({name}_rest - {2 * size})
    """
