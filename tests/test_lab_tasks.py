"""The laboratory's tasks: when things happen, how often, and what a trial brings."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from bgrl import tasks
from bgrl.backends import load
from bgrl.circuit import Parameter
from bgrl.errors import InputError
from bgrl.step.assemble import initial_state
from bgrl.task_check import random_agent
from bgrl.tasks import pavlovian as conditioning
from bgrl.tasks.pavlovian import Block, Trials, exponential, fixed, normal, uniform
from tests.test_tasks import play

#: Trials that start soon, in steps of 200 ms.
QUICK = {"iti": fixed(200), "after": 200.0}
#: Every kind of task, shortened where trials are long.
ALL = {
    "conditioning": ("pavlovian", {"iti": fixed(100), "phases": ((None, (Trials("A"),)),)}),
    "blocking": ("pavlovian", {"preset": "waelti_2001", "step": 100.0}),
    "probability": ("pavlovian", {"preset": "fiorillo_2003", "step": 500.0}),
    "sizes": ("pavlovian", {"preset": "tobler_2005", "step": 500.0}),
    "fixed or variable": (
        "pavlovian",
        {"preset": "starkweather_2017_task1", "step": 200.0, **QUICK},
    ),
    "omissions": ("pavlovian", {"preset": "starkweather_2017_task2", "licking": True}),
    "uncued": ("pavlovian", {"preset": "eshel_2015", "step": 500.0}),
    "one after the other": ("pavlovian", {"preset": "preconditioning", "step": 500.0}),
    "reversals": ("reversal_bandit", {}),
    "blocks": ("reversal_bandit", {"block": (5, 10), "choices": 1, "carry": True}),
    "walks": ("drifting_bandit", {}),
    "two steps": ("two_step", {}),
    "two choices": ("two_step", {"version": "daw_2011"}),
    "match": ("delayed_match_to_sample", {"abort": True}),
    "dots": ("random_dots", {}),
    "interval": ("interval_timing", {}),
    "symbols": ("probabilistic_selection", {"training": 3}),
}
PEOPLE = 400


def steered(task, action):
    """The task with an agent that follows an expression of the task's variables."""
    line = f"\nforced_action = {action}"
    return replace(
        task,
        variables=(*task.variables, "forced_action"),
        step=task.step + line,
        reset=task.reset + line,
    )


def record(task, steps, directory, replicates=1, action=None, seed=0):
    """Every variable of a task, (steps, replicates), with `x` for the observations."""
    task = task if action is None else steered(task, action)
    own = [f"task.{v}" for v in (*task.variables, "reward", "done")]
    frames, _ = play(task, steps, directory, replicates, seed, [*own, "input.x", "policy.action"])
    found = {name.split(".")[-1]: np.array(frames[name]) for name in frames.dtype.names}
    assert all(np.isfinite(values).all() for values in found.values())
    return found


def with_parameters(task, **values):
    """The task with other values of its parameters."""
    assert set(values) <= set(task.parameters)
    parameters = {k: Parameter(v) for k, v in values.items()}
    return replace(task, parameters=task.parameters | parameters)


def starts(f):
    """Mask of the steps in which a trial starts whose variables were drawn."""
    return f["done"] > 0


def lengths(mask):
    """Steps between the marks of each replicate, in one array."""
    return np.concatenate([np.diff(np.flatnonzero(mask[:, r])) for r in range(mask.shape[1])])


def assert_share(hits, share):
    """Hits, a mask of independent draws, are as many as expected within 5 standard deviations."""
    hits = np.asarray(hits, float)
    assert len(hits) > 100
    assert abs(hits.mean() - share) <= 5 * math.sqrt(share * (1 - share) / len(hits)) + 1e-12


def assert_counts(counts, shares):
    """Chi-square of counts, below its mean plus 5 standard deviations."""
    counts, shares = np.asarray(counts, float), np.asarray(shares, float)
    expected = counts.sum() * shares / shares.sum()
    assert expected.min() > 20
    freedom = len(counts) - 1
    assert ((counts - expected) ** 2 / expected).sum() < freedom + 5 * math.sqrt(2 * freedom)


@pytest.mark.parametrize("name", ALL)
def test_random_agents_play_for_long_and_by_the_seed(name, tmp_path):
    """2000 steps and more of random agents; `record` refuses what is not finite."""
    family, settings = ALL[name]
    task = tasks.make(family, **settings)
    runs = []
    for k, (steps, seed) in enumerate(((250, 3), (40, 3), (40, 4))):
        folder = tmp_path / str(k)
        folder.mkdir()
        runs.append(record(task, steps, folder, 10, seed=seed))
    first, again, other = runs
    for variable, values in again.items():
        np.testing.assert_array_equal(first[variable][:40], values)
    # Another seed is another run, and each replicate has one of its own.
    drawn = set(again) - {"step", "action"}
    if name != "conditioning":
        assert any((again[v] != other[v]).any() for v in drawn)
        assert any((again[v][:, 0] != again[v][:, 1]).any() for v in drawn)
    assert first["done"][0].all() and set(np.unique(first["done"])) <= {0.0, 1.0}
    assert not any(first[v][0].any() for v in task.variables if v.endswith("_on"))
    assert task.to_dict()["name"] == family and task.reference
    for anchor, offset in (e for e in task.events.values() if not isinstance(e, str)):
        assert offset >= 0 if anchor == "start" else offset <= 0


