"""The closed loop of cortex, basal ganglia and thalamus: pathways, dopamine, sensitivities, learning."""

from dataclasses import replace

import numpy as np
import pytest

import models
from bgrl import tasks
from bgrl.backends import load
from bgrl.circuit import Dopamine, Parameter
from bgrl.simulation import Run, simulate
from bgrl.step.assemble import initial_state
from models.basal_ganglia import CHANNEL
from tests.test_sensitivity import replay
from tests.truncated import with_arrays

TASK = tasks.make("memory_chain", length=3)


def at_rest(bias=None, tonic=0.0, steps=40):
    """Rates after some steps without a cortex, some neurons' biases changed; (nucleus -> channel)."""
    circuit = models.circuit("basal_ganglia", TASK, 4)
    populations = dict(circuit.populations)
    for name, change in (bias or {}).items():
        parameters = populations[name].parameters
        value = np.full(populations[name].size, parameters["bias"].value) + change
        parameters = parameters | {"bias": replace(parameters["bias"], value=value)}
        populations[name] = replace(populations[name], parameters=parameters)
    cut = {
        k: replace(p, weights=0.0) if "cortex" in (p.source, p.target) else p
        for k, p in circuit.projections.items()
    }
    circuit = replace(
        circuit, populations=populations, projections=cut, dopamine=Dopamine(tonic=tonic)
    )
    agent = models.agent("basal_ganglia", TASK, 4, 1, "float64")
    agent = replace(agent, circuit=circuit)
    program = load("numpy", agent.structure())
    state = initial_state(agent, program.layout, 0)
    state["task.length"][...] = 1e9
    state = program.advance(state, 0, steps, learn=False)
    return {
        name: state[f"{name}.rate"][0].reshape(-1, CHANNEL).mean(1)
        for name in circuit.populations
        if name != "cortex"
    }


def first_channel(amount):
    return amount * np.repeat([1.0, *[0.0] * (len(TASK.actions) - 1)], CHANNEL)


def changes(name, amount=1.0):
    """What exciting the first channel of a nucleus does to the rates of all, (own, other channel)."""
    before, after = at_rest(), at_rest({name: first_channel(amount)})
    return {k: (after[k] - before[k])[:2] for k in before}


def test_the_direct_pathway_disinhibits_its_own_channel():
    found = changes("d1")
    assert found["gpi"][0] < -0.05 and found["thalamus"][0] > 0.05
    assert abs(found["gpi"][1]) < 1e-12 and abs(found["thalamus"][1]) < 1e-12


def test_the_indirect_pathway_holds_back_its_own_channel():
    found = changes("d2")
    assert found["gpe"][0] < -0.05 and found["stn"][0] > 0.01
    assert found["gpi"][0] > 0.05 and found["thalamus"][0] < -0.05
    assert abs(found["thalamus"][1]) < 0.2 * abs(found["thalamus"][0])


def test_the_hyperdirect_pathway_holds_back_all_channels_alike():
    found = changes("stn")
    assert (found["gpi"] > 0.005).all() and (found["thalamus"] < -0.003).all()
    assert found["thalamus"][0] == pytest.approx(found["thalamus"][1], rel=0.3)


def test_tonic_activity():
    rates = at_rest()
    assert rates["gpi"].min() > 0.5 > 0.4 > rates["d1"].max() and rates["d2"].max() < 0.4
    assert 0.1 < rates["thalamus"].min() < 0.9


def test_dopamine_excites_d1_and_holds_back_d2():
    """It scales what they receive, so some drive is needed."""
    task = TASK
    circuit = models.circuit("basal_ganglia", task, 4)
    rates = {}
    for tonic in (-1.0, 1.0):
        driven = {
            k: replace(p, weights=0.5) if k in ("cortex->d1", "cortex->d2") else p
            for k, p in circuit.projections.items()
        }
        cortex = circuit.populations["cortex"]
        cortex = replace(cortex, parameters=cortex.parameters | {"bias": Parameter(1.0)})
        populations = circuit.populations | {"cortex": cortex}
        agent = models.agent("basal_ganglia", task, 4, 1, "float64")
        agent = replace(
            agent,
            circuit=replace(
                circuit,
                projections=driven,
                populations=populations,
                dopamine=Dopamine(tonic=tonic),
            ),
        )
        program = load("numpy", agent.structure())
        state = program.advance(initial_state(agent, program.layout, 0), 0, 3, learn=False)
        rates[tonic] = {name: state[f"{name}.rate"].mean() for name in ("d1", "d2")}
    assert rates[1.0]["d1"] > rates[-1.0]["d1"] + 0.02
    assert rates[1.0]["d2"] < rates[-1.0]["d2"] - 0.02


@pytest.mark.parametrize("method", ["rtrl", pytest.param("rflo", marks=pytest.mark.long)])
def test_sensitivities_agree_with_numerical_differentiation(method, monkeypatch):
    monkeypatch.setattr("models.basal_ganglia.CHANNEL", 1)
    circuit = with_arrays(models.circuit("basal_ganglia", TASK, 3))
    errors = replay(circuit, method, steps=3)
    assert len(errors) > 50 and max(errors.values()) < 1e-12


def test_dopamine_strengthens_d1_where_it_weakens_d2():
    """A burst after the same activity: opposite changes at the synapses onto the two pathways."""
    agent = models.agent(
        "basal_ganglia",
        TASK,
        4,
        1,
        "float64",
        sensitivity="rflo",
        optimizer="sgd",
        entropy_weight=0.0,
    )
    weights = np.random.default_rng(0).normal(size=(CHANNEL * len(TASK.actions), 4)) / 2
    projections = agent.circuit.projections | {
        f"cortex->{name}": replace(agent.circuit.projections[f"cortex->{name}"], weights=weights)
        for name in ("d1", "d2")
    }
    agent = replace(agent, circuit=replace(agent.circuit, projections=projections))
    program = load("numpy", agent.structure())
    state = program.advance(initial_state(agent, program.layout, 0), 0, 2, learn=False)
    state = program.advance(state, 2, 1)
    traces = {name: state[f"{name}_drive.eligibility_weight"] for name in ("d1", "d2")}
    assert np.abs(traces["d1"]).max() > 1e-4
    # Excitability differs between them by what dopamine adds, so equality is not exact.
    angle = (traces["d1"] * traces["d2"]).sum() / np.linalg.norm(traces["d1"])
    assert angle / np.linalg.norm(traces["d2"]) < -0.9


@pytest.mark.long
def test_it_remembers():
    task = tasks.make("memory_chain", length=4)
    agent = models.agent("basal_ganglia", task, 32, 4, sensitivity="rflo", **models.STEADY)
    data = simulate(agent, Run(40_000, evaluations=1))
    assert (data["evaluation"]["mean_return"].values[:, -1] >= 0.9).sum() >= 3
