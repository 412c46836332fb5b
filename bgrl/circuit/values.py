"""Numbers of a circuit, given one by one or drawn from a distribution, and parameters that have them."""

import math

import numpy as np

from bgrl.description import description
from bgrl.errors import InputError, check_number, choose, plain
from bgrl.quantities import UNITS, has_unit, in_unit, unit_of
from bgrl.random import generator, own_seed


@description
class Distribution:
    """A distribution that initial values are drawn from.

    Parameters
    ----------
    kind : {"normal", "truncated_normal", "uniform"}
        `truncated_normal` is cut at two standard deviations of the parent and rescaled so that
        its own standard deviation is `b` (what deep-learning libraries call LeCun or Glorot
        normal).
    a, b : float
        Mean and standard deviation, or lower and upper bound.

    Raises
    ------
    InputError
        If the kind is unknown, a number is not finite, the upper bound is below the lower one, or
        the standard deviation is below 0.
    """

    kind: str
    a: float
    b: float

    # Standard deviation of a unit normal truncated at +-2.
    _TRUNCATED_STD = 0.8796256610342398

    def __post_init__(self):
        choose("distribution", self.kind, ("normal", "truncated_normal", "uniform"))
        if (self.kind == "uniform" and self.b < self.a) or (self.kind != "uniform" and self.b < 0):
            raise InputError(f"{self.kind}({self.a}, {self.b}): the range is empty")

    def sample(self, generator, shape):
        """Draw an array of `shape` from a `numpy.random.Generator`."""
        if self.kind == "uniform":
            return generator.uniform(self.a, self.b, shape)
        draws = generator.standard_normal(shape)
        if self.kind == "truncated_normal":
            while (outside := np.abs(draws) > 2).any():
                draws[outside] = generator.standard_normal(int(outside.sum()))
            draws /= self._TRUNCATED_STD
        return self.a + self.b * draws

    def __mul__(self, factor):
        """The distribution of what is drawn, times a number."""
        a, b = self.a * factor, self.b * abs(factor)
        if self.kind == "uniform":
            a, b = sorted((a, self.b * factor))
        return Distribution(self.kind, a, b)

    def __str__(self):
        if self.kind == "uniform":
            return f"uniform({self.a:g}, {self.b:g})"
        return f"{self.kind}({self.b:g}, {self.a:g})" if self.a else f"{self.kind}({self.b:g})"


def normal(std, mean=0.0):
    """Normal initial values of a standard deviation, and a mean; both numbers, or both times.

    Raises
    ------
    InputError
        If the standard deviation is below 0, or one of the two is no number.
    """
    return Distribution("normal", *_of_one_kind(mean=mean, std=std))


def truncated_normal(std, mean=0.0):
    """Normal initial values cut at two standard deviations (LeCun, Glorot).

    Raises
    ------
    InputError
        If the standard deviation is below 0, or one of the two is no number.
    """
    return Distribution("truncated_normal", *_of_one_kind(mean=mean, std=std))


def glorot_normal(sources, targets):
    """Initial weights of Glorot & Bengio (2010), for a number of sources and targets."""
    return truncated_normal(math.sqrt(2 / (sources + targets)))


def uniform(low, high):
    """Uniform initial values from `low` to `high`; of times (in ms) also ``uniform(20*ms, 100*ms)``.

    Raises
    ------
    InputError
        If `high` is below `low`, or a quantity is no time, or no frequency where `low` is one.
    """
    return Distribution("uniform", *_of_one_kind(low=low, high=high))


def _of_one_kind(**values):
    """Numbers as they are, times in ms, frequencies in 1/ms; all frequencies if one is."""
    unit = "1/ms" if "1/ms" in map(unit_of, values.values()) else "ms"
    return [check_number(name, in_unit(name, value, unit)) for name, value in values.items()]


