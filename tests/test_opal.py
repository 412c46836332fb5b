"""OpAL: its three rules and its policy by hand, and what dopamine does to choosing A and avoiding B."""

from dataclasses import replace

import numpy as np
import pytest

import models
from analysis import medication as analysis
from bgrl import tasks
from bgrl.backends import load
from bgrl.circuit import Rule
from bgrl.dataset import read, write
from bgrl.errors import InputError, RunError
from bgrl.step.assemble import initial_state
from experiments import medication as experiment

REPLICATES = 3
TRIALS = 60


def player(tonic=0.0, d2_rule=None):
    """The agent of the experiment in double precision; `d2_rule` in place of what changes N."""
    agent = experiment.agent(REPLICATES, TRIALS, "float64")
    circuit = agent.circuit
    circuit = replace(circuit, dopamine=replace(circuit.dopamine, tonic=tonic))
    if d2_rule:
        changed = replace(circuit.projections["cortex->d2"], rule=Rule(d2_rule, "pre*chosen"))
        circuit = replace(circuit, projections=circuit.projections | {"cortex->d2": changed})
    return replace(agent, circuit=circuit)


def played(agent):
    """States after each step of training, from the first observation on."""
    program = load("numpy", agent.structure())
    states = [program.advance(initial_state(agent, program.layout, 5), 0, 1, learn=False)]
    for step in range(1, 3 * TRIALS + 1):
        states.append(program.advance(states[-1], step, 1))
    return states


def oracle(states, rho):
    """OpAL as a table: values of what is shown, G and N of each symbol at each side.

    Only pairs, choices and rewards are taken from `states`.

    Returns
    -------
    list of dict
        After each trial: `v` (replicate, left symbol, right symbol), `g`, `n` (replicate, side, symbol)
        and `right`, the probability with which the right one was chosen (replicate,).
    """
    v = np.zeros((REPLICATES, 6, 6))
    g, n = np.ones((REPLICATES, 2, 6)), np.ones((REPLICATES, 2, 6))
    found = []
    for shown, answered in zip(states[2::3], states[3::3], strict=True):
        right = np.empty(REPLICATES)
        for r in range(REPLICATES):
            pair = [int(shown[f"task.{side}"][r]) for side in ("left", "right")]
            choice = int(shown["policy.action"][r])
            act = [
                1.5 * (1 + rho) * g[r, side, symbol] - 1.5 * (1 - rho) * n[r, side, symbol]
                for side, symbol in enumerate(pair)
            ]
            right[r] = 1 / (1 + np.exp(act[0] - act[1]))
            delta = answered["task.reward"][r] - v[r, pair[0], pair[1]]
            v[r, pair[0], pair[1]] += 0.1 * delta
            g[r, choice, pair[choice]] *= 1 + 0.3 * delta
            n[r, choice, pair[choice]] *= 1 - 0.3 * delta
        found.append({"v": v.copy(), "g": g.copy(), "n": n.copy(), "right": right})
    return found


def compare(states, rho):
    """Raise `AssertionError` where the network's weights, values or choices differ from the table's."""
    for k, expected in enumerate(oracle(states, rho)):
        shown, answered = states[3 * k + 2], states[3 * k + 3]
        close = {"rtol": 0, "atol": 1e-10}
        np.testing.assert_allclose(shown["readout.policy"][:, 1], expected["right"], **close)
        for name, key in (("d1", "g"), ("d2", "n")):
            weights = answered[f"cortex_to_{name}.weight"]
            sides = np.stack([weights[:, 0, :6], weights[:, 1, 6:]], axis=1)
            np.testing.assert_allclose(sides, expected[key], **close)
            assert not weights[:, 0, 6:].any() and not weights[:, 1, :6].any()
        weights = answered["cortex_to_ventral_striatum.weight"][:, 0]
        for pair in ((0, 1), (1, 0), (2, 3), (3, 2), (4, 5), (5, 4)):
            value = weights[:, pair[0]] + weights[:, 6 + pair[1]]
            np.testing.assert_allclose(value, expected["v"][:, *pair], **close)


@pytest.mark.parametrize("rho", [0.0, 0.5, -0.8])
def test_the_rules_by_hand(rho):
    states = played(player(rho))
    assert [int(s["task.done"][0]) for s in states[:7]] == [1, 0, 0, 1, 0, 0, 1]
    compare(states, rho)
    moved = np.abs(states[-1]["cortex_to_d1.weight"] - states[0]["cortex_to_d1.weight"])
    assert (moved.max(axis=(1, 2)) > 0.5).all()


