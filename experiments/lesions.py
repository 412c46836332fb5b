"""Memory and choice against the share of each pathway that is removed, before and after learning.

Intact agents learn MemoryChain and a two-armed bandit. After learning, a share of the synapses of one
pathway is removed and the agents are tested with plasticity off; and others learn without these
synapses from the start. A lesion is no other program, so all of them share one.
"""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

import models
from bgrl import tasks
from bgrl.errors import InputError, choose
from bgrl.experiment import Settings, command, option
from bgrl.simulation import Run, simulate

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "analysis.lesions"
QUICK = {"steps": 20_000, "replicates": 4, "pathways": "cortex->cortex,d1->gpi", "fractions": "1"}
#: Task to its settings, and to those of learning: a pull of the bandit pays at once or not at all.
TASKS = {
    "memory_chain": ({"length": 4}, {}),
    "bernoulli_bandit": ({}, {"discount": 0.0}),
}
#: Of each evaluation.
TRIALS = 50


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Settings of the experiment."""

    steps: int = option(60_000, "task steps of learning, each replicate")
    model: str = option("basal_ganglia", "circuit, a file in models/", models.names())
    pathways: str = option(
        "", "pathways to lesion, separated by commas; all between nuclei if nothing is said"
    )
    fractions: str = option("0.5,1", "shares of the synapses, separated by commas")

    def agent(self, task):
        """Agents in a task of `TASKS`."""
        settings, learning = TASKS[task]
        made = tasks.make(task, **settings)
        learning = self.learning() | learning
        return models.agent(self.model, made, self.units, self.replicates, **learning)

    def pathway_names(self):
        """Names of the projections to lesion."""
        circuit = self.agent("memory_chain").circuit
        between = [k for k, p in circuit.projections.items() if p.source in circuit.populations]
        if not self.pathways:
            return between
        return [choose("pathway", name.strip(), between) for name in self.pathways.split(",")]

    def shares(self):
        """Fractions as numbers."""
        try:
            found = [float(text) for text in self.fractions.split(",")]
        except ValueError:
            found = [np.nan]
        if not all(0 < share <= 1 for share in found):
            raise InputError(
                f"fractions is {self.fractions!r}; numbers above 0, at most 1, with commas are needed"
            )
        return found

    def play(self, agent, steps, folder, weights=None, evaluations=1):
        """A run, its unfinished work kept in `folder`; mean returns, (replicate, checkpoint)."""
        run = Run(
            steps,
            self.seed,
            self.backend,
            evaluations=evaluations,
            evaluation_trials=TRIALS,
            final_trials=TRIALS,
        )
        work = self.work() and self.work() / folder
        return simulate(agent, run, work, self.progress, self.processes, weights)


def tested(config, agent, folder, weights):
    """Mean returns of what was learned, plasticity off, (replicate,)."""
    data = config.play(agent, 1, folder, weights)
    return data["evaluation"]["mean_return"].values[:, 0]


def run(config):
    """Learn, lesion and test; lesion and learn.

    Parameters
    ----------
    config : Config

    Returns
    -------
    xarray.DataTree
        Group ``lesions``, with dimensions `task`, `when`, `pathway`, `fraction` and `replicate`; a
        fraction of 0 is the intact circuit.
    """
    pathways, shares = config.pathway_names(), config.shares()
    shape = (len(TASKS), 2, len(pathways), 1 + len(shares), config.replicates)
    found = np.full(shape, np.nan)
    for t, task in enumerate(TASKS):
        agent = config.agent(task)
        intact = config.play(agent, config.steps, f"{task}-intact")
        found[t, :, :, 0] = intact["evaluation"]["mean_return"].values[:, -1]
        for p, name in enumerate(pathways):
            for f, share in enumerate(shares, 1):
                circuit = agent.circuit.lesion(name, share, config.seed)
                lesioned = replace(agent, circuit=circuit)
                place = f"{task}-{name}-{share:g}"
                found[t, 0, p, f] = tested(config, lesioned, f"{place}-after", intact)
                naive = config.play(lesioned, config.steps, f"{place}-before")
                found[t, 1, p, f] = naive["evaluation"]["mean_return"].values[:, -1]
    return dataset(config, found, pathways, [0.0, *shares], intact.attrs)


def dataset(config, found, pathways, shares, attributes):
    """The returns as a dataset."""
    dims = ("task", "when", "pathway", "fraction", "replicate")
    made = [config.agent(task).task for task in TASKS]
    known = {
        name: ("task", [getattr(task, name) for task in made], {"long_name": text, "units": "1"})
        for name, text in (
            ("chance_return", "return of a policy that guesses"),
            ("best_return", "return of the best policy"),
        )
    }
    known = {k: (d, np.array(values, float), attrs) for k, (d, values, attrs) in known.items()}
    labels = {"long_name": "share of its synapses that is removed", "units": "1"}
    group = xr.Dataset(
        {
            "mean_return": (
                dims,
                found,
                {"long_name": "mean return, plasticity off", "units": "1"},
            ),
            **known,
        },
        {
            "task": list(TASKS),
            "when": ["after", "before"],
            "pathway": pathways,
            "fraction": ("fraction", shares, labels),
            "replicate": np.arange(config.replicates),
        },
    )
    for name, text in (
        ("task", "task"),
        ("when", "lesion after or before learning"),
        ("pathway", "pathway lesioned"),
        ("replicate", "replicate"),
    ):
        group[name].attrs = {"long_name": text, "units": "1"}
    root = {
        k: v for k, v in attributes.items() if k not in ("task", "chance_return", "best_return")
    }
    root |= {"experiment": "lesions", "title": "bgrl: lesions", "model": config.model}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=root), "/lesions": group})


if __name__ == "__main__":
    import experiments.lesions

    command("lesions", experiments.lesions)
