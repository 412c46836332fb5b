"""What every experiment shares: settings as a documented class, and the command line made from it.

An experiment is a module with a frozen `Config` (a subclass of `Settings`), ``run(config)`` that
returns a dataset, `QUICK` settings, and `ANALYSIS`, the name of a module with ``figure(data)`` and
``summary(data)`` (lines of text), which is imported after the run so that a run starts at once.
"""

import argparse
import dataclasses
import importlib
import shutil
import sys
import typing
from dataclasses import dataclass, field
from pathlib import Path

from bgrl.backends import LOADERS
from bgrl.cli import Parser, run_command
from bgrl.errors import InputError
from bgrl.learning import FEEDBACKS, OPTIMIZERS, SENSITIVITIES
from bgrl.recording import Record
from bgrl.simulation import Run, Stopped, simulate

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
class Settings:
    """Settings of every experiment."""

    steps: int = option(200_000, "task steps of learning, each replicate")
    replicates: int = option(10, "independent agents")
    seed: int = option(0, "seed of all randomness")
    backend: str = option("cpp", "what runs the network", tuple(LOADERS))
    units: int = option(32, "neurons in the cortex")
    sensitivity: str = option("rflo", "approximation of the gradient through time", SENSITIVITIES)
    feedback: str = option("symmetric", "weights that carry the learning signal back", FEEDBACKS)
    optimizer: str = option("amsgrad", "how a gradient becomes an update", tuple(OPTIMIZERS))
    output: str = option("", "data file, results/NAME.nc by default")
    #: Whether to show progress; set by the command line.
    progress: bool = False

    def learning(self):
        """The settings that `bgrl.learning.Learning` has too."""
        return {
            "sensitivity": self.sensitivity,
            "feedback": self.feedback,
            "optimizer": self.optimizer,
        }

    def train(self, agent):
        """Let an agent learn, with 20 evaluations and its traces early and late in the run.

        Parameters
        ----------
        agent : bgrl.agent.Agent

        Returns
        -------
        xarray.DataTree
        """
        run = Run(self.steps, self.seed, self.backend, evaluations=20, record=TRACES)
        return simulate(agent, run, self.work(), self.progress)

    def work(self):
        """Folder of the unfinished run, beside its output."""
        return Path(f"{self.output}.partial") if self.output else None


def _parser(name, module):
    parser = Parser(
        prog=f"python -m experiments.{name}",
        description=module.__doc__.strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    hints = typing.get_type_hints(module.Config)
    for f in dataclasses.fields(module.Config):
        if "help" in f.metadata:
            default = f.default
            shown = f" (default {default})" if default not in ("", None) else ""
            parser.add_argument(
                f"--{f.name.replace('_', '-')}",
                type=hints[f.name],
                default=None,
                choices=f.metadata["choices"],
                metavar=None if f.metadata["choices"] else f.name.upper(),
                help=f.metadata["help"] + shown,
            )
    parser.add_argument("--figure", metavar="FILE.png", help="figure, beside the data by default")
    quick = ", ".join(f"{k} {v}" for k, v in module.QUICK.items())
    parser.add_argument("--quick", action="store_true", help=f"a short run to try it out: {quick}")
    return parser


def command(name, module):
    """Run an experiment from the command line and exit."""
    sys.exit(run_command(lambda: main(name, module)))


def main(name, module, arguments=None):
    """The command of an experiment; `arguments` are those of the command line by default."""
    options = vars(_parser(name, module).parse_args(arguments))
    figure_path, quick = options.pop("figure"), options.pop("quick")
    given = {k: v for k, v in options.items() if v is not None}
    settings = {"output": f"results/{name}.nc", "progress": True}
    settings |= (module.QUICK if quick else {}) | given
    output = Path(settings["output"])
    figure_path = Path(figure_path or output.with_suffix(".png"))
    for path, suffixes in ((output, (".nc",)), (figure_path, (".png", ".svg", ".pdf"))):
        if path.suffix not in suffixes:
            raise InputError(f"{path}: the name must end in {' or '.join(suffixes)}")
        _check_writable(path)
    config = module.Config(**settings)
    try:
        data, failure = module.run(config), None
    except Stopped as error:
        data, failure = error.data, error
    save(data, output, config.work())
    analysis = importlib.import_module(module.ANALYSIS)
    print("\n".join(analysis.summary(data)))
    print(f"wrote {output}")
    if failure:
        raise failure
    write_figure(analysis.figure(data), figure_path)
    print(f"wrote {figure_path}")


def save(data, output, work):
    """Write the dataset, then remove the folder of the unfinished run."""
    from bgrl.dataset import write

    write(data, output)
    shutil.rmtree(work, ignore_errors=True)


def _check_writable(path):
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = path.with_name(f".{path.name}.probe")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder")


def write_figure(figure, path):
    """Save a matplotlib figure: to a temporary name, then renamed."""
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        figure.savefig(temporary)
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None
    finally:
        temporary.unlink(missing_ok=True)
