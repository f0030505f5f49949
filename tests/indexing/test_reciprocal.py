"""Centroids become points of the reciprocal lattice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.indexing_examples import experiments_of, spots_of

from dxdask.columns import check, n_rows, select
from dxdask.indexing.reciprocal import map_centroids, within_first_rotation
from dxdask.storage.importers.dials.files import read_experiments
from dxdask.storage.importers.dials.reflections import read_npz


def test_points_are_those_of_the_lattice():
    experiments = experiments_of("mP", n_runs=2, n_panels=2)
    spots = spots_of(experiments, sigma=0.0)
    table = check(map_centroids(spots, experiments), ("rlp", "s1", "entering", "x_mm_variance"))
    expected = spots["hkl"] @ experiments.crystals[0].a.T
    # Parallax is inverted to first order only, which costs up to a micrometre here.
    np.testing.assert_allclose(table["rlp"], expected, atol=2e-5)
    np.testing.assert_allclose(np.linalg.norm(table["s1"], axis=1), 1 / 1.03, rtol=1e-12)
    np.testing.assert_allclose(table["x_mm_variance"], 0.01 * 0.1**2)
    width = np.array([e.scan.image_width_rad for e in experiments])[table["experiment"]]
    np.testing.assert_allclose(table["phi_rad_variance"], 0.01 * width**2)


def test_entering_spots_move_into_the_sphere():
    experiments = experiments_of("tP")
    spots = spots_of(experiments, sigma=0.0)
    table = map_centroids(spots, experiments)
    e = experiments[0]
    # After a small rotation of the lattice point: inside means |r + s0| < |s0|.
    step = 1e-4
    axis = e.goniometer.rotation_axis
    r = table["s1"] - e.beam.s0
    inside = np.linalg.norm(r + step * np.cross(axis, r) + e.beam.s0, axis=1) < 1 / 1.03
    np.testing.assert_array_equal(table["entering"], inside)


@given(seed=st.integers(0, 2**16))
def test_order_of_rows_does_not_matter(seed):
    experiments = experiments_of("oP", n_runs=2, n_panels=2)
    spots = select(spots_of(experiments), np.arange(200))
    order = np.random.default_rng(seed).permutation(200)
    table, shuffled = (
        map_centroids(spots, experiments),
        map_centroids(select(spots, order), experiments),
    )
    for name, values in table.items():
        np.testing.assert_array_equal(values[order], shuffled[name])


def test_no_spots():
    experiments = experiments_of("oP")
    spots = select(spots_of(experiments), np.arange(0))
    assert n_rows(map_centroids(spots, experiments)) == 0


def test_only_the_first_rotation_is_searched():
    experiments = experiments_of("oP")
    phi = np.deg2rad([0.0, 10.0, 359.0, 361.0])
    table = {"phi_rad": phi, "experiment": np.zeros(4, dtype=np.int32)}
    np.testing.assert_array_equal(
        within_first_rotation(table, experiments), [True, True, True, False]
    )


@pytest.mark.shared
def test_dials_has_the_same_points(shared):
    folder = shared / "reference" / "lysozyme_ed"
    experiments = read_experiments(folder / "indexed.expt")
    theirs = read_npz(folder / "indexed.npz")
    table = map_centroids(theirs, experiments)
    # Their points are those of the models before the last refinement, which moved them a little.
    for name, atol in (("rlp", 2e-3), ("x_mm", 1e-9), ("y_mm", 1e-9), ("phi_rad", 1e-9)):
        np.testing.assert_allclose(table[name], theirs[name], atol=atol)
    np.testing.assert_array_equal(table["entering"], theirs["entering"])
    for name in ("x_mm_variance", "y_mm_variance", "phi_rad_variance"):
        np.testing.assert_allclose(table[name], theirs[name], rtol=1e-6)
