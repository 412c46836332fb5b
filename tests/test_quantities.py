"""Quantities of Brian2 in descriptions: numbers of ms, and refused where they mean nothing."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, kHz, ms, mV, second

import models
from bgrl import Agent, Record, Run, simulate, tasks
from bgrl.circuit import Circuit, Parameter, Population
from bgrl.circuit.values import normal, truncated_normal, uniform
from bgrl.errors import InputError
from bgrl.learning import Learning

TASK = tasks.make("memory_chain", length=3)


def nucleus(tau, size=3, declared="second"):
    equations = f"drate/dt = -rate/tau : 1\ntau : {declared}"
    return Population(size, equations=equations, parameters={"tau": tau})


def test_times_are_kept_in_ms():
    for given, expected in ((40 * ms, 40.0), (0.2 * second, 200.0), (33.3 * ms, 33.3)):
        found = nucleus(Parameter(given, minimum=given / 2)).parameters["tau"]
        assert (found.value, found.unit, found.minimum) == (expected, "ms", expected / 2)
        assert type(found.value) is float
    found = nucleus(Parameter([10, 20, 30] * ms)).parameters["tau"]
    np.testing.assert_array_equal(found.value, [10.0, 20.0, 30.0])
    assert type(found.value) is np.ndarray
    assert uniform(20 * ms, 0.1 * second) == uniform(20, 100)
    assert normal(5 * ms, 0.02 * second) == normal(5, 20)
    assert truncated_normal(5 * ms, 0.02 * second) == truncated_normal(5, 20)


def test_a_circuit_and_a_task_take_them():
    plain, timed = (models.circuit("rtrrl", TASK, units=4) for _ in range(2))
    plain = plain.set("dt", 10.0).set("cortex.tau", 40.0).set("cortex.tau.minimum", 12.0)
    timed = timed.set("dt", 10 * ms).set("cortex.tau", 40 * ms).set("cortex.tau.minimum", 12 * ms)
    assert timed == plain
    assert timed.with_step(50 * ms) == plain.with_step(50.0)
    assert timed.stretched(50 * ms) == plain.stretched(50.0)
    assert Circuit.from_json(timed.to_json()) == plain
    lasting = tasks.Task(
        name="pause",
        summary="",
        reference="",
        observations={"time": "time"},
        actions=("wait",),
        variables=("time",),
        step="time += 1\nreward = 0\nterminated = int(time > 3)",
        reset="time = 0",
        step_duration=0.05 * second,
    )
    assert lasting.step_duration == 50.0


def learned(rate, step, fast=0.01, **parameters):
    """Traces and learned parameter of a nucleus that leaks with a trained time constant or rate."""
    name = next(iter(parameters))
    nucleus = Population(
        4,
        equations=f"drate/dt = (tanh(drive) - rate){rate} : 1\n{name} : "
        + {"tau": "second", "speed": "Hz"}[name],
        parameters={name: replace(parameters[name], trainable=True)},
    )
    circuit = models.circuit("rtrrl", TASK, units=4)
    circuit = replace(circuit, populations={"cortex": nucleus}).stretched(step)
    learning = Learning("rtrl", rate_network=fast)
    agent = Agent(circuit, TASK, learning, replicates=2, dtype="float64")
    record = Record(("cortex", "dopamine"))
    data = simulate(
        agent, Run(150, backend="numpy", evaluation_steps=10, evaluations=1, record=record)
    )
    return data["traces"], data["weights"][f"cortex.{name}"]


def test_frequencies_are_kept_in_one_over_ms():
    found = Parameter([2, 50] * Hz, minimum=1 * Hz)
    assert found.value.tolist() == [0.002, 0.05]
    assert (found.unit, found.minimum) == ("1/ms", 0.001)
    assert uniform(10 * Hz, 0.05 * kHz) == uniform(0.01, 0.05)
    assert normal(10 * Hz, 0.05 * kHz) == normal(0.01, 0.05)
    circuit = models.circuit("rtrrl", TASK, units=4)
    nucleus = Population(
        4,
        equations="drate/dt = -rate*speed : 1\nspeed : Hz",
        parameters={"speed": Parameter(25 * Hz)},
    )
    circuit = replace(circuit, populations={"cortex": nucleus}).set("cortex.speed", 20 * Hz)
    assert "speed: 0.02 1/ms" in str(circuit)
    assert Circuit.from_json(circuit.to_json()) == circuit
    with pytest.raises(InputError, match=r"cortex.speed is 3. \* msecond; a frequency is needed"):
        circuit.set("cortex.speed", 3 * ms)


def test_a_rate_in_hz_does_what_its_time_constant_does():
    """And learns alike in steps of any duration."""
    slow, _ = learned("/tau", 20.0, 0.0, tau=Parameter(50 * ms))
    fast, _ = learned("*speed", 20.0, 0.0, speed=Parameter(20 * Hz))
    np.testing.assert_allclose(fast["cortex"], slow["cortex"], rtol=1e-9)
    fast, speed = learned("*speed", 20.0, speed=Parameter(20 * Hz))
    assert np.abs(speed[:, -1] - 0.02).max() > 1e-4
    stretched, again = learned("*speed", 40.0, speed=Parameter(20 * Hz))
    np.testing.assert_allclose(stretched["dopamine"], fast["dopamine"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(2 * again, speed, rtol=1e-9)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda: Parameter(3 * mV),
            r"value of a Parameter is 3. \* mvolt; a time or a freq",
        ),
        (
            lambda: Parameter(3 * ms, minimum=1 * Hz),
            r"minimum of a Parameter is 1. \* hertz; a time",
        ),
        (
            lambda: nucleus(Parameter(3 * Hz)),
            "'tau' is a frequency, but the equations declare 'tau : second'; write 'tau : Hz'",
        ),
        (lambda: uniform(3 * Hz, 4 * ms), r"high is 4. \* msecond; a frequency is needed"),
        (
            lambda: nucleus(Parameter(3 * ms), declared="1"),
            "declare 'tau : 1'; write 'tau : second'",
        ),
        (lambda: uniform(3 * mV, 4 * mV), r"low is 3. \* mvolt; a time is needed"),
        (
            lambda: Learning(rate_actor=1 * ms),
            r"rate_actor is 1. \* msecond; a finite number is needed",
        ),
        (
            lambda: Population(3 * ms, map={"rate": "0*rate"}),
            r"size is 3. \* msecond; an integer is needed",
        ),
        (
            lambda: Population(2, map={"rate": "rate"}, initial={"rate": 1 * ms}),
            r"1. \* msecond has a unit",
        ),
        (
            lambda: models.circuit("rtrrl", TASK, 4).set("dt", 3 * Hz),
            r"dt is 3. \* hertz; a time is needed",
        ),
        (
            lambda: models.circuit("rtrrl", TASK, 4).set("cortex.bias", 3 * ms),
            r"cortex.bias is 3. \* msecond; a number without unit is needed",
        ),
        (
            lambda: models.circuit("rtrrl", TASK, 4).set("cortex.rate", 3 * ms),
            r"3. \* msecond has a unit; a number without one is needed",
        ),
    ],
)
def test_a_unit_that_means_nothing_is_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        wrong()
