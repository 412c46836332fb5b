"""Recorded numbers through the network that users train, and broken rules that must be caught."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from bgrl import verify
from bgrl.backends import load
from bgrl.verify.__main__ import main
from tests.conftest import FIXTURES

TRACES = sorted((FIXTURES / "traces").glob("*.npz"))
TASKS = sorted((FIXTURES / "tasks").glob("*.npz"))
BACKENDS = ["numpy", pytest.param("cpp", marks=pytest.mark.slow)]


def name(path):
    return path.stem


def run(path, backend):
    errors, tolerance = verify.verify(path, backend)
    return max(errors.values()), tolerance


#: Of the recorded agents, those that are compiled too; `python -m bgrl.verify` compiles all.
TRACED = ("rflo_backprop_adam", "rtrl_fa_adam")


def traces():
    """Every recorded agent on NumPy, and on cpp those of `TRACED`, the others at length."""
    for path in TRACES:
        yield pytest.param(path, "numpy", id=f"{name(path)}-numpy")
        mark = pytest.mark.slow if path.stem in TRACED else pytest.mark.long
        yield pytest.param(path, "cpp", id=f"{name(path)}-cpp", marks=mark)


@pytest.mark.parametrize(("path", "backend"), traces())
def test_recorded_traces(path, backend):
    worst, tolerance = run(path, backend)
    assert worst <= tolerance == 1e-10


@pytest.mark.parametrize("task", sorted({p.stem.rsplit("_", 1)[0] for p in TASKS}))
def test_recorded_trajectories(task, monkeypatch):
    """Every recorded file; files of one task share a program."""
    programs = {}

    def load_once(backend, structure):
        key = json.dumps(structure)
        programs[key] = programs.get(key) or load(backend, structure)
        return programs[key]

    monkeypatch.setattr(verify, "load", load_once)
    paths = [p for p in TASKS if p.stem.rsplit("_", 1)[0] == task]
    assert len(paths) == 2
    for path in paths:
        worst, tolerance = run(path, "numpy")
        assert worst <= tolerance, path.stem


#: Of every kind of code one; `python -m bgrl.verify` takes all of them on cpp.
COMPILED = ("MemoryChain", "CartPole-v1", "Minesweeper", "RepeatPrevious", "MetaMaze", "Swimmer")


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [p for p in TASKS if p.stem.startswith(COMPILED) and p.stem.endswith("5")], ids=name
)
def test_recorded_trajectories_on_cpp(path):
    worst, tolerance = run(path, "cpp")
    assert worst <= tolerance


def broken_trace_decay(agent, state):
    changed = replace(agent, learning=replace(agent.learning, trace_network=0.99 - 1e-3))
    state["cortex.discount"][...] = changed.learning.discount * changed.learning.trace_network


def transposed_feedback(agent, state):
    feedback = state["readout_drive.feedback"][0, :-1]
    feedback[...] = feedback.T.reshape(feedback.shape)


def late_trace(structure):
    """Eligibility takes up the gradient before plasticity uses it."""
    slots = structure["slots"]
    k = slots.index("plasticity")
    slots[k], slots[k + 1] = slots[k + 1], slots[k]


def test_contraction_over_the_wrong_index_is_caught(monkeypatch):
    """The official code sums the sensitivity over the postsynaptic index, not over states."""
    from bgrl.step.contraction import Contraction

    run = Contraction.run

    def wrong(self, arrays):
        def turned(name):
            array = arrays(name)
            return array.swapaxes(1, 2).copy() if ".sensitivity_rate_weight" in name else array

        run(self, turned)

    fixture = verify.read_fixture(FIXTURES / "traces" / "rtrl_fa_adam.npz")
    agent = verify.trace_agent(fixture)
    monkeypatch.setattr(Contraction, "run", wrong)
    program = load("numpy", agent.structure())
    start = verify.trace_state(fixture, agent, program.layout)
    assert verify.replay_trace(fixture, program, start)["e_W"] > 1e-6


BREAKS = (broken_trace_decay, transposed_feedback, late_trace)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("breaks", BREAKS)
def test_broken_rules_are_caught(breaks, backend):
    fixture = verify.read_fixture(FIXTURES / "traces" / "rflo_fa_adam.npz")
    agent = verify.trace_agent(fixture)
    structure = agent.structure()
    if breaks is late_trace:
        late_trace(structure)
    program = load(backend, structure)
    state = verify.trace_state(fixture, agent, program.layout)
    if breaks is not late_trace:
        breaks(agent, state)
    errors = verify.replay_trace(fixture, program, state)
    assert errors["W"] > 1e-6 > verify.TRACE_TOLERANCE


def test_a_wrong_task_is_caught():
    fixture = verify.read_fixture(FIXTURES / "tasks" / "CartPole-v1_6.npz")
    agent = verify.trajectory_agent(fixture)
    step = agent.task.step.replace("x = x + tau*x_dot", "x = x + tau*x_dot + 0.0001*tau")
    agent = replace(agent, task=replace(agent.task, step=step))
    errors = verify.replay_trajectory(fixture, agent, load("numpy", agent.structure()))
    assert errors["x"] > verify.TASK_TOLERANCE >= errors["theta"]


def test_command_passes_and_fails(tmp_path, capsys):
    good = TRACES[0]
    assert main([str(good), "--backend", "numpy"]) == 0
    assert "ok" in capsys.readouterr().out
    with np.load(good) as archive:
        arrays = dict(archive)
    arrays["tau"] = arrays["tau"] + np.linspace(0, 1e-6, len(arrays["tau"]))[:, None]
    bad = tmp_path / "bad.npz"
    np.savez(bad, **arrays)
    assert main([str(bad), "--backend", "numpy"]) == 1
    assert "tau" in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["missing", "truncated", "foreign", "kind", "lacks", "nan"])
def test_refuses_damaged_files(tmp_path, damage):
    source = TRACES[0].read_bytes()
    path = tmp_path / "file.npz"
    if damage == "truncated":
        path.write_bytes(source[: len(source) // 2])
    elif damage == "foreign":
        path.write_text("not a recorded file")
    elif damage in ("kind", "lacks", "nan"):
        with np.load(TRACES[0]) as archive:
            arrays = dict(archive)
        if damage == "kind":
            arrays["meta"] = np.array('{"kind": "movie"}')
        elif damage == "lacks":
            del arrays["W_actor"]
        else:
            arrays["h"] = arrays["h"] * np.nan
        np.savez(path, **arrays)
    with pytest.raises(verify.InputError) as caught:
        verify.verify(path, "numpy")
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def _changed(source, path, meta=None, **arrays):
    """A recorded file with other contents."""
    with np.load(source) as archive:
        found = dict(archive)
    said = json.dumps(json.loads(str(found["meta"])) | (meta or {}))
    np.savez(path, **found | arrays | {"meta": said})
    return path


_TRACE = FIXTURES / "traces" / "rflo_fa_sgd.npz"
_CIRCUIT = FIXTURES / "circuits" / "lru.npz"
_CATCH = FIXTURES / "tasks" / "Catch-bsuite_5.npz"


@pytest.mark.parametrize(
    ("source", "meta", "arrays", "message"),
    [
        (_TRACE, {}, {"mask": np.ones((2, 2))}, r"mask has shape \(2, 2\); \(6, 13\) is needed"),
        (_TRACE, {"n_actions": 3}, {}, r"W has shape \(61, 6, 13\); \(61, 6, 14\) is needed"),
        (_TRACE, {"steps": 65}, {}, r"reward has shape \(61,\); \(66,\) is needed"),
        (_TRACE, {"steps": 0}, {}, "steps is 0; a positive integer is needed"),
        (_TRACE, {"n": "four"}, {}, "n is 'four'; a positive integer is needed"),
        (_TRACE, {}, {"h": np.array("text")}, "h is of type <U4; numbers are needed"),
        (_CIRCUIT, {"steps": 0}, {}, "steps is 0; a positive integer is needed"),
        (_CIRCUIT, {"steps": 16}, {}, r"input:stimulus has shape \(15, 3\); \(16, 3\) is needed"),
        (_CIRCUIT, {"inputs": ["stimulus"]}, {}, "circuit description is not valid: "),
        (
            _CIRCUIT,
            {},
            {"state:cortex.re": np.zeros((15, 2))},
            r"state:cortex.re has shape \(15, 2\); \(15, 4\) is needed",
        ),
        (_CIRCUIT, {}, {"state:gpe.re": np.zeros(15)}, "state:gpe.re is recorded, which the circ"),
        (
            _CATCH,
            {},
            {"action": np.zeros((9, 2))},
            r"action has shape \(9, 2\); 1 a step is needed",
        ),
        (_CATCH, {}, {"reward": np.zeros(0)}, "reward has no row; one or more steps are needed"),
        (_CATCH, {"settings": 3}, {}, "what it says does not fit together"),
    ],
)
def test_refuses_files_whose_contents_do_not_fit(tmp_path, source, meta, arrays, message):
    path = _changed(source, tmp_path / "file.npz", meta, **arrays)
    with pytest.raises(verify.InputError, match=f"^{re.escape(str(path))}: {message}") as caught:
        verify.verify(path, "numpy")
    assert "\n" not in str(caught.value)
