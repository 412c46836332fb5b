"""Sensitivities of any circuit by every method: recorded, numerically differentiated, and broken."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bgrl import simulation, verify
from bgrl.agent import Agent
from bgrl.agent.equations import watched
from bgrl.backends import load, runtime
from bgrl.circuit import (
    Circuit,
    Parameter,
    Population,
    Projection,
    Readout,
    Rule,
    Synapse,
    alpha,
    exponential,
    failing,
    nmda,
    tsodyks_markram,
)
from bgrl.errors import InputError
from bgrl.learning import Learning, derivatives
from bgrl.learning.sensitivity import blocks, cost
from bgrl.simulation import check_cost
from bgrl.step import sensitivity
from bgrl.step.assemble import initial_state
from bgrl.step.propagation import Propagation, SelfWeights
from bgrl.tasks.scripted import scripted
from tests.conftest import FIXTURES
from tests.truncated import Oracle

CIRCUITS = sorted((FIXTURES / "circuits").glob("*.npz"))
METHODS = ("rtrl", "nucleus", "snap1", "rflo")
ACTIVATIONS = (
    "tanh({})",
    "1/(1 + exp(-({})))",
    "log(1 + exp({}))",
    "exp(-({})**2)",
    "sqrt(1 + ({})**2)",
    "sin({})",
)


@pytest.mark.parametrize("backend", ["numpy", pytest.param("cpp", marks=pytest.mark.slow)])
@pytest.mark.parametrize("path", CIRCUITS, ids=lambda p: p.stem)
def test_recorded_circuits(path, backend):
    errors, tolerance = verify.verify(path, backend)
    assert {key.split(":")[0] for key in errors} == {"state", "sensitivity"}
    assert max(errors.values()) < 1e-13 < tolerance == 1e-9


@pytest.mark.parametrize("backend", ["numpy", pytest.param("cpp", marks=pytest.mark.slow)])
def test_snap1_is_exact_for_the_linear_recurrent_unit(backend):
    errors, tolerance = verify.verify(FIXTURES / "circuits" / "lru.npz", backend, "snap1")
    assert max(errors.values()) <= tolerance


@pytest.mark.parametrize("method", ["nucleus", "snap1", "rflo"])
def test_approximations_are_not_exact_in_a_loop(method):
    path = FIXTURES / "circuits" / "cortex_thalamus_loop.npz"
    errors, tolerance = verify.verify(path, "numpy", method)
    assert max(v for k, v in errors.items() if k.startswith("state")) <= tolerance
    assert errors["sensitivity:cortex.rate:cortex->cortex"] > 1e-3


# Random circuits ----------------------------------------------------------------------------

SYNAPSES = ("none", "filter", "alpha", "nmda", "facilitating", "noisy", "failing", "unreliable")


def random_population(generator, kind, size, activation):
    """Neurons of one of several kinds, all parameters trained."""
    values = {
        "tau": generator.uniform(2, 6, size),
        "bias": generator.normal(size=size) / 2,
        "gain": generator.uniform(0.5, 1.5, size),
    }
    driven = ACTIVATIONS[activation].format("gain*drive + bias")
    drives, reads = ("drive",), "rate"
    if kind == "rate":
        dynamics = {"derivatives": {"rate": f"(-rate + {driven})/tau"}}
    elif kind == "adapting":
        dynamics = {
            "derivatives": {
                "rate": f"(-rate + {driven} - fatigue)/tau",
                "fatigue": "(-fatigue + rate**2)/(2*tau)",
            }
        }
    elif kind == "gated":
        drives = ("drive", "gate")
        gated = driven + "/(1 + exp(-gate))"
        dynamics = {"derivatives": {"rate": f"(-rate + {gated})/tau"}}
    elif kind == "noisy":
        noise = "0.5*bias*sqrt(2/tau)*xi + 0.2*rate*xi_own"
        dynamics = {"derivatives": {"rate": f"(-rate + {driven})/tau + {noise}"}}
    else:
        dynamics = {
            "map": {"rate": f"0.5*other + {driven}/tau", "other": "cos(tau)*other - sin(bias)*rate"}
        }
    return Population(
        size,
        **dynamics,
        parameters={k: Parameter(v, trainable=True) for k, v in values.items()},
        drives=drives,
        initial={reads: generator.normal(size=size) / 5},
    )


def random_synapse(generator, kind, size):
    """Dynamics of a projection of one of several kinds, all parameters trained; None for none."""

    def trained(low, high):
        return Parameter(generator.uniform(low, high, size), trainable=True)

    tau, rec, use = trained(2, 6), trained(4, 9), trained(0.2, 0.6)
    if kind == "filter":
        return exponential(tau)
    if kind == "alpha":
        return alpha(tau)
    if kind == "nmda":
        return nmda(tau, use, trained(3, 6))
    if kind == "facilitating":
        return tsodyks_markram(use, rec, tau, trained(3, 6))
    if kind == "failing":
        return failing(generator.uniform(0.2, 0.8, size))
    if kind == "unreliable":
        equations = "ds/dt = (released*source*(1 + failure) - s)/tau : 1\ntau : second"
        parameters = {"tau": tau, "share": use, "failure": 0.4}
        return Synapse(equations, parameters, "s*(share + released*source)")
    if kind == "noisy":
        equations = """
            ds/dt = (source*(1 + y) - s)/tau + share*source*xi/sqrt(tau) : 1
            dy/dt = (s - y**2)/tau : 1
            tau : second
        """
        start = generator.normal(size=size) / 5
        return Synapse(
            equations, {"tau": tau, "share": use}, "s*tanh(share + source)", {"s": start}
        )
    return None


@st.composite
def circuits(draw):
    """One to four populations, masks, sub-steps, delays, dynamics, modulators, gap junctions."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    names = ("cortex", "gpe", "stn", "thalamus")[: draw(st.integers(1, 4))]
    kinds = st.sampled_from(["rate", "adapting", "gated", "noisy", "map"])
    populations = {
        name: random_population(
            generator,
            draw(kinds),
            draw(st.integers(1, 3)),
            draw(st.integers(0, len(ACTIVATIONS) - 1)),
        )
        for name in names
    }
    projections, synapse = {}, draw(st.sampled_from(SYNAPSES))
    for target, p in populations.items():
        for drive in p.drives:
            for source in ("stimulus", *names):
                if not draw(st.booleans()):
                    continue
                electrical = source != "stimulus" and draw(st.integers(0, 4)) == 0
                ends = [] if source == "stimulus" else [*populations[source].dynamics]
                variables = [v for v in ends if not electrical or v in p.dynamics] or ["rate"]
                shape = p.size, 2 if source == "stimulus" else populations[source].size
                mask = generator.integers(0, 2, shape) if draw(st.booleans()) else np.ones(shape)
                chemical = source != "stimulus" and not electrical
                kind = synapse if chemical and draw(st.booleans()) else "none"
                projections[f"{source}->{target}.{drive}"] = Projection(
                    source,
                    target,
                    drive=drive,
                    reads=draw(st.sampled_from(variables)),
                    weights=generator.normal(size=shape) * 0.7 * mask,
                    mask=mask,
                    delay=0.5 * draw(st.integers(0, 3)) if chemical else 0.0,
                    dynamics=random_synapse(generator, kind, shape[1]),
                    electrical=electrical,
                    plastic=not electrical,
                )
    circuit = Circuit(
        dt=0.5,
        substeps=draw(st.integers(1, 3)),
        populations=populations,
        projections=projections,
        inputs={"stimulus": 2},
    )
    for k in range(draw(st.integers(0, 2))):
        target = draw(st.sampled_from([*names, *projections]))
        source = draw(st.sampled_from(["stimulus", *names]))
        nucleus = target if target in names else projections[target].target
        shape = circuit.size(nucleus), circuit.size(source)
        circuit = circuit.modulate(
            source,
            target if target in projections else f"{target}.drive",
            draw(st.sampled_from(["gain", "gain", "plasticity"])),
            generator.normal(size=shape),
            name=f"modulator_{k}",
            mask=np.ones(shape),
            plastic=True,
            delay=0.0 if source == "stimulus" else 0.5 * draw(st.integers(0, 1)),
        )
    return circuit


