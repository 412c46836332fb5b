"""Dynamics of projections: what they transmit, on which backends, and what cannot be.

That their sensitivities are exact is shown with random circuits, in `tests/test_sensitivity.py`.
"""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms

import models
from analysis.pathways import read_circuit
from bgrl import tasks
from bgrl.agent import Agent
from bgrl.backends import load
from bgrl.circuit import (
    Circuit,
    Parameter,
    Population,
    Synapse,
    alpha,
    exponential,
    failing,
    nmda,
    tsodyks_markram,
)
from bgrl.errors import InputError
from bgrl.interventions import Intervention
from bgrl.learning import Learning
from bgrl.step.assemble import initial_state

TASK = tasks.make("memory_chain", length=4)
#: A nucleus whose rates are what it is driven by.
RELAY = {"map": {"rate": "drive"}}


def sending(synapse, rate=0.5, substeps=1, **fields):
    """Two neurons `gpe` whose rates stay what they are, and `stn`, which shows what arrives."""
    circuit = models.circuit("rtrrl", TASK, 1)
    source = Population(2, map={"rate": "rate"}, initial={"rate": [rate, 2 * rate]})
    circuit = circuit.add_population("gpe", source).add_population("stn", Population(2, **RELAY))
    circuit = circuit.connect(
        "gpe", "stn", weights=np.eye(2), plastic=False, dynamics=synapse, **fields
    )
    circuit = replace(circuit, dt=circuit.dt / substeps, substeps=substeps)
    return Agent(circuit, TASK, Learning(sensitivity="none"), 1, "float64")


def run(agent, steps, backend="numpy", every=1, learn=False, interventions=(), trial=False):
    """States after every so many steps; with `trial`, as if all of them were one trial."""
    program = load(backend, agent.structure(bool(interventions)))
    state, found = initial_state(agent, program.layout, 3, interventions), []
    if not trial:
        state["task.restart"][...] = 0
    for step in range(0, steps, every):
        state = program.advance(state, step, every, learn=learn)
        found.append({k: v.copy() for k, v in state.items()})
    return found


def arriving(agent, steps, **options):
    """Array (steps, neurons) of what arrives in `stn`, whose state is one Euler step late."""
    return np.array([state["stn.rate"][0] for state in run(agent, steps, **options)])


def euler(derivative, steps, dt, start):
    """States of an ordinary differential equation before each of some Euler steps."""
    found = [np.array(start, float)]
    for _ in range(steps - 1):
        found.append(found[-1] + dt * derivative(found[-1]))
    return np.array(found)


STEPS = 4  # fewer than the trial has, which starts in the first


@pytest.mark.parametrize("substeps", [1, 4])
def test_filters_are_what_their_equations_say(substeps):
    r, dt = np.array([0.5, 1.0]), 20.0 / substeps
    expected = euler(lambda s: (r - s) / 60.0, STEPS * substeps, dt, [0, 0])
    found = arriving(sending(exponential(60 * ms), substeps=substeps), STEPS)
    np.testing.assert_allclose(found, expected[substeps - 1 :: substeps], atol=1e-14)
    assert found[-1, 0] > 0.2
    both = lambda x: np.array([(x[1] - x[0]) / 50.0, (r - x[1]) / 50.0])  # noqa: E731
    expected = euler(both, STEPS * substeps, dt, np.zeros((2, 2)))[:, 0]
    found = arriving(sending(alpha(50), substeps=substeps), STEPS)
    np.testing.assert_allclose(found, expected[substeps - 1 :: substeps], atol=1e-14)


