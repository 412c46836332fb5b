"""Settings by name: what ``--set`` and sweeps take, and what they refuse."""

import numpy as np
import pytest

import models
from bgrl import tasks
from bgrl.circuit import Parameter, Population
from bgrl.errors import InputError
from bgrl.settings import read_value
from experiments import cartpole, memory_chain, train


def test_settings_of_learning_and_task_reach_the_agent():
    settings = [("discount", "0.9"), ("task.length", "5"), ("max_norm", "2"), ("units", "7")]
    config = memory_chain.Config().with_settings(settings)
    agent = memory_chain.agent(config)
    assert agent.learning.discount == 0.9 and agent.learning.max_norm == 2.0
    assert agent.task.parameters["length"].value == 5
    assert agent.circuit.populations["cortex"].size == 7
    assert (
        agent.learning.rate_actor == memory_chain.agent(memory_chain.Config()).learning.rate_actor
    )


@pytest.mark.parametrize("reverse", [False, True])
def test_learning_rate_is_all_rates_unless_one_is_set(reverse):
    settings = [("learning_rate", "1e-4"), ("rate_critic", "1e-2")]
    config = memory_chain.Config().with_settings(settings[::-1] if reverse else settings)
    learning = memory_chain.agent(config).learning
    assert (learning.rate_actor, learning.rate_critic, learning.rate_network) == (1e-4, 1e-2, 1e-4)


def test_settings_of_the_circuit_reach_it():
    settings = [("cortex.size", "7"), ("cortex.tau", "40"), ("dt", "10")]
    config = memory_chain.Config(scales={"cortex->cortex": "0"}).with_settings(settings)
    circuit = memory_chain.agent(config).circuit
    assert circuit.populations["cortex"].size == 7 and circuit.dt == 10
    assert circuit.populations["cortex"].parameters["tau"].value == 40
    assert config.value("cortex.tau", "40") == 40 and config.value("actor.reads", "stn") == "stn"
    with pytest.raises(InputError, match="'mood'; valid: bias"):
        memory_chain.agent(memory_chain.Config().with_settings([("cortex.mood", "2")]))


def test_options_are_those_of_the_task():
    config = train.Config().with_settings([("task.length", "3"), ("task", "memory_chain")])
    assert train.agent(config).task.parameters["length"].value == 3
    assert "task.difficulty" in cartpole.Config().settable()
    assert "task.observe" in cartpole.Config(observe="positions").settable()
    found = tasks.option_types("gymnasium:Any-v0")
    assert found == {"observe": str, "reward_scale": float, "max_episode_steps": int}


def test_parameters_of_the_task_are_set_by_name():
    settings = [("task.gravity", "20"), ("task.max_steps", "1000"), ("task", "cartpole")]
    task = train.agent(train.Config(units=2).with_settings(settings)).task
    assert {k: float(task.parameters[k].value) for k in ("gravity", "max_steps", "masspole")} == {
        "gravity": 20,
        "max_steps": 1000,
        "masspole": 0.1,
    }
    assert (task.chance_return, task.best_return) == (None, None)
    with pytest.raises(InputError, match="gravity is nan; a finite number"):
        tasks.make("cartpole", gravity=np.nan)
    with pytest.raises(InputError, match=r"no option gravitas; valid: observe, gravity"):
        tasks.make("cartpole", gravitas=1)


def test_tuples_are_numbers_with_commas():
    config = train.Config(task="random_dots").with_settings([("task.coherences", "0,6.4,12.8")])
    assert (
        config.make_task().to_dict()
        == tasks.make("random_dots", coherences=(0, 6.4, 12.8)).to_dict()
    )
    assert read_value("block", "4,6", tuple[int, int] | None) == (4, 6)
    assert read_value("block", "None", tuple[int, int] | None) is None
    for text in ("4", "4,5,6", "4,x", ""):
        with pytest.raises(
            InputError, match="2 whole numbers separated by commas or None is needed"
        ):
            read_value("block", text, tuple[int, int] | None)
    with pytest.raises(InputError, match="finite numbers separated by commas is needed"):
        config.with_settings([("task.coherences", "0,inf")])


