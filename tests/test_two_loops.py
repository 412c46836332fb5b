"""Two loops that choose a cue and its position: rates as published, rule, task, verdicts."""

import functools
import tempfile
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import models
from analysis import two_loops as analysis
from bgrl import tasks
from bgrl.backends import load
from bgrl.errors import InputError
from bgrl.recording import Sink
from bgrl.step.assemble import initial_state
from experiments import two_loops as experiment
from models import guthrie_2013 as model

REPLICATES = 3


def player(noise=1.0, favoured=None):
    """The agent with a factor of all noise; a favoured cue has a stronger synapse from the start."""
    agent = experiment.agent(True, REPLICATES)
    populations = {}
    for name, p in agent.circuit.populations.items():
        parameters = dict(p.parameters)
        if "noise" in parameters:
            value = parameters["noise"].value * noise
            parameters["noise"] = replace(parameters["noise"], value=value)
        populations[name] = replace(p, parameters=parameters)
    projections = {
        name: replace(p, weights=p.weights.a) if hasattr(p.weights, "a") and noise == 0 else p
        for name, p in agent.circuit.projections.items()
    }
    if favoured is not None:
        name = "cortex_cognitive->striatum_cognitive"
        weights = model.WEIGHT * np.eye(4)
        weights[favoured, favoured] += 0.05
        projections[name] = replace(projections[name], weights=weights)
    circuit = replace(agent.circuit, populations=populations, projections=projections)
    task = experiment.two_cues() if noise else tasks_without_noise()
    return replace(agent, circuit=circuit, task=task)


def tasks_without_noise():
    task = experiment.two_cues()
    quiet = replace(task.parameters["cue_noise"], value=0.0)
    return replace(task, parameters=task.parameters | {"cue_noise": quiet})


@functools.cache
def program():
    return load("cpp", player().structure())


def played(agent, steps, *names, learn=False):
    """Arrays of the state after each step, (time, replicate, ...); trials start in steps 0, 152, ..."""
    with tempfile.TemporaryDirectory() as folder:
        sink = Sink(folder, names, program().layout)
        state = initial_state(agent, program().layout, 4)
        program().advance(state, 0, steps, learn=learn, sink=sink)
        frames = sink.read_frames()
        return {name: np.array(frames[name]) for name in names}


def published(cues, places, favoured, milliseconds):
    """Rates of cognitive and motor cortex in the scheme of the published programs, without noise.

    Potentials follow the input, rates are cut from them or a sigmoid of them; in steps of 1 ms. Cues and
    places are of each replicate, (replicate, 2).
    """
    cognitive = np.full(4, 0.5)
    cognitive[favoured] += 0.05
    names = ("cc", "cm", "sc", "sm", "nc", "nm", "gc", "gm", "tc", "tm")
    one, pairs = (len(cues), 4), (len(cues), 4, 4)
    u = {k: np.zeros(one) for k in names} | {k: np.zeros(pairs) for k in ("ca", "sa")}
    v = {k: x.copy() for k, x in u.items()}
    seen = {"cc": np.zeros(one), "cm": np.zeros(one), "ca": np.zeros(pairs)}
    rest = {"c": -3, "s": 0, "n": -10, "g": 10, "t": -40}
    for step in range(milliseconds):
        if step == 480:  # what is seen in a task step acts in it
            r = np.arange(len(cues))[:, None]
            seen["cc"][r, cues] = seen["cm"][r, places] = seen["ca"][r, cues, places] = 7
        pair = 0.5 * v["ca"] + 0.1 * v["cc"][:, :, None] + 0.1 * v["cm"][:, None]
        into = {
            "sc": cognitive * v["cc"],
            "sm": 0.5 * v["cm"],
            "sa": pair,
            "nc": v["cc"],
            "nm": v["cm"],
            "gc": -2 * v["sc"] - 2 * v["sa"].sum(2) + v["nc"].sum(1, keepdims=True),
            "gm": -2 * v["sm"] - 2 * v["sa"].sum(1) + v["nm"].sum(1, keepdims=True),
            "tc": -0.5 * v["gc"] + 0.4 * v["cc"],
            "tm": -0.5 * v["gm"] + 0.4 * v["cm"],
            "cc": v["tc"] + seen["cc"],
            "cm": v["tm"] + seen["cm"],
            "ca": seen["ca"],
        }
        for k in u:
            u[k] = u[k] + 0.1 * (-u[k] + into[k] - rest[k[0]])
            sigmoid = 20 / (1 + np.exp((16 - u[k]) / 3))
            v[k] = sigmoid if k[0] == "s" else np.clip(u[k], 0, 1000)
    return v["cc"], v["cm"]


