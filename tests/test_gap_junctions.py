"""Electrical projections: what gap junctions let through, on which backends, and what cannot be.

That sensitivities through them are exact is shown with random circuits, in `tests/test_sensitivity.py`.
"""

from dataclasses import replace

import numpy as np
import pytest

import models
from analysis.circuit import plot_circuit
from analysis.pathways import ELECTRICAL, read_circuit
from analysis.style import save_figure
from bgrl import tasks
from bgrl.agent import Agent
from bgrl.backends import load
from bgrl.circuit import Circuit, Parameter, Population, exponential, normal
from bgrl.errors import InputError
from bgrl.interventions import Intervention
from bgrl.learning import Learning
from bgrl.step.assemble import initial_state

TASK = tasks.make("memory_chain", length=9)
WEIGHTS = np.array([[0.0, 0.3, 0.0], [0.3, 0.0, 0.8], [0.0, 0.8, 0.0]])
START = np.array([0.9, -0.4, 0.2])
LEAK, TAU = 0.5, 100.0


def coupled(weights=WEIGHTS, substeps=1, **fields):
    """Three leaky neurons with gap junctions; 20 ms a task step."""
    nucleus = Population(
        3,
        equations="drate/dt = (-leak*rate + drive)/tau : 1\ntau : second",
        parameters={"leak": Parameter(LEAK), "tau": Parameter(TAU, unit="ms")},
        initial={"rate": START},
    )
    circuit = models.circuit("rtrrl", TASK, 2).add_population("gpe", nucleus)
    fields = {"weights": weights, "electrical": True, "plastic": False} | fields
    circuit = circuit.connect("gpe", "gpe", **fields)
    return replace(circuit, dt=circuit.dt / substeps, substeps=substeps)


def run(circuit, steps, backend="numpy", every=1, interventions=(), replicates=1, name="gpe"):
    """Rates of a nucleus after every so many steps of one trial, (step, replicate, neuron)."""
    agent = Agent(circuit, TASK, Learning(sensitivity="none"), replicates, "float64")
    program = load(backend, agent.structure(bool(interventions)))
    state, found = initial_state(agent, program.layout, 3, interventions), []
    state["task.restart"][...] = 0
    for step in range(0, steps, every):
        state = program.advance(state, step, every, learn=False)
        found.append(state[f"{name}.rate"].copy())
    return np.array(found)


def euler(steps, weights=WEIGHTS, substeps=1):
    """By the Laplacian of the coupling, apart from the package."""
    laplacian, rate, found = np.diag(weights.sum(axis=1)) - weights, START, []
    for _ in range(steps):
        for _ in range(substeps):
            rate = rate - 20.0 / substeps / TAU * (LEAK * rate + laplacian @ rate)
        found.append(rate)
    return np.array(found)


@pytest.mark.parametrize("substeps", [1, 3])
def test_a_current_is_weight_times_difference(substeps):
    found = run(coupled(substeps=substeps), 6)[:, 0]
    np.testing.assert_allclose(found, euler(6, substeps=substeps), rtol=1e-13)
    # What leaves one neuron arrives in the other: the mean only leaks.
    leak = (1 - 20 / substeps * LEAK / TAU) ** (substeps * np.arange(1, 7))
    np.testing.assert_allclose(found.mean(axis=1), leak * START.mean(), rtol=1e-12)
    chemical = run(coupled(electrical=False, substeps=substeps), 6)[:, 0]
    assert np.abs(chemical - found).max() > 0.1
    # Equal rates pull at nothing, whatever the weights are.
    alone = coupled().set("gpe.rate", 0.7)
    np.testing.assert_allclose(run(alone, 4), run(alone.disconnect("gpe->gpe"), 4), rtol=1e-13)


