"""What is done to a circuit during a run does what it says, on every backend, and nothing else."""

import json
from dataclasses import asdict, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
import xarray as xr

import models
from bgrl import dataset, simulation, tasks
from bgrl.backends import load
from bgrl.checkpoints import Work
from bgrl.errors import InputError
from bgrl.interventions import MOST, Intervention, changes
from bgrl.recording import Record
from bgrl.simulation import Run, simulate
from bgrl.step.assemble import initial_state

METHODS = ("rflo", "snap1", "nucleus", "rtrl")
#: Method, lesioned projection and backend; of compiled programs one of each kind.
LESIONS = (
    *((m, p, "numpy") for m in METHODS for p in ("cortex->cortex", "cortex->dorsal_striatum")),
    pytest.param("rtrl", "cortex->cortex", "cpp", marks=pytest.mark.slow),
    pytest.param("rflo", "cortex->dorsal_striatum", "cpp", marks=pytest.mark.slow),
)
MANY = (
    "inactivate cortex neurons 0,2 from 10 for 20",
    "gain cortex 0.5 from reward after 2 for 3",
    "drive dorsal_striatum 0.4 neurons 1 from trial_start for 2",
    "clamp dopamine 0.3 from cue for 1",
    "inactivate cortex->ventral_striatum from 25 for 9",
    "inactivate reward->cortex from 20 for 9",
    "block_plasticity all from 40 for 10",
)
#: Far enough for learning to show, near enough for chaos not to.
FAST = {"rate_network": 0.02, "rate_actor": 0.05, "rate_critic": 0.05}


@lru_cache
def program(backend, structure):
    return load(backend, json.loads(structure))


@lru_cache
def agent(model="rtrrl", method="rflo", length=3, **learning):
    task = tasks.make("memory_chain", length=length)
    return models.agent(model, task, 5, 2, "float64", sensitivity=method, **FAST | dict(learning))


def trajectory(agent, *texts, steps=40, backend="numpy", intervened=True, seed=0):
    """States after steps 0, 1, ..., with interventions given as text."""
    built = program(backend, json.dumps(agent.structure(intervened)))
    rows = [Intervention.parse(text) for text in texts]
    state = initial_state(agent, built.layout, seed, rows)
    states = [built.advance(state, 0, 1, learn=False)]
    for step in range(1, steps + 1):
        states.append(built.advance(states[-1], step, 1))
    return states


def distance(a, b):
    return max(float(np.abs(a[k].astype(float) - b[k]).max()) for k in a.keys() & b.keys())


def plastic(agent, state):
    return simulation.plastic(agent, state)


# Nothing else -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_where_nothing_is_done_nothing_changes(method):
    model = agent("cortex_thalamus" if method == "rtrl" else "rtrrl", method)
    plain = trajectory(model, intervened=False)
    assert distance(plain[-1], trajectory(model)[-1]) == 0
    assert distance(plain[-1], trajectory(model, "gain cortex 0.9 from 39")[-1]) > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    "model", [pytest.param("rtrrl", marks=pytest.mark.long), "cortex_thalamus"]
)
def test_cpp_equals_numpy(model):
    method = "rflo" if model == "rtrrl" else "rtrl"
    numpy, cpp = (trajectory(agent(model, method), *MANY, backend=b) for b in ("numpy", "cpp"))
    assert max(map(distance, numpy, cpp)) < 1e-9
    assert distance(trajectory(agent(model, method))[-1], cpp[-1]) > 1e-3


def test_the_table_is_state():
    """Another table is no other program; no table is."""
    model = agent()
    layout = program("numpy", json.dumps(model.structure(True))).layout
    tables = [
        initial_state(model, layout, 0, [Intervention.parse(text)])["effect.change"]
        for text in ("gain cortex 2", "inactivate cortex->cortex")
    ]
    assert not np.array_equal(*tables)
    assert model.structure(True) == model.structure(True) != model.structure()
    assert model.structure()["interventions"] is None
    plain = program("numpy", json.dumps(model.structure(False))).layout
    assert not any(w in name for name in plain for w in ("modulation", "held", "intervention"))


