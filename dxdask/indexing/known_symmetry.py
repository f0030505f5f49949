"""Transformation of a lattice to the known space group and cell of the crystal."""

from __future__ import annotations

from itertools import permutations

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Integers
from dxdask.indexing.conventional import CENTRING, centring_of, monoclinic_change
from dxdask.indexing.lattice_symmetry import constrained, find_settings
from dxdask.indexing.parameters import KnownSymmetry
from dxdask.indexing.reduction import changed, determinant, inverse
from dxdask.models import Crystal, cell_of, space_group
from dxdask.models.metric import rotations_of
from dxdask.models.vectors import matrix

_FAMILY = {
    "triclinic": "a", "monoclinic": "m", "orthorhombic": "o", "tetragonal": "t",
    "trigonal": "h", "hexagonal": "h", "cubic": "c",
}  # fmt: skip
MOST_MULTIPLES = 12
MOST_VECTORS = 400


def bravais_lattice(group: gemmi.SpaceGroup) -> str:
    """Return the Bravais type of a space group ("cI")."""
    reference = gemmi.get_spacegroup_reference_setting(group.number)
    centring = "C" if reference.centring_type() in "AB" else reference.centring_type()
    return _FAMILY[group.crystal_system_str()] + centring


def apply_known_symmetry(reduced_a: Floats, known: KnownSymmetry) -> Crystal | None:
    """Return the crystal of known symmetry on the lattice of A (3, 3, Niggli reduced).

    Without known symmetry it is the reduced cell in P 1. The metric is made to obey a known space
    group. None where the lattice does not have the symmetry or the cell.
    """
    group = None if known.space_group is None else space_group(known.space_group)
    if known.unit_cell is not None:
        centring = "P" if group is None else group.centring_type()
        change = match_cell(reduced_a, known.unit_cell, centring, known)
    elif group is not None:
        change = match_symmetry(reduced_a, group, known.max_delta)
    else:
        return Crystal(a_matrix=matrix(reduced_a), space_group="P 1")
    if change is None:
        return None
    a_matrix = changed(reduced_a, change)
    if group is None:
        return Crystal(a_matrix=matrix(a_matrix), space_group="P 1")
    a_matrix = constrained(a_matrix, group)
    return Crystal(a_matrix=matrix(a_matrix), space_group=group.xhm())


def match_symmetry(reduced_a: Floats, group: gemmi.SpaceGroup, max_delta: float) -> Integers | None:
    """Return the basis change to the cell of a space group, by the symmetry of the lattice alone.

    Of several (a monoclinic crystal on a lattice that is orthorhombic within the tolerance), that
    of the smallest Le Page delta is used.
    """
    wanted = bravais_lattice(group)
    found = next((s for s in find_settings(reduced_a, max_delta) if s.lattice == wanted), None)
    if found is None:
        return None
    if wanted[0] == "m":
        rotations = [np.array(w, dtype=np.int64).reshape(3, 3) for w in found.rotations]
        centring = group.centring_type()
        return monoclinic_change(rotations, inverse(reduced_a), centring, _unique_axis(group))
    # basisop transforms coordinates of the reference setting to this one.
    to_reference = np.array(group.basisop.rot, dtype=np.float64) / gemmi.Op.DEN
    change = np.rint(found.change @ np.linalg.inv(to_reference)).astype(np.int64)
    if centring_of(change) == group.centring_type():
        return change
    for order in permutations(range(3)):
        reordered = change[:, order]
        reordered = reordered if determinant(reordered) > 0 else -reordered
        if centring_of(reordered) == group.centring_type():
            return reordered
    return None


def _unique_axis(group: gemmi.SpaceGroup) -> int:
    """Return the number of the axis (0: a) along the two-fold one of a monoclinic group."""
    twofold = next(w for w in rotations_of(group.operations()) if np.trace(w) == -1)
    return int(np.argmax(np.diag(twofold)))


def match_cell(
    reduced_a: Floats, cell: tuple[float, ...], centring: str, known: KnownSymmetry
) -> Integers | None:
    """Return the basis change to the cell (A, degree) of this centring that is nearest, or None.

    All triplets of lattice vectors with lengths and angles within the tolerances are tried.
    """
    basis = inverse(reduced_a)
    target, tolerance = np.asarray(cell[:3]), known.relative_length_tolerance
    longest = (1.0 + tolerance) * target.max()
    reach = np.ceil(longest * np.linalg.norm(reduced_a, axis=0)).astype(int).clip(1, MOST_MULTIPLES)
    ranges = [np.arange(-n, n + 1) for n in reach]
    grid = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)
    lengths = np.linalg.norm(grid @ basis, axis=1)
    edges = []
    for edge in target:
        off = np.abs(lengths - edge) / edge
        near = np.flatnonzero(off <= tolerance)
        edges.append(grid[near[np.argsort(off[near], kind="stable")[:MOST_VECTORS]]])
    return _best_triplet(edges, basis, cell, centring, known)


def _best_triplet(
    edges: list[Integers],
    basis: Floats,
    cell: tuple[float, ...],
    centring: str,
    known: KnownSymmetry,
) -> Integers | None:
    """Return the triplet, one vector of each of `edges`, of this centring nearest to the cell."""
    p, q, r = (e @ basis for e in edges)
    tolerance = known.absolute_angle_tolerance
    alpha, beta, gamma = (
        np.abs(_angles(u, v) - angle)
        for (u, v), angle in zip(((q, r), (p, r), (p, q)), cell[3:], strict=True)
    )
    pairs = np.argwhere(gamma <= tolerance)
    near = (alpha[pairs[:, 1]] <= tolerance) & (beta[pairs[:, 0]] <= tolerance)
    pair, k = np.nonzero(near)
    i, j = pairs[pair].T
    lengths = np.stack([np.linalg.norm(v, axis=1) for v in (p[i], q[j], r[k])], axis=1)
    angles = np.deg2rad(np.stack([alpha[j, k], beta[i, k], gamma[i, j]], axis=1))
    misfit = np.sum((lengths / np.asarray(cell[:3]) - 1.0) ** 2, axis=1)
    misfit = np.round(misfit + np.sum(angles**2, axis=1), 9)
    # few are asked for their centring, which takes longest
    for at in np.argsort(misfit, kind="stable"):
        change = np.column_stack([edges[0][i[at]], edges[1][j[at]], edges[2][k[at]]])
        if determinant(change) == len(CENTRING[centring]) and centring_of(change) == centring:
            return change
    return None


def _angles(u: Floats, v: Floats) -> NDArray[np.float64]:
    """Return the angles (n, m), degrees, between vectors u (n, 3) and v (m, 3)."""
    cosine = u @ v.T
    cosine /= np.linalg.norm(u, axis=1)[:, None] * np.linalg.norm(v, axis=1)[None, :]
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def description(known: KnownSymmetry) -> str:
    """Return the known symmetry in words, for a message."""
    parts = []
    if known.space_group is not None:
        parts.append(f"space group {known.space_group}")
    if known.unit_cell is not None:
        parts.append("cell " + ", ".join(f"{x:g}" for x in known.unit_cell))
    return " and ".join(parts) or "nothing known"


def cell_text(a_matrix: Floats) -> str:
    """Return the cell of A (3, 3) as six numbers."""
    cell = cell_of(a_matrix)
    return " ".join([f"{x:.2f}" for x in cell[:3]] + [f"{x:.1f}" for x in cell[3:]])
