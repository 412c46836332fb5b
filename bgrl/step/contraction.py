"""Learning signals times sensitivities, and what compares the gradients that come of it."""

from dataclasses import dataclass

import numpy as np

from bgrl.step.loops import Loop, Loops, Totals
from bgrl.step.operation import Operation


@dataclass(frozen=True, eq=False)
class Contraction(Operation):
    """Gradients = sum over states of learning signals times sensitivity.

    Attributes
    ----------
    size : int
        Number of parameters.
    terms : tuple of (tuple of str, str, int)
        Array of each learning signal, of the sensitivity, and number of neurons.
    gradients : tuple of str
        The arrays that are set, one for each learning signal.
    """

    size: int
    terms: tuple
    gradients: tuple

    def __str__(self):
        lines = []
        for k, name in enumerate(self.gradients):
            terms = [f"{signals[k]} {sensitivity}" for signals, sensitivity, _ in self.terms]
            lines.append(f"{name} = {' + '.join(terms) or '0'}")
        return "\n".join(lines)

    def arrays(self):
        """See `Operation`."""
        found = [name for signals, sensitivity, _ in self.terms for name in (*signals, sensitivity)]
        return [*found, *self.gradients]

    def run(self, arrays):
        """See `Operation`."""
        for k, name in enumerate(self.gradients):
            total = 0.0
            for signals, sensitivity, n in self.terms:
                matrix = arrays(sensitivity).reshape(self.replicates, n, self.size)
                total = total + np.einsum("ri,ric->rc", arrays(signals[k]), matrix)
            gradient = arrays(name)
            gradient[...] = np.reshape(total, gradient.shape)

    def work(self):
        """See `Operation`."""
        size = self.replicates * self.size * sum(n for *_, n in self.terms)
        return size, 2 * size * len(self.gradients)

    def cpp(self, pointer):
        """See `Operation`."""
        lines = self.columns(pointer, "0", str(self.size))
        return "\n".join([f"for (size_t r = 0; r < {self.replicates}; r++) {{", *lines, "}"])

    def columns(self, pointer, first, width):
        """C++ for some columns of the sensitivities of replicate ``r``."""
        count = len(self.gradients)
        out = ", ".join(f"{pointer(name)} + r*{self.size} + {first}" for name in self.gradients)
        lines = [f"real* const out[] = {{{out}}};"]
        for k, (signals, sensitivity, n) in enumerate(self.terms):
            weights = ", ".join(f"{pointer(name)} + r*{n}" for name in signals)
            matrix = f"{pointer(sensitivity)} + r*{n * self.size} + {first}"
            lines.append(f"const real* const weights_{k}[] = {{{weights}}};")
            values = f"{matrix}, {n}, {self.size}, {width}, {int(k > 0)}"
            lines.append(f"contract<{count}>(out, weights_{k}, {values});")
        if not self.terms:
            lines.append(f"for (real* to : out) std::fill_n(to, {width}, real(0));")
        return ["{", *lines, "}"]

    def loops(self, array):
        """See `Operation`."""
        count = range(len(self.gradients))
        lines = [f"real sum_{j} = 0;" for j in count]
        for signals, sensitivity, n in self.terms:
            lines.append(f"for (int i = 0; i < {n}; i++) {{")
            lines.append(f"const real effect = {array(sensitivity)}[i*{self.size} + k];")
            lines += [f"sum_{j} += {array(name)}[i]*effect;" for j, name in enumerate(signals)]
            lines.append("}")
        lines += [f"{array(name)}[k] = sum_{j};" for j, name in enumerate(self.gradients)]
        return Loops((Loop(self.size, "\n".join(lines)),))


@dataclass(frozen=True, eq=False)
class Comparison(Operation):
    """Scalar products by which a gradient is compared with the exact one.

    Attributes
    ----------
    parts : tuple of (str, str, int, int, int)
        Array of a gradient and of the exact one, number of columns in each row of them, and the
        first and last (not included) column that belong to this part.
    rows : tuple of int
        Rows of each part.
    """

    parts: tuple
    rows: tuple

    def __str__(self):
        pairs = dict.fromkeys((gradient, exact) for gradient, exact, *_ in self.parts)
        return "\n".join(f"oracle: products of {g} and {e}" for g, e in pairs)

    def arrays(self):
        """See `Operation`."""
        found = [name for gradient, exact, *_ in self.parts for name in (gradient, exact)]
        return [*found, *(f"oracle.{name}" for name in ("product", "square", "exact_square"))]

    def run(self, arrays):
        """See `Operation`."""
        for k, (gradient, exact, columns, first, last) in enumerate(self.parts):
            shape = (self.replicates, self.rows[k], columns)
            g, e = (arrays(a).reshape(shape)[..., first:last] for a in (gradient, exact))
            for name, a, b in (("product", g, e), ("square", g, g), ("exact_square", e, e)):
                arrays(f"oracle.{name}")[:, k] = (a * b).sum((1, 2))

    def cpp(self, pointer):
        """See `Operation`."""
        lines = [f"for (size_t r = 0; r < {self.replicates}; r++) {{"]
        for k, (gradient, exact, columns, first, last) in enumerate(self.parts):
            n, to = self.rows[k], f"[r*{len(self.parts)} + {k}]"
            lines.append(
                "{ double product = 0, square = 0, exact_square = 0;\n"
                f"for (size_t i = 0; i < {n}; i++) for (size_t c = {first}; c < {last}; c++) {{\n"
                f"const size_t s = (r*{n} + i)*{columns} + c;\n"
                f"const double g = {pointer(gradient)}[s], e = {pointer(exact)}[s];\n"
                "product += g*e; square += g*g; exact_square += e*e; }"
            )
            for name in ("product", "square", "exact_square"):
                lines.append(f"{pointer(f'oracle.{name}')}{to} = {name};")
            lines.append("}")
        return "\n".join([*lines, "}"])

    def loops(self, array):
        """See `Operation`."""
        items = []
        for k, (gradient, exact, columns, first, last) in enumerate(self.parts):
            width = last - first
            index = f"source/{width}*{columns} + {first} + source%{width}"
            text = f"const double g = {array(gradient)}[{index}], e = {array(exact)}[{index}];"
            sums = {"product": "g*e", "square": "g*g", "exact_square": "e*e"}
            values = {f"{array(f'oracle.{name}')}[{k}]": e for name, e in sums.items()}
            items.append(Totals(1, self.rows[k] * width, values, text))
        return Loops(tuple(items))
