"""The symmetries a lattice may have, and the conventional cell of each.

Source: Le Page 1982, J. Appl. Cryst. 15, 255 (two-fold axes where a direct and a reciprocal row
are nearly parallel); Grosse-Kunstleve, Sauter & Adams 2004, Acta Cryst. A60, 1 (subgroups of the
lattice group that are holohedries). gemmi finds the two-fold axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import gemmi
import numpy as np

from dxdask.arrays import Floats, Integers
from dxdask.indexing.conventional import conventional_change, order_of
from dxdask.indexing.reduction import inverse
from dxdask.models import cell_of
from dxdask.models.metric import rotations_of, symmetric_metric

LARGEST_GROUP = 24
SYMMETRY_ORDER = (
    "aP", "mP", "mC", "oP", "oC", "oF", "oI", "tP", "tI", "hR", "hP", "cP", "cI", "cF",
)  # fmt: skip
LOWEST_SPACE_GROUP = {
    "aP": "P 1", "mP": "P 1 2 1", "mC": "C 1 2 1", "oP": "P 2 2 2", "oC": "C 2 2 2",
    "oF": "F 2 2 2", "oI": "I 2 2 2", "tP": "P 4", "tI": "I 4", "hR": "R 3:H", "hP": "P 3",
    "cP": "P 2 3", "cI": "I 2 3", "cF": "F 2 3",
}  # fmt: skip


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
        """The symmorphic space group of lowest symmetry on this lattice, of rotations only."""
        return LOWEST_SPACE_GROUP[self.lattice]


def _rotation(op: gemmi.Op) -> Integers:
    return np.array(op.rot, dtype=np.int64) // gemmi.Op.DEN


def _key(group: list[Integers]) -> tuple[tuple[int, ...], ...]:
    return tuple(sorted(tuple(int(x) for x in w.ravel()) for w in group))


def _closure(generators: list[Integers]) -> list[Integers] | None:
    """Return the group that integer matrices generate, None where it has over 24 elements."""
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
    """Return the settings of a lattice, A (3, 3) in its reduced cell, highest symmetry first.

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
    basis = inverse(reduced_a)
    settings = []
    for key, group in groups.items():
        delta = max((deltas[k] for k in key if k in deltas), default=0.0)
        if not all(k in deltas for k in _twofold_keys(group)):
            continue
        found_cell = conventional_change(group, basis)
        if found_cell is not None:
            name, change = found_cell
            settings.append(Setting(lattice=name, delta=delta, change=change))
    rank = {name: i for i, name in enumerate(SYMMETRY_ORDER)}
    return sorted(
        settings, key=lambda s: (-rank[s.lattice], round(s.delta, 6), s.change.ravel().tolist())
    )


def _twofold_keys(group: list[Integers]) -> list[tuple[int, ...]]:
    return [_key([w])[0] for w in group if order_of(w) == 2]


def constrained(a_matrix: Floats, group: gemmi.SpaceGroup) -> Floats:
    """Return A (3, 3) with a metric that obeys a space group, in the orientation nearest to A.

    The direct metric tensor is averaged over the rotations of the group, and the cell that has it
    is brought to the orientation of A by the polar decomposition.
    """
    basis = np.linalg.inv(a_matrix)
    rotations = rotations_of(group.operations()).transpose(0, 2, 1)
    # Rows of the lower Cholesky factor are axes of a cell with this metric.
    axes = np.linalg.cholesky(symmetric_metric(basis @ basis.T, rotations))
    left, _, right = np.linalg.svd(axes.T @ a_matrix.T)
    return np.asarray(np.linalg.inv(axes @ (left @ right)))
