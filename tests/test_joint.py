"""Points of a sweep side by side, as replicates of one program: the same files as each alone."""

import json
import signal
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import models
from bgrl import dataset, estimate, tasks
from bgrl.backends import BACKENDS, load, runtime
from bgrl.backends.joint import Joint
from bgrl.errors import RunError
from bgrl.interventions import Intervention
from bgrl.step.assemble import initial_state
from experiments import memory_chain, sweep, train

CONFIG = train.Config(
    task="stateless_cartpole",
    record="dopamine,cortex,task.gravity",
    backend="numpy",
    steps=40,
    replicates=2,
    units=3,
    seed=3,
    evaluations=2,
    evaluation_trials=2,
    final_trials=3,
    evaluation_steps=400,
)
#: What each point changes: all that a program of several runs has a number of its own of, and more.
POINTS = (
    {"discount": "0.5"},
    {"seed": "7", "task.gravity": "3.7"},
    {"learning_rate": "0.01", "steps": "55"},
    {"entropy_weight": "0.1", "replicates": "3"},
    {"cortex.tau": "90", "actor_weight": "0.5", "evaluation_trials": "1"},
    {"learning_rate": "1e30"},
)


def points_in(folder, *changes):
    folder.mkdir()
    own = [CONFIG.with_settings(change.items()) for change in changes]
    return [
        replace(config, output=str(folder / f"{k}.nc"), processes=1) for k, config in enumerate(own)
    ]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The points, each run alone, and what was said of the one that diverges."""
    points = points_in(tmp_path_factory.mktemp("alone") / "points", *POINTS)
    failures = [sweep.run_point("train", point) for point in points]
    assert failures[:-1] == [None] * 5 and "became NaN or infinite" in failures[-1]
    return points, failures[-1]


@pytest.fixture
def launches(monkeypatch):
    """Replicates, first step, steps and whether learning of every launch of several runs."""
    found = []
    advance = runtime.JointProgram.advance

    def logged(self, state, start, steps, learn=True, sink=None):
        found.append((len(state["task.replicate"]), start, steps, learn))
        return advance(self, state, start, steps, learn, sink)

    monkeypatch.setattr(runtime.JointProgram, "advance", logged)
    return found


def check_same(points, alone):
    for point, other in zip(points, alone, strict=False):
        assert dataset.read(point.output).identical(dataset.read(other.output))


def test_files_are_those_of_points_run_alone(tmp_path, alone, launches):
    points, said = alone
    together = points_in(tmp_path / "points", *POINTS)
    assert sweep.run_together("train", together) == {together[-1].output: said}
    check_same(together[:-1], points)
    assert [p.name for p in sorted(Path(together[0].output).parent.glob("*.nc"))] == [
        f"{k}.nc" for k in range(5)
    ]
    # All 13 replicates in one launch; without the one that diverged 11; alone the one with more steps.
    learning = [row for row in launches if row[3]]
    assert launches[0][:2] == (13, 0) and {rows for rows, *_ in learning} >= {11, 2}
    assert max(start + steps for rows, start, steps, _ in learning if rows == 11) == 41
    first, second = (dataset.read(point.output)["traces"] for point in points[:2])
    assert not np.array_equal(first["dopamine"], second["dopamine"])
    assert set(np.ravel(second["task.gravity"])) == {np.float32(3.7)}
    lengths = {dataset.read(p.output)["trials"].sizes["trial"] for p in points[:-1]}
    assert len(lengths) > 1


def test_points_that_were_stopped_are_caught_up_with(tmp_path, alone, monkeypatch, launches):
    """Two stop at step 21, and go on beside two that begin."""
    changes = POINTS[:4]
    points = points_in(tmp_path / "points", *changes)
    advance = runtime.JointProgram.advance

    def failing(self, state, start, steps, learn=True, sink=None):
        if learn and start > 20:
            raise RunError("no memory")
        return advance(self, state, start, steps, learn, sink)

    with monkeypatch.context() as patch:
        patch.setattr(runtime.JointProgram, "advance", failing)
        patch.setattr(sweep, "LaunchFailed", ())  # that they go on alone is another test
        failures = sweep.run_together("train", points[:2])
    assert set(failures.values()) == {"LaunchFailed: RunError: no memory"}
    assert not any(Path(point.output).exists() for point in points)
    launches.clear()
    assert sweep.run_together("train", points) == {}
    check_same(points, alone[0])
    learning = [row[:2] for row in launches if row[3]]
    assert (5, 1) in learning and (4, 1) not in learning
    assert any(rows == 9 and start == 21 for rows, start in learning)


def test_where_a_launch_fails_each_goes_on_alone(tmp_path, alone, monkeypatch):
    points = points_in(tmp_path / "points", *POINTS[:2])
    advance = runtime.JointProgram.advance

    def failing(self, state, start, steps, learn=True, sink=None):
        if start > 20:
            raise RunError("no memory")
        return advance(self, state, start, steps, learn, sink)

    monkeypatch.setattr(runtime.JointProgram, "advance", failing)
    assert sweep.run_together("train", points) == {}
    check_same(points, alone[0])


def test_an_interrupt_keeps_where_each_is(tmp_path, alone, monkeypatch):
    points = points_in(tmp_path / "points", *POINTS[:2])
    advance = runtime.JointProgram.advance

    def interrupting(self, state, start, steps, learn=True, sink=None):
        if learn and start > 20:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            time.sleep(0.3)  # it is seen while this goes on
        return advance(self, state, start, steps, learn, sink)

    monkeypatch.setattr(runtime.JointProgram, "advance", interrupting)
    # What other tests, or Brian2 when it is imported, have made of it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            sweep.run_together("train", points)
    finally:
        signal.signal(signal.SIGINT, before)
    monkeypatch.setattr(runtime.JointProgram, "advance", advance)
    paths = [Path(f"{point.output}.partial", "progress.json") for point in points]
    assert [json.loads(path.read_text())["step"] for path in paths] == [20, 20]
    assert sweep.run_together("train", points) == {}
    check_same(points, alone[0])


def test_an_exception_of_one_is_told_and_the_others_end(tmp_path, alone, monkeypatch):
    points = points_in(tmp_path / "points", *POINTS[:2])
    save = sweep.save

    def failing(data, output, work):
        if output == points[0].output:
            raise ValueError("a fault\nof two lines")
        save(data, output, work)

    monkeypatch.setattr(sweep, "save", failing)
    assert sweep.run_together("train", points) == {points[0].output: "ValueError: a fault"}
    check_same(points[1:], alone[0][1:])


class Pretended:
    """A program for several runs, which notes its launches: replicates, first step, steps."""

    build_seconds, shared = 0.0, frozenset()

    def __init__(self):
        self.layout = {"task.replicate": ("int32", (2,)), "steps": ("int32", (2,))}
        self.launches = []

    def advance(self, state, start, steps, learn=True, sink=None):
        self.launches.append((len(state["steps"]), start, steps))
        return state | {"steps": state["steps"] + steps}


def test_those_behind_advance_to_where_others_are():
    program, joint = Pretended(), Joint(2, 2)

    def run(step, *ends):
        share = Joint.of_this_thread().share(lambda *_: program, "any", {"replicates": 1}, None)
        state = {name: np.zeros(1, "int32") for name in program.layout}
        for end in ends:
            state, step = share.advance(state, step, end - step), end
        return state["steps"].tolist()

    assert joint.run([partial(run, 10, 30), partial(run, 0, 15, 30)]) == [[20], [30]]
    assert program.launches == [(1, 0, 10), (2, 10, 5), (2, 15, 15)]


def bits(backend, agents, interventions=()):
    """Whether 12 steps of agents side by side have the bits of each alone; and whether they differ."""
    structure = agents[0].structure(bool(interventions))
    size = structure["replicates"]
    program = load(backend, structure)
    states = [
        initial_state(agent, program.layout, seed, interventions)
        for seed, agent in enumerate(agents)
    ]
    joint = BACKENDS[backend].joint_program(structure | {"replicates": 5}, backend, None)

    def side_by_side(states):
        shared = joint.shared
        rows = {k: [np.repeat(s[k], size) if k in shared else s[k] for s in states] for k in shared}
        rows |= {k: [s[k] for s in states] for k in joint.layout if k not in shared}
        return {k: np.concatenate(v) for k, v in rows.items()}

    found = joint.advance(side_by_side(states), 0, 12)
    alone = [program.advance(state, 0, 12) for state in states]
    expected = side_by_side(alone)
    assert "dopamine.discount" in joint.shared
    return (
        all(np.array_equal(found[name], expected[name]) for name in expected),
        not np.array_equal(alone[0]["dopamine.td_error"], alone[1]["dopamine.td_error"]),
    )


def different(agent, task):
    """The same agent with other numbers, in another task of the same structure."""
    learning = replace(agent.learning, discount=0.6, entropy_weight=0.2, actor_weight=0.5)
    return replace(agent, task=task, learning=learning)


@pytest.mark.parametrize("backend", ["numpy", "cuda-emulated"])
def test_every_replicate_has_numbers_of_its_own(backend):
    agent = models.agent("basal_ganglia", tasks.make("memory_chain", length=3), 3, 2)
    other = different(agent, tasks.make("memory_chain", length=2))
    interventions = (Intervention.parse("gain dopamine 2 from 5 for 3"),)
    assert bits(backend, (agent, other), interventions) == (True, True)


def test_every_replicate_has_numbers_of_its_own_where_actions_are_continuous():
    agent = models.agent("rtrrl", tasks.make("pendulum"), 3, 2, max_norm=1.0, rate_half_life=50.0)
    other = different(agent, agent.task)
    other = replace(other, learning=replace(other.learning, max_norm=0.1, rate_half_life=5.0))
    assert bits("numpy", (agent, other)) == (True, True)


def test_points_are_grouped_by_structure(monkeypatch):
    base = memory_chain.Config(backend="numpy", replicates=2, units=3)
    settings = [{"length": "3"}, {"length": "4"}, {"units": "4"}, {"replicates": "5"}]
    points = [base.with_settings(change.items()) for change in settings]
    structures = [memory_chain.agent(point).structure() for point in points]

    def places(parts, points=points):
        groups = sweep.group(points, structures, parts)
        return [[points.index(point) for point in beside] for beside, _ in groups]

    assert places(1) == [[0, 1, 3], [2]]
    assert places(2) == [[0, 1], [3], [2]]
    assert places(3) == [[0], [1], [3], [2]]
    cpp = [replace(point, backend="cpp") for point in points]
    assert places(1, cpp) == [[0], [1], [3], [2]]  # where it would not pay
    monkeypatch.setattr(sweep, "_fits", lambda structure: structure["replicates"] <= 10)
    assert places(1) == [[0, 1], [3], [2]]


def test_points_on_a_card_have_one_worker():
    base = memory_chain.Config(backend="cuda")
    assert sweep._workers([base] * 4) == 1 and sweep._workers([base] * 4, 3) == 3
    assert sweep._workers([replace(base, backend="cpp")] * 400) == sweep.cores()


def test_a_dry_run_measures_points_side_by_side(tmp_path, monkeypatch):
    monkeypatch.setattr(estimate, "MEASURED", 0.02)
    measured, run = [], memory_chain.run

    def logged(config):
        measured.append((config.replicates, config.steps))
        run(config)

    monkeypatch.setattr(memory_chain, "run", logged)
    config = memory_chain.Config(
        **{"backend": "numpy", "replicates": 2, "units": 3, "steps": 1000, "evaluations": 1},
        output=str(tmp_path / "a.nc"),
    )
    vary = {"discount": ["0.5", "0.6", "0.7"], "steps": ["100", "1000"]}
    lines = sweep.cost("memory_chain", config, vary, workers=1)
    assert measured == [(12, 1000)]
    assert lines[0].startswith("points   6") and lines[1].startswith("programs 1")
    assert "with 1 worker" in lines[2]
