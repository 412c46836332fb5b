"""One measurement of `experiments.suite`, in a process of its own.

``python -m experiments._measure NAME SETTINGS`` prints what the function of that name returns; both are
JSON. A process of its own because the peak of memory is that of a whole process, and because the
libraries of linear algebra read how many threads they may use when they are loaded. Rates are per second
of processor time, in which a program of one thread gets about as far as on an idle machine; on a card
they are by the clock on the wall.
"""

import json
import resource
import sys
import time
from statistics import median

import numpy as np
from numpy.lib.stride_tricks import as_strided

from bgrl import models, tasks
from bgrl.backends import BACKENDS, load
from bgrl.step.assemble import initial_state

#: Times everything is measured.
REPEATS = 3
TASK = "stateless_cartpole"
#: Bytes that a call of NumPy goes through at least, so that its own time (a microsecond) hardly counts.
_CALL_BYTES = 20e6
#: Rows of square matrices; the fastest product counts.
_SGEMM_SIZES = (256, 512, 1024, 2048)
_WORKING_SETS = [2**k for k in range(15, 30)]


def agent(model, sensitivity, units, replicates, dtype="float32"):
    """The agent of a configuration."""
    return models.agent(model, tasks.make(TASK), units, replicates, dtype, sensitivity=sensitivity)


def build(backend="cpp", **configuration):
    """Put the program into the cache; `build_seconds`."""
    program = load(backend, agent(**configuration).structure())
    return {"build_seconds": program.build_seconds}


def measure(seconds, backend="cpp", **configuration):
    """Run the program, which is in the cache.

    Parameters
    ----------
    seconds : float
        How long all repeats together run, longer where reading and writing the state takes long.
    backend : str
        What runs the program.
    **configuration
        Of `agent`.

    Returns
    -------
    dict
        `steps_per_second` of processor time (one for each repeat, all replicates together; starting,
        reading and writing the state is subtracted), `timed_steps`, `state_size` and `peak_memory`
        in bytes (the latter of the program or of the Python process that started it, whichever is
        larger), and of `cpp` for each slot of a step `slot_seconds`, `slot_bytes`, `slot_operations`.
    """
    learner = agent(**configuration)
    program = load(backend, learner.structure())
    clock = time.perf_counter if BACKENDS[backend].card else _used
    state = program.advance(initial_state(learner, program.layout, 0), 0, 1, learn=False)

    def elapsed(steps):
        started = clock()
        program.advance(state, 1, steps)
        return clock() - started

    fixed = median(elapsed(1) for _ in range(REPEATS))
    wanted = max(seconds / REPEATS, 3 * fixed)
    steps, taken = 16, elapsed(16) - fixed
    while taken < wanted:
        factor = min(max(1.2 * wanted / max(taken, 1e-9), 1.5), 100)
        steps = int(steps * factor)
        taken = elapsed(steps) - fixed
    durations = [(elapsed(steps) - elapsed(1)) / (steps - 1) for _ in range(REPEATS)]
    peak = max(
        resource.getrusage(w).ru_maxrss for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    found = {
        "steps_per_second": [configuration["replicates"] / d for d in durations],
        "timed_steps": steps,
        "state_size": sum(value.nbytes for value in state.values()),
        "peak_memory": peak * 1024,
    }
    if program.work is None:  # of a card's source nothing is counted
        return found
    moved, operations = zip(*program.work.values(), strict=True)
    return found | {
        "slot_seconds": list(program.profile(state, 1, steps).values()),
        "slot_bytes": moved,
        "slot_operations": operations,
    }


def _used():
    """Processor time of the programs that have ended, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def peak():
    """What one core can do, in single precision.

    Returns
    -------
    dict
        `sgemm`: operations a second of the fastest matrix product. `working_set` in bytes, and for
        each the `bandwidth` in bytes a second of ``c = a + b``, two reads and one write.
    """
    rates = []
    for n in _SGEMM_SIZES:
        a, b, c = (np.ones((n, n), np.float32) for _ in range(3))
        rates.append(2 * n**3 / _seconds(lambda a=a, b=b, c=c: np.matmul(a, b, out=c)))
    bandwidth = []
    for size in _WORKING_SETS:
        n = size // 12
        rows = max(1, int(_CALL_BYTES / size))
        # All rows are the same memory, so that one call goes over it often.
        a, b, c = (as_strided(np.ones(n, np.float32), (rows, n), (0, 4)) for _ in range(3))
        call = _seconds(lambda a=a, b=b, c=c: np.add(a, b, out=c))
        bandwidth.append(12 * n * rows / call)
    return {"sgemm": max(rates), "working_set": _WORKING_SETS, "bandwidth": bandwidth}


def _seconds(call, at_least=0.02):
    """Duration of a call: median of repeats that last some time each."""
    call()
    found = []
    for _ in range(REPEATS):
        count, started = 0, time.process_time()
        while (taken := time.process_time() - started) < at_least:
            call()
            count += 1
        found.append(taken / count)
    return median(found)


if __name__ == "__main__":
    functions = {f.__name__: f for f in (build, measure, peak)}
    print(json.dumps(functions[sys.argv[1]](**json.loads(sys.argv[2]))))
