"""How all-to-all synapses lie in memory."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Rows:
    """Rows of one length, each with the synapses of a target or of a source, replicate after replicate.

    Attributes
    ----------
    replicates, targets, sources : int
    length : int
        Elements of a row; behind its last synapse, some may only fill it up.
    of_sources : bool
        Whether a row is the synapses of a source; else it is those of a target.
    """

    replicates: int
    targets: int
    sources: int
    length: int
    of_sources: bool = False

    def filled(self, lanes):
        """Rows of whole vectors of some elements, those of sources if that takes no more memory."""
        by_target, by_source = (-(-n // lanes) * lanes for n in (self.sources, self.targets))
        if self.sources * by_source <= self.targets * by_target:
            return replace(self, length=by_source, of_sources=True)
        return replace(self, length=by_target)

    @property
    def size(self):
        """Elements in memory."""
        return self.replicates * (self.sources if self.of_sources else self.targets) * self.length

    def synapses(self, values):
        """A view of the elements of an array that stand for synapses: (replicates, targets, sources)."""
        rows = values.reshape(self.replicates, -1, self.length)
        if self.of_sources:
            return rows[:, :, : self.targets].swapaxes(1, 2)
        return rows[:, :, : self.sources]

    def element(self, replicate, target, source):
        """C++ expression of the place of a synapse, of those of its indices."""
        row, count, element = target, self.targets, source
        if self.of_sources:
            row, count, element = source, self.sources, target
        return f"(({replicate})*{count} + {row})*{self.length} + {element}"
