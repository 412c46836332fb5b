"""What a circuit is: nuclei, pathways and readouts, as plain frozen descriptions.

Nothing here knows Brian2. A description prints, compares, pickles, and goes through JSON in the
shape of the recorded circuits (`tests/fixtures/README.md`). How one is edited is in `bgrl.editing`.
Times are in ms, everything else is dimensionless unless a unit is given.
"""

import json
import math
import re
from dataclasses import field, replace

import numpy as np

from bgrl.clock import check_duration, check_time_constants
from bgrl.description import description
from bgrl.editing import Editing
from bgrl.errors import InputError, check_count, choose, plain
from bgrl.language import (
    FUNCTIONS,  # noqa: F401 (of equations; imported from here too)
    check_expression,
    check_name,
    check_names,
)

#: Inputs that an agent gives itself: the previous action and reward, and dopamine.
OWN_INPUTS = ("action", "reward", "dopamine")
#: Names that the network uses for itself in every population.
RESERVED = re.compile(
    r"(done|dopamine|chosen|pre|eligibility|learning_rate|discount|trace_decay|square|clip_scale|td_error|task_done|"
    r"correction_[12]|weight|weight_sign|mask|feedback|i|j|N|t|dt|t_in_timesteps|lastspike|source|start|stop|name|pi|e|inf|"
    r"(learning|entropy|exact|sensitivity|eligibility|moment|jacobian|gain|slope|own|self|sum|initial|"
    r"sent|from|next|shared|flag|square|gradient|update|modulation|held)_.*|.*_(pre|post))\Z"
)
#: What optimizers keep of a parameter, before its name.
KEPT = ("peak",)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z", re.ASCII)
DIFFERENTIAL = re.compile(r"d(\w+)/dt\s*=\s*(.+?)\s*:\s*(\w+)\Z")
DECLARATION = re.compile(r"(\w+)\s*:\s*(\w+)\s*(?:\(constant\))?\Z")


@description
class Distribution:
    """A distribution that initial values are drawn from.

    Parameters
    ----------
    kind : {"normal", "truncated_normal", "uniform"}
        `truncated_normal` is cut at two standard deviations of the parent and rescaled so that
        its own standard deviation is `b` (what deep-learning libraries call LeCun or Glorot
        normal).
    a, b : float
        Mean and standard deviation, or lower and upper bound.
    """

    kind: str
    a: float
    b: float

    # Standard deviation of a unit normal truncated at +-2.
    _TRUNCATED_STD = 0.8796256610342398

    def __post_init__(self):
        choose("distribution", self.kind, ("normal", "truncated_normal", "uniform"))
        if (self.kind == "uniform" and self.b < self.a) or (self.kind != "uniform" and self.b < 0):
            raise InputError(f"{self.kind}({self.a}, {self.b}): the range is empty")

    def sample(self, generator, shape):
        """Draw an array of `shape` from a `numpy.random.Generator`."""
        if self.kind == "uniform":
            return generator.uniform(self.a, self.b, shape)
        draws = generator.standard_normal(shape)
        if self.kind == "truncated_normal":
            while (outside := np.abs(draws) > 2).any():
                draws[outside] = generator.standard_normal(int(outside.sum()))
            draws /= self._TRUNCATED_STD
        return self.a + self.b * draws

    def __mul__(self, factor):
        """The distribution of what is drawn, times a number."""
        a, b = self.a * factor, self.b * abs(factor)
        if self.kind == "uniform":
            a, b = sorted((a, self.b * factor))
        return Distribution(self.kind, a, b)

    def __str__(self):
        if self.kind == "uniform":
            return f"uniform({self.a:g}, {self.b:g})"
        return f"{self.kind}({self.b:g}, {self.a:g})" if self.a else f"{self.kind}({self.b:g})"


def normal(std, mean=0.0):
    """Normal initial values."""
    return Distribution("normal", float(mean), float(std))


def truncated_normal(std, mean=0.0):
    """Normal initial values cut at two standard deviations (LeCun, Glorot)."""
    return Distribution("truncated_normal", float(mean), float(std))


