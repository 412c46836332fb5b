"""Runs an agent: chunks of steps, evaluations in between, checkpoints, and resuming.

Step 0 shows the first observation and nothing is learned in it; learning happens in steps 1 to
`steps`. A run keeps its work in a folder (`Work`), from which a killed run goes on as if it had never
stopped.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from dataclasses import asdict, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from bgrl import __version__
from bgrl.agent import MAX_SEED, Agent, describe
from bgrl.backends import BACKENDS, load
from bgrl.bridge.connection import EnvironmentFailed
from bgrl.description import as_annotated, description
from bgrl.errors import InputError, RunError, check_count, check_integer, choose, from_system
from bgrl.interventions import at_checkpoint, changes, check_interventions
from bgrl.learning.sensitivity import cost, count_weights
from bgrl.random import derived_seed
from bgrl.recording import Record, Sink, TemporaryFolder
from bgrl.step.assemble import initial_state

#: Seconds of computing between two looks at the clock, and between two checkpoints.
CHUNK_SECONDS = 1.0
SAVE_SECONDS = 5.0
_FIRST_CHUNK = 16
_FIRST_EVALUATION = 32
#: Steps that evaluations may take together in a run that is shorter, so that it evaluates something.
LEAST_EVALUATION = 10_000


#: Files of a checkpoint after some learning.
_CHECKPOINT = re.compile(r"(?:state|weights)-0*[1-9]\d*\.npz")
#: Steps beyond which not every number is one in double precision; and with interventions, which count
#: in 32 bits.
_MOST_STEPS, _MOST_INTERVENED = 2**53, 2**30 - 1


class Stopped(RunError):
    """A run diverged, or lost its environment.

    Attributes
    ----------
    data : xarray.DataTree
        What it had until then.
    resumes : bool
        Whether the same run goes on from there when it is started again: its folder is to be kept.
    """

    def __init__(self, message, data, resumes=False):
        super().__init__(message)
        self.data, self.resumes = data, resumes


class _Diverged(RunError):
    """Something became NaN or infinite; the message says what."""


@description
class Run:
    """How long, with which randomness, and what is looked at.

    Parameters
    ----------
    steps : int
        Task steps in which the agent learns, each replicate.
    seed : int
        0 to 2**31 - 1.
    backend : str
    evaluations : int
        Evaluations with plasticity off, evenly spread over the run, besides one before it.
    evaluation_trials, final_trials : int
        Trials of each of them, and of the last one.
    record : Record
        What is recorded step by step.
    interventions : tuple of bgrl.interventions.Intervention
        What is done to the circuit. An evaluation takes place under those in force at its step.
    evaluation_steps : int, optional
        Task steps that all evaluations together may take, each replicate, shared among them in
        proportion to their trials; if nothing is said, as many as are learned, or 10,000 if that is
        more. An evaluation whose steps are used up before its trials ends with those it has.
    """

    steps: int
    seed: int = 0
    backend: str = "cpp"
    evaluations: int = 10
    evaluation_trials: int = 20
    final_trials: int = 100
    record: Record = field(default_factory=Record)
    interventions: tuple = ()
    evaluation_steps: int | None = None

    def __post_init__(self):
        choose("backend", self.backend, BACKENDS)
        check_count("steps", self.steps)
        most = _MOST_INTERVENED if self.interventions else _MOST_STEPS
        if self.steps > most:
            given = "with interventions" if self.interventions else "to be counted"
            raise InputError(f"steps is {self.steps}; at most {most} are possible {given}")
        check_integer("seed", self.seed, 0, MAX_SEED)
        for name in ("evaluations", "evaluation_trials", "final_trials", "evaluation_steps"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        self.record.check(self.steps)
        check_interventions(self.interventions, self.steps)

    def checkpoints(self):
        """Steps after which the agent is evaluated, the first being 0."""
        found = np.round(np.linspace(0, self.steps, self.evaluations + 1)).astype(int)
        return sorted(set(found.tolist()))

    def trials_at(self, step):
        """Trials of the evaluation after `step` steps."""
        return self.final_trials if step == self.steps else self.evaluation_trials

    def evaluation_steps_at(self, step):
        """Task steps, at the most, of the evaluation after `step` steps."""
        together = self.evaluation_steps or max(self.steps, LEAST_EVALUATION)
        trials = sum(map(self.trials_at, self.checkpoints()))
        return max(1, together * self.trials_at(step) // trials)


class Work:
    """The folder in which a run keeps what it needs to go on.

    ``run.json`` says which run it is, ``progress.json`` how far it is; the latter is replaced in one
    go once everything it refers to is on disk. In a ``with`` statement that fails, a folder in which
    nothing was learned yet is removed.

    Parameters
    ----------
    path : path
    configuration : dict
        Of the run; a folder of another one is refused, unless nothing was learned in it.
    marker : str
        Name of the file that holds it. The commands of experiments, which may be several runs, have
        one of their own in the same folder.

    Raises
    ------
    InputError
        If the folder holds something else, is in use, or cannot be written.
    RunError
        If the disk is full.
    """

    def __init__(self, path, configuration, marker="run.json"):
        self.folder, self.path = path, Path(path)
        self._marker = self.path / marker
        described = describe(configuration)
        self._run = hashlib.sha256(described.encode()).hexdigest()
        self._made = [p for p in (self.path, *self.path.parents) if not os.path.lexists(p)]
        self._lock = None
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if _is_foreign(self.path):
                raise InputError(
                    f"{self.path} exists and is no unfinished run; choose another output"
                )
            # Held until this process ends, however it ends.
            lock = open(self._marker, "a+")  # noqa: SIM115
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._lock = lock
            self._lock.seek(0)
            if self._lock.read() != described:
                self._take(described)
        except BlockingIOError:
            raise InputError(f"{self.path} is in use by another process") from None
        except OSError as error:
            self._discard()
            raise from_system(f"cannot write {self.path}", error) from None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if kind is not None:
            self._discard()
        self._lock.close()

    def _take(self, described):
        """Make the folder that of this run; of another one it may hold the start."""
        if has_learned(self.path):
            try:
                self._lock.seek(0)
                json.load(self._lock)
            except ValueError:
                raise self.damaged(f"{self._marker.name} cannot be read") from None
            raise InputError(
                f"{self.path} holds another unfinished run; finish it with its own settings, delete "
                "it, or choose another output"
            )
        (self.path / "progress.json").unlink(missing_ok=True)
        self._lock.truncate(0)
        self._lock.write(described)
        self._lock.flush()
        os.fsync(self._lock.fileno())

    def _discard(self):
        """Remove what a run leaves at its start, and the folders made for it if they are empty.

        Nothing is removed where something was learned, or that another process may be using.
        """
        names = {self._marker.name, "run.json", "progress.json", "frames.bin", "trials.bin"}
        with contextlib.suppress(OSError):
            mine = self._lock is not None and not has_learned(self.path)
            for path in self.path.iterdir() if mine else ():
                name = path.name.removeprefix(".")
                if name in names or name.endswith("-0.npz"):
                    path.unlink()
        for folder in {self.path: None, **dict.fromkeys(self._made)}:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def load(self):
        """Progress and state of a run that was stopped, or None.

        Raises
        ------
        InputError
            If something of the checkpoint is missing or damaged.
        """
        marker = self.path / "progress.json"
        if not marker.exists():
            if has_learned(self.path):
                raise self.damaged("progress.json is missing")
            return None
        with self._reading("progress.json"):
            progress = json.loads(marker.read_text())
            if progress["run"] != self._run:
                raise ValueError("of another run")
            name = progress["state"]
        with self._reading(name):
            state = _arrays(self.path / name)
        return progress, state

    def check(self, progress, state, layout, learned, sink):
        """Refuse a checkpoint that the run cannot go on from; cut what was recorded after it.

        Parameters
        ----------
        progress : dict
        state : dict of str to ndarray
        layout : dict of str to (dtype, shape)
            Of the state.
        learned : sequence of str
            Arrays in each snapshot of the weights.
        sink : Sink

        Raises
        ------
        InputError
            If something of the checkpoint is missing or damaged.
        """
        with self._reading(progress["state"]):
            _check_arrays(state, layout)
        for evaluation in progress["evaluations"]:
            path = self.snapshot_path(evaluation["step"])
            with self._reading(path.name):
                _check_arrays(_arrays(path), {name: layout[name] for name in learned})
        with self._reading("what was recorded"):
            sink.cut(progress["sizes"])

    @contextlib.contextmanager
    def _reading(self, name):
        """Whatever goes wrong while a file of the checkpoint is read is damage to it."""
        try:
            yield
        except OSError as error:
            if isinstance(from_system("", error), RunError):
                raise from_system(f"cannot read {self.path / name}", error) from None
            raise self.damaged(f"{name}: {error.strerror or error}") from None
        except KeyError as error:
            raise self.damaged(f"{name} lacks {error}") from None
        except Exception as error:  # archives raise whatever their readers think of
            raise self.damaged(f"{name}: {' '.join(str(error).split())}") from None

    def damaged(self, reason):
        """The exception for a checkpoint that the run cannot go on from."""
        return InputError(
            f"the checkpoint in {self.path} is damaged ({reason}); delete the folder to start anew"
        )

    def save(self, step, state, sink, evaluations, weights=None):
        """Make `step` the one from which the run would go on; keep a snapshot of the weights.

        Raises
        ------
        RunError
            If it cannot be written; the checkpoint before, if there is one, is kept.
        """
        name = f"state-{step}.npz"
        try:
            for recorded in (self.path / "frames.bin", self.path / "trials.bin"):
                _sync(recorded)
            if weights is not None:
                _write(self.snapshot_path(step), lambda file: np.savez(file, **weights))
            _write(self.path / name, lambda file: np.savez(file, **state))
            progress = {
                "run": self._run,
                "step": int(step),
                "state": name,
                "sizes": sink.sizes(),
                "evaluations": evaluations,
            }
            text = json.dumps(progress).encode()
            _write(self.path / "progress.json", lambda file: file.write(text))
        except OSError as error:
            failure = from_system(f"cannot write the checkpoint in {self.path}", error)
            kept = (self.path / "progress.json").exists()
            raise RunError(f"{failure}{'; the one before is kept' if kept else ''}") from None
        for old in self.path.glob("state-*.npz"):
            if old.name != name:
                old.unlink()

    def snapshot_path(self, step):
        """Where the weights at a checkpoint are kept."""
        return self.path / f"weights-{step}.npz"


def has_learned(folder):
    """Whether a folder keeps unfinished runs that have learned, or finished points of a sweep."""

    def fail(error):  # a folder that cannot be read is not an empty one
        raise error

    for place, _, names in os.walk(folder, onerror=fail):
        for name in names:
            if _CHECKPOINT.fullmatch(name) or (name.endswith(".nc") and place.endswith("points")):
                return True
    return False


def _is_foreign(folder):
    """Whether a folder has contents, but none of an unfinished run or of several of them."""
    markers = {"run.json", "command.json"}
    entries = list(folder.iterdir())
    known = any(p.name in markers or (p / "run.json").exists() for p in entries)
    return bool(entries) and not known


def _arrays(path):
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _check_arrays(found, layout):
    """Refuse arrays that are not those of a layout."""
    for name, (dtype, shape) in layout.items():
        if found[name].dtype != dtype or found[name].shape != tuple(shape):
            raise ValueError(f"{name} has another type or shape")


def simulate(agent, run, work=None, progress=False, processes=1, weights=None):
    """Let an agent learn.

    Parameters
    ----------
    agent : Agent
    run : Run
    work : path, optional
        Folder to keep the unfinished run in. If it holds this run already, that goes on from its
        last checkpoint. A temporary one if nothing is said.
    progress : bool
        Show a progress bar, if the output is a terminal.
    processes : int
        Among how many processes the replicates are shared, see `bgrl.backends.load`. It changes
        nothing in the results, so a run may go on with another number.
    weights : xarray.DataTree, optional
        Another run, whose learned weights are those to start from: of the same circuit, or of one in
        which synapses are missing.

    Returns
    -------
    xarray.DataTree
        Groups ``trials``, ``evaluation``, ``traces`` and ``weights``, see `bgrl.dataset`. Traces and
        trials stay on disk, in `work`, and are read when they are looked at, if they are many.

    Raises
    ------
    InputError
        For settings that cannot be, or a recording that would not fit.
    Stopped
        If the state becomes NaN or infinite, or the environment fails.
    RunError
        If the program fails.
    """
    as_annotated("agent", agent, Agent, "simulate")
    as_annotated("run", run, Run, "simulate")
    try:
        if work is not None:
            return _simulate(agent, run, work, progress, processes, weights)
        folder = TemporaryFolder("bgrl-run-")
        try:
            return _simulate(agent, run, folder, progress, processes, weights)
        except Stopped:
            raise
        except BaseException:
            folder.remove()
            raise
    except OSError as error:
        where = f"the run cannot go on{f' ({error.filename})' if error.filename else ''}"
        raise RunError(str(from_system(where, error))) from None


def _simulate(agent, run, folder, progress, processes, weights):
    say = (lambda text: tqdm.write(text)) if progress else None
    changes(agent, run.interventions)  # refuses what cannot be before anything is built
    structure = agent.structure(bool(run.interventions))
    check_cost(structure, say)
    if say:
        say(_evaluation_cost(run))
    program = load(run.backend, structure, say, processes)
    with _environments(agent) as environments:
        return _learn(agent, run, folder, progress, program, environments, say, weights)


@contextlib.contextmanager
def _environments(agent):
    """Connections for learning and for evaluation, where the task is outside of the program."""
    if agent.task.environment is None:
        yield {}
        return
    opened = {}
    try:
        for purpose in ("learning", "evaluation"):
            opened[purpose] = agent.task.environment.open(agent.replicates)
        yield opened
    finally:
        for connection in opened.values():
            connection.close()


def _learn(agent, run, folder, progress, program, environments, say, weights):
    program.environment = environments.get("learning")
    names = run.record.resolve(agent.circuit, program.layout)
    configuration = {
        "agent": agent.to_dict(),
        "run": asdict(run),
        "version": __version__,
    }
    initial = initial_state(agent, program.layout, run.seed, run.interventions)
    if weights is not None:
        from bgrl.dataset import set_weights

        set_weights(agent, initial, weights)
        learned = b"".join(v.tobytes() for v in _plastic(agent, initial).values())
        configuration["weights"] = hashlib.sha256(learned).hexdigest()
    with Work(folder, configuration) as work:
        return _go_on(agent, run, names, initial, work, progress, program, environments, say)


def _go_on(agent, run, names, initial, work, progress, program, environments, say):
    """Learn from where the run stopped, or from the beginning."""
    sink = Sink(work.folder, names.values(), program.layout, run.record.every)
    _check_sizes(sink, run, work.path)
    stored = work.load()
    stopped = None
    if stored is None:
        step, evaluations, state = 0, [], initial
        sink.cut([0, 0])
        try:
            state = program.advance(initial, 0, 1, learn=False)
            work.save(step, state, sink, evaluations)
        except EnvironmentFailed as error:
            stopped = error
    else:
        (saved, state), step = stored, stored[0]["step"]
        evaluations = saved["evaluations"]
        work.check(saved, state, program.layout, _plastic(agent, initial), sink)
        if say and step:
            say(f"going on from step {step} of {run.steps}")
    with tqdm(
        total=run.steps, initial=step, unit="step", disable=None if progress else True
    ) as bar:
        for first, last in () if stopped else _segments(run, step, evaluations):
            if first == last:
                program.environment = environments.get("evaluation")
                try:
                    result = _evaluate(agent, program, state, run, first)
                except (EnvironmentFailed, _Diverged) as error:
                    work.save(first, state, sink, evaluations)
                    stopped = error
                    break
                program.environment = environments.get("learning")
                evaluations.append({"step": first, **result})
                work.save(first, state, sink, evaluations, _plastic(agent, state))
                bar.set_postfix_str(f"return {np.median(result['mean_return']):.2f}")
                continue
            recorded = any(
                a <= first - 1 and last - 1 <= b for a, b in run.record.ranges(run.steps)
            )
            target = sink if recorded else sink.without_frames()
            try:
                state = _advance(
                    agent, program, state, first, last, target, work, sink, evaluations, bar
                )
            except (EnvironmentFailed, _Diverged) as error:
                stopped = error
                break
    from bgrl.dataset import assemble

    reason = str(stopped) if stopped else None
    data = assemble(agent, run, names, sink, evaluations, work, reason)
    if stopped:
        raise Stopped(reason, data, isinstance(stopped, EnvironmentFailed) and bool(evaluations))
    return data


def _segments(run, step, evaluations):
    """What is left to do: (first, last) steps to learn in, half-open; (step, step) to evaluate."""
    done = {e["step"] for e in evaluations}
    edges = {c for c in run.checkpoints() if c >= step} | {step, run.steps}
    for first, last in run.record.ranges(run.steps):
        edges |= {e for e in (first, last) if e > step}
    edges = sorted(edges)
    for k, edge in enumerate(edges):
        if edge in run.checkpoints() and edge not in done:
            yield edge, edge
        if k + 1 < len(edges):
            yield edge + 1, edges[k + 1] + 1


def _advance(agent, program, state, first, last, target, work, sink, evaluations, bar):
    """Steps `first` to `last` (half-open), a chunk at a time."""
    chunk, saved, least = _FIRST_CHUNK, time.monotonic(), np.inf
    while first < last:
        steps = min(chunk, last - first)
        started = time.monotonic()
        before, sizes = state, target.sizes()
        try:
            state = program.advance(before, first, steps, sink=target)
        except EnvironmentFailed:
            target.cut(sizes)
            work.save(first - 1, before, sink, evaluations)
            raise
        now = time.monotonic()
        if _broken(state):
            raise _Diverged(_blame(agent, program, before, state, first, steps))
        first += steps
        bar.update(steps)
        took = max(now - started, 1e-6)
        # What a chunk takes however short it is, mostly moving the state, must not prevail.
        least = min(least, took)
        chunk = int(np.clip(steps * max(CHUNK_SECONDS, 5 * least) / took, 1, 8 * steps))
        if now - saved > SAVE_SECONDS:
            work.save(first - 1, state, sink, evaluations)
            saved = now
    return state


def _broken(state):
    """Names of arrays that hold NaN or infinity."""
    return [k for k, v in state.items() if v.dtype.kind == "f" and not np.isfinite(v).all()]


def _blame(agent, program, before, after, first, steps, learn=True):
    """What made the state NaN or infinite within some steps, and when.

    The steps are repeated to find the one in which it began, where the task is part of the program.
    """
    task = agent.task
    when = f"between steps {first} and {first + steps - 1}"
    if task.environment is None:
        while steps > 1:
            half = steps // 2
            middle = program.advance(before, first, half, learn=learn)
            if _broken(middle):
                after, steps = middle, half
            else:
                before, first, steps = middle, first + half, steps - half
        after, when = program.advance(before, first, 1, learn=learn), f"in step {first}"
    when += "" if learn else " of an evaluation"
    names = _broken(after)
    # Until that step all was finite, so that what the task says then is its own doing.
    own = [name.removeprefix("task.") for name in names if name.startswith("task.")]
    if not own and "input.x" in names and task.environment is None:
        own = ["observation"]
    if own:
        what = "reward" if {"reward", "told_reward"} & set(own) else own[0]
        return f"{what} of task {task.name!r} became NaN or infinite {when}; the task is at fault"
    return f"{names[0]} became NaN or infinite {when}; try lower learning rates or max_norm"


def _evaluate(agent, program, state, run, step):
    """Mean return of each replicate over trials from a fresh start, with plasticity off.

    Where the steps are used up before the trials, a trial that has lasted longer than all those that
    ended counts with its return so far.
    """
    wanted = run.trials_at(step)
    state = {name: value.copy() for name, value in state.items()}
    seed = derived_seed(run.seed, 1 + step)
    for name in ("task.seed", "policy.seed"):
        state[name][...] = seed
    state["task.restart"][...] = 1
    at_checkpoint(state, step)
    # The first step of all only starts the first trial.
    taken, steps, budget = 0, _FIRST_EVALUATION, 1 + run.evaluation_steps_at(step)
    with tempfile.TemporaryDirectory(prefix="bgrl-evaluation-") as folder:
        sink = Sink(folder, layout=program.layout)
        while True:
            steps = min(steps, budget - taken)
            before = state
            state = program.advance(before, taken, steps, learn=False, sink=sink)
            if _broken(state):
                raise _Diverged(_blame(agent, program, before, state, taken, steps, learn=False))
            taken += steps
            steps = min(2 * steps, 1 << 16)
            trials = sink.read_trials()
            counts = np.bincount(trials["replicate"], minlength=agent.replicates)
            if not np.isfinite(trials["trial_return"]).all():
                raise _Diverged(
                    f"the return of a trial of task {agent.task.name!r} is NaN or infinite in an "
                    "evaluation; the task is at fault"
                )
            if counts.min() >= wanted or taken >= budget:
                break
    going_on = state["task.trial_length"] * (1 - state["task.done"])
    found = {"mean_return": [], "episodes": [], "unfinished": []}
    for r in range(agent.replicates):
        ended = trials[trials["replicate"] == r]
        returns = ended["trial_return"][:wanted].tolist()
        outlasts = len(returns) < wanted and going_on[r] > ended["length"].max(initial=0)
        if outlasts:
            returns.append(float(state["task.trial_return"][r]))
        found["mean_return"].append(float(np.mean(returns)) if returns else float("nan"))
        found["episodes"].append(len(returns))
        found["unfinished"].append(int(outlasts))
    return found


def _plastic(agent, state):
    """The arrays that learning changes."""
    places = (place for name in agent.pathways() for place in agent.plan.layout[name])
    return {place.array: state[place.array] for place in places}


def _evaluation_cost(run):
    """What the evaluations of a run take, as a line of text."""
    checkpoints = run.checkpoints()
    most = sum(map(run.evaluation_steps_at, checkpoints))
    return (
        f"{len(checkpoints)} evaluations of {run.evaluation_trials} trials, the last of "
        f"{run.final_trials}, take {most:,} steps at most, learning {run.steps:,}"
    )


def check_cost(structure, say=None):
    """Refuse weights and sensitivities that would not fit in memory, before anything is built.

    Parameters
    ----------
    structure : dict
        `Agent.structure()`.
    say : callable, optional
        Called with a line of text that says what the sensitivities cost.

    Raises
    ------
    InputError
        With the numbers.
    """
    found = cost(structure)
    # The program's array and its index; the state before and after, in memory and as a file.
    width = np.dtype(structure["dtype"]).itemsize
    synapses = count_weights(structure)
    # Of a synapse that learns there is more, which the optimizer knows: this is the least.
    values = found.values + 2 * synapses
    need = (4 + 5 * width) * values
    free = _free_memory()
    if need > free:
        raise InputError(
            f"the agent would need {need / 1e9:.3g} GB of memory ({found}, {synapses:,} weights), of "
            f"which {free / 1e9:.3g} GB is free; use fewer units or replicates, or a method that keeps "
            "less (nucleus, snap1, rflo)"
        )
    if say and found.values:
        say(str(found))


def _free_memory():
    pages = "SC_AVPHYS_PAGES" if "SC_AVPHYS_PAGES" in os.sysconf_names else "SC_PHYS_PAGES"
    return os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE")


def _check_sizes(sink, run, folder):
    """Refuse a recording that would fill the disk."""
    size = run.record.frames(run.steps) * sink.dtype.itemsize if sink.names else 0
    need = 2 * size - sink.sizes()[0]  # as it runs and as a dataset, less what is there
    free = shutil.disk_usage(folder).free
    if need > free:
        raise InputError(
            f"the recording would take {size / 1e9:.3g} GB and needs {need / 1e9:.3g} GB of disk "
            f"space, of which {free / 1e9:.3g} GB is free; record fewer variables, less often, or in "
            "a shorter window"
        )


def _write(path, fill):
    """Write a file with ``fill(file)``, whole and on disk, or not at all."""
    temporary = path.with_name(f".{path.name}")
    try:
        with open(temporary, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _sync(path):
    """See that a file, if there is one, is on disk."""
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
        os.fsync(file.fileno())
