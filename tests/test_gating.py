"""The gate of working memory: its task, what it keeps, what its rule and the gradient teach it."""

import itertools

import numpy as np
import pytest

from analysis import gating as analysis
from analysis import plot
from bgrl import tasks
from bgrl.agent import Agent
from bgrl.backends import load
from bgrl.dataset import read, write
from bgrl.errors import InputError
from bgrl.learning import Learning
from bgrl.models import pbwm
from bgrl.step.assemble import initial_state
from bgrl.task_check import play, random_agent
from experiments import gating as experiment

LETTERS, IGNORES, REPLICATES = 3, 2, 4


def agent(change=lambda circuit: circuit, **learning):
    """The model in the task, in double precision."""
    task = tasks.make("store_ignore_recall", letters=LETTERS, ignores=IGNORES)
    circuit = change(pbwm.circuit(task))
    learning = Learning(**{"sensitivity": "none"} | experiment.LEARNING | learning)
    return Agent(circuit, task, learning, REPLICATES, "float64")


def played(agent, steps, learn=True):
    """States after each step, from the first observation on."""
    program = load("numpy", agent.structure())
    states = [program.advance(initial_state(agent, program.layout, 3), 0, 1, learn=False)]
    for step in range(1, steps + 1):
        states.append(program.advance(states[-1], step, 1, learn=learn))
    return states


@pytest.fixture(scope="module")
def learning():
    return played(agent(), 120)


def test_what_is_to_be_named_is_the_letter_shown_at_store():
    task = tasks.make("store_ignore_recall", letters=LETTERS, ignores=IGNORES)
    player = random_agent(task, 40)
    found = play(player, load("numpy", player.structure()), 1, 120)
    seen, reward, action = found["observation"], found["task.reward"], found["policy.action"]
    done, lengths, right, last = found["task.done"] > 0, set(), [], []
    for r in range(40):
        ends = np.flatnonzero(done[:, r])
        for start, end in itertools.pairwise(ends):
            shown = seen[start:end, r]
            store, ignore, recall = shown[:, :3].T
            at = int(store.argmax())
            assert 1 <= at <= IGNORES and store.sum() == recall.sum() == recall[-1] == 1
            assert (store + ignore + recall == 1).all() and 1 <= ignore[at:].sum() <= IGNORES
            assert (shown[:, 3:].sum(1) == 1 - recall).all()
            lengths.add(end - start)
            answer = action[end - 1, r]
            right.append((shown[at, 3:].argmax() == answer, reward[end, r]))
            last.append(shown[-2, 3:].argmax() == answer)
            assert not reward[start + 1 : end, r].any()
    assert lengths == {4, 5, 6} and len(right) > 500
    assert all(named == rewarded for named, rewarded in right)
    assert any(named != rewarded for named, (_, rewarded) in zip(last, right, strict=True))
    assert abs(np.mean([rewarded for _, rewarded in right]) - task.chance_return) < 0.06


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"letters": 1}, "letters is 1; .*2 or more"),
        ({"ignores": 0}, "ignores is 0; a positive integer"),
    ],
)
def test_tasks_that_cannot_be_are_refused(setting, message):
    with pytest.raises(InputError, match=message):
        tasks.make("store_ignore_recall", **setting)


@pytest.mark.parametrize(("tonic", "inside", "kept"), [(40.0, 0.0, 1.0), (-40.0, 1.0, 0.5)])
def test_gain_of_what_comes_in_and_of_what_is_kept(tonic, inside, kept):
    """One trial by hand: pfc with a gate that is shut, or open, all the time."""

    def held(circuit):
        return circuit.set("gpi.tonic", tonic).set("gpi.rate", 1.0 - inside).set("pfc.rate", 0.7)

    states = played(agent(held), 12, learn=False)
    cortex, pfc = np.zeros((3, 6)), np.full(6, 0.7)
    ended = np.flatnonzero([s["task.done"][0] for s in states])[1]
    for state in states[:ended]:
        for _ in range(pbwm.SUBSTEPS):
            # The oldest of the three is what arrives, two Euler steps late.
            pfc = inside * cortex[2] + kept * pfc
            cortex = np.stack([state["input.x"][0], *cortex[:2]])
        np.testing.assert_allclose(state["pfc.rate"][0], pfc, atol=1e-12)
    assert (np.abs(pfc - 0.7) > 0.1).any() == bool(inside)


def weights_by_hand(states, signs):
    """Weights of d1 and d2 after each step, from what was seen, noise and TD errors."""
    decay = experiment.LEARNING["discount"] * experiment.LEARNING["trace_network"]
    weights = {name: np.zeros((REPLICATES, 6)) for name in signs}
    tag = np.zeros((REPLICATES, 6))
    for state in states[1:]:
        error = state["dopamine.td_error"][:, None]
        for name, sign in signs.items():
            weights[name] = np.maximum(weights[name] + sign * pbwm.ALPHA * error * tag, 0)
        gone = 1 - state["task.done"][:, None]
        tag = decay * gone * tag + state["cortex.rate"] * state["d1.opened"]
        yield {name: w.copy() for name, w in weights.items()}


def largest_error(states, signs):
    errors = [
        np.abs(state[f"cortex_to_{name}.weight"][:, 0] - found[name]).max()
        for state, found in zip(states[1:], weights_by_hand(states, signs), strict=True)
        for name in signs
    ]
    return max(errors)