# Lesions ------------------------------------------------------------------------------------


def columns(agent, name):
    """Group, rows and columns of a projection's weights."""
    if name == "cortex->dorsal_striatum":
        return "readout_drive", slice(0, 2), slice(None)
    (group, entry) = next((g, a) for g, a in agent.afferents().items() if name in a["projections"])
    return group, slice(None), slice(*entry["projections"][name])


def kept(state, group):
    """All that is kept of the weights of a group, besides the weights."""
    parts = ("sensitivity", "eligibility", "moment", "learning_gradient", "entropy_gradient")
    return [
        name
        for name in state
        if name.split(".")[0].endswith(group)
        and name.endswith("_weight")
        and name.split(".")[1].startswith(parts)
    ]


@pytest.mark.parametrize(("method", "name", "backend"), LESIONS)
def test_a_lesioned_projection_is_dead_and_comes_back(method, name, backend):
    model = agent(method=method)
    states = trajectory(model, f"inactivate {name} from 11 for 20", backend=backend)
    group, rows, cols = columns(model, name)
    before, weight, mask = states[10], f"{group}.weight", f"{group}.mask"
    found = kept(before, group)
    assert len(found) >= 3
    assert any((before[key][..., rows, cols] != 0).any() for key in found)
    target = "readout.drive" if group == "readout_drive" else "cortex.drive"
    for previous, state in pairwise(states[10:31]):
        np.testing.assert_array_equal(state[mask][:, rows, cols], 0)
        np.testing.assert_array_equal(state[weight][:, rows, cols], before[weight][:, rows, cols])
        for key in found:
            np.testing.assert_array_equal(state[key][..., rows, cols], 0)
        # What the weights that were used in this step carried, the lesioned ones left out.
        carried = previous[weight] * state[f"{group}_afferents.x"][:, None, :]
        carried[:, rows, cols] = 0
        np.testing.assert_allclose(state[target], carried.sum(-1), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(states[31][mask], before[mask])
    # The first step afterwards transmits by the weights from before.
    carried = (states[30][weight] * states[31][f"{group}_afferents.x"][:, None, :]).sum(-1)
    np.testing.assert_allclose(states[31][target], carried, rtol=0, atol=1e-12)
    assert (states[40][weight][:, rows, cols] != before[weight][:, rows, cols]).any()
    intact = trajectory(model, backend=backend)
    assert (intact[30][weight][:, rows, cols] != intact[10][weight][:, rows, cols]).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_lesion_is_a_mask_from_then_on(method):
    """The same as a program without interventions whose arrays are edited by hand."""
    model = agent("cortex_thalamus", method, feedback="symmetric")
    states = trajectory(model, "inactivate cortex->cortex from 11")
    built = program("numpy", json.dumps(model.structure(False)))
    group, rows, cols = columns(model, "cortex->cortex")
    edited = {k: v.copy() for k, v in states[10].items() if k in built.layout}
    for name in (*kept(edited, group), f"{group}.mask"):
        edited[name][..., rows, cols] = 0
    assert distance(states[40], built.advance(edited, 11, 30)) < 1e-14
    unlesioned = {k: v for k, v in states[10].items() if k in built.layout}
    assert distance(states[40], built.advance(unlesioned, 11, 30)) > 1e-3


def test_random_feedback_of_a_lesioned_readout_is_silent():
    model = agent()
    state = trajectory(model, "inactivate cortex->dorsal_striatum from 5 for 3", steps=8)
    feedback = "readout_drive.feedback"
    assert (state[5][feedback][:, :2] == 0).all() and (state[5][feedback][:, 2] != 0).all()
    np.testing.assert_array_equal(state[8][feedback], state[0][feedback])
    critic = state[5][feedback][:, 2] * state[5]["readout.learning_signal"][:, 2:]
    np.testing.assert_allclose(state[5]["cortex.learning_signal_rate"], critic, atol=1e-15)


def test_a_gain_of_a_projection_scales_what_it_carries():
    model = agent()
    before, after = trajectory(model, "gain cortex->cortex 1.5 from 11", steps=11)[-2:]
    group, rows, cols = columns(model, "cortex->cortex")
    scale = np.ones(after[f"{group}.mask"].shape)
    scale[:, rows, cols] = 1.5
    carried = (scale * before[f"{group}.weight"] * after[f"{group}_afferents.x"][:, None]).sum(-1)
    np.testing.assert_allclose(after["cortex.drive"], carried, atol=1e-14)


# Populations --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_silent_population_is_silent_downstream(method):
    model = agent("cortex_thalamus", method)
    states = trajectory(model, "inactivate thalamus from 11 for 10")
    names = list(model.afferents()["cortex_drive"]["projections"])
    relay = model.circuit.size("thalamus")
    assert names[0] == "thalamus->cortex"
    for previous, state in pairwise(states[10:21]):
        assert (state["thalamus.rate"] == 0).all()
        assert (state["cortex_drive_afferents.x"][:, :relay] == 0).all()
        rest = previous["cortex_drive.weight"] * state["cortex_drive_afferents.x"][:, None]
        np.testing.assert_allclose(state["cortex.drive"], rest[..., relay:].sum(-1), atol=1e-14)
        for name in state:
            if name.startswith(("thalamus_by", "thalamus_drive.sens", "thalamus.sens")):
                assert (state[name] == 0).all(), name
    assert (states[21]["thalamus.rate"] != 0).all()
    assert (states[10]["thalamus.rate"] != 0).all()


def test_some_neurons_are_silent():
    state = trajectory(agent(), "inactivate cortex neurons 1,4 from 7", steps=9)[-1]
    assert (state["cortex.rate"] == 0).tolist() == [[False, True, False, False, True]] * 2


def test_a_silent_striatum_guesses():
    state = trajectory(agent(), "inactivate dorsal_striatum from 20", steps=25)[-1]
    np.testing.assert_array_equal(state["readout.policy"][:, :2], 0.5)
    assert (state["readout.learning_signal"][:, :2] == 0).all()
    state = trajectory(agent(), "inactivate ventral_striatum from 20", steps=25)[-1]
    assert (state["dopamine.value"] == 0).all()


def test_light_raises_rates_by_the_known_amount():
    """One Euler step: h + dt/tau (-h + tanh(drive + amount + bias))."""
    before, state = trajectory(agent(), "drive cortex 0.7 neurons 0,3 from 9", steps=9)[-2:]
    weight, x = before["cortex_drive.weight"], state["cortex_drive_afferents.x"]
    light = np.array([0.7, 0, 0, 0.7, 0])
    drive = (weight * x[:, None]).sum(-1) + light
    np.testing.assert_allclose(state["cortex.drive"], drive, atol=1e-14)
    activation = np.tanh(drive + before["cortex.bias"])
    # Step 9 is no first step of a trial of 4 steps.
    rate = before["cortex.rate"]
    expected = rate + 20 / before["cortex.tau"] * (activation - rate)
    np.testing.assert_allclose(state["cortex.rate"], expected, atol=1e-14)
    dark = trajectory(agent(), steps=9)[-1]["cortex.rate"]
    assert ((state["cortex.rate"] > dark + 1e-3) == (light > 0)).all()


@pytest.mark.parametrize(
    "texts",
    [
        ("gain cortex 1.7 from 3", "drive cortex 0.2 neurons 1 from 2"),
        ("inactivate thalamus neurons 1 from 4", "gain thalamus->cortex 0.6 from 2"),
    ],
)
def test_sensitivities_stay_exact(texts):
    """Against finite differences over the steps of one trial, by exact RTRL."""
    model = agent("cortex_thalamus", "rtrl", 12, rate_network=0, rate_actor=0, rate_critic=0)
    built = program("numpy", json.dumps(model.structure(True)))
    rows = [Intervention.parse(text) for text in texts]

    def end(change):
        state = initial_state(model, built.layout, 0, rows)
        state["thalamus_drive.weight"][:, 0, 1] += change
        state["cortex_drive.weight"][:, 2, -1] += change
        state = built.advance(state, 0, 1, learn=True)
        return built.advance(state, 1, 9)

    state, step = end(0.0), 1e-5
    numeric = (end(step)["cortex.rate"] - end(-step)["cortex.rate"]) / (2 * step)
    exact = state["cortex_by_thalamus_drive.sensitivity_rate_weight"][:, :, 0, 1]
    exact = exact + state["cortex_by_cortex_drive.sensitivity_rate_weight"][:, :, 2, -1]
    assert np.abs(exact).max() > 1e-3
    np.testing.assert_allclose(numeric, exact, rtol=0, atol=1e-8)


def test_the_gradient_of_a_scaled_readout():
    model = agent(trace_critic=0.0)
    state = trajectory(model, "gain ventral_striatum 2.5", steps=6)[-1]
    x = state["readout_drive_afferents.x"]
    np.testing.assert_allclose(state["readout_drive.eligibility_weight"][:, 2], 2.5 * x, atol=1e-14)
    np.testing.assert_allclose(state["readout.eligibility_bias"][:, 2], 2.5)


# Dopamine and plasticity --------------------------------------------------------------------


def test_without_dopamine_nothing_is_learned_and_its_sign_matters():
    model = agent(optimizer="sgd", entropy_weight=0.0)
    states = trajectory(model, "clamp dopamine 0 from 11")
    for name, value in plastic(model, states[10]).items():
        np.testing.assert_array_equal(states[40][name], value)
    assert (states[40]["dopamine.td_error"] == 0).all()
    up, down = (trajectory(model, f"clamp dopamine {v} from 11", steps=11) for v in (0.5, -0.5))
    for name, value in plastic(model, states[10]).items():
        change = up[-1][name] - value
        assert np.abs(change).max() > 1e-5
        np.testing.assert_allclose(down[-1][name] - value, -change, rtol=0, atol=1e-15)


def test_dopamine_is_scaled_and_shifted():
    plain = trajectory(agent(), steps=12)[-1]["dopamine.td_error"]
    texts = "gain dopamine 3 from 12", "drive dopamine 0.1 from 12"
    np.testing.assert_allclose(
        trajectory(agent(), *texts, steps=12)[-1]["dopamine.td_error"], 3 * plain + 0.1, atol=1e-14
    )


@pytest.mark.parametrize("target", ["cortex->cortex", "cortex.tau", "ventral_striatum.bias", "all"])
def test_blocked_plasticity(target):
    model = agent()
    states = trajectory(model, f"block_plasticity {target} from 11 for 20")
    group, _, cols = columns(model, "cortex->cortex")
    whole = slice(None)
    blocked = {
        "cortex->cortex": {f"{group}.weight": (whole, whole, cols)},
        "cortex.tau": {"cortex.tau": ()},
        "ventral_striatum.bias": {"readout.bias": ()},
        "all": dict.fromkeys(plastic(model, states[0]), ()),
    }[target]
    for name, value in plastic(model, states[10]).items():
        part = blocked.get(name, ())
        if name in blocked:
            np.testing.assert_array_equal(states[30][name][part], value[part])
            assert (states[33][name][part] != value[part]).any()
        if name not in blocked or part:
            assert (states[30][name] != value).any()
    eligibility = f"{group}.eligibility_weight"
    assert (states[30][eligibility][..., cols] != states[10][eligibility][..., cols]).any()


# When ---------------------------------------------------------------------------------------


def run(*texts, **changes):
    settings = {"steps": 60, "backend": "numpy", "evaluations": 2, "evaluation_trials": 3}
    record = Record(("intervention", "done", "reward", "dopamine", "cortex"))
    rows = tuple(Intervention.parse(text) for text in texts)
    return Run(**settings | {"final_trials": 3, "record": record, "interventions": rows} | changes)


def since(happened):
    """Steps since the last True, -1 where there was none, along the last axis."""
    found = np.full(happened.shape, -1)
    for k in range(happened.shape[-1]):
        earlier = found[..., k - 1] if k else np.full(happened.shape[:-1], -1)
        found[..., k] = np.where(happened[..., k], 0, np.where(earlier >= 0, earlier + 1, -1))
    return found


def test_windows_open_at_events_in_every_replicate(small_agent):
    texts = (
        "inactivate cortex from trial_start after 2 for 3",
        "drive dopamine 0.1 from trial_end for 1",
        "gain cortex 2 from 20 after 1 for 4",
        "gain cortex 2 from 50",
    )
    traces = simulate(small_agent("cartpole", replicates=3), run(*texts, steps=120))["traces"]
    active, done = traces["intervention"].values, traces["done"].values > 0
    assert traces["intervention_name"].values.tolist() == list(texts)
    ends = [np.flatnonzero(d).tolist() for d in done]
    assert ends[0] != ends[1] != ends[2] and min(map(len, ends)) > 2
    elapsed = since(np.pad(done, ((0, 0), (1, 0)), constant_values=True))[:, 1:]
    np.testing.assert_array_equal(active[..., 0], (elapsed >= 2) & (elapsed < 5))
    np.testing.assert_array_equal(active[..., 1], done)
    step = np.broadcast_to(traces["step"].values, done.shape)
    np.testing.assert_array_equal(active[..., 2], (step >= 21) & (step < 25))
    np.testing.assert_array_equal(active[..., 3], step >= 50)
    silent = (traces["cortex"].values == 0).all(-1)
    np.testing.assert_array_equal(silent, active[..., 0])


def test_windows_open_at_rewards_and_events_of_the_task(small_agent):
    task = small_agent().task
    assert task.events["cue"] == ("start", 0) and task.events["query"] == ("end", -1)
    texts = "drive dopamine 0.1 from reward after 1 for 2", "drive dopamine 0.1 from cue for 1"
    traces = simulate(small_agent(), run(*texts))["traces"]
    elapsed = since(traces["reward"].values != 0)
    np.testing.assert_array_equal(
        traces["intervention"].values[..., 0], (elapsed >= 1) & (elapsed < 3)
    )
    np.testing.assert_array_equal(traces["intervention"].values[..., 1], traces["done"].values)


def test_evaluations_take_place_under_what_is_in_force():
    """Light that always makes the best choice, from step 30 to step 230."""
    task = tasks.make("discounting_chain")
    chain = models.agent("rtrrl", task, 5, 3, "float64")
    light = "drive dorsal_striatum 60 neurons 0 from 30 for 200"
    settings = run(light, steps=600, evaluations=3, record=Record())
    returns = simulate(chain, settings)["evaluation"]["mean_return"].values
    np.testing.assert_allclose(returns[:, 1], task.best_return, rtol=1e-12)
    assert (returns[:, [0, 2, 3]] < task.best_return - 1e-3).all()


# Runs ---------------------------------------------------------------------------------------


def test_interrupted_and_resumed_equals_never_stopped(small_agent, tmp_path, monkeypatch):
    settings = run(*MANY, "inactivate cortex->cortex from 21 for 30")
    whole = simulate(small_agent(), settings)
    monkeypatch.setattr(simulation, "_FIRST_CHUNK", 7)
    monkeypatch.setattr(simulation, "CHUNK_SECONDS", 0.0)
    monkeypatch.setattr(simulation, "SAVE_SECONDS", 0.0)
    save = Work.save
    for stop in (24, 41):

        def interrupted(self, step, *values, stop=stop):
            save(self, step, *values)
            if step >= stop:
                raise KeyboardInterrupt

        monkeypatch.setattr(Work, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            simulate(small_agent(), settings, tmp_path / "work")
    monkeypatch.setattr(Work, "save", save)
    xr.testing.assert_identical(simulate(small_agent(), settings, tmp_path / "work"), whole)


def test_the_file_says_what_was_done(small_agent, tmp_path):
    text = "drive cortex 0.5 neurons 0,1 from reward after 2 for 10"
    dataset.write(simulate(small_agent(), run(text)), tmp_path / "a.nc")
    data = dataset.read(tmp_path / "a.nc")
    (described,) = dataset.configuration(data)["run"]["interventions"]
    assert Intervention(**described) == Intervention.parse(text)
    assert data["traces"]["intervention"].dims == ("replicate", "time", "intervention_name")
    assert data["traces"]["intervention"].attrs["units"] == "1"


@pytest.mark.parametrize("text", MANY)
def test_text_and_json_round_trips(text):
    found = Intervention.parse(text)
    assert str(found) == text
    assert Intervention(**json.loads(json.dumps(asdict(found)))) == found


def test_continuous_actions_and_single_precision():
    model = models.agent("rtrrl", tasks.make("pendulum"), 4, 2, "float32")
    state = trajectory(model, "inactivate dorsal_striatum from 3", steps=5)[-1]
    assert (state["readout.activity"][:, :2] == 0).all()
    assert (state["readout.activity"][:, 2] != 0).all()


# Refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("silence cortex", "unknown intervention 'silence'; valid: block_plasticity, clamp"),
        ("inactivate", "cannot read intervention 'inactivate'; write KIND TARGET"),
        ("inactivate cortex since 3", "cannot read intervention"),
        ("gain cortex", "gain cortex: value is None; a value is needed"),
        ("inactivate cortex 1", "inactivate cortex: value is 1.0; it takes no value"),
        ("gain cortex nan", "gain cortex: value nan is no finite number"),
        ("gain cortex 2 for 0", "gain cortex: duration is 0; a number of steps, 1 or more"),
        ("gain cortex 2 from 9999999999", "start is 9999999999; a number of steps, 0 or more, or"),
        ("inactivate stn", "unknown target to inactivate 'stn'; valid: action->cortex, cortex"),
        ("drive cortex->cortex 1", "unknown target to drive 'cortex->cortex'; valid: cortex"),
        ("clamp cortex 1", "unknown target to clamp 'cortex'; valid: dopamine"),
        ("block_plasticity cortex", "unknown target to block_plasticity 'cortex'; valid: action"),
        ("gain cortex 2 from lunch", "unknown event to start from 'lunch'; valid: cue, outcome"),
        ("gain cortex 2 from query", "unknown event to start from 'query'"),
        ("gain cortex 2 neurons 5", "gain cortex 2 neurons 5: 'cortex' has neurons 0 to 4"),
        ("clamp dopamine 2 neurons 0", "neurons can only be chosen of a population or readout"),
        ("block_plasticity all neurons 0", "neurons can only be chosen"),
    ],
)
def test_what_cannot_be_is_refused(text, message):
    with pytest.raises(InputError) as error:
        changes(agent(), [Intervention.parse(text)])
    assert message in str(error.value) and "\n" not in str(error.value)


