"""The CUDA backend without a card: its kernel compiled by a C++ compiler, with a stand-in for CUDA.

`tests/prove_cuda.py` does the same for every model, task and method; here are a few, and what the
proof itself rests on.
"""

import re
import subprocess

import numpy as np
import pytest

from bgrl import interventions, models, tasks
from bgrl.backends import cpp, cuda, load
from bgrl.backends.barriers import Access, Piece, barriers, ordered
from bgrl.backends.expressions import Translator
from bgrl.backends.kernel import Kernel
from bgrl.circuit.modulators import KINDS
from bgrl.circuit.synapse import READY
from bgrl.errors import BlueprintError, InputError
from bgrl.experiments import _slip
from bgrl.interventions import Intervention
from bgrl.learning import Learning
from bgrl.learning.methods import METHODS
from bgrl.learning.optimizers import OPTIMIZERS
from bgrl.learning.settings import MODULATED
from bgrl.recording import Record
from bgrl.simulation import Run, simulate
from bgrl.step import propagation
from bgrl.step.assemble import blueprint, initial_state
from bgrl.step.loops import Loop, Loops, Totals
from tests import prove_cuda


def missing(needed):
    """Why a function finds nothing, or nothing."""
    try:
        needed()
    except InputError as error:
        return str(error)
    return ""


NVCC = missing(cuda.nvcc)
HAS_NVCC = pytest.mark.skipif(bool(NVCC), reason=NVCC or "there is one")
CARD = missing(cuda.compiler_and_card)
HAS_CARD = pytest.mark.skipif(bool(CARD), reason=CARD or "there is one")


# The source ---------------------------------------------------------------------------------


def translated(text, **integers):
    translator = Translator(
        lambda name: (f"v_{name}", integers.get(name, False)), {"row": [[1, 2]]}
    )
    return translator.assignments(text)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y = 1/k", "real v_y = (real(1)/v_k);"),
        ("y = k/2.5", "real v_y = (real(v_k)/real(2.5));"),
        ("y = int(a > 0 and not b <= c)", "int v_y = ((v_a > 0) && !((v_b <= v_c)));"),
        ("y = int(a) + k", "int v_y = (whole(v_a) + v_k);"),
        ("y = a**2 - a**0.5", "real v_y = (power(v_a, 2) - pow(real(v_a), real(0.5)));"),
        ("y = clip(-a, 0, inf)", "real v_y = clipped((-v_a), 0, real(INFINITY));"),
        ("a = a + k", "v_a = (v_a + v_k);"),
        ("y = row(t, 1)", "real v_y = table_row[(step < 1 ? step : 0)*2 + (int)(1)];"),
        (
            "y = counter_uniform(k, 0, 1, t_in_timesteps, 2)",
            "real v_y = counter_uniform(v_k, 0, 1, step, 2);",
        ),
    ],
)
def test_assignments_in_cpp(text, expected):
    assert translated(text, k=True) == [expected]


def test_a_name_given_an_integer_and_then_a_number_is_a_number():
    assert translated("y = 1\nz = y/2\ny = 0.5*y") == [
        "real v_y = 1;",
        "real v_z = (v_y/2);",
        "v_y = (real(0.5) * v_y);",
    ]


def piece(name, size, *accesses):
    """`accesses` are (array, index, whether it is written); ``k`` is an element of the own turn.

    With a fourth, whether only the first thread does it, unless there is no other.
    """
    made = [
        Access(
            array,
            "k" if index == "k" else None,
            index if isinstance(index, int) else None,
            written,
            size == 1 or alone == [True],
        )
        for array, index, written, *alone in accesses
    ]
    return Piece(name, "", size, frozenset(made))


