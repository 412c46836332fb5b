"""Backends agree with each other; programs are cached, and the cache survives what happens."""

import os
import subprocess
import sys
import time
from dataclasses import replace

import brian2 as b2
import numpy as np
import pytest

import models
from bgrl import random, tasks
from bgrl.backends import cpp, load, runtime
from bgrl.backends.brian import counter_uniform_function, where_function
from bgrl.errors import InputError, RunError
from bgrl.step.assemble import initial_state

STEPS = 200
#: Float64 backends differ by rounding alone; the closed loop must not have amplified it further.
TOLERANCE = 1e-9


def closed_loop(agent, backend, seed=0):
    program = load(backend, agent.structure())
    state = program.advance(initial_state(agent, program.layout, seed), 0, 1, learn=False)
    return program.advance(state, 1, STEPS)


def distance(a, b):
    assert a.keys() == b.keys()
    return max(float(np.abs(a[k].astype(float) - b[k]).max()) for k in a)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "settings"),
    [
        ("memory_chain", {}),
        ("stateless_cartpole", {}),
        # A product of several kinds of rows and of whole and partial tiles.
        ("memory_chain", {"sensitivity": "rtrl", "units": 13}),
    ],
)
def test_cpp_equals_numpy(small_agent, task, settings):
    agent = small_agent(task, **settings)
    expected = closed_loop(agent, "numpy")
    assert distance(closed_loop(agent, "cpp"), expected) < TOLERANCE
    assert distance(closed_loop(agent, "cpp", seed=1), expected) > 1e-3


def masked(agent):
    """The same agent in which every third synapse of each projection is missing."""
    circuit = agent.circuit
    projections = {
        name: replace(
            p, mask=np.arange(np.prod(circuit.shape(p))).reshape(circuit.shape(p)) % 3 > 0
        )
        for name, p in circuit.projections.items()
    }
    return replace(agent, circuit=replace(circuit, projections=projections))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "settings"),
    [
        pytest.param(
            "rtrrl",
            {"sensitivity": "snap1", "optimizer": "amsgrad", "feedback": "symmetric"},
            marks=pytest.mark.long,
        ),
        ("cortex_thalamus", {"sensitivity": "rtrl", "max_norm": 0.1}),
    ],
)
def test_dense_kernels_equal_plain_ones(model, settings):
    """Sizes that are no multiple of a vector, several replicates, missing synapses."""
    agent = masked(
        models.agent(model, tasks.make("memory_chain", length=3), 7, 3, "float64", **settings)
    )
    expected = closed_loop(agent, "cpp-plain")
    assert distance(closed_loop(agent, "cpp"), expected) < TOLERANCE
    assert distance(closed_loop(agent, "cpp", seed=1), expected) > 1e-3