def glorot_normal(sources, targets):
    """Initial weights of Glorot & Bengio (2010), for a number of sources and targets."""
    return truncated_normal(math.sqrt(2 / (sources + targets)))


def uniform(low, high):
    """Uniform initial values."""
    return Distribution("uniform", float(low), float(high))


@description(eq=False)
class Parameter:
    """A parameter of every neuron of a population, or of a task.

    Parameters
    ----------
    value : float, array or Distribution
        One value for all neurons, one each, or what to draw them from.
    unit : str
        "1" or "ms".
    trainable : bool
        Whether learning changes it.
    minimum : float, optional
        Lowest value that learning may reach, in `unit`. If nothing is said, a time constant goes no
        lower than an Euler step.
    """

    value: object = 0.0
    unit: str = "1"
    trainable: bool = False
    minimum: float | None = None

    def __post_init__(self):
        choose("unit", self.unit, ("1", "ms"))
        object.__setattr__(self, "value", _frozen(self.value))
        if not isinstance(self.value, np.ndarray | list | tuple):  # those the owner checks
            _check_value("value of a Parameter", self.value, ())


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
        ``tau : second`` declare the unit of a parameter (values are given in ms).
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

    def __post_init__(self):
        derivatives, units = _parse_equations(self.equations) if self.equations else (None, {})
        given = [k for k in ("equations", "derivatives", "map") if getattr(self, k) is not None]
        if given == ["equations", "derivatives"] and self.derivatives == derivatives:
            given.remove("derivatives")
        if len(given) != 1:
            raise InputError(
                "a population needs exactly one of equations, derivatives and map; "
                f"given: {', '.join(given) or 'none'}"
            )
        self._check_language(derivatives or self.dynamics)
        parameters = self.parameters
        if not isinstance(parameters, dict):
            parameters = {name: Parameter() for name in parameters}
        if self.equations is not None:
            parameters = {
                name: replace(p, unit=units.get(name, p.unit)) for name, p in parameters.items()
            }
            if undeclared := set(units) - set(parameters) - set(self.drives):
                raise InputError(
                    f"the equations declare {', '.join(sorted(undeclared))}, which is neither a "
                    f"parameter nor a drive; parameters: {', '.join(parameters) or 'none'}"
                )
            object.__setattr__(self, "derivatives", derivatives)
        initial = {name: _frozen(value) for name, value in self.initial.items()}
        object.__setattr__(self, "parameters", parameters)
        object.__setattr__(self, "initial", initial)
        object.__setattr__(self, "lesioned", _frozen(self.lesioned))

    @property
    def dynamics(self):
        """State variable to right-hand side, whichever kind it is."""
        return self.map if self.derivatives is None else self.derivatives

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
        known = {*self.dynamics, *self.parameters, *self.drives}
        for key, function in self.functions.items():
            function.check(key)
        for variable, expression in self.dynamics.items():
            where = f"population {name!r}, variable {variable!r}"
            functions = {f: len(d.arguments) for f, d in self.functions.items()}
            check_expression(where, expression, known, functions)
        for variable, value in self.initial.items():
            choose(f"initial variable of population {name!r}", variable, self.dynamics)
            _check_value(f"initial {name}.{variable}", value, (self.size,))
        for parameter, p in self.parameters.items():
            _check_value(f"{name}.{parameter}", p.value, (self.size,))
        _check_binary(f"lesion of {name!r}", self.lesioned, (self.size,), "neurons")


#: What the equations of a `Rule` may use besides the names of the target population.
RULE_SYMBOLS = ("weight", "eligibility", "pre", "dopamine", "chosen", "trace_decay")


