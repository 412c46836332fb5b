"""One early choice whose consequence comes after many distracting rewards."""

from bgrl.circuit import Parameter
from bgrl.errors import InputError, check_count
from bgrl.tasks.base import Task


def umbrella_chain(chain_length: int = 10, n_distractor: int = 0) -> Task:
    """Take an umbrella on the first step if it will be needed on the last.

    Parameters
    ----------
    chain_length : int
        Steps of a trial. All rewards but the last are 1 or -1 by chance.
    n_distractor : int
        Further observations, 0 or 1 by chance in every step.

    Notes
    -----
    bsuite's umbrella_chain (Osband et al. 2020, ICLR) as in gymnax 0.0.8, which also ends a trial
    after 100 steps. bsuite's experiments have 20 distractors.
    """
    check_count("umbrella_chain chain_length", chain_length)
    if n_distractor != 0:
        check_count("umbrella_chain n_distractor", n_distractor)
    if chain_length > 100:
        raise InputError(f"umbrella_chain chain_length is {chain_length}; at most 100 is possible")
    names = [f"distractor_{k}" for k in range(n_distractor)]
    distractors = [f"{name} = int(uniform({k}) < 0.5)" for k, name in enumerate(names, 1)]
    return Task(
        name="umbrella_chain",
        summary="choose at the start what counts at the end",
        reference="bsuite umbrella_chain (Osband et al. 2020) as in gymnax 0.0.8",
        observations={
            "need_umbrella": "need_umbrella",
            "has_umbrella": "has_umbrella",
            "time_left": "1 - time/chain_length",
            **{name: name for name in names},
        },
        actions=("leave", "take"),
        variables=("time", "need_umbrella", "has_umbrella", *names),
        parameters={"chain_length": Parameter(chain_length), "max_steps": Parameter(100)},
        step="""
            has_umbrella = int(time == 0)*action + int(time > 0)*has_umbrella
            time = time + 1
            last = int(time == chain_length)
            luck = 2*int(uniform(0) < 0.5) - 1
            reward = last*(2*int(has_umbrella == need_umbrella) - 1) + (1 - last)*luck
            terminated = last
            truncated = int(time >= max_steps)
            """
        + "\n".join(distractors),
        reset=f"""
            time = 0
            need_umbrella = int(uniform({n_distractor + 1}) < 0.5)
            has_umbrella = int(uniform({n_distractor + 2}) < 0.5)
        """,
        events={"choice": ("start", 0), "outcome": ("end", 0)},
        bootstraps=False,
        chance_return=0.0,
        best_return=1.0,
    )
