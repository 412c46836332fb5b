"""The command line of an experiment, made of its settings: runs it, keeps its files, draws its figure.

An experiment is a module with a frozen `Config` (a subclass of those of `bgrl.settings`),
``run(config)`` that returns a dataset, `QUICK` settings, and `ANALYSIS`, the name of a module with
``figure(data)`` and ``summary(data)`` (lines of text), which is imported after the run so that a run
starts at once.

Where agents of one kind learn one task, `Config` is a subclass of `bgrl.settings.AgentSettings` and
there is ``agent(config)`` too; ``--set NAME=VALUE`` sets what has a name, and `experiments.sweep`
varies it.
"""

import argparse
import contextlib
import dataclasses
import importlib
import json
import logging
import os
import re
import shlex
import shutil
import sys
import tempfile
import types
import typing
from pathlib import Path

from tqdm.auto import tqdm

from bgrl.agent import describe
from bgrl.checkpoints import LOG, Work
from bgrl.cli import Parser, run_command, typed
from bgrl.errors import InputError, RunError, choose, from_system
from bgrl.estimate import DryRun
from bgrl.own import digest, function, is_file, is_own, load, member
from bgrl.settings import AgentSettings, Basics, options_of
from bgrl.simulation import Stopped

#: Settings that change nothing in what is found.
_IMMATERIAL = ("output", "progress", "processes", "workers", "dry_run")
#: Settings that are texts with numbers in them, and a number there.
_WITH_NUMBERS = (
    *("circuit_options", "scales", "lesions", "intervene"),
    *("lengths", "fractions", "units", "replicates"),
)
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])")
#: Differences between settings that are told.
_SHOWN = 3


def name_and_value(text):
    """Split ``NAME=VALUE``, as given on the command line.

    Raises
    ------
    InputError
        If it is not of that form.
    """
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise InputError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def named_values(texts):
    """Name to value of several ``NAME=VALUE``; a name that is given twice is refused.

    Raises
    ------
    InputError
        If one is not of that form, or a name is given twice.
    """
    found = {}
    for name, value in map(name_and_value, texts):
        if name in found:
            raise InputError(f"{name} is given twice, as {found[name]} and {value}; once is needed")
        found[name] = value
    return found


def make_parser(name, module, description=None):
    """The parser of an experiment's command line, made of its settings."""
    parser = Parser(
        prog=typed(f"experiments.{name}"),
        description=(description or module.__doc__ or "").strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for option_name, (hint, f) in options_of(module.Config).items():
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
    if hasattr(module.Config, "dry_run"):
        parser.add_argument(
            "--dry-run",
            action="store_true",
            default=None,
            help="say what the run would cost (time from a measured second, memory, disk) and end",
        )
    parser.add_argument("--figure", metavar="FILE.png", help="figure, beside the data by default")
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace what is at --output, also a finished run of other settings",
    )
    quick = (
        ", ".join(f"{k} {v}" for k, v in module.QUICK.items()) or "see the experiment's own help"
    )
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


def command(name, module):
    """Run an experiment from the command line and exit."""
    sys.exit(run_command(lambda: main(name, module)))


def load_own(path):
    """An experiment of the user's own, refused here rather than after a long run.

    Parameters
    ----------
    path : str
        Of a Python file.

    Returns
    -------
    module

    Raises
    ------
    InputError
        If it lacks something, or has what no experiment can have.
    """
    for name, kind in (("run", object), ("Config", type), ("QUICK", dict), ("ANALYSIS", str)):
        member(path, name, "an experiment", kind)
    function(path, "run", "an experiment", object)
    module = load(str(Path(path).absolute()))
    config = module.Config
    if not issubclass(config, Basics):
        raise InputError(f"{path}: Config is no subclass of those of bgrl.settings")
    if any(isinstance(value, dataclasses.Field) for value in vars(config).values()):
        raise InputError(f"{path}: write @dataclass(frozen=True, kw_only=True) before class Config")
    for method in sorted(getattr(config, "__abstractmethods__", ())):
        raise InputError(f"{path}: Config has no method {method}, which is needed")
    for name in module.QUICK:
        try:
            choose("setting", name, options_of(config))
        except InputError as error:
            raise InputError(f"{path}, QUICK: {error}") from None
    try:
        analysis = importlib.import_module(module.ANALYSIS)
    except ImportError as error:
        raise InputError(f"{path}, ANALYSIS: {error}") from None
    if not (hasattr(analysis, "figure") and hasattr(analysis, "summary")):
        raise InputError(
            f"{path}, ANALYSIS: {module.ANALYSIS} has no figure(data) and summary(data)"
        )
    return module


def typed_command(module, words):
    """What is typed to run a module's command with some words.

    Parameters
    ----------
    module : module
        Of `bgrl.experiments`, or a user's own file.
    words : sequence of str

    Returns
    -------
    str
    """
    start = typed(module.__name__.removeprefix("bgrl."))
    if not module.__name__.startswith("bgrl."):
        start = f"{typed('experiments')} {shlex.quote(module.__file__)}"
    return f"{start} {shlex.join(words)}".strip()


