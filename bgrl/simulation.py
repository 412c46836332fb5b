"""Runs an agent: chunks of steps, evaluations in between, checkpoints, and resuming.

Step 0 shows the first observation and nothing is learned in it; learning happens in steps 1 to
`steps`. A run keeps its work in a folder (`Work`), from which a killed run goes on as if it had never
stopped.
"""

import contextlib
import functools
import hashlib
import itertools
import logging
import os
import re
import shutil
import tempfile
import time
from dataclasses import asdict, field
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from bgrl import __version__
from bgrl.agent import MAX_SEED, Agent, describe
from bgrl.backends import BACKENDS, load
from bgrl.backends.groups import cores
from bgrl.bridge.connection import AWAKE, EnvironmentFailed
from bgrl.checkpoints import Work
from bgrl.description import as_annotated, description
from bgrl.errors import InputError, RunError, check_count, check_integer, choose, from_system
from bgrl.interventions import at_checkpoint, changes, check_interventions
from bgrl.layout import layout, learned
from bgrl.learning.sensitivity import cost, count_weights
from bgrl.random import derived_seed
from bgrl.recording import Record, Sink, TemporaryFolder
from bgrl.requests import Steering
from bgrl.step.assemble import initial_state

#: A command keeps these messages beside its data file, see `bgrl.experiment.logged`.
log = logging.getLogger(__name__)
#: Seconds of computing between two looks at the clock, and between two checkpoints.
CHUNK_SECONDS = 1.0
SAVE_SECONDS = 5.0
_FIRST_CHUNK = 16
_FIRST_EVALUATION = 32
#: Steps that evaluations may take together in a run that is shorter, so that it evaluates something.
LEAST_EVALUATION = 10_000


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


class Interrupted(KeyboardInterrupt):
    """A run was interrupted, by Ctrl-C or the stop button of a notebook.

    Attributes
    ----------
    data : xarray.DataTree
        What it had until then. The same `simulate` again goes on from there, in this process also
        where no folder was given.
    """

    def __init__(self, message, data):
        super().__init__(message)
        self.data = data


class _Diverged(RunError):
    """Something became NaN or infinite; the message says what."""


@description
class Run:
    """A run: for how many steps an agent learns, with which randomness, and what is looked at.

    Parameters
    ----------
    steps : int
        Task steps in which the agent learns, each replicate.
    seed : int
        0 to 2**31 - 1.
    backend : {"cpp", "numpy", "cython", "cpp-plain", "cuda", "cuda-emulated"}
        What runs the circuit and the task: ``cpp`` compiles them, ``numpy`` needs no compiler.
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
    evaluation_noise : bool
        Whether the noise of the circuit (``xi``) is on in evaluations too.

    Raises
    ------
    InputError
        For a number that cannot be, an unknown backend, a window outside of the run, an intervention
        that begins after its end, or dopamine that is clamped to two values at once.

    Examples
    --------
    >>> Run(1000, evaluations=4).checkpoints()
    [0, 250, 500, 750, 1000]
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
    evaluation_noise: bool = True

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
        Show a progress bar, if the output is a terminal or a notebook.
    processes : int
        Among how many processes the replicates are shared, see `bgrl.backends.load`. It changes
        nothing in the results, so a run may go on with another number.
    weights : xarray.DataTree, optional
        The dataset of another run, with as many replicates, whose last weights are those to start from:
        of the same circuit, or of one in which synapses are missing. Parameters that were learned there
        are those of that run, whether they learn on or not. Agents that normalise inputs or scale reward
        go on with the statistics of that run. Rates that fall and an average reward begin anew, as the
        run does; random feedback is drawn by the seed of this run, so it is that of before with its seed.

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
    Interrupted
        If it is interrupted; it has what was done until then, and the same call goes on from there.
    RunError
        If the program fails.
    """
    as_annotated("agent", agent, Agent, "simulate")
    as_annotated("run", run, Run, "simulate")
    as_annotated("work", work, str | os.PathLike | None, "simulate")
    try:
        if work is not None:
            return _simulate(agent, run, work, progress, processes, weights)
        which = describe(_identity(agent, run)), id(weights)
        folder, _ = _interrupted.pop(which, (None, None))
        folder = folder or TemporaryFolder("bgrl-run-")
        try:
            return _simulate(agent, run, folder, progress, processes, weights)
        except Interrupted:
            _interrupted[which] = folder, weights
            raise
        except Stopped:
            raise
        except BaseException:
            folder.remove()
            raise
    except BrokenPipeError:  # nobody reads what is printed any more: no fault of the run
        raise
    except OSError as error:
        where = f"the run cannot go on{f' ({error.filename})' if error.filename else ''}"
        raise RunError(str(from_system(where, error))) from None


def _identity(agent, run):
    """Settings that make a run another one, and a digest of the task, whose code they do not tell."""
    made = agent.task
    bounds = np.asarray(made.bounds or (), float).tolist()
    task = describe({"code": made.structure(), "bounds": bounds, "events": made.events})
    return {
        "agent": agent.to_dict(),
        "task": hashlib.sha256(task.encode()).hexdigest(),
        "run": asdict(run),
        "version": __version__,
    }


