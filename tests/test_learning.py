"""The network against a NumPy agent written from the equations, and against finite differences."""

from dataclasses import replace

import numpy as np
import pytest

import models
from bgrl import tasks
from bgrl.agent import Agent
from bgrl.backends import load
from bgrl.circuit import Projection
from bgrl.circuit.ctrnn import ctrnn_circuit
from bgrl.errors import InputError
from bgrl.learning import Learning
from bgrl.step.assemble import initial_state
from bgrl.tasks.scripted import scripted
from tests.reference import ReferenceAgent

N, CHANNELS, ACTIONS, STEPS = 4, 2, 3, 40


def script(seed, steps=STEPS):
    """Observations, rewards, ends and actions; the first row opens a trial."""
    generator = np.random.default_rng(seed)
    done = (generator.random(steps + 1) < 0.15).astype(float)
    done[0] = 0
    return {
        "observation": generator.normal(size=(steps + 1, CHANNELS)),
        "reward": generator.normal(size=steps + 1),
        "done": done,
        "action": generator.integers(0, ACTIONS, steps + 1).astype(float),
    }


def agent(rows, learning, substeps=1):
    circuit = ctrnn_circuit(
        inputs={"observation": CHANNELS, "action": ACTIONS, "reward": 1},
        actor_channels=ACTIONS,
        units=N,
        step=20.0,
        substeps=substeps,
        tau=20.0,
        weights=0.0,
        readout=lambda channels: 0.0,
    )
    return Agent(circuit, scripted(**rows, actions=ACTIONS), learning, dtype="float64")


def start(description, layout, seed):
    """A random state of the network, and the NumPy agent in the same."""
    generator = np.random.default_rng(seed + 1000)
    learning = description.learning
    state = initial_state(description, layout, 0)
    state["task.restart"][...] = 0
    columns = CHANNELS + ACTIONS + 1 + N
    W = generator.normal(size=(N, columns)) / np.sqrt(columns)
    mask = (generator.random((N, columns)) < 0.8).astype(float)
    bias, tau = generator.normal(size=N) / 3, generator.uniform(1, 5, N)
    readout = generator.normal(size=(ACTIONS + 1, N)) / 2
    feedback = generator.normal(size=(ACTIONS + 1, N)) / 2
    state["cortex_drive.weight"][0], state["cortex_drive.mask"][0] = W * mask, mask
    state["cortex.bias"][0], state["cortex.tau"][0] = bias, tau * 20.0
    state["readout_drive.weight"][0] = readout
    if learning.feedback == "random":
        state["readout_drive.feedback"][0] = feedback
    fixed = learning.feedback == "random"
    oracle = ReferenceAgent(
        W * mask,
        bias,
        tau,
        readout[:-1].copy(),
        readout[-1].copy(),
        0.0,
        settings={
            "mode": learning.sensitivity,
            "optimizer": learning.optimizer,
            "gamma": learning.discount,
            "lambda_actor": learning.trace_actor,
            "lambda_critic": learning.trace_critic,
            "lambda_rnn": learning.trace_network,
            "lr_td": learning.rate_actor,
            "lr_rnn": learning.rate_network,
            "eta_actor": learning.actor_weight,
            "entropy_rate": learning.entropy_weight,
            "substeps": description.circuit.substeps,
            "max_norm": learning.max_norm,
        },
        B_actor=feedback[:-1] if fixed else None,
        B_critic=feedback[-1] if fixed else None,
        mask=mask,
    )
    return state, oracle


def sensitivities(state, oracle):
    """Those of the network beside those of the oracle, as far as the network keeps them."""
    if "cortex_by_cortex_drive.sensitivity_rate_weight" in state:
        w, tau = state["cortex_by_cortex_drive.sensitivity_rate_weight"], "cortex_by_cortex"
        kept = ...
    else:
        w, tau = state["cortex_drive.sensitivity_rate_weight"], "cortex"
        kept = np.arange(N), np.arange(N)
    return {
        "J_W": (w, oracle.J["W"][kept]),
        "J_tau": (state[f"{tau}.sensitivity_rate_tau"] * 20.0, oracle.J["tau"][kept]),
    }