@pytest.mark.parametrize("text", ["None", "0.5"])
def test_optional_values(text):
    config = memory_chain.Config().with_settings([("max_norm", text)])
    assert config.learning_options == {"max_norm": None if text == "None" else 0.5}


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        (("pace", "1"), ("unknown setting 'pace'", "discount", "task.length", "units")),
        (("task.size", "1"), ("task.size", "task.length")),
        (("output", "a.nc"), ("unknown setting 'output'",)),
        (("oracle", "True"), ("unknown setting 'oracle'",)),
        (("length", "long"), ("length is 'long'", "whole number")),
        (("task.length", "2.5"), ("task.length is '2.5'", "whole number")),
        (("discount", "inf"), ("discount is 'inf'", "finite number")),
        (("max_norm", "no"), ("max_norm is 'no'", "finite number or None")),
        (("model", "gpt"), ("unknown model 'gpt'", "rtrrl")),
    ],
    ids=lambda v: v[0] if isinstance(v, tuple) else None,
)
def test_what_cannot_be_set_is_refused(settings, parts):
    with pytest.raises(InputError) as error:
        memory_chain.Config().with_settings([settings])
    assert all(part in str(error.value) for part in parts), error.value


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "task.lenth",
            r"unknown setting 'task\.lenth'; valid: task\..*; did you mean 'task.length'",
        ),
        (
            "tau",
            r"unknown setting 'tau'; valid: .*units or what is of the circuit, as in cortex\.tau",
        ),
        (
            "learning.rat",
            "unknown setting of learning 'rat'; valid: .*learning_rate, .*trace_network",
        ),
        ("learning.discont", "unknown setting of learning 'discont'; .*; did you mean 'discount'"),
        ("learning.oracle", "unknown setting of learning 'oracle'; valid: "),
        (
            "learning.discount",
            "'learning.discount' is called 'discount' here; discount=1 is needed",
        ),
        (
            "lerning.discount",
            "'lerning.discount' is called 'discount' here; discount=1 is needed",
        ),
        ("lerning.discont", "unknown setting of learning 'discont'; .*; did you mean 'discount'"),
        ("run.stepps", "unknown setting of run 'stepps'; valid: .*; did you mean 'steps'"),
        ("run.seed", "'run.seed' is called 'seed' here; seed=1 is needed"),
        ("circuit.cortex.tua", "unknown field of 'cortex' 'tua'; valid: .*; did you mean 'tau'"),
        ("circuit.cortex.bias", r"'circuit\.cortex\.bias' is called 'cortex\.bias' here"),
        (
            "dopamine.tonc",
            "unknown field of 'dopamine' 'tonc'; valid: baseline, gain, noise, tonic; did",
        ),
        ("dopamin.tonic", "unknown name 'dopamin'; valid: .*; did you mean 'dopamine'"),
        ("dt.x", r"unknown name 'dt\.x'; valid: .*; did you mean 'dt'"),
    ],
)
def test_what_is_mistyped_is_answered_by_what_there_is_at_its_level(name, message):
    with pytest.raises(InputError, match=message) as error:
        memory_chain.agent(memory_chain.Config().with_settings([(name, "1")]))
    others = {"task": "discount", "learning": "cortex", "run": "cortex", "dopamine": "cortex"}
    listed = str(error.value).partition("valid: ")[2]
    assert "\n" not in listed and others.get(name.split(".")[0], "no such") not in listed


def test_a_nucleus_may_be_called_as_a_level_is():
    def learning(task):
        circuit = models.circuit("rtrrl", task, 3)
        nucleus = Population(2, map={"rate": "gain*drive"}, parameters={"gain": Parameter(2.0)})
        return circuit.add_population("learning", nucleus)

    config = memory_chain.Config().with_settings([("learning.gain", "3")])
    made = config.make_agent(learning).circuit
    assert made.populations["learning"].parameters["gain"].value == 3.0


def test_tables_cannot_be_written_as_text():
    config = train.Config(task="pavlovian")
    with pytest.raises(InputError, match="task.phases is neither a number nor a word"):
        config.with_settings([("task.phases", "1")])
