"""Code means the same on every backend and in the twin, and what means nothing is refused."""

from dataclasses import replace

import numpy as np
import pytest

import models
from bgrl.backends import cpp, load
from bgrl.circuit import Function, Parameter, Population, Projection, Rule
from bgrl.errors import InputError
from bgrl.language import (
    BRIAN2,
    FUNCTIONS,
    HEADERS,
    canonical,
    check_expression,
    check_name,
    evaluate,
)
from bgrl.recording import Sink
from bgrl.step.assemble import initial_state
from bgrl.tasks.base import Task

RULES, STEPS = 3, 12
BACKENDS = ["numpy", "cpp"]


def expression(random, names, depth=0):
    """A random expression of some names that stays bounded."""
    a, b = (
        random.choice(names) if depth or random.random() < 0.6 else expression(random, names, 1)
        for _ in range(2)
    )
    c = round(float(random.uniform(0.2, 2.7)), 3)
    forms = ["{a}", "{a}", "{b}", "sin({a} + {c}*{b})", "{a} - {c}*{b}", "0.5*({a} + {b})"]
    forms += [
        "floor({a} - {c})",
        "ceil({c}*{a})",
        "int({a} > {b})",
        "int({c}*{a})",
        "clip({a}, -{c}, {b})",
    ]
    forms += ["int({a} > {c} and not {b} < {c})/3", "sign({a})/3", "{a} % {c}", "{a} // {c}"]
    forms += ["abs({a})**0.5", "{c}", "3", "int({a} == {b})*{b}", "clip(int({a} > {b}), 0, 0.3)"]
    return "(" + random.choice(forms).format(a=a, b=b, c=c) + ")"


def program(random, k, draws):
    """Variables, step and reset of a little task, whose names end in its number."""
    own = [f"{name}{k}" for name in "abc"]
    known, lines = [*own, "action", "p"], []
    for line in range(6):
        name = str(random.choice([*own, f"u{k}", f"v{k}"]))
        value = expression(random, known)
        if random.random() < 0.2:
            value = f"{random.choice(['uniform', 'normal'])}({next(draws)})"
        elif random.random() < 0.4:
            value = str(random.choice(known))
        operator = "="
        if name in known and random.random() < 0.4:
            operator = str(random.choice(["+=", "-=", "*="]))
        lines.append(f"{name} {operator} {value}  # line {line}")
        known += [] if name in known else [name]
    lines.append(f"c{k} = clip(c{k}, -9, 9) + {known[-1]}")
    lines += [f"{name} = clip({name}, -50, 50)" for name in own]
    lines += [f"c{k} = c{k} + 0*({' + '.join(known)})"]
    reset = [f"w{k} = {own[0]}", f"a{k} = w{k} + 1", f"b{k} = a{k}", f"a{k} += 1", f"c{k} = w{k}"]
    return own, lines, reset


@pytest.fixture(scope="module", params=[40, pytest.param(200, marks=pytest.mark.long)])
def count(request):
    """How many programs."""
    return request.param


@pytest.fixture(scope="module")
def programs(count):
    """One task that holds many."""
    random, draws = np.random.default_rng(12), iter(range(1000))
    variables, step, reset = ["time"], ["time += 1"], ["time = 0"]
    for k in range(count):
        own, lines, start = program(random, k, draws)
        variables += own
        step += lines
        reset += start
    step += ["reward = time", "reward += 1", "terminated = int(time > 4)"]
    return Task(
        "programs",
        "",
        "",
        {"time": "time", "last": "reward"},
        ("a", "b"),
        tuple(variables),
        "\n".join(step),
        "\n".join(reset),
        {"p": Parameter(0.5)},
    )


@pytest.fixture(scope="module")
def forms(count):
    """Variables of a population to their next values."""
    random, found = np.random.default_rng(5), {}
    for k in range(count):
        names = [f"a{k}", f"b{k}", f"c{k}"]
        found |= {name: f"clip({expression(random, names)}, -9, 9)" for name in names[:2]}
        found[names[2]] = str(random.choice(names[:2]))
    return found


@pytest.fixture(scope="module")
def together(programs, forms):
    """An agent in the task of many programs, with a population of many forms and rules into it."""
    random = np.random.default_rng(7)
    values = random.uniform(-3, 3, (len(forms), 2)).round(3)
    initial = dict(zip(forms, values, strict=True))
    gpe = Population(2, map={**forms, "arrived": "drive"}, initial=initial)
    names = ["weight", "eligibility", "pre", "dopamine", "trace_decay", "a0", "b1", "drive"]
    base = models.circuit("rtrrl", programs, 1)
    projections = dict(base.projections)
    for k in range(RULES):
        rule = Rule(*(f"clip({expression(random, names)}, -3, 3)" for _ in range(2)))
        projections[f"rule{k}"] = Projection("observation", "gpe", weights=0.5, rule=rule)
    circuit = replace(base, populations={**base.populations, "gpe": gpe}, projections=projections)
    return models.Agent(circuit, programs, models.Learning(sensitivity="none"), 1, "float64")


