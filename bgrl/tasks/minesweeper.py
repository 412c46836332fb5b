"""Minesweeper from memory."""

from bgrl.circuit import Parameter
from bgrl.tasks.base import Task, level, one_hot, pick


def minesweeper(difficulty: str = "easy") -> Task:
    """Open all cells without a mine; only the number of mines around the last one is seen.

    Parameters
    ----------
    difficulty : str
        ``easy`` (4 x 4 cells, 2 mines), ``medium`` (6 x 6, 6) or ``hard`` (8 x 8, 10).

    Notes
    -----
    POPGym's MineSweeper (Morad et al. 2023, ICLR) as in popjym: with n cells free of mines a new cell
    gives 1/n, an open one -0.5/(n - 2), a mine -0.5 - 1/n and the end. Unlike POPGym's, the
    observation is the number of mines one-hot in as many channels as there are mines (as many or more
    are shown as none of them), without the cell's place; the first observation shows no cell; and
    opening all free cells does not end a trial: its step n + 1 does.
    """
    width, mines = level(difficulty, {"easy": (4, 2), "medium": (6, 6), "hard": (8, 10)})
    cells = width * width
    free = cells - mines
    viewed = [f"viewed_{k}" for k in range(cells)]
    mine = [f"mine_{k}" for k in range(mines)]
    near = " + ".join(
        f"int(abs(floor({m}/{width}) - row) < 1.5)"
        f"*int(abs({m} - {width}*floor({m}/{width}) - column) < 1.5)"
        for m in mine
    )
    return Task(
        name="minesweeper",
        summary="find mines without seeing the board",
        reference="POPGym MineSweeper (Morad et al. 2023) as in popjym",
        observations=one_hot("neighbours", "neighbours", mines),
        actions=tuple(f"open_{k // width}_{k % width}" for k in range(cells)),
        variables=("time", "neighbours", *mine, *viewed),
        parameters={
            "found": Parameter(1 / free),
            "repeated": Parameter(-0.5 / (free - 2)),
            "explosion": Parameter(-0.5 - 1 / free),
        },
        step=f"""
            row = floor(action/{width})
            column = action - {width}*row
            neighbours = {near}
            exploded = {" + ".join(f"int(action == {m})" for m in mine)}
            seen = {pick("action", viewed)}
            reward = exploded*explosion + (1 - exploded)*(seen*repeated + (1 - seen)*found)
            terminated = int(exploded + int(time == {free}) > 0)
            time = time + 1
            """
        + "\n".join(f"{v} = clip({v} + int(action == {k}), 0, 1)" for k, v in enumerate(viewed)),
        reset="time = 0\nneighbours = -1\n"
        + "\n".join(f"{v} = 0" for v in viewed)
        + "\n"
        + "\n".join(_places(mine, cells)),
        events={"start": ("start", 0), "end": ("end", 0)},
    )


def _places(mine, cells):
    """Cells for the mines, all different: Floyd's sampling (Bentley & Floyd 1987, CACM)."""
    for k, name in enumerate(mine):
        last = cells - len(mine) + k
        yield f"place_{k} = floor({last + 1}*uniform({k}))"
        taken = " or ".join(f"{m} == place_{k}" for m in mine[:k])
        moved = f" + int({taken})*({last} - place_{k})" if taken else ""
        yield f"{name} = place_{k}{moved}"
