"""Brian2's runtime mode: NumPy, or Cython compiled piece by piece. Slow, and open to inspection."""

import contextlib
import functools
import gc
import itertools
import json
import time

import brian2 as b2
import numpy as np

from bgrl.agent import describe
from bgrl.backends.arrays import ArrayCodeObject
from bgrl.backends.brian import Network
from bgrl.bridge.connection import check_connected
from bgrl.recording import TRIAL
from bgrl.step.assemble import blueprint
from bgrl.step.exchange import Exchange
from bgrl.step.operation import Operation

_NUMBERS = itertools.count()


@contextlib.contextmanager
def _preferences(target, dtype):
    """Brian2's global settings for one program, put back afterwards."""
    settings = {
        "codegen.target": ArrayCodeObject.class_name if target == "numpy" else target,
        "core.default_float_dtype": np.dtype(dtype).type,
        # Calling a piece takes longer than running it, so optimising it is not worth the wait,
        # and neither is what Brian2 makes of its expressions by sympy.
        "codegen.cpp.extra_compile_args": ["-w", "-O1", "-std=c++11"],
        "codegen.loop_invariant_optimisations": target != "numpy",
    }
    before = {key: b2.prefs[key] for key in settings}
    if target == "cython":
        # Names of networks that are gone can be given again, and code by these names found in the cache.
        gc.collect()
    b2.prefs.update(settings)
    try:
        yield
    finally:
        for key, value in before.items():
            b2.prefs[key] = value


@functools.lru_cache(maxsize=8)
def _network(description, target):
    """The network of a structure, in JSON; programs of one structure share it, their state is apart."""
    structure = json.loads(description)
    with _preferences(target, structure["dtype"]):
        # Brian2 looks for a free name in the place of "*" among all objects that there are. What Cython
        # has compiled is found by such names, which must be given again therefore.
        suffix = "_*" if target == "cython" else f"_{next(_NUMBERS)}"
        network = Network(blueprint(structure), suffix)
        network.prepare()
    return network


class RuntimeProgram:
    """A network in this process, see `bgrl.backends.load`."""

    processes = 1

    def __init__(self, structure, target):
        started = time.perf_counter()
        self.network = _network(describe(structure), target)
        self.layout = self.network.layout
        self.environment = None
        self._calls = {learn: self._callables(learn) for learn in (True, False)}
        self.build_seconds = time.perf_counter() - started

    def _callables(self, learn):
        return [
            functools.partial(call.run, self._shaped) if isinstance(call, Operation) else call
            for call in self.network.calls(learn)
        ]

    def _shaped(self, name):
        values = self._array(name)
        return values.reshape(self.layout[name][1]) if name in self.layout else values

    def _array(self, name):
        return self.network.variables[name].get_value()

    def advance(self, state, start, steps, learn=True, sink=None):
        """See `bgrl.backends.load`."""
        check_connected(self.network.blueprint.structure, self.environment)
        for operation in self.network.blueprint.operations():
            if isinstance(operation, Exchange):
                operation.connection["open"] = self.environment
        for name, value in state.items():
            self._array(name)[...] = np.ravel(value)
        clock = self.network.clock.variables
        with contextlib.ExitStack() as stack:
            stack.enter_context(np.errstate(all="ignore"))  # as in compiled code, 1/0 is infinite
            files = [
                stack.enter_context(open(path, "ab"))
                for path in ((sink.frames_path, sink.trials_path) if sink else ())
            ]
            for step in range(start, start + steps):
                clock["timestep"].set_value(step)
                clock["t"].set_value(step * 1e-3)
                for code_object in self._calls[learn]:
                    code_object()
                if sink:
                    self._record(sink, step, *files)
        return {
            name: self._array(name).reshape(shape).copy()
            for name, (_, shape) in self.layout.items()
        }

    def _record(self, sink, step, frames, trials):
        if sink.every and step % sink.every == 0:
            frames.write(np.int64(step).tobytes())
            for name in sink.names:
                frames.write(self._array(name).tobytes())
        ended, length = self._array(self.network.ended), self._array("task.trial_length")
        for r in np.flatnonzero((ended > 0) & (length > 0)):
            row = (
                step,
                self._array("task.replicate")[r],
                self._array("task.trial_return")[r],
                length[r],
                self._array("task.terminated")[r],
                *(self._array(name)[r] for name in sink.trial.names[len(TRIAL) :]),
            )
            trials.write(np.array(row, sink.trial).tobytes())


def load(structure, target, progress=None):
    """Build a network in this process; see `bgrl.backends.load`."""
    if progress and target == "cython":
        progress("compiling with Cython (about a minute, once)")
    return RuntimeProgram(structure, target)
