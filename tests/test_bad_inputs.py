"""Bad input is refused in one line that says what would be valid, and leaves nothing behind.

The inputs are tables, ``bad_inputs/*.tsv``, one for each area. A row has three parts, separated by tabs:

``command``  text that the message has  module and arguments, as after ``python -m``, quoted as in a shell
``python``   text that the message has  statements, separated by ``;``

Both run in an empty folder that must be empty afterwards. A command ends with exit code 2 and one line on
stderr; Python raises an exception of `bgrl.errors` with a message of one line. In a command ``{files}``
is a folder with files that are no data files or figures, and one that is (`files`). In Python there is
all that a user would import, and `task`, `population`, `projection`, `readout`, `circuit` and `agent`,
which make something small and valid of which the arguments are replaced.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import bgrl
import models
from bgrl import dataset, tasks
from bgrl.agent import Agent
from bgrl.bridge.task import gymnasium_task
from bgrl.circuit import (
    Circuit,
    Distribution,
    Dopamine,
    Function,
    Parameter,
    Population,
    Projection,
    Readout,
    Rule,
    normal,
    truncated_normal,
    uniform,
)
from bgrl.errors import InputError, RunError
from bgrl.interventions import Intervention
from bgrl.learning import Learning
from bgrl.recording import Record
from bgrl.simulation import Run, simulate
from bgrl.tasks.base import Task
from tests.commands import ROOT, command

TABLES = sorted(Path(__file__).with_name("bad_inputs").glob("*.tsv"))
#: Seconds that a row may take: what is not refused must not train for hours.
LIMIT = 30


def task(**changes):
    """A task whose action should be what it sees."""
    fields = {
        "name": "copy",
        "summary": "repeat what is seen",
        "reference": "none",
        "observations": {"sign": "shown"},
        "actions": ("left", "right"),
        "variables": ("shown", "time"),
        "step": "reward = int(action == shown)\ntime = time + 1\nterminated = int(time >= length)",
        "reset": "time = 0\nshown = int(uniform(0) < 0.5)",
        "parameters": {"length": Parameter(5.0)},
        "events": {"cue": ("start", 0)},
    }
    return Task(**fields | changes)


def population(**changes):
    """Three leaky neurons."""
    fields = {
        "size": 3,
        "derivatives": {"rate": "(-rate + tanh(drive))/tau"},
        "parameters": {"tau": Parameter(100.0, "ms")},
    }
    return Population(**fields | changes)


def projection(**changes):
    """From the observation to the cortex."""
    return Projection(**{"source": "observation", "target": "cortex", "weights": 0.5} | changes)


def readout(**changes):
    """An actor that reads the cortex."""
    return Readout(**{"name": "dorsal_striatum"} | changes)


def circuit(**changes):
    """A cortex, and what `task` needs."""
    fields = {
        "dt": 20.0,
        "substeps": 1,
        "populations": {"cortex": population()},
        "projections": {"observation->cortex": projection()},
        "inputs": {"observation": 1},
        "actor": readout(),
        "critic": readout(name="ventral_striatum"),
    }
    return Circuit(**fields | changes)


def agent(**changes):
    """`circuit` in `task`."""
    return Agent(**{"circuit": circuit(), "task": task()} | changes)


NAMES = {
    **{"np": np, "bgrl": bgrl, "dataset": dataset, "models": models, "tasks": tasks},
    **{f.__name__: f for f in (task, population, projection, readout, circuit, agent)},
    **{f.__name__: f for f in (simulate, gymnasium_task, normal, truncated_normal, uniform)},
    **{c.__name__: c for c in (Agent, Circuit, Population, Projection, Readout, Parameter)},
    **{c.__name__: c for c in (Function, Rule, Distribution, Dopamine, Task, Learning)},
    **{c.__name__: c for c in (Run, Record, Intervention, InputError, RunError)},
}


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """A folder with files to be misread: run.nc is a data file, cut.nc a part of it."""
    folder = tmp_path_factory.mktemp("files")
    run = Run(40, backend="numpy", evaluations=1, evaluation_trials=1, final_trials=1)
    dataset.write(simulate(agent(), run), folder / "run.nc")
    whole = (folder / "run.nc").read_bytes()
    (folder / "cut.nc").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.nc").touch()
    (folder / "text.nc").write_text("Some words.\n")
    (folder / "text.npz").write_text("Some words.\n")
    (folder / "most.nc").write_bytes(whole[: len(whole) * 9 // 10])
    np.savez(folder / "foreign.npz", x=np.zeros(3))
    xr.Dataset({"x": ("time", np.arange(3.0))}).to_netcdf(folder / "foreign.nc")
    (folder / "picture.png").write_text("Some words.\n")
    (folder / "picture.svg").write_text("Some words.\n")
    (folder / "folder.svg").mkdir()
    (folder / "folder.png").mkdir()
    return folder


@contextlib.contextmanager
def limit():
    """Raise after a time."""

    def stop(*_):
        raise AssertionError(f"not refused within {LIMIT} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def in_process(words):
    """Exit code and stderr of ``python -m WORDS``, without a process of its own."""
    with limit():
        result = command(*words, cwd=".")
    return result.returncode, result.stderr


def in_subprocess(words):
    """Exit code and stderr of ``python -m WORDS``."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT)
    return done.returncode, done.stderr


