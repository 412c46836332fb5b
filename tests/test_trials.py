"""Trials cut out of long traces: read in blocks they are what they are as a whole, and little is read."""

import itertools
import json

import numpy as np
import pytest
import xarray as xr
from xarray.core import indexing

from analysis import traces, trials
from bgrl.assembly import Stored

EVENTS = {"cue": ["start", 0], "query": ["end", -1], "outcome": ["end", 0], "told": "telling"}
#: Events that trials of fewer steps do not have.
EVENTS |= {"sixth": ["start", 6], "before": ["end", -6]}


def by_chance(seed, read=None):
    """Trials of 2 to 9 steps, some closed one step late, recorded in three windows, in 3 replicates."""
    generator = np.random.default_rng(seed)
    steps = np.arange(900)
    kept = (steps < 250) | ((steps > 300) & (steps < 310)) | (steps > 420)
    done, ends, lengths, happened = np.zeros((3, 900), np.float32), [], [], []
    for r in range(3):
        last, own, long, told = 0, [], [], []
        while last < 880:
            length = int(generator.integers(2, 10))
            late = bool(generator.integers(4) == 0)
            done[r, last + length + late] = 1
            own.append(last + length)
            long.append(float(length))
            told.append(last + int(generator.integers(1, length + 1)))
            last += length + late
        missing = generator.random(len(told)) < 0.3
        happened.append(np.where(missing, np.nan, told))
        ends.append(np.array(own, float))
        lengths.append(np.array(long))
    longest = max(map(len, ends))

    def table(rows):
        return np.array([np.append(row, np.full(longest - len(row), np.nan)) for row in rows])

    numbers = {
        "done": done,
        "reward": generator.normal(size=(3, 900)).astype(np.float32),
        "dopamine": generator.normal(size=(3, 900)),
        "firing": generator.normal(size=(3, 900)),
        "cortex": generator.normal(size=(3, 900, 4)).astype(np.float32),
    }
    traces = {}
    for name, values in numbers.items():
        dims = ("replicate", "time", "cortex_unit")[: values.ndim]
        traces[name] = dims, values[:, kept] if read is None else _noting(values[:, kept], read)
    frames = len(steps[kept])
    return xr.DataTree.from_dict(
        {
            "/": xr.Dataset(
                attrs={
                    "events": json.dumps(EVENTS),
                    "step_duration_ms": 20.0,
                    "configuration": json.dumps({"run": {"steps": 900}}),
                }
            ),
            "/traces": xr.Dataset(traces, {"step": ("time", steps[kept])}),
            "/trials": xr.Dataset(
                {
                    "end_step": (("replicate", "trial"), table(ends)),
                    "length": (("replicate", "trial"), table(lengths)),
                    "event_step": (("replicate", "trial", "event"), table(happened)[..., None]),
                },
                {"event": ["told"]},
            ),
        }
    ), frames


def _noting(values, read):
    """An array of which is noted what is read, (first, last)."""

    def part(first, last):
        read.append((first, last))
        return values[:, first:last]

    return indexing.LazilyIndexedArray(Stored(part, values.shape[1], 10**9))


def as_a_whole(data, variable, event, before, after, period):
    """`aligned`, a trial at a time from traces in memory."""
    traces, found = data["traces"].to_dataset(), []
    step, done, reward = (traces[k].values for k in ("step", "done", "reward"))
    ends_at = data["trials"]["end_step"].values
    happened = data["trials"]["event_step"].values[..., 0]
    cuts = [0, *(np.flatnonzero(np.diff(step) > 1) + 1), len(step)]
    for low, high in itertools.pairwise(cuts):
        for r in range(3):
            ends = low + np.flatnonzero(done[r, low:high] > 0.5)
            for start, following in itertools.pairwise(ends):
                late = step[following] not in ends_at[r] and step[following] - 1 in ends_at[r]
                found.append((r, start, following - late, following))
    rows = []
    for r, start, end, following in found:
        if period and (step[start] <= 450) != (period == "early"):
            continue
        centre = {"cue": start, "query": end - 1, "outcome": end}.get(event)
        if event in ("sixth", "before"):
            if end - start < 6:
                continue
            centre = start + 6 if event == "sixth" else end - 6
        if event == "told":
            at = happened[r, ends_at[r] == step[end]]
            if np.isnan(at).any():
                continue
            centre = np.flatnonzero(step == at)[0]
        outcome = variable in ("reward", "dopamine", "firing")
        values = np.full((before + 1 + after, *traces[variable].shape[2:]), np.nan)
        for k, frame in enumerate(range(centre - before, centre + after + 1)):
            if start + outcome <= frame <= (end if outcome else following - 1):
                values[k] = traces[variable].values[r, frame]
        rows.append((values, r, start, reward[r, start + 1 : end + 1].sum()))
    return found, rows


