import subprocess

import numpy as np
import pytest

from bgrl import random
from bgrl.backends import cpp

WORD = 2**64 - 1


def python_uniform(*words):
    """The generator in plain integers, from the publication."""

    def mix(z):
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & WORD
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & WORD
        return z ^ (z >> 31)

    z = 0
    for word in words:
        z = mix(((z ^ word) + 0x9E3779B97F4A7C15) & WORD)
    return ((z >> 41) + 0.5) / 2**23


COUNTERS = [(0, 0, 1, 0, 0), (7, 3, 2, 123456789, 5), (2**31 - 1, 999, 1, 10**10, 1003)]


@pytest.mark.parametrize("counter", COUNTERS)
def test_equals_plain_integers(counter):
    assert random.counter_uniform(*counter) == python_uniform(*counter)


def test_known_splitmix_output():
    # First output of SplitMix64 seeded with 0 (Vigna, splitmix64.c): the mix of one increment.
    assert random._mix(np.array([random._INCREMENT], np.uint64))[0] == 0xE220A8397B1DCDAF


def test_cpp_is_the_same_function(tmp_path):
    lines = "\n".join(
        f'printf("%.17g\\n", _counter_uniform({", ".join(f"{w}LL" for w in c)}));' for c in COUNTERS
    )
    source = tmp_path / "main.cpp"
    source.write_text(f"#include <cstdint>\n#include <cstdio>\n{random.CPP}\nint main(){{{lines}}}")
    subprocess.run([cpp.compiler(), str(source), "-o", str(tmp_path / "a")], check=True)
    out = subprocess.run([tmp_path / "a"], capture_output=True, text=True, check=True).stdout
    assert [float(v) for v in out.split()] == [python_uniform(*c) for c in COUNTERS]


def test_exact_in_single_precision_and_inside_the_open_interval():
    u = random.counter_uniform(1, 0, 1, np.arange(100_000), 0)
    assert (u.astype(np.float32) == u).all()
    assert u.min() > 0 and u.max() < 1


@pytest.mark.parametrize("varied", range(5))
def test_uniform_along_every_counter(varied):
    counter = [3, 4, 1, 5, 6]
    counter[varied] = np.arange(40_000)
    u = random.counter_uniform(*counter)
    counts = np.histogram(u, 50, (0, 1))[0]
    chi_square = ((counts - 800) ** 2 / 800).sum()
    assert 22 < chi_square < 90  # 49 degrees of freedom: 0.1 % on either side is 24 and 85
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 0.02


def test_derived_seeds_are_valid_and_differ():
    seeds = [random.derived_seed(0, k) for k in range(1000)]
    assert len(set(seeds)) == 1000
    assert min(seeds) >= 0 and max(seeds) < 2**31
