"""A blueprint as the source of a CUDA kernel, in which a block of threads has one replicate.

All pieces of a step follow each other in one kernel, which goes through the steps of a launch by itself.
Turn `k` of a loop is that of thread `k` modulo the number of threads, in every piece; where an element is
only ever touched in its own turn, pieces need not wait for each other (`bgrl.backends.barriers`). The
source is written for one replicate and serves any number of them.
"""

import math
import re
from dataclasses import dataclass
from math import prod

import numpy as np

from bgrl.backends.barriers import Access, Piece, barriers, ordered
from bgrl.backends.expressions import Translator
from bgrl.errors import BlueprintError
from bgrl.recording import EVENT
from bgrl.step.blueprint import Code, Sum
from bgrl.step.loops import Loop, Totals

#: Threads that share a sum, as in ``templates/block.h``.
LANES = 8
#: Bytes to which arrays are aligned.
_ALIGNED = 16
_TYPES = {"float32": "float", "float64": "double", "int32": "int32_t"}
_WRITTEN = re.compile(r"\s*[-+*/]?=(?!=)")


@dataclass(frozen=True)
class Stored:
    """Where an array of a replicate is while the kernel runs.

    Attributes
    ----------
    name : str
        C++ name.
    dtype : str
    size : int
        Elements.
    shared : bool
        In shared memory, or else in global memory.
    offset : int
        Bytes from the beginning of that.
    """

    name: str
    dtype: str
    size: int
    shared: bool
    offset: int


def _bytes(dtype, size):
    return size * np.dtype(dtype).itemsize


