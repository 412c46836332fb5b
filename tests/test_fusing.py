"""Code of one group becomes one piece where that changes nothing, and only there."""

import numpy as np
import pytest

from bgrl.backends import fusing, runtime
from bgrl.backends.fusing import fused
from bgrl.backends.pieces import Pieces
from bgrl.experiments import _slip
from bgrl.slots import SLOTS
from bgrl.step.assemble import blueprint, initial_state
from bgrl.step.blueprint import Blueprint, Code, Sum
from bgrl.step.propagation import Propagation


def written(*pieces):
    """A blueprint with two groups of three elements and some code."""
    structure = {"slots": list(SLOTS), "substeps": 1, "replicates": 1, "dtype": "float64"}
    b = Blueprint(structure)
    for name in ("a", "b"):
        b.group(name, 3)
        b.variables(name, "x", "y", "z")
    b.link("a", "other_x", "b", "x")
    b.link("a", "turned_x", "a", "x", [2, 0, 1])
    b.link("a", "own_x", "a", "x", [0, 1, 2])
    b.link("b", "sent_x", "a", "x", [1, 2, 0])
    for slot, group, text in pieces:
        b.code(slot, group, text)
    b.check()
    return b


def run(b):
    """Values after a step, element after element as in a program."""
    values = {name: np.arange(3.0) + k for k, name in enumerate(b.layout())}
    for _, items in b.schedule():
        for item in items:
            group = b.groups[item.group]
            for k in range(group.size):
                local = {v: values[f"{group.name}.{v}"][k] for v in group.variables}
                for name, link in group.links.items():
                    index = k if link.index is None else link.index[k]
                    local[name] = values[f"{link.group}.{link.variable}"][index]
                exec(item.text, {}, local)
                for v in group.variables:
                    values[f"{group.name}.{v}"][k] = local[v]
    return values


def same(first, second):
    return all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    "pieces",
    [
        [("drive", "a", "x = x + 1"), ("cortex", "a", "y = 2*x")],
        # The second goes up, past what it has nothing to do with.
        [("drive", "a", "x = 2"), ("cortex", "b", "y = x"), ("cortex", "a", "y = 2*x")],
        # The first goes down, because the second needs what is between.
        [("drive", "a", "y = 2"), ("cortex", "b", "x = x + 1"), ("cortex", "a", "z = other_x")],
        [("plasticity", "a", "x = x + 1"), ("eligibility", "a", "y = 2*x")],
    ],
)
def test_what_follows_each_other_is_one_piece(pieces):
    b = written(*pieces)
    found = fused(b)
    assert len(found.items) == len(b.items) - 1
    assert same(run(found), run(b))


@pytest.mark.parametrize(
    "pieces",
    [
        # An element of the second reads another element of the first.
        [("drive", "a", "x = x + 1"), ("cortex", "a", "y = turned_x")],
        [("drive", "a", "y = turned_x"), ("cortex", "a", "x = x + 1")],
        # It reads its own, under a name that a program looks up before the first line.
        [("drive", "a", "x = x + 1"), ("cortex", "a", "y = own_x")],
        # What is between needs the first, and the second needs it.
        [
            ("drive", "a", "x = x + 1"),
            ("cortex", "b", "x = sent_x"),
            ("cortex", "a", "y = other_x"),
        ],
        # One name for two things.
        [("drive", "a", "w = x\ny = w + 1"), ("cortex", "a", "w = y\nz = w")],
        # Without learning only one of them happens.
        [("cortex", "a", "x = x + 1"), ("sensitivity", "a", "y = x")],
    ],
)
def test_what_has_to_stay_apart_does(pieces):
    b = written(*pieces)
    assert [item for _, item in fused(b).items] == [item for _, item in b.items]


@pytest.mark.parametrize(
    "pieces",
    [
        [("drive", "a", "x = x + 1"), ("cortex", "a", "y = turned_x")],
        [("drive", "a", "x = x + 1"), ("cortex", "a", "y = own_x")],
    ],
)
def test_what_has_to_stay_apart_would_give_something_else(pieces):
    b = written(*pieces)
    joined = written((*pieces[0][:2], "\n".join(text for *_, text in pieces)))
    assert not same(run(joined), run(b))


def test_in_substeps_only_what_is_in_one_slot():
    b = written(("drive", "a", "x = x + 1"), ("cortex", "a", "y = x"), ("cortex", "a", "z = y"))
    b.structure["substeps"] = 2
    assert [item.text for _, item in fused(b).items] == ["x = x + 1", "y = x\nz = y"]
    assert same(run(fused(b)), run(b))


def test_an_agent_learns_the_same_to_the_bit(monkeypatch, small_agent):
    agent = small_agent()
    structure = agent.structure()
    pieces, fewer = (
        sum(isinstance(item, Code) for _, item in b.items)
        for b in (blueprint(structure), fused(blueprint(structure)))
    )
    assert fewer < pieces
    states = []
    for change in (lambda b: b, fused):
        runtime._network.cache_clear()
        monkeypatch.setattr(runtime, "blueprint", lambda s, change=change: change(blueprint(s)))
        program = runtime.RuntimeProgram(structure, "numpy")
        state = initial_state(agent, program.layout, 0)
        states.append(program.advance(state, 0, 30))
    runtime._network.cache_clear()
    assert same(*states)


def operations(b):
    """Names of the kinds of operations that work on sensitivities."""
    kinds = [type(item).__name__ for _, item in b.items if not isinstance(item, Code | Sum)]
    return [kind for kind in kinds if kind != "Gathering"]


def test_sensitivities_are_contracted_as_they_are_made(small_agent):
    b = blueprint(small_agent(sensitivity="rtrl").structure())
    assert operations(b) == ["Clearing", "Propagation", *["Contraction"] * 3]
    assert operations(fused(b)) == ["Clearing", "Propagation"]
    slot, item = next((s, i) for s, i in fused(b).items if isinstance(i, Propagation))
    assert slot == "plasticity"
    assert len(item.contractions) == 3
    assert item.work()[1] == sum(i.work()[1] for i in b.operations())


def test_a_method_keeps_a_contraction_of_its_own(small_agent):
    b = blueprint(small_agent(sensitivity=_slip.NAME).structure())
    assert operations(b) == ["Clearing", "Propagation", *["PostsynapticContraction"] * 3]
    assert operations(fused(b)) == operations(b)


@pytest.mark.parametrize("change", ["weights", "substeps"])
def test_sensitivities_that_cannot_wait_are_not(small_agent, change):
    b = blueprint(small_agent(sensitivity="rtrl").structure())
    if change == "substeps":
        b.structure["substeps"] = 2
    else:
        b.code("striatum", "cortex_drive", "weight = 0.5*weight")
    assert operations(fused(b)) == operations(b)


def test_the_rule_that_keeps_apart_is_needed(monkeypatch):
    b = written(("drive", "a", "x = x + 1"), ("cortex", "a", "y = turned_x"))
    monkeypatch.setattr(fusing, "_alike", lambda blueprint, old, new: True)
    assert not same(run(fused(b)), run(b))


def test_arrays_have_names_of_their_own_in_cpp():
    b = written()
    b.group("a_x", 3)
    b.variables("a_x", "y")
    b.variables("a", "x_y")
    pieces = Pieces(b)
    names = [pieces.named(array) for array in b.layout()]
    assert len(set(names)) == len(names) and pieces.named("a.x_y") != pieces.named("a_x.y")
