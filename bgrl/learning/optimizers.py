"""Optimizers: how a gradient becomes an update, as equations of one parameter.

The equations are assignments in which ``gradient``, ``update`` and the optimizer's own state stand for
one parameter; `bgrl.step.optimizer` gives them their full names. A new optimizer is one entry of
`OPTIMIZERS`, or an `Optimizer` of one's own in `bgrl.learning.settings.Learning`.
"""

import math
from dataclasses import field

from bgrl.description import description
from bgrl.errors import InputError
from bgrl.language import assignments, check_expression, check_name, check_names

#: What the code of an optimizer may read and not set.
GIVEN = ("gradient", "eligibility", "dopamine", "learning_rate")


@description
class Optimizer:
    """How a gradient becomes an update, as equations of one parameter.

    The gradient is that of learning (TD error times eligibility, plus that of the policy's entropy), and
    the parameter moves by its learning rate times ``update``. Names that it sets are its own, whatever
    else in the network is called so.

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
        ``dopamine`` and what is in `once_state`.
    once_state : tuple of str
        Variables that `once` keeps from step to step, 0 at the start.

    Raises
    ------
    InputError
        For code that reads what there is not, sets what is given, or sets no ``update``.

    Examples
    --------
    >>> Optimizer("update = sign(gradient)").state
    ()
    """

    code: str
    state: tuple[str, ...] = ()
    totals: dict[str, str] = field(default_factory=dict)
    once: str = ""
    once_state: tuple[str, ...] = ()

    def __post_init__(self):
        own = {"state": self.state, "totals": self.totals, "once_state": self.once_state}
        check_names("optimizer", **own)
        for name in (name for names in own.values() for name in names):
            check_name("optimizer", name, "a variable or total", {*GIVEN, "max_norm", "update"})
        read = {*GIVEN, *self.state}
        given_once = {"dopamine", "max_norm", *self.totals}
        set_once = _check("once", self.once, given_once, self.once_state)
        given = {*GIVEN, *set_once, *self.once_state}
        if "update" not in _check("code", self.code, given, self.state):
            raise InputError("the code of an optimizer must set `update`")
        for name, expression in self.totals.items():
            check_expression(f"optimizer, total {name!r}", expression, read)


def _check(where, code, given, kept):
    """Names that code sets; refuses what it reads and does not have, and what it may not set."""
    found = set()
    for name, value, line in assignments(f"optimizer, {where}", code):
        check_expression(f"optimizer, {where}", value, {*given, *kept, *found})
        if name in {*GIVEN, *given}:
            raise InputError(f"optimizer, {where}: {name} is given and cannot be set, in {line!r}")
        check_name(f"optimizer, {where}", name, "a variable")
        found.add(name)
    return found


#: The bias corrections of Adam after t updates, 1/(1 - 0.9**t) and 1/(1 - 0.999**t).
_CORRECTIONS = f"""
    updates = updates + 1
    correction_1 = -1/expm1(updates*{math.log(0.9)!r})
    correction_2 = -1/expm1(updates*{math.log(0.999)!r})
"""


def _adam(epsilon):
    return Optimizer(
        f"""
        moment_1 = 0.9*moment_1 + 0.1*gradient
        moment_2 = 0.999*moment_2 + 0.001*gradient*gradient
        update = correction_1*moment_1/(sqrt(correction_2*moment_2) + {epsilon})
        """,
        state=("moment_1", "moment_2"),
        once=_CORRECTIONS,
        once_state=("updates",),
    )


OPTIMIZERS = {
    "sgd": Optimizer("update = gradient"),
    # Kingma & Ba 2015, ICLR, algorithm 1.
    "adam": _adam("1e-8"),
    # Adam whose steps shrink with the gradient where that is small: with the TD error gone, as in a task
    # that is solved, noise would otherwise move every parameter as far as learning did. For rewards in
    # standard deviations (`Learning.scale_reward`), which give gradients a unit.
    "adam_floor": _adam("0.02"),
    # Reddi, Kale & Kumar 2018, ICLR, algorithm 2: Adam that divides by the largest second moment so far.
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
