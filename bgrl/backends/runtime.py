"""Brian2's runtime mode: NumPy, or Cython compiled piece by piece. Slow, and open to inspection."""

import contextlib
import functools
import gc
import itertools
import json
import threading
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
#: One thread at a time builds a network, for which Brian2's settings are changed, or runs one, which
#: other programs of its structure share.
_ALONE = threading.RLock()


def _alone(function):
    """Decorator: other threads wait."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        with _ALONE:
            return function(*args, **kwargs)

    return wrapper


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
@_alone
def _network(description, target, own_numbers=False):
    """The network of a structure, in JSON; programs of one structure share it, their state is apart."""
    structure = json.loads(description)
    with _preferences(target, structure["dtype"]):
        # Brian2 looks for a free name in the place of "*" among all objects that there are. What Cython
        # has compiled is found by such names, which must be given again therefore.
        suffix = "_*" if target == "cython" else f"_{next(_NUMBERS)}"
        network = Network(blueprint(structure), suffix, own_numbers)
        network.prepare()
    return network


class RuntimeProgram:
    """A network in this process, see `bgrl.backends.load`."""

    processes = 1
    _own_numbers = False

    def __init__(self, structure, target):
        started = time.perf_counter()
        self.network = _network(describe(structure), target, self._own_numbers)
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

    @_alone
    def advance(self, state, start, steps, learn=True, sink=None):
        """See `bgrl.backends.load`."""
        check_connected(self.network.blueprint.structure, self.environment)
        for operation in self.network.blueprint.operations():
            if isinstance(operation, Exchange):
                operation.connection["open"] = self.environment
        for name, value in state.items():
            self._put(name, value)
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
            name: self._in_use(name).reshape(shape).copy()
            for name, (_, shape) in self.layout.items()
        }

    def _put(self, name, value):
        self._array(name)[...] = np.ravel(value)

    def _in_use(self, name):
        """An array, as it is returned and recorded."""
        return self._array(name)

    def _numbers(self):
        """What trials call each replicate."""
        return self._array("task.replicate")

    def _record(self, sink, step, frames, trials):
        if sink.every and step % sink.every == 0:
            frames.write(np.int64(step).tobytes())
            for name in sink.names:
                frames.write(self._in_use(name).tobytes())
        ended, length = self._in_use(self.network.ended), self._in_use("task.trial_length")
        for r in np.flatnonzero((ended > 0) & (length > 0)):
            row = (
                step,
                self._numbers()[r],
                self._array("task.trial_return")[r],
                length[r],
                self._array("task.terminated")[r],
                *(self._array(name)[r] for name in sink.trial.names[len(TRIAL) :]),
            )
            trials.write(np.array(row, sink.trial).tobytes())


class JointProgram(RuntimeProgram):
    """A network for several runs side by side, see `bgrl.backends.Backend.joint`."""

    _own_numbers = True

    def __init__(self, structure, target):
        super().__init__(structure, target)
        self._most = structure["replicates"]
        self.shared = {name for name, (_, shape) in self.layout.items() if not shape}

    def advance(self, state, start, steps, learn=True, sink=None):
        """See `bgrl.backends.load`; replicates beyond those of the state compute what is not used."""
        size = len(state["task.replicate"])
        self.layout = {k: (dtype, (size, *s[1:])) for k, (dtype, s) in self.layout.items()}
        return super().advance(state, start, steps, learn, sink)

    def _shaped(self, name):
        values = self._array(name)
        _, shape = self.layout.get(name, (None, None))
        return values if shape is None else values.reshape(self._most, *shape[1:])

    def _rows(self, name):
        return self._array(name).reshape(self._most, -1)[: len(self._numbers())]

    def _put(self, name, value):
        # What is one number of a replicate is that of each element.
        self._rows(name)[...] = value.reshape(len(value), -1)

    def _in_use(self, name):
        rows = self._rows(name)
        return (rows[:, 0] if name in self.shared else rows).ravel()

    def _numbers(self):
        return np.arange(self.layout["task.replicate"][1][0])


def load_joint(structure, target, progress=None):
    """Build a network of several runs; see `bgrl.backends.Backend.joint`."""
    return JointProgram(structure, target)


def load(structure, target, progress=None):
    """Build a network in this process; see `bgrl.backends.load`."""
    if progress and target == "cython":
        progress("compiling with Cython (about a minute, once)")
    return RuntimeProgram(structure, target)
