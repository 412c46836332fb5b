"""What a newcomer adds is one entry, from outside of the package, and works at once.

Each test says how many lines the addition takes; figures and experiments are in `tests/test_own.py`.
"""

from itertools import pairwise

import numpy as np
import pytest

import models
from bgrl import tasks
from bgrl.backends import BACKENDS, Backend, load
from bgrl.errors import InputError
from bgrl.interventions import KINDS, Intervention, Kind
from bgrl.learning import Optimizer
from bgrl.learning.methods import METHODS, Method
from bgrl.recording import VARIABLES, Record, Recorded
from bgrl.simulation import Run, simulate
from bgrl.step.assemble import initial_state

MOMENTUM = Optimizer(
    """
    velocity = 0.9*velocity + gradient
    update = velocity
    """,
    state=("velocity",),
)
#: Overshooting-bounded gradient descent: Elsayed, Vasan & Mahmood 2024, "Streaming deep reinforcement
#: learning finally works", algorithm 3, with kappa = 2. Rates may differ: that of each parameter counts.
OBGD = Optimizer(
    "update = scale*gradient",
    totals={"reach": "learning_rate*abs(eligibility)"},
    once="""
        bound = 2*clip(abs(dopamine), 1, inf)*reach
        scale = 1/clip(bound, 1, inf)
    """,
)


def agent(**learning):
    task = tasks.make("memory_chain", length=3)
    return models.agent("rtrrl", task, 4, 2, "float64", **learning)


def played(learner, steps, interventions=(), backend="numpy"):
    """States before and after each of some steps."""
    program = load(backend, learner.structure(bool(interventions)))
    state = initial_state(learner, program.layout, 0, interventions)
    states = [program.advance(state, 0, 1, learn=False)]
    for step in range(1, steps + 1):
        states.append(program.advance(states[-1], step, 1))
    return states


PARAMETERS = ("cortex_drive.weight", "cortex.bias", "readout_drive.weight", "readout.bias")


def parts(state, kind):
    """An array of every parameter, one row for each replicate."""
    names = [name.replace(".", f".{kind}_") if kind else name for name in PARAMETERS]
    return [state[name].reshape(2, -1) for name in names]


def test_a_momentum_optimizer():
    """1 object, 7 lines."""
    states = played(agent(optimizer=MOMENTUM, entropy_weight=0.0), 30)
    for before, after in pairwise(states):
        error = after["dopamine.td_error"][:, None]
        for old, new, velocity, trace, moved in zip(
            parts(before, ""),
            parts(after, ""),
            parts(before, "own_velocity_"),
            parts(before, "eligibility"),
            parts(after, "own_velocity_"),
            strict=True,
        ):
            expected = 0.9 * velocity + error * trace
            np.testing.assert_allclose(moved, expected, rtol=0, atol=1e-12)
            np.testing.assert_allclose(new, old + 1e-3 * expected, rtol=0, atol=1e-12)
    assert np.abs(states[-1]["cortex_drive.own_velocity__weight"]).max() > 1e-4


@pytest.mark.parametrize("backend", ["numpy", pytest.param("cpp", marks=pytest.mark.slow)])
def test_an_optimizer_with_a_total_over_all_parameters(backend):
    """ObGD: no step moves the value beyond the TD error, whatever the rates; 1 object, 8 lines."""
    learner = agent(optimizer=OBGD, entropy_weight=0.0, rate_network=3.0, rate_critic=2.0)
    scales, states = [], played(learner, 30, backend=backend)
    for before, after in pairwise(states):
        rates = [3.0, 3.0, np.r_[[1e-3] * 8, [2.0] * 4], np.r_[0, 0, 2.0]]
        traces = parts(before, "eligibility")
        # Time constants have a trace too.
        times = 3.0 * np.abs(before["cortex.eligibility_tau"]).sum(1)
        reach = times + sum((r * np.abs(z)).sum(1) for r, z in zip(rates, traces, strict=True))
        error = after["dopamine.td_error"]
        scale = 1 / np.maximum(1, 2 * np.maximum(1, np.abs(error)) * reach)
        for old, new, rate, trace in zip(
            parts(before, ""), parts(after, ""), rates, traces, strict=True
        ):
            expected = old + rate * (scale * error)[:, None] * trace
            np.testing.assert_allclose(new, expected, rtol=0, atol=1e-12)
        scales.append(scale)
    assert np.min(scales) < 0.5 and np.max(scales) == 1


