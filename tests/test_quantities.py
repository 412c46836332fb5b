"""Quantities of Brian2 in descriptions: numbers of ms, and refused where they mean nothing."""

import numpy as np
import pytest
from brian2 import Hz, ms, mV, second

import models
from bgrl import tasks
from bgrl.circuit import Circuit, Parameter, Population
from bgrl.circuit.values import uniform
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


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Parameter(3 * mV), r"value of a Parameter is 3. \* mvolt; a time is needed"),
        (lambda: Parameter(3 * Hz), r"value of a Parameter is 3. \* hertz; a time is needed"),
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
