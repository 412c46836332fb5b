"""A blueprint as the source of a CUDA kernel, in which a block of threads has one replicate.

All pieces of a step follow each other in one kernel, which goes through the steps of a launch by itself.
Turn `k` of a loop is that of thread `k` modulo the number of threads, in every piece; where an element is
only ever touched in its own turn, pieces need not wait for each other (`bgrl.backends.barriers`). The
source is written for one replicate and serves any number of them.
"""

from dataclasses import dataclass

import numpy as np

from bgrl.backends.barriers import barriers, ordered
from bgrl.backends.pieces import Pieces, number
from bgrl.recording import EVENT

#: Bytes to which arrays are aligned.
_ALIGNED = 16
#: Bytes of shared memory that a card keeps for itself of every block.
_RESERVED = 1024
#: The most blocks for which a multiprocessor shall have registers: 80 for each of 128 threads.
_BLOCKS = 6
_TYPES = {"float32": "float", "float64": "double", "int32": "int32_t"}


@dataclass(frozen=True)
class Stored:
    """Where an array of a replicate is while the kernel runs.

    Attributes
    ----------
    name : str
        C++ name.
    dtype : str
    size : int
        Elements.
    shared : bool
        In shared memory, or else in global memory.
    offset : int
        Bytes from the beginning of that.
    """

    name: str
    dtype: str
    size: int
    shared: bool
    offset: int


def _bytes(dtype, size):
    return size * np.dtype(dtype).itemsize


class Kernel(Pieces):
    """The source of a blueprint's kernel.

    Parameters
    ----------
    blueprint : Blueprint
        Of one replicate.
    shared_memory : int
        Bytes that a block may have of it; what does not fit is in global memory.

    Attributes
    ----------
    arrays : dict of str to Stored
        Of the state, and scratch of operations.
    shared_bytes, global_bytes : int
        What a replicate takes of either memory.
    """

    def __init__(self, blueprint, shared_memory):
        super().__init__(blueprint)
        self._shared_memory = shared_memory
        for slot, item in blueprint.items:
            self.of(slot, item)
        self.arrays = self._placed()

    # Memory -----------------------------------------------------------------------------------

    def _placed(self):
        """The smallest arrays first into shared memory, the rest into global memory."""
        found, shared, used = {}, 0, 0
        for name in sorted(self._sizes, key=lambda name: _bytes(*self._sizes[name])):
            dtype, size = self._sizes[name]
            taken = -(-_bytes(dtype, size) // _ALIGNED) * _ALIGNED
            fits = shared + taken <= self._shared_memory
            found[name] = Stored(self.named(name), dtype, size, fits, shared if fits else used)
            shared, used = (shared + taken, used) if fits else (shared, used + taken)
        self.shared_bytes, self.global_bytes = shared, used
        return found

    def _blocks(self):
        """How many blocks a multiprocessor has room for, which tells nvcc how many registers it may use.

        Where nothing is said it takes 40 to 64 for a thread, and spills.
        """
        room = self._shared_memory + _RESERVED
        return max(1, min(_BLOCKS, room // (self.shared_bytes + _RESERVED)))

    def placement(self):
        """Where the state of a replicate is, in words."""
        shared, used = self.shared_bytes / 1024, self.global_bytes / 1024
        if not used:
            return f"{shared:.1f} KB, all in shared memory"
        names = [name for name, array in self.arrays.items() if not array.shared]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return (
            f"{shared:.1f} KB in shared memory, {used:.1f} KB in global memory "
            f"({', '.join(names[-3:])}{more})"
        )

    # Source -----------------------------------------------------------------------------------

    def schedule(self, learn):
        """The pieces of a step, in the order in which they run."""
        return ordered(
            [
                piece
                for slot, items in self.blueprint.schedule(learn)
                for item in items
                for piece in self.of(slot, item)
            ]
        )

    def source(self):
        """The text of ``step.h``."""
        lines = [
            f"typedef {_TYPES[self.blueprint.dtype]} real;",
            '#include "block.h"',
            f"static constexpr int SHARED_BYTES = {self.shared_bytes};",
            f"static constexpr size_t GLOBAL_BYTES = {self.global_bytes};",
            f"static constexpr int BLOCKS = {self._blocks()};",
        ]
        for array in self.arrays.values():
            where = "SHARED" if array.shared else "GLOBAL"
            lines.append(f"#define {array.name} {where}({_TYPES[array.dtype]}, {array.offset})")
        for (integer, values), name in self._indices.items():
            lines.append(_numbers("int" if integer else "real", name, values))
        for name, values in self.blueprint.tables.items():
            lines.append(_numbers("real", f"table_{name}", np.ravel(values)))
        return "\n".join([*lines, *self._step(), *self._trial(), *self._state(), ""])

    def _step(self):
        """The pieces, and what calls them in a step with learning and in one without."""
        lines, number = [], 0
        parameters = "char* const global_memory, const int64_t step"
        for piece in (piece for found in self._found.values() for piece in found):
            lines.append(f"static __device__ __noinline__ void {piece.name}({parameters})")
            lines.append(f"{{\n{piece.text}\n}}")
        for mode, learn in (("learn", True), ("evaluate", False)):
            order = self.schedule(learn)
            lines.append(f"static __device__ __noinline__ void {mode}({parameters})\n{{")
            for piece, barrier in zip(order, barriers(order), strict=True):
                if barrier:
                    lines.append(f"BARRIER({number}, {barrier});")
                    number += 1
                lines.append(f"PIECE({piece.name}) {piece.name}(global_memory, step);")
            lines.append("}")
        return lines

    def _trial(self):
        """Whether a trial ended in a step, and what is recorded of it."""
        value = {name: f"{self._names[name]}[0]" for name in self._layout}
        events = [name for name in self._layout if name.startswith(EVENT)]
        numbers = ["task.trial_return", "task.trial_length", "task.terminated", *events]
        ended = "task.ended" if "task.ended" in self._layout else "task.done"
        told = ", ".join(f"(double){value[name]}" for name in numbers)
        return [
            f"struct Trial {{ int64_t step, replicate; double numbers[{len(numbers)}]; }};",
            "static __device__ bool ended(char* const global_memory)",
            f"{{ return {value[ended]} > 0 && {value['task.trial_length']} > 0; }}",
            "static __device__ Trial trial(char* const global_memory, const int64_t step)",
            f"{{ return {{step, {value['task.replicate']}, {{{told}}}}}; }}",
        ]

    def _state(self):
        """The arrays of a state file: names, bytes of a replicate, whether it has its own, and where."""
        stored = [self.arrays[name] for name in self._layout]
        columns = {
            "ARRAY_BYTES": [_bytes(a.dtype, a.size) for a in stored],
            "ARRAY_OWN": [int(bool(shape)) for _, shape in self._layout.values()],
            "ARRAY_SHARED": [int(a.shared) for a in stored],
            "ARRAY_OFFSET": [a.offset for a in stored],
        }
        names = ", ".join(f'"{name}"' for name in self._layout)
        return [
            f"static constexpr int ARRAYS = {len(stored)};",
            f"static const char* const NAMES[] = {{{names}}};",
            *(f"#define {k} {{{', '.join(map(str, values))}}}" for k, values in columns.items()),
        ]


def _numbers(kind, name, values):
    """An array of constants."""
    kind = "short" if kind == "int" and max(values) < 2**15 else kind
    return f"static __device__ const {kind} {name}[] = {{{', '.join(map(number, values))}}};"
