"""Memory and choice against the share of each pathway that is removed, before and after learning.

Intact agents learn MemoryChain and a two-armed bandit. After learning, a share of the synapses of one
pathway is removed and the agents are tested with plasticity off; and others learn without these
synapses from the start. A lesion is no other program, so all agents of a task share one. The replicates
of a lesion lack the same synapses, before learning as after it; each fraction is drawn anew, so that
the curve of a pathway does not hang on one draw.
"""

from dataclasses import asdict, dataclass, replace
from itertools import product

import numpy as np
import xarray as xr
from tqdm import tqdm

from bgrl import models, tasks
from bgrl.agent import describe
from bgrl.errors import InputError, choose_each
from bgrl.experiment import command
from bgrl.own import NamesOrFile
from bgrl.random import derived_seed
from bgrl.settings import Settings, option
from bgrl.simulation import Run, simulate

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "bgrl.analysis.lesions"
QUICK = {"steps": 10_000, "replicates": 4, "pathways": "cortex->cortex,d1->gpi", "fractions": "1"}
#: Task to its settings, and to those of learning. A pull of the bandit pays at once or not at all, and
#: what a discount of 0.99 adds is noise: after 40,000 steps of `basal_ganglia` the median return of 10
#: replicates is 88 with 0.5 and 65 with 0; with 0.99 it is 58 after 200,000. Chance is 50.
TASKS = {
    "memory_chain": ({"length": 4}, {}),
    "bernoulli_bandit": ({}, {"discount": 0.5}),
}
#: Model to the pathways that are lesioned if nothing is said; of other models all are.
PATHWAYS = {
    "basal_ganglia": (
        "cortex->cortex",
        "cortex->d1",
        "cortex->d2",
        "cortex->stn",
        "d1->gpi",
        "d2->gpe",
        "stn->gpi",
        "gpi->thalamus",
        "thalamus->cortex",
    )
}
#: Of each evaluation; and the steps of a trial of these tasks, at the most.
TRIALS, TRIAL_STEPS = 50, 100


@dataclass(frozen=True, kw_only=True)
class LesionSettings(Settings):
    """Settings of experiments with lesions."""

    model: str = option(
        "basal_ganglia", "circuit, a file in models/ or FILE.py", NamesOrFile(models.names())
    )

    def agent(self, task):
        """Agents in a task of `TASKS`."""
        settings, learning = TASKS[task]
        made = tasks.make(task, **settings)
        learning = self.learning() | learning
        return models.agent(self.model, made, self.units, self.replicates, **learning)

    def valid_pathways(self):
        """Names of all projections, and of what actor and critic read."""
        circuit = self.agent("memory_chain").circuit
        readouts = [r for r in (circuit.actor, circuit.critic) if r is not None]
        return [*circuit.projections, *(f"{r.reads}->{r.name}" for r in readouts)]

    def play(self, agent, steps, folder, weights=None, evaluations=1):
        """A run, its unfinished work kept in `folder`.

        Returns
        -------
        xarray.DataTree
        """
        run = Run(
            steps,
            self.seed,
            self.backend,
            evaluations=evaluations,
            evaluation_trials=TRIALS,
            final_trials=TRIALS,
            evaluation_steps=(evaluations + 1) * TRIALS * TRIAL_STEPS,
        )
        work = self.work() and self.work() / folder
        return simulate(agent, run, work, self.progress, self.processes, weights)

    def configuration(self, **agents):
        """Settings and agents as text, for the attributes of a dataset."""
        own = {
            k: v for k, v in asdict(self).items() if k not in ("output", "progress", "processes")
        }
        return describe({"experiment": own, "agents": {k: a.to_dict() for k, a in agents.items()}})


@dataclass(frozen=True, kw_only=True)
class Config(LesionSettings):
    """Settings of the experiment."""

    steps: int = option(40_000, "task steps of learning, each replicate")
    pathways: str = option(
        "", "pathways to lesion, separated by commas; those of the figure if nothing is said"
    )
    fractions: str = option("0.25,0.5,0.75,1", "shares of the synapses, separated by commas")

    def pathway_names(self):
        """Names of the pathways to lesion."""
        valid = self.valid_pathways()
        if not self.pathways:
            return list(PATHWAYS.get(self.model, valid))
        return choose_each("pathway", self.pathways, valid)

    def shares(self):
        """Fractions as numbers."""
        try:
            found = [float(text) for text in self.fractions.split(",")]
        except ValueError:
            found = [np.nan]
        if not all(0 < share <= 1 for share in found) or sorted(set(found)) != found:
            raise InputError(
                f"fractions is {self.fractions!r}; rising numbers above 0, at most 1, with commas "
                "are needed"
            )
        return found


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
    # One bar for all runs; most last seconds.
    runs = len(TASKS) * (1 + 2 * len(pathways) * len(shares))
    bar = tqdm(total=runs, unit="run", disable=None if config.progress else True)
    config = replace(config, progress=False)

    def returns(agent, steps, folder, weights=None):
        data = config.play(agent, steps, folder, weights)
        bar.update()
        return data, data["evaluation"]["mean_return"].values

    agents = {task: config.agent(task) for task in TASKS}
    cut = {}  # before the first run, so that a share that takes nothing is refused at once
    for (task, agent), name, (f, share) in product(agents.items(), pathways, enumerate(shares, 1)):
        circuit = agent.circuit.lesion(name, share, derived_seed(config.seed, f))
        cut[task, name, share] = replace(agent, circuit=circuit)
    with bar:
        for t, (task, agent) in enumerate(agents.items()):
            intact, values = returns(agent, config.steps, f"{task}-intact")
            found[t, :, :, 0] = values[:, -1]
            for p, name in enumerate(pathways):
                for f, share in enumerate(shares, 1):
                    lesioned = cut[task, name, share]
                    place = f"{task}-{name}-{share:g}"
                    # What was learned is tested before the only step.
                    found[t, 0, p, f] = returns(lesioned, 1, f"{place}-after", intact)[1][:, 0]
                    naive = returns(lesioned, config.steps, f"{place}-before")[1]
                    found[t, 1, p, f] = naive[:, -1]
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
    root["configuration"] = config.configuration(**{task: config.agent(task) for task in TASKS})
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=root), "/lesions": group})


if __name__ == "__main__":
    import bgrl.experiments.lesions

    command("lesions", bgrl.experiments.lesions)
