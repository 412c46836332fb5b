"""Dopamine neurons with graded optimism: their rule, what their values settle on, what is decoded."""

from itertools import pairwise

import numpy as np
import pytest
import xarray as xr

import models
from analysis import distributional as analysis
from analysis.plot import FIGURES
from bgrl import dataset, tasks
from bgrl.analysis.statistics import reversal_points
from bgrl.backends import load
from bgrl.errors import InputError
from bgrl.simulation import Run, simulate
from bgrl.step.assemble import initial_state
from bgrl.tasks.pavlovian import Trials, fixed, rows
from experiments import distributional as experiment
from models import distributional

AMOUNTS = np.array(experiment.MICROLITRES)
PROBABILITIES = np.array(experiment.PROBABILITIES) / sum(experiment.PROBABILITIES)
TAUS = np.array(distributional.EXPECTILES)
#: Wasserstein distance of the rewards to their mean.
MEAN_ALONE = np.abs(AMOUNTS - AMOUNTS @ PROBABILITIES) @ PROBABILITIES


def states(steps=90, replicates=3):
    """States after each step of learning, float64."""
    task = experiment.variable_magnitudes()
    learning = {"discount": 0.0} | models.STEADY
    agent = models.agent("distributional", task, 6, replicates, "float64", **learning)
    program = load("numpy", agent.structure())
    found = [program.advance(initial_state(agent, program.layout, 1), 0, 1, learn=False)]
    for t in range(steps):
        found.append(program.advance(found[-1], t + 1, 1))
    return found


def test_the_rule_is_followed_and_reward_meets_the_value_of_the_step_before():
    met = 0
    group = "cortex_to_vta"
    for before, after in pairwise(states()):
        weight, eligibility = (before[f"{group}.{k}"] for k in ("weight", "eligibility_weight"))
        done, reward = after["task.done"][:, None], after["task.reward"][:, None]
        error = (reward - before["vta.value"]) * (1 - done)
        response = np.where(error > 0, TAUS, 1 - TAUS) * error
        np.testing.assert_allclose(after["vta.response"], response, rtol=0, atol=1e-12)
        expected = weight + distributional.RATE * response[:, :, None] * eligibility
        np.testing.assert_allclose(after[f"{group}.weight"], expected, rtol=0, atol=1e-12)
        # The value is about the activity that the next response will change the weights of.
        value = (weight * after[f"{group}.eligibility_weight"]).sum(-1)
        np.testing.assert_allclose(after["vta.value"], value, rtol=0, atol=1e-12)
        dopamine = after["task.reward"] - before["vta.value"].mean(-1)
        np.testing.assert_allclose(after["dopamine.td_error"], dopamine, rtol=0, atol=1e-12)
        met += int((reward != 0).sum())
    assert met == 90


def test_the_task_gives_each_amount_as_often_as_it_should():
    kinds = tuple(
        Trials("A", magnitudes=(amount,), delay=fixed(20.0), weight=p)
        for amount, p in zip(AMOUNTS, experiment.PROBABILITIES, strict=True)
    )
    table = rows(((None, kinds),))
    np.testing.assert_allclose([row["probability"] for row in table], PROBABILITIES, atol=1e-12)
    parameters = experiment.variable_magnitudes().parameters
    given = [parameters[f"magnitude_{k}"].value * experiment.UNIT for k in range(7)]
    np.testing.assert_allclose(given, AMOUNTS)
    upto = [parameters[f"upto_{k}"].value for k in range(7)]
    np.testing.assert_allclose(upto, np.cumsum(PROBABILITIES), atol=1e-12)


