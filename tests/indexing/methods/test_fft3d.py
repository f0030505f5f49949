"""Basis vectors of the direct lattice by a Fourier transform."""

from __future__ import annotations

import numpy as np
import pytest
from support.indexing_examples import experiments_of

from dxdask.errors import ConvergenceError
from dxdask.indexing.lattice import find_lattices
from dxdask.indexing.methods.fft3d import (
    _voxels_above,
    find_peaks,
    find_vectors,
    power_spectrum,
)
from dxdask.indexing.methods.parameters import Fft3d, ReciprocalSpaceGrid
from dxdask.indexing.methods.search_lattices import grid_d_min
from dxdask.indexing.parameters import IndexParameters


def lattice_points(a_matrix, d_min=4.0):
    n = np.arange(-20, 21)
    hkl = np.stack(np.meshgrid(n, n, n, indexing="ij"), axis=-1).reshape(-1, 3)
    rlp = hkl @ a_matrix.T
    length = np.linalg.norm(rlp, axis=1)
    return rlp[(length > 0) & (length < 1.0 / d_min)]


def somewhere(rlp):
    """Points anywhere within the sphere of those of a lattice."""
    anywhere = np.random.default_rng(1).uniform(-1.0, 1.0, (4000, 3))
    inside = np.linalg.norm(anywhere, axis=1) < 1.0
    return anywhere[inside] * np.linalg.norm(rlp, axis=1).max()


def test_half_a_transform_holds_the_whole():
    rng = np.random.default_rng(0)
    rlp = rng.uniform(-0.05, 0.05, (500, 3))
    n, d_min = 32, 8.0
    power = power_spectrum(rlp, n_points=n, d_min=d_min, b_iso=None)
    grid = np.zeros((n, n, n))
    index = np.rint(rlp * n * d_min / 2).astype(int) % n
    b = -4 * d_min**2 * np.log(0.05)
    for place, r in zip(index, rlp, strict=True):
        weight = np.exp(-b * (r @ r) / 4)
        grid[tuple(place)] = max(grid[tuple(place)], weight)
    whole = np.abs(np.fft.fftn(grid)) ** 2
    np.testing.assert_allclose(power, whole[:, :, : n // 2 + 1], rtol=2e-4, atol=1e-3)


@pytest.mark.parametrize("n", [32, 33])
def test_rms_is_that_of_the_whole_transform(n):
    rng = np.random.default_rng(0)
    grid = rng.uniform(0.0, 1.0, (n, n, n)) ** 4
    half = np.abs(np.fft.rfftn(grid)).astype(np.float32)
    whole = np.abs(np.fft.fftn(grid))
    # whole has its place for each cutoff between two values that occur
    rms = whole.std()
    for share in (0.25, 0.5):
        values = np.sort(whole.ravel())
        k = int(share * len(values))
        k += int(np.argmax(np.diff(values[k : k + 50])))
        cutoff = 0.5 * (values[k] + values[k + 1]) / rms
        assert len(_voxels_above(half, cutoff)) == len(values) - k - 1


def test_peaks_are_joined_across_the_edges_and_centred():
    n = 32
    whole = np.zeros((n, n, n), dtype=np.float32)
    for centre in ((0, 0, 0), (10, 0, 0), (0, 9, 0), (3, 2, 12), (31, 16, 4)):
        for sign in (1, -1):
            for step in np.vstack([np.zeros(3, int), np.eye(3, dtype=int), -np.eye(3, dtype=int)]):
                whole[tuple((sign * np.array(centre) + step) % n)] = 1000.0
    centres, volumes = find_peaks(
        np.ascontiguousarray(whole[:, :, : n // 2 + 1]), rmsd_cutoff=5.0, volume_cutoff=0.15
    )
    assert set(volumes) == {7.0}
    found = {tuple(c) for c in np.round(centres).astype(int).tolist()}
    assert {(0, 0, 0), (10, 0, 0), (-10, 0, 0), (3, 2, 12), (-3, -2, -12)} <= found
    assert len(found) == 9
    np.testing.assert_allclose(centres, np.round(centres), atol=1e-9)


def test_no_peaks():
    with pytest.raises(ConvergenceError, match=r"found 0 peaks.*max_cell"):
        find_peaks(np.zeros((32, 32, 17), dtype=np.float32), rmsd_cutoff=15.0, volume_cutoff=0.15)


@pytest.mark.jit
@pytest.mark.parametrize("lattice", ["aP", "oC", "cI"])
def test_shortest_vectors_of_the_lattice_are_found(lattice):
    crystal = experiments_of(lattice).crystals[0]
    op = crystal.gemmi_space_group.centred_to_primitive()
    a_matrix = crystal.a @ np.linalg.inv(np.array(op.rot) / 24.0).T
    rlp = lattice_points(a_matrix)
    parameters = Fft3d(reciprocal_space_grid=ReciprocalSpaceGrid(n_points=128))
    max_cell = 1.3 * max(crystal.unit_cell[:3])
    d_min = grid_d_min(rlp, max_cell=max_cell, n_points=128, d_min=None)
    vectors = find_vectors(rlp, max_cell=max_cell, min_cell=3.0, d_min=d_min, parameters=parameters)
    fractional = vectors @ a_matrix
    # A voxel is half of d_min, so a vector is known to about a quarter of it.
    off = (fractional - np.rint(fractional)) @ np.linalg.inv(a_matrix)
    assert np.median(np.linalg.norm(off, axis=1)) < d_min / 2
    (best, *_) = find_lattices(vectors, rlp, somewhere(rlp), IndexParameters())
    relation = np.linalg.solve(best.a_matrix, a_matrix)
    np.testing.assert_allclose(relation, np.rint(relation), atol=1e-6)
    assert abs(np.linalg.det(relation)) == pytest.approx(1.0)
    assert best.n_indexed == best.n_sample


@pytest.mark.jit
def test_grid_is_no_finer_than_the_data():
    rlp = np.array([[0.0, 0.0, 0.25], [0.1, 0.0, 0.0]])
    assert grid_d_min(rlp, max_cell=20.0, n_points=256, d_min=None) == pytest.approx(4.0)
    assert grid_d_min(rlp, max_cell=512.0, n_points=256, d_min=None) == pytest.approx(10.0)
    assert grid_d_min(rlp, max_cell=512.0, n_points=256, d_min=2.5) == 2.5
