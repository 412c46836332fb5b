"""Learning rules of single projections, dopamine as an input, and readouts that do not learn."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import models
from bgrl import tasks
from bgrl.agent import Agent
from bgrl.backends import load
from bgrl.circuit import (
    Circuit,
    Dopamine,
    Parameter,
    Population,
    Projection,
    Readout,
    Rule,
    uniform,
)
from bgrl.errors import InputError
from bgrl.interventions import Intervention
from bgrl.learning import Learning
from bgrl.step.assemble import blueprint, initial_state
from bgrl.step.blueprint import Sum

GO = Rule("weight + alpha*weight*dopamine*eligibility", "trace_decay*eligibility + pre*chosen")
REPLICATES = 3
BOTH = "actor", "critic"


def striatum(rule=GO, sign=None, mask=None, tonic=0.25, **readout):
    """What is seen reaches `d1`, which learns by a rule and is read with fixed weights."""
    populations = {
        "d1": Population(
            3,
            map={"rate": "drive*(1 + modulation)"},
            parameters={"alpha": Parameter(0.1)} if "alpha" in rule.weight else {},
            drives=("drive", "modulation"),
        ),
        "cortex": Population(4, derivatives={"rate": "(tanh(drive) - rate)/40"}),
    }
    projections = {
        "observation->cortex": Projection("observation", "cortex", weights=uniform(-1, 1)),
        "cortex->d1": Projection(
            "cortex", "d1", weights=uniform(0.5, 1.5), rule=rule, sign=sign, mask=mask
        ),
        "dopamine->d1": Projection("dopamine", "d1", "modulation", weights=0.1, plastic=False),
    }
    actor = Readout("actor", "d1", weights=uniform(-1, 1), **({"plastic": False} | readout))
    inputs = {"observation": 3, "dopamine": 1}
    dopamine = Dopamine(baseline=4.0, gain=10.0, tonic=tonic)
    critic = Readout("critic", "cortex", weights=uniform(-1, 1))
    return Circuit(20.0, 1, populations, projections, inputs, actor, critic, dopamine)


def agent(circuit, dtype="float64"):
    task = tasks.make("memory_chain", length=2)
    settings = Learning(optimizer="sgd", rate_critic=0.05, feedback="symmetric")
    return Agent(circuit, task, settings, REPLICATES, dtype)


def steps(circuit, count=60, backend="numpy"):
    """States after each step."""
    learner = agent(circuit)
    program = load(backend, learner.structure())
    states = [program.advance(initial_state(learner, program.layout, 1), 0, 1, learn=False)]
    for t in range(count):
        states.append(program.advance(states[-1], t + 1, 1))
    return states


def test_a_rule_is_followed_synapse_by_synapse():
    circuit = striatum()
    group = "cortex_to_d1"
    feedback = None
    ended = moved = 0
    for before, after in pairwise(steps(circuit)):
        dopamine = after["dopamine.td_error"][:, None, None]
        weight, eligibility = (before[f"{group}.{k}"] for k in ("weight", "eligibility_weight"))
        expected = weight + 0.1 * weight * dopamine * eligibility
        np.testing.assert_allclose(after[f"{group}.weight"], expected, rtol=0, atol=1e-14)
        readout = after["readout_drive.weight"][:, :-1, :3]
        feedback = readout if feedback is None else feedback
        np.testing.assert_array_equal(readout, feedback)
        chosen = readout[np.arange(REPLICATES), after["policy.action"].astype(int)]
        np.testing.assert_array_equal(after["d1.chosen"], chosen)
        done = after["task.done"][:, None, None]
        # The rate that the synapses transmitted in this step is the one before the cortex moved.
        pre = before["cortex.rate"] * (1 - done[:, 0])
        decay = 0.99 * 0.99 * (1 - done)
        expected = decay * eligibility + chosen[:, :, None] * pre[:, None, :]
        found = after[f"{group}.eligibility_weight"]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)
        ended += done.sum()
        moved += np.abs(after[f"{group}.weight"] - weight).sum()
    assert ended > 5 and moved > 1e-3


@pytest.mark.parametrize(
    ("weight", "change"),
    [
        ("weight + int(rate > rate) + 0.5", 0.5),
        ("weight + int(pre >= pre)*dopamine*0 + 0.5", 0.5),
        ("weight + (rate - rate) + drive**0", 1.0),
        ("weight + eligibility - eligibility + exp(0*alpha)", 1.0),
    ],
)
def test_what_cancels_in_a_rule_may_stand_nowhere_else(weight, change):
    first, second, *_ = steps(striatum(Rule(weight, "eligibility + 1")), 1)
    moved = second["cortex_to_d1.weight"] - first["cortex_to_d1.weight"]
    np.testing.assert_allclose(moved, change, rtol=0, atol=1e-14)


def test_a_gain_of_a_projection_is_none_of_its_rule():
    rule = Rule("weight + 0.1", "trace_decay*eligibility + pre")
    learner = agent(striatum(rule, mask=np.tri(3, 4)))
    still = replace(learner.learning, rate_critic=0.0, rate_network=0.0)
    learner = replace(learner, learning=still)
    program = load("numpy", learner.structure(True))

    def after(*texts):
        done = tuple(map(Intervention.parse, texts))
        first = initial_state(learner, program.layout, 1, done)
        last = program.advance(first, 0, 12)
        weights = [state["cortex_to_d1.weight"] for state in (first, last)]
        return weights[1] - weights[0], last["cortex_to_d1.eligibility_weight"]

    moved, eligibility = after()
    present = np.broadcast_to(np.tri(3, 4), moved.shape)
    np.testing.assert_allclose(moved, 1.2 * present, rtol=0, atol=1e-12)
    assert np.abs(eligibility).max() > 0.1
    # The cortex sees nothing of what `d1` gets, and the rule counts no dopamine.
    for found, expected in zip(after("gain cortex->d1 1.5"), (moved, eligibility), strict=True):
        np.testing.assert_array_equal(found, expected)
    lesioned, none = after("inactivate cortex->d1 from 9")
    np.testing.assert_allclose(lesioned, 0.9 * present, rtol=0, atol=1e-12)
    assert not none.any()


@pytest.mark.parametrize(
    ("fixed", "counted"),
    [((), ""), (("actor",), "(1 - is_actor_post)*"), (("critic",), "is_actor_post*"), (BOTH, "0*")],
)
def test_readouts_that_do_not_learn_do_not_count_in_totals(fixed, counted):
    circuit = models.circuit("rtrrl", tasks.make("memory_chain"), 3)
    for name in fixed:
        circuit = circuit.set(f"{name}.plastic", False)
    learner = Agent(circuit, tasks.make("memory_chain"), Learning(max_norm=1.0, optimizer="sgd"))
    sums = {
        s.variable: s.expression
        for _, s in blueprint(learner.structure()).items
        if isinstance(s, Sum)
    }
    square = sums["square_readout_drive"]
    gradient = "(dopamine_post*eligibility_weight + mask*x_pre*entropy_signal_post)**2"
    assert square == (f"{counted}({gradient})" if counted else gradient)


def test_dopamine_reaches_excitability():
    seen = [(s["dopamine.td_error"], s["dopamine.firing"], s["input.x"]) for s in steps(striatum())]
    floored = 0
    for (error, firing, _), (_, _, x) in pairwise(seen):
        np.testing.assert_allclose(firing, np.maximum(4 + 10 * error, 0), rtol=0, atol=1e-13)
        np.testing.assert_allclose(x[:, 3], np.maximum(error, -0.4) + 0.25, rtol=0, atol=1e-14)
        floored += (error < -0.4).sum()
    assert floored > 0


def test_tonic_dopamine_is_no_part_of_the_program():
    low, high = (agent(striatum(tonic=tonic)).structure() for tonic in (-1.0, 1.0))
    assert low == high


def test_a_readout_may_be_fixed():
    first, *_, last = steps(striatum())
    actor, critic = slice(0, -1), slice(-1, None)
    weights = [s["readout_drive.weight"] for s in (first, last)]
    np.testing.assert_array_equal(weights[0][:, actor], weights[1][:, actor])
    assert np.abs(weights[0][:, critic] - weights[1][:, critic]).max() > 1e-3
    first, *_, last = steps(striatum(plastic=True))
    assert (
        np.abs(first["readout_drive.weight"] - last["readout_drive.weight"])[:, actor].max() > 1e-6
    )


def test_missing_synapses_and_signs_are_kept():
    mask = np.array([[1, 0, 1, 1], [1, 1, 0, 1], [0, 1, 1, 1]])
    rule = Rule("weight - 0.5*pre", "eligibility + 1")
    first, *_, last = steps(striatum(rule, sign=1, mask=mask))
    assert (last["cortex_to_d1.weight"] >= 0).all() and (last["cortex_to_d1.weight"] == 0).any()
    assert (last["cortex_to_d1.weight"][:, mask == 0] == 0).all()
    assert (last["cortex_to_d1.eligibility_weight"] == mask * 60).all()
    assert (first["cortex_to_d1.weight"] != last["cortex_to_d1.weight"]).any()


def test_a_projection_with_a_rule_has_no_sensitivity():
    layout = load("numpy", agent(striatum()).structure()).layout
    assert "cortex_to_d1.eligibility_weight" in layout
    assert not [k for k in layout if k.startswith("cortex_to_d1.sensitivity")]
    fixed = replace(striatum().projections["cortex->d1"], plastic=False)
    circuit = replace(striatum(), projections=striatum().projections | {"cortex->d1": fixed})
    assert "cortex_to_d1.weight" not in load("numpy", agent(circuit).structure()).layout


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["cpp", "cpp-plain"])
def test_compiled_rules_equal_interpreted_ones(backend):
    mask = np.arange(12).reshape(3, 4) % 5 > 0
    expected, found = (steps(striatum(sign=1, mask=mask), 60, b)[-1] for b in ("numpy", backend))
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-11, err_msg=name)
    assert (
        np.abs(found["cortex_to_d1.weight"] - steps(striatum())[0]["cortex_to_d1.weight"]).max() > 0
    )


def test_round_trip():
    circuit = Circuit.from_json(striatum().to_json())
    assert circuit.projections["cortex->d1"].rule == GO
    assert circuit.dopamine == Dopamine(4.0, 10.0, 0.25) and not circuit.actor.plastic
    assert circuit == striatum() != striatum(tonic=0.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: striatum(Rule("weight + speed", "pre")), "rule of 'cortex->d1', weight: unknown"),
        (lambda: striatum(Rule("weight", "pre*exq(rate)")), "unknown function exq"),
        (lambda: Dopamine(gain=0.0), "the latter be positive"),
        (lambda: Dopamine(baseline=float("nan")), "dopamine baseline is nan"),
        (
            lambda: agent(replace(striatum(), actor=Readout("actor", "cortex"))),
            "`chosen` is not known in 'd1'",
        ),
    ],
)
def test_refuses_rules_that_cannot_be(make, message):
    with pytest.raises(InputError, match=message):
        make()
