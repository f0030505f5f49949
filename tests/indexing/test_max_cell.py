"""The longest cell edge from nearest neighbours; overlapping boxes; ice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.indexing_examples import experiments_of, spots_of

from dxdask.columns import select
from dxdask.errors import ConvergenceError
from dxdask.indexing.max_cell import find_max_cell, in_ice_ring
from dxdask.indexing.overlaps import overlapping
from dxdask.indexing.parameters import MaxCellEstimation
from dxdask.indexing.reciprocal import map_centroids


@pytest.mark.parametrize(("lattice", "edge"), [("aP", 61.0), ("tP", 79.0), ("oP", 71.0)])
def test_estimate_is_a_little_above_the_longest_edge(lattice, edge):
    experiments = experiments_of(lattice, n_runs=2)
    spots = map_centroids(spots_of(experiments, outliers=0.05), experiments)
    assert edge < find_max_cell(spots, MaxCellEstimation()) < 2.0 * edge


def test_runs_are_kept_apart():
    # The same lattice point in two runs is no neighbour of itself.
    experiments = experiments_of("aP", n_runs=2)
    spots = map_centroids(spots_of(experiments), experiments)
    one = select(spots, spots["experiment"] == 0)
    both = find_max_cell(spots, MaxCellEstimation())
    assert both == pytest.approx(find_max_cell(one, MaxCellEstimation()), rel=0.2)


def test_too_few_spots():
    experiments = experiments_of("aP")
    spots = select(map_centroids(spots_of(experiments), experiments), np.arange(6))
    with pytest.raises(ConvergenceError, match=r"too few spots \(.* of 6\).*max_cell"):
        find_max_cell(spots, MaxCellEstimation())


def test_ice_rings():
    d = np.array([3.897, 3.669, 3.0, 1.721, 2.5])
    rlp = np.zeros((5, 3))
    rlp[:, 1] = 1.0 / d
    np.testing.assert_array_equal(in_ice_ring(rlp), [True, True, False, True, False])


@given(seed=st.integers(0, 2**16), n=st.integers(0, 60), border=st.integers(0, 2))
def test_overlaps_are_those_of_all_pairs(seed, n, border):
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 30, (n, 3))
    high = low + rng.integers(1, 8, (n, 3))
    boxes = np.stack([low, high], axis=-1).reshape(n, 6).astype(np.int32)
    spots = {
        "bbox": boxes,
        "experiment": rng.integers(0, 2, n).astype(np.int32),
        "panel": rng.integers(0, 2, n).astype(np.int32),
    }
    grown = boxes + np.array([-border, border, -border, border, 0, 0])
    expected = np.zeros(n, dtype=bool)
    for i in range(n):
        for j in range(n):
            if i != j and all(spots[k][i] == spots[k][j] for k in ("experiment", "panel")):
                a, b = grown[i], grown[j]
                expected[i] |= bool(np.all((a[::2] < b[1::2]) & (b[::2] < a[1::2])))
    np.testing.assert_array_equal(overlapping(spots, border), expected)


def test_spots_too_far_apart_for_any_cell_are_too_few():
    spots = map_centroids(spots_of(experiments_of("aP")), experiments_of("aP"))
    spots["rlp"] = 1000.0 * spots["rlp"]
    with pytest.raises(ConvergenceError, match="too few spots"):
        find_max_cell(spots, MaxCellEstimation(filter_ice=False))
