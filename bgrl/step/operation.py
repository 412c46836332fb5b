"""Operations: the parts of a step that loop over more than the elements of a group.

An operation names the arrays of the state that it works on, and does its work in three ways:
``run(arrays)`` with NumPy, ``cpp(pointer)`` as the body of a C++ function, and ``loops(array)`` as loops
that the threads of a GPU share. `HEADER` is the C++ code that the functions share. ``str`` says what it
does in a line or two.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from bgrl.step.loops import Loop, Loops

#: Included by every operation; ``real`` is the type of the run. A product goes through its columns in
#: tiles, which are copied because the result takes their place, and so that their rows lie side by side
#: in the nearest cache; where that may be, the first rows of the result are worked out meanwhile. Some
#: rows of the result at a time stay in registers. The order of additions does not depend on the number
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
// Rows of a result whose sums fit in registers, of which AVX-512 has twice as many.
const int ROWS = BGRL_VECTOR_BYTES == 64 ? 8 : 6;
// Here products are joined with sums, everywhere alike, where the processor can.
#define BGRL_JOINED __attribute__((optimize("fp-contract=fast")))

// out (N, STRIP) = a (N, inner) in (inner, STRIP), added to what is there if `add`. With COPY, `from` is
// read instead of `in`, whose rows are `stride` apart too, and is copied to `in`.
template <int N, bool COPY>
static inline BGRL_JOINED void multiply_strip(
        real* out, size_t stride, const real* a, real* in, int inner, bool add, const real* from) {
    vector sum[N][VECTORS] = {};
    if (add)
        for (int i = 0; i < N; i++)
            for (int v = 0; v < VECTORS; v++) sum[i][v] = *(vector*)(out + i*stride + v*LANES);
    for (int l = 0; l < inner; l++) {
        vector row[VECTORS];
        for (int v = 0; v < VECTORS; v++) {
            row[v] = *(const vector*)((COPY ? from + l*stride : in + l*TILE) + v*LANES);
            if (COPY) *(vector*)(in + l*TILE + v*LANES) = row[v];
        }
        for (int i = 0; i < N; i++)
            for (int v = 0; v < VECTORS; v++) sum[i][v] += a[i*inner + l]*row[v];
    }
    for (int i = 0; i < N; i++)
        for (int v = 0; v < VECTORS; v++) *(vector*)(out + i*stride + v*LANES) = sum[i][v];
}
// Columns of a matrix to a tile, from one on, filled up with zeros to whole strips.
static __attribute__((noinline)) void load(
        real* tile, const real* from, int rows, size_t stride, int first, int width) {
    const int end = (width + STRIP - 1)/STRIP*STRIP;
    for (int i = 0; i < rows; i++, tile += TILE, from += stride) {
        for (int c = first; c < width; c++) tile[c] = from[c];
        for (int c = width; c < end; c++) tile[c] = 0;
    }
}
template <int N>
static inline BGRL_JOINED void multiply_rows(
        real* out, size_t stride, int width, const real* a, real* in, int inner, bool add,
        const real* from) {
    int c = 0;
    for (; c + STRIP <= width; c += STRIP)
        if (from) multiply_strip<N, true>(out + c, stride, a, in + c, inner, add, from + c);
        else multiply_strip<N, false>(out + c, stride, a, in + c, inner, add, from);
    if (c == width) return;
    if (from) load(in, from, inner, stride, c, width);
    real rest[N*STRIP] = {};
    for (int i = 0; i < N; i++) std::copy_n(out + i*stride + c, width - c, rest + i*STRIP);
    multiply_strip<N, false>(rest, STRIP, a, in + c, inner, add, from);
    for (int i = 0; i < N; i++) std::copy_n(rest + i*STRIP, width - c, out + i*stride + c);
}
// out (rows, width), whose rows are `stride` apart, = a (rows, inner) in (inner, TILE), to which `from`
// is copied if it is given
static __attribute__((noinline)) BGRL_JOINED void multiply(
        real* out, size_t stride, int width, const real* a, real* in, int rows, int inner, bool add,
        const real* from) {
    while (rows) {
        const int n = rows >= ROWS ? ROWS : rows >= 2 ? 2 : 1;
        if (n == ROWS) multiply_rows<ROWS>(out, stride, width, a, in, inner, add, from);
        else if (n == 2) multiply_rows<2>(out, stride, width, a, in, inner, add, from);
        else multiply_rows<1>(out, stride, width, a, in, inner, add, from);
        rows -= n, out += n*stride, a += n*inner, from = nullptr;
    }
}
// out (rows, width) = diagonal (rows) in (rows, TILE)
static __attribute__((noinline)) BGRL_JOINED void multiply_diagonal(
        real* out, size_t stride, int width, const real* diagonal, const real* in, int rows,
        bool add) {
    for (int i = 0; i < rows; i++)
        for (int c = 0; c < width; c++) {
            real& to = out[i*stride + c];
            to = (add ? to : 0) + diagonal[i]*in[i*TILE + c];
        }
}
// What begins at a column of a row, before it or behind it, is added to the row in whole vectors; around
// it are zeros.
static inline void add_part(real* row, int width, const real* part, int begin, int length) {
    const int end = std::min(width, begin + length);
    for (int c = std::max(0, begin)/LANES*LANES; c < end; c += LANES)
        *(vector*)(row + c) += *(const vector*)(part + c - begin);
}
// out[k] (columns) = weights[k] (rows) matrix (rows, columns), whose rows are `stride` apart, for K
// vectors of weights, V vectors of columns at a time
template <int K, int V>
static inline BGRL_JOINED void contract_strip(
        real* const* out, const real* const* weights, const real* matrix, int rows, size_t stride,
        int c, bool add) {
    vector sum[K][V] = {};
    if (add)
        for (int k = 0; k < K; k++)
            for (int v = 0; v < V; v++) sum[k][v] = *(vector*)(out[k] + c + v*LANES);
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < V; v++) {
            const vector row = *(const vector*)(matrix + i*stride + c + v*LANES);
            for (int k = 0; k < K; k++) sum[k][v] += weights[k][i]*row;
        }
    for (int k = 0; k < K; k++)
        for (int v = 0; v < V; v++) *(vector*)(out[k] + c + v*LANES) = sum[k][v];
}
template <int K>
static __attribute__((noinline)) BGRL_JOINED void contract(
        real* const* out, const real* const* weights, const real* matrix, int rows, size_t stride,
        int columns, bool add) {
    const int MANY = K > 2 ? 2 : 6;  // whose sums fit in registers
    int c = 0;
    for (; c + MANY*LANES <= columns; c += MANY*LANES)
        contract_strip<K, MANY>(out, weights, matrix, rows, stride, c, add);
    for (; c + STRIP <= columns; c += STRIP)
        contract_strip<K, VECTORS>(out, weights, matrix, rows, stride, c, add);
    for (; c + LANES <= columns; c += LANES)
        contract_strip<K, 1>(out, weights, matrix, rows, stride, c, add);
    if (c == columns) return;
    // What is read beyond a row is not used.
    real rest[K][LANES] = {}, *to[K];
    for (int k = 0; k < K; k++) std::copy_n(out[k] + c, columns - c, to[k] = rest[k]);
    contract_strip<K, 1>(to, weights, matrix + c, rows, stride, 0, add);
    for (int k = 0; k < K; k++) std::copy_n(rest[k], columns - c, out[k] + c);
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
    def arrays(self):
        """Names of the arrays that are read or written."""

    def in_order(self):
        """Those arrays of which `cpp` counts on the order in memory; all if it does not say."""
        return self.arrays()

    @abstractmethod
    def run(self, arrays):
        """Do it with NumPy; `arrays` gives the array of a name, replicates first."""

    @abstractmethod
    def cpp(self, pointer):
        """Body of the C++ function.

        ``pointer(name)`` is the expression of an array, ``pointer(name, replicate, target, source)`` of
        an element of synapses.
        """

    @abstractmethod
    def loops(self, array):
        """The same for one replicate, `bgrl.step.loops.Loops`; `array` gives what a name is there."""

    def work(self):
        """Numbers moved and arithmetic operations; none where that hardly takes time.

        Returns
        -------
        (int, int)
        """
        return 0, 0


@dataclass(frozen=True, eq=False)
class Clearing(Operation):
    """Where a trial is done, arrays start anew at zero.

    Attributes
    ----------
    cleared : dict of str to int
        Arrays and their sizes in one replicate.
    done : str
        Whether a replicate is done.
    """

    cleared: dict
    done: str

    def __str__(self):
        return f"where done: {', '.join(self.cleared)} = 0"

    def arrays(self):
        """See `Operation`."""
        return [self.done, *self.cleared]

    def in_order(self):
        """See `Operation`."""
        return []

    def run(self, arrays):
        """See `Operation`."""
        done = arrays(self.done) > 0
        for name in self.cleared if done.any() else ():
            arrays(name)[done] = 0

    def cpp(self, pointer):
        """See `Operation`."""
        lines = [f"for (size_t r = 0; r < {self.replicates}; r++)"]
        lines.append(f"if ({pointer(self.done)}[r] > 0) {{")
        for name in self.cleared:
            size = f"_num_{pointer(name)}/{self.replicates}"
            start = f"{pointer(name)} + r*({size})"
            lines.append(f"std::fill({start}, {start} + {size}, real(0));")
        return "\n".join([*lines, "}"])

    def loops(self, array):
        """See `Operation`."""
        done = f"{array(self.done)}[0] > 0"
        text = "if ({}) {}[k] = 0;"
        return Loops(tuple(Loop(n, text.format(done, array(a))) for a, n in self.cleared.items()))


@dataclass(frozen=True, eq=False)
class Gathering(Operation):
    """Puts what several groups have side by side.

    Attributes
    ----------
    result : str
        Array that is set.
    size : int
        Its elements in one replicate.
    parts : tuple of (str, int, int, int)
        Array, its elements in one replicate, the first that is taken of them and how many.
    """

    result: str
    size: int
    parts: tuple

    def __str__(self):
        taken = (
            name if count == size else f"{name}[{first}:{first + count}]"
            for name, size, first, count in self.parts
        )
        return f"{self.result} = {', '.join(taken)}"

    def arrays(self):
        """See `Operation`."""
        return [self.result, *dict.fromkeys(name for name, *_ in self.parts)]

    def run(self, arrays):
        """See `Operation`."""
        taken = [
            arrays(name).reshape(self.replicates, size)[:, first : first + count]
            for name, size, first, count in self.parts
        ]
        np.concatenate(taken, axis=1, out=arrays(self.result).reshape(self.replicates, self.size))

    def cpp(self, pointer):
        """See `Operation`."""
        lines, at = [f"for (size_t r = 0; r < {self.replicates}; r++) {{"], 0
        for name, size, first, count in self.parts:
            to, start = f"{pointer(self.result)} + r*{self.size} + {at}", f"r*{size} + {first}"
            lines.append(f"std::memcpy({to}, {pointer(name)} + {start}, {count}*sizeof(real));")
            at += count
        return "\n".join([*lines, "}"])

    def loops(self, array):
        """See `Operation`."""
        value, at = "", 0
        for name, _, first, count in self.parts:
            index = "k" if first == at else f"k + {first - at}"
            at += count
            taken = f"{array(name)}[{index}]"
            value += taken if at == self.size else f"k < {at} ? {taken} : "
        return Loops((Loop(self.size, f"{array(self.result)}[k] = {value};"),))
