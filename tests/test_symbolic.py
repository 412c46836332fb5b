"""Expressions become those of sympy and text again, as Brian2 reads and prints them."""

import pytest
from brian2.parsing.sympytools import str_to_sympy, sympy_to_str

from bgrl.learning.symbolic import symbol, to_sympy, to_text

EXPRESSIONS = (
    "(-rate + tanh(drive + bias))/tau",
    "x**2 - y**3/4 + 2.5e-3",
    "int(x > 0)*x - int(not (x <= y and y != 2) or x >= 3)",
    "clip(x, -inf, inf) + pi - abs(y)",
    "arcsin(x) + arccos(y) - arctan(x)*sign(y)",
    "floor(x/y) + ceil(x) + x // y + x % y",
    "expm1(x) + log1p(y) + log10(x) - log(y) + sqrt(x) + exp(-x)",
    "own(x, y)/(1 + exp(-x))",
    "-x - -y + (+x)",
)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_as_brian2(text):
    assert to_text(to_sympy(text)) == sympy_to_str(str_to_sympy(text))


def test_names_are_real_numbers():
    assert to_sympy("x*y") == symbol("x") * symbol("y")
    assert to_sympy("sqrt(x)").free_symbols == {symbol("x")}


@pytest.mark.parametrize("text", ["x.y", "x[0]", "lambda: 0", "(x, y)"])
def test_what_is_no_expression_is_an_error(text):
    with pytest.raises(TypeError, match="no expression of equations"):
        to_sympy(text)