def test_settings_that_are_numbers_leave_the_program_as_it_is():
    for family, changed in (
        ("pavlovian", {"after": 200.0, "iti": fixed(60), "cue": 100.0}),
        ("two_step", {"common": 0.6, "reversal": 0.0, "choices": 7}),
        ("reversal_bandit", {"block": (3, 4), "carry": True, "high": 0.7}),
        ("drifting_bandit", {"decay": 1.0, "noise": 0.0}),
        ("delayed_match_to_sample", {"delay": 60.0, "abort": True}),
        ("random_dots", {"noise": 0.0, "delay": 100.0, "coherences": (1, 2, 3, 4, 5)}),
        ("interval_timing", {"durations": tuple(range(200, 360, 20)), "boundary": 250.0}),
        ("probabilistic_selection", {"training": 0, "loss": 0.0}),
    ):
        assert tasks.make(family).structure() == tasks.make(family, **changed).structure()


# Pavlovian conditioning --------------------------------------------------------------------------


def test_conditioning_by_hand(tmp_path):
    # 100 ms (5 steps) before the cue, reward 200 ms (10 steps) after it, 60 ms (3 steps) more.
    kinds = ((None, (Trials("A", delay=fixed(200)),)),)
    for cue, shown in ((math.inf, 10), (80.0, 4)):
        folder = tmp_path / f"{cue}"
        folder.mkdir()
        task = tasks.make("pavlovian", phases=kinds, iti=fixed(100), cue=cue, after=60.0)
        f = record(task, 55, folder)
        step = np.arange(55) % 18
        np.testing.assert_array_equal(f["done"][:, 0], step == 0)
        np.testing.assert_array_equal(f["x"][:, 0, 0], (step >= 5) & (step < 5 + shown))
        np.testing.assert_array_equal(f["reward"][:, 0], step == 15)
        np.testing.assert_array_equal(f["cue_on"][:, 0], step == 5)
        np.testing.assert_array_equal(f["reward_on"][:, 0], step == 15)
        assert not f["omission_on"].any()
        assert task.events == {
            "cue": "cue_on",
            "reward": "reward_on",
            "omission": "omission_on",
            "outcome": ("end", -3),
            "end": ("end", 0),
        }


def test_blocking_goes_through_its_phases(tmp_path):
    kinds = conditioning.PRESETS["waelti_2001"]["phases"]
    phases = ((4, kinds[0][1]), (3, kinds[1][1]), kinds[2])
    task = tasks.make("pavlovian", preset="waelti_2001", phases=phases, iti=fixed(500), step=500.0)
    assert list(task.observations) == ["cue_A", "cue_B", "cue_X", "cue_Y"]
    # 1 step before the cue, 3 to the reward, 1 after it.
    f = record(task, 5 * 12, tmp_path, 60)
    begins = f["done"][::5]
    assert begins.all() and f["done"].sum() == begins.size
    np.testing.assert_array_equal(f["phase"][::5, 0], [0] * 4 + [1] * 3 + [2] * 5)
    shown = f["x"][1::5, :, :4].astype(int)
    reward = f["reward"].reshape(12, 5, 60).sum(axis=1)
    seen = {
        phase: {(*shown[k, r], reward[k, r]) for k in trials for r in range(60)}
        for phase, trials in enumerate((range(4), range(4, 7), range(7, 12)))
    }
    assert seen[0] == {(1, 0, 0, 0, 1.0), (0, 1, 0, 0, 0.0)}
    assert seen[1] == {(1, 0, 1, 0, 1.0), (0, 1, 0, 1, 1.0)}
    assert seen[2] == {(0, 0, 1, 0, 0.0), (0, 0, 0, 1, 0.0)}
    # Cues go with each other and alternate by chance.
    assert_share(shown[:4, :, 0].ravel(), 0.5)
    assert not f["omission_on"].any()


def test_probabilities_follow_the_cue(tmp_path):
    # In steps of 500 ms: 1 before the cue, 4 to the reward, 1 after it.
    times = {"iti": fixed(500), "after": 500.0, "step": 500.0}
    task = tasks.make("pavlovian", preset="fiorillo_2003", **times)
    f = record(task, 6 * 12, tmp_path, PEOPLE)
    shown = f["x"][1::6, :, :5]
    reward = f["reward"].reshape(12, 6, PEOPLE)
    assert (reward[:, :5] == 0).all()
    counts = shown.sum(axis=(0, 1))
    assert_counts(counts, np.ones(5))
    for k in range(5):
        assert_share(reward[:, 5][shown[:, :, k] > 0], k / 4)
    # An omission is the absence of what was possible.
    omitted = f["omission_on"][5::6] > 0
    possible = shown[:, :, 1:].sum(axis=2) > 0
    np.testing.assert_array_equal(omitted, possible & (reward[:, 5] == 0))


