"""The symmetries a lattice may have, and the conventional cell of each.

Source: Le Page 1982, J. Appl. Cryst. 15, 255 (two-fold axes where a direct and a reciprocal row are
nearly parallel); Grosse-Kunstleve, Sauter & Adams 2004, Acta Cryst. A60, 1 (subgroups of the lattice
group that are holohedries). gemmi finds the two-fold axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, permutations

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.indexing.reduction import Integers, changed, determinant
from dxdask.models import cell_of
from dxdask.models.vectors import Floats

LARGEST_GROUP = 24
# Rotations in a holohedry (proper ones) and what they say of the crystal system.
_SYSTEMS = {1: "a", 2: "m", 4: "o", 6: "r", 8: "t", 12: "h", 24: "c"}
SYMMETRY_ORDER = "aP mP mC oP oC oF oI tP tI hR hP cP cI cF".split()
LOWEST_SPACE_GROUP = {
    "aP": "P 1", "mP": "P 1 2 1", "mC": "C 1 2 1", "oP": "P 2 2 2", "oC": "C 2 2 2",
    "oF": "F 2 2 2", "oI": "I 2 2 2", "tP": "P 4 2 2", "tI": "I 4 2 2", "hR": "R 3 2:H",
    "hP": "P 6 2 2", "cP": "P 4 3 2", "cI": "I 4 3 2", "cF": "F 4 3 2",
}  # fmt: skip
# Points of each centring, as fractions of the conventional cell; R is obverse, on hexagonal axes.
_HALVES = {"P": [], "C": [[1, 1, 0]], "I": [[1, 1, 1]], "F": [[0, 1, 1], [1, 0, 1], [1, 1, 0]],
           "A": [[0, 1, 1]], "B": [[1, 0, 1]]}  # fmt: skip
CENTRING: dict[str, Floats] = {k: np.array([[0, 0, 0], *v]) / 2.0 for k, v in _HALVES.items()}
CENTRING["R"] = np.array([[0, 0, 0], [2, 1, 1], [1, 2, 2]]) / 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """A symmetry that a lattice has to within `delta`, with its conventional cell.

    Attributes
    ----------
    lattice : Bravais type ("cI").
    delta : largest Le Page angle of the two-fold axes, degrees.
    change : basis change P (3, 3) from the reduced primitive to the conventional cell.
    """

    lattice: str
    delta: float
    change: Integers

    @property
    def space_group(self) -> str:
        """The symmorphic space group of rotations only."""
        return LOWEST_SPACE_GROUP[self.lattice]


def _rotation(op: gemmi.Op) -> Integers:
    return np.array(op.rot, dtype=np.int64) // gemmi.Op.DEN


def _key(group: list[Integers]) -> tuple[tuple[int, ...], ...]:
    return tuple(sorted(tuple(int(x) for x in w.ravel()) for w in group))


def _closure(generators: list[Integers]) -> list[Integers] | None:
    """Return the group that integer matrices generate, or None where it has more than 24 elements."""
    group = {tuple(np.eye(3, dtype=np.int64).ravel()): np.eye(3, dtype=np.int64)}
    new = list(group.values())
    while new:
        made = [w @ g for w in new for g in generators]
        new = []
        for w in made:
            if tuple(w.ravel()) not in group:
                group[tuple(w.ravel())] = w
                new.append(w)
        if len(group) > LARGEST_GROUP:
            return None
    return list(group.values())


def find_settings(reduced_a: Floats, max_delta: float) -> list[Setting]:
    """Return the settings of a lattice given by A (3, 3) in its reduced cell, highest symmetry first.

    Of equal symmetry, the one with the smallest `delta` is first.
    """
    cell = gemmi.UnitCell(*cell_of(reduced_a))
    found = gemmi.find_lattice_2fold_ops(cell, max_delta)
    axes = [(_rotation(op), float(delta)) for op, delta in found]
    deltas = {_key([w])[0]: delta for w, delta in axes}
    groups: dict[tuple[tuple[int, ...], ...], list[Integers]] = {}
    twofolds = [w for w, _ in axes]
    for size in range(4):
        for chosen in combinations(twofolds, size):
            group = _closure(list(chosen))
            if group is not None:
                groups.setdefault(_key(group), group)
    basis = np.linalg.inv(reduced_a)
    settings = []
    for key, group in groups.items():
        delta = max((deltas[k] for k in key if k in deltas), default=0.0)
        setting = _conventional(group, basis, delta)
        if setting is not None and all(k in deltas for k in _twofold_keys(group)):
            settings.append(setting)
    rank = {name: i for i, name in enumerate(SYMMETRY_ORDER)}
    return sorted(
        settings, key=lambda s: (-rank[s.lattice], round(s.delta, 6), s.change.ravel().tolist())
    )


def _order(w: Integers) -> int:
    """Return the order of a proper rotation matrix: its trace is 1 + 2 cos(angle)."""
    return {3: 1, -1: 2, 0: 3, 1: 4, 2: 6}[int(np.trace(w))]


def _twofold_keys(group: list[Integers]) -> list[tuple[int, ...]]:
    return [_key([w])[0] for w in group if _order(w) == 2]


def axis_of(w: Integers) -> Integers:
    """Return the shortest integer vector (3,) that a rotation leaves as it is."""
    total = np.zeros((3, 3), dtype=np.int64)
    power = np.eye(3, dtype=np.int64)
    for _ in range(_order(w)):
        total += power
        power = power @ w
    column = total[:, int(np.argmax(np.abs(total).sum(axis=0)))]
    column = column // np.gcd.reduce(column)
    return np.asarray(column if column[np.flatnonzero(column)[0]] > 0 else -column)


def _axes(group: list[Integers], order: int) -> list[Integers]:
    """Return the axes of the rotations of this order, each once, in a fixed order."""
    unique = {tuple(axis_of(w).tolist()): axis_of(w) for w in group if _order(w) == order}
    return [unique[k] for k in sorted(unique)]


def _conventional(group: list[Integers], basis: Floats, delta: float) -> Setting | None:
    """Return the conventional setting of a holohedry acting on the lattice of `basis` (rows)."""
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
    if name not in SYMMETRY_ORDER or (system == "r") != (name == "hR"):
        return None
    return Setting(lattice=name, delta=delta, change=change)


def centring_of(change: Integers) -> str:
    """Return the letter of the centring of the conventional cell P (3, 3), "?" where it has none."""
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
    """Return lattice vectors that the two-fold rotation w turns round, shortest first."""
    grid = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    plane = grid[np.all(grid @ w.T == -grid, axis=1) & np.any(grid != 0, axis=1)]
    return sorted(plane, key=lambda v: (_length(v, basis), tuple(-v)))


def _monoclinic(group: list[Integers], basis: Floats) -> Integers | None:
    """b along the two-fold axis; a and c short, beta obtuse and near 90 degrees, C centred if any."""
    w = next(w for w in group if _order(w) == 2)
    b = axis_of(w)
    best, best_beta = None, np.inf
    for a, c in permutations(_normal_plane(w, basis)[:12], 2):
        change = np.column_stack([a, b, c])
        if determinant(change) < 0:
            change[:, 1] = -b
        if determinant(change) == 0 or centring_of(change) not in "PC":
            continue
        p, q = a @ basis, c @ basis
        beta = float(np.degrees(np.arccos(p @ q / np.linalg.norm(p) / np.linalg.norm(q))))
        if 90.0 - 1e-6 <= beta < best_beta - 1e-6:
            best, best_beta = change, beta
    return best


def _orthorhombic(group: list[Integers], basis: Floats) -> Integers:
    """Axes along the two-fold ones, a <= b <= c; where one face is centred, that is C and a <= b."""
    axes = sorted(_axes(group, 2), key=lambda v: _length(v, basis))
    for a, b, c in permutations(axes):
        change = np.column_stack([a, b, c])
        if centring_of(change) in "PCIF":
            return change
    return np.zeros((3, 3), dtype=np.int64)


def _tetragonal(group: list[Integers], basis: Floats) -> Integers:
    """c along the four-fold axis, a and b the shorter two-fold ones."""
    (c,) = _axes(group, 4)
    others = [v for v in _axes(group, 2) if tuple(v) != tuple(c)]
    a, b = sorted(others, key=lambda v: _length(v, basis))[:2]
    return np.column_stack([a, b, c])


def _hexagonal(group: list[Integers], basis: Floats) -> Integers:
    """c along the three-fold axis, a the shortest two-fold one, b a turned by 120 degrees; obverse."""
    w = next(w for w in group if _order(w) == 3)
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


def constrained(a_matrix: Floats, rotations: list[NDArray[np.float64]]) -> Floats:
    """Return the A nearest in orientation to A (3, 3) whose metric the rotations leave as it is.

    `rotations` (3, 3) act on fractional coordinates. The direct metric tensor is averaged over
    them, and the new cell is turned to the old by the polar decomposition.
    """
    basis = np.linalg.inv(a_matrix)
    metric = basis @ basis.T
    mean = np.mean([w.T @ metric @ w for w in rotations], axis=0)
    # Rows of the lower Cholesky factor are axes of a cell with this metric.
    axes = np.linalg.cholesky(mean)
    left, _, right = np.linalg.svd(axes.T @ a_matrix.T)
    return np.asarray(np.linalg.inv(axes @ (left @ right)))


def rotations_of(group: gemmi.SpaceGroup) -> list[NDArray[np.float64]]:
    """Return the rotations (3, 3) of a space group, acting on fractional coordinates."""
    return [np.array(op.rot, dtype=np.float64) / gemmi.Op.DEN for op in group.operations().sym_ops]


def to_conventional(reduced_a: Floats, setting: Setting) -> Floats:
    """Return A in the conventional cell of the setting, its metric made exact."""
    a_matrix = changed(reduced_a, setting.change)
    return constrained(a_matrix, rotations_of(gemmi.SpaceGroup(setting.space_group)))
