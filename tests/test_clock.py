"""Task and circuit mean the same time by a step, and an Euler step bears its time constants."""

import numpy as np
import pytest

import models
from bgrl import tasks
from bgrl.agent import Agent
from bgrl.circuit import Circuit, Parameter, Population, uniform
from bgrl.circuit.clock import check_time_constants, lowest_trained
from bgrl.recording import Record
from bgrl.simulation import Run, simulate
from bgrl.tasks.salience import salience
from experiments import train

LABORATORY = sorted(name for name in tasks.names() if "step" in tasks.options(name))


def test_every_task_with_times_in_ms_counts_time():
    assert len(LABORATORY) == 8
    for name in LABORATORY:
        assert tasks.make(name).step_duration == 20.0
        assert tasks.make(name).to_dict()["step_duration"] == 20.0
    assert salience([0.4], [100], 2, 300, 10).step_duration == 10
    others = set(tasks.names()) - set(LABORATORY)
    assert all(tasks.make(name).step_duration is None for name in others)


def set_(task="random_dots", **settings):
    """The agent of a command with settings, whose dots become underscores."""
    names = {"task_step": "task.step", "tau": "cortex.tau"}
    pairs = [(names.get(k, k), str(v)) for k, v in settings.items()]
    return train.agent(train.Config(task=task, units=3, replicates=1).with_settings(pairs))


@pytest.mark.parametrize(
    ("settings", "step", "dt", "substeps"),
    [
        ({}, 20, 20, 1),
        ({"dt": 10}, 10, 10, 1),
        ({"task_step": 10}, 10, 10, 1),
        ({"substeps": 5}, 100, 20, 5),
        ({"dt": 5, "substeps": 2}, 10, 5, 2),
        ({"task_step": 20, "substeps": 4}, 20, 5, 4),
        ({"task_step": 20, "dt": 5, "substeps": 4}, 20, 5, 4),
        # A coarser step is made of more Euler steps, so that time constants still fit.
        ({"task_step": 50}, 50, 50 / 3, 3),
        ({"task_step": 50, "substeps": 1, "tau": 100}, 50, 50, 1),
        ({"dt": 50, "tau": 100}, 50, 50, 1),
        ({"dt": 5, "tau": 5}, 5, 5, 1),
    ],
)
def test_commands_change_task_and_circuit_together(settings, step, dt, substeps):
    agent = set_(**settings)
    circuit = agent.circuit
    assert agent.task.step_duration == pytest.approx(step) == pytest.approx(circuit.step)
    assert (circuit.dt, circuit.substeps) == (pytest.approx(dt), substeps)
    # 100 ms of fixation, 2,000 of stimulus.
    assert agent.task.parameters["go"].value * circuit.step == pytest.approx(2100)
    tau = circuit.populations["cortex"].parameters["tau"]
    assert tau.value == settings.get("tau", uniform(20, 100))
    assert tau.minimum == pytest.approx(max(min(20, step), dt))


def test_a_circuit_whose_task_counts_no_time_is_set_as_before():
    circuit = set_("memory_chain", dt=10).circuit
    assert circuit.dt == circuit.step == 10


@pytest.mark.parametrize("model", models.names())
def test_circuits_of_models_follow_the_task(model):
    for step in (10, 20, 50):
        task = tasks.make("random_dots", step=step)
        circuit = models.circuit(model, task, 4)
        assert circuit.step == pytest.approx(step)
        Agent(circuit, task)
        # What has numbers for its own update of 1 ms keeps it.
        assert model != "gpr" or circuit.dt == 1.0


def test_stretched_does_the_same_in_a_step():
    task = tasks.make("memory_chain")
    circuit = models.circuit("rtrrl", task, 3)
    other = circuit.stretched(50)
    tau, same = (c.populations["cortex"].parameters["tau"] for c in (circuit, other))
    assert other.step == 50 and same.value == uniform(50, 250) and same.minimum == 50
    assert tau.value == uniform(20, 100) and circuit.stretched(20) is circuit
    rates = []
    for c in (circuit, other):
        record = Record(("cortex",))
        run = Run(20, 0, "numpy", 1, 1, 1, record, evaluation_steps=2)
        agent = models.agent("rtrrl", task, 3, sensitivity="none")
        rates.append(simulate(Agent(c, task, agent.learning), run)["traces"]["cortex"].values)
    np.testing.assert_allclose(*rates, rtol=1e-5)


