"""The blueprint of an agent's step: everything the program has and does, written down before it is built.

A `Blueprint` holds groups of elements with their variables, links by which one group reads another's
variable, and, slot by slot, what happens in a step: code, sums over synapses, and operations (matrix
products and other loops that element-wise code cannot say). The files of `bgrl.step` write it, each its
own part. A backend runs it. Nothing here knows Brian2.

``print(blueprint)`` shows the algorithm: the slots in their order, with what each group does in them, as
people read it (`bgrl.step.readable`).

Everything is dimensionless or in ms, and is written for one replicate: replicates are the outermost axis
of every array, and never read each other. A variable `v` of a group `g` is the array ``g.v`` of the
program's state.
"""

import re
from dataclasses import dataclass, field
from math import prod

import numpy as np

from bgrl.errors import BlueprintError
from bgrl.language import FUNCTIONS
from bgrl.slots import SUBSTEP_SLOTS, unroll
from bgrl.step.readable import readable, readable_expression

#: What code may use besides the variables of its group.
_KNOWN = {
    *FUNCTIONS,
    *("counter_uniform", "where", "t", "t_in_timesteps", "inf", "pi", "and", "or", "not"),
}
_WORD = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_ASSIGNED = re.compile(r"\s*(\w+)\s*=(?!=)")


@dataclass(frozen=True)
class Variable:
    """A variable of a group.

    Attributes
    ----------
    kind : {"real", "integer"}
    shared : bool
        One number for all elements and replicates.
    constant : array, optional
        Values of the elements of one replicate, if they are part of the program, not of its state.
    kept_for : str, optional
        The parameter (``group.parameter``) of which learning keeps this: a sensitivity, an eligibility,
        what an optimizer remembers. It is cleared where a lesion takes the parameter.
    """

    kind: str = "real"
    shared: bool = False
    constant: object = None
    kept_for: str | None = None


@dataclass(frozen=True)
class Link:
    """A view of a variable of another group.

    Attributes
    ----------
    group, variable : str
        Whose and which.
    index : array or None
        For each element of the group that reads, the element that it reads, of the same replicate; None
        if the variable is shared, or the groups have the same elements.
    """

    group: str
    variable: str
    index: object = None


@dataclass
class Group:
    """Elements that have the same variables: neurons, synapses, or the one environment.

    Attributes
    ----------
    name : str
    shape : tuple of int
        Of its arrays, without replicates; () for one element.
    ends : (str, str) or None
        Of synapses: the groups of their sources and targets. Every target has a synapse from every
        source; the shape is (targets, sources).
    variables : dict of str to Variable
    links : dict of str to Link
    """

    name: str
    shape: tuple
    ends: tuple | None = None
    variables: dict = field(default_factory=dict)
    links: dict = field(default_factory=dict)

    @property
    def size(self):
        """Elements in one replicate."""
        return prod(self.shape)


@dataclass(frozen=True)
class Code:
    """Assignments that every element of a group makes, in Brian2's abstract code."""

    group: str
    text: str

    def __str__(self):
        return readable(self.text)


@dataclass(frozen=True)
class Sum:
    """The sum of an expression over the synapses of each source, or of each target.

    Attributes
    ----------
    synapses : str
    end : {"pre", "post"}
        Whether sources or targets get the sum.
    variable : str
        Of the group at that end.
    expression : str
        Of the synapses' variables and, with ``_pre`` and ``_post``, those of their ends.
    """

    synapses: str
    end: str
    variable: str
    expression: str

    @property
    def target(self):
        """Brian2's name of what is set."""
        return f"{self.variable}_{self.end}"

    def __str__(self):
        return (
            f"{self.variable} = sum of {readable_expression(self.expression)} over {self.synapses}"
        )


