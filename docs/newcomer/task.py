"""A cue, a random delay, a tone, a choice that pays in nine of ten trials.

Page: tutorials/task.md
"""

from bgrl import Parameter, Run, Task, models, simulate
from bgrl.task_check import check

task = Task(
    name="cued_choice",
    summary="remember the cue until the tone",
    reference="",
    observations={
        "cue": "int(time == 1)*(2*side - 1)",
        "tone": "int(time == delay)",
    },
    actions=("left", "right"),
    variables=("time", "side", "delay"),
    parameters={"shortest": Parameter(2.0), "longest": Parameter(5.0), "luck": Parameter(0.9)},
    step="""
        asked = int(time == delay)
        lucky = int(uniform(0) < luck)
        reward = asked*lucky*(2*int(action == side) - 1)
        terminated = asked
        time = time + 1
    """,
    reset="""
        time = 0
        side = int(uniform(1) < 0.5)
        delay = shortest + floor((longest - shortest + 1)*uniform(2))
    """,
    events={"tone": "int(time == delay)"},
)
assert check(task, backends=("numpy",)) == []
agent = models.agent("rtrrl", task, units=24, replicates=4, **models.STEADY)
data = simulate(agent, Run(steps=60_000, evaluations=4, final_trials=100))
returns = data["evaluation"]["mean_return"]
print(returns.values.round(2))
# Guessing gives 0, the best 0.9.
assert abs(returns[:, 0]).max() < 0.6 and (returns[:, -1] > 0.7).sum() >= 3
print("done")