def test_the_table_tells_wrong_rules_and_levels_of_dopamine():
    states = played(player(0.5))
    with pytest.raises(AssertionError):
        compare(states, 0.4)
    with pytest.raises(AssertionError):
        compare(played(player(d2_rule="weight + alpha*weight*dopamine*eligibility")), 0.0)


def test_nothing_but_feedback_teaches():
    """The pair brings a TD error of its own, its value; feedback is what moves the weights."""
    states = played(player())
    errors = np.array([s["dopamine.td_error"] for s in states])
    assert np.abs(errors[2::3]).max() > 0.1 and not errors[1::3].any()
    for name in ("d1", "d2", "ventral_striatum"):
        weights = np.array([s[f"cortex_to_{name}.weight"] for s in states])
        moves = (np.diff(weights, axis=0) != 0).any(axis=(1, 2, 3))
        assert moves[2::3].all() and not moves[0::3].any() and not moves[1::3].any()


def test_topography():
    masks = [
        np.asarray(models.circuit("opal", tasks.make(name)).projections["cortex->d1"].mask)
        for name in ("probabilistic_selection", "memory_chain")
    ]
    np.testing.assert_array_equal(masks[0], np.kron(np.eye(2), np.ones((1, 6))))
    assert masks[1].all()


def test_the_drug_acts_when_and_where_it_should():
    texts = {
        "both": ["drive d1.modulation 0.5", "drive d2.modulation -0.5"],
        "training": ["drive d1.modulation 0.5 for 31", "drive d2.modulation -0.5 for 31"],
        "test": ["drive d1.modulation 0.5 from 31", "drive d2.modulation -0.5 from 31"],
    }
    for drug_in, expected in texts.items():
        found = [str(i) for i in experiment.interventions(0.5, drug_in, 30)]
        assert found == [*expected, "block_plasticity all from 31"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rho": 0.0}, "rho is 0.0; a number above 0, at most 1"),
        ({"rho": 1.5}, "rho is 1.5"),
        ({"training": 0}, "training is 0; a positive integer"),
        ({"test": 0}, "test is 0; a positive integer"),
        ({"drug_in": "sleep"}, "unknown drug_in 'sleep'; valid: both, test, training"),
    ],
)
def test_the_experiment_refuses(changes, message):
    with pytest.raises(InputError, match=message):
        experiment.run(experiment.Config(backend="numpy", **changes))


def test_a_test_without_the_pairs_asked_for_is_refused():
    with pytest.raises(RunError, match="a replicate saw no pair for the share of A"):
        experiment.run(experiment.Config(backend="numpy", replicates=4, training=2, test=1))


@pytest.mark.long
def test_interaction_of_drug_and_valence_on_cpp(tmp_path):
    data = experiment.run(experiment.Config())
    assert data["choices"]["choose_a"].shape == (3, 50)
    assert data["weights"]["g"].shape == (3, 50, 2, 6)
    mean, low, high = analysis.mean_interval(analysis.interaction(data))
    assert 0 < low < mean < high and analysis.verdict(data) == "published sign"
    assert f"interaction: {mean:+.3f}" in analysis.summary(data)[-1]
    write(data, tmp_path / "data.nc")
    figure = analysis.figure(read(tmp_path / "data.nc"))
    assert "published sign of the interaction" in figure.get_suptitle()
    # Off and on exchanged, the figure says so.
    exchanged = data["choices"].to_dataset().isel(condition=[2, 1, 0])
    exchanged["condition"] = ["on", "control", "off"]
    data["choices"] = exchanged
    assert analysis.verdict(data) == "opposite sign"


def drug_effects():
    """Choose-A and avoid-B on medication minus off it, with the drug in the test alone: intervals."""
    data = experiment.run(experiment.Config(drug_in="test"))
    choices = data["choices"].to_dataset()
    on, off = (choices.sel(condition=condition) for condition in ("on", "off"))
    return [analysis.mean_interval((on - off)[name].values)[1:] for name in analysis.MEASURES]


@pytest.mark.long
def test_the_effect_needs_opponent_dopamine_on_cpp(monkeypatch):
    choose_a, avoid_b = drug_effects()
    assert choose_a[0] > 0 > avoid_b[1]
    # Dopamine that excites the indirect pathway too: B is avoided more, not less.
    original = experiment.interventions

    def alike(rho, *rest):
        first, second, *others = original(rho, *rest)
        return (first, replace(second, value=first.value), *others)

    monkeypatch.setattr(experiment, "interventions", alike)
    choose_a, avoid_b = drug_effects()
    assert choose_a[0] > 0 and avoid_b[0] > 0
