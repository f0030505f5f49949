"""Rotations of a lattice as elements and subgroups, and Miller indices under them.

A rotation W (3, 3) of integers acts on coordinates along the axes of the reduced cell; a reflection
h has the equivalent h W.
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import TypeAlias

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Integers

Rotation: TypeAlias = tuple[int, ...]
"""A rotation as nine integers, row by row."""
IDENTITY: Rotation = (1, 0, 0, 0, 1, 0, 0, 0, 1)
_HALF = 1 << 10


def matrix_of(rotation: Rotation) -> Integers:
    """Return a rotation as a matrix (3, 3)."""
    return np.array(rotation, dtype=np.int64).reshape(3, 3)


def rotation_of(matrix: Integers | Floats) -> Rotation:
    """Return a matrix (3, 3) of integers as a rotation."""
    return tuple(int(x) for x in np.rint(matrix).astype(np.int64).ravel())


def product(first: Rotation, second: Rotation) -> Rotation:
    """Return the product W1 W2."""
    return rotation_of(matrix_of(first) @ matrix_of(second))


def inverse_of(rotation: Rotation) -> Rotation:
    """Return the inverse of a rotation."""
    return rotation_of(np.linalg.inv(matrix_of(rotation)))


def order_of(rotation: Rotation) -> int:
    """Return the order of a rotation: 1, 2, 3, 4 or 6."""
    return {3: 1, -1: 2, 0: 3, 1: 4, 2: 6}[int(np.trace(matrix_of(rotation)))]


def elements(rotations: frozenset[Rotation]) -> list[Rotation]:
    """Return the symmetry elements of a group: of a rotation and its inverse, the first."""
    kept = {min(w, inverse_of(w)) for w in rotations if w != IDENTITY}
    return sorted(kept, key=lambda w: (order_of(w), w))


def closure(generators: tuple[Rotation, ...]) -> frozenset[Rotation]:
    """Return the group that rotations generate."""
    group, new = {IDENTITY}, [IDENTITY]
    while new:
        new = [p for p in {product(w, g) for w in new for g in generators} if p not in group]
        group.update(new)
    return frozenset(group)


def subgroups(rotations: frozenset[Rotation]) -> list[frozenset[Rotation]]:
    """Return all subgroups of a group of rotations, smallest first.

    Two rotations generate each of them, as they do every crystallographic group of rotations.
    """
    found = {closure(pair) for pair in combinations_with_replacement(sorted(rotations), 2)}
    return sorted(found, key=lambda g: (len(g), sorted(g)))


def normal_core(group: frozenset[Rotation], whole: frozenset[Rotation]) -> frozenset[Rotation]:
    """Return the largest normal subgroup of a group that lies in `group`."""
    core = set(group)
    for w in whole:
        back = inverse_of(w)
        core &= {product(product(w, g), back) for g in group}
    return frozenset(core)


def coset_representatives(whole: frozenset[Rotation], group: frozenset[Rotation]) -> list[Rotation]:
    """Return one rotation of each coset of a subgroup, the identity first."""
    left, found = set(whole), []
    for w in sorted(whole, key=lambda w: (w != IDENTITY, -int(np.trace(matrix_of(w))), w)):
        if w in left:
            found.append(w)
            left -= {product(g, w) for g in group}
    return found


def keys_of(hkl: NDArray[np.int64], crystal: NDArray[np.int64] | int = 0) -> NDArray[np.int64]:
    """Return one sortable integer (n,) for indices (n, 3), |h| < 1024, and the crystal."""
    h, k, l = (hkl[:, i] + _HALF for i in range(3))
    return np.asarray((((crystal * 2048 + h) * 2048) + k) * 2048 + l)


def friedel_unique(hkl: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return of each index (n, 3) and its Friedel mate the one with the first non-zero positive."""
    h, k, l = hkl.T
    negative = (h < 0) | ((h == 0) & ((k < 0) | ((k == 0) & (l < 0))))
    return np.where(negative[:, None], -hkl, hkl)


def unique_under(hkl: NDArray[np.int64], group: frozenset[Rotation]) -> NDArray[np.int64]:
    """Return the key (n,) of each index (n, 3) that all its equivalents and mates share."""
    best = keys_of(friedel_unique(hkl))
    for w in group:
        if w != IDENTITY:
            np.maximum(best, keys_of(friedel_unique(hkl @ matrix_of(w))), out=best)
    return best


def is_axial(hkl: NDArray[np.int64], rotations: frozenset[Rotation]) -> NDArray[np.bool_]:
    """Return True (n,) for indices on the axis of a rotation."""
    found = np.zeros(len(hkl), dtype=np.bool_)
    for w in elements(rotations):
        found |= np.all(hkl @ matrix_of(w) == hkl, axis=1)
    return found


def operator_text(rotation: Rotation, change: Floats | None = None) -> str:
    """Return a rotation as Miller indices ("-h,-k,l"), in new axes P (3, 3) where given."""
    w = matrix_of(rotation).astype(np.float64)
    if change is not None:
        w = np.linalg.inv(change) @ w @ change
    op = gemmi.Op()
    # gemmi writes rows, and h W has columns of W
    op.rot = np.rint(w.T * gemmi.Op.DEN).astype(int).tolist()
    return str(op.triplet()).translate(str.maketrans("xyz", "hkl"))
