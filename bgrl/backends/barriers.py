"""Which pieces of a kernel have to wait for others, from what each of them does with which array."""

import itertools
from dataclasses import dataclass
from functools import cached_property

#: Threads of a warp, which wait for each other at little cost.
WARP = 32
#: From none to that of the block.
_BARRIERS = (None, "__syncwarp", "__syncthreads")


@dataclass(frozen=True)
class Access:
    """What a piece does with an array.

    Attributes
    ----------
    array : str
        C++ name.
    turn : str or None
        How the index follows from the turn of the loop, if elements of other turns are never touched:
        ``k``, or ``i*N + k`` for a loop of N turns.
    element : int or None
        The one that is touched, if it is always the same.
    written : bool
    alone : bool
        Whether only the first thread does it.
    """

    array: str
    turn: str | None
    element: int | None
    written: bool
    alone: bool = False

    def meets(self, other):
        """Whether two accesses may touch one element from different threads, and one of them writes."""
        if self.array != other.array or not (self.written or other.written):
            return False
        if self.turn and self.turn == other.turn:
            return False
        return None in (self.element, other.element) or self.element == other.element


@dataclass(frozen=True)
class Piece:
    """A function of the kernel.

    Attributes
    ----------
    name : str
    text : str
        Its body.
    threads : int
        How many of the first threads, at most, touch arrays.
    accesses : frozenset of Access
    """

    name: str
    text: str
    threads: int
    accesses: frozenset

    @cached_property
    def touched(self):
        """Names of arrays."""
        return frozenset(a.array for a in self.accesses)

    @cached_property
    def written(self):
        """Names of arrays."""
        return frozenset(a.array for a in self.accesses if a.written)

    def precedes(self, other):
        """Whether it has to stay before another: both touch an array, and one writes it."""
        return bool(self.written & other.touched or self.touched & other.written)


def ordered(pieces):
    """The pieces of a step in an order that needs few barriers, with the same results.

    Of two pieces that touch one array, which one of them writes, the earlier stays the earlier. Otherwise
    those come first that need no barrier, or only one of the warp.

    Parameters
    ----------
    pieces : sequence of Piece
        In an order that is right.
    """
    waits_for = [
        {k for k in range(n) if pieces[k].precedes(piece)} for n, piece in enumerate(pieces)
    ]
    left, placed, earlier = set(range(len(pieces))), [], []
    while left:
        ready = sorted(n for n in left if not waits_for[n] & left)
        needed = [_barrier(earlier, pieces[n]) for n in ready]
        barrier = min(needed, key=_BARRIERS.index)
        chosen = ready[needed.index(barrier)]
        earlier = [*_behind(earlier, barrier), (pieces[chosen], False)]
        left.remove(chosen)
        placed.append(pieces[chosen])
    return placed


def barriers(pieces):
    """What comes before each piece of a step: nothing, ``__syncwarp`` or ``__syncthreads``.

    Two accesses of an array need a barrier between them if one of them writes, unless both touch what
    belongs to their turn only, or both are of the first thread. Where only threads of the first warp
    touch it, the warp's barrier is enough.

    Parameters
    ----------
    pieces : sequence of Piece
        Of one step, after the last of which the first begins again.

    Returns
    -------
    list of str or None
    """
    earlier, found = [], None
    for number in itertools.count():  # each begins with what the end of a step leaves to the next
        before, found = found, []
        for k, piece in enumerate(pieces):
            barrier = _barrier(earlier, piece)
            if number > 1:  # what was found stays, so that this ends
                barrier = max(barrier, before[k], key=_BARRIERS.index)
            earlier = [*_behind(earlier, barrier), (piece, False)]
            found.append(barrier)
        if found == before:
            return found


def _behind(earlier, barrier):
    """What is left of (piece since the last barrier of the block, whether one of the warp followed)."""
    if barrier == "__syncthreads":
        return []
    return [(piece, True) for piece, _ in earlier] if barrier else earlier


def _barrier(earlier, piece):
    """The barrier that is needed before a piece."""
    found = (_needed(before, piece, followed) for before, followed in earlier)
    return max(found, default=None, key=_BARRIERS.index)


def _needed(before, piece, followed):
    """The barrier between two pieces, between which there is one of the warp or none."""
    if not before.precedes(piece):
        return None
    pairs = itertools.product(before.accesses, piece.accesses)
    if not any(a.meets(b) and not (a.alone and b.alone) for a, b in pairs):
        return None
    if max(before.threads, piece.threads) > WARP:
        return "__syncthreads"
    return None if followed else "__syncwarp"
