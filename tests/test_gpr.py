"""The GPR model: rest and selection as its equations say, the switch, and what dopamine does to it."""

import functools
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import models
from analysis import action_selection as analysis
from bgrl import tasks
from bgrl.backends import load
from bgrl.dataset import read, write
from bgrl.errors import InputError
from bgrl.step.assemble import initial_state
from bgrl.tasks.salience import salience
from experiments import action_selection as experiment

SALIENCES = (0.4, 0.6)
#: Last steps before the first salience, before the second, and of the trial.
ENDS = (99, 199, 299)
LOW, NORMAL, HIGH = 0.0, 0.2, 0.8


def player(dopamine=NORMAL, changes=None, saliences=SALIENCES):
    """The agent in double precision; `changes` are factors of the weights of projections."""
    agent = experiment.agent(saliences, dopamine)
    projections = dict(agent.circuit.projections)
    for name, factor in (changes or {}).items():
        weights = factor * np.asarray(projections[name].weights)
        projections[name] = replace(projections[name], weights=weights)
    return replace(agent, circuit=replace(agent.circuit, projections=projections), dtype="float64")


@functools.cache
def program(backend="numpy"):
    return load(backend, player().structure())


@functools.cache
def trial(dopamine):
    return experiment.play(program(), player(dopamine))


def ends(played, name="gpi"):
    return played[name][list(ENDS)]


def selected(gpi):
    """Numbers of the channels in which GPi ends below rest, for each salience."""
    return [(np.flatnonzero(row < 0.95 * gpi[0]) + 1).tolist() for row in gpi[1:]]


def fixed_point(saliences, dopamine):
    """Outputs in which nothing moves, from the equations of the paper: d1, d2, stn, gpe, gpi."""

    def output(activation, threshold):
        return np.clip(activation - threshold, 0, 1)

    c = np.pad(np.asarray(saliences, float), (0, 6 - len(saliences)))
    d1, d2 = output(c * (1 + dopamine), 0.2), output(c * (1 - dopamine), 0.2)
    gpe = np.zeros(6)
    for _ in range(2000):
        stn = output(c - gpe, -0.25)
        gpe += 0.05 * (output(0.9 * stn.sum() - d2, -0.2) - gpe)
    return d1, d2, stn, gpe, output(0.9 * stn.sum() - d1 - 0.3 * gpe, -0.2)


def test_rest_is_what_one_solves_by_hand():
    # stn = 0.25 - gpe and gpe = 0.9*6*stn + 0.2: gpe = 1.55/6.4.
    by_hand = {"d1": 0, "d2": 0, "gpe": 1.55 / 6.4, "stn": 0.25 - 1.55 / 6.4}
    by_hand["gpi"] = 5.4 * by_hand["stn"] + 0.2 - 0.3 * by_hand["gpe"]
    assert by_hand["gpi"] == pytest.approx(0.16953125, abs=1e-15)
    for dopamine in (LOW, HIGH):
        for name, value in by_hand.items():
            np.testing.assert_allclose(ends(trial(dopamine), name)[0], value, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dopamine", [LOW, NORMAL, HIGH])
def test_every_nucleus_ends_at_the_fixed_point(dopamine):
    for k, saliences in ((1, SALIENCES[:1]), (2, SALIENCES)):
        for name, expected in zip(experiment.NUCLEI, fixed_point(saliences, dopamine), strict=True):
            found = ends(trial(dopamine), name)[k]
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    moved = np.abs(np.diff(ends(trial(dopamine)), axis=0))
    assert (moved.max(1) > 0.05).all()


def test_gpi_falls_only_for_the_winner_and_the_choice_switches():
    gpi = ends(trial(NORMAL))
    others = np.delete(gpi[1], 0)
    assert gpi[1, 0] == pytest.approx(0.085, abs=1e-3) and (others > gpi[0, 0] + 0.1).all()
    others = np.delete(gpi[2], 1)
    assert gpi[2, 1] == pytest.approx(0.0415, abs=1e-3) and (others > gpi[0, 0] + 0.05).all()
    assert selected(gpi) == [[1], [2]]
    # The actor, which compares channels, chooses what is selected; without salience, any of them.
    policy = ends(trial(NORMAL), "policy")
    np.testing.assert_allclose(policy[0], 1 / 6, rtol=0, atol=1e-6)
    assert policy[1].argmax() == 0 and policy[2].argmax() == 1 and policy[1:].max(1).min() > 0.99


def test_none_is_selected_at_low_dopamine_and_both_at_high():
    assert selected(ends(trial(LOW))) == [[], []]
    assert selected(ends(trial(HIGH))) == [[1], [1, 2]]
    assert (ends(trial(HIGH))[2, :2] == 0).all()


def test_stn_holds_all_channels_before_striatum_releases_one():
    """The salience reaches GPi by STN first, at all channels alike."""
    played = trial(NORMAL)["gpi"]
    start, soon = played[99, 0], played[100]
    assert (soon > start + 1e-3).all() and np.ptp(soon) < 0.1 * (soon[0] - start)


@pytest.mark.parametrize(
    ("name", "factor", "expected"),
    [
        ("d1->gpi", -1, [[], []]),
        ("observation->stn", -1, [[1], [1, 2]]),
        ("gpe->stn", -1, [[], []]),
        ("stn->gpi", -1, [[1, 2, 3, 4, 5, 6]] * 2),
        ("dopamine->d1", -1, [[], []]),
    ],
)
def test_a_pathway_of_the_wrong_sign_breaks_selection(name, factor, expected):
    found = selected(ends(experiment.play(program(), player(changes={name: factor}))))
    assert found == expected != [[1], [2]]


def test_saliences_and_dopamine_are_no_part_of_the_program():
    structure = player().structure()
    assert player(HIGH, saliences=(0.1, 0.9)).structure() == structure
    assert player(changes={"d1->gpi": -1}).structure() == structure


def test_dopamine_is_tonic_from_the_first_step():
    state = program().advance(initial_state(player(), program().layout, 0), 0, 1, learn=False)
    np.testing.assert_allclose(state["input.x"][:, -1], NORMAL, rtol=0, atol=1e-15)


def test_channels_beyond_those_of_the_task_are_silent():
    circuit = models.circuit("gpr", tasks.make("memory_chain"), 6)
    assert circuit.inputs == {"observation": 3, "dopamine": 1}
    assert np.asarray(circuit.projections["observation->stn"].weights).shape == (6, 3)
    with pytest.raises(InputError, match="needs a channel for each of the 3 observations and 2"):
        models.circuit("gpr", tasks.make("memory_chain"), 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"levels": (1, 1, 1)}, "3 levels and 2 onsets; one of each"),
        ({"levels": (), "onsets": ()}, "0 levels and 0 onsets"),
        ({"channels": 1}, "channels is 1; an integer of 2 or more"),
        ({"onsets": (5.0, 20.0)}, "onset is 5"),
        ({"levels": (float("nan"), 1)}, "level is nan"),
    ],
)
def test_salience_refuses(changes, message):
    settings = {"levels": (0, 1), "onsets": (0, 20), "channels": 3, "duration": 100, "step": 10}
    with pytest.raises(InputError, match=message):
        salience(**settings | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"low": 0.3}, "each must be more than the one before"),
        ({"grid": 1}, "grid is 1; an integer of 2 or more"),
        ({"channels": 1}, "channels is 1; an integer of 2 or more"),
    ],
)
def test_the_experiment_refuses(changes, message):
    with pytest.raises(InputError, match=message):
        experiment.run(experiment.Config(backend="numpy", **changes))


