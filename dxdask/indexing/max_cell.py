"""Estimate of the longest cell edge from nearest neighbours in reciprocal space."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Reflections
from dxdask.errors import ConvergenceError
from dxdask.indexing.overlaps import overlapping
from dxdask.indexing.parameters import MaxCellEstimation

# Hexagonal ice: spacings (A) and half widths in 1/d^2 (1/A^2) of its powder rings
# (Kabsch 2010, Acta Cryst. D66, 125; the list of XDS's EXCLUDE_RESOLUTION_RANGE).
ICE_SPACINGS = (3.897, 3.669, 3.441, 2.671, 2.249, 2.072, 1.948, 1.918, 1.883, 1.721)
ICE_HALF_WIDTH = 0.002
FEWEST_NEIGHBOURS = 10
LARGEST_KEPT = 0.99


def find_max_cell(reflections: Reflections, parameters: MaxCellEstimation) -> float:
    """Return an upper estimate of the longest cell edge, Angstrom.

    Neighbours are sought among spots of one experiment, one step of rotation and one side of the
    Ewald sphere: a lattice point recorded twice would give a neighbour very near. The
    inverse distances make a histogram in log d; the upper edge of the last bin that is denser than
    `max_height_fraction` of the densest, times `multiplier`, is the estimate (the method of DIALS:
    Winter et al. 2018, Acta Cryst. D74, 85).

    Raises
    ------
    ConvergenceError
        Fewer than ten neighbours of inverse distance above 1 Angstrom.
    """
    keep = np.ones(len(reflections["rlp"]), dtype=bool)
    if parameters.filter_ice:
        keep &= ~in_ice_ring(reflections["rlp"])
    if parameters.filter_overlaps and "bbox" in reflections:
        keep &= ~overlapping(reflections, parameters.overlaps_border)
    direct = np.sort(_inverse_distances(reflections, np.flatnonzero(keep), parameters.step_size))
    direct = direct[direct > 1.0]
    if len(direct) < FEWEST_NEIGHBOURS:
        raise ConvergenceError(
            f"too few spots ({len(direct)} of {len(keep)}) to estimate max_cell: give "
            f"indexing.max_cell, or find more spots"
        )
    direct = direct[: int(LARGEST_KEPT * len(direct))]
    return parameters.multiplier * _upper_edge(direct, parameters)


def _upper_edge(direct: Floats, parameters: MaxCellEstimation) -> float:
    """Return the end (Angstrom) of the last well-filled bin of a histogram in log10 of `direct`."""
    n_bins = max(len(direct) // parameters.nn_per_bin, 1)
    counts, edges = np.histogram(np.log10(direct), bins=n_bins)
    edges = 10.0**edges
    density = counts / np.diff(edges)
    filled = np.flatnonzero(density > parameters.max_height_fraction * density.max())
    return float(edges[filled[-1] + 1])


def _inverse_distances(
    reflections: Reflections, rows: NDArray[np.intp], step_size: float
) -> Floats:
    """Return 1 / distance (Angstrom) of each spot to its nearest within its group."""
    experiment = reflections["experiment"][rows]
    phi = np.rad2deg(reflections["phi_rad"][rows])
    if not len(rows):
        return np.zeros(0)
    first = np.full(int(experiment.max()) + 1, np.inf)
    np.minimum.at(first, experiment, phi)
    step = np.floor((phi - first[experiment]) / step_size).astype(np.int64)
    order = np.lexsort((reflections["entering"][rows], step, experiment))
    keys = np.column_stack([experiment, step, reflections["entering"][rows]])[order]
    ends = np.flatnonzero(np.any(np.diff(keys, axis=0) != 0, axis=1)) + 1
    found = []
    for group in np.split(rows[order], ends):
        if len(group) > 1:
            points = reflections["rlp"][group]
            tree = scipy.spatial.cKDTree(points)
            distance = np.asarray(tree.query(points, k=2)[0])[:, 1]
            found.append(1.0 / distance[distance > 0])
    return np.concatenate(found) if found else np.zeros(0)


def in_ice_ring(rlp: Floats) -> NDArray[np.bool_]:
    """Return true for points (n, 3) of reciprocal space at the spacings of hexagonal ice."""
    inverse_d2 = np.einsum("ij,ij->i", rlp, rlp)
    rings = 1.0 / np.asarray(ICE_SPACINGS) ** 2
    return np.asarray(np.any(np.abs(inverse_d2[:, None] - rings) < ICE_HALF_WIDTH, axis=1))