def test_tags_and_dopamine_by_hand(learning):
    assert largest_error(learning, pbwm.SIGNS) < 1e-12
    assert largest_error(learning, {"d1": 1, "d2": 1}) > 1e-3
    # What is told is noise, with the sign of opening: as it was before the last Euler step.
    for state in learning:
        assert (state["d1.opened"] == state["d2.opened"]).all()
    told = np.concatenate([s["d1.opened"][:, 0] for s in learning])
    noise = np.concatenate([s["gpi.noise"][:, 0] for s in learning])
    drawn = np.concatenate([s["gpi.drawn_xi"][:, 0] for s in learning])
    share = pbwm.TAU / pbwm.TAU_NOISE
    expected = -told * (1 - share) + pbwm.NOISE * np.sqrt(2 * share) * drawn
    np.testing.assert_allclose(noise, expected, atol=1e-12)


def test_without_noise_there_is_nothing_to_learn_from(learning):
    moved = [np.abs(learning[-1][f"cortex_to_{name}.weight"]).max() for name in pbwm.SIGNS]
    assert min(moved) > 1e-3
    quiet = played(agent(lambda circuit: circuit.set("gpi.sigma", 0.0)), 60)
    assert all(not quiet[-1][f"cortex_to_{name}.weight"].any() for name in pbwm.SIGNS)


@pytest.mark.parametrize(
    ("method", "reaches"), [("rtrl", True), ("nucleus", False), ("rflo", False)]
)
def test_which_gradient_reaches_the_gate(method, reaches):
    last = played(agent(pbwm.by_gradient, sensitivity=method, feedback="symmetric"), 60)[-1]
    assert last["d1_drive.weight"].any() == reaches
    assert last["readout_drive.weight"].any()


@pytest.fixture(scope="module")
def data():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("CHECKPOINTS", 2), ("TRIALS", 2), ("FINAL_TRIALS", 3)):
            patch.setattr(experiment, name, value)
        config = experiment.Config(steps=80, replicates=2, backend="numpy", letters=LETTERS)
        return experiment.run(config)


def test_experiment_figure_and_file(data, tmp_path):
    group = data["gating"]
    assert group["mean_return"].shape == (4, 2, 3) and np.isfinite(group["mean_return"]).all()
    assert group["lesioned"].shape == (2, 2) and np.isfinite(group["lesioned"]).all()
    for condition, moves in (("tags", True), ("fixed", False)):
        made = experiment.agent(experiment.Config(replicates=1), condition).circuit
        assert (made.populations["d1"].parameters["alpha"].value > 0) == moves
    write(data, tmp_path / "gating.nc")
    assert plot.main([str(tmp_path / "gating.nc")]) == 0
    assert (tmp_path / "gating-overview.png").exists()
    assert read(tmp_path / "gating.nc").attrs["experiment"] == "gating"


def test_summary_says_what_is_in_the_data(data):
    changed = data.copy()
    returns = np.zeros((4, 2, 3))
    returns[0] = [[0.2, 0.96, 1.0], [0.2, 0.5, 0.97]]
    returns[1:] = 0.3
    changed["gating"]["mean_return"] = data["gating"]["mean_return"].copy(data=returns)
    changed["gating"]["lesioned"] = data["gating"]["lesioned"].copy(data=[[0.3, 0.3], [0.4, 0.2]])
    assert analysis.steps_to_learn(changed, "tags").tolist() == [40, 80]
    assert np.isinf(analysis.steps_to_learn(changed, "open")).all()
    rows = analysis.summary(changed)
    assert "0.98 (0.97 to 1.00), 2 of 2 at 0.95 or more, first after 60 steps" in rows[1]
    assert "0.30 (0.30 to 0.30), 0 of 2" in rows[5] and "0.30 (0.20 to 0.40)" in rows[6]
    assert analysis.figure(changed).axes[0].get_title("left").endswith("0.98, one always open 0.30")


def test_gate_and_what_is_kept_are_read_at_their_events(data):
    """Traces that say what they are: the gate opens at store alone, pfc has the letter from there on."""
    changed = data.copy()
    traces = data["traces"].to_dataset()
    seen = traces["observation"].values
    store = seen[:, :, :1] > 0
    traces["gpi"] = traces["gpi"].copy(data=1 - 0.75 * store)
    traces["pfc"] = traces["pfc"].copy(data=np.where(store, 2 * seen, -1))
    changed["traces"] = changed["traces"].copy()
    changed["traces"].dataset = traces
    assert analysis.opening(changed, "store", "late").tolist() == [0.75, 0.75]
    for command in ("ignore", "recall"):
        assert analysis.opening(changed, command, "late").tolist() == [0.0, 0.0]
    lag, stored, others = analysis.kept(changed)
    assert lag.tolist() == [-200, 0, 200, 400, 600, 800]
    assert (stored[:, 1] == 2).all() and (others[:, 1] == 0).all()
    assert (stored[:, [0, 2]] == -1).all() and (others[:, 2] == -1).all()


@pytest.mark.long
def test_a_gate_is_learned_by_tags_and_by_the_gradient_and_is_needed():
    data = experiment.run(experiment.Config(steps=60_000, replicates=4))
    assert (analysis.final(data, "tags") >= 0.9).sum() >= 3
    assert (analysis.final(data, "gradient") >= 0.9).sum() >= 3
    for condition in ("fixed", "open"):
        assert analysis.final(data, condition).max() < 0.6
    assert data["gating"]["lesioned"].values.max() < 0.6
    assert np.median(analysis.opening(data, "store", "late")) > 0.5
    assert np.median(analysis.opening(data, "ignore", "late")) < 0.1