@pytest.fixture(scope="module")
def played(together, tmp_path_factory):
    """Backend to the frames of some steps, `action` and the task's variables, and the last state.

    The C++ of all programs is a megabyte; to optimise it takes longer than all else here.
    """
    found = {}
    for backend in BACKENDS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cpp, "FLAGS", [*cpp.FLAGS, "-O0"])
            program = load(backend, together.structure())
        names = [f"task.{name}" for name in (*together.task.variables, "reward", "done")]
        folder = tmp_path_factory.mktemp(backend)
        sink = Sink(folder, [*names, "policy.action"], program.layout)
        state = program.advance(
            initial_state(together, program.layout, 3), 0, STEPS, learn=True, sink=sink
        )
        found[backend] = sink.read_frames()[:], state
    return found


def test_random_tasks_are_the_same_everywhere(programs, played):
    twin = pytest.importorskip("bgrl.bridge.twin").TaskEnv(programs)
    actions = [np.ravel(frames["policy.action"]) for frames, _ in played.values()]
    np.testing.assert_array_equal(*actions)
    twin.reset(seed=3)
    for step in range(1, STEPS):
        _, reward, terminated, *_ = twin.step(actions[0][step - 1])
        if terminated:
            twin.reset()
        wanted = [twin._state[name] for name in programs.variables]
        for frames, _ in played.values():
            assert reward == frames["task.reward"][step][0]
            found = [frames[f"task.{name}"][step][0] for name in programs.variables]
            np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)
    assert np.std(wanted) > 0.1


def test_random_populations_and_rules_are_the_same_everywhere(forms, played):
    rules = [f"rule{k}.{kind}" for k in range(RULES) for kind in ("weight", "eligibility_weight")]
    for names in ([f"gpe.{name}" for name in forms], rules):
        found = [
            np.array([np.ravel(state[name]) for name in names]) for _, state in played.values()
        ]
        np.testing.assert_allclose(*found, rtol=1e-9, atol=1e-9)
        assert np.std(found[0]) > 0.1


@pytest.mark.parametrize(
    "name", ["EOF", "NULL", "post", "rand", "second", "errno", "ms", "x_", "a__b"]
)
def test_names_in_use_are_refused(name):
    with pytest.raises(InputError, match=f"'{name}' is no name for"):
        check_name("here", name)


def test_every_name_of_brian2_is_refused():
    from brian2.equations.equations import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS, DEFAULT_UNITS

    for name in {*DEFAULT_CONSTANTS, *DEFAULT_FUNCTIONS, *DEFAULT_UNITS, *HEADERS, *BRIAN2}:
        with pytest.raises(InputError, match="is no name"):
            check_name("here", name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 < n < 3", "a chain of comparisons; write 1 < n and n < 3"),
        ("int(1 < n < 3)", "write 1 < n and n < 3"),
        ("n > 1", r"no number; write int\(n > 1\)"),
        ("n/0", "division by zero, 'n / 0'"),
        ("n % (1 - 1)", "division by zero"),
        ("clip(n, 0)", "clip takes 3"),
        ("exp()", "exp takes 1"),
        ("n ^ 2", r"a power is written \*\*"),
        ("n.real", "nothing but arithmetic"),
        ("n[0]", "nothing but arithmetic"),
        ("'n'", "no number that is possible"),
        ("2j*n", "no number that is possible"),
        ("exp(x=n)", "by their order"),
        ("(n", "cannot be read"),
        ("1e999*n", "too large"),
        ("sqrt(-1)", "no finite number"),
        ("int(n and 1)", "no condition"),
        ("1 if n else 2", "a choice is written"),
        ("", "cannot be read"),
        ("uniform(0)", "step and reset of tasks only"),
    ],
)
def test_expressions_that_mean_nothing_are_refused(text, message):
    with pytest.raises(InputError, match=message) as caught:
        check_expression("here", text, {"n"})
    assert "\n" not in str(caught.value)


def test_evaluate():
    text = (
        "int(x > 1 and not x == y)*f(y) + clip(-7 // 2 % 3, 0, inf) + int(-2.5) + arctan(0) + 2**-1"
    )
    own = {"f": Function(("x",), "abs(x)*pi")}
    found = evaluate(text, {"x": np.array([0.0, 2.0, 3.0]), "y": -3.0}, own)
    np.testing.assert_allclose(found, 2 - 2 + 0.5 + np.array([0, 3 * np.pi, 3 * np.pi]))


def test_canonical_form():
    assert canonical("x // 2 + int(y > 1)") == "floor(x / 2.0) + 1.0 * int(y > 1.0)"
    assert canonical("x % y", {"x": "x__1"}) == "x__1 - y * floor(x__1 / y)"
    assert set(FUNCTIONS) >= {"clip", "int"}
