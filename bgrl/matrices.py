"""The parts of a step that are matrix products, which Brian2's element-wise code cannot say.

An operation names the arrays of the network's state that it works on, and does its work in two ways:
``run(arrays)`` with NumPy, and ``cpp(pointer)`` as the body of a C++ function. `HEADER` is the C++ code
that they share. `bgrl.build` puts operations into the slots of the step beside Brian2's code.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

#: Included by every operation; ``real`` is the type of the run. A product goes through its columns in
#: tiles, whose rows are copied side by side so that they stay in the nearest cache, six rows of the
#: result at a time so that they stay in registers. The order of additions does not depend on the number
#: of replicates.
HEADER = """
#pragma once
#include <algorithm>
#include <cstring>
#if defined(__AVX512F__)
#define BGRL_VECTOR_BYTES 64
#elif defined(__AVX__)
#define BGRL_VECTOR_BYTES 32
#else
#define BGRL_VECTOR_BYTES 16
#endif
namespace bgrl {
typedef REAL real;
typedef real vector __attribute__((vector_size(BGRL_VECTOR_BYTES), aligned(sizeof(real)), may_alias));
const int LANES = BGRL_VECTOR_BYTES/sizeof(real), VECTORS = 2, STRIP = LANES*VECTORS, TILE = 3*STRIP;

// out (ROWS, TILE) += a (ROWS, inner) in (inner, TILE)
template <int ROWS>
static inline void multiply_rows(real* out, const real* a, const real* in, int inner) {
    for (int strip = 0; strip < TILE; strip += STRIP) {
        vector sum[ROWS][VECTORS];
        for (int i = 0; i < ROWS; i++)
            for (int v = 0; v < VECTORS; v++)
                sum[i][v] = *(vector*)(out + i*TILE + strip + v*LANES);
        for (int l = 0; l < inner; l++) {
            vector row[VECTORS];
            for (int v = 0; v < VECTORS; v++) row[v] = *(const vector*)(in + l*TILE + strip + v*LANES);
            for (int i = 0; i < ROWS; i++)
                for (int v = 0; v < VECTORS; v++) sum[i][v] += a[i*inner + l]*row[v];
        }
        for (int i = 0; i < ROWS; i++)
            for (int v = 0; v < VECTORS; v++)
                *(vector*)(out + i*TILE + strip + v*LANES) = sum[i][v];
    }
}
static __attribute__((noinline)) void multiply(
        real* out, const real* a, const real* in, int rows, int inner) {
    for (; rows >= 6; rows -= 6, out += 6*TILE, a += 6*inner) multiply_rows<6>(out, a, in, inner);
    if (rows & 4) { multiply_rows<4>(out, a, in, inner); out += 4*TILE; a += 4*inner; }
    if (rows & 2) { multiply_rows<2>(out, a, in, inner); out += 2*TILE; a += 2*inner; }
    if (rows & 1) multiply_rows<1>(out, a, in, inner);
}
// out (rows, TILE) += diagonal (rows) in (rows, TILE)
static __attribute__((noinline)) void multiply_diagonal(
        real* out, const real* diagonal, const real* in, int rows) {
    for (int i = 0; i < rows; i++)
        for (int c = 0; c < TILE; c++) out[i*TILE + c] += diagonal[i]*in[i*TILE + c];
}
// Columns first to first + width of a matrix with `columns`, to and from a tile.
static __attribute__((noinline)) void load(
        real* tile, const real* from, int rows, int columns, int first, int width) {
    for (int i = 0; i < rows; i++) {
        std::memcpy(tile + i*TILE, from + (size_t)i*columns + first, width*sizeof(real));
        std::fill(tile + i*TILE + width, tile + (i + 1)*TILE, real(0));
    }
}
static __attribute__((noinline)) void store(
        real* to, const real* tile, int rows, int columns, int first, int width) {
    for (int i = 0; i < rows; i++)
        std::memcpy(to + (size_t)i*columns + first, tile + i*TILE, width*sizeof(real));
}
// out (columns) += weights (rows) matrix (rows, columns)
static __attribute__((noinline)) void contract(
        real* __restrict__ out, const real* weights, const real* __restrict__ matrix, int rows,
        int columns) {
    for (int i = 0; i < rows; i++)
        for (int c = 0; c < columns; c++) out[c] += weights[i]*matrix[(size_t)i*columns + c];
}
}
"""


@dataclass(frozen=True, eq=False)
class Operation(ABC):
    """What one C++ function does.

    Attributes
    ----------
    name : str
        Of the function.
    replicates : int
    """

    name: str
    replicates: int

    @abstractmethod
    def run(self, arrays):
        """Do it with NumPy; `arrays` gives the array of a name, replicates first."""

    @abstractmethod
    def cpp(self, pointer):
        """Body of the C++ function; `pointer` gives the expression of the array of a name."""


@dataclass(frozen=True)
class Coupling:
    """What the states of one population do to another's in one step, dF_t/dI w.

    Attributes
    ----------
    target, source : (str, str)
        (population, variable).
    gain, weights, mask : str
        Arrays (target neurons), and (target neurons, afferents) twice.
    columns : int
        Number of afferents.
    offset : int
        Which of them is the first neuron of the source.
    """

    target: tuple
    source: tuple
    gain: str
    weights: str
    mask: str
    columns: int
    offset: int


@dataclass(frozen=True)
class Columns:
    """Sensitivities of all states to the parameters of one block.

    Attributes
    ----------
    shape : tuple of int
        Of the parameters; the first axis is the neurons that own them.
    arrays : dict of (str, str) to str
        State to array (neurons of the state, *shape).
    direct : tuple of ((str, str), str, str or None, str or None)
        What a parameter does to a state of its owner at once: state, gain or slope, and for weights
        the arrays of mask and afferents.
    """

    shape: tuple
    arrays: dict
    direct: tuple


@dataclass(frozen=True, eq=False)
class Propagation(Operation):
    """S <- dF/ds S + direct effect, for states that are coupled by synapses.

    Attributes
    ----------
    rows : dict of (str, str) to int
        State to number of neurons.
    couplings : tuple of Coupling
    diagonals : tuple of ((str, str), (str, str), str)
        Target, source and Jacobian of what a neuron does to itself without a synapse.
    columns : tuple of Columns
    """

    rows: dict
    couplings: tuple
    diagonals: tuple
    columns: tuple

    def run(self, arrays):
        """See `Operation`."""
        matrices = []
        for c in self.couplings:
            part = slice(c.offset, c.offset + self.rows[c.source])
            weights = arrays(c.weights)[..., part] * arrays(c.mask)[..., part]
            matrices.append(arrays(c.gain)[..., None] * weights)
        for block in self.columns:
            views = {
                state: arrays(name).reshape(self.replicates, self.rows[state], -1)
                for state, name in block.arrays.items()
            }
            new = {state: np.zeros_like(view) for state, view in views.items()}
            for target, source, jacobian in self.diagonals:
                new[target] += arrays(jacobian)[..., None] * views[source]
            for c, matrix in zip(self.couplings, matrices, strict=True):
                new[c.target] += matrix @ views[c.source]
            own = np.arange(block.shape[0])
            for state, gain, mask, x in block.direct:
                effect = arrays(gain)
                if mask:
                    effect = effect[..., None] * arrays(mask) * arrays(x)[:, None, :]
                shaped = new[state].reshape(self.replicates, len(own), *block.shape)
                shaped[:, own, own] += effect
            for state, view in views.items():
                view[...] = new[state]

    def cpp(self, pointer):
        """See `Operation`."""
        start = dict(zip(self.rows, np.cumsum([0, *self.rows.values()]).tolist(), strict=False))
        total = sum(self.rows.values())
        lines = [f"static real in[{total}*TILE], out[{total}*TILE];"]
        for k, c in enumerate(self.couplings):
            lines.append(f"static real matrix_{k}[{self.rows[c.target] * self.rows[c.source]}];")
        lines.append(f"for (size_t r = 0; r < {self.replicates}; r++) {{")
        for k, c in enumerate(self.couplings):
            n, m = self.rows[c.target], self.rows[c.source]
            lines.append(
                f"for (size_t i = 0; i < {n}; i++) for (size_t l = 0; l < {m}; l++) {{ "
                f"const size_t s = (r*{n} + i)*{c.columns} + {c.offset} + l; "
                f"matrix_{k}[i*{m} + l] = {pointer(c.gain)}[r*{n} + i]*"
                f"({pointer(c.weights)}[s]*{pointer(c.mask)}[s]); }}"
            )
        # A diagonal is added to a full matrix between the same states, if there is one.
        full = {(c.target, c.source): k for k, c in reversed([*enumerate(self.couplings)])}
        alone = []
        for target, source, jacobian in self.diagonals:
            n = self.rows[target]
            if (target, source) in full:
                lines.append(
                    f"for (size_t i = 0; i < {n}; i++) matrix_{full[target, source]}[i*{n} + i] += "
                    f"{pointer(jacobian)}[r*{n} + i];"
                )
            else:
                alone.append((target, source, jacobian))
        for block in self.columns:
            lines += self._cpp_columns(block, start, total, alone, pointer)
        return "\n".join([*lines, "}"])

    def _cpp_columns(self, block, start, total, diagonals, pointer):
        size = int(np.prod(block.shape))

        def base(state):
            return f"{pointer(block.arrays[state])} + r*{self.rows[state] * size}"

        lines = [f"for (int first = 0; first < {size}; first += TILE) {{"]
        lines.append(f"const int width = std::min(TILE, {size} - first);")
        for state, n in self.rows.items():
            lines.append(
                f"load(in + {start[state]}*TILE, {base(state)}, {n}, {size}, first, width);"
            )
        lines.append(f"std::fill(out, out + {total}*TILE, real(0));")
        for target, source, jacobian in diagonals:
            n = self.rows[target]
            lines.append(
                f"multiply_diagonal(out + {start[target]}*TILE, {pointer(jacobian)} + r*{n}, "
                f"in + {start[source]}*TILE, {n});"
            )
        for k, c in enumerate(self.couplings):
            lines.append(
                f"multiply(out + {start[c.target]}*TILE, matrix_{k}, in + {start[c.source]}*TILE, "
                f"{self.rows[c.target]}, {self.rows[c.source]});"
            )
        for state, n in self.rows.items():
            lines.append(
                f"store({base(state)}, out + {start[state]}*TILE, {n}, {size}, first, width);"
            )
        lines.append("}")
        n, width = block.shape[0], size // block.shape[0]
        for state, gain, mask, x in block.direct:
            effect = f"{pointer(gain)}[r*{n} + i]"
            if mask:
                s = f"(r*{n} + i)*{width} + k"
                effect += f"*{pointer(mask)}[{s}]*{pointer(x)}[r*{width} + k]"
            lines.append(
                f"for (size_t i = 0; i < {n}; i++) for (size_t k = 0; k < {width}; k++) "
                f"({base(state)})[(i*{n} + i)*{width} + k] += {effect};"
            )
        return lines


@dataclass(frozen=True, eq=False)
class Contraction(Operation):
    """Gradient = sum over states of learning signal times sensitivity.

    Attributes
    ----------
    size : int
        Number of parameters.
    terms : tuple of (str, str, int)
        Array of the learning signal, of the sensitivity, and number of neurons.
    gradient : str
        The array that is set.
    """

    size: int
    terms: tuple
    gradient: str

    def run(self, arrays):
        """See `Operation`."""
        total = 0.0
        for signal, sensitivity, n in self.terms:
            matrix = arrays(sensitivity).reshape(self.replicates, n, self.size)
            total = total + np.einsum("ri,ric->rc", arrays(signal), matrix)
        gradient = arrays(self.gradient)
        gradient[...] = np.reshape(total, gradient.shape)

    def cpp(self, pointer):
        """See `Operation`."""
        gradient = pointer(self.gradient)
        lines = [f"for (size_t r = 0; r < {self.replicates}; r++) {{"]
        lines.append(f"real* out = {gradient} + r*{self.size};")
        lines.append(f"std::fill(out, out + {self.size}, real(0));")
        for signal, sensitivity, n in self.terms:
            lines.append(
                f"contract(out, {pointer(signal)} + r*{n}, "
                f"{pointer(sensitivity)} + r*{n * self.size}, {n}, {self.size});"
            )
        return "\n".join([*lines, "}"])


@dataclass(frozen=True, eq=False)
class Clearing(Operation):
    """Where a trial is done, arrays start anew at zero.

    Attributes
    ----------
    arrays : dict of str to int
        Arrays and their sizes in one replicate.
    done : str
        Whether a replicate is done.
    """

    arrays: dict
    done: str

    def run(self, arrays):
        """See `Operation`."""
        done = arrays(self.done) > 0
        for name in self.arrays if done.any() else ():
            arrays(name)[done] = 0

    def cpp(self, pointer):
        """See `Operation`."""
        lines = [f"for (size_t r = 0; r < {self.replicates}; r++)"]
        lines.append(f"if ({pointer(self.done)}[r] > 0) {{")
        for name, size in self.arrays.items():
            start = f"{pointer(name)} + r*{size}"
            lines.append(f"std::fill({start}, {start} + {size}, real(0));")
        return "\n".join([*lines, "}"])


@dataclass(frozen=True, eq=False)
class SelfWeights(Operation):
    """Picks the weight of every neuron onto itself out of a square part of a weight matrix.

    Attributes
    ----------
    size : int
        Number of neurons.
    weights, mask : str
    columns, offset : int
        Afferents, and which of them is the first neuron of the population itself.
    result : str
    """

    size: int
    weights: str
    mask: str
    columns: int
    offset: int
    result: str

    def run(self, arrays):
        """See `Operation`."""
        own = np.arange(self.size)
        weights, mask = arrays(self.weights), arrays(self.mask)
        column = self.offset + own
        arrays(self.result)[...] = weights[:, own, column] * mask[:, own, column]

    def cpp(self, pointer):
        """See `Operation`."""
        return (
            f"for (size_t i = 0; i < {self.replicates * self.size}; i++) {{\n"
            f"const size_t s = i*{self.columns} + {self.offset} + i % {self.size};\n"
            f"{pointer(self.result)}[i] = {pointer(self.weights)}[s]*{pointer(self.mask)}[s];\n}}"
        )


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
