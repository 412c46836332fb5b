"""BPTT: its task is the compiled one, and its gradient that of finite differences and of exact RTRL."""

import dataclasses

import numpy as np
import pytest

import models
from bgrl import tasks
from bgrl.backends import load
from bgrl.bptt import KNOWN, NETWORK, OfflineAgent, Rollout, TaskBatch, advantages, backward, cell
from bgrl.errors import InputError
from bgrl.learning import Learning
from bgrl.step.assemble import initial_state

#: Exact gradients with transposed feedback and fixed weights, summed without decay.
SUMMED = {
    "sensitivity": "rtrl",
    "feedback": "symmetric",
    "optimizer": "sgd",
    **dict.fromkeys(("rate_actor", "rate_critic", "rate_network", "entropy_weight"), 0.0),
    **dict.fromkeys(("discount", "trace_actor", "trace_critic", "trace_network"), 1.0),
}


def agent(length=3, replicates=2, units=4, **learning):
    task = tasks.make("memory_chain", length=length)
    return models.agent("rtrrl", task, units, replicates, "float64", **learning)


def rolled(learner, parameters, observation, started):
    """Rates along given inputs."""
    n = parameters["bias"].shape[1]
    rates, inputs, targets, after = np.zeros((*started.shape[1:], n)), [], [], []
    for x, start in zip(observation, started, strict=True):
        inputs.append(np.concatenate([x, np.where(start[..., None], 0, rates)], -1))
        target, rates = cell(parameters, inputs[-1])
        targets.append(target)
        after.append(rates)
    nothing = np.zeros(started.shape)
    return Rollout(
        *map(np.array, (inputs, targets, after)), *([nothing] * 4), started=started, done=nothing
    )


def test_gradient_is_that_of_finite_differences():
    rng = np.random.default_rng(0)
    learner = OfflineAgent(agent())
    parameters = {k: learner.parameters[k] for k in NETWORK}
    observation = rng.normal(size=(9, 2, 3, 6))
    started = rng.random((9, 2, 3)) < 0.2
    signal = rng.normal(size=(9, 2, 3, 4))
    rollout = rolled(learner, parameters, observation, started)
    found = backward(parameters, rollout, signal)

    def worth(name, place, change):
        changed = parameters | {name: parameters[name].copy()}
        changed[name][place] += change
        return (signal * rolled(learner, changed, observation, started).rates).sum()

    for name in NETWORK:
        for place in np.ndindex(parameters[name].shape):
            finite = (worth(name, place, 1e-5) - worth(name, place, -1e-5)) / 2e-5
            assert found[name][place] == pytest.approx(finite, rel=1e-6, abs=1e-8)
    assert all(np.abs(v).min() > 0 for v in (found["bias"], found["tau"]))


@pytest.mark.parametrize("length", [3, 6])
def test_gradient_of_a_trial_is_that_of_exact_rtrl(length):
    """Eligibility without decay is the sum over a trial of the gradients of value and log policy."""
    online = agent(length, **SUMMED)
    program = load("numpy", online.structure())
    states = [program.advance(initial_state(online, program.layout, 0), 0, 1, learn=False)]
    while sum(state["task.done"].all() for state in states) < 3:
        states.append(program.advance(states[-1], len(states), 1))
    first, last = [t for t, state in enumerate(states) if state["task.done"].all()][1:]
    steps = states[first:last]
    assert len(steps) == length + 1
    learner = OfflineAgent(online)
    parameters = learner.parameters
    inputs = np.stack([np.concatenate([s["input.x"], b], -1) for s, b in _before(steps)])[
        :, :, None
    ]
    target, rates = cell(parameters, inputs)
    assert np.allclose(rates[:, :, 0], [s["cortex.rate"] for s in steps], atol=1e-12)
    policy = np.stack([s["readout.policy"][:, :2] for s in steps])
    action = np.stack([s["policy.action"].reshape(2) for s in steps]).astype(int)
    logits = (np.eye(2)[action] - policy)[:, :, None]
    signal = logits @ parameters["readout"][:, :-1] + parameters["readout"][:, None, -1]
    started = np.zeros(inputs.shape[:3], bool)
    started[0] = True
    rollout = Rollout(inputs, target, rates, *([started] * 4), started=started, done=started)
    found = backward(parameters, rollout, signal)
    for name, group in (("weight", "cortex_drive"), ("bias", "cortex"), ("tau", "cortex")):
        summed = steps[-1][f"{group}.eligibility_{name}"].reshape(found[name].shape)
        assert np.abs(summed).max() > 1e-3
        assert np.allclose(summed, found[name], rtol=0, atol=1e-12)


