"""Memory of one bit over a delay."""

from bgrl.circuit import Parameter
from bgrl.errors import check_count
from bgrl.tasks.base import Task


def memory_chain(length: int = 8) -> Task:
    """Report at the end of a chain the bit that was shown at its start.

    Parameters
    ----------
    length : int
        Memory length. A trial takes ``length + 1`` steps; the context is shown on the first two.

    Notes
    -----
    Follows gymnax 0.0.8, which differs from bsuite's memory_chain (Osband et al. 2020, ICLR) in
    that the observation lags the state by one step: the context is seen twice and the query, which
    is 0 for one bit anyway, one step late, and in that a trial ends after 1000 steps.
    """
    check_count("memory_chain length", length)
    return Task(
        name="memory_chain",
        summary="report a bit after a delay",
        reference="bsuite memory_chain (Osband et al. 2020) as in gymnax 0.0.8",
        observations={
            "time_left": "1 - clip(time - 1, 0, inf)/length",
            "query": "0*time",
            "context": "int(time < 1.5)*(2*context - 1)",
        },
        actions=("report_0", "report_1"),
        variables=("time", "context"),
        parameters={"length": Parameter(length), "max_steps": Parameter(1000)},
        step="""
            asked = int(time >= length)
            reward = asked*(2*int(action == context) - 1)
            terminated = asked
            time = time + 1
            truncated = int(time >= max_steps)
        """,
        reset="""
            time = 0
            context = int(uniform(0) < 0.5)
        """,
        events={"cue": ("start", 0), "query": ("end", -1), "outcome": ("end", 0)},
        bootstraps=False,
        chance_return=0.0,
        best_return=1.0,
    )
