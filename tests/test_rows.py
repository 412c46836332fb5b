"""Synapses in memory: rows of whole vectors, of targets or of sources, and what stands for a synapse."""

import numpy as np
import pytest

from bgrl.backends.dense import loops, position
from bgrl.backends.rows import Rows


@pytest.mark.parametrize(
    ("targets", "sources", "of_sources", "length"),
    [(32, 37, True, 32), (3, 32, False, 32), (5, 5, True, 8), (8, 3, True, 8), (3, 8, False, 8)],
)
def test_rows_are_of_what_fills_vectors_better(targets, sources, of_sources, length):
    rows = Rows(2, targets, sources, sources).filled(8)
    assert (rows.of_sources, rows.length) == (of_sources, length)
    assert rows.size == 2 * (sources if of_sources else targets) * length


@pytest.mark.parametrize("lanes", [1, 4, 8])
@pytest.mark.parametrize(("targets", "sources"), [(3, 5), (5, 3)])
def test_every_synapse_has_its_place(targets, sources, lanes):
    rows = Rows(2, targets, sources, sources).filled(lanes)
    values = np.zeros(rows.size)
    values[:] = np.arange(rows.size)
    found = rows.synapses(values)
    assert found.shape == (2, targets, sources)
    assert len(np.unique(found)) == found.size
    replicate, target, source = np.indices(found.shape)
    row, element, count = (
        (source, target, sources) if rows.of_sources else (target, source, targets)
    )
    assert np.array_equal(found, (replicate * count + row) * rows.length + element)
    place = rows.element("replicate", "target", "source")
    assert np.array_equal(found, eval(place))
    found[...] = -1
    assert (values < 0).sum() == found.size


@pytest.mark.parametrize(
    ("replicates", "neurons", "expected"),
    [(3, 32, (3, 32)), (3, 2, (1, 6)), (1, 2, (1, 2)), (3, 1, (1, 3))],
)
def test_a_loop_over_few_neurons_goes_over_replicates_too(replicates, neurons, expected):
    assert loops(replicates, neurons) == expected


@pytest.mark.parametrize(
    ("index", "outer", "simple"),
    [
        ([0, 0, 0, 0, 5, 5, 5, 5], 2, True),
        ([2, 3, 4, 12, 13, 14], 2, True),
        ([1, 4, 7], 1, True),
        ([3, 2, 1], 1, True),
        ([4], 1, True),
        ([0, 1, 0], 1, False),
        ([0, 1, 5, 7], 2, False),
    ],
)
def test_what_is_read_in_order_needs_no_index_array(index, outer, simple):
    found = position(np.array(index), outer)
    assert (found is not None) == simple
    if simple:
        turns = np.ndindex(outer, len(index) // outer)
        assert [eval(found, {"_outer": i, "_inner": k}) for i, k in turns] == index
