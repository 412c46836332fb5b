"""A cognitive loop chooses a cue and a motor loop where it is; the model learns which cues pay.

The model `guthrie_2013` in the task it was made for: two of four cues at two of four positions,
rewarded with probabilities of 1, 0.66, 0.33 and 0; 120 trials, as in the programs that its numbers
are from. How often the better cue is chosen, when each loop decides, and whether both decide on the
same cue; with and without plasticity of the cognitive striatum. As in these programs a trial counts
in which the motor cortex has decided: its two highest rates differ by 40 spikes/s. There a trial
ends with the decision, and one without it teaches nothing; here all last 3 s and their choices are
taught.
"""

from dataclasses import asdict, dataclass

import numpy as np
import xarray as xr
from tqdm import tqdm

from bgrl.agent import Agent, describe
from bgrl.assembly import label
from bgrl.circuit import Parameter
from bgrl.dataset import SCHEMA_VERSION
from bgrl.errors import check_integer
from bgrl.experiment import command
from bgrl.learning import Learning
from bgrl.models import guthrie_2013 as model
from bgrl.recording import Record
from bgrl.settings import Basics, option
from bgrl.simulation import Run, simulate
from bgrl.tasks.base import Task, pick
from bgrl.tasks.common import numbered, whole_steps

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "bgrl.analysis.two_loops"
#: Trials of a block there, without which there is nothing to show.
BLOCK = 20
QUICK = {"replicates": 8}
#: Of reward, for each cue.
CHANCES = (1.0, 0.66, 0.33, 0.0)
#: Duration of a step, in ms; in steps as long rates are recorded.
STEP = 20.0
#: From the start of a trial to the cues, and from there to the choice, in ms.
SETTLING, DECIDING = 500.0, 2500.0
#: Standard deviation of the input of a cue, as a share of it, drawn for each trial.
CUE_NOISE = 0.01
#: Difference of the two highest rates of a cortex from which it has decided, in spikes/s.
DECIDED = 40.0
#: What is compared: whether the synapses onto the cognitive striatum learn.
CIRCUITS = {"learning": True, "no learning": False}


@dataclass(frozen=True, kw_only=True)
class Config(Basics):
    """Settings of the experiment."""

    trials: int = option(120, "trials of learning, each replicate")
    replicates: int = option(24, "independent agents")
    seed: int = option(0, "seed of all randomness")
    processes: int = option(0, "processes that share the replicates; 0: one for each core")


def two_cues(step=STEP, chances=CHANCES, cues=4):
    """Choose one of two cues by its position.

    A trial is: nothing, two cues at two positions, a choice in their last step; then it is told which cue
    was chosen, and a step later the reward comes and ends the trial. Where nothing was shown there is no
    cue to be chosen, and no reward.

    Parameters
    ----------
    step : float
        Duration of a step (ms).
    chances : sequence of float
        Of reward, for each cue.
    cues : int
        Of how many of them, the first ones, two are shown.

    Returns
    -------
    bgrl.tasks.base.Task
    """
    n, on = len(CHANCES), "int(time >= cues_start)"
    start = whole_steps("settling", SETTLING, step)
    shown = {
        f"{kind}_{k}": f"{on}*(int({kind}_1 == {k})*level_{a} + int({kind}_2 == {k})*level_{b})"
        for kind, (a, b) in {"cue": (0, 1), "place": (2, 3)}.items()
        for k in range(n)
    }
    shown |= {
        f"pair_{c}_{p}": f"{on}*(int(cue_1 == {c})*int(place_1 == {p})*level_4 + "
        f"int(cue_2 == {c})*int(place_2 == {p})*level_5)"
        for c in range(n)
        for p in range(n)
    }
    shown |= {f"chosen_{k}": f"int(chosen == {k})" for k in range(n)}
    levels = "\n".join(f"level_{k} = 1 + cue_noise*normal({5 + k})" for k in range(6))
    return Task(
        name="two_cues",
        summary="choose one of two cues by its position",
        reference="Guthrie et al. 2013, J. Neurophysiol. 109:3025, as in its reproductions",
        observations=shown,
        actions=tuple(f"place_{k}" for k in range(n)),
        variables=(
            *("time", "chosen", "best", "cue_1", "cue_2", "place_1", "place_2"),
            *(f"level_{k}" for k in range(6)),
        ),
        parameters={
            "cues_start": Parameter(start),
            "asked_step": Parameter(start + whole_steps("deciding", DECIDING, step)),
            "cue_noise": Parameter(CUE_NOISE),
        }
        | numbered("chance", chances),
        step=f"""
            win = int(uniform(0) < {pick("chosen", [f"chance_{k}" for k in range(n)])})
            terminated = int(time == asked_step + 1)
            reward = terminated*win
            asked = int(time == asked_step)
            at_1 = int(action == place_1)
            at_2 = int(action == place_2)
            chosen = asked*(at_1*cue_1 + at_2*cue_2 - (1 - at_1 - at_2)) - (1 - asked)
            better = int(cue_1 < cue_2)*at_1 + int(cue_2 < cue_1)*at_2
            best = asked*better + (1 - asked)*best
            time = time + 1
        """,
        reset=f"""
            time = 0
            chosen = -1
            best = 0
            cue_1 = floor({cues}*uniform(1))
            cue_2 = cue_1 + 1 + floor({cues - 1}*uniform(2))
            cue_2 = cue_2 - {cues}*int(cue_2 >= {cues})
            place_1 = floor({n}*uniform(3))
            place_2 = place_1 + 1 + floor({n - 1}*uniform(4))
            place_2 = place_2 - {n}*int(place_2 >= {n})
            {levels}
        """,
        events={"cues": ("start", start), "choice": ("end", -1), "outcome": ("end", 0)},
        step_duration=step,
    )