@description(eq=False)
class Parameter:
    """A parameter of every neuron of a population, or of a task.

    Parameters
    ----------
    value : float, array or Distribution
        One value for all neurons, one each, or what to draw them from. A quantity of Brian2 (``40*ms``,
        ``2*Hz``) is kept in ms or 1/ms.
    unit : str
        "1", "ms" or "1/ms"; that of a quantity is known.
    trainable : bool
        Whether learning changes it.
    minimum : float, optional
        Lowest value that learning may reach, in `unit`, or a quantity. If nothing is said, a time
        constant goes no lower than an Euler step.

    Raises
    ------
    InputError
        If the value is no finite number, array or `Distribution`, the unit is unknown, a quantity
        is neither a time nor a frequency or does not fit the unit, or the minimum is no finite
        number. What an array holds is checked by the population, synapse or task that has the
        parameter.
    """

    value: object = 0.0
    unit: str = "1"
    trainable: bool = False
    minimum: object = None

    def __post_init__(self):
        for name in ("value", "minimum"):
            given = getattr(self, name)
            if has_unit(given):
                unit = unit_of(given) if self.unit == "1" else self.unit
                if unit is None:
                    raise InputError(
                        f"{name} of a Parameter is {given!r}; a time or a frequency is needed"
                    )
                object.__setattr__(self, name, in_unit(f"{name} of a Parameter", given, unit))
                object.__setattr__(self, "unit", unit)
        if self.minimum is not None:
            minimum = check_number("minimum", self.minimum)
            object.__setattr__(self, "minimum", minimum)
        choose("unit", self.unit, UNITS)
        object.__setattr__(self, "value", frozen(self.value))
        if not isinstance(self.value, np.ndarray | list | tuple):  # those the owner checks
            check_value("value of a Parameter", self.value, ())


def sample(value, shape, seed, replicate, name):
    """The initial values of one quantity in one replicate.

    Parameters
    ----------
    value : float, array or Distribution
    shape : tuple of int
    seed, replicate : int
    name : str
        Names the stream of random numbers, so that no quantity's draw depends on another's.

    Returns
    -------
    ndarray of float64, of `shape`
    """
    if not isinstance(value, Distribution):
        return np.broadcast_to(np.asarray(value, float), shape)
    return value.sample(generator(own_seed(seed, replicate, name=name)), shape)


def summary(value):
    """A number, array or Distribution in a few words."""
    if isinstance(value, np.ndarray) and value.ndim:
        shape = " x ".join(map(str, value.shape))
        return f"array {shape} (mean {value.mean():.3g}, sd {value.std():.3g})"
    return str(value) if isinstance(value, Distribution) else f"{float(value):g}"


def check_value(what, value, shape):
    """Refuse what is no finite number, array of a shape, or Distribution.

    Raises
    ------
    InputError
        Naming it and what is needed.
    """
    if isinstance(value, Distribution):
        return
    try:
        array = np.asarray(value, float)
        if isinstance(value, str) or np.asarray(value).dtype == bool:
            raise ValueError  # NumPy reads text as a number, and True as 1
    except (TypeError, ValueError):
        raise InputError(f"{what}: {value!r} is not a number, array or Distribution") from None
    if array.shape not in ((), shape):
        raise InputError(f"{what}: shape {array.shape}; a number or shape {shape} is needed")
    if not np.isfinite(array).all():
        raise InputError(f"{what}: contains NaN or infinity")


def check_rows(what, value, width):
    """Weights of a readout, whose number of channels the task decides.

    Raises
    ------
    InputError
        If they are no finite number, array of that width or `Distribution`.
    """
    array = np.asarray(value, float) if not isinstance(value, Distribution) else np.zeros(())
    check_value(what, value, (*array.shape[:-1], width) if array.ndim == 2 else ())


def check_binary(what, value, shape, axes):
    """Refuse what is no array of zeros and ones of a shape, whose axes are named for the message.

    Raises
    ------
    InputError
        Naming it and the shape that is needed.
    """
    if value is not None and (
        np.shape(value) != shape or not np.isin(np.asarray(value), (0, 1)).all()
    ):
        raise InputError(
            f"{what} has shape {np.shape(value)}; zeros and ones of shape {shape} ({axes}) are needed"
        )


def frozen(value):
    """The same value; arrays and lists as an array that nobody can write to.

    Raises
    ------
    InputError
        If it has a unit.
    """
    value = plain(value)
    if has_unit(value):
        raise InputError(f"{value!r} has a unit; a number without one is needed")
    if not isinstance(value, list | tuple | np.ndarray):
        return value
    try:
        array = np.array(value)
    except ValueError:  # ragged: refused by the checks, which say of what
        return value
    array.setflags(write=False)
    return array


def values_of(instance):
    """Name to value of the fields of a description."""
    return {name: getattr(instance, name) for name in instance.__dataclass_fields__}
