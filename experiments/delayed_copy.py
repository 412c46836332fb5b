"""A bit is asked for 200 ms later: what learns to send it through a delay, and what would without one.

Of many bits that are shown at once one counts, and a few neurons cannot carry them all: their synapses
must learn which. Three ways to bridge the time until it is asked for: a recurrent projection with a delay
of 200 ms, whose neurons forget at once; neurons with a time constant of 200 ms and no delay; and no time
at all, asked at once. In the first the effect of an input synapse on the answer goes through the weights
of the delayed projection. `rtrl` follows it there; `rflo` follows no weight, so that input synapses learn
nothing of the answer. Eligibility does not outlast a step: it would be one more way to bridge the time.
"""

from dataclasses import asdict, dataclass, replace

import numpy as np
import xarray as xr
from tqdm import tqdm

from bgrl import models
from bgrl.agent import describe
from bgrl.circuit import Parameter
from bgrl.dataset import provenance
from bgrl.errors import check_integer
from bgrl.experiment import command
from bgrl.models.rtrrl import STEP
from bgrl.settings import Basics, option
from bgrl.simulation import Run, simulate
from bgrl.tasks.base import Task
from bgrl.tasks.common import check_several, whole_steps

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "bgrl.analysis.delayed_copy"
QUICK = {"trials": 4000, "replicates": 4}
METHODS = ("rtrl", "snap1", "rflo", "none")
#: How the time is bridged.
BRIDGES = ("delay", "slow neurons", "no time")
#: Evaluations on the way, and trials of each and of the last.
EVALUATIONS, TRIALS, FINAL = 10, 100, 500
#: Random patterns of bits over which `allowed` is a mean.
PATTERNS = 5000


@dataclass(frozen=True, kw_only=True)
class Config(Basics):
    """Settings of the experiment."""

    trials: int = option(8000, "trials of learning, each replicate")
    replicates: int = option(12, "independent agents")
    seed: int = option(0, "seed of all randomness")
    processes: int = option(0, "processes that share the replicates; 0: one for each core")
    delay: float = option(
        200.0, "delay of the projection, and time constant of slow neurons, in ms"
    )
    units: int = option(4, "neurons in the cortex")
    bits: int = option(16, "bits that are shown, of which the first is asked for")
    trace: float = option(0.0, "lambda of the eligibility of the network's synapses")


def delayed_copy(wait, bits):
    """Say which sign the first of several bits had.

    A trial begins with bits of 1 or -1 for one step. The answer counts in the step `wait` steps later
    and ends the trial; nothing tells when.

    Parameters
    ----------
    wait : int
        Steps; 0 to answer what is seen.
    bits : int

    Returns
    -------
    bgrl.tasks.base.Task
    """
    names = [f"bit_{k}" for k in range(bits)]
    drawn = "\n".join(f"{name} = 2*int(uniform({k}) < 0.5) - 1" for k, name in enumerate(names))
    return Task(
        name="delayed_copy",
        summary="report one of several bits after a delay",
        reference="ours",
        observations={name: f"{name}*int(time == 0)" for name in names},
        actions=("minus", "plus"),
        variables=("time", *names),
        parameters={"wait": Parameter(float(wait))},
        step="""
            asked = int(time == wait)
            reward = asked*(2*int(2*action - 1 == bit_0) - 1)
            terminated = asked
            time = time + 1
        """,
        reset=f"time = 0\n{drawn}",
        chance_return=0.0,
        best_return=1.0,
        step_duration=STEP,
    )


