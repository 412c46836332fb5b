"""The STN-GPe loop: what it rests at, when it begins to oscillate and how fast, against theory."""

import functools
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.signal import welch

import models
from analysis import oscillations as analysis
from analysis.verdicts import published
from bgrl import tasks
from bgrl.backends import load
from bgrl.dataset import read, write
from bgrl.errors import InputError
from bgrl.step.assemble import initial_state
from bgrl.tasks.stimulus import stimulus
from experiments import oscillations as experiment
from experiments._loop_theory import Loop, leading_root, noise_spectrum, onset, rest
from models import holgado_2010 as model

NUCLEI = ("stn", "gpe")


@functools.cache
def program():
    return load("numpy", experiment.agent(Loop(), 1).structure())


def rates(loop, steps, start=None, noise=0.0):
    """Rates of STN and GPe after each ms, without noise, from rest or near it, (time, nucleus)."""
    agent = experiment.agent(loop, 1)
    populations = dict(agent.circuit.populations)
    for name, rate in zip(NUCLEI, start or rest(loop), strict=True):
        parameters = populations[name].parameters
        parameters = parameters | {"noise": replace(parameters["noise"], value=noise)}
        initial = {"rate": rate}
        populations[name] = replace(populations[name], parameters=parameters, initial=initial)
    agent = replace(agent, circuit=replace(agent.circuit, populations=populations))
    state, found = initial_state(agent, program().layout, 0), []
    for step in range(steps):
        state = program().advance(state, step, 1, learn=False)
        found.append([state[f"{name}.rate"][0, 0] for name in NUCLEI])
    return np.array(found)


@pytest.mark.parametrize("dopamine", [1.0, 0.4])
def test_it_rests_where_its_sigmoids_say(dopamine):
    loop = Loop(dopamine)
    still = rates(loop, 20)
    np.testing.assert_allclose(still, np.tile(rest(loop), (20, 1)), rtol=1e-9)
    # By the equations of the paper, written anew.
    stn, gpe = rest(loop)
    w = {k: h + (1 - dopamine) * (p - h) for k, (h, p) in model.WEIGHTS.items()}
    sigmoid = lambda x, m, b: m / (1 + (m - b) / b * np.exp(-4 * x / m))  # noqa: E731
    into_stn = 27 * w["cortex->stn"] - w["gpe->stn"] * gpe
    into_gpe = w["stn->gpe"] * stn - w["gpe->gpe"] * gpe - 2 * w["d2->gpe"]
    assert sigmoid(into_stn, 300, 17) == pytest.approx(stn, rel=1e-9)
    assert sigmoid(into_gpe, 400, 75) == pytest.approx(gpe, rel=1e-9)
    assert np.abs(rates(replace(loop, dopamine=dopamine - 0.2), 20, (stn, gpe)) - still).max() > 0.1


def test_rates_in_health_are_those_of_the_numbers():
    assert rest(Loop()) == (pytest.approx(18.1475, abs=1e-3), pytest.approx(53.6930, abs=1e-3))
    assert rest(Loop(0.0)) == (pytest.approx(20.4425, abs=1e-3), pytest.approx(21.8366, abs=1e-3))


@pytest.mark.parametrize(("dopamine", "sign"), [(0.4, 1), (0.8, -1)])
def test_small_deviations_grow_as_the_roots_say(dopamine, sign):
    loop = Loop(dopamine)
    stn, gpe = rest(loop)
    after = rates(loop, 180, (stn + 1e-4, gpe))[60:, 0] - stn

    def error(loop):
        """Share of what moves that is no oscillation with this growth and frequency."""
        growth, frequency = leading_root(loop, model.DT)
        root = growth / 1000 + 2j * np.pi * frequency / 1000
        wave = np.exp(root * np.arange(len(after)))
        basis = np.column_stack([wave.real, wave.imag])
        fitted = basis @ np.linalg.lstsq(basis, after, rcond=None)[0]
        return np.linalg.norm(after - fitted) / np.linalg.norm(after)

    assert error(loop) < 1e-3
    assert leading_root(loop, model.DT)[0] * sign > 0
    for other in (replace(loop, delay=1.1), replace(loop, dopamine=dopamine - 0.1)):
        assert error(other) > 0.05


def test_when_it_begins_and_how_fast():
    value, frequency = onset(Loop, 1, 0)
    assert (value, frequency) == (pytest.approx(0.69528, abs=1e-4), pytest.approx(27.431, abs=0.01))
    # Without the delays it never does, whatever the coupling.
    assert leading_root(Loop(0.0, delay=0.05))[0] < 0
    growths = [leading_root(Loop(0.0, 4.0, delay))[0] for delay in (0.0, 1.0)]
    assert growths[0] < 0 < growths[1]
    # Euler steps come to the equations as they get finer.
    errors = [abs(onset(Loop, 1, 0, dt)[0] - value) for dt in (0.4, 0.2, 0.1)]
    np.testing.assert_allclose(np.divide(errors[:-1], errors[1:]), 2, rtol=0.05)