def _before(steps):
    """Each step with the rates before it; a trial starts from zero."""
    rates = [np.zeros_like(steps[0]["cortex.rate"]), *(s["cortex.rate"] for s in steps[:-1])]
    return zip(steps, rates, strict=True)


@pytest.mark.parametrize("name", ["memory_chain", "bernoulli_bandit", "gaussian_bandit", "catch"])
def test_tasks_are_those_of_the_program(name):
    """The same observations, rewards and ends follow the same actions."""
    task = tasks.make(name, **{"length": 2} if name == "memory_chain" else {})
    online = dataclasses.replace(
        models.agent("rtrrl", task, 3, 3, "float64"), learning=Learning("none")
    )
    program = load("numpy", online.structure())
    state = program.advance(initial_state(online, program.layout, 5), 0, 1, learn=False)
    batch = TaskBatch(task, 5, 3)
    channels = len(task.observations)
    for t in range(1, 40):
        assert np.allclose(batch.observe(), state["input.x"][:, :channels], atol=1e-12)
        action = state["policy.action"].reshape(3)
        state = program.advance(state, t, 1, learn=False)
        reward, done = batch.step(action)
        assert np.allclose(reward, state["task.reward"].reshape(3), atol=1e-12)
        assert np.array_equal(done, state["task.done"].reshape(3) > 0)


def test_advantages():
    """By hand: discount 0.5, trace 0.5, a trial that ends after two steps."""
    value = np.array([1.0, 2.0, 4.0]).reshape(3, 1, 1)
    reward = np.array([1.0, 3.0, 0.0]).reshape(3, 1, 1)
    done = np.array([False, True, False]).reshape(3, 1, 1)
    rollout = Rollout(*[None] * 4, value, None, reward, done, done, np.full((1, 1), 8.0))
    # td errors: 1 + 0.5*2 - 1 = 1; 3 - 2 = 1; 0.5*8 - 4 = 0.
    assert advantages(rollout, 0.5, 0.5).ravel().tolist() == [1.25, 1.0, 0.0]


def test_gradient_of_the_whole_is_that_of_finite_differences():
    """Advantages held fixed, as they are in the algorithm; entropy, actor and critic included."""
    learner = OfflineAgent(agent(entropy_weight=0.3, actor_weight=0.7), window=6, streams=3)
    rollout = learner._play.window(learner.parameters, 6)
    found = learner.gradient(rollout)
    learning = learner.agent.learning
    advantage = advantages(rollout, learning.discount, learning.trace_critic)

    def worth(parameters):
        x = rollout.inputs[..., :-4]
        again = rolled(learner, parameters, x, rollout.started)
        out = again.rates @ parameters["readout"].swapaxes(1, 2)
        out = out + parameters["readout_bias"][:, None]
        log = out[..., :-1] - np.log(np.exp(out[..., :-1]).sum(-1, keepdims=True))
        chosen = np.take_along_axis(log, rollout.action[..., None], -1)[..., 0]
        entropy = -(np.exp(log) * log).sum(-1)
        return (advantage * (out[..., -1] + 0.7 * chosen) + 0.3 * entropy).sum()

    for name, value in learner.parameters.items():
        for place in [*np.ndindex(value.shape)][::3]:
            ends = []
            for change in (1e-5, -1e-5):
                changed = learner.parameters | {name: value.copy()}
                changed[name][place] += change
                ends.append(worth(changed))
            finite = (ends[0] - ends[1]) / 2e-5
            if name == "readout_bias" and place[1] < 2:
                assert found[name][place] == 0  # the actor has none
            else:
                assert found[name][place] == pytest.approx(finite, rel=1e-5, abs=1e-7)


@pytest.mark.long
def test_it_learns_to_remember():
    rates = dict.fromkeys(("rate_actor", "rate_critic", "rate_network"), 3e-3)
    learner = OfflineAgent(agent(2, replicates=3, units=16, **rates))
    before = learner.evaluate(60)[0]
    while learner.steps < 15_000:
        learner.learn()
    after, episodes = learner.evaluate(60)
    assert (np.abs(before) < 0.6).all() and (after >= 0.9).all() and (episodes == 60).all()


