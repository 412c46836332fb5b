"""Noisy accumulators judge random dots: how often they are right, and how long they take.

The model `accumulator` (leaky competing accumulators, linear) in a reaction-time task, against coherence:
psychometric and chronometric curves beside those of a drift-diffusion process, beside a monkey's, to
which the model is fitted (Roitman & Shadlen 2002, J. Neurosci. 22:9475), and with less and more
inhibition than balances the leak. Nothing is learned.
"""

import tempfile
from dataclasses import asdict, dataclass

import numpy as np
import xarray as xr
from tqdm import tqdm

from bgrl.agent import Agent, describe
from bgrl.assembly import label
from bgrl.backends import load
from bgrl.circuit import Parameter
from bgrl.dataset import SCHEMA_VERSION
from bgrl.errors import check_count
from bgrl.experiment import command
from bgrl.experiments._diffusion import leaky
from bgrl.learning import Learning
from bgrl.models import accumulator as model
from bgrl.recording import Sink
from bgrl.settings import Basics, option
from bgrl.step.assemble import initial_state
from bgrl.tasks.base import Task

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "bgrl.analysis.accumulation"
QUICK = {"seconds": 400}
#: Of the dots, as in the data.
COHERENCES = (0.0, 0.032, 0.064, 0.128, 0.256, 0.512)
#: Inhibition as a factor of what balances the leak.
BALANCES = (0.5, 1.0, 1.5)
#: Monkey 1: trials, share of right choices, mean reaction time (s) and its standard error at each
#: coherence, computed from roitman_rts.csv in the documentation of PyDDM (commit a1345d1).
MONKEY = (
    (432, 0.5046, 0.7876, 0.0095),
    (437, 0.6156, 0.7769, 0.0096),
    (436, 0.7385, 0.7385, 0.0085),
    (436, 0.9335, 0.6692, 0.0076),
    (436, 0.9954, 0.5600, 0.0053),
    (438, 1.0000, 0.4644, 0.0043),
)
#: Coherence and milliseconds of the trace that is kept.
TRACED, SHOWN = 0.064, 4000


@dataclass(frozen=True, kw_only=True)
class Config(Basics):
    """Settings of the experiment."""

    seconds: int = option(1000, "seconds of trials at each coherence, each replicate")
    replicates: int = option(8, "observers with noise of their own")
    seed: int = option(0, "seed of all randomness")


def reaction_time_dots(coherence):
    """Say when ready whether dots move left or right; the answer ends the trial.

    Parameters
    ----------
    coherence : float
        Share of the dots that move together, 0 to 1.

    Returns
    -------
    bgrl.tasks.base.Task
    """
    signal = "(1 - 2*target)*coherence/2"
    return Task(
        name="reaction_time_dots",
        summary="say when ready in which direction dots move",
        reference="Roitman & Shadlen 2002, J. Neurosci. 22:9475",
        observations={"fixation": "0", "left": f"0.5 + {signal}", "right": f"0.5 - {signal}"},
        actions=("wait", "left", "right"),
        variables=("target",),
        parameters={"coherence": Parameter(float(coherence))},
        step="""
            answered = int(action > 0)
            reward = answered*(2*int(action == target + 1) - 1)
            terminated = answered
        """,
        reset="target = int(uniform(0) < 0.5)",
        step_duration=model.STEP,
    )


def agent(coherence, balance, replicates):
    """Observers at a coherence, with inhibition as a factor of what balances the leak."""
    task = reaction_time_dots(coherence)
    circuit = model.circuit(task).scale("lip->lip", balance)
    return Agent(circuit, task, Learning(sensitivity="none"), replicates, "float64")


def play(program, player, steps, seed, traced=False):
    """Let observers judge one trial after another.

    Returns
    -------
    trials : structured array
        Of `bgrl.recording.Sink`.
    rates : array (time, replicate, neuron) or None
        Of LIP at the end of each step, if they are traced.
    """
    with tempfile.TemporaryDirectory(prefix="bgrl-") as folder:
        sink = Sink(folder, ("lip.rate",) if traced else (), program.layout)
        state = initial_state(player, program.layout, seed)
        program.advance(state, 0, steps, learn=False, sink=sink)
        rates = np.array(sink.read_frames()["lip.rate"]) if traced else None
        return sink.read_trials(), rates


