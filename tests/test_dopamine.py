"""Verdicts on the classic findings: right for what is right, and turned by what violates them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bgrl.analysis import plot
from bgrl.analysis.distributional import expectiles
from bgrl.analysis.dopamine import (
    as_expected,
    compared,
    figure,
    markdown,
    methods,
    passes,
    results,
    summary,
    verdict,
)
from bgrl.analysis.sessions import Session
from bgrl.analysis.trials import bootstrap_interval
from bgrl.errors import InputError
from bgrl.experiments import dopamine
from bgrl.experiments.dopamine.__main__ import arguments
from bgrl.experiments.dopamine.finding import Arm, Criterion
from bgrl.experiments.dopamine.findings import backward_shift, distributional, regret
from bgrl.experiments.dopamine.tabular import simulate
from bgrl.tasks.pavlovian import exponential

REPLICATES = 3
#: Fewer trials do for tables.
SHARE = 0.2
#: Finding to the hand-made state and settings with which it is shown, and with which it is not.
SHOWN = {
    "shift": ({"state": "serial"}, {"rate": 0.0}),
    "early_late": ({"state": "belief"}, {"rate": 0.0}),
    "early_reset": ({"state": "belief"}, {"state": "serial"}),
    "blocking": ({"state": "serial"}, {"state": "configural"}),
    "second_order": ({"state": "serial"}, {"state": "serial", "trace": 1.0, "discount": 1.0}),
    "probability": ({"state": "serial"}, {"rate": 0.0}),
    "inhibition": ({"state": "serial"}, {"state": "configural"}),
    "subtraction": ({"state": "serial"}, {"rate": 0.0}),
    "timing": ({"state": "belief"}, {"state": "serial"}),
    "backward_shift": ({"state": "serial", "rate": 0.05}, {"state": "serial", "trace": 1.0}),
}


def shorter(arm, share=SHARE):
    """The arm with fewer trials."""
    phases = tuple((n and max(1, round(share * n)), kinds) for n, kinds in arm.phases)
    return replace(
        arm,
        phases=phases,
        learning=round(share * arm.learning),
        testing=round(0.5 * arm.testing),
        iti=exponential(3000.0, 1000.0, 8000.0) if arm.step == 200 else arm.iti,
    )


def sessions(name, share=SHARE, **settings):
    """Sessions of a finding's arms with a hand-made state."""
    settings = {"state": "serial", "rate": 0.3, "replicates": REPLICATES} | settings
    arms = dopamine.find(name).arms
    return {k: simulate(shorter(arm, share), **settings) for k, arm in arms.items()}


def judged(name, made):
    return dopamine.group(dopamine.find(name), made)


def share_of(name):
    return {"backward_shift": 1.0, "timing": 0.08}.get(name, SHARE)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.long) if n == "timing" else n for n in SHOWN]
)
def test_what_a_known_state_shows_is_seen(name):
    made = sessions(name, share_of(name), **SHOWN[name][0])
    group = judged(name, made)
    assert passes(group), results(group)
    if name == "timing":
        # The state itself is there to be read.
        assert group["belief_certain"].min() > 0.99 and group["belief_uncertain"].min() > 0.99
    shuffled = {k: replace(session.shuffled(), activity=None) for k, session in made.items()}
    assert not passes(judged(name, shuffled))


def test_shuffled_time_is_not_excited_for_a_while():
    """The largest of some blocks always stands out; noise must not pass for that."""
    arm = shorter(dopamine.find("backward_shift").arms["λ 0"], 1.0)
    session = simulate(arm, replicates=6, rate=0.05)
    blocks = np.array_split(np.arange(backward_shift.TRIALS), backward_shift.BLOCKS)

    def lowest(made):
        middle = made.response("dopamine", "cue", *backward_shift.MIDDLE)
        return bootstrap_interval(backward_shift.transience(middle, blocks), np.mean)[0]

    assert lowest(session) > 0
    assert sum(lowest(session.shuffled(seed)) > 0 for seed in range(20)) <= 1


def test_blocks_are_those_of_the_trials_that_there_are():
    """A random time between trials makes their number random."""
    for name in ("backward_shift", "random_rewards"):
        group = judged(name, sessions(name, 0.9, replicates=2, rate=0.05))
        assert np.isfinite(group["curves"].values).all()


@pytest.mark.parametrize("name", SHOWN)
def test_what_violates_a_finding_does_not_show_it(name):
    made = sessions(name, share_of(name), **SHOWN[name][1])
    group = judged(name, {k: replace(session, activity=None) for k, session in made.items()})
    assert not passes(group), results(group)