#: Runs that were interrupted in this process and had no folder: what they are, to their folder and the
#: weights that they started from.
_interrupted = {}


def _simulate(agent, run, folder, progress, processes, weights):
    say = (lambda text: tqdm.write(text)) if progress else None
    changes(agent, run.interventions)  # refuses what cannot be before anything is built
    structure = agent.structure(bool(run.interventions))
    check_cost(structure, say)
    if say:
        say(_evaluation_cost(run))
    program = load(run.backend, structure, say, processes)
    with environments(agent, program) as opened:
        return _learn(agent, run, folder, progress, program, opened, say, weights, processes)


@contextlib.contextmanager
def environments(agent, program):
    """Connections for learning and for evaluation, where the task is outside of the program."""
    if agent.task.environment is None:
        yield {}
        return
    opened = {}
    try:
        groups = getattr(program, "groups", None)
        # Program and environments work in turns: whoever waits may stay awake if there is a core for it.
        awake = AWAKE if 2 * program.processes <= cores() else 0
        for purpose in ("learning", "evaluation"):
            parts = opened[purpose] = []
            for group in groups or [slice(0, agent.replicates)]:
                size = group.stop - group.start
                parts.append(agent.task.environment.open(size, group.start, awake))
        yield opened if groups else {purpose: parts[0] for purpose, parts in opened.items()}
    finally:
        for connection in itertools.chain.from_iterable(opened.values()):
            connection.close()


def _learn(agent, run, folder, progress, program, environments, say, weights, processes):
    program.environment = environments.get("learning")
    names = run.record.resolve(agent.circuit, program.layout)
    configuration = _identity(agent, run)
    initial = initial_state(agent, program.layout, run.seed, run.interventions)
    if weights is not None:
        from bgrl.dataset import set_weights

        arrays = set_weights(agent, initial, weights)
        given = b"".join(initial[name].tobytes() for name in arrays)
        configuration["weights"] = hashlib.sha256(given).hexdigest()
    with Work(folder, configuration) as work:
        other = functools.partial(_load, run.backend, say, processes)
        steering = Steering(agent, run, program, other, work)
        return _Course(agent, steering, names, work, environments).go(initial, progress, say)


def _load(backend, say, processes, structure):
    check_cost(structure, say)
    return load(backend, structure, say, processes)


