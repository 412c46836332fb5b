"""Recordings of any length: on disk until looked at, written a block at a time, whole or not at all."""

import copy
import gc
import json
import os
import pickle
import resource
import shutil
import subprocess
import sys

import netCDF4
import numpy as np
import pytest
import xarray as xr

from bgrl import assembly, dataset, recording
from bgrl.errors import InputError, RunError
from bgrl.layout import layout
from bgrl.recording import TRIAL, Record, Rows, Sink
from bgrl.simulation import Run, simulate

LAYOUT = {
    "dopamine.td_error": ("float32", (3,)),
    "cortex.rate": ("float64", (3, 5)),
    "input.x": ("float64", (3, 6)),
    "oracle.product": ("float64", (3, 2)),
    "oracle.square": ("float64", (3, 2)),
    "oracle.exact_square": ("float64", (3, 2)),
    "dopamine.updates": ("int64", ()),
}
NAMES = {
    "dopamine": "dopamine.td_error",
    "cortex": "cortex.rate",
    "observation": "input.x",
    "dopamine.updates": "dopamine.updates",
    **{k: recording.VARIABLES[k].sources for k in recording.TOGETHER["gradients"]},
}


def recorded(folder, frames, trials=()):
    """A sink with that many frames of random numbers, and trials of the replicates given."""
    sink = Sink(folder, NAMES.values(), LAYOUT)
    generator = np.random.default_rng(1)
    rows = np.zeros(frames, sink.dtype)
    rows["step"] = 7 * np.arange(1, frames + 1)
    for name, (_, shape) in LAYOUT.items():
        rows[name] = generator.integers(0, 50, (frames, *shape))
    rows.tofile(sink.frames_path)
    found = np.zeros(len(trials), TRIAL)
    found["replicate"], found["step"] = trials, 3 * np.arange(len(trials))
    found["trial_return"], found["terminated"] = generator.normal(size=len(trials)), 1
    found["length"] = 3
    found.tofile(sink.trials_path)
    return sink, rows, found


def assembled(small_agent, sink):
    recorded = layout(small_agent(replicates=3), Run(1), NAMES, sink)
    groups = {
        "/trials": assembly._trials(recorded, *sink.sorted_trials(3)),
        "/traces": assembly._traces(recorded, sink.read_frames()),
    }
    attributes = {"schema_version": dataset.SCHEMA_VERSION}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attributes), **groups})


def block_of(monkeypatch, size):
    for module in (assembly, dataset, recording):
        monkeypatch.setattr(module, "BLOCK", size)


