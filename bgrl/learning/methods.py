"""Sensitivity methods: what each keeps of the derivative of the states through time.

A new method is one entry of `METHODS`; `bgrl.learning.sensitivity` has the mathematics.
"""

from dataclasses import dataclass

from bgrl.errors import InputError, choose

#: What a method may follow from one step to the next, each including the one before.
REACHES = ("nothing", "neuron", "nucleus", "circuit")


@dataclass(frozen=True)
class Method:
    """What is kept of the derivative through time.

    Parameters
    ----------
    summary : str
        For people, in a few words.
    reach : {"nothing", "neuron", "nucleus", "circuit"}
        Which effects of a state on the next are followed: none; those inside the neuron that has the
        parameter, without synapses; those inside its nucleus, synapses included; all.
    coupled : bool
        Whether the sensitivities of all neurons within reach are kept (a matrix for each parameter's
        neuron, and matrix products), or only those of the neuron that has the parameter.
    contraction : str, optional
        "module:class" of what sums learning signals times sensitivities to gradients in a coupled
        method, where that is another one than `bgrl.step.contraction.Contraction`.

    Raises
    ------
    InputError
        If `reach` is unknown, or a method that is not coupled reaches through the circuit or has a
        contraction.
    """

    summary: str
    reach: str
    coupled: bool = False
    contraction: str | None = None

    def __post_init__(self):
        choose("reach", self.reach, REACHES)
        if self.reach == "circuit" and not self.coupled:
            raise InputError("a method that reaches through the circuit must be coupled")
        if self.contraction and not self.coupled:
            raise InputError("a method with a contraction of its own must be coupled")

    def structure(self):
        """What a compiled program depends on."""
        found = {"reach": self.reach, "coupled": self.coupled}
        return found | ({"contraction": self.contraction} if self.contraction else {})


#: Name to `Method`; "none" is not learned at all.
METHODS = {
    "rtrl": Method("everything, through every population and loop", "circuit", coupled=True),
    "nucleus": Method("everything inside a population, nothing across", "nucleus", coupled=True),
    "snap1": Method("the neuron that has the parameter, its self-connection included", "nucleus"),
    "rflo": Method("the own dynamics of the neuron that has the parameter; no weight", "neuron"),
    "none": Method("nothing: nothing is learned", "nothing"),
}