def replay(circuit, method, steps=5, seed=0, backend="numpy"):
    """Largest difference between the network and the oracle, by quantity."""
    generator = np.random.default_rng(seed)
    inputs = {name: generator.normal(size=(steps, n)) for name, n in circuit.inputs.items()}
    oracle = Oracle(circuit)
    arrays = {f"value:{k}": v for k, v in oracle.values.items()}
    arrays |= {f"mask:{k}": p.mask for k, p in circuit.projections.items()}
    arrays |= {f"input:{k}": v for k, v in inputs.items()}
    arrays |= oracle.run(inputs, method)
    fixture = verify.Fixture("random", circuit.to_dict() | {"steps": steps}, arrays)
    agent = verify.circuit_agent(fixture, method)
    return verify.replay_circuit(fixture, agent, load(backend, agent.structure()))


def of_random_circuits(count):
    """A property of circuits and methods, looked at in so many."""
    check = given(circuit=circuits(), method=st.sampled_from(METHODS))
    health = [HealthCheck.too_slow, HealthCheck.data_too_large]
    limit = settings(
        max_examples=count, deadline=None, derandomize=True, suppress_health_check=health
    )
    return lambda test: limit(check(test))


@of_random_circuits(8)
def test_kept_entries_of_random_circuits(circuit, method):
    assert max(replay(circuit, method).values()) < 1e-10


