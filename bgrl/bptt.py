"""Backpropagation through time (BPTT): an offline actor-critic of the same circuit, to compare with.

Not part of the engine: it keeps the states of a window of steps and goes back through them, which no
neuron can do and the online rules avoid. It is for circuits with one cortex like that of `models.rtrrl`,
tau dh/dt = -h + tanh(W [x, h] + b), and starts from the very weights from which the online agent starts.

Several copies of the task (streams) run side by side. After each window of T steps the parameters move
once along the gradient of the sum over its steps of

    A_t (v_t + eta_A log pi_t(a_t)) + eta_H H(pi_t)

where A_t is the TD(lambda) error of the step, sum over l of (gamma lambda)^l td_error_{t+l} (Schulman et
al. 2016, ICLR: generalised advantage estimation), the forward view of what the eligibility traces of the
online rules do. The gradient reaches back to the start of the trial or of the window, whichever is later
(Williams & Peng 1990, Neural Comput. 2:490: truncated BPTT).
"""

from dataclasses import dataclass

import numpy as np

from bgrl.circuit import Projection, Readout
from bgrl.circuit.ctrnn import EQUATIONS
from bgrl.circuit.equations import parse_equations
from bgrl.errors import InputError
from bgrl.language import assignments, canonical, evaluate
from bgrl.learning import RATES, Learning
from bgrl.random import NORMAL_OFFSET, STREAMS, counter_uniform, derived_seed
from bgrl.step.assemble import blueprint, initial_state

#: Parameters of the network, and those of actor and critic.
NETWORK, READOUT = ("weight", "bias", "tau"), ("readout", "readout_bias")
#: Settings of learning that it knows.
KNOWN = ("discount", "trace_critic", *RATES, "actor_weight", "entropy_weight", "optimizer")
#: Those that say how online rules come to the gradient, in whose place BPTT is.
_REPLACED = ("sensitivity", "feedback", "trace_actor", "trace_network")
#: What it knows of a projection and of a readout; all else must be as it is where nothing is said.
_OF_PATHWAYS = ("name", "source", "target", "weights", "feedback", "mask", "lesioned")


class TaskBatch:
    """Copies of a task side by side, step for step the compiled one.

    Parameters
    ----------
    task : bgrl.tasks.Task
        With a choice of actions, whose code is its own, and whose time limits are ends.
    seed : int
    copies : int
        Copy k draws the random numbers of replicate k of a compiled agent with this seed.

    Raises
    ------
    InputError
        If the task has continuous actions, tables, an environment, sessions, or time limits that
        are no ends.
    """

    def __init__(self, task, seed, copies):
        odd = task.tables or task.environment or task.unbroken or task.closes
        if task.continuous or odd:
            raise InputError(
                f"BPTT cannot learn task {task.name!r}: it needs one with a choice of actions, without "
                "tables, environment, sessions or time limits behind which trials would go on"
            )
        self.task, self.copies, self._seed, self._time = task, copies, seed, 0
        drawn = task.with_draws_as_state()
        self._step, self._reset = (
            [(name, value) for name, value, _ in assignments(part, getattr(drawn, part))]
            for part in ("step", "reset")
        )
        self._draws = [v for v in drawn.variables if v not in task.variables]
        self._known = {k: np.float64(p.value) for k, p in task.parameters.items()}
        names = (*task.variables, "reward", "terminated", "truncated")
        self._state = {name: np.zeros(copies) for name in names}
        self._draw()
        # As in the compiled program, the first step of a run only starts the first trial.
        self._execute(self._step, np.zeros(copies), np.ones(copies, bool))
        self._execute(self._reset, None, np.ones(copies, bool))

    def _draw(self):
        copy = np.arange(self.copies)
        for name in self._draws:
            kind, _, k = name.partition("_")

            def uniform(index):
                return counter_uniform(self._seed, copy, STREAMS["task"], self._time, index)

            if kind == "uniform":
                self._known[name] = uniform(int(k))
            else:  # Box & Muller 1958
                radius, angle = (uniform(NORMAL_OFFSET + 2 * int(k) + i) for i in (0, 1))
                self._known[name] = np.sqrt(-2 * np.log(radius)) * np.cos(6.283185307179586 * angle)

    def _execute(self, lines, action, where):
        """Run code in the copies in which it is to be run."""
        known = self._known | self._state
        if action is not None:
            known["action"] = action
        for name, value in lines:
            if name in self._draws:
                continue
            new = np.broadcast_to(np.asarray(evaluate(value, known), float), (self.copies,))
            known[name] = new if where.all() else np.where(where, new, known.get(name, 0.0))
            if name in self._state:
                self._state[name] = known[name]

    def step(self, action):
        """Take an action in every copy; where a trial ends the next one starts.

        Returns
        -------
        reward : array (copies,)
        done : array (copies,) of bool
        """
        self._time += 1
        self._draw()
        everywhere = np.ones(self.copies, bool)
        self._state["truncated"] = np.zeros(self.copies)
        self._execute(self._step, np.asarray(action, float), everywhere)
        reward = self._state["reward"].copy()
        done = (self._state["terminated"] > 0) | (self._state["truncated"] > 0)
        if done.any():
            self._execute(self._reset, None, done)
        return reward, done

    def observe(self):
        """Observation of every copy, array (copies, channels)."""
        known = self._known | self._state
        columns = [evaluate(expression, known) for expression in self.task.observations.values()]
        return np.stack(np.broadcast_arrays(*columns, np.zeros(self.copies))[:-1], axis=-1)