def test_outcomes_of_pairs_by_hand():
    """Six pairs of which each comes out differently; rest is 0.2."""
    after_first = [0.3, 0.1, 0.3, 0.1, 0.1, 0.1]
    after_both = [(0.3, 0.3), (0.1, 0.3), (0.3, 0.1), (0.3, 0.1), (0.1, 0.1), (0.3, 0.3)]
    gpi = np.full((1, 6, 1, 3, 3), 0.2)
    gpi[0, :, 0, 1, 0] = after_first
    gpi[0, :, 0, 2, :2] = after_both
    dims = ("dopamine", "first", "second", "epoch", "channel")
    pairs = xr.Dataset({"gpi": (dims, gpi)}, {"channel": [1, 2, 3]})
    data = xr.DataTree.from_dict({"/pairs": pairs})
    assert analysis.outcomes(data).ravel().tolist() == [0, 1, 2, 3, 4, 5]
    chosen = analysis.selected(pairs["gpi"].isel(dopamine=0, first=4, second=0))
    assert [analysis.named(row) for row in chosen] == ["none", "1", "1 and 2"]
    release = analysis.efficiency(np.array([0.0, 0.05, 0.2, 0.9]), 0.2)
    np.testing.assert_allclose(release, [1, 0.75, 0, 0], rtol=0, atol=1e-15)


@pytest.mark.slow
def test_the_experiment_on_cpp(tmp_path):
    config = experiment.Config(grid=3)
    data = experiment.run(config)
    traces = data["traces"]
    assert traces["gpi"].dims == ("dopamine", "time", "channel")
    assert traces["gpi"].shape == (11, 300, 6)
    for dopamine in (LOW, NORMAL, HIGH):
        found = traces.to_dataset().sel(dopamine=dopamine)
        for name in experiment.NUCLEI:
            # Single precision.
            expected = trial(dopamine)[name]
            np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-5)
        assert selected(found["gpi"].values[list(ENDS)]) == selected(ends(trial(dopamine)))
    names = list(analysis.OUTCOMES)
    low, normal, high = ([names[k] for k in np.diag(o)] for o in analysis.outcomes(data))
    assert low == ["none"] * 3 and normal[0] == "none" and high == ["none", "both", "both"]
    assert names[analysis.outcomes(data)[1, 1, 2]] == "switch from 1 to 2"
    assert "with both saliences, dopamine 0.1 to 0.2: 2 selected" in analysis.summary(data)
    write(data, tmp_path / "data.nc")
    titles = [ax.get_title("left") for ax in analysis.figure(read(tmp_path / "data.nc")).axes]
    assert "Normal dopamine, 0.2:\nselected 1, then 2" in titles
    assert "High dopamine, 0.8:\nselected 1, then 1 and 2" in titles
