"""One choice, paid out early or late."""

from bgrl.circuit import Parameter
from bgrl.errors import InputError, check_count
from bgrl.tasks.base import Task, pick

#: Steps after which the choices pay, the last for all further choices.
DELAYS = (1, 3, 10, 30, 100)


def discounting_chain(n_actions: int = 5, mapping_seed: int = 0) -> Task:
    """The first action decides when the one reward of a trial comes, and one pays a little more.

    Parameters
    ----------
    n_actions : int
        Number of choices; they pay after 1, 3, 10, 30, 100 steps.
    mapping_seed : int
        The choice that pays 1.1 instead of 1.

    Notes
    -----
    bsuite's discounting_chain (Osband et al. 2020, ICLR) as in gymnax 0.0.8, without deviation.
    """
    check_count("discounting_chain n_actions", n_actions)
    if mapping_seed not in range(n_actions):
        raise InputError(
            f"discounting_chain mapping_seed is {mapping_seed!r}; a number from 0 to "
            f"{n_actions - 1} is needed"
        )
    delays = [DELAYS[min(k, len(DELAYS) - 1)] for k in range(n_actions)]
    names = [f"reward_timestep_{k}" for k in range(n_actions)]
    return Task(
        name="discounting_chain",
        summary="choose how late a reward comes",
        reference="bsuite discounting_chain (Osband et al. 2020) as in gymnax 0.0.8",
        observations={"context": "context", "time": "time/max_steps"},
        actions=tuple(f"chain_{k}" for k in range(n_actions)),
        variables=("time", "context"),
        parameters={
            "max_steps": Parameter(100),
            "optimal_return": Parameter(1.1),
            "mapping_seed": Parameter(mapping_seed),
            **{name: Parameter(delay) for name, delay in zip(names, delays, strict=True)},
        },
        step=f"""
            context = int(time == 0)*action + int(time > 0)*context
            time = time + 1
            delay = {pick("context", names)}
            reward = int(time == delay)*(1 + int(context == mapping_seed)*(optimal_return - 1))
            terminated = int(time >= max_steps)
        """,
        reset="""
            time = 0
            context = -1
        """,
        events={"choice": ("start", 0), "end": ("end", 0)},
        chance_return=(1.1 + n_actions - 1) / n_actions,
        best_return=1.1,
    )