@dataclass
class Rollout:
    """A window of steps of all replicates and streams; the first axes are (step, replicate, stream).

    Attributes
    ----------
    inputs : array (..., inputs + neurons)
        What the cortex saw: input and its own rates before the step.
    target : array (..., neurons)
        tanh of the drive.
    rates : array (..., neurons)
        After the step.
    policy : array (..., actions)
    value, reward : array (...)
        Reward that follows.
    action : array (...) of int
    started, done : array (...) of bool
        Whether a trial begins with this step, or ends with the reward that follows.
    next_value : array (replicate, stream)
        Value of the step after the window.
    """

    inputs: np.ndarray
    target: np.ndarray
    rates: np.ndarray
    policy: np.ndarray
    value: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    started: np.ndarray
    done: np.ndarray
    next_value: np.ndarray | None = None


def cell(parameters, inputs):
    """The Euler step of the cortex: tanh of the drive, and rates afterwards.

    Parameters
    ----------
    parameters : dict of str to array
        `weight` (replicate, neurons, inputs + neurons), `bias` and `tau` (replicate, neurons), the latter
        in steps.
    inputs : array (..., replicate, stream, inputs + neurons)
    """
    n = parameters["bias"].shape[1]
    drive = inputs @ parameters["weight"].swapaxes(1, 2) + parameters["bias"][:, None]
    target, before = np.tanh(drive), inputs[..., -n:]
    return target, before + (target - before) / parameters["tau"][:, None]


def backward(parameters, rollout, signal):
    """Gradient of sum over steps of signal . rates with respect to the parameters of the network.

    Parameters
    ----------
    parameters : dict of str to array
    rollout : Rollout
    signal : array (step, replicate, stream, neurons)
        What a change of the rates after each step is worth.

    Returns
    -------
    dict of str to array
        As `parameters`, summed over steps and streams.
    """
    n = parameters["bias"].shape[1]
    tau = parameters["tau"][:, None]
    recurrent = parameters["weight"][..., -n:]
    found = {name: np.zeros_like(parameters[name]) for name in NETWORK}
    later = np.zeros_like(signal[0])
    for t in reversed(range(len(signal))):
        total = signal[t] + later
        drive = total * (1 - rollout.target[t] ** 2) / tau
        found["weight"] += drive.swapaxes(1, 2) @ rollout.inputs[t]
        found["bias"] += drive.sum(1)
        before = rollout.inputs[t][..., -n:]
        found["tau"] -= (total * (rollout.target[t] - before) / tau**2).sum(1)
        later = total * (1 - 1 / tau) + drive @ recurrent
        later = np.where(rollout.started[t][..., None], 0.0, later)
    return found


def advantages(rollout, discount, trace):
    """TD(lambda) error of every step of a window, array (step, replicate, stream)."""
    found, later = np.zeros_like(rollout.value), 0.0
    next_value = rollout.next_value
    for t in reversed(range(len(found))):
        going_on = 1.0 - rollout.done[t]
        error = rollout.reward[t] + discount * next_value * going_on - rollout.value[t]
        later = error + discount * trace * going_on * later
        found[t], next_value = later, rollout.value[t]
    return found


def _check(agent):
    """Refuse circuits and settings that it does not know."""
    circuit, learning = agent.circuit, agent.learning
    names = ["observation", "action", "reward"]
    if (
        [*circuit.populations] != ["cortex"]
        or [*circuit.inputs] != names
        or [*circuit.projections] != [f"{source}->cortex" for source in (*names, "cortex")]
        or circuit.substeps != 1
        or not _is_ctrnn(circuit.populations["cortex"])
    ):
        raise InputError("BPTT is for circuits with one cortex like that of model 'rtrrl'")
    if learning.modulated or circuit.dopamine.noise:
        raise InputError("BPTT has no noisy dopamine, and no signals that scale its settings")
    if unknown := [*_unknown_of_circuit(circuit), *_unknown_of_learning(learning)]:
        raise InputError(
            f"BPTT does not know this {', '.join(unknown)}; what it knows of a circuit are values and "
            f"masks, and of learning {', '.join(KNOWN)} (adam or sgd), with one trace for all"
        )