def test_cues_one_after_the_other(tmp_path):
    kinds = (Trials("B>AC", delay=fixed(60)), Trials("A", 0.0, delay=fixed(60)))
    task = tasks.make("pavlovian", phases=((None, kinds),), iti=fixed(40), cue=40.0, after=40.0)
    assert list(task.observations) == ["cue_A", "cue_B", "cue_C"]
    # 2 steps before the cues, 3 from there to the reward, 2 after it.
    f = record(task, 7 * 12, tmp_path, 20)
    x = f["x"][:, :, :3].reshape(12, 7, 20, 3).transpose(0, 2, 1, 3).reshape(-1, 7, 3)
    chained = x[:, 2, 1] > 0
    shown = np.array([[0, 0, 0], [0, 0, 0], [0, 1, 0], [0, 1, 0], [1, 0, 1], [1, 0, 1], [0, 0, 0]])
    np.testing.assert_array_equal(x[chained], np.broadcast_to(shown, x[chained].shape))
    alone = np.array([[0, 0, 0], [0, 0, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(x[~chained], np.broadcast_to(alone, x[~chained].shape))
    assert_share(chained, 0.5)
    reward = f["reward"].reshape(12, 7, 20)[:, 5].ravel()
    np.testing.assert_array_equal(reward, chained)


def test_presets_in_whole_trials():
    """Every preset is a task in steps of 500 ms or finer; what is told of it is what it does."""
    rows = {
        name: conditioning.rows(preset["phases"], 100.0)
        for name, preset in conditioning.PRESETS.items()
    }
    for name in rows:
        assert tasks.make("pavlovian", preset=name, step=20.0).reference
    shares = {}
    for row in rows["hollerman_1998"][1:]:
        key = (row["delay"], row["magnitude"])
        shares[key] = shares.get(key, 0) + row["probability"]
    expected = {(10, 1.0): 0.7, (10, 0.0): 0.1, (5, 1.0): 0.1, (15, 1.0): 0.1}
    assert shares == pytest.approx(expected)
    walk, *jumps = rows["kim_2020"]
    assert (walk["cues"], walk["delay"]) == ("A>B>C>D>E>F>G>H", 80)
    assert [row["delay"] for row in jumps] == [60, 60, 60]
    assert [row["probability"] for row in rows["dabney_2020_probability"][::2]] == pytest.approx(
        [0.1 / 3, 0.5 / 3, 0.9 / 3]
    )
    inhibited = [row for row in rows["tobler_2003"] if "X" in row["cues"]]
    assert not any(row["magnitude"] for row in inhibited)


def test_blocks_of_trials(tmp_path):
    """Each block is of one sort, five trials long, and drawn by weight; a new phase starts a new one."""
    sorts = tuple(
        Block(5, (Trials("A", magnitudes=(m,), delay=fixed(20)),), w)
        for m, w in ((0.1, 3), (1.0, 1))
    )
    pairs = Block(4, tuple(Trials(c, magnitudes=(0.5,), delay=fixed(20)) for c in "AB"))
    phases = ((12, sorts), (None, (pairs,)))
    task = tasks.make("pavlovian", phases=phases, iti=fixed(20), after=20.0, cue=20.0)
    f = record(task, 3 * 20, tmp_path, 400)
    # Steps of three: nothing, cue, reward.
    size, block, since = f["size"][::3], f["block"][::3], f["since"][::3]
    np.testing.assert_array_equal(since[:12, 0], [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1])
    np.testing.assert_array_equal(since[12:, 0], [0, 1, 2, 3] * 2)
    np.testing.assert_allclose(size[:12], np.array([0.1, 1.0])[block[:12].astype(int)])
    assert (block[:5] == block[0]).all() and (block[12:] == 2).all()
    assert_share(block[[0, 5, 10]].ravel() == 0, 0.75)
    np.testing.assert_allclose(f["reward"][2::3][:12], size[:12])
    assert_share(f["shows_B"][3 * 12 :: 3].ravel() == 1, 0.5)


def test_presets_with_blocks_are_what_is_told():
    rows = conditioning.rows(conditioning.PRESETS["babayan_2018"]["phases"], 200.0)
    assert [row["magnitude"] for row in rows] == [0.1, 1.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert [row["probability"] for row in rows[2:]] == pytest.approx(
        np.array([39, 3, 3, 3, 3, 39]) / 90
    )
    assert {(row["delay"], row["width"]) for row in rows} == {(9, 2)}
    linked = conditioning.rows(conditioning.PRESETS["bromberg_martin_2010"]["phases"], 200.0)
    assert [(row["block"], row["cues"], row["magnitude"]) for row in linked] == [
        *((0, "A", 1.0), (0, "B", 0.0), (1, "A", 0.0), (1, "B", 1.0))
    ]
    cued = conditioning.rows(conditioning.PRESETS["qian_2025_cued"]["phases"], 500.0)
    shares = {}
    for row in cued[-5:]:
        shares[row["cues"], row["magnitude"]] = row["probability"]
    assert shares == pytest.approx(
        {("A", 1): 0.3, ("A", 0): 0.1, ("B", 0): 0.2, ("C", 1): 0.3, ("C", 0): 0.1}
    )


def test_sizes_of_reward(tmp_path):
    times = {"iti": fixed(500), "after": 500.0, "step": 500.0}
    task = tasks.make("pavlovian", preset="tobler_2005", **times)
    f = record(task, 6 * 8, tmp_path, PEOPLE)
    shown, reward = f["x"][1::6, :, :3], f["reward"][5::6]
    for k, sizes in enumerate(((0.1, 0.3), (0.3, 1.0), (0.1, 1.0))):
        got = reward[shown[:, :, k] > 0]
        np.testing.assert_allclose(np.unique(got), sizes)
        assert_share(got > 0.99 * sizes[1], 0.5)


@pytest.mark.parametrize(("task", "probability"), [(1, 1.0), (2, 0.9)])
def test_gaussian_delays_and_omissions(task, probability, tmp_path):
    task = tasks.make("pavlovian", preset=f"starkweather_2017_task{task}", **QUICK, step=200.0)
    f = record(task, 180, tmp_path, PEOPLE)
    delay = f["reward_time"] - f["onset"]
    outcome = (f["reward_on"] + f["omission_on"]) > 0
    shown = {k: f[f"shows_{k}"] > 0 for k in "ABCD"}
    assert not (outcome & shown["D"] & (f["time"] > 0)).any()
    # Each trial once, where it starts; A's delays have the weights of a Gaussian at nine times.
    drawn = delay[starts(f) & shown["A"]]
    times = np.arange(6, 15)
    assert set(drawn) == set(times)
    weights = np.exp(-0.5 * ((times * 200 - 2000) / 500) ** 2)
    # Weights cumulated to 0.0477, 0.1312, 0.2558, ... (the authors' program).
    np.testing.assert_allclose(
        np.cumsum(weights / weights.sum())[:3], [0.0477, 0.1312, 0.2558], atol=1e-4
    )
    assert_counts([(drawn == t).sum() for t in times], weights)
    assert set(delay[starts(f) & shown["B"]]) == {6} and set(delay[starts(f) & shown["C"]]) == {14}
    for cue in "ABC":
        assert_share(f["omitted"][starts(f) & shown[cue]] == 0, probability)
    assert_counts([(starts(f) & shown[k]).sum() for k in "ABCD"], np.ones(4))
    # The odour lasts 1 s.
    channels = f["x"][:, :, :4].sum(axis=2)
    on, off = np.diff(channels, axis=0) > 0, np.diff(channels, axis=0) < 0
    gaps = [
        np.flatnonzero(off[:, r])[: on[:, r].sum()] - np.flatnonzero(on[:, r])[: off[:, r].sum()]
        for r in range(20)
    ]
    assert set(np.concatenate(gaps)) == {5}


def test_uncued_rewards(tmp_path):
    task = tasks.make("pavlovian", preset="eshel_2015", iti=fixed(500), step=500.0)
    # 1 step before the cue, 3 to the reward, 1 after it.
    f = record(task, 5 * 10, tmp_path, PEOPLE)
    cued, rewarded = f["x"][1::5, :, :2].sum(axis=2) > 0, f["reward"][4::5] > 0
    assert (f["cue_on"][1::5] == cued).all() and f["cue_on"].sum() == cued.sum()
    assert_counts([(cued & rewarded).sum(), (~cued).sum(), (cued & ~rewarded).sum()], np.ones(3))
    assert (rewarded | cued).all() and len(np.unique(f["reward"])) == 8


@pytest.mark.parametrize(
    ("iti", "low", "high"),
    [
        (uniform(100, 500), 5, 25),
        (exponential(200, 100, 20_000), 5, 1000),
        (exponential(200, 100, 200), 5, 10),
    ],
)
def test_distribution_of_intervals(iti, low, high, tmp_path):
    kinds = ((None, (Trials("A", delay=fixed(20)),)),)
    task = tasks.make("pavlovian", phases=kinds, iti=iti, after=20.0)
    f = record(task, 200, tmp_path, PEOPLE)
    onset = f["onset"][starts(f)]
    assert onset.min() == low and onset.max() <= high
    # Geometric with a mean of 5 steps above the lowest, cut at the highest; or all alike.
    q = 1.0 if math.isinf(iti.mean) else 5 / 6
    times = np.arange(low, high + 1)
    weights = q ** (times - low)
    weights /= weights.sum()
    mean = (weights * times).sum()
    std = math.sqrt((weights * (times - mean) ** 2).sum())
    assert abs(onset.mean() - mean) < 5 * std / math.sqrt(len(onset))
    early = times[weights * len(onset) > 100]
    assert_counts([(onset == t).sum() for t in early], weights[: len(early)])
    # And what was drawn is what happens.
    assert set(lengths(f["done"] > 0)) <= set(onset + 2)


def test_licking_costs_and_brings_nothing(tmp_path):
    kinds = ((None, (Trials("A", delay=fixed(40)),)),)
    settings = {"phases": kinds, "iti": fixed(40), "after": 20.0, "licking": True, "lick_cost": 0.1}
    task = tasks.make("pavlovian", **settings)
    assert task.actions == ("wait", "lick")
    f = record(task, 11, tmp_path, action="1")
    expected = np.where(np.arange(11) % 5 == 4, 1.0, 0.0) - 0.1
    np.testing.assert_allclose(f["reward"][1:, 0], expected[1:])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"phases": ((None, (Trials("A>"),)),), "cue": 100.0},
            "cues are 'A>'; each once, and one or more on either side of '>' are needed",
        ),
        (
            {"phases": ((None, (Trials("A>BA"),)),), "cue": 100.0},
            "cues are 'A>BA'; each once",
        ),
        ({"phases": ((None, (Trials("A>B"),)),)}, "cue is infinite; cues one after the other"),
        ({"preset": "pavlov"}, "unknown preset 'pavlov'; valid: amo_2022, babayan_2018"),
        ({"after": 30.0}, "after is 30.0 ms; a positive multiple of the step of 20 ms is needed"),
        ({"after": 0.0}, "after is 0.0 ms; a positive multiple"),
        ({"step": 0.0}, "step is 0.0; a number from 0.001"),
        ({"cue": 15.0}, "cue is 15.0 ms"),
        ({"iti": normal(100, 20, 60, 140, 20)}, "iti is a set of times; fixed, uniform or"),
        ({"iti": 100.0}, "iti is 100.0; fixed, uniform, exponential or normal is needed"),
        ({"iti": uniform(100, 50)}, "range of iti is -50 ms; 0 or a positive multiple"),
        ({"iti": exponential(50, 100, 200)}, "mean of iti is not above its lowest time"),
        ({"phases": ()}, "phases is (); pairs of a number"),
        ({"phases": ((5, (Trials("A"),)),)}, "the last phase lasts for good"),
        ({"phases": ((0, (Trials("A"),)), (None, (Trials("A"),)))}, "trials in phase 0 is 0"),
        ({"phases": ((None, ("A",)),)}, "phase 0 has ('A',); one or more Trials"),
        ({"phases": ((None, (Trials("A"), Block(5, (Trials("A"),)))),)}, "or one or more Block"),
        ({"phases": ((None, (Block(0, (Trials("A"),)),)),)}, "trials of a block in phase 0 is 0"),
        ({"phases": ((None, (Block(5, (Trials("A+"),)),)),)}, "cues are 'A+'; letters"),
        ({"phases": ((None, (Trials("A+"),)),)}, "cues are 'A+'; letters are needed"),
        ({"phases": ((None, (Trials(""),)),)}, "phases have no cue"),
        (
            {"phases": ((None, (Trials("A", 1.2),)),)},
            "probability of A trials is 1.2; a number from",
        ),
        ({"phases": ((None, (Trials("A", weight=0),)),)}, "weight of A trials is 0"),
        ({"phases": ((None, (Trials("A", magnitudes=()),)),)}, "A trials have no magnitude"),
        ({"lick_cost": math.nan}, "lick_cost is nan"),
    ],
)
def test_conditioning_refuses(settings, message):
    refuses("pavlovian", settings, message)