@pytest.mark.parametrize(
    ("first", "second", "barrier"),
    [
        ((100, ("a", "k", True)), (100, ("a", "k", False)), None),
        ((100, ("a", "k", True)), (100, ("a", 0, False)), "__syncthreads"),
        ((100, ("a", "k", False)), (100, ("a", 0, False)), None),
        ((100, ("a", 0, False)), (100, ("a", "k", True)), "__syncthreads"),
        ((32, ("a", "k", True)), (8, ("a", None, False)), "__syncwarp"),
        ((33, ("a", "k", True)), (8, ("a", None, False)), "__syncthreads"),
        ((1, ("a", "k", True)), (1, ("a", 3, False)), None),
        # A sum with one target, which its first lane writes.
        ((8, ("a", None, True, True)), (1, ("a", "k", False)), None),
        ((8, ("a", None, False)), (1, ("a", "k", True)), "__syncwarp"),
        ((8, ("a", None, True, True)), (8, ("a", "k", False)), "__syncwarp"),
        ((24, ("a", 0, True)), (24, ("a", 1, True)), None),
        ((24, ("a", 1, True)), (24, ("a", 1, False)), "__syncwarp"),
    ],
)
def test_which_accesses_need_a_barrier(first, second, barrier):
    pieces = [piece("one", *first), piece("two", *second)]
    assert barriers(pieces)[1] == barrier


class Faulty:
    """An operation, as far as its loops go."""

    def __init__(self, *items):
        self.items = items

    def loops(self, array):
        return Loops(tuple(item(array) for item in self.items))


@pytest.mark.parametrize(
    ("targets", "sources", "threads", "read", "alone"),
    [
        # Of one target, source and thread are the same number, up to eight of them.
        (1, 8, 8, "k", True),
        (1, 1, 1, "k", True),
        (1, 9, 8, None, True),
        (2, 3, 11, None, False),
    ],
)
def test_who_reads_and_writes_in_a_sum(small_agent, targets, sources, threads, read, alone):
    made = Kernel(blueprint(small_agent(replicates=1).structure()), cuda.SHARED_MEMORY)

    def item(array):
        value = f"{array('cortex.rate')}[source]"
        return Totals(targets, sources, {f"{array('cortex.drive')}[target]": value})

    (found,) = made._operation("name", Faulty(item))
    assert found.threads == threads
    assert {(a.written, a.turn, a.alone) for a in found.accesses} == {
        (False, read, threads == 1),
        (True, None, alone),
    }


def test_one_barrier_is_enough_for_all_before_it_and_the_step_begins_again():
    pieces = [
        piece("write", 100, ("a", "k", True), ("b", "k", True)),
        piece("read", 100, ("a", None, False)),
        piece("read more", 100, ("b", None, False)),
    ]
    # The first waits for those that still read in the step before.
    assert barriers(pieces) == ["__syncthreads", "__syncthreads", None]


def test_an_order_with_fewer_barriers_keeps_what_depends():
    pieces = [
        piece(f"{what} {array}", 100, (array, "k" if what == "write" else None, what == "write"))
        for array in "abc"
        for what in ("write", "read")
    ]
    assert barriers(pieces).count("__syncthreads") == 3
    found = ordered(pieces)
    names = ["write a", "write b", "write c", "read a", "read b", "read c"]
    assert [p.name for p in found] == names
    assert barriers(found).count("__syncthreads") == 2


@pytest.mark.parametrize(
    "loop",
    [
        lambda array: Loop(5, f"{array('cortex.rate')}[k] = {array('cortex.rate')}[k + 1];"),
        lambda array: Loop(5, f"{array('cortex.rate')}[0] = 1;"),
        lambda array: Totals(
            5, 5, {f"{array('cortex.rate')}[target]": f"{array('cortex.rate')}[source]"}
        ),
        lambda array: Loop(5, f"{array('cortex.rat')}[k] = 1;"),
    ],
)
def test_loops_whose_turns_touch_each_other_are_refused(small_agent, loop):
    made = Kernel(blueprint(small_agent(replicates=1).structure()), cuda.SHARED_MEMORY)
    with pytest.raises(
        BlueprintError, match="touch state_cortex_rate of each other|no array 'cortex.rat'"
    ):
        made._operation("name", Faulty(loop))


