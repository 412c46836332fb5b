"""Modulators: what they multiply, in states and in learning, and what cannot be.

That sensitivities through them are exact is shown with random circuits, in `tests/test_sensitivity.py`;
that backends agree in `tests/test_synapses.py`.
"""

from dataclasses import replace

import numpy as np
import pytest

import models
from bgrl import tasks
from bgrl.agent import Agent
from bgrl.backends import load
from bgrl.circuit import Circuit, Population, Rule
from bgrl.errors import InputError
from bgrl.interventions import Intervention
from bgrl.learning import Learning
from bgrl.step.assemble import initial_state

TASK = tasks.make("memory_chain", length=9)


def bathed(level=0.5):
    """Two nuclei that show what arrives, one of them read, and a neuron whose rate is a level."""
    circuit = models.circuit("rtrrl", TASK, 3)
    steady = Population(1, map={"rate": "rate"}, initial={"rate": level})
    source = Population(2, map={"rate": "rate"}, initial={"rate": [0.5, 1.0]})
    circuit = circuit.add_population("acetylcholine", steady).add_population("gpe", source)
    circuit = circuit.add_population("stn", Population(2, map={"rate": "drive"}))
    circuit = circuit.connect("gpe", "stn", weights=np.eye(2), plastic=False)
    return circuit.connect("gpe", "stn", name="other", weights=2 * np.eye(2), plastic=False)


def run(circuit, steps, learn=False, interventions=(), **learning):
    """States after every step; the circuit's first trial lasts longer."""
    learning = {"sensitivity": "rflo", "optimizer": "sgd"} | learning
    agent = Agent(circuit, TASK, Learning(**learning), 1, "float64")
    program = load("numpy", agent.structure(bool(interventions)))
    state, found = initial_state(agent, program.layout, 3, interventions), []
    state["task.restart"][...] = 0
    for step in range(steps):
        state = program.advance(state, step, 1, learn=learn)
        found.append({k: v.copy() for k, v in state.items()})
    return found


@pytest.mark.parametrize(
    ("target", "weight", "expected"),
    [
        ("stn", 0.8, 3 * 1.4),
        ("stn.drive", 0.8, 3 * 1.4),
        ("gpe->stn", 0.8, 1.4 + 2),
        ("gpe->stn", -1.0, 0.5 + 2),
        ("stn", -3.0, 0.0),  # a gain is never below zero
        ("other", [[0.8], [0.4]], [1 + 2 * 1.4, 1 + 2 * 1.2]),
    ],
)
def test_a_gain_multiplies_what_arrives(target, weight, expected):
    circuit = bathed().modulate("acetylcholine", target, "gain", weight)
    (state,) = run(circuit, 1)
    np.testing.assert_allclose(state["stn.rate"][0], np.multiply(expected, [0.5, 1]), atol=1e-15)
    (state,) = run(bathed(0.0).modulate("acetylcholine", target, "gain", weight), 1)
    np.testing.assert_allclose(state["stn.rate"][0], [1.5, 3.0], atol=1e-15)


def test_excitability_adds_and_gains_of_nucleus_and_pathway_multiply():
    circuit = bathed().modulate("acetylcholine", "stn", "excitability", 0.4)
    (state,) = run(circuit, 1)
    np.testing.assert_allclose(state["stn.rate"][0], [1.7, 3.2], atol=1e-15)
    circuit = circuit.modulate("acetylcholine", "stn", "gain", 2.0)
    circuit = circuit.modulate("acetylcholine", "other", "gain", -1.0)
    circuit = circuit.modulate("gpe", "other", "gain", [[1.0, 0], [0, 1.0]], name="own")
    (state,) = run(circuit, 1)
    arriving = np.array([0.5 + 1.0 * (1 - 0.5 + 0.5), 1 + 2.0 * (1 - 0.5 + 1)]) + 0.2
    np.testing.assert_allclose(state["stn.rate"][0], 2 * arriving, atol=1e-15)
    # An intervention on the drive takes the pathway that has its own with it.
    half = (Intervention("gain", "stn", 0.5),)
    (state,) = run(circuit, 1, interventions=half)
    np.testing.assert_allclose(state["stn.rate"][0], arriving, atol=1e-15)


