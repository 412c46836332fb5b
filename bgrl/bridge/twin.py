"""A task as a `gymnasium.Env`, made from the same description, step for step the compiled one.

Brian2's abstract code is close to Python: the lines of a task are run with NumPy's functions and the same
counter-based random numbers, one environment at a time. What differs is only what Gymnasium asks for: a
trial's last observation is seen before the next trial begins, also where the program sees the next
trial's first one at once.
"""

import numpy as np

from bgrl.errors import InputError
from bgrl.language import CONSTANTS, FUNCTIONS, assignments, canonical
from bgrl.random import NORMAL_OFFSET, STREAMS, counter_uniform
from bgrl.tasks.base import OUTCOME

try:
    import gymnasium
except ImportError:
    raise InputError(
        "Gymnasium is not installed; pip install '.[gymnasium]' in a checkout"
    ) from None

_FUNCTIONS = {name: getattr(np, name) for name in FUNCTIONS if name not in ("int", "clip")}
_FUNCTIONS |= {
    "int": np.float64,
    "clip": lambda x, low, high: low if x < low else high if x > high else x,
}


class TaskEnv(gymnasium.Env):
    """A task of this package for programs that speak Gymnasium.

    Parameters
    ----------
    task : bgrl.tasks.Task

    Notes
    -----
    After ``reset(seed=s)`` the observations, rewards and ends that follow a sequence of actions are those
    of replicate 0 of a compiled agent with seed s that takes these actions. Random numbers are a
    function of the seed and the number of steps since.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 (Gymnasium's own form)

    def __init__(self, task):
        self.task = task
        channels, self._size = len(task.observations), len(task.actions)
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (channels,), np.float64)
        if task.continuous:
            low, high = np.transpose(task.bounds).astype(np.float64)
            self.action_space = gymnasium.spaces.Box(low, high, dtype=np.float64)
        else:
            self.action_space = gymnasium.spaces.Discrete(self._size)
        self._step, self._reset = (_assigned(code) for code in (task.step, task.reset))
        self._observe = [_compiled(e) for e in task.observations.values()]
        tables = {k: np.asarray(v, float) for k, v in task.tables.items()}
        self._known = _FUNCTIONS | CONSTANTS | {"uniform": self._uniform, "normal": self._normal}
        self._known |= {k: _table(values) for k, values in tables.items()}
        self._known |= {k: np.float64(p.value) for k, p in task.parameters.items()}
        #: Duration of a step in s, as environments of physics have it, where the task counts time.
        self.dt = task.step_duration and task.step_duration / 1000
        self._seed, self._time = 0, 0
        self._state = {}

    def reset(self, *, seed=None, options=None):
        """Start a trial; with a seed, a run."""
        super().reset(seed=seed)
        if seed is not None or not self._state:
            if seed is None:
                seed = int(self.np_random.integers(2**31))
            self._seed, self._time = int(seed) % 2**31, 0
            self._state = dict.fromkeys((*self.task.variables, *OUTCOME), np.float64(0))
            # As in the compiled program, the first step of a run only starts the first trial.
            if not self.task.closes:
                still = np.zeros(self._size if self.task.continuous else 1)
                self._execute(self._step, self._taken(still))
        elif self.task.closes and self._state["truncated"] and not self._state["terminated"]:
            # The closing step.
            self._time += 1
            self._state |= dict.fromkeys(OUTCOME, 0.0)
        self._execute(self._reset)
        return self._observation(), {}

    def step(self, action):
        """One step of the task; a trial that ends is not followed by the next until `reset`.

        In an unbroken task the next trial follows at once, ``info["trial_ended"]`` says so, and only a
        session ends, truncated. Numbers of a continuous action may lie outside of its
        bounds, as those of an agent do; the task says what becomes of them.

        Raises
        ------
        gymnasium.error.ResetNeeded
            Before the first `reset`.
        InputError
            For an action that is none.
        """
        if not self._state:
            raise gymnasium.error.ResetNeeded("a trial starts with reset(); call it before step()")
        action = self._taken(action)
        self._time += 1
        self._state["truncated"] = np.float64(0)
        self._execute(self._step, action)
        terminated, truncated = (bool(self._state[k] > 0) for k in ("terminated", "truncated"))
        reward = float(self._state["reward"]) + 0.0  # never -0.0
        if self.task.unbroken:
            if terminated and not truncated:
                self._execute(self._reset)
            return self._observation(), reward, False, truncated, {"trial_ended": terminated}
        return self._observation(), reward, terminated, truncated and not terminated, {}

    def _taken(self, action):
        """Name to value of an action in the code of the task."""
        try:
            numbers = np.asarray(action, np.float64).ravel()
        except (TypeError, ValueError):
            numbers = np.empty(0)
        if self.task.continuous and len(numbers) == self._size and np.isfinite(numbers).all():
            return {f"action_{k}": number for k, number in enumerate(numbers)}
        if not self.task.continuous and len(numbers) == 1 and numbers[0] in range(self._size):
            return {"action": numbers[0]}
        count = f"{self._size} finite number{'s' if self._size > 1 else ''}"
        needed = count if self.task.continuous else f"a whole number from 0 to {self._size - 1}"
        raise InputError(f"action is {action!r}; {needed} is needed")

    def _execute(self, lines, action=None):
        known = self._known | self._state | {"t": self._time} | (action or {})
        own = {*self.task.variables, *OUTCOME}
        with np.errstate(all="ignore"):  # as in compiled code, 1/0 is infinite
            for name, code in lines:
                known[name] = np.float64(eval(code, known))
                if name in own:
                    self._state[name] = known[name]

    def _observation(self):
        known = self._known | self._state | {"t": self._time}
        with np.errstate(all="ignore"):
            return np.array([eval(code, known) for code in self._observe], np.float64)

    def _uniform(self, k):
        return np.float64(counter_uniform(self._seed, 0, STREAMS["task"], self._time, k))

    def _normal(self, k):
        # Box & Muller 1958.
        radius, angle = (self._uniform(NORMAL_OFFSET + 2 * k + i) for i in (0, 1))
        return np.sqrt(-2 * np.log(radius)) * np.cos(6.283185307179586 * angle)


def _assigned(code):
    """(name, compiled expression) of each line."""
    return [(name, _compiled(value)) for name, value, _ in assignments("code", code)]


def _compiled(expression):
    return compile(canonical(expression), expression, "eval")


def _table(values):
    return lambda t, column: np.float64(values[min(int(t), len(values) - 1), int(column)])
