"""Accumulators of evidence: their drift and noise, the bound, and curves against a diffusion process."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import models
from analysis import accumulation as analysis
from bgrl import tasks
from bgrl.agent import Agent
from bgrl.backends import load
from bgrl.dataset import read, write
from bgrl.errors import InputError
from bgrl.learning import Learning
from bgrl.step.assemble import initial_state
from bgrl.tasks.salience import salience
from experiments import accumulation as experiment
from experiments._diffusion import diffusion, leaky
from models import accumulator as model


def silent(agent, noise=0.0):
    """The agent with another noise of its accumulators."""
    populations = dict(agent.circuit.populations)
    parameters = dict(populations["lip"].parameters)
    parameters["noise"] = replace(parameters["noise"], value=noise)
    populations["lip"] = replace(populations["lip"], parameters=parameters)
    return replace(agent, circuit=replace(agent.circuit, populations=populations))


def test_the_two_theories_agree_and_are_known_where_they_are_simple():
    for drift in (0.0, 1.0, 3.0):
        expected = [float(v) for v in diffusion(drift, model.BOUND)]
        assert leaky(drift, 0.0, model.BOUND) == pytest.approx(expected, rel=1e-5)
        assert leaky(drift, 2.5, model.BOUND) != pytest.approx(expected, rel=1e-2)
    accuracy, time = diffusion([0.0, 50.0], 0.5)
    assert accuracy == pytest.approx([0.5, 1.0]) and time == pytest.approx([0.25, 0.5 / 50])
    up, down = leaky(1.0, 2.0, 0.6), leaky(-1.0, 2.0, 0.6)
    assert up[0] == pytest.approx(1 - down[0]) and up[1] == pytest.approx(down[1])
    assert leaky(0.0, 2.0, 0.6)[1] > leaky(0.0, 0.0, 0.6)[1] > leaky(0.0, -2.0, 0.6)[1]


@pytest.mark.parametrize(("balance", "leak"), [(1.0, 0.0), (0.5, 2.5), (1.5, -2.5)])
def test_without_noise_the_difference_drifts_as_it_should(balance, leak):
    agent = silent(experiment.agent(0.3, balance, 1))
    program = load("numpy", agent.structure())
    state, found = initial_state(agent, program.layout, 2), []
    for step in range(60):
        state = program.advance(state, step, 1, learn=False)
        found.append(state["lip.rate"][0, 0] - state["lip.rate"][0, 1])
    sign, time = 1 - 2 * state["task.target"][0], np.arange(1, 61) * model.DT / 1000
    drift = model.DRIFT * 0.3
    expected = drift * time if leak == 0 else drift / leak * (1 - np.exp(-leak * time))
    np.testing.assert_allclose(sign * np.array(found), expected, rtol=3e-3)
    assert np.abs(expected / (drift * time) - 1).max() > 0.05 or leak == 0


def test_the_decision_ends_the_trial_one_step_after_the_bound_and_is_right():
    agent = silent(experiment.agent(0.512, 1.0, 3))
    trials, _ = experiment.play(load("numpy", agent.structure()), agent, 400, 0)
    bound = agent.circuit.populations["colliculus"].parameters["bound"].value
    assert bound == pytest.approx(0.638 - 0.5826 * np.sqrt(1e-3))
    steps = np.floor(bound / (model.DRIFT * 0.512 * 1e-3)) + 1
    assert len(trials) >= 12 and (trials["length"] == steps + 1).all()
    assert (trials["trial_return"] == 1).all()


@pytest.mark.parametrize("units", [1, 3])
def test_noise_gives_the_difference_a_variance_of_one_in_a_second(units):
    task = experiment.reaction_time_dots(0.0)
    agent = Agent(model.circuit(task, units), task, Learning(sensitivity="none"), 500, "float64")
    program = load("numpy", agent.structure())
    state = program.advance(initial_state(agent, program.layout, 0), 0, 50, learn=False)
    pools = state["lip.rate"].reshape(500, 2, units).mean(axis=2)
    # Next to no process has reached the bound after 50 ms.
    assert (pools[:, 0] - pools[:, 1]).var() == pytest.approx(0.05, rel=0.2)
    assert np.corrcoef(pools.T)[0, 1] < 0


def test_it_waits_for_the_end_of_fixation():
    """In the task of the package, which shows dots for a while and then asks."""
    task = tasks.make("random_dots", coherences=(51.2,), fixation=20, stimulus=400, step=20.0)
    agent = Agent(
        models.circuit("accumulator", task, 1), task, Learning(sensitivity="none"), 8, "float64"
    )
    trials, _ = experiment.play(load("numpy", agent.structure()), agent, 100, 0)
    answered = trials["trial_return"] != 0
    assert (trials["trial_return"] >= 0).all()  # early answers cost
    assert answered.mean() > 0.6 and (trials["length"][answered] >= 22).all()


def test_three_choices_compete_and_one_cannot():
    task = salience((0, 1), (0, 0), channels=4, duration=100, step=10)
    circuit = model.circuit(task, 2)
    compared = np.asarray(circuit.projections["lip->colliculus"].weights)
    assert compared.shape == (4, 6)
    np.testing.assert_allclose(compared[1], [0.5, 0.5, -0.25, -0.25, -0.25, -0.25])
    np.testing.assert_allclose(np.asarray(circuit.projections["lip->lip"].weights).sum(1), -2)
    with pytest.raises(InputError, match="'pendulum' has 1 continuous action"):
        models.circuit("accumulator", tasks.make("pendulum"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The experiment at four coherences; from a file."""
    kept = [0, 2, 3, 5]
    with pytest.MonkeyPatch.context() as patch:
        for name in ("COHERENCES", "MONKEY"):
            patch.setattr(experiment, name, tuple(getattr(experiment, name)[k] for k in kept))
        found = experiment.run(experiment.Config(seconds=400, replicates=8, backend="cpp"))
    path = tmp_path_factory.mktemp("accumulation") / "data.nc"
    write(found, path)
    return read(path)