def test_an_event_that_a_trial_was_too_short_for_has_no_mark(monkeypatch):
    monkeypatch.setattr(traces, "MARKS", 1000)
    data, _ = by_chance(1)
    ends, lengths = (data["trials"][name].values[1] for name in ("end_step", "length"))
    long = lengths >= 6
    found, _ = traces.marks(data, 1, 0, 900)
    assert 20 < long.sum() < len(ends) - 20
    assert found["sixth"].tolist() == (ends - lengths + 6)[long].astype(int).tolist()
    assert found["before"].tolist() == (ends - 6)[long].astype(int).tolist()
    assert len(found["cue"]) == len(found["outcome"]) == np.isfinite(ends).sum()


@pytest.mark.parametrize("block", [1, 50, 1 << 21])
@pytest.mark.parametrize("event", EVENTS)
def test_blocks_give_what_the_whole_gives(block, event, monkeypatch):
    monkeypatch.setattr(trials, "BLOCK", block)
    data, _ = by_chance(1)
    for variable, period in (
        ("cortex", None),
        ("dopamine", "early"),
        ("firing", "late"),
        ("reward", "late"),
    ):
        found, rows = as_a_whole(data, variable, event, 3, 2, period)
        np.testing.assert_array_equal(trials.whole_trials(data), found)
        table = trials.aligned(data, variable, event, 3, 2, period)
        values, replicates, starts, returns = map(np.array, zip(*rows, strict=True))
        np.testing.assert_array_equal(table, values)
        np.testing.assert_array_equal(table["replicate"], replicates)
        np.testing.assert_array_equal(table["start"], starts)
        np.testing.assert_array_equal(table["trial_return"], returns)
        assert len(table) > 40 and np.isnan(values).any() and (values[~np.isnan(values)] != 0).any()
    # Trials closed late are among them, and more windows than one.
    assert {end - following for _, _, end, following in found} == {0, -1}
    step = data["traces"]["step"].values
    assert len(trials.windows(data["traces"].to_dataset())) == 3
    assert {step[row[1]] // 300 for row in found} == {0, 1, 2}


def test_only_what_is_looked_at_is_read(monkeypatch):
    """Of neurons, the trials of the first 100 steps: no frame far from them is read."""
    read = []
    data, frames = by_chance(2, read)
    early = data.copy()
    early["traces"] = data["traces"].to_dataset().isel(time=slice(100))
    table = trials.aligned(early, "cortex", "cue", 1, 1)
    assert len(table) > 40 and max(last for _, last in read) <= 100
    read.clear()
    monkeypatch.setattr(trials, "BLOCK", 100)
    chosen = np.array([[0, 5, 9, 9], [0, 700, 703, 703]])
    first, last = chosen[:, 1], chosen[:, 3]
    cortex = data["traces"]["cortex"].variable
    parts = list(trials._around(cortex, chosen[:, 0], first, last))
    assert [(rows.tolist(), known) for rows, known, _ in parts] == [([0], 5), ([1], 700)]
    assert read == [(5, 10), (700, 704)]
    trials.aligned(data, "cortex", "cue", 1, 1)
    assert max(b - a for a, b in read) <= 110 < frames  # blocks, and a trial more


def test_where_no_trial_ended_there_is_none():
    data, _ = by_chance(3)
    data["trials"] = data["trials"].to_dataset().isel(trial=slice(0))
    for frames in (0, 200):
        part = data.copy()
        part["traces"] = data["traces"].to_dataset().isel(time=slice(frames))
        assert trials.whole_trials(part).shape[1] == 4
        assert trials.aligned(part, "cortex", "told", 1, 1).shape == (0, 3, 4)