@description
class Rule:
    """A synapse's own learning rule, in place of the gradient.

    The expressions may use `weight`, `eligibility`, `pre` (the presynaptic state), `dopamine` (the TD
    error), `trace_decay` (discount times lambda, 0 where a trial has ended), `chosen` (the weight from
    the action just chosen to the postsynaptic neuron, as the actor reads it or feeds it back) and
    everything of the target population: states, parameters, drives.

    Parameters
    ----------
    weight : str
        The next weight; uses the eligibility as it stood before this step.
    eligibility : str
        The next eligibility.

    Examples
    --------
    >>> Rule("weight + 0.1*dopamine*eligibility", "trace_decay*eligibility + pre*rate").weight
    'weight + 0.1*dopamine*eligibility'
    """

    weight: str
    eligibility: str

    def __post_init__(self):
        for which in ("weight", "eligibility"):
            check_expression(f"rule, {which}", getattr(self, which))

    def check(self, name, population):
        """Raise `InputError` for symbols that neither rules nor the target population have."""
        known = {*RULE_SYMBOLS, *population.dynamics, *population.parameters, *population.drives}
        for which in ("weight", "eligibility"):
            check_expression(f"rule of {name!r}, {which}", getattr(self, which), known)


@description(eq=False)
class Projection:
    """A pathway from an input or a population to a drive of a population.

    Parameters
    ----------
    source, target : str
        Names of an input or population, and of a population.
    drive : str
        Which drive of the target it feeds.
    reads : str
        Which state variable of the source it transmits.
    weights : float, array (target size, source size) or Distribution
    mask : array of 0 and 1 (target size, source size), optional
        Which synapses exist; all of them where nothing is said.
    sign : {1, -1}, optional
        Dale's law: learning may not change the sign of a weight.
    plastic : bool
        Whether learning changes the weights.
    rule : Rule, optional
        How it does that, if not by the gradient.
    lesioned : array of 0 and 1 (target size, source size), optional
        Synapses that a lesion took; the mask is zero there.
    """

    source: str
    target: str
    drive: str = "drive"
    reads: str = "rate"
    weights: object = 0.0
    mask: object = None
    sign: int | None = None
    plastic: bool = True
    rule: Rule | None = None
    lesioned: object = None

    def __post_init__(self):
        for name in ("weights", "mask", "lesioned"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))
        _cut(self)


@description(eq=False)
class Readout:
    """A linear nucleus that learns from dopamine directly: the actor or the critic.

    Parameters
    ----------
    name : str
        The nucleus, dorsal_striatum or ventral_striatum in the models here.
    reads : str
        The population it reads.
    variables : tuple of str
        The state variables of that population that it reads.
    weights : float, array (channels, variables x source size) or Distribution
        Variable by variable.
    feedback : float, array (channels, variables x source size) or Distribution
        Fixed weights that carry the learning signal back to what it reads; used with random
        feedback only, with symmetric feedback the weights themselves do.
    feedback_to : dict of str to float, array (channels, size) or Distribution
        Fixed weights that carry the learning signal to further populations, by "population.variable".
    plastic : bool
        Whether learning changes its weights.
    mask : array of 0 and 1 (variables x source size,), optional
        What it reads; all of it where nothing is said. Feedback follows it.
    lesioned : array of 0 and 1 (variables x source size,), optional
        What a lesion took of it; the mask is zero there.
    """

    name: str
    reads: str = "cortex"
    variables: tuple[str, ...] | str = ("rate",)
    weights: object = 0.0
    feedback: object = 0.0
    feedback_to: dict = field(default_factory=dict)
    plastic: bool = True
    mask: object = None
    lesioned: object = None

    def __post_init__(self):
        variables = (self.variables,) if isinstance(self.variables, str) else self.variables
        object.__setattr__(self, "variables", tuple(variables))
        for name in ("weights", "feedback", "mask", "lesioned"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))
        _cut(self)
        feedback_to = {state: _frozen(value) for state, value in self.feedback_to.items()}
        object.__setattr__(self, "feedback_to", feedback_to)

    def states(self):
        """(population, variable) of everything that it reads, in the order of its weights."""
        return [(self.reads, variable) for variable in self.variables]


