"""A nucleus: neurons that share their equations, and functions of the user's own in these."""

import re
from dataclasses import field
from functools import cached_property

from bgrl.circuit.equations import RESERVED, noises, parse_equations, with_units
from bgrl.circuit.modulators import Factor, Junction, arriving, through
from bgrl.circuit.synapse import Terminal, after
from bgrl.circuit.values import Parameter, check_binary, check_value, frozen
from bgrl.description import description
from bgrl.errors import InputError, choose
from bgrl.language import canonical, check_expression, check_name, check_names

#: The end of the name of a delay line's variable.
_DELAYED = re.compile(r"_delayed_\d+\Z")


#: What optimizers keep of a parameter, before its name.
KEPT = ("peak",)


_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z", re.ASCII)


@description
class Function:
    """A function of the user's own, for the equations of a population.

    Parameters
    ----------
    arguments : tuple of str
    value : str
        Expression of the arguments.
    derivatives : tuple of str, optional
        The derivative to learn through with respect to each argument, expressions of the arguments;
        found symbolically where nothing is said. Where `value` has steps this is where a surrogate
        goes (Neftci, Mostafa & Zenke 2019, IEEE Signal Process. Mag. 36:51).

    Raises
    ------
    InputError
        If there is no argument, one of them has no valid name or is given twice, or an expression
        cannot be read. A `Circuit` refuses symbols that are no arguments, and another number of
        derivatives than of arguments.

    Examples
    --------
    >>> Function(("x",), "int(x > 0)", ("exp(-x**2)",))
    Function(arguments=('x',), value='int(x > 0)', derivatives=('exp(-x**2)',))
    """

    arguments: tuple[str, ...]
    value: str
    derivatives: tuple[str, ...] | None = None

    def __post_init__(self):
        where = f"function {self.value!r}"
        check_names(where, arguments=self.arguments)
        object.__setattr__(self, "arguments", tuple(self.arguments))
        for argument in self.arguments:
            check_name(f"{where}: {self.arguments!r} are no names of arguments", argument, "one")
        if not self.arguments:
            raise InputError(f"{where} has no argument; one is needed at least")
        if self.derivatives is not None:
            if isinstance(self.derivatives, str):
                raise InputError(f"{where}: derivatives is {self.derivatives!r}; a tuple is needed")
            object.__setattr__(self, "derivatives", tuple(self.derivatives))
        for expression in (self.value, *(self.derivatives or ())):
            check_expression("function", expression)

    def check(self, name):
        """Refuse a name, symbol or number of derivatives that cannot be.

        Raises
        ------
        InputError
            Naming it and what is needed.
        """
        check_name("functions", name, "a function")
        if self.derivatives is not None and len(self.derivatives) != len(self.arguments):
            raise InputError(
                f"function {name!r} has {len(self.arguments)} argument(s) and "
                f"{len(self.derivatives)} derivative(s); one for each argument is needed"
            )
        for expression in (self.value, *(self.derivatives or ())):
            check_expression(f"function {name!r}", expression, self.arguments)


