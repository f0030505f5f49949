"""Lattices of a known cell by a match of the spots of lowest resolution to Miller indices.

The spots that are compared are few: for each, the indices of about its d-spacing; of these the
pairs, triplets and quadruplets whose mutual distances are those of the spots. It is DIALS's
low_res_spot_match, meant for electron diffraction and narrow wedges.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Integers
from dxdask.columns import Reflections, select
from dxdask.errors import ConvergenceError
from dxdask.indexing.lattice import sample
from dxdask.indexing.methods.known_orientation import nearest_rotation
from dxdask.indexing.methods.parameters import CandidateSpots, LowResSpotMatch
from dxdask.indexing.reciprocal import map_centroids
from dxdask.indexing.stills.known_cell import KnownCell
from dxdask.indexing.stills.least_squares import fit_lattice, indexed_by
from dxdask.models import ExperimentList
from dxdask.models.crystal import b_matrix

FEWEST_SPOTS = 3
MOST_INDICES = 500
# Least uncertainty of a spot, pixels: cell and geometry are never better known.
LEAST_SIGMA_PX = 0.5
ROUNDS = 10
WEDGE_DEG, N_WEDGES = 5.0, 5
FITS = 0.35
"""Quality of a lattice (see `indexed_by`) for each spot above which no other start is needed."""


@dataclass(frozen=True, slots=True)
class Matches:
    """Groups of spots with indices, each row one group.

    Attributes
    ----------
    spot : (n, k) number of the spot. node : (n, k) row of the candidates. misfit : (n,) 1/A.
    """

    spot: Integers
    node: Integers
    misfit: Floats


class Found(NamedTuple):
    """Matrices A (3, 3), best first, and the quality for each spot of the best (`indexed_by`)."""

    a_matrices: list[Floats]
    part: float


@dataclass(frozen=True, slots=True)
class Nodes:
    """Candidate indices of spots.

    Attributes
    ----------
    spot : (n,) number of the spot. hkl : (n, 3). position : (n, 3) B hkl, 1/A. seed : (n,) true
    for those to start from.
    """

    spot: Integers
    hkl: Integers
    position: Floats
    seed: NDArray[np.bool_]


def find_a_matrices(
    spots: Reflections,
    experiments: ExperimentList,
    known: KnownCell,
    *,
    parameters: LowResSpotMatch,
    tolerance: float,
) -> list[Floats]:
    """Return A (3, 3), 1/A, of the primitive cell in orientations that match spots, best first.

    Each is refined with spots of more and more resolution. Where none of the orientations that the
    lowest of all spots match fits, those of wedges of a wide sweep are tried.

    spots : columns rlp, x, y, z and variances, panel, experiment. tolerance : largest distance of
    an index from an integer.

    Raises
    ------
    ConvergenceError
        Fewer than three spots within the limit, or none has an index of its resolution.
    """
    best = _matched(spots, spots, experiments, known, parameters, tolerance)
    for rows in _wedges(spots, experiments):
        if best.part >= FITS:
            break
        try:
            other = _matched(select(spots, rows), spots, experiments, known, parameters, tolerance)
        except ConvergenceError:
            continue
        best = max(best, other, key=lambda found: found.part)
    return best.a_matrices


def _wedges(spots: Reflections, experiments: ExperimentList) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of spots of wedges, spread over the widest sweep; none if it is narrow.

    Spurious spots are spread over the detector and real ones over reciprocal space, so that the
    former are most of the lowest of a wide sweep.
    """
    for i, e in enumerate(experiments):
        rows = np.flatnonzero(spots["experiment"] == i)
        if e.scan is None or not len(rows):
            continue
        phi = np.rad2deg(e.scan.phi_from_z(spots["z"][rows]))
        low, high = float(phi.min()), float(phi.max())
        if high - low < 2.0 * WEDGE_DEG:
            continue
        for middle in np.linspace(low + WEDGE_DEG / 2.0, high - WEDGE_DEG / 2.0, N_WEDGES):
            yield rows[np.abs(phi - middle) <= WEDGE_DEG / 2.0]