def test_dopamine_moves_weights_from_health_to_what_is_without_it():
    for dopamine, column in ((1.0, 0), (0.0, 1), (-1.0, 1)):
        weights = Loop(dopamine).weights
        assert weights == pytest.approx({k: w[column] for k, w in model.WEIGHTS.items()})
    half = rates(Loop(0.5), 5)
    np.testing.assert_allclose(half, np.tile(rest(Loop(0.5)), (5, 1)), rtol=1e-9)


def test_several_neurons_are_one_loop():
    """Weights are divided by the number of neurons; noise averages out."""
    circuit = model.circuit(stimulus([0.0], step=1.0), 4)
    for name, (health, _) in model.WEIGHTS.items():
        assert abs(circuit.projections[name].weights) == pytest.approx(health / 4)
    assert circuit.projections["gpe->stn"].weights < 0 < circuit.projections["stn->gpe"].weights
    assert circuit.populations["stn"].delayed == {"rate": 30}
    slow = models.circuit("holgado_2010", tasks.make("random_dots", step=20.0))
    assert (slow.dt, slow.substeps) == (0.2, 100)


def test_the_spectrum_is_that_of_welch():
    rates = np.random.default_rng(0).normal(size=(2, 7300)).cumsum(axis=1)
    frequency, density = experiment.spectrum(rates)
    expected = welch(rates, 1000, nperseg=experiment.SEGMENT)
    np.testing.assert_allclose(frequency, expected[0])
    np.testing.assert_allclose(density, expected[1], rtol=1e-9)
    assert abs(density / welch(rates, 1000, nperseg=1000, nfft=2000)[1] - 1).max() > 0.5


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The experiment with few values; from a file."""
    values = {
        "dopamine": np.array([0.0, 0.6, 0.65, 0.7, 0.75, 1.0]),
        "coupling": np.array([0.25, 0.3, 0.35, 0.4, 1.0]),
        "delay": np.array([0.2, 0.3, 1.0]),
        "cortex": np.array([0.3, 0.35, 0.4, 0.45]),
    }
    patched = {k: (values[k], ends) for k, (_, ends) in experiment.SWEEPS.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "SWEEPS", patched)
        found = experiment.run(experiment.Config(seconds=6, replicates=4, backend="cpp"))
    path = tmp_path_factory.mktemp("oscillations") / "data.nc"
    write(found, path)
    return read(path)


@pytest.mark.slow
def test_simulations_are_what_linear_theory_says(data):
    found = analysis.verdicts(data)
    assert len(found) == 14 and all(v.shown for v in found.values())
    peak = found["peak without dopamine (Hz)"]
    assert peak.low > 20 and peak.high < 20.6
    begin = found["dopamine at which it begins"]
    assert begin.value == pytest.approx(0.7087, abs=0.02) and begin.high - begin.low < 0.02
    assert found["   delay, of what it needs"].value == pytest.approx(1 / 0.2712, abs=0.05)
    assert "in health 0.50" in found["   delay, of what it needs"].expected
    lines = analysis.summary(data)
    assert lines[15] == "14 of 14 shown" and "over 4 replicates" in lines[0]
    assert lines[27] == "4 of 10 met" and lines[29] == "   health: none"
    titles = [ax.get_title("left") for ax in analysis.figure(data).axes]
    assert "No dopamine: it oscillates, 20.3 Hz" in titles
    assert "Begins at 0.72, predicted 0.71" in titles
    still = data.copy(deep=True)
    values = still["dopamine"].to_dataset()
    for name in ("deviation", "peak_frequency"):
        values = values.assign({name: values[name] * np.nan})
    still["dopamine"] = xr.DataTree(values)
    titles = [ax.get_title("left") for ax in analysis.figure(still).axes]
    assert "No dopamine: beta is NOT shown" in titles


PEAKS = {
    "STN-GPe model, these equations": (13, 30, True),
    "rats, cortex, peak of the spectrum": (17, 23, True),
    "patients, STN, low beta": (17.11 - 1.96 * 1.46, 17.11 + 1.96 * 1.46, False),
    "patients, STN, high beta": (26.43 - 1.96 * 1.12, 26.43 + 1.96 * 1.12, False),
    "monkeys, GP, pairs of neurons": (13, 14, False),
}


def test_published_ranges_are_those_of_the_numbers_beside_them():
    rows = {(row["quantity"], row["what"]): row for row in published(analysis.PUBLISHED)}
    for what, (low, high, _) in PEAKS.items():
        row = rows["frequency", what]
        assert [float(row["low"]), float(row["high"])] == pytest.approx([low, high], abs=0.006)
    # Differences of two means of 14 nuclei each.
    for quantity, means, deviations, scale in (
        ("stn_power", (0.74, 0.42), (0.34, 0.37), lambda x: 10**x),
        ("frequency_change", (17.07, 17.11), (1.58, 1.46), lambda x: x),
    ):
        row = rows[quantity, "patients, STN, low beta"]
        width = 1.96 * np.hypot(*deviations) / np.sqrt(14)
        change = means[0] - means[1]
        expected = [scale(change + k * width) for k in (-1, 0, 1)]
        given = [float(row[k]) for k in ("low", "value", "high")]
        assert given == pytest.approx(expected, abs=0.006)
    assert all(row["read"] and row["citation"] for row in rows.values())


@pytest.mark.slow
def test_the_loop_without_dopamine_beside_published_values(data):
    found = analysis.comparisons(data)
    for what, (*_, met) in PEAKS.items():
        v = found["frequency", what]
        assert v.shown is met and 20 < v.low <= v.high < 20.6
    young = data["dopamine"].to_dataset().sel(value=0.7)["peak_frequency"]
    low, high = float(young.min()), float(young.max())
    assert 26 < low <= high < 28
    rise = found["frequency_change", "rats, apomorphine: rises"]
    assert rise.shown and low - 20.6 < rise.low <= rise.high < high - 20
    assert not found["frequency_change", "patients, STN, low beta"].shown
    power = found["gpe_power", "rats, GP, units: almost 100"]
    assert not power.shown and 900 < power.low < power.high < 1300
    assert 0.8 < found["gpe_rate", "rats, GP: falls"].value < 0.9


@pytest.mark.slow
def test_a_loop_at_rest_has_neither_frequency_nor_power(data):
    health = analysis.comparisons(data, "dopamine", 1.0)
    assert not any(v.shown for v in health.values())
    assert health["stn_power", "patients, STN, low beta"].value == 1
    for name in ("coupling", "delay", "cortex"):
        found = analysis.comparisons(data, name, float(data[name]["value"][0]))
        assert not any(v.shown for (quantity, _), v in found.items() if "frequency" in quantity)
        assert not found["gpe_power", "rats, GP, units: almost 100"].shown
    assert analysis.at_rest(data)["health"] == []
    # The same spectrum counts as soon as it is that of an oscillation.
    louder = data.copy(deep=True)
    level = louder["dopamine"].to_dataset()
    louder["dopamine"] = xr.DataTree(level.assign(deviation=level["deviation"] * 0 + 5))
    assert np.isfinite(analysis.quantities(louder, "dopamine", 1.0)["frequency"]).all()


@pytest.mark.slow
def test_the_noise_alone_makes_the_spectrum_of_health(data):
    level = analysis.at(data, 1.0)
    density, frequency = level["density"].mean("replicate").values, level["frequency"].values
    expected = data["noise"]["density"].values
    np.testing.assert_allclose(expected, noise_spectrum(Loop(), frequency, model.DT))
    smooth = lambda x: x[2:].reshape(-1, 13).mean(axis=1)  # noqa: E731
    keep = slice(None, 2 + 13 * ((len(frequency) - 2) // 13))
    np.testing.assert_allclose(smooth(density[keep]), smooth(expected[keep]), rtol=0.15)
    other = noise_spectrum(Loop(0.9), frequency, model.DT)
    assert abs(smooth(density[keep]) / smooth(other[keep]) - 1).max() > 0.3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("group", "variable", "change", "name"),
    [
        ("dopamine", "peak_frequency", lambda x: x / 2, "peak without dopamine (Hz)"),
        ("dopamine", "beta_power", lambda x: 0 * x + 1, "beta power in health"),
        ("dopamine", "deviation", lambda x: x[:, ::-1] * 0 + 0.5, "dopamine at which it begins"),
        ("coupling", "onset", lambda x: x + 0.1, "coupling at which it begins"),
        ("cortex", "deviation", lambda x: x + 3 * (x < 2), "cortex, of what it needs"),
        ("delay", "onset_frequency", lambda x: 0.8 * x, "frequency there, delay (Hz)"),
    ],
)
def test_what_is_otherwise_is_not_shown(group, variable, change, name, data):
    changed = data.copy(deep=True)
    dataset = changed[group].to_dataset()
    changed[group] = xr.DataTree(
        dataset.assign({variable: dataset[variable].copy(data=change(dataset[variable].values))})
    )
    lost = [name for name, v in analysis.verdicts(changed).items() if not v.shown]
    assert any(name in one for one in lost), lost


def test_the_experiment_refuses():
    for changes, message in (
        ({"seconds": 1}, "seconds is 1; 2 or more"),
        ({"replicates": 0}, "replicates is 0"),
    ):
        with pytest.raises(InputError, match=message):
            experiment.run(experiment.Config(**changes))
