"""The parts of a step that are matrix products, which Brian2's element-wise code cannot say.

An operation names the arrays of the network's state that it works on, and does its work in two ways:
``run(arrays)`` with NumPy, and ``cpp(pointer)`` as the body of a C++ function. `HEADER` is the C++ code
that they share. `bgrl.build` puts operations into the slots of the step beside Brian2's code.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import prod

import numpy as np

#: Included by every operation; ``real`` is the type of the run. A product goes through its columns in
#: tiles, which are copied because the result takes their place, and so that their rows lie side by side
#: in the nearest cache; six rows of the result at a time stay in registers. The order of additions does
#: not depend on the number of replicates.
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

// out (ROWS, STRIP) = a (ROWS, inner) in (inner, STRIP), added to what is there if `add`
template <int ROWS>
static inline void multiply_strip(
        real* out, size_t stride, const real* a, const real* in, int inner, bool add) {
    vector sum[ROWS][VECTORS] = {};
    if (add)
        for (int i = 0; i < ROWS; i++)
            for (int v = 0; v < VECTORS; v++) sum[i][v] = *(vector*)(out + i*stride + v*LANES);
    for (int l = 0; l < inner; l++) {
        vector row[VECTORS];
        for (int v = 0; v < VECTORS; v++) row[v] = *(const vector*)(in + l*TILE + v*LANES);
        for (int i = 0; i < ROWS; i++)
            for (int v = 0; v < VECTORS; v++) sum[i][v] += a[i*inner + l]*row[v];
    }
    for (int i = 0; i < ROWS; i++)
        for (int v = 0; v < VECTORS; v++) *(vector*)(out + i*stride + v*LANES) = sum[i][v];
}
template <int ROWS>
static inline void multiply_rows(
        real* out, size_t stride, int width, const real* a, const real* in, int inner, bool add) {
    int c = 0;
    for (; c + STRIP <= width; c += STRIP)
        multiply_strip<ROWS>(out + c, stride, a, in + c, inner, add);
    if (c == width) return;
    real rest[ROWS*STRIP] = {};
    for (int i = 0; i < ROWS; i++) std::copy_n(out + i*stride + c, width - c, rest + i*STRIP);
    multiply_strip<ROWS>(rest, STRIP, a, in + c, inner, add);
    for (int i = 0; i < ROWS; i++) std::copy_n(rest + i*STRIP, width - c, out + i*stride + c);
}
// out (rows, width), whose rows are `stride` apart, = a (rows, inner) in (inner, TILE)
static __attribute__((noinline)) void multiply(
        real* out, size_t stride, int width, const real* a, const real* in, int rows, int inner,
        bool add) {
    for (; rows >= 6; rows -= 6, out += 6*stride, a += 6*inner)
        multiply_rows<6>(out, stride, width, a, in, inner, add);
    for (; rows >= 2; rows -= 2, out += 2*stride, a += 2*inner)
        multiply_rows<2>(out, stride, width, a, in, inner, add);
    if (rows) multiply_rows<1>(out, stride, width, a, in, inner, add);
}
// out (rows, width) = diagonal (rows) in (rows, TILE)
static __attribute__((noinline)) void multiply_diagonal(
        real* out, size_t stride, int width, const real* diagonal, const real* in, int rows,
        bool add) {
    for (int i = 0; i < rows; i++)
        for (int c = 0; c < width; c++) {
            real& to = out[i*stride + c];
            to = (add ? to : 0) + diagonal[i]*in[i*TILE + c];
        }
}
// Columns of a matrix to a tile, filled up with zeros.
static __attribute__((noinline)) void load(
        real* tile, const real* from, int rows, size_t stride, int width) {
    for (int i = 0; i < rows; i++, tile += TILE, from += stride) {
        if (width == TILE) {
            for (int c = 0; c < TILE; c++) tile[c] = from[c];
        } else {
            std::fill(std::copy_n(from, width, tile), tile + TILE, real(0));
        }
    }
}
// out[k] (columns) = weights[k] (rows) matrix (rows, columns), for K vectors of weights
template <int K>
static __attribute__((noinline)) void contract(
        real* const* out, const real* const* weights, const real* matrix, int rows, int columns,
        bool add) {
    int c = 0;
    for (; c + STRIP <= columns; c += STRIP) {
        vector sum[K][VECTORS] = {};
        if (add)
            for (int k = 0; k < K; k++)
                for (int v = 0; v < VECTORS; v++) sum[k][v] = *(vector*)(out[k] + c + v*LANES);
        for (int i = 0; i < rows; i++)
            for (int v = 0; v < VECTORS; v++) {
                const vector row = *(const vector*)(matrix + (size_t)i*columns + c + v*LANES);
                for (int k = 0; k < K; k++) sum[k][v] += weights[k][i]*row;
            }
        for (int k = 0; k < K; k++)
            for (int v = 0; v < VECTORS; v++) *(vector*)(out[k] + c + v*LANES) = sum[k][v];
    }
    for (; c < columns; c++)
        for (int k = 0; k < K; k++) {
            real sum = add ? out[k][c] : 0;
            for (int i = 0; i < rows; i++) sum += weights[k][i]*matrix[(size_t)i*columns + c];
            out[k][c] = sum;
        }
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

    def work(self):
        """Numbers moved and arithmetic operations; none where that hardly takes time.

        Returns
        -------
        (int, int)
        """
        return 0, 0


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

    def work(self):
        """See `Operation`."""
        size = sum(prod(block.shape) for block in self.columns)
        moved = 2 * size * sum(self.rows.values())
        products = sum(self.rows[c.target] * self.rows[c.source] for c in self.couplings)
        products += sum(self.rows[target] for target, *_ in self.diagonals)
        return self.replicates * moved, self.replicates * 2 * products * size

    def cpp(self, pointer):
        """See `Operation`."""
        start = dict(zip(self.rows, np.cumsum([0, *self.rows.values()]).tolist(), strict=False))
        lines = [f"static real in[{sum(self.rows.values())}*TILE];"]
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
        products = {state: [] for state in self.rows}
        for target, source, jacobian in self.diagonals:
            n = self.rows[target]
            if (target, source) in full:
                lines.append(
                    f"for (size_t i = 0; i < {n}; i++) matrix_{full[target, source]}[i*{n} + i] += "
                    f"{pointer(jacobian)}[r*{n} + i];"
                )
            else:
                factor = f"{pointer(jacobian)} + r*{n}, in + {start[source]}*TILE, {n}"
                products[target].append(("multiply_diagonal", factor))
        for k, c in enumerate(self.couplings):
            factor = f"matrix_{k}, in + {start[c.source]}*TILE, {self.rows[c.target]}"
            products[c.target].append(("multiply", f"{factor}, {self.rows[c.source]}"))
        for block in self.columns:
            lines += self._cpp_columns(block, start, products, pointer)
        return "\n".join([*lines, "}"])

    def _cpp_columns(self, block, start, products, pointer):
        size = int(np.prod(block.shape))

        def base(state):
            return f"{pointer(block.arrays[state])} + r*{self.rows[state] * size}"

        lines = [f"for (int first = 0; first < {size}; first += TILE) {{"]
        lines.append(f"const int width = std::min(TILE, {size} - first);")
        for state, n in self.rows.items():
            lines.append(
                f"load(in + {start[state]}*TILE, {base(state)} + first, {n}, {size}, width);"
            )
        for state, n in self.rows.items():
            to = f"{base(state)} + first"
            for k, (function, factors) in enumerate(products[state]):
                lines.append(f"{function}({to}, {size}, width, {factors}, {int(k > 0)});")
            if not products[state]:
                lines.append(
                    f"for (int i = 0; i < {n}; i++) std::fill_n({to} + i*{size}, width, real(0));"
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
        count = len(self.gradients)
        out = ", ".join(f"{pointer(name)} + r*{self.size}" for name in self.gradients)
        lines = [f"for (size_t r = 0; r < {self.replicates}; r++) {{"]
        lines.append(f"real* const out[] = {{{out}}};")
        for k, (signals, sensitivity, n) in enumerate(self.terms):
            weights = ", ".join(f"{pointer(name)} + r*{n}" for name in signals)
            matrix = f"{pointer(sensitivity)} + r*{n * self.size}"
            lines.append(f"const real* const weights_{k}[] = {{{weights}}};")
            lines.append(
                f"contract<{count}>(out, weights_{k}, {matrix}, {n}, {self.size}, {int(k > 0)});"
            )
        if not self.terms:
            lines.append(f"for (real* to : out) std::fill_n(to, {self.size}, real(0));")
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
