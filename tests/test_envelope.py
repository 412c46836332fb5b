"""A trace in a few bins: none of its extremes is lost, and only what is looked at is read."""

import itertools
import os
import re
import shutil

import numpy as np
import pytest
import xarray as xr
from test_dataset import NAMES, assembled, recorded

import bgrl
from analysis import envelope
from analysis.envelope import Envelopes
from bgrl import dataset

FRAMES = 3001


@pytest.fixture
def big(small_agent, tmp_path, monkeypatch):
    """A file of 3,001 frames that counts as a long recording, and what is in it."""
    monkeypatch.setattr(dataset, "LEAST", 1000)
    sink, rows, _ = recorded(tmp_path, FRAMES, [0, 1, 2])
    data = assembled(small_agent, sink)
    data.attrs["configuration"] = "{}"
    dataset.write(data, tmp_path / "data.nc")
    with bgrl.open(tmp_path / "data.nc") as opened:
        yield opened, np.moveaxis(rows[NAMES["cortex"]], 0, 1), data


def small(data):
    """The same without what only files of long recordings have."""
    return data.drop_nodes("envelope", errors="ignore")


def rows(read):
    """How many frames were read, as (first, last)."""
    return sum(max(0, last - first) for first, last in read)


@pytest.mark.parametrize("stored", [True, False])
def test_bins_hold_the_lowest_and_the_highest(big, stored):
    data, cortex, _ = big
    assert "envelope" in data.children
    traces = Envelopes(data if stored else small(data))
    for points in (1, 7, 20, 46, 47, 100, 2999, 3001, 5000):
        for start, stop in ((None, None), (700, 20_000), (7000, 7007), (8, 1500)):
            window = traces.window("cortex", start, stop, points, replicate=1)
            assert 0 < len(window.low) <= points
            assert window.low.shape == window.high.shape == (len(window.first), 5)
            # Steps are 7, 14, ..., so that frame k is of step 7 k + 7.
            edges = np.append(window.first, window.last[-1] + 7) // 7 - 1
            np.testing.assert_array_equal(window.first[1:], window.last[:-1] + 7)
            parts = [cortex[1, a:b] for a, b in itertools.pairwise(edges)]
            np.testing.assert_array_equal(window.low, [part.min(0) for part in parts])
            np.testing.assert_array_equal(window.high, [part.max(0) for part in parts])
            # What was asked for is there, and at most a bin of the file beyond it.
            inside = [s for s in range(7, 7 * FRAMES + 7, 7) if (start or 0) <= s < (stop or 1e9)]
            assert window.first[0] <= inside[0] <= inside[-1] <= window.last[-1]
            assert inside[0] - window.first[0] < 7 * 64 > window.last[-1] - inside[-1]


def test_a_burst_of_one_step_is_seen_in_the_whole_run(big):
    """A mean of each bin would show less than a tenth of it; every hundredth step, nothing."""
    data, *_ = big
    memory = small(data).load()
    values = np.zeros((3, FRAMES), np.float32)
    values[2, 1717] = 1
    values[2, 40] = np.nan
    dopamine = {"dopamine": (("replicate", "time"), values)}
    memory["traces"].dataset = memory["traces"].to_dataset().assign(dopamine)
    low, high = Envelopes(memory).window("dopamine", points=30, replicate=2)[2:]
    assert high.max() == 1 and high.sum() == 1 and low.max() == 0
    assert values[2].reshape(-1)[: 100 * 30].reshape(30, 100)[:, 0].max() == 0
    every = Envelopes(memory).window("dopamine", replicate=2, points=FRAMES)
    assert np.isnan(every.low[40]) and np.isnan(every.high).sum() == 1
    # All replicates at once, behind the bins.
    assert Envelopes(memory).window("dopamine", points=30).high.shape[1:] == (3,)


def test_of_a_run_that_goes_on_only_what_is_new_is_read(big, monkeypatch):
    data, cortex, _ = big
    memory, read = small(data).load(), []
    original = envelope._moved

    def noted(variable, dim, first, last):
        read.append((first, last))
        return original(variable, dim, first, last)

    monkeypatch.setattr(envelope, "_moved", noted)
    traces, before = Envelopes(memory), 0
    for frames in (100, 1000, 1010, FRAMES):
        part = memory.copy()
        part["traces"] = memory["traces"].to_dataset().isel(time=slice(frames))
        traces.update(part)
        read.clear()
        window = traces.window("cortex", points=10, replicate=0, cortex_unit=4)
        assert window.low.min() == cortex[0, :frames, 4].min()
        assert window.high.max() == cortex[0, :frames, 4].max()
        assert window.last[-1] == 7 * frames
        # Of the trace and of its steps, and up to the ends of bins.
        assert frames < 1000 or rows(read) <= 2 * (frames - before + 2 * 64)
        before = frames if frames >= 1000 else 0
    read.clear()
    traces.window("cortex", points=10, replicate=0, cortex_unit=4)
    assert rows(read) <= 2 * 64  # the short last bin
    read.clear()
    traces.window("cortex", points=10, replicate=1, cortex_unit=4)
    assert rows(read) > FRAMES


def test_what_is_not_there_is_said(big):
    traces = Envelopes(big[0])
    with pytest.raises(ValueError, match="'mood' was not recorded; recorded: dopamine, cortex"):
        traces.window("mood")
    with pytest.raises(ValueError, match="no dimension 'unit'; valid: replicate, cortex_unit"):
        traces.window("cortex", unit=0)
    with pytest.raises(ValueError, match="replicate is 3; 0 to 2 were recorded"):
        traces.window("cortex", replicate=3)
    with pytest.raises(ValueError, match="no traces were recorded"):
        Envelopes(xr.DataTree())
    assert len(traces.window("dopamine", 10**9).low) == 0


def test_files_read_into_memory_are_what_was_written(big, tmp_path):
    _, _, data = big
    xr.testing.assert_identical(dataset.read(tmp_path / "data.nc"), data)
    dataset.write(dataset.read(tmp_path / "data.nc"), tmp_path / "again.nc")
    assert (tmp_path / "again.nc").read_bytes() == (tmp_path / "data.nc").read_bytes()
    both = bgrl.open([tmp_path / "data.nc", tmp_path / "again.nc"])
    assert "envelope" not in both.children


def test_opening_reads_no_times_and_a_trace_lies_by_itself(big):
    data, *_ = big
    traces = data["traces"].to_dataset()
    assert list(traces.xindexes) == ["replicate", "observation_channel"]
    assert traces.set_xindex("time").sel(time=slice(0, 1)).sizes["time"] == 7
    chunks = {name: traces[name].encoding["chunksizes"] for name in ("dopamine", "cortex")}
    assert {sizes[0] for sizes in chunks.values()} == {1}
    # 3,001 numbers of 8 bytes: two neurons are 48 kB, three are more than 64.
    assert chunks["cortex"][1:] == (FRAMES, 2)
    assert re.search(r"lowest and highest", data["envelope"]["cortex"].attrs["long_name"])


def test_a_file_that_is_closed_is_not_kept_open(big, tmp_path):
    copied = shutil.copy(tmp_path / "data.nc", tmp_path / "other.nc")
    before = len(os.listdir("/proc/self/fd"))
    opened = bgrl.open(copied)
    assert len(os.listdir("/proc/self/fd")) > before
    opened.close()
    bgrl.open([copied] * 2)
    assert len(os.listdir("/proc/self/fd")) == before
