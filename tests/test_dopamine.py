"""Verdicts on the classic findings: right for what is right, and turned by what violates them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bgrl.analysis.dopamine import (
    as_expected,
    compared,
    figure,
    markdown,
    passes,
    results,
    summary,
    verdict,
)
from bgrl.errors import InputError
from bgrl.experiments import dopamine
from bgrl.experiments.dopamine.__main__ import arguments
from bgrl.experiments.dopamine.finding import Criterion
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
    return 1.0 if name == "backward_shift" else SHARE


@pytest.mark.parametrize("name", SHOWN)
def test_what_a_known_state_shows_is_seen(name):
    made = sessions(name, share_of(name), **SHOWN[name][0])
    group = judged(name, made)
    assert passes(group), results(group)
    shuffled = {k: session.shuffled() for k, session in made.items()}
    assert not passes(judged(name, shuffled))


@pytest.mark.parametrize("name", SHOWN)
def test_what_violates_a_finding_does_not_show_it(name):
    group = judged(name, sessions(name, share_of(name), **SHOWN[name][1]))
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


@pytest.mark.parametrize(
    "name", ["preconditioning", "identity", "adaptive_gain", "uncertainty_ramp", "ramp"]
)
def test_what_value_alone_cannot_show_fails_and_a_leak_is_seen(name):
    state = "presence" if name == "ramp" else "serial"
    made = sessions(name, state=state, rate=0.1)
    group = judged(name, made)
    assert not passes(group) and as_expected(group), results(group)
    assert verdict(group) == "FAIL (as expected)"
    arm = dopamine.find(name).arms["trained"]
    leaking = judged(name, {"trained": leak(name, made["trained"], arm)})
    assert verdict(leaking) == "PASS (a leak)", results(leaking)


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
    ):
        attributes = {"criteria": json.dumps(described)}
        group = xr.Dataset({"m": ("replicate", values)}, attrs=attributes | {"expected": "fails"})
        if np.isnan(values).any():
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


def test_trials_take_as_many_steps_as_is_planned():
    for name in dopamine.names():
        for arm in dopamine.find(name).arms.values():
            short = shorter(arm, 0.3)
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
    with pytest.raises(InputError, match="unknown finding 'shft'; valid: shift"):
        arguments(["shft"])
    assert set(dopamine.ORDER) == set(dopamine.names())


def test_a_finding_of_ones_own_is_a_file(tmp_path, monkeypatch):
    source = Path(dopamine.findings.__path__[0], "shift.py").read_text()
    Path(tmp_path, "mine.py").write_text(source.replace('name="shift"', 'name="mine"'))
    monkeypatch.chdir(tmp_path)
    assert dopamine.find("mine.py").name == "mine"
    assert arguments(["mine.py"])[-1] == "results/dopamine_mine.nc"


@pytest.mark.slow
@pytest.mark.parametrize("unbroken", [False, True])
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
    files = {
        "rflo, 12 replicates": "dopamine",
        "rflo, 6, seed 0": "dopamine_seed0",
        "rflo, 6, seed 1": "dopamine_seed1",
        "none, 6, seed 0": "dopamine_none",
    }
    runs = {k: xr.open_datatree(folder / f"{v}.nc", engine="netcdf4") for k, v in files.items()}
    text = (folder / "README.md").read_text()
    assert "\n".join(markdown(runs["rflo, 12 replicates"])) in text
    assert "\n".join(compared(runs)) in text
    assert set(runs["rflo, 12 replicates"].children) <= set(dopamine.names())
    for data in runs.values():
        data.close()