def test_resources_are_used_and_recover():
    """Tsodyks & Markram: equations in steps, and what a steady rate ends at."""
    r, U, rec, facil, between = np.array([0.5, 1.0]), 0.3, 300.0, 200.0, 50.0
    synapse = tsodyks_markram(U, rec, facil * ms, between)

    def change(state):
        u, x = state
        return np.array(
            [(U - u) / facil + U * (1 - u) * r / between, (1 - x) / rec - u * x * r / between]
        )

    u, x = np.moveaxis(euler(change, STEPS, 20.0, [[U, U], [1, 1]]), 1, 0)
    found = arriving(sending(synapse), STEPS)
    np.testing.assert_allclose(found, u * x * r, atol=1e-14)
    # The first is what a rested synapse transmits.
    np.testing.assert_allclose(found[0], U * r, atol=1e-15)
    u = (U / facil + U * r / between) / (1 / facil + U * r / between)
    x = 1 / (1 + u * rec * r / between)
    circuit = sending(synapse).circuit
    forever = tasks.make("memory_chain", length=100_000)
    agent = Agent(circuit, forever, Learning(sensitivity="none"), 1, "float64")
    (last,) = run(agent, 400, every=400)
    np.testing.assert_allclose(last["stn.rate"][0], u * x * r, rtol=1e-9)
    plain = sending(tsodyks_markram(U, rec, interval=between))
    (last,) = run(replace(plain, task=forever), 400, every=400)
    np.testing.assert_allclose(last["stn.rate"][0], U * r / (1 + U * rec * r / between), rtol=1e-9)
    (last,) = run(replace(sending(nmda()), task=forever), 400, every=400)
    opened = 0.64 * r * 100 / 20
    np.testing.assert_allclose(last["stn.rate"][0], opened / (1 + opened), rtol=1e-9)
    # Nothing fires with a rate below zero.
    assert not np.any(arriving(sending(synapse, rate=-0.5), STEPS))


def sent(failure, steps, rate=1.0, replicates=1, substeps=1, every=1, seed=3, backend="numpy"):
    """What synapses that fail transmit to `stn`, (step, replicate, neuron), in one long trial."""
    agent = replace(sending(failing(failure), rate, substeps), replicates=replicates)
    program = load(backend, agent.structure())
    state, found = initial_state(agent, program.layout, seed), []
    state["task.restart"][...] = 0
    for step in range(0, steps, every):
        state = program.advance(state, step, every, learn=False)
        found.append(state["gpe.output_at_gpe_to_stn"].copy())
    return np.array(found)


@pytest.mark.parametrize("substeps", [1, 3])
def test_release_fails_as_often_as_is_said(substeps):
    """All or nothing, each neuron by itself: mean, variance and correlations of Bernoulli draws."""
    failure, replicates = [0.25, 0.7], 400
    found = sent(failure, 60, 0.5, replicates, substeps)
    released = found / [0.5, 1.0]
    assert set(np.unique(released)) == {0.0, 1.0}
    draws = len(found) * replicates
    for k, p in enumerate(failure):
        error = np.sqrt(p * (1 - p) / draws)
        assert abs(released[..., k].mean() - (1 - p)) < 3 * error < 0.01
    # Of neurons, replicates and successive steps.
    centred = released - released.mean(axis=(0, 1))
    pairs = {
        "neurons": (centred[..., 0], centred[..., 1]),
        "steps": (centred[1:, :, 1], centred[:-1, :, 1]),
        "replicates": (centred[:, 1:, 1], centred[:, :-1, 1]),
    }
    for name, (a, b) in pairs.items():
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 3 / np.sqrt(a.size), name
    assert (sent(0.0, 5) == [1.0, 2.0]).all() and (sent(1.0, 5) == 0).all()


def test_failures_follow_from_the_seed_and_go_on():
    through = sent(0.5, 24, replicates=2)
    np.testing.assert_array_equal(sent(0.5, 24, replicates=2, every=8), through[7::8])
    np.testing.assert_array_equal(sent(0.5, 24, replicates=1), through[:, :1])
    assert 0.2 < (sent(0.5, 24, replicates=2, seed=4) == through).mean() < 0.8


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["cpp", "cuda-emulated"])
def test_backends_fail_in_the_same_steps(backend):
    expected = sent(0.4, 40, 0.5, 3, 2)
    np.testing.assert_array_equal(sent(0.4, 40, 0.5, 3, 2, 10, backend=backend), expected[9::10])
    assert 0.3 < (expected > 0).mean() < 0.9


def test_without_noise_release_is_what_it_is_on_average():
    agent = sending(failing(0.3), 0.5)
    program = load("numpy", agent.structure())
    state = initial_state(agent, program.layout, 3)
    assert state["gpe.gain_noise"] == 1
    state["gpe.gain_noise"][...] = 0
    state["task.restart"][...] = 0
    for step in range(3):
        state = program.advance(state, step, 1, learn=False)
        expected = 0.7 * np.array([0.5, 1.0])
        np.testing.assert_allclose(state["gpe.output_at_gpe_to_stn"][0], expected, rtol=1e-14)