def refuses(family, settings, message):
    with pytest.raises(InputError) as caught:
        tasks.make(family, **settings)
    assert message in str(caught.value) and "\n" not in str(caught.value)


# Choices with changing rewards --------------------------------------------------------------------


def test_reversal_bandit_by_hand(tmp_path):
    # Three choices, each in the second step of its 40 ms; good arms always pay, no reversals.
    task = tasks.make("reversal_bandit", high=1, low=0, hazard=0, choices=3, choice=40.0)
    f = record(task, 25, tmp_path, action="good")
    step = np.arange(25) % 6
    np.testing.assert_array_equal(f["x"][:, 0, 0], step % 2)
    np.testing.assert_array_equal(f["done"][:, 0], step == 0)
    answered = (np.arange(25) > 0) & (np.arange(25) % 2 == 0)
    np.testing.assert_array_equal(f["reward"][:, 0], answered)
    np.testing.assert_array_equal(f["outcome_on"][1:, 0], answered[1:])


def test_reversals_have_the_hazard_and_the_probabilities(tmp_path):
    task = tasks.make("reversal_bandit", hazard=0.1)
    f = record(task, 301, tmp_path, 200, action="0")
    assert (lengths(f["done"] > 0) == 100).all()
    assert_share(f["reversal_on"][1:].ravel(), 0.1)
    swapped = f["good"][1:] != f["good"][:-1]
    going = f["done"][1:] == 0
    np.testing.assert_array_equal(swapped[going], f["reversal_on"][1:][going] > 0)
    assert_share(f["good"][starts(f)], 0.5)
    for good, chance in ((0, 0.8), (1, 0.2)):
        assert_share(f["reward"][1:][f["good"][:-1] == good], chance)