def test_weights_that_are_drawn_or_lesioned_are_those_of_both_ends():
    circuit = coupled(normal(1.0), sign=1)
    agent = Agent(circuit, TASK, Learning(sensitivity="none"), 2, "float64")
    program = load("numpy", agent.structure())
    state = initial_state(agent, program.layout, 3)
    weights = state["gpe_through_gpe_to_gpe.weight"].reshape(2, 3, 3)
    np.testing.assert_array_equal(state["gpe.conductance_of_gpe_to_gpe"], weights.sum(axis=-1))
    assert (weights > 0).all() and np.abs(weights[0] - weights[1]).max() > 0.1
    found = run(circuit, 5, replicates=2)
    expected = np.stack([euler(5, w) for w in weights], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    cut = coupled().lesion("gpe->gpe", 0.5, seed=1)
    np.testing.assert_allclose(
        run(cut, 5)[:, 0], euler(5, WEIGHTS * cut.projections["gpe->gpe"].mask), rtol=1e-12
    )


def test_two_nuclei_pull_at_each_other_and_dopamine_may_open_what_is_between():
    circuit = coupled(np.zeros((3, 3)))
    other = Population(3, map={"rate": "rate"}, initial={"rate": [0.5, 1.0, -1.0]})
    circuit = circuit.add_population("stn", other)
    circuit = circuit.connect("stn", "gpe", weights=np.eye(3), electrical=True, plastic=False)
    pulled = START + 20 / TAU * (-LEAK * START + [0.5, 1, -1] - START)
    np.testing.assert_allclose(run(circuit, 1)[0, 0], pulled, rtol=1e-13)
    # A gain of the nucleus is one of its synapses, a gain of the pathway one of its gap junctions.
    for target, gain in (("gpe", 1.0), ("stn->gpe", 0.2)):
        changed = circuit.add_population(
            "acetylcholine", Population(1, map={"rate": "rate"}, initial={"rate": 1.0})
        ).modulate("acetylcholine", target, "gain", -0.8)
        expected = START + 20 / TAU * (-LEAK * START + gain * (np.array([0.5, 1, -1]) - START))
        np.testing.assert_allclose(run(changed, 1)[0, 0], expected, rtol=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["cpp", "cuda-emulated"])
def test_backends_are_the_same(backend):
    circuit = coupled(substeps=2)
    expected = run(circuit, 8, replicates=2)
    np.testing.assert_allclose(
        run(circuit, 8, backend, 4, replicates=2), expected[3::4], rtol=1e-12
    )
    assert np.ptp(expected) > 0.1


def test_interventions_take_neurons_but_no_gap_junctions():
    circuit = coupled()
    silent = run(circuit, 3, interventions=[Intervention("inactivate", "gpe", neurons=(1,))])
    assert (silent[:, 0, 1] == 0).all()
    rate = START[2]
    for now in silent[:, 0, 2]:  # pulled at by a neuron at rest
        rate = rate - 20 / TAU * (LEAK * rate + 0.8 * rate)
        assert now == pytest.approx(rate, rel=1e-12)
    # A gain of the drive is one of synapses, of which there are none.
    gained = run(circuit, 3, interventions=[Intervention("gain", "gpe", 3.0)])
    np.testing.assert_allclose(gained[:, 0], euler(3), rtol=1e-12)
    for kind, value in (("inactivate", None), ("gain", 0.5), ("block_plasticity", None)):
        with pytest.raises(InputError, match="gpe->gpe"):
            run(circuit, 1, interventions=[Intervention(kind, "gpe->gpe", value)])


def test_it_is_edited_by_name_kept_in_json_shown_and_drawn(tmp_path):
    circuit = coupled()
    assert "  gpe->gpe: 3 x 3, electrical, weights" in str(circuit)
    assert Circuit.from_json(circuit.to_json()) == circuit
    plain = circuit.set("gpe->gpe.electrical", "False")
    assert "  gpe->gpe: 3 x 3, fixed, weights" in str(plain)
    assert not plain.populations["gpe"].junctions
    assert plain.set("gpe->gpe.electrical", True) == circuit
    (arrow,) = [a for a in read_circuit(circuit)[1] if a.name == "gpe->gpe"]
    assert arrow.sign == ELECTRICAL and arrow.strength == pytest.approx(WEIGHTS.sum() / 3)
    save_figure(plot_circuit(circuit).figure, tmp_path / "drawn.svg")
    text = (tmp_path / "drawn.svg").read_text()
    for part in ("electrical:gpe->gpe", "electrical:gpe->gpe-2", "gap junctions"):
        assert part.replace(">", "&gt;") in text, part
    save_figure(plot_circuit(plain).figure, tmp_path / "plain.svg")
    assert "gap junctions" not in (tmp_path / "plain.svg").read_text()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: coupled(plastic=True),
            "plastic of an electrical projection is True; gap junctions",
        ),
        (lambda: coupled(delay=40.0), "delay of an electrical projection is 40"),
        (
            lambda: coupled(dynamics=exponential(40)),
            "dynamics of an electrical projection is given",
        ),
        (lambda: coupled(modulates="gain"), "modulates of an electrical projection is gain"),
        (lambda: coupled(reads="fatigue"), "unknown variable of 'gpe' 'fatigue'; valid: rate"),
        (
            lambda: coupled().connect("reward", "gpe", electrical=True, plastic=False),
            "unknown population at the other end of 'reward->gpe', which is electrical 'reward'",
        ),
        (lambda: coupled().set("gpe->gpe.electrical", 1), "is 1; valid: True, False"),
        (
            lambda: (
                coupled()
                .add_population(
                    "snr", Population(1, map={"rate": "drive", "through_gpe_to_snr": "rate"})
                )
                .connect("gpe", "snr", electrical=True, plastic=False)
            ),
            "'through_gpe_to_snr' is also the name of what an electrical projection has",
        ),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
