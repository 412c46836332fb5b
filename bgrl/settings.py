"""Settings of experiments, as documented classes: what the command line and sweeps are made of.

`Basics` where nothing is learned, `Settings` where something is, `EvaluatedSettings` where it is
evaluated on the way, and `AgentSettings` where agents of one kind learn one task. Every setting of the
last has a name: its own options, those of the learning rule (``discount``), ``task.NAME`` for those of
the task, and what `bgrl.circuit.Circuit.set` takes.
"""

import ast
import dataclasses
import math
import types
import typing
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

from bgrl import tasks
from bgrl.agent import Agent
from bgrl.backends import BACKENDS
from bgrl.circuit.clock import agree, check_duration
from bgrl.cli import typed
from bgrl.errors import InputError, check_count, choose, nearest
from bgrl.estimate import DryRun, estimate
from bgrl.learning import FEEDBACKS, METHODS, OPTIMIZERS, RATES, Learning, Optimizer
from bgrl.own import NamesOrFile, is_file, member
from bgrl.recording import Record
from bgrl.simulation import LEAST_EVALUATION, Run, simulate

#: Options that change nothing in what is found, and settings of `Learning` that are no value or that
#: only another experiment uses: they have no name.
_NAMELESS = ("output", "processes", "overrides", "oracle")
#: Steps recorded at the start and at the end of a run.
WINDOW = 3000
TRACES = Record(
    ("dopamine", "value", "reward", "done", "action", "policy", "observation", "cortex"),
    windows=((0, WINDOW), (-WINDOW, None)),
)


def option(default, text, choices=None):
    """A setting with its help text."""
    return field(default=default, metadata={"help": text, "choices": choices})


@dataclass(frozen=True, kw_only=True)
class Basics:
    """Settings of every experiment, also where nothing is learned."""

    backend: str = option("cpp", "what runs the network", tuple(BACKENDS))
    output: str = option("", "data file, results/NAME.nc by default")
    #: Whether to show progress; set by the command line.
    progress: bool = False

    def work(self):
        """Folder of the unfinished run, beside its output."""
        return Path(f"{self.output}.partial") if self.output else None


@dataclass(frozen=True, kw_only=True)
class Settings(Basics):
    """Settings of experiments in which agents learn."""

    steps: int = option(200_000, "task steps of learning, each replicate")
    replicates: int = option(10, "independent agents")
    seed: int = option(0, "seed of all randomness")
    processes: int = option(0, "processes that share the replicates; 0: one for each core")
    units: int = option(32, "neurons in the cortex")
    sensitivity: str = option("rflo", "approximation of the gradient through time", tuple(METHODS))
    feedback: str = option("symmetric", "weights that carry the learning signal back", FEEDBACKS)
    optimizer: str = option(
        "amsgrad",
        "how a gradient becomes an update; or FILE.py with an OPTIMIZER",
        NamesOrFile(OPTIMIZERS),
    )

    def learning(self):
        """The settings that `bgrl.learning.Learning` has too."""
        return {
            "sensitivity": self.sensitivity,
            "feedback": self.feedback,
            "optimizer": self.optimizer
            if not is_file(self.optimizer)
            else member(self.optimizer, "OPTIMIZER", "an optimizer", Optimizer),
        }


@dataclass(frozen=True, kw_only=True)
class EvaluatedSettings(Settings):
    """Settings of experiments that evaluate what is learned while it is."""

    evaluations: int = option(20, "evaluations with plasticity off, besides one before learning")
    evaluation_trials: int = option(20, "trials of each evaluation")
    final_trials: int = option(100, "trials of the last evaluation")
    evaluation_steps: int | None = option(
        None,
        "task steps that all evaluations together may take, each replicate; as many as are learned, "
        f"or {LEAST_EVALUATION:,} if that is more, if nothing is said",
    )

    def evaluated_run(self, record, interventions=()):
        """The run of these settings, see `bgrl.simulation.Run`."""
        return Run(
            self.steps,
            self.seed,
            self.backend,
            self.evaluations,
            self.evaluation_trials,
            self.final_trials,
            record,
            interventions,
            self.evaluation_steps,
        )


