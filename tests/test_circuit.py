import json
from dataclasses import replace

import numpy as np
import pytest

import models
import models.rtrrl
from bgrl.agent import Agent
from bgrl.circuit import (
    Circuit,
    Distribution,
    Parameter,
    Population,
    Projection,
    Readout,
    Rule,
    normal,
    truncated_normal,
    uniform,
)
from bgrl.circuit.values import sample
from bgrl.errors import InputError
from bgrl.tasks import make
from tests.conftest import FIXTURES


def cortex(**changes):
    return Population(
        **{
            "size": 3,
            "equations": "drate/dt = (-rate + tanh(drive))/tau : 1\ntau : second",
            "parameters": {"tau": Parameter(20.0, unit="ms")},
        }
        | changes
    )


def circuit(**changes):
    return Circuit(
        **{
            "dt": 10.0,
            "substeps": 2,
            "populations": {"cortex": cortex()},
            "projections": {"observation->cortex": Projection("observation", "cortex")},
            "inputs": {"observation": 2},
            "actor": Readout("dorsal_striatum"),
            "critic": Readout("ventral_striatum"),
        }
        | changes
    )


def test_json_round_trip():
    mask = np.array([[1, 0], [1, 1], [0, 1]])
    original = circuit(
        projections={
            "observation->cortex": Projection(
                "observation", "cortex", weights=normal(0.5), mask=mask, sign=-1, plastic=False
            ),
            "cortex->cortex": Projection("cortex", "cortex", weights=np.eye(3)),
        }
    )
    copy = Circuit.from_json(original.to_json())
    assert copy == original
    assert copy.projections["observation->cortex"].weights == Distribution("normal", 0.0, 0.5)
    np.testing.assert_array_equal(copy.projections["observation->cortex"].mask, mask)
    assert copy != circuit()


def test_model_round_trip():
    model = models.rtrrl.circuit(make("memory_chain"))
    assert Circuit.from_json(model.to_json()) == model
    assert model.shape(model.projections["cortex->cortex"]) == (32, 32)
    assert model.afferents("cortex", "drive") == [
        "observation->cortex",
        "action->cortex",
        "reward->cortex",
        "cortex->cortex",
    ]


@pytest.mark.parametrize(
    "path", sorted((FIXTURES / "circuits").glob("*.npz")), ids=lambda p: p.stem
)
def test_reads_recorded_circuits(path):
    with np.load(path) as archive:
        meta = json.loads(str(archive["meta"]))
    # The LRU reads a "rate" of its input; inputs have no variables.
    recorded = Circuit.from_dict(meta)
    assert list(recorded.populations) == list(meta["populations"])
    assert Circuit.from_json(recorded.to_json()) == recorded


def test_print_shows_equations_and_pathways():
    text = str(circuit())
    assert "drate/dt = (-rate + tanh(drive))/tau" in text
    assert "observation->cortex: 3 x 2, plastic" in text


@pytest.mark.parametrize(
    ("make_it", "message"),
    [
        (lambda: circuit(dt=0.0), "dt is 0.0"),
        (lambda: circuit(substeps=0), "substeps is 0"),
        (lambda: circuit(inputs={"observation": 0}), "'observation': 0 channels"),
        (lambda: circuit(populations={"cortex": cortex(size=-2)}), "size -2"),
        (lambda: circuit(populations={"a b": cortex()}), "'a b' is not a valid name"),
        (
            lambda: circuit(projections={"x": Projection("thalamus", "cortex")}),
            "unknown source of 'x' 'thalamus'; valid: cortex, observation",
        ),
        (
            lambda: circuit(
                projections={"x": Projection("observation", "cortex", drive="inhibition")}
            ),
            "unknown drive of 'cortex' 'inhibition'; valid: drive",
        ),
        (
            lambda: circuit(
                projections={"x": Projection("observation", "cortex", mask=np.ones((2, 3)))}
            ),
            r"mask of 'x' has shape \(2, 3\).*\(3, 2\)",
        ),
        (
            lambda: circuit(
                projections={"x": Projection("observation", "cortex", weights=[[np.nan] * 2] * 3)}
            ),
            "weights of 'x': contains NaN",
        ),
        (
            lambda: circuit(projections={"x": Projection("observation", "cortex", sign=2)}),
            "sign of 'x'",
        ),
        (lambda: circuit(actor=Readout("dorsal_striatum", reads="gpe")), "'gpe'; valid: cortex"),
        (
            lambda: circuit(populations={"cortex": cortex(equations="drate/dt = frob(drive) : 1")}),
            "unknown function frob",
        ),
        (
            lambda: circuit(populations={"cortex": cortex(equations="drate/dt = -rate/lag : 1")}),
            "unknown symbol lag",
        ),
        (lambda: cortex(equations="rate = 3"), "not an equation"),
        (lambda: cortex(map={"rate": "drive"}), "exactly one of"),
        (lambda: uniform(2, 1), "the range is empty"),
        (lambda: uniform("x", 1), "low is 'x'; a finite number is needed"),
        (lambda: normal("x"), "std is 'x'; a finite number is needed"),
        (lambda: truncated_normal(1, None), "mean is None; a finite number is needed"),
        (lambda: circuit().with_step(10, 0), "substeps is 0; a positive integer is needed"),
        (lambda: circuit().with_step(10, "2"), "substeps is '2'; a positive integer is needed"),
        (lambda: Circuit.from_json("{}"), "lacks 'populations'"),
        (lambda: Circuit.from_json("nonsense"), "not JSON"),
    ],
)
def test_refuses_what_cannot_be(make_it, message):
    with pytest.raises(InputError, match=message):
        make_it()