@pytest.mark.long
@of_random_circuits(60)
def test_kept_entries_of_many_random_circuits(circuit, method):
    assert max(replay(circuit, method).values()) < 1e-10


@pytest.mark.long
@of_random_circuits(12)
def test_many_random_circuits_on_compiled_backends(circuit, method):
    for backend in ("cpp", "cuda-emulated"):
        assert max(replay(circuit, method, backend=backend).values()) < 1e-10


@pytest.mark.parametrize("backend", ["cpp", "cuda-emulated"])
def test_a_neuron_alone_that_connects_to_itself(backend):
    # g++ 12 took the address of its own weight for one that nothing had been written to.
    generator = np.random.default_rng(1)
    sizes = {"gpe": 2, "stn": 1}
    populations = {name: random_population(generator, "rate", n, 0) for name, n in sizes.items()}
    projections = {
        f"{source}->{target}": Projection(
            source, target, weights=generator.normal(size=shape), mask=np.ones(shape)
        )
        for source, target, shape in (
            ("stimulus", "gpe", (2, 2)),
            ("gpe", "stn", (1, 2)),
            ("stn", "stn", (1, 1)),
        )
    }
    circuit = Circuit(0.5, 1, populations, projections, {"stimulus": 2})
    assert max(replay(circuit, "snap1", backend=backend).values()) < 1e-12


def threes(generator, pairs):
    """Projections with random weights between nuclei of three neurons, and from two channels."""
    width = {"stimulus": 2}
    return {
        f"{source}->{target}": Projection(
            source,
            target,
            weights=generator.normal(size=(3, width.get(source, 3))),
            mask=np.ones((3, width.get(source, 3))),
        )
        for source, target in pairs
    }


def loop(generator=None):
    """Three nuclei in a loop, one of which connects to itself."""
    generator = generator or np.random.default_rng(3)
    populations = {
        name: random_population(generator, kind, 3, k)
        for k, (name, kind) in enumerate(
            {"cortex": "rate", "gpe": "adapting", "stn": "gated"}.items()
        )
    }
    pairs = ("stimulus", "cortex"), ("cortex", "cortex"), ("cortex", "gpe"), ("gpe", "stn")
    projections = threes(generator, (*pairs, ("stn", "cortex")))
    return Circuit(0.5, 2, populations, projections, {"stimulus": 2})


def test_six_nuclei_in_a_loop_under_names_of_any_kind():
    """Names that the network has uses for itself (x, w, E, I, vta, striatum, reward) are the user's."""
    generator = np.random.default_rng(0)

    def values(*names):
        return {name: Parameter(generator.uniform(0.5, 3, 3), trainable=True) for name in names}

    adapting = {"x": "(-x + tanh(drive - w))/(1 + tau)", "w": "(-w + b*x)/(2 + tau)"}
    logistic = {"v": "(-v + 1/(1 + exp(-(g*I + E - theta))))/(1 + tau)"}
    names = ("cortex", "striatum", "gpe", "stn", "vta", "thalamus")
    populations, projections = {}, {}
    for k, name in enumerate(names):
        if k % 2:
            populations[name] = Population(3, derivatives=adapting, parameters=values("tau", "b"))
        else:
            parameters = values("tau", "g", "theta")
            drives = ("I", "E")
            populations[name] = Population(
                3, derivatives=logistic, parameters=parameters, drives=drives
            )
        projections[f"{names[k - 1]}->{name}"] = Projection(
            names[k - 1],
            name,
            drive="drive" if k % 2 else "I",
            reads="v" if k % 2 else "x",
            weights=generator.normal(size=(3, 3)),
            mask=generator.integers(0, 2, (3, 3)),
        )
    weights = generator.normal(size=(3, 2))
    projections["stimulus->vta"] = Projection(
        "stimulus", "vta", drive="E", weights=weights, mask=np.ones((3, 2))
    )
    circuit = Circuit(0.25, 3, populations, projections, {"stimulus": 2})
    errors = replay(circuit, "rtrl", steps=4)
    assert len(errors) == 9 + 9 * (7 + 15) and max(errors.values()) < 1e-13


