"""Alignment, statistics, refitted values and decoding on signals whose answer is known."""

import numpy as np
import pytest
import xarray as xr

from bgrl.analysis import alignment, statistics
from bgrl.analysis.decoding import decode
from bgrl.analysis.refit import refit_value, td_error
from bgrl.analysis.sessions import Session, first_steps, session

NAN = np.nan


def test_alignment_follows_events_at_random_times():
    generator = np.random.default_rng(0)
    steps = np.array([[5.0, 31.0, NAN, 58.0], [9.0, 22.0, 40.0, 71.0]])
    signal = generator.normal(size=(2, 80)) * 0
    for r, row in enumerate(steps):
        for step in row[~np.isnan(row)].astype(int):
            signal[r, step : step + 3] = 1.0, 2.0, 3.0
    table = alignment.around(signal, steps, 1, 3)
    assert table.shape == (2, 4, 5)
    np.testing.assert_array_equal(table[1, 2], [0, 1, 2, 3, 0])
    assert np.isnan(table[0, 2]).all()
    np.testing.assert_array_equal(alignment.window(table, 1, 0, 3, total=True)[0], [6, 6, NAN, 6])
    np.testing.assert_array_equal(alignment.window(table, 1, 0, 2)[1], [1.5] * 4)


def test_what_lies_outside_of_the_trial_or_the_record_is_unknown():
    table = alignment.around(
        np.arange(10.0)[None], [[1.0, 8.0]], 3, 3, ([[0.0, 7.0]], [[4.0, 10.0]])
    )
    np.testing.assert_array_equal(table[0, 0], [NAN, NAN, 0, 1, 2, 3, NAN])
    np.testing.assert_array_equal(table[0, 1], [NAN, NAN, 7, 8, 9, NAN, NAN])


def test_baseline_is_the_time_before_the_cue():
    signal = np.zeros((1, 20))
    signal[0, 5:10], signal[0, 10:] = 0.25, 7.0
    assert alignment.baseline(signal, [[10.0]], 5)[0, 0] == 0.25


