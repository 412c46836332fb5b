"""What a step does as C++ for one replicate: a piece for each loop, and which elements it touches.

Turn `k` of a loop is the same element in every piece, whoever runs it: a thread of a GPU
(`bgrl.backends.kernel`), or a processor that goes through them (`bgrl.backends.fusing`).
"""

import math
import re
from math import prod

import numpy as np

from bgrl.backends.barriers import Access, Piece
from bgrl.backends.expressions import Translator
from bgrl.errors import BlueprintError
from bgrl.step.blueprint import Code, Sum
from bgrl.step.loops import Loop, Totals

#: Threads that share a sum, as in ``templates/block.h``.
LANES = 8
_WRITTEN = re.compile(r"\s*[-+*/]?=(?!=)")


class Pieces:
    """The pieces of a blueprint.

    Parameters
    ----------
    blueprint : Blueprint
    """

    def __init__(self, blueprint):
        self.blueprint = blueprint
        self._layout = blueprint.layout()
        self._sizes = {
            name: (dtype, prod(shape[1:])) for name, (dtype, shape) in self._layout.items()
        }
        self._names, self._indices = {}, {}
        for name in self._layout:
            self.named(name)
        self._found = {}

    def of(self, slot, item):
        """The pieces of an item of the blueprint, in order."""
        if id(item) not in self._found:
            name = f"{slot}_{len(self._found)}"
            if isinstance(item, Code):
                self._found[id(item)] = [self._code(name, item)]
            elif isinstance(item, Sum):
                self._found[id(item)] = [self._sum(name, item)]
            else:
                self._found[id(item)] = self._operation(name, item)
        return self._found[id(item)]

    # Names and values -------------------------------------------------------------------------

    def named(self, array):
        """C++ name of an array, which no other has."""
        if array not in self._names:
            name = re.sub(r"\W", "_", f"state_{array}")
            while name in self._names.values():  # as of cortex_drive.weight and cortex.drive_weight
                name += "_"
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
        return f"{self.named(f'{group.name}.{name}')}[{index}]", variable.kind == "integer"

    def _constant(self, values, base):
        """C++ of numbers that follow from `base`, and whether they are integers."""
        integer = values.dtype.kind in "iub"
        if (values == values[0]).all():
            return number(values[0]) if integer else f"real({number(values[0])})", integer
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
            lines.append(f"{self.named(f'{group.name}.{word}')}[k] = v_{word};")
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
            result = self.named(f"{group.ends[1]}.{item.variable}")
            text = f"const int post = target, pre = source;\n{text}"
            values = {f"{result}[target]": f"real({value})"}
            return self._totals(name, Totals(targets, sources, values, text))
        result = self.named(f"{group.ends[0]}.{item.variable}")
        # Here a turn is that of a source, and what is `k` in the expression is a synapse.
        text = text.replace("[k]", f"[i*{sources} + k]")
        text = (
            f"real sum = 0;\nfor (int i = 0; i < {targets}; i++) {{\nconst int post = i, pre = k;\n"
            f"{text}\nsum += {value};\n}}\n{result}[k] = sum;"
        )
        return self._loop(name, sources, text)

    def _operation(self, name, item):
        made = item.loops(self.named)
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
        # The first lane of each target writes, and as many read as there are sources.
        threads = (totals.targets - 1) * LANES + min(totals.sources, LANES)
        single = totals.targets == 1
        own = ("source", "pre", "k") if single and totals.sources <= LANES else ()
        return self._piece(name, "\n".join(lines), threads, None, own, single)

    def _piece(self, name, body, threads, turns, own=("k",), writes_alone=False):
        """Find the accesses of a body, and refuse turns that touch what others write.

        Parameters
        ----------
        name, body : str
        threads : int
            How many of the first, at most, touch arrays.
        turns : int or None
            Of the loop; None for sums.
        own : sequence of str
            Indices that are the number of the thread, or the turn of a loop.
        writes_alone : bool
            Whether only the first thread writes.
        """
        found = set()
        for array, index, rest in self._accesses(body):
            turn = None
            if index in own or (turns == 1 and index == "0"):
                turn = "k"
            elif turns and index == f"i*{turns} + k":
                turn = index
            element = int(index) if index.isdigit() else None
            written = bool(_WRITTEN.match(rest))
            alone = threads == 1 or (written and writes_alone)
            found.add(Access(array, turn, element, written, alone))
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


def number(value):
    """A number in C++."""
    if value != value or value in (math.inf, -math.inf):
        return "NAN" if value != value else "INFINITY" if value > 0 else "-INFINITY"
    return repr(value.item() if isinstance(value, np.generic) else value)
