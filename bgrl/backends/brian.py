"""From a blueprint to Brian2 objects: the only file that makes any."""

import re
from copy import copy

import brian2 as b2
import numpy as np
from brian2.codegen import codeobject, translation
from brian2.codegen.generators import base
from brian2.core.variables import AuxiliaryVariable, Constant, Subexpression
from brian2.equations.codestrings import Expression
from brian2.equations.equations import (
    FLOAT,
    INTEGER,
    PARAMETER,
    SUBEXPRESSION,
    Equations,
    SingleEquation,
)
from brian2.parsing.statements import parse_statement
from brian2.units.fundamentalunits import DIMENSIONLESS

from bgrl import random
from bgrl.backends.rows import Rows
from bgrl.backends.units import check_structure
from bgrl.errors import InputError
from bgrl.step.blueprint import Code, Sum

_WORD = re.compile(r"[A-Za-z_]\w*")
_translated = translation.make_statements
_translated = getattr(_translated, "__wrapped__", _translated)
#: Statements of pieces of code by all that they depend on; the oldest go first.
kept_statements = {}
_MOST_KEPT = 4000


def _make_statements(code, variables, dtype, optimise=True, blockname=""):
    """What Brian2's function of this name makes, kept for networks that have the same piece of code.

    Brian2 keeps it under a key of all variables that the code can see, which takes longer than making it
    anew; the key here has those that it names.
    """
    used = _used(code, variables)
    key = code, np.dtype(dtype).str, optimise, blockname, tuple(map(_signature, used.items()))
    if key not in kept_statements:
        if len(kept_statements) >= _MOST_KEPT:
            del kept_statements[next(iter(kept_statements))]
        kept_statements[key] = _translated(code, variables, dtype, optimise, blockname)
    # What comes after may change them.
    return tuple(list(map(copy, statements)) for statements in kept_statements[key])


def _used(code, variables):
    """The variables and functions that code names, and those that their expressions name."""
    found, left = {}, [code]
    while left:
        names = set(_WORD.findall(left.pop())) - set(found)
        for name in sorted(names & set(variables)):
            found[name] = variables[name]
            left += [found[name].expr] if isinstance(found[name], Subexpression) else []
    return found


def _signature(item):
    """What statements depend on of a variable or function, and its name."""
    name, v = item
    if isinstance(v, b2.Function):
        return name, type(v).__name__, v.stateless, v.auto_vectorise, v._return_type
    what = v.expr if isinstance(v, Subexpression) else None
    what = float(v.value) if isinstance(v, Constant) else what
    return name, type(v).__name__, np.dtype(v.dtype).str, v.scalar, v.constant, v.read_only, what


base.make_statements = translation.make_statements = _make_statements


def _analyse_identifiers(code, variables, recursive=False):
    """What Brian2's function of this name finds: names that code sets first, uses, and does not know.

    Brian2 makes the statements of the code to find out, which takes long, and in which ``x + y - y`` is
    `x`. Here names are read from the text.
    """
    known = {name for name, v in variables.items() if not isinstance(v, AuxiliaryVariable)}
    known |= translation.STANDARD_IDENTIFIERS
    lines = [parse_statement(line) for line in re.split("[;\n]", code) if line.strip()]
    found = {name for name, *_ in lines}
    nested = variables if recursive else {}
    found |= translation.get_identifiers_recursively([line[2] for line in lines], nested)
    defined = {name for name, op, *_ in lines if op == "="} - known
    return defined, found & known - translation.STANDARD_IDENTIFIERS, found - defined - known


codeobject.analyse_identifiers = translation.analyse_identifiers = _analyse_identifiers


def _quantity(name, flag=None, integer=False, expression=None):
    """A line of Brian2's equations, as what its parser makes of the text; parsing takes longer."""
    kind = PARAMETER if expression is None else SUBEXPRESSION
    expression = None if expression is None else Expression(expression)
    flags = None if flag is None else [flag]
    return SingleEquation(
        kind, name, DIMENSIONLESS, INTEGER if integer else FLOAT, expression, flags
    )


def _equations(quantities):
    found = Equations(quantities)
    found.check_identifiers()
    return found


_BRIAN_SLOTS = ("start", "groups", "thresholds", "synapses", "resets")


def counter_uniform_function():
    """The generator of `bgrl.random` as a Brian2 function for every target."""
    function = b2.Function(
        random.counter_uniform,
        arg_units=[1] * 5,
        return_unit=1,
        arg_types=["integer"] * 5,
        return_type="float",
        stateless=True,
    )
    function.implementations.add_implementation("numpy", random.counter_uniform)
    function.implementations.add_implementation("cpp", random.CPP, name="_counter_uniform")
    function.implementations.add_implementation("cython", random.CYTHON, name="_counter_uniform")
    return function


def where_function():
    """``where(flag, a, b)``: a where the flag is above 0, else b; the other may be infinite or NaN."""
    function = b2.Function(
        lambda flag, a, b: np.where(np.asarray(flag) > 0, a, b),
        arg_units=[1] * 3,
        return_unit=1,
        arg_types=["float"] * 3,
        return_type="float",
        stateless=True,
    )
    function.implementations.add_implementation("numpy", function.pyfunc)
    cpp = """
        template <typename F, typename A, typename B>
        static inline typename std::common_type<A, B>::type
        _where(const F flag, const A a, const B b) { return flag > 0 ? a : b; }
    """
    function.implementations.add_implementation("cpp", cpp, name="_where")
    cython = """
        cdef inline double _where(double flag, double a, double b) noexcept nogil:
            return a if flag > 0 else b
    """
    function.implementations.add_implementation("cython", cython, name="_where")
    return function