def run(config):
    """Judge dots of every coherence, with every balance of leak and inhibition.

    Parameters
    ----------
    config : Config

    Returns
    -------
    xarray.DataTree
        Group ``curves`` (balance, coherence, replicate): `accuracy`, `decision_time` and `trials`, and
        `accuracy_predicted`, `time_predicted` of the diffusion process; ``monkey`` (coherence) the same
        of the data, with reaction times; ``traces`` the difference of the two accumulators over time.
    """
    check_count("seconds", config.seconds)
    check_count("replicates", config.replicates)
    say = tqdm.write if config.progress else None
    # Coherence and weights are run-time values.
    program = load(config.backend, agent(0.0, 1.0, config.replicates).structure(), say)
    steps = round(config.seconds * 1000 / model.STEP)
    jobs = [(balance, coherence) for balance in BALANCES for coherence in COHERENCES]
    found, predicted = [], []
    for balance, coherence in tqdm(jobs, unit="level", disable=None if config.progress else True):
        trials, _ = play(program, agent(coherence, balance, config.replicates), steps, config.seed)
        found.append([_measure(trials[trials["replicate"] == r]) for r in range(config.replicates)])
        leak = (1 - balance) * 1000 / model.TAU
        predicted.append(leaky(model.DRIFT * coherence, leak, model.BOUND))
    _, rates = play(program, agent(TRACED, 1.0, config.replicates), SHOWN, config.seed, traced=True)
    return xr.DataTree.from_dict(
        {
            "/": xr.Dataset(attrs=_attributes(config)),
            "/curves": _curves(np.array(found), np.array(predicted)),
            "/monkey": _monkey(),
            "/traces": xr.Dataset(
                {
                    "difference": (
                        "time",
                        rates[:, 0, 0] - rates[:, 0, 1],
                        label("LIP, left - right"),
                    )
                },
                {"time": ("time", np.arange(SHOWN) * model.STEP / 1000, label("time", "s"))},
            ),
        }
    )


def _measure(trials):
    """Accuracy, mean time to a decision in s, and number of trials of one replicate.

    The colliculus sees a rate one step after it was reached, and the action ends the trial in the next:
    the decision took one step less than the trial.
    """
    right, length = trials["trial_return"] > 0, trials["length"] - 1
    return right.mean(), length.mean() * model.STEP / 1000, len(trials)


def _attributes(config):
    return {
        "title": "bgrl: accumulation of evidence",
        "experiment": "accumulation",
        "task": "reaction_time_dots",
        "seed": config.seed,
        "configuration": describe({k: v for k, v in asdict(config).items() if k != "progress"}),
        "bound": model.BOUND,
        "drift": model.DRIFT,
        "non_decision_s": model.NON_DECISION / 1000,
        "traced": TRACED,
        "schema_version": SCHEMA_VERSION,
    }


def _curves(found, predicted):
    dims, shape = ("balance", "coherence", "replicate"), (len(BALANCES), len(COHERENCES), -1)
    kinds = {
        "accuracy": ("share of right choices", "1"),
        "decision_time": ("mean time to a decision", "s"),
        "trials": ("trials", "1"),
    }
    variables = {
        name: (dims, found[:, :, k].reshape(shape), label(*kind))
        for k, (name, kind) in enumerate(kinds.items())
    }
    for k, (name, unit) in enumerate((("accuracy", "1"), ("time", "s"))):
        values = predicted[:, k].reshape(shape[:2])
        variables[f"{name}_predicted"] = (
            dims[:2],
            values,
            label(f"{name} of the diffusion process", unit),
        )
    return xr.Dataset(
        variables,
        {
            "balance": ("balance", list(BALANCES), label("inhibition, of what balances the leak")),
            "coherence": ("coherence", list(COHERENCES), label("coherence of the dots")),
        },
    )


def _monkey():
    kinds = {
        "trials": ("trials of the monkey", "1"),
        "accuracy": ("share of right choices of the monkey", "1"),
        "reaction_time": ("mean reaction time of the monkey", "s"),
        "reaction_time_error": ("standard error of the mean reaction time", "s"),
    }
    columns = zip(kinds.items(), np.array(MONKEY).T, strict=True)
    variables = {name: ("coherence", values, label(*kind)) for (name, kind), values in columns}
    coherence = ("coherence", list(COHERENCES), label("coherence of the dots"))
    return xr.Dataset(variables, {"coherence": coherence})


if __name__ == "__main__":
    import bgrl.experiments.accumulation

    command("accumulation", bgrl.experiments.accumulation)
