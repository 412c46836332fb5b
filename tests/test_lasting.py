"""What makes learning last: inputs, rewards, rates and entropy, against NumPy and the equations."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.linalg import solve_discrete_are

import models
from bgrl import tasks
from bgrl.agent import Agent
from bgrl.backends import load
from bgrl.circuit import Parameter
from bgrl.errors import InputError
from bgrl.learning import LASTING, Learning
from bgrl.recording import Record
from bgrl.simulation import Run, simulate
from bgrl.step.assemble import initial_state
from bgrl.tasks.base import Task

STEPS = 60
BACKENDS = ["numpy", pytest.param("cpp", marks=pytest.mark.slow)]


def agent(task="memory_chain", model="rtrrl", **learning):
    return models.agent(model, tasks.make(task), 4, 2, "float64", **learning)


def played(learner, steps=STEPS, backend="numpy", change=()):
    """States before and after each of some steps."""
    program = load(backend, learner.structure())
    state = initial_state(learner, program.layout, 3)
    for name, value in change:
        state[name][...] = value
    states = [program.advance(state, 0, 1, learn=False)]
    for step in range(1, steps + 1):
        states.append(program.advance(states[-1], step, 1))
    return program, states


@pytest.mark.parametrize("half_life", [None, 20])
@pytest.mark.parametrize("backend", BACKENDS)
def test_inputs_are_compressed_and_normalised(backend, half_life):
    """The same inputs as without, by the mean and variance of those before.

    Where rates fall, each of those moves the mean by as much less as rates have fallen.
    """
    fixed = dict.fromkeys(("rate_actor", "rate_critic", "rate_network"), 0.0)
    fixed |= {"rate_half_life": half_life}
    # Weights of zero: both choose at random, with the same random numbers.
    change = [("readout_drive.weight", 0.0)]
    _, plain = played(agent("point_robot", **fixed), backend=backend, change=change)
    learner = agent("point_robot", normalize_input=True, **fixed)
    program, states = played(learner, backend=backend, change=change)
    assert plain[0]["input.x"].shape == (2, 9)  # six observations, two actions, the reward
    mean, variance, count = np.zeros((2, 9)), np.ones((2, 9)), 1
    total, squares = np.zeros((2, 9)), np.ones((2, 9))
    for step, (raw, state) in enumerate(zip(plain, states, strict=True)):
        compressed = raw["input.x"] / (1 + np.abs(raw["input.x"]))
        expected = (compressed - mean) / np.sqrt(variance + 1e-8)
        np.testing.assert_allclose(state["input.x"], np.clip(expected, -5, 5), rtol=0, atol=1e-9)
        if step:  # nothing is learned in step 0
            count += 1
            slower = 1 + count / half_life if half_life else 1
            mean = mean + (compressed - mean) / ((30_000 + count) * slower)
            variance = variance + (np.square(compressed - mean) - variance) / count
            # Otherwise the mean of all, and 30,001 of 0 before the first; the variance around it.
            total += compressed
            squares += np.square(compressed - total / (30_000 + count))
    if half_life is None:
        np.testing.assert_allclose(mean, total / (30_000 + count), rtol=0, atol=1e-12)
        np.testing.assert_allclose(variance, squares / count, rtol=0, atol=1e-12)
    assert np.abs(states[-1]["input.x"]).max() > 1 and np.abs(total).max() > 5
    evaluated = program.advance(states[-1], STEPS + 1, 5, learn=False)
    for name in ("input.input_mean", "input.input_variance", "input.input_count"):
        np.testing.assert_array_equal(evaluated[name], states[-1][name])


def test_who_starts_from_learned_weights_sees_what_they_were_learned_from():
    """Inputs are centred and scaled, and reward is scaled, as in the run that learned."""
    learner = agent("point_robot", normalize_input=True, scale_reward=True)
    few = {"backend": "numpy", "evaluations": 1, "evaluation_trials": 1, "final_trials": 1}
    first = simulate(learner, Run(STEPS, evaluation_steps=4, **few))
    record = Record(("input.input_mean", "input.input_variance", "dopamine.return_variance"))
    again = simulate(learner, Run(2, record=record, evaluation_steps=4, **few), weights=first)
    weights, traces = first["weights"].isel(checkpoint=-1), again["traces"]
    assert weights["input.count"].values.tolist() == [[STEPS + 1] * 9] * 2
    assert weights["dopamine.return_count"].values.tolist() == [STEPS + 1] * 2
    for learned, recorded in (
        ("input.mean", "input.input_mean"),
        ("input.variance", "input.input_variance"),
        ("dopamine.return_variance", "dopamine.return_variance"),
    ):
        kept = again["weights"][learned].isel(checkpoint=0)
        np.testing.assert_array_equal(kept, weights[learned], err_msg=learned)
        # One step moves a statistic of many by little, and one that begins anew by much.
        moved = np.abs(traces[recorded].values[:, 0] - weights[learned].values)
        fresh = float("variance" in learned)
        assert moved.max() < 0.2 * np.abs(weights[learned].values - fresh).max(), learned
    plain = agent("point_robot", scale_reward=True)
    with pytest.raises(InputError, match=r"no weights 'input\.mean'"):
        simulate(learner, Run(2, **few), weights=simulate(plain, Run(2, **few)))


@pytest.mark.parametrize("backend", BACKENDS)
def test_rewards_count_in_standard_deviations_of_past_reward(backend):
    learner = agent("gaussian_bandit", scale_reward=True, discount=0.8)
    _, states = played(learner, backend=backend)
    past, sums = np.zeros(2), [np.zeros(2)]
    for before, after in pairwise(states):
        reward, done = after["task.reward"], after["task.done"]
        # The variance of the sums so far, around their mean, and of one of variance 1.
        variance = (1 + len(sums) * np.var(sums, axis=0)) / len(sums)
        value, critic = before["dopamine.value"], after["dopamine.value"]
        expected = reward / np.sqrt(variance) + 0.8 * critic * (1 - done) - value
        np.testing.assert_allclose(after["dopamine.td_error"], expected, rtol=0, atol=1e-12)
        past = 0.8 * past + reward
        sums.append(past)
        past = past * (1 - done)
    assert variance.max() > 1.2


@pytest.mark.parametrize(
    "backend", [*BACKENDS, pytest.param("cuda-emulated", marks=pytest.mark.slow)]
)
def test_statistics_move_after_millions_of_steps(backend):
    """In single precision as in double, from counts at which a change is below a rounding."""
    starts = {
        "input.input_mean": 0.9,
        "input.input_variance": 0.9,
        "dopamine.return_mean": 100.0,
        "dopamine.return_variance": 3e4,
    }
    counts = dict.fromkeys(("input.input_count", "dopamine.return_count"), 1e8)
    settings, moved = {"normalize_input": True, "scale_reward": True}, {}
    for dtype in ("float32", "float64"):
        learner = models.agent("rtrrl", tasks.make("gaussian_bandit"), 4, 2, dtype, **settings)
        program = load(backend, learner.structure())
        state = program.advance(initial_state(learner, program.layout, 3), 0, 1, learn=False)
        for name, value in (starts | counts).items():
            state[name][...] = value
        state = program.advance(state, 1, 300)
        moved[dtype] = {name: state[name] - start for name, start in starts.items()}
    for name, start in starts.items():
        # What single precision tells apart.
        least = np.spacing(np.float32(start))
        single, double = (moved[dtype][name] for dtype in ("float32", "float64"))
        assert np.abs(double).max() > 10 * least, name
        assert np.abs(double).max() < 300 * least / 2, name
        np.testing.assert_allclose(single, double, rtol=0, atol=least, err_msg=name)


@pytest.mark.parametrize(
    "backend", [*BACKENDS, pytest.param("cuda-emulated", marks=pytest.mark.slow)]
)
def test_the_return_of_a_long_trial_is_the_sum_of_its_rewards(backend):
    """From 1e5 on, where single precision adds 0.1016 for each 0.1; and the next trial starts at 0."""
    dripping = Task(
        name="dripping",
        summary="0.1 in every step",
        reference="none",
        observations={"time": "time"},
        actions=("left", "right"),
        variables=("time",),
        step="reward = 0.1\ntime = time + 1\nterminated = int(time >= length)",
        reset="time = 0",
        parameters={"length": Parameter(300.0)},
    )
    learner = models.agent("linear", dripping, 2, 2)
    program = load(backend, learner.structure())
    # The first step only starts the first trial.
    state = program.advance(initial_state(learner, program.layout, 3), 0, 2, learn=False)
    state["task.trial_return"][...] = 1e5
    for step, steps, start in ((2, 299, 1e5), (301, 300, 0.0)):
        state = program.advance(state, step, steps)
        assert (state["task.done"] == 1).all() and (state["task.trial_length"] == 300).all()
        expected = start + steps * 0.1
        least = np.spacing(np.float32(expected))
        np.testing.assert_allclose(state["task.trial_return"], expected, rtol=0, atol=least)
    # What rounding took of the last trial is not told of this one.
    state["task.trial_return_lost"][...] = 0.004
    state = program.advance(state, 601, 1)
    np.testing.assert_array_equal(state["task.trial_return"], np.float32(0.1))


@pytest.mark.parametrize("backend", BACKENDS)
def test_rates_fall_with_age(backend):
    learner = agent(optimizer="sgd", entropy_weight=0.0, rate_half_life=20, rate_network=0.01)
    _, states = played(learner, backend=backend)
    for age, (before, after) in enumerate(pairwise(states)):
        error = after["dopamine.td_error"]
        scale = error / (1 + age / 20)
        for rate, name, trace, factor in (
            (1e-3, "readout_drive.weight", "readout_drive.eligibility_weight", 1),
            (0.01, "cortex_drive.weight", "cortex_drive.eligibility_weight", 1),
            (0.01, "cortex.bias", "cortex.eligibility_bias", 1),
        ):
            step = rate * factor * scale.reshape(2, *[1] * (before[name].ndim - 1))
            expected = before[name] + step * before[trace]
            np.testing.assert_allclose(after[name], expected, rtol=0, atol=1e-14)
    assert np.abs(states[-1]["cortex.bias"] - states[-2]["cortex.bias"]).max() > 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_rates_fall_beyond_what_single_precision_counts(backend):
    learner = models.agent("rtrrl", tasks.make("memory_chain"), 4, 2, rate_half_life=20)
    program = load(backend, learner.structure())
    state = program.advance(initial_state(learner, program.layout, 3), 0, 1, learn=False)
    for age in (0, 20, 2**24 - 1, 2**24 + 64, 2**25):
        youth = program.advance(state, 1 + age, 1)["dopamine.youth"]
        np.testing.assert_allclose(youth, 20 / (20 + age), rtol=1e-6, err_msg=str(age))
    # In a row, as a run counts them.
    late = program.advance(state, 2**24, 200)["dopamine.youth"]
    np.testing.assert_allclose(late, 20 / (20 + 2**24 + 198), rtol=1e-7)


@pytest.mark.parametrize(("optimizer", "epsilon"), [("adam", 1e-8), ("adam_floor", 0.02)])
def test_adam_with_and_without_a_floor(optimizer, epsilon):
    """Kingma & Ba 2015, algorithm 1, of the gradients of a run."""
    _, states = played(agent(optimizer=optimizer, entropy_weight=0.0))
    moments = np.zeros((2, *states[0]["readout_drive.weight"].shape))
    for t, (before, after) in enumerate(pairwise(states), 1):
        error = after["dopamine.td_error"].reshape(2, *[1] * (moments.ndim - 2))
        gradient = error * before["readout_drive.eligibility_weight"]
        moments[0] = 0.9 * moments[0] + 0.1 * gradient
        moments[1] = 0.999 * moments[1] + 0.001 * gradient**2
        first, second = moments[0] / (1 - 0.9**t), moments[1] / (1 - 0.999**t)
        moved = after["readout_drive.weight"] - before["readout_drive.weight"]
        expected = 1e-3 * first / (np.sqrt(second) + epsilon)
        np.testing.assert_allclose(moved, expected, rtol=0, atol=1e-12)
    other = 1e-3 * first / (np.sqrt(second) + 0.02 + 1e-8 - epsilon)
    assert np.abs(moved - other).max() > 1e-6


@pytest.mark.parametrize("half_life", [None, 20])
def test_entropy_counts_only_below_its_share_of_a_choice(half_life):
    """Logits far apart in one replicate and equal in the other: 0.2 log(2) lies in between.

    With rates that fall the share falls as they do, and the weight of the entropy stays.
    """
    settings = {"entropy_weight": 0.3, "rate_actor": 0.0, "rate_network": 0.0}
    scale = np.array([16.0, 0.1])[:, None, None]
    signals = {}
    for share in (None, 0.2):
        learner = agent(
            "gaussian_bandit", entropy_share=share, rate_half_life=half_life, **settings
        )
        program = load("numpy", learner.structure())
        state = initial_state(learner, program.layout, 3)
        state["readout_drive.weight"] *= scale
        found = []
        for step in range(STEPS):
            state = program.advance(state, step, 1, learn=step > 0)
            found.append((state["readout.entropy_signal"], state["policy.entropy"]))
        signals[share] = found
    low = young = 0
    for step, ((always, entropy), (bounded, same)) in enumerate(
        zip(signals[None], signals[0.2], strict=True)
    ):
        np.testing.assert_array_equal(entropy, same)
        # An update lies between two steps: the first of which an age is known is the second.
        youth = 1 / (1 + max(step - 2, 0) / half_life) if half_life else 1
        below = (entropy < 0.2 * youth * np.log(2))[:, None]
        np.testing.assert_array_equal(bounded, np.where(below, always, 0))
        low += below.sum()
        young += (entropy < 0.2 * np.log(2)).sum()
    assert 0 < low < 2 * STEPS and np.abs(always).max() > 0
    assert low < young if half_life else low == young


@pytest.mark.parametrize("half_life", [None, 20])
def test_entropy_counts_only_below_its_share_of_a_scale(half_life):
    """With rates that fall, too."""
    settings = {"entropy_weight": 0.3, "rate_actor": 0.0, "rate_network": 0.0}
    _, always = played(agent("point_robot", **settings))
    _, bounded = played(
        agent("point_robot", entropy_share=0.3, rate_half_life=half_life, **settings)
    )
    low, high = np.log1p(np.exp([-2, 2]))
    least, below = 0.7 * low + 0.3 * high, 0
    for a, b in zip(always, bounded, strict=True):
        inside = a["policy.scale"] < least
        signal, expected = b["readout.entropy_signal"], a["readout.entropy_signal"].copy()
        expected[:, 2:4] *= inside
        np.testing.assert_array_equal(signal, expected)
        below += inside.sum()
    assert 0 < below < 4 * len(always) and np.abs(expected).max() > 0


@pytest.mark.long
def test_lasting_agents_end_at_their_best():
    """MemoryChain-8, which by the paper's settings 39 of 40 agents learn and 5 of these lose again.

    (`Learning()` with `models.rtrrl`, 150,000 steps, 15 evaluations, seed 0.)
    """
    task = tasks.make("memory_chain", length=8)
    agent = Agent(models.circuit("rtu", task), task, LASTING, replicates=10)
    data = simulate(agent, Run(150_000, evaluations=3))
    assert (data["evaluation"]["mean_return"].values[:, -1] >= 0.95).sum() >= 9


def balanced(noise, trials=4000, steps=200):
    """Return of NoisyStatelessCartPole by an agent that knows the cart and where it starts.

    A Kalman filter estimates the state, a linear regulator says where to push. Its costs and the
    filter's noise are the best of 150 random ones, so what is possible may be somewhat more.
    """
    tau, gravity, length, pole, total = 0.02, 9.8, 0.5, 0.1, 1.1
    bounds = np.array([2.4, 12 * np.pi / 180])[:, None]

    def moved(state, force):
        _, speed, angle, turn = state
        push = (force + pole * length * turn**2 * np.sin(angle)) / total
        inertia = length * (4 / 3 - pole * np.cos(angle) ** 2 / total)
        bent = (gravity * np.sin(angle) - np.cos(angle) * push) / inertia
        pushed = push - pole * length * bent * np.cos(angle) / total
        return state + tau * np.array([speed, pushed, turn, bent])

    upright = np.zeros((4, 1))
    linear = np.hstack([moved(1e-6 * np.eye(4)[:, [k]], 0) for k in range(4)]) / 1e-6
    pushes = moved(upright, 1e-6) / 1e-6
    cost = solve_discrete_are(linear, pushes, np.diag([0.0532, 0.756, 93.0, 0.0116]), [[0.00305]])
    gain = pushes.T @ cost @ linear

    rng = np.random.default_rng(2)
    seen = np.eye(4)[[0, 2]]
    state = rng.uniform(-0.05, 0.05, (4, trials))
    estimate, spread = np.zeros((4, trials)), np.eye(4) * 0.05**2 / 3
    up, lasted = np.ones(trials, bool), np.zeros(trials)
    for step in range(steps):
        if step:
            heard = seen @ state + noise * rng.normal(size=(2, trials))
            shown = np.clip(heard, -2 * bounds, 2 * bounds)
            blend = np.linalg.inv(seen @ spread @ seen.T + noise**2 * np.eye(2))
            blend = spread @ seen.T @ blend
            estimate = estimate + blend @ (shown - seen @ estimate)
            spread = spread - blend @ seen @ spread
        force = 10 * np.where((gain @ estimate)[0] < 0, 1.0, -1.0)
        state, estimate = moved(state, force), moved(estimate, force)
        spread = linear @ spread @ linear.T + 2.2e-8 * np.eye(4)
        lasted += up
        up &= (np.abs(seen @ state) <= bounds).all(axis=0)
    return lasted.mean() / steps


def test_what_the_noise_leaves_of_the_noisy_cart_pole():
    """What docs/reproduction/lasting.md compares agents with: less than 1 by a filter that knows all."""
    assert 0.992 < balanced(0.1) < 0.997
    assert balanced(1e-6) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate_half_life": 0.0}, "rate_half_life is 0.0; it must be positive"),
        ({"entropy_share": 1.5}, r"entropy_share is 1.5; it must lie in \[0, 1\]"),
        ({"normalize_input": 2}, "normalize_input is 2; True or False"),
        ({"scale_reward": "yes"}, "scale_reward is 'yes'; True or False"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Learning(**settings)
