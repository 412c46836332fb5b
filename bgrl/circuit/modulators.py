"""Modulators: projections that multiply what others do instead of adding to a drive.

A projection with `modulates` carries the signal of any input or population to a factor of its target:

    factor = clip(1 + sum of weight times what the source sends, 0, inf)

one for each post-synaptic neuron. A factor of `gain` multiplies a drive, or what one pathway brings to
it, before the neuron's equations; one of `plasticity` multiplies every step that learning makes of the
weights and parameters of a nucleus, or of the weights of one pathway. The sums are drives of the target
that nobody has to declare, so a learned modulation has its sensitivities as everything else.
"""

from dataclasses import dataclass

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
    """The drive of its own that a pathway has whose gain is modulated."""
    return f"through_{key}"


def factor(drive):
    """The factor, as an expression of the drive that sums up what modulates."""
    return factor_text(f"1 + {drive}")


def factor_text(text):
    """An expression that is never below zero."""
    return f"clip({text}, 0, inf)"


def arriving(drive, factors):
    """What arrives at the equations in the place of a drive.

    Parameters
    ----------
    drive : str
    factors : sequence of Factor

    Returns
    -------
    str
        An expression of the drives of the population.
    """
    gains = [f for f in factors if f.kind == "gain"]
    parts = [f"{through(f.of)}*{factor(f.name)}" for f in gains if f.drive == drive]
    found = " + ".join([drive, *parts])
    if any(f.drive is None and f.of == drive for f in gains):
        found = f"({found})*{factor(Factor('gain', drive).name)}"
    return found if found == drive else f"({found})"
