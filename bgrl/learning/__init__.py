"""How a circuit learns: settings, optimizers, and what is kept of the derivative through time.

Nothing here knows Brian2.
"""

from bgrl.learning.methods import METHODS, Method
from bgrl.learning.optimizers import OPTIMIZERS, Optimizer
from bgrl.learning.settings import FEEDBACKS, FIRST_INPUTS, LASTING, RATES, Learning

__all__ = [
    "FEEDBACKS",
    "FIRST_INPUTS",
    "LASTING",
    "METHODS",
    "OPTIMIZERS",
    "RATES",
    "Learning",
    "Method",
    "Optimizer",
]
