"""A lesion and a drug in one figure.

Page: tutorials/lesions.md
"""

from pathlib import Path

import bgrl
from bgrl import Agent, Intervention, Record, Run, models, simulate, tasks, write
from bgrl.analysis.runs import plot_compare

task = tasks.make("memory_chain", length=2)
loop = models.agent("basal_ganglia", task, units=4, replicates=2)
drug = Intervention.parse("gain d1.modulation 0 from 40 for 40")
cases = {
    "intact": (loop.circuit, ()),
    "stn": (loop.circuit.lesion("stn"), ()),
    "drug": (loop.circuit, (drug,)),
}
for name, (circuit, done) in cases.items():
    agent = Agent(circuit, task, loop.learning, loop.replicates)
    settings = {"backend": "numpy", "evaluations": 3, "evaluation_steps": 60, "interventions": done}
    write(simulate(agent, Run(120, record=Record(("dopamine",)), **settings)), f"{name}.nc")
runs = bgrl.open([f"{name}.nc" for name in cases])
assert runs["evaluation"]["mean_return"].sizes["run"] == 3
plot_compare(runs).savefig("three.png")
assert Path("three.png").stat().st_size > 10_000
print("done")
