"""What can be shown of the backend `cuda` without a card: ``python tests/prove_cuda.py`` prints a table.

Every case is an agent in a task, in double precision, that learns in a closed loop. The source of its
kernel is compiled by a C++ compiler with a stand-in for CUDA (backend `cuda-emulated`), and

* compared with `cpp`: states, and the trials and frames that are recorded on the way;
* run with 1 thread and all arrays in shared memory, with 64 and 128 in three orders and most arrays in
  global memory, with other numbers of replicates, and in two chunks: all must give the same bits;
* searched for races: every access of an array is noted, and two of different threads that no barrier
  keeps apart are found, if one of them writes;
* mutated: every barrier is left out in turn, and the search must find that one is missing.

With ``--nvcc`` it is compiled by NVIDIA's compiler too, in single precision, which tells registers,
spilled bytes and the time it takes. ``--cases WORD,...`` chooses the cases whose name has one of the
words. All take half an hour of a core; ``--keep FILE.json`` keeps what is done, and what is kept there of
the same source for a card is not done again. ``--table FILE.md`` writes the table. Nothing of this
needs a card, and nothing of it says how fast one is.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import bgrl.experiments._slip
from bgrl import models, tasks
from bgrl.agent import Agent
from bgrl.backends import cpp, cuda, load
from bgrl.circuit import Parameter, Synapse
from bgrl.circuit.modulators import KINDS
from bgrl.circuit.synapse import READY
from bgrl.errors import InputError
from bgrl.interventions import Intervention
from bgrl.language import FUNCTIONS
from bgrl.learning import LASTING, Learning
from bgrl.learning.methods import METHODS
from bgrl.learning.optimizers import OPTIMIZERS
from bgrl.learning.settings import MODULATED
from bgrl.recording import Sink
from bgrl.step.assemble import initial_state
from bgrl.tasks.scripted import scripted
from bgrl.tasks.stimulus import stimulus
from tests.generator import Generator
from tests.test_blueprint import AGENTS, NEURONS, UNITS

#: What writes the page of the documentation.
COMMAND = "python tests/prove_cuda.py --nvcc --keep proof.json --table docs/gpu_proof.md"
REPLICATES, STEPS = 3, 200
#: Steps of the search for races, and of each run without a barrier; trials end within them.
SEARCHED = 12
#: Of differences: relative to the largest value of an array, or to this where all are smaller.
SMALL = 1e-6
#: Largest difference from `cpp` that is rounding.
TOLERANCE = 1e-9
#: Bytes of shared memory of the program with many threads, so that arrays are in both memories.
LITTLE = 2048
#: Bytes of trials and of frames that it may hold back: few, so that launches end because of them.
BUFFER = 4000
INTERVENTIONS = (
    "inactivate cortex neurons 1 from 3 for 4",
    "inactivate cortex->cortex from 8 for 30",
    "gain dopamine 0.5 from trial_start for 2",
    "drive cortex 0.3 from 5",
    "clamp dopamine 0.1 from reward after 1 for 1",
    "block_plasticity cortex.tau from 5 for 50",
    "block_plasticity all from 90 for 20",
)


@dataclass(frozen=True)
class Case:
    """An agent in a task.

    Attributes
    ----------
    model : str
    task : str or bgrl.tasks.Task
    units : int
        Neurons in the cortex.
    learning : dict
        Settings.
    interventions : tuple of str
    edit : callable, optional
        Takes the model's circuit and returns another.
    """

    model: str
    task: object = "memory_chain"
    units: int = 12
    learning: dict = field(default_factory=dict)
    interventions: tuple = ()
    edit: object = None

    def __str__(self):
        task = self.task if isinstance(self.task, str) else self.task.name
        settings = [
            f"{k}={v if isinstance(v, str | int | float) else '...'}"
            for k, v in self.learning.items()
        ]
        what = [self.edit.__name__.replace("_", " ")] if self.edit else []
        what += ["interventions"] if self.interventions else []
        return " ".join([self.model, task, f"n={self.units}", *settings, *what])

    def agent(self, replicates=REPLICATES, dtype="float64"):
        """The agent."""
        task = tasks.make(self.task) if isinstance(self.task, str) else self.task
        circuit = models.circuit(self.model, task, self.units)
        circuit = self.edit(circuit) if self.edit else circuit
        return Agent(circuit, task, Learning(**self.learning), replicates, dtype)

    def structure(self, **settings):
        """What its program depends on."""
        return self.agent(**settings).structure(bool(self.interventions))


def memory(**settings):
    """A short task, so that many trials end."""
    return tasks.make("memory_chain", length=3, **settings)


# Edits of circuits ----------------------------------------------------------------------------

#: How each of the ready-made synapses is written.
SYNAPSES = {
    "exponential": "exponential(60)",
    "alpha": "alpha(50)",
    "tsodyks_markram": "tsodyks_markram(0.4, 300, 200, 40)",
    "nmda": "nmda(100)",
    "failing": "failing(0.3)",
}


def transmitting(name):
    """An edit that makes recurrent synapses those of a kind that is ready-made."""

    def edit(circuit):
        return circuit.set("cortex->cortex.dynamics", SYNAPSES[name])

    edit.__name__ = name
    return edit


def modulating(effect, target):
    """An edit that lets the cortex itself, and reward, modulate what it does."""

    def edit(circuit):
        circuit = circuit.modulate("cortex", target, effect, 0.3, "own", plastic=True)
        return circuit.modulate("reward", target, effect, 0.5, "rewarded")

    edit.__name__ = f"{effect} of {target}"
    return edit


def delayed(circuit):
    """A loop that takes two steps more, one way."""
    return circuit.set("thalamus->cortex.delay", 40)


def gap_junctions(circuit):
    """Neurons of the cortex that pull at each other."""
    own = circuit.populations["cortex"].size
    weights = 0.02 * (1 + np.arange(own**2)).reshape(own, own) / own**2
    apart = {"name": "gap_junctions", "electrical": True, "plastic": False}
    return circuit.connect("cortex", "cortex", weights=weights, **apart)


def noisy_neurons(circuit):
    """White noise in the cortex, as large as its time constant says."""
    leak = circuit.populations["cortex"].dynamics["rate"]
    return following(circuit, f"{leak} + 0.1*sqrt(2/tau)*xi")


def noisy_dopamine(circuit):
    """A TD error with noise."""
    return circuit.set("dopamine.noise", 0.1)


def sub_steps(circuit):
    """Four Euler steps in a step of the task."""
    return circuit.with_step(circuit.dt * circuit.substeps, 4)


def all_at_once(circuit):
    """Depression behind a delay, noise in a filter whose time constant is learned, modulators."""
    noisy = Synapse(
        "ds/dt = (source - s)/tau + share*source*xi/sqrt(tau) : 1\ntau : second",
        {"tau": Parameter(60, trainable=True), "share": Parameter(0.3, trainable=True)},
    )
    circuit = noisy_dopamine(delayed(circuit)).set("cortex->thalamus.dynamics", noisy)
    circuit = circuit.set("thalamus->cortex.dynamics", SYNAPSES["tsodyks_markram"])
    circuit = circuit.modulate("thalamus", "cortex->cortex", "gain", 0.5, plastic=True)
    return circuit.modulate("reward", "cortex", "plasticity", 2.0)


def every_derivative(circuit, *more):
    """Neurons whose equation has all that has a derivative, of arguments from .1 to .7."""
    x = "(0.4 + 0.3*tanh(drive + bias))"
    terms = [
        f"{name}({x})" if n == 1 else f"{name}({x}, 0.2, 0.6)" for name, n in FUNCTIONS.items()
    ]
    terms += [f"{x}**2", f"{x}**3", f"{x}**2.5", f"{x} // 0.25", f"int({x} < 0.4)"]
    terms += [text.format(x) for text in more]
    return following(circuit, f"(-rate + tanh(0.1*({' + '.join(terms)})))/tau")


def every_function(circuit):
    """With a remainder too."""
    return every_derivative(circuit, "{} % 0.25")


def following(circuit, derivative):
    """The circuit with another equation of its cortex."""
    cortex = circuit.populations["cortex"]
    cortex = replace(cortex, equations=None, derivatives={"rate": derivative})
    return replace(circuit, populations=circuit.populations | {"cortex": cortex})


# Cases ----------------------------------------------------------------------------------------


def everything():
    """All cases, of which some are the same program.

    Models, methods, tasks, optimizers, synapses and what signals modulate are all that there are.

    Returns
    -------
    list of Case
    """
    slip = bgrl.experiments._slip.NAME
    found = [
        Case(model, memory(), UNITS["gpr"] if model == "gpr" else 12, settings)
        for model in models.names()
        for settings in ({"sensitivity": method, **models.STEADY} for method in _methods())
    ]
    found += [
        Case(model, task, UNITS.get(model, NEURONS), {"sensitivity": method, **models.STEADY})
        for model, (task, method) in AGENTS.items()
    ]
    found += [Case("rtrrl", name, 6) for name in tasks.names()]
    found += [
        Case("basal_ganglia", "two_step", learning={"sensitivity": "rtrl"}),
        Case("pbwm", "store_ignore_recall", 8, {"sensitivity": "rtrl"}),
        Case("lru", "stateless_cartpole", learning={"sensitivity": "snap1"}),
        Case("cortex_thalamus", "pendulum", learning={"sensitivity": "nucleus"}),
        # More neurons than a warp has threads.
        Case("rtrrl", memory(), 40),
        Case("rtrrl", memory(), 70, {"sensitivity": "snap1"}),
        Case("rtrrl", memory(), 40, {"sensitivity": "rtrl"}),
        Case("rtrrl", memory(), 1),
        Case("rtu", memory(), 12, asdict(LASTING)),
        Case("rtrrl", memory(), 12, {"sensitivity": slip}),
    ]
    found += [Case("rtrrl", memory(), learning={"optimizer": name}) for name in OPTIMIZERS]
    found += [
        Case("rtrrl", memory(), learning=settings)
        for settings in (
            {"max_norm": 0.1, "optimizer": "amsgrad"},
            {"feedback": "symmetric"},
            {"oracle": True},
            {"oracle": True, "sensitivity": "snap1"},
            {"rate_average_reward": 0.01},
            {"normalize_input": True, "scale_reward": True},
            {"rate_half_life": 50.0, "entropy_share": 0.5, "entropy_weight": 0.1},
            {"first_input": "action_0"},
            {"overrides": {"cortex->cortex": "snap1", "cortex.tau": "none"}},
            {"modulated": dict.fromkeys(MODULATED, "1 + reward**2")},
        )
    ]
    rtrl = {"sensitivity": "rtrl"}
    edits = [transmitting(name) for name in READY]
    edits += [
        modulating(effect, target)
        for effect in ("excitability", *KINDS)
        for target in ("cortex", "cortex->cortex")
        if (effect, target) != ("excitability", "cortex->cortex")
    ]
    edits += [gap_junctions, noisy_neurons, noisy_dopamine, sub_steps, every_derivative]
    found += [Case("rtrrl", memory(), 8, rtrl, edit=edit) for edit in edits]
    found += [Case("rtrrl", memory(), 8, {"sensitivity": "none"}, edit=every_function)]
    longer = tasks.make("memory_chain", length=12)
    found += [Case("cortex_thalamus", longer, 6, rtrl, edit=delayed)]
    found += [
        Case("cortex_thalamus", longer, 6, {"sensitivity": method}, edit=all_at_once)
        for method in _methods()
    ]
    rows = np.random.default_rng(0).normal(size=(50, 3))
    script = scripted(
        rows[:, :2], rows[:, 2], np.arange(50) % 7 == 0, np.arange(50) % 4 - 1, actions=3
    )
    found += [
        Case("rtrrl", script),
        Case("rtrrl", stimulus(rows, 20.0)),
        Case("rtrrl", memory(), interventions=INTERVENTIONS),
        Case("rtrrl", memory(), learning={"sensitivity": "rtrl"}, interventions=INTERVENTIONS),
        Case(
            "basal_ganglia",
            "bernoulli_bandit",
            8,
            {"sensitivity": "rtrl"},
            ("inactivate gpe from 5 for 30", "gain dopamine 0.5 from reward for 3"),
        ),
        Case(
            "cortex_thalamus",
            longer,
            6,
            rtrl,
            (
                "inactivate thalamus neurons 1 from 3 for 9",
                "gain cortex->cortex 0.5 from 20 for 30",
                "block_plasticity cortex.tau_at_cortex_to_thalamus from 60 for 50",
            ),
            all_at_once,
        ),
    ]
    return found


def _methods():
    """All but the one that is a mistake of another program, which another case has."""
    return [name for name in METHODS if name != bgrl.experiments._slip.NAME]


def cases(words=("",)):
    """Those whose names have one of the words, each kernel once.

    Yields
    ------
    case : Case
    source : str
        Of its kernel.
    """
    sources = set()
    for case in everything():
        if any(word in str(case) for word in words):
            source = cuda.kernel(case.structure()).source()
            if source not in sources:
                yield case, source
            sources.add(source)


class Built(cuda.CudaProgram):
    """A program in a folder, without the cache."""

    def __init__(self, folder, structure, **environment):
        super().__init__(folder, None, structure, 0.0)
        self.environment_variables = environment

    def _pipes(self):
        names = {k: str(v) for k, v in self.environment_variables.items()}
        return {"env": os.environ | names}


def compile_threads(folder, structure):
    """Write and compile the sources for any number of threads, with little shared memory."""
    folder.mkdir()
    cuda.write_sources(structure, folder, LITTLE)
    cpp.call(cuda.emulated_command(cpp.compiler(), f"-DBUFFER={BUFFER}"), folder)
    return folder


def started(case, program, replicates=REPLICATES, seed=3):
    """The state in which a case begins."""
    rows = [Intervention.parse(text) for text in case.interventions]
    return initial_state(case.agent(replicates), program.layout, seed, rows)


def difference(found, expected):
    """Largest difference of any array, relative to its largest value.

    What a sum lost to rounding (``trial_return_lost``) is nothing but rounding: it is relative to the
    sum.
    """
    worst = 0.0
    for name, value in expected.items():
        gap = np.abs(found[name].astype(float) - value.astype(float)).max(initial=0)
        whole = expected[name.removesuffix("_lost")]
        worst = max(worst, gap / max(SMALL, np.abs(whole.astype(float)).max(initial=0)))
    return float(worst)


def same(found, expected):
    """Whether all bits are."""
    return all(np.array_equal(found[name], expected[name]) for name in expected)


#: The parts of every program's source that are the same for all.
TEMPLATES = [(cuda.TEMPLATES / name).read_text() for name in cuda._SOURCES]
#: What is recorded: one number for all, one and several of each replicate.
RECORDED = ("dopamine.td_error", "policy.action", "task.reward", "task.seed")


def recorded(program, state, folder, names=RECORDED, every=3):
    """State after all steps, trials and frames."""
    folder.mkdir()
    sink = Sink(folder, names, program.layout, every)
    after = program.advance(state, 0, 1, learn=False, sink=sink)
    after = program.advance(after, 1, STEPS - 1, sink=sink)
    frames = sink.read_frames()[:]
    return after, sink.read_trials(), {name: frames[name] for name in frames.dtype.names}


def prove(case, work):
    """Everything that is measured of a case.

    Parameters
    ----------
    case : Case
    work : Path
        An empty folder.

    Returns
    -------
    dict
    """
    structure = case.structure()
    reference, emulated = load("cpp", structure), load("cuda-emulated", structure)
    state = started(case, reference)
    expected, trials, frames = recorded(reference, state, work / "cpp")
    found, own_trials, own_frames = recorded(emulated, state, work / "emulated")
    of_trials = {n: trials[n] for n in trials.dtype.names}
    result = {
        "case": str(case),
        "difference": difference(found, expected),
        "trials": len(trials),
        "recorded": len(trials) == len(own_trials)
        and difference({n: own_trials[n] for n in of_trials}, of_trials) < TOLERANCE
        and difference(own_frames, frames) < TOLERANCE,
    }
    kernel = cuda.kernel(structure)
    threads = compile_threads(work / "threads", structure)
    result |= {
        "shared": kernel.shared_bytes,
        "global": kernel.global_bytes,
        "differing": identical(case, structure, threads, state, found, emulated),
    }
    return result | raced(case, structure, threads)


def identical(case, structure, threads, state, expected, emulated):
    """Names of the ways to run a case that do not give the same bits."""

    def run(program, state):
        state = program.advance(state, 0, 1, learn=False)
        return program.advance(state, 1, STEPS - 1)

    ways = {
        f"{number} threads, order {order}": Built(
            threads, structure, BGRL_THREADS=number, BGRL_ORDER=order
        )
        for number in (64, 128)
        for order in (0, 1, 2)
    }
    wrong = [name for name, program in ways.items() if not same(run(program, state), expected)]
    half = emulated.advance(state, 0, 1, learn=False)
    for first, steps in ((1, 70), (71, STEPS - 71)):
        half = emulated.advance(half, first, steps)
    wrong += [] if same(half, expected) else ["two chunks"]
    for replicates in (1, 5):
        program = load("cuda-emulated", structure | {"replicates": replicates})
        more = run(program, started(case, program, replicates))
        kept = min(replicates, REPLICATES)
        cut = {n: v[:kept] if v.ndim else v for n, v in expected.items()}
        found = {n: v[:kept] if v.ndim else v for n, v in more.items()}
        wrong += [] if same(found, cut) else [f"{replicates} replicates"]
    return wrong


def raced(case, structure, threads):
    """Races, barriers, and those of them that are not missed when they are left out."""
    source = (threads / "step.h").read_text()
    modes = dict(re.findall(r"void (learn|evaluate)\([^)]*\)\n{\n(.*?)\n}", source, re.DOTALL))
    numbered = {
        mode: re.findall(r"BARRIER\((\d+), (\w+)\);\nPIECE\((\w+)\)", modes[mode]) for mode in modes
    }

    def found(mode, skip=-1):
        program = Built(threads, structure | {"replicates": 1}, BGRL_RACES=1, BGRL_SKIP=skip)
        state = started(case, program, 1)
        printed = program._run(state, 0, SEARCHED, int(mode == "learn"))[1]
        return sorted(set(printed.splitlines()))

    return {
        "races": found("learn") + found("evaluate"),
        "barriers": sum(map(len, numbered.values())),
        "of the block": source.count(", __syncthreads)"),
        "missed": [
            f"{wait} before {piece}, {mode}"
            for mode, barriers in numbered.items()
            for k, wait, piece in barriers
            if not found(mode, int(k))
        ],
    }


def nvcc_command():
    """What compiles for compute capability 9.0, and tells registers."""
    return cuda.nvcc_command(cuda.nvcc(), (9, 0), "-Xptxas", "-v")


def compiled(case, work):
    """What nvcc makes of a case in single precision, as much as can be said without running it."""
    folder, command = work / "nvcc", nvcc_command()
    folder.mkdir()
    kernel = cuda.write_sources(case.structure(dtype="float32"), folder)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if result.returncode:
        return {"nvcc": result.stderr.strip().splitlines()[0]}
    spilled = re.findall(r"(\d+) bytes spill (?:stores|loads)", result.stderr)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "nvcc": "ok",
        "registers": max(map(int, re.findall(r"Used (\d+) registers", result.stderr))),
        "spilled": sum(map(int, spilled)),
        "stack": max(map(int, re.findall(r"(\d+) bytes stack frame", result.stderr))),
        "seconds": round(seconds, 1),
        "shared, float32": kernel.shared_bytes,
        "global, float32": kernel.global_bytes,
    }


def is_proved(result):
    """Whether everything is as it must be."""
    return (
        result["difference"] < TOLERANCE
        and result["recorded"]
        and not (result["differing"] or result["races"] or result["missed"])
        and result.get("nvcc", "ok") == "ok"
        and not result.get("spilled")
    )


def line(result):
    """A result as a line of text."""
    wrong = [*result["differing"], *(f"race: {r}" for r in result["races"])]
    wrong += [f"missed: {m}" for m in result["missed"]]
    wrong += [] if result["recorded"] else ["trials or frames differ"]
    caught = result["barriers"] - len(result["missed"])
    text = (
        f"{result['case']}: {result['difference']:.1e}, {result['trials']} trials, "
        f"{caught} of {result['barriers']} barriers caught"
    )
    if "nvcc" in result:
        text += f", nvcc {result['nvcc']}"
    if "registers" in result:
        text += (
            f" {result['registers']} registers, {result['spilled']} bytes spilled, "
            f"{result['seconds']} s"
        )
    return f"{text}{'' if is_proved(result) else '  FAILED ' + '; '.join(wrong)}"


def summary(results):
    """What all results say together, as lines of text."""
    made = [r for r in results if "registers" in r]
    barriers = sum(r["barriers"] for r in results)
    caught = barriers - sum(len(r["missed"]) for r in results)
    lines = [
        f"{len(results)} cases, {STEPS} steps, {REPLICATES} replicates, float64",
        f"largest difference from cpp: {max(r['difference'] for r in results):.1e}",
        f"trials and frames equal: {sum(r['recorded'] for r in results)}",
        f"same bits in nine other ways to run: {sum(not r['differing'] for r in results)}",
        f"without a race: {sum(not r['races'] for r in results)}",
        f"barriers: {barriers}, of which {sum(r['of the block'] for r in results)} of the block; "
        f"found missing when left out: {caught}",
    ]
    if made:
        lines.append(
            f"nvcc, float32, sm_90: {len(made)} compiled, at most "
            f"{max(r['registers'] for r in made)} registers, "
            f"{max(r['spilled'] for r in made)} bytes spilled, {max(r['stack'] for r in made)} bytes of "
            f"stack, {max(r['seconds'] for r in made)} s of processor time"
        )
    return lines


def table(results):
    """A page of all results, as lines of Markdown."""
    columns = (
        *("case", "difference", "trials", "barriers", "of the block", "found when left out"),
        *("shared memory, KB", "registers", "bytes spilled", "nvcc, s"),
    )
    lines = [
        "# What was shown of the backend `cuda` without a card",
        "",
        f"`{COMMAND}` wrote this page; [On a GPU](gpu.md) says what it means.",
        "",
        *(f"* {line}" for line in summary(results)),
        "",
        "Difference is the largest from `cpp`, over the largest value of an array. Shared memory is",
        "that of a replicate in float64; a `+` stands where the rest is in global memory. Registers",
        "are those of a thread, in float32, and seconds are of processor time.",
        "",
        f"| {' | '.join(columns)} |",
        f"|{'---|' * len(columns)}",
    ]
    for r in results:
        cells = (
            shortened(r["case"]),
            f"{r['difference']:.1e}",
            r["trials"],
            r["barriers"],
            r["of the block"],
            r["barriers"] - len(r["missed"]),
            f"{r['shared'] / 1024:.0f}{' +' if r['global'] else ''}",
            *(r.get(name, "") for name in ("registers", "spilled", "seconds")),
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return [*lines, ""]


def shortened(name):
    """A case's name in a table: as much of its settings as has room."""
    steady = " ".join(f"{k}={v}" for k, v in models.STEADY.items())
    name = name.replace(f" {steady}", "")
    return name if len(name) <= 80 else f"{name[:80].rpartition(' ')[0]} ..."