def _matched(
    lowest_of: Reflections,
    spots: Reflections,
    experiments: ExperimentList,
    known: KnownCell,
    parameters: LowResSpotMatch,
    tolerance: float,
) -> Found:
    """Return A of orientations that the lowest of some spots match, fitted to all spots.

    Raises
    ------
    ConvergenceError
        See `find_a_matrices`.
    """
    chosen = _lowest(lowest_of, parameters.candidate_spots)
    rlp = chosen["rlp"]
    within = parameters.candidate_spots.d_star_tolerance * _d_star_sigma(chosen, experiments)
    b = b_matrix(known.cell)
    nodes = _nodes(rlp, within, b, known.group, parameters)
    if not nodes.seed.any():
        raise ConvergenceError(
            f"none of the {len(rlp)} spots of lowest resolution has the resolution of an index of "
            "the known cell: check cell, distance and beam centre, or raise indexing."
            "low_res_spot_match.candidate_spots.d_star_tolerance"
        )
    start = np.flatnonzero(nodes.seed)
    found = Matches(nodes.spot[start][:, None], start[:, None], np.zeros(len(start)))
    most = [parameters.max_pairs, parameters.max_triplets]
    most += [parameters.max_quads] if parameters.search_depth == "quads" else []
    for n in most:
        found = _extended(found, nodes, rlp, within, n)
    start_of = (
        _fitted(rlp[s], nodes.hkl[k], b, parameters.bootstrap_crystal)
        for s, k in zip(found.spot, found.node, strict=True)
    )
    primitive = np.linalg.inv(known.to_conventional)
    a_matrices = [a @ primitive for a in start_of if a is not None]
    return _grown(a_matrices, spots["rlp"], rlp, tolerance)


def _grown(a_matrices: list[Floats], points: Floats, lowest: Floats, tolerance: float) -> Found:
    """Return A (3, 3) fitted to points (n, 3), beginning with the `lowest` (k, 3); best first."""
    q = np.ascontiguousarray(sample(points))
    size = np.linalg.norm(q, axis=1)
    first = min(float(np.linalg.norm(lowest, axis=1).max()), float(size.max()))
    reach = np.geomspace(first, size.max(), ROUNDS) * (1.0 + 1e-9)
    limits = np.full(ROUNDS, tolerance)
    hkl, near = np.empty((len(q), 3), np.int32), np.empty(len(q), np.bool_)
    found, quality = [], []
    for start in a_matrices:
        a, basis = np.ascontiguousarray(start), np.ascontiguousarray(np.linalg.inv(start))
        if fit_lattice(q, size, reach, limits, a, basis):
            found.append(a)
            quality.append(round(float(indexed_by(q, basis, tolerance, hkl, near)[1]), 9))
    order = np.argsort(-np.array(quality), kind="stable")
    return Found([found[i] for i in order], max(quality, default=0.0) / len(q))


def _lowest(spots: Reflections, limits: CandidateSpots) -> Reflections:
    """Return the spots of lowest resolution, lowest first."""
    size = np.linalg.norm(spots["rlp"], axis=1)
    order = np.argsort(size, kind="stable")
    if limits.limit_resolution_by == "n_spots":
        order = order[: limits.n_spots]
    else:
        order = order[size[order] <= 1.0 / limits.d_min]
    if len(order) < FEWEST_SPOTS:
        raise ConvergenceError(
            f"{len(order)} of {len(size)} spots are within the limit of indexing.low_res_spot_match"
            f".candidate_spots (limit_resolution_by={limits.limit_resolution_by}), "
            f"{FEWEST_SPOTS} are needed"
        )
    return select(spots, order)


def _d_star_sigma(spots: Reflections, experiments: ExperimentList) -> Floats:
    """Return the standard uncertainty (n,) of 1/d, 1/A, of spots from those of x and y."""
    size = np.linalg.norm(spots["rlp"], axis=1)
    square = np.zeros(len(size))
    for name in ("x", "y"):
        sigma = np.maximum(np.sqrt(spots[f"{name}_variance"]), LEAST_SIGMA_PX)
        moved = map_centroids(spots | {name: spots[name] + sigma}, experiments)
        square += (np.linalg.norm(moved["rlp"], axis=1) - size) ** 2
    return np.asarray(np.sqrt(square))


