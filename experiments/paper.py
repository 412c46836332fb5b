"""One task of Lemmel & Grosu (AAAI 2025) by one method, with our settings or with the paper's.

``--task`` names the environment as the paper's tables do, ``--method`` how the agent is made and learns,
``--protocol`` whose numbers are used: ours, or the paper's table 1. ``experiments.fig3_suite`` and its
siblings run many of these for a figure. Nothing is recorded step by step.
"""

import dataclasses
import time
from dataclasses import dataclass, field

from bgrl import models, tasks
from bgrl.circuit import Parameter
from bgrl.errors import InputError, choose
from bgrl.estimate import CostUnknown
from bgrl.experiment import command
from bgrl.experiments import _slip
from bgrl.learning import FEEDBACKS, LASTING, OPTIMIZERS, Learning
from bgrl.learning import METHODS as SENSITIVITIES
from bgrl.own import NamesOrFile
from bgrl.recording import Record
from bgrl.settings import AgentSettings, option

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "bgrl.analysis.reproduction"
QUICK = {"steps": 20_000, "replicates": 3, "evaluations": 5}


@dataclass(frozen=True)
class Environment:
    """An environment of the paper.

    Attributes
    ----------
    task : str
        See `bgrl.tasks.make_observed`.
    options : dict
        Of the task.
    parameters : dict of str to float
        Of the task, other than its own.
    """

    task: str
    options: dict = field(default_factory=dict)
    parameters: dict = field(default_factory=dict)

    def make(self, **options):
        """The task."""
        made = tasks.make_observed(self.task, **self.options | options)
        own = {k: Parameter(v) for k, v in self.parameters.items()}
        chance = made.chance_return
        if chance is not None and "max_steps" in own:  # the return of guessing, of these tasks
            chance *= own["max_steps"].value / made.parameters["max_steps"].value
        return dataclasses.replace(made, parameters=made.parameters | own, chance_return=chance)


#: The official code gives all its environments trials of up to 1,000 steps. It matters where a trial
#: has no other end.
LONG = {"max_steps": 1000}
#: The paper's name to the environment.
TASKS = {
    "CartPole-vel": Environment("cartpole", {"observe": "x_dot,theta_dot"}),
    "CartPole-pos": Environment("cartpole", {"observe": "x,theta"}),
    "MetaMaze": Environment("meta_maze", {}, LONG),
    "DiscountingChain": Environment("discounting_chain"),
    "UmbrellaChain": Environment("umbrella_chain"),
    "Catch": Environment("catch"),
    "BernoulliBandit": Environment("bernoulli_bandit", {}, LONG),
    "GaussianBandit": Environment("gaussian_bandit", {}, LONG),
    "PointRobot": Environment("point_robot", {}, LONG),
    "Reacher": Environment("reacher", {}, LONG),
    "Swimmer": Environment("swimmer", {}, LONG),
    "MountCarCont": Environment("mountain_car_continuous"),
    "MountCarCont-vel": Environment("mountain_car_continuous", {"observe": "velocity"}),
    "MountCarCont-pos": Environment("mountain_car_continuous", {"observe": "position"}),
    **{f"MemoryChain-{n}": Environment("memory_chain", {"length": n}) for n in (4, 8, 16, 32)},
    **{f"MemoryChain-{n}": Environment("memory_chain", {"length": n}) for n in (64, 128)},
    **{f"DeepSea-{n}": Environment("deep_sea", {"size": n}) for n in (4, 8, 16)},
    "StatelessCartPole": Environment("stateless_cartpole"),
    "NoisyStatelessCartPole": Environment("noisy_stateless_cartpole"),
    "StatelessCartPole-hard": Environment("stateless_cartpole", {"difficulty": "hard"}),
    "NoisyStatelessCartPole-hard": Environment("noisy_stateless_cartpole", {"difficulty": "hard"}),
    "Minesweeper": Environment("minesweeper"),
    "MultiArmedBandit": Environment("multi_armed_bandit"),
    "RepeatFirst": Environment("repeat_first"),
    "RepeatPrevious": Environment("repeat_previous"),
    "Acrobot": Environment("acrobot"),
    "Ant-even": Environment("gymnasium:Ant-v5", {"observe": "even"}),
    "HalfCheetah-even": Environment("gymnasium:HalfCheetah-v5", {"observe": "even"}),
    "Hopper-even": Environment("gymnasium:Hopper-v5", {"observe": "even"}),
}
#: The 17 environments of table 3.
SUITE = (
    *("MetaMaze", "DiscountingChain", "UmbrellaChain", "Catch", "BernoulliBandit"),
    *("GaussianBandit", "PointRobot", "Reacher", "Swimmer", "MemoryChain-4", "DeepSea-4"),
    *("StatelessCartPole", "NoisyStatelessCartPole", "Minesweeper", "MultiArmedBandit"),
    *("RepeatFirst", "RepeatPrevious"),
)

