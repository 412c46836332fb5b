"""Brian2's NumPy code with the meaning that the same lines have in C++.

To Brian2's own NumPy code a line is an assignment of Python: ``a = b`` makes `a` another name of the
array `b`, which later changes of either in place reach, and the type of `a` is that of whatever it was
given. Here, as in the compiled targets, it puts the values of `b` into `a`, as numbers of its type.
"""

import functools
import re

import numpy as np
from brian2.codegen.generators.numpy_generator import NumpyCodeGenerator
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from brian2.codegen.runtime.numpy_rt.numpy_rt import LazyArange
from brian2.codegen.targets import codegen_targets
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.parsing.bast import brian_ast, brian_dtype_from_dtype


class ArrayGenerator(NumpyCodeGenerator):
    """NumPy code in which every assignment makes an array of its own."""

    def translate_statement(self, statement):
        """See `brian2.codegen.generators.numpy_generator.NumpyCodeGenerator`."""
        code = super().translate_statement(statement)
        name, operator, value = code.split(" ", 2)
        if operator != "=" or name.startswith("_"):  # Brian2's own, set once and only read
            return code
        if statement.scalar:
            return f"{name} = _numpy.array({value})" if value.isidentifier() else code
        if self._is_new(statement):
            return code
        dtype = np.dtype(statement.dtype).name
        return f"{name} = _numpy.full(N, {value}, '{dtype}')"

    def _is_new(self, statement):
        """Whether what is computed is surely an array of its own, of the variable's type."""
        try:
            node = brian_ast(statement.expr, self.variables)
        except TypeError:  # of a condition that Brian2 took out of the loop nothing is known here
            return False
        named = type(node).__name__ in ("Name", "Constant")
        of_its_type = node.dtype == brian_dtype_from_dtype(statement.dtype)
        return of_its_type and not named and not node.scalar


class ArrayCodeObject(NumpyCodeObject):
    """A code object of `ArrayGenerator`."""

    class_name = "bgrl_numpy"
    generator_class = ArrayGenerator

    def compile_block(self, block):
        """See `brian2.codegen.codeobject.CodeObject`; what the code imports is there already."""
        code = _IMPORT.sub("", getattr(self.code, block).strip())
        if not code or "EMPTY_CODE_BLOCK" in code:
            return None
        self.namespace |= {"_numpy": np, "LazyArange": _range}
        return compile(code, "(string)", "exec")


#: Of the templates, executed at every call otherwise.
_IMPORT = re.compile(r"^(import numpy as _numpy|from brian2\S* import LazyArange)", re.MULTILINE)
#: Never changed by the code, so that one does for all calls.
_range = functools.lru_cache(LazyArange)


def _clip(value, low, high):
    return np.where(value < low, low, np.minimum(value, high))


codegen_targets.add(ArrayCodeObject)
# Brian2's own: integers of 32 bits from the first two, the highest value where bounds are reversed.
_FUNCTIONS = {"floor": np.floor, "ceil": np.ceil, "clip": _clip}
_FUNCTIONS |= {"expm1": np.expm1, "log1p": np.log1p}  # Brian2 gives these to its own class only
for _name, _function in _FUNCTIONS.items():
    DEFAULT_FUNCTIONS[_name].implementations.add_implementation(ArrayCodeObject, _function)
