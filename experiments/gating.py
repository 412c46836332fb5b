"""Working memory with a gate that dopamine teaches: letters to store and to ignore, by the model pbwm.

Agents learn which letters to keep until they are asked for one. In some the gate learns by its own rule,
from tags and dopamine ("tags"), in some by the exact gradient ("gradient"); for comparison it stays as it
was ("fixed"), or open from the start, its pallidum cut off ("open"), while actor and critic learn. In
those that learned by tags the gate is then opened, or shut by a lesion of d1. All but the gradient is one
program.

Methods that stay in a nucleus (`rflo`, `snap1`, `nucleus`) in the place of the exact gradient end where a
gate that does not learn does, at a return of 0.33. With `LASTING` 16 of 16 that learn by tags reach 0.95
after 200,000 steps; with 8 letters, up to 8 to ignore before and after, 11 of 16 after a million. That
there is no memory without a gate is so in this circuit: the recurrent cortex of `models.rtrrl`, 32
neurons trained by `rtrl`, learns the task, too (8 of 8).
"""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from bgrl import models, tasks
from bgrl.agent import Agent
from bgrl.assembly import label
from bgrl.experiment import command
from bgrl.learning import Learning
from bgrl.models import pbwm
from bgrl.recording import Record
from bgrl.settings import Basics, option
from bgrl.simulation import Run, simulate

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "bgrl.analysis.gating"
QUICK = {"steps": 40_000, "replicates": 4}
#: Condition to what makes it of the circuit.
CONDITIONS = {
    "tags": lambda circuit: circuit,
    "gradient": pbwm.by_gradient,
    "fixed": lambda circuit: circuit.set("d1.alpha", 0.0).set("d2.alpha", 0.0),
    "open": lambda circuit: circuit.lesion("gpi"),
}
#: What is done to the gate after learning, to the nucleus that is cut off.
LESIONS = {"open": "gpi", "shut": "d1"}
#: Of actor and critic, and of the gate by the gradient. A trial has 4 to 8 steps.
LEARNING = {
    "discount": 0.95,
    "entropy_weight": 0.02,
    **dict.fromkeys(("trace_actor", "trace_critic", "trace_network"), 0.9),
    **dict.fromkeys(("rate_actor", "rate_critic", "rate_network"), 5e-3),
}
#: What is recorded, in how many steps at the start and at the end of learning.
TRACES, RECORDED = ("gpi", "pfc", "observation", "dopamine", "reward", "done"), 2000
CHECKPOINTS, TRIALS, FINAL_TRIALS = 20, 50, 200


@dataclass(frozen=True, kw_only=True)
class Config(Basics):
    """Settings of the experiment."""

    steps: int = option(100_000, "task steps of learning, each replicate")
    replicates: int = option(16, "independent agents in each condition")
    seed: int = option(0, "seed of all randomness")
    letters: int = option(4, "letters of the task")
    ignores: int = option(3, "letters to ignore at most, before the one to store and after it")


def agent(config, condition):
    """The agents of a condition.

    Parameters
    ----------
    config : Config
    condition : str
        One of `CONDITIONS`.

    Returns
    -------
    bgrl.agent.Agent
    """
    task = tasks.make("store_ignore_recall", letters=config.letters, ignores=config.ignores)
    circuit = CONDITIONS[condition](models.circuit("pbwm", task))
    method = "rtrl" if condition == "gradient" else "none"
    learning = Learning(sensitivity=method, **models.STEADY, **LEARNING)
    return Agent(circuit, task, learning, config.replicates)


def run(config):
    """Learn in every condition; cut the gate off after learning.

    Parameters
    ----------
    config : Config

    Returns
    -------
    xarray.DataTree
        Group ``gating`` with `mean_return` (condition, replicate, checkpoint) and `lesioned` (lesion,
        replicate); the other groups are those of the run in which the gate learns by tags.
    """
    runs = {name: play(config, agent(config, name), name) for name in CONDITIONS}
    learned = runs["tags"]
    intact = agent(config, "tags")
    lesioned = {}
    for name, nucleus in LESIONS.items():
        cut = replace(intact, circuit=intact.circuit.lesion(nucleus))
        # What was learned is tested before the only step.
        found = play(config, cut, f"after-{name}", learned)
        lesioned[name] = found["evaluation"]["mean_return"].values[:, 0]
    curves = [data["evaluation"]["mean_return"].values for data in runs.values()]
    text = {"long_name": "mean return, plasticity and noise off", "units": "1"}
    group = xr.Dataset(
        {
            "mean_return": (("condition", "replicate", "checkpoint"), np.stack(curves), text),
            "lesioned": (("lesion", "replicate"), np.stack(list(lesioned.values())), text),
        },
        {
            "condition": ("condition", list(runs), label("condition")),
            "lesion": ("lesion", list(LESIONS), label("what the gate is after learning")),
            "replicate": learned["evaluation"]["replicate"],
            "step": learned["evaluation"]["step"],
        },
    )
    data = learned.copy()
    data["gating"] = xr.DataTree(group)
    data.attrs |= {"experiment": "gating", "title": "bgrl: gating"}
    return data


def play(config, agent, folder, weights=None):
    """Learn; or, with the weights of another run, test these.

    Parameters
    ----------
    config : Config
    agent : bgrl.agent.Agent
    folder : str
        Of its unfinished work.
    weights : xarray.DataTree, optional

    Returns
    -------
    xarray.DataTree
    """
    run = Run(
        config.steps if weights is None else 1,
        config.seed,
        config.backend,
        evaluations=CHECKPOINTS,
        evaluation_trials=TRIALS if weights is None else FINAL_TRIALS,
        final_trials=FINAL_TRIALS,
        # None ends early: that many steps are the longest trials.
        evaluation_steps=(CHECKPOINTS * TRIALS + 2 * FINAL_TRIALS) * (2 * config.ignores + 2),
        evaluation_noise=False,
        record=Record(TRACES, windows=((0, RECORDED), (-RECORDED, None))),
    )
    work = config.work() and config.work() / folder
    return simulate(agent, run, work, config.progress, weights=weights)


if __name__ == "__main__":
    import bgrl.experiments.gating

    command("gating", bgrl.experiments.gating)