def test_division_is_not_taken_for_subtraction():
    made = sessions("subtraction")
    session, arm = made["trained"], dopamine.find("subtraction").arms["trained"]
    reward = session.signals["reward"]
    announced = mask(session, "reward", dopamine_kinds(arm, "A"))
    made["trained"] = with_dopamine(session, reward * np.where(announced, 0.5, 1.0))
    (slope, *_) = results(judged("subtraction", made))
    assert not slope.passed and slope.mean == pytest.approx(0.5)


def dopamine_kinds(arm, *cues):
    """Numbers of the kinds of trial with these cues."""
    return [k for k, row in enumerate(arm.kinds()) if row["cues"] in cues]


def mask(session, event, kinds, lags=(0,)):
    """1 at these lags from an event of trials of these kinds, (replicate, time)."""
    found = np.zeros_like(session.signals["dopamine"])
    steps = np.where(session.chosen(kind=kinds), session.events[event], np.nan)
    for r, row in enumerate(steps):
        for lag in lags:
            index = row[~np.isnan(row)].astype(int) + lag
            found[r, index[index < found.shape[1]]] = 1.0
    return found


def with_dopamine(session, values):
    return replace(session, signals=session.signals | {"dopamine": values})


def leak(name, session, arm):
    """What plain TD must not show, put into the TD error of a session."""
    error = session.signals["dopamine"].copy()
    if name == "preconditioning":
        error += 0.3 * mask(session, "cue", dopamine_kinds(arm, "A"))
    elif name == "identity":
        error += 0.3 * mask(session, "reward", dopamine_kinds(arm, "A>G", "B>F"))
    elif name == "adaptive_gain":
        for cue, gain in (("A", 4.5), ("B", 1.3)):
            error *= 1 + (gain - 1) * mask(session, "reward", dopamine_kinds(arm, cue), (0, 1))
    else:
        kinds = dopamine_kinds(arm, "C", "A>B>C>D>E>F>G>H", "A>B>C>F>G>H")
        steps = arm.kinds()[kinds[0]]["delay"]
        for lag in range(steps):
            error += 0.5 * lag / steps * mask(session, "cue", kinds, (lag,))
    return with_dopamine(session, error)


#: What plain TD must not show: `leak` puts it in.
LEAKS = ("preconditioning", "identity", "adaptive_gain", "uncertainty_ramp", "ramp")


@pytest.mark.parametrize("name", LEAKS)
def test_what_value_alone_cannot_show_fails_and_a_leak_is_seen(name):
    state = "presence" if name == "ramp" else "serial"
    made = sessions(name, state=state, rate=0.1)
    group = judged(name, made)
    assert not passes(group) and as_expected(group), results(group)
    assert verdict(group) == "FAIL (as expected)"
    arm = dopamine.find(name).arms["trained"]
    leaking = leak(name, made["trained"], arm)
    group = judged(name, {"trained": leaking})
    assert verdict(group) == "PASS (a leak)", results(group)
    assert not passes(judged(name, {"trained": leaking.shuffled()}))


# Findings whose TD error is written down by hand: one that shows them, one that does not -------------


def at_events(session, event, size):
    """TD error of this size, (replicate, trial), at an event, and 0 else."""
    error = np.zeros_like(session.signals["dopamine"])
    for r, steps in enumerate(session.events[event]):
        known = np.flatnonzero(~np.isnan(steps))
        error[r, steps[known].astype(int)] = size[r, known]
    return with_dopamine(session, error)


def per_trial(session, arm, name):
    """A column of `Arm.kinds` for each trial, (replicate, trial)."""
    column = np.array([row[name] for row in arm.kinds()])
    return column[np.nan_to_num(session.labels["kind"]).astype(int)]


def made_blocks(session, arm, shown):
    """The value of later trials is that of the nearer trained size; or always the mean."""
    size = per_trial(session, arm, "magnitude")
    believed = np.where(size > 0.5, 1.0, 0.1) if shown else 0.55
    return at_events(
        session, "reward", size - np.where(session.labels["since"] > 0, believed, 0.55)
    )


