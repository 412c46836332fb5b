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
import re
import shutil
import time
from dataclasses import dataclass

import numpy as np
import xarray as xr

from bgrl import Agent, Learning, models
from bgrl.analysis.refit import refit_value, td_error
from bgrl.analysis.sessions import session
from bgrl.errors import InputError, choose
from bgrl.experiments.dopamine import findings
from bgrl.experiments.dopamine.finding import Choosing, Finding
from bgrl.interventions import Intervention
from bgrl.own import NamesOrFile, is_file, member
from bgrl.recording import Record
from bgrl.settings import Settings, option
from bgrl.simulation import Run, simulate

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "bgrl.analysis.dopamine"
QUICK = {"replicates": 6}
#: What is recorded in every step.
RECORDED = ("dopamine", "value", "reward", "done")
#: The order of the table; findings that are not listed come last.
ORDER = (
    *("shift", "early_late", "early_reset", "blocking", "second_order", "probability"),
    *("inhibition", "subtraction", "timing", "backward_shift", "contingency"),
    *("blocks", "reversal", "distributional", "two_step", "regret"),
    *("preconditioning", "identity", "adaptive_gain", "uncertainty_ramp", "ramp"),
    *("random_rewards", "long_delay"),
)
#: Methods of the table to their settings.
METHODS = {
    "rtrl": {"model": "rtrrl", "sensitivity": "rtrl"},
    "snap1": {"model": "rtrrl", "sensitivity": "snap1"},
    "rflo": {"model": "rtrrl", "sensitivity": "rflo"},
    "lru": {"model": "lru", "sensitivity": "snap1"},
    "none": {"model": "rtrrl", "sensitivity": "none"},
    "basal_ganglia": {"model": "basal_ganglia", "sensitivity": "rflo"},
}


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
        return member(name, "FINDING", "a finding", Finding)
    choose("finding", name, names(), "FILE.py")
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
    methods: str = option(
        "",
        f"compare methods, separated by commas: {', '.join(METHODS)}; all for all of them; each "
        "has its own model and sensitivity",
    )

    def chosen(self):
        """The findings asked for."""
        given = [name.strip() for name in self.findings.split(",") if name.strip()]
        return [find(name) for name in given or names()]

    def compared(self):
        """Name of each method asked for to the experiment with its settings."""
        given = [name.strip() for name in self.methods.split(",") if name.strip()]
        given = list(METHODS) if given == ["all"] else given
        for name in given:
            choose("method", name, METHODS)
        for name in ("model", "sensitivity") if given else ():
            if getattr(self, name) != getattr(Config, name):
                raise InputError(
                    f"{name} is {getattr(self, name)!r}, but methods have a model and a sensitivity of "
                    "their own; give one or the other"
                )
        return {name: dataclasses.replace(self, **METHODS[name], methods="") for name in given}


def run(config):
    """Run the sessions of each finding and measure.

    Parameters
    ----------
    config : Config

    Returns
    -------
    xarray.DataTree
        A group for each finding: a variable (replicate) for each measure, the curves of its panel
        (curve, replicate, point) and what was published; what decides is in the attributes. Where
        methods are compared, a group for each of them that holds these.
    """
    compared = config.compared()
    if not compared:
        found, attributes = judge(config)
        return xr.DataTree.from_dict(found | {"/": xr.Dataset(attrs=attributes)})
    tree = {}
    for name, own in compared.items():
        found, attributes = judge(own, name)
        tree |= {f"/{name}": xr.Dataset(attrs=attributes)}
        tree |= {f"/{name}{path}": group for path, group in found.items()}
    kept = {k: v for k, v in attributes.items() if k not in ("model", "sensitivity")}
    return xr.DataTree.from_dict(tree | {"/": xr.Dataset(attrs=kept)})


def judge(config, method="own"):
    """Run the findings with one method.

    Findings that are done are kept in the folder of the unfinished run, so that the same command goes on
    with the next one.

    Returns
    -------
    (dict of str to xarray.Dataset, dict)
        Path of a group to it; attributes of the dataset.
    """
    done, groups, attributes = {}, {}, {"experiment": "dopamine", "model": config.model}
    for chosen in config.chosen():
        kept = config.work() and config.work() / f"{method}_{chosen.name}.nc"
        found = read_group(kept, chosen)
        if found is None:
            started, sessions = time.monotonic(), {}
            for number, (name, arm) in enumerate(chosen.arms.items()):
                if arm not in done:
                    done[arm], told = record(config, arm, f"{method}_{chosen.name}_{number}")
                    attributes |= told
                sessions[name] = done[arm]
            found = group(chosen, sessions, time.monotonic() - started)
            found.attrs |= {"run": json.dumps(attributes)}
            if kept:
                found.to_netcdf(kept, engine="netcdf4")
                for folder in kept.parent.glob(f"{kept.stem}_?"):
                    shutil.rmtree(folder)
        attributes |= json.loads(found.attrs.pop("run"))
        groups[f"/{chosen.name}"] = found
    return groups, attributes


def read_group(path, chosen):
    """The dataset of a finding from an unfinished run; None if there is none so defined."""
    if not path or not path.exists():
        return None
    with xr.open_dataset(path, engine="netcdf4") as found:
        found = found.load()
    if found.attrs["definition"] != definition(chosen):
        return None
    return found.assign_attrs(texts(chosen))


def texts(chosen):
    """What is told of a finding, and whether it is expected."""
    return {k: getattr(chosen, k) for k in ("title", "reference", "expected", "note")}


def definition(chosen):
    """What a finding is, as text: what was run and what decides."""
    # A function's place in memory is another in every process.
    return re.sub(r" at 0x[0-9a-f]+", "", f"{chosen.arms} {chosen.criteria}")


def record(config, arm, name):
    """Train the agents of an arm, and test them with plasticity off.

    Returns
    -------
    (analysis.sessions.Session, dict)
        And the attributes of the dataset.
    """
    task = arm.task()
    learned, steps = arm.steps()
    settings = config.learning() | arm.learns()
    # Time constants of as many steps as in the paper: 0.2 to 1 s, for intervals of seconds.
    untimed = dataclasses.replace(task, step_duration=None)
    circuit = models.circuit(arm.model or config.model, untimed, config.units)
    if task.step_duration:
        circuit = circuit.stretched(task.step_duration)
    agent = Agent(circuit, task, Learning(**settings), config.replicates)
    critic = agent.circuit.critic
    if critic.plastic:  # what is new has no value
        naive = agent.circuit.scale(f"{critic.reads}->{critic.name}", 0.0)
        agent = dataclasses.replace(agent, circuit=naive)
    population = arm.watched or critic.reads
    names, windows = (*RECORDED, *arm.recorded), ((0, None),)
    if arm.watched or arm.activity:
        # Activity takes much memory and is looked at in the tests only.
        names, windows = (*names, population), ((learned, None),)
    elif isinstance(arm, Choosing):
        # Learning takes many steps and is not looked at.
        names, windows = (*names, "action"), ((learned, None),)
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
    # What differs from arm to arm is not told of them all.
    own = ("title", "task", "configuration", "events", "step_duration_ms", "chance_return")
    attributes = {k: v for k, v in data.attrs.items() if k not in own}
    return (refitted(found, arm) if arm.activity else found), attributes


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
    attributes = texts(chosen) | {"criteria": json.dumps(criteria), "seconds": float(seconds)}
    attributes |= {"definition": definition(chosen)}
    return xr.Dataset(variables, coordinates, attributes)
