"""What a task is: state variables and step code, as a description.

A task is written like a neuron, so that it compiles with the agent to every backend. Nothing here
knows Brian2 or the agent.

Its code is a line for each assignment, ``x = ...`` or ``x += ...``, in the language of `bgrl.language`:
arithmetic and its functions. Lines run one after the other, a name that is no variable of the task is a
value that lasts for the step and is set before it is used, and what follows a ``#`` is a comment. A
comparison becomes a number in ``int(...)``: ``int(x > 0 and not y == 2)`` is 1 or 0, and ``int(x)`` of a
number cuts off its fraction. In the code, besides the task's own variables and parameters:

* `action` is the agent's last action (a number from 0); where actions are continuous, `action_0`,
  `action_1`, ... are the last values of each, which may lie outside of their bounds,
* ``uniform(k)`` and ``normal(k)`` are the k-th random numbers of this step (k a literal, each used
  once in `step` and `reset` together), pure functions of (seed, replicate, step, k),
* ``table(t, column)`` is the value of one of the task's `tables` in the current step of the run, the
  last row for ever after; `t` is for tables only,
* `step` code must set `reward` and `terminated`, and may set `truncated` (a time limit), each 0 or
  1; `reset` code sets the state variables that start a trial. It may read what `step` set.

Where a trial is terminated, `reset` runs in the same step: the observation that arrives with the last
reward is the first of the next trial. Where it is only truncated, the last reward arrives with the
trial's own last observation, whose value stands for the future that the time limit hides, and the next
step, the *closing step*, does nothing but start the next trial: `reset` runs and `step` does not, reward
and TD error are 0, and it is a step of no trial. (With ``bootstraps=False`` a truncated trial ends like a
terminated one.) Every variable is a floating-point number, counts and flags included.

With ``unbroken=True`` trials follow each other in a *session*, as in a laboratory: where a trial is
terminated it is counted and `reset` starts the next one, but the agent goes on. Its state, sensitivities
and eligibility are those that it had, and the value of what it sees next counts in the TD error. Where a
trial is truncated the session ends, and the agent starts anew with the next.
"""

import re
from dataclasses import field, replace
from numbers import Integral, Real

import numpy as np

from bgrl.circuit import Parameter
from bgrl.circuit.clock import check_duration
from bgrl.description import description
from bgrl.errors import InputError, check_number, choose
from bgrl.language import assignments, check_expression, check_name, check_names, symbols
from bgrl.quantities import Time

#: Before the name of a Gymnasium environment.
PREFIX = "gymnasium:"
#: Variables that every task has.
OUTCOME = ("reward", "terminated", "truncated")
#: Names that the network uses for itself in every task.
RESERVED = {
    *OUTCOME,
    *("action", "done", "ended", "restart", "trial_length", "trial_return", "seed", "replicate"),
    *("session_ended", *(f"trial_return_{part}" for part in ("lost", "moved", "arrived"))),
    *("i", "N", "t", "dt", "t_in_timesteps", "source", "start", "stop", "name", "pi", "e", "inf"),
}
DRAW = re.compile(r"\b(uniform|normal)\(\s*(\d+)\s*\)")
#: Time in a trial as an observation: as it is, or from -1 to 1 over 100 steps, whatever its length.
OBSERVED_TIME = "normalize_time*(time/50 - 1) + (1 - normalize_time)*time"


def one_hot(channel, variable, n):
    """Observations that are 1 where a variable has the value of their number."""
    return {f"{channel}_{k}": f"int({variable} == {k})" for k in range(n)}


def pick(index, values):
    """Expression of the value whose number is that of `index`; 0 if there is none."""
    return " + ".join(f"int({index} == {k})*{value}" for k, value in enumerate(values))


def level(difficulty, levels):
    """What a difficulty of POPGym stands for.

    Raises
    ------
    InputError
        For an unknown difficulty, with those that there are.
    """
    return levels[choose("difficulty", difficulty, levels)]