#: Gradient descent in names that the network has for something else.
SLY = Optimizer(
    """
    weight = gradient  # those of the synapses
    x_pre = sensitivity_rate
    x_pre += weight
    held = bias*x_pre
    update = held*(1 + 0*critic)
    """,
    state=("sensitivity_rate", "held", "learning_gradient"),
    totals={"square": "gradient**2", "drive": "0*sensitivity_rate"},
    once="""
    value = 1 + square + drive
    bias = value/value
    clip_scale = 0*td_error
    td_error = dopamine
    """,
    once_state=("td_error", "critic"),
)


def test_names_of_an_optimizer_are_nobody_elses():
    settings = {"sensitivity": "rtrl", "max_norm": 0.05, "rate_critic": 0.1}
    settings["modulated"] = {"rate_network": "1 + reward"}
    drug = (Intervention.parse("gain cortex 1.1"),)
    plain = played(agent(optimizer="sgd", **settings), 6, drug)[-1]
    sly = played(agent(optimizer=SLY, **settings), 6, drug)[-1]
    for name, array in plain.items():
        np.testing.assert_array_equal(sly[name], array, err_msg=name)
    own = {name.split(".")[1] for name in set(sly) - set(plain)}
    assert "own_held__weight" in own and all("own_" in name for name in own)
    assert np.abs(plain["readout_drive.eligibility_weight"]).max() > 0.01


def test_an_optimizer_that_reads_a_norm_needs_one():
    with pytest.raises(InputError, match="reads max_norm, which is not given"):
        agent(optimizer=Optimizer("update = k*gradient", once="k = 1/max_norm"))


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (("update = gradiant",), "code: unknown symbol gradiant; known: .*; in 'gradiant'"),
        (("update = update + gradient",), "code: unknown symbol update"),
        (("update = relu(gradient)",), "code: unknown function relu"),
        (("eligibility = 0\nupdate = gradient",), "code: eligibility is given and cannot be set"),
        (("update = 2*(gradient",), r"cannot be read \('\(' was never closed\)"),
        (("update = velocity", "velocity"), "state is 'velocity'; a tuple is needed in Optimizer"),
        (("update = gradient", ("a b",)), "'a b' is no name for a variable or total"),
        (("update = gradient", ("gradient",)), "it is a name that the network uses itself"),
        ((), "Optimizer: missing a required argument: 'code'"),
        (("step = gradient",), "must set `update`"),
        (("update = scale*gradient", (), {}, "scale = 1/norm"), "once: unknown symbol norm"),
        (("update = gradient", (), {"norm": "weight**2"}), "total 'norm': unknown symbol weight"),
        (("k = 2\nupdate = k", (), {}, "k = dopamine"), "code: k is given and cannot be set"),
        (("update = 1", (), {"n": "gradient"}, "n = 2*n"), "once: n is given and cannot be set"),
        (("clip = gradient\nupdate = clip(clip, 0, 1)",), "'clip' is no name .* it is a function"),
    ],
)
def test_an_optimizer_that_cannot_be_is_refused(optimizer, message):
    with pytest.raises(InputError, match=message):
        Optimizer(*optimizer)


