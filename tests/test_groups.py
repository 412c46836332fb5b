"""Replicates in groups, each in a process of its own: the same bits as all in one."""

import json
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from bgrl import simulation, tasks
from bgrl.backends import groups, load
from bgrl.backends.groups import GroupedProgram
from bgrl.bridge.connection import AWAKE
from bgrl.checkpoints import Work
from bgrl.errors import InputError, RunError
from bgrl.recording import TRIAL, Record, Sink
from bgrl.simulation import Run, simulate
from bgrl.step.assemble import initial_state

RECORDED = ("policy", "clock", "matrix")


class Pretended:
    """A program that computes little: each replicate's numbers follow from its number and the step.

    Parameters
    ----------
    size : int
        Replicates.
    failing : tuple of int
        Replicates that make it fail in the middle of recording.
    """

    build_seconds, processes, environment = 0.5, 1, None

    def __init__(self, size, failing=()):
        self.failing, self.calls = failing, []
        self.layout = {
            "task.replicate": ("int32", (size,)),
            "clock": ("int32", ()),
            "policy": ("float64", (size,)),
            "matrix": ("float32", (size, 2, 3)),
        }

    def initial_state(self):
        state = {name: np.zeros(shape, dtype) for name, (dtype, shape) in self.layout.items()}
        state["task.replicate"][:] = np.arange(len(state["task.replicate"]))
        return state

    def advance(self, state, start, steps, learn=True, sink=None):
        state = {name: np.array(value) for name, value in state.items()}
        for name, (dtype, shape) in self.layout.items():
            assert (state[name].dtype, state[name].shape) == (dtype, shape)
        replicate = state["task.replicate"]
        self.calls.append(replicate.tolist())
        for step in range(start, start + steps):
            state["clock"] += 1
            state["policy"] += np.sin(1 + replicate) * (1 + step) * (1 if learn else 2)
            state["matrix"] += state["policy"][:, None, None] * np.arange(6).reshape(2, 3)
            if sink:
                self._record(sink, state, step)
            if failed := [int(r) for r in replicate if r in self.failing]:
                raise RunError(f"replicate {failed[0]} failed")
        return state

    def _record(self, sink, state, step):
        if sink.every and step % sink.every == 0:
            with open(sink.frames_path, "ab") as file:
                file.write(np.int64(step).tobytes())
                for name in sink.names:
                    file.write(state[name].tobytes())
        rows = [
            (step, r, state["policy"][k], 2 + r, r % 2)
            for k, r in enumerate(state["task.replicate"])
            if (step + r) % 3 == 0
        ]
        with open(sink.trials_path, "ab") as file:
            file.write(np.array(rows, TRIAL).tobytes())


def played(program, folder, state, every=2):
    """State and recordings after three stretches of steps, in the second only trials recorded."""
    folder.mkdir(exist_ok=True)
    sink = Sink(folder, RECORDED, program.layout, every)
    state = program.advance(state, 0, 1, learn=False)
    for first, own in ((1, sink), (8, sink.without_frames()), (15, sink)):
        state = program.advance(state, first, 7, sink=own)
    assert {path.name for path in folder.iterdir()} == {"frames.bin", "trials.bin"}
    return state, sink.frames_path.read_bytes(), sink.trials_path.read_bytes()


def check_same(found, expected):
    assert found[0].keys() == expected[0].keys()
    for name, value in expected[0].items():
        assert (found[0][name].dtype, found[0][name].shape) == (value.dtype, value.shape)
        np.testing.assert_array_equal(found[0][name], value, err_msg=name)
    assert len(expected[1]) > 0 and found[1] == expected[1], "frames differ"
    assert len(expected[2]) > 0 and found[2] == expected[2], "trials differ"


