"""Accuracy and mean time of a diffusion process between two bounds; nothing is simulated here."""

import numpy as np
from scipy.linalg import solve_banded

#: Points between the bounds at which the equations are solved.
_POINTS = 4001


def diffusion(drift, bound):
    """A process that starts midway and gathers a variance of 1 in a second, in closed form.

    Bogacz et al. 2006, Psychol. Rev. 113:700; Palmer, Huk & Shadlen 2005, J. Vis. 5:1.

    Parameters
    ----------
    drift : array
        Per s.
    bound : float
        The bounds are at plus and minus this.

    Returns
    -------
    accuracy, time : arrays
        Probability of the upper bound, and mean time to either in s.
    """
    drift = np.asarray(drift, float)
    x = np.where(drift == 0, 1.0, drift * bound)
    time = np.where(drift == 0, 1.0, np.tanh(x) / x) * bound**2
    return 1 / (1 + np.exp(-2 * drift * bound)), time


def leaky(drift, leak, bound):
    """The same of a process whose drift falls with where it is, drift - leak*x.

    Both follow from the backward equation, u''/2 + (drift - leak x) u' = 0 with u = 0 at the lower and 1
    at the upper bound, and = -1 with u = 0 at both, solved by finite differences.

    Parameters
    ----------
    drift, leak : float
        Per s; a negative leak drives away from the middle.
    bound : float

    Returns
    -------
    accuracy, time : floats
    """
    x = np.linspace(-bound, bound, _POINTS)
    h = x[1] - x[0]
    slope = (drift - leak * x[1:-1]) / (2 * h)
    bands = np.zeros((3, _POINTS - 2))
    bands[0, 1:] = (0.5 / h**2 + slope)[:-1]
    bands[1] = -1 / h**2
    bands[2, :-1] = (0.5 / h**2 - slope)[1:]
    reach = np.zeros(_POINTS - 2)
    reach[-1] = -(0.5 / h**2 + slope[-1])
    middle = (_POINTS - 2) // 2
    accuracy = solve_banded((1, 1), bands, reach)[middle]
    time = solve_banded((1, 1), bands, -np.ones(_POINTS - 2))[middle]
    return float(accuracy), float(time)