def _is_ctrnn(population):
    derivatives, _ = parse_equations(EQUATIONS)
    same = {name: canonical(text) for name, text in (population.derivatives or {}).items()}
    return (
        same == {name: canonical(text) for name, text in derivatives.items()}
        and set(population.dynamics) == set(derivatives)
        and set(population.parameters) == {"tau", "bias"}
    )


def _unknown_of_circuit(circuit):
    """Names of what is not as in model 'rtrrl'."""
    cortex = circuit.populations["cortex"]
    if any(np.any(value) for value in cortex.initial.values()):
        yield "initial state of cortex"
    for key, lowest in (("tau", (None, circuit.step)), ("bias", (None,))):
        if not cortex.parameters[key].trainable:
            yield f"cortex.{key}.trainable"
        if cortex.parameters[key].minimum not in lowest:
            yield f"cortex.{key}.minimum"
    plain = Projection("cortex", "cortex"), Readout("plain")
    pathways = [(name, p, plain[0]) for name, p in circuit.projections.items()]
    pathways += [(f"cortex->{r.name}", r, plain[1]) for r in (circuit.actor, circuit.critic)]
    for name, pathway, usual in pathways:
        for field in type(usual).__dataclass_fields__:
            if field not in _OF_PATHWAYS and getattr(pathway, field) != getattr(usual, field):
                yield f"{name}.{field}"


def _unknown_of_learning(learning):
    usual = Learning()
    for field in type(usual).__dataclass_fields__:
        if field in ("trace_actor", "trace_network"):
            known = getattr(learning, field) == learning.trace_critic
        elif field == "optimizer":
            known = learning.optimizer in ("adam", "sgd")
        else:
            same = getattr(learning, field) == getattr(usual, field)
            known = same or field in (*KNOWN, *_REPLACED)
        if not known:
            yield field


