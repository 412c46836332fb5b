"""NumPy's numbers are taken wherever Python's are, and kept as Python's; True is no number."""

import json

import numpy as np
import pytest

from bgrl import tasks
from bgrl.agent import describe
from bgrl.circuit import Distribution, Dopamine, Parameter
from bgrl.description import description
from bgrl.errors import InputError
from bgrl.interventions import Intervention
from bgrl.learning import Learning
from bgrl.recording import Record
from bgrl.simulation import Run


@pytest.mark.parametrize("made", [np.int64, np.int32, np.uint8, np.array], ids=lambda f: f.__name__)
def test_integers(made):
    run = Run(made(50), seed=made(3), evaluations=made(2), record=Record(("value",), made(5)))
    plain = Run(50, seed=3, evaluations=2, record=Record(("value",), 5))
    assert run == plain and repr(run) == repr(plain)
    assert type(run.steps) is int and type(run.record.every) is int
    assert Record(windows=((made(0), made(5)),)) == Record(windows=((0, 5),))
    one, other = (Intervention("gain", "cortex", 2.0, k, k, k, (k,)) for k in (made(4), 4))
    assert one == other and str(one) == str(other)
    assert describe(tasks.make("memory_chain", length=made(4)).to_dict()) == describe(
        tasks.make("memory_chain", length=4).to_dict()
    )


@pytest.mark.parametrize("made", [np.float64, np.float32, np.float16, np.array])
def test_numbers(made):
    learning = Learning(discount=made(0.5), max_norm=made(2.0), rate_actor=made(1))
    assert learning == Learning(discount=0.5, max_norm=2.0, rate_actor=1)
    assert json.dumps(learning.to_dict()) == json.dumps(
        Learning(discount=0.5, max_norm=2.0, rate_actor=1).to_dict()
    )
    assert type(learning.discount) is float
    assert repr(Parameter(made(0.5))) == repr(Parameter(0.5))
    assert Dopamine(tonic=made(0.25)) == Dopamine(tonic=0.25)
    assert repr(Distribution("normal", made(0), made(1))) == repr(Distribution("normal", 0, 1))


@pytest.mark.parametrize("size", [4, np.int64(4), np.array(4)], ids=repr)
def test_a_circuit_is_the_same(small_agent, size):
    agent = small_agent(replicates=size, units=size)
    expected = small_agent(replicates=4, units=4)
    assert describe(agent.structure()) == describe(expected.structure())
    assert describe(agent.to_dict()) == describe(expected.to_dict())


def test_flags_are_no_numbers_nor_the_other_way_round():
    assert Learning(oracle=np.True_) == Learning(oracle=True)
    for wrong in (
        lambda: Learning(oracle=1),
        lambda: Run(True),
        lambda: Learning(discount=True),
        lambda: Learning(discount=np.True_),
        lambda: Parameter(True),
        lambda: Run(50.0),
    ):
        with pytest.raises(InputError):
            wrong()


def test_arguments_of_a_description():
    @description
    class Pause:
        steps: int
        label: str = ""

    assert Pause(np.int8(3)) == Pause(steps=3)
    for wrong, message in (
        (lambda: Pause(), "Pause: missing a required argument: 'steps'; arguments: steps, label"),
        (
            lambda: Pause(step=1),
            "unknown argument of Pause 'step'; valid: label, steps; did you mean",
        ),
        (lambda: Pause(1, "", 2), "too many positional arguments"),
        (lambda: Pause("one"), "steps is 'one'; an integer is needed in Pause"),
        (lambda: Pause(1, 2), "label is 2; a text is needed in Pause"),
    ):
        with pytest.raises(InputError) as error:
            wrong()
        assert message in str(error.value)
