"""Edits of circuits: what they change and keep, what they refuse, and that learning follows."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import models
from bgrl import verify, wiring
from bgrl.agent import Agent
from bgrl.backends import load
from bgrl.circuit import Circuit, Dopamine, Parameter, Population, Readout, Rule, normal, uniform
from bgrl.circuit.editing import Editing
from bgrl.circuit.values import sample
from bgrl.errors import InputError
from bgrl.learning import Learning
from bgrl.simulation import Run, simulate
from bgrl.step.assemble import initial_state
from bgrl.tasks import make
from tests.truncated import Oracle

TASK = make("memory_chain", length=3)
PAUSER = """
    drate/dt = (-rate + 1/(1 + exp(-drive - bias)))/tau : 1
    tau : second
"""


def nucleus(size=3):
    return Population(
        size,
        equations=PAUSER,
        parameters={
            "tau": Parameter(uniform(30, 60), trainable=True, minimum=20.0),
            "bias": Parameter(0.1, trainable=True),
        },
    )


def looped(units=4):
    """`rtrrl` with a nucleus in a loop through the cortex."""
    circuit = models.circuit("rtrrl", TASK, units).add_population("stn", nucleus())
    return circuit.connect("cortex", "stn", sign=1).connect("stn", "cortex", sign=-1)


def agent(circuit, method="rtrl", replicates=1, **learning):
    return Agent(circuit, TASK, Learning(method, **learning), replicates, "float64")


def advanced(edited, steps=50, backend="numpy"):
    program = load(backend, edited.structure())
    start = initial_state(edited, program.layout, 3)
    return start, program.advance(start, 0, steps)


# A lesion carries nothing -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backend", "method"),
    [
        *(("numpy", method) for method in ("rflo", "snap1", "rtrl")),
        pytest.param("cpp", "rtrl", marks=pytest.mark.slow),
    ],
)
def test_lesioned_projection_carries_no_signal_sensitivity_eligibility_or_update(backend, method):
    """Columns of cortex_drive: observation (3), action (2), reward, cortex (4), stn (3)."""
    learning = {"sensitivity": method, "feedback": "symmetric", "rate_network": 0.01}
    original = looped()
    edited = replace(agent(original), learning=Learning(**learning))
    lesioned = replace(edited, circuit=original.lesion("stn->cortex"))
    assert lesioned.structure() == edited.structure()
    start, end = advanced(lesioned, backend=backend)
    gone, kept = slice(10, 13), slice(0, 10)
    for name in ("weight", "eligibility_weight", "sensitivity_rate_weight"):
        name = f"cortex_drive.{name}"
        if name not in end:  # of other states, by exact gradients
            name = "cortex_by_cortex_drive.sensitivity_rate_weight"
        assert (end[name][..., gone] == 0).all(), name
        assert np.abs(end[name][..., kept]).max() > 1e-3, name
    np.testing.assert_array_equal(
        start["cortex_drive.weight"][..., gone], end["cortex_drive.weight"][..., gone]
    )
    assert (start["cortex_drive.weight"] != end["cortex_drive.weight"])[..., kept].any()
    # What does not reach the cortex learns nothing either.
    if method == "rtrl":
        assert (end["cortex_by_stn_drive.sensitivity_rate_weight"] == 0).all()
    np.testing.assert_array_equal(start["stn_drive.weight"], end["stn_drive.weight"])
    _, without = advanced(replace(edited, circuit=original.disconnect("stn->cortex")))
    for name in ("cortex.rate", "stn.rate", "readout_drive.weight", "cortex.tau", "policy.action"):
        np.testing.assert_allclose(end[name], without[name], rtol=0, atol=1e-12)
    # And the intact circuit does something else.
    _, intact = advanced(edited)
    assert np.abs(end["cortex.rate"] - intact["cortex.rate"]).max() > 1e-3


def test_lesions_hold_for_synapses_with_a_rule_of_their_own():
    rule = Rule("weight + 0.1*dopamine*eligibility + 0.01", "trace_decay*eligibility + pre + 1")
    circuit = looped().connect("observation", "stn", rule=rule).lesion("stn", 0.4)
    assert "3 x 3, plastic by a rule, density" in str(circuit)
    start, end = advanced(agent(circuit, "rflo"))
    lost = circuit.projections["observation->stn"].lesioned.astype(bool)
    assert lost.sum() == 3
    for name in ("weight", "eligibility_weight"):
        values = end[f"observation_to_stn.{name}"][0]
        assert (values[lost] == 0).all() and (values[~lost] != 0).all()
    assert (start["observation_to_stn.weight"] != end["observation_to_stn.weight"]).any()


def test_lesions_of_the_basal_ganglia():
    """Without pallidum the thalamus says nothing of the striatum, so choices no longer depend on it."""
    circuit = models.circuit("basal_ganglia", TASK, 6)
    intact = agent(circuit, "rflo")
    for name in ("stn", "gpi", "d1->gpi"):
        lesioned = replace(intact, circuit=circuit.lesion(name))
        assert lesioned.structure() == intact.structure()
    rates = [
        advanced(agent(circuit.lesion("gpi").scale("cortex->d1", factor), "rflo"), 20)[1]
        for factor in (1, 3)
    ]
    np.testing.assert_array_equal(*(found["thalamus.rate"] for found in rates))
    assert (rates[0]["d1.rate"] != rates[1]["d1.rate"]).any()
    halved = circuit.scale("d1->gpi", 0.5).projections["d1->gpi"].weights
    np.testing.assert_array_equal(halved, circuit.projections["d1->gpi"].weights / 2)
    # Weights are an array, which another number of neurons does not fit; of the cortex none is.
    assert circuit.resize("cortex", 64).size("cortex") == 64
    with pytest.raises(InputError, match="array for 8 neurons of 'gpi'; resize first"):
        circuit.resize("gpi", 9)


def test_lesioned_part_of_a_projection():
    original = looped()
    circuit = original.lesion("stn->cortex", 0.5, seed=1)
    lost = circuit.projections["stn->cortex"].lesioned.astype(bool)
    assert lost.sum() == 6
    _, end = advanced(agent(circuit))
    block = {k: end[f"cortex_drive.{k}"][0, :, 10:] for k in ("weight", "eligibility_weight")}
    for values in block.values():
        assert (values[lost] == 0).all() and (values[~lost] != 0).all()
    sensitivity = end["cortex_by_cortex_drive.sensitivity_rate_weight"][0, :, :, 10:]
    assert (sensitivity[:, lost] == 0).all() and (sensitivity[:, ~lost] != 0).any()
    _, intact = advanced(agent(original))
    assert np.abs(end["cortex.rate"] - intact["cortex.rate"]).max() > 1e-6


@pytest.mark.parametrize("feedback", ["symmetric", "random"])
def test_lesioned_population_is_out_of_the_circuit(feedback):
    """With random feedback too, which is no synapse but ends on the neurons that are lost."""
    actor = Readout("dorsal_striatum", weights=normal(0.5), feedback=normal(0.5))
    actor = replace(actor, feedback_to={"stn.rate": normal(0.5)})
    original = replace(looped(), actor=actor)
    for name, path in (("stn", "stn.rate"), ("cortex", "cortex.rate")):
        edited = agent(original.lesion(name), "rflo", feedback=feedback)
        assert edited.structure() == agent(original, "rflo", feedback=feedback).structure()
        start, end = advanced(edited)
        for key in start:
            if key.startswith((f"{name}.tau", f"{name}.bias", f"{name}_drive.weight")):
                np.testing.assert_array_equal(start[key], end[key])
        assert (end[f"{name}_drive.weight"] == 0).all()
        assert (end[f"{name}.eligibility_bias"] == 0).all()
        # Driven by its bias alone, whatever the rest does.
        alone = agent(original.lesion(name).lesion("observation->cortex"), "rflo")
        np.testing.assert_array_equal(end[path], advanced(alone)[1][path])
    # Nothing is left for the actor to read.
    assert (end["readout_drive.weight"] == 0).all()
    np.testing.assert_array_equal(end["readout.drive"][0, :-1], 0)


def test_lesioned_readout_does_not_read():
    circuit = looped().lesion("cortex->dorsal_striatum", 0.5, seed=2)
    _, end = advanced(agent(circuit))
    mask = circuit.actor.mask.astype(bool)
    assert mask.sum() == 2 and circuit.critic.mask is None
    assert (circuit.actor.lesioned == ~mask).all()
    actor, critic = end["readout_drive.weight"][0, :2], end["readout_drive.weight"][0, 2]
    assert (actor[:, ~mask] == 0).all() and (actor[:, mask] != 0).all() and (critic != 0).all()
    assert (end["readout_drive.eligibility_weight"][0, :2][:, ~mask] == 0).all()


# Anatomy by users, gradients by the machinery ------------------------------------------------


def test_sensitivities_of_a_new_nucleus_equal_numerical_ones():
    circuit = looped(3).set("substeps", 2).wire("cortex->stn", wiring.fan_out, synapses=2)
    circuit = circuit.lesion("cortex->cortex", 0.3).lesion("stn", 0.3)
    values = {}
    for name, p in circuit.projections.items():
        drawn = sample(p.weights, circuit.shape(p), 0, 0, name)
        values[name] = replace(p, weights=p.sign * np.abs(drawn) if p.sign else drawn)
    populations = {
        name: replace(
            p,
            parameters={
                key: replace(q, value=sample(q.value, (p.size,), 0, 0, f"{name}.{key}"))
                for key, q in p.parameters.items()
            },
        )
        for name, p in circuit.populations.items()
    }
    circuit = replace(circuit, populations=populations, projections=values)
    oracle = Oracle(circuit)
    generator = np.random.default_rng(0)
    inputs = {k: generator.normal(size=(5, n)) for k, n in circuit.inputs.items()}
    arrays = {f"value:{k}": v for k, v in oracle.values.items()}
    arrays |= {f"input:{k}": v for k, v in inputs.items()}
    arrays |= {f"mask:{k}": p.mask for k, p in circuit.projections.items()}
    arrays |= oracle.run(inputs, "rtrl")
    fixture = verify.Fixture("edited", circuit.to_dict() | {"steps": 5}, arrays)
    edited = verify.circuit_agent(fixture, "rtrl")
    errors = verify.replay_circuit(fixture, edited, load("numpy", edited.structure()))
    assert "sensitivity:cortex.rate:cortex->stn" in errors and max(errors.values()) < 1e-12
    exact = arrays["sensitivity:cortex.rate:cortex->stn"]
    assert np.abs(exact).max() > 1e-4


def test_a_new_nucleus_trains():
    data = simulate(agent(looped(), replicates=2), Run(30, backend="numpy", evaluations=1))
    for name in ("cortex->stn", "stn->cortex", "stn.tau"):
        weights = data["weights"][name]
        assert (weights.isel(checkpoint=0) != weights.isel(checkpoint=-1)).any(), name
    assert (data["weights"]["cortex->stn"] >= 0).all()
    assert (data["weights"]["stn->cortex"] <= 0).all()


# What edits change ---------------------------------------------------------------------------


def test_lesions_are_drawn_by_seed_and_name():
    circuit = models.circuit("rtrrl", TASK, 40)
    lost = circuit.lesion("cortex->cortex", 0.3, seed=1).projections["cortex->cortex"].lesioned
    assert lost.sum() == 480
    again = circuit.lesion("cortex->cortex", 0.3, seed=1).projections["cortex->cortex"].lesioned
    np.testing.assert_array_equal(lost, again)
    other = circuit.lesion("cortex->cortex", 0.3, seed=2).projections["cortex->cortex"].lesioned
    assert (lost & other).sum() == pytest.approx(0.3 * 480, abs=50)
    more = circuit.lesion("cortex->cortex", 0.6, seed=1).projections["cortex->cortex"].lesioned
    assert (more >= lost).all() and more.sum() == 960
    # Of what is left, where something was taken already.
    twice = circuit.lesion("cortex->cortex", 0.5).lesion("cortex->cortex", 0.5)
    assert twice.projections["cortex->cortex"].lesioned.sum() == 1200
    neurons = circuit.lesion("cortex", 0.25).populations["cortex"].lesioned.astype(bool)
    mask = circuit.lesion("cortex", 0.25).projections["cortex->cortex"].mask
    assert neurons.sum() == 10 and mask.sum() == 30 * 30
    assert not mask[neurons].any() and not mask[:, neurons].any()
    assert circuit.lesion("cortex", 0) == circuit == circuit.lesion("cortex->cortex", 0.0)


def test_synapses_made_after_a_lesion_are_lost_too():
    circuit = looped().lesion("stn").connect("observation", "stn").connect("stn", "stn")
    for name in ("observation->stn", "stn->stn"):
        assert not circuit.projections[name].mask.any()
    moved = looped().lesion("stn").set("actor.reads", "stn")
    assert not moved.actor.mask.any()
    mask = np.ones((4, 3), int)
    rewired = replace(looped().lesion("stn->cortex", 0.5).projections["stn->cortex"], mask=mask)
    assert rewired.mask.sum() == 6


def test_values_are_set_by_name():
    circuit = looped()
    edited = (
        circuit.set("cortex.tau", 40)
        .set("cortex.tau.trainable", False)
        .set("stn.bias", "normal(0.5, 2)")
        .set("stn.rate", [0.1, 0.2, 0.3])
        .set("cortex->cortex.plastic", "False")
        .set("stn->cortex.sign", "None")
        .set("actor.weights", "uniform(-1, 1)")
        .set("cortex->ventral_striatum.weights", 0.5)
        .set("actor.plastic", False)
        .set("dopamine.tonic", "-0.5")
        .set("dt", "10")
        .set("substeps", 2)
    )
    assert edited.populations["cortex"].parameters["tau"].value == 40.0
    assert edited.populations["cortex"].parameters["tau"].trainable is False
    assert edited.populations["cortex"].parameters["tau"].unit == "ms"
    assert edited.populations["stn"].parameters["bias"].value == normal(0.5, mean=2)
    np.testing.assert_array_equal(edited.populations["stn"].initial["rate"], [0.1, 0.2, 0.3])
    assert edited.projections["cortex->cortex"].plastic is False
    assert edited.projections["stn->cortex"].sign is None
    assert edited.actor.weights == uniform(-1, 1) and edited.critic.weights == 0.5
    assert not edited.actor.plastic and edited.critic.plastic
    assert edited.dopamine == Dopamine(tonic=-0.5)
    assert "dopamine: baseline 5, gain 20, tonic -0.5" in str(edited)
    assert (edited.dt, edited.substeps) == (10.0, 2)
    relu = edited.set("stn.equations", "drate/dt = (-rate + clip(drive, 0, 1) + bias)/tau : 1")
    assert relu.populations["stn"].derivatives == {"rate": "(-rate + clip(drive, 0, 1) + bias)/tau"}
    lru = models.circuit("lru", TASK, 4).set("observation->cortex.re.plastic", False)
    assert lru.projections["observation->cortex.re"].plastic is False


def test_weights_are_scaled():
    circuit = looped().set("cortex->cortex.weights", np.arange(16.0).reshape(4, 4))
    edited = (
        circuit.scale("cortex->cortex", 0.5)
        .scale("stn->cortex", 3)
        .scale("cortex->dorsal_striatum", 2)
    )
    np.testing.assert_array_equal(
        edited.projections["cortex->cortex"].weights, np.arange(16).reshape(4, 4) / 2
    )
    before, after = (c.projections["stn->cortex"].weights for c in (circuit, edited))
    assert after.b == 3 * before.b and after.kind == before.kind
    assert edited.actor.weights.b == 2 * circuit.actor.weights.b
    assert uniform(-1, 3) * 0.5 == uniform(-0.5, 1.5) and uniform(1, 2) * -1 == uniform(-2, -1)
    half = sample(normal(1.0, 0.5) * 0.5, (100,), 0, 0, "w")
    np.testing.assert_allclose(half, sample(normal(1.0, 0.5), (100,), 0, 0, "w") / 2)


def test_new_projections_are_as_wide_as_their_fan_in():
    circuit = models.circuit("rtrrl", TASK, 10).add_population("stn", nucleus(5))
    assert circuit.connect("cortex", "stn").projections["cortex->stn"].weights.b == 1 / np.sqrt(10)
    # 3 + 2 + 1 inputs, 10 of the cortex and the 5 new ones.
    back = circuit.connect("stn", "cortex").projections["stn->cortex"]
    assert back.weights.b == pytest.approx(1 / np.sqrt(21))
    second = circuit.connect("cortex", "stn").connect("cortex", "stn", name="hyperdirect")
    assert list(second.projections)[-2:] == ["cortex->stn", "hyperdirect"]


def test_everything_follows_the_size():
    circuit = looped().resize("cortex", 7).resize("stn", 2)
    assert circuit.shape(circuit.projections["cortex->stn"]) == (2, 7)
    _, end = advanced(agent(circuit), 3)
    assert end["cortex.rate"].shape == (1, 7)
    assert circuit.remove_population("stn") == models.circuit("rtrrl", TASK, 4).resize("cortex", 7)


def test_circuits_do_not_change():
    weights = np.ones((4, 4))
    circuit = looped().set("cortex->cortex.weights", weights)
    weights[0] = 7.0
    assert (circuit.projections["cortex->cortex"].weights == 1).all()
    with pytest.raises(ValueError, match="read-only"):
        circuit.projections["cortex->cortex"].weights[0] = 7.0
    copy = replace(circuit)
    copy.projections.clear()
    assert circuit.projections


def test_what_differs_is_said():
    circuit = looped()
    edited = (
        circuit.disconnect("stn->cortex")
        .add_population("gpe", nucleus())
        .set("cortex.tau", 40)
        .set("dt", 10)
        .scale("cortex->dorsal_striatum", 2)
        .lesion("cortex->cortex", 0.25)
        .with_density("observation->cortex", 0.5)
    )
    assert circuit.diff(edited).splitlines() == [
        "dt: 20.0 -> 10.0",
        "cortex.tau: uniform(20, 100) -> 40",
        "observation->cortex.mask: 12 -> 6 of 12",
        "cortex->cortex.lesioned: 0 -> 4 of 16",
        "- projection stn->cortex",
        "actor.weights: truncated_normal(0.57735) -> truncated_normal(1.1547)",
        "+ population gpe",
    ]
    assert circuit.diff(looped()) == ""


def test_print_shows_what_was_edited():
    circuit = looped(10).lesion("cortex->cortex", 0.3).lesion("stn")
    circuit = circuit.with_density("observation->cortex", 0.2).set("action->cortex.plastic", False)
    lines = [line.strip() for line in str(circuit).splitlines()]
    found = {line.split(":")[0]: line for line in lines}
    assert found["population stn"] == "population stn: 3 neurons, lesioned 100 %"
    assert found["population cortex"] == "population cortex: 10 neurons"
    assert "density 0.2" in found["observation->cortex"]
    assert "lesion" not in found["observation->cortex"]
    assert "density 0.7" in found["cortex->cortex"] and "lesioned 30 %" in found["cortex->cortex"]
    assert ", inhibitory" in found["stn->cortex"] and "fixed" in found["action->cortex"]
    assert found["tau"] == "tau: uniform(30, 60) ms, trained"


def test_wiring_of_readouts_is_no_lesion():
    circuit = looped().set("actor.mask", [1, 0, 0, 0])
    assert "reads cortex.rate, density 0.25, weights" in str(circuit)
    assert "lesion" not in str(circuit)
    assert "density 0, " in str(circuit.lesion("cortex->dorsal_striatum"))
    assert "lesioned 100 %" in str(circuit.lesion("cortex->dorsal_striatum"))


def test_every_edit_of_the_page_is_one():
    page = (Path(__file__).parents[1] / "docs" / "anatomy.md").read_text()
    table = page.split("## Every edit")[1].split("A lesion, a scale")[0]
    edits = re.findall(r"^\| `(.+?)` \|", table, re.M)
    methods = {name for name in vars(Editing) if not name.startswith("_")} - {"diff"}
    assert {text.split("(")[0] for text in edits} == methods
    for text in edits:
        circuit = looped()
        if text.startswith("with_sign"):
            assert circuit.projections["cortex->stn"].sign == 1
        edited = eval(f"circuit.{text}", {"circuit": circuit, "wiring": wiring, "stn": nucleus()})
        assert edited != circuit and circuit.diff(edited), text


# What is refused -----------------------------------------------------------------------------


PATHWAYS = "action->cortex, cortex"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c.lesion("gpe"), f"'gpe'; valid: {PATHWAYS}, cortex->cortex, cortex->dorsal"),
        (lambda c: c.lesion("stn", 1.5), "fraction is 1.5; a number from 0 to 1"),
        (
            lambda c: c.lesion("cortex", 0.1),
            "none of the 4 neurons that are left; 0, or at least 0.25",
        ),
        (
            lambda c: c.lesion("cortex->cortex", 0.03),
            "none of the 16 synapses .* at least 0.062, is",
        ),
        (lambda c: c.lesion("stn", "half"), "fraction is 'half'; a number is needed"),
        (lambda c: c.lesion("stn", 0.5, seed=-1), "seed is -1"),
        (lambda c: c.disconnect("stn->gpe"), "unknown projection 'stn->gpe'; valid: action->"),
        (lambda c: c.connect("gpe", "cortex"), "unknown source 'gpe'; valid: action, cortex, obs"),
        (lambda c: c.connect("cortex", "gpe"), "unknown target 'gpe'; valid: cortex, stn"),
        (lambda c: c.connect("stn", "cortex"), "'stn->cortex' exists already; .* name="),
        (
            lambda c: c.connect("stn", "stn", strength=1),
            "'strength'; valid: delay, drive, dynamics, electrical, lesioned, mask",
        ),
        (lambda c: c.connect("stn", "stn", drive="gate"), "'gate'; valid: drive"),
        (lambda c: c.connect("stn", "stn", name="cortex"), "both a projection and a population"),
        (lambda c: c.add_population("stn", nucleus()), "population 'stn' exists already"),
        (lambda c: c.remove_population("cortex"), "'dorsal_striatum' reads .* 'cortex'; lesion it"),
        (lambda c: c.scale("stn", 2), "unknown projection 'stn'; valid: action->cortex"),
        (lambda c: c.scale("stn->cortex", -2), "factor is -2; at least 0"),
        (lambda c: c.scale("stn->cortex", "nan"), "factor is 'nan'; a number"),
        (lambda c: c.with_density("stn->cortex", 7), "density is 7; a number from 0 to 1"),
        (lambda c: c.with_sign("stn->cortex", 3), "stn->cortex.sign is 3; valid: 1, -1, None"),
        (lambda c: c.with_sign("stn->cortex", True), "stn->cortex.sign is True; valid: 1, -1"),
        (lambda c: c.wire("stn->cortex", wiring.small_world), "missing 2 required keyword"),
        (lambda c: c.lesion("stn->cortex").with_density("stn->cortex", 0.5), "wire it first"),
        (lambda c: c.lesion("stn").wire("cortex->stn", wiring.all_to_all), "wire it first"),
        (lambda c: c.lesion("cortex", 0.5).set("actor.mask", [1] * 4), "'actor' is lesioned"),
        (lambda c: c.resize("gpe", 3), "unknown population 'gpe'; valid: cortex, stn"),
        (lambda c: c.resize("stn", 0), "size of 'stn' is 0; a positive integer"),
        (lambda c: c.set("stn->cortex.weights", np.ones((4, 3))).resize("stn", 9), "is an array"),
        (lambda c: c.set("cortex.rate", [1, 2, 3, 4]).resize("cortex", 9), "cortex.rate is an arr"),
        (lambda c: c.lesion("stn", 0.5).resize("stn", 9), "stn.lesioned is an array"),
        (lambda c: c.set("gpe.tau", 1), "unknown name 'gpe'; valid: action->cortex, actor, cortex"),
        (lambda c: c.set("cortex", 1), "cortex.NAME is needed"),
        (lambda c: c.set("stn.lag", 1), "field of 'stn' 'lag'; valid: bias, bias.min.*size, tau"),
        (lambda c: c.set("stn.size", 2.5), "stn.size is 2.5; a positive integer"),
        (lambda c: c.set("stn.tau", "slow"), "stn.tau is 'slow'; a number, array"),
        (lambda c: c.set("stn.tau", [1, 2]), r"stn.tau: shape \(2,\); a number or shape \(3,\)"),
        (lambda c: c.set("stn.tau", "uniform(3)"), "stn.tau is 'uniform"),
        (lambda c: c.set("stn.rate", "normal(1)"), "stn.rate is .*; a number or array"),
        (lambda c: c.set("stn->cortex.plastic", "no"), "plastic is 'no'; valid: True, False"),
        (lambda c: c.set("stn->cortex.reads", "volts"), "'volts'; valid: rate"),
        (
            lambda c: c.set("stn->cortex.mask", np.ones((3, 4))),
            r"shape \(4, 3\) \(target, source\)",
        ),
        (lambda c: c.set("actor.mask", [1, 0]), r"mask of 'dorsal_striatum' has shape \(2,\)"),
        (lambda c: c.set("dt", "fast"), "dt is 'fast'; a number"),
    ],
)
def test_what_cannot_be_is_refused(edit, message):
    with pytest.raises(InputError, match=message) as caught:
        edit(looped())
    assert "\n" not in str(caught.value)


# Any chain of edits --------------------------------------------------------------------------

FRACTIONS = st.floats(0, 1)
SEEDS = st.integers(0, 99)
NAMES = st.sampled_from(
    ["cortex", "stn", "thalamus", "cortex->cortex", "stn->cortex", "reward->cortex", "cortex->gpe"]
    + ["cortex->dorsal_striatum", "cortex->ventral_striatum"]
)
EDITS = st.one_of(
    st.tuples(st.just("lesion"), NAMES, FRACTIONS, SEEDS),
    st.tuples(st.just("scale"), NAMES, st.floats(0, 4)),
    st.tuples(st.just("with_density"), NAMES, FRACTIONS, SEEDS),
    st.tuples(st.just("with_sign"), NAMES, st.sampled_from([1, -1, None])),
    st.tuples(st.just("resize"), NAMES, st.integers(1, 9)),
    st.tuples(st.just("disconnect"), NAMES),
    st.tuples(st.just("connect"), NAMES, NAMES, st.sampled_from([None, "again"])),
    st.tuples(st.just("remove_population"), NAMES),
    st.tuples(st.just("set"), st.just("cortex.tau"), st.sampled_from([30, "uniform(20, 50)"])),
    st.tuples(st.just("set"), st.just("stn.rate"), st.sampled_from([0.1, [0.1, 0.2, 0.3]])),
    st.tuples(st.just("set"), st.just("cortex->cortex.plastic"), st.booleans()),
)
#: What keeps the program: all that is drawn or multiplied.
RUN_TIME = ("lesion", "scale", "with_density")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(EDITS, max_size=6))
def test_any_chain_of_edits(chain):
    circuit = looped()
    for name, *arguments in chain:
        text, structure = circuit.to_json(), agent(circuit).structure()
        try:
            edited = getattr(circuit, name)(*arguments)
        except InputError as error:
            # Every refusal is one line and of a real reason, and changes nothing either.
            assert "\n" not in str(error)
            if arguments[0] in ("thalamus", "cortex->gpe") and name != "connect":
                assert "valid: " in str(error) and "cortex" in str(error)
            assert circuit.to_json() == text
            continue
        assert arguments[0] not in ("thalamus", "cortex->gpe")
        assert circuit.to_json() == text
        copy = Circuit.from_json(edited.to_json())
        assert copy == edited and str(copy) == str(edited)
        assert edited.diff(copy) == "" and (circuit.diff(edited) == "") == (circuit == edited)
        if name in RUN_TIME:
            assert agent(edited).structure() == structure
        for p in edited.projections.values():
            lost = p.lesioned
            assert lost is None or not (p.mask * lost).any()
        circuit = edited
