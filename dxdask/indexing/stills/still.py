"""Crystals of one still of known cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.fate import Fate
from dxdask.indexing.known_symmetry import match_cell
from dxdask.indexing.parameters import KnownSymmetry
from dxdask.indexing.reduction import changed, niggli_reduced, reflection_condition
from dxdask.indexing.stills.known_cell import KnownCell
from dxdask.indexing.stills.least_squares import indexed_by
from dxdask.indexing.stills.parameters import KnownStillSymmetry, StillIndexParameters
from dxdask.indexing.stills.search import Orientation, search
from dxdask.models import cell_of

# Mean contribution of a spot at random to the quality, per (2 tolerance)^3.
CHANCE = 0.4
WIDER = 5
SUPERCELL = 0.95


class StillLattices(NamedTuple):
    """Crystals of one still, and the spots that each indexes.

    Attributes
    ----------
    a_matrices : (k, 3, 3) A = U B of each, 1/A. hkl : (n, 3) int32 indices of the spots.
    lattice : (n,) int32 index of the crystal of a spot, -1 for none. fate : of the still.
    """

    a_matrices: Floats
    hkl: NDArray[np.int32]
    lattice: NDArray[np.int32]
    fate: Fate


def index_still(
    q: Floats, known: KnownCell, parameters: StillIndexParameters | None = None
) -> StillLattices:
    """Index the spots of one still by crystals of a known cell.

    Stills are independent: the same spots give the same result.

    Parameters
    ----------
    q : (n, 3) scattering vectors s1 - s0 of the spots, 1/A, laboratory frame.
    known : cell and space group.

    Returns
    -------
    StillLattices
        Up to `max_lattices` crystals; each additional one is searched for among the other spots.
    """
    parameters = parameters or StillIndexParameters()
    q = np.ascontiguousarray(q, dtype=np.float64)
    found: list[Floats] = []
    left = np.flatnonzero(np.all(np.isfinite(q), axis=1))
    fate = Fate.NOT_INDEXED
    while len(found) < parameters.max_lattices and len(left) <= parameters.max_spots:
        a_matrix, reason = _one_lattice(q[left], known, parameters)
        if a_matrix is None:
            fate = Fate.INDEXED if found else reason
            break
        if any(
            separation(a_matrix, a, known) < parameters.minimum_angular_separation for a in found
        ):
            break
        _, near = assign(q[left], a_matrix, parameters.hkl_tolerance)
        found.append(a_matrix)
        fate, left = Fate.INDEXED, left[~near]
    a_matrices = np.array(found).reshape(-1, 3, 3)
    return StillLattices(a_matrices, *_distributed(q, a_matrices, parameters.hkl_tolerance), fate)


def _distributed(
    q: Floats, a_matrices: Floats, tolerance: float
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return indices (n, 3) and crystals (n,) of spots, each of the crystal that it fits best."""
    hkl = np.zeros((len(q), 3), np.int32)
    lattice = np.full(len(q), -1, np.int32)
    best = np.full(len(q), tolerance)
    for i, a_matrix in enumerate(a_matrices):
        h = q @ np.linalg.inv(a_matrix).T
        nearest = np.rint(h)
        off = np.abs(h - nearest).max(axis=1)
        nearer = (off <= best) & np.any(nearest != 0, axis=1)
        hkl[nearer], lattice[nearer], best[nearer] = nearest[nearer], i, off[nearer]
    return hkl, lattice


def separation(a_matrix: Floats, other: Floats, known: KnownCell) -> float:
    """Return the angle, degree, between crystals A (3, 3), the least by the lattice's symmetry."""
    left, _, right = np.linalg.svd(a_matrix @ known.symmetry @ np.linalg.inv(other))
    cosines = (np.trace(left @ right, axis1=1, axis2=2) - 1.0) / 2.0
    return float(np.degrees(np.arccos(np.clip(cosines.max(), -1.0, 1.0))))


