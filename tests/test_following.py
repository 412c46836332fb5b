"""A run that goes on is seen as it will be in its file, and is not disturbed."""

import json
import os

import numpy as np
import pytest
import xarray as xr

import bgrl
from bgrl import dataset, simulation
from bgrl.checkpoints import Work
from bgrl.errors import InputError, RunError
from bgrl.recording import Record
from bgrl.simulation import Run, simulate

RUN = Run(
    60,
    backend="numpy",
    evaluations=2,
    evaluation_trials=2,
    final_trials=2,
    record=Record(("dopamine", "cortex", "policy", "done", "dopamine.updates")),
)


def state(folder):
    """Names, sizes and times of all files."""
    return {p.name: (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.iterdir()}


@pytest.fixture
def followed(small_agent, tmp_path, monkeypatch):
    """A finished run's file, and what was seen of the run at each of its checkpoints."""
    seen, save = [], Work.save
    monkeypatch.setattr(simulation, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(simulation, "CHUNK_SECONDS", 0.0)
    monkeypatch.setattr(simulation, "_FIRST_CHUNK", 7)

    def save_and_look(self, *args, **kwargs):
        save(self, *args, **kwargs)
        before = state(self.path)
        seen.append(bgrl.follow(self.path))
        seen[-1].load()
        assert state(self.path) == before

    monkeypatch.setattr(Work, "save", save_and_look)
    data = simulate(small_agent(), RUN, tmp_path / "run.nc.partial")
    dataset.write(data, tmp_path / "run.nc")
    return tmp_path, seen


def test_what_is_followed_is_the_start_of_what_is_found_at_the_end(followed):
    folder, seen = followed
    lengths = [tree["traces"].sizes["time"] for tree in seen]
    assert lengths[0] == 0 and lengths[-1] == 60 and len(set(lengths)) >= 5
    evaluations = [tree["evaluation"].sizes["checkpoint"] for tree in seen]
    assert {0, 1, 2, 3} == set(evaluations)
    with bgrl.open(folder / "run.nc") as whole:
        for tree in seen:
            sizes = {"time": 0, "trial": 0, "checkpoint": 0}
            sizes |= {dim: n for group in tree.subtree for dim, n in group.sizes.items()}
            part = xr.DataTree.from_dict(
                {
                    group.path: group.to_dataset(inherit=False).isel(
                        {
                            d: slice(sizes[d])
                            for d in ("time", "trial", "checkpoint")
                            if d in group.dims
                        }
                    )
                    for group in whole.subtree
                }
            )
            if not sizes["checkpoint"]:  # before the first there are no weights
                del part["weights"], tree["weights"]
            xr.testing.assert_identical(part, tree)
        last = seen[-1]["traces"]["dopamine"].values
        assert np.ptp(last) > 0.1 and (last == whole["traces"]["dopamine"].values).all()


def test_half_a_frame_does_not_count(followed):
    folder, _ = followed
    work = folder / "run.nc.partial"
    whole = bgrl.follow(work)["traces"]["cortex"].values
    for name in ("frames.bin", "trials.bin"):
        with open(work / name, "ab") as file:
            file.write(b"\x01" * 5)
    np.testing.assert_array_equal(bgrl.follow(work)["traces"]["cortex"], whole)
    # What is appended meanwhile belongs to the next look.
    before = bgrl.follow(work)
    content = (work / "frames.bin").read_bytes()
    row = (len(content) - 5) // 60
    (work / "frames.bin").write_bytes(content[:-5] + content[:row])
    assert before["traces"].sizes["time"] == 60
    after = bgrl.follow(work)["traces"]
    assert after.sizes["time"] == 61
    np.testing.assert_array_equal(after["cortex"][:, 60], whole[:, 0])


def test_many_frames_are_read_when_looked_at_and_a_cut_is_said(followed, monkeypatch):
    folder, seen = followed
    monkeypatch.setattr("bgrl.recording.BLOCK", 100)
    work = folder / "run.nc.partial"
    before = state(work)
    tree = bgrl.follow(work)
    traces, trials = tree["traces"].to_dataset(), tree["trials"].to_dataset()
    assert list(traces.xindexes) == ["replicate", "action_unit"]
    for key in (np.s_[1, 5:40:3], np.s_[:, 59], np.s_[:, 9:3]):
        expected = seen[-1]["traces"]["cortex"].values[key]
        np.testing.assert_array_equal(traces["cortex"][key], expected)
    np.testing.assert_array_equal(trials["end_step"], seen[-1]["trials"]["end_step"])
    assert state(work) == before
    os.truncate(work / "frames.bin", 1000)
    with pytest.raises(RunError, match=r"frames\.bin is shorter or gone by now; follow"):
        traces["dopamine"][:, -1].load()


def test_what_is_no_unfinished_run_is_said(small_agent, tmp_path):
    foreign, several = tmp_path / "foreign", tmp_path / "several"
    foreign.mkdir()
    (foreign / "thesis.tex").touch()
    for path, reason in (
        (tmp_path / "none", "there is no such folder"),
        (foreign / "thesis.tex", "is a file, no folder of an unfinished run; bgrl.open opens it"),
        (foreign, "is no folder of an unfinished run$"),
        (several, r"holds several runs; choose one: .*/a, .*/b$"),
    ):
        for name in "ab" if path == several else "":
            simulate(small_agent(), RUN, several / name)
        with pytest.raises(InputError, match=reason) as error:
            bgrl.follow(path)
        assert "\n" not in str(error.value)
    (foreign / "command.json").touch()
    with pytest.raises(InputError, match="its run has not begun yet"):
        bgrl.follow(foreign)
    work = several / "a"
    (work / "layout.json").write_text("{")
    with pytest.raises(InputError, match=r"layout\.json cannot be read"):
        bgrl.follow(work)
    (work / "layout.json").unlink()
    with pytest.raises(InputError, match="not begun by this version, or only just now"):
        bgrl.follow(work)
    # Frames of another run that took the folder over have no progress yet.
    work = several / "b"
    progress = json.loads((work / "progress.json").read_text())
    (work / "progress.json").write_text(json.dumps(progress | {"run": "other"}))
    assert bgrl.follow(work)["evaluation"].sizes["checkpoint"] == 0
    (work / "frames.bin").unlink()
    with pytest.raises(InputError, match=r"has no frames\.bin any more"):
        bgrl.follow(work)
