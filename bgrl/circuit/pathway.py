"""Pathways: projections between nuclei, readouts, rules of plasticity, and how dopamine fires."""

from dataclasses import field, replace

import numpy as np

from bgrl.circuit.synapse import Synapse
from bgrl.circuit.values import frozen
from bgrl.description import description
from bgrl.errors import InputError
from bgrl.language import check_expression
from bgrl.quantities import Time

#: What the equations of a `Rule` may use besides the names of the target population.
RULE_SYMBOLS = ("weight", "eligibility", "pre", "dopamine", "chosen", "trace_decay")


@description
class Rule:
    """A synapse's own learning rule, in place of the gradient.

    The expressions may use `weight`, `eligibility`, `pre` (the presynaptic state), `dopamine` (the TD
    error), `trace_decay` (discount times lambda, 0 where a trial has ended), `chosen` (the weight from
    the action just chosen to the postsynaptic neuron, as the actor reads it or feeds it back) and
    everything of the target population: states, parameters, drives.

    Parameters
    ----------
    weight : str
        The next weight; uses the eligibility as it stood before this step.
    eligibility : str
        The next eligibility.

    Raises
    ------
    InputError
        If an expression cannot be read. A `Circuit` refuses symbols that neither rules nor the
        target population have.

    Examples
    --------
    >>> Rule("weight + 0.1*dopamine*eligibility", "trace_decay*eligibility + pre*rate").weight
    'weight + 0.1*dopamine*eligibility'
    """

    weight: str
    eligibility: str

    def __post_init__(self):
        for which in ("weight", "eligibility"):
            check_expression(f"rule, {which}", getattr(self, which))

    def check(self, name, population):
        """Refuse symbols that neither rules nor the target population have.

        Raises
        ------
        InputError
            Naming the symbol and those that there are.
        """
        known = {*RULE_SYMBOLS, *population.dynamics, *population.parameters, *population.drives}
        for which in ("weight", "eligibility"):
            check_expression(f"rule of {name!r}, {which}", getattr(self, which), known)


@description(eq=False)
class Projection:
    """A pathway from an input or a population to a drive of a population.

    Parameters
    ----------
    source, target : str
        Names of an input or population, and of a population.
    drive : str
        Which drive of the target it feeds: the summed input that its equations have by that name.
    reads : str
        Which state variable of the source it transmits.
    weights : float, array (target size, source size) or Distribution
        Initial weights, dimensionless: a target receives the weighted sum of what its sources transmit.
    mask : array of 0 and 1 (target size, source size), optional
        Which synapses exist; all of them where nothing is said.
    sign : {1, -1}, optional
        Dale's law: initial weights become this times their absolute value, and learning keeps the sign.
    plastic : bool
        Whether learning changes the weights.
    rule : Rule, optional
        How it does that, if not by the gradient.
    lesioned : array of 0 and 1 (target size, source size), optional
        Synapses that a lesion took; the mask is zero there.
    delay : float
        How long it takes on the way, in ms: a whole number of Euler steps, besides the one that every
        synapse takes. Only from a population; what an input shows late is said in the task.
    dynamics : Synapse, optional
        What happens to the signal before it is weighted (`bgrl.circuit.synapse`): a filter, depression,
        facilitation, equations of your own. Only from a population.
    modulates : {"gain", "plasticity"}, optional
        It multiplies instead of adding to a drive (`bgrl.circuit.modulators`): the drive `drive`, or
        every step that learning makes in the target.
    pathway : str, optional
        The projection to the target of which it modulates that, rather than of all.
    electrical : bool
        Gap junctions: it transmits weight times (source - target), the variable `reads` of both. They
        are not learned, take no time and have no dynamics.

    Raises
    ------
    InputError
        If the delay is below 0, weights or a mask have a unit, or an electrical projection is
        plastic or has a rule, a delay, dynamics or something that it modulates. A `Circuit` refuses
        names that it does not have, and values that do not fit source and target.
    """

    source: str
    target: str
    drive: str = "drive"
    reads: str = "rate"
    weights: object = 0.0
    mask: object = None
    sign: int | None = None
    plastic: bool = True
    rule: Rule | None = None
    lesioned: object = None
    delay: Time = 0.0
    dynamics: Synapse | None = None
    modulates: str | None = None
    pathway: str | None = None
    electrical: bool = False

    def __post_init__(self):
        if self.electrical:
            for name in ("plastic", "rule", "delay", "dynamics", "modulates"):
                if value := getattr(self, name):
                    told = value if isinstance(value, bool | float | str) else "given"
                    raise InputError(
                        f"{name} of an electrical projection is {told}; gap junctions have none of "
                        "plastic, rule, delay, dynamics, modulates"
                    )
        if self.delay < 0:
            raise InputError(f"delay of a projection is {self.delay:g} ms; 0 or more is needed")
        for name in ("weights", "mask", "lesioned"):
            object.__setattr__(self, name, frozen(getattr(self, name)))
        cut(self)


