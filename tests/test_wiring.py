"""Wiring patterns: how many synapses there are, between whom, and that the seed says which."""

import numpy as np
import pytest

from bgrl.circuit import wiring
from bgrl.errors import InputError

PATTERNS = {
    "all_to_all": (wiring.all_to_all, {}),
    "random": (wiring.random, {"density": 0.3}),
    "distance": (wiring.distance, {"width": 0.1}),
    "channels": (wiring.channels, {"number": 5}),
    "small_world": (wiring.small_world, {"neighbours": 4, "probability": 0.2}),
    "fan_out": (wiring.fan_out, {"synapses": 3}),
    "neural_circuit_policy": (
        wiring.neural_circuit_policy,
        {"layers": (10, 6, 4), "synapses": 3, "recurrent": 2},
    ),
}
DRAWN = set(PATTERNS) - {"all_to_all", "channels"}


@pytest.mark.parametrize("name", PATTERNS)
def test_masks_follow_from_the_seed(name):
    pattern, options = PATTERNS[name]
    mask = pattern(20, 20, seed=1, **options)
    assert mask.shape == (20, 20) and set(np.unique(mask)) <= {0, 1} and mask.any()
    np.testing.assert_array_equal(mask, pattern(20, 20, seed=1, **options))
    assert np.array_equal(mask, pattern(20, 20, seed=2, **options)) == (name not in DRAWN)


def test_random_has_the_density():
    mask = wiring.random(30, 40, density=0.25)
    assert mask.shape == (30, 40) and mask.sum() == 300
    assert mask.sum(axis=1).std() > 1  # synapses are drawn, not dealt out to neurons
    assert wiring.random(3, 3, density=0).sum() == 0


def test_distance_falls_off_around_the_ring():
    mask = np.mean([wiring.distance(50, 100, seed, width=0.1) for seed in range(200)], axis=0)
    # Target 0 lies at 0.01 of the ring, sources at 0.005, 0.015, ...
    for source, apart in ((0, 0.005), (10, 0.095), (20, 0.195), (98, 0.025), (50, 0.495)):
        assert mask[0, source] == pytest.approx(np.exp(-(apart**2) / 0.02), abs=0.1)


def test_channels_are_apart():
    mask = wiring.channels(6, 9, number=3)
    np.testing.assert_array_equal(mask, np.kron(np.eye(3), np.ones((2, 3))))
    uneven = wiring.channels(5, 4, number=2)
    assert uneven.sum(axis=1).tolist() == [2, 2, 2, 2, 2] and uneven.sum(axis=0).max() == 3


def clustering(mask):
    """Share of pairs of a neuron's targets that are connected themselves."""
    found = []
    for source in range(len(mask)):
        targets = np.flatnonzero(mask[:, source])
        inside = mask[np.ix_(targets, targets)].sum()
        found.append(inside / (len(targets) * (len(targets) - 1)))
    return np.mean(found)


def path_length(mask):
    """Mean number of synapses from a neuron to another."""
    reached = np.eye(len(mask), dtype=bool)
    total = np.zeros(mask.shape)
    for _ in range(len(mask)):
        total += ~reached
        reached |= (mask @ reached) > 0
    return total.sum() / (len(mask) * (len(mask) - 1))


def test_small_world_is_clustered_and_small():
    """Watts & Strogatz 1998, figure 2: short paths come long before clusters are lost."""
    ring, small, random = (
        wiring.small_world(100, 100, 1, neighbours=10, probability=p) for p in (0.0, 0.1, 1.0)
    )
    for mask in (ring, small, random):
        assert (mask.sum(axis=0) == 10).all() and not np.diag(mask).any()
    # Of a ring lattice with k neighbours 3 (k - 2) / (4 (k - 1)).
    assert clustering(ring) == pytest.approx(3 * 8 / (4 * 9))
    assert clustering(small) > 0.6 * clustering(ring) > 3 * clustering(random)
    assert path_length(small) < 0.6 * path_length(ring)
    assert ((small == 0) & (ring == 1)).sum() == pytest.approx(100, abs=35)


def test_fan_out_leaves_nobody_out():
    mask = wiring.fan_out(8, 20, 1, synapses=2)
    assert (mask.sum(axis=0) >= 2).all() and (mask.sum(axis=1) >= 1).all()
    few = wiring.fan_out(8, 2, 1, synapses=1, among=5)
    assert (few.sum(axis=1) >= 1).tolist() == [True] * 5 + [False] * 3


def test_neural_circuit_policy_is_a_chain():
    mask = wiring.neural_circuit_policy(20, 20, 3, layers=(5, 6, 5, 4), synapses=2, recurrent=3)
    layer = np.repeat([0, 1, 2, 3], (5, 6, 5, 4))
    between = np.array(
        [[mask[np.ix_(layer == a, layer == b)].sum() for b in range(4)] for a in range(4)]
    )
    allowed = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0]], bool)
    assert (between[allowed] > 0).all() and (between[~allowed] == 0).all()
    assert (mask[np.ix_(layer == 2, layer == 2)].sum(axis=0) == 3).all()
    assert (mask[layer > 0].sum(axis=1) >= 1).all() and (mask[:, layer == 0].sum(axis=0) >= 2).all()


@pytest.mark.parametrize(
    ("make_it", "message"),
    [
        (lambda: wiring.random(3, 3, density=2), "density is 2; a number from 0 to 1"),
        (lambda: wiring.random(3, 3, density="x"), "density is 'x'; a number from 0 to 1"),
        (lambda: wiring.distance(3, 3, width=0), "width is 0; a positive number"),
        (lambda: wiring.distance(3, 3, width="x"), "width is 'x'; a finite number"),
        (lambda: wiring.channels(3, 8, number=4), "4 channels need as many neurons; there are 3"),
        (lambda: wiring.small_world(3, 4, neighbours=2, probability=0), "a ring needs one group"),
        (lambda: wiring.small_world(5, 5, neighbours=3, probability=0), "neighbours is 3; an even"),
        (lambda: wiring.small_world(4, 4, neighbours=4, probability=0), "even number below 4"),
        (lambda: wiring.small_world(9, 9, neighbours=4, probability=7), "probability is 7"),
        (lambda: wiring.fan_out(3, 3, synapses=4), "4 synapses to 3 of 3 neurons cannot be"),
        (
            lambda: wiring.neural_circuit_policy(9, 9, layers=(2, 2), synapses=1, recurrent=1),
            r"layers \(2, 2\) are not three or four that make up one group of 9",
        ),
    ],
)
def test_impossible_wiring_is_refused(make_it, message):
    with pytest.raises(InputError, match=message):
        make_it()
