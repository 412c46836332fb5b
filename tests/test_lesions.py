"""What is lost by lesions and regained after them: experiments and their figures."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from analysis import lesions as lesion_figures
from analysis import plot
from analysis import recovery as recovery_figures
from bgrl import simulation
from bgrl.dataset import write
from bgrl.errors import InputError
from experiments import lesions, recovery

SMALL = {"steps": 40, "replicates": 2, "units": 4, "backend": "numpy", "model": "cortex_thalamus"}
#: A trial of the bandit has 100 steps.
MEMORY = {"memory_chain": lesions.TASKS["memory_chain"]}


@pytest.fixture(scope="module")
def lesioned():
    names = "cortex->cortex,thalamus->cortex"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lesions, "TRIALS", 1)
        return lesions.run(lesions.Config(**SMALL, pathways=names, fractions="1"))


def test_a_share_of_zero_is_the_intact_circuit(lesioned):
    returns = lesioned["lesions"]["mean_return"]
    assert returns.dims == ("task", "when", "pathway", "fraction", "replicate")
    assert returns.shape == (2, 2, 2, 2, 2) and np.isfinite(returns).all()
    intact = returns.isel(fraction=0)
    assert (intact == intact.isel(when=0, pathway=0)).all()
    # The bandit's returns are many-valued, so other circuits have others.
    bandit = returns.sel(task="bernoulli_bandit")
    assert (bandit.isel(fraction=1) != bandit.isel(fraction=0)).any()
    assert lesioned["lesions"]["chance_return"].values.tolist() == [0.0, 50.0]


def test_figure_from_a_file(lesioned, tmp_path):
    write(lesioned, tmp_path / "lesions.nc")
    assert plot.main([str(tmp_path / "lesions.nc")]) == 0
    assert (tmp_path / "lesions-overview.png").exists()


def test_figure_and_summary_of_lesions(lesioned):
    figure = lesion_figures.figure(lesioned)
    titles = [ax.get_title("left") for part in figure.subfigs for ax in part.axes]
    assert titles.count("cortex \u2192 cortex") == titles.count("thalamus \u2192 cortex") == 2
    data = lesioned.copy()
    values = np.tile([0.9, 0.8], (2, 2, 2, 2, 1))
    values[0, 0, 1, 1] = [0.1, 0.1]
    values[1] = 40.0
    data["lesions"]["mean_return"] = lesioned["lesions"]["mean_return"].copy(data=values)
    lost = lesion_figures.loss(data, "memory_chain", "after")
    np.testing.assert_allclose(lost, [0, (0.85 - 0.1) / 0.85], atol=1e-12)
    assert "thalamus->cortex (88 %" in lesion_figures.worst(data, "memory_chain", "after")
    nothing = "nothing was learned in these steps"
    assert lesion_figures.worst(data, "bernoulli_bandit", "after") == nothing
    assert lesion_figures.made_up(data, "memory_chain") == (
        "learning makes up most for thalamus->cortex (88 % lost after learning, 0 % before)"
    )
    assert lesion_figures.made_up(data, "bernoulli_bandit").startswith("no pathway")
    assert lesion_figures.finding(data, "bernoulli_bandit") == nothing
    one = data.isel(replicate=[0])
    assert lesion_figures.finding(one, "memory_chain") == "one replicate shows nothing"
    assert lesion_figures.worst(one, "memory_chain", "after") == "one replicate shows nothing"
    assert any("costs most: thalamus->cortex" in row for row in lesion_figures.summary(data))


def test_the_largest_of_many_differences_is_to_be_larger():
    """What is clear of one pathway may be chance of the one that was chosen among nine."""
    returns = np.ones((1, 2, 9, 2, 10))
    # Lost in eight of ten replicates after learning; and a little won in two, by chance.
    returns[0, 0, 0, 1] = [0.9] * 8 + [1.05] * 2
    returns[0, :, 1:, 1] = 0.99

    def found(pathways):
        dims = ("task", "when", "pathway", "fraction", "replicate")
        coords = {
            "task": ["memory_chain"],
            "when": ["after", "before"],
            "pathway": [f"p{k}" for k in range(pathways)],
            "fraction": [0.0, 1.0],
            "chance_return": ("task", [0.0]),
        }
        group = xr.Dataset({"mean_return": (dims, returns[:, :, :pathways])}, coords)
        tree = xr.DataTree.from_dict({"/lesions": group})
        return lesion_figures.made_up(tree, "memory_chain")

    assert found(1).startswith("learning makes up most for p0")
    assert found(9).startswith("no pathway")


def test_recovery_starts_from_what_was_learned(monkeypatch):
    seeds = []

    def spy(agent, run, *rest):
        seeds.append(run.seed)
        return simulation.simulate(agent, run, *rest)

    monkeypatch.setattr(recovery, "CHECKPOINTS", 2)
    monkeypatch.setattr(lesions, "TRIALS", 2)
    monkeypatch.setattr(lesions, "simulate", spy)
    data = recovery.run(recovery.Config(**SMALL | {"seed": 7}, pathway="thalamus->cortex"))
    # Feedback to the cortex is drawn from the seed; those that learn on must keep theirs.
    assert seeds == [7] * 4
    group = data["recovery"]
    assert group["condition"].values.tolist() == ["intact", "lesioned", "naive"]
    assert group["step"].values.tolist() == [0, 20, 40]
    assert data.attrs["pathway"] == "thalamus->cortex" and data.attrs["fraction"] == 1
    values = np.array(
        [[[0.9, 0.9, 0.9]] * 2, [[0.2, 0.5, 0.9], [0.2, 0.9, 0.9]], [[0.0, 0.1, 0.2]] * 2]
    )
    data["recovery"]["mean_return"] = group["mean_return"].copy(data=values)
    assert recovery_figures.steps_to_regain(data).tolist() == [40, 20]
    # Who learned nothing has nothing to regain.
    unlearned = data.copy()
    unlearned.attrs["chance_return"] = float(np.max(values))
    assert np.isinf(recovery_figures.steps_to_regain(unlearned)).all()
    assert recovery_figures.steps_to_regain(data, "naive").tolist() == [np.inf] * 2
    title = recovery_figures.figure(data).axes[0].get_title("left")
    assert title.endswith(
        "removed: return falls by 0.70,\n"
        "90 % regained after 30 (20 to 40) steps (median, 95 % interval)"
    )
    assert any("after never" in row for row in recovery_figures.summary(data))


@pytest.mark.long
def test_agents_that_cannot_choose_are_at_chance_whatever_they_learned(monkeypatch):
    """The same trials of a uniform policy, before and after learning; without a lesion others."""
    monkeypatch.setattr(lesions, "TRIALS", 20)
    config = lesions.Config(**SMALL | {"steps": 120})
    agent = config.agent("memory_chain")
    learned = config.play(agent, 120, "learned")
    blind = replace(agent, circuit=agent.circuit.lesion("cortex->dorsal_striatum"))

    def first(*of):
        return config.play(of[0], 1, "", *of[1:])["evaluation"]["mean_return"].values[:, 0].tolist()

    assert first(blind, learned) == first(blind)
    assert first(agent, learned) != first(agent)


def test_a_killed_experiment_goes_on_and_ends_with_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr(lesions, "TRIALS", 1)
    monkeypatch.setattr(lesions, "TASKS", MEMORY)
    small = SMALL | {"steps": 10, "pathways": "cortex->cortex", "fractions": "1"}
    config = lesions.Config(**small, output=str(tmp_path / "lesions.nc"))
    expected = lesions.run(lesions.Config(**small))
    played = []

    def killed(agent, run, *rest):
        if len(played) == 2:
            raise KeyboardInterrupt
        played.append(run)
        return simulation.simulate(agent, run, *rest)

    monkeypatch.setattr(lesions, "simulate", killed)
    with pytest.raises(KeyboardInterrupt):
        lesions.run(config)
    assert len(list(config.work().iterdir())) == 2
    monkeypatch.setattr(lesions, "simulate", simulation.simulate)
    xr.testing.assert_identical(lesions.run(config), expected)


def test_fractions_have_draws_of_their_own(monkeypatch):
    """What half removes is not what a quarter does and more."""
    drawn = {}

    def spy(agent, run, *rest):
        lost = agent.circuit.projections["cortex->cortex"].lesioned
        if lost is not None:
            drawn.setdefault(int(lost.sum()), []).append(lost)
        return simulation.simulate(agent, run, *rest)

    monkeypatch.setattr(lesions, "TRIALS", 1)
    monkeypatch.setattr(lesions, "simulate", spy)
    monkeypatch.setattr(lesions, "TASKS", MEMORY)
    settings = SMALL | {"steps": 2, "pathways": "cortex->cortex", "fractions": "0.25,0.5"}
    lesions.run(lesions.Config(**settings))
    assert {k: len(v) for k, v in drawn.items()} == {4: 2, 8: 2}
    for masks in drawn.values():
        assert all((mask == masks[0]).all() for mask in masks)
    assert (drawn[4][0] > drawn[8][0]).any()


def test_pathways_of_other_models_are_all():
    names = lesions.Config(model="rtrrl").pathway_names()
    inputs = ["observation->cortex", "action->cortex", "reward->cortex"]
    readouts = ["cortex->dorsal_striatum", "cortex->ventral_striatum"]
    assert sorted(names) == sorted([*inputs, "cortex->cortex", *readouts])
    config = lesions.Config()
    assert set(config.pathway_names()) < set(config.valid_pathways())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pathways": "d1->gpi"}, "unknown pathway 'd1->gpi'; valid: action->cortex, "),
        ({"fractions": "0"}, "fractions is '0'; rising numbers above 0"),
        ({"fractions": "half"}, "fractions is 'half'"),
    ],
)
def test_refuses_lesions_that_cannot_be(settings, message):
    config = replace(lesions.Config(**SMALL), **settings)
    with pytest.raises(InputError, match=message):
        lesions.run(config)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pathway": "d1->gpi"}, "unknown pathway 'd1->gpi'; valid: action->cortex, "),
        ({"fraction": 1.5}, "fraction is 1.5"),
    ],
)
def test_recovery_refuses_lesions_that_cannot_be(settings, message):
    with pytest.raises(InputError, match=message):
        recovery.run(recovery.Config(**SMALL, **settings))
