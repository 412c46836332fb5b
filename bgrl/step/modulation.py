"""Operations of interventions: the vector of what is modulated, lesions, and weights that are held."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from bgrl.interventions import MOST
from bgrl.step.loops import Loop, Loops
from bgrl.step.operation import Operation


@dataclass(frozen=True)
class Part:
    """A rectangle of the parameters of a group.

    Attributes
    ----------
    rows, columns : (int, int, int)
        First and last (not included), and how many the group has.
    values, held : str
        Arrays of the parameters, and of what they are held at.
    masks : tuple of (str, str)
        Arrays that the pathway transmits by, and the same without interventions.
    cleared : tuple of (str, int)
        Arrays (leading, rows, columns) of what is kept of each parameter, and the leading size.
    synapses : tuple of str
        Those of all these arrays that are of synapses, whose order in memory is open.
    """

    rows: tuple
    columns: tuple
    values: str
    held: str
    masks: tuple
    cleared: tuple
    synapses: tuple

    def arrays(self):
        """Names of all arrays."""
        masks = [name for pair in self.masks for name in pair]
        return [self.values, self.held, *masks, *(name for name, _ in self.cleared)]

    def view(self, array, r):
        """The rectangle of replicate `r`, its leading axis first if there is one."""
        whole = array[r].reshape(-1, self.rows[2], self.columns[2])
        return whole[:, slice(*self.rows[:2]), slice(*self.columns[:2])]

    def loop(self, statement, leading=1):
        """C++ loop over the rectangle of replicate ``r``."""
        (first, last, _), (left, right, _) = self.rows, self.columns
        return (
            f"for (size_t l = 0; l < {leading}; l++) for (size_t i = {first}; i < {last}; i++) "
            f"for (size_t c = {left}; c < {right}; c++) {{ {statement} }}"
        )

    def element(self, pointer, name, leading=1):
        """C++ element of an array in a turn of the loop."""
        if name in self.synapses:
            return pointer(name, "r", "i", "c")
        row = f"(r*{leading} + l)*{self.rows[2]} + i"
        return f"{pointer(name)}[({row})*{self.columns[2]} + c]"

    @property
    def size(self):
        """Parameters of the whole group, each of which has a turn ``k`` of a loop."""
        return self.rows[2] * self.columns[2]

    def inside(self):
        """C++ condition of a turn ``k``: the parameter is in the rectangle."""
        (first, last, _), (left, right, columns) = self.rows, self.columns
        return (
            f"k/{columns} >= {first} && k/{columns} < {last} && "
            f"k%{columns} >= {left} && k%{columns} < {right}"
        )


@dataclass(frozen=True)
class Pathway:
    """Parameters that are lesioned or held together.

    Attributes
    ----------
    transmission, plasticity : int
        Places in the vector.
    parts : tuple of Part
    """

    transmission: int
    plasticity: int
    parts: tuple

    def arrays(self):
        """Names of all arrays of its parts."""
        return [name for part in self.parts for name in part.arrays()]

    def in_order(self):
        """Those that are of no synapses."""
        return [name for part in self.parts for name in {*part.arrays()} - {*part.synapses}]

    def closed(self, value):
        """Whether nothing may be learned."""
        return value[self.transmission] == 0 or value[self.plasticity] == 0

    def closed_cpp(self, value):
        """The same in C++."""
        return f"({value}[{self.transmission}] == 0 || {value}[{self.plasticity}] == 0)"


@dataclass(frozen=True, eq=False)
class Modulation(Operation):
    """Where the active rows change: the vector, masks, what is held, what is cleared.

    Attributes
    ----------
    places : tuple of (int, int, int)
        First and last place, and what it is where nothing is done.
    pathways : tuple of Pathway
    sensitivities : tuple of (int, str, int, int)
        Of silent neurons: place of the first neuron's `rate`, array, number of neurons, and entries
        that each of them has.
    synapses : tuple of str
        Those of the sensitivities that are of synapses, see `Part`.
    """

    places: tuple
    pathways: tuple
    sensitivities: tuple
    synapses: tuple

    def __str__(self):
        return "where interventions begin or end: modulation.value, masks and what is held follow"

    def arrays(self):
        """See `Operation`."""
        found = ["intervention.active", "intervention.applied", "modulation.value", "effect.change"]
        found += [name for pathway in self.pathways for name in pathway.arrays()]
        return found + [name for _, name, *_ in self.sensitivities]

    def in_order(self):
        """See `Operation`."""
        found = [name for pathway in self.pathways for name in pathway.in_order()]
        return found + [n for _, n, *_ in self.sensitivities if n not in self.synapses]

    def run(self, arrays):
        """See `Operation`."""
        active, applied = arrays("intervention.active"), arrays("intervention.applied")
        for r in np.flatnonzero((active != applied).any(1)):
            applied[r] = active[r]
            value = arrays("modulation.value")[r]
            before = value.copy()
            rows = arrays("effect.change")[r][active[r] > 0]
            for first, last, base in self.places:
                part = rows[:, first:last]
                value[first:last] = (1 + part).prod(0) if base else part.sum(0)
            for pathway in self.pathways:
                self._change(pathway, before, value, arrays, r)
            for place, name, neurons, _ in self.sensitivities:
                arrays(name)[r][value[place : place + neurons] == 0] = 0

    @staticmethod
    def _change(pathway, before, value, arrays, r):
        transmission = value[pathway.transmission]
        for part in pathway.parts:
            if pathway.closed(value) and not pathway.closed(before):
                part.view(arrays(part.held), r)[...] = part.view(arrays(part.values), r)
            for mask, intact in part.masks:
                part.view(arrays(mask), r)[...] = part.view(arrays(intact), r) * transmission
            for name, _ in part.cleared if transmission == 0 else ():
                part.view(arrays(name), r)[...] = 0

    def cpp(self, pointer):
        """See `Operation`."""
        size = self.places[-1][1]
        lines = [
            f"static real before[{size}];",
            f"for (size_t r = 0; r < {self.replicates}; r++) {{",
            f"real* const active = {pointer('intervention.active')} + r*{MOST};",
            f"real* const applied = {pointer('intervention.applied')} + r*{MOST};",
            f"if (std::equal(active, active + {MOST}, applied)) continue;",
            f"std::copy_n(active, {MOST}, applied);",
            f"real* const value = {pointer('modulation.value')} + r*{size};",
            f"std::copy_n(value, {size}, before);",
            f"const real* const change = {pointer('effect.change')} + r*{MOST * size};",
        ]
        for first, last, base in self.places:
            change = f"change[k*{size} + q]"
            step = f"value[q] *= 1 + {change};" if base else f"value[q] += {change};"
            lines.append(
                f"for (size_t q = {first}; q < {last}; q++) {{ value[q] = {base}; "
                f"for (size_t k = 0; k < {MOST}; k++) if (active[k] > 0) {step} }}"
            )
        # In functions of their own: compilers take more than twice as long for one of twice the length.
        for pathway in self.pathways:
            changed = self._change_cpp(pathway, pointer)
            lines += ["[&]() __attribute__((noinline)) {", *changed, "}();"]
        for place, name, neurons, entries in self.sensitivities:
            if name in self.synapses:
                element = pointer(name, "r", "i", "c")
            else:
                element = f"{pointer(name)}[(r*{neurons} + i)*{entries} + c]"
            lines.append(
                f"for (size_t i = 0; i < {neurons}; i++) if (value[{place} + i] == 0) "
                f"for (size_t c = 0; c < {entries}; c++) {element} = 0;"
            )
        return "\n".join([*lines, "}"])

    @staticmethod
    def _change_cpp(pathway, pointer):
        transmission, lines = f"value[{pathway.transmission}]", []
        for part in pathway.parts:
            at = partial(part.element, pointer)
            hold = part.loop(f"{at(part.held)} = {at(part.values)};")
            closing = f"{pathway.closed_cpp('value')} && !{pathway.closed_cpp('before')}"
            lines.append(f"if ({closing}) {hold}")
            for mask, intact in part.masks:
                lines.append(part.loop(f"{at(mask)} = {at(intact)}*{transmission};"))
            for name, leading in part.cleared:
                cleared = part.loop(f"{at(name, leading)} = 0;", leading)
                lines.append(f"if ({transmission} == 0) {cleared}")
        return lines

    def loops(self, array):
        """See `Operation`."""
        size = self.places[-1][1]
        before, changed = f"{self.name}.before", f"{self.name}.changed"
        active, applied = array("intervention.active"), array("intervention.applied")
        value, change = array("modulation.value"), array("effect.change")
        compared = (
            f"int differ = 0; for (int i = 0; i < {MOST}; i++) {{ "
            f"differ |= {active}[i] != {applied}[i]; {applied}[i] = {active}[i]; }} "
            f"{array(changed)}[0] = differ;"
        )
        items = [Loop(1, compared)]
        base = " + ".join(
            f"(k >= {first} && k < {last})*{base}" for first, last, base in self.places if base
        )
        modulated = (
            f"if ({array(changed)}[0] > 0) {{ {array(before)}[k] = {value}[k]; "
            f"const int base = {base or '0'}; real now = base; "
            f"for (int i = 0; i < {MOST}; i++) if ({active}[i] > 0) {{ "
            f"const real part = {change}[i*{size} + k]; now = base ? now*(1 + part) : now + part; }} "
            f"{value}[k] = now; }}"
        )
        items.append(Loop(size, modulated))
        when = f"if ({array(changed)}[0] > 0"
        for pathway in self.pathways:
            transmission = f"{value}[{pathway.transmission}]"
            closing = f"{pathway.closed_cpp(value)} && !{pathway.closed_cpp(array(before))}"
            for part in pathway.parts:
                lines = [f"if ({closing}) {array(part.held)}[k] = {array(part.values)}[k];"]
                for mask, intact in part.masks:
                    lines.append(f"{array(mask)}[k] = {array(intact)}[k]*{transmission};")
                for name, leading in part.cleared:
                    index = "k" if leading == 1 else f"i*{part.size} + k"
                    lines.append(
                        f"if ({transmission} == 0) for (int i = 0; i < {leading}; i++) "
                        f"{array(name)}[{index}] = 0;"
                    )
                text = "\n".join([f"{when} && {part.inside()}) {{", *lines, "}"])
                items.append(Loop(part.size, text))
        for place, name, neurons, entries in self.sensitivities:
            silent = f"{when} && {value}[{place} + k/{entries}] == 0) {array(name)}[k] = 0;"
            items.append(Loop(neurons * entries, silent))
        return Loops(tuple(items), {before: size, changed: 1})


@dataclass(frozen=True, eq=False)
class Hold(Operation):
    """Parameters that may not learn are put back, whatever rule moved them.

    Attributes
    ----------
    size : int
        Of the vector.
    pathways : tuple of Pathway
    """

    size: int
    pathways: tuple

    def __str__(self):
        return "parameters that may not learn are put back"

    def arrays(self):
        """See `Operation`."""
        return [
            "modulation.value",
            *(name for pathway in self.pathways for name in pathway.arrays()),
        ]

    def in_order(self):
        """See `Operation`."""
        return [name for pathway in self.pathways for name in pathway.in_order()]

    def run(self, arrays):
        """See `Operation`."""
        for r, value in enumerate(arrays("modulation.value")):
            for pathway in self.pathways:
                for part in pathway.parts if pathway.closed(value) else ():
                    part.view(arrays(part.values), r)[...] = part.view(arrays(part.held), r)

    def cpp(self, pointer):
        """See `Operation`."""
        lines = [
            f"for (size_t r = 0; r < {self.replicates}; r++) {{",
            f"const real* const value = {pointer('modulation.value')} + r*{self.size};",
        ]
        for pathway in self.pathways:
            for part in pathway.parts:
                values, held = (part.element(pointer, k) for k in (part.values, part.held))
                back = part.loop(f"{values} = {held};")
                lines.append(f"if {pathway.closed_cpp('value')} {back}")
        return "\n".join([*lines, "}"])

    def loops(self, array):
        """See `Operation`."""
        value = array("modulation.value")
        items = [
            Loop(
                part.size,
                f"if ({pathway.closed_cpp(value)} && {part.inside()}) "
                f"{array(part.values)}[k] = {array(part.held)}[k];",
            )
            for pathway in self.pathways
            for part in pathway.parts
        ]
        return Loops(tuple(items))
