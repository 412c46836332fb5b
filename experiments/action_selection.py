"""What the basal ganglia (GPR model) select of two saliences, at low, normal and high dopamine.

One channel asks to be selected from 1 s on, a second one from 2 s on, at several levels of tonic
dopamine; then the same for all pairs of saliences. Nothing is learned. The protocol, and the saliences
0.4 and 0.6, are those of Gurney, Prescott & Redgrave 2001 (Biol. Cybern. 84:411) as their own program
has them (ModelDB 83560), without the transient that it ends with. It has dopamine 0.2 only; low and high
are ours.
"""

import tempfile
from dataclasses import asdict, dataclass, replace

import numpy as np
import xarray as xr
from tqdm import tqdm

from bgrl.agent import Agent, describe
from bgrl.assembly import label
from bgrl.backends import load
from bgrl.dataset import SCHEMA_VERSION
from bgrl.errors import InputError
from bgrl.experiment import command
from bgrl.learning import Learning
from bgrl.models import gpr
from bgrl.recording import Sink
from bgrl.settings import Basics, option
from bgrl.step.assemble import initial_state
from bgrl.tasks.common import check_several
from bgrl.tasks.salience import salience

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "bgrl.analysis.action_selection"
QUICK = {"grid": 3}
#: When the saliences come on, and the end, in ms.
ONSETS, DURATION = (1000.0, 2000.0), 3000.0
#: Levels of dopamine between which the outcome is looked at.
SWEEP = np.linspace(0, 1, 11).round(2)
NUCLEI = tuple(gpr.THRESHOLDS)


@dataclass(frozen=True, kw_only=True)
class Config(Basics):
    """Settings of the experiment."""

    first: float = option(0.4, "salience of the first channel")
    second: float = option(0.6, "salience of the second channel")
    low: float = option(0.0, "tonic dopamine when it is low")
    normal: float = option(gpr.TONIC, "tonic dopamine in health")
    high: float = option(0.8, "tonic dopamine when it is high")
    channels: int = option(gpr.CHANNELS, "channels that compete")
    grid: int = option(21, "saliences of each channel, from 0 to 1, of which all pairs are tried")


def agent(saliences, dopamine, channels=gpr.CHANNELS):
    """The circuit at a level of dopamine, with two saliences.

    Parameters
    ----------
    saliences : pair of float
    dopamine : float
        Tonic level.
    channels : int

    Returns
    -------
    bgrl.agent.Agent
    """
    task = salience(saliences, ONSETS, channels, DURATION, gpr.STEP)
    circuit = gpr.circuit(task, channels)
    circuit = replace(circuit, dopamine=replace(circuit.dopamine, tonic=dopamine))
    return Agent(circuit, task, Learning(sensitivity="none"))


def play(program, player):
    """What happens in a trial.

    Returns
    -------
    dict of str to array (time, channel)
        Output of each nucleus, `salience` and `policy`, at the end of each step.
    """
    names = {name: f"{name}.rate" for name in NUCLEI}
    names |= {"salience": "input.x", "policy": "readout.policy"}
    channels = len(player.task.actions)
    with tempfile.TemporaryDirectory(prefix="bgrl-") as folder:
        sink = Sink(folder, names.values(), program.layout)
        state = initial_state(player, program.layout, 0)
        program.advance(state, 0, round(DURATION / gpr.STEP), learn=False, sink=sink)
        frames = sink.read_frames()
        return {name: np.array(frames[source][:, 0, :channels]) for name, source in names.items()}


def run(config):
    """Play a trial at every level of dopamine, and for every pair of saliences at three of them.

    Parameters
    ----------
    config : Config

    Returns
    -------
    xarray.DataTree
        Group ``traces`` (dopamine, time, channel): output of every nucleus and the policy; group
        ``pairs`` (dopamine, first, second, epoch, channel): output of GPi at the end of each epoch.

    Raises
    ------
    InputError
        For levels of dopamine out of order, fewer than 2 channels or saliences.
    """
    check_several("grid", config.grid)
    shown = (config.low, config.normal, config.high)
    if not shown[0] < shown[1] < shown[2]:
        raise InputError(f"low, normal, high are {shown}; each must be more than the one before")
    levels = np.unique([*SWEEP, *shown])
    grid = np.linspace(0, 1, config.grid)
    # The same program for all: saliences and dopamine are run-time values.
    say = tqdm.write if config.progress else None
    saliences = (config.first, config.second)
    program = load(
        config.backend, agent(saliences, config.normal, config.channels).structure(), say
    )
    jobs = [(saliences, level) for level in levels]
    jobs += [((a, b), level) for level in shown for a in grid for b in grid]
    played = [
        play(program, agent(pair, level, config.channels))
        for pair, level in tqdm(jobs, unit="trial", disable=None if config.progress else True)
    ]
    ends = np.array([*ONSETS, DURATION]) / gpr.STEP - 1
    outcomes = np.array([trial["gpi"][ends.astype(int)] for trial in played[len(levels) :]])
    attributes = {
        "title": "bgrl: action selection by the GPR model",
        "experiment": "action_selection",
        "task": "salience",
        "configuration": describe({k: v for k, v in asdict(config).items() if k != "progress"}),
        "onsets_s": [onset / 1000 for onset in ONSETS],
        "schema_version": SCHEMA_VERSION,
    }
    pairs = outcomes.reshape(len(shown), len(grid), len(grid), *outcomes.shape[1:])
    return xr.DataTree.from_dict(
        {
            "/": xr.Dataset(attrs=attributes),
            "/traces": _traces(levels, played[: len(levels)]),
            "/pairs": xr.Dataset(
                {
                    "gpi": (
                        ("dopamine", "first", "second", "epoch", "channel"),
                        pairs,
                        label("output of gpi at the end of the epoch"),
                    )
                },
                {
                    "dopamine": ("dopamine", list(shown), label("tonic dopamine")),
                    "first": ("first", grid, label("salience of channel 1")),
                    "second": ("second", grid, label("salience of channel 2")),
                    "channel": np.arange(1, config.channels + 1),
                },
            ),
        }
    )


def _traces(levels, played):
    dims = ("dopamine", "time", "channel")
    variables = {
        name: (dims, np.array([trial[name] for trial in played]), label(f"output of {name}"))
        for name in NUCLEI
    }
    variables["policy"] = (
        dims,
        np.array([trial["policy"] for trial in played]),
        label("probability of choosing each channel"),
    )
    variables["salience"] = (dims[1:], played[0]["salience"], label("salience"))
    steps, channels = played[0]["salience"].shape
    coordinates = {
        "dopamine": ("dopamine", levels, label("tonic dopamine")),
        "time": ("time", np.arange(steps) * gpr.STEP / 1000, label("time", "s")),
        "channel": np.arange(1, channels + 1),
    }
    return xr.Dataset(variables, coordinates)


if __name__ == "__main__":
    import bgrl.experiments.action_selection

    command("action_selection", bgrl.experiments.action_selection)