def moved(circuit, name="cortex_drive.weight", steps=6, **learning):
    """How far weights moved by the last of some steps, each of which starts from the same."""
    learning = {"rate_actor": 0.0, "rate_critic": 0.0} | learning
    before, after = run(circuit, steps, learn=True, **learning)[-2:]
    return after[name][0] - before[name][0]


def slowly(circuit):
    """Steps of weights that hardly move, so that those of two circuits can be compared."""
    return moved(circuit, rate_network=1e-6)


def test_plasticity_multiplies_steps_of_a_nucleus():
    plain = bathed()
    modulated = plain.modulate("acetylcholine", "cortex", "plasticity", 0.8)
    assert np.abs(slowly(plain)).max() > 1e-9
    np.testing.assert_allclose(slowly(modulated), 1.4 * slowly(plain), rtol=1e-5)
    np.testing.assert_allclose(
        moved(modulated, "cortex.tau", rate_network=1e-6),
        1.4 * moved(plain, "cortex.tau", rate_network=1e-6),
        rtol=1e-4,
    )
    off = plain.modulate("acetylcholine", "cortex", "plasticity", -2.0)
    assert not np.any(slowly(off))
    # Adam's steps are multiplied, not its gradients.
    adam = [moved(c, optimizer="adam", rate_network=1e-6) for c in (plain, modulated)]
    np.testing.assert_allclose(adam[1], 1.4 * adam[0], rtol=1e-3, atol=1e-10)


def test_plasticity_multiplies_steps_of_one_pathway():
    plain = bathed()
    modulated = plain.modulate("acetylcholine", "cortex->cortex", "plasticity", 0.8)
    modulated = modulated.modulate("acetylcholine", "cortex", "plasticity", 1.0)
    before = slowly(plain)
    own = moved(modulated, "cortex_to_cortex.weight", rate_network=1e-6)
    rest = slowly(modulated)
    assert rest.shape[1] + own.shape[1] == before.shape[1]
    np.testing.assert_allclose(own, 1.4 * 1.5 * before[:, -3:], rtol=1e-5)
    np.testing.assert_allclose(rest, 1.5 * before[:, :-3], rtol=1e-5)


def test_a_rule_moves_by_a_share_and_reads_what_arrives():
    rule = Rule("weight + 0.1*drive", "eligibility")
    circuit = bathed().set("gpe->stn.plastic", True)
    projections = circuit.projections | {
        "gpe->stn": replace(circuit.projections["gpe->stn"], rule=rule)
    }
    circuit = replace(circuit, projections=projections)
    (state,) = run(circuit, 1, learn=True)
    drives = np.array([[1.5], [3.0]])
    np.testing.assert_allclose(state["gpe_to_stn.weight"][0], np.eye(2) + 0.1 * drives)
    circuit = circuit.modulate("acetylcholine", "stn", "plasticity", 0.8)
    circuit = circuit.modulate("acetylcholine", "stn", "gain", 2.0)
    (state,) = run(circuit, 1, learn=True)
    np.testing.assert_allclose(state["gpe_to_stn.weight"][0], np.eye(2) + 0.14 * 2 * drives)