def test_peak_that_moves_back_is_found_and_its_speed():
    trials, lag = 20, 40
    cue = np.arange(trials)[None] * lag + 10.0
    signal = 0.01 * np.random.default_rng(1).normal(size=(1, trials * lag))
    for k in range(trials):
        signal[0, int(cue[0, k]) + 20 - k // 2] += 1.0
    signal[0, int(cue[0, 3]) : int(cue[0, 3]) + 25] = 0.0  # nothing stands out
    found = alignment.peak_time(signal, cue, 3, 25, 8)
    assert np.isnan(found[0, 3])
    kept = np.delete(np.arange(trials), 3)
    np.testing.assert_array_equal(found[0, kept], 20 - kept // 2)
    slope, _, correlation = statistics.line(np.arange(trials), found)
    assert slope[0] == pytest.approx(-0.5, abs=0.01) and correlation[0] < -0.99


def test_heat_map_keeps_the_order_of_trials():
    table = np.full((2, 6, 3), NAN)
    table[0, [0, 2, 4, 5]] = np.arange(4.0)[:, None]
    table[1, :4] = np.arange(4.0)[:, None]
    np.testing.assert_array_equal(alignment.heat_map(table, 2), [[0.5] * 3, [2.5] * 3])


def test_trial_means_take_the_first_or_last_of_the_chosen():
    values = np.array([[1.0, 2.0, NAN, 4.0, 8.0], [5.0, NAN, NAN, NAN, NAN]])
    chosen = np.array([[1, 1, 1, 1, 0], [0, 1, 1, 1, 1]], bool)
    np.testing.assert_array_equal(alignment.trial_mean(values, chosen), [7 / 3, NAN])
    np.testing.assert_array_equal(alignment.trial_mean(values, first=2), [1.5, 5.0])
    np.testing.assert_array_equal(alignment.trial_mean(values, last=2), [6.0, 5.0])


def test_mean_and_error_over_replicates():
    mean, error = statistics.mean_and_error([[1.0, 2.0], [3.0, NAN], [5.0, NAN]])
    np.testing.assert_allclose(mean, [3.0, 2.0])
    assert error[0] == pytest.approx(2 / np.sqrt(3)) and np.isnan(error[1])


def test_lines_and_logistic_regression_find_what_made_the_data():
    slope, intercept, correlation = statistics.line(
        [0.0, 1.0, 2.0], [[1.0, 3.0, 5.0], [4.0, NAN, 2.0]]
    )
    np.testing.assert_allclose([slope, intercept], [[2, -1], [1, 4]])
    np.testing.assert_allclose(correlation, [1, -1])
    generator = np.random.default_rng(2)
    stimulus = generator.uniform(0, 4, 4000)
    choice = generator.random(4000) < 1 / (1 + np.exp(-3 * (stimulus - 1.5)))
    indifference, steepness = statistics.psychometric(stimulus, choice)
    assert indifference == pytest.approx(1.5, abs=0.05) and steepness == pytest.approx(3, abs=0.3)
    assert np.isfinite(statistics.psychometric([0.0, 1.0, 2.0, 3.0], [0, 0, 1, 1])).all()


@pytest.mark.parametrize("agent", ["model_free", "planner"])
def test_stay_regression_tells_habit_from_planning(agent):
    generator = np.random.default_rng(3)
    rewarded, rare = (generator.random((2, 4000)) < [[0.5], [0.3]]).astype(int)
    good = rewarded if agent == "model_free" else rewarded ^ rare
    stays = generator.random(4000) < np.where(good, 0.8, 0.3)
    choice = np.concatenate([[0], np.cumsum(~stays[:-1]) % 2])
    found = statistics.stay(choice, rewarded, rare)
    shown, absent = (
        ("reward", "interaction") if agent == "model_free" else ("interaction", "reward")
    )
    # Log odds from 0.3 to 0.8, in units of half the difference.
    assert found[shown] == pytest.approx((np.log(4) - np.log(3 / 7)) / 2, abs=0.12)
    assert abs(found[absent]) < 0.12 and abs(found["common"]) < 0.12


def test_reversal_points_of_bent_lines():
    amounts = np.array([0.1, 0.3, 1.2, 2.5, 5, 10, 20])
    error = amounts - 4.0
    responses = np.where(error > 0, 3 * error, error)
    point, asymmetry = statistics.reversal_points([responses, abs(responses)], amounts)
    assert point[0] == pytest.approx(4.0, abs=0.02) and asymmetry[0] == pytest.approx(
        0.75, abs=0.005
    )
    assert np.isnan(point[1])
    # An amount on a place that is tried counts there, too: what is far from any line is not left out.
    amounts = np.linspace(-10.0, 10.0, 11)
    ((point,), _) = statistics.reversal_points([amounts - 2.0 - 9.0 * (amounts == 0)], amounts)
    assert point == pytest.approx(3.67, abs=0.01)


@pytest.mark.parametrize("unit", [1e-15, 1.0, 1e15])
def test_permutations_are_exact_where_they_can_be(unit):
    """A p-value does not depend on the unit of what is compared."""
    flipped = [(1, 2, 3, 4, 5), (1, -1, 2, -2), (0.1, 0.2, 0.3, 0.4, np.nan)]
    for values, expected in zip(flipped, (2 / 32, 1.0, 2 / 16), strict=True):
        assert statistics.sign_flip(np.array(values) * unit) == pytest.approx(expected)
    for first, second, expected in (
        ((1, 2, 3), (4, 5, 6), 2 / 20),
        ((1, 1, 1), (1, 1, 1), 1.0),
        ((1, 2, 3), (1, 2, 3), 1.0),
        (np.zeros(5), np.ones(5), 2 / 252),
        ((1, 2, np.nan, 3), (4, 5, 6), 2 / 20),
    ):
        found = statistics.permutation(np.array(first) * unit, np.array(second) * unit)
        assert found == pytest.approx(expected), (first, second)
    many = np.arange(10) + 0.1
    assert statistics.permutation((many + 20) * unit, many * unit) < 1e-3
    assert statistics.sign_flip(np.ones(20) * unit) < 1e-3


def test_what_one_replicate_has_is_no_difference():
    assert np.isnan(statistics.permutation([1, np.nan], [1, 2]))
    assert np.isnan(statistics.sign_flip([1.0, np.nan]))


def test_refitted_value_is_that_of_the_chain():
    """Five states, reward 1 on leaving the last; activity is a random mixture of states."""
    generator = np.random.default_rng(4)
    state = np.tile(np.arange(5), 60)
    reward = np.roll((state == 4).astype(float), 1)
    reward[0] = 0
    done = np.roll(state == 4, 1)
    activity = np.eye(5)[state] @ generator.normal(size=(5, 8))
    value = refit_value(activity, reward, done, 0.9, ridge=1e-10)
    np.testing.assert_allclose(value[:5], 0.9 ** np.arange(4, -1, -1), atol=1e-4)
    np.testing.assert_allclose(td_error(value, reward, done, 0.9)[1:], 0, atol=1e-4)
    blind = refit_value(np.zeros((300, 2)), reward, done, 0.9)
    error = td_error(blind, reward, done, 0.9)
    assert error[5] == pytest.approx(1 - blind[0]) and np.ptp(blind) == 0


def test_decoding_is_cross_validated():
    pytest.importorskip("sklearn")
    generator = np.random.default_rng(5)
    target = generator.normal(size=400)
    activity = np.outer(target, generator.normal(size=6)) + 0.1 * generator.normal(size=(400, 6))
    groups = np.repeat(np.arange(40), 10)
    assert decode(activity, target, groups) > 0.95
    assert decode(generator.normal(size=(400, 200)), target, groups) < 0.05


def dataset():
    """Two trials, of steps 5 to 14 and 15 to 24, each from the last step of the trial before."""
    steps = np.arange(5, 25)
    kind = np.where(steps < 15, 3.0, 4.0)
    traces = {"dopamine": steps * 1.0, "value": 0.0 * steps, "task.kind": kind}
    traces = xr.Dataset({k: (("replicate", "time"), v[None]) for k, v in traces.items()})
    traces = traces.assign_coords(step=("time", steps))
    table = np.array([[[NAN, NAN, NAN], [8, 12, NAN], [19, NAN, 24]]])
    trials = xr.Dataset(
        {
            "end_step": (("replicate", "trial"), np.array([[5.0, 15.0, 25.0]])),
            "event_step": (("replicate", "trial", "event"), table),
        },
        {"event": ["cue", "reward", "omission"]},
    )
    root = xr.Dataset(attrs={"step_duration_ms": 100.0})
    return xr.DataTree.from_dict({"/": root, "/traces": traces, "/trials": trials})


def test_session_of_a_dataset():
    found = session(dataset())
    np.testing.assert_array_equal(found.events["cue"], [[NAN, 3, 14]])
    np.testing.assert_array_equal(found.events["reward"], [[NAN, 7, NAN]])
    np.testing.assert_array_equal(found.events["omission"], [[NAN, NAN, 19]])
    np.testing.assert_array_equal(found.events["start"], [[NAN, 0, 10]])
    np.testing.assert_array_equal(found.labels["kind"], [[NAN, 3, 4]])
    table, lags = found.aligned("dopamine", "reward", 100, 400)
    np.testing.assert_array_equal(table[0, 1], [11, 12, 13, 14, NAN, NAN])
    np.testing.assert_array_equal(lags, [-100, 0, 100, 200, 300, 400])


def test_events_of_a_session_that_was_recorded_late():
    data = dataset()
    data["traces"] = data["traces"].to_dataset().isel(time=slice(12, None))
    found = session(data)
    np.testing.assert_array_equal(found.events["cue"], [[NAN, NAN, 2]])
    np.testing.assert_array_equal(found.events["omission"], [[NAN, NAN, 7]])
    np.testing.assert_array_equal(found.events["start"], [[NAN, NAN, 0]])


def test_steps_that_were_left_out_are_refused():
    data = dataset()
    data["traces"] = data["traces"].to_dataset().isel(time=slice(None, None, 2))
    with pytest.raises(ValueError, match="every step"):
        session(data)


def test_first_steps():
    flag, trial = [[0, 1, 1, 0, 0, 2]], [[0, 0, 0, 1, 2, 2]]
    np.testing.assert_array_equal(first_steps(np.array(flag), np.array(trial), 3), [[1, NAN, 5]])


def test_tested_trials_start_with_plasticity_off_and_the_first_is_left_out():
    start = np.array([[0.0, 10.0, 20.0, 30.0, NAN]])
    labels = {"kind": np.array([[0.0, 1.0, 0.0, 1.0, NAN]])}
    signals = {"dopamine": np.ones((1, 40))}
    events = {"start": start, "cue": start + 5}
    found = Session(signals, events, labels, 100.0, tested_from=8)
    np.testing.assert_array_equal(found.chosen(tested=True), [[0, 0, 1, 1, 0]])
    np.testing.assert_array_equal(found.chosen(tested=False), [[0, 0, 0, 0, 0]])
    np.testing.assert_array_equal(found.chosen(kind=1), [[0, 1, 0, 1, 0]])
    assert np.nanmax(abs(found.response("dopamine", "cue"))) == 0  # the baseline is taken off


def test_exponential_is_that_which_made_the_data():
    x = np.arange(200.0)
    y = [0.5 + 2.5 * np.exp(-0.04 * x), 1.0 - 0.7 * np.exp(-0.01 * x)]
    noise = 0.005 * np.random.default_rng(4).normal(size=(2, 200))
    end, change, rate = statistics.exponential(x, y + noise)
    np.testing.assert_allclose(end, [0.5, 1.0], atol=0.05)
    np.testing.assert_allclose(change, [2.5, -0.7], atol=0.06)
    np.testing.assert_allclose(rate, [0.04, 0.01], rtol=0.08)
    assert np.isnan(statistics.exponential(x[:4], [[1.0, NAN, NAN, 2.0]])).all()


def test_stay_regression_leaves_out_what_does_not_follow():
    """Ten sessions of two choices: the second repeats a rewarded one; over sessions nothing does."""
    choice = np.array([0, 0, 1, 1] * 10)
    goes_on = np.arange(40) % 2 == 1
    always = np.ones(40, int)
    found = statistics.stay(choice, always, 0 * always, goes_on)
    assert found["stay"] + found["reward"] + found["common"] + found["interaction"] > 3
    mixed = statistics.stay(choice, always, 0 * always)
    assert mixed["stay"] + mixed["reward"] + mixed["common"] + mixed["interaction"] < 1