@pytest.mark.parametrize(
    ("replicates", "size", "processes"),
    [(2, 1, 2), (4, 2, 2), (5, 3, 2), (5, 2, 3), (7, 4, 2), (7, 3, 3), (7, 2, 4), (8, 3, 3)],
)
def test_any_grouping_gives_the_same_bits(tmp_path, replicates, size, processes):
    one, group = Pretended(replicates), Pretended(size)
    grouped = GroupedProgram(group, replicates)
    assert (grouped.layout, grouped.processes) == (one.layout, processes)
    assert grouped.build_seconds == 0.5
    expected = played(one, tmp_path / "one", one.initial_state())
    check_same(played(grouped, tmp_path / "grouped", one.initial_state()), expected)
    assert len(group.calls) == 4 * processes
    assert {len(numbers) for numbers in group.calls} == {size}


def test_each_group_has_environments_of_its_own():
    """Copies of the program, so that each has a connection; of its own replicates, by their numbers."""
    grouped = GroupedProgram(Pretended(2), 5)
    assert [(group.start, group.stop) for group in grouped.groups] == [(0, 2), (2, 4), (3, 5)]
    assert grouped.environment == [None] * 3
    grouped.environment = ["a", "b", "c"]
    assert grouped.environment == ["a", "b", "c"]
    grouped.environment = None
    assert grouped.environment == [None] * 3


@pytest.mark.parametrize(("processes", "cores", "awake"), [(1, 2, AWAKE), (2, 2, 0), (2, 4, AWAKE)])
def test_waits_are_awake_where_a_core_is_free_for_them(monkeypatch, processes, cores, awake):
    """Two processes on two cores: whoever waits has to leave the core to whom it waits for."""
    opened = []
    connection = SimpleNamespace(close=lambda: None)
    environment = SimpleNamespace(open=lambda *words: opened.append(words) or connection)
    agent = SimpleNamespace(task=SimpleNamespace(environment=environment), replicates=4)
    groups = [slice(4 * k // processes, 4 * (k + 1) // processes) for k in range(processes)]
    monkeypatch.setattr("bgrl.simulation.cores", lambda: cores)
    with simulation.environments(agent, SimpleNamespace(processes=processes, groups=groups)):
        pass
    expected = [(group.stop - group.start, group.start, awake) for group in groups]
    assert opened == 2 * expected  # for learning and for evaluation


def test_a_replicate_meets_the_same_trials_in_any_group():
    pytest.importorskip("gymnasium")
    environment = tasks.make("gymnasium:CartPole-v1").environment
    ask = [
        0,
        7,
        0,
        *[1, 0] * 3,
    ]  # step, seed, whether a cut trial waits; restart and an action each
    whole, part = environment.open(3), environment.open(1, first=2, awake=0)
    try:
        both = whole.exchange(np.array(ask, float)), part.exchange(np.array(ask[:5], float))
    finally:
        whole.close()
        part.close()
    seen = [answer.reshape(-1, 8)[-1] for answer in both]
    assert np.abs(seen[0][4:]).max() > 0
    np.testing.assert_array_equal(*seen)
    assert not np.array_equal(both[0].reshape(-1, 8)[0], seen[0])


def test_frames_are_joined_a_block_at_a_time(tmp_path, monkeypatch):
    one, grouped = Pretended(5), GroupedProgram(Pretended(2), 5)
    expected = played(one, tmp_path / "one", one.initial_state(), every=1)
    row = Sink(tmp_path, RECORDED, one.layout).dtype.itemsize
    for k, block in enumerate((1, 2 * row, 7 * row)):
        monkeypatch.setattr(groups, "_BLOCK", block)
        found = played(grouped, tmp_path / str(k), one.initial_state(), every=1)
        check_same(found, expected)


def test_replicates_may_have_any_numbers(tmp_path):
    one, grouped = Pretended(5), GroupedProgram(Pretended(2), 5)
    state = one.initial_state()
    state["task.replicate"][:] = (12, 3, 40, 0, 7)
    expected = played(one, tmp_path / "one", state)
    check_same(played(grouped, tmp_path / "grouped", state), expected)


class Shifted(GroupedProgram):
    def _join(self, name, parts, axis=0):
        whole = super()._join(name, parts, axis)
        return np.roll(whole, 1, axis) if name == "matrix" and axis == 0 else whole


class Reversed(GroupedProgram):
    def _join(self, name, parts, axis=0):
        return super()._join(name, parts[::-1] if axis else parts, axis)


class Unsorted(GroupedProgram):
    def _trials(self, sinks, states):
        rows = super()._trials(sinks, states)
        return rows[np.argsort(rows["replicate"], kind="stable")]


class Twice(GroupedProgram):
    def _trials(self, sinks, states):
        return np.sort(np.concatenate([own.read_trials() for own in sinks]), order="step")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Shifted, "matrix"),
        (Reversed, "frames differ"),
        (Unsorted, "trials differ"),
        (Twice, "trials differ"),
    ],
)
def test_wrong_merging_is_seen(tmp_path, kind, message):
    one, grouped = Pretended(5), kind(Pretended(3), 5)
    expected = played(one, tmp_path / "one", one.initial_state())
    found = played(grouped, tmp_path / "grouped", one.initial_state())
    with pytest.raises(AssertionError, match=message):
        check_same(found, expected)


