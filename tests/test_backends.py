"""Backends agree with each other; programs are cached, and the cache survives what happens."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from bgrl.backends import cpp, load
from bgrl.errors import InputError, RunError

STEPS = 200
#: Float64 backends differ by rounding alone; the closed loop must not have amplified it further.
TOLERANCE = 1e-9


def closed_loop(agent, backend, seed=0):
    program = load(backend, agent.structure())
    state = program.advance(agent.initial_state(program.layout, seed), 0, 1, learn=False)
    return program.advance(state, 1, STEPS)


def distance(a, b):
    assert a.keys() == b.keys()
    return max(float(np.abs(a[k].astype(float) - b[k]).max()) for k in a)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["memory_chain", "stateless_cartpole"])
def test_cpp_equals_numpy(small_agent, task):
    agent = small_agent(task)
    expected = closed_loop(agent, "numpy")
    assert distance(closed_loop(agent, "cpp"), expected) < TOLERANCE
    assert distance(closed_loop(agent, "cpp", seed=1), expected) > 1e-3


@pytest.mark.slow
def test_cython_equals_numpy(small_agent):
    agent = small_agent(sensitivity="rtrl")
    expected = closed_loop(agent, "numpy")
    assert distance(closed_loop(agent, "cython"), expected) < TOLERANCE
    assert distance(closed_loop(agent, "cython", seed=1), expected) > 1e-3


def test_programs_do_not_disturb_each_other_or_brian(small_agent):
    import brian2

    before = brian2.prefs["codegen.target"], brian2.prefs["core.default_float_dtype"]
    agent = small_agent()
    first, second = (load("numpy", agent.structure()) for _ in range(2))
    start = agent.initial_state(first.layout, 0)
    once = first.advance(start, 0, 5)
    second.advance(agent.initial_state(second.layout, 7), 0, 9)
    assert distance(first.advance(start, 0, 5), once) == 0
    assert (brian2.prefs["codegen.target"], brian2.prefs["core.default_float_dtype"]) == before


def test_single_precision_on_numpy(small_agent):
    agent = small_agent(dtype="float32")
    program = load("numpy", agent.structure())
    assert program.layout["cortex.rate"] == ("float32", (2, 5))
    state = program.advance(agent.initial_state(program.layout, 0), 0, 30)
    double = small_agent()
    other = load("numpy", double.structure())
    expected = other.advance(double.initial_state(other.layout, 0), 0, 30)
    assert 0 < distance(state, expected) < 1e-2


def test_unknown_backend(small_agent):
    with pytest.raises(InputError, match="unknown backend 'fortran'; valid: cpp, cython, numpy"):
        load("fortran", small_agent().structure())


def test_missing_compiler(small_agent, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(InputError, match="no C\\+\\+ compiler found"):
        load("cpp", small_agent().structure())


def test_unwritable_cache(small_agent, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("BGRL_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(InputError, match="cannot write the cache"):
        load("cpp", small_agent().structure())


@pytest.mark.slow
def test_failed_compilation_leaves_nothing(small_agent, monkeypatch, tmp_path):
    monkeypatch.setenv("BGRL_CACHE", str(tmp_path))
    broken = tmp_path / "broken-g++"
    broken.write_text(
        '#!/bin/sh\ncase "$1" in --version) echo broken 1;; *) echo no luck >&2; exit 1;; esac\n'
    )
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    with pytest.raises(RunError, match="the C\\+\\+ compiler failed: no luck"):
        load("cpp", small_agent().structure())
    assert list((tmp_path / "programs").iterdir()) == []
    assert list((tmp_path / "recipes").iterdir()) == []


@pytest.mark.slow
def test_a_built_program_starts_at_once_and_without_brian(small_agent):
    agent = small_agent()
    load("cpp", agent.structure())
    code = (
        "import sys, json; from bgrl.backends import load;"
        "p = load('cpp', json.loads(sys.argv[1])); assert 'brian2' not in sys.modules;"
        "print(p.directory)"
    )
    structure = cpp.describe(agent.structure())
    command = [sys.executable, "-c", code, structure]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    output = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert output.stdout.strip() == str(load("cpp", agent.structure()).directory)


@pytest.mark.slow
def test_a_killed_build_is_built_again_and_once_for_all(small_agent, tmp_path):
    agent = small_agent(units=4)
    counting = tmp_path / "g++"
    counting.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\nexec {cpp.compiler()} "$@"\n')
    counting.chmod(0o755)
    code = (
        "import sys, json; from bgrl.backends import load;"
        "load('cpp', json.loads(sys.argv[1]), lambda text: print(text, flush=True))"
    )
    command = [sys.executable, "-c", code, cpp.describe(agent.structure())]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "BGRL_CACHE": str(tmp_path / "cache"),
        "CXX": str(counting),
    }

    def start():
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    process = start()
    deadline = time.monotonic() + 60
    while (
        not list(tmp_path.glob("cache/programs/.building-*/step_unit.cpp"))
        and time.monotonic() < deadline
    ):
        time.sleep(0.05)
    process.kill()
    process.communicate()
    assert not list(tmp_path.glob("cache/recipes/*"))
    assert len(list(tmp_path.glob("cache/programs/.building-*"))) == 1
    (tmp_path / "calls").unlink(missing_ok=True)
    both = [start(), start()]
    said = sorted(process.communicate()[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert said == [
        "another process compiles the same program; waiting\n",
        "compiling the circuit and the task to C++ (once)\n",
    ]
    calls = (tmp_path / "calls").read_text().splitlines()
    assert sum(call.endswith("-o main") for call in calls) == 1
    (program,) = (tmp_path / "cache" / "programs").iterdir()
    kept = {"main", "manifest.json", "structure.json", "static_arrays", "lock"}
    assert {path.name for path in program.iterdir()} == kept
    assert len(list(tmp_path.glob("cache/recipes/*.json"))) == 1
    assert not list(tmp_path.glob("cache/locks/*"))


@pytest.mark.slow
def test_a_wrong_state_file_is_refused(small_agent):
    agent = small_agent()
    program = load("cpp", agent.structure())
    state = agent.initial_state(program.layout, 0)
    program.layout = {k: v for k, v in program.layout.items() if k != "cortex.rate"}
    with pytest.raises(RunError, match="state file does not fit"):
        program.advance(state, 0, 1)
