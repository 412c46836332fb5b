"""Symbolic derivatives of one step: against finite differences, with kinks and steps, and refusals."""

import numpy as np
import pytest

from bgrl.circuit import Circuit, Function, Parameter, Population, Projection
from bgrl.errors import InputError
from bgrl.language import FUNCTIONS
from bgrl.learning.derivatives import local_step
from bgrl.step.assemble import initial_state

AT = {"rate": 0.37, "drive": 0.61, "bias": 0.23, "tau": 3.1}
NAMES = {
    "arcsin": np.arcsin,
    "arccos": np.arccos,
    "arctan": np.arctan,
    "clip": np.clip,
    "int": lambda x: 1.0 * np.asarray(x),
}


def evaluate(code, values):
    functions = {n: NAMES.get(n) or getattr(np, n) for n in FUNCTIONS}
    known = dict(values)
    exec(code.replace(") and (", ") & ("), functions, known)
    return known


def errors(expression, functions=None, at=AT):
    """Relative differences between derivatives and central differences."""
    dynamics = {"rate": f"(-rate + {expression})/tau"}
    step = local_step(dynamics, 0.5, ["drive"], ["bias", "tau"], functions)
    found = evaluate(step.code, at)
    worst = {}
    pairs = {**step.jacobian, **step.gain, **step.slope}
    for (_, symbol), name in pairs.items():
        high, low = (evaluate(step.code, at | {symbol: at[symbol] + h}) for h in (1e-6, -1e-6))
        slope = (high["rate"] - low["rate"]) / 2e-6
        worst[symbol] = abs(found[name] - slope) / max(1, abs(slope))
    return worst


@pytest.mark.parametrize(
    "expression",
    [
        "sin(drive)*cos(bias) + tan(drive)",
        "arcsin(drive)*arccos(bias) + arctan(drive)",
        "sinh(drive)*cosh(bias) + tanh(drive)",
        "exp(drive) - expm1(bias)",
        "log(drive)*log10(bias + drive) + log1p(drive)",
        "sqrt(drive + bias)",
        "drive**1.5 + drive**bias + drive**2 + drive**-1",
        "1/(1 + exp(-(drive + bias)))",
        "1/(1 + exp(drive + bias))**2",
        "log(1 + exp(3*drive + bias))",
        "abs(bias - drive)",
        "clip(drive, bias, 1)",
        "clip(drive, 0, bias)",
        "clip(drive, bias - 1, bias)",
        "int(drive > 0)*drive*bias",
        "int(drive > bias)*(drive - bias)**2",
        "int(drive > 0 and drive < 1)*drive*bias",
        "sign(drive)*drive*bias",
        "floor(drive + 2)*drive + ceil(bias)*bias",
    ],
)
def test_derivatives_equal_finite_differences(expression):
    found = errors(expression)
    assert {"rate", "tau"} < set(found)
    assert max(found.values()) < 1e-8


def test_a_wrong_derivative_is_seen():
    # The surrogate is meant to differ from the derivative of the value.
    wrong = {"f": Function(("x",), "x**2", ("1.9*x",))}
    assert errors("f(drive)*bias", wrong)["drive"] > 1e-3
    right = {"f": Function(("x",), "x**2", ("2*x",))}
    assert errors("f(drive)*bias", right)["drive"] < 1e-8


@pytest.mark.parametrize("drive", [-2000.0, 2000.0])
@pytest.mark.parametrize("expression", ["1/(1 + exp(-drive))", "bias/(1 + exp(-drive))**2"])
def test_saturated_logistic_functions_have_a_derivative(expression, drive):
    step = local_step({"rate": f"-rate + {expression}"}, 0.5, ["drive"], [])
    with np.errstate(over="ignore"):
        found = evaluate(step.code, AT | {"drive": drive})
    assert found["gain_rate_drive"] == 0.0


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            "int(drive > 0)",
            r"'\(-rate \+ int\(drive > 0\)\)/tau' depends on 'drive' only through st",
        ),
        ("sign(drive)*rate", "depends on 'drive' only through steps"),
        ("floor(drive)", "depends on 'drive' only through steps"),
        ("int(drive > bias)*drive", "depends on 'bias' only through steps"),
        ("drive % 2", r"no derivative of .* with respect to 'drive' is known; write the part"),
    ],
)
def test_refuses_what_cannot_be_learned_through(expression, message):
    with pytest.raises(InputError, match=message):
        errors(expression)