def test_groups_run_at_the_same_time():
    group, waiting = Pretended(2), threading.Barrier(3)
    advance = group.advance

    def together(*arguments):
        # Fails if the others do not begin before this one has ended.
        waiting.wait(10)
        return advance(*arguments)

    group.advance = together
    grouped = GroupedProgram(group, 6)
    assert grouped.advance(Pretended(6).initial_state(), 0, 1)["clock"] == 1


@pytest.mark.parametrize(("failing", "first"), [((4,), 4), ((0,), 0), ((5, 2), 2)])
def test_a_failure_is_raised_once_and_nothing_appended(tmp_path, failing, first):
    group = Pretended(2)
    grouped = GroupedProgram(group, 6)
    sink = Sink(tmp_path, RECORDED, grouped.layout)
    state = grouped.advance(Pretended(6).initial_state(), 0, 4, sink=sink)
    before = sink.frames_path.read_bytes(), sink.trials_path.read_bytes()
    group.failing = failing
    with pytest.raises(RunError, match=f"^replicate {first} failed$"):
        grouped.advance(state, 4, 3, sink=sink)
    assert (sink.frames_path.read_bytes(), sink.trials_path.read_bytes()) == before
    assert len(list(tmp_path.iterdir())) == 2
    group.failing = ()
    grouped.advance(state, 4, 3, sink=sink)
    assert sink.sizes() > [len(data) for data in before]


def test_recordings_that_cannot_be_written_are_cut_back(tmp_path, monkeypatch):
    grouped = GroupedProgram(Pretended(2), 4)
    sink = Sink(tmp_path, RECORDED, grouped.layout)
    state = grouped.advance(Pretended(4).initial_state(), 0, 4, sink=sink)
    before = sink.sizes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(grouped, "_trials", full)
    with pytest.raises(RunError, match=f"cannot write to {tmp_path}: No space left on device"):
        grouped.advance(state, 4, 3, sink=sink)
    assert sink.sizes() == before


def test_processes_are_refused_where_there_can_be_only_one(small_agent):
    structure = small_agent().structure()
    for backend in ("numpy", "cython"):
        with pytest.raises(InputError, match=f"processes is 2; backend '{backend}' runs in one"):
            load(backend, structure, processes=2)
    for wrong in (-1, 1.5, "two"):
        with pytest.raises(InputError, match=f"processes is {wrong!r}; an integer of 0 or more"):
            simulate(small_agent(), Run(10, backend="numpy"), processes=wrong)
    assert load("numpy", structure, processes=0).processes == 1