def compare(state, oracle):
    """Largest difference between network and oracle over everything that learning touches."""
    pairs = {
        "h": (state["cortex.rate"], oracle.h),
        "value": (state["dopamine.value"], oracle.value),
        "W": (state["cortex_drive.weight"], oracle.W),
        "bias": (state["cortex.bias"], oracle.bias),
        "tau": (state["cortex.tau"] / 20.0, oracle.tau),
        **sensitivities(state, oracle),
        "e_W": (state["cortex_drive.eligibility_weight"], oracle.e["W"]),
        "e_bias": (state["cortex.eligibility_bias"], oracle.e["bias"]),
        "e_tau": (state["cortex.eligibility_tau"], oracle.e["tau"]),
        "W_actor": (state["readout_drive.weight"][0, :-1], oracle.W_actor),
        "W_critic": (state["readout_drive.weight"][0, -1], oracle.W_critic),
        "b_critic": (state["readout.bias"][0, -1], oracle.b_critic),
    }
    return max(float(np.abs(np.squeeze(a) - b).max()) for a, b in pairs.values())


def run(learning, substeps=1, seed=0, change=None):
    """Largest difference over a scripted run; `change` breaks the network's state first."""
    rows = script(seed)
    description = agent(rows, learning, substeps)
    program = load("numpy", description.structure())
    state, oracle = start(description, program.layout, seed)
    if change:
        change(state)
    worst, action = 0.0, 0
    for t in range(1, STEPS + 1):
        state = program.advance(state, t, 1)
        done = rows["done"][t] > 0
        previous = np.zeros(ACTIONS) if done else np.eye(ACTIONS)[action]
        reward = 0.0 if done else rows["reward"][t]
        x = np.concatenate([rows["observation"][t], previous, [reward]])
        action = int(rows["action"][t])
        td_error = oracle.step(x, rows["reward"][t], done, action)
        worst = max(
            worst, compare(state, oracle), abs(float(state["dopamine.td_error"][0]) - td_error)
        )
    return worst


CASES = {
    "defaults": (Learning(rate_network=0.01, rate_actor=0.01, rate_critic=0.01), 1),
    "sgd, symmetric": (
        Learning(
            feedback="symmetric",
            optimizer="sgd",
            discount=0.9,
            trace_actor=0.5,
            trace_critic=0.7,
            trace_network=0.8,
            rate_network=0.02,
            rate_actor=0.02,
            rate_critic=0.02,
            actor_weight=0.4,
            entropy_weight=0.03,
        ),
        1,
    ),
    "sub-steps": (Learning(rate_network=0.01, entropy_weight=0.1), 4),
    "rtrl": (Learning("rtrl", rate_network=0.01, entropy_weight=0.1), 1),
    "rtrl, symmetric, clipped, sub-steps": (
        Learning(
            "rtrl",
            feedback="symmetric",
            optimizer="sgd",
            rate_network=0.05,
            max_norm=0.5,
            entropy_weight=0.03,
            actor_weight=0.4,
        ),
        3,
    ),
    "snap1": (Learning("snap1", rate_network=0.01), 2),
    "clipped": (Learning(optimizer="sgd", max_norm=0.5, rate_network=0.05), 1),
}


@pytest.mark.parametrize("case", CASES)
def test_network_equals_the_numpy_agent(case):
    assert run(*CASES[case]) < 1e-12


def test_a_wrong_trace_is_seen():
    def change(state):
        state["cortex.discount"] += 1e-3

    assert run(*CASES["defaults"], change=change) > 1e-6


def test_clipping_matters_in_the_case_that_tests_it():
    clipped = CASES["clipped"][0]

    def change(state):
        state["dopamine.max_norm"][...] = 1e6

    assert run(clipped, change=change) > 1e-3


