"""The functions that compiled programs have of their own are exact to one unit in the last place."""

import ctypes
import subprocess

import mpmath
import numpy as np
import pytest

from bgrl.backends import cpp
from bgrl.backends.expressions import OWN_FUNCTIONS, TEMPLATES

#: Each function in a loop of vectors and in one of single calls.
SOURCE = """
#include "functions.h"
#define BOTH(name, T) \\
    extern "C" void name##_vector_##T(const T* in, T* out, int n) { \\
        _Pragma("omp simd") for (int i = 0; i < n; i++) out[i] = bgrl::name(in[i]); } \\
    static __attribute__((noinline)) T name##_alone(const T x) { return bgrl::name(x); } \\
    extern "C" void name##_single_##T(const T* in, T* out, int n) { \\
        for (int i = 0; i < n; i++) out[i] = name##_alone(in[i]); }
"""
TYPES = {"float": np.float32, "double": np.float64}


@pytest.fixture(scope="module")
def call(tmp_path_factory):
    """``call(name, how, x)``: a compiled function of an array."""
    folder = tmp_path_factory.mktemp("functions")
    lines = [f"BOTH({name}, {kind})" for name in OWN_FUNCTIONS for kind in TYPES]
    (folder / "own.cpp").write_text("\n".join([SOURCE, *lines]))
    flags = [*cpp.FLAGS, "-fsingle-precision-constant", "-shared", "-fPIC"]
    command = [cpp.compiler(), *flags, f"-I{TEMPLATES}", "own.cpp", "-o", "own.so"]
    subprocess.run(command, cwd=folder, check=True)
    library = ctypes.CDLL(folder / "own.so")

    def called(name, how, x):
        result = np.empty_like(x)
        kind = {v: k for k, v in TYPES.items()}[x.dtype.type]
        pointers = (a.ctypes.data_as(ctypes.c_void_p) for a in (x, result))
        getattr(library, f"{name}_{how}_{kind}")(*pointers, x.size)
        return result

    return called


def arguments(dtype, size):
    """Numbers of every size, dense where functions bend, and all that is special."""
    info, random = np.finfo(dtype), np.random.default_rng(0)
    sizes = np.exp(random.uniform(np.log(float(info.tiny)), np.log(float(info.max)), size))
    tiny = np.float64(info.smallest_subnormal)
    special = [0, -0.0, np.inf, -np.inf, np.nan, info.max, -info.max, info.tiny, tiny, -tiny]
    with np.errstate(over="ignore"):
        return np.concatenate(
            [
                *(random.uniform(-a, a, size) for a in (3, 100, 750, 600_000)),
                *(sizes, -sizes, 1 + random.uniform(-0.5, 0.5, size)),
                1 + random.uniform(-1e-3, 1e-3, size),
                np.arange(-size // 2, size // 2) * np.pi / 2,
                random.integers(1, 2**20, 100) * tiny,
                special,
            ]
        ).astype(dtype)


def distance(found, exact):
    """Largest distance of numbers from those in longer precision, in units of the last place."""
    rounded = exact.astype(found.dtype)
    finite = np.isfinite(rounded)
    assert np.array_equal(found[~finite], rounded[~finite], equal_nan=True)
    zero = rounded == 0
    assert np.array_equal(np.signbit(found[zero]), np.signbit(rounded[zero]))
    unit = np.spacing(np.abs(rounded[finite])).astype(np.longdouble)
    return float(np.max(np.abs(found[finite] - exact[finite]) / unit))


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="no longer precision in NumPy here")
@pytest.mark.parametrize("dtype", TYPES.values())
@pytest.mark.parametrize("name", OWN_FUNCTIONS)
def test_functions_are_exact_to_one_unit_in_the_last_place(call, name, dtype):
    x = arguments(dtype, 20_000)
    found = call(name, "vector", x)
    with np.errstate(all="ignore"):
        assert distance(found, getattr(np, name)(x.astype(np.longdouble))) <= 1
        nearer = np.nextafter(np.nextafter(found, dtype(0)), dtype(0))
        moved = np.where(np.isfinite(found) & (found != 0), nearer, found)
        assert distance(moved, getattr(np, name)(x.astype(np.longdouble))) > 1
    alone = call(name, "single", x)
    assert np.array_equal(found, alone, equal_nan=True)
    assert np.array_equal(np.signbit(found[found == 0]), np.signbit(alone[found == 0]))


@pytest.mark.parametrize("name", OWN_FUNCTIONS)
def test_functions_are_those_of_many_digits(call, name):
    x = arguments(np.float64, 60)
    found = call(name, "single", x)
    with mpmath.workprec(1200):
        for value, result in zip(x, found, strict=True):
            if np.isfinite(value) and np.isfinite(result) and (name != "log" or value > 0):
                exact = getattr(mpmath, name)(mpmath.mpf(float(value)))
                unit = np.spacing(abs(float(exact))) if float(exact) else 5e-324
                assert abs(mpmath.mpf(float(result)) - exact) <= unit, value