@description(eq=False)
class Readout:
    """A linear nucleus that learns from dopamine directly: the actor or the critic.

    Its activity is the weighted sum of the variables that it reads; the critic has a learned bias, too.
    The critic has one channel. The actor has one for each action; with continuous actions it has two
    for each, first all means, then all scales.

    Parameters
    ----------
    name : str
        The nucleus, dorsal_striatum or ventral_striatum in the models here.
    reads : str
        The population it reads.
    variables : tuple of str
        The state variables of that population that it reads.
    weights : float, array (channels, variables x source size) or Distribution
        Variable by variable.
    feedback : float, array (channels, variables x source size) or Distribution
        Fixed weights that carry the learning signal back to what it reads; used with random
        feedback only, with symmetric feedback the weights themselves do.
    feedback_to : dict of str to float, array (channels, size) or Distribution
        Fixed weights that carry the learning signal to further populations, by "population.variable".
    plastic : bool
        Whether learning changes its weights.
    mask : array of 0 and 1 (variables x source size,), optional
        What it reads; all of it where nothing is said. Feedback follows it.
    lesioned : array of 0 and 1 (variables x source size,), optional
        What a lesion took of it; the mask is zero there.

    Raises
    ------
    InputError
        If weights, feedback or a mask have a unit. A `Circuit` refuses names that it does not have,
        and values that do not fit what is read; an `Agent` other numbers of channels than its task
        needs.
    """

    name: str
    reads: str = "cortex"
    variables: tuple[str, ...] | str = ("rate",)
    weights: object = 0.0
    feedback: object = 0.0
    feedback_to: dict = field(default_factory=dict)
    plastic: bool = True
    mask: object = None
    lesioned: object = None

    def __post_init__(self):
        variables = (self.variables,) if isinstance(self.variables, str) else self.variables
        object.__setattr__(self, "variables", tuple(variables))
        for name in ("weights", "feedback", "mask", "lesioned"):
            object.__setattr__(self, name, frozen(getattr(self, name)))
        cut(self)
        feedback_to = {state: frozen(value) for state, value in self.feedback_to.items()}
        object.__setattr__(self, "feedback_to", feedback_to)

    def states(self):
        """(population, variable) of everything that it reads, in the order of its weights."""
        return [(self.reads, variable) for variable in self.variables]


@description
class Dopamine:
    """How dopamine neurons fire: a baseline, and a gain on the TD error, but never less than zero.

    Learning follows the TD error itself. The input `dopamine` of a circuit, by which dopamine changes
    excitability, is what firing says of it: (firing - baseline)/gain, plus a tonic level.

    Parameters
    ----------
    baseline : float
        Spikes/s. The default is in the range of recordings from awake animals (Schultz 1998, J.
        Neurophysiol. 80:1).
    gain : float
        Spikes/s for a TD error of 1.
    tonic : float
        Added to the input `dopamine`: a drug, or the lack of dopamine.
    noise : float
        Standard deviation of the TD error from what it should be, in each step anew; all that it reaches
        gets the same.

    Raises
    ------
    InputError
        If a number is not finite, `baseline` or `noise` is below 0, or `gain` is not above 0.
    """

    #: What its numbers are called before their names, in messages.
    CALLED = "dopamine "

    baseline: float = 5.0
    gain: float = 20.0
    tonic: float = 0.0
    noise: float = 0.0

    def __post_init__(self):
        if self.noise < 0:
            raise InputError(f"dopamine noise is {self.noise:g}; 0 or more is needed")
        if self.baseline < 0 or self.gain <= 0:
            raise InputError(
                f"dopamine baseline {self.baseline} and gain {self.gain} spikes/s; the former must not "
                "be negative, the latter be positive"
            )


def cut(pathway):
    """Keep the mask of a projection or readout zero where it is lesioned."""
    mask, lesioned = pathway.mask, pathway.lesioned
    if lesioned is not None:
        mask = np.ones(np.shape(lesioned), int) if mask is None else mask
        if np.shape(mask) == np.shape(lesioned):  # else refused by the circuit
            object.__setattr__(pathway, "mask", frozen(np.where(lesioned, 0, mask)))


def without(pathway, lost):
    """The projection or readout with some more of its synapses lesioned."""
    if pathway.mask is not None:
        lost = lost & pathway.mask.astype(bool)
    if not lost.any():
        return pathway
    lesioned = lost if pathway.lesioned is None else lost | pathway.lesioned.astype(bool)
    return replace(pathway, lesioned=lesioned.astype(int))