class _Course:
    """A run on its way: what it has so far, in memory and in its folder.

    Parameters
    ----------
    agent : Agent
    steering : Steering
        The run and its program; both may become others while it goes on.
    names : dict of str to str
        Dataset name to state name of what is recorded.
    work : Work
    environments : dict
        Connections for ``learning`` and ``evaluation``, see `environments`.

    Attributes
    ----------
    state : dict of str to ndarray
    evaluations : list of dict
    done : int
        Steps in which it learned.
    sink : Sink
    """

    def __init__(self, agent, steering, names, work, environments):
        self.agent, self.steering, self.names, self.work = agent, steering, names, work
        self.run, self.environments = steering.run, environments
        self.state, self.evaluations, self.done = None, [], 0
        layout = steering.program.layout
        self.sink = Sink(work.folder, names.values(), layout, self.run.record.every)
        _check_sizes(self.sink, self.run, work.path)
        steering.describe = lambda: work.describe(self.layout())

    def layout(self):
        """How the run records, and the root attributes of its dataset; see `bgrl.layout`."""
        from bgrl.dataset import attributes

        run = self.steering.run
        told = attributes(self.agent, run) | self.steering.attributes()
        return layout(self.agent, run, self.names, self.sink) | {"attributes": told}

    def go(self, initial, progress, say):
        """Learn from the last checkpoint, or from the beginning; returns the dataset.

        Raises
        ------
        Stopped, Interrupted
        """
        stored = self.work.load()
        step = self.done = self.resume(*stored, initial, say) if stored else 0
        bar = tqdm(total=self.run.steps, initial=step, unit="step", disable=hidden(progress))
        with bar:
            try:
                if not stored:
                    self.begin(initial)
                for first, last in _segments(self.run, step, self.evaluations):
                    if first == last:
                        self.evaluate(first, bar)
                    else:
                        self.learn(first, last, bar)
            except (EnvironmentFailed, _Diverged, KeyboardInterrupt) as error:
                stopped = error
            else:
                return self.data()
        self.stop(stopped)

    def begin(self, initial):
        """The first step, which shows the first observation and in which nothing is learned."""
        self.sink.cut([0, 0])
        self.steering.describe()
        self.state = self.steering.program.advance(initial, 0, 1, learn=False)
        self.save(0, self.state)

    def resume(self, saved, state, initial, say):
        """Go on from a checkpoint; returns the step after which it was made."""
        self.state, self.evaluations, step = state, saved["evaluations"], saved["step"]
        self.steering.resume(saved.get("steering", {}))
        expected = self.steering.program.layout
        self.work.check(saved, state, expected, plastic(self.agent, initial), self.sink)
        self.steering.describe()
        if say and step:
            say(f"going on from step {step} of {self.run.steps}")
        log.info("going on from step %d of %d", step, self.run.steps)
        return step

    def save(self, step, state, weights=None):
        """Make a checkpoint after a step."""
        self.work.save(step, state, self.sink, self.evaluations, weights)

    def evaluate(self, step, bar):
        """Evaluate the agent and keep its weights, after a step in which it learned."""
        program = self.steering.program
        program.environment = self.environments.get("evaluation")
        try:
            result = _evaluate(self.agent, program, self.state, self.run, step)
        except (EnvironmentFailed, _Diverged, KeyboardInterrupt):
            self.save(step, self.state)
            raise
        program.environment = self.environments.get("learning")
        before, self.evaluations = self.evaluations, [*self.evaluations, {"step": step, **result}]
        try:
            self.save(step, self.state, plastic(self.agent, self.state))
        except KeyboardInterrupt:  # the weights may not be there: it is evaluated again
            self.evaluations = before
            self.save(step, self.state)
            raise
        middle = np.median(result["mean_return"])
        bar.set_postfix_str(f"return {middle:.2f}")
        ended, wanted = min(result["episodes"]), self.run.trials_at(step)
        cut = f", of {ended} trials of {wanted}, as evaluation_steps were used up"
        end = cut if ended < wanted else ""
        log.info("step %d of %d: median return %.4g%s", step, self.run.steps, middle, end)

    def learn(self, first, last, bar):
        """Learn in steps `first` to `last` (half-open), a chunk at a time.

        Requests are looked at between chunks, and checkpoints are made.
        """
        windows, steering = self.run.record.ranges(self.run.steps), self.steering
        recorded = any(a <= first - 1 and last - 1 <= b for a, b in windows)
        target = self.sink if recorded else self.sink.without_frames()
        chunk, saved, least = _FIRST_CHUNK, time.monotonic(), np.inf
        while first < last:
            before, sizes = self.state, target.sizes()
            try:
                before = steering.look(first, before, self.save)
                steps = steering.most(min(chunk, last - first))
                started = time.monotonic()
                state = steering.program.advance(before, first, steps, sink=target)
            except (EnvironmentFailed, KeyboardInterrupt):
                target.cut(sizes)
                self.save(first - 1, before)
                raise
            now = time.monotonic()
            if _broken(state):
                raise _Diverged(_blame(self.agent, steering.program, before, state, first, steps))
            self.state = state
            first += steps
            steering.passed(steps)
            self.done += steps
            bar.update(steps)
            took = max(now - started, 1e-6)
            # What a chunk takes however short it is, mostly moving the state, must not prevail.
            least = min(least, took)
            chunk = int(np.clip(steps * max(CHUNK_SECONDS, 5 * least) / took, 1, 8 * steps))
            if now - saved > SAVE_SECONDS:
                self.save(first - 1, state)
                saved = now

    def data(self, **attributes):
        """The dataset of all that was done."""
        from bgrl.assembly import assemble

        how = self.layout()
        how["attributes"] |= attributes
        trials = self.sink.sorted_trials(self.agent.replicates)
        snapshots = self.work.snapshots(self.evaluations)
        return assemble(how, self.sink.read_frames(), trials, self.evaluations, snapshots)

    def stop(self, error):
        """Raise that the run was stopped by an error, with what it has."""
        interrupted = isinstance(error, KeyboardInterrupt)
        reason = "interrupted" if interrupted else str(error)
        log.info("stopped: %s", reason)
        data = self.data(stopped=reason)
        if interrupted:
            again = "the same call goes on from there; what was done is in the exception's `data`"
            told = f"after {self.done} of {self.run.steps} steps; {again}"
            raise Interrupted(told, data) from None
        resumes = isinstance(error, EnvironmentFailed) and bool(self.evaluations)
        raise Stopped(reason, data, resumes)


def hidden(progress):
    """Whether a bar of tqdm is hidden: None where it is if the output is no terminal.

    A notebook is no terminal, but shows bars of its own.
    """
    notebook = any(kind.__name__ == "tqdm_notebook" for kind in tqdm.__mro__)
    return False if progress and notebook else None if progress else True


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


def _broken(state):
    """Names of the arrays of a state that hold NaN or infinity."""
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
    for name in state:
        if name.endswith(".gain_noise"):
            state[name][...] = run.evaluation_noise
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


def plastic(agent, state):
    """The arrays that learning changes and that ``weights`` of a dataset are made of."""
    return {array: state[array] for _, array, *_ in learned(agent)}


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
    """Bytes that a program can have: on Linux also what caches of files hold, which give way."""
    if found := re.search(r"^MemAvailable:\s+(\d+) kB$", _memory(), re.MULTILINE):
        return 1024 * int(found[1])
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _memory():
    """What the system says of its memory, nothing where it does not say it like Linux."""
    path = Path("/proc/meminfo")
    return path.read_text() if path.exists() else ""


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