def made_reversal(session, arm, shown):
    """The value of a target follows from the last trial; or from the last trial of the same target."""
    size, shows_a = per_trial(session, arm, "magnitude"), per_trial(session, arm, "cues") == "A"
    value = np.zeros_like(size)
    for r in range(len(size)):
        known = np.zeros(2)
        for k in range(size.shape[1]):
            own = int(shows_a[r, k])
            value[r, k] = known[own]
            known[own] = size[r, k]
            if shown:
                known[1 - own] = 1 - size[r, k]
    return at_events(session, "cue", value)


def made_contingency(session, arm, shown):
    """Odour A by the group, as in mice; or as if all rewards that come without it devalued it."""
    cues = {row["cues"] for row in arm.kinds()}
    later = [row for row in arm.kinds() if row["phase"] == 1]
    uncued = any(row["magnitude"] for row in later if row["cues"] == "")
    paid = any(row["magnitude"] for row in later if row["cues"] == "A")
    size = 0.0 if not paid else 0.04 if uncued or ("C" in cues and not shown) else 0.1
    wanted = per_trial(session, arm, "cues") == "A"
    noise = 0.004 * np.random.default_rng(0).normal(size=wanted.shape)
    return at_events(session, "cue", np.where(wanted, size + noise, 0.0))


def made_random_rewards(session, arm, shown):
    """The response grows over rewards and with the interval; or it falls as the reward is learned."""
    reward = session.events["reward"]
    interval = np.diff(reward, axis=1, prepend=np.nan) / 100
    number = np.arange(reward.shape[1]) / reward.shape[1]
    size = 1 + number + interval if shown else 1 - 0.5 * number + 0 * interval
    return at_events(session, "reward", np.nan_to_num(size, nan=1.0))


def made_long_delay(session, arm, shown):
    """The response to the cue stays; or it is discounted."""
    late = session.labels["phase"] == 1
    return at_events(session, "cue", np.where(late, 0.5 if shown else 0.2, 0.5))


#: Finding to what makes its TD error.
MADE = {
    "blocks": made_blocks,
    "reversal": made_reversal,
    "contingency": made_contingency,
    "random_rewards": made_random_rewards,
    "long_delay": made_long_delay,
}


@pytest.mark.parametrize("name", MADE)
def test_verdict_on_an_error_that_is_made(name):
    arms = dopamine.find(name).arms
    share = {"random_rewards": 1.0, "contingency": 0.03}.get(name, 0.1)
    bare = sessions(name, share, rate=0.0)
    for shown in (True, False):
        made = {k: MADE[name](session, arms[k], shown) for k, session in bare.items()}
        group = judged(name, made)
        assert passes(group) == shown, results(group)
        if shown:
            shuffled = judged(name, {k: session.shuffled() for k, session in made.items()})
            assert not passes(shuffled), results(shuffled)


def test_exact_values_miss_the_bound_of_contingency():
    """Values of a state that knows all, by their equations: cued rewards change a quarter as much."""
    at = {name: exact_response(arm) for name, arm in dopamine.find("contingency").arms.items()}
    fall = at["conditioning"] - at["degradation"]
    assert at["extinction"] == pytest.approx(0.0, abs=1e-9) and fall > 0.1
    assert (at["conditioning"] - at["cued"]) / fall == pytest.approx(0.27, abs=0.02)


def exact_response(arm, trials=20_000):
    """TD error at odour A if value is that of the last event and the time since it."""
    generator, steps_known = np.random.default_rng(1), 60
    rows = [row for row in arm.kinds() if row["phase"] == 1]
    chance = [row["probability"] for row in rows]
    (first, _), *_ = arm.iti.points
    hazard = 1 - np.exp(-np.log1p(arm.step / arm.iti.mean))
    state, reward, onsets, event, age = [], [], [], 0, 0
    for kind in generator.choice(len(rows), size=trials, p=chance):
        row = rows[kind]
        onset = round(first / arm.step) + generator.geometric(hazard) - 1
        delay = onset + row["delay"] + generator.integers(row["width"] + 1)
        for time in range(1, delay + round(arm.after / arm.step) + 1):
            age += 1
            if time == onset and row["cues"]:
                event, age = "ABC".index(row["cues"]) + 1, 0
                if event == 1:
                    onsets.append(len(state))
            if time == delay and row["magnitude"]:
                event, age = 4, 0
            state.append(event * steps_known + min(age, steps_known - 1))
            reward.append(row["magnitude"] if time == delay else 0.0)
    state, reward = np.array(state), np.array(reward)
    # Each state's mean reward and value of what follows: V = r + discount P V.
    count = np.zeros((5 * steps_known,) * 2)
    np.add.at(count, (state[:-1], state[1:]), 1)
    total = np.maximum(count.sum(axis=1), 1)
    gained = np.bincount(state[:-1], reward[1:], len(count)) / total
    value = np.linalg.solve(np.eye(len(count)) - arm.discount * count / total[:, None], gained)
    onsets = np.array(onsets)
    return np.mean(arm.discount * value[state[onsets]] - value[state[onsets - 1]])