@dataclass(frozen=True, kw_only=True)
class AgentSettings(EvaluatedSettings, ABC):
    """Settings of an experiment in which agents of one kind learn one task."""

    #: Whether to say what the run would cost, instead of running it; set by the command line.
    dry_run: bool = False
    #: Settings of `bgrl.learning.Learning` besides the experiment's own; and `learning_rate`, which
    #: is that of actor, critic and network, unless theirs is given.
    learning_options: dict = field(default_factory=dict)
    #: Options of the task besides the experiment's own.
    task_options: dict = field(default_factory=dict)
    #: Edits of the circuit, see `edit`.
    circuit_options: dict = field(default_factory=dict)
    scales: dict = field(default_factory=dict)
    lesions: tuple = ()

    @abstractmethod
    def task_name(self):
        """Name of the task, see `bgrl.tasks.make`."""

    @abstractmethod
    def make_task(self, **options):
        """The task; `options` of it go before those of the settings."""

    def learning(self):
        """The settings of `bgrl.learning.Learning`."""
        options = dict(self.learning_options)
        if "learning_rate" in options:
            options = dict.fromkeys(RATES, options.pop("learning_rate")) | options
        return super().learning() | options

    def settable(self):
        """Name to type of every setting that has a name: own, of the learning rule, of the task."""
        task = tasks.option_types(self.task_name(), **self.task_options)
        found = {f.name: f.type for f in dataclasses.fields(Learning)} | {"learning_rate": float}
        found |= {name: hint for name, (hint, _) in options_of(type(self)).items()}
        found |= {f"task.{name}": hint for name, hint in task.items()}
        return {name: hint for name, hint in found.items() if name not in _NAMELESS}

    def with_settings(self, settings):
        """The same experiment with other settings.

        Parameters
        ----------
        settings : iterable of (str, str)
            Name, see `settable`, or what `bgrl.circuit.Circuit.set` takes; and value as text.

        Raises
        ------
        InputError
            For an unknown name, with the valid ones, or a value of the wrong type.
        """
        result = self
        # The task before its options, and these before its parameters, which may depend on them.
        order = {False: [], True: []}
        for name, text in settings:
            order[name.startswith("task.")].append((name, text))
        for name, text in order[False]:
            result = result._with_setting(name, text)
        options = (
            {f"task.{name}" for name in tasks.options(result.task_name())} if order[True] else ()
        )
        for name, text in sorted(order[True], key=lambda pair: pair[0] not in options):
            result = result._with_setting(name, text)
        return result

    def _with_setting(self, name, text):
        if _of_circuit(name):
            return dataclasses.replace(self, circuit_options=self.circuit_options | {name: text})
        kinds = self.settable()
        task = name.startswith("task.")
        valid = [k for k in kinds if k.startswith("task.")] if task else kinds
        also = "" if task else "what is of the circuit, as in cortex.tau"
        value = read_value(name, text, kinds[choose("setting", name, valid, also)])
        own = options_of(type(self)).get(name)
        if own:
            choices = own[1].metadata["choices"]
            if choices and value not in choices:
                choose(name, value, choices)
            return dataclasses.replace(self, **{name: value})
        if task:
            options = self.task_options | {name.removeprefix("task."): value}
            return dataclasses.replace(self, task_options=options)
        return dataclasses.replace(self, learning_options=self.learning_options | {name: value})

    def value(self, name, text):
        """A setting given as text, as what it is; a circuit's, whose type only the circuit knows, as
        a number if it is one.

        Raises
        ------
        InputError
            If the text is not of the type of the setting.
        """
        if not _of_circuit(name):
            return read_value(name, text, self.settable()[name])
        try:
            return _finite(text)
        except ValueError:
            return text

    def make_agent(self, make_circuit):
        """The agent: a circuit with these edits in the task, both with steps of the same duration.

        Parameters
        ----------
        make_circuit : callable
            From a task to its circuit.

        Returns
        -------
        bgrl.agent.Agent

        Raises
        ------
        InputError
            If something cannot be, or the step of the task and that of the circuit are both given and
            contradict each other.
        """
        task, options = self.make_task(), self.circuit_options
        made = make_circuit(task)
        self._check_levels(made)
        if "step" in self.task_options and "substeps" in options and "dt" not in options:
            dt = task.step_duration / read_value("substeps", options["substeps"], int)
            options = options | {"dt": str(dt)}
        circuit = edit(made, options, self.scales, self.lesions)
        own = task.step_duration
        if own is not None and not agree(own, circuit.step) and task.environment is None:
            if "step" in self.task_options:
                raise InputError(
                    f"task.step is {own:g} ms, but dt {circuit.dt:g} ms and substeps "
                    f"{circuit.substeps} make steps of {circuit.step:g} ms; give one of them"
                )
            task = self.make_task(step=circuit.step)
        return Agent(circuit, task, Learning(**self.learning()), self.replicates)

    def _check_levels(self, circuit):
        """Refuse ``learning.discount`` or ``run.steps``: only names of circuit and task have a dot."""
        learned = [*(f.name for f in dataclasses.fields(Learning)), "learning_rate"]
        levels = {"learning": learned, "run": options_of(type(self)), "circuit": None}
        for name, text in self.circuit_options.items():
            level, _, setting = name.partition(".")
            if level in (*circuit.populations, *circuit.projections):
                continue
            level = nearest(level, levels)
            if level is None:
                continue
            if level == "circuit":
                circuit.set(setting, text)
            else:
                valid = [k for k in levels[level] if k not in _NAMELESS]
                choose(f"setting of {level}", setting, valid)
            raise InputError(f"{name!r} is called {setting!r} here; {setting}={text} is needed")

    def train(self, agent, record=TRACES, interventions=()):
        """Let an agent learn, and evaluate it on the way.

        Parameters
        ----------
        agent : bgrl.agent.Agent
        record : Record
            Its traces early and late in the run, if nothing is said.
        interventions : tuple of bgrl.interventions.Intervention
            What is done to the circuit.

        Returns
        -------
        xarray.DataTree

        Raises
        ------
        InputError
            If its traces are recorded, but the circuit has no cortex; and see `bgrl.simulate`.
        bgrl.estimate.DryRun
            With what it would cost, if that was asked for.
        """
        if record is TRACES and "cortex" not in agent.circuit.populations:
            raise InputError(
                "the circuit has no cortex, whose activity the figure shows; "
                f"{typed('experiments.train')} takes any circuit"
            )
        run = self.evaluated_run(record, interventions)
        if self.dry_run:
            found = estimate(agent, run, self.processes)
            raise DryRun(found.lines(), found)
        return simulate(agent, run, self.work(), self.progress, self.processes)