@description
class Dopamine:
    """How dopamine neurons fire: a baseline, and a gain on the TD error, but never less than zero.

    Learning follows the TD error itself. The input `dopamine` of a circuit, by which dopamine changes
    excitability, is what firing says of it: (firing - baseline)/gain, plus a tonic level.

    Parameters
    ----------
    baseline : float
        Spikes/s. The default is in the range of recordings from awake animals (Schultz 1998, J.
        Neurophysiol. 80:1).
    gain : float
        Spikes/s for a TD error of 1.
    tonic : float
        Added to the input `dopamine`: a drug, or the lack of dopamine.
    """

    #: What its numbers are called before their names, in messages.
    CALLED = "dopamine "

    baseline: float = 5.0
    gain: float = 20.0
    tonic: float = 0.0

    def __post_init__(self):
        if self.baseline < 0 or self.gain <= 0:
            raise InputError(
                f"dopamine baseline {self.baseline} and gain {self.gain} spikes/s; the former must not "
                "be negative, the latter be positive"
            )


@description(eq=False)
class Circuit(Editing):
    """Populations, the projections between them, and the two readouts.

    It does not change; the methods of `bgrl.editing.Editing` return another circuit.

    Parameters
    ----------
    dt : float
        One Euler step, in ms; it must bear all time constants, see `bgrl.clock`.
    substeps : int
        Euler steps per task step, during which the input is held.
    populations : dict of str to Population
    projections : dict of str to Projection
    inputs : dict of str to int
        Number of channels of each input: `observation`, `action` (previous, one-hot), `reward`
        (previous) and `dopamine` (of the step before, see `Dopamine`) in a circuit that learns.
    actor, critic : Readout, optional
    dopamine : Dopamine
    """

    MADE_BY = "models.circuit(NAME, task)"

    dt: float
    substeps: int
    populations: dict[str, Population]
    projections: dict[str, Projection]
    inputs: dict[str, int]
    actor: Readout | None = None
    critic: Readout | None = None
    dopamine: Dopamine = field(default_factory=Dopamine)

    def __post_init__(self):
        check_duration("dt", self.dt)
        check_count("substeps", self.substeps)
        for name in (*self.populations, *self.inputs):
            if not isinstance(name, str) or not _NAME.match(name):
                raise InputError(f"{name!r} is not a valid name; letters, digits, underscores")
        if both := set(self.populations) & set(self.inputs):
            raise InputError(f"both a population and an input: {', '.join(sorted(both))}")
        for name, channels in self.inputs.items():
            if channels < 1:
                raise InputError(f"input {name!r}: {channels} channels; at least 1 is needed")
        if both := {*self.populations, *self.inputs} & set(self.projections):
            raise InputError(
                f"both a projection and a population or input: {', '.join(sorted(both))}"
            )
        for name, population in self.populations.items():
            population.check(name)
            check_time_constants(name, population, self.dt)
        for name, projection in self.projections.items():
            self._check_projection(name, projection)
        for readout in (self.actor, self.critic):
            if readout is not None:
                self._check_readout(readout)
        self._cut_lesioned()

    def _cut_lesioned(self):
        """Take the synapses of lesioned neurons, whenever and however they were made."""
        gone = {
            name: np.zeros(p.size, bool) if p.lesioned is None else p.lesioned.astype(bool)
            for name, p in self.populations.items()
        }
        gone |= {name: np.zeros(channels, bool) for name, channels in self.inputs.items()}
        for name, p in self.projections.items():
            self.projections[name] = _without(
                p, np.logical_or.outer(gone[p.target], gone[p.source])
            )
        for kind in ("actor", "critic"):
            if (readout := getattr(self, kind)) is not None:
                lost = np.tile(gone[readout.reads], len(readout.variables))
                object.__setattr__(self, kind, _without(readout, lost))

    def _check_readout(self, readout):
        choose(f"population read by {readout.name!r}", readout.reads, self.populations)
        population = self.populations[readout.reads]
        if not readout.variables:
            raise InputError(f"{readout.name!r} reads no variable of {readout.reads!r}")
        for variable in readout.variables:
            choose(f"variable of {readout.reads!r}", variable, population.dynamics)
        width = len(readout.variables) * population.size
        _check_rows(f"weights of {readout.name!r}", readout.weights, width)
        _check_rows(f"feedback of {readout.name!r}", readout.feedback, width)
        for what, value in (("mask", readout.mask), ("lesion", readout.lesioned)):
            _check_binary(f"{what} of {readout.name!r}", value, (width,), "variables x neurons")
        read = [".".join(state) for state in readout.states()]
        for state, weights in readout.feedback_to.items():
            valid = [f"{k}.{v}" for k, p in self.populations.items() for v in p.dynamics]
            choose(f"feedback of {readout.name!r}", state, [v for v in valid if v not in read])
            size = self.populations[state.split(".")[0]].size
            _check_rows(f"feedback of {readout.name!r} to {state!r}", weights, size)

    def _check_projection(self, name, projection):
        choose(f"source of {name!r}", projection.source, [*self.populations, *self.inputs])
        choose(f"target of {name!r}", projection.target, self.populations)
        choose(
            f"drive of {projection.target!r}",
            projection.drive,
            self.populations[projection.target].drives,
        )
        if projection.source in self.populations:
            choose(
                f"variable of {projection.source!r}",
                projection.reads,
                self.populations[projection.source].dynamics,
            )
        if projection.sign not in (None, 1, -1):
            raise InputError(f"sign of {name!r} is {projection.sign!r}; valid: 1, -1, none")
        if projection.rule is not None:
            projection.rule.check(name, self.populations[projection.target])
        shape = self.shape(projection)
        _check_value(f"weights of {name!r}", projection.weights, shape)
        for what, value in (("mask", projection.mask), ("lesion", projection.lesioned)):
            _check_binary(f"{what} of {name!r}", value, shape, "target, source")

    @property
    def step(self):
        """Duration of one task step, in ms."""
        return self.dt * self.substeps

    def size(self, name):
        """Number of neurons of a population, or of channels of an input."""
        return self.inputs[name] if name in self.inputs else self.populations[name].size

    def shape(self, projection):
        """Shape (target, source) of a projection's weights."""
        return self.size(projection.target), self.size(projection.source)

    def afferents(self, population, drive):
        """Names of the projections that feed a drive, in the order of its weight columns."""
        return [
            name
            for name, p in self.projections.items()
            if (p.target, p.drive) == (population, drive)
        ]

    def sensitivity_equations(self, method="rtrl"):
        """How the derivatives of the states to all that is learned are carried forward, as text.

        Parameters
        ----------
        method : {"rtrl", "nucleus", "snap1", "rflo", "none"}
            What is kept of them, see `bgrl.sensitivity`.

        Returns
        -------
        str
        """
        from bgrl.equations import sensitivity_equations

        return sensitivity_equations(self, method)

    def to_dict(self):
        """The circuit as JSON values (lists, numbers, strings)."""
        populations = {}
        for name, p in self.populations.items():
            kind = "map" if p.derivatives is None else "derivatives"
            kind = "equations" if p.equations is not None else kind
            populations[name] = {
                "size": int(p.size),
                kind: p.equations if p.equations is not None else dict(p.dynamics),
                "parameters": {k: _to_json(_fields(v)) for k, v in p.parameters.items()},
                "drives": list(p.drives),
                "initial": _to_json(p.initial),
                **({"functions": _functions_to_json(p.functions)} if p.functions else {}),
                "lesioned": _to_json(p.lesioned),
            }
        readouts = {
            kind: _to_json(_fields(readout))
            for kind in ("actor", "critic")
            if (readout := getattr(self, kind)) is not None
        }
        return {
            "dt": float(self.dt),
            "substeps": int(self.substeps),
            "populations": populations,
            "projections": {k: _to_json(_fields(p)) for k, p in self.projections.items()},
            "inputs": {k: int(v) for k, v in self.inputs.items()},
            **readouts,
            "dopamine": _fields(self.dopamine),
        }

    @classmethod
    def from_dict(cls, description):
        """The inverse of `to_dict`; also reads the bare form of the recorded circuits.

        Raises
        ------
        InputError
            For a missing or unknown key, or a circuit that cannot be.
        """
        special = ("parameters", "initial", "functions")
        try:
            populations = {
                name: Population(
                    **{k: v for k, v in p.items() if k not in special},
                    parameters=_parameters(p.get("parameters", {})),
                    initial=_from_json(p.get("initial", {})),
                    functions={k: Function(**f) for k, f in p.get("functions", {}).items()},
                )
                for name, p in description["populations"].items()
            }
            projections = {
                name: Projection(
                    **{k: v for k, v in _from_json(p).items() if k != "rule"},
                    rule=Rule(**p["rule"]) if p.get("rule") else None,
                )
                for name, p in description["projections"].items()
            }
            readouts = {
                kind: Readout(**_from_json(description[kind]))
                for kind in ("actor", "critic")
                if description.get(kind) is not None
            }
            return cls(
                dt=description["dt"],
                substeps=description["substeps"],
                populations=populations,
                projections=projections,
                inputs=dict(description["inputs"]),
                **readouts,
                dopamine=Dopamine(**description.get("dopamine", {})),
            )
        except KeyError as error:
            raise InputError(f"circuit description lacks {error}") from None
        except (TypeError, AttributeError) as error:
            raise InputError(f"circuit description is not valid: {error}") from None

    def to_json(self):
        """The circuit as JSON text."""
        return json.dumps(self.to_dict(), indent=1)

    @classmethod
    def from_json(cls, text):
        """The inverse of `to_json`."""
        try:
            return cls.from_dict(json.loads(text))
        except json.JSONDecodeError as error:
            raise InputError(f"circuit description is not JSON: {error}") from None

    def __eq__(self, other):
        return isinstance(other, Circuit) and self.to_dict() == other.to_dict()

    def __str__(self):
        steps = "Euler step" if self.substeps == 1 else "Euler steps"
        lines = [f"circuit, {self.substeps} {steps} of {self.dt:g} ms a task step"]
        lines += [
            f"  input {name}: {channels} channel{'s' if channels > 1 else ''}"
            for name, channels in self.inputs.items()
        ]
        for name, p in self.populations.items():
            lines.append(
                f"  population {name}: {p.size} neuron{'s' if p.size > 1 else ''}"
                + _lesion(p.lesioned, p.size)
            )
            for variable, expression in p.dynamics.items():
                left = f"next {variable}" if p.derivatives is None else f"d{variable}/dt"
                lines.append(f"    {left} = {expression}")
            for key, q in p.parameters.items():
                unit = " ms" if q.unit == "ms" else ""
                trained = ", trained" if q.trainable else ""
                lines.append(f"    {key}: {summary(q.value)}{unit}{trained}")
        lines += [f"  {name}: {self._pathway(p)}" for name, p in self.projections.items()]
        for kind in ("actor", "critic"):
            if (readout := getattr(self, kind)) is not None:
                read = ", ".join(".".join(state) for state in readout.states())
                fixed = "" if readout.plastic else ", fixed"
                lines.append(f"  {kind} {readout.name} reads {read}{fixed}{_synapses(readout)}")
        if self.dopamine != Dopamine():
            values = (f"{name} {value:g}" for name, value in _fields(self.dopamine).items())
            lines.append(f"  dopamine: {', '.join(values)}")
        return "\n".join(lines)

    def _pathway(self, projection):
        """A projection as one line."""
        p = projection
        learns = ("plastic by a rule" if p.rule else "plastic") if p.plastic else "fixed"
        parts = [" x ".join(map(str, self.shape(p))), learns]
        if p.drive != "drive":
            parts.append(f"drive {p.drive}")
        if p.reads != "rate" and p.source in self.populations:
            parts.append(f"reads {p.reads}")
        if p.sign:
            parts.append("excitatory" if p.sign > 0 else "inhibitory")
        return ", ".join(parts) + _synapses(p)


