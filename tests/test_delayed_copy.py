"""A bit through a delay: which synapses know of the answer, and who learns."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from analysis import delayed_copy as analysis
from bgrl.backends import load
from bgrl.dataset import read, write
from bgrl.errors import InputError
from bgrl.step.assemble import initial_state
from experiments import delayed_copy as experiment

SMALL = experiment.Config(
    backend="numpy", delay=60.0, bits=6, units=3, replicates=2, trials=20, processes=1
)


def answering(bridge, method, config=SMALL):
    """Largest eligibility in the step of the answer: of the bits' synapses, and of the recurrent ones."""
    agent = replace(experiment.agent(bridge, method, config), dtype="float64")
    (group,) = agent.structure()["afferents"]
    columns = agent.structure()["afferents"][group]["projections"]
    program = load("numpy", agent.structure())
    wait = int(agent.task.parameters["wait"].value)
    state = program.advance(initial_state(agent, program.layout, 1), 0, wait + 1)
    np.testing.assert_array_equal(state["task.time"], wait)
    found = np.abs(state[f"{group}.eligibility_weight"])
    pair = [slice(*columns[f"{name}->cortex"]) for name in ("observation", "cortex")]
    return tuple(found[:, :, part].max() for part in pair)


def test_input_synapses_know_of_the_answer_by_what_their_method_follows():
    """Through the delay only by methods that follow its weights; without one by all of them."""
    for bridge, method, knows in (
        ("delay", "rtrl", True),
        ("delay", "snap1", True),
        ("delay", "rflo", False),
        ("slow neurons", "rflo", True),
        ("no time", "rflo", True),
    ):
        bits, recurrent = answering(bridge, method)
        assert (bits > 1e-2) == knows and (knows or bits == 0), (bridge, method)
        # What comes out of the delay is known to its own synapses by every method.
        assert (recurrent > 1e-2) == (bridge != "no time")


def test_eligibility_that_lasts_is_one_more_bridge():
    assert answering("delay", "rflo", replace(SMALL, trace=0.9))[0] > 1e-2


def test_only_what_bridges_the_time_differs():
    agents = {bridge: experiment.agent(bridge, "rtrl", SMALL) for bridge in experiment.BRIDGES}
    waits = {bridge: a.task.parameters["wait"].value for bridge, a in agents.items()}
    assert waits == {"delay": 4, "slow neurons": 4, "no time": 0}
    delay, slow, none = (agents[bridge].circuit for bridge in experiment.BRIDGES)
    assert none.diff(delay) == "cortex->cortex.delay: 0.0 -> 60.0"
    assert none.diff(slow) == "cortex.tau: 20.0 -> 60.0"


def test_what_input_weights_allow():
    """All of the bit, none of it, and a share that is counted over all patterns."""
    assert experiment.allowed(np.array([[1.0, 1, 0], [0, 1, 0]])) == 1
    assert experiment.allowed(np.array([[0, 1.0, 0], [0, 0, 1]])) == 0
    # Of the sum of three bits a sign agrees with the first in three of four cases.
    assert experiment.allowed(np.ones((1, 3))) == pytest.approx(0.5, abs=0.03)
    assert experiment.allowed(np.array([[3.0, 1, 1]])) == 1
    assert experiment.allowed(np.array([[1.0, 9, 1]])) == pytest.approx(0, abs=0.03)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The experiment as it is, but short; from a file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "EVALUATIONS", 1)
        patch.setattr(experiment, "TRIALS", 2)
        patch.setattr(experiment, "FINAL", 4)
        patch.setattr(experiment, "METHODS", ("rtrl", "rflo"))
        found = experiment.run(SMALL)
    path = tmp_path_factory.mktemp("delayed_copy") / "data.nc"
    write(found, path)
    return read(path)


def as_expected(data):
    """The same with returns of those who learn and those who do not."""
    changed, learning = data.copy(deep=True), data["learning"].to_dataset()
    returns = learning["mean_return"].copy(deep=True)
    for (bridge, method), learns in analysis.EXPECTED.items():
        returns.loc[{"bridge": bridge, "sensitivity": method}] = 0.97 if learns else 0.3
    changed["learning"] = xr.DataTree(learning.assign(mean_return=returns))
    return changed


def test_the_experiment_short(data):
    learning = data["learning"].to_dataset()
    assert learning["mean_return"].dims == ("bridge", "sensitivity", "replicate", "checkpoint")
    assert learning["mean_return"].shape == (3, 2, 2, 2)
    assert learning["trial"].values.tolist() == [0, 20]
    allowed = learning["allowed"].values
    assert ((allowed > 0) & (allowed < 1)).all()
    np.testing.assert_array_equal(allowed[:, 0, :, 0], allowed[:, 1, :, 0])
    titles = [ax.get_title("left") for ax in analysis.figure(as_expected(data)).axes]
    assert titles[0] == "Bridged by a delay of 60 ms\nlearned: rtrl 2, rflo 0 of 2"
    assert len(analysis.summary(data)) == 1 + 3 * 3 + 1


def test_verdicts_are_turned_by_who_learns(data):
    found = as_expected(data)
    assert all(analysis.verdicts(found).values())
    assert analysis.summary(found)[-1] == "6 of 6 shown"
    for case in analysis.EXPECTED:
        other, learning = found.copy(deep=True), found["learning"].to_dataset()
        returns = learning["mean_return"].copy(deep=True)
        place = dict(zip(("bridge", "sensitivity"), case, strict=True))
        returns.loc[place] = 1.27 - returns.loc[place]
        other["learning"] = xr.DataTree(learning.assign(mean_return=returns))
        assert [k for k, shown in analysis.verdicts(other).items() if not shown] == [case]


def test_the_experiment_refuses():
    for changes, message in (
        ({"trials": 0}, "trials is 0"),
        ({"bits": 1}, "bits is 1"),
        ({"delay": 30.0}, "delay is 30.0 ms; a positive multiple of the step of 20 ms"),
    ):
        with pytest.raises(InputError, match=message):
            experiment.run(replace(SMALL, **changes))


@pytest.mark.long
def test_rtrl_learns_through_200_ms_and_rflo_does_not():
    data = experiment.run(experiment.Config(trials=4000, replicates=8))
    assert all(analysis.verdicts(data).values())
    assert (analysis.final(data, "delay", "rflo") < 0.8).all()