def test_blocks_go_on_over_trials(tmp_path):
    task = tasks.make("reversal_bandit", block=(5, 8), choices=1, carry=True)
    f = record(task, 200, tmp_path, 100)
    assert f["done"].all()
    blocks = lengths(f["reversal_on"] > 0)
    assert_counts([(blocks == k).sum() for k in range(5, 9)], np.ones(4))
    assert set(blocks) == {5, 6, 7, 8}
    np.testing.assert_array_equal(f["good"][1:] != f["good"][:-1], f["reversal_on"][1:] > 0)


def test_arms_without_a_hazard_never_change_places():
    """However many choices were made, which are counted as far as single precision counts."""
    agent = random_agent(tasks.make("reversal_bandit", hazard=0, choices=1, carry=True))
    program = load("numpy", agent.structure())
    state = program.advance(initial_state(agent, program.layout, 0), 0, 1, learn=False)
    for since in (999_998, 2**24):
        state["task.since"][...] = since
        after = program.advance(state, 1, 4, learn=False)
        np.testing.assert_array_equal(after["task.good"], state["task.good"])
        assert (after["task.since"] >= since).all()


def test_drifting_bandit_by_hand(tmp_path):
    # Without any noise the means stay at the centre, and so does the payoff.
    still = {"diffusion": 0.0, "noise": 0.0, "choices": 4}
    f = record(tasks.make("drifting_bandit", **still), 13, tmp_path, action="2")
    np.testing.assert_allclose(f["mean_2"], 0.5)
    np.testing.assert_allclose(f["reward"][1:], 0.5)
    np.testing.assert_array_equal(f["done"][:, 0], np.arange(13) % 4 == 0)


def test_walks_are_gaussian_and_return_to_the_centre(tmp_path):
    f = record(tasks.make("drifting_bandit"), 300, tmp_path, PEOPLE, action="1")
    going = f["done"][1:] == 0
    for k in range(4):
        mean = f[f"mean_{k}"]
        assert mean.min() >= 0 and mean.max() <= 1
        change = (mean[1:] - 0.5 - 0.9836 * (mean[:-1] - 0.5))[going]
        assert abs(change.mean()) < 5 * 0.028 / math.sqrt(change.size)
        assert change.std() == pytest.approx(0.028, rel=0.01)
        # Stationary from the first choice on; 400 walks and 3 starts of each.
        first, last = mean[starts(f)], mean[np.arange(300) % 150 == 149]
        assert first.std() == pytest.approx(0.155, rel=0.1)
        assert last.std() == pytest.approx(0.155, rel=0.1)
    payoff = f["reward"][1:] - f["mean_1"][:-1]
    assert payoff.std() == pytest.approx(0.04, rel=0.02)
    np.testing.assert_allclose(
        np.corrcoef(f["mean_0"].ravel(), f["mean_1"].ravel())[0, 1], 0, atol=0.05
    )