CORTEX = ("cortex_cognitive.rate", "cortex_motor.rate")
SHOWN = ("task.cue_1", "task.cue_2", "task.place_1", "task.place_2")
TOLD = ("task.chosen", "task.best", "task.reward", "task.done", "policy.action")


def test_noise_is_as_wide_as_in_the_published_programs():
    """They multiply a rate in every ms by 1 + uniform(-level/2, level/2); a rate acts for TAU."""
    levels = {"cortex": 0.01, "striatum": 0.001, "stn": 0.001, "gpi": 0.03, "thalamus": 0.001}
    for name, p in model.circuit(experiment.two_cues()).populations.items():
        if name != "accumbens":
            drawn = levels[name.split("_")[0]] / np.sqrt(12)
            # In an Euler step of 1 ms a target takes 1/TAU of what it receives.
            step = p.parameters["noise"].value * np.sqrt(model.DT / model.TAU)
            assert step == pytest.approx(drawn * model.DT / model.TAU, rel=1e-12)


@pytest.mark.slow
def test_rates_come_to_what_the_published_programs_have():
    found = played(player(noise=0.0, favoured=2), 152, *CORTEX, *SHOWN, "task.chosen")
    cues, places = (
        np.stack([found[f"task.{kind}_{k}"][30].astype(int) for k in (1, 2)], axis=1)
        for kind in ("cue", "place")
    )
    for name, rates in zip(CORTEX, published(cues, places, 2, 3000), strict=True):
        np.testing.assert_allclose(found[name][150], rates, rtol=0, atol=0.05)
    # Where the favoured cue is shown it wins, and its position with it.
    there = np.flatnonzero((cues == 2).any(axis=1))
    assert there.size
    assert (found[CORTEX[0]][150, there].argmax(axis=1) == 2).all()
    assert (found["task.chosen"][151, there] == 2).all()
    motor = np.sort(found[CORTEX[1]][150, there])
    assert (motor[:, -1] - motor[:, -2] > experiment.DECIDED).all()


@pytest.mark.slow
def test_the_outcome_of_the_chosen_cue_teaches_its_own_synapse():
    group = "cortex_cognitive_to_striatum_cognitive.weight"
    names = ("dopamine.td_error", "dopamine.value", "striatum_cognitive.rate", *TOLD, group)
    found = played(player(), 4 * 152 + 1, *names, learn=True)
    weights = np.diagonal(found[group], axis1=2, axis2=3)
    before = slice(None, -1)
    dopamine = found["dopamine.td_error"][1:]
    # In the step before the outcome it is told which cue was chosen.
    chosen = found["task.chosen"][before, :, None] == np.arange(4)
    rate = np.where(dopamine > 0, model.LTP, model.LTD) * dopamine
    change = rate[:, :, None] * found["striatum_cognitive.rate"][before] * chosen
    expected = np.clip(weights[before] + change, 0.25, 0.75)
    np.testing.assert_allclose(weights[1:], expected, rtol=0, atol=1e-12)
    taught = (change != 0).any(axis=2)
    np.testing.assert_array_equal(np.flatnonzero(taught.any(axis=1)), [151, 303, 455, 607])
    error = found["task.reward"][1:] - found["dopamine.value"][before]
    np.testing.assert_allclose(dopamine[taught], error[taught], rtol=0, atol=1e-12)
    assert np.abs(found["dopamine.value"][151] - 0.5).max() < 0.05


@pytest.mark.slow
def test_the_task_rewards_the_cue_at_the_chosen_position():
    found = played(player(), 12 * 152 + 1, *SHOWN, *TOLD)
    told = np.arange(151, 12 * 152, 152)
    cues, places = (
        np.stack([found[f"task.{kind}_{k}"][told] for k in (1, 2)], axis=-1)
        for kind in ("cue", "place")
    )
    assert (cues[..., 0] != cues[..., 1]).all() and (places[..., 0] != places[..., 1]).all()
    action = found["policy.action"][told - 1][..., None]
    at = np.where((places == action).any(-1), (cues * (places == action)).sum(-1), -1)
    np.testing.assert_array_equal(found["task.chosen"][told], at)
    np.testing.assert_array_equal(found["task.best"][told], at == cues.min(axis=-1))
    reward = found["task.reward"][told + 1]
    assert (reward[at == 0] == 1).all() and (reward[(at == 3) | (at == -1)] == 0).all()
    assert set(reward[(at == 1) | (at == 2)]) == {0.0, 1.0}
    assert (found["task.done"][told + 1] == 1).all() and found["task.done"].sum() == 13 * REPLICATES