class Kernel:
    """The source of a blueprint's kernel.

    Parameters
    ----------
    blueprint : Blueprint
        Of one replicate.
    shared_memory : int
        Bytes that a block may have of it; what does not fit is in global memory.

    Attributes
    ----------
    arrays : dict of str to Stored
        Of the state, and scratch of operations.
    shared_bytes, global_bytes : int
        What a replicate takes of either memory.
    """

    def __init__(self, blueprint, shared_memory):
        self.blueprint, self._shared_memory = blueprint, shared_memory
        self._layout = blueprint.layout()
        self._sizes = {name: (dtype, prod(shape)) for name, (dtype, shape) in self._layout.items()}
        self._names, self._indices = {}, {}
        for name in self._layout:
            self._named(name)
        self._pieces = {}
        for k, (slot, item) in enumerate(blueprint.items):
            name = f"{slot}_{k}"
            if isinstance(item, Code):
                self._pieces[id(item)] = [self._code(name, item)]
            elif isinstance(item, Sum):
                self._pieces[id(item)] = [self._sum(name, item)]
            else:
                self._pieces[id(item)] = self._operation(name, item)
        self.arrays = self._placed()

    # Names and values -------------------------------------------------------------------------

    def _named(self, array):
        """C++ name of an array, which no other has."""
        if array not in self._names:
            name = re.sub(r"\W", "_", f"state_{array}")
            if name in self._names.values():
                raise BlueprintError(f"{array} has the same name in C++ as another array")
            self._names[array] = name
        return self._names[array]

    def _read(self, group, name, turns, base):
        """C++ of a variable of a group, and whether it is an integer.

        Parameters
        ----------
        group : Group
        name : str
        turns : array of int
            Element of the group for each value of `base`.
        base : str
            C++ variable.
        """
        if name in group.links:
            link = group.links[name]
            source = self.blueprint.groups[link.group]
            turns = turns if link.index is None else np.asarray(link.index).ravel()[turns]
            return self._read(source, link.variable, turns, base)
        variable = group.variables[name]
        if variable.constant is not None:
            return self._constant(np.ravel(variable.constant)[turns], base)
        index = "0" if variable.shared else self._constant(turns, base)[0]
        return f"{self._named(f'{group.name}.{name}')}[{index}]", variable.kind == "integer"

    def _constant(self, values, base):
        """C++ of numbers that follow from `base`, and whether they are integers."""
        integer = values.dtype.kind in "iub"
        if (values == values[0]).all():
            return _number(values[0]) if integer else f"real({_number(values[0])})", integer
        if integer and (values == values[0] + np.arange(len(values))).all():
            return (base if values[0] == 0 else f"({base} + {int(values[0])})"), True
        key = integer, tuple(values.tolist())
        name = self._indices.setdefault(key, f"index_{len(self._indices)}")
        return f"{name}[{base}]", integer

    # Pieces -----------------------------------------------------------------------------------

    def _code(self, name, item):
        """A loop over the elements of a group."""
        group = self.blueprint.groups[item.group]
        translator, lines = self._translator(group)
        statements, assigned = translator.assignments(item.text)
        lines += statements
        for word in assigned:
            if word not in group.variables:
                continue
            if group.variables[word].shared or group.variables[word].constant is not None:
                raise BlueprintError(
                    f"{name}: {group.name}.{word} is the same for all, yet changes"
                )
            lines.append(f"{self._named(f'{group.name}.{word}')}[k] = v_{word};")
        return self._loop(f"{name}_{group.name}", group.size, self._ends(group) + "\n".join(lines))

    def _translator(self, group):
        """A translator of code of a group, and a list that will have what it reads, once each."""
        read, lines = {}, []

        def variable(word):
            if word not in read:
                value, read[word] = self._element(group, word)
                lines.append(f"{'int' if read[word] else 'real'} v_{word} = {value};")
            return f"v_{word}", read[word]

        return Translator(variable, self.blueprint.tables), lines

    def _ends(self, group):
        """What finds source and target of the synapse `k`."""
        if group.ends is None:
            return ""
        sources = group.shape[1]
        return f"const int post = k/{sources}, pre = k - post*{sources};\n"

    def _element(self, group, word):
        """C++ of what code calls `word` in the element `k` of a group."""
        if word in group.variables or word in group.links:
            return self._read(group, word, np.arange(group.size), "k")
        variable, _, end = word.rpartition("_")
        other = self.blueprint.groups[group.ends[end == "post"]]
        return self._read(other, variable, np.arange(other.size), end)

    def _sum(self, name, item):
        """Sums over the sources of every target, or the other way round."""
        group = self.blueprint.groups[item.synapses]
        targets, sources = group.shape
        translator, lines = self._translator(group)
        value = translator.expression(item.expression)
        name, text = f"{name}_{group.name}", "\n".join(lines)
        if item.end == "post":
            result = self._named(f"{group.ends[1]}.{item.variable}")
            text = f"const int post = target, pre = source;\n{text}"
            values = {f"{result}[target]": f"real({value})"}
            return self._totals(name, Totals(targets, sources, values, text))
        result = self._named(f"{group.ends[0]}.{item.variable}")
        # Here a turn is that of a source, and what is `k` in the expression is a synapse.
        text = text.replace("[k]", f"[i*{sources} + k]")
        text = (
            f"real sum = 0;\nfor (int i = 0; i < {targets}; i++) {{\nconst int post = i, pre = k;\n"
            f"{text}\nsum += {value};\n}}\n{result}[k] = sum;"
        )
        return self._loop(name, sources, text)

    def _operation(self, name, item):
        made = item.loops(self._named)
        for scratch, size in made.scratch.items():
            self._sizes[scratch] = self.blueprint.dtype, size
        if unknown := sorted(set(self._names) - set(self._sizes)):
            raise BlueprintError(f"{name}: there is no array {unknown[0]!r}")
        pieces = []
        for k, loop in enumerate(made.items):
            own = f"{name}_{type(item).__name__.lower()}_{k}"
            if isinstance(loop, Loop):
                pieces.append(self._loop(own, loop.size, loop.text))
            else:
                pieces.append(self._totals(own, loop))
        return pieces

    def _loop(self, name, size, text):
        body = f"for (int k = THREAD; k < {size}; k += THREADS) {{\n{text}\n}}"
        return self._piece(name, body, size, size)

    def _totals(self, name, totals):
        """Every target has `LANES` threads, in as many rounds as that takes."""
        lines = [
            f"for (int round = 0; round < {totals.targets}; round += PARALLEL) {{",
            "const int target = round + THREAD/LANES;",
            f"const int sources = target < {totals.targets} ? {totals.sources} : 0;",
        ]
        for k, value in enumerate(totals.values.values()):
            lines.append(
                f"const auto sum_{k} = total([&](const int source) {{\n"
                f"const int k = target*{totals.sources} + source;\n{totals.text}\n"
                f"return {value};\n}}, sources);"
            )
        lines.append("if (sources && THREAD%LANES == 0) {")
        lines += [f"{result} = sum_{k};" for k, result in enumerate(totals.values)]
        lines += ["}", "}"]
        return self._piece(name, "\n".join(lines), totals.targets * LANES, None)

    def _piece(self, name, body, threads, turns):
        """Find the accesses of a body, and refuse turns that touch what others write."""
        found = set()
        for array, index, rest in self._accesses(body):
            turn = None
            if (turns and index == "k") or (turns == 1 and index == "0"):
                turn = "k"
            elif turns and index == f"i*{turns} + k":
                turn = index
            element = int(index) if index.isdigit() else None
            found.add(Access(array, turn, element, bool(_WRITTEN.match(rest))))
        for access in found if threads > 1 else ():
            # The results of sums are written where all has been read.
            others = found if turns else [a for a in found if not a.written]
            touched = any(access.meets(a) for a in others)
            if access.written and (touched or (turns and not access.turn)):
                raise BlueprintError(f"{name}: turns of a loop touch {access.array} of each other")
        return Piece(name, body, threads, frozenset(found))

    @staticmethod
    def _accesses(body):
        """(C++ name, index, what follows) of every access of an array."""
        for match in re.finditer(r"\b(state_\w+)\[", body):
            depth, end = 1, match.end()
            while depth:
                depth += {"[": 1, "]": -1}.get(body[end], 0)
                end += 1
            yield match[1], body[match.end() : end - 1], body[end:]

    # Memory -----------------------------------------------------------------------------------

    def _placed(self):
        """The smallest arrays first into shared memory, the rest into global memory."""
        found, shared, used = {}, 0, 0
        for name in sorted(self._sizes, key=lambda name: _bytes(*self._sizes[name])):
            dtype, size = self._sizes[name]
            taken = -(-_bytes(dtype, size) // _ALIGNED) * _ALIGNED
            fits = shared + taken <= self._shared_memory
            found[name] = Stored(self._named(name), dtype, size, fits, shared if fits else used)
            shared, used = (shared + taken, used) if fits else (shared, used + taken)
        self.shared_bytes, self.global_bytes = shared, used
        return found

    def placement(self):
        """Where the state of a replicate is, in words."""
        shared, used = self.shared_bytes / 1024, self.global_bytes / 1024
        if not used:
            return f"{shared:.1f} KB, all in shared memory"
        names = [name for name, array in self.arrays.items() if not array.shared]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return (
            f"{shared:.1f} KB in shared memory, {used:.1f} KB in global memory "
            f"({', '.join(names[-3:])}{more})"
        )

    # Source -----------------------------------------------------------------------------------

    def schedule(self, learn):
        """The pieces of a step, in the order in which they run."""
        return ordered(
            [
                piece
                for _, items in self.blueprint.schedule(learn)
                for item in items
                for piece in self._pieces[id(item)]
            ]
        )

    def source(self):
        """The text of ``step.h``."""
        lines = [
            f"typedef {_TYPES[self.blueprint.dtype]} real;",
            '#include "block.h"',
            f"static constexpr int SHARED_BYTES = {self.shared_bytes};",
            f"static constexpr size_t GLOBAL_BYTES = {self.global_bytes};",
        ]
        for array in self.arrays.values():
            where = "SHARED" if array.shared else "GLOBAL"
            lines.append(f"#define {array.name} {where}({_TYPES[array.dtype]}, {array.offset})")
        for (integer, values), name in self._indices.items():
            lines.append(_numbers("int" if integer else "real", name, values))
        for name, values in self.blueprint.tables.items():
            lines.append(_numbers("real", f"table_{name}", np.ravel(values)))
        return "\n".join([*lines, *self._step(), *self._trial(), *self._state(), ""])

    def _step(self):
        """The pieces, and what calls them in a step with learning and in one without."""
        lines, number = [], 0
        parameters = "char* const global_memory, const int64_t step"
        for piece in (piece for found in self._pieces.values() for piece in found):
            lines.append(f"static __device__ __noinline__ void {piece.name}({parameters})")
            lines.append(f"{{\n{piece.text}\n}}")
        for mode, learn in (("learn", True), ("evaluate", False)):
            order = self.schedule(learn)
            lines.append(f"static __device__ __noinline__ void {mode}({parameters})\n{{")
            for piece, barrier in zip(order, barriers(order), strict=True):
                if barrier:
                    lines.append(f"BARRIER({number}, {barrier});")
                    number += 1
                lines.append(f"PIECE({piece.name}) {piece.name}(global_memory, step);")
            lines.append("}")
        return lines

    def _trial(self):
        """Whether a trial ended in a step, and what is recorded of it."""
        value = {name: f"{self._names[name]}[0]" for name in self._layout}
        events = [name for name in self._layout if name.startswith(EVENT)]
        numbers = ["task.trial_return", "task.trial_length", "task.terminated", *events]
        ended = "task.ended" if "task.ended" in self._layout else "task.done"
        told = ", ".join(f"(double){value[name]}" for name in numbers)
        return [
            f"struct Trial {{ int64_t step, replicate; double numbers[{len(numbers)}]; }};",
            "static __device__ bool ended(char* const global_memory)",
            f"{{ return {value[ended]} > 0 && {value['task.trial_length']} > 0; }}",
            "static __device__ Trial trial(char* const global_memory, const int64_t step)",
            f"{{ return {{step, {value['task.replicate']}, {{{told}}}}}; }}",
        ]

    def _state(self):
        """The arrays of a state file: names, bytes of a replicate, whether it has its own, and where."""
        stored = [self.arrays[name] for name in self._layout]
        columns = {
            "ARRAY_BYTES": [_bytes(a.dtype, a.size) for a in stored],
            "ARRAY_OWN": [int(bool(shape)) for _, shape in self._layout.values()],
            "ARRAY_SHARED": [int(a.shared) for a in stored],
            "ARRAY_OFFSET": [a.offset for a in stored],
        }
        names = ", ".join(f'"{name}"' for name in self._layout)
        return [
            f"static constexpr int ARRAYS = {len(stored)};",
            f"static const char* const NAMES[] = {{{names}}};",
            *(f"#define {k} {{{', '.join(map(str, values))}}}" for k, values in columns.items()),
        ]


def _numbers(kind, name, values):
    """An array of constants."""
    kind = "short" if kind == "int" and max(values) < 2**15 else kind
    return f"static __device__ const {kind} {name}[] = {{{', '.join(map(_number, values))}}};"


def _number(value):
    """A number in C++."""
    if value != value or value in (math.inf, -math.inf):
        return "NAN" if value != value else "INFINITY" if value > 0 else "-INFINITY"
    return repr(value.item() if isinstance(value, np.generic) else value)
