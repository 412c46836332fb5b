"""Runs an agent that learns offline by BPTT (`bgrl.bptt`), evaluated like one that learns online."""

import numpy as np
import xarray as xr
from tqdm import tqdm

from bgrl.agent import describe
from bgrl.assembly import UNFINISHED, variable
from bgrl.bptt import OfflineAgent
from bgrl.dataset import provenance
from bgrl.simulation import Run

#: Copies of the task that a replicate learns from side by side, and steps that the gradient reaches back.
STREAMS, WINDOW = 2, 64


def run(config, agent):
    """Train and evaluate.

    Parameters
    ----------
    config : experiments.paper.Config
    agent : bgrl.agent.Agent

    Returns
    -------
    xarray.DataTree
        Group ``evaluation`` as of `bgrl.dataset`; `step` counts the steps of a replicate's streams
        together. It is not kept while it runs: one that is killed starts anew.
    """
    run = Run(config.steps, config.seed, evaluations=config.evaluations)
    learner = OfflineAgent(agent, config.seed, STREAMS, WINDOW)
    steps, returns, episodes = [], [], []
    with tqdm(total=config.steps, unit="step", disable=None if config.progress else True) as bar:
        for checkpoint in run.checkpoints():
            while learner.steps < checkpoint:
                learner.learn()
                bar.update(STREAMS * WINDOW)
            last = checkpoint == config.steps
            trials = config.final_trials if last else config.evaluation_trials
            found = learner.evaluate(trials)
            steps.append(learner.steps)
            returns.append(found[0])
            episodes.append(found[1])
    dims = ("replicate", "checkpoint")
    count = np.transpose(episodes)
    evaluation = xr.Dataset(
        {
            "mean_return": variable(dims, np.transpose(returns), "mean return, plasticity off"),
            "episodes": variable(dims, count, "trials evaluated"),
            "unfinished": variable(dims, np.zeros(count.shape, np.int8), UNFINISHED),
        },
        {
            "replicate": variable("replicate", np.arange(len(count)), "replicate"),
            "step": variable("checkpoint", steps, "steps learned", "steps"),
        },
    )
    attributes = {
        "title": f"bgrl: {agent.task.name}, BPTT",
        "configuration": describe({"agent": agent.to_dict(), "streams": STREAMS, "window": WINDOW}),
        "task": agent.task.name,
        "seed": config.seed,
        **provenance(),
    }
    groups = {"/": xr.Dataset(attrs=attributes), "/evaluation": evaluation}
    return xr.DataTree.from_dict(groups)