def test_a_running_uncertainty_scales_learning():
    """Noradrenaline as the running size of the TD error, which speeds up learning where it surprises."""
    uncertain = Population(1, map={"rate": "rate + 0.1*(abs(drive) - rate)"})
    plain = models.circuit("basal_ganglia", TASK, 4)
    assert "dopamine" in plain.inputs
    circuit = plain.add_population("noradrenaline", uncertain)
    circuit = circuit.connect("dopamine", "noradrenaline", weights=1.0, plastic=False)
    circuit = circuit.modulate("noradrenaline", "cortex", "plasticity", 5.0)
    error, level = 0.0, 0.0
    for state in run(circuit, 9, learn=True):
        for _ in range(circuit.substeps):
            before, level = level, level + 0.1 * (abs(error) - level)
        modulating = state["cortex.plasticity_of_cortex"][0]
        np.testing.assert_allclose(modulating, 5 * before, atol=1e-15)
        np.testing.assert_allclose(state["noradrenaline.rate"][0, 0], level, atol=1e-15)
        error = max(state["dopamine.td_error"][0], -0.25)  # dopamine neurons do not fire less
    assert level > 1e-3


@pytest.mark.parametrize(
    ("setting", "text", "factor"),
    [
        ("rate_network", "1 + 0.8*acetylcholine", 1.4),
        ("rate_actor", "acetylcholine**2", 0.25),
        ("rate_critic", "3*acetylcholine", 1.5),
        ("rate_critic", "acetylcholine - 1", 0.0),
        ("discount", "acetylcholine", 0.5),
    ],
)
def test_a_setting_of_learning_follows_a_signal(setting, text, factor):
    """A signal that stays where it is does what another number does."""
    number = {"rate_network": 1e-2, "rate_actor": 1e-2, "rate_critic": 1e-2, "discount": 0.9}
    states = [
        run(bathed(), 20, learn=True, **(number | more))[-1]
        for more in ({"modulated": {setting: text}}, {setting: factor * number[setting]}, {})
    ]
    learned = ("cortex_drive.weight", "readout_drive.weight", "readout.bias", "cortex.tau")
    for name in learned:
        np.testing.assert_allclose(states[0][name], states[1][name], rtol=1e-12, err_msg=name)
    assert any(np.abs(states[0][name] - states[2][name]).max() > 1e-6 for name in learned)


def test_a_signal_is_that_of_the_step():
    """The critic learns in every second step only."""
    flip = Population(1, map={"rate": "1 - rate"})
    circuit = bathed().add_population("flip", flip)
    states = run(circuit, 8, learn=True, modulated={"rate_critic": "flip"}, rate_critic=0.1)
    moves = np.diff([s["readout.bias"][0, -1] for s in states]) != 0
    assert moves.tolist() == [s["flip.rate"][0, 0] == 1 for s in states[1:]]
    assert moves.tolist() == [False, True] * 3 + [False]


def test_the_actor_is_sharper_where_it_is_said():
    modulated = {"inverse_temperature": "6*acetylcholine"}
    (state,) = run(bathed(), 1, learn=True, modulated=modulated, rate_actor=0.0)
    rates, weights = state["cortex.rate"][0], state["readout_drive.weight"][0]
    weights = weights.reshape(3, -1)[:2]
    logits = 3.0 * weights @ rates
    policy = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(state["readout.policy"][0, :2], policy, rtol=1e-12)
    chosen = np.arange(2) == state["policy.action"][0]
    expected = 3.0 * np.outer(chosen - policy, rates)
    eligibility = state["readout_drive.eligibility_weight"][0].reshape(3, -1)
    np.testing.assert_allclose(eligibility[:2], expected, rtol=1e-12)
    np.testing.assert_allclose(eligibility[2], rates, rtol=1e-12)
    assert np.abs(policy - 0.5).min() > 1e-3


@pytest.mark.parametrize(
    ("modulated", "message"),
    [
        (
            {"rate": "1"},
            "unknown setting that is modulated 'rate'; valid: discount, inverse_temper",
        ),
        (
            {"discount": "serotonin"},
            "factor of discount: unknown symbol serotonin; known: acetylch",
        ),
        ({"discount": "stn"}, "factor of discount: unknown symbol stn"),  # two neurons
        ({"discount": "1 +"}, "factor of discount: '1 [+]' cannot be read"),
    ],
)
def test_what_is_no_factor_is_refused(modulated, message):
    with pytest.raises(InputError, match=message):
        run(bathed(), 1, modulated=modulated)


