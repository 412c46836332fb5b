"""How the circuit learns: TD(lambda), eligibility, feedback, optimizers, as settings and equations.

The equations are assignments in which ``gradient``, ``update`` and the optimizer's own state stand for
one parameter; `bgrl.step.optimizer` gives them their full names. A new optimizer is one entry of
`OPTIMIZERS`.
"""

import math
from dataclasses import asdict, dataclass, field

from bgrl.description import description
from bgrl.errors import InputError, choose
from bgrl.methods import METHODS
from bgrl.sensitivity import symbols


@dataclass(frozen=True)
class Optimizer:
    """How a gradient becomes an update, as equations of one parameter.

    The gradient is that of learning (TD error times eligibility, plus that of the policy's entropy), and
    the parameter moves by its learning rate times ``update``.

    Parameters
    ----------
    code : str
        Must set ``update``. It may read ``gradient``, ``eligibility``, ``dopamine`` (the TD error),
        ``learning_rate``, what is in `state`, and what `once` sets.
    state : tuple of str
        Variables that are kept for each parameter, 0 at the start.
    totals : dict of str to str
        Name to an expression of what `code` may read: its sum over all parameters of a replicate.
    once : str
        Code that runs once a step for each replicate, before `code`. It may read the totals,
        ``td_error`` and what is in `once_state`.
    once_state : tuple of str
        Variables that `once` keeps from step to step, 0 at the start.

    Examples
    --------
    >>> Optimizer("update = sign(gradient)").state
    ()
    """

    code: str
    state: tuple = ()
    totals: dict = field(default_factory=dict)
    once: str = ""
    once_state: tuple = ()

    def __post_init__(self):
        own = {"gradient", "eligibility", "dopamine", "learning_rate", *self.state}
        said = _assigned(self.once)
        _check("code", self.code, own | {*said, *self.once_state, "update"})
        _check("once", self.once, {"td_error", "max_norm", *self.totals, *self.once_state})
        for name, expression in self.totals.items():
            _check(f"total {name!r}", f"total = {expression}", own)
        if "update" not in _assigned(self.code):
            raise InputError("the code of an optimizer must set `update`")


def _assigned(code):
    """Names that lines of code set, in order."""
    return [line.partition("=")[0].strip() for line in code.splitlines() if line.strip()]


def _check(where, code, known):
    """Refuse names that the code of an optimizer does not have."""
    local = set()
    for line in filter(str.strip, code.splitlines()):
        name, _, value = line.partition("=")
        if unknown := symbols(value) - known - local - {"inf", "pi"}:
            raise InputError(
                f"optimizer, {where}: unknown symbol {sorted(unknown)[0]} in {line.strip()!r}; "
                f"known: {', '.join(sorted(known | local))}"
            )
        local.add(name.strip())


#: The bias corrections of Adam after t updates, 1/(1 - 0.9**t) and 1/(1 - 0.999**t).
_CORRECTIONS = f"""
    updates = updates + 1
    correction_1 = -1/expm1(updates*{math.log(0.9)!r})
    correction_2 = -1/expm1(updates*{math.log(0.999)!r})
"""

OPTIMIZERS = {
    "sgd": Optimizer("update = gradient"),
    # Kingma & Ba 2015, ICLR, algorithm 1.
    "adam": Optimizer(
        """
        moment_1 = 0.9*moment_1 + 0.1*gradient
        moment_2 = 0.999*moment_2 + 0.001*gradient*gradient
        update = correction_1*moment_1/(sqrt(correction_2*moment_2) + 1e-8)
        """,
        state=("moment_1", "moment_2"),
        once=_CORRECTIONS,
        once_state=("updates",),
    ),
    # Reddi, Kale & Kumar 2018, ICLR, algorithm 2: Adam whose steps do not grow again when the TD
    # error vanishes, which would let noise undo what was learned.
    "amsgrad": Optimizer(
        """
        moment_1 = 0.9*moment_1 + 0.1*gradient
        moment_2 = 0.999*moment_2 + 0.001*gradient*gradient
        peak = clip(peak, moment_2, inf)
        update = correction_1*moment_1/(sqrt(correction_2*peak) + 1e-8)
        """,
        state=("moment_1", "moment_2", "peak"),
        once=_CORRECTIONS,
        once_state=("updates",),
    ),
}