def test_expectiles():
    # tau p (1 - e) = (1 - tau) (1 - p) e for a coin.
    taus, p = np.array([0.1, 0.5, 0.9]), 0.3
    coin = taus * p / (taus * p + (1 - taus) * (1 - p))
    np.testing.assert_allclose(analysis.expectiles([0.0, 1.0], [1 - p, p], taus), coin, atol=1e-12)
    found = analysis.expectiles(AMOUNTS, PROBABILITIES, TAUS)
    assert (np.diff(found) > 0).all() and AMOUNTS[0] < found[0] < found[-1] < AMOUNTS[-1]
    (mean,) = analysis.expectiles(AMOUNTS, PROBABILITIES, [0.5])
    assert mean == pytest.approx(AMOUNTS @ PROBABILITIES, abs=1e-12)


def test_wasserstein_distance():
    truth = [0.0, 4.0], [0.25, 0.75]
    assert analysis.wasserstein(np.array([0.0, 4.0, 4.0, 4.0]), *truth) == 0
    assert analysis.wasserstein(np.array([1.0, 5.0, 5.0, 5.0]), *truth) == 1
    assert analysis.wasserstein(np.array([4.0]), *truth) == 1
    assert analysis.wasserstein(np.array([2.0]), [4.0, 0.0], [0.75, 0.25]) == 2


def test_decoding_recovers_a_distribution_from_its_expectiles():
    coin = analysis.decode(TAUS, TAUS)  # expectiles of a fair coin
    assert analysis.wasserstein(coin, [0.0, 1.0], [0.5, 0.5]) < 0.06  # 0.5 for the mean alone
    values = analysis.expectiles(AMOUNTS, PROBABILITIES, TAUS)
    decoded = analysis.decode(values, TAUS)
    assert analysis.wasserstein(decoded, AMOUNTS, PROBABILITIES) < 0.6
    even = np.full(len(decoded), 1 / len(decoded))
    np.testing.assert_allclose(analysis.expectiles(decoded, even, TAUS), values, atol=0.1)


def test_neurons_that_are_alike_know_the_mean_only():
    alike = np.full(len(TAUS), 0.5)
    decoded = analysis.decode(analysis.expectiles(AMOUNTS, PROBABILITIES, alike), alike)
    np.testing.assert_allclose(decoded, AMOUNTS @ PROBABILITIES, atol=1e-9)
    found = analysis.wasserstein(decoded, AMOUNTS, PROBABILITIES)
    assert found == pytest.approx(MEAN_ALONE, abs=1e-9) and found > 3.5


def half_lines(reversal, asymmetry):
    error = AMOUNTS - reversal
    return np.where(error > 0, asymmetry, 1 - asymmetry) * error


def test_reversal_points():
    truth = np.array([[0.2, 0.7], [4.0, 0.3], [16.0, 0.97], [7.0, 0.5]])
    responses = np.array([[half_lines(*row) for row in truth]])
    responses[0, 3, 1] = np.nan
    point, asymmetry = reversal_points(responses, experiment.MICROLITRES)
    np.testing.assert_allclose(point[0], truth[:, 0], atol=0.006)
    np.testing.assert_allclose(asymmetry[0], truth[:, 1], atol=0.02)
    point, asymmetry = reversal_points(np.abs(responses), experiment.MICROLITRES)
    assert np.isnan(point).all() and np.isnan(asymmetry).all()


@pytest.mark.parametrize("wrong", [(), (0.0, 0.5), (0.5, 1.0), ((0.5,),), (float("nan"),)])
def test_refuses_expectiles_that_cannot_be(wrong):
    with pytest.raises(InputError, match="numbers between 0 and 1 are needed"):
        distributional.circuit(experiment.variable_magnitudes(), 4, wrong)