@description(eq=False)
class Task:
    """A partially observable task.

    Parameters
    ----------
    name : str
    summary : str
        One line for people.
    reference : str
        The publication or program that it follows, and where it does not.
    observations : dict of str to str
        Channel name to an expression of the state variables.
    actions : tuple of str
        Names of the actions.
    bounds : tuple of (float, float), optional
        Lowest and highest value of each action, where actions are continuous.
    variables : tuple of str
        Names of the state variables.
    step, reset : str
        Code, see the module's text.
    parameters : dict of str to Parameter
        Settings; run-time values, changing one recompiles nothing.
    tables : dict of str to array (steps, columns)
        Functions of time, ``table(t, column)`` in the code.
    events : dict of str to (str, int) or str
        What happens when in a trial, for figures and interventions: name to the "start" or "end" of a
        trial and a number of steps from there; or to an expression of the task's variables and
        parameters that is above 0 in a step in which it happens, after `step` and before `reset`, of
        which the first one of each trial is recorded (``int(time == onset)``).
    chance_return : float, optional
        Mean return of a policy that guesses, for figures.
    best_return : float, optional
        Mean return of the best policy, for figures.
    step_duration : float, optional
        Duration of a step in ms, where the task counts time: the circuit must make steps of that
        duration. If nothing is said a step is a step, however long.
    environment : bgrl.bridge.connection.Environment, optional
        What answers outside of the program, where the task is not its own code.
    bootstraps : bool
        Whether a truncated trial is learned as one that would have gone on: the TD error of its last
        step counts the value of its last observation. If not, a time limit is learned as an end,
        after which there is nothing; so do the programs that the tasks of this package follow.
    unbroken : bool
        Whether the agent goes on from trial to trial, see the module's text.

    Raises
    ------
    InputError
        If there is no name, observation or action, a name is not valid or is given twice, code or
        an expression cannot be read or has an unknown symbol, `step` sets no `reward` or
        `terminated`, a variable is never set, bounds are not one (low, high) for each action, a
        parameter or table is not of finite numbers, an event is neither an expression nor a number
        of steps from the start or end of a trial, or `step_duration` is not above 0.
    """

    MADE_BY = "tasks.make(NAME)"

    name: str
    summary: str
    reference: str
    observations: dict[str, str]
    actions: tuple[str, ...]
    variables: tuple[str, ...]
    step: str
    reset: str
    parameters: dict[str, Parameter] = field(default_factory=dict)
    tables: dict = field(default_factory=dict)
    events: dict = field(default_factory=dict)
    chance_return: float | None = None
    best_return: float | None = None
    bounds: tuple | None = None
    environment: object = None
    bootstraps: bool = True
    step_duration: Time | None = None
    unbroken: bool = False

    @property
    def happenings(self):
        """Events that are told when they happen: name to expression."""
        return {name: event for name, event in self.events.items() if isinstance(event, str)}

    @property
    def continuous(self):
        """Whether actions are real numbers rather than a choice."""
        return self.bounds is not None

    @property
    def closes(self):
        """Whether closing steps can occur, see the module's text."""
        return self.bootstraps and "truncated" in (
            name for name, *_ in assignments("step", self.step)
        )

    @property
    def actor_channels(self):
        """Outputs that the actor needs: a logit, or mean and scale, of each action."""
        return (2 if self.continuous else 1) * len(self.actions)

    def __post_init__(self):
        if not isinstance(self.name, str) or not self.name.strip():
            raise InputError(f"a task's name is {self.name!r}; text is needed")
        self._check_kinds()
        where = f"task {self.name!r}"
        check_names(where, actions=self.actions)
        check_names(where, observations=self.observations)
        kinds = {k: getattr(self, k) for k in ("variables", "parameters", "tables")}
        check_names(where, **kinds)
        if not self.observations or not self.actions:
            raise InputError(f"{where} needs an observation and an action")
        self._check_bounds()
        if self.step_duration is not None:
            check_duration(f"task {self.name!r}: step_duration", self.step_duration)
        for name in (name for names in kinds.values() for name in names):
            check_name(where, name, "a variable or parameter", self._taken())
        self._check_tables()
        self._check_code()
        for channel, expression in self.observations.items():
            known = {*self.variables, *self.parameters, *OUTCOME}
            columns = {name: np.shape(table)[1] for name, table in self.tables.items()}
            check_expression(f"{where}, observation {channel!r}", expression, known, None, columns)
        self._check_events()
        for name, parameter in self.parameters.items():
            if not np.isfinite(np.asarray(parameter.value, float)).all():
                raise InputError(f"{where}: {name} is {parameter.value}; not finite")

    def _check_kinds(self):
        where = f"task {self.name!r}"
        for name in ("observations", "parameters", "tables", "events"):
            if not isinstance(getattr(self, name), dict):
                raise InputError(f"{where}: {name} is {getattr(self, name)!r}; a dict is needed")
        for name, parameter in self.parameters.items():
            number = isinstance(parameter, Parameter) and np.ndim(parameter.value) == 0
            if not number or not isinstance(parameter.value, Real | np.ndarray):
                given = getattr(parameter, "value", parameter)
                raise InputError(f"{where}: {name} is {given!r}; Parameter(number) is needed")

    def _taken(self):
        told = {f"event_{name}" for name in self.happenings}
        return {*RESERVED, *self._action_symbols(), *told}

    def _check_tables(self):
        for name, table in self.tables.items():
            try:
                values = np.asarray(table, float)
            except (TypeError, ValueError):
                values = np.zeros(0)
            if values.ndim != 2 or not values.size or not np.isfinite(values).all():
                raise InputError(
                    f"task {self.name!r}: table {name!r} has shape {values.shape}; finite numbers of "
                    "shape (steps, columns) are needed"
                )

    def _check_code(self):
        """Refuse code that cannot be read, sets what it may not, or uses what is not there."""
        where, draws, ever = f"task {self.name!r}", {}, set()
        known = {*self.variables, *self.parameters, *OUTCOME, *self._action_symbols()}
        columns = {name: np.shape(table)[1] for name, table in self.tables.items()}
        for part in ("step", "reset"):
            own = {*self.variables, *(OUTCOME if part == "step" else ())}
            lines = assignments(f"{where}: {part}", getattr(self, part))
            used = [symbols(value, f"{where}, {part}") for _, value, _ in lines]
            local = set()
            for k, (name, value, line) in enumerate(lines):
                here = f"{where}, {part}"
                check_expression(here, value, known | local, None, columns, draws)
                if name in (*self.parameters, *self.tables):
                    raise InputError(f"{here}: {name!r} is fixed and cannot be set, in {line!r}")
                if name not in own:
                    check_name(here, name, f"a value, in {line!r}", self._taken())
                    if not any(name in names for names in used[k + 1 :]):
                        raise InputError(
                            f"{here}: {name!r} is no variable and is not used after {line!r}; "
                            f"variables: {', '.join(self.variables) or 'none'}"
                        )
                local.add(name)
            if part == "step" and not {"reward", "terminated"} <= local:
                raise InputError(f"{where}: step must set reward and terminated")
            ever |= local
        if self.environment is None and (never := sorted({*self.variables} - ever)):
            raise InputError(
                f"{where}: variable {never[0]!r} is never set; set it in step or reset, or make it a "
                "parameter"
            )

    def _check_events(self):
        check_names(f"task {self.name!r}", events=self.events)
        where = f"task {self.name!r}"
        for name, expression in self.happenings.items():
            here = f"{where}, event {name!r}"
            check_name(here, f"event_{name}", "a variable", RESERVED)
            known = {*self.variables, *self.parameters, *OUTCOME, *self._action_symbols()}
            columns = {name: np.shape(table)[1] for name, table in self.tables.items()}
            check_expression(here, expression, known, None, columns)
            if self.environment is not None:
                raise InputError(
                    f"{here}: the task is a Gymnasium environment, which has no variables"
                )
        for name, event in self.events.items():
            if name in self.happenings:
                continue
            anchor, steps = event if isinstance(event, tuple | list) and len(event) == 2 else (0, 0)
            whole = isinstance(steps, Integral) and not isinstance(steps, bool)
            inside = whole and (0 <= steps < 2**30 if anchor == "start" else -(2**30) < steps <= 0)
            if anchor not in ("start", "end") or not inside:
                raise InputError(
                    f"task {self.name!r}: event {name!r} is {event!r}; ('start', whole steps from 0), "
                    "('end', whole steps up to 0) or an expression is needed"
                )

    def _action_symbols(self):
        if not self.continuous:
            return ("action",)
        return tuple(f"action_{k}" for k in range(len(self.actions)))

    def _check_bounds(self):
        if self.bounds is None:
            return
        if len(self.bounds) != len(self.actions):
            raise InputError(
                f"task {self.name!r} has {len(self.bounds)} bounds for {len(self.actions)} action(s)"
            )
        for action, bounds in zip(self.actions, self.bounds, strict=True):
            try:
                low, high = (
                    check_number(f"task {self.name!r}: a bound of {action!r}", bound)
                    for bound in bounds
                )
            except (TypeError, ValueError) as error:
                if isinstance(error, InputError):
                    raise
                raise InputError(
                    f"task {self.name!r}: bounds of {action!r} are {bounds!r}; (low, high) is needed"
                ) from None
            if not low < high:
                raise InputError(
                    f"task {self.name!r}: action {action!r} from {low:g} to {high:g}; the first must "
                    "be lower"
                )

    def observing(self, channels):
        """The same task with only some of its observations.

        Parameters
        ----------
        channels : sequence of str or int
            Names or numbers of the observations to keep.

        Raises
        ------
        InputError
            For one that does not exist or is named twice, or if none is left.
        """
        names = list(self.observations)
        kept = []
        for channel in channels:
            if str(channel).isdigit() and int(channel) < len(names):
                channel = names[int(channel)]
            if channel not in names:
                raise InputError(
                    f"task {self.name!r} has no observation {channel!r}; valid: "
                    + ", ".join(f"{i} {name}" for i, name in enumerate(names))
                )
            if channel in kept:
                raise InputError(
                    f"task {self.name!r}: observation {channel!r} is named twice; once is enough"
                )
            kept.append(channel)
        if not kept:
            raise InputError(
                f"task {self.name!r}: no observation is left; valid: {', '.join(names)}"
            )
        return replace(self, observations={k: v for k, v in self.observations.items() if k in kept})

    def with_draws_as_state(self):
        """The same task in which each random number of a step is a state variable.

        ``uniform(k)`` becomes `uniform_k` and ``normal(k)`` `normal_k`, so that what a step draws
        can be set.
        """
        drawn = dict.fromkeys(f"{m[1]}_{m[2]}" for m in DRAW.finditer(self.step + self.reset))
        code = {part: DRAW.sub(r"\1_\2", getattr(self, part)) for part in ("step", "reset")}
        code["step"] += "".join(f"\n{name} = {name}" for name in drawn)
        return replace(self, variables=(*self.variables, *drawn), **code)

    def structure(self):
        """What the compiled program depends on; parameter values are not part of it."""
        return {
            "observations": dict(self.observations),
            "actions": len(self.actions),
            "continuous": self.continuous,
            "external": self.environment is not None,
            "closes": self.closes,
            "unbroken": self.unbroken,
            "events": self.happenings,
            "variables": list(self.variables),
            "step": self.step,
            "reset": self.reset,
            "parameters": list(self.parameters),
            "tables": {k: np.asarray(v, float).tolist() for k, v in self.tables.items()},
        }

    def to_dict(self):
        """Name and settings as JSON values."""
        settings = self.environment.settings if self.environment else {}
        return {
            "name": self.name,
            "observations": list(self.observations),
            "actions": list(self.actions),
            "parameters": {k: float(p.value) for k, p in self.parameters.items()},
            "bootstraps": bool(self.bootstraps),
            "step_duration": self.step_duration and float(self.step_duration),
            **({"unbroken": True} if self.unbroken else {}),
            **({"environment": settings} if settings else {}),
        }