def test_too_many_and_no_interventions(small_agent, monkeypatch):
    # Before anything is built.
    monkeypatch.setattr(simulation, "load", None)
    many = run(*["gain cortex 2"] * (MOST + 1))
    with pytest.raises(InputError, match="17 interventions; at most 16 fit"):
        simulate(small_agent(), many)
    with pytest.raises(InputError, match="an Intervention is needed, not 'gain cortex 2'"):
        simulate(small_agent(), replace(many, interventions=("gain cortex 2",)))
    monkeypatch.undo()
    with pytest.raises(InputError, match="to record 'intervention', interventions are needed"):
        simulate(small_agent(), run())


def test_drives_of_a_population_with_several_are_named():
    lru = models.agent("lru", tasks.make("memory_chain", length=3), 4)
    drives = lru.circuit.populations["cortex"].drives
    assert len(drives) == 2
    with pytest.raises(InputError, match=f"valid: cortex.{drives[1]}, cortex.{drives[0]}|valid: "):
        changes(lru, [Intervention.parse("drive cortex 1")])
    name = f"cortex.modulation_baseline_{drives[0]}"
    ((_, _, _, effects),) = changes(lru, [Intervention.parse(f"drive cortex.{drives[0]} 1")])
    assert effects == {name: ([0, 1, 2, 3], 1.0)}