def test_sensitivity_equals_finite_differences_without_recurrence():
    """Without recurrent weights RFLO is the exact derivative."""
    rows = script(5, steps=6)
    rows["done"][:] = 0
    description = agent(rows, Learning(rate_actor=0, rate_critic=0, rate_network=0), substeps=2)
    program = load("numpy", description.structure())
    state, _ = start(description, program.layout, 5)
    state["cortex_drive.weight"][..., -N:] = 0
    state["cortex_drive.mask"][...] = 1
    state["cortex_drive.mask"][..., -N:] = 0

    def rate_after(name, index, change):
        changed = {k: v.copy() for k, v in state.items()}
        changed[name][index] += change
        return program.advance(changed, 1, 6)

    end = rate_after("cortex.tau", (0, 0), 0.0)
    for name, index, sensitivity in (
        ("cortex_drive.weight", (0, 2, 1), end["cortex_drive.sensitivity_rate_weight"][0, 2, 1]),
        ("cortex.bias", (0, 3), end["cortex.sensitivity_rate_bias"][0, 3]),
        ("cortex.tau", (0, 1), end["cortex.sensitivity_rate_tau"][0, 1]),
    ):
        high, low = (rate_after(name, index, s * 1e-5)["cortex.rate"] for s in (1, -1))
        slope = ((high - low) / 2e-5)[0]
        assert slope[index[1]] == pytest.approx(sensitivity, rel=1e-6)
        assert np.abs(np.delete(slope, index[1])).max() < 1e-9


def feedback_reaching(state, weights, **learning):
    """A cortex that is read, and a thalamus that is not; readouts keep their weights."""
    circuit = models.circuit("cortex_thalamus", tasks.make("memory_chain", length=3), 3)
    actor = replace(circuit.actor, feedback_to={state: weights} if state else {})
    circuit = replace(circuit, actor=actor)
    description = Agent(
        circuit,
        tasks.make("memory_chain", length=3),
        Learning(rate_actor=0.0, rate_critic=0.0, **learning),
        dtype="float64",
    )
    program = load("numpy", description.structure())
    state = initial_state(description, program.layout, 0)
    return program.advance(program.advance(state, 0, 1, learn=False), 1, 7), description


@pytest.mark.parametrize("feedback", ["random", "symmetric"])
def test_feedback_reaches_a_population_that_is_not_read(feedback):
    weights = np.array([[1.5], [-0.5]])
    state, _ = feedback_reaching("thalamus.rate", weights, feedback=feedback, sensitivity="rflo")
    activity = state["readout.activity"][0, :2]
    policy = np.exp(activity) / np.exp(activity).sum()
    chosen = np.eye(2)[int(state["policy.action"][0])]
    np.testing.assert_allclose(
        state["thalamus.learning_signal_rate"][0], (chosen - policy) @ weights, rtol=1e-12
    )
    # To the cortex it returns by the readouts' own weights, or by fixed ones.
    w = state["readout_drive.weight" if feedback == "symmetric" else "readout_drive.feedback"][
        0, :, :3
    ]
    expected = (chosen - policy) @ w[:2] + w[2]
    np.testing.assert_allclose(state["cortex.learning_signal_rate"][0], expected, rtol=1e-12)
    assert np.abs(state["thalamus_drive.eligibility_weight"]).max() > 0


def test_without_feedback_a_population_that_is_not_read_has_no_signal():
    state, _ = feedback_reaching(None, None, sensitivity="rflo")
    assert "thalamus.learning_signal_rate" not in state
    assert "thalamus_drive.eligibility_weight" not in state