class Blueprint:
    """What a program has and does in a step.

    Parameters
    ----------
    structure : dict
        `bgrl.agent.Agent.structure`; of it the blueprint itself uses slots, sub-steps, replicates and
        dtype.

    Attributes
    ----------
    groups : dict of str to Group
    items : list of (str, Code, Sum or operation)
        Slot and what happens in it. Within a slot, things happen in the order of this list.
    tables : dict of str to array (steps, columns)
        Functions of time that code may call.
    """

    def __init__(self, structure):
        self.structure = structure
        self.replicates = structure["replicates"]
        self.dtype = structure["dtype"]
        self.groups, self.items, self.tables = {}, [], {}

    # Writing --------------------------------------------------------------------------------

    def group(self, name, *shape):
        """Add a group; without a shape it has one element (in each replicate)."""
        self._new(Group(name, shape))

    def synapses(self, name, source, target):
        """Add synapses from every element of one group to every element of another."""
        shape = self.groups[target].size, self.groups[source].size
        self._new(Group(name, shape, (source, target)))

    def _new(self, group):
        if group.name in self.groups:
            raise BlueprintError(f"there are two groups called {group.name!r}")
        self.groups[group.name] = group

    def variables(self, group, *names, **properties):
        """Add variables to a group.

        Parameters
        ----------
        group : str
        *names : str
        **properties
            Of all of them, see `Variable`.
        """
        for name in names:
            self._add(group, name, Variable(**properties))

    def constant(self, group, name, values):
        """Add numbers that are part of the program: one for each element of one replicate."""
        self._add(group, name, Variable(constant=np.asarray(values)))

    def _add(self, group, name, variable):
        owner = self._group(group)
        if name in owner.variables or name in owner.links:
            raise BlueprintError(f"{group} has two variables called {name!r}")
        owner.variables[name] = variable

    def link(self, group, name, source, variable, index=None):
        """Make `name` of a group a view of another group's variable, see `Link`."""
        owner = self._group(group)
        if name in owner.variables or name in owner.links:
            raise BlueprintError(f"{group} has two variables called {name!r}")
        if index is not None:
            index = np.broadcast_to(np.asarray(index, int), owner.size)
        owner.links[name] = Link(source, variable, index)

    def code(self, slot, group, text):
        """Add assignments to a slot."""
        self._group(group)
        text = "\n".join(line.strip() for line in text.splitlines() if line.strip())
        self.items.append((self._slot(slot), Code(group, text)))

    def sum(self, slot, synapses, end, variable, expression):
        """Add a sum over synapses to a slot, see `Sum`."""
        self._group(synapses)
        self.items.append((self._slot(slot), Sum(synapses, end, variable, expression)))

    def operate(self, slot, kind, *values):
        """Add an operation (a class of `bgrl.step.operation`, and what it is made with) to a slot."""
        name = f"{kind.__name__.lower()}_{len(self.items)}"
        self.items.append((self._slot(slot), kind(name, self.replicates, *values)))

    def modulated(self, group, expression):
        """An expression as interventions change it: a gain times it, plus a baseline.

        Without interventions it is the expression itself. The two links are `bgrl.step.interventions`'.
        """
        if self.structure["interventions"] is None:
            return expression
        return f"modulation_gain*({expression}) + modulation_baseline"

    def _group(self, name):
        if name not in self.groups:
            raise BlueprintError(f"there is no group {name!r}")
        return self.groups[name]

    def _slot(self, slot):
        if slot not in self.structure["slots"]:
            raise BlueprintError(f"there is no slot {slot!r}")
        return slot

    # Reading --------------------------------------------------------------------------------

    def layout(self):
        """Every array of the state: name to (dtype, shape), replicates first."""
        found = {}
        for group in self.groups.values():
            for name, variable in group.variables.items():
                if variable.constant is None:
                    dtype = self.dtype if variable.kind == "real" else "int32"
                    shape = () if variable.shared else (self.replicates, *group.shape)
                    found[f"{group.name}.{name}"] = dtype, shape
        return found

    def kept_for(self, parameter):
        """Array name to elements per replicate, of what learning keeps of a parameter."""
        return {
            f"{group.name}.{name}": group.size
            for group in self.groups.values()
            for name, variable in group.variables.items()
            if variable.kept_for == parameter
        }

    def schedule(self, learn=True):
        """What happens in one task step, sub-steps repeated.

        Parameters
        ----------
        learn : bool
            Whether the slots in which learning happens are part of it.

        Returns
        -------
        list of (str, list)
            Slot, and its items.
        """
        by_slot = {slot: [] for slot in self.structure["slots"]}
        for slot, item in self.items:
            by_slot[slot].append(item)
        order = unroll(self.structure["slots"], self.structure["substeps"], learn)
        return [(slot, by_slot[slot]) for slot in order]

    def operations(self):
        """The operations, in the order in which they were added."""
        return [item for _, item in self.items if not isinstance(item, Code | Sum)]

    def check(self):
        """Refuse links to nothing, and code with names that nothing has.

        Raises
        ------
        BlueprintError
            Naming what is wrong, and where.
        """
        for group in self.groups.values():
            for name, link in group.links.items():
                self._check_link(group, name, link)
        arrays = {*self.layout(), "clock.timestep"}
        for slot, item in self.items:
            if isinstance(item, Code):
                group, known = self.groups[item.group], self._names(item.group)
                for line in item.text.splitlines():
                    name = _ASSIGNED.match(line)
                    if not name:
                        raise BlueprintError(f"{slot}, {group.name}: no assignment: {line!r}")
                    self._check_names(slot, group.name, line[name.end() :], known)
                    known.add(name[1])
            elif isinstance(item, Sum):
                self._check_names(slot, item.synapses, item.expression, self._names(item.synapses))
                end = self.groups[item.synapses].ends[item.end == "post"]
                if item.variable not in self.groups[end].variables:
                    raise BlueprintError(f"{slot}: {end} has no variable {item.variable!r}")
            elif unknown := sorted(set(item.arrays()) - arrays):
                raise BlueprintError(f"{slot}, {item.name}: there is no array {unknown[0]!r}")

    def _check_link(self, group, name, link):
        source = self.groups.get(link.group)
        if source is None or link.variable not in {**source.variables, **source.links}:
            raise BlueprintError(
                f"{group.name}.{name} reads {link.group}.{link.variable}, which does not exist"
            )
        shared = link.variable in source.variables and source.variables[link.variable].shared
        if link.index is None and not shared and source.size != group.size:
            raise BlueprintError(f"{group.name}.{name} needs an index into {link.group}")
        if link.index is not None and link.index.max() >= source.size:
            raise BlueprintError(f"{group.name}.{name} reads beyond the end of {link.group}")

    def _names(self, name):
        """What code of a group may read."""
        group = self.groups[name]
        found = {*group.variables, *group.links, *_KNOWN, *self.tables}
        for end, other in zip(("pre", "post"), group.ends or (), strict=False):
            names = {**self.groups[other].variables, **self.groups[other].links}
            found |= {f"{v}_{end}" for v in names}
        return found

    @staticmethod
    def _check_names(slot, group, expression, known):
        if unknown := sorted(
            set(_WORD.findall(re.sub(r"\d+\.?\d*e[-+]?\d+", "0", expression))) - known
        ):
            raise BlueprintError(f"{slot}, {group}: unknown name {unknown[0]!r} in {expression!r}")

    # For people -----------------------------------------------------------------------------

    def __str__(self):
        lines = []
        for slot in self.structure["slots"]:
            repeated = self.structure["substeps"] if slot in SUBSTEP_SLOTS else 1
            lines.append(slot if repeated == 1 else f"{slot} ({repeated} times)")
            before = None
            for of, item in self.items:
                if of != slot:
                    continue
                owner = self._owner(item)
                if owner != before:
                    lines.append(f"  {owner}")
                before = owner
                lines += [f"    {line}" for line in str(item).splitlines()]
        return "\n".join(lines)

    def _owner(self, item):
        """Heading of an item: the group that it belongs to, with the size of that."""
        if isinstance(item, Code):
            group = self.groups[item.group]
        elif isinstance(item, Sum):
            group = self.groups[self.groups[item.synapses].ends[item.end == "post"]]
        else:
            return type(item).__name__.lower()
        size = " x ".join(map(str, group.shape))
        return f"{group.name} ({size})" if size else group.name
