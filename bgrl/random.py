"""Counter-based random numbers: a pure function of (seed, replicate, stream, step, index).

So a seed is a run-time value, replicate 3 of 10 is replicate 3 of 1000, a run that stops and
resumes equals one that never stopped, and backends agree to the bit.

The counter goes through the finalizer of SplitMix64 (Steele, Lea & Flood 2014, OOPSLA,
doi:10.1145/2660193.2660195) once per word. The upper 23 bits of the result make the number, so that
it is the same in single and double precision and never rounds up to 1. The NumPy function is the
definition; `CPP` and `CYTHON` are the same function for the compiled targets.
"""

import numpy as np

from bgrl.errors import check_integer

#: Streams of random numbers, one for each part of the model that draws.
STREAMS = {"task": 1, "policy": 2, "environment": 3, "noise": 4}

_INCREMENT = 0x9E3779B97F4A7C15
_MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)

CPP = """
static inline uint64_t _bgrl_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}
static inline double _counter_uniform(int64_t seed, int64_t replicate, int64_t stream,
                                      int64_t step, int64_t index)
{
    const uint64_t increment = 0x9E3779B97F4A7C15ULL;
    uint64_t z = _bgrl_mix((uint64_t)seed + increment);
    z = _bgrl_mix((z ^ (uint64_t)replicate) + increment);
    z = _bgrl_mix((z ^ (uint64_t)stream) + increment);
    z = _bgrl_mix((z ^ (uint64_t)step) + increment);
    z = _bgrl_mix((z ^ (uint64_t)index) + increment);
    return ((double)(z >> 41) + 0.5) / 8388608.0;
}
"""

CYTHON = """
cdef inline unsigned long long _bgrl_mix(unsigned long long z) noexcept nogil:
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL
    return z ^ (z >> 31)

cdef double _counter_uniform(long long seed, long long replicate, long long stream,
                             long long step, long long index) noexcept nogil:
    cdef unsigned long long increment = 0x9E3779B97F4A7C15ULL
    cdef unsigned long long z = _bgrl_mix(<unsigned long long>seed + increment)
    z = _bgrl_mix((z ^ <unsigned long long>replicate) + increment)
    z = _bgrl_mix((z ^ <unsigned long long>stream) + increment)
    z = _bgrl_mix((z ^ <unsigned long long>step) + increment)
    z = _bgrl_mix((z ^ <unsigned long long>index) + increment)
    return (<double>(z >> 41) + 0.5) / 8388608.0
"""


def own_seed(seed, *words, name=""):
    """A seed of its own for something that is drawn once, before a run: weights, wiring.

    Parameters
    ----------
    seed : int
        Of everything.
    *words : int
        What tells one draw from another, such as the replicate.
    name : str
        Of what is drawn, so that no quantity's draw depends on another's.

    Returns
    -------
    list of int

    Raises
    ------
    InputError
        If the seed is no integer of 0 or more.
    """
    return [check_integer("seed", seed, 0), *words, *name.encode()]


def generator(seed):
    """Random numbers of NumPy from an integer or an `own_seed`; Philox is counter-based too."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))


def _mix(z):
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_MULTIPLIERS[0])
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_MULTIPLIERS[1])
    return z ^ (z >> np.uint64(31))


#: Of the counters of a task's ``normal(k)``, which takes two uniform numbers.
NORMAL_OFFSET = 1000


def counter_uniform(seed, replicate, stream, step, index):
    """Uniform number in (0, 1), an odd multiple of 2**-24.

    Parameters
    ----------
    seed, replicate, stream, step, index : int or array of int
        Broadcast against each other.

    Returns
    -------
    ndarray of float64
    """
    return ((_mixed(seed, replicate, stream, step, index) >> np.uint64(41)).astype(float) + 0.5) / (
        8388608.0
    )


def counter_seed(seed, replicate, stream, step):
    """A seed for somebody else's generator, 0 to 2**31 - 1, all of whose bits are random.

    Parameters
    ----------
    seed, replicate, stream, step : int
    """
    return int(_mixed(seed, replicate, stream, step, 0) >> np.uint64(33))


def _mixed(*words):
    with np.errstate(over="ignore"):
        z = np.uint64(0)
        for word in words:
            z = _mix(
                (z ^ np.asarray(word).astype(np.int64).astype(np.uint64)) + np.uint64(_INCREMENT)
            )
    return z


def derived_seed(seed, label):
    """A seed of its own for one use (an evaluation, say), in the range of a seed.

    Parameters
    ----------
    seed, label : int
    """
    return int(counter_uniform(seed, 0, 0, label, 0) * 2**31)
