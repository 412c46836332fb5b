"""Control, a lesion of the recurrent synapses, and dopamine blocked for a while, in one figure.

Pages: tutorials/lesions.md, interventions.md
"""

import bgrl
from bgrl import Agent, Intervention, Record, Run, models, simulate, tasks, write
from bgrl.analysis.runs import plot_compare

task = tasks.make("memory_chain", length=4)
control = models.agent("rtrrl", task, units=16, replicates=4, **models.STEADY)
lesioned = Agent(
    control.circuit.lesion("cortex->cortex"), task, control.learning, control.replicates
)
record = Record(("dopamine", "reward", "done"), windows=((-500, None),))
blocker = Intervention.parse("gain dopamine 0 from 300 for 20000")
for name, agent, done in (
    ("control", control, ()),
    ("lesion", lesioned, ()),
    ("blocker", control, (blocker,)),
):
    run = Run(30_000, evaluations=10, interventions=done, record=record)
    write(simulate(agent, run), f"{name}.nc")
runs = bgrl.open(["control.nc", "lesion.nc", "blocker.nc"])
returns = runs["evaluation"]["mean_return"].median("replicate")
print(runs["run"].values)
print(returns.values.round(2))
# At 18,000 steps dopamine is still blocked; the control has learned.
assert returns[0, 6] > 0.8 and returns[2, 6] < 0.5
assert returns[0, -1] > 0.9 and returns[1, 1] < returns[0, 1] and returns[2, -1] > 0.9
plot_compare(runs).savefig("compare.png")
print("done")
