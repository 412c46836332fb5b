"""The checker of tasks, over every task, and over tasks that are wrong."""

from dataclasses import replace

import pytest

from bgrl import tasks
from bgrl.task_check import check
from bgrl.verify.tasks import ENVIRONMENTS


@pytest.mark.parametrize("name", tasks.names())
def test_every_task(name):
    assert check(tasks.make(name)) == []


#: The others follow recorded trajectories, see test_verify.py.
UNRECORDED = sorted(set(tasks.names()) - {e.task for e in ENVIRONMENTS.values()})
#: Phases and blocks, stages, and noise: what the code of the others is made of too.
KINDS = ("pavlovian", "two_step", "random_dots")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [n if n in KINDS else pytest.param(n, marks=pytest.mark.long) for n in UNRECORDED],
)
def test_every_task_is_the_same_on_cpp(name):
    assert check(tasks.make(name), ("numpy", "cpp")) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("int(uniform(0) < 0.5)", "int(uniform(0) < 1.5)", "another seed changes nothing"),
        ("time = 0", "time = sqrt(-1 - time)", "task.time becomes NaN or infinite"),
        ("terminated = asked", "terminated = 0.5*asked", "terminated is neither 0 nor 1"),
    ],
)
def test_wrong_tasks_are_found(old, new, problem):
    task = tasks.make("memory_chain", length=3)
    assert old in task.step + task.reset
    broken = replace(task, step=task.step.replace(old, new), reset=task.reset.replace(old, new))
    if "seed" in problem:
        # The agent's own choices must not hide it.
        broken = replace(broken, actions=("report_0",))
    assert any(problem in line for line in check(broken)), check(broken)
