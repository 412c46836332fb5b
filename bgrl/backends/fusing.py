"""One loop instead of several over the same elements, so that numbers stay in registers in between.

Code of a blueprint is element-wise: element `k` of a group reads and writes variables of its own, and
reads what others have. Two pieces of code of one group become one, the second's lines under the first's,
where that changes nothing:

* No element of the one touches what another element of the other writes (`bgrl.backends.barriers`).
* Whatever happens between them in a step does not depend on the piece that moves: either the second
  goes up to the first, or the first down to the second.
* What one calls by a name that it has made itself, the other does not know. What the first writes, the
  second reads by the same name, for a program reads everything before the first line.
* Both happen equally often: in a step with learning, in one without, and in every sub-step.

Sensitivities that cross synapses are contracted with learning signals as they are made, tile by tile,
where nothing between depends on them: their step waits until the signals are there.
"""

import copy
import re
from dataclasses import dataclass

from bgrl.backends.barriers import Access, Piece
from bgrl.backends.pieces import Pieces
from bgrl.slots import LEARNING_SLOTS, SUBSTEP_SLOTS
from bgrl.step.blueprint import Code, Sum
from bgrl.step.contraction import Contraction
from bgrl.step.propagation import Propagation

_ASSIGNED = re.compile(r"^\s*(\w+)\s*=(?!=)", re.MULTILINE)
_WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class _Placed:
    """An item, its slot, and the accesses of all that it does."""

    slot: str
    item: object
    pieces: tuple

    def precedes(self, other):
        """Whether it has to stay on its side of another."""
        return any(a.precedes(b) for a in self.pieces for b in other.pieces)


def fused(blueprint):
    """The same step with fewer pieces of code.

    Parameters
    ----------
    blueprint : Blueprint

    Returns
    -------
    Blueprint
    """
    pieces, placed = Pieces(blueprint), []
    slots = blueprint.structure["slots"]
    for slot, item in sorted(blueprint.items, key=lambda pair: slots.index(pair[0])):
        _place(blueprint, placed, _Placed(slot, item, _pieces(pieces, slot, item)))
    found = copy.copy(blueprint)
    found.items = [(one.slot, one.item) for one in placed]
    return found


def _pieces(pieces, slot, item):
    """What an item does; of an operation, that it may write whatever it names."""
    if isinstance(item, Code | Sum):
        return tuple(pieces.of(slot, item))
    accesses = (Access(pieces.named(name), None, None, True) for name in item.arrays())
    return (Piece(item.name, "", len(item.arrays()), frozenset(accesses)),)


def _place(blueprint, placed, new):
    """Add an item to those before it, joined with one of them if that may be."""
    # One of another class contracts in another way.
    if type(new.item) is Contraction and _contracted(blueprint, placed, new):
        return
    for k in reversed(range(len(placed))):
        old, between = placed[k], placed[k + 1 :]
        if not _alike(blueprint, old, new):
            continue
        up = not any(one.precedes(new) for one in between)
        if up or not any(old.precedes(one) for one in between):
            text = f"{old.item.text}\n{new.item.text}"
            slot = old.slot if up else new.slot
            joined = _Placed(slot, Code(new.item.group, text), old.pieces + new.pieces)
            placed[k : k + 1] = [joined] if up else []
            if not up:
                placed.append(joined)
            return
    placed.append(new)


def _contracted(blueprint, placed, new):
    """Whether a propagation now contracts what it makes, in the place of a contraction."""
    for k, old in enumerate(placed):
        joined = old.item.contracted(new.item) if isinstance(old.item, Propagation) else None
        if not joined or _times(blueprint, old) != _times(blueprint, new):
            continue
        if not any(old.precedes(one) for one in placed[k + 1 :]):
            placed.append(_Placed(new.slot, joined, old.pieces + new.pieces))
            del placed[k]
            return True
    return False


def _alike(blueprint, old, new):
    """Whether two items are code that could be one if nothing was between them."""
    if not (isinstance(old.item, Code) and isinstance(new.item, Code)):
        return False
    if old.item.group != new.item.group or _times(blueprint, old) != _times(blueprint, new):
        return False
    if any(
        a.meets(b) for p in old.pieces for q in new.pieces for a in p.accesses for b in q.accesses
    ):
        return False
    group = blueprint.groups[new.item.group]
    (old_words, old_made), (new_words, new_made) = (
        (
            set(_WORD.findall(one.item.text)),
            set(_ASSIGNED.findall(one.item.text)) - {*group.variables},
        )
        for one in (old, new)
    )
    if old_made & new_words or new_made & old_words:
        return False
    views = {word for word in new_words & {*group.links} if _owner(blueprint, group, word) is group}
    return not views


def _times(blueprint, one):
    """When an item happens: with learning only, and in which part of a sub-step if there are several."""
    again = blueprint.structure["substeps"] > 1 and one.slot in SUBSTEP_SLOTS
    return one.slot in LEARNING_SLOTS, one.slot if again else None


def _owner(blueprint, group, name):
    """The group whose variable a link reads in the end."""
    while name in group.links:
        group, name = blueprint.groups[group.links[name].group], group.links[name].variable
    return group
