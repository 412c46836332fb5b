"""Settings of the learning rule: TD(lambda), eligibility, feedback, optimizer."""

from dataclasses import asdict, field

from bgrl.description import description
from bgrl.errors import InputError, choose
from bgrl.language import assignments, check_expression, symbols
from bgrl.learning.methods import METHODS
from bgrl.learning.optimizers import OPTIMIZERS, Optimizer

FEEDBACKS = ("random", "symmetric")
FIRST_INPUTS = ("zeros", "action_0")
#: What ``learning_rate`` of an experiment sets.
RATES = ("rate_actor", "rate_critic", "rate_network")
#: What signals may scale.
MODULATED = (*RATES, "discount", "inverse_temperature")


@description
class Learning:
    """Settings of real-time recurrent reinforcement learning: TD(lambda) of actor, critic and network.

    Lemmel & Grosu, "Real-Time Recurrent Reinforcement Learning", AAAI 2025, arXiv 2311.04830, whose
    table 1 the defaults are, but for its clip of gradients, `max_norm`. In every task step::

        td_error = reward + discount*value*(1 - done) - previous value
        parameter += rate*update(td_error*eligibility + entropy_weight*entropy gradient)
        eligibility = discount*trace*eligibility*(1 - done) + gradient

    with the eligibility of before this step in the second line (`bgrl.slots` has the whole step).
    Numbers have no unit where none is said.

    Parameters
    ----------
    sensitivity : {"rtrl", "nucleus", "snap1", "rflo", "none"}
        What is kept of the sensitivity of the state to the parameters, see
        `bgrl.learning.sensitivity`. All but `rtrl` stay in the nucleus, so only nuclei that a learning
        signal reaches learn; with `none` the network is a fixed reservoir.
    overrides : dict of str to str
        Projections ("cortex->cortex") and parameters ("cortex.tau") to another method than that.
    oracle : bool
        Whether exact RTRL is computed beside the method, and changes nothing: what is recorded as
        "gradients" is then the cosine and the ratio of norms of each gradient and the exact one.
    feedback : {"random", "symmetric"}
        Whether the learning signal returns to what a readout reads through fixed weights of their
        own (feedback alignment: drawn, or given, in the `Readout`) or through the readout's.
    optimizer : {"adam", "adam_floor", "amsgrad", "sgd"} or Optimizer
        How a gradient becomes an update.
    discount : float
        gamma, 0 to 1: what a reward counts that comes a task step later.
    trace_actor, trace_critic, trace_network : float
        lambda, 0 to 1: in a task step an eligibility trace falls to discount times this.
    rate_actor, rate_critic, rate_network : float
        alpha, learning rates, 0 or more: in a task step a parameter moves by this times its update. Time
        constants are learned in units of a task step.
    actor_weight : float
        eta_A, what the actor's learning signal counts against the critic's, in the network and in the
        trace of the actor itself.
    entropy_weight : float
        eta_H, what the gradient of the policy's entropy counts, which keeps the agent exploring.
    rate_average_reward : float, optional
        Makes the task a continuing one: the TD error counts reward from its running mean, which moves
        by this times the TD error (Sutton & Barto 2018, section 13.6).
    max_norm : float, optional
        Clip the gradient of all parameters together to this norm.
    normalize_input : bool
        Every input x arrives as x / (1 + abs(x)), the response of a receptor that saturates (Naka &
        Rushton 1966, J. Physiol. 185:536): a time that counts to 1,000, or a place far away, no longer
        saturates the neurons behind it. It is then centred and divided by its standard deviation, of
        all that it was while learning, so that small ones count too: a reward of .005, or one of ten
        actions as the previous one; what lies more than 5 from 0 then is set to 5 or -5. Means start
        with an inertia of 30,000 steps at 0: where a trial may wander far, a mean that followed at once
        would drift with it, and with it all that the neurons see. Local to the channel and in time.
    scale_reward : bool
        The TD error counts reward in running standard deviations of the discounted sum of past
        reward, so that rates and `entropy_weight` mean the same in every task (Engstrom et al. 2020,
        ICLR; Elsayed, Vasan & Mahmood 2024). One number for each replicate, held where dopamine is;
        midbrain dopamine adapts its gain to the spread of reward (Tobler, Fiorillo & Schultz 2005,
        Science 307:1642).
    rate_half_life : float, optional
        Rates fall as 1 / (1 + age / this), age in steps: they have halved at this age. The noise of
        single steps averages out (Robbins & Monro 1951). Means of `normalize_input` settle with them: an
        agent that leaves a place does not move where that place is seen. Local in time and space: a
        synapse knows its own age.
    entropy_share : float, optional
        `entropy_weight` acts only while a choice has less than this share of the entropy of guessing,
        and while the scale of a continuous action lies in this lowest share of its range. Without it,
        always. With `rate_half_life` the share of a choice falls like the rates: what is known well may
        be done with certainty, and an action that becomes rarer than that is called back as strongly as
        ever.
    first_input : {"zeros", "action_0"}
        The previous-action input at the first step of a trial.
    modulated : dict of str to str
        What signals make of rates, `discount`, or the `inverse_temperature` of the actor (1 otherwise):
        the setting to an expression that multiplies it, of nuclei of one neuron and inputs of one
        channel, ``{"rate_network": "1 + 5*noradrenaline"}`` (Doya 2002, Neural Netw. 15:495). A factor
        is never below 0. Rules of projections have no rate; single nuclei have `Editing.modulate`.

    Raises
    ------
    InputError
        For an unknown name, with those that there are, a number out of its range, a factor in `modulated`
        that cannot be read, or an optimizer that reads `max_norm` where it is not given.

    Examples
    --------
    >>> Learning("rtrl", discount=0.9, optimizer="sgd").trace_network
    0.99
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
    normalize_input: bool = False
    scale_reward: bool = False
    rate_half_life: float | None = None
    entropy_share: float | None = None
    first_input: str = "zeros"
    modulated: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        choose("sensitivity", self.sensitivity, METHODS)
        for name, method in self.overrides.items():
            choose(f"sensitivity of {name!r}", method, METHODS)
        for name, text in self.modulated.items():
            choose("setting that is modulated", name, MODULATED)
            check_expression(f"factor of {name}", text)
        choose("feedback", self.feedback, FEEDBACKS)
        if not isinstance(self.optimizer, Optimizer):
            choose("optimizer", self.optimizer, OPTIMIZERS)
        choose("first_input", self.first_input, FIRST_INPUTS)
        for name in ("discount", "trace_actor", "trace_critic", "trace_network", "entropy_share"):
            if not 0 <= (getattr(self, name) or 0) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must lie in [0, 1]")
        for name in (*RATES, "entropy_weight", "rate_average_reward"):
            if (getattr(self, name) or 0) < 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must not be negative")
        for name in ("max_norm", "rate_half_life"):
            if getattr(self, name) is not None and getattr(self, name) <= 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must be positive")
        once = self.optimizer.once if isinstance(self.optimizer, Optimizer) else ""
        read = (symbols(value) for _, value, _ in assignments("optimizer, once", once))
        if self.max_norm is None and any("max_norm" in names for names in read):
            raise InputError("the optimizer reads max_norm, which is not given; a number is needed")

    def structure(self):
        """What the compiled program depends on; the numbers are run-time values."""
        rule = self.optimizer
        rule = rule if isinstance(rule, Optimizer) else OPTIMIZERS[rule]
        used = dict.fromkeys([self.sensitivity, *self.overrides.values()])
        used |= {"rtrl": None} if self.oracle else {}
        return {
            "methods": {name: METHODS[name].structure() for name in used},
            "oracle": self.oracle,
            "feedback": self.feedback,
            "optimizer": asdict(rule),
            "clip": self.max_norm is not None,
            "normalize_input": self.normalize_input,
            "scale_reward": self.scale_reward,
            "rates_fall": self.rate_half_life is not None,
            "entropy_bounded": self.entropy_share is not None,
            "continuing": self.rate_average_reward is not None,
            **({"modulated": self.modulated} if self.modulated else {}),
        }

    def to_dict(self):
        """All settings as JSON values."""
        return asdict(self)


#: One set of defaults for all tasks, chosen so that what is learned lasts, with `models.rtu`. Why each
#: setting is what it is, and what is reached, stands in docs/reproduction/lasting.md.
LASTING = Learning(
    sensitivity="rflo",
    feedback="symmetric",
    optimizer="adam_floor",
    discount=0.97,
    trace_actor=0.9,
    trace_critic=0.9,
    trace_network=0.9,
    rate_actor=7e-4,
    rate_critic=7e-4,
    rate_network=7e-4,
    rate_half_life=1.5e5,
    entropy_weight=0.1,
    entropy_share=0.08,
    normalize_input=True,
    scale_reward=True,
)