def forget_projection(monkeypatch):
    kept = sensitivity.kept_edges
    monkeypatch.setattr(
        sensitivity, "kept_edges", lambda *a: [e for e in kept(*a) if e[2] != "cortex->cortex"]
    )


def forget_leak(monkeypatch):
    kept = sensitivity.kept_edges
    monkeypatch.setattr(
        sensitivity,
        "kept_edges",
        lambda *a: [e for e in kept(*a) if e[2] is not None or e[0] != e[1]],
    )


def forget_euler_step(monkeypatch):
    derive = derivatives.population_step

    def wrong(*arguments):
        step = derive(*arguments)
        lines = [
            f"{line.split(' = ')[0]} = 2*({line.split(' = ')[1]})"
            if line.startswith("gain")
            else line
            for line in step.code.splitlines()
        ]
        return replace(step, code="\n".join(lines))

    monkeypatch.setattr(derivatives, "population_step", wrong)


def transpose_coupling(monkeypatch):
    run = Propagation.run

    def wrong(self, arrays):
        def turned(name):
            array = arrays(name)
            return array.swapaxes(1, 2) if name == "gpe_drive.weight" else array

        run(self, turned)

    monkeypatch.setattr(Propagation, "run", wrong)


def forget_self_connection(monkeypatch):
    monkeypatch.setattr(SelfWeights, "run", lambda self, arrays: None)


@pytest.mark.parametrize(
    ("mutation", "method"),
    [
        (forget_projection, "rtrl"),
        pytest.param(forget_projection, "nucleus", marks=pytest.mark.long),
        pytest.param(forget_leak, "rtrl", marks=pytest.mark.long),
        pytest.param(forget_euler_step, "rtrl", marks=pytest.mark.long),
        (forget_euler_step, "rflo"),
        (transpose_coupling, "rtrl"),
        (forget_self_connection, "snap1"),
    ],
)
def test_mutations_of_the_rule_are_caught(monkeypatch, mutation, method):
    assert max(replay(loop(), method).values()) < 1e-10
    monkeypatch.setattr(runtime, "_network", runtime._network.__wrapped__)  # none that was kept
    mutation(monkeypatch)
    assert max(replay(loop(), method).values()) > 1e-4


def test_late_sensitivities_are_caught():
    """Derivatives must come from before the step that they belong to."""
    fixture = verify.read_fixture(FIXTURES / "circuits" / "cortex_thalamus_loop.npz")
    agent = verify.circuit_agent(fixture)
    structure = agent.structure()
    slots = structure["slots"]
    k = slots.index("cortex")
    slots[k], slots[k + 1] = slots[k + 1], slots[k]
    errors = verify.replay_circuit(fixture, agent, load("numpy", structure))
    assert errors["sensitivity:cortex.rate:cortex->cortex"] > 1e-4


def test_rtrl_equals_finite_differences_of_the_running_network():
    circuit = watched(loop())
    rows = np.random.default_rng(0).normal(size=(7, 2))
    nothing = np.zeros(7)
    task = scripted(rows, nothing, nothing, nothing, actions=2)
    still = Learning("rtrl", rate_actor=0.0, rate_critic=0.0, rate_network=0.0)
    agent = Agent(circuit, task, still, dtype="float64")
    program = load("numpy", agent.structure())
    start = initial_state(agent, program.layout, 0)
    start["task.restart"][...] = 0
    end = program.advance(start, 1, 6)

    def slope(name, index):
        found = []
        for step in (1e-5, -1e-5):
            state = {k: v.copy() for k, v in start.items()}
            state[name][(0, *index)] += step
            found.append(program.advance(state, 1, 6)["gpe.rate"][0])
        return (found[0] - found[1]) / 2e-5

    for name, index, array in (
        ("cortex_drive.weight", (1, 3), "gpe_by_cortex_drive.sensitivity_rate_weight"),
        ("stn_drive.weight", (2, 0), "gpe_by_stn_drive.sensitivity_rate_weight"),
        ("stn.gain", (0,), "gpe_by_stn.sensitivity_rate_gain"),
        ("gpe.tau", (2,), "gpe_by_gpe.sensitivity_rate_tau"),
    ):
        exact = end[array][(0, slice(None), *index)]
        assert np.abs(exact).max() > 1e-5
        np.testing.assert_allclose(slope(name, index), exact, rtol=1e-5, atol=1e-9)