def _synapses(pathway):
    """Which synapses of a projection or readout there are, and their weights, as text."""
    mask, lost = pathway.mask, pathway.lesioned
    text = "" if mask is None else f", density {mask.mean():.2g}"
    text += f", weights {summary(pathway.weights)}"
    return text if lost is None else text + _lesion(lost, lost.sum() + mask.sum())


def _lesion(lost, total):
    """What share of all that there was is lesioned, as text."""
    percent = 0 if lost is None else 100 * lost.sum() / total
    return f", lesioned {percent:.{0 if percent >= 1 else 2}f} %" if percent else ""


def summary(value):
    """A number, array or Distribution in a few words."""
    if isinstance(value, np.ndarray) and value.ndim:
        shape = " x ".join(map(str, value.shape))
        return f"array {shape} (mean {value.mean():.3g}, sd {value.std():.3g})"
    return str(value) if isinstance(value, Distribution) else f"{float(value):g}"


def sample(value, shape, seed, replicate, name):
    """The initial values of one quantity in one replicate.

    Parameters
    ----------
    value : float, array or Distribution
    shape : tuple of int
    seed, replicate : int
    name : str
        Names the stream of random numbers, so that no quantity's draw depends on another's.

    Returns
    -------
    ndarray of float64, of `shape`
    """
    if not isinstance(value, Distribution):
        return np.broadcast_to(np.asarray(value, float), shape)
    key = [seed, replicate, *name.encode()]
    return value.sample(np.random.Generator(np.random.Philox(np.random.SeedSequence(key))), shape)


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
    return derivatives, units


