"""Modulators: projections that multiply what others do instead of adding to a drive.

A projection with `modulates` carries the signal of any input or population to a factor of its target:

    factor = clip(1 + sum of weight times what the source sends, 0, inf)

one for each post-synaptic neuron. A factor of `gain` multiplies a drive, or what one pathway brings to
it, before the neuron's equations; one of `plasticity` multiplies every step that learning makes of the
weights and parameters of a nucleus, or of the weights of one pathway. The sums are drives of the target
that nobody has to declare, so a learned modulation has its sensitivities as everything else.
"""

from dataclasses import dataclass

from bgrl.circuit.synapse import key_of

#: What a projection may modulate.
KINDS = ("gain", "plasticity")


@dataclass(frozen=True)
class Factor:
    """What is multiplied in a population.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    of : str
        A drive or pathway (gain), the population or a pathway (plasticity); pathways by their key, see
        `bgrl.circuit.synapse.key_of`.
    drive : str or None
        The drive that a pathway feeds whose gain it is.
    """

    kind: str
    of: str
    drive: str | None = None

    @property
    def name(self):
        """The drive that sums up what modulates."""
        return f"{'factor' if self.kind == 'gain' else 'plasticity'}_of_{self.of}"

    @property
    def drives(self):
        """The drives that the target has for it."""
        return (self.name,) if self.drive is None else (self.name, through(self.of))


def through(key):
    """The drive of its own that a pathway has whose gain is modulated, or that is electrical."""
    return f"through_{key}"


@dataclass(frozen=True)
class Junction:
    """Gap junctions onto the neurons of a population: an electrical projection where it ends.

    What arrives is the sum of weight times (what the source sends - the same of the neuron itself). The
    part of the source is a drive of its own, that of the neuron its conductance, the sum of its weights,
    which learning does not change.

    Attributes
    ----------
    pathway : str
        The projection.
    drive : str
        Which drive it adds to.
    reads : str
        The state variable of both ends.
    """

    pathway: str
    drive: str
    reads: str

    @property
    def key(self):
        """See `bgrl.circuit.synapse.key_of`."""
        return key_of(self.pathway)

    @property
    def conductance(self):
        """The parameter of the population that is the sum of weights."""
        return f"conductance_of_{self.key}"

    @property
    def current(self):
        """What arrives, as an expression."""
        return f"({through(self.key)} - {self.conductance}*{self.reads})"


def factor(drive):
    """The factor, as an expression of the drive that sums up what modulates."""
    return factor_text(f"1 + {drive}")


def factor_text(text):
    """An expression that is never below zero."""
    return f"clip({text}, 0, inf)"


def arriving(drive, factors, junctions=()):
    """What arrives at the equations in the place of a drive.

    Parameters
    ----------
    drive : str
    factors : sequence of Factor
    junctions : sequence of Junction
        What they let through is not multiplied by a gain of the drive, but by one of their own.

    Returns
    -------
    str
        An expression of the drives of the population.
    """
    gains = [f for f in factors if f.kind == "gain"]
    own = {f.of: factor(f.name) for f in gains if f.drive == drive}
    currents = {j.key: j.current for j in junctions if j.drive == drive}
    parts = [f"{through(key)}*{text}" for key, text in own.items() if key not in currents]
    found = " + ".join([drive, *parts])
    if any(f.drive is None and f.of == drive for f in gains):
        found = f"({found})*{factor(Factor('gain', drive).name)}"
    for key, text in currents.items():
        found += f" + {text}*{own[key]}" if key in own else f" + {text}"
    return found if found == drive else f"({found})"
