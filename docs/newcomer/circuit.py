"""Cortex, two striatal populations of one's own, and a thalamus between them and the cortex.

Pages: anatomy.md, tutorials/circuit.md
"""

from bgrl import Agent, Learning, Parameter, Population, Run, models, simulate, tasks
from bgrl.analysis.circuit import plot_circuit

task = tasks.make("memory_chain", length=3)
cortical = models.circuit("rtrrl", task, units=12)

spiny = """
    drate/dt = (-rate + 1/(1 + exp(-gain*(drive - threshold))))/tau : 1
    tau : second
"""
own = {"gain": Parameter(4.0), "threshold": Parameter(0.2), "tau": Parameter(30.0, unit="ms")}
d1 = Population(4, equations=spiny, parameters=own)
d2 = Population(4, equations=spiny, parameters=own | {"threshold": Parameter(0.4)})
relay = Population(
    3,
    equations="""
        drate/dt = (-rate + tanh(drive + bias))/tau : 1
        tau : second
    """,
    parameters={"tau": Parameter(25.0, unit="ms"), "bias": Parameter(0.1, trainable=True)},
)
circuit = cortical.add_population("d1", d1).add_population("d2", d2)
circuit = circuit.add_population("thalamus", relay)
for name in ("d1", "d2"):
    circuit = circuit.connect("cortex", name, sign=1)
circuit = circuit.connect("d1", "thalamus", sign=1).connect("d2", "thalamus", sign=-1)
circuit = (
    circuit.connect("thalamus", "cortex").set("d1.tau", 45).set("cortex.tau", "uniform(20, 80)")
)
print(cortical.diff(circuit))
print(circuit)
agent = Agent(circuit, task, Learning("rtrl", **models.STEADY), replicates=4)
data = simulate(agent, Run(steps=15_000, evaluations=3))
final = data["evaluation"]["mean_return"].isel(checkpoint=-1).values
print("final returns", final)
assert (final > 0.9).sum() >= 3
tau = data["weights"]["cortex.tau"]
assert tau.attrs["units"] == "ms" and not (tau[:, 0] == tau[:, -1]).all()
plot_circuit(data).figure.savefig("circuit.png")
print("done")
