"""Synapses with dynamics of their own: filters, short-term depression and facilitation.

A `Synapse` is written as equations of a projection. What it does depends on the presynaptic neuron
alone, so its variables and parameters are kept once for each neuron of the source, whatever the number of
its targets: a `Terminal` is a synapse where it is, with the names that its parts have in the source.
Sensitivities, checkpoints, recordings and backends find ordinary state variables there.
"""

import re
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from bgrl.circuit.equations import RESERVED, noises, parse_equations, with_units
from bgrl.circuit.values import Distribution, Parameter, check_value, frozen, summary
from bgrl.description import description
from bgrl.errors import InputError, choose
from bgrl.language import canonical, check_expression, check_name, check_names, symbols

#: What a presynaptic neuron sends, in the equations of a synapse.
SOURCE = "source"
#: 1 where a presynaptic neuron releases in an Euler step, 0 where it fails to, and how often it fails.
RELEASED, FAILURE = "released", "failure"
#: Fields of a projection and of a synapse, which are set and printed by the same names.
TAKEN = (
    *("weights", "mask", "sign", "plastic", "drive", "reads", "delay", "dynamics", "rule"),
    "electrical",
    *("equations", "parameters", "output", "initial", SOURCE, RELEASED),
)


@description(eq=False)
class Synapse:
    """How a projection transmits: equations between a presynaptic neuron and the weights.

    Parameters
    ----------
    equations : str
        As those of a `Population`, ``ds/dt = (source - s)/tau : 1``. `source` is what the presynaptic
        neuron sends, ``xi`` is white noise of its own. `released` is 0 with the probability that the
        parameter `failure` says, else 1, drawn anew for every presynaptic neuron in each Euler step;
        derivatives hold it. May be empty where there is an `output`.
    parameters : dict of str to float, quantity or Parameter
        One value for all presynaptic neurons, or one for each; a trainable one is learned.
    output : str, optional
        What is transmitted, in place of `source`: an expression of variables, parameters, `source` and
        `released`, all of the same time. The first variable, if nothing is said.
    initial : dict of str to float, array or str
        Variables at the start of a trial, zero where nothing is said; text is an expression of the
        parameters.

    Raises
    ------
    InputError
        If an equation or expression cannot be read or has an unknown symbol, a name is not valid, a
        parameter is used by nothing or has another unit than is declared, an initial value is of no
        variable, or `released` is used without a parameter `failure`, or with a trainable one. A
        `Circuit` refuses values that do not fit the source, and a `failure` that is no probability.

    Examples
    --------
    >>> from brian2 import ms
    >>> Synapse("ds/dt = (source - s)/tau : 1", {"tau": 20*ms}).parameters["tau"].unit
    'ms'
    """

    MADE_BY = "exponential, alpha, tsodyks_markram, nmda or failing of bgrl.circuit"

    equations: str
    parameters: dict = field(default_factory=dict)
    output: str | None = None
    initial: dict = field(default_factory=dict)

    #: As a population has them, for `bgrl.circuit.clock`.
    drives = (SOURCE, RELEASED)
    functions = {}  # noqa: RUF012

    def __post_init__(self):
        alone = self.output and not self.equations.strip()
        derivatives, units = ({}, {}) if alone else parse_equations(self.equations)
        parameters = {
            name: p if isinstance(p, Parameter) else Parameter(p)
            for name, p in self.parameters.items()
        }
        where = f"synapse of {', '.join(derivatives) or self.output!r}"
        check_names(where, variables=derivatives, parameters=parameters)
        for name in (*derivatives, *parameters):
            taken = {name} if name in TAKEN or RESERVED.match(f"{name}_at_source") else ()
            check_name(where, name, "a variable or parameter of a synapse", taken)
        parameters = with_units(parameters, units)
        object.__setattr__(self, "derivatives", derivatives)
        object.__setattr__(self, "parameters", parameters)
        object.__setattr__(self, "output", self.output or next(iter(derivatives)))
        initial = {name: frozen(value) for name, value in self.initial.items()}
        object.__setattr__(self, "initial", initial)
        known = {*derivatives, *parameters, SOURCE, RELEASED}
        for variable, text in derivatives.items():
            check_expression(f"{where}, variable {variable!r}", text, known | set(self.noises))
        check_expression(f"{where}, output", self.output, known)
        if self.fails and FAILURE not in parameters:
            raise InputError(
                f"{where} has {RELEASED!r}, but no parameter {FAILURE!r}, the probability that it is 0"
            )
        if self.fails and parameters[FAILURE].trainable:
            raise InputError(
                f"{where}: {FAILURE!r} is trainable, but derivatives hold what was drawn; nothing would "
                "be learned of it"
            )
        for variable, value in initial.items():
            choose(f"initial variable of {where}", variable, derivatives)
            if isinstance(value, str):
                check_expression(f"{where}, initial {variable}", value, parameters)
        texts = [*derivatives.values(), self.output, *self.initial.values()]
        used = {FAILURE} if self.fails else set()
        used = used.union(*(symbols(text) for text in texts if isinstance(text, str)))
        if unused := [name for name in parameters if name not in used]:
            raise InputError(
                f"{where}: nothing uses its parameter {unused[0]!r}; use it or leave it out"
            )

    @property
    def dynamics(self):
        """State variable to the right-hand side of its time derivative."""
        return self.derivatives

    @property
    def noises(self):
        """Names of its noises (``xi``, ``xi_name``)."""
        return noises(self.derivatives)

    @property
    def fails(self):
        """Whether release may fail."""
        texts = (*self.derivatives.values(), self.output)
        return any(RELEASED in symbols(text) for text in texts)

    def check(self, name, size):
        """Refuse values that do not fit the neurons of a source.

        Raises
        ------
        InputError
            Naming the value and what is needed.
        """
        for variable, value in self.initial.items():
            if not isinstance(value, str):
                check_value(f"initial {variable} of {name!r}", value, (size,))
        for key, p in self.parameters.items():
            check_value(f"{key} of {name!r}", p.value, (size,))
        if self.fails:
            value = self.parameters[FAILURE].value
            if isinstance(value, Distribution):
                raise InputError(f"{FAILURE} of {name!r} is drawn; numbers from 0 to 1 are needed")
            if not np.all((np.asarray(value) >= 0) & (np.asarray(value) <= 1)):
                raise InputError(
                    f"{FAILURE} of {name!r} is {summary(value)}; probabilities from 0 to 1 are needed"
                )


