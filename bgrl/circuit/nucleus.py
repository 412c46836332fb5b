"""A nucleus: neurons that share their equations, and functions of the user's own in these."""

import re
from dataclasses import field, replace

from bgrl.circuit.values import Parameter, check_binary, check_value, frozen
from bgrl.description import description
from bgrl.errors import InputError, choose
from bgrl.language import check_expression, check_name, check_names

#: Names that the network uses for itself in every population.
RESERVED = re.compile(
    r"(done|dopamine|chosen|pre|eligibility|learning_rate|discount|trace_decay|square|clip_scale|youth|td_error|task_done|"
    r"task_seed|task_replicate|xi(_\w*)?|"
    r"correction_[12]|weight|weight_sign|mask|feedback|i|j|N|t|dt|t_in_timesteps|lastspike|source|start|stop|name|pi|e|inf|"
    r"(learning|entropy|drawn|exact|sensitivity|eligibility|moment|jacobian|gain|slope|own|self|sum|initial|"
    r"sent|from|next|shared|flag|square|gradient|update|modulation|held)_.*|.*_(pre|post)|.*_delayed_\d+)\Z"
)


#: The end of the name of a delay line's variable.
_DELAYED = re.compile(r"_delayed_\d+\Z")


#: What optimizers keep of a parameter, before its name.
KEPT = ("peak",)


_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z", re.ASCII)


DIFFERENTIAL = re.compile(r"d(\w+)/dt\s*=\s*(.+?)\s*:\s*(\w+)\Z")


#: White noise in equations: ``xi``, or ``xi_name`` where there are several independent ones.
NOISE = re.compile(r"(?<![\w.])xi(?:_\w+)?(?!\w)")


DECLARATION = re.compile(r"(\w+)\s*:\s*(\w+)\s*(?:\(constant\))?\Z")


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
        """Raise `InputError` for a name, symbol or number of derivatives that cannot be."""
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

    def __post_init__(self):
        derivatives, units = (
            (None, {}) if self.equations is None else _parse_equations(self.equations)
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
            for name, p in parameters.items():
                if p.unit == "ms" and units.get(name) == "1":
                    raise InputError(
                        f"parameter {name!r} is a time, but the equations declare '{name} : 1'; "
                        f"write '{name} : second'"
                    )
            parameters = {
                name: replace(p, unit=units.get(name, p.unit)) for name, p in parameters.items()
            }
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

    @property
    def dynamics(self):
        """State variable to right-hand side, those of the delay lines included."""
        return self.described | self.lines if self.delayed else self.described

    def initial_of(self, variable):
        """Where a variable starts; a delay line as if its variable had been there before."""
        return self.initial.get(_DELAYED.sub("", variable), 0.0)

    @property
    def noises(self):
        """Names of the noises in its equations (``xi``, ``xi_name``); a map has none."""
        return () if self.derivatives is None else noises(self.derivatives)

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
        """Raise `InputError` for a size, name, symbol or initial value that cannot be."""
        if self.size < 1:
            raise InputError(f"population {name!r}: size {self.size}; at least 1 is needed")
        if not self.dynamics:
            raise InputError(f"population {name!r} has no state variable")
        known = {*self.dynamics, *self.parameters, *self.drives, *self.noises}
        for key, function in self.functions.items():
            function.check(key)
        if self.map is not None and (found := noises(self.map)):
            raise InputError(
                f"population {name!r}: noise {found[0]} is for 'equations'; a map has no duration"
            )
        for variable, expression in self.dynamics.items():
            where = f"population {name!r}, variable {variable!r}"
            functions = {f: len(d.arguments) for f, d in self.functions.items()}
            check_expression(where, expression, known, functions)
        for variable, value in self.initial.items():
            choose(f"initial variable of population {name!r}", variable, self.described)
            check_value(f"initial {name}.{variable}", value, (self.size,))
        for parameter, p in self.parameters.items():
            check_value(f"{name}.{parameter}", p.value, (self.size,))
        check_binary(f"lesion of {name!r}", self.lesioned, (self.size,), "neurons")


def delay_variable(name, steps):
    """Name of what a state variable was some Euler steps ago."""
    return f"{name}_delayed_{steps}" if steps else name


def noises(dynamics):
    """Names of the noises in right-hand sides, each once, in alphabetical order."""
    return tuple(sorted({name for text in dynamics.values() for name in NOISE.findall(text)}))


def _parse_equations(text):
    """Split Brian2 rate equations into derivatives and the units of what they declare."""
    if not isinstance(text, str):
        raise InputError(f"equations is {text!r}; text is needed, 'dx/dt = ... : 1'")
    derivatives, units = {}, {}
    for line in filter(None, (part.split("#")[0].strip() for part in text.splitlines())):
        if match := DIFFERENTIAL.match(line):
            name, found, value = match[1], derivatives, match[2]
            if match[3] != "1":
                raise InputError(f"{line!r}: state variables are dimensionless, write ': 1'")
        elif match := DECLARATION.match(line):
            if match[2] not in ("1", "second"):
                raise InputError(f"{line!r}: unit {match[2]}; valid: 1, second")
            name, found, value = match[1], units, "ms" if match[2] == "second" else "1"
        else:
            raise InputError(
                f"not an equation: {line!r}; write 'dx/dt = ... : 1' or 'tau : second'"
            )
        if name in found:
            raise InputError(f"{line!r}: {name!r} has a line already")
        found[name] = value
    if not derivatives:
        raise InputError(
            f"equations {text!r} have no line 'dx/dt = ... : 1'; one is needed at least"
        )
    return derivatives, units
