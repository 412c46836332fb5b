"""How fast an agent learns on this machine: one line of JSON; --suite draws a grid of sizes.

`steps_per_second` is task steps x replicates / wall time of the run, the build not included.
"""

import argparse
import json
import resource
import sys
import time

from bgrl import experiment, models, tasks
from bgrl.backends import BACKENDS, load
from bgrl.cli import Parser, run_command, typed
from bgrl.errors import InputError, choose
from bgrl.experiments import suite
from bgrl.learning.methods import METHODS
from bgrl.learning.sensitivity import cost
from bgrl.simulation import check_cost
from bgrl.step.assemble import initial_state


def measure(agent, steps, backend="cpp", processes=1):
    """Run an agent and time it.

    Returns
    -------
    dict
        `steps_per_second`, `build_seconds`, `peak_memory_mb` (of the largest process),
        `sensitivities` (how many are kept), `processes`.
    """
    if steps < 1:
        raise InputError(f"steps is {steps}; a positive integer is needed")
    structure = agent.structure()
    check_cost(structure)
    program = load(backend, structure, processes=processes)
    if agent.task.environment is not None:
        program.environment = agent.task.environment.open(agent.replicates)
    try:
        state = program.advance(initial_state(agent, program.layout, 0), 0, 1, learn=False)
        started = time.perf_counter()
        program.advance(state, 1, steps)
        seconds = time.perf_counter() - started
    finally:
        if program.environment is not None:
            program.environment.close()
    peak = max(
        resource.getrusage(w).ru_maxrss for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {
        "steps_per_second": round(steps * agent.replicates / seconds, 1),
        "build_seconds": round(program.build_seconds, 3),
        "peak_memory_mb": round(peak / 1024, 1),
        "sensitivities": cost(structure).values,
        "processes": program.processes,
    }


def main(arguments=None):
    """The command."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if "--suite" in words:
        words.remove("--suite")
        return experiment.main("benchmark", suite, words)
    parser = Parser(prog=typed("experiments.benchmark"), description=__doc__)
    add = parser.add_argument
    add(
        "--task",
        default="stateless_cartpole",
        help="task, or gymnasium:NAME (default stateless_cartpole)",
    )
    add("--observe", default="", help="what the agent sees: numbers with commas, even, odd")
    add("--model", default="rtrrl", help=f"one of {', '.join(models.names())} (default rtrrl)")
    add("--sensitivity", default="rflo", help=f"one of {', '.join(METHODS)} (default rflo)")
    add("--units", type=int, default=32, help="neurons in the cortex (default 32)")
    add("--steps", type=int, default=200_000, help="task steps (default 200000)")
    add("--replicates", type=int, default=1, help="independent agents (default 1)")
    add(
        "--processes",
        type=int,
        default=1,
        help="processes that share the replicates, 0: one for each core (default 1)",
    )
    add("--dtype", default="float32", help="float32 (default) or float64")
    add("--backend", default="cpp", help=f"one of {', '.join(BACKENDS)} (default cpp)")
    add(
        "--suite",
        action="store_true",
        default=argparse.SUPPRESS,
        help="measure many sizes and methods, compare with what the machine can do, write "
        "results/benchmark.nc and .png; `--suite --help` shows its options",
    )
    options = parser.parse_args(words)
    choose("backend", options.backend, BACKENDS)
    agent = models.agent(
        options.model,
        tasks.make_observed(options.task, options.observe),
        options.units,
        options.replicates,
        options.dtype,
        sensitivity=options.sensitivity,
    )
    measured = measure(agent, options.steps, options.backend, options.processes)
    print(json.dumps(vars(options) | measured))


if __name__ == "__main__":
    sys.exit(run_command(main))