def agent(bridge, method, config):
    """An agent whose cortex bridges the time in one way and learns by one method.

    Parameters
    ----------
    bridge : str
        One of `BRIDGES`.
    method : str
        One of `METHODS`.
    config : Config

    Returns
    -------
    bgrl.agent.Agent
    """
    check_several("bits", config.bits)
    steps = whole_steps("delay", config.delay, STEP)
    # What is seen in one step comes back through a synapse in the next, if nothing delays it.
    task = delayed_copy(0 if bridge == "no time" else steps + 1, config.bits)
    circuit = models.circuit("rtrrl", task, config.units).set("cortex.tau.trainable", False)
    circuit = circuit.set("cortex.tau", config.delay if bridge == "slow neurons" else STEP)
    if bridge == "delay":
        circuit = circuit.set("cortex->cortex.delay", config.delay)
    learning = models.STEADY | {"sensitivity": method, "trace_network": config.trace}
    made = models.agent("rtrrl", task, config.units, config.replicates, **learning)
    return replace(made, circuit=circuit)


def run(config):
    """Let agents learn by every method, with every way to bridge the time.

    Parameters
    ----------
    config : Config

    Returns
    -------
    xarray.DataTree
        Group ``learning`` (bridge, sensitivity, replicate, checkpoint): `mean_return` of evaluations
        without plasticity, and `allowed`, the most that a linear answer could have from what the input
        weights of the cortex let through.
    """
    check_integer("trials", config.trials, EVALUATIONS)
    jobs = [(bridge, method) for bridge in BRIDGES for method in METHODS]
    found = {}
    for bridge, method in tqdm(jobs, unit="agent", disable=None if config.progress else True):
        player = agent(bridge, method, config)
        steps = config.trials * (int(player.task.parameters["wait"].value) + 1)
        settings = Run(steps, config.seed, config.backend, EVALUATIONS, TRIALS, FINAL)
        work = config.work() and config.work() / f"{bridge}-{method}".replace(" ", "-")
        data = simulate(player, settings, work, processes=config.processes)
        found[bridge, method] = _measure(data)
    dims = ("bridge", "sensitivity", "replicate", "checkpoint")
    kinds = {
        "mean_return": "mean return, plasticity off",
        "allowed": "mean return that a linear answer from the input sums could have",
    }
    variables = {}
    for k, (name, text) in enumerate(kinds.items()):
        values = np.array([[found[b, m][k] for m in METHODS] for b in BRIDGES])
        variables[name] = (dims, values, {"long_name": text, "units": "1"})
    trials = np.linspace(0, config.trials, EVALUATIONS + 1)
    learning = xr.Dataset(
        variables,
        {
            "bridge": list(BRIDGES),
            "sensitivity": list(METHODS),
            "trial": ("checkpoint", trials, {"long_name": "trials learned", "units": "trials"}),
        },
    )
    attributes = {
        "title": "bgrl: copying a bit through a delay",
        "experiment": "delayed_copy",
        "task": "delayed_copy",
        "seed": config.seed,
        "configuration": describe({k: v for k, v in asdict(config).items() if k != "progress"}),
        "delay_ms": config.delay,
        **provenance(),
    }
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attributes), "/learning": learning})


def _measure(data):
    """Return, and return that input weights allow, of a run; each (replicate, checkpoint)."""
    weights = (
        data["weights"]["observation->cortex"].transpose("replicate", "checkpoint", ...).values
    )
    possible = [[allowed(rows) for rows in replicate] for replicate in weights.astype(float)]
    return data["evaluation"]["mean_return"].values, np.array(possible)


def allowed(weights):
    """Mean return of the best linear answer (least squares) from the summed inputs of neurons.

    Parameters
    ----------
    weights : array (neuron, bit)

    Returns
    -------
    float
        Over `PATTERNS` random patterns of bits; 1 if some sum of the neurons' inputs is the first bit.
    """
    bits = np.random.default_rng(0).choice([-1.0, 1.0], (PATTERNS, weights.shape[1]))
    first = np.eye(weights.shape[1])[0]
    answer = bits @ weights.T @ np.linalg.lstsq(weights.T, first, rcond=None)[0]
    return float(np.mean(np.sign(answer) * bits[:, 0]))


if __name__ == "__main__":
    import bgrl.experiments.delayed_copy

    command("delayed_copy", bgrl.experiments.delayed_copy)