def _check_rows(what, value, width):
    """Weights of a readout, whose number of channels the task decides."""
    array = np.asarray(value, float) if not isinstance(value, Distribution) else np.zeros(())
    _check_value(what, value, (*array.shape[:-1], width) if array.ndim == 2 else ())


def _check_value(what, value, shape):
    if isinstance(value, Distribution):
        return
    try:
        array = np.asarray(value, float)
        if isinstance(value, str) or np.asarray(value).dtype == bool:
            raise ValueError  # NumPy reads text as a number, and True as 1
    except (TypeError, ValueError):
        raise InputError(f"{what}: {value!r} is not a number, array or Distribution") from None
    if array.shape not in ((), shape):
        raise InputError(f"{what}: shape {array.shape}; a number or shape {shape} is needed")
    if not np.isfinite(array).all():
        raise InputError(f"{what}: contains NaN or infinity")


def _check_binary(what, value, shape, axes):
    if value is not None and (
        np.shape(value) != shape or not np.isin(np.asarray(value), (0, 1)).all()
    ):
        raise InputError(
            f"{what} has shape {np.shape(value)}; zeros and ones of shape {shape} ({axes}) are needed"
        )


def _cut(pathway):
    """Keep the mask of a projection or readout zero where it is lesioned."""
    mask, lesioned = pathway.mask, pathway.lesioned
    if lesioned is not None:
        mask = np.ones(np.shape(lesioned), int) if mask is None else mask
        if np.shape(mask) == np.shape(lesioned):  # else refused by the circuit
            object.__setattr__(pathway, "mask", _frozen(np.where(lesioned, 0, mask)))