#: Without meta-RL input: neither the previous action nor the previous reward reaches the cortex.
_NO_META = ("action->cortex", "reward->cortex")
#: All settings as they are where nothing is said; those of the lasting ones that BPTT does not know
#: (`bgrl.bptt.OfflineAgent`) are off.
_PLAIN = {
    f.name: getattr(Learning(), f.name)
    for f in dataclasses.fields(Learning)
    if f.name not in ("overrides", "oracle")
}
_STILL = {"rate_actor": 0.0, "rate_critic": 0.0, "rate_network": 0.0, "entropy_weight": 0.0}


@dataclass(frozen=True)
class Method:
    """How an agent is made and learns.

    Attributes
    ----------
    summary : str
        For people.
    learning : dict
        Settings of `bgrl.learning.Learning`, before those of the protocol.
    model : str
        See `models.circuit`.
    lesions : tuple of str
        What is cut off, see `bgrl.settings.edit`.
    offline : bool
        Whether the agent learns offline, by backpropagation through time (`bgrl.bptt`).
    limit_ends : bool
        Whether a time limit is learned as the task's original does, whatever the protocol.
    """

    summary: str
    learning: dict = field(default_factory=dict)
    model: str = "rtrrl"
    lesions: tuple = ()
    offline: bool = False
    limit_ends: bool = False


_RTU = {"sensitivity": "rflo"}
_FAR = dict.fromkeys(("discount", "trace_actor", "trace_critic", "trace_network"), 0.99)
#: `rtu` without one remedy of `LASTING`.
WITHOUT = {
    "rtu_raw_input": Method("inputs as they are", _RTU | {"normalize_input": False}, "rtu"),
    "rtu_raw_reward": Method("reward as it is", _RTU | {"scale_reward": False}, "rtu"),
    "rtu_constant_rates": Method("nothing falls with age", _RTU | {"rate_half_life": None}, "rtu"),
    "rtu_entropy_always": Method("entropy at any level", _RTU | {"entropy_share": None}, "rtu"),
    "rtu_no_entropy": Method("no entropy", _RTU | {"entropy_weight": 0.0}, "rtu"),
    "rtu_far": Method("discount, traces .99", _RTU | _FAR, "rtu"),
    "rtu_limit_ends": Method("time limit is an end", _RTU, "rtu", limit_ends=True),
    "rtu_adam": Method("Adam without floor", _RTU | {"optimizer": "adam"}, "rtu"),
    "rtu_rates_only": Method("no trace units", _RTU, "rtrrl"),
}
METHODS = {
    "rflo": Method("RFLO", {"sensitivity": "rflo"}),
    "rflo_fa": Method("RFLO, feedback alignment", {"sensitivity": "rflo", "feedback": "random"}),
    "rflo_bp": Method("RFLO, transposed weights", {"sensitivity": "rflo", "feedback": "symmetric"}),
    "rflo_no_meta": Method("RFLO, no meta-RL input", {"sensitivity": "rflo"}, lesions=_NO_META),
    "snap1": Method("SnAp-1", {"sensitivity": "snap1"}),
    "rtrl": Method("exact RTRL", {"sensitivity": "rtrl"}),
    _slip.NAME: Method("RTRL with the official slip", {"sensitivity": _slip.NAME}),
    "rtu": Method("trace units beside rates", _RTU, "rtu"),
    **WITHOUT,
    "lru": Method("LRU, exact", {"sensitivity": "snap1"}, "lru"),
    "frozen": Method("frozen reservoir", {"sensitivity": "none"}),
    "linear": Method("linear TD(λ)", {"sensitivity": "none"}, "linear", _NO_META),
    "linear_meta": Method("linear TD(λ), meta-RL input", {"sensitivity": "none"}, "linear"),
    "bptt": Method(
        "BPTT, offline", {**_PLAIN, "sensitivity": "none"}, offline=True, limit_ends=True
    ),
    "untrained": Method("untrained", {"sensitivity": "none", **_STILL}),
}


