"""Approximate gradients beside the exact ones, as a run records them."""

from dataclasses import replace

import numpy as np
import pytest

import models
from bgrl import tasks
from bgrl.errors import InputError
from bgrl.recording import Record
from bgrl.simulation import Run, simulate

RUN = Run(
    40,
    backend="numpy",
    evaluations=1,
    evaluation_trials=1,
    final_trials=1,
    record=Record(("gradients",)),
)


def recorded(model, method, feed_forward=False, oracle=True, backend="numpy", **learning):
    """Cosine and norm ratio, (replicate, time, parameter)."""
    agent = models.agent(
        model,
        tasks.make("memory_chain", length=3),
        4,
        2,
        "float64",
        sensitivity=method,
        oracle=oracle,
        **learning,
    )
    if feed_forward:
        kept = {k: p for k, p in agent.circuit.projections.items() if p.source != "cortex"}
        agent = replace(agent, circuit=replace(agent.circuit, projections=kept))
    return simulate(agent, replace(RUN, backend=backend))


def cosine(*arguments, **keywords):
    data = recorded(*arguments, **keywords)["traces"]
    return data["gradient_cosine"], data["gradient_norm_ratio"]


@pytest.mark.parametrize("method", ["nucleus", "rtrl"])
def test_rtrl_is_exact(method):
    """In a circuit of one nucleus `nucleus` is exact too; it carries arrays of its own."""
    angle, ratio = cosine("rtrrl", method)
    found = np.isfinite(angle.values)
    # Where a trial starts, the cortex has not yet been active.
    assert found[..., angle["parameter"].values.tolist().index("cortex->cortex")].mean() > 0.5
    np.testing.assert_allclose(angle.values[found], 1, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ratio.values[found], 1, rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", ["rflo", "snap1"])
def test_approximations_are_not_exact_in_a_recurrent_circuit(method):
    angle, _ = cosine("rtrrl", method)
    values = angle.sel(parameter="observation->cortex").values
    assert np.nanmin(values) >= -1 and 0 < np.nanmedian(values) < 0.999


@pytest.mark.parametrize("method", ["rflo", "snap1", "nucleus", "rtrl"])
def test_all_methods_coincide_without_recurrence(method):
    angle, ratio = cosine("rtrrl", method, feed_forward=True)
    found = np.isfinite(angle.values)
    assert found.any()
    np.testing.assert_allclose(angle.values[found], 1, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ratio.values[found], 1, rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", ["rflo", "snap1"])
def test_local_methods_are_exact_for_the_linear_recurrent_unit(method):
    angle, _ = cosine("lru", method)
    np.testing.assert_allclose(angle.values[np.isfinite(angle.values)], 1, rtol=0, atol=1e-12)


def test_what_does_not_cross_a_synapse_leaves_the_thalamus_without_gradient():
    angle, ratio = cosine("cortex_thalamus", "nucleus")
    assert np.isnan(angle.sel(parameter="cortex->thalamus").values).all()
    values = ratio.sel(parameter="cortex->thalamus").values
    assert (values[np.isfinite(values)] == 0).all() and np.isfinite(values).any()
    assert 0 < np.nanmedian(angle.sel(parameter="cortex->cortex").values) < 1


def test_the_oracle_does_not_steer():
    with_oracle = recorded("cortex_thalamus", "rflo")
    agent = models.agent(
        "cortex_thalamus", tasks.make("memory_chain", length=3), 4, 2, "float64", sensitivity="rflo"
    )
    without = simulate(agent, replace(RUN, record=Record(("dopamine",))))
    for name, values in without["weights"].data_vars.items():
        found = with_oracle["weights"][name]
        np.testing.assert_allclose(values, found, rtol=0, atol=1e-13, err_msg=name)


@pytest.mark.slow
def test_cpp_and_numpy_agree():
    expected, found = (
        recorded("cortex_thalamus", "snap1", backend=b)["traces"] for b in ("numpy", "cpp")
    )
    for name in ("gradient_product", "gradient_square", "exact_gradient_square"):
        assert float(np.abs(expected[name]).max()) > 1e-6
        np.testing.assert_allclose(expected[name], found[name], rtol=1e-9, atol=1e-12)


def test_gradients_need_an_oracle():
    with pytest.raises(
        InputError, match="to record 'gradients', oracle=True is needed in Learning"
    ):
        recorded("rtrrl", "rflo", oracle=False)
