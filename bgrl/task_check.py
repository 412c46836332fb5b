"""What every task must satisfy: ``python -m bgrl.task_check [TASK ...]``.

Each task is played by an agent that acts at random, in several replicates: the same seed gives the same
trials and another seed others, trials start and end as they should, nothing becomes NaN, and the
compiled program does what the interpreted one does.
"""

import sys

import numpy as np

from bgrl import tasks
from bgrl.agent import Agent
from bgrl.backends import BACKENDS, load
from bgrl.circuit.ctrnn import ctrnn_circuit, meta_inputs
from bgrl.cli import Parser, run_command
from bgrl.description import as_annotated
from bgrl.errors import choose
from bgrl.learning import Learning
from bgrl.step.assemble import initial_state
from bgrl.tasks.base import Task

#: Replicates and steps of a check: 10,000 random steps.
REPLICATES, STEPS = 50, 200
#: Largest difference between two backends, relative to max(1, value): rounding alone.
TOLERANCE = 1e-6


def random_agent(task, replicates=REPLICATES):
    """An agent in a task that does not learn and whose policy depends on nothing."""
    step = task.step_duration or 1.0
    circuit = ctrnn_circuit(
        inputs=meta_inputs(task),
        actor_channels=task.actor_channels,
        units=1,
        step=step,
        substeps=1,
        tau=step,
        weights=0.0,
        readout=lambda channels: 0.0,
    )
    return Agent(circuit, task, Learning(sensitivity="none"), replicates, "float64")


def play(agent, program, seed, steps=STEPS):
    """What happens in the steps of a run that does not learn.

    Returns
    -------
    dict of str to array (step, replicate, ...)
        Every variable of the task, the observation and the action.
    """
    state, rows = initial_state(agent, program.layout, seed), []
    kept = [*(k for k in program.layout if k.startswith("task.")), "input.x", "policy.action"]
    for step in range(steps):
        state = program.advance(state, step, 1, learn=False)
        rows.append({name: state[name] for name in kept})
    played = {name: np.array([row[name] for row in rows]) for name in kept}
    channels = len(agent.task.observations)
    return {**played, "observation": played["input.x"][..., :channels]}


def draws(task):
    """Whether anything in a task is random."""
    return any(f"{kind}(" in task.step + task.reset for kind in ("uniform", "normal"))


def problems(task, played, again, other):
    """What is wrong with a task, as lines of text.

    Parameters
    ----------
    task : Task
    played, again, other : dict
        From `play`: two runs with one seed, and one with another; these may be shorter.
    """
    found = []
    for name, values in played.items():
        if not np.isfinite(values).all():
            found.append(f"{name} becomes NaN or infinite")
        if not np.array_equal(values[: len(again[name])], again[name]):
            found.append(f"{name} differs between two runs with the same seed")
    done = played["task.done"] > 0
    if not (done[0].all() and (played["task.reward"][0] == 0).all()):
        found.append("the first step does not only start a trial")
    terminated, cut = played["task.terminated"] > 0, played["task.truncated"] > 0
    # Where a time limit is no end, a trial that is cut is closed one step later.
    closed = np.roll(cut & ~terminated, 1, axis=0) if task.closes else cut
    if not np.array_equal((terminated | closed)[1:], done[1:]):
        found.append("done is not terminated or truncated")
    for name in ("terminated", "truncated"):
        if not np.isin(played[f"task.{name}"], (0, 1)).all():
            found.append(f"{name} is neither 0 nor 1")
    length = played["task.trial_length"]
    grows = ~done[:-1] & ~(closed[1:] & task.closes)
    if not (length[1:][grows] == length[:-1][grows] + 1).all():
        found.append("the length of a trial does not grow by one in a step")
    own = [k for k in played if k.startswith("task.") and k not in ("task.seed", "task.replicate")]
    if draws(task) and all(np.array_equal(played[k][: len(other[k])], other[k]) for k in own):
        found.append("another seed changes nothing")
    if not task.continuous and not np.isin(played["policy.action"], range(len(task.actions))).all():
        found.append("an action that does not exist")
    return found


def check(task, backends=("numpy",)):
    """What is wrong with a task: it is played by an agent that chooses at random.

    Parameters
    ----------
    task : Task
    backends : sequence of str
        The first is what is checked, the others are compared with it.

    Returns
    -------
    list of str
        What is wrong; empty if nothing is.

    Raises
    ------
    InputError
        For an unknown backend, with those that there are.
    """
    as_annotated("task", task, Task, "check")
    for backend in backends:
        choose("backend", backend, BACKENDS)
    agent = random_agent(task)
    program = load(backends[0], agent.structure())
    played = play(agent, program, 1)
    again, other = (play(agent, program, seed, STEPS // 4) for seed in (1, 2))
    found = problems(task, played, again, other)
    for backend in backends[1:]:
        compared = play(agent, load(backend, agent.structure()), 1, STEPS // 4)
        for name, values in compared.items():
            expected = played[name][: len(values)]
            error = np.abs(values - expected) / np.maximum(1, np.abs(expected))
            if not error.max() <= TOLERANCE:
                found.append(f"{name} on {backend} and {backends[0]} differ by {error.max():.1e}")
    return found


def main(arguments=None):
    """The command."""
    parser = Parser(prog="python -m bgrl.task_check", description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "tasks", nargs="*", metavar="TASK", help="names or FILE.py; all if nothing is said"
    )
    parser.add_argument(
        "--backends", default="numpy", help="separated by commas; the first is the reference"
    )
    options = parser.parse_args(arguments)
    backends = options.backends.split(",")
    failed = 0
    for name in options.tasks or tasks.names():
        found = check(tasks.make(name), backends)
        failed += bool(found)
        print(f"{name}: {'; '.join(found) or 'ok'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
