"""Conventional cells of lattices by the rotations that map them onto themselves."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from dxdask.arrays import Floats, Integers
from dxdask.indexing.reduction import determinant

# Crystal system by the number of proper rotations in the holohedry.
_SYSTEMS = {1: "a", 2: "m", 4: "o", 6: "r", 8: "t", 12: "h", 24: "c"}
_CENTRINGS = {"a": "P", "m": "PC", "o": "PCFI", "t": "PI", "h": "PR", "c": "PIF"}

# Points of each centring, as fractions of the conventional cell; R is obverse, on hexagonal axes.
_HALVES = {"P": [], "C": [[1, 1, 0]], "I": [[1, 1, 1]], "F": [[0, 1, 1], [1, 0, 1], [1, 1, 0]],
           "A": [[0, 1, 1]], "B": [[1, 0, 1]]}  # fmt: skip
CENTRING: dict[str, Floats] = {k: np.array([[0, 0, 0], *v]) / 2.0 for k, v in _HALVES.items()}
CENTRING["R"] = np.array([[0, 0, 0], [2, 1, 1], [1, 2, 2]]) / 3.0


def order_of(w: Integers) -> int:
    """Return the order of a proper rotation matrix: its trace is 1 + 2 cos(angle)."""
    return {3: 1, -1: 2, 0: 3, 1: 4, 2: 6}[int(np.trace(w))]


def axis_of(w: Integers) -> Integers:
    """Return the shortest integer vector (3,) along the axis of a rotation."""
    total = np.zeros((3, 3), dtype=np.int64)
    power = np.eye(3, dtype=np.int64)
    for _ in range(order_of(w)):
        total += power
        power = power @ w
    column = total[:, int(np.argmax(np.abs(total).sum(axis=0)))]
    column = column // np.gcd.reduce(column)
    return np.asarray(column if column[np.flatnonzero(column)[0]] > 0 else -column)


def _axes(group: list[Integers], order: int) -> list[Integers]:
    """Return the axes of the rotations of this order, each once, in a fixed order."""
    unique = {tuple(axis_of(w).tolist()): axis_of(w) for w in group if order_of(w) == order}
    return [unique[k] for k in sorted(unique)]


def conventional_change(group: list[Integers], basis: Floats) -> tuple[str, Integers] | None:
    """Return Bravais type and basis change P (3, 3) for the rotations of a holohedry.

    `group` are integer matrices acting on coordinates along `basis` (rows a, b, c). None where the
    group is no holohedry, or belongs to another lattice.
    """
    system = _SYSTEMS.get(len(group))
    build = {
        "a": _triclinic, "m": _monoclinic, "o": _orthorhombic, "t": _tetragonal,
        "r": _hexagonal, "h": _hexagonal, "c": _cubic,
    }.get(system or "")  # fmt: skip
    change = None if build is None else build(group, basis)
    if change is None or determinant(change) == 0:
        return None
    if determinant(change) < 0:
        change = -change
    centring = centring_of(change)
    family = "h" if system == "r" else str(system)
    name = f"{family}{centring}"
    if centring not in _CENTRINGS[family] or (system == "r") != (name == "hR"):
        return None
    return name, change


def centring_of(change: Integers) -> str:
    """Return the letter of the centring of a conventional cell P (3, 3), "?" where it has none."""
    for letter, vectors in CENTRING.items():
        points = vectors @ change.T
        if len(vectors) == abs(determinant(change)) and np.allclose(points, np.rint(points)):
            return letter
    return "?"


def _length(v: Integers, basis: Floats) -> float:
    return round(float(np.linalg.norm(v @ basis)), 6)


def _triclinic(group: list[Integers], basis: Floats) -> Integers:
    return np.eye(3, dtype=np.int64)


def _normal_plane(w: Integers, basis: Floats) -> list[Integers]:
    """Return the lattice vectors that the two-fold rotation w reverses, shortest first."""
    grid = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    plane = grid[np.all(grid @ w.T == -grid, axis=1) & np.any(grid != 0, axis=1)]
    return sorted(plane, key=lambda v: (_length(v, basis), tuple(-v)))


def _monoclinic(group: list[Integers], basis: Floats) -> Integers | None:
    """Axis b along the two-fold one; beta obtuse and near 90 degrees; C centred, if centred."""
    return monoclinic_change(group, basis, "PC")


def monoclinic_change(
    group: list[Integers], basis: Floats, centrings: str, unique: int = 1
) -> Integers | None:
    """Return the basis change P (3, 3) to the monoclinic cell of one of these centrings.

    The two-fold axis is number `unique` (1: b); the angle of the other two is obtuse, and the
    nearest to 90 degrees of all such cells. None where the lattice has no such cell.
    """
    w = next(w for w in group if order_of(w) == 2)
    b = axis_of(w)
    best, best_beta = None, np.inf
    for a, c in permutations(_normal_plane(w, basis)[:12], 2):
        change = np.column_stack(np.roll([a, b, c], unique - 1, axis=0).tolist())
        if determinant(change) < 0:
            change[:, unique] = -b
        if determinant(change) == 0 or centring_of(change) not in centrings:
            continue
        p, q = a @ basis, c @ basis
        beta = float(np.degrees(np.arccos(p @ q / np.linalg.norm(p) / np.linalg.norm(q))))
        if 90.0 - 1e-6 <= beta < best_beta - 1e-6:
            best, best_beta = change, beta
    return best


def _orthorhombic(group: list[Integers], basis: Floats) -> Integers:
    """Axes along the two-fold ones, a <= b <= c; one centred face is C, and a <= b."""
    axes = sorted(_axes(group, 2), key=lambda v: _length(v, basis))
    for a, b, c in permutations(axes):
        change = np.column_stack([a, b, c])
        if centring_of(change) in "PCIF":
            return change
    return np.zeros((3, 3), dtype=np.int64)


def _tetragonal(group: list[Integers], basis: Floats) -> Integers:
    """Axis c along the four-fold one, a and b along the shorter two-fold ones."""
    (c,) = _axes(group, 4)
    others = [v for v in _axes(group, 2) if tuple(v) != tuple(c)]
    a, b = sorted(others, key=lambda v: _length(v, basis))[:2]
    return np.column_stack([a, b, c])


def _hexagonal(group: list[Integers], basis: Floats) -> Integers:
    """Axis c along the three-fold one, a the shortest two-fold, b at 120 degrees to it."""
    w = next(w for w in group if order_of(w) == 3)
    c = axis_of(w)
    others = [v for v in _axes(group, 2) if tuple(v) != tuple(c)]
    a = min(others, key=lambda v: _length(v, basis))
    b = w @ a
    if np.linalg.det(np.array([a, b, c]) @ basis) < 0:
        c = -c
    change = np.column_stack([a, b, c])
    if centring_of(change) == "?":
        change = np.column_stack([-a, -b, c])
    return change


def _cubic(group: list[Integers], basis: Floats) -> Integers:
    """Axes along the four-fold ones."""
    return np.column_stack(_axes(group, 4))