@description(eq=False)
class Population:
    """A nucleus: neurons that share their equations.

    Exactly one of `equations`, `derivatives` and `map` says what they do.

    Parameters
    ----------
    size : int
        Number of neurons.
    equations : str, optional
        Brian2 rate equations, ``drate/dt = (-rate + tanh(drive))/tau : 1``; lines such as
        ``tau : second`` declare the unit of a parameter (values are given in ms). White noise is
        ``xi`` as in Brian2, ``sigma*sqrt(2/tau)*xi``, and ``xi_name`` where there are several
        independent ones; every neuron has its own.
    derivatives : dict of str to str, optional
        State variable to the right-hand side of its time derivative, per ms.
    map : dict of str to str, optional
        State variable to its next value; all variables change at once.
    parameters : dict of str to Parameter
        Or a list of names, whose values are given elsewhere.
    drives : sequence of str
        Names of the summed inputs that projections feed.
    initial : dict of str to float or array
        State at the start of a run and of every trial; zero where nothing is said.
    functions : dict of str to Function
        The user's own functions in the equations.
    lesioned : array of 0 and 1 (size,), optional
        Neurons that a lesion took: no synapse of a circuit reaches or leaves them.
    delayed : dict of str to int
        State variable to the Euler steps for which it is remembered; a circuit sets it, by the delays
        of its projections.
    terminals : tuple of bgrl.circuit.synapse.Terminal
        The synapses with dynamics that its neurons have; a circuit sets them, by its projections.
    factors : tuple of bgrl.circuit.modulators.Factor
        What modulators multiply in it; a circuit sets them, by its projections.
    junctions : tuple of bgrl.circuit.modulators.Junction
        The gap junctions onto its neurons; a circuit sets them, by its projections.

    Raises
    ------
    InputError
        If not exactly one of `equations`, `derivatives` and `map` is given, an equation or
        expression cannot be read, a name is not valid or is given twice, the equations declare what
        is neither a parameter nor a drive, or another unit than a parameter has. A `Circuit`
        refuses a size below 1, unknown symbols, and values that do not fit the size.
    """

    size: int
    equations: str | None = None
    derivatives: dict[str, str] | None = None
    map: dict[str, str] | None = None
    parameters: dict[str, Parameter] | tuple[str, ...] = field(default_factory=dict)
    drives: tuple[str, ...] = ("drive",)
    initial: dict = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    lesioned: object = None
    delayed: dict[str, int] = field(default_factory=dict)
    terminals: tuple[Terminal, ...] = ()
    factors: tuple[Factor, ...] = ()
    junctions: tuple[Junction, ...] = ()

    def __post_init__(self):
        derivatives, units = (
            (None, {}) if self.equations is None else parse_equations(self.equations)
        )
        given = [k for k in ("equations", "derivatives", "map") if getattr(self, k) is not None]
        if given == ["equations", "derivatives"] and self.derivatives == derivatives:
            given.remove("derivatives")
        if len(given) != 1:
            raise InputError(
                "a population needs exactly one of equations, derivatives and map; "
                f"given: {', '.join(given) or 'none'}"
            )
        self._check_language(derivatives or self.described)
        parameters = self.parameters
        if not isinstance(parameters, dict):
            parameters = {name: Parameter() for name in parameters}
        if self.equations is not None:
            parameters = with_units(parameters, units)
            if undeclared := set(units) - set(parameters) - set(self.drives):
                raise InputError(
                    f"the equations declare {', '.join(sorted(undeclared))}, which is neither a "
                    f"parameter nor a drive; parameters: {', '.join(parameters) or 'none'}"
                )
            object.__setattr__(self, "derivatives", derivatives)
        initial = {name: frozen(value) for name, value in self.initial.items()}
        object.__setattr__(self, "parameters", parameters)
        object.__setattr__(self, "initial", initial)
        object.__setattr__(self, "lesioned", frozen(self.lesioned))

    @property
    def described(self):
        """State variable to right-hand side, whichever kind it is."""
        return self.map if self.derivatives is None else self.derivatives

    @property
    def lines(self):
        """Delay lines: each variable ``rate_delayed_k`` to the one whose value it takes in a step."""
        return {
            delay_variable(name, k): delay_variable(name, k - 1)
            for name, steps in self.delayed.items()
            for k in range(1, steps + 1)
        }

    @cached_property
    def dynamics(self):
        """State variable to right-hand side, with all that the projections of a circuit bring.

        These are the variables of synapses and delay lines, and what modulators multiply.
        """
        found = self._modulated
        for terminal in self.terminals:
            found |= terminal.derivatives
        for terminal in self.terminals:
            found |= terminal.output(self._next(terminal.reads, terminal.dt))
        return found | self.lines

    def _next(self, variable, dt):
        """What a variable is after an Euler step, as an expression."""
        if self.derivatives is None:
            return f"({canonical(self._modulated[variable], floats=False)})"
        return after(variable, canonical(self._modulated[variable], floats=False), dt)

    @property
    def _modulated(self):
        """State variable to right-hand side, with what arrives in the place of drives."""
        if not self.arriving:
            return dict(self.described)
        return {
            variable: canonical(text, self.arriving, floats=False)
            for variable, text in self.described.items()
        }

    @property
    def arriving(self):
        """Drive to what arrives in its place, where it is modulated or there are gap junctions."""
        found = {drive: arriving(drive, self.factors, self.junctions) for drive in self.drives}
        return {drive: text for drive, text in found.items() if text != drive}

    @property
    def all_drives(self):
        """Its drives, and those of its modulators and gap junctions."""
        brought = [drive for f in self.factors for drive in f.drives]
        brought += [through(junction.key) for junction in self.junctions]
        return (*self.drives, *dict.fromkeys(brought))

    @property
    def direct(self):
        """Variables whose right-hand side is the next value where that of others is the derivative."""
        own = [] if self.derivatives is not None or not self.terminals else list(self.map)
        outputs = [v for t in self.terminals for v in (t.transmitted,) if v not in t.derivatives]
        return [*own, *outputs, *self.lines]

    @property
    def synaptic(self):
        """Variables of its synapses that have a derivative."""
        return [variable for terminal in self.terminals for variable in terminal.derivatives]

    @property
    def kept(self):
        """Variables of its synapses that these do not transmit."""
        return [variable for terminal in self.terminals for variable in terminal.kept]

    @property
    def all_parameters(self):
        """Its parameters, those of its synapses, and the conductances of its gap junctions.

        The latter follow from weights, once these are drawn.
        """
        found = dict(self.parameters)
        for terminal in self.terminals:
            found |= terminal.parameters
        return found | {junction.conductance: Parameter() for junction in self.junctions}

    def initial_of(self, variable):
        """Where a variable starts; a delay line as if its variable had been there before.

        Text of a synapse is an expression of parameters and variables.
        """
        initial = dict(self.initial)
        for terminal in self.terminals:
            initial |= terminal.initial
        return initial.get(_DELAYED.sub("", variable), 0.0)

    @cached_property
    def noises(self):
        """Names of the noises in its equations and synapses (``xi``, ``xi_name``); a map has none."""
        own = {} if self.derivatives is None else self.derivatives
        return noises(own | {k: v for t in self.terminals for k, v in t.derivatives.items()})

    @property
    def releases(self):
        """Variables that hold what was drawn of the release of its synapses, to how often it fails."""
        return {k: v for terminal in self.terminals for k, v in terminal.release.items()}

    def _check_language(self, dynamics):
        """Refuse names and expressions that can be none in any circuit."""
        if not isinstance(dynamics, dict):
            raise InputError(
                f"a population's dynamics is {dynamics!r}; a dict is needed, {{'rate': 'expression'}}"
            )
        where = f"population of {', '.join(map(str, dynamics)) or 'nothing'}"
        kinds = {"variables": dynamics, "parameters": self.parameters, "drives": self.drives}
        check_names(where, **kinds)
        names = [name for names in kinds.values() for name in names]
        for name in names:
            derived = any(name == f"{kept}_{other}" for kept in KEPT for other in names)
            taken = {name} if derived or RESERVED.match(name) else ()
            check_name(where, name, taken=taken)
        check_names(where, functions=self.functions, names=names)
        for variable, expression in dynamics.items():
            check_expression(f"variable {variable!r}", expression)

    def check(self, name):
        """Refuse a size, name, symbol or initial value that cannot be.

        Raises
        ------
        InputError
            Naming it and what is needed.
        """
        if self.size < 1:
            raise InputError(f"population {name!r}: size {self.size}; at least 1 is needed")
        if not self.dynamics:
            raise InputError(f"population {name!r} has no state variable")
        known = {*self.described, *self.parameters, *self.drives, *self.noises}
        for key, function in self.functions.items():
            function.check(key)
        if self.map is not None and (found := noises(self.map)):
            raise InputError(
                f"population {name!r}: noise {found[0]} is for 'equations'; a map has no duration"
            )
        for variable, expression in self.described.items():
            where = f"population {name!r}, variable {variable!r}"
            functions = {f: len(d.arguments) for f, d in self.functions.items()}
            check_expression(where, expression, known, functions)
        for variable, value in self.initial.items():
            choose(f"initial variable of population {name!r}", variable, self.described)
            check_value(f"initial {name}.{variable}", value, (self.size,))
        for parameter, p in self.parameters.items():
            check_value(f"{name}.{parameter}", p.value, (self.size,))
        check_binary(f"lesion of {name!r}", self.lesioned, (self.size,), "neurons")

    def check_names(self, name):
        """Refuse what projections bring if it has a name that is the population's own.

        Raises
        ------
        InputError
            Naming what is to be renamed.
        """
        own = {*self.described, *self.parameters, *self.drives, *self.functions}
        brought = dict.fromkeys(self.all_drives[len(self.drives) :], "a modulator")
        for junction in self.junctions:
            parts = through(junction.key), junction.conductance
            brought |= dict.fromkeys(parts, "an electrical projection")
        for terminal in self.terminals:
            parts = (*terminal.derivatives, terminal.transmitted, *terminal.parameters)
            brought |= dict.fromkeys(parts, "a synapse with dynamics")
        for called in own & set(brought):
            raise InputError(
                f"population {name!r}: {called!r} is also the name of what {brought[called]} has; "
                "rename it"
            )


def delay_variable(name, steps):
    """Name of what a state variable was some Euler steps ago."""
    return f"{name}_delayed_{steps}" if steps else name
