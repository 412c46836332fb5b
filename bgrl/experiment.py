"""What every experiment shares: settings as a documented class, and the command line made from it.

An experiment is a module with a frozen `Config` (a subclass of `Settings`, or of `Basics` where nothing
is learned), ``run(config)`` that returns a dataset, `QUICK` settings, and `ANALYSIS`, the name of a
module with ``figure(data)`` and ``summary(data)`` (lines of text), which is imported after the run so
that a run starts at once.

Where agents of one kind learn one task, `Config` is a subclass of `AgentSettings` and there is
``agent(config)`` too. Every setting of such an experiment has a name: its own options, those of the
learning rule (``discount``), and ``task.NAME`` for those of the task; ``--set NAME=VALUE`` sets it, and
`experiments.sweep` varies it.
"""

import argparse
import ast
import dataclasses
import importlib
import json
import math
import os
import re
import shutil
import sys
import tempfile
import types
import typing
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

from bgrl import tasks
from bgrl.agent import Agent, describe
from bgrl.backends import BACKENDS
from bgrl.circuit.clock import agree, check_duration
from bgrl.cli import Parser, run_command
from bgrl.errors import InputError, RunError, check_count, choose, from_system
from bgrl.learning import FEEDBACKS, OPTIMIZERS, Learning
from bgrl.learning.methods import METHODS
from bgrl.own import NamesOrFile, is_file, member
from bgrl.recording import Record
from bgrl.simulation import LEAST_EVALUATION, Run, Stopped, Work, simulate

#: What ``learning_rate`` sets.
RATES = ("rate_actor", "rate_critic", "rate_network")
#: Options that change nothing in what is found, and settings of `Learning` that are no value or that
#: only another experiment uses: they have no name.
_NAMELESS = ("output", "processes", "overrides", "oracle")
#: Settings that change nothing in what is found.
_IMMATERIAL = ("output", "progress", "processes", "workers")
#: Settings that are texts with numbers in them, and a number there.
_WITH_NUMBERS = (
    *("circuit_options", "scales", "lesions", "intervene"),
    *("lengths", "fractions", "units", "replicates"),
)
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])")
#: Differences between settings that are told.
_SHOWN = 3
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
            else member(self.optimizer, "OPTIMIZER", "an optimizer"),
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
        found |= {name: hint for name, (hint, _) in _options(type(self)).items()}
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
        value = read_value(name, text, kinds[choose("setting", name, kinds)])
        own = _options(type(self)).get(name)
        if own:
            choices = own[1].metadata["choices"]
            if choices and value not in choices:
                choose(name, value, choices)
            return dataclasses.replace(self, **{name: value})
        if name.startswith("task."):
            options = self.task_options | {name.removeprefix("task."): value}
            return dataclasses.replace(self, task_options=options)
        return dataclasses.replace(self, learning_options=self.learning_options | {name: value})

    def value(self, name, text):
        """A setting given as text, as what it is; a circuit's, whose type only the circuit knows, as
        a number if it is one.
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
        if "step" in self.task_options and "substeps" in options and "dt" not in options:
            dt = task.step_duration / read_value("substeps", options["substeps"], int)
            options = options | {"dt": str(dt)}
        circuit = edit(make_circuit(task), options, self.scales, self.lesions)
        own = task.step_duration
        if own is not None and not agree(own, circuit.step) and task.environment is None:
            if "step" in self.task_options:
                raise InputError(
                    f"task.step is {own:g} ms, but dt {circuit.dt:g} ms and substeps "
                    f"{circuit.substeps} make steps of {circuit.step:g} ms; give one of them"
                )
            task = self.make_task(step=circuit.step)
        return Agent(circuit, task, Learning(**self.learning()), self.replicates)

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
        """
        if record is TRACES and "cortex" not in agent.circuit.populations:
            raise InputError(
                "the circuit has no cortex, whose activity the figure shows; "
                "python -m experiments.train takes any circuit"
            )
        run = self.evaluated_run(record, interventions)
        return simulate(agent, run, self.work(), self.progress, self.processes)