def _of_circuit(name):
    """Whether a setting is one of the circuit: "dt", or a name with a dot but no option of a task."""
    return name in ("dt", "substeps") or ("." in name and not name.startswith("task."))


def options_of(config):
    """Name to (type, field) of the options of a class of settings."""
    hints = typing.get_type_hints(config)
    fields = dataclasses.fields(config)
    return {f.name: (hints[f.name], f) for f in fields if "help" in f.metadata}


def _finite(text):
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def _literal(text):
    """A number, True, False, None, or a tuple of them; any other text as it is."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


#: Type of a setting to what reads it and how it is called.
_READERS = {
    int: (int, "a whole number"),
    float: (_finite, "a finite number"),
    bool: ({"True": True, "False": False}.__getitem__, "True or False"),
    str: (str, "a text"),
    types.NoneType: ({"None": None}.__getitem__, "None"),
    object: (_literal, "a value"),
}
#: Type of the numbers of a tuple to how several are called.
_SEVERAL = {int: "whole numbers", float: "finite numbers"}


def _reader(kind):
    """What reads a setting of a type and how that is called; None if it cannot be given as text."""
    if typing.get_origin(kind) is not tuple:
        return _READERS.get(kind)
    first, *others = typing.get_args(kind)
    if first not in _SEVERAL:
        return None
    any_number = others == [...]

    def read(text):
        values = tuple(map(_READERS[first][0], text.split(",")))
        if not any_number and len(values) != 1 + len(others):
            raise ValueError
        return values

    count = "" if any_number else f"{1 + len(others)} "
    return read, f"{count}{_SEVERAL[first]} separated by commas"


def read_value(name, text, kind):
    """A setting given as text.

    Parameters
    ----------
    name, text : str
    kind : type
        int, float, bool, str, a tuple of whole or other numbers, one of several of them or None, or
        object for whatever Python writes so.

    Raises
    ------
    InputError
        If the text is not of the type.
    """
    kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    readers = list(filter(None, map(_reader, kinds)))
    if all(k is types.NoneType or not _reader(k) for k in kinds):
        raise InputError(f"{name} is neither a number nor a word; it can only be set in Python")
    for read, _ in readers:
        try:
            return read(text)
        except (ValueError, KeyError):
            continue
    needed = " or ".join(called for _, called in readers)
    raise InputError(f"{name} is {text!r}; {needed} is needed")


def edit(circuit, values, scales, lesions):
    """A circuit with edits given as text.

    Values and sizes are set first, then weights are scaled, then lesions made.

    Parameters
    ----------
    circuit : bgrl.circuit.Circuit
    values : dict of str to str
        Name to value, see `bgrl.circuit.editing.Editing.set`.
    scales : dict of str to str
        Pathway to factor.
    lesions : sequence of str
        NAME[:FRACTION[:SEED]].

    Returns
    -------
    bgrl.circuit.Circuit

    Raises
    ------
    InputError
        For a name that does not exist, or a value that cannot be.
    """
    clock = {name: values[name] for name in ("dt", "substeps") if name in values}
    dt = read_value("dt", clock.get("dt", str(circuit.dt)), float)
    substeps = read_value("substeps", clock.get("substeps", str(circuit.substeps)), int)
    check_duration("dt", dt)
    check_count("substeps", substeps)
    # Time constants must fit the Euler step all the while: a finer one comes before them.
    finer = dt < circuit.dt
    if finer:
        circuit = circuit.with_step(dt * substeps, substeps)
    for name, value in values.items():
        circuit = circuit if name in clock else circuit.set(name, value)
    if not finer:
        circuit = circuit.with_step(dt * substeps, substeps)
    for name, factor in scales.items():
        circuit = circuit.scale(name, factor)
    for k, text in enumerate(lesions):
        name, *numbers = text.split(":")
        if name in (other.split(":")[0] for other in lesions[:k]):
            raise InputError(f"{name!r} is lesioned twice; one lesion of each is needed")
        if len(numbers) > 2 or (numbers[1:] and not numbers[1].isdecimal()):
            raise InputError(f"lesion {text!r} is not of the form NAME[:FRACTION[:SEED]]")
        circuit = circuit.lesion(name, *numbers[:1], *map(int, numbers[1:]))
    return circuit