# What is kept -------------------------------------------------------------------------------


def planned(circuit, method="rtrl", **learning):
    """Name of each block to the states whose sensitivity is kept."""
    observed = sum(circuit.inputs.values())
    task = scripted(np.zeros((1, observed)), [0], [0], [0], actions=2)
    structure = Agent(circuit, task, Learning(method, **learning)).structure()
    return structure, {f"{b.group}.{b.key}": b.states for b in blocks(structure)}


def chain(read="gpe"):
    """From cortex to gpe to stn and no way back."""
    generator = np.random.default_rng(0)
    populations = {
        name: random_population(generator, "rate", 2, 0) for name in ("cortex", "gpe", "stn")
    }
    pairs = ("stimulus", "cortex"), ("cortex", "gpe"), ("gpe", "stn")
    projections = {
        f"{a}->{b}": Projection(a, b, weights=generator.normal(size=(2, 2))) for a, b in pairs
    }
    readouts = {
        "actor": Readout("dorsal_striatum", read, weights=generator.normal(size=(2, 2))),
        "critic": Readout("ventral_striatum", read, weights=generator.normal(size=(1, 2))),
    }
    return Circuit(1.0, 1, populations, projections, {"stimulus": 2}, **readouts)


def test_blocks_that_the_anatomy_makes_zero_are_not_created():
    _, found = planned(chain(read="gpe"))
    assert found["cortex_drive.weight"] == (("cortex", "rate"), ("gpe", "rate"))
    # Upstream nothing depends on it; downstream nothing of it returns to the readouts.
    assert found["gpe_drive.weight"] == (("gpe", "rate"),)
    assert found["stn_drive.weight"] == () == found["stn.tau"]
    structure, _ = planned(chain(read="gpe"))
    names = load("numpy", structure).layout
    assert "gpe_by_cortex_drive.sensitivity_rate_weight" in names
    assert not any("stn" in name and "sensitivity" in name for name in names)
    assert not any(name.startswith("cortex_by_gpe") for name in names)


def test_local_methods_learn_only_where_a_signal_arrives():
    _, found = planned(chain(read="gpe"), "rflo")
    assert found["cortex_drive.weight"] == () and found["gpe_drive.weight"] == (("gpe", "rate"),)
    circuit = chain(read="gpe")
    actor = replace(circuit.actor, feedback_to={"cortex.rate": np.ones((2, 2))})
    _, found = planned(replace(circuit, actor=actor), "rflo")
    assert found["cortex_drive.weight"] == (("cortex", "rate"),)


def test_methods_by_projection():
    circuit = chain(read="stn")
    structure, found = planned(
        circuit, "rtrl", overrides={"cortex->gpe": "none", "gpe->stn": "rflo", "gpe.tau": "snap1"}
    )
    assert found["cortex_drive.weight"] == (("cortex", "rate"), ("gpe", "rate"), ("stn", "rate"))
    assert found["gpe_drive_none.weight"] == () and found["stn_drive_rflo.weight"] == (
        ("stn", "rate"),
    )
    assert found["gpe.tau"] == ()
    program = load("numpy", structure)
    assert "stn_drive_rflo.sensitivity_rate_weight" in program.layout
    assert "gpe_drive_none.eligibility_weight" not in program.layout
    with pytest.raises(
        InputError, match="projection or parameter in overrides 'a->b'; valid: cort"
    ):
        planned(circuit, overrides={"a->b": "rflo"})
    with pytest.raises(InputError, match="unknown sensitivity of 'gpe->stn' 'bptt'"):
        planned(circuit, overrides={"gpe->stn": "bptt"})