def exact_data(missing=0):
    """A dataset in which every value is what theory says, and some reversal points are missing."""
    names = list(experiment.POPULATIONS)
    taus = np.array(list(experiment.POPULATIONS.values()))
    values = np.array([analysis.expectiles(AMOUNTS, PROBABILITIES, row) for row in taus])
    responses = np.array(
        [
            [half_lines(*v) for v in zip(*rows, strict=True)]
            for rows in zip(values, taus, strict=True)
        ]
    )
    dims = ("population", "replicate", "neuron")
    variables = {
        "response": ((*dims, "magnitude"), np.stack([responses] * 3, axis=1)),
        "reversal_point": (dims, np.stack([values] * 3, axis=1)),
        "asymmetry": (dims, np.stack([taus] * 3, axis=1)),
        "value": (
            ("population", "replicate", "checkpoint", "neuron"),
            np.stack([np.stack([0 * values + 1, values], axis=1)] * 3, axis=1),
        ),
        "expectile": (("population", "neuron"), taus),
        "probability": ("magnitude", PROBABILITIES),
    }
    coordinates = {"population": names, "magnitude": AMOUNTS, "step": ("checkpoint", [60, 9000])}
    neurons = xr.Dataset(variables, coordinates)
    neurons["reversal_point"][:, :, :missing] = np.nan
    return xr.DataTree.from_dict({"/neurons": neurons})


def test_summary_and_figure():
    data = exact_data()
    assert analysis.distances(data, "graded").max() < 0.6
    np.testing.assert_allclose(analysis.distances(data, "alike"), MEAN_ALONE)
    lines = "\n".join(analysis.summary(data))
    assert "graded: 60 of 60 neurons have a reversal point" in lines
    assert f"{MEAN_ALONE:6.2f} µl ({MEAN_ALONE:.2f} to {MEAN_ALONE:.2f})" in lines
    figure = analysis.figure(data)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles[0] == "Responses reverse at 0.9 to 16.2 µl"
    assert titles[1] == "Range of reversal points (µl): graded 15.3, alike 0.0"
    assert "alike 3.7" in titles[2] and titles[3].startswith("Early graded")
    assert FIGURES["distributional"] is analysis.figure


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("missing", [5, 20])
def test_neurons_without_a_reversal_point_are_left_out(missing):
    data = exact_data(missing)
    lines = analysis.summary(data)
    assert f"graded: {60 - 3 * missing} of 60" in "\n".join(lines)
    assert len(lines) == (9 if missing < 20 else 3)
    assert analysis.figure(data)


@pytest.mark.long
def test_values_settle_on_expectiles(tmp_path):
    data = experiment.run(experiment.Config(steps=90_000, replicates=6, processes=1))
    path = tmp_path / "run.nc"
    dataset.write(data, path)
    data = dataset.read(path)
    graded, alike = (data["neurons"].to_dataset().sel(population=p) for p in ("graded", "alike"))
    # A value fluctuates by what a few rewards move it, most for the optimists, who wait for 20 µl.
    expected = analysis.theory(data, TAUS)
    points = graded["reversal_point"].values
    np.testing.assert_allclose(points.mean(0), expected, rtol=0.06, atol=0.1)
    assert np.abs(points - expected).max() < 1.5
    assert (np.diff(points, axis=1) > 0).all()
    np.testing.assert_allclose(graded["asymmetry"].values, np.tile(TAUS, (6, 1)), atol=0.01)
    np.testing.assert_allclose(alike["reversal_point"], AMOUNTS @ PROBABILITIES, atol=0.4)
    assert (analysis.spread(data, "alike") < 0.1).all()
    assert (analysis.spread(data, "graded") > 13).all()
    assert analysis.distances(data, "graded").max() < 1.0
    assert analysis.distances(data, "alike").min() > 3.4
    late = analysis.distances(data, "graded", "value")
    assert (late[:, -1] < late[:, 0] / 3).all()


@pytest.mark.long
def test_an_actor_learns_from_the_mean_of_the_dopamine_neurons():
    task = tasks.make("bernoulli_bandit")
    agent = models.agent("distributional", task, 32, 4, discount=0.0, **models.STEADY)
    data = simulate(agent, Run(90_000, evaluations=1))
    final = data["evaluation"]["mean_return"].values[:, -1]
    assert (final > 80).sum() >= 3  # of 100 pulls; 90 at best, 50 by guessing