def _of_circuit(name):
    """Whether a setting is one of the circuit: "dt", or a name with a dot but no option of a task."""
    return name in ("dt", "substeps") or ("." in name and not name.startswith("task."))


def _options(config):
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


def name_and_value(text):
    """Split ``NAME=VALUE``, as given on the command line."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise InputError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def named_values(texts):
    """Name to value of several ``NAME=VALUE``; a name that is given twice is refused."""
    found = {}
    for name, value in map(name_and_value, texts):
        if name in found:
            raise InputError(f"{name} is given twice, as {found[name]} and {value}; once is needed")
        found[name] = value
    return found


def make_parser(name, module, description=None):
    """The parser of an experiment's command line, made of its settings."""
    parser = Parser(
        prog=f"python -m experiments.{name}",
        description=(description or module.__doc__).strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for option_name, (hint, f) in _options(module.Config).items():
        shown = f" (default {f.default})" if f.default not in ("", None) else ""
        parser.add_argument(
            f"--{option_name.replace('_', '-')}",
            type=_type_of(hint),
            default=None,
            choices=f.metadata["choices"],
            metavar=None if f.metadata["choices"] else option_name.upper(),
            help=f.metadata["help"] + shown,
        )
    if issubclass(module.Config, AgentSettings):
        parser.add_argument(
            "--set",
            metavar="NAME=VALUE",
            action="append",
            default=[],
            help="any other setting of the learning rule (discount, rate_critic, ...; learning_rate "
            "for all three rates), task.NAME for an option or parameter of the task or of a Gymnasium "
            "environment (task.max_steps=1000, task.is_slippery=False), or one of the circuit "
            "(cortex.size=64, cortex.tau=40, dt=10); may be given again",
        )
        add_edits(parser)
    parser.add_argument("--figure", metavar="FILE.png", help="figure, beside the data by default")
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace what is at --output, also a finished run of other settings",
    )
    quick = ", ".join(f"{k} {v}" for k, v in module.QUICK.items())
    parser.add_argument("--quick", action="store_true", help=f"a short run to try it out: {quick}")
    return parser


def _type_of(hint):
    """The type of an option that may also be None, which is its default."""
    return next(t for t in (*typing.get_args(hint), hint) if t is not types.NoneType)


def add_edits(parser):
    """Add the options ``--scale`` and ``--lesion``, which may be given again."""
    for name, form, text in (
        ("scale", "NAME=FACTOR", "initial weights of a pathway: cortex->cortex=0.5"),
        ("lesion", "NAME[:FRACTION[:SEED]]", "cut off a nucleus or pathway, or a share of it"),
    ):
        text += "; may be given again"
        parser.add_argument(f"--{name}", metavar=form, action="append", default=[], help=text)


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


def command(name, module):
    """Run an experiment from the command line and exit."""
    sys.exit(run_command(lambda: main(name, module)))


def main(name, module, arguments=None):
    """The command of an experiment; `arguments` are those of the command line by default."""
    options = vars(make_parser(name, module).parse_args(arguments))
    config, figure_path = configure(name, module, options)
    check_matplotlib()
    settings = {"experiment": name, **described(config)}
    before = finished_settings(config.output, options["overwrite"])
    if before == settings:
        return show(module.ANALYSIS, config.output, figure_path, options)
    if before is not None:
        refuse_other(config.output, before, settings)
    check_figure(figure_path, config.output, options)
    with Work(config.work(), settings, "command.json"):
        try:
            data, failure = module.run(config), None
        except Stopped as error:
            data, failure = error.data, error
        data.attrs["settings"] = describe(settings)
        # What can go on from where it stopped keeps its folder.
        save(data, config.output, None if failure and failure.resumes else config.work())
    if failure:
        print(f"wrote {config.output}, with what there is")
        if failure.resumes:
            raise RunError(f"{failure}; the same command goes on from there")
        raise failure
    # Of the file: what was recorded may have been in the folder.
    import xarray as xr

    with xr.open_datatree(config.output, engine="netcdf4") as data:
        report(importlib.import_module(module.ANALYSIS), data, config.output, figure_path)
    return 0