def _nodes(
    rlp: Floats, tolerance: Floats, b: Floats, group: gemmi.SpaceGroup, parameters: LowResSpotMatch
) -> Nodes:
    """Return the indices of the resolution of each spot, without systematic absences."""
    size = np.linalg.norm(rlp, axis=1)
    longest = float((size + tolerance).max())
    reach = np.ceil(longest * np.linalg.norm(np.linalg.inv(b), axis=1)).astype(int)
    ranges = [np.arange(-n, n + 1) for n in reach]
    hkl = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)
    length = np.linalg.norm(hkl @ b.T, axis=1)
    keep = (length > 0.0) & (length <= longest)
    hkl, length = hkl[keep].astype(np.int32), length[keep]
    present = ~np.asarray(group.operations().systematic_absences(hkl))
    hkl, length = hkl[present], length[present]
    asu = gemmi.ReciprocalAsu(group)
    if parameters.use_P1_indices_as_seeds:
        unique = np.ones(len(hkl), dtype=bool)
    else:
        unique = np.array([asu.is_in(h) for h in hkl.tolist()], dtype=bool)
    spot, row = [], []
    for i, (value, off) in enumerate(zip(size, tolerance, strict=True)):
        near = np.flatnonzero(np.abs(length - value) <= off)
        near = near[np.argsort(np.abs(length[near] - value), kind="stable")[:MOST_INDICES]]
        spot.append(np.full(len(near), i))
        row.append(near)
    rows = np.concatenate(row)
    return Nodes(np.concatenate(spot), hkl[rows].astype(np.int64), hkl[rows] @ b.T, unique[rows])


def _extended(found: Matches, nodes: Nodes, rlp: Floats, tolerance: Floats, most: int) -> Matches:
    """Return the groups with one spot more whose distances to the others fit, the best ones.

    Groups that differ in the order of spots only are kept once. Spots of a triplet and more have
    the same hand as their indices.
    """
    spots, chosen, misfits = [], [], []
    for spot, node, misfit in zip(found.spot, found.node, found.misfit, strict=True):
        new = np.flatnonzero(~np.isin(nodes.spot, spot))
        total = np.full(len(new), misfit)
        fits = np.ones(len(new), dtype=bool)
        for s, k in zip(spot, node, strict=True):
            seen = np.linalg.norm(rlp[nodes.spot[new]] - rlp[s], axis=1)
            off = np.abs(np.linalg.norm(nodes.position[new] - nodes.position[k], axis=1) - seen)
            fits &= off <= tolerance[nodes.spot[new]] + tolerance[s]
            total += off
        if len(spot) >= 2:
            fits &= _same_hand(rlp, nodes, spot, node, new)
        best = np.flatnonzero(fits)
        best = best[np.argsort(total[best], kind="stable")[:most]]
        spots.append(np.column_stack([np.tile(spot, (len(best), 1)), nodes.spot[new[best]]]))
        chosen.append(np.column_stack([np.tile(node, (len(best), 1)), new[best]]))
        misfits.append(total[best])
    if not spots:
        width = found.spot.shape[1] + 1
        return Matches(np.zeros((0, width), int), np.zeros((0, width), int), np.zeros(0))
    spot, node, total = np.concatenate(spots), np.concatenate(chosen), np.concatenate(misfits)
    order = np.argsort(total, kind="stable")
    _, first = np.unique(np.sort(node[order], axis=1), axis=0, return_index=True)
    order = order[np.sort(first)][:most]
    return Matches(spot[order], node[order], total[order])


def _same_hand(
    rlp: Floats, nodes: Nodes, spot: Integers, node: Integers, new: Integers
) -> NDArray[np.bool_]:
    """Return true for new nodes (n,) that lie, from the first two, on the side of their spot."""
    seen = rlp[nodes.spot[new]] @ np.cross(rlp[spot[0]], rlp[spot[1]])
    expected = nodes.position[new] @ np.cross(nodes.position[node[0]], nodes.position[node[1]])
    flat = 0.02 * np.linalg.norm(rlp[nodes.spot[new]], axis=1)
    flat = flat * np.linalg.norm(rlp[spot[0]]) * np.linalg.norm(rlp[spot[1]])
    return np.asarray((seen * expected > 0.0) | (np.abs(seen) < flat) | (np.abs(expected) < flat))


def _fitted(rlp: Floats, hkl: Integers, b: Floats, free: bool) -> Floats | None:
    """Return A that fits points (k, 3) by indices (k, 3): U B, or any; None where they do not tell.

    U is the rotation of least squares.
    """
    if free:
        normal = hkl.T @ hkl
        if np.linalg.matrix_rank(normal) < 3:
            return None
        return np.asarray(np.linalg.solve(normal.astype(float), hkl.T @ rlp).T)
    correlation = rlp.T @ (hkl @ b.T)
    size = np.linalg.svd(correlation, compute_uv=False)
    return None if size[1] < 1e-6 * size[0] else np.asarray(nearest_rotation(correlation) @ b)
