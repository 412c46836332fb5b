"""Code as people read it: what it has for compilers only is left out, what it means stays.

Code of tasks sets no name twice: ``time__2`` is the second value of ``time``, and nothing reads an older
value once there is a newer one (`bgrl.language.single_assignments`). So the same lines in the same order
mean the same with the name alone. Factors of 1.0, which make a condition a real number, go; a whole
number is written without a point.
"""

import ast
import re

#: Longer lines are broken between the terms of their sum.
WIDTH = 100
_NUMBERED = re.compile(r"\b([A-Za-z]\w*?)__\d+\b")
_TIGHT = re.compile(r" (\*\*|\*|/|//|%) ")


def readable(text):
    """Lines of assignments as people read them.

    Parameters
    ----------
    text : str
        A name, an equals sign and an expression on each line.

    Returns
    -------
    str
        What sets a name to itself is left out.
    """
    lines = []
    for line in text.splitlines():
        name, _, value = _NUMBERED.sub(r"\1", line).partition("=")
        tree, name = _simplified(value), name.strip()
        found = f"{name} = {_text(tree)}"
        if len(found) > WIDTH:
            pad = "\n" + " " * (len(name) + 1) + "+ "
            found = f"{name} = {pad.join(map(_text, _terms(tree)))}"
        if _text(tree) != name:
            lines.append(found)
    return "\n".join(lines)


def readable_expression(text):
    """An expression as people read it."""
    return _text(_simplified(text))


def _simplified(text):
    return _Simplify().visit(ast.parse(text.strip(), mode="eval").body)


def _text(tree):
    return _TIGHT.sub(r"\1", ast.unparse(tree))


def _terms(tree):
    """What a sum adds up, from left to right."""
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Add):
        return [*_terms(tree.left), tree.right]
    return [tree]


class _Simplify(ast.NodeTransformer):
    def visit_Constant(self, node):
        if isinstance(node.value, float) and node.value.is_integer() and abs(node.value) < 1e6:
            return ast.Constant(int(node.value))
        return node

    def visit_BinOp(self, node):
        node = self.generic_visit(node)
        if isinstance(node.op, ast.Mult):
            for one, other in ((node.left, node.right), (node.right, node.left)):
                if isinstance(one, ast.Constant) and one.value == 1:
                    return other
        return node