def check_matplotlib():
    """Refuse a setting of the environment with which no figure could be drawn.

    Raises
    ------
    InputError
    """
    if os.environ.get("MPLBACKEND"):  # else it need not be imported before the run
        try:
            importlib.import_module("matplotlib")
        except ValueError:
            raise InputError(
                f"MPLBACKEND is {os.environ['MPLBACKEND']!r}, which matplotlib does not know; unset it "
                "or set it to agg"
            ) from None


def described(config):
    """Settings that a result depends on, as they are read back from a file.

    Parameters
    ----------
    config : Settings

    Returns
    -------
    dict of str to object
    """
    settings = {k: v for k, v in dataclasses.asdict(config).items() if k not in _IMMATERIAL}
    return _alike(json.loads(describe(settings)))


def _alike(settings):
    """Settings in which numbers in texts are written one way: 40.0 as 40, `.50` as `0.5`."""
    return {k: _written(v) if k in _WITH_NUMBERS else v for k, v in settings.items()}


def _written(value):
    if isinstance(value, dict):
        return {k: _written(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_written(v) for v in value]
    if not isinstance(value, str):
        return value
    return _NUMBER.sub(_number, re.sub(r"\s*([,;()])\s*", r"\1", value.strip()))


def _number(match):
    text, value = match[0], float(match[0])
    if value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return text if text.isdecimal() else repr(value)


def finished_settings(output, overwrite=False):
    """Settings of the finished run that a file holds, or None where there is nothing to be kept.

    Parameters
    ----------
    output : path
        Of the data file; one of a run that was stopped is not finished.
    overwrite : bool
        Whatever is there need not be kept.

    Raises
    ------
    InputError
        If there is something else, which is never overwritten unasked.
    """
    if overwrite or not os.path.lexists(output):
        return None
    from bgrl.dataset import read_attributes

    try:
        found = read_attributes(output) if os.path.isfile(output) else {}
    except InputError:
        found = {}
    if "stopped" in found:
        return None
    try:
        return _alike(dict(json.loads(found["settings"])))
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"{output} exists and is no data file of a command; choose another --output, or replace "
            "it with --overwrite"
        ) from None


def refuse_other(output, before, settings):
    """Raise the error for a file that holds a finished run of other settings.

    Parameters
    ----------
    output : path
    before, settings : dict of str to object
        Of the file, and those asked for.

    Raises
    ------
    InputError
        Naming the first settings that differ.
    """
    missing = object()
    names = [
        k for k in {**before, **settings} if before.get(k, missing) != settings.get(k, missing)
    ]
    texts = [f"{k} {before.get(k)!r}, not {settings.get(k)!r}" for k in names[:_SHOWN]]
    texts += ["..."] if len(names) > _SHOWN else []
    raise InputError(
        f"{output} holds a finished run of other settings ({'; '.join(texts)}); choose another "
        "--output, or replace it with --overwrite"
    )


def check_figure(path, output, options):
    """Refuse to draw over a figure that does not belong to the data file.

    Raises
    ------
    InputError
    """
    beside = not options["figure"] and os.path.lexists(output)
    if os.path.lexists(path) and not (beside or options["overwrite"]):
        raise InputError(
            f"{path} exists, and its data are not in {output}; choose another --figure, or replace "
            "it with --overwrite"
        )


def show(analysis, output, figure_path, options):
    """Print the summary of a data file that holds what is asked for, and draw its figure.

    Parameters
    ----------
    analysis : str
        Name of the module of its figure.
    output : path
    figure_path : path
        One that was asked for by name is kept if it exists.
    options : dict
        Of the command line.

    Returns
    -------
    int
        The exit code.
    """
    import xarray as xr

    kept = options["figure"] and os.path.lexists(figure_path)
    with xr.open_datatree(output, engine="netcdf4") as data:
        revision = data.attrs.get("source_revision")
        made = f" (source revision {revision})" if revision else ""
        line = f"{output} holds this run already{made}; --overwrite computes it anew"
        report(importlib.import_module(analysis), data, output, None if kept else figure_path, line)
    if kept:
        print(f"kept {figure_path}, which exists")
    return 0


