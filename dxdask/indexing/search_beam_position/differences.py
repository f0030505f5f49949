"""Lattices of differences between spots, which hardly depend on the beam centre.

A wrong beam centre moves all spots of a few degrees of rotation by nearly the same vector, which
cancels in their differences (as in the indexing of XDS: Kabsch 1993, J. Appl. Cryst. 26, 795). The
densest differences between spots of one lattice are its vectors.
"""

from __future__ import annotations

from itertools import islice

import numpy as np
import scipy
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Reflections
from dxdask.indexing.lattice import is_among, sample, triplets
from dxdask.indexing.lattice_fit import Lattice, fit, indices_near
from dxdask.indexing.methods.fft3d import power_spectrum
from dxdask.indexing.parameters import IndexParameters
from dxdask.indexing.reduction import inverse, niggli_reduced, primitive
from dxdask.indexing.trial_fit import TIGHT, above_chance

WEDGE_RAD = np.deg2rad(2.0)
PARTNERS = 16
FEWEST = 12
GRID = 128
"""Points of the grid of the Fourier transform along each edge."""
PEAKS = 40
TRIPLETS = 60


def spot_differences(spots: Reflections) -> Floats:
    """Return differences (m, 3) of rlp between spots of a wedge, 1/Angstrom, evenly chosen.

    Spots of a wedge are of one experiment and within 2 degrees of rotation.
    """
    experiment, phi = spots["experiment"], spots["phi_rad"]
    wedge = np.floor((phi - phi.min(initial=0.0)) / WEDGE_RAD).astype(np.int64)
    # by their place too, so that the order of the spots does not matter
    order = np.lexsort((spots["y"], spots["x"], wedge, experiment))
    keys = np.column_stack([experiment, wedge])[order]
    ends = np.flatnonzero(np.any(np.diff(keys, axis=0) != 0, axis=1)) + 1
    found = [np.zeros((0, 3))]
    for rows in np.split(order, ends):
        points, n = spots["rlp"][rows], len(rows)
        steps = np.unique(np.linspace(1, max(n // 2, 1), PARTNERS).astype(np.int64))
        found += [points[k:] - points[: n - k] for k in steps.tolist()]
    return np.concatenate(found)


def lattices_of_differences(
    differences: Floats, max_cell: float, parameters: IndexParameters
) -> list[Lattice]:
    """Return the lattices of differences (m, 3) of spots, best first; none where there is none."""
    length2 = np.einsum("ij,ij->i", differences, differences)
    if np.count_nonzero(length2) < FEWEST:
        return []
    d_min = max(5.0 * max_cell / GRID, 1.0 / float(np.sqrt(length2.max())))
    low = differences[length2 <= 1.0 / d_min**2]
    power = power_spectrum(low, n_points=GRID, d_min=d_min, b_iso=None)
    vectors = strongest(power, PEAKS) * (d_min / 2.0)
    length = np.linalg.norm(vectors, axis=1)
    vectors = vectors[(length > parameters.min_cell) & (length < 2.0 * max_cell)]
    tolerance = parameters.index_assignment.simple.hkl_tolerance
    threshold = parameters.basis_vector_combinations.sys_absent_threshold
    points, found = sample(low), list[Lattice]()
    for basis in islice(triplets(vectors), TRIPLETS):
        volume = abs(np.linalg.det(basis))
        edges = float(np.prod(np.linalg.norm(basis, axis=1)))
        if volume < max(edges / 100.0, parameters.min_cell_volume):
            continue
        if is_among(found, inverse(basis)):
            continue
        lattice = fit(niggli_reduced(inverse(basis)), points, tolerance)
        hkl, near = indices_near(lattice.a_matrix, points, TIGHT * tolerance)
        smaller = primitive(lattice.a_matrix, hkl[near], threshold=threshold)
        if smaller is not lattice.a_matrix:
            lattice = fit(smaller, points, tolerance)
        if not is_among(found, lattice.a_matrix):
            found.append(lattice)
    return sorted(found, key=lambda x: -above_chance(x.a_matrix, points, TIGHT * tolerance))


def strongest(power: NDArray[np.float32], most: int) -> Floats:
    """Return the places (m, 3), in voxels from the origin, of the strongest local maxima.

    power : half a transform (n, n, n // 2 + 1). Of a vector and its opposite one is returned. The
    place is the centre of the voxels around, by power.
    """
    n = power.shape[0]
    around = scipy.ndimage.maximum_filter(power, 5, mode=("wrap", "wrap", "nearest"))
    places = np.argwhere(power >= around)
    places = places[np.any(places != 0, axis=1)]
    # in the plane z = 0 both a vector and its opposite are there
    x, y, z = ((places + n // 2) % n - n // 2).T
    places = places[(z > 0) | (y > 0) | ((y == 0) & (x > 0))]
    order = np.argsort(-power[tuple(places.T)], kind="stable")[:most]
    return np.array([_centre(power, place) for place in places[order]]).reshape(-1, 3)


def _centre(power: NDArray[np.float32], place: NDArray[np.int64]) -> Floats:
    """Return the centre of the 27 voxels around one, from the origin."""
    n = power.shape[0]
    steps = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    at = place + steps
    inside = (at[:, 2] >= 0) & (at[:, 2] < power.shape[2])
    at, steps = at[inside], steps[inside]
    weight = power[at[:, 0] % n, at[:, 1] % n, at[:, 2]].astype(np.float64)
    signed = (place + n // 2) % n - n // 2
    return np.asarray(signed + weight @ steps / max(float(weight.sum()), 1e-30))