def test_one_process_for_each_core_but_no_more_than_replicates(small_agent, monkeypatch):
    built = []

    def pretend(structure, name, progress):
        built.append(structure["replicates"])
        return Pretended(structure["replicates"])

    monkeypatch.setattr("bgrl.backends.cpp.load", pretend)
    structure = small_agent(replicates=6).structure()
    found = [load("cpp", structure, processes=n).processes for n in (1, 2, 3, 4, 6, 50)]
    assert found == [1, 2, 3, 3, 6, 6]
    assert built == [6, 3, 2, 2, 1, 1]
    for number, expected in ((1, 1), (2, 2), (64, 6)):
        monkeypatch.setattr("bgrl.backends.cores", lambda number=number: number)
        assert load("cpp", structure, processes=0).processes == expected
    assert groups.cores() >= 1


# The compiled program ---------------------------------------------------------------------------

RECORD = Record(
    ("dopamine", "cortex", "policy", "task.trial_length"), every=3, windows=((0, 900), (-300, None))
)
RUN = Run(1500, evaluations=2, evaluation_trials=5, final_trials=8, record=RECORD)


@pytest.fixture
def five(small_agent):
    """Five small agents in single precision, so that vector loops end at different replicates."""
    return small_agent(replicates=5, units=3, dtype="float32", sensitivity="rtrl")


@pytest.mark.slow
def test_compiled_states_and_recordings_are_the_same_in_any_grouping(five, tmp_path):
    found = []
    for processes in (1, 3):
        program = load("cpp", five.structure(), processes=processes)
        assert program.processes == processes
        folder = tmp_path / str(processes)
        folder.mkdir()
        sink = Sink(folder, ("cortex.rate", "policy.action", "task.seed"), program.layout, 2)
        state = program.advance(initial_state(five, program.layout, 3), 0, 1, learn=False)
        state = program.advance(state, 1, 400, sink=sink)
        found.append((state, sink.frames_path.read_bytes(), sink.trials_path.read_bytes()))
    check_same(found[1], found[0])


@pytest.mark.long
def test_datasets_are_the_same_in_any_grouping(five):
    whole, *grouped = (simulate(five, RUN, processes=processes) for processes in (1, 2, 3))
    assert whole["traces"]["cortex"].shape == (5, 400, 3)
    assert whole["evaluation"]["episodes"].values.min() >= 5
    assert all(data.identical(whole) for data in grouped)
    other = simulate(five, Run(**vars(RUN) | {"seed": 1}), processes=2)
    assert not other.identical(whole)


@pytest.mark.slow
def test_a_run_goes_on_under_another_grouping(five, tmp_path, monkeypatch):
    whole = simulate(five, RUN, processes=2)
    monkeypatch.setattr(simulation, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(simulation, "_FIRST_CHUNK", 150)
    save = Work.save

    # Ends of first chunks: of the run, and after the evaluation at step 750.
    for processes, last in ((1, 150), (3, 900)):

        def stop(work, step, *arguments, last=last):
            save(work, step, *arguments)
            if step >= last:
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(Work, "save", stop)
            with pytest.raises(KeyboardInterrupt):
                simulate(five, RUN, tmp_path / "work", processes=processes)
        reached = json.loads((tmp_path / "work" / "progress.json").read_text())["step"]
        assert reached == last
    assert simulate(five, RUN, tmp_path / "work", processes=2).identical(whole)


@pytest.mark.slow
def test_a_compiled_group_that_fails_is_said(five, tmp_path):
    program = load("cpp", five.structure(), processes=2)
    sink = Sink(tmp_path, ("cortex.rate",), program.layout)
    state = program.advance(initial_state(five, program.layout, 3), 0, 1, learn=False)
    advance = program._program.advance

    def last_fails(part, start, steps, learn, own):
        if 4 in part["task.replicate"]:
            own.frames_path = tmp_path / "missing" / "frames.bin"
        return advance(part, start, steps, learn, own)

    program._program.advance = last_fails
    with pytest.raises(RunError, match="could not write what follows step 1"):
        program.advance(state, 1, 40, sink=sink)
    assert sink.sizes() == [0, 0]
