"""A cortex without the output of its basal ganglia decides, and does not get better; they learn covertly.

The model `topalidou_2016` chooses the better of two cues, rewarded with probabilities of 0.75 and 0.25,
on two days. GPi is silent on neither of them, on the first, or on the second; what it does to the
thalamus is inactivated. As in `experiments.two_loops` a decision is a difference of 40 spikes/s in the
motor cortex.
"""

from dataclasses import asdict, dataclass

import numpy as np
import xarray as xr
from tqdm import tqdm

from bgrl.agent import Agent, describe
from bgrl.dataset import SCHEMA_VERSION
from bgrl.errors import check_integer
from bgrl.experiment import command
from bgrl.experiments.two_loops import measure, two_cues
from bgrl.interventions import Intervention
from bgrl.learning import Learning
from bgrl.models import topalidou_2016 as model
from bgrl.recording import Record
from bgrl.settings import Basics, option
from bgrl.simulation import Run, simulate

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "bgrl.analysis.covert_learning"
#: Trials of a block there, without which there is nothing to show.
BLOCK = 10
QUICK = {"replicates": 8}
#: Of reward, for each cue; the first two are shown.
CHANCES, CUES = (0.75, 0.25, 0.0, 0.0), 2
#: Protocol to the days on which GPi is silent.
PROTOCOLS = {"on-on": (), "off-on": (1,), "on-off": (2,)}
#: What is inactivated then.
OUTPUT = tuple(f"gpi_{part}->thalamus_{part}" for part in ("cognitive", "motor"))


@dataclass(frozen=True, kw_only=True)
class Config(Basics):
    """Settings of the experiment."""

    trials: int = option(60, "trials of each day, each replicate")
    replicates: int = option(16, "independent agents")
    seed: int = option(0, "seed of all randomness")
    processes: int = option(0, "processes that share the replicates; 0: one for each core")


def agent(replicates):
    """The model in its task."""
    task = two_cues(chances=CHANCES, cues=CUES)
    return Agent(model.circuit(task), task, Learning(**model.LEARNING), replicates, "float64")


def silenced(days, steps):
    """Interventions that silence GPi on some days of so many steps each."""
    return tuple(
        Intervention("inactivate", name, start=(day - 1) * steps, duration=steps)
        for day in days
        for name in OUTPUT
    )


def run(config):
    """Let the circuit play two days by each protocol.

    Parameters
    ----------
    config : Config

    Returns
    -------
    xarray.DataTree
        Group ``trials`` (protocol, replicate, day, trial): `best`, whether the better cue was chosen,
        `agreed`, `cognitive_time` and `motor_time`, see `bgrl.experiments.two_loops.run`.
    """
    check_integer("trials", config.trials, BLOCK)
    player, found = agent(config.replicates), []
    steps = config.trials * (int(player.task.parameters["asked_step"].value) + 2)
    record = Record(("cortex_motor", "cortex_cognitive", "task.chosen", "task.best"))
    for name, days in tqdm(PROTOCOLS.items(), disable=None if config.progress else True):
        settings = Run(
            *(2 * steps + 1, config.seed, config.backend, 1, 1, 1, record),
            interventions=silenced(days, steps),
        )
        work = config.work() and config.work() / name
        data = simulate(player, settings, work, processes=config.processes)
        measured, _ = measure(data["traces"].to_dataset(), player.task, 2 * config.trials)
        by_day = {
            key: (("replicate", "day", "trial"), np.split(values.values, 2, axis=1), values.attrs)
            for key, values in measured.items()
        }
        found.append(
            xr.Dataset({k: (d, np.stack(v, axis=1), a) for k, (d, v, a) in by_day.items()})
        )
    coordinates = {
        "protocol": ("protocol", list(PROTOCOLS)),
        "day": [1, 2],
        "trial": np.arange(1, config.trials + 1),
    }
    attributes = {
        "title": "bgrl: covert learning",
        "experiment": "covert_learning",
        "task": "two_cues",
        "seed": config.seed,
        "configuration": describe({k: v for k, v in asdict(config).items() if k != "progress"}),
        "schema_version": SCHEMA_VERSION,
    }
    trials = xr.concat(found, "protocol").assign_coords(coordinates)
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attributes), "/trials": trials})


if __name__ == "__main__":
    import bgrl.experiments.covert_learning

    command("covert_learning", bgrl.experiments.covert_learning)