def _without(pathway, lost):
    """The projection or readout with some more of its synapses lesioned."""
    if pathway.mask is not None:
        lost = lost & pathway.mask.astype(bool)
    if not lost.any():
        return pathway
    lesioned = lost if pathway.lesioned is None else lost | pathway.lesioned.astype(bool)
    return replace(pathway, lesioned=lesioned.astype(int))


def _frozen(value):
    """The same value; arrays and lists as an array that nobody can write to."""
    value = plain(value)
    if not isinstance(value, list | tuple | np.ndarray):
        return value
    try:
        array = np.array(value)
    except ValueError:  # ragged: refused by the checks, which say of what
        return value
    array.setflags(write=False)
    return array


def _fields(instance):
    return {name: getattr(instance, name) for name in instance.__dataclass_fields__}


def _to_json(value):
    if isinstance(value, Distribution):
        return {value.kind: [value.a, value.b]}
    if isinstance(value, Rule):
        return _fields(value)
    if isinstance(value, dict):
        return {k: _to_json(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def _functions_to_json(functions):
    return {
        name: {k: v for k, v in _to_json(_fields(f)).items() if v is not None}
        for name, f in functions.items()
    }


def _from_json(value):
    if isinstance(value, dict):
        if len(value) == 1 and next(iter(value)) in ("normal", "truncated_normal", "uniform"):
            kind, bounds = next(iter(value.items()))
            return Distribution(kind, *bounds)
        return {k: _from_json(v) for k, v in value.items()}
    return np.asarray(value) if isinstance(value, list) else value


def _parameters(description):
    if isinstance(description, dict):
        return {k: Parameter(**_from_json(v)) for k, v in description.items()}
    return list(description)
