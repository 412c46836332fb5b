"""The classic recordings of dopamine neurons: what was found, and whether a model shows it.

``python -m experiments.dopamine`` runs every finding, prints a table of verdicts and draws a page;
``python -m experiments.dopamine timing shift`` runs these two. Each finding is a file in
experiments/dopamine/findings: sessions of training, what is measured, and criteria. A finding passes if
the 95 % bootstrap interval (mean over replicates) of every measure lies within the bounds of its
criterion. Some are expected to fail: there the animals show what an error about value alone cannot, and
passing means a leak.
"""

import dataclasses
import importlib
import json
import pkgutil
import time
from dataclasses import dataclass

import numpy as np
import xarray as xr

from bgrl import Agent, Learning, models, tasks
from bgrl.analysis.refit import refit_value, td_error
from bgrl.analysis.sessions import session
from bgrl.errors import InputError
from bgrl.experiments.dopamine import findings
from bgrl.interventions import Intervention
from bgrl.own import NamesOrFile, is_file, member
from bgrl.recording import Record
from bgrl.settings import Settings, option
from bgrl.simulation import Run, simulate

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "analysis.dopamine"
QUICK = {"replicates": 6}
#: What is recorded in every step.
RECORDED = (*("dopamine", "value", "reward", "done", "task.kind", "task.phase"),)
#: The order of the table; findings that are not listed come last.
ORDER = (
    *("shift", "early_late", "early_reset", "blocking", "second_order", "probability"),
    *("inhibition", "subtraction", "timing", "backward_shift", "contingency"),
    *("preconditioning", "identity", "adaptive_gain", "uncertainty_ramp", "ramp"),
)


def names():
    """Names of the findings, in the order of the table."""
    found = sorted(module.name for module in pkgutil.iter_modules(findings.__path__))
    return [*(n for n in ORDER if n in found), *(n for n in found if n not in ORDER)]