#: Options that set an option of the task.
_SAME = {"length": "task.length", "observe": "task.observe"}


def configure(name, module, options, varied=()):
    """Settings of an experiment, and where its figure goes, from what the command line says.

    Parameters
    ----------
    name : str
        Of the data file, if nothing is said.
    module : module
    options : dict
        What the parser of `make_parser` found.
    varied : iterable of str
        Names of settings that take several values.

    Returns
    -------
    (Settings, Path)

    Raises
    ------
    InputError
        For a setting that cannot be, or a file that cannot be written.
    """
    others = ("figure", "quick", "set", "scale", "lesion", "overwrite")
    given = {k: v for k, v in options.items() if v is not None and k not in others}
    settings = {"output": f"results/{name}.nc", "progress": True}
    settings |= (module.QUICK if options["quick"] else {}) | given
    output = Path(settings["output"])
    if output.suffix != ".nc":
        raise InputError(f"{settings['output'] or 'output'}: the name must end in .nc")
    figure_path = Path(options["figure"] or output.with_suffix(".png"))
    for path, suffixes in ((output, (".nc",)), (figure_path, (".png", ".svg", ".pdf"))):
        check_writable(path, suffixes)
    if "lesion" in options:
        settings["scales"] = named_values(options["scale"])
        settings["lesions"] = tuple(options["lesion"])
    chosen = named_values(options.get("set", ()))
    _refuse_twice(given, chosen)
    # What an option says is one of the values; what --set says would be lost among them.
    _refuse_twice((), [*chosen, *varied])
    config = module.Config(**settings)
    if chosen:
        config = config.with_settings(chosen.items())
    return config, figure_path


def _refuse_twice(options, names):
    """Refuse settings that an option gives, or another name gives, as well."""
    seen = {name: f"--{name}" for name in options}
    seen |= {_SAME[name]: f"--{name}" for name in options if name in _SAME}
    for name in names:
        if name in seen:
            raise InputError(f"{name} is given twice, as {seen[name]} too; once is needed")
        seen |= {name: name, _SAME.get(name, name): name}


def report(analysis, data, output, figure_path=None, line=None):
    """Print the summary of a dataset, where it is, if not in `line`, and draw its figure."""
    print("\n".join(analysis.summary(data)))
    print(line or f"wrote {output}")
    if figure_path:
        try:
            drawn = analysis.figure(data)
        except Exception as error:  # too short a run, for instance: the data are what counts
            why = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise RunError(f"{output} has not what its figure shows ({why})") from None
        write_figure(drawn, figure_path)
        print(f"wrote {figure_path}")


def save(data, output, work):
    """Write the dataset, then remove the folder of the unfinished run, if one is given."""
    from bgrl.dataset import write

    Path(output).parent.mkdir(parents=True, exist_ok=True)
    write(data, output)
    if work:
        shutil.rmtree(work, ignore_errors=True)


def check_writable(path, suffixes):
    """Refuse a file that cannot be written, or whose name has another suffix; nothing is made yet.

    Raises
    ------
    InputError
    RunError
        If the disk is full.
    """
    if path.suffix not in suffixes:
        raise InputError(f"{path}: the name must end in {' or '.join(suffixes)}")
    try:
        # What is refused later on leaves nothing behind, so no folder is made yet.
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        tempfile.TemporaryFile(dir=folder).close()
        if path.is_dir():
            raise InputError(f"cannot write {path}: it is a folder")
    except OSError as error:
        raise from_system(f"cannot write {path}", error) from None


def write_figure(figure, path):
    """Save a matplotlib figure as those of `bgrl.analysis` are, and make its folder.

    Raises
    ------
    InputError
        If it cannot be written.
    RunError
        If the disk is full.
    """
    # By its name, like the module of an experiment's figure: only those who draw import matplotlib.
    style = importlib.import_module("bgrl.analysis.style")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        style.save_figure(figure, path)
    except OSError as error:
        raise from_system(f"cannot write {path}", error) from None