def test_walks_are_reflected(tmp_path):
    settings = {"decay": 1.0, "diffusion": 0.1, "arms": 2, "choices": 100_000}
    f = record(tasks.make("drifting_bandit", **settings), 250, tmp_path, PEOPLE)
    mean = f["mean_0"][50:]
    assert mean.min() >= 0 and mean.max() <= 1
    # Uniform between reflecting bounds, and nowhere stuck.
    np.testing.assert_allclose(np.histogram(mean, 10, (0, 1))[0] / mean.size, 0.1, atol=0.01)
    assert not np.isin(mean, (0.0, 1.0)).any()


def test_two_steps_by_hand(tmp_path):
    # Transitions always usual, place 0 or 1 pays always or never: who knows the place is rewarded.
    settings = {"common": 1, "high": 1, "low": 0, "reversal": 0, "choices": 2}
    task = tasks.make("two_step", **settings, first=40.0)
    f = record(task, 25, tmp_path, action="good")
    # Fixation 1 step, first stage 2, second 1; two choices are a trial of 8 steps.
    step = np.arange(25) % 4
    np.testing.assert_array_equal(f["x"][:, 0, 0], step == 0)
    np.testing.assert_array_equal(f["x"][:, 0, 1], (step == 1) | (step == 2))
    places = f["x"][:, 0, 2:4]
    np.testing.assert_array_equal(places.sum(axis=1), step == 3)
    np.testing.assert_array_equal(places[:, 1] > 0, (step == 3) & (f["good"][:, 0] > 0))
    np.testing.assert_array_equal(f["reward"][1:, 0], step[1:] == 0)
    np.testing.assert_array_equal(f["done"][:, 0], np.arange(25) % 8 == 0)
    np.testing.assert_array_equal(f["first_on"][:, 0], step == 1)
    np.testing.assert_array_equal(f["second_on"][:, 0], step == 3)
    np.testing.assert_array_equal(f["outcome_on"][1:, 0], step[1:] == 0)
    assert task.events["choice"] == ("end", -2)


def test_two_steps_of_wang(tmp_path):
    task = tasks.make("two_step", reversal=0.1, choices=50)
    f = record(task, 301, tmp_path, PEOPLE)
    assert (lengths(f["done"] > 0) == 150).all() and task.chance_return == 25
    second, outcome = f["second_on"] > 0, f["outcome_on"] > 0
    assert_share(f["rare"][second], 0.2)
    assert_share(f["choice"][second], 0.5)
    went = np.where(f["rare"] > 0, 1 - f["choice"], f["choice"])
    np.testing.assert_array_equal(f["place"][second], went[second])
    # What is paid depends on the good place before it may reverse.
    ended = outcome[1:]
    good = (f["place"] == f["good"])[:-1][ended]
    reward = f["reward"][1:][ended]
    assert_share(reward[good], 0.9)
    assert_share(reward[~good], 0.1)
    assert_share(f["reversal_on"][outcome], 0.1)
    assert not f["reversal_on"][~outcome].any() and not f["reward"][~outcome].any()
    assert_share(f["good"][starts(f)], 0.5)


def test_two_steps_of_daw(tmp_path):
    assert tasks.make("two_step", version="daw_2011").parameters["choices"].value == 201
    f = record(tasks.make("two_step", version="daw_2011", choices=50), 302, tmp_path, PEOPLE)
    assert (lengths(f["done"] > 0) == 150).all()
    outcome = f["outcome_on"] > 0
    assert_share(f["rare"][f["second_on"] > 0], 0.3)
    ended = outcome[1:] & (f["done"][1:] == 0)
    for k in range(4):
        chance = f[f"chance_{k}"]
        assert chance.min() >= 0.25 and chance.max() <= 0.75
        change = np.diff(chance, axis=0)
        assert not change[~outcome[1:]].any()
        far = ended & (np.abs(chance[:-1] - 0.5) < 0.1)
        assert change[far].std() == pytest.approx(0.025, rel=0.02)
        assert abs(change[far].mean()) < 5 * 0.025 / math.sqrt(far.sum())
    chances = np.stack([f[f"chance_{k}"] for k in range(4)])[:, :-1]
    number = (2 * f["place"] + f["action"]).astype(int)[:-1]
    expected = np.take_along_axis(chances, number[None], 0)[0][outcome[1:]]
    reward = f["reward"][1:][outcome[1:]]
    assert abs((reward - expected).mean()) < 5 * 0.5 / math.sqrt(reward.size)
    assert np.corrcoef(reward, expected)[0, 1] > 0.2