def test_neurons_must_differ_and_in_the_same_way():
    finding, sizes = dopamine.find("distributional"), np.array(distributional.SIZES)
    arm = replace(finding.arms["trained"], learning=200, testing=1000)
    session = simulate(arm, rate=0.0, replicates=REPLICATES)
    generator = np.random.default_rng(0)
    for spread, shown in ((0.8, True), (0.0, False)):
        optimism = 0.5 + spread * np.linspace(-0.5, 0.5, 20)
        expected = expectiles(
            sizes, distributional.PROBABILITIES / np.sum(distributional.PROBABILITIES), optimism
        )
        error = session.signals["reward"][..., None] - expected
        error *= np.where(error > 0, optimism, 1 - optimism)
        error += 0.02 * generator.normal(size=error.shape)
        made = replace(session, activity=error)
        assert passes(judged("distributional", {"trained": made})) == shown
        assert not passes(judged("distributional", {"trained": made.shuffled()}))


def walked(planner, seed, trials=20, choices=100):
    """Signals of a replicate of the two-step task, by one who plans or repeats what paid."""
    generator = np.random.default_rng(seed)
    names = ("done", "reward", "dopamine", "task.choice", "task.rare", "task.place")
    signals = {n: [] for n in (*names, "task.second_on", "task.outcome_on")}
    for _ in range(trials):
        good, places, actions = generator.integers(2), np.full(2, 0.5), np.full(2, 0.5)
        for number in range(choices):
            planned = 0.8 * places + 0.2 * places[::-1]
            value = planned if planner else actions
            choice = int(generator.random() < 1 / (1 + np.exp(-6 * (value[1] - value[0]))))
            rare = int(generator.random() < 0.2)
            place = choice ^ rare
            paid = int(generator.random() < (0.9 if place == good else 0.1))
            surprise = places[place] - value[choice]
            for step, told in enumerate(
                ((0, 0, 0.0), (1, 0, surprise), (0, 1, paid - places[place]))
            ):
                second, outcome, error = told
                at = (number == 0 and step == 0, paid * outcome, error, choice, rare, place)
                for name, v in zip(signals, (*at, second, outcome), strict=True):
                    signals[name].append(float(v))
            places[place] += 0.5 * (paid - places[place])
            actions[choice] += 0.5 * (paid - actions[choice])
            good = 1 - good if generator.random() < 0.025 else good
    return signals


def played(replicates):
    """The session of signals of replicates."""
    signals = {name: np.array([s[name] for s in replicates]) for name in replicates[0]}
    start = np.array([np.flatnonzero(row > 0.5) for row in signals["done"]], float)
    return Session(signals, {"start": start}, {}, 20.0, 0)


def test_planning_is_told_from_habit():
    for planner in (True, False):
        made = played([walked(planner, seed) for seed in range(REPLICATES)])
        assert passes(judged("two_step", {"trained": made})) == planner
        assert not passes(judged("two_step", {"trained": made.shuffled()}))


def bandits(explores, seed, trials=60, pulls=regret.PULLS):
    """Signals of a replicate that takes the better arm but for some pulls at first; or any arm."""
    generator = np.random.default_rng(seed)
    signals = {
        n: [] for n in ("done", "reward", "dopamine", "action", "task.chance_0", "task.chance_1")
    }
    before = 0, 0.0
    for _ in range(trials):
        chances, won, lost = generator.random(2), np.ones(2), np.ones(2)
        for pull in range(pulls):
            wandering = pull < 4 or not explores
            arm = generator.integers(2) if wandering else int(np.argmax(chances))
            for name, v in zip(signals, (pull == 0, *before, arm, *chances), strict=True):
                signals[name].append(float(v))
            paid = int(generator.random() < chances[arm])
            before = paid, paid - won[arm] / (won[arm] + lost[arm])
            won[arm] += paid
            lost[arm] += 1 - paid
    return signals


