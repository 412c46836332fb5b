"""Dense kernels: Brian2's C++ standalone device with templates of our own.

Brian2's code for synapses loads the indices of the two neurons from arrays, which keeps compilers
from using vector instructions. Where a group of synapses connects all to all within each replicate
(its attribute `dense_rows`, see `bgrl.backends.rows`), the same equations go into nested
loops whose indices are computed and whose inner loop is vectorised; the two index arrays are never read.
Loops over neurons are vectorised too, and what a neuron reads of another group is found without an index
array where all neurons of a replicate read the same or one after the other. Everything else is Brian2's
own.

A row of synapses in memory is those of a target or those of a source, whichever fills vectors better, and
is as long as whole vectors (`arrange`). What is worked out behind its last synapse is never used: sums
leave it out, and state files do not have it.
"""

import numpy as np
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice
from brian2.devices.device import all_devices

#: Name of the device for `brian2.set_device`.
NAME = "cpp_dense"
#: Brian2's template to ours.
_TEMPLATES = {
    "stateupdate": "dense",
    "summed_variable": "dense",
}
_COMPUTED = {"_presynaptic_idx", "_postsynaptic_idx"}
#: Bytes of a vector; rows are whole numbers of them.
_VECTOR = 32
#: Neurons of a replicate for which a loop over several replicates together is better.
_FEW = 8


def arrange(network):
    """Give synapses rows of whole vectors, where no operation counts on their order.

    Parameters
    ----------
    network : bgrl.backends.brian.Network
        Before it runs.
    """
    blueprint = network.blueprint
    lanes = _VECTOR // np.dtype(blueprint.dtype).itemsize
    worked_on = {name.split(".")[0] for item in blueprint.operations() for name in item.in_order()}
    for group in network.brian.objects:
        if not hasattr(group, "dense_rows"):
            group.add_attribute("dense_loops")
            group.dense_loops = loops(blueprint.replicates, group.N // blueprint.replicates)
        elif group.name not in worked_on:
            group.dense_rows = group.dense_rows.filled(lanes)


def loops(replicates, neurons):
    """How often the outer and the inner loop over a group turn, where the inner one is worth a vector."""
    if neurons >= _FEW or replicates == 1:
        return replicates, neurons
    return 1, replicates * neurons


def position(index, outer):
    """A C++ expression of an array of indices, None if it has no simple one.

    Parameters
    ----------
    index : array (elements)
    outer : int
        Turns of the outer loop, ``_outer``; ``_inner`` is the turn of the inner one.
    """
    index = index.reshape(outer, -1).astype(int)
    apart = index[1, 0] - index[0, 0] if outer > 1 else 0
    step = index[0, 1] - index[0, 0] if index.shape[1] > 1 else 0
    simple = np.add.outer(np.arange(outer) * apart, np.arange(index.shape[1]) * step) + index[0, 0]
    if not np.array_equal(index, simple):
        return None
    return f"{index[0, 0]} + {apart}*_outer + {step}*_inner"


class DenseGenerator(CPPStandaloneCodeObject.generator_class):
    """Brian2's C++, without reading the indices that the loops compute."""

    def translate_to_read_arrays(self, read, write, indices):
        """See `brian2.codegen.generators.cpp_generator.CPPCodeGenerator`."""
        lines, left = [], set(indices - _COMPUTED)
        for name in sorted(left) if hasattr(self.owner, "dense_loops") else ():
            found = position(self.variables[name].get_value(), self.owner.dense_loops[0])
            if found:
                lines.append(f"const size_t {name} = {found};")
                left.remove(name)
        return lines + super().translate_to_read_arrays(read - _COMPUTED, write, left)


class DenseCodeObject(CPPStandaloneCodeObject):
    """A code object made from the templates in ``bgrl/backends/templates``."""

    templater = CPPStandaloneCodeObject.templater.derive("bgrl.backends")
    generator_class = DenseGenerator


class DenseDevice(CPPStandaloneDevice):
    """C++ standalone with dense kernels."""

    def code_object(
        self, owner, name, abstract_code, variables, template_name, *arguments, **keywords
    ):
        """See `brian2.devices.device.Device`."""
        dense = template_name == "stateupdate" or hasattr(owner, "dense_rows")
        if dense and template_name in _TEMPLATES:
            template_name = _TEMPLATES[template_name]
            keywords["codeobj_class"] = DenseCodeObject
        return super().code_object(
            owner, name, abstract_code, variables, template_name, *arguments, **keywords
        )

    def code_object_class(self, codeobj_class=None, fallback_pref=None):
        """See `brian2.devices.device.Device`."""
        return codeobj_class or super().code_object_class()


all_devices[NAME] = DenseDevice()
# Brian2's own computes in double precision.
DEFAULT_FUNCTIONS["clip"].implementations.add_implementation(
    DenseCodeObject,
    """
    template <typename T> static inline
    typename std::conditional<std::is_integral<T>::value, decltype(1.0), T>::type
    _clip(const T x, const double low, const double high) {
        // Of integers the type that constants have; 1.0 is a float in single precision.
        typedef typename std::conditional<std::is_integral<T>::value, decltype(1.0), T>::type real;
        const real value = x, least = low, most = high;
        return value < least ? least : value > most ? most : value;
    }
    """,
    name="_clip",
)