@dataclass(frozen=True)
class Protocol:
    """Whose numbers are used.

    Attributes
    ----------
    learning : dict
        Settings of `bgrl.learning.Learning`.
    bootstraps : bool
        Whether a trial that its time limit cuts is learned as one that would have gone on, also in
        tasks whose original learns the limit as an end, see `bgrl.tasks.Task`.
    steps, replicates, evaluations, evaluation_trials, final_trials : int
        As in `Config`, whose defaults they are in the experiments of a whole figure.
    """

    learning: dict
    bootstraps: bool
    steps: int
    replicates: int
    evaluations: int
    evaluation_trials: int
    final_trials: int


def _changed(learning):
    """Settings in which a `Learning` differs from the defaults, which are the paper's."""
    values = {f.name: getattr(learning, f.name) for f in dataclasses.fields(learning)}
    return {k: v for k, v in values.items() if v != getattr(Learning(), k)}


PROTOCOLS = {
    "ours": Protocol(_changed(LASTING), True, 3_000_000, 10, 30, 20, 100),
    # Table 1 and the text of the paper; the paper stops early after 20 evaluations without a better one.
    "paper": Protocol(
        {
            "optimizer": "adam",
            "feedback": "random",
            **dict.fromkeys(("discount", "trace_actor", "trace_critic", "trace_network"), 0.99),
        },
        False,
        50_000_000,
        5,
        1000,
        10,
        10,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Config(AgentSettings):
    """Settings of the experiment."""

    task: str = option("MemoryChain-8", "environment of the paper", tuple(TASKS))
    method: str = option("rflo", "how the agent is made and learns", tuple(METHODS))
    protocol: str = option("ours", "whose settings of learning are used", tuple(PROTOCOLS))
    sensitivity: str = option("", "another one than the method's", tuple(SENSITIVITIES))
    feedback: str = option("", "another one than the method's or the protocol's", FEEDBACKS)
    optimizer: str = option("", "another one than the protocol's", NamesOrFile(OPTIMIZERS))

    def task_name(self):
        """Name of the task."""
        return TASKS[choose("task", self.task, TASKS)].task

    def make_task(self, **options):
        """The task, whose time limit may be learned as that of the protocol."""
        made = TASKS[choose("task", self.task, TASKS)].make(**self.task_options | options)
        protocol = PROTOCOLS[choose("protocol", self.protocol, PROTOCOLS)]
        if METHODS[choose("method", self.method, METHODS)].limit_ends:
            return made
        return dataclasses.replace(made, bootstraps=made.bootstraps or protocol.bootstraps)

    def learning(self):
        """Settings of the protocol, over them those of the method, over them what is said."""
        said = {k: v for k, v in super().learning().items() if v != ""}
        protocol = PROTOCOLS[choose("protocol", self.protocol, PROTOCOLS)]
        method = METHODS[choose("method", self.method, METHODS)]
        return protocol.learning | method.learning | said


def agent(config):
    """The agent in its task."""
    method = METHODS[choose("method", config.method, METHODS)]
    config = dataclasses.replace(config, lesions=(*config.lesions, *method.lesions))
    return config.make_agent(lambda task: models.circuit(method.model, task, config.units))


def run(config):
    """Train and evaluate.

    Parameters
    ----------
    config : Config

    Returns
    -------
    xarray.DataTree
        The attribute `wall_seconds` says how long it took, since it was last resumed.
    """
    started = time.perf_counter()
    if METHODS[choose("method", config.method, METHODS)].offline:
        from bgrl.experiments import _offline

        if config.dry_run:
            raise CostUnknown(f"what method {config.method} would cost is not known before it runs")
        for name in ("sensitivity", "feedback"):
            if getattr(config, name):
                raise InputError(
                    f"{name} is {getattr(config, name)}; method {config.method} goes back through time "
                    "itself and has none"
                )
        data = _offline.run(config, agent(config))
    else:
        data = config.train(agent(config), Record())
    data.attrs["wall_seconds"] = time.perf_counter() - started
    return data


if __name__ == "__main__":
    import bgrl.experiments.paper

    command("paper", bgrl.experiments.paper)