def test_what_fits_is_in_shared_memory_the_smallest_first(small_agent):
    structure = small_agent().structure()
    everything = cuda.kernel(structure)
    assert everything.global_bytes == 0 and "all in shared memory" in everything.placement()
    little = cuda.kernel(structure, everything.shared_bytes // 2)
    assert 0 < little.global_bytes <= everything.shared_bytes and little.shared_bytes % 16 == 0
    sizes = {
        where: [a.size for a in little.arrays.values() if a.shared == where] for where in (0, 1)
    }
    assert max(sizes[1]) <= min(sizes[0])
    assert "cortex_drive" in little.placement()


def test_nvcc_is_told_how_many_blocks_have_room(small_agent):
    structure = small_agent().structure()
    taken = cuda.kernel(structure).shared_bytes

    def blocks(room):
        return int(re.search(r"int BLOCKS = (\d+);", cuda.kernel(structure, room).source())[1])

    # The card keeps a KB of every block for itself.
    assert [blocks(k * taken + (k - 1) * 1024) for k in (1, 2, 5, 6, 9)] == [1, 2, 5, 6, 6]
    assert blocks(2 * taken + 1023) == blocks(taken // 2) == 1


def test_one_program_serves_any_number_of_replicates(small_agent):
    one, many = (cuda.kernel(small_agent(replicates=r).structure()).source() for r in (1, 7))
    assert one == many


# Runs without a card ------------------------------------------------------------------------

RUN = {"evaluations": 2, "evaluation_trials": 3, "final_trials": 3}


@pytest.fixture(scope="module")
def agent(small_agent):
    return small_agent(units=12, replicates=3)


@pytest.mark.slow
def test_a_run_is_the_same_as_on_numpy_and_goes_on_where_it_stopped(agent, tmp_path):
    record = Record(("dopamine", "cortex", "action"), every=3)
    runs = [
        Run(steps, 0, backend, record=record, **RUN)
        for backend, steps in (("numpy", 90), ("cuda-emulated", 90))
    ]
    expected, found = (simulate(agent, run) for run in runs)
    for group in ("trials", "evaluation", "traces", "weights"):
        for name, values in expected[group].data_vars.items():
            np.testing.assert_allclose(found[group][name], values, rtol=0, atol=1e-12, err_msg=name)
    assert expected["trials"].sizes["trial"] > 10
    shared = simulate(agent, runs[1], processes=2)
    for name, values in found["traces"].data_vars.items():
        np.testing.assert_array_equal(shared["traces"][name], values)


@pytest.fixture(scope="module")
def threads(agent, tmp_path_factory):
    """The program of `agent` for any number of threads, and the number of its barriers."""
    folder = tmp_path_factory.mktemp("threads") / "program"
    prove_cuda.compile_threads(folder, agent.structure())
    numbers = re.findall(r"BARRIER\((\d+), \w+\)", (folder / "step.h").read_text())
    return folder, len(numbers)


@pytest.mark.slow
def test_threads_and_their_order_make_no_difference(agent, threads):
    structure = agent.structure()
    one = load("cuda-emulated", structure)
    start = initial_state(agent, one.layout, 3)
    expected = one.advance(start, 0, 60)
    for number, order in ((64, 0), (128, 1), (96, 2)):
        other = prove_cuda.Built(threads[0], structure, BGRL_THREADS=number, BGRL_ORDER=order)
        assert prove_cuda.same(other.advance(start, 0, 60), expected)
    assert not prove_cuda.same(one.advance(start, 0, 61), expected)


@pytest.mark.slow
def test_sensitivities_of_more_states_than_registers_are_summed_in_strips(tmp_path, monkeypatch):
    """As those of fewer, which `test_synapses.py` compares."""
    edit = prove_cuda.transmitting("alpha")
    case = prove_cuda.Case("rtrrl", units=3, learning={"sensitivity": "rtrl"}, edit=edit)
    structure = case.structure()
    assert "real column[" not in cuda.kernel(structure).source()
    monkeypatch.setattr(propagation, "IN_REGISTERS", 0)
    assert "real column[" in cuda.write_sources(structure, tmp_path).source()
    cpp.call(cuda.emulated_command(cpp.compiler(), "-DTHREADS=1"), tmp_path)
    strips, expected = prove_cuda.Built(tmp_path, structure), load("numpy", structure)
    start = prove_cuda.started(case, expected)
    expected, found = (program.advance(start, 0, 9) for program in (expected, strips))
    assert np.abs(expected["cortex_by_cortex_drive.sensitivity_rate_weight"]).max() > 0.01
    assert prove_cuda.difference(found, expected) < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize(("names", "every"), [(prove_cuda.RECORDED, 3), (("cortex.rate",), 1)])
def test_what_is_recorded_does_not_depend_on_how_much_is_held_back(
    agent, threads, tmp_path, names, every
):
    """A launch ends where trials would fill the buffer, or frames."""
    structure = agent.structure()
    one, little = load("cuda-emulated", structure), prove_cuda.Built(threads[0], structure)
    start = initial_state(agent, one.layout, 3)
    (_, trials, frames), (_, own_trials, own_frames) = (
        prove_cuda.recorded(program, start, tmp_path / name, names, every)
        for name, program in (("one", one), ("little", little))
    )
    room = agent.replicates * prove_cuda.STEPS * trials.itemsize
    held = sum(values.nbytes for values in frames.values())
    assert max(room, held) > 5 * prove_cuda.BUFFER and (held > room) == (every == 1)
    np.testing.assert_array_equal(trials, own_trials)
    assert prove_cuda.same(own_frames, frames)


@pytest.mark.slow
def test_no_race_is_found_and_every_missing_barrier_is(agent, threads):
    result = prove_cuda.raced(prove_cuda.Case("rtrrl", units=12), agent.structure(), threads[0])
    assert result["races"] == [] and result["missed"] == []
    assert result["barriers"] == threads[1] > 15


@pytest.mark.slow
def test_a_state_of_another_size_and_an_unknown_array_are_refused(agent):
    program = load("cuda-emulated", agent.structure())
    state = initial_state(agent, program.layout, 0)
    command = [program.directory / "main", "/dev/null", "/dev/null", "3", "0", "1", "1", "0"]
    for more, code, part in ((["/dev/null"] * 2, 3, "does not fit"), ([], 2, "usage")):
        result = subprocess.run([*command, *more], capture_output=True, text=True)
        assert (result.returncode, part in result.stderr) == (code, True)
    assert state["task.discount" if "task.discount" in state else "dopamine.discount"].shape == ()


# The proof ----------------------------------------------------------------------------------


def test_the_proof_has_a_case_of_everything():
    found = prove_cuda.everything()
    assert {(c.model, c.learning.get("sensitivity")) for c in found} >= {
        (model, method) for model in models.names() for method in METHODS
    } - {(model, _slip.NAME) for model in models.names()}
    assert {c.learning.get("sensitivity", "rflo") for c in found} == {*METHODS, _slip.NAME}
    shown = {c.task if isinstance(c.task, str) else c.task.name for c in found}
    assert shown >= {*tasks._factories(), "scripted"}
    assert {c.learning.get("optimizer", "adam") for c in found} == {*OPTIMIZERS}
    kinds = {Intervention.parse(text).kind for c in found for text in c.interventions}
    assert kinds == {*interventions.KINDS}
    assert {*prove_cuda.SYNAPSES} == {*READY}
    edited = [c for c in found if c.edit]
    assert all(c.agent().replicates for c in edited)
    edits = [c.edit.__name__ for c in edited]
    assert {*READY, "gap_junctions"} <= {*edits}
    assert all(any(edit.startswith(kind) for edit in edits) for kind in KINDS)
    assert any({*c.learning.get("modulated", {})} == {*MODULATED} for c in found)
    usual = Learning().structure() | {"modulated": None}
    others = [Learning(**c.learning).structure() for c in found]
    same = [k for k, v in usual.items() if all(o.get(k, v) == v for o in others)]
    assert same == []


def test_what_a_sum_lost_is_compared_with_the_sum():
    arrays = {"task.trial_return": np.array([-200.0]), "task.trial_return_lost": np.array([1e-14])}
    other = arrays | {"task.trial_return_lost": np.array([-1e-14])}
    assert prove_cuda.difference(other, arrays) == pytest.approx(1e-16)
    other = arrays | {"task.trial_return": np.array([-202.0])}
    assert prove_cuda.difference(other, arrays) == pytest.approx(0.01)


# What is missing ----------------------------------------------------------------------------


def test_without_a_compiler_or_a_driver_one_line_says_so(small_agent, monkeypatch):
    structure = small_agent().structure()
    monkeypatch.setattr(cuda.shutil, "which", lambda name: None)
    with pytest.raises(
        InputError, match=r"NVIDIA's compiler \(looked for \$NVCC, nvcc, .*cuda-emulated"
    ):
        load("cuda", structure)
    monkeypatch.setattr(cuda.shutil, "which", lambda name: f"/bin/{name}")

    def missing(name):
        raise OSError

    monkeypatch.setattr(cuda.ctypes, "CDLL", missing)
    with pytest.raises(InputError, match="NVIDIA driver .*cuda-emulated"):
        load("cuda", structure)


def test_a_driver_without_a_card_is_one_line_too(monkeypatch):
    class Driver:
        def cuInit(self, flags):  # noqa: N802
            return 100

    monkeypatch.setattr(cuda.ctypes, "CDLL", lambda name: Driver())
    with pytest.raises(InputError, match="NVIDIA card, of which the driver shows none"):
        cuda.card()


@pytest.mark.parametrize("backend", ["cuda", "cuda-emulated"])
def test_gymnasium_environments_are_refused(small_agent, backend):
    structure = small_agent().structure()
    structure["task"]["external"] = True
    with pytest.raises(InputError, match=f"backend {backend} .* Gymnasium .* use --backend cpp"):
        load(backend, structure)


def test_the_card_is_driven_by_one_process(small_agent):
    with pytest.raises(InputError, match="processes is 2; backend 'cuda' runs in one only"):
        load("cuda", small_agent().structure(), processes=2)


def test_the_proof_without_a_compiler_is_one_line_too(monkeypatch, capsys):
    found = cuda.shutil.which
    monkeypatch.setattr(cuda.shutil, "which", lambda n: None if "nvcc" in n else found(n))
    with pytest.raises(SystemExit) as ended:
        prove_cuda.main(["--nvcc"])
    message = capsys.readouterr().err.splitlines()[-1]
    assert ended.value.code == 2 and "needs NVIDIA's compiler (looked for $NVCC" in message


@pytest.mark.long
@HAS_NVCC
def test_nvcc_compiles_without_spilling(tmp_path):
    case = prove_cuda.Case("rtrrl", "memory_chain", 32, {"sensitivity": "rtrl"})
    result = prove_cuda.compiled(case, tmp_path)
    assert result["nvcc"] == "ok" and result["spilled"] == 0 and result["registers"] <= 128


@pytest.mark.slow
@HAS_CARD
def test_a_card_gives_what_cpp_gives(agent):
    programs = [load(backend, agent.structure()) for backend in ("cpp", "cuda")]
    start = initial_state(agent, programs[0].layout, 3)
    expected, found = (program.advance(start, 0, 200) for program in programs)
    assert prove_cuda.difference(found, expected) < prove_cuda.TOLERANCE