@dataclass(frozen=True)
class Terminal:
    """A synapse where it is: variables and parameters of the source of a projection.

    Attributes
    ----------
    key : str
        Ends the names of all that is of this synapse.
    reads : str
        State variable of the source that it gets.
    synapse : Synapse
    dt : float
        Euler step (ms).
    """

    key: str
    reads: str
    synapse: Synapse
    dt: float

    @cached_property
    def names(self):
        """What everything of the synapse is called in the source."""
        own = (*self.synapse.derivatives, *self.synapse.parameters, *self.synapse.noises)
        found = {name: f"{name}_at_{self.key}" for name in own} | {SOURCE: self.reads}
        return found | {RELEASED: f"drawn_release_at_{self.key}"}

    @cached_property
    def derivatives(self):
        """State variable to the right-hand side of its time derivative."""
        return {
            self.names[variable]: canonical(text, self.names, floats=False)
            for variable, text in self.synapse.derivatives.items()
        }

    @property
    def parameters(self):
        """Name to `Parameter`."""
        return {self.names[key]: p for key, p in self.synapse.parameters.items()}

    @property
    def release(self):
        """Variable of the source that holds what was drawn of `released`, to the parameter `failure`."""
        return {self.names[RELEASED]: self.names[FAILURE]} if self.synapse.fails else {}

    @property
    def transmitted(self):
        """The state variable that the projection transmits."""
        return self.names.get(self.synapse.output, f"output_at_{self.key}")

    @property
    def kept(self):
        """Its variables that are not transmitted themselves."""
        return tuple(v for v in self.derivatives if v != self.transmitted)

    def output(self, source):
        """What is transmitted after a step, as an expression of all before it.

        Parameters
        ----------
        source : str
            What the presynaptic neuron will send after the step, as an expression.

        Returns
        -------
        dict of str to str
            Variable to its next value; empty where a variable itself is transmitted.
        """
        if self.transmitted in self.derivatives:
            return {}
        following = {v: after(v, text, self.dt) for v, text in self.derivatives.items()}
        following |= {self.names[key]: self.names[key] for key in self.synapse.parameters}
        following[self.names[RELEASED]] = self.names[RELEASED]
        names = {name: following.get(called, source) for name, called in self.names.items()}
        return {self.transmitted: canonical(self.synapse.output, names, floats=False)}

    @property
    def initial(self):
        """Variable to number, array, or expression of parameters and other variables."""
        found = {}
        for name, value in self.synapse.initial.items():
            text = isinstance(value, str)
            found[self.names[name]] = canonical(value, self.names) if text else value
        if self.transmitted not in self.derivatives:
            # A trial starts with what is transmitted on average.
            names = self.names
            if self.synapse.fails:
                names = names | {RELEASED: f"(1 - {self.names[FAILURE]})"}
            found[self.transmitted] = canonical(self.synapse.output, names)
        return found


def after(variable, derivative, dt):
    """What a variable is after an Euler step, as an expression."""
    return f"({variable} + {dt!r}*({derivative}))"