def test_regret_is_that_of_the_arms_pulled():
    for explores in (True, False):
        made = played([bandits(explores, seed) for seed in range(REPLICATES)])
        group = judged("regret", {"trained": made})
        assert passes(group) == explores, results(group)
        if explores:
            # Four pulls of any arm: half of them are of the worse one, a third of the range behind.
            assert group["regret"].mean() == pytest.approx(4 / 2 / 3, abs=0.15)
            assert not passes(judged("regret", {"trained": made.shuffled()}))
        else:
            assert group["regret"].mean() == pytest.approx(100 / 2 / 3, abs=3)


def test_every_finding_has_its_controls():
    assert {*SHOWN, *LEAKS, *MADE, "distributional", "two_step", "regret"} == set(dopamine.names())


def test_interval_must_lie_within_the_bounds():
    criteria = [Criterion("m", "above", low=0.0), Criterion("m", "between", -1.0, 1.0)]
    described = [
        {"measure": c.measure, "text": c.text, "low": c.low, "high": None, "published": ""}
        for c in criteria
    ]
    for values, passed in (
        ([0.1, 0.2, 0.3], [True, True]),
        ([-0.1, 0.2, 0.3], [False, True]),
        ([0.1, np.nan, 0.3], [False, False]),
        ([0.2], [False, False]),
    ):
        attributes = {"criteria": json.dumps(described)}
        group = xr.Dataset({"m": ("replicate", values)}, attrs=attributes | {"expected": "fails"})
        if np.isnan(values).any() or len(values) < 2:
            assert verdict(group) == "UNKNOWN" and not as_expected(group)
        assert [r.passed for r in results(group)] == passed


def test_table_and_page(tmp_path):
    groups = {f"/{name}": judged(name, sessions(name)) for name in ("blocking", "identity")}
    root = xr.Dataset(attrs={"model": "serial"})
    data = xr.DataTree.from_dict({"/": root, **groups})
    lines = summary(data)
    assert lines[1].startswith("PASS                blocking: ")
    assert lines[-1] == (
        "1 of 2 findings are shown; 2 verdicts are what is expected of an error about value"
    )
    rows = markdown(data)
    assert rows[2].startswith("| `blocking` | PASS | Y excites more than X | 0.")
    assert rows[5].startswith("| | | blocked | 0.") and "not judged" in rows[5]
    assert rows[7].startswith("| `identity` | FAIL (as expected) | ") and len(rows) == 8
    assert compared({"a": data, "b": data})[2] == "| `blocking` | PASS | PASS |"
    page = figure(data)
    assert [ax.get_title(loc="left")[:8] for ax in page.axes[:2]] == ["PASS: A ", "FAIL (as"]
    both = {
        f"/{method}{path}": group for method in ("rflo", "none") for path, group in groups.items()
    }
    several = xr.DataTree.from_dict({"/": xr.Dataset(), **both})
    assert list(methods(several)) == ["rflo", "none"]
    assert summary(several)[2] == "| `blocking` | PASS | PASS |"
    assert summary(several)[-1].startswith("none: 1 of 2 findings are shown")
    (table,) = figure(several).axes
    assert [t.get_text() for t in table.get_yticklabels()] == ["blocking", "identity"]
    assert [t.get_text() for t in table.get_xticklabels()] == ["rflo\n1 shown", "none\n1 shown"]
    # What is disputed counts for nothing.
    disputed = groups["/blocking"].assign_attrs(expected="disputed")
    assert verdict(disputed) == "PASS (disputed)"
    alone = xr.DataTree.from_dict({"/": root, "/blocking": disputed})
    assert summary(alone)[-1].startswith("0 of 0 findings are shown; 0 verdicts")


def test_methods_are_told_by_name_and_an_unfinished_run_goes_on(tmp_path, monkeypatch):
    config = dopamine.Config(methods="rflo, lru", findings="shift", output=str(tmp_path / "a.nc"))
    found = config.compared()
    assert [(c.model, c.sensitivity) for c in found.values()] == [
        ("rtrrl", "rflo"),
        ("lru", "snap1"),
    ]
    assert list(dopamine.Config(methods="all").compared()) == list(dopamine.METHODS)
    assert all(set(own) == {"model", "sensitivity"} for own in dopamine.METHODS.values())
    with pytest.raises(InputError, match="unknown method 'bptt'; valid: basal_ganglia"):
        dopamine.Config(methods="bptt").compared()
    runs = []

    def record(config, arm, name):
        runs.append(name)
        return simulate(shorter(arm), rate=0.3, replicates=2), {"model": config.model}

    monkeypatch.setattr(dopamine, "record", record)
    config.work().mkdir()
    before, after = dopamine.run(config), dopamine.run(config)
    # What was done is read again; the same definition gives the same numbers.
    assert runs == ["rflo_shift_0", "lru_shift_0"]
    assert after["lru"].attrs["model"] == "lru"
    xr.testing.assert_identical(before["lru/shift"].to_dataset(), after["lru/shift"].to_dataset())
    monkeypatch.setattr(dopamine, "definition", lambda chosen: "another")
    dopamine.run(config)
    assert len(runs) == 4


