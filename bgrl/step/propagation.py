"""Sensitivities that cross synapses, one step forward in time: matrix products."""

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from bgrl.step.loops import Loop, Loops
from bgrl.step.operation import Operation


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
    contractions : tuple of Contraction
        Of what it makes, done while that is in the nearest cache; see `bgrl.backends.fusing`.
    """

    rows: dict
    couplings: tuple
    diagonals: tuple
    columns: tuple
    contractions: tuple = ()

    def __str__(self):
        lines = []
        for state in self.rows:
            terms = [f"{own} S[{_name(s)}]" for t, s, own in self.diagonals if t == state]
            for c in self.couplings:
                if c.target == state:
                    terms.append(f"{c.gain} {c.weights} S[{_name(c.source)}]")
            for block in self.columns:
                for direct, factor, _, x in block.direct:
                    if direct == state:
                        text = f"{factor} {x}" if x else factor
                        terms.append(f"{text} [of {block.arrays[state]}]")
            lines.append(f"S[{_name(state)}] = {' + '.join(terms) or '0'}")
        return "\n".join([*lines, *map(str, self.contractions)])

    def arrays(self):
        """See `Operation`."""
        found = [name for c in self.couplings for name in (c.gain, c.weights, c.mask)]
        found += [jacobian for *_, jacobian in self.diagonals]
        for block in self.columns:
            found += block.arrays.values()
            found += [name for _, *names in block.direct for name in names if name]
        return found + [name for item in self.contractions for name in item.arrays()]

    def contracted(self, item):
        """The same with the contraction `item` of what it makes; None if that is made elsewhere."""
        made = {name for _, name, _ in item.terms}
        if any(made and made <= {*block.arrays.values()} for block in self.columns):
            return replace(self, contractions=(*self.contractions, item))
        return None

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
        for item in self.contractions:
            item.run(arrays)

    def work(self):
        """See `Operation`."""
        size = sum(prod(block.shape) for block in self.columns)
        moved = 2 * size * sum(self.rows.values())
        products = sum(self.rows[c.target] * self.rows[c.source] for c in self.couplings)
        products += sum(self.rows[target] for target, *_ in self.diagonals)
        operations = self.replicates * 2 * products * size
        operations += sum(item.work()[1] for item in self.contractions)
        return self.replicates * moved, operations

    def cpp(self, pointer):
        """See `Operation`."""
        start = self._starts()
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

        n, width = block.shape[0], size // block.shape[0]
        lines = ["{"]
        for k, (_, gain, mask, x) in enumerate(block.direct):
            effect = f"{pointer(gain)}[r*{n} + i]"
            if mask:
                s = f"(r*{n} + i)*{width} + k"
                effect += f"*{pointer(mask)}[{s}]*{pointer(x)}[r*{width} + k]"
            lines.append(
                f"static real direct_{k}[{n}][LANES + {width} + LANES];\n"
                f"for (size_t i = 0; i < {n}; i++)\n#pragma omp simd\n"
                f"for (size_t k = 0; k < {width}; k++) direct_{k}[i][LANES + k] = {effect};"
            )
        lines.append(f"for (int first = 0; first < {size}; first += TILE) {{")
        lines.append(f"const int width = std::min(TILE, {size} - first);")
        # The rows of an only state are copied by the first product, which reads them.
        first = [function for function, _ in products[next(iter(self.rows))][:1]]
        copying = len(self.rows) == 1 and first == ["multiply"]
        for state, n in self.rows.items() if not copying else ():
            lines.append(
                f"load(in + {start[state]}*TILE, {base(state)} + first, {n}, {size}, 0, width);"
            )
        for state, n in self.rows.items():
            to = f"{base(state)} + first"
            for k, (function, factors) in enumerate(products[state]):
                copied = to if copying and k == 0 else "nullptr"
                copied = f", {copied}" if function == "multiply" else ""
                lines.append(f"{function}({to}, {size}, width, {factors}, {int(k > 0)}{copied});")
            if not products[state]:
                lines.append(
                    f"for (int i = 0; i < {n}; i++) std::fill_n({to} + i*{size}, width, real(0));"
                )
        for k, (state, *_) in enumerate(block.direct):
            lines.append(
                f"for (int i = first/{width}; i*{width} < first + width; i++) add_part("
                f"{base(state)} + i*{size} + first, width, "
                f"direct_{k}[i] + LANES, i*{width} - first, {width});"
            )
        for item in self.contractions:
            if item.terms[0][1] in block.arrays.values():
                lines += item.columns(pointer, "first", "width")
        return [*lines, "}", "}"]

    def loops(self, array):
        """See `Operation`: the matrices, and then for every parameter its column."""
        items, scratch = [], {}
        for k, c in enumerate(self.couplings):
            n, m = self.rows[c.target], self.rows[c.source]
            name = f"{self.name}.matrix_{k}"
            # Of a source one after the other, to full strips, for loads of several at a time.
            scratch[name] = m * _whole(n)
            weight = f"i*{c.columns} + {c.offset} + k/{_whole(n)}"
            product = f"{array(c.gain)}[i]*({array(c.weights)}[{weight}]*{array(c.mask)}[{weight}])"
            value = f"i < {n} ? (real)({product}) : real(0)"
            text = f"const int i = k%{_whole(n)}; {array(name)}[k] = {value};"
            items.append(Loop(scratch[name], text))
        items += [self._column(block, array) for block in self.columns]
        items += [loop for item in self.contractions for loop in item.loops(array).items]
        return Loops(tuple(items), scratch)

    def _column(self, block, array):
        """A turn for every parameter, in a thread of its own."""
        size, start = prod(block.shape), self._starts()
        made = self._at_once if sum(self.rows.values()) <= IN_REGISTERS else self._in_strips
        lines = made(block, array, size, start)
        width = size // block.shape[0]
        for s, gain, mask, x in block.direct:
            effect = f"{array(gain)}[k/{width}]"
            if mask:
                effect += f"*{array(mask)}[k]*{array(x)}[k%{width}]"
            lines.append(
                f"{{ const int i = k/{width}; {array(block.arrays[s])}[i*{size} + k] += {effect}; }}"
            )
        return Loop(size, "\n".join(lines))

    def _starts(self):
        """Where the rows of each state begin, all in a row."""
        return dict(zip(self.rows, np.cumsum([0, *self.rows.values()]).tolist(), strict=False))

    def _at_once(self, block, array, size, start):
        """All rows are summed up together in registers, source by source, and written at the end.

        The loop over sources is no longer than it is: unrolled, its loads would all be made first, and
        need more registers than there are.
        """
        entry = {s: f"{array(block.arrays[s])}[i*{size} + k]" for s in self.rows}
        lines = [f"real sum[{sum(self.rows.values())}];"]
        for s, n in self.rows.items():
            own = [
                f"{array(jacobian)}[i]*{entry[source]}"
                for target, source, jacobian in self.diagonals
                if target == s
            ]
            value = " + ".join(own) or "0"
            lines.append(f"UNROLLED for (int i = 0; i < {n}; i++) sum[{start[s]} + i] = {value};")
        for k, c in enumerate(self.couplings):
            n, m = self.rows[c.target], self.rows[c.source]
            matrix = f"{array(f'{self.name}.matrix_{k}')}[i*{_whole(n)} + j]"
            lines.append(
                f"ROLLED for (int i = 0; i < {m}; i++) {{ const real x = {entry[c.source]}; "
                f"UNROLLED for (int j = 0; j < {n}; j++) sum[{start[c.target]} + j] += {matrix}*x; }}"
            )
        for s, n in self.rows.items():
            lines.append(
                f"UNROLLED for (int i = 0; i < {n}; i++) {entry[s]} = sum[{start[s]} + i];"
            )
        return lines

    def _in_strips(self, block, array, size, start):
        """Rows are summed up strip by strip, of a copy of the column."""
        lines = [f"real column[{sum(self.rows.values())}];"]
        for s, n in self.rows.items():
            value = f"{array(block.arrays[s])}[i*{size} + k]"
            lines.append(f"ROLLED for (int i = 0; i < {n}; i++) column[{start[s]} + i] = {value};")
        for s, n in self.rows.items():
            sums = [f"real sum[{STRIP}] = {{}};"]
            for k, c in enumerate(self.couplings):
                if c.target == s:
                    matrix = array(f"{self.name}.matrix_{k}")
                    sums.append(
                        f"ROLLED for (int l = 0; l < {self.rows[c.source]}; l++) UNROLLED "
                        f"for (int i = 0; i < {STRIP}; i++) "
                        f"sum[i] += {matrix}[l*{_whole(n)} + first + i]*column[{start[c.source]} + l];"
                    )
            own = "".join(
                f" + {array(jacobian)}[i]*column[{start[source]} + i]"
                for target, source, jacobian in self.diagonals
                if target == s
            )
            lines.append(f"ROLLED for (int first = 0; first < {n}; first += {STRIP}) {{")
            lines += sums
            lines.append(f"UNROLLED for (int j = 0; j < {STRIP}; j++) {{")
            to = f"{array(block.arrays[s])}[i*{size} + k]"
            lines.append(f"const int i = first + j; if (i < {n}) {to} = sum[j]{own};")
            lines += ["}", "}"]
        return lines


#: Rows of a strip, and the most of which a thread has all sums in registers.
STRIP, IN_REGISTERS = 8, 32


def _whole(n):
    """A number of rows filled up to whole strips."""
    return -(-n // STRIP) * STRIP


def _name(state):
    return ".".join(state)


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

    def __str__(self):
        return f"{self.result} = {self.weights} of each neuron onto itself"

    def arrays(self):
        """See `Operation`."""
        return [self.weights, self.mask, self.result]

    def in_order(self):
        """See `Operation`."""
        return [self.result]

    def run(self, arrays):
        """See `Operation`."""
        own = np.arange(self.size)
        weights, mask = arrays(self.weights), arrays(self.mask)
        column = self.offset + own
        arrays(self.result)[...] = weights[:, own, column] * mask[:, own, column]

    def cpp(self, pointer):
        """See `Operation`."""
        own = "r", "i", f"{self.offset} + i"
        product = f"{pointer(self.weights, *own)}*{pointer(self.mask, *own)}"
        return (
            f"for (size_t r = 0; r < {self.replicates}; r++) for (size_t i = 0; i < {self.size}; i++)\n"
            f"{pointer(self.result)}[r*{self.size} + i] = {product};"
        )

    def loops(self, array):
        """See `Operation`."""
        s = f"k*{self.columns} + {self.offset} + k"
        value = f"{array(self.weights)}[{s}]*{array(self.mask)}[{s}]"
        return Loops((Loop(self.size, f"{array(self.result)}[k] = {value};"),))