def agent(learns, replicates):
    """The model in its task, with or without plasticity of its striatum."""
    task = two_cues()
    circuit = model.circuit(task)
    if not learns:
        circuit = circuit.set("striatum_cognitive.ltp", 0.0).set("striatum_cognitive.ltd", 0.0)
    return Agent(circuit, task, Learning(**model.LEARNING), replicates, "float64")


def run(config):
    """Let the circuit play, with and without learning.

    Parameters
    ----------
    config : Config

    Returns
    -------
    xarray.DataTree
        Group ``trials`` (circuit, replicate, trial): `best`, whether the better cue was chosen, `agreed`,
        whether the cue that the cognitive cortex favours was, `cognitive_time` and `motor_time` from the
        cues to the decision of each loop (s; NaN without one). Group ``rates`` (shown, time, neuron):
        those of both cortices in the first and the last trial of a replicate that learns.
    """
    check_integer("trials", config.trials, BLOCK)
    found, rates = [], None
    for name, learns in tqdm(CIRCUITS.items(), disable=None if config.progress else True):
        player = agent(learns, config.replicates)
        steps = config.trials * _length(player.task)
        record = Record(("cortex_motor", "cortex_cognitive", "task.chosen", "task.best"))
        settings = Run(steps + 1, config.seed, config.backend, 1, 1, 1, record)
        work = config.work() and config.work() / name.replace(" ", "-")
        data = simulate(player, settings, work, processes=config.processes)
        measured, kept = measure(data["traces"].to_dataset(), player.task, config.trials)
        found.append(measured)
        rates = kept if rates is None else rates
    trials = xr.concat(found, "circuit").assign_coords(circuit=("circuit", list(CIRCUITS)))
    attributes = {
        "title": "bgrl: a cognitive and a motor loop",
        "experiment": "two_loops",
        "task": "two_cues",
        "seed": config.seed,
        "configuration": describe({k: v for k, v in asdict(config).items() if k != "progress"}),
        "schema_version": SCHEMA_VERSION,
    }
    groups = {"/": xr.Dataset(attrs=attributes), "/trials": trials, "/rates": rates}
    return xr.DataTree.from_dict(groups)


def _length(task):
    """Steps of a trial."""
    return int(task.parameters["asked_step"].value) + 2


def measure(traces, task, trials):
    """What happened in every trial, and rates in the first and the last.

    Parameters
    ----------
    traces : xarray.Dataset
    task : bgrl.tasks.base.Task
    trials : int

    Returns
    -------
    (xarray.Dataset, xarray.Dataset)
    """
    # What is seen in a step is that of the time after it.
    length, start = _length(task), int(task.parameters["cues_start"].value) - 1

    def by_trial(name):
        """(replicate, trial, step, ...); the first step of a run starts its first trial."""
        values = traces[name].values[:, : trials * length]
        return values.reshape(len(values), trials, length, *values.shape[2:])

    motor, cognitive = by_trial("cortex_motor"), by_trial("cortex_cognitive")
    # The cue that was chosen is told in the last step but one; the last starts the next trial.
    chosen, best = by_trial("task.chosen")[:, :, -2], by_trial("task.best")[:, :, -2]
    agreed = cognitive[:, :, -3].argmax(axis=-1) == chosen
    dims = ("replicate", "trial")
    variables = {
        "best": (dims, best, label("whether the better cue was chosen")),
        "agreed": (dims, agreed.astype(float), label("whether both loops chose the same cue")),
    }
    for name, cortex in (("cognitive", cognitive), ("motor", motor)):
        ordered = np.sort(cortex[:, :, start:-2], axis=-1)
        decided = ordered[..., -1] - ordered[..., -2] > DECIDED
        time = np.where(decided.any(axis=-1), decided.argmax(axis=-1) * STEP / 1000, np.nan)
        variables[f"{name}_time"] = (dims, time, label(f"decision of the {name} loop", "s"))
    kept = xr.Dataset(
        {
            name: (("shown", "time", "neuron"), values[0][[0, -1]], label("rate", "spikes/s"))
            for name, values in (("cognitive", cognitive), ("motor", motor))
        },
        {
            "shown": [1, trials],
            "time": ("time", (np.arange(length) - start) * STEP / 1000, label("time", "s")),
        },
    )
    return xr.Dataset(variables, {"trial": np.arange(1, trials + 1)}), kept


if __name__ == "__main__":
    import bgrl.experiments.two_loops

    command("two_loops", bgrl.experiments.two_loops)