def main(arguments=None):
    """The command; exit code 1 if something is not as it must be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", help="words, with commas, of the cases' names; all by default")
    parser.add_argument("--nvcc", action="store_true", help="compile with NVIDIA's compiler too")
    parser.add_argument("--keep", type=Path, metavar="FILE.json", help="keep results, and go on")
    parser.add_argument("--table", type=Path, metavar="FILE.md", help="write a page")
    options = parser.parse_args(arguments)
    words = options.cases.split(",") if options.cases else [""]
    kept = json.loads(options.keep.read_text()) if options.keep and options.keep.exists() else {}
    try:
        parts = {prove: cuda.emulated_command(cpp.compiler())}
        parts |= {compiled: nvcc_command()} if options.nvcc else {}
    except InputError as error:
        parser.error(str(error))
    # Brian2, which makes the sources of `cpp`, is imported once.
    cpp.run_generator, results = Generator(), []
    for case, source in cases(words):
        result = {}
        for part, command in parts.items():
            key = cpp.digest(str(case), source, *TEMPLATES, *command)
            if key not in kept:
                with tempfile.TemporaryDirectory(prefix="bgrl-prove-") as folder:
                    kept[key] = part(case, Path(folder))
            result |= kept[key]
        results.append(result)
        print(line(result), flush=True)
        if options.keep:
            options.keep.write_text(json.dumps(kept, indent=1))
    if not results:
        parser.error(f"no case has {' or '.join(map(repr, words))} in its name")
    print("\n".join(summary(results)))
    if options.table:
        options.table.write_text("\n".join(table(results)))
    return 0 if all(map(is_proved, results)) else 1


if __name__ == "__main__":
    sys.exit(main())
