"""Accuracy and mean time of a diffusion process between two bounds; nothing is simulated here."""

import numpy as np

#: Points between the bounds, an odd number, of which the middle one is the start.
_POINTS = 8001


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

    Both are integrals over the scale function S and its slope exp(-2 drift x + leak x^2) (the backward
    equation; Karlin & Taylor 1981, A Second Course in Stochastic Processes, chapter 15, not read at the
    source), by the trapezoidal rule.

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
    slope = np.exp(-2 * drift * x + leak * x**2)

    def integral(values):
        steps = (values[1:] + values[:-1]) / 2 * (x[1] - x[0])
        return np.concatenate([[0], np.cumsum(steps)])

    scale, start = integral(slope), _POINTS // 2
    accuracy = scale[start] / scale[-1]
    below = integral(scale / slope)[start]
    above = integral((scale[-1] - scale) / slope)
    time = 2 * (accuracy * (above[-1] - above[start]) + (1 - accuracy) * below)
    return float(accuracy), float(time)
