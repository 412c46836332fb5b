"""Every model in the task of the paper: it is described, trains, and remembers where it should."""

import numpy as np
import pytest

import models
from bgrl import tasks
from bgrl.circuit import Circuit
from bgrl.errors import InputError
from bgrl.learning.sensitivity import blocks, cost
from bgrl.simulation import Run, simulate


@pytest.mark.parametrize("model", models.names())
def test_every_model_is_a_description_that_runs_on_numpy(model):
    task = tasks.make("memory_chain", length=3)
    circuit = models.circuit(model, task, 4)
    assert Circuit.from_json(circuit.to_json()) == circuit
    agent = models.agent(model, task, 4, 2, "float64", sensitivity="rtrl", **models.STEADY)
    run = Run(30, backend="numpy", evaluations=1, evaluation_trials=1, final_trials=1)
    data = simulate(agent, run)
    for name, weights in data["weights"].data_vars.items():
        first, last = (weights.isel(checkpoint=k).values for k in (0, -1))
        readouts = (circuit.actor, circuit.critic)
        parts = {
            **circuit.projections,
            **{f"{r.reads}->{r.name}": r for r in readouts},
            f"{circuit.critic.name}.bias": circuit.critic,
        }
        plastic = name not in parts or parts[name].plastic
        assert np.isfinite(last).all()
        if "reward" not in name:
            assert (first != last).any() == plastic, name


def test_unknown_models_and_sizes_are_refused():
    task = tasks.make("memory_chain")
    with pytest.raises(
        InputError, match="unknown model 'gpt'; valid: .*cortex_thalamus, .*lru, .*rtrrl"
    ):
        models.agent("gpt", task)
    for model in models.names():
        with pytest.raises(InputError, match="units is 0; a positive integer is needed"):
            models.circuit(model, task, 0)


def test_lru_needs_no_more_than_its_own_neurons():
    task = tasks.make("memory_chain")
    structure = models.agent("lru", task, 32, sensitivity="snap1").structure()
    # Two variables for each of 2 x 6 weights and 3 parameters of every neuron.
    assert cost(structure).values == 32 * 2 * (2 * 6 + 3)
    assert all(block.states for block in blocks(structure))


def final(model, length, steps, replicates, **learning):
    agent = models.agent(
        model,
        tasks.make("memory_chain", length=length),
        32,
        replicates,
        **learning,
        **models.STEADY,
    )
    data = simulate(agent, Run(steps, evaluations=1))
    return data["evaluation"]["mean_return"].values[:, -1]


@pytest.mark.long
def test_lru_remembers_over_64_steps():
    assert (final("lru", 64, 150_000, 4, sensitivity="snap1") >= 0.95).sum() >= 3


@pytest.mark.long
def test_a_loop_of_two_nuclei_remembers_with_exact_gradients():
    assert (final("cortex_thalamus", 4, 12_000, 4, sensitivity="rtrl") >= 0.95).sum() >= 3
