"""Brian2's abstract code, in which a blueprint's assignments are written, as C++ for one element.

Numbers are of the type ``real``, that of the run, or integers: a comparison is one, and what is made of
integers without a division or a power. The functions are those of ``templates/block.h``.
"""

import ast
from pathlib import Path

import numpy as np

_OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}
_COMPARISONS = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_JOINED = {ast.And: " && ", ast.Or: " || "}
#: Files that programs are made with.
TEMPLATES = Path(__file__).parent / "templates"
#: What ``templates/functions.h`` has, under the same names.
OWN_FUNCTIONS = ("cos", "exp", "expm1", "log", "sin", "tanh")
#: Functions that C++ calls otherwise.
_FUNCTIONS = {
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "abs": "absolute",
    "int": "whole",
    "clip": "clipped",
    "where": "chosen",
    **{name: f"bgrl::{name}" for name in OWN_FUNCTIONS},
}
_CONSTANTS = {"pi": "real(3.14159265358979323846)", "inf": "real(INFINITY)"}


class Translator:
    """Writes expressions and assignments in C++.

    Parameters
    ----------
    variable : callable
        Of the name of a variable that is read: returns its C++ expression, and whether it is an integer.
    tables : dict of str to array (steps, columns)
        Functions of time that may be called.
    """

    def __init__(self, variable, tables):
        self._variable, self._tables = variable, tables
        self._read, self._assigned = {}, {}

    def assignments(self, text):
        """C++ statements of assignments.

        Parameters
        ----------
        text : str
            A line for each.

        Returns
        -------
        statements : list of str
            In which `x` is the local variable ``v_x``, declared here unless it was read before.
        assigned : list of str
            Every name once.
        """
        lines = [(line.targets[0].id, line.value) for line in ast.parse(text).body]
        integer = {}
        for name, value in lines:
            integer[name] = self._write(value)[1] and integer.get(name, True)
            self._assigned[name] = f"v_{name}", integer[name]
        self._assigned, statements = {}, []
        for name, value in lines:
            written = self._write(value)[0]
            known = name in self._assigned or name in self._read
            kind = "" if known else "int " if integer[name] else "real "
            statements.append(f"{kind}v_{name} = {written};")
            self._assigned[name] = self._read.get(name, (f"v_{name}", integer[name]))
        return statements, list(integer)

    def expression(self, text):
        """An expression in C++."""
        return self._write(ast.parse(text, mode="eval").body)[0]

    def _write(self, node):
        """C++ of a node, and whether it is an integer."""
        match node:
            case ast.Constant(value=int(value)):
                return repr(int(value)), True
            case ast.Constant(value=value):
                return f"real({value!r})", False
            case ast.Name(id=name):
                return self._named(name)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return f"!({self._write(operand)[0]})", True
            case ast.UnaryOp(op=op, operand=operand):
                value, integer = self._write(operand)
                return f"({'-' if isinstance(op, ast.USub) else '+'}{value})", integer
            case ast.BoolOp(op=op, values=values):
                return f"({_JOINED[type(op)].join(self._write(v)[0] for v in values)})", True
            case ast.Compare(left=left, ops=ops, comparators=others):
                values = [self._write(v)[0] for v in (left, *others)]
                pairs = zip(values, ops, values[1:], strict=False)
                parts = [f"({a} {_COMPARISONS[type(op)]} {b})" for a, op, b in pairs]
                return " && ".join(parts) if len(parts) == 1 else f"({' && '.join(parts)})", True
            case ast.BinOp(left=left, op=op, right=right):
                return self._operation(self._write(left), op, self._write(right))
            case ast.Call(func=ast.Name(id=name), args=arguments):
                if name in self._tables:
                    return self._row(name, arguments[1:]), False
                return self._called(name, [self._write(a) for a in arguments])
        raise TypeError(f"no C++ for {ast.unparse(node)!r}")

    def _named(self, name):
        if name in self._assigned:
            return self._assigned[name]
        if name in _CONSTANTS:
            return _CONSTANTS[name], False
        if name == "t_in_timesteps":
            return "step", True
        if name not in self._read:
            self._read[name] = self._variable(name)
        return self._read[name]

    @staticmethod
    def _operation(left, op, right):
        (a, a_integer), (b, b_integer) = left, right
        integer = a_integer and b_integer
        match op:
            case ast.Div():
                return f"({f'real({a})' if a_integer else a}/{b})", False
            case ast.Pow() if b_integer:
                return f"power({a}, {b})", False
            case ast.Pow():
                return f"pow(real({a}), {b})", False
            case ast.FloorDiv():
                return f"floor(real({a})/{b})", False
            case ast.Mod():
                return f"modulo(real({a}), {b})", False
        return f"({a} {_OPERATORS[type(op)]} {b})", integer

    def _row(self, name, column):
        """The value of a table in this step; the last row for ever after."""
        steps, columns = np.shape(self._tables[name])
        index = self._write(column[0])[0]
        return f"table_{name}[(step < {steps} ? step : {steps - 1})*{columns} + (int)({index})]"

    def _called(self, name, arguments):
        values = [value for value, _ in arguments]
        integer = all(kind for _, kind in arguments)
        if name == "int":
            return (values[0], True) if integer else (f"whole({values[0]})", True)
        if name in ("counter_uniform", "clip", "where"):
            return f"{_FUNCTIONS.get(name, name)}({', '.join(values)})", False
        return f"{_FUNCTIONS.get(name, name)}(real({values[0]}))", False