def test_trials_take_as_many_steps_as_is_planned():
    for name in dopamine.names():
        for arm in dopamine.find(name).arms.values():
            if not isinstance(arm, Arm):
                continue
            short = shorter(arm, min(0.3, 400 / arm.learning))
            made = simulate(short, "serial", 1, rate=0.0)
            learned, steps = short.steps()
            start = made.events["start"][0]
            assert learned <= start[short.learning - 1] + 60, name
            assert abs(steps / made.signals["reward"].shape[1] - 1) < 0.06, name


def test_findings_are_named_on_the_command_line():
    assert arguments(["--quick"]) == ["--quick"]
    found = arguments(["timing", "shift", "--quick"])
    assert found == [
        *("--findings", "timing,shift", "--output", "results/dopamine_timing_shift.nc", "--quick")
    ]
    with pytest.raises(
        InputError, match=r"unknown finding 'shft'; valid: .*did you mean 'shift'\?"
    ):
        arguments(["shft"])
    assert set(dopamine.ORDER) == set(dopamine.names())


def test_a_finding_of_ones_own_is_a_file(tmp_path, monkeypatch):
    source = Path(dopamine.findings.__path__[0], "shift.py").read_text()
    Path(tmp_path, "mine.py").write_text(source.replace('name="shift"', 'name="mine"'))
    monkeypatch.chdir(tmp_path)
    assert dopamine.find("mine.py").name == "mine"
    assert arguments(["mine.py"])[-1] == "results/dopamine_mine.nc"


@pytest.mark.slow
@pytest.mark.parametrize("unbroken", [pytest.param(False, marks=pytest.mark.long), True])
def test_agents_of_an_arm_are_trained_and_tested(unbroken):
    """Events are where rewards are; tests are those with plasticity off; what is new has no value."""
    arm = replace(shorter(dopamine.find("shift").arms["trained"], 0.01), testing=20, activity=False)
    arm = replace(arm, unbroken=unbroken)
    config = dopamine.Config(replicates=2, backend="numpy", units=6)
    session, _ = dopamine.record(config, arm, "")
    paid = np.zeros_like(session.signals["reward"])
    for r, steps in enumerate(session.events["reward"]):
        paid[r, steps[~np.isnan(steps)].astype(int)] = 1.0
    # The last trial may be unfinished, and then tells no events.
    whole = np.nanmax(session.events["start"], axis=1).astype(int)
    for r, last in enumerate(whole):
        np.testing.assert_array_equal(session.signals["reward"][r, :last], paid[r, :last])
    assert (session.signals["value"][:, :10] == 0).all()
    # Recording starts with step 1.
    assert session.tested_from == arm.steps()[0] - 1 and session.chosen(tested=True).any()
    starts = session.events["start"][:, 1:5].astype(int)
    rows = np.arange(2)[:, None]
    assert (session.signals["done"][rows, starts] == 1).all()
    with_future = session.signals["dopamine"][rows, starts]
    value = session.signals["value"]
    expected = arm.discount * value[rows, starts] * unbroken - value[rows, starts - 1]
    np.testing.assert_allclose(with_future, expected, atol=1e-5)


def test_committed_tables_are_those_of_the_committed_data():
    folder = Path(__file__).parents[1] / "docs" / "dopamine"
    text = (folder / "README.md").read_text()
    with xr.open_datatree(folder / "dopamine.nc", engine="netcdf4") as data:
        assert "\n".join(markdown(data)) in text
        assert set(data.children) <= set(dopamine.names())
    with xr.open_datatree(folder / "methods.nc", engine="netcdf4") as data:
        assert list(methods(data)) == list(dopamine.METHODS)
        assert "\n".join(compared(methods(data))) in text


def test_the_page_is_drawn_from_the_committed_data(tmp_path):
    data = Path(__file__).parents[1] / "docs" / "dopamine" / "dopamine.nc"
    assert plot.main([str(data), "--figure", str(tmp_path / "page.png")]) == 0
    assert (tmp_path / "page.png").stat().st_size > 100_000
