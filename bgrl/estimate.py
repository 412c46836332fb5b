"""What a run would cost: time from a measured second, memory, disk, whether a program is to be built."""

import tempfile
import time
from dataclasses import dataclass

import numpy as np

from bgrl.backends import load
from bgrl.errors import InputError
from bgrl.interventions import changes
from bgrl.recording import Sink
from bgrl.simulation import check_cost, environments, plastic
from bgrl.step.assemble import initial_state

#: Seconds that learning, and evaluating, are measured for.
MEASURED = 1.0


@dataclass(frozen=True)
class Estimate:
    """What a run would cost.

    Parameters
    ----------
    steps, evaluation_steps : int
        Task steps of learning, and of all evaluations at most, each replicate.
    rate, evaluation_rate : float
        Steps per second, measured.
    build_seconds : float
        What finding or building the program took; it is kept.
    state_bytes : int
        Of the state of all replicates.
    file_bytes : int
        Of what the data file holds, before it is compressed.
    processes : int
    """

    steps: int
    evaluation_steps: int
    rate: float
    evaluation_rate: float
    build_seconds: float
    state_bytes: int
    file_bytes: int
    processes: int

    @property
    def seconds(self):
        """Of learning and evaluating."""
        return self.steps / self.rate + self.evaluation_steps / self.evaluation_rate

    def lines(self):
        """For people."""
        built = f"built in {self.build_seconds:.1f} s and kept"
        found = "there already, nothing to build"
        count = f"{self.processes} process{'es' if self.processes > 1 else ''}"
        evaluating = self.evaluation_steps / self.evaluation_rate
        return [
            f"program  {built if self.build_seconds > MEASURED else found}",
            f"time     {duration(self.seconds)} at most: {self.steps:,} steps of learning at "
            f"{self.rate:,.0f} a second in {count}, and evaluations of {duration(evaluating)} at most",
            # The state before and after a chunk, here and in the program.
            f"memory   {size(4 * self.state_bytes)} besides Python and its libraries",
            f"disk     {size(self.file_bytes)} at most, and as much again while it runs",
        ]


class CostUnknown(InputError):
    """What a run would cost is not known before it runs."""


class DryRun(Exception):
    """A run, or several, were to be estimated, not to be run.

    Parameters
    ----------
    lines : list of str
        What they would cost, for people.
    estimate : Estimate, optional
        Of a single run.
    """

    def __init__(self, lines, estimate=None):
        super().__init__("\n".join(lines))
        self.estimate = estimate


def estimate(agent, run, processes=1):
    """Measure what a run would cost; a program that is not there yet is built, and kept.

    Parameters
    ----------
    agent : Agent
    run : Run
    processes : int
        See `bgrl.simulation.simulate`.

    Returns
    -------
    Estimate

    Raises
    ------
    InputError
        For interventions or recordings that the agent cannot have, or weights and sensitivities
        that do not fit in memory.
    """
    changes(agent, run.interventions)
    structure = agent.structure(bool(run.interventions))
    check_cost(structure)
    program = load(run.backend, structure, None, processes)
    names = run.record.resolve(agent.circuit, program.layout)
    state = initial_state(agent, program.layout, run.seed, run.interventions)
    with (
        tempfile.TemporaryDirectory(prefix="bgrl-estimate-") as folder,
        environments(agent, program) as opened,
    ):
        program.environment = opened.get("learning")
        sink = Sink(folder, names.values(), program.layout, run.record.every)
        rate, taken = _measured(program, state, sink, True)
        trials = sink.sizes()[1] / taken
        evaluation_rate, _ = _measured(program, state, sink.without_frames(), False)
    checkpoints = run.checkpoints()
    weights = sum(array.nbytes for array in plastic(agent, state).values())
    frames = run.record.frames(run.steps) * sink.dtype.itemsize if sink.names else 0
    return Estimate(
        steps=run.steps,
        evaluation_steps=sum(map(run.evaluation_steps_at, checkpoints)),
        rate=rate,
        evaluation_rate=evaluation_rate,
        build_seconds=program.build_seconds,
        state_bytes=sum(array.nbytes for array in state.values()),
        file_bytes=int(frames + trials * run.steps + weights * len(checkpoints)),
        processes=program.processes,
    )


def _measured(program, state, sink, learn):
    """Steps per second of the last and longest of some chunks, and the steps of all."""
    steps, first, started = 32, 0, time.perf_counter()
    while True:
        before = time.perf_counter()
        state = program.advance(state, first, steps, learn=learn, sink=sink)
        now = time.perf_counter()
        first += steps
        if now - started > MEASURED:
            return steps / (now - before), first
        steps = int(np.clip(steps * 0.5 * MEASURED / (now - before), steps, 8 * steps))


def duration(seconds):
    """A time for people."""
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 1 else "less than 1 s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours / 24:.1f} days"


def size(count):
    """A number of bytes for people."""
    power = 3 if count >= 1e9 else 2 if count >= 1e6 else 1
    return f"{count / 1000**power:.3g} {' kMG'[power]}B"