def test_failing_synapses_are_edited_by_name_kept_in_json_and_shown():
    plain = models.circuit("cortex_thalamus", TASK, 4)
    circuit = plain.set("thalamus->cortex.dynamics", "failing(0.4)")
    assert "    transmits released*source\n    failure: 0.4\n" in str(circuit)
    assert Circuit.from_json(circuit.to_json()) == circuit
    assert circuit.set("thalamus->cortex.failure", 0.2) == plain.set(
        "thalamus->cortex.dynamics", failing(0.2)
    )
    (arrow,) = [a for a in read_circuit(circuit)[1] if a.name == "thalamus->cortex"]
    assert arrow.note == "(released)"
    for value in (1.2, -0.1, np.array([0.2, 3.0])):
        with pytest.raises(InputError, match="failure of 'thalamus->cortex' is .*; probabilities"):
            circuit.set("thalamus->cortex.failure", value)
    with pytest.raises(InputError, match=r"failure of 'thalamus->cortex' is drawn"):
        circuit.set("thalamus->cortex.failure", "uniform(0, 1)")


@pytest.mark.parametrize("model", ["cortex_thalamus", "lru"])
def test_what_is_transmitted_is_of_the_same_time(model):
    """A synapse that passes its source on is no synapse, in derivatives and in difference equations."""
    plain = models.circuit(model, TASK, 3)
    name, variable = {"cortex_thalamus": ("thalamus->cortex", "rate"), "lru": (None, "real")}[model]
    if name is None:
        reads = next(iter(plain.populations["cortex"].described))
        plain = plain.add_population("stn", Population(2, **RELAY))
        plain = plain.connect("cortex", "stn", name="probe", reads=reads).set("cortex.size", 3)
        name, variable = "probe", reads
    passing = plain.set(
        f"{name}.dynamics", Synapse("dx/dt = -x/tau : 1", {"tau": 100 * ms}, output="source + 0*x")
    )
    source = plain.projections[name].source
    states = [
        run(Agent(c, TASK, Learning("none"), 2, "float64"), 12, trial=True, learn=True)
        for c in (plain, passing)
    ]
    for before, after in zip(*states, strict=True):
        for population in plain.populations:
            rates = f"{population}.{next(iter(plain.populations[population].described))}"
            np.testing.assert_allclose(after[rates], before[rates], atol=1e-13)
        sent = f"{source}.output_at_{name.replace('->', '_to_')}"
        np.testing.assert_allclose(after[sent], before[f"{source}.{variable}"], atol=1e-13)
    assert np.abs(states[0][-1][rates]).max() > 1e-3


def test_a_trial_starts_with_what_is_said():
    u = Parameter(np.array([0.1, 0.4]))
    agent = sending(tsodyks_markram(u, 800, 300, 50), rate=0.5, delay=20.0)
    states = run(agent, 14, trial=True)
    starts = np.flatnonzero([s["task.done"][0] for s in states])
    assert len(starts) >= 2
    for k in starts:
        # The line shows what is sent from the start, u r of a rested synapse, for two steps.
        np.testing.assert_allclose(states[k]["stn.rate"][0], [0.1 * 0.5, 0.4 * 1.0], atol=1e-15)
    assert np.abs(states[starts[0] + 3]["stn.rate"][0] - [0.05, 0.4]).min() > 1e-3


def rich(units=4):
    """Depression behind a delay, noise in a filter whose time constant is learned, modulators, noisy
    dopamine.
    """
    circuit = models.circuit("cortex_thalamus", TASK, units)
    noisy = Synapse(
        "ds/dt = (source - s)/tau + share*source*xi/sqrt(tau) : 1\ntau : second",
        {"tau": Parameter(60, trainable=True), "share": Parameter(0.3, trainable=True)},
    )
    circuit = circuit.set("cortex->thalamus.dynamics", noisy)
    circuit = circuit.set("thalamus->cortex.dynamics", "tsodyks_markram(0.4, 300, 200, 40)")
    circuit = circuit.modulate("thalamus", "cortex->cortex", "gain", 0.5, plastic=True)
    circuit = circuit.modulate("reward", "cortex", "plasticity", 2.0).set("dopamine.noise", 0.1)
    return circuit.set("thalamus->cortex.delay", 40)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["cpp", "cuda-emulated"])
