"""Expressions of the language of equations as those of sympy, and back.

Names are real numbers. `int` becomes the function `int_`, and functions that sympy does not know stay
functions without a meaning; `bgrl.learning.derivatives` gives them one.
"""

import ast

import sympy
from sympy.codegen.cfunctions import expm1, log1p, log10
from sympy.printing.precedence import precedence
from sympy.printing.str import StrPrinter

_FUNCTIONS = {
    **{name: getattr(sympy, name) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{f"arc{name}": getattr(sympy, f"a{name}") for name in ("sin", "cos", "tan")},
    **{"exp": sympy.exp, "expm1": expm1, "log": sympy.log, "log1p": log1p, "log10": log10},
    **{"abs": sympy.Abs, "sign": sympy.sign, "floor": sympy.floor, "ceil": sympy.ceiling},
    "int": sympy.Function("int_"),
}
_CONSTANTS = {"pi": sympy.pi, "inf": sympy.oo}
_OPERATORS = {
    ast.Add: sympy.Add,
    ast.Sub: lambda a, b: sympy.Add(a, -b),
    ast.Mult: sympy.Mul,
    ast.Div: lambda a, b: sympy.Mul(a, 1 / b),
    ast.FloorDiv: lambda a, b: sympy.floor(sympy.Mul(a, 1 / b)),
    ast.Mod: sympy.Mod,
    ast.Pow: sympy.Pow,
    ast.Lt: sympy.StrictLessThan,
    ast.LtE: sympy.LessThan,
    ast.Gt: sympy.StrictGreaterThan,
    ast.GtE: sympy.GreaterThan,
    ast.Eq: sympy.Eq,
    ast.NotEq: sympy.Ne,
    ast.And: sympy.And,
    ast.Or: sympy.Or,
    ast.Not: sympy.Not,
    ast.USub: lambda a: -a,
    ast.UAdd: lambda a: a,
}


#: What sympy calls otherwise than equations do.
_RENAMED = {f: sympy.Function(k) for k, f in _FUNCTIONS.items() if k not in (f.__name__, "int")}
_RENAMED |= {sympy.oo: sympy.Symbol("inf"), -sympy.oo: sympy.Symbol("-inf")}


def symbol(name):
    """A name as a real number."""
    return sympy.Symbol(name, real=True)


def to_sympy(text):
    """An expression of equations, which `bgrl.language` has checked, as one of sympy."""
    return _read(ast.parse(text.strip(), mode="eval").body)


def to_text(expression):
    """An expression of sympy as one of equations."""
    # With the names as they are printed, which decide on the order of a sum.
    for theirs, ours in _RENAMED.items():
        if expression.has(theirs):
            expression = expression.subs(theirs, ours)
    return _PRINTER.doprint(expression)


def _read(node):
    match node:
        case ast.Constant():
            number = sympy.Integer if isinstance(node.value, int) else sympy.Float
            return number(node.value)
        case ast.Name():
            return _CONSTANTS.get(node.id, symbol(node.id))
        case ast.Call():
            function = _FUNCTIONS.get(node.func.id) or sympy.Function(node.func.id)
            return function(*map(_read, node.args))
        case ast.UnaryOp():
            return _OPERATORS[type(node.op)](_read(node.operand))
        case ast.BinOp():
            return _OPERATORS[type(node.op)](_read(node.left), _read(node.right))
        case ast.BoolOp():
            return _OPERATORS[type(node.op)](*map(_read, node.values))
        case ast.Compare():
            return _OPERATORS[type(node.ops[0])](_read(node.left), _read(node.comparators[0]))
    raise TypeError(f"no expression of equations: {ast.dump(node)}")


class _Printer(StrPrinter):
    """Prints conditions and functions as equations write them."""

    def _joined(self, expression, word):
        return f" {word} ".join(f"({self.doprint(part)})" for part in expression.args)

    def _print_And(self, expression):  # noqa: N802 (sympy's names)
        return self._joined(expression, "and")

    def _print_Or(self, expression):  # noqa: N802
        return self._joined(expression, "or")

    def _print_Not(self, expression):  # noqa: N802
        return f"not ({self.doprint(expression.args[0])})"

    def _print_Relational(self, expression):  # noqa: N802
        sides = [self.parenthesize(e, precedence(expression)) for e in expression.args]
        return f" {expression.rel_op} ".join(sides)

    def _print_Function(self, expression):  # noqa: N802
        name = expression.func.__name__.removesuffix("_")  # of int
        return f"{name}({self.stringify(expression.args, ', ')})"

    def _print_Mod(self, expression):  # noqa: N802
        return "(({})%({}))".format(*map(self.doprint, expression.args))


_PRINTER = _Printer()