@pytest.mark.parametrize(
    ("family", "settings", "message"),
    [
        ("reversal_bandit", {"high": 1.5}, "high is 1.5; a number from 0 to 1 is needed"),
        ("reversal_bandit", {"hazard": -0.1}, "hazard is -0.1; a number from 0 to 1"),
        ("reversal_bandit", {"block": 5}, "block is 5; two numbers of choices"),
        ("reversal_bandit", {"block": (5, 2)}, "the first number must not be the greater"),
        ("reversal_bandit", {"block": (0, 2)}, "block is 0; a positive integer"),
        ("reversal_bandit", {"choices": 0}, "choices is 0; a positive integer is needed"),
        ("reversal_bandit", {"choice": 25.0}, "choice is 25.0 ms; a positive multiple"),
        ("drifting_bandit", {"arms": 1}, "arms is 1; an integer of 2 or more is needed"),
        ("drifting_bandit", {"arms": 2.5}, "arms is 2.5; an integer of 2 or more is needed"),
        ("drifting_bandit", {"centre": 2}, "centre is 2; a number from 0 to 1"),
        ("drifting_bandit", {"decay": 1.1}, "decay is 1.1; a number from 0 to 1"),
        ("drifting_bandit", {"low": 1, "high": 0}, "high is 0; a number from 1 to inf"),
        ("two_step", {"version": "x"}, "unknown version 'x'; valid: daw_2011, wang_2018"),
        ("two_step", {"common": 2}, "common is 2; a number from 0 to 1"),
        (
            "two_step",
            {"version": "daw_2011", "bounds": (0.5, 0.2)},
            "upper of bounds is 0.2; a number from 0.5",
        ),
        ("two_step", {"version": "daw_2011", "bounds": 0.5}, "bounds is 0.5; two probabilities"),
        ("two_step", {"first": 0.0}, "first is 0.0 ms; a positive multiple"),
        ("delayed_match_to_sample", {"stimuli": 1}, "stimuli is 1; an integer of 2 or more"),
        ("delayed_match_to_sample", {"delay": -20.0}, "delay is -20.0 ms; 0 or a positive"),
        ("delayed_match_to_sample", {"early": 1.0}, "early is 1.0; a number from -inf to 0"),
        ("random_dots", {"coherences": ()}, "coherences is (); a list of percents"),
        ("random_dots", {"coherences": (120,)}, "coherence is 120; a number from 0 to 100"),
        ("random_dots", {"noise": "much"}, "noise is 'much'; a number from 0 to inf"),
        ("interval_timing", {"durations": (1050.0,)}, "duration is 1050.0 ms; a positive multiple"),
        ("interval_timing", {"durations": (1500.0,)}, "duration 1500 ms is the boundary"),
        ("interval_timing", {"tone": 600.0}, "tone is 600 ms; less than the shortest"),
        ("interval_timing", {"durations": ()}, "durations is (); a list of times"),
        ("probabilistic_selection", {"probabilities": (1,)}, "one for each of A to F"),
        ("probabilistic_selection", {"training": -1}, "training is -1; an integer of 0 or more"),
        ("probabilistic_selection", {"stimulus": 10.0}, "stimulus is 10.0 ms; a positive multiple"),
    ],
)
def test_refuses(family, settings, message):
    refuses(family, settings, message)


# Decisions ----------------------------------------------------------------------------------------


def test_match_by_hand(tmp_path):
    # 300, 500, 1000, 500 ms are 15, 25, 50, 25 steps; the right answer comes with the go.
    task = tasks.make("delayed_match_to_sample", stimuli=3)
    f = record(task, 116 * 2 + 1, tmp_path, PEOPLE, action="int(time >= go)*(1 + target)")
    step = np.arange(116 * 2 + 1) % 116
    np.testing.assert_array_equal(f["done"], np.broadcast_to(step[:, None] == 0, f["done"].shape))
    np.testing.assert_array_equal(f["x"][:, 0, 0], step < 115)
    np.testing.assert_array_equal(f["reward"][1:, 0], step[1:] == 0)
    seen = f["x"][:, :, 1:4]
    shown = ((step >= 15) & (step < 40)) | ((step >= 90) & (step < 115))
    assert (seen.sum(axis=2) == shown[:, None]).all()
    sample, test = seen[15::116].argmax(axis=2), seen[90::116].argmax(axis=2)
    target = f["target"][15::116]
    np.testing.assert_array_equal(target, sample != test)
    assert_share(target.ravel(), 0.5)
    assert_counts(np.bincount(sample.ravel()), np.ones(3))
    assert_counts(np.bincount(((test - sample) % 3).ravel()), [2, 1, 1])
    times = {"sample": 15, "delay": 40, "test": 90, "go": 115}
    assert {k: v for k, (_, v) in task.events.items() if k in times} == times


def test_answers_early_wrong_and_missing(tmp_path):
    periods = {"fixation": 40.0, "sample": 40.0, "delay": 0.0, "test": 40.0, "decision": 60.0}
    for k, (action, abort, rewards) in enumerate(
        (
            ("0", False, [0] * 9),
            ("int(time >= go)*(2 - target)", False, [0] * 6 + [-0.5]),
            ("int(time < 1.5)", False, [-0.02, -0.02] + [0] * 7),
            ("int(time == 1)", True, [0, -0.02]),
        )
    ):
        folder = tmp_path / str(k)
        folder.mkdir()
        task = tasks.make("delayed_match_to_sample", **periods, wrong=-0.5, abort=abort)
        f = record(task, 2 * len(rewards) + 1, folder, action=action)
        np.testing.assert_allclose(f["reward"][1:, 0], rewards * 2)
        np.testing.assert_array_equal(np.flatnonzero(f["done"]), np.arange(3) * len(rewards))


def test_dots_by_hand(tmp_path):
    # 100 ms, 2 s, 40 ms are 5, 100, 2 steps; all dots move, and nothing is noisy.
    task = tasks.make("random_dots", coherences=(100.0,), noise=0.0, delay=40.0)
    f = record(task, 108 * 3 + 1, tmp_path, action="int(time >= go)*(1 + target)")
    step, target = np.arange(108 * 3 + 1) % 108, f["target"][:, 0]
    moving = (step >= 5) & (step < 105)
    np.testing.assert_allclose(f["x"][:, 0, 1], moving * (1 - target))
    np.testing.assert_allclose(f["x"][:, 0, 2], moving * target)
    np.testing.assert_array_equal(f["x"][:, 0, 0], step < 107)
    np.testing.assert_array_equal(f["reward"][1:, 0], step[1:] == 0)