def test_backends_are_the_same(backend):
    task = tasks.make("memory_chain", length=20)  # the loop takes some of its steps
    signals = {"rate_network": "1 + reward**2", "inverse_temperature": "2", "discount": "0.9"}
    learning = Learning("rtrl", modulated=signals, scale_reward=True)
    agent = Agent(rich(), task, learning, 2, "float64")
    (expected,), (found,) = (
        run(agent, 50, b, 50, trial=True, learn=True) for b in ("numpy", backend)
    )
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-9, err_msg=name)
    tau = expected["cortex.tau_at_cortex_to_thalamus"]
    assert tau.shape == (2, 4) and np.abs(tau - 60).min() > 1e-3  # it was learned


def test_a_run_goes_on():
    agent = Agent(rich(3), TASK, Learning("rtrl"), 2, "float64")
    through, parts = (run(agent, 12, every=k, trial=True, learn=True) for k in (12, 4))
    for name, values in through[-1].items():
        np.testing.assert_array_equal(parts[-1][name], values, err_msg=name)


def test_a_silent_neuron_transmits_nothing_and_its_resources_recover():
    forever = replace(
        sending(tsodyks_markram(0.5, 200)), task=tasks.make("memory_chain", length=99)
    )
    silent = (Intervention("inactivate", "gpe", start=10, duration=20),)
    states = run(forever, 40, interventions=silent)
    sent, kept = (
        np.array([s[f"gpe.{v}_at_gpe_to_stn"][0] for s in states]) for v in ("output", "x")
    )
    assert np.all(sent[10:30] == 0) and np.all(sent[:10] > 0)
    assert kept[9, 1] < 0.4 and np.all(kept[29] > 0.8) and np.all(np.diff(kept[11:30], axis=0) > 0)


def test_it_is_edited_by_name_kept_in_json_and_shown():
    plain = models.circuit("cortex_thalamus", TASK, 4)
    circuit = plain.set("thalamus->cortex.dynamics", exponential(40.0))
    assert "    ds/dt = (source - s)/tau\n    transmits s\n    tau: 40 ms\n" in str(circuit)
    assert "_at_" not in str(circuit) and "_at_" not in circuit.to_json()
    assert circuit == plain.set("thalamus->cortex.dynamics", "exponential(40)")
    assert Circuit.from_json(circuit.to_json()) == circuit
    slow = circuit.set("thalamus->cortex.tau", 0.1 * 1000 * ms)
    assert circuit.diff(slow) == "thalamus->cortex.tau: 40.0 -> 100.0"
    assert slow.set("thalamus->cortex.s", 0.2).projections["thalamus->cortex"].dynamics.initial == {
        "s": 0.2
    }
    assert slow.set("thalamus->cortex.tau.trainable", True) != slow
    assert plain.diff(circuit).splitlines() == [
        "thalamus->cortex.dynamics: None -> ds/dt = (source - s)/tau : 1",
        "thalamus->cortex.output: None -> s",
        "thalamus->cortex.tau: None -> 40.0",
    ]
    assert circuit.set("thalamus->cortex.dynamics", None) == plain
    assert not circuit.disconnect("thalamus->cortex").populations["thalamus"].terminals
    stretched = circuit.stretched(40.0).projections["thalamus->cortex"].dynamics
    assert stretched.parameters["tau"].value == 80.0
    rebuilt = circuit.with_step(20.0, substeps=2).resize("thalamus", 5)
    assert rebuilt.populations["thalamus"].dynamics["s_at_thalamus_to_cortex"]


def test_learned_parameters_are_recorded_and_held():
    agent = Agent(rich(3), TASK, Learning("rtrl"), 1, "float64")
    assert {"cortex.tau_at_cortex_to_thalamus", "cortex.share_at_cortex_to_thalamus"} <= set(
        agent.pathways()
    )
    structure = agent.structure()
    lowest = structure["populations"]["cortex"]["parameters"]["tau_at_cortex_to_thalamus"][
        "minimum"
    ]
    assert lowest == 20.0