def assign(
    q: Floats, a_matrix: Floats, tolerance: float
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return the nearest indices (n, 3) of spots q (n, 3), and true (n,) within tolerance."""
    hkl, near = np.empty((len(q), 3), np.int32), np.empty(len(q), np.bool_)
    indexed_by(q, np.ascontiguousarray(np.linalg.inv(a_matrix)), tolerance, hkl, near)
    return hkl, near


def evidence(quality: float, n: int, tolerance: float) -> float:
    """Return -ln of the approximate probability that a lattice indexes n random spots as well.

    quality : of `indexed_by`. It is the tail of a Poisson distribution with the mean of random
    spots (Chernoff bound). The best of all orientations of a lattice on noise has 9 to 12, for 8
    spots as for 300.
    """
    expected = CHANCE * (2.0 * tolerance) ** 3 * n
    if quality <= expected or expected <= 0.0:
        return 0.0
    return float(quality * np.log(quality / expected) - quality + expected)


def _one_lattice(
    q: Floats, known: KnownCell, parameters: StillIndexParameters
) -> tuple[Floats | None, Fate]:
    """Return A of the known cell that indexes the spots, or None and the fate of the still."""
    if len(q) < parameters.min_indexed:
        return None, Fate.NOT_INDEXED
    reason = Fate.NOT_INDEXED
    for found in _attempts(q, known, parameters):
        hkl, near = assign(q, found.a_matrix, parameters.hkl_tolerance)
        n = int(near.sum())
        if n < max(parameters.min_indexed, parameters.min_fraction * len(q)):
            continue
        if evidence(found.quality, len(q), parameters.hkl_tolerance) < parameters.min_evidence:
            continue
        a_matrix = in_known_setting(found.a_matrix, known, parameters.known_symmetry)
        if a_matrix is not None and not _is_supercell(hkl[near]):
            return a_matrix, Fate.INDEXED
        reason = Fate.CELL_DIFFERS
    return None, reason


def _attempts(
    q: Floats, known: KnownCell, parameters: StillIndexParameters
) -> Iterator[Orientation]:
    """Yield orientations of searches with all spots, the inner ones, and more candidates."""
    options, tolerance = parameters.search, parameters.hkl_tolerance
    found = search(q, known, options, options.n_vectors, tolerance)
    if found is not None:
        yield found
    order = np.argsort((q * q).sum(axis=1), kind="stable")
    for fraction in parameters.retry.inner_fractions:
        inner = q[np.sort(order[: int(np.ceil(fraction * len(q)))])]
        if len(inner) < parameters.min_indexed:
            continue
        found = search(inner, known, options, options.n_vectors, tolerance)
        if found is not None:
            yield Orientation(found.a_matrix, quality_of(q, found.a_matrix, tolerance))
    if parameters.retry.widened:
        found = search(q, known, options, WIDER * options.n_vectors, tolerance)
        if found is not None:
            yield found


def quality_of(q: Floats, a_matrix: Floats, tolerance: float) -> float:
    """Return the quality of A: the sum over spots of 1 on a lattice point to 0 at the tolerance."""
    hkl, near = np.empty((len(q), 3), np.int32), np.empty(len(q), np.bool_)
    basis = np.ascontiguousarray(np.linalg.inv(a_matrix))
    return float(indexed_by(q, basis, tolerance, hkl, near)[1])


def in_known_setting(
    primitive: Floats, known: KnownCell, tolerances: KnownStillSymmetry
) -> Floats | None:
    """Return A (3, 3) of the known cell from that of the primitive one, None where cells differ.

    Where axes were confused with others of about the same length, the right ones of the same
    lattice are searched for.
    """
    a_matrix = np.asarray(primitive @ known.to_conventional)
    if is_near(a_matrix, known.cell, tolerances):
        return a_matrix
    limits = KnownSymmetry(
        relative_length_tolerance=tolerances.relative_length_tolerance,
        absolute_angle_tolerance=tolerances.absolute_angle_tolerance,
    )
    reduced = niggli_reduced(primitive)
    change = match_cell(reduced, known.cell, known.group.centring_type(), limits)
    return None if change is None else changed(reduced, change)


def is_near(a_matrix: Floats, cell: tuple[float, ...], tolerances: KnownStillSymmetry) -> bool:
    """Return true if the cell of A is within the tolerances of the cell given."""
    found = np.array(cell_of(a_matrix))
    lengths = np.abs(found[:3] / np.array(cell[:3]) - 1.0)
    angles = np.abs(found[3:] - np.array(cell[3:]))
    return bool(
        lengths.max() <= tolerances.relative_length_tolerance
        and angles.max() <= tolerances.absolute_angle_tolerance
    )


def _is_supercell(hkl: NDArray[np.int32]) -> bool:
    """Return true if indices (n, 3) of a primitive cell are all of a sublattice."""
    return reflection_condition(hkl.astype(np.int64), threshold=SUPERCELL) is not None