def test_samples_belong_to_the_replicate_and_the_name():
    kind = truncated_normal(0.5)
    one = sample(kind, (200, 50), seed=1, replicate=3, name="w")
    np.testing.assert_array_equal(one, sample(kind, (200, 50), seed=1, replicate=3, name="w"))
    assert not np.array_equal(one, sample(kind, (200, 50), seed=1, replicate=4, name="w"))
    assert not np.array_equal(one, sample(kind, (200, 50), seed=1, replicate=3, name="v"))
    assert one.std() == pytest.approx(0.5, rel=0.02)
    assert np.abs(one).max() <= 2 * 0.5 / 0.8796256610342398
    draws = sample(uniform(1, 5), (10_000,), 0, 0, "tau")
    assert draws.min() >= 1 and draws.max() <= 5 and draws.mean() == pytest.approx(3, abs=0.05)


@pytest.mark.parametrize(
    "name",
    ["dopamine", "sensitivity_rate_weight", "exp", "tau_post", "2tau", "lambda", "new", "static_x"],
)
def test_refuses_names_that_are_in_use(name):
    with pytest.raises(InputError, match="is no name for"):
        circuit(
            populations={"cortex": cortex(parameters={"tau": Parameter(20.0), name: Parameter(1)})}
        )


@pytest.mark.parametrize(
    ("equations", "message"),
    [
        ("drate/dt = -rate + tanh(drive) : 1", "it must be one over time, it is dimensionless"),
        ("drate/dt = -rate/tau + tanh(drive) : 1\ntau : second", "do not fit"),
    ],
)
def test_units_of_equations_are_checked(equations, message):
    from bgrl.backends import load

    agent = models.agent("rtrrl", make("memory_chain"), units=3)
    parameters = {"tau": Parameter(20.0, unit="ms")} if "tau" in equations else {}
    populations = {"cortex": cortex(equations=equations, parameters=parameters)}
    agent = replace(agent, circuit=replace(agent.circuit, populations=populations))
    with pytest.raises(InputError, match=message):
        load("numpy", agent.structure())


@pytest.mark.parametrize(
    ("changes", "rule", "refused"),
    [
        ({}, None, None),
        ({"parameters": ("gain",)}, None, "parameter 'gain'"),
        ({"parameters": ("gain",)}, Rule("weight + gain*dopamine*pre", "0.0"), None),
        ({"parameters": ("gain",)}, Rule("weight", "gain*pre"), None),
        ({"map": {"rate": "tanh(apical)"}}, None, "drive 'drive', which 'action->cortex' feeds"),
        ({"map": {"rate": "tanh(apical)"}}, Rule("weight", "pre*drive"), None),
        ({"map": {"rate": "tanh(apical) + 0*drive"}}, None, None),
        (
            {"map": {"rate": "tanh(drive)"}},
            None,
            "drive 'apical', which 'observation->cortex' feeds",
        ),
        # Nothing feeds it, and it has no value: nobody can take it for something that acts.
        ({"drives": ("drive", "apical", "basal")}, None, None),
    ],
)
def test_what_no_equation_and_no_rule_uses_is_refused(changes, rule, refused):
    cortex = {"map": {"rate": "tanh(drive + apical)"}, "drives": ("drive", "apical")} | changes
    task = make("memory_chain")
    made = circuit(
        populations={"cortex": Population(3, **cortex)},
        projections={
            "observation->cortex": Projection("observation", "cortex", "apical"),
            "action->cortex": Projection("action", "cortex", rule=rule),
        },
        inputs={"observation": len(task.observations), "action": len(task.actions)},
    )
    if refused is None:
        Agent(made, task)
        return
    with pytest.raises(InputError) as error:
        Agent(made, task)
    message = str(error.value)
    assert message.startswith(
        f"population 'cortex': no equation or rule uses its {refused}; use it"
    )
    assert "\n" not in message


def test_a_projection_goes_with_what_only_its_rule_uses():
    task = make("two_step")
    opal = models.circuit("opal", task)

    def parameters(made):
        Agent(made, task)
        return {name: list(p.parameters) for name, p in made.populations.items() if p.parameters}

    ruled = {name: ["alpha"] for name in ("d1", "d2", "ventral_striatum")}
    assert parameters(opal) == ruled
    one = opal.disconnect("cortex->d1")
    assert parameters(one) == {k: v for k, v in ruled.items() if k != "d1"}
    assert parameters(opal.remove_population("cortex")) == {}
    # Another rule uses it still.
    rule = opal.projections["cortex->d1"].rule
    two = opal.connect("cortex", "d1", name="again", rule=rule).disconnect("cortex->d1")
    assert parameters(two) == ruled


def test_editing_a_population_keeps_its_equations():
    larger = replace(cortex(), size=9)
    assert (larger.size, larger.derivatives) == (9, cortex().derivatives)
    with pytest.raises(InputError, match="exactly one of"):
        replace(cortex(), derivatives={"rate": "-rate"})
