"""Basis vectors of the direct lattice from a Fourier transform of the reciprocal one.

Source: Bricogne 1986 (Proc. EEC workshop on position-sensitive detectors); Campbell 1998, J. Appl.
Cryst. 31, 407; as used by DIALS (Gildea et al. 2014, Acta Cryst. D70, 2652).
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.errors import ConvergenceError
from dxdask.indexing.methods.parameters import Fft3d
from dxdask.indexing.methods.vectors import unique_vectors, upper_half

FEWEST_PEAKS = 4
OUTLYING_PEAK = 5.0
MOST_PEAKS = 500


def power_spectrum(
    rlp: Floats, *, n_points: int, d_min: float, b_iso: float | None
) -> NDArray[np.float32]:
    """Return |F|^2, (n, n, n // 2 + 1) float32, of points rlp (m, 3) put on a grid of n^3 voxels.

    A voxel is 2 / (n d_min) wide; that nearest to a point holds exp(-B |r|^2 / 4), once for any
    number of points. The other half of the transform follows from F(-k) = F(k)*. Memory: 12 n^3
    bytes.
    """
    b = -4.0 * d_min**2 * np.log(0.05) if b_iso is None else b_iso
    index = np.rint(rlp * (n_points * d_min / 2.0)).astype(np.int64)
    inside = np.all((index >= -(n_points // 2)) & (index < n_points // 2), axis=1)
    index = index[inside] % n_points
    weights = np.exp(-b * np.einsum("ij,ij->i", rlp[inside], rlp[inside]) / 4.0)
    grid = np.zeros((n_points, n_points, n_points), dtype=np.float32)
    # The largest weight of a voxel, so that the order of the points does not matter.
    np.maximum.at(grid, tuple(index.T), weights.astype(np.float32))
    transform = scipy.fft.rfftn(grid, workers=1, overwrite_x=True)
    return np.asarray(transform.real**2 + transform.imag**2, dtype=np.float32)


def find_peaks(
    power: NDArray[np.float32], *, rmsd_cutoff: float, volume_cutoff: float
) -> tuple[Floats, Floats]:
    """Return centres (n, 3), in voxels, -N/2 to N/2, and volumes (n,), in voxels, of the peaks.

    Voxels above `rmsd_cutoff` times the rms are joined through their faces, across the edges of the
    periodic grid too. Peaks are kept whose volume is above `volume_cutoff` of the largest; peaks
    far larger than all others (the origin) are not taken as the largest.

    Raises
    ------
    ConvergenceError
        Fewer than four peaks.
    """
    n = power.shape[0]
    voxels = _voxels_above(power, rmsd_cutoff)
    label = _label(voxels, n)
    volumes = np.bincount(label).astype(np.float64)
    if len(volumes) < FEWEST_PEAKS:
        raise ConvergenceError(
            f"the Fourier search found {len(volumes)} peaks, needs {FEWEST_PEAKS}: give "
            f"indexing.max_cell or lower indexing.fft3d.rmsd_cutoff (now {rmsd_cutoff:g})"
        )
    q1, q3 = np.percentile(volumes, [25.0, 75.0])
    usual = volumes[volumes <= q3 + OUTLYING_PEAK * (q3 - q1)]
    keep = volumes > volume_cutoff * usual.max()
    return _centres(voxels, label, n)[keep], volumes[keep]


def _voxels_above(power: NDArray[np.float32], cutoff: float) -> NDArray[np.int64]:
    """Return the voxels (m, 3) of the whole grid above `cutoff` rms, each once."""
    n = power.shape[0]
    weight = np.full(power.shape[2], 2.0)  # every voxel has a mirror image in the other half
    weight[0] = 1.0
    if n % 2 == 0:
        weight[-1] = 1.0
    plane_sum = power.sum(axis=(0, 1), dtype=np.float64)
    plane_square = np.einsum("ijk,ijk->k", power, power, dtype=np.float64)
    mean = (weight @ plane_sum) / n**3
    rms = np.sqrt(max((weight @ plane_square) / n**3 - mean**2, 0.0))
    half = np.argwhere(power > np.float32(cutoff * rms))
    codes = np.concatenate([_code(half, n), _code(-half % n, n)])
    codes = np.unique(codes)
    return np.column_stack([codes // (n * n), codes // n % n, codes % n])


def _code(voxels: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    return np.asarray((voxels[:, 0] * n + voxels[:, 1]) * n + voxels[:, 2])


def _label(voxels: NDArray[np.int64], n: int) -> NDArray[np.int32]:
    """Return the label (m,) of the peak of each voxel (m, 3), sorted by code."""
    codes = _code(voxels, n)
    m = len(codes)
    if not m:
        return np.zeros(0, dtype=np.int32)
    left, right = [], []
    for step in np.eye(3, dtype=np.int64):
        neighbour = _code((voxels + step) % n, n)
        place = np.minimum(np.searchsorted(codes, neighbour), m - 1)
        found = np.flatnonzero(codes[place] == neighbour)
        left.append(found)
        right.append(place[found])
    i, j = np.concatenate(left), np.concatenate(right)
    graph = scipy.sparse.coo_array((np.ones(len(i), dtype=np.int8), (i, j)), shape=(m, m))
    return np.asarray(scipy.sparse.csgraph.connected_components(graph, directed=False)[1])


def _centres(voxels: NDArray[np.int64], label: NDArray[np.int32], n: int) -> Floats:
    """Return the mean voxel (k, 3) of each peak on the periodic grid, -n/2 to n/2."""
    first = np.unique(label, return_index=True)[1]
    seed = voxels[first][label]
    offset = (voxels - seed + n // 2) % n - n // 2
    counts = np.bincount(label)
    mean = np.column_stack([np.bincount(label, offset[:, k]) / counts for k in range(3)])
    return np.asarray((voxels[first] + mean + n / 2) % n - n / 2)


def find_vectors(
    rlp: Floats, *, max_cell: float, min_cell: float, d_min: float, parameters: Fft3d
) -> Floats:
    """Return candidate vectors (n, 3) of the direct lattice that fits points rlp (m, 3), 1/A.

    Vectors are sorted by the volume of their peaks, largest first. Where fewer than four peaks are
    above the cutoff, as with few spots, half of it is used.

    Raises
    ------
    ConvergenceError
        Fewer than four peaks.
    """
    n = parameters.reciprocal_space_grid.n_points
    power = power_spectrum(rlp, n_points=n, d_min=d_min, b_iso=parameters.b_iso)
    cutoff, least = parameters.rmsd_cutoff, parameters.peak_volume_cutoff
    try:
        centres, volumes = find_peaks(power, rmsd_cutoff=cutoff, volume_cutoff=least)
    except ConvergenceError:
        centres, volumes = find_peaks(power, rmsd_cutoff=cutoff / 2.0, volume_cutoff=least)
    vectors = centres * (d_min / 2.0)
    length = np.linalg.norm(vectors, axis=1)
    keep = (length > min_cell) & (length < 2.0 * max_cell) & upper_half(vectors)
    largest = np.argsort(-volumes[keep], kind="stable")[:MOST_PEAKS]
    vectors, volumes = vectors[keep][largest], volumes[keep][largest]
    # Peaks of a lattice differ in volume by noise: within a factor of 2 the shortest are first.
    return unique_vectors(vectors, np.rint(np.log2(volumes / volumes.max(initial=1.0))))
