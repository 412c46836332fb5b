"""The benchmark's suite: the arithmetic of the limit, the form of the file, the figure, the command."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis import benchmark, plot
from bgrl import dataset
from bgrl.backends import cuda
from bgrl.errors import InputError, RunError
from bgrl.slots import SLOTS
from experiments import _measure, suite

ROOT = Path(__file__).parents[1]
PEAK = {"sgemm": 1e11, "working_set": [1e3, 1e5], "bandwidth": [1e10, 1e9]}
MACHINE = {
    "processor": "abacus",
    "cores": 2,
    "compiler": "c++ 1.0",
    "load_average_before": 0.1,
    "load_average_after": 0.2,
}


def measured(rate, state_size, moved, operations, share=0.9):
    """A row in which the first slot does all the work, and the last one takes the rest of the time."""
    spread = [0] * (len(SLOTS) - 1)
    return {
        "steps_per_second": [0.9 * rate, rate, 1.2 * rate],
        "timed_steps": 100,
        "build_seconds": 3.0,
        "state_size": state_size,
        "peak_memory": 40e6,
        "slot_seconds": [share / rate, *spread[1:], (1 - share) / rate],
        "slot_bytes": [moved, *spread],
        "slot_operations": [operations, *spread],
    }


def by_hand(skipped=(), others=False):
    """Two methods; `rtrl` is bound by its operations, `rflo` by memory."""
    config = suite.Config(methods="rflo,rtrl", units="8,32", replicates="1,4")
    rows = {
        ("", "rflo", 8, 1): measured(4e5, 1e3, 1e3, 1e3),
        ("", "rflo", 32, 1): measured(1e5, 1e4, 1e4, 1e3),
        ("", "rflo", 32, 4): measured(2e5, 1e5, 4e4, 4e3),
        ("", "rtrl", 8, 1): measured(1e5, 1e3, 1e3, 1e5),
        ("", "rtrl", 32, 1): measured(1e4, 1e5, 1e3, 5e6, share=0.6),
        ("", "rtrl", 32, 4): measured(1e4, 1e5, 4e3, 2e7),
    }
    if others:
        rows |= {
            ("", "none", 32, 4): measured(1e6, 1e3, 1e3, 1e3),
            ("float64", "rflo", 8, 1): measured(2e5, 2e3, 0, 0),
            ("float64", "rflo", 32, 1): measured(1e5, 2e4, 0, 0),
            ("float64", "rtrl", 32, 1): measured(4e3, 2e5, 0, 0),
            ("cuda-emulated", "rflo", 32, 1): measured(5e4, 1e4, 0, 0),
            ("cuda-emulated", "rflo", 32, 4): measured(6e4, 4e4, 0, 0),
            ("cuda-emulated", "rtrl", 32, 4): measured(1e3, 4e5, 0, 0),
        }
    slower = PEAK | {"sgemm": 5e10, "bandwidth": [5e9, 2e8]}
    return suite.dataset(config, rows, list(skipped), [slower, PEAK], MACHINE)


def at(values, method, units, replicates=1):
    return float(values.sel({"method": method, "units": units, "replicates": replicates}))


def test_limit_is_the_larger_of_two_times():
    data = by_hand()
    limit = benchmark.limit(data)
    assert limit.attrs["units"] == "s"
    np.testing.assert_allclose(at(limit, "rflo", 8), 1e3 / 1e10)  # 0.1 µs to move, 0.01 to compute
    # Half way between the sizes that were measured, on logarithmic axes.
    np.testing.assert_allclose(at(limit, "rflo", 32), 1e4 / 10**9.5)
    np.testing.assert_allclose(at(limit, "rtrl", 32), 5e6 / 1e11)
    assert np.isnan(at(limit, "rtrl", 8, replicates=4))


def test_another_machine_or_another_count_has_another_limit():
    right = benchmark.limit(by_hand())
    for group, name in (("machine", "sgemm"), ("benchmark", "slot_operations")):
        wrong = by_hand()
        wrong[group][name] = wrong[group][name] * 2
        assert abs(at(benchmark.limit(wrong), "rtrl", 32) / at(right, "rtrl", 32) - 1) > 0.4
    wrong = by_hand()
    wrong["machine"]["bandwidth"] = wrong["machine"]["bandwidth"] * 2
    assert at(benchmark.limit(wrong), "rtrl", 32) == at(right, "rtrl", 32)
    assert at(benchmark.limit(wrong), "rflo", 8) < 0.6 * at(right, "rflo", 8)


def test_fraction_counts_all_replicates():
    fraction = benchmark.fraction(by_hand())
    np.testing.assert_allclose(at(fraction, "rtrl", 32), 1e4 * 5e-5)
    # 10,000 steps a second of four agents are 2500 steps of the program, of 0.2 ms at least.
    np.testing.assert_allclose(at(fraction, "rtrl", 32, 4), 2500 * 2e-4)


def test_dataset_is_labelled_and_redrawn_from_its_file(tmp_path):
    path = tmp_path / "suite.nc"
    dataset.write(by_hand(), path)
    data = dataset.read(path)
    assert data["benchmark"]["steps_per_second"].dims == (*suite._GRID, "repeat")
    assert data["benchmark"]["slot_bytes"].dims == (*suite._GRID, "slot")
    assert data["benchmark"]["slot"].values.tolist() == list(SLOTS)
    assert data["benchmark"]["units"].values.tolist() == [8, 32]
    for group in ("benchmark", "machine"):
        for name, variable in data[group].variables.items():
            assert variable.attrs["units"] and variable.attrs["long_name"], name
    assert data["machine"].attrs["processor"] == "abacus"
    assert dataset.configuration(data)["methods"]["lru"] == ["lru", "snap1"]
    assert data.attrs["experiment"] == "benchmark" and data.attrs["versions"]
    assert plot.main([str(path)]) == 0
    assert (tmp_path / "suite-overview.png").stat().st_size > 10_000


def test_figure_says_what_was_found():
    figure = benchmark.figure(by_hand())
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "At 32 neurons: 10,000 (rtrl) to 100,000 (rflo) steps/s",
        "Of the limit: 0.04 (rflo at 8) to 0.5 (rtrl at 32)",
        "Rate with 4 over 1: 1.00 (rtrl) to 2.00 (rflo)",
        "environment is 90% of rflo; in rtrl no slot is above 60%",
        "A build takes 3.0 to 3.0 s",
        "At most 40 MB, for rtrl at 32 neurons",
    ]
    assert [ax.get_ylabel() for ax in figure.axes] == [
        "task steps per second",
        "fraction of the limit reached",
        "task steps per second",
        "",
        "build from nothing (s)",
        "peak memory (MB)",
    ]
    assert all(ax.get_xlabel() for ax in figure.axes)
    # A line for each method, its limit, and none of what was not measured.
    rate = figure.axes[0]
    assert [len(line.get_xdata()) for line in rate.lines] == [2, 2, 2, 2]
    np.testing.assert_allclose(rate.lines[-1].get_ydata()[1], 1 / 5e-5)
    slots = figure.axes[3].get_legend().get_texts()
    assert [text.get_text() for text in slots][-1] == "environment, reset, dopamine"
    lines = figure.axes[4].get_legend().get_texts()
    assert [text.get_text() for text in lines][:2] == ["rflo", "rtrl"]


def test_figure_compares_precisions_and_backends():
    figure = benchmark.figure(by_hand(others=True))
    precision, backends, empty = figure.axes[6:]
    assert precision.get_title(loc="left") == (
        "float32 is 1.00 (rflo at 32) to 2.50 (rtrl at 32) times as fast"
    )
    np.testing.assert_allclose(precision.lines[0].get_ydata(), [2, 1])
    assert backends.get_title(loc="left") == (
        "With 4 replicates cuda-emulated has 0.1 (rtrl) to 0.3 (rflo) of cpp"
    )
    drawn = [line.get_ydata().tolist() for line in backends.lines]
    assert drawn == [[1e5, 2e5], [1e4, 1e4], [5e4, 6e4], [1e3]]
    legend = [text.get_text() for text in backends.get_legend().get_texts()]
    assert legend == ["cpp", "cuda-emulated"] and not empty.axison


def test_summary_says_what_others_are_of_cpp():
    lines = benchmark.summary(by_hand(["cuda: no card"], others=True))
    assert lines[-4].split() == ["cuda-emulated", "rflo", "32", "1", "50,000", "0.500"]
    assert lines[-1] == "skipped: cuda: no card" and len(lines) == 3 + 7 + 1 + 6 + 1


def test_summary_has_a_line_for_each_program():
    lines = benchmark.summary(by_hand(["rtrl (units 9999, replicates 1): too large"]))
    assert "abacus" in lines[0] and "100 billion operations/s" in lines[1]
    (row,) = [line for line in lines if line.split()[:3] == ["rtrl", "32", "4"]]
    assert "10,000 (9,000 to 12,000)" in row and "0.500" in row and "environment (90%)" in row
    assert len(lines) == 3 + 6 + 1
    assert lines[-1] == "skipped: rtrl (units 9999, replicates 1): too large"


def test_grid():
    grid = suite.Config(methods="rtrl", units="64,8,32", replicates="4,1").grid()
    assert grid == [("rtrl", 8, 1), ("rtrl", 32, 1), ("rtrl", 64, 1), ("rtrl", 32, 4)]
    assert len(suite.Config().grid()) == 50
    assert suite.Config(methods="none", units="3", replicates="1,2").grid()[-1] == ("none", 3, 2)
    config = suite.Config(methods="rflo,lru", units="64,8,32", replicates="4,1")
    double = [("float64", "rflo", 8, 1), ("float64", "rflo", 32, 1), ("float64", "rflo", 64, 1)]
    card = [("cuda", "rflo", 32, 1), ("cuda", "rflo", 32, 4)]
    assert config.compared() == double + card + [("cuda-emulated", *c[1:]) for c in card]
    assert replace(config, programs="none").compared() == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"methods": "rtrl,bptt"}, "unknown method 'bptt'; valid: lru, none, rflo, rtrl, snap1"),
        ({"units": "8,many"}, "units is '8,many'; positive integers"),
        ({"programs": "float16"}, "unknown program 'float16'; valid: cuda, cuda-emulated, float64"),
        ({"replicates": "0,4"}, "replicates is 0; a positive integer"),
        ({"seconds": 0}, "seconds is 0; a positive number"),
        ({"seconds": float("inf")}, "seconds is inf; a positive number"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        suite.run(suite.Config(**settings))


def _measured(name, settings=None, cache=""):
    """Instead of processes that measure; one of them fails."""
    if name == "peak":
        return PEAK
    if settings["units"] == 5:
        raise RunError("measure failed: it ended with status -9")
    return measured(1e5, 1e3, 1e3, 1e3)


def test_what_does_not_fit_is_skipped_and_named(monkeypatch):
    monkeypatch.setattr(suite, "_measured", _measured)
    config = suite.Config(methods="rtrl", units="4,5,3000", replicates="1", programs="none")
    data = suite.run(config)
    assert "compared" not in data.children
    assert data["benchmark"]["units"].values.tolist() == [4]
    skipped = data.attrs["skipped"].split("; rtrl")
    assert skipped[0].startswith("rtrl (units 5, replicates 1): measure failed")
    assert " (units 3000, replicates 1): the agent would need" in skipped[1]
    assert skipped[1] in benchmark.summary(data)[-1]
    with pytest.raises(RunError, match="nothing could be measured: rtrl .units 5"):
        suite.run(replace(config, units="5"))


def test_what_is_compared_and_what_is_not_here(monkeypatch):
    monkeypatch.setattr(suite, "_measured", _measured)
    monkeypatch.setattr(
        cuda.shutil,
        "which",
        lambda name, found=shutil.which: None if "nvcc" in name else found(name),
    )
    data = suite.run(suite.Config(methods="rtrl", units="4,8", replicates="1,2"))
    compared = data["compared"]["steps_per_second"]
    assert compared.dims == ("program", *suite._GRID, "repeat")
    assert compared["program"].values.tolist() == ["float64", "cuda-emulated"]
    assert compared.isel(repeat=0).notnull().sum(("units", "replicates")).values.tolist() == [
        [2],
        [2],
    ]
    assert data.attrs["skipped"].startswith("cuda: backend cuda needs NVIDIA's compiler")
    assert data.attrs["skipped"].count("cuda: ") == 1


def test_a_measurement_that_fails_says_why():
    with pytest.raises(RunError, match="build failed: .*unknown model 'gpt'"):
        suite._measured(
            "build", {"model": "gpt", "sensitivity": "rflo"} | {"units": 1, "replicates": 1}
        )


@pytest.mark.long
def test_command(tmp_path):
    grid = ["--methods", "none,rflo", "--units", "3", "--replicates", "1", "--seconds", "0.03"]
    grid += ["--programs", "float64,cuda-emulated"]
    words = ["experiments.benchmark", "--suite", *grid, "--output", tmp_path / "a.nc"]
    result = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stderr) == (0, "")  # no progress where there is no terminal
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.nc", "a.png"]
    data = dataset.read(tmp_path / "a.nc")
    others = data["compared"]["steps_per_second"].median("repeat").squeeze()
    assert others["program"].values.tolist() == ["float64", "cuda-emulated"]
    assert ((others > 1e3) & (others < 1e8)).all()
    found = data["benchmark"].to_dataset().sel({"method": "none"}).squeeze()
    assert found.sizes["repeat"] == _measure.REPEATS
    rate = float(found["steps_per_second"].median())
    assert 1e4 < rate < 1e8
    # The program's clock counts itself, and time that other processes took.
    assert 0.3 < float(found["slot_seconds"].sum()) * rate < 20
    assert 5e2 < float(found["state_size"]) < 1e5 < float(found["peak_memory"]) < 1e9
    assert float(found["build_seconds"]) > 0.5
    machine = dataset.read(tmp_path / "a.nc")["machine"]
    assert 1e8 < float(machine["sgemm"]) < 1e13
    assert (machine["bandwidth"] > 1e8).all() and (machine["bandwidth"] < 1e13).all()