#: What comes before an optimizer where `Learning.max_norm` is given; its `update` is the new gradient.
CLIPPING = Optimizer(
    "update = clip_scale*gradient",
    totals={"square": "gradient**2"},
    once="clip_scale = clip(max_norm/(sqrt(square) + 1e-30), 0, 1)",
)

FEEDBACKS = ("random", "symmetric")
FIRST_INPUTS = ("zeros", "action_0")
#: What ``learning_rate`` of an experiment sets.
RATES = ("rate_actor", "rate_critic", "rate_network")


@description
class Learning:
    """Settings of real-time recurrent reinforcement learning; defaults of its table 1.

    Lemmel & Grosu, "Real-Time Recurrent Reinforcement Learning", AAAI 2025, arXiv 2311.04830.

    Parameters
    ----------
    sensitivity : {"rtrl", "nucleus", "snap1", "rflo", "none"}
        What is kept of the sensitivity of the state to the parameters, see `bgrl.sensitivity`. All
        but `rtrl` stay in the nucleus, so only nuclei that a learning signal reaches learn; with
        `none` the network is a fixed reservoir.
    overrides : dict of str to str
        Projections ("cortex->cortex") and parameters ("cortex.tau") to another method than that.
    oracle : bool
        Whether exact RTRL rides along, to compare the gradients with (record `gradient_cosine` and
        `gradient_norm_ratio`). It does not steer.
    feedback : {"random", "symmetric"}
        Whether the learning signal returns to what a readout reads through fixed weights of their
        own (feedback alignment: drawn, or given, in the `Readout`) or through the readout's.
    optimizer : {"adam", "amsgrad", "sgd"} or Optimizer
    discount : float
        Of future reward per task step.
    trace_actor, trace_critic, trace_network : float
        lambda of the eligibility traces.
    rate_actor, rate_critic, rate_network : float
        Step sizes; of a time constant, per task step.
    actor_weight : float
        eta_A, weight of the actor against the critic, in its own trace too.
    entropy_weight : float
        eta_H, weight of the policy's entropy.
    rate_average_reward : float, optional
        Makes the task a continuing one: the TD error counts reward from its running mean, which moves
        by this times the TD error (Sutton & Barto 2018, section 13.6).
    max_norm : float, optional
        Clip the gradient of all parameters together to this norm.
    first_input : {"zeros", "action_0"}
        The previous-action input at the first step of a trial.
    """

    sensitivity: str = "rflo"
    overrides: dict[str, str] = field(default_factory=dict)
    oracle: bool = False
    feedback: str = "random"
    optimizer: str | Optimizer = "adam"
    discount: float = 0.99
    trace_actor: float = 0.99
    trace_critic: float = 0.99
    trace_network: float = 0.99
    rate_actor: float = 1e-3
    rate_critic: float = 1e-3
    rate_network: float = 1e-3
    actor_weight: float = 1.0
    entropy_weight: float = 1e-5
    rate_average_reward: float | None = None
    max_norm: float | None = None
    first_input: str = "zeros"

    def __post_init__(self):
        choose("sensitivity", self.sensitivity, METHODS)
        for name, method in self.overrides.items():
            choose(f"sensitivity of {name!r}", method, METHODS)
        choose("feedback", self.feedback, FEEDBACKS)
        if not isinstance(self.optimizer, Optimizer):
            choose("optimizer", self.optimizer, OPTIMIZERS)
        choose("first_input", self.first_input, FIRST_INPUTS)
        for name in ("discount", "trace_actor", "trace_critic", "trace_network"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must lie in [0, 1]")
        for name in (*RATES, "entropy_weight", "rate_average_reward"):
            if (getattr(self, name) or 0) < 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must not be negative")
        if self.max_norm is not None and self.max_norm <= 0:
            raise InputError(f"max_norm is {self.max_norm}; it must be positive")

    def structure(self):
        """What the compiled program depends on; the numbers are run-time values."""
        rule = self.optimizer
        rule = rule if isinstance(rule, Optimizer) else OPTIMIZERS[rule]
        used = dict.fromkeys([self.sensitivity, *self.overrides.values()])
        used |= {"rtrl": None} if self.oracle else {}
        return {
            "methods": {
                k: {"reach": METHODS[k].reach, "coupled": METHODS[k].coupled} for k in used
            },
            "oracle": self.oracle,
            "feedback": self.feedback,
            "optimizer": asdict(rule),
            "clip": self.max_norm is not None,
            "continuing": self.rate_average_reward is not None,
        }

    def to_dict(self):
        """All settings as JSON values."""
        return asdict(self)