def check_command(text, line, files, run=in_process):
    """Fail if the command is not refused as it should be."""
    code, errors = run(shlex.split(line.replace("{files}", str(files))))
    assert code == 2, f"exit code {code}; {errors}"
    (message,) = errors.strip().splitlines()
    assert text in message


def check_python(text, code):
    """Fail if the statements are not refused as they should be."""
    with limit(), pytest.raises((InputError, RunError)) as error:
        exec(code, dict(NAMES))
    (message,) = str(error.value).splitlines()
    assert text in message


def check(kind, text, given, files, folder):
    """Fail if a row is not refused as it should be, or leaves something in the folder."""
    before = sorted(files.iterdir())
    with contextlib.chdir(folder):
        if kind == "command":
            check_command(text, given, files)
        else:
            assert kind == "python"
            check_python(text, given)
    assert not list(folder.rglob("*")) and sorted(files.iterdir()) == before


def rows(path):
    """(number of the line, kind, text, what is given) of a table."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line and not line.startswith("#"):
            kind, text, given = line.split("\t")
            yield number, kind, text, given


TABLE = [
    pytest.param(*row, id=f"{path.name}:{number}") for path in TABLES for number, *row in rows(path)
]


@pytest.mark.parametrize(("kind", "text", "given"), TABLE)
def test_is_refused(kind, text, given, files, tmp_path):
    check(kind, text, given, files, tmp_path)


@pytest.mark.parametrize(
    "row",
    [
        next(row for row in rows(path) if row[1] == "command")[1:]
        for path in TABLES
        if any(row[1] == "command" for row in rows(path))
    ],
    ids=lambda row: row[2],
)
def test_is_refused_in_a_process_of_its_own(row, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_command(*row[1:], files, in_subprocess)
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize(
    ("kind", "text", "given"),
    [
        ("python", "", "agent()"),
        ("python", "", "task(name='other')"),
        ("python", "", "raise TypeError('not ours')"),
        ("python", "", "raise InputError('two\\nlines')"),
        ("python", "these words", "raise InputError('other words')"),
        ("python", "", "open('left', 'w').close(); raise InputError('something is left')"),
        ("command", "", "experiments"),
        ("command", "", "experiments.train --help"),
        ("command", "these words", "experiments.train --steps 0"),
        ("rust", "", "1"),
    ],
    ids=lambda value: value or None,
)
def test_what_is_not_refused_well_fails(kind, text, given, files, tmp_path):
    with pytest.raises((AssertionError, TypeError, ValueError, pytest.fail.Exception)):
        check(kind, text, given, files, tmp_path)


def test_there_are_many_and_none_twice():
    given = [param.values[2] for param in TABLE]
    assert len(given) == len(set(given)) >= 300
