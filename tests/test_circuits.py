"""Any circuit: several populations, drives and state variables, sub-steps, masks, difference equations.

The recorded circuits hold the exact derivative of every state. The states must be met by every
circuit; the sensitivities only where RFLO is exact, in the linear recurrent unit, whose neurons do not
talk to each other.
"""

import json
from dataclasses import replace

import numpy as np
import pytest

from bgrl.agent import Agent
from bgrl.backends import load
from bgrl.circuit import Circuit, Parameter, Readout
from bgrl.learning import Learning
from bgrl.tasks.scripted import scripted
from tests.conftest import FIXTURES

CIRCUITS = sorted((FIXTURES / "circuits").glob("*.npz"))


def replayed(path, backend):
    """Recorded arrays, and the state of the network after every step."""
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    meta = json.loads(str(arrays.pop("meta")))
    circuit = Circuit.from_dict(meta)
    variable = next(iter(circuit.populations["cortex"].dynamics))
    populations = {
        name: replace(
            p,
            parameters={
                key: Parameter(arrays[f"value:{name}.{key}"], trainable=True)
                for key in p.parameters
            },
        )
        for name, p in circuit.populations.items()
    }
    projections = {
        name: replace(p, weights=arrays[f"value:{name}"], mask=arrays[f"mask:{name}"])
        for name, p in circuit.projections.items()
    }
    circuit = replace(
        circuit,
        populations=populations,
        projections=projections,
        actor=Readout("dorsal_striatum", variable=variable),
        critic=Readout("ventral_striatum", variable=variable),
    )
    (stimulus,) = (arrays[f"input:{name}"] for name in circuit.inputs)
    rows = np.vstack([np.zeros_like(stimulus[:1]), stimulus])
    nothing = np.zeros(len(rows))
    task = scripted(rows, nothing, nothing, nothing, actions=2)
    still = Learning(rate_actor=0.0, rate_critic=0.0, rate_network=0.0)
    agent = Agent(circuit, task, still, dtype="float64")
    program = load(backend, agent.structure())
    state = agent.initial_state(program.layout, 0)
    state["task.restart"][...] = 0
    states = []
    for step in range(1, len(rows)):
        state = program.advance(state, step, 1)
        states.append(state)
    return arrays, states


@pytest.mark.parametrize("backend", ["numpy", pytest.param("cpp", marks=pytest.mark.slow)])
@pytest.mark.parametrize("path", CIRCUITS, ids=lambda p: p.stem)
def test_states_of_recorded_circuits(path, backend):
    arrays, states = replayed(path, backend)
    recorded = {k.removeprefix("state:"): v for k, v in arrays.items() if k.startswith("state:")}
    assert recorded
    for name, expected in recorded.items():
        found = np.array([state[name][0] for state in states])
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
        assert np.abs(expected[1:] - expected[:-1]).max() > 1e-3


def test_linear_recurrent_unit_has_exact_sensitivities():
    arrays, states = replayed(FIXTURES / "circuits" / "lru.npz", "numpy")
    own = np.arange(4)
    checked = 0
    for key, expected in arrays.items():
        if not key.startswith("sensitivity:"):
            continue
        _, of, to = key.split(":")
        variable = of.removeprefix("cortex.")
        if "->" in to:
            drive = to.rpartition(".")[2]
            name = f"cortex_drive_{drive}.sensitivity_{variable}_w"
        else:
            name = f"cortex.sensitivity_{variable}_{to.removeprefix('cortex.')}"
        found = np.array([state[name][0] for state in states])
        np.testing.assert_allclose(found, expected[:, own, own], rtol=0, atol=1e-12)
        others = expected.copy()
        others[:, own, own] = 0
        assert (others == 0).all()
        checked += np.abs(expected).max() > 1e-3
    assert checked == 10