class _Log(logging.FileHandler):
    """What happens in a run, with its time; it begins with the first event, and says then where it is."""

    def __init__(self, path, command, progress):
        super().__init__(path, delay=True)
        self._path, self._command, self._progress = path, command, progress
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))

    def emit(self, record):
        """Write a line."""
        if self.stream is None:
            if self._progress:
                tqdm.write(f"log: {self._path}")
            super().emit(logging.makeLogRecord({"msg": self._command}))
        super().emit(record)


@contextlib.contextmanager
def logged(config, command):
    """Keep what happens in the log of a run's folder; that of a run which goes on is continued.

    Parameters
    ----------
    config : Settings
    command : str
    """
    handler = _Log(config.work() / LOG, command, config.progress)
    log, level = logging.getLogger("bgrl"), logging.getLogger("bgrl").level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        handler.close()


def main(name, module, arguments=None):
    """The command of an experiment; `arguments` are those of the command line by default."""
    words = sys.argv[1:] if arguments is None else arguments
    options = vars(make_parser(name, module).parse_args(words))
    config, figure_path = configure(name, module, options)
    if options.get("dry_run"):
        return tell_cost(module, config)
    check_matplotlib()
    settings = {"experiment": name, **described(config)}
    before = finished_settings(config.output, options["overwrite"])
    if before == settings:
        return show(module.ANALYSIS, config.output, figure_path, options)
    if before is not None:
        refuse_other(config.output, before, settings)
    check_figure(figure_path, config.output, options)
    command = typed_command(module, words)
    # Whatever other points are there, each has a name of its own.
    in_points = hasattr(config, "in_points")
    own = {"experiment": name} if in_points else settings
    with Work(config.work(), own, "command.json"), logged(config, command):
        try:
            data, failure = module.run(config), None
            if not hasattr(data, "attrs"):
                given = type(data).__name__
                raise InputError(f"run returns {given}; a dataset, xarray.DataTree, is needed")
        except Stopped as error:
            data, failure = error.data, error
        data.attrs["settings"] = describe(settings)
        data.attrs.setdefault("command", command)
        keep_log(config)
        # What can go on from where it stopped keeps its folder; that of points is tidied already.
        kept = in_points or (failure and failure.resumes)
        save(data, config.output, None if kept else config.work())
    if failure:
        print(f"wrote {config.output}, with what there is")
        if failure.resumes:
            raise RunError(f"{failure}; the same command goes on from there")
        raise failure
    # Of the file: what was recorded may have been in the folder.
    import xarray as xr

    with xr.open_datatree(config.output, engine="netcdf4") as data:
        report(importlib.import_module(module.ANALYSIS), data, config.output, figure_path)
        if "stopped" in data.attrs:
            raise tried_again(data)
    return 0


def tried_again(data):
    """The error to raise for a dataset of which some runs failed."""
    return RunError(f"{data.attrs['stopped']}; given again, the command tries them again")


def keep_log(config):
    """Move the log of a run, if there is one, beside its data file, below those of runs before it."""
    log = config.work() / LOG
    if log.exists():
        with open(Path(config.output).with_suffix(".log"), "a") as file:
            file.write(log.read_text())
        log.unlink()


def tell_cost(module, config):
    """Print what an experiment would cost; returns the exit code.

    Raises
    ------
    InputError
        If the experiment runs nothing whose cost is known.
    """
    try:
        module.run(dataclasses.replace(config, dry_run=True))
    except DryRun as found:
        print(found)
        return 0
    raise InputError("this experiment runs nothing whose cost could be told")


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

    A file of the user's own that they name may be edited, so what is in it is one of them, too.

    Parameters
    ----------
    config : Settings

    Returns
    -------
    dict of str to object
    """
    settings = {k: v for k, v in dataclasses.asdict(config).items() if k not in _IMMATERIAL}
    found = _alike(json.loads(describe(settings)))
    contents = {}
    for path in _own_files(config, settings):
        # Names of settings become those of coordinates, which must not have the slash of a folder.
        contents.setdefault(f"contents of {path.name}", []).append(path)
    return found | {name: digest(paths) for name, paths in contents.items()}


def _own_files(config, settings):
    """Paths of Python files of the user's own: those of settings and that of the experiment."""
    words = (word.strip() for text in _texts(settings) for word in re.split("[,=]", text))
    found = [word for word in words if is_file(word) and os.path.isfile(word)]
    module = type(config).__module__
    found += [sys.modules[module].__file__] if is_own(module) else []
    return sorted({Path(path).absolute() for path in found})


def _texts(value):
    """All texts in a value of tables and lists."""
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, (list, tuple)):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []


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
    others = ("figure", "quick", "set", "scale", "lesion", "overwrite", "dry_run")
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
    try:
        rows = analysis.summary(data)
    except Exception as error:  # too short a run, for instance: the data are what counts
        raise _lacking(output, "summary", error) from None
    print("\n".join(rows))
    print(line or f"wrote {output}")
    if figure_path:
        try:
            drawn = analysis.figure(data)
        except Exception as error:
            raise _lacking(output, "figure", error) from None
        write_figure(drawn, figure_path)
        print(f"wrote {figure_path}")
    log = Path(output).with_suffix(".log")
    if log.exists():
        print(f"log: {log}")


def _lacking(output, shown, error):
    """The error for a dataset that has not what its summary or figure shows."""
    why = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return RunError(f"{output} has not what its {shown} shows ({why})")


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
