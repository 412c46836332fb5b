"""What is lost by lesions and regained after them: experiments and their figures."""

from dataclasses import replace

import numpy as np
import pytest

from analysis import lesions as lesion_figures
from analysis import plot
from analysis import recovery as recovery_figures
from bgrl.dataset import write
from bgrl.errors import InputError
from experiments import lesions, recovery

SMALL = {"steps": 40, "replicates": 2, "units": 4, "backend": "numpy", "model": "cortex_thalamus"}


@pytest.fixture(scope="module")
def lesioned():
    names = "cortex->cortex,thalamus->cortex"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lesions, "TRIALS", 3)
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
    assert lesion_figures.worst(data, "bernoulli_bandit", "after") == "nothing was learned"
    assert any("costs most: thalamus->cortex" in row for row in lesion_figures.summary(data))


def test_recovery_starts_from_what_was_learned(monkeypatch):
    monkeypatch.setattr(recovery, "CHECKPOINTS", 2)
    config = recovery.Config(**SMALL, pathways="thalamus->cortex", fractions="1")
    data = recovery.run(config)
    group = data["recovery"]
    assert group["condition"].values.tolist() == ["intact", "lesioned", "naive"]
    assert group["step"].values.tolist() == [0, 20, 40]
    assert data.attrs["pathway"] == "thalamus->cortex" and data.attrs["fraction"] == 1
    values = np.array(
        [[[0.9, 0.9, 0.9]] * 2, [[0.2, 0.5, 0.9], [0.2, 0.9, 0.9]], [[0.0, 0.1, 0.2]] * 2]
    )
    data["recovery"]["mean_return"] = group["mean_return"].copy(data=values)
    assert recovery_figures.steps_to_regain(data).tolist() == [40, 20]
    assert recovery_figures.steps_to_regain(data, "naive").tolist() == [np.inf] * 2
    title = recovery_figures.figure(data).axes[0].get_title("left")
    assert title.endswith("removed: return falls by 0.70, 90 % regained after 30 steps")
    assert any("after never" in row for row in recovery_figures.summary(data))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pathways": "d1->gpi"}, "unknown pathway 'd1->gpi'; valid: cortex->cortex"),
        ({"fractions": "0"}, "fractions is '0'; numbers above 0"),
        ({"fractions": "half"}, "fractions is 'half'"),
    ],
)
def test_refuses_lesions_that_cannot_be(settings, message):
    config = replace(lesions.Config(**SMALL), **settings)
    with pytest.raises(InputError, match=message):
        lesions.run(config)
