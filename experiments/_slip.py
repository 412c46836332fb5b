"""The slip of the official code's `rtrl` mode, as a method of its own, to see what it does to learning.

The sensitivity of state k to the weight from afferent i onto neuron j is S[k, j, i]. The gradient of that
weight is the sum over states, sum_k g[k] S[k, j, i]. The official code of Lemmel & Grosu (AAAI 2025)
takes the product of the vector g with the tensor over its second axis, sum_j g[j] S[k, j, i], and uses
it as the gradient of the weight onto neuron k. The bias is a column of its weights, so that it is hit as
well; the time constants are no matrix, and their gradient is right.
"""

from dataclasses import dataclass

import numpy as np

from bgrl.learning import METHODS, Method
from bgrl.step.contraction import Contraction
from bgrl.step.loops import Loop, Loops

#: Name of the method.
NAME = "rtrl_slip"


@dataclass(frozen=True, eq=False)
class PostsynapticContraction(Contraction):
    """Learning signals times sensitivities, summed over the neuron that has the parameter."""

    def _is_right(self):
        """Whether this is the gradient of time constants."""
        return self.gradients[0].endswith("_tau")

    def run(self, arrays):
        """See `Operation`."""
        if self._is_right():
            super().run(arrays)
            return
        ((signals, sensitivity, n),) = self.terms
        tensor = arrays(sensitivity).reshape(self.replicates, n, n, -1)
        for signal, name in zip(signals, self.gradients, strict=True):
            gradient = arrays(name)
            gradient[...] = np.einsum("rj,rkji->rki", arrays(signal), tensor).reshape(
                gradient.shape
            )

    def cpp(self, pointer):
        """See `Operation`."""
        if self._is_right():
            return super().cpp(pointer)
        ((signals, sensitivity, n),) = self.terms
        columns = self.size // n
        out = ", ".join(f"{pointer(g)} + r*{self.size} + k*{columns}" for g in self.gradients)
        weights = ", ".join(f"{pointer(name)} + r*{n}" for name in signals)
        return (
            f"for (size_t r = 0; r < {self.replicates}; r++) for (size_t k = 0; k < {n}; k++) {{\n"
            f"real* const out[] = {{{out}}};\n"
            f"const real* const weights[] = {{{weights}}};\n"
            f"contract<{len(self.gradients)}>(out, weights, {pointer(sensitivity)} + "
            f"(r*{n} + k)*{self.size}, {n}, {columns}, {columns}, 0);\n}}"
        )

    def loops(self, array):
        """See `Operation`."""
        if self._is_right():
            return super().loops(array)
        ((signals, sensitivity, n),) = self.terms
        columns = self.size // n
        effect = f"{array(sensitivity)}[k/{columns}*{self.size} + j*{columns} + k%{columns}]"
        items = []
        for signal, name in zip(signals, self.gradients, strict=True):
            total = f"for (int j = 0; j < {n}; j++) sum += {array(signal)}[j]*{effect};"
            items.append(Loop(self.size, f"real sum = 0; {total} {array(name)}[k] = sum;"))
        return Loops(tuple(items))


METHODS[NAME] = Method(
    "as rtrl, but summed over the wrong index, as in the paper's code",
    "circuit",
    coupled=True,
    contraction=f"{__name__}:{PostsynapticContraction.__name__}",
)
