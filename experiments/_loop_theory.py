"""When and how fast the loop of `models.holgado_2010` oscillates, by its linearised equations alone.

Nothing is simulated here: the rates at which the loop rests follow from its sigmoids, and small
deviations grow as exp(z t) where z is a root of the characteristic equation

    (1 + tau_S s) (1 + tau_G s + g_G w_GG exp(-z D_GG)) + g_S g_G w_SG w_GS exp(-z (D_SG + D_GS)) = 0

with the slopes g of the sigmoids at rest and s = z; of Euler steps of dt, s = (exp(z dt) - 1)/dt. It
oscillates by itself where the real part of a root is positive, at first as fast as its imaginary part.
"""

from dataclasses import dataclass

import numpy as np

from bgrl.models import holgado_2010 as model

#: Real parts (per ms) and frequencies (Hz) at which roots are looked for.
_GROWTHS, _FREQUENCIES = np.linspace(-0.2, 0.1, 7), np.linspace(2.0, 80.0, 27)


@dataclass(frozen=True)
class Loop:
    """The loop at a level of dopamine, with some of its numbers multiplied.

    Parameters
    ----------
    dopamine : float
        From 1, health, to 0.
    coupling : float
        Factor of the weights between STN and GPe, both ways.
    delay : float
        Factor of all delays.
    cortex : float
        Factor of the weight from cortex to STN.
    """

    dopamine: float = 1.0
    coupling: float = 1.0
    delay: float = 1.0
    cortex: float = 1.0

    @property
    def weights(self):
        """Weight of every pathway, without its sign."""
        depletion = min(max(1 - self.dopamine, 0), 1)
        found = {k: h + depletion * (lost - h) for k, (h, lost) in model.WEIGHTS.items()}
        for name, factor in self.factors.items():
            found[name] *= factor
        return found

    @property
    def factors(self):
        """Pathway to the factor of its weight."""
        return {
            "stn->gpe": self.coupling,
            "gpe->stn": self.coupling,
            "cortex->stn": self.cortex,
        }

    @property
    def delays(self):
        """Delay of every pathway that has one, in ms."""
        return {name: self.delay * value for name, value in model.DELAYS.items()}


def _zero(function, low, high):
    """Where a function changes its sign between two numbers, by bisection."""
    above = function(low) > 0
    for _ in range(42):
        middle = (low + high) / 2
        if (function(middle) > 0) == above:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def sigmoid(x, nucleus):
    """Rate that an input drives a nucleus to, in spikes/s."""
    highest, resting = model.MAXIMUM[nucleus], model.RESTING[nucleus]
    return highest / (1 + (highest - resting) / resting * np.exp(-4 * x / highest))


def rest(loop):
    """Rates of STN and GPe at which nothing moves, in spikes/s."""
    w = loop.weights

    def gpe(stn):
        total = w["stn->gpe"] * stn - w["d2->gpe"] * model.RATES["d2"]
        return _zero(lambda r: sigmoid(total - w["gpe->gpe"] * r, "gpe") - r, 0, 400)

    def excess(stn):
        total = w["cortex->stn"] * model.RATES["cortex"] - w["gpe->stn"] * gpe(stn)
        return sigmoid(total, "stn") - stn

    stn = _zero(excess, 0, 300)
    return stn, gpe(stn)


def _gains(loop):
    """Slopes of the sigmoids at rest: of STN and GPe."""
    rates = zip(("stn", "gpe"), rest(loop), strict=True)
    return [4 * rate / model.MAXIMUM[k] * (1 - rate / model.MAXIMUM[k]) for k, rate in rates]


def _parts(loop, dt):
    """The two nuclei's own factors of the characteristic equation, and what couples them."""
    w, d, (stn, gpe) = loop.weights, loop.delays, _gains(loop)

    def parts(root):
        s = root if dt == 0 else np.expm1(root * dt) / dt
        own = 1 + model.TAU["stn"] * s
        other = 1 + model.TAU["gpe"] * s
        other = other + gpe * w["gpe->gpe"] * np.exp(-root * d["gpe->gpe"])
        there = gpe * w["stn->gpe"] * np.exp(-root * d["stn->gpe"])
        back = stn * w["gpe->stn"] * np.exp(-root * d["gpe->stn"])
        return own, other, there, back

    return parts


def leading_root(loop, dt=0.0):
    """How fast small deviations grow, and at which frequency.

    Parameters
    ----------
    loop : Loop
    dt : float
        Euler step, in ms; 0 for the equations themselves.

    Returns
    -------
    (growth, frequency) : floats
        Per s, and in Hz.
    """
    parts = _parts(loop, dt)

    def equation(root):
        own, other, there, back = parts(root)
        return own * other + there * back

    root = (_GROWTHS[:, None] + 2j * np.pi * _FREQUENCIES / 1000).ravel()
    with np.errstate(all="ignore"):
        for _ in range(25):  # Newton's method from all starts at once
            slope = (equation(root + 1e-6) - equation(root - 1e-6)) / 2e-6
            root = root - equation(root) / slope
        found = (np.abs(equation(root)) < 1e-9) & (root.imag > 1e-4) & (root.imag < 0.6)
    best = root[found][np.argmax(root[found].real)]
    return 1000 * best.real, 1000 * best.imag / (2 * np.pi)


def onset(make, low, high, dt=0.0):
    """Where between two values of a number the loop begins to oscillate.

    Parameters
    ----------
    make : callable
        From the number to a `Loop`.
    low, high : float
        Of which one oscillates.
    dt : float
        Euler step, in ms.

    Returns
    -------
    (value, frequency) : floats
        There, and the frequency in Hz.
    """
    value = _zero(lambda x: leading_root(make(x), dt)[0], low, high)
    return value, leading_root(make(value), dt)[1]


def noise_spectrum(loop, frequencies, dt):
    """Spectral density of the rate of STN around rest, moved by the noise alone.

    Parameters
    ----------
    loop : Loop
        One that does not oscillate by itself.
    frequencies : array (frequency,)
        In Hz.
    dt : float
        Euler step, in ms.

    Returns
    -------
    array (frequency,)
        One-sided, (spikes/s)^2/Hz.
    """
    own, other, there, back = _parts(loop, dt)(2j * np.pi * np.asarray(frequencies) / 1000)
    total = own * other + there * back
    # tau dx/dt = ... + sqrt(2 tau) noise xi, with 1 ms = 1/1000 s.
    force = {k: 2 * model.NOISE**2 * tau * 2 / 1000 for k, tau in model.TAU.items()}
    return (force["stn"] * np.abs(other) ** 2 + force["gpe"] * np.abs(back) ** 2) / np.abs(
        total
    ) ** 2