def test_a_task_that_tells_nothing_of_the_choice_teaches_nothing():
    circuit = models.circuit("guthrie_2013", tasks.make("memory_chain"))
    assert not any(p.plastic for p in circuit.projections.values()) and not circuit.critic.plastic
    circuit = model.circuit(experiment.two_cues())
    learned = [name for name, p in circuit.projections.items() if p.plastic]
    assert learned == ["cortex_cognitive->striatum_cognitive"] and circuit.critic.plastic
    assert np.sum(circuit.projections["cortex_motor->striatum_associative"].mask) == 16
    with pytest.raises(InputError, match="has 5 actions; the model guthrie_2013 has 4 positions"):
        models.circuit("guthrie_2013", five())


def five():
    task = experiment.two_cues()
    return replace(task, actions=(*task.actions, "none"))


def dataset(best=(0.6, 1.0), fixed=(0.5, 0.5), agreed=1.0, motor=(0.6, 0.4), lead=0.1, undecided=0):
    """Forty trials of ten replicates in two blocks, made up."""
    shape = (2, 10, 40)
    values = {"best": np.zeros(shape), "agreed": np.full(shape, agreed)}
    times = np.zeros(shape)
    for block in (0, 1):
        part = slice(20 * block, 20 * block + 20)
        for c, share in enumerate((best[block], fixed[block])):
            values["best"][c, :, part] = np.arange(20) % 10 < 10 * share
        times[..., part] = motor[block]
    times[:, :, 20 : 20 + undecided] = np.nan
    values |= {"motor_time": times, "cognitive_time": times - lead}
    variables = {k: (("circuit", "replicate", "trial"), v) for k, v in values.items()}
    trials = xr.Dataset(variables, {"circuit": list(experiment.CIRCUITS)})
    return xr.DataTree.from_dict({"/trials": trials})


def test_verdicts_are_turned_by_what_happened():
    assert all(v[-1] for v in analysis.verdicts(dataset()).values())
    for changes, name in (
        ({"best": (0.6, 0.8)}, "better cue in the last block"),
        ({"best": (1.0, 1.0)}, "... more than in the first"),
        ({"fixed": (0.5, 0.9)}, "... without learning"),
        ({"agreed": 0.5}, "both loops on the same cue, last block"),
        ({"lead": -0.1}, "motor after cognitive decision (s)"),
        ({"motor": (0.4, 0.6)}, "time of the motor decision, last - first (s)"),
    ):
        lost = [k for k, v in analysis.verdicts(dataset(**changes)).items() if not v[-1]]
        assert name in lost, (name, lost)
    assert analysis.summary(dataset())[-1] == "6 of 6 shown"
    data = dataset(undecided=5)
    np.testing.assert_allclose(analysis.decided(data), [[1.0, 0.75]] * 10)
    values = dataset()["trials"]["best"].values[0, :, 25:40].mean(axis=1)
    np.testing.assert_allclose(analysis.blocks(data, "best")[:, 1], values)


def test_the_experiment_refuses():
    with pytest.raises(InputError, match="trials is 0"):
        experiment.run(experiment.Config(trials=0))
    assert experiment.BLOCK == analysis.BLOCK
    with pytest.raises(InputError, match=f"trials is {analysis.BLOCK - 1}; an integer of"):
        experiment.run(experiment.Config(trials=analysis.BLOCK - 1))


@pytest.mark.long
def test_it_learns_which_cue_pays():
    data = experiment.run(experiment.Config(replicates=24))
    assert all(v[-1] for v in analysis.verdicts(data).values())
    axes = analysis.figure(data).axes
    legends = [ax.get_legend() for ax in axes]
    told = [legend and [text.get_text() for text in legend.get_texts()] for legend in legends]
    loops = ["cognitive", "motor"]
    assert told == [loops, None, ["learning", "no learning"], loops]
    # An independent program of the published scheme has 0.96 and 0.75 in the first and third block.
    assert analysis.decided(data).mean(axis=0)[[0, 2]] == pytest.approx([0.96, 0.75], abs=0.1)