def test_what_it_cannot_learn_is_refused():
    pendulum = models.agent("rtrrl", tasks.make("pendulum"), 3)
    with pytest.raises(InputError, match="BPTT cannot learn task 'pendulum': it needs one with a"):
        OfflineAgent(pendulum)
    with pytest.raises(InputError, match="BPTT is for circuits with one cortex"):
        OfflineAgent(models.agent("lru", tasks.make("memory_chain"), 3))
    late = agent(2).circuit.set("cortex->cortex.delay", 20)
    with pytest.raises(InputError, match="BPTT is for circuits with one cortex"):
        OfflineAgent(dataclasses.replace(agent(2), circuit=late))
    noisy = agent(2).circuit.set("dopamine.noise", 0.1)
    with pytest.raises(InputError, match="BPTT has no noisy dopamine, and no signals that scale"):
        OfflineAgent(dataclasses.replace(agent(2), circuit=noisy))
    changed = agent(2).circuit.set("cortex->cortex.sign", 1).set("cortex.tau.trainable", False)
    with pytest.raises(InputError, match="this cortex.tau.trainable, cortex->cortex.sign; what"):
        OfflineAgent(dataclasses.replace(agent(2), circuit=changed))
    fixed = agent(2).circuit.set("actor.plastic", False)
    with pytest.raises(InputError, match="know this cortex->dorsal_striatum.plastic; what"):
        OfflineAgent(dataclasses.replace(agent(2), circuit=fixed))
    other = agent(2).circuit
    cortex = dataclasses.replace(
        other.populations["cortex"],
        equations="drate/dt = (-rate + tanh(2*drive + bias))/tau : 1\ntau : second",
        derivatives=None,
    )
    other = dataclasses.replace(other, populations={"cortex": cortex})
    with pytest.raises(InputError, match="BPTT is for circuits with one cortex"):
        OfflineAgent(dataclasses.replace(agent(2), circuit=other))
    session = dataclasses.replace(tasks.make("memory_chain"), unbroken=True)
    with pytest.raises(InputError, match="needs one with .* without tables, environment, sessions"):
        OfflineAgent(models.agent("rtrrl", session, 3))


#: A value other than the usual one of every setting of learning that BPTT does not know.
UNKNOWN = {
    "overrides": {"cortex.tau": "rtrl"},
    "oracle": True,
    "optimizer": "amsgrad",
    "trace_actor": 0.5,
    "trace_network": 0.5,
    "rate_average_reward": 0.1,
    "max_norm": 1e-6,
    "normalize_input": True,
    "scale_reward": True,
    "rate_half_life": 100.0,
    "entropy_share": 0.1,
    "first_input": "action_0",
}


def test_settings_that_it_does_not_know_are_refused():
    for name, value in UNKNOWN.items():
        with pytest.raises(InputError, match=f"BPTT does not know this {name}; what it knows"):
            OfflineAgent(agent(2, **{name: value}))
    replaced = {"sensitivity", "feedback", "modulated"}
    known = {f.name for f in dataclasses.fields(Learning)} - set(UNKNOWN) - replaced
    assert known | {"optimizer"} == set(KNOWN)


def test_lesioned_synapses_stay_at_zero():
    circuit = agent().circuit.lesion("cortex->cortex").lesion("cortex->dorsal_striatum", 0.5)
    learner = OfflineAgent(dataclasses.replace(agent(), circuit=circuit), window=16)
    gone = circuit.actor.lesioned.astype(bool)
    before = {name: learner.parameters[name].copy() for name in ("weight", "readout")}
    for _ in range(3):
        learner.learn()
    weight, readout = learner.parameters["weight"], learner.parameters["readout"]
    assert not weight[..., -4:].any() and not readout[:, :2, gone].any() and gone.sum() == 2
    assert (weight != before["weight"])[..., 0].all()
    assert (readout != before["readout"])[:, 2].all()


def test_sgd_moves_along_the_gradient():
    rates = {"rate_actor": 0.1, "rate_critic": 0.2, "rate_network": 0.3}
    learner = OfflineAgent(agent(optimizer="sgd", **rates))
    before = {name: value.copy() for name, value in learner.parameters.items()}
    gradient = {name: np.full(value.shape, 2.0) for name, value in before.items()}
    learner._move(gradient)
    moved = {name: value - before[name] for name, value in learner.parameters.items()}
    assert np.allclose(moved["weight"], 0.6) and np.allclose(moved["bias"], 0.6)
    assert np.allclose(moved["readout"][:, :2], 0.2) and np.allclose(moved["readout"][:, 2], 0.4)
