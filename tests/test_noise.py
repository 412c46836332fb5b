"""White noise in the equations of a nucleus: its statistics, where it comes from, learning through it."""

from dataclasses import replace

import numpy as np
import pytest

import models
from bgrl import tasks
from bgrl.agent import Agent
from bgrl.backends import load
from bgrl.circuit import Circuit, Parameter, Population, Readout
from bgrl.errors import InputError
from bgrl.learning import Learning
from bgrl.simulation import Run, simulate
from bgrl.step.assemble import initial_state
from tests.test_sensitivity import random_population, replay, threes
from tests.truncated import Oracle

#: An Ornstein-Uhlenbeck process of standard deviation sigma and time constant tau.
OU = """
    drate/dt = -rate/tau + sigma*sqrt(2/tau)*xi : 1
    tau : second
    sigma : 1
"""
TAU, SIGMA = 1000.0, 0.3  # ms, 1


def wandering(size=5, substeps=1, step=20.0, replicates=2, equations=OU, sigma=SIGMA, **more):
    """An agent whose cortex is nothing but noise, in a trial that does not end."""
    task = tasks.make("memory_chain", length=100_000)
    parameters = {"tau": Parameter(TAU, unit="ms"), "sigma": Parameter(sigma)}
    used = {name: p for name, p in parameters.items() if name in equations}
    cortex = Population(size, equations=equations, parameters=used)
    circuit = Circuit(
        dt=step / substeps,
        substeps=substeps,
        populations={"cortex": cortex, **more},
        projections={},
        inputs={"observation": len(task.observations), "action": len(task.actions), "reward": 1},
        actor=Readout("dorsal_striatum", "cortex", weights=0.0, feedback=0.0),
        critic=Readout("ventral_striatum", "cortex", weights=0.0, feedback=0.0),
    )
    return Agent(circuit, task, Learning(sensitivity="none"), replicates, "float64")


def states(agent, steps, backend="numpy", seed=1, every=1):
    """Rates (time, replicate, neuron) after every so many steps, and the last state."""
    program = load(backend, agent.structure())
    state, found = initial_state(agent, program.layout, seed), []
    for step in range(0, steps, every):
        state = program.advance(state, step, every)
        found.append(state["cortex.rate"].copy())
    return np.array(found), state


@pytest.mark.parametrize("substeps", [1, pytest.param(4, marks=pytest.mark.long), 16])
def test_variance_and_autocorrelation_are_those_of_the_process(substeps):
    """Ornstein-Uhlenbeck: variance sigma^2, autocorrelation exp(-lag/tau); both within 2 %."""
    agent = wandering(100, substeps, step=20.0 * substeps, replicates=100)
    rates, _ = states(agent, 768 // substeps, every=16 // substeps)
    rates = rates[18:]  # after nearly six time constants from the start at zero
    assert rates.var() == pytest.approx(SIGMA**2, rel=0.02)
    lagged = (rates[1:] * rates[:-1]).mean() / (rates[:-1] ** 2).mean()
    assert lagged == pytest.approx(np.exp(-16 * 20 / TAU), rel=0.02)
    fourth = (rates**4).mean() / rates.var() ** 2
    assert fourth == pytest.approx(3.0, rel=0.03)
    # Neurons and replicates are independent.
    flat = rates.reshape(len(rates), -1)
    between = np.corrcoef(flat[:, :50], rowvar=False)
    off = between[~np.eye(len(between), dtype=bool)]
    assert abs(off.mean()) < 0.05


def test_the_same_seed_gives_the_same_noise_whoever_else_is_there():
    expected, _ = states(wandering(replicates=4), 6)
    found, _ = states(wandering(replicates=10), 6)
    np.testing.assert_array_equal(found[:, :4], expected)
    other = Population(3, map={"rate": "0.5*rate"})
    found, _ = states(wandering(replicates=4, stn=other), 6)
    np.testing.assert_array_equal(found, expected)
    different, _ = states(wandering(replicates=4), 6, seed=2)
    assert np.abs(different - expected).min() > 1e-9
    assert len(np.unique(expected[0])) == expected[0].size


def test_two_nuclei_and_two_noises_of_one_have_their_own():
    both = wandering(equations=OU.replace("*xi", "*(xi_a + xi_b)"))
    _, state = states(both, 1)
    drawn = [state["cortex.drawn_xi_a"], state["cortex.drawn_xi_b"]]
    again = replace(both.circuit.populations["cortex"])
    twins = wandering(stn=again, equations=OU.replace("*xi", "*(xi_a + xi_b)"))
    _, state = states(twins, 1)
    np.testing.assert_array_equal(state["cortex.drawn_xi_a"], drawn[0])
    drawn += [state["stn.drawn_xi_a"], state["stn.drawn_xi_b"]]
    assert len(np.unique(drawn)) == np.size(drawn)


@pytest.mark.parametrize("substeps", [1, 3])
def test_a_run_that_goes_on_has_the_noise_that_it_would_have_had(substeps):
    agent = wandering(substeps=substeps)
    through, _ = states(agent, 12, every=12)
    parts, _ = states(agent, 12, every=4)
    np.testing.assert_array_equal(parts[-1], through[-1])


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["cpp", "cuda-emulated"])
def test_backends_draw_the_same(backend):
    agent = models.agent("rtrrl", tasks.make("memory_chain", length=3), 5, 2, "float64")
    noisy = replace(
        agent.circuit.populations["cortex"],
        equations="""
            drate/dt = (-rate + tanh(drive + bias))/tau + (0.1*xi + 0.2*rate*xi_own)/sqrt(tau) : 1
            tau : second
        """,
        derivatives=None,
    )
    circuit = replace(agent.circuit, populations={"cortex": noisy}, dt=10.0, substeps=2)
    agent = replace(agent, circuit=circuit, learning=replace(agent.learning, sensitivity="rtrl"))
    expected, there = states(agent, 40)
    found, here = states(agent, 40, backend)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert np.abs(there["cortex.rate"]).max() > 0.05
    for name in there:
        np.testing.assert_allclose(here[name], there[name], atol=1e-9, err_msg=name)
    quiet, _ = states(agent, 40, seed=2)
    assert np.abs(quiet - expected).max() > 1e-2