@pytest.mark.parametrize("step", [50.0, 100.0])
def test_evidence_has_the_coherence_and_the_noise(step, tmp_path):
    task = tasks.make("random_dots", step=step)
    f = record(task, int(5000 / step), tmp_path, PEOPLE, action="0")
    went = starts(f)
    assert_counts(np.bincount(f["level"][went].astype(int)), np.ones(5))
    assert_share(f["target"][went], 0.5)
    moving = (f["time"] * step >= 100) & (f["time"] * step < 2100)
    assert not f["left"][~moving].any() and not f["right"][~moving].any()
    for level, coherence in enumerate((0, 6.4, 12.8, 25.6, 51.2)):
        here = moving & (f["level"] == level)
        sign = 1 - 2 * f["target"][here]
        noise = [
            f[side][here] - 0.5 - way * sign * coherence / 200
            for side, way in (("left", 1), ("right", -1))
        ]
        for values in noise:
            assert abs(values.mean()) < 5 / math.sqrt(step * values.size)
            assert values.std() == pytest.approx(1 / math.sqrt(step), rel=0.03)
        assert abs(np.corrcoef(*noise)[0, 1]) < 5 / math.sqrt(here.sum())


def test_interval_by_hand(tmp_path):
    # Fixation 2 steps, tones of 2, intervals of 4 or 8; the answer comes 1 step after the go.
    settings = {"fixation": 40.0, "tone": 40.0, "decision": 60.0, "boundary": 100.0}
    task = tasks.make("interval_timing", durations=(80.0, 160.0), **settings)
    f = record(task, 100, tmp_path, 8, action="int(time > go)*(1 + target)")
    for r in range(8):
        ends = np.flatnonzero(f["done"][:, r])
        for a, b in itertools.pairwise(ends):
            interval = 8 if f["target"][a, r] else 4
            assert f["interval"][a, r] == interval and b - a == interval + 4
            tones = np.flatnonzero(f["x"][a:b, r, 0])
            np.testing.assert_array_equal(tones, [2, 3, interval + 2, interval + 3])
            np.testing.assert_array_equal(np.flatnonzero(f["go_on"][a:b, r]), [interval + 2])
            assert f["reward"][a + 1 : b + 1, r].tolist() == [0] * (b - a - 1) + [1]
    assert len(np.unique(f["interval"])) == 2


def test_intervals_are_those_of_the_experiment(tmp_path):
    f = record(tasks.make("interval_timing"), 120, tmp_path, PEOPLE, action="1")
    interval = f["interval"][starts(f)]
    times = np.array([600, 1060, 1260, 1380, 1620, 1740, 1940, 2400]) / 20
    assert_counts([(interval == t).sum() for t in times], np.ones(8))
    np.testing.assert_array_equal(f["target"], f["interval"] > 75)
    own = (600.0, 1050.0, 1260.0, 1380.0, 1620.0, 1740.0, 1950.0, 2400.0)
    finer = tasks.make("interval_timing", durations=own, tone=150.0, step=10.0)
    assert finer.parameters["tone_steps"].value == 15
    assert finer.parameters["duration_1"].value == 105


# Symbols ------------------------------------------------------------------------------------------


def test_selection_by_hand(tmp_path):
    # 200 ms and 500 ms are 10 and 25 steps; A, C and E always win; the choice is the first symbol.
    task = tasks.make("probabilistic_selection", probabilities=(1, 0, 1, 0, 1, 0), training=2)
    f = record(task, 35 * 4 + 1, tmp_path, 20, action="0")
    step = np.arange(141) % 35
    np.testing.assert_array_equal(f["done"][:, 0], step == 0)
    assert (f["x"][:, :, :12].sum(axis=2) == 2 * (step >= 10)[:, None]).all()
    left = f["left"][np.arange(140)[34::35]]
    np.testing.assert_array_equal(f["reward"][35:71:35], np.where(left[:2] % 2 == 0, 1, -1))
    assert not f["reward"][72:].any()
    np.testing.assert_array_equal(f["chosen"][35::35], left)
    np.testing.assert_array_equal(f["other"][35::35], f["right"][34:140:35])
    np.testing.assert_array_equal(f["transfer"][::35, 0], [0, 0, 1, 1, 1])


def test_pairs_and_feedback(tmp_path):
    settings = {"fixation": 20.0, "stimulus": 20.0}
    task = tasks.make("probabilistic_selection", training=40, **settings)
    f = record(task, 161, tmp_path, PEOPLE)
    assert (lengths(f["done"] > 0) == 2).all()
    new = f["transfer"][1::2] > 0
    pair = (6 * f["left"] + f["right"])[1::2].astype(int)
    np.testing.assert_array_equal(new[:, 0], np.arange(80) >= 40)
    same = lambda p: p // 12 == p % 6 // 2  # noqa: E731
    old = np.bincount(pair[~new], minlength=36).reshape(6, 6)
    assert same(pair[~new]).all() and not same(pair[new]).any()
    assert (np.flatnonzero(old) == [1, 6, 15, 20, 29, 34]).all()
    assert_counts(old[old > 0], np.ones(6))
    novel = np.bincount(pair[new], minlength=36)
    assert (novel > 0).sum() == 24
    assert_counts(novel[novel > 0], np.ones(24))
    reward, chosen = f["reward"][2::2], f["chosen"][2::2]
    for symbol, chance in enumerate((0.8, 0.2, 0.7, 0.3, 0.6, 0.4)):
        here = (chosen == symbol) & ~new
        assert_share(reward[here] == 1, chance)
        assert_share(reward[here] == -1, 1 - chance)
    assert not reward[new].any()


def test_transfer_is_a_run_time_setting():
    task = tasks.make("probabilistic_selection")
    assert with_parameters(task, training=0).structure() == task.structure()
