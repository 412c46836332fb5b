"""What a step costs, counted in the generated code: bytes moved and arithmetic operations.

An array that a piece of code reads counts once, and one that it writes once more, whatever caches do.
An operator counts as one operation, and so does a call of a function, so that the count is a lower
bound of the work.
"""

import re

import numpy as np
from brian2.core.variables import ArrayVariable

from bgrl.step.operation import Operation

_READ = re.compile(r"(?:const )?\w+ \w+ = _ptr(\w+)\[\w+\];")
_WRITE = re.compile(r"_ptr(\w+)\[\w+\] \+?= .*;|(_sum) \+= .*;")
_STATEMENT = re.compile(r"(?!const size_t)(?:const )?(?:\w+ )?\w+ [-+*/]?= (.*);")
_CONSTANT = re.compile(r"\d[\d.]*(?:e[-+]?\d+)?f?|\(-|\(- ")
_OPERATOR = re.compile(r"[-+*/<>=]=?|\b(?!int_\b)\w+\(")


def work(network, device):
    """Bytes and operations of one task step by slot.

    Parameters
    ----------
    network : bgrl.backends.brian.Network
    device : brian2 device
        That generated the code.

    Returns
    -------
    dict of str to (int, int)
        Slot to bytes and operations, all replicates together, sub-steps repeated.
    """
    found = {slot: [0, 0] for slot in network.blueprint.structure["slots"]}
    for slot, calls in network.schedule():
        for call in calls:
            if isinstance(call, Operation):
                values, operations = call.work()
                counted = values * np.dtype(network.blueprint.dtype).itemsize, operations
            else:
                counted = _count(call, device)
            found[slot] = [a + b for a, b in zip(found[slot], counted, strict=True)]
    return found


def _count(code_object, device):
    """Bytes and operations of a code object of Brian2."""
    arrays = {
        device.get_array_name(variable): variable
        for variable in code_object.variables.values()
        if isinstance(variable, ArrayVariable)
    }
    dense = getattr(code_object.owner, "dense_rows", None)
    elements = dense.replicates * dense.targets * dense.sources if dense else len(code_object.owner)
    _, _, loop = code_object.code.cpp_file.partition("// scalar code")
    moved = operations = 0
    for line in map(str.strip, loop.splitlines()):
        read, write = _READ.fullmatch(line), _WRITE.fullmatch(line)
        statement = _STATEMENT.fullmatch(line)
        if read or (write and write[1]):
            variable = arrays[(read or write)[1]]
            size = elements if variable.dynamic and dense else variable.size
            moved += size * np.dtype(variable.dtype).itemsize
        elif statement:
            operations += len(_OPERATOR.findall(_CONSTANT.sub("", statement[1]))) * elements
        if write and "+=" in line:
            operations += elements
    return moved, operations