def key_of(projection):
    """A projection's name as a part of other names."""
    return projection.replace("->", "_to_").replace(".", "_")


# Ready-made ---------------------------------------------------------------------------------


def exponential(tau):
    """A filter: what is transmitted follows the source with a time constant.

    A steady source is transmitted as it is.

    Parameters
    ----------
    tau : float or quantity
        In ms.
    """
    return Synapse("ds/dt = (source - s)/tau : 1", {"tau": _time(tau)})


def alpha(tau):
    """A filter that rises first: two exponential ones in a row, whose answer to a pulse is t exp(-t/tau).

    A steady source is transmitted as it is.

    Parameters
    ----------
    tau : float or quantity
        In ms; when the answer to a pulse is largest.
    """
    equations = "ds/dt = (rise - s)/tau : 1\ndrise/dt = (source - rise)/tau : 1"
    return Synapse(equations, {"tau": _time(tau)})


def tsodyks_markram(U=0.5, tau_rec=800.0, tau_facil=None, interval=20.0):
    """Short-term depression and facilitation, in the form for rates.

    Tsodyks & Markram 1997, PNAS 94:719; Tsodyks, Pawelzik & Markram 1998, Neural Comput. 10:821. Spikes
    use a share u of the resources x, which recover; each spike raises u, which falls back to U. What is
    transmitted is u x source. The defaults are those of a depressing synapse in the first (as the
    documentation of NEST gives them for its model of it; not read at the source).

    Parameters
    ----------
    U : float
        Share of the resources that a spike uses after a pause.
    tau_rec, tau_facil : float or quantity
        Time constants of recovery and of facilitation, in ms; without the latter u is always U.
    interval : float or quantity
        Between two spikes of a neuron whose rate is 1, in ms. Rates below 0 are taken as 0.
    """
    parameters = {"U": U, "tau_rec": _time(tau_rec), "interval": _time(interval)}
    spikes = "clip(source, 0, inf)"
    if tau_facil is None:
        used = "U"
        equations, initial = "", {}
    else:
        used = "u"
        equations = f"du/dt = (U - u)/tau_facil + U*(1 - u)*{spikes}/interval : 1\n"
        parameters["tau_facil"], initial = _time(tau_facil), {"u": "U"}
    equations += f"dx/dt = (1 - x)/tau_rec - {used}*x*{spikes}/interval : 1"
    return Synapse(equations, parameters, f"{used}*x*{spikes}", initial | {"x": 1.0})


def nmda(tau=100.0, share=0.64, interval=20.0):
    """Slow drive that saturates: the share of open channels s, of which spikes open what is closed.

    Wong & Wang 2006, J. Neurosci. 26:1314. Time constant and share (the gamma there) are those of
    The Virtual Brain's implementation of it; not read at the source.

    Parameters
    ----------
    tau : float or quantity
        With which channels close, in ms.
    share : float
        Of the closed channels that a spike opens.
    interval : float or quantity
        Between two spikes of a neuron whose rate is 1, in ms. Rates below 0 are taken as 0.
    """
    equations = "ds/dt = -s/tau + share*(1 - s)*clip(source, 0, inf)/interval : 1"
    parameters = {"tau": _time(tau), "share": share, "interval": _time(interval)}
    return Synapse(equations, parameters)


def failing(failure=0.5):
    """Release that fails: what is transmitted is that of the source, or nothing.

    Each presynaptic neuron fails by itself in each Euler step, for all targets of the projection at once.

    Parameters
    ----------
    failure : float
        The probability.
    """
    return Synapse("", {FAILURE: failure}, f"{RELEASED}*{SOURCE}")


def _time(value):
    """A number of ms, a quantity or a parameter as a parameter in ms."""
    return replace(value if isinstance(value, Parameter) else Parameter(value), unit="ms")


#: Ready-made synapses by their names.
READY = {f.__name__: f for f in (exponential, alpha, tsodyks_markram, nmda, failing)}
_CALL = re.compile(r"(\w+)\((.*)\)\Z")


def read_synapse(path, value):
    """A synapse, None, or text that says so or names a ready-made one, ``exponential(20)``.

    Parameters
    ----------
    path : str
        What is set, for the message.
    value : Synapse, None or str

    Raises
    ------
    InputError
        For anything else, with what is possible.
    """
    if value is None or isinstance(value, Synapse):
        return value
    if value == "None":
        return None
    match = _CALL.match(value) if isinstance(value, str) else None
    if match is None:
        made = ", ".join(f"{name}(...)" for name in READY)
        raise InputError(f"{path} is {value!r}; a Synapse, None or one of {made} is needed")
    make = READY[choose("synapse", match[1], READY)]
    try:
        return make(*map(float, filter(None, match[2].split(","))))
    except (TypeError, ValueError) as error:
        raise InputError(f"{path} is {value!r}: {error}") from None