class OfflineAgent:
    """Replicates of an actor-critic that learns by truncated BPTT.

    Parameters
    ----------
    agent : bgrl.agent.Agent
        Its circuit, whose lesioned synapses stay at 0, its task, and settings of learning: discount,
        `trace_critic`, rates, weights of actor and entropy, and the optimizers `adam` and `sgd`.
    seed : int
    streams : int
        Copies of the task that each replicate learns from side by side.
    window : int
        Steps through which the gradient reaches back at the most.

    Attributes
    ----------
    parameters : dict of str to array
        Those of `cell`; `readout` (replicate, actions + 1, neurons) and `readout_bias`, of which the
        actor has none, the last row being the critic's.

    Raises
    ------
    InputError
        For another circuit, and for what it does not know of a circuit, a task or learning.
    """

    def __init__(self, agent, seed=0, streams=2, window=64):
        _check(agent)
        self.agent, self.streams, self.window, self.seed = agent, streams, window, seed
        layout = blueprint(agent.structure()).layout()
        state = {k: v.astype(float) for k, v in initial_state(agent, layout, seed).items()}
        self.parameters = {
            "weight": state["cortex_drive.weight"],
            "bias": state["cortex.bias"],
            "tau": state["cortex.tau"] / agent.circuit.step,
            "readout": state["readout_drive.weight"],
            "readout_bias": state["readout.bias"],
        }
        self._masks = {
            "weight": state["cortex_drive.mask"],
            "readout": state["readout_drive.mask"],
        }
        for name, mask in self._masks.items():
            self.parameters[name] *= mask
        self._moments = {k: np.zeros((2, *v.shape)) for k, v in self.parameters.items()}
        self.updates = self.steps = 0
        self._tasks = TaskBatch(agent.task, seed, agent.replicates * streams)
        self._play = _Play(self._tasks, agent.replicates, seed)

    def learn(self):
        """Go through a window of steps and move the parameters once; `window` x `streams` steps."""
        rollout = self._play.window(self.parameters, self.window)
        self._move(self.gradient(rollout))
        self.steps += self.window * self.streams

    def gradient(self, rollout):
        """The gradient of all parameters, see the module's text."""
        learning = self.agent.learning
        advantage = advantages(rollout, learning.discount, learning.trace_critic)
        policy, actor = rollout.policy, self.parameters["readout"][:, :-1]
        chosen = np.eye(policy.shape[-1])[rollout.action]
        log = np.log(np.maximum(policy, 1e-300))
        entropy = -(policy * log).sum(-1, keepdims=True)
        logits = advantage[..., None] * learning.actor_weight * (chosen - policy)
        logits -= learning.entropy_weight * policy * (log + entropy)
        rows = np.concatenate([logits, advantage[..., None]], axis=-1)
        signal = logits @ actor + advantage[..., None] * self.parameters["readout"][:, None, -1]
        found = backward(self.parameters, rollout, signal)
        found["readout"] = np.einsum("trsa,trsn->ran", rows, rollout.rates)
        found["readout_bias"] = np.zeros_like(self.parameters["readout_bias"])
        found["readout_bias"][:, -1] = advantage.sum((0, 2))
        for name, mask in self._masks.items():
            found[name] *= mask
        return found

    def _move(self, gradient):
        """Uphill, by Adam (Kingma & Ba 2015, ICLR, algorithm 1) or by the gradient itself."""
        learning = self.agent.learning
        actor, critic, network = (getattr(learning, name) for name in RATES)
        self.updates += 1
        for name, value in self.parameters.items():
            step = gradient[name]
            if learning.optimizer == "adam":
                first, second = self._moments[name]
                first += 0.1 * (step - first)
                second += 0.001 * (step**2 - second)
                step = first / (1 - 0.9**self.updates)
                step /= np.sqrt(second / (1 - 0.999**self.updates)) + 1e-8
            rate = network
            if name in READOUT:
                rate = np.full(value.shape[1:], actor)
                rate[-1] = critic
            value += rate * step
        self.parameters["tau"] = np.maximum(self.parameters["tau"], 1.0)

    def evaluate(self, trials, most_steps=100_000):
        """Mean return of every replicate over at least `trials` trials of fresh copies of the task.

        Parameters
        ----------
        trials : int
        most_steps : int
            Of each copy; a copy that has not ended its trials by then counts with those that it ended.

        Returns
        -------
        mean_return : array (replicate,)
        episodes : array (replicate,) of int
        """
        copies = min(trials, 20)
        each = -(-trials // copies)
        seed = derived_seed(self.seed, 1 + self.steps)
        replicates = self.agent.replicates
        play = _Play(TaskBatch(self.agent.task, seed, replicates * copies), replicates, seed)
        running, total, count = np.zeros((3, replicates, copies))
        for _ in range(most_steps):
            *_, reward, _, done = play.step(self.parameters)
            running += reward
            ended = done & (count < each)
            total += np.where(ended, running, 0)
            count += ended
            running[done] = 0
            if (count >= each).all():
                break
        episodes = count.sum(1)
        with np.errstate(invalid="ignore"):
            return total.sum(1) / episodes, episodes.astype(int)


class _Play:
    """An agent in copies of a task: what is carried from one step to the next."""

    def __init__(self, tasks, replicates, seed):
        self._tasks, self._seed, self._time = tasks, seed, 0
        self._shape = replicates, tasks.copies // replicates
        self._actions = len(tasks.task.actions)
        self._rates = None
        self._action = np.zeros(self._shape, int)
        self._reward = np.zeros(self._shape)
        self._started = np.ones(self._shape, bool)

    def _inputs(self, neurons):
        """Input and rates, both as they are at the start of a trial where one starts."""
        going_on = ~self._started[..., None]
        observation = self._tasks.observe().reshape(*self._shape, -1)
        action = np.eye(self._actions)[self._action] * going_on
        reward = self._reward[..., None] * going_on
        if self._rates is None:
            self._rates = np.zeros((*self._shape, neurons))
        return np.concatenate([observation, action, reward, self._rates * going_on], axis=-1)

    def _read(self, parameters):
        inputs = self._inputs(parameters["bias"].shape[1])
        target, rates = cell(parameters, inputs)
        out = rates @ parameters["readout"].swapaxes(1, 2) + parameters["readout_bias"][:, None]
        logits = out[..., :-1] - out[..., :-1].max(-1, keepdims=True)
        policy = np.exp(logits)
        policy /= policy.sum(-1, keepdims=True)
        return inputs, target, rates, policy, out[..., -1]

    def step(self, parameters):
        """A step: the fields of `Rollout` in their order."""
        inputs, target, rates, policy, value = self._read(parameters)
        copies = np.arange(self._tasks.copies).reshape(self._shape)
        draw = counter_uniform(self._seed, copies, STREAMS["policy"], self._time, 0)
        self._time += 1
        action = (draw[..., None] > policy.cumsum(-1)[..., :-1]).sum(-1)
        reward, done = self._tasks.step(action.ravel())
        reward, done = reward.reshape(self._shape), done.reshape(self._shape)
        started, self._started = self._started, done
        self._rates, self._action, self._reward = rates, action, reward
        return inputs, target, rates, policy, value, action, reward, started, done

    def window(self, parameters, steps):
        """A `Rollout` of some steps."""
        columns = zip(*(self.step(parameters) for _ in range(steps)), strict=True)
        return Rollout(*map(np.stack, columns), next_value=self._read(parameters)[-1])