def test_another_projection_between_the_same_nuclei_has_its_own():
    circuit = models.circuit("cortex_thalamus", TASK, 3)
    circuit = circuit.set("thalamus->cortex.dynamics", exponential(30))
    circuit = circuit.connect("thalamus", "cortex", name="slow", dynamics=nmda())
    assert list(circuit.populations["thalamus"].dynamics) == [
        "rate",
        "s_at_thalamus_to_cortex",
        "s_at_slow",
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Synapse("ds/dt = (sourc - s)/tau : 1", {"tau": 20 * ms}), "unknown symbol sourc"),
        (lambda: Synapse("ds/dt = -s/tau : 1", {"tau": 20 * ms}, "q"), "output: unknown symbol q"),
        (lambda: Synapse("ds/dt = -s/tau : 1", {"tau": 20 * ms}, "s*xi"), "unknown symbol xi"),
        (lambda: Synapse("source = 1"), "not an equation"),
        (lambda: Synapse("dsource/dt = 1/tau : 1", {"tau": 9}), "'source' is no name for a var"),
        (lambda: Synapse("ddelay/dt = 1/tau : 1", {"tau": 9}), "'delay' is no name for a variab"),
        (lambda: Synapse("dgain/dt = 1/tau : 1", {"tau": 9}), "'gain' is no name for a variable"),
        (lambda: Synapse("ds/dt = -s/tau : 1\ntau : 1", {"tau": 9 * ms}), "is a time, but the eq"),
        (
            lambda: Synapse("", output="released*source"),
            "has 'released', but no parameter 'failure'",
        ),
        (lambda: Synapse("ds/dt = -s*released : 1"), "has 'released', but no parameter 'failure'"),
        (
            lambda: Synapse("", {"failure": Parameter(0.3, trainable=True)}, "released*source"),
            "'failure' is trainable, but derivatives hold what was drawn",
        ),
        (
            lambda: Synapse("ds/dt = -s/tau : 1", {"tau": 9, "rise": 2}),
            "synapse of 's': nothing uses its parameter 'rise'; use it or leave it out",
        ),
        (lambda: Synapse("", {"failure": 0.3}, "source"), "nothing uses its parameter 'failure'"),
        (lambda: Synapse(""), "have no line 'dx/dt = ... : 1'"),
        (lambda: Synapse("dreleased/dt = 1/tau : 1", {"tau": 9}), "'released' is no name for a"),
        (lambda: Synapse("ds/dt = -s : 1", initial={"q": 1}), "unknown initial variable of syna"),
        (lambda: Synapse("ds/dt = -s : 1", initial={"s": "tau"}), "initial s: unknown symbol tau"),
    ],
)
def test_what_is_no_synapse_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "thalamus->cortex.dynamics",
            exponential(10),
            "thalamus->cortex.tau is 10: s has a time c",
        ),
        ("thalamus->cortex.dynamics", exponential(-5), "thalamus->cortex.tau is -5 ms; a time ab"),
        ("thalamus->cortex.dynamics", exponential([20, 30, 40]), "tau of 'thalamus->cortex': sha"),
        ("thalamus->cortex.dynamics", "gamma(3)", "unknown synapse 'gamma'; valid: alpha, expone"),
        (
            "thalamus->cortex.dynamics",
            "alpha(3, 4)",
            "takes 1 positional argument but 2 were given",
        ),
        ("thalamus->cortex.dynamics", 20, r"is 20; a Synapse, None or one of exponential\(...\)"),
        ("thalamus->cortex.tau", 20, "unknown field of 'thalamus->cortex' 'tau'; valid: delay, dr"),
        (
            "observation->thalamus.dynamics",
            alpha(30),
            "has dynamics, but 'observation' is an input",
        ),
    ],
)
def test_what_cannot_be_is_refused(path, value, message):
    with pytest.raises(InputError, match=message):
        models.circuit("cortex_thalamus", TASK, 4).set(path, value)


def test_names_that_are_taken_are_refused():
    circuit = models.circuit("cortex_thalamus", TASK, 3)
    own = Population(1, map={"rate": "drive", "s_at_slow": "rate"})
    circuit = circuit.add_population("stn", own)
    with pytest.raises(InputError, match="'stn': 's_at_slow' is also the name of what a synapse"):
        circuit.connect("stn", "cortex", name="slow", dynamics=exponential(30))
    circuit = circuit.connect("stn", "cortex", name="a_to_b", dynamics=alpha(30))
    with pytest.raises(InputError, match="would both be called 'a_to_b'; rename one of them"):
        circuit.connect("stn", "cortex", name="a->b", dynamics=alpha(30))


def test_units_that_do_not_fit_are_refused():
    wrong = Synapse("ds/dt = source - s/tau : 1", {"tau": 20 * ms})
    circuit = models.circuit("cortex_thalamus", TASK, 3).set("thalamus->cortex.dynamics", wrong)
    with pytest.raises(InputError, match="units of ds_at_thalamus_to_cortex/dt"):
        run(Agent(circuit, TASK, Learning("none")), 1)