def test_time_in_a_file_is_that_of_the_task():
    agent = set_("random_dots", dt=10)
    record = Record(("observation", "done"))
    run = Run(300, 0, "numpy", 1, 1, 1, record, evaluation_steps=2)
    data = simulate(agent, run)
    assert data.attrs["step_duration_ms"] == 10
    np.testing.assert_allclose(np.diff(data["traces"]["time"].values), 0.01, rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "step"),
    [("Pendulum-v1", 50.0), ("Acrobot-v1", 200.0), ("CartPole-v1", None), ("MountainCar-v0", None)],
)
def test_an_environment_brings_its_own_step(name, step):
    pytest.importorskip("gymnasium", reason="needs the extra gymnasium")
    task = tasks.make(f"gymnasium:{name}")
    assert task.step_duration == step
    circuit = models.agent("rtrrl", task, 3).circuit
    assert circuit.step == (step or 20.0)
    # The paper counts time constants in steps.
    tau = circuit.populations["cortex"].parameters["tau"].value
    assert (tau.a / circuit.step, tau.b / circuit.step) == pytest.approx((1, 5))


@pytest.mark.parametrize("dt", [0, -0.1, np.nan, "0.05", True, None])
def test_what_is_no_duration_is_no_step_of_an_environment(dt):
    from bgrl.bridge.task import _step_duration

    class Inner:
        def __init__(self):
            self.dt = dt

    inner = Inner()
    inner.unwrapped = inner
    assert _step_duration(inner) is None


def test_twins_say_how_long_their_step_is():
    pytest.importorskip("gymnasium", reason="needs the extra gymnasium")
    assert tasks.as_gymnasium("random_dots").dt == 0.02
    assert tasks.as_gymnasium("cartpole").dt is None


# Time constants --------------------------------------------------------------------------------


def population(expression="(-rate + drive)/tau", tau=None, **fields):
    parameters = {"tau": tau or Parameter(20.0, unit="ms")}
    return Population(2, derivatives={"rate": expression}, parameters=parameters, **fields)


@pytest.mark.parametrize(
    "given",
    [
        # Rings, but stays bounded.
        population(tau=Parameter(10.1, unit="ms")),
        population(tau=Parameter(uniform(10.1, 20), unit="ms")),
        # What is not linear in itself is not judged, nor is growth.
        population("(-rate**3 + drive)/tau", Parameter(1.0, unit="ms")),
        population("(rate + drive)/tau", Parameter(1.0, unit="ms")),
        population("(drive - 0.1*rate)/tau", Parameter(2.0, unit="ms")),
        # Steps have no slope.
        population("(-rate - 5*int(rate > 0) + drive)/tau", Parameter(20.0, unit="ms")),
        # A description whose values are given elsewhere.
        Population(2, derivatives={"rate": "(-rate + drive)/tau"}, parameters=["tau"]),
        Population(2, map={"rate": "drive/tau"}, parameters={"tau": Parameter(1.0, "ms")}),
    ],
)
def test_what_an_euler_step_bears_is_taken(given):
    check_time_constants("cortex", given, 20.0)


def test_a_trained_time_constant_stops_at_an_euler_step():
    free = population(tau=Parameter(50.0, unit="ms", trainable=True))
    assert lowest_trained(free, "tau", 20.0) == 20.0
    assert lowest_trained(population(), "tau", 20.0) is None
    low = population(tau=Parameter(50.0, "ms", True, 30.0))
    assert lowest_trained(low, "tau", 20.0) == 30.0


def test_the_bound_is_where_rates_grow():
    for tau, bounded in ((9.9, False), (10.1, True)):
        rate = 1.0
        for _ in range(2000):
            rate += 20.0 / tau * -rate
        assert (abs(rate) < 1) == bounded


def test_a_circuit_read_back_is_the_same():
    circuit = models.circuit("rtrrl", tasks.make("random_dots", step=10), 3)
    assert Circuit.from_json(circuit.to_json()) == circuit
