"""A stimulus as an array over time and channels."""

import numpy as np
import pytest
from brian2 import Hz, TimedArray, ms

from bgrl import Agent, Circuit, Parameter, Population, Projection, Readout, Record, Run, simulate
from bgrl.errors import InputError
from bgrl.tasks.stimulus import stimulus


def traces(task, steps, dt=20.0):
    """What is observed in each step, and a nucleus that leaks it."""
    nucleus = Population(
        1,
        equations="drate/dt = (drive - rate)/tau : 1\ntau : second",
        parameters={"tau": Parameter(40 * ms)},
    )
    circuit = Circuit(
        dt=dt,
        substeps=1,
        populations={"cortex": nucleus},
        projections={
            "shown": Projection("observation", "cortex", weights=np.ones((1, 2)), plastic=False)
        },
        inputs={"observation": 2},
        actor=Readout("actor"),
        critic=Readout("critic"),
    )
    run = Run(
        steps,
        record=Record(("observation", "cortex")),
        backend="numpy",
        evaluations=1,
        evaluation_steps=1,
    )
    return simulate(Agent(circuit, task, dtype="float64"), run)["traces"]


def test_each_step_shows_its_row_and_the_last_one_stays():
    rows = np.random.default_rng(0).standard_normal((5, 2))
    found = traces(stimulus(rows), 8)
    after = np.vstack([rows, [rows[-1]] * 3])
    np.testing.assert_array_equal(found["observation"].values[0], after)
    rate, expected = 0.0, []
    for row in after:
        rate += 0.5 * (row.sum() - rate)
        expected.append(rate)
    np.testing.assert_allclose(found["cortex"].values[0, :, 0], expected, rtol=1e-14)


def test_timed_arrays_bring_their_step():
    task = stimulus(TimedArray([[1.0, 2.0], [3.0, 4.0]], dt=10 * ms), channels=["left", "right"])
    assert list(task.observations) == ["left", "right"] and task.step_duration == 10.0
    assert stimulus([[0.0, 1.0]], step=0.01 * 1000 * ms).step_duration == 10.0
    assert traces(task, 2, dt=10.0)["observation"].values[0].tolist() == [[1.0, 2.0], [3.0, 4.0]]
    with pytest.raises(InputError, match="10"):
        traces(task, 2, dt=20.0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda: stimulus(np.zeros((2, 2, 2))),
            r"the values have shape \(2, 2, 2\); \(steps, chan",
        ),
        (lambda: stimulus([]), r"the values have shape \(0, 1\); \(steps, channels\) is needed"),
        (lambda: stimulus([[1.0], [np.nan]]), "table 'shown' has shape"),
        (lambda: stimulus("loud"), "the values are no numbers"),
        (lambda: stimulus(np.zeros((3, 2)), channels=["one"]), "1 names for 2 channels"),
        (lambda: stimulus(np.zeros(3), step=3 * Hz), "a time is needed"),
        (lambda: stimulus(TimedArray(np.zeros(3), dt=1 * ms), step=1), "leave out `step`"),
    ],
)
def test_what_is_no_stimulus_is_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        wrong()
