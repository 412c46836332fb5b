"""The oracle: exact gradients ride along, and every approximate one is compared with them."""

from math import prod

from bgrl.learning.sensitivity import compared
from bgrl.step.contraction import Comparison
from bgrl.step.gradient import contract, expression


def write(b, plan):
    """Group ``oracle`` (an element for each parameter that is compared); slot plasticity."""
    parts, rows = [], []
    for block in plan.blocks:
        if not block.exact:
            continue
        if block.method != "rtrl":
            b.variables(block.group, f"exact_gradient_{block.key}")
            contract(b, plan, block, ("learning",), [f"exact_gradient_{block.key}"], exact=True)
        if not (block.states and block.coupled):
            b.variables(block.group, f"learning_gradient_{block.key}")
        if block.states and not block.coupled:
            code = f"learning_gradient_{block.key} = {expression(plan, block, 'learning')}"
            b.code("plasticity", block.group, code)
    for _, block, first, last in compared(plan.structure):
        exact = "learning" if block.method == "rtrl" else "exact"
        names = [f"{block.group}.{kind}_gradient_{block.key}" for kind in ("learning", exact)]
        parts.append((*names, prod(block.shape[1:]), first, last))
        rows.append(block.shape[0])
    if parts:
        b.group("oracle", len(parts))
        b.variables("oracle", "product", "square", "exact_square")
        b.operate("plasticity", Comparison, tuple(parts), tuple(rows))