class Network:
    """The Brian2 objects of a blueprint.

    Parameters
    ----------
    blueprint : bgrl.step.blueprint.Blueprint
    suffix : str
        Appended to the names of the Brian2 objects; ``"*"`` makes them unique in this process.
    own_numbers : bool
        Whether every element has a number of its own of what is one for all in the blueprint.

    Attributes
    ----------
    brian : brian2.Network
        With the step's slots as its schedule.
    layout : dict of str to (dtype, shape)
        Every array that makes up the state.
    variables : dict of str to brian2 variable
        The same names to the variables, and "clock.timestep", which is no part of the state.
    ended : str
        Array that is 1 where a trial ended in this step (the next may start a step later).
    """

    def __init__(self, blueprint, suffix="", own_numbers=False):
        self.blueprint, self._suffix, self._own_numbers = blueprint, suffix, own_numbers
        check_structure(blueprint.structure)
        self.layout = blueprint.layout()
        self.ended = "task.ended" if "task.ended" in self.layout else "task.done"
        self.clock = b2.Clock(dt=1 * b2.ms, name="step_clock*")
        self._namespace = {
            "counter_uniform": counter_uniform_function(),
            "where": where_function(),
            **{
                name: b2.TimedArray(np.asarray(values), dt=1 * b2.ms, name=f"table_{name}")
                for name, values in blueprint.tables.items()
            },
        }
        self._groups = {}
        for group in blueprint.groups.values():
            if group.ends is None:
                self._groups[group.name] = self._neurons(group)
        for group in blueprint.groups.values():
            if group.ends is not None:
                self._groups[group.name] = self._synapses(group)
        for group in blueprint.groups.values():
            self._connect(group)
        self.variables = {
            name: self._groups[owner].variables[variable]
            for name in self.layout
            for owner, variable in [name.split(".")]
        }
        self.variables["clock.timestep"] = self.clock.variables["timestep"]
        self._items = [self._placed(k, *item) for k, item in enumerate(blueprint.items)]
        self.brian = b2.Network(list(self._groups.values()))
        # Brian2's own slots stay empty, but the groups' unused updaters need a place.
        self.brian.schedule = [*_BRIAN_SLOTS, *blueprint.structure["slots"], "end"]

    def prepare(self):
        """Make the code of everything, as `run` does before its first step.

        `run` collects garbage too, which takes as long.
        """
        self.brian._clocks = {self.clock}
        self.brian.before_run({})

    def schedule(self, learn=True):
        """One task step: slots, and their code objects of Brian2 and operations; see `Blueprint`."""
        built = {
            id(item): made._code_objects if isinstance(item, Code | Sum) else [item]
            for (_, item), made in zip(self.blueprint.items, self._items, strict=True)
        }
        return [
            (slot, [call for item in items for call in built[id(item)]])
            for slot, items in self.blueprint.schedule(learn)
        ]

    def calls(self, learn=True):
        """What `schedule` holds, without the slots."""
        return [call for _, calls in self.schedule(learn) for call in calls]

    def _neurons(self, group):
        quantities = [
            _quantity(
                name,
                "shared" if variable.shared and not self._own_numbers else None,
                integer=variable.kind == "integer",
            )
            for name, variable in group.variables.items()
        ]
        quantities += [_quantity(name, "linked") for name in group.links]
        try:
            return b2.NeuronGroup(
                self.blueprint.replicates * group.size,
                _equations(quantities),
                name=f"{group.name}{self._suffix}",
                clock=self.clock,
                namespace=self._namespace,
            )
        except SyntaxError as error:  # a name that Brian2 uses itself, of a unit for instance
            raise InputError(f"{group.name!r}: {error}") from None

    def _synapses(self, group):
        """Dense synapses within each replicate, ordered (replicate, target, source)."""
        (targets, sources), (source, target) = group.shape, group.ends
        quantities = [_quantity(name) for name in group.variables]
        quantities += [
            _quantity(item.target, "summed", expression=item.expression)
            for _, item in self.blueprint.items
            if isinstance(item, Sum) and item.synapses == group.name
        ]
        synapses = b2.Synapses(
            self._groups[source],
            self._groups[target],
            _equations(quantities),
            name=f"{group.name}{self._suffix}",
            clock=self.clock,
            namespace=self._namespace,
        )
        shape = self.blueprint.replicates, targets, sources
        synapses.add_attribute("dense_rows")
        synapses.dense_rows = Rows(*shape, length=sources)
        replicate, target, source = np.indices(shape).reshape(3, -1)
        synapses.connect(i=replicate * sources + source, j=replicate * targets + target)
        return synapses

    def _connect(self, group):
        """Links to other groups, and constants."""
        brian = self._groups[group.name]
        for name, link in group.links.items():
            index, size = link.index, self.blueprint.groups[link.group].size
            if index is None and self._own_numbers and size != group.size:
                index = np.zeros(group.size, int)  # of what is one number otherwise
            if index is not None:
                index = np.arange(self.blueprint.replicates)[:, None] * size + index.ravel()
                index = index.ravel()
            setattr(
                brian, name, b2.linked_var(self._groups[link.group], link.variable, index=index)
            )
        for name, variable in group.variables.items():
            if variable.constant is not None:
                values = np.tile(variable.constant, self.blueprint.replicates)
                setattr(brian, name, values)

    def _placed(self, order, slot, item):
        """Give an item its place in Brian2's schedule; what holds its code objects."""
        if isinstance(item, Code):
            name = f"{item.group}_{slot}_{order}{self._suffix}"
            group = self._groups[item.group]
            return group.run_regularly(item.text, when=slot, order=order, name=name)
        if isinstance(item, Sum):
            updater = self._groups[item.synapses].summed_updaters[item.target]
            updater.when, updater.order = slot, order
            return updater
        return item