def test_differences_of_opposite_signs_do_not_cancel():
    apart = np.array([0.05, -0.05])[:, None] * np.ones(3)
    same = (("balance", "coherence", "replicate"), np.ones((1, 2, 3)))
    curves = {"accuracy": (same[0], 0.8 + apart[None]), "decision_time": same}
    flat = ("balance", "coherence"), np.ones((1, 2))
    curves |= {"accuracy_predicted": (flat[0], 0.8 * flat[1]), "time_predicted": flat}
    data = xr.DataTree.from_dict({"/curves": xr.Dataset(curves, {"balance": [1.0]})})
    accuracy, time = analysis.deviations(data, 1.0)
    np.testing.assert_allclose(accuracy, 0.05)
    np.testing.assert_allclose(time, 0.0)


def test_all_that_is_measured_has_units():
    theory = experiment._curves(np.ones((18, 2, 3)), np.ones((18, 2)))
    assert theory["time_predicted"].attrs["units"] == "s"
    for variable in (*theory.variables.values(), *experiment._monkey().variables.values()):
        assert variable.attrs["long_name"] and variable.attrs["units"] in ("1", "s")


@pytest.mark.slow
def test_curves_are_those_of_a_diffusion_process(data):
    found = analysis.verdicts(data)
    assert len(found) == 8 and all(v[-1] for v in found.values()), found
    for balance in experiment.BALANCES:
        curves = analysis.curves(data, balance)
        for name, other, floor in (
            ("accuracy", "accuracy_predicted", 0.003),
            ("decision_time", "time_predicted", 0.001),
        ):
            values, expected = curves[name], curves[other]
            error = values.std("replicate", ddof=1) / np.sqrt(values.sizes["replicate"])
            z = (values.mean("replicate") - expected) / np.maximum(error, floor)
            assert abs(z).max() < 4.5, (balance, name, z.values)
    assert analysis.summary(data)[-1] == "8 of 8 shown"
    titles = [ax.get_title("left") for ax in analysis.figure(data).axes]
    assert titles[3:] == ["Less inhibition: more often right ...", "... and slower; theory: lines"]
    other = data.copy()  # who sits at which balance is exchanged
    curves = data["curves"].to_dataset()
    other["curves"] = xr.DataTree(curves.assign_coords(balance=curves["balance"].values[::-1]))
    titles = [ax.get_title("left") for ax in analysis.figure(other).axes]
    assert titles[1] == "Accuracy is that of a diffusion process"
    assert titles[3:] == [
        "Less inhibition: NOT more often right ...",
        "... and NOT slower; theory: lines",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("group", "variable", "change", "name"),
    [
        ("curves", "decision_time", lambda x: 1.04 * x, "inhibition 1 of the leak: time"),
        ("curves", "accuracy", lambda x: x - 0.02, "inhibition 0.5 of the leak: accuracy"),
        ("monkey", "accuracy", lambda x: x[::-1], "largest difference, accuracy"),
        ("monkey", "reaction_time", lambda x: x + 0.05, "largest difference, reaction time (s)"),
    ],
)
def test_what_is_otherwise_is_not_shown(group, variable, change, name, data):
    changed, dataset = data.copy(deep=True), data[group].to_dataset()
    values = dataset[variable].copy(data=change(dataset[variable].values))
    changed[group] = xr.DataTree(dataset.assign({variable: values}))
    assert not analysis.verdicts(changed)[name][-1]


def test_the_experiment_refuses():
    with pytest.raises(InputError, match="seconds is 0"):
        experiment.run(experiment.Config(seconds=0))