def test_a_sensitivity_method(monkeypatch):
    """Nothing is carried forward: the sensitivity is what a parameter does at once; 1 entry, 1 line."""
    monkeypatch.setitem(METHODS, "immediate", Method("what happens at once", "nothing"))
    state = played(agent(sensitivity="immediate"), 9)[-1]
    np.testing.assert_allclose(
        state["cortex.sensitivity_rate_bias"], state["cortex.slope_rate_bias"], rtol=0, atol=0
    )
    assert np.abs(state["cortex.slope_rate_bias"]).min() > 0
    other = played(agent(sensitivity="rflo"), 9)[-1]
    assert (
        np.abs(other["cortex.sensitivity_rate_bias"] - other["cortex.slope_rate_bias"]).max() > 0.1
    )


def test_a_kind_of_intervention(monkeypatch):
    """Fatigue: rates of a population are scaled down after every step; 1 entry, 3 lines."""

    def fatigue(agent, value):
        return {name: {f"{name}.modulation_rate": value} for name in agent.circuit.populations}

    monkeypatch.setitem(KINDS, "fatigue", Kind(True, fatigue))
    rows = [Intervention.parse("fatigue cortex 0.5 neurons 1 from 4 for 2")]
    learner = agent(rate_actor=0.0, rate_critic=0.0, rate_network=0.0)
    plain, tired = played(learner, 4), played(learner, 4, rows)
    rates = plain[4]["cortex.rate"] * [1, 0.5, 1, 1]
    np.testing.assert_allclose(tired[4]["cortex.rate"], rates, rtol=0, atol=1e-15)
    with pytest.raises(InputError, match="unknown target to fatigue 'thalamus'; valid: cortex"):
        played(learner, 1, [Intervention.parse("fatigue thalamus 0.5")])


def test_a_recorded_variable(monkeypatch):
    """Time constants and eligibilities as traces, with their units and dimensions; 1 entry, 3 lines."""
    trace = Recorded(
        "cortex_drive.eligibility_weight", "eligibility", "1", ("post_cortex", "pre_cortex")
    )
    monkeypatch.setitem(VARIABLES, "trace", trace)
    times = Recorded("cortex.tau", "time constant", "ms", ("cortex_unit",))
    monkeypatch.setitem(VARIABLES, "time_constant", times)
    settings = {"evaluations": 1, "evaluation_trials": 1, "final_trials": 1}
    record = Record(("trace", "time_constant", "cortex_drive.eligibility_weight"))
    found = simulate(agent(), Run(20, 0, "numpy", record=record, **settings))["traces"]
    assert found["trace"].dims == ("replicate", "time", "post_cortex", "pre_cortex")
    assert found["trace"].attrs == {"long_name": "eligibility", "units": "1"}
    np.testing.assert_array_equal(found["trace"], found["cortex_drive.eligibility_weight"])
    assert found["time_constant"].dims == ("replicate", "time", "cortex_unit")
    assert found["time_constant"].units == "ms" and float(found["time_constant"].min()) >= 20
    monkeypatch.setitem(VARIABLES, "trace", Recorded(trace.sources, "eligibility", dims=("one",)))
    with pytest.raises(InputError, match="has 2 axes in a replicate; the entry 'trace' .* 1: one"):
        simulate(agent(), Run(20, 0, "numpy", record=Record(("trace",)), **settings))


def test_a_backend(monkeypatch):
    """One that counts its steps, and otherwise is another's; 1 entry, 12 lines."""
    counted = []

    def loader(structure, name, progress):
        program = load("numpy", structure, progress)
        advance = program.advance

        def counting(state, start, steps, *arguments, **keywords):
            counted.append(steps)
            return advance(state, start, steps, *arguments, **keywords)

        program.advance = counting
        return program

    monkeypatch.setitem(BACKENDS, "counting", Backend(loader, "counts its steps"))
    settings = {"evaluations": 1, "evaluation_trials": 1, "final_trials": 1}
    record = Record(("value",))
    found, expected = (
        simulate(agent(), Run(20, 0, backend, record=record, **settings))
        for backend in ("counting", "numpy")
    )
    np.testing.assert_array_equal(found["traces"]["value"], expected["traces"]["value"])
    assert sum(counted) > 20
