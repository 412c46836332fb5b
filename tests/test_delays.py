"""Delays of projections: when signals arrive, their sensitivities, and what cannot be."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms

import models
from bgrl import tasks
from bgrl.agent import Agent
from bgrl.backends import load
from bgrl.circuit import Circuit, Population
from bgrl.circuit.nucleus import delay_variable
from bgrl.errors import InputError
from bgrl.learning import Learning
from bgrl.step.assemble import initial_state
from tests.test_sensitivity import METHODS, loop, replay
from tests.truncated import Oracle

TASK = tasks.make("memory_chain", length=4)


def delayed(delay=3.0, substeps=2):
    """Three nuclei in a loop, two of whose projections take time."""
    circuit = loop()
    steps = {"cortex->gpe": delay, "gpe->stn": 0.5}
    projections = {
        name: replace(p, delay=steps.get(name, 0.0)) for name, p in circuit.projections.items()
    }
    return replace(circuit, dt=0.5, substeps=substeps, projections=projections)


@pytest.mark.parametrize("method", METHODS)
def test_sensitivities_go_through_the_delay_line(method, monkeypatch):
    circuit = delayed(1.5)
    assert max(replay(circuit, method).values()) < 1e-10
    monkeypatch.setattr(Oracle, "step", hasty(Oracle.step))
    errors = replay(circuit, method)
    assert max(v for k, v in errors.items() if k.startswith("state")) > 1e-3


def hasty(step):
    """A step of the oracle in which every delay is one Euler step."""

    def early(*arguments, **named):
        with pytest.MonkeyPatch.context() as patch:

            def read(circuit, name):
                p = circuit.projections[name]
                return delay_variable(p.reads, int(p.delay > 0))

            patch.setattr(Circuit, "read_by", read)
            return step(*arguments, **named)

    return early


def relay(delay, substeps=1):
    """Two nuclei without memory: what the first shows, the second shows later."""
    circuit = models.circuit("rtrrl", TASK, 1)
    nucleus = Population(1, map={"rate": "drive"})
    circuit = circuit.add_population("gpe", nucleus).add_population("stn", nucleus)
    circuit = circuit.connect("observation", "gpe", weights=[[0.0, 0.0, 1.0]], plastic=False)
    circuit = circuit.connect("gpe", "stn", weights=1.0, plastic=False, delay=delay)
    circuit = replace(circuit, dt=circuit.dt / substeps, substeps=substeps)
    return Agent(circuit, TASK, Learning(sensitivity="none"), 2, "float64")


def run(agent, steps, backend="numpy", every=1, learn=False):
    """States after every so many steps."""
    program = load(backend, agent.structure())
    state, found = initial_state(agent, program.layout, 3), []
    for step in range(0, steps, every):
        state = program.advance(state, step, every, learn=learn)
        found.append({k: v.copy() for k, v in state.items()})
    return found


@pytest.mark.parametrize(("delay", "substeps"), [(0.0, 1), (20.0, 1), (40.0, 1), (20.0, 2)])
def test_a_signal_arrives_when_it_should(delay, substeps):
    """A synapse takes one Euler step, and the delay comes on top."""
    states = run(relay(delay, substeps), 5)
    first, second = (np.array([s[f"{name}.rate"][0, 0] for s in states]) for name in ("gpe", "stn"))
    # The bit is shown in steps 0 and 1 of a trial of five.
    assert np.flatnonzero(first).tolist() == [0, 1]
    # Within a task step the input is held, so the later Euler steps show it too.
    late = 1 + round(delay / 20) if substeps == 1 else 1
    assert np.flatnonzero(second).tolist() == [late, late + 1]


def test_a_trial_starts_with_an_empty_line():
    states = run(relay(80.0), 14)
    done = [s["task.done"][0] for s in states]
    starts = np.flatnonzero(done)
    assert len(starts) >= 2
    for start in starts:
        lines = [v for k, v in states[start].items() if k.startswith("gpe.rate_delayed")]
        assert len(lines) == 4 and not np.any(lines)
    circuit = relay(80.0).circuit.set("gpe.rate", 0.3)
    agent = replace(relay(80.0), circuit=circuit)
    assert run(agent, 1)[0]["gpe.rate_delayed_4"][0, 0] == 0.3


def test_a_run_goes_on_through_a_delay():
    agent = replace(relay(60.0), learning=Learning("rtrl"))
    through, parts = run(agent, 12, every=12, learn=True), run(agent, 12, every=4, learn=True)
    for name, values in through[-1].items():
        np.testing.assert_array_equal(parts[-1][name], values, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["cpp", "cuda-emulated"])
def test_backends_are_the_same(backend):
    circuit = models.circuit("cortex_thalamus", TASK, 4).set("thalamus->cortex.delay", 60)
    agent = Agent(circuit.set("cortex->thalamus.delay", 20), TASK, Learning("rtrl"), 2, "float64")
    (expected,), (found,) = (run(agent, 30, b, 30, True) for b in ("numpy", backend))
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-9, err_msg=name)
    lines = [v for k, v in expected.items() if "sensitivity_rate_delayed_3" in k]
    assert lines and max(np.abs(v).max() for v in lines) > 1e-4


def test_it_is_edited_by_name_kept_in_json_and_shown():
    plain = models.circuit("cortex_thalamus", TASK, 4)
    circuit = plain.set("thalamus->cortex.delay", "40")
    assert circuit == plain.set("thalamus->cortex.delay", 40 * ms)
    assert plain.diff(circuit) == "thalamus->cortex.delay: 0.0 -> 40.0"
    assert "thalamus->cortex: 4 x 2, plastic, delay 40 ms" in str(circuit)
    assert "delayed" not in str(circuit) and "delayed" not in circuit.to_json()
    assert Circuit.from_json(circuit.to_json()) == circuit
    assert list(circuit.populations["thalamus"].lines) == ["rate_delayed_1", "rate_delayed_2"]
    assert circuit.set("thalamus->cortex.delay", 0) == plain
    assert not circuit.set("thalamus->cortex.delay", 0).populations["thalamus"].delayed
    stretched = circuit.stretched(50.0).projections["thalamus->cortex"]
    assert stretched.delay == 100.0
    finer = circuit.with_step(20.0, substeps=4)
    assert finer.projections["thalamus->cortex"].delay == 40.0
    assert finer.populations["thalamus"].delayed == {"rate": 8}


def test_without_delays_a_program_is_what_it_was():
    structure = Agent(
        models.circuit("cortex_thalamus", TASK, 4), TASK, Learning("rtrl")
    ).structure()
    assert not any("direct" in p for p in structure["populations"].values())
    assert {p["reads"] for p in structure["projections"].values()} == {"rate"}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("thalamus->cortex.delay", 30, "is 30 ms; a multiple of the Euler step of 20 ms is needed"),
        ("thalamus->cortex.delay", 1, "is 1 ms; a multiple of the Euler step of 20 ms is needed"),
        ("thalamus->cortex.delay", -20, "delay of a projection is -20 ms; 0 or more is needed"),
        ("thalamus->cortex.delay", 4020, "is 201 Euler steps; at most 200 are possible"),
        ("thalamus->cortex.delay", "soon", "is 'soon'; a number is needed"),
        ("observation->thalamus.delay", 20, "'observation' is an input; only what comes from a"),
        ("dt", 30, "a multiple of the Euler step of 30 ms is needed"),
    ],
)
def test_what_cannot_be_is_refused(path, value, message):
    circuit = models.circuit("cortex_thalamus", TASK, 4).set("cortex->thalamus.delay", 40)
    with pytest.raises(InputError, match=message):
        circuit.set(path, value)


def test_another_variable_may_be_called_delayed():
    nucleus = Population(1, map={"rate_delayed_a": "drive"}, initial={"rate_delayed_a": 0.4})
    assert nucleus.initial_of("rate_delayed_a") == 0.4


def test_a_name_of_a_delay_line_is_taken():
    with pytest.raises(InputError, match="'rate_delayed_1' is no name for a variable"):
        Population(1, map={"rate": "drive", "rate_delayed_1": "rate"})
