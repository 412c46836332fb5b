"""The blueprint: the step of every model as text, and what a part may not write.

``python tests/test_blueprint.py`` writes the texts anew; look at the difference before it is committed.
"""

import json
import math
import random
import re
from dataclasses import asdict
from pathlib import Path

import pytest

import models
from bgrl import tasks
from bgrl.errors import BlueprintError
from bgrl.language import FUNCTIONS
from bgrl.learning import LASTING
from bgrl.step.assemble import blueprint
from bgrl.step.blueprint import Blueprint, Code
from bgrl.step.readable import readable
from bgrl.task_check import random_agent
from experiments import action_selection, two_loops

GOLDEN = Path(__file__).parent / "golden"
#: Model to its task and method.
AGENTS = {
    "accumulator": ("random_dots", "none"),
    "basal_ganglia": ("bernoulli_bandit", "rflo"),
    "cortex_thalamus": ("memory_chain", "rtrl"),
    "distributional": ("pavlovian", "rflo"),
    "gpr": (action_selection.agent((0.4, 0.6), 0.2).task, "none"),
    "guthrie_2013": (two_loops.two_cues(), "none"),
    "holgado_2010": ("memory_chain", "none"),
    "linear": ("memory_chain", "none"),
    "lru": ("memory_chain", "snap1"),
    "opal": ("probabilistic_selection", "rflo"),
    "pbwm": ("store_ignore_recall", "rflo"),
    "rtrrl": ("memory_chain", "rflo"),
    "rtu": ("memory_chain", "rflo"),
    "topalidou_2016": (two_loops.two_cues(), "none"),
}
#: Neurons of those that have another number than `NEURONS`.
UNITS, NEURONS = {"gpr": 6, "holgado_2010": 1, "accumulator": 1}, 8


def text(model, interventions=False):
    task, method = AGENTS[model]
    task = tasks.make(task) if isinstance(task, str) else task
    settings = asdict(LASTING) if model == "rtu" else {"sensitivity": method, **models.STEADY}
    agent = models.agent(model, task, UNITS.get(model, NEURONS), **settings)
    return f"{blueprint(agent.structure(interventions))}\n"


def test_every_model_has_a_text():
    assert set(models.names()) == set(AGENTS) == {p.stem for p in GOLDEN.glob("*.txt")}


@pytest.mark.parametrize("model", AGENTS)
def test_the_step_of_a_model_is_what_its_text_says(model):
    assert text(model) == (GOLDEN / f"{model}.txt").read_text()


def test_a_structure_that_was_read_from_a_file_has_the_same_text():
    structure = models.agent("rtrrl", tasks.make("memory_chain"), 4).structure()
    read = json.loads(json.dumps(structure))
    assert str(blueprint(read)) == str(blueprint(structure))


def test_the_text_says_what_interventions_add():
    plain, intervened = text("rtrrl").splitlines(), text("rtrrl", True).splitlines()
    added = [line.strip() for line in intervened if line not in plain]
    assert "drive = modulation_gain_drive*drive + modulation_baseline_drive" in added
    assert any(line.startswith("td_error = modulation_gain*(") for line in added)
    assert "parameters that may not learn are put back" in added


def executed(text, tables, values):
    """What lines of assignments make of values; a function is any that tells its arguments apart."""
    names = [*FUNCTIONS, *tables, "counter_uniform"]
    functions = {
        name: lambda *a, k=k: 1.5 + math.sin(k + sum(n * x for n, x in enumerate(a, 1))) / 2
        for k, name in enumerate(names)
    }
    functions |= {"int": lambda x: float(int(x)), "where": lambda c, a, b: a if c else b}
    after = dict(values)
    exec(re.sub(r"\n +\+", " +", text), functions | {"inf": 1e9, "pi": math.pi}, after)
    return {name: after[name] for name in values}


@pytest.mark.parametrize("name", tasks.names())
def test_what_is_printed_of_a_task_means_what_runs(name):
    b = blueprint(random_agent(tasks.make(name), 1).structure())
    (code,) = (item for _, item in b.items if isinstance(item, Code) and item.group == "task")
    known = {*b.groups["task"].variables, *b.groups["task"].links, "t_in_timesteps"}
    assert "__" in code.text and "__" not in str(code)
    for seed in range(5):
        generator = random.Random(seed)
        values = {variable: generator.choice([0.0, 1.0, 2.5, 7.25]) + 0.5 for variable in known}
        values |= {flag: float(generator.random() < 0.5) for flag in ("restart", "done")}
        found = executed(str(code), b.tables, values)
        assert found == executed(code.text, b.tables, values) and found != values


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("x__2 = 1.0*(where(done, 1.0 * int(x__1 < 0.5), x))", "x = where(done, int(x < 0.5), x)"),
        ("x = x__3", ""),
        ("a_1 = 2.50*(b_0 + 1.0)*-c", "a_1 = 2.5*(b_0 + 1)*-c"),
        ("y = (a*b)/(c*(d/e))", "y = a*b/(c*(d/e))"),
        (
            "y = " + " + ".join(["factor*(a + b)"] * 8),
            "y = factor*(a + b)" + "\n  + factor*(a + b)" * 7,
        ),
    ],
)
def test_readable_code(code, printed):
    assert readable(code) == printed


def empty():
    agent = models.agent("rtrrl", tasks.make("memory_chain"), 3)
    b = Blueprint(agent.structure())
    b.group("cortex", 3)
    b.variables("cortex", "rate")
    return b


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda b: b.group("cortex"), "two groups called 'cortex'"),
        (lambda b: b.variables("cortex", "rate"), "cortex has two variables called 'rate'"),
        (lambda b: b.link("cortex", "rate", "task", "done"), "two variables called 'rate'"),
        (lambda b: b.constant("cortex", "rate", [1, 2, 3]), "two variables called 'rate'"),
        (lambda b: b.variables("cortx", "rate"), "there is no group 'cortx'"),
        (lambda b: b.code("corpus", "cortex", "rate = 0"), "there is no slot 'corpus'"),
        (lambda b: b.code("cortex", "cortex", "rate = rat"), "unknown name 'rat' in ' rat'"),
        (lambda b: b.code("cortex", "cortex", "rate"), "no assignment: 'rate'"),
        (lambda b: b.link("cortex", "done", "task", "done", 0), "task.done, which does not exist"),
    ],
)
def test_what_a_part_may_not_write(write, message):
    empty().check()
    b = empty()
    with pytest.raises(BlueprintError, match=message):
        write(b)
        b.check()


def test_an_index_beyond_the_end_is_refused():
    b = empty()
    b.group("task", 2)
    b.variables("task", "done")
    b.link("cortex", "done", "task", "done", 2)
    with pytest.raises(BlueprintError, match="beyond the end of task"):
        b.check()


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name in AGENTS:
        (GOLDEN / f"{name}.txt").write_text(text(name))


def test_names_of_code_are_those_that_brian2_finds():
    """By Brian2's own function, which `bgrl.backends.brian` replaces where code is made."""
    import numpy as np
    from brian2.core.variables import Variable
    from brian2.groups import neurongroup

    from bgrl.backends import brian

    variables = {name: Variable(name, dtype=np.float64) for name in "xyz"}
    for code in ("a = x + w\ny = a*z", "x += sin(y)\nb = y > 0 and True", "y = v"):
        found = brian._analyse_identifiers(code, variables)
        assert found == neurongroup.analyse_identifiers(code, variables)
    assert brian._analyse_identifiers("x = x + y - y", variables)[1] == {"x", "y"}
