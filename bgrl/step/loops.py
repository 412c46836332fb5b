"""What an operation does for one replicate, as loops whose turns the threads of a block share.

In the text of a loop, C++ statements for one turn, an array is what ``array(name)`` gives, with an index:
``{array("cortex.rate")}[k]``. From these accesses follows which loops have to wait for others
(`bgrl.backends.barriers`), so every access has to stand in the text, and a loop may write nothing that
another turn of it reads or writes. Best is an index ``k``, or ``i*N + k`` in a loop of N turns with an
inner loop over `i`: what is only ever accessed so needs no barrier.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Loop:
    """Statements for every ``k`` from 0 to below `size`; ``step`` is the number of the task step.

    Attributes
    ----------
    size : int
    text : str
    """

    size: int
    text: str


@dataclass(frozen=True)
class Totals:
    """For every ``target``, sums over every ``source``; ``k`` is ``target*sources + source``.

    Attributes
    ----------
    targets, sources : int
    values : dict of str to str
        Element of an array, whose index is ``target``, or a number where there is one target only, to
        the expression that is summed.
    text : str
        Statements before the expressions.
    """

    targets: int
    sources: int
    values: dict
    text: str = ""


@dataclass(frozen=True)
class Loops:
    """The loops of an operation, in order.

    Attributes
    ----------
    items : sequence of Loop or Totals
    scratch : dict of str to int
        Arrays of its own that it needs meanwhile, and their sizes.
    """

    items: tuple
    scratch: dict = field(default_factory=dict)