@pytest.mark.parametrize("method", ["rtrl", "rflo"])
def test_sensitivities_hold_the_sample_that_was_drawn(method, monkeypatch):
    """Additive and multiplicative noise, whose size is learned, under three sub-steps."""
    generator = np.random.default_rng(3)
    nuclei = {
        name: random_population(generator, "noisy", 3, k)
        for k, name in enumerate(("cortex", "gpe"))
    }
    pairs = ("stimulus", "cortex"), ("cortex", "cortex"), ("cortex", "gpe"), ("gpe", "cortex")
    circuit = Circuit(0.5, 3, nuclei, threes(generator, pairs), {"stimulus": 2})
    assert max(replay(circuit, method).values()) < 1e-10
    drawn = Oracle.drawn
    monkeypatch.setattr(Oracle, "drawn", lambda *a: {k: 1.1 * v for k, v in drawn(*a).items()})
    errors = replay(circuit, method)
    for kind in ("state", "sensitivity"):
        assert max(v for k, v in errors.items() if k.startswith(kind)) > 1e-3


def test_noise_may_be_off_in_evaluations():
    task = tasks.make("memory_chain", length=2)
    returns = {}
    for sigma in (0.0, 50.0):
        agent = models.agent("rtrrl", task, 5, 2, "float64")
        cortex = replace(
            agent.circuit.populations["cortex"],
            equations="""
                drate/dt = (-rate + tanh(drive + bias))/tau + sigma*sqrt(2/tau)*xi : 1
                tau : second
            """,
            derivatives=None,
            parameters=agent.circuit.populations["cortex"].parameters | {"sigma": Parameter(sigma)},
        )
        agent = replace(agent, circuit=replace(agent.circuit, populations={"cortex": cortex}))
        for on in (True, False):
            run = Run(1, backend="numpy", evaluations=1, final_trials=20, evaluation_noise=on)
            data = simulate(agent, run)["evaluation"]["mean_return"]
            returns[sigma, on] = data.isel(checkpoint=0).values
    np.testing.assert_array_equal(returns[50.0, False], returns[0.0, False])
    assert not np.array_equal(returns[50.0, True], returns[0.0, True])


def test_dopamine_may_be_noisy():
    """Each replicate and step has its own number, that all which is taught shares; it may be off."""
    plain = wandering(replicates=300).circuit
    agent = replace(wandering(replicates=300), circuit=plain.set("dopamine.noise", 0.2))
    program = load("numpy", agent.structure())
    state, found = initial_state(agent, program.layout, 1), []
    for step in range(6):
        state = program.advance(state, step, 1, learn=True)
        found.append(state["dopamine.td_error"].copy())
        np.testing.assert_array_equal(state["readout.dopamine"][:, 0], found[-1])
        state["readout.bias"][...] = 0.0  # what it is wrong about does not pile up
        state["dopamine.value"][...] = 0.0
    noise = np.array(found[1:])
    assert noise.std() == pytest.approx(0.2, rel=0.05) and abs(noise.mean()) < 0.02
    assert abs(np.corrcoef(noise)[0, 1]) < 0.2 and len(np.unique(noise)) == noise.size
    state = initial_state(agent, program.layout, 1)
    state["dopamine.gain_noise"][...] = 0.0  # as in evaluations without noise
    assert not np.any(program.advance(state, 0, 3)["dopamine.td_error"])
    assert "noisy_dopamine" not in wandering().structure()
    with pytest.raises(InputError, match="dopamine noise is -1; 0 or more is needed"):
        plain.set("dopamine.noise", -1)


@pytest.mark.parametrize(
    ("equations", "message"),
    [
        ("drate/dt = -rate/tau + xi**2 : 1\ntau : second", "not linear in its noise"),
        ("drate/dt = -rate/tau + xi*xi_b*sqrt(tau)/tau : 1\ntau : second", "not linear in its"),
        ("drate/dt = -rate/tau + tanh(sqrt(tau)*xi)/tau : 1\ntau : second", "not linear in its"),
        ("drate/dt = -rate/tau + sigma*xi/tau : 1\ntau : second\nsigma : 1", "units of drate/dt"),
        ("dxi/dt = -xi/tau : 1\ntau : second", "'xi' is no name for a variable"),
    ],
)
def test_what_is_no_noise_is_refused(equations, message):
    with pytest.raises(InputError, match=message):
        states(wandering(equations=equations), 1)


def test_a_map_has_no_noise():
    with pytest.raises(InputError, match="noise xi is for 'equations'; a map has no duration"):
        states(wandering(stn=Population(2, map={"rate": "0.5*rate + xi"})), 1)