def test_a_step_that_is_not_learned_through_is_allowed():
    dynamics = {"rate": "(-rate + int(drive > bias))/tau"}
    step = local_step(dynamics, 0.5, ["drive"], [], differentiate=False)
    assert step.gain == {} and evaluate(step.code, AT)["rate"] == 0.37 + 0.5 * (1 - 0.37) / 3.1


def test_functions_of_two_arguments_with_and_without_derivatives():
    given = Function(("x", "y"), "x*y + y**2", ("y", "x + 2*y"))
    found = Function(("x", "y"), "x*y + y**2")
    assert max(errors("f(drive, bias*drive)", {"f": given}).values()) < 1e-8
    assert max(errors("f(drive, bias*drive)", {"f": found}).values()) < 1e-8


def surrogate(**changes):
    function = Function(**({"arguments": ("x",), "value": "int(x > 0)"} | changes))
    return Population(2, map={"rate": "f(drive)"}, functions={"f": function})


def test_a_surrogate_derivative_round_trips_and_runs():
    from bgrl.agent import Agent
    from bgrl.agent.equations import watched
    from bgrl.backends import load
    from bgrl.learning import Learning
    from bgrl.tasks.scripted import scripted

    population = surrogate(derivatives=("exp(-x**2)",))
    projection = Projection("stimulus", "cortex", weights=[[0.5], [-0.5]])
    circuit = Circuit(1.0, 1, {"cortex": population}, {"a": projection}, {"stimulus": 1})
    assert Circuit.from_json(circuit.to_json()) == circuit
    task = scripted([[1.0], [1.0]], [0, 0], [0, 0], [0, 0], actions=2)
    learning = Learning("rtrl", rate_actor=0.0, rate_critic=0.0, rate_network=0.0)
    agent = Agent(watched(circuit), task, learning, dtype="float64")
    program = load("numpy", agent.structure())
    state = initial_state(agent, program.layout, 0)
    state["task.restart"][...] = 0
    state = program.advance(state, 1, 1)
    np.testing.assert_array_equal(state["cortex.rate"], [[1, 0]])
    sensitivity = state["cortex_by_cortex_drive.sensitivity_rate_weight"][0, :, :, 0]
    np.testing.assert_allclose(sensitivity, np.exp(-0.25) * np.eye(2), rtol=1e-14)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"derivatives": ("1", "2")}, "has 1 argument.* and 2 derivative"),
        ({"value": "int(y > 0)"}, "function 'f': unknown symbol y; known: x"),
        ({"value": "g(x)"}, "function 'f': unknown function g"),
        ({"arguments": ("2x",)}, "are no names of arguments"),
    ],
)
def test_refuses_functions_that_cannot_be(changes, message):
    with pytest.raises(InputError, match=message):
        Circuit(1.0, 1, {"cortex": surrogate(**changes)}, {}, {})


def test_an_unknown_function_says_how_to_supply_it():
    population = Population(2, map={"rate": "relu(drive - b)"}, parameters={"b": Parameter(0.0)})
    with pytest.raises(
        InputError, match=r"unknown function relu; known: .*functions=\{'relu': Fun"
    ):
        Circuit(1.0, 1, {"cortex": population}, {}, {})


def test_an_equation_is_a_finite_real_number_for_some_values():
    def gain(text):
        return local_step({"rate": text}, None, ["drive"]).formulas.get("gain_rate_drive")

    # sympy takes a sum with a comparison for no real number.
    inner = "0.5*drive + 0.5*int(drive > rate)"
    assert gain(f"clip({inner}, -9, 9) + rate") == f"0.5*int(({inner} > -9) and ({inner} < 9))"
    assert gain("clip(drive, 0, inf)") == "int(drive > 0)"
    assert gain("sqrt(drive) + int(rate < inf)*rate") == "1/(2*sqrt(drive))"
    for text in ("sqrt(-drive**2)", "drive/(rate - rate)", "inf*drive", "drive % (rate - rate)"):
        with pytest.raises(InputError, match="no finite real number"):
            gain(text)