def test_feedback_is_checked():
    circuit = models.circuit("cortex_thalamus", tasks.make("memory_chain"), 3)
    for changes, message in (
        (
            {"feedback_to": {"gpe.rate": 1.0}},
            "unknown feedback of 'dorsal_striatum' 'gpe.rate'; va",
        ),
        ({"feedback_to": {"cortex.rate": 1.0}}, "valid: thalamus.rate"),
        ({"feedback_to": {"thalamus.rate": np.ones((2, 3))}}, r"shape \(2, 3\); .* shape \(2, 1\)"),
        ({"weights": np.ones((2, 5))}, r"weights of 'dorsal_striatum': shape \(2, 5\)"),
        ({"variables": ("phase",)}, "unknown variable of 'cortex' 'phase'; valid: rate"),
    ):
        with pytest.raises(InputError, match=message):
            replace(circuit, actor=replace(circuit.actor, **changes))
    wrong = replace(circuit, actor=replace(circuit.actor, weights=np.ones((3, 3))))
    with pytest.raises(InputError, match="'dorsal_striatum' have 3 channels; task .* needs 2"):
        Agent(wrong, tasks.make("memory_chain"))


def test_frozen_network_keeps_its_weights_and_the_readouts_learn(small_agent):
    description = small_agent(sensitivity="none")
    program = load("numpy", description.structure())
    start_state = initial_state(description, program.layout, 0)
    state = program.advance(program.advance(start_state, 0, 1, learn=False), 1, 50)
    for name in ("cortex_drive.weight", "cortex.tau", "cortex.bias"):
        np.testing.assert_array_equal(state[name], start_state[name])
    assert np.abs(state["readout_drive.weight"] - start_state["readout_drive.weight"]).max() > 1e-3
    assert not any("sensitivity" in name for name in program.layout)


def test_a_sign_is_kept_and_a_fixed_projection_does_not_learn(small_agent):
    description = small_agent(rate_network=0.5)
    projections = dict(description.circuit.projections)
    projections["observation->cortex"] = replace(projections["observation->cortex"], sign=1)
    projections["action->cortex"] = replace(projections["action->cortex"], plastic=False)
    description = replace(
        description, circuit=replace(description.circuit, projections=projections)
    )
    program = load("numpy", description.structure())
    first = initial_state(description, program.layout, 0)
    last = program.advance(program.advance(first, 0, 1, learn=False), 1, 60)
    w0, w1 = first["cortex_drive.weight"], last["cortex_drive.weight"]
    assert (w0[..., :3] >= 0).all() and (w1[..., :3] >= 0).all() and (w1[..., :3] == 0).any()
    assert (np.sign(w0[..., 4:]) != np.sign(w1[..., 4:])).any()
    np.testing.assert_array_equal(
        first["cortex_drive_none.weight"], last["cortex_drive_none.weight"]
    )
    assert np.abs(first["cortex_drive_none.weight"]).min() > 0
    assert "cortex_drive_none.eligibility_weight" not in program.layout


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trace_network": 1.01}, r"trace_network is 1.01; it must lie in \[0, 1\]"),
        ({"discount": -0.1}, "discount is -0.1"),
        ({"rate_actor": float("nan")}, "rate_actor is nan; a finite number"),
        ({"rate_critic": -1.0}, "rate_critic is -1.0"),
        (
            {"sensitivity": "bptt"},
            # Experiments that are imported may add methods of their own.
            r"unknown sensitivity 'bptt'; valid: none, nucleus, rflo, rtrl, (\w+, )*snap1",
        ),
        ({"feedback": "both"}, "unknown feedback 'both'; valid: random, symmetric"),
        ({"optimizer": "lion"}, "unknown optimizer 'lion'; valid: adam, adam_floor, amsgrad, sgd"),
        ({"max_norm": 0.0}, "max_norm is 0.0"),
    ],
)
def test_refuses_settings_that_cannot_be(settings, message):
    with pytest.raises(InputError, match=message):
        Learning(**settings)


def test_refuses_an_input_that_does_not_fit_the_task():
    rows = script(0)
    with pytest.raises(InputError, match="'action' has 3 channels; task 'scripted' needs 2"):
        circuit = agent(rows, Learning()).circuit
        Agent(circuit, scripted(**rows, actions=2))


def test_refuses_a_projection_without_source(small_agent):
    circuit = small_agent().circuit
    with pytest.raises(InputError, match="unknown source of 'x' 'gpe'"):
        replace(circuit, projections={"x": Projection("gpe", "cortex")})