@pytest.mark.parametrize("frames", [0, 1, 4, 9, 100])
@pytest.mark.parametrize("block", [1, 1000, 10**9])
def test_blocks_equal_what_was_recorded(small_agent, tmp_path, monkeypatch, frames, block):
    """A frame takes 436 bytes, so that a block is one frame, two, or all."""
    block_of(monkeypatch, block)
    trials = np.random.default_rng(0).choice(3, frames, p=[0.7, 0.3, 0])
    sink, rows, ended = recorded(tmp_path, frames, trials)
    assert sink.dtype.itemsize == 436
    dataset.write(assembled(small_agent, sink), tmp_path / "data.nc")
    data = dataset.read(tmp_path / "data.nc")
    traces = data["traces"]
    assert dict(traces.sizes) | {"time": frames} == dict(traces.sizes)
    for name in ("dopamine", "cortex"):
        np.testing.assert_array_equal(traces[name], np.moveaxis(rows[NAMES[name]], 0, 1))
    np.testing.assert_array_equal(traces["dopamine.updates"], rows["dopamine.updates"])
    # The inputs are three observations, two actions and the reward.
    np.testing.assert_array_equal(
        traces["observation"], np.moveaxis(rows["input.x"], 0, 1)[..., :3]
    )
    np.testing.assert_array_equal(traces["step"], 7 * np.arange(1, frames + 1))
    np.testing.assert_allclose(traces["time"], 0.02 * 7 * np.arange(1, frames + 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.sqrt(rows["oracle.square"] / rows["oracle.exact_square"])
    ratio[~np.isfinite(ratio)] = np.nan
    np.testing.assert_array_equal(traces["gradient_norm_ratio"], np.moveaxis(ratio, 0, 1))
    assert traces["cortex"].dtype == float and traces["dopamine"].dtype == np.float32
    longest = max((np.count_nonzero(trials == r) for r in range(3)), default=0)
    assert dict(data["trials"].sizes) == {"replicate": 3, "trial": longest}
    for r in range(3):
        mine, missing = ended[trials == r], longest - np.count_nonzero(trials == r)
        for name, field in (("trial_return", "trial_return"), ("end_step", "step")):
            expected = [*mine[field], *[np.nan] * missing]
            np.testing.assert_array_equal(data["trials"][name][r], expected)


def test_a_mean_over_trials_is_one_in_memory_and_in_the_file(small_agent, tmp_path):
    """Replicates have 9, 4 and 0 trials; what a replicate lacks counts in no mean."""
    trials = [0, 1, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0]
    sink, _, ended = recorded(tmp_path, 3, trials)
    memory = assembled(small_agent, sink)
    dataset.write(memory, tmp_path / "data.nc")
    fields = {"length": "length", "end_step": "step", "terminated": "terminated"}
    with xr.open_datatree(tmp_path / "data.nc", engine="netcdf4") as file:
        for name, field in (fields | {"trial_return": "trial_return"}).items():
            expected = [ended[field][ended["replicate"] == r].mean() for r in (0, 1)]
            for data in (memory, file, dataset.read(tmp_path / "data.nc")):
                variable = data["trials"][name]
                np.testing.assert_allclose(variable.mean(), ended[field].mean())
                np.testing.assert_allclose(variable.mean("trial"), [*expected, np.nan])
                assert variable.dtype == float
        # As a program that knows netCDF only reads it: missing is what _FillValue says.
        assert all(np.isnan(file["trials"][name].encoding["_FillValue"]) for name in fields)
    xr.testing.assert_identical(memory, dataset.read(tmp_path / "data.nc"))


@pytest.mark.parametrize("size", [1000, 10**6])
def test_any_part_can_be_looked_at(size, small_agent, tmp_path, monkeypatch):
    block_of(monkeypatch, size)
    sink, rows, _ = recorded(tmp_path, 50)
    cortex = assembled(small_agent, sink)["traces"]["cortex"]
    expected = np.moveaxis(rows["cortex.rate"], 0, 1)
    for key in (
        np.s_[:, ::7],
        np.s_[1, 3:40:5, 2],
        np.s_[-1, -1],
        np.s_[:, ::-3, :2],
        np.s_[[2, 0], 10:11],
        np.s_[:, [40, 3, 3], -1],
        np.s_[:, 9:3],
    ):
        np.testing.assert_array_equal(cortex[key].values, expected[key])
    with pytest.raises(IndexError):
        cortex[:, 50]
    trials = cortex.mean("time")
    np.testing.assert_allclose(trials, expected.mean(axis=1))


def test_it_outlives_its_files_and_can_be_copied_and_sent(small_agent, tmp_path):
    sink, rows, ended = recorded(tmp_path, 20, [0, 0, 1, 2])
    data = assembled(small_agent, sink)
    for path in tmp_path.iterdir():
        path.unlink()
    for same in (data, copy.deepcopy(data), pickle.loads(pickle.dumps(data))):
        np.testing.assert_array_equal(same["traces"]["dopamine"], rows["dopamine.td_error"].T)
        np.testing.assert_array_equal(same["trials"]["end_step"][0], ended["step"][:2])


def test_a_run_leaves_no_files_that_nobody_looks_at(small_agent, tmp_path):
    run = Run(40, backend="numpy", evaluations=1, record=Record(("dopamine",)))
    data = simulate(small_agent(), run, tmp_path / "work")
    names = {p.name for p in (tmp_path / "work").iterdir()}
    kept = {"run.json", "progress.json", "state-40.npz", "weights-0.npz", "weights-40.npz"}
    assert names == kept | {"frames.bin", "trials.bin", "layout.json"}
    assert data["traces"]["dopamine"].shape == (2, 40)


LONG = """
import json, sys
from pathlib import Path
import netCDF4
import numpy as np
import models
from bgrl import assembly, dataset, tasks
from bgrl.layout import layout
from bgrl.recording import TRIAL, Sink
from bgrl.simulation import Run
import xarray as xr

agent = models.agent("rtrrl", tasks.make("memory_chain", length=3), 100, 2, "float64")
state = {"dopamine.td_error": ("float64", (2,)), "cortex.rate": ("float64", (2, 100))}
names = {"dopamine": "dopamine.td_error", "cortex": "cortex.rate"}
peaks = []


def note_peak():
    status = Path("/proc/self/status").read_text()
    peaks.append(int(status.split("VmHWM:")[1].split()[0]) / 1000)


for frames, trials in ((10, 10), (125_000, 2_000_000)):
    sink = Sink(sys.argv[1], names.values(), state)
    with open(sink.frames_path, "wb") as file:
        file.truncate(frames * sink.dtype.itemsize)
    with open(sink.trials_path, "wb") as file:
        for first in range(0, trials, 100_000):
            rows = np.zeros(min(100_000, trials), TRIAL)
            rows["replicate"] = np.arange(len(rows)) % 3 // 2
            rows.tofile(file)
    recorded = layout(agent, Run(1), names, sink)
    trials = assembly._trials(recorded, *sink.sorted_trials(2))
    groups = {"trials": trials, "traces": assembly._traces(recorded, sink.read_frames())}
    dataset.write(xr.DataTree.from_dict(groups), sys.argv[1] + "/data.nc")
    note_peak()
sizes = {k: g.sizes for k, g in groups.items()}
groups["traces"]["cortex"].load()
note_peak()
print(json.dumps([peaks, sizes["traces"]["time"], sizes["trials"]["trial"]]))
"""


@pytest.mark.long
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no /proc to ask")
def test_memory_does_not_grow_with_the_recording(tmp_path):
    """200 MB of frames and 80 MB of trials pass through less than 60 MB of memory."""
    result = subprocess.run(
        [sys.executable, "-c", LONG, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path])},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    (short, long, loaded), frames, trials = json.loads(result.stdout)
    assert (frames, trials) == (125_000, 1_333_340)
    assert os.path.getsize(tmp_path / "frames.bin") == 203_000_000
    assert long - short < 60
    assert loaded - long > 150  # what is not small is seen
    with xr.open_datatree(tmp_path / "data.nc", engine="netcdf4") as data:
        assert data["traces"]["cortex"].shape == (2, 125_000, 100)


def test_a_full_disk_while_writing_leaves_what_was_there(small_agent, tmp_path):
    """The limit to the size of a file stands for a full disk: it comes amid the blocks."""
    sink, _, _ = recorded(tmp_path, 20_000)
    data, path = assembled(small_agent, sink), tmp_path / "data.nc"
    path.write_bytes(b"before")
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        with pytest.raises(RunError, match=r"cannot write .*data\.nc: .*; is the disk full\?$"):
            dataset.write(data, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert path.read_bytes() == b"before"
    assert {p.name for p in tmp_path.iterdir()} == {"data.nc", "frames.bin", "trials.bin"}
    dataset.write(data, path)
    assert dataset.read(path)["traces"].sizes["time"] == 20_000


def test_what_is_recorded_later_changes_no_earlier_dataset(tmp_path, monkeypatch):
    monkeypatch.setattr("bgrl.recording.BLOCK", 100)
    sink, _, rows = recorded(tmp_path, 0, [0, 1] * 10)
    first, counts = sink.sorted_trials(2)
    assert first.few is None and counts.tolist() == [10, 10]
    before = first[10:]["trial_return"].copy()
    np.testing.assert_array_equal(before, rows["trial_return"][1::2])
    with open(sink.trials_path, "ab") as file:
        file.write(rows[::2].tobytes())
    later, counts = sink.sorted_trials(2)
    assert counts.tolist() == [20, 10]
    np.testing.assert_array_equal(later[20:]["trial_return"], before)
    np.testing.assert_array_equal(first[10:]["trial_return"], before)


def test_frames_larger_than_a_type_of_rows_are_refused(tmp_path):
    layout = {"a.b": ("float32", (600, 32, 1000, 32)), "a.c": ("float64", (1,))}
    message = r"of a step \(a.c, a.b\) takes 2,457,600,008 bytes; 2,147,483,639 at the most"
    with pytest.raises(InputError, match=message):
        Sink(tmp_path, ("a.c", "a.b"), layout)
    largest = Sink(tmp_path, ("a.b",), {"a.b": ("int8", (2**31 - 9,))})
    assert largest.dtype.itemsize == 2**31 - 1


def test_small_recordings_hold_no_files_open(small_agent, tmp_path):
    sinks = [
        recorded(tmp_path / str(k), 20, [0, 1]) for k in range(3) if not (tmp_path / str(k)).mkdir()
    ]
    gc.collect()  # files of other tests may be closed at any time
    before = len(os.listdir("/proc/self/fd"))
    kept = [assembled(small_agent, sink) for sink, _, _ in sinks]
    assert len(os.listdir("/proc/self/fd")) <= before
    for data, (_, rows, _) in zip(kept, sinks, strict=True):
        np.testing.assert_array_equal(data["traces"]["dopamine"], rows["dopamine.td_error"].T)


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="no /proc to ask")
def test_large_recordings_hold_no_files_open_and_last_as_long_as_the_dataset(
    small_agent, tmp_path, monkeypatch
):
    monkeypatch.setattr("bgrl.recording.BLOCK", 100)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    run = Run(60, backend="numpy", evaluations=1, record=Record(("dopamine",)))
    simulate(small_agent(), run)  # what the first run opens for good, a log for instance
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    kept = [simulate(small_agent(), run) for _ in range(2)]
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before
    assert len(list((tmp_path / "temporary").glob("bgrl-run-*"))) == 2
    in_folder = simulate(small_agent(), run, tmp_path / "work")
    simulations = (*kept, in_folder)
    for data in simulations:
        for group, variable in (("traces", "dopamine"), ("trials", "end_step")):
            first, other = (d[group][variable].copy(deep=True) for d in (kept[0], data))
            np.testing.assert_array_equal(first, other)
    dataset.write(in_folder, tmp_path / "a.nc")
    shutil.rmtree(tmp_path / "work")
    with pytest.raises(RunError, match=r"frames\.bin, which is gone; save a dataset before"):
        in_folder["traces"]["dopamine"].load()
    del data, kept, simulations, first, other
    gc.collect()
    assert not list((tmp_path / "temporary").glob("bgrl-run-*"))


def test_a_run_that_is_refused_leaves_no_temporary_folder(small_agent, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(InputError, match="cannot record 'mood'"):
        simulate(small_agent(), Run(40, backend="numpy", record=Record(("mood",))))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match=r"cannot write .*x\.nc: there is no folder .*none$"):
        dataset.write(xr.DataTree(), tmp_path / "none" / "x.nc")
    with pytest.raises(InputError, match="it is a folder"):
        dataset.write(xr.DataTree(), tmp_path)
    with pytest.raises(InputError, match="it is a folder"):
        dataset.read(tmp_path)


def test_rows_are_those_at_the_time_of_opening(tmp_path):
    path = tmp_path / "rows.bin"
    np.arange(5).tofile(path)
    rows = Rows(path, np.dtype("<i8"))
    with open(path, "ab") as file:
        np.arange(2).tofile(file)
    assert len(rows) == 5 and rows[3:9].tolist() == [3, 4]
    with pytest.raises(FileNotFoundError):
        Rows(tmp_path / "none.bin", np.dtype("<i8"))


def test_text_is_kept_as_characters(tmp_path):
    """Files with strings of any length crash in HDF5 when they are opened twice and closed once."""
    words = {"failure": ("a", np.array(["", ""], object)), "unit": ("a", np.array(["µ→x", "bb"]))}
    group = xr.Dataset(words, {"task": ("a", ["catch", "maze"])})
    dataset.write(xr.DataTree.from_dict({"/": xr.Dataset(), "/points": group}), tmp_path / "a.nc")
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        assert {v.dtype.str for v in file["points"].variables.values()} == {"|S1"}
    with xr.open_datatree(tmp_path / "a.nc", engine="netcdf4") as data:
        for name, variable in group.variables.items():
            assert data["points"][name].values.tolist() == variable.values.tolist()


def test_the_revision_is_that_of_a_checkout_of_the_package(tmp_path, monkeypatch):
    """Not of the project of somebody who installed the package inside of it."""

    def git(*words):
        names = ["-c", "user.name=a", "-c", "user.email=a@b"]
        done = subprocess.run(
            ["git", "-C", tmp_path, *names, *words], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    own, installed = tmp_path / "dataset.py", tmp_path / "venv" / "dataset.py"
    installed.parent.mkdir()
    for file in (own, installed):
        file.write_text("")
    git("init", "-q")
    git("add", own.name)
    git("commit", "-q", "-m", "first")
    monkeypatch.setattr(dataset, "__file__", str(own))
    assert dataset.provenance()["source_revision"] == git("rev-parse", "--short", "HEAD")
    monkeypatch.setattr(dataset, "__file__", str(installed))
    assert dataset.provenance()["source_revision"] == ""
    monkeypatch.setenv("PATH", "")
    assert dataset.provenance()["source_revision"] == ""
