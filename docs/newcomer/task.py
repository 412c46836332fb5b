"""A task of one's own, checked and learned.

Page: tutorials/task.md
"""

from bgrl import Parameter, Run, Task, models, simulate, tasks
from bgrl.task_check import check

foraging = Task(
    name="foraging",
    summary="stay at a patch that empties, or leave it",
    reference="none",
    observations={"left": "food/10", "moving": "int(travel > 0)"},
    actions=("stay", "leave"),
    variables=("food", "travel", "time"),
    parameters={"decay": Parameter(0.7), "distance": Parameter(3.0)},
    step="""
        here = int(travel == 0)
        goes = here*int(action == 1)
        reward = here*(1 - goes)*food/10
        food = food*(1 - here) + here*(1 - goes)*decay*food + goes*10
        travel = clip(travel - 1, 0, 10)*(1 - goes) + goes*distance
        time = time + 1
        terminated = int(time >= 30)
    """,
    reset="""
        food = 5 + 5*uniform(0)
        travel = 0
        time = 0
    """,
    events={"leave": "int(action == 1)"},
)
assert check(foraging) == []
env = tasks.as_gymnasium(foraging)
env.reset(seed=0)
assert 0 < env.step(0)[1] <= 1
agent = models.agent("rtrrl", foraging, units=4, replicates=2)
data = simulate(agent, Run(steps=90, backend="numpy", evaluations=1, evaluation_steps=60))
assert (data["trials"]["length"].dropna("trial") == 30).all()
print("done")