def test_it_is_edited_by_name_kept_in_json_and_shown():
    plain = bathed()
    circuit = plain.modulate("acetylcholine", "gpe->stn", "gain", -0.5)
    name = "acetylcholine->gpe->stn.gain"
    assert f"  {name}: 2 x 1, fixed, modulates gain of gpe->stn, weights -0.5" in str(circuit)
    assert Circuit.from_json(circuit.to_json()) == circuit
    assert plain.diff(circuit) == f"+ projection {name}"
    assert circuit.set(f"{name}.weights", 0.25).projections[name].weights == 0.25
    assert circuit.set(f"{name}.delay", 40).populations["acetylcholine"].delayed == {"rate": 2}
    assert circuit.disconnect(name) == plain
    assert not circuit.disconnect(name).populations["stn"].factors
    assert name not in circuit.disconnect("gpe->stn").projections
    assert name not in circuit.remove_population("gpe").projections
    text = str(plain.modulate("acetylcholine", "stn", "plasticity", 1.0))
    assert (
        "acetylcholine->stn.plasticity: 2 x 1, fixed, modulates plasticity of stn, weights 1"
        in text
    )


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda c: c.modulate("serotonin", "stn", "gain", 1.0),
            "unknown source 'serotonin'; valid",
        ),
        (
            lambda c: c.modulate("gpe", "striatum", "gain", 1.0),
            "unknown population, drive or project",
        ),
        (
            lambda c: c.modulate("gpe", "dorsal_striatum", "gain", 1.0),
            r"'dorsal_striatum' is the actor .* Learning\(modulated=\{'inverse_temperature'",
        ),
        (
            lambda c: c.modulate("gpe", "cortex->ventral_striatum", "plasticity", 1.0),
            "'cortex->ventral_striatum' is the critic or what it reads",
        ),
        (
            lambda c: c.modulate("gpe", "stn", "patience", 1.0),
            "unknown effect of a modulator 'patie",
        ),
        (lambda c: c.modulate("gpe", "gpe->stn", "excitability", 1), "'gpe->stn' is a projection"),
        (
            lambda c: c.modulate("gpe", "stn", "gain", "much"),
            "'much' is not a number, array or Dist",
        ),
        (
            lambda c: c.connect("gpe", "stn", name="x", modulates="all"),
            "unknown what 'x' modulates",
        ),
        (
            lambda c: c.connect("gpe", "stn", name="x", pathway="other"),
            "does not say what it modula",
        ),
        (
            lambda c: c.connect("gpe", "cortex", modulates="gain", pathway="other"),
            "unknown pathway to 'cortex' that 'gpe->cortex' modulates 'other'; valid: action->cortex",
        ),
    ],
)
def test_what_cannot_be_is_refused(edit, message):
    with pytest.raises(InputError, match=message):
        edit(bathed())


def test_names_that_are_taken_are_refused():
    own = Population(1, map={"rate": "drive", "factor_of_drive": "rate"})
    circuit = bathed().add_population("snr", own)
    with pytest.raises(InputError, match="'factor_of_drive' is also the name of what a modulator"):
        circuit.modulate("gpe", "snr", "gain", 1.0)


def test_pathways_of_a_nucleus_have_names_that_stay_apart():
    with pytest.raises(InputError, match="'gpe->stn' would both be called 'gpe_to_stn'; rename"):
        bathed().connect("gpe", "stn", name="gpe_to_stn")
    circuit = bathed().connect("gpe", "stn", name="drive").modulate("gpe", "stn", "gain", 1.0)
    with pytest.raises(InputError, match="both called 'drive', and the gains of both are modul"):
        circuit.modulate("gpe", "drive", "gain", 1.0)
    assert circuit.modulate("gpe", "drive", "plasticity", 1.0).modulated("drive", "plasticity")
