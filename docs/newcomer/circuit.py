"""A circuit of one's own: two nuclei, a function with a surrogate slope, learning through both.

Page: tutorials/circuit.md
"""

from bgrl import (
    Agent,
    Circuit,
    Distribution,
    Function,
    Learning,
    Parameter,
    Population,
    Projection,
    Readout,
    Run,
    simulate,
    tasks,
)

task = tasks.make("catch", rows=4, columns=3)
weights = Distribution("normal", 0.0, 0.3)
striatum = Population(
    size=5,
    equations="""
        drate/dt = (-rate + gate(drive))/tau : 1
        tau : second
    """,
    parameters={"tau": Parameter(50.0, unit="ms", trainable=True, minimum=20.0)},
    functions={"gate": Function(("x",), "int(x > 0.05)*x", derivatives=("1/(1 + x**2)",))},
)
cortex = Population(
    size=8,
    equations="""
        drate/dt = (-rate + tanh(drive))/tau : 1
        tau : second
    """,
    parameters={"tau": Parameter(60.0, unit="ms")},
)
circuit = Circuit(
    dt=20.0,
    substeps=1,
    populations={"cortex": cortex, "striatum": striatum},
    projections={
        f"{source}->{target}": Projection(source, target, weights=weights)
        for source, target in (
            ("observation", "cortex"),
            ("action", "cortex"),
            ("reward", "cortex"),
            ("cortex", "cortex"),
            ("cortex", "striatum"),
        )
    },
    inputs={"observation": len(task.observations), "action": len(task.actions), "reward": 1},
    actor=Readout("output", "striatum", weights=weights, feedback=weights),
    critic=Readout("ventral_striatum", "striatum", weights=weights, feedback=weights),
)
agent = Agent(circuit, task, Learning("rtrl"), replicates=2)
data = simulate(agent, Run(steps=60, backend="numpy", evaluations=1, evaluation_steps=20))
weights = data["weights"]["observation->cortex"]
assert (weights.isel(checkpoint=-1) != weights.isel(checkpoint=0)).any()
print("done")