@pytest.mark.slow
def test_dense_kernels_read_no_index_arrays(small_agent, tmp_path):
    """Also that the command writes what the tests generate in forks of a process."""
    reading = {}
    for device in cpp.DEVICES.values():
        folder = tmp_path / device
        folder.mkdir()
        (folder / "structure.json").write_text(cpp.describe(small_agent().structure()))
        command = [sys.executable, "-m", "bgrl.backends.generate", device, str(folder)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run(command, env=environment, check=True)
        written = {path: path.read_bytes() for path in folder.iterdir()}
        assert cpp.run_generator(device, str(folder)) == (False, "")
        assert {path: path.read_bytes() for path in folder.iterdir()} == written
        reading[device] = "__synaptic_pre[_idx]" in (folder / "program.cpp").read_text()
    assert reading == {"cpp_dense": False, "cpp_standalone": True}


@pytest.mark.slow
def test_work_is_counted_in_the_generated_code(small_agent):
    """What five neurons with tau and bias and three readouts learn in a step, by hand."""
    agent = small_agent()
    program = load("cpp", agent.structure())
    sources = sum(agent.circuit.size(p.source) for p in agent.circuit.projections.values())
    # Weight, sensitivity, eligibility and both moments are read and written, the mask is read; nine
    # numbers of each neuron, and its sources. Of readouts no sensitivity, and seven numbers.
    synapses = (2 * 5 + 1) * 5 * sources + 9 * 5 + sources
    synapses += (2 * 4 + 1) * 3 * 5 + 7 * 3 + 5
    # Of neurons and readouts: read, where the corrections are, written; and the corrections.
    neurons = (20 + 2 + 12) * 5 + 2 + (12 + 2 + 6) * 3 + 2
    corrections = 1 + 3
    moved, operations = program.work["plasticity"]
    assert moved == agent.replicates * 8 * (synapses + neurons + corrections)
    # Gradient, moments, update, change and eligibility; before it the sensitivity where there is one.
    computed = (4 + 3 + 3 + 4 + 6 + 1 + 3) * 5 * sources + (4 + 3 + 4 + 6 + 1 + 4) * 3 * 5
    tau, bias = (2 + 4 + 3 + 4 + 6 + 2 + 1 + 4), (2 + 3 + 3 + 4 + 6 + 1 + 3)
    computed += (tau + bias) * 5 + (4 + 3 + 4 + 6 + 1 + 4) * 3 + 2 * 4
    assert operations == agent.replicates * computed
    # Done in the same loops.
    assert program.work["sensitivity"] == program.work["eligibility"] == [0, 0]


@pytest.mark.slow
def test_profile_names_every_slot(small_agent):
    agent = small_agent()
    program = load("cpp", agent.structure())
    seconds = program.profile(initial_state(agent, program.layout, 0), 1, 2000)
    assert list(seconds) == agent.structure()["slots"]
    assert all(1e-9 < s < 1e-3 for s in seconds.values())


@pytest.mark.slow
def test_functions_of_cython_are_those_of_numpy():
    """What is ours of this backend, compiled once; all else is Brian2's.

    A whole agent takes a minute to compile: ``python -m bgrl.verify --backend cython`` compares one.
    """
    code = """
        drawn = counter_uniform(seed, i, 2, step, 3)
        chosen = where(flag, 1/(1 - flag), drawn)
    """
    found = {}
    for target in ("numpy", "cython"):
        with runtime._preferences(target, "float64"):
            group = b2.NeuronGroup(
                4,
                "seed : integer (shared)\nstep : integer (shared)\nflag : 1\ndrawn : 1\nchosen : 1",
                namespace={
                    "counter_uniform": counter_uniform_function(),
                    "where": where_function(),
                },
            )
            group.seed, group.step, group.flag = 2**31 - 5, 7, [0, 0, -1, 2]
            runner = group.run_regularly(code)
            with np.errstate(divide="ignore"):
                b2.Network(group, runner).run(b2.defaultclock.dt)
            found[target] = np.array([group.drawn, group.chosen])
    drawn = random.counter_uniform(2**31 - 5, np.arange(4), 2, 7, 3)
    expected = [drawn, [*drawn[:3], -1]]
    assert found["numpy"].tolist() == found["cython"].tolist() == np.array(expected).tolist()


def test_programs_do_not_disturb_each_other_or_brian(small_agent):
    import brian2

    before = brian2.prefs["codegen.target"], brian2.prefs["core.default_float_dtype"]
    agent = small_agent()
    first, second = (load("numpy", agent.structure()) for _ in range(2))
    start = initial_state(agent, first.layout, 0)
    once = first.advance(start, 0, 5)
    second.advance(initial_state(agent, second.layout, 7), 0, 9)
    assert distance(first.advance(start, 0, 5), once) == 0
    assert (brian2.prefs["codegen.target"], brian2.prefs["core.default_float_dtype"]) == before


def test_single_precision_on_numpy(small_agent):
    agent = small_agent(dtype="float32")
    program = load("numpy", agent.structure())
    assert program.layout["cortex.rate"] == ("float32", (2, 5))
    state = program.advance(initial_state(agent, program.layout, 0), 0, 30)
    double = small_agent()
    other = load("numpy", double.structure())
    expected = other.advance(initial_state(double, other.layout, 0), 0, 30)
    assert 0 < distance(state, expected) < 1e-2


def test_unknown_backend(small_agent):
    with pytest.raises(
        InputError,
        match="unknown backend 'fortran'; valid: cpp, cpp-plain, cuda, cuda-emulated, cython, numpy",
    ):
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


def test_the_first_error_of_a_compiler_is_shown(tmp_path):
    """Not what stands before it: which file includes which, and warnings."""
    told = "In file included from a.cpp:1:\\na.h:2:1: warning: odd\\na.h:3:4: error: no type x"
    command = ["sh", "-c", f'printf "{told}\\na.h:9:9: error: and more\\n" >&2; exit 1']
    with pytest.raises(RunError) as caught:
        cpp.call(command, tmp_path)
    assert str(caught.value) == "the C++ compiler failed: a.h:3:4: error: no type x"


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
        not list(tmp_path.glob("cache/programs/.building-*/manifest.json"))
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
    kept = {"main", "manifest.json", "structure.json", "values", "lock"}
    assert {path.name for path in program.iterdir()} == kept
    assert len(list(tmp_path.glob("cache/recipes/*.json"))) == 1
    assert not list(tmp_path.glob("cache/locks/*"))


@pytest.mark.slow
def test_a_wrong_state_file_is_refused(small_agent):
    agent = small_agent()
    program = load("cpp", agent.structure())
    state = initial_state(agent, program.layout, 0)
    program.layout = {k: v for k, v in program.layout.items() if k != "cortex.rate"}
    with pytest.raises(RunError, match="state file does not fit"):
        program.advance(state, 0, 1)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux to end with its parent")
def test_a_program_ends_with_the_process_that_started_it(small_agent):
    """Else it would go on writing to a recording that a resumed run uses."""
    agent = small_agent()
    code = (
        "import sys, json, numpy as np; from bgrl.backends import load;"
        "program = load('cpp', json.loads(sys.argv[1]));"
        "zeros = {name: np.zeros(s, d) for name, (d, s) in program.layout.items()};"
        "program.advance(zeros, 0, 10**9)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, cpp.describe(agent.structure())]
    process = subprocess.Popen(command, env=environment)
    deadline, children = time.monotonic() + 60, []
    while not children and time.monotonic() < deadline:
        time.sleep(0.1)
        search = ["pgrep", "-P", str(process.pid), "main"]
        children = subprocess.run(search, capture_output=True, text=True).stdout.split()
    assert len(children) == 1
    process.kill()
    process.wait()
    while os.path.exists(f"/proc/{children[0]}") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{children[0]}")