def test_a_method_of_what_does_not_learn_by_it_is_refused():
    ruled = replace(chain().projections["gpe->stn"], rule=Rule("weight + eligibility", "pre"))
    ruled = replace(chain(), projections={**chain().projections, "gpe->stn": ruled})
    fixed = chain().set("gpe->stn.plastic", False).set("gpe.tau.trainable", False)
    for circuit, name in ((ruled, "gpe->stn"), (fixed, "gpe->stn"), (fixed, "gpe.tau")):
        with pytest.raises(InputError, match=f"overrides: '{name}' does not learn by the gradient"):
            planned(circuit, overrides={name: "rflo"})


def test_methods_of_one_drive_are_mixed():
    """Each projection of a drive keeps what its own method does."""
    circuit = loop()
    rows = np.random.default_rng(0).normal(size=(6, 2))
    task = scripted(rows, *np.zeros((3, 6)), actions=2)

    def after(method, overrides):
        still = Learning(method, overrides, rate_actor=0.0, rate_critic=0.0, rate_network=0.0)
        agent = Agent(watched(circuit), task, still, dtype="float64")
        program = load("numpy", agent.structure())
        state = initial_state(agent, program.layout, 0)
        state["task.restart"][...] = 0
        return program.advance(state, 1, 5)

    exact, local = after("rtrl", {}), after("rflo", {})
    mixed = after("rtrl", {"cortex->cortex": "rflo", "stimulus->cortex": "snap1"})
    np.testing.assert_allclose(mixed["cortex.rate"], exact["cortex.rate"], atol=1e-15)
    # The columns of cortex_drive: stimulus (2), cortex (3), stn (3).
    np.testing.assert_allclose(
        mixed["cortex_drive_rflo.sensitivity_rate_weight"],
        local["cortex_drive.sensitivity_rate_weight"][..., 2:5],
        atol=1e-15,
    )
    np.testing.assert_allclose(
        mixed["gpe_by_cortex_drive.sensitivity_rate_weight"],
        exact["gpe_by_cortex_drive.sensitivity_rate_weight"][..., 5:],
        atol=1e-15,
    )
    assert mixed["cortex_drive_snap1.sensitivity_rate_weight"].shape == (1, 3, 2)


def test_cost_is_what_the_program_has():
    structure, _ = planned(chain(read="stn"))
    layout = load("numpy", structure).layout
    held = sum(int(np.prod(s)) for k, (_, s) in layout.items() if ".sensitivity_" in k)
    found = cost(structure)
    assert found.values == held and found.memory == 4 * held
    # cortex: (2 afferents + 3 parameters) x 2 neurons seen by 6 states, gpe by 4, stn by 2; a state
    # multiplies itself and, where there is a projection, two others.
    work = 10 * (3 * 2 + 2 * 4) + 10 * (2 * 2 + 1 * 4) + 10 * 2
    assert found.operations == work


def test_too_large_sensitivities_are_refused_before_anything_is_built():
    generator = np.random.default_rng(0)
    circuit = chain(read="gpe")
    large = {n: random_population(generator, "rate", 3000, 0) for n in circuit.populations}
    projections = {k: replace(p, weights=0.1) for k, p in circuit.projections.items()}
    actor, critic = (replace(r, weights=0.1) for r in (circuit.actor, circuit.critic))
    circuit = replace(
        circuit, populations=large, projections=projections, actor=actor, critic=critic
    )
    structure, _ = planned(circuit)
    with pytest.raises(InputError, match=r"need \d+ GB of memory \(27,117,000,000 s.* \(108 GB\)"):
        check_cost(structure)
    said = []
    structure, _ = planned(chain(read="gpe"))
    check_cost(structure, said.append)
    assert said == ["60 sensitivities (240 bytes), 100 multiply-adds a step"]


def test_memory_of_caches_is_free(monkeypatch):
    structure, _ = planned(chain(read="gpe"))

    def told(text):
        monkeypatch.setattr(simulation, "_memory", lambda: text)
        check_cost(structure)

    told("MemFree: 1 kB\nMemAvailable: 1000000 kB\n")
    with pytest.raises(InputError, match=r"of which 1\.02e-06 GB is free"):
        told("MemFree: 1000000 kB\nMemAvailable: 1 kB\n")
    told("")
    assert 2**26 < simulation._free_memory() < 2**50
