"""What a circuit is: nuclei, pathways and readouts, as plain frozen descriptions, and edits of them.

Nothing here knows Brian2.
"""

from bgrl.circuit.circuit import Circuit
from bgrl.circuit.nucleus import Function, Population
from bgrl.circuit.pathway import Dopamine, Projection, Readout, Rule
from bgrl.circuit.synapse import Synapse, alpha, exponential, failing, nmda, tsodyks_markram
from bgrl.circuit.values import (
    Distribution,
    Parameter,
    glorot_normal,
    normal,
    truncated_normal,
    uniform,
)

__all__ = [
    "Circuit",
    "Distribution",
    "Dopamine",
    "Function",
    "Parameter",
    "Population",
    "Projection",
    "Readout",
    "Rule",
    "Synapse",
    "alpha",
    "exponential",
    "failing",
    "glorot_normal",
    "nmda",
    "normal",
    "truncated_normal",
    "tsodyks_markram",
    "uniform",
]