def find(name):
    """A finding by name, or the `FINDING` of a Python file.

    Raises
    ------
    InputError
        For an unknown one, with those that there are.
    """
    if is_file(name):
        return member(name, "FINDING", "a finding")
    if name not in names():
        raise InputError(f"unknown finding {name!r}; valid: {', '.join(names())}")
    return importlib.import_module(f"bgrl.experiments.dopamine.findings.{name}").FINDING


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Settings of the experiment."""

    #: No option: every finding says how many trials it takes.
    steps: int = 0
    replicates: int = option(10, "independent agents, of each group")
    findings: str = option(
        "", "names of findings, or FILE.py, separated by commas; all if nothing is said"
    )
    model: str = option(
        "rtrrl", "circuit, a file in models/ or FILE.py", NamesOrFile(models.names())
    )

    def chosen(self):
        """The findings asked for."""
        given = [name.strip() for name in self.findings.split(",") if name.strip()]
        return [find(name) for name in given or names()]


def run(config):
    """Run the sessions of each finding and measure.

    Parameters
    ----------
    config : Config

    Returns
    -------
    xarray.DataTree
        A group for each finding: a variable (replicate) for each measure, the curves of its panel
        (curve, replicate, point) and what was published; what decides is in the attributes.
    """
    done, groups, attributes = {}, {}, {}
    for chosen in config.chosen():
        started = time.monotonic()
        sessions = {}
        for name, arm in chosen.arms.items():
            if arm not in done:
                done[arm], attributes = record(config, arm, f"{chosen.name}_{len(done)}")
            sessions[name] = done[arm]
        groups[f"/{chosen.name}"] = group(chosen, sessions, time.monotonic() - started)
    # What differs from arm to arm is not told of them all.
    own = ("title", "task", "configuration", "events", "step_duration_ms")
    kept = {k: v for k, v in attributes.items() if k not in own}
    root = xr.Dataset(attrs=kept | {"experiment": "dopamine", "model": config.model})
    return xr.DataTree.from_dict({"/": root, **groups})


def record(config, arm, name):
    """Train the agents of an arm, and test them with plasticity off.

    Returns
    -------
    (analysis.sessions.Session, dict)
        And the attributes of the dataset.
    """
    task = tasks.make("pavlovian", **arm.task())
    learned, steps = arm.steps()
    settings = config.learning() | dict.fromkeys(("trace_critic", "trace_network"), arm.trace)
    settings |= dict.fromkeys(("rate_critic", "rate_network"), arm.rate)
    settings |= {"discount": arm.discount}
    # Time constants of as many steps as in the paper: 0.2 to 1 s, for intervals of seconds.
    untimed = dataclasses.replace(task, step_duration=None)
    circuit = models.circuit(config.model, untimed, config.units).stretched(task.step_duration)
    agent = Agent(circuit, task, Learning(**settings), config.replicates)
    critic = agent.circuit.critic
    population = critic.reads
    # What is new has no value.
    naive = agent.circuit.scale(f"{critic.reads}->{critic.name}", 0.0)
    agent = dataclasses.replace(agent, circuit=naive)
    names, windows = RECORDED, ((0, None),)
    if arm.activity:
        # Activity takes much memory and is looked at in the tests only.
        names, windows = (*RECORDED, population), ((learned, None),)
    stop = (Intervention("block_plasticity", "all", start=learned),) if arm.testing else ()
    settings = Run(
        *(steps, config.seed, config.backend, 1, 1, 1),
        record=Record(names, windows=windows),
        interventions=stop,
    )
    work = config.work() and config.work() / name
    data = simulate(agent, settings, work, config.progress, config.processes)
    found = session(data, population=population)
    # Index on the time axis of the first step with plasticity off.
    tested = int(np.searchsorted(data["traces"]["step"].values, learned)) if arm.testing else steps
    found = dataclasses.replace(found, tested_from=tested)
    return (refitted(found, arm) if arm.activity else found), data.attrs


def refitted(found, arm):
    """A session with the signal `refit` too: the TD error of a value refitted to the activity.

    It is fitted to the first half of what was recorded.
    """
    errors = []
    for activity, reward, done in zip(
        found.activity, found.signals["reward"], found.signals["done"], strict=True
    ):
        half = slice(0, len(reward) // 2)
        ended = done * (not arm.unbroken)
        value = refit_value(activity, reward, ended, arm.discount, steps=half)
        errors.append(td_error(value, reward, ended, arm.discount))
    return dataclasses.replace(found, signals=found.signals | {"refit": np.nan_to_num(errors)})


def group(chosen, sessions, seconds=0.0):
    """The dataset of a finding, from the sessions of its arms.

    Parameters
    ----------
    chosen : experiments.dopamine.finding.Finding
    sessions : dict of str to analysis.sessions.Session
    seconds : float
        Of computing.

    Returns
    -------
    xarray.Dataset
    """
    measures, panel = chosen.measure(sessions)
    variables = {}
    for name, values in measures.items():
        attributes = {"long_name": name.replace("_", " "), "units": "1"}
        variables[name] = (("replicate",), np.asarray(values, float), attributes)
    curves = np.array(list(panel.curves.values()), float)
    shown = {"long_name": panel.ylabel, "units": "1"}
    variables["curves"] = (("curve", "replicate", "point"), curves, shown)
    coordinates = {
        "curve": ("curve", list(panel.curves)),
        "x": ("point", np.asarray(panel.x, float), {"long_name": panel.xlabel, "units": "1"}),
    }
    if panel.published:
        values = np.array(list(panel.published.values()), float)
        variables["published"] = (("original", "point"), values, shown)
        coordinates["original"] = ("original", list(panel.published))
    criteria = [
        {k: None if v in (np.inf, -np.inf) else v for k, v in dataclasses.asdict(c).items()}
        for c in chosen.criteria
    ]
    attributes = {k: getattr(chosen, k) for k in ("title", "reference", "expected", "note")}
    attributes |= {"criteria": json.dumps(criteria), "seconds": float(seconds)}
    return xr.Dataset(variables, coordinates, attributes)
