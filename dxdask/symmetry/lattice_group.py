"""Laue groups that a lattice allows, each with its conventional axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.indexing.lattice_symmetry import Setting, find_settings
from dxdask.indexing.reduction import changed
from dxdask.models import cell_of
from dxdask.symmetry.operators import IDENTITY, Rotation, matrix_of, order_of, subgroups

_CENTRING = {
    "P": ((0, 0, 0),),
    "A": ((0, 0, 0), (0, 12, 12)),
    "B": ((0, 0, 0), (12, 0, 12)),
    "C": ((0, 0, 0), (12, 12, 0)),
    "I": ((0, 0, 0), (12, 12, 12)),
    "F": ((0, 0, 0), (0, 12, 12), (12, 0, 12), (12, 12, 0)),
    "R": ((0, 0, 0), (16, 8, 8), (8, 16, 16)),
}

_LEAST_BETA = 89.5  # degrees; right angles are measured with errors


@dataclass(frozen=True, kw_only=True, slots=True)
class LaueGroup:
    """A group of rotations of a lattice.

    Attributes
    ----------
    rotations : along the axes of the reduced cell.
    change : P (3, 3) from the reduced cell to the conventional axes.
    group : the space group of these rotations without screw axes, in those axes.
    delta : largest Le Page angle of the lattice symmetry, degrees.
    """

    rotations: frozenset[Rotation]
    change: Floats
    group: gemmi.SpaceGroup
    delta: float


def symmorphic_group(
    rotations: frozenset[Rotation], change: Floats, centring: str
) -> gemmi.SpaceGroup | None:
    """Return the space group of rotations without translations in new axes P, if it has a symbol.

    None too where rotations are not of integers in these axes.
    """
    if centring not in _CENTRING:
        return None
    operations = []
    for rotation in sorted(rotations):
        w = np.linalg.inv(change) @ matrix_of(rotation) @ change
        if not np.allclose(w, np.rint(w), atol=1e-6):
            return None
        for shift in _CENTRING[centring]:
            op = gemmi.Op()
            op.rot = (np.rint(w).astype(int) * gemmi.Op.DEN).tolist()
            op.tran = list(shift)
            operations.append(op)
    return gemmi.find_spacegroup_by_ops(gemmi.GroupOps(operations))


def system_of(rotations: frozenset[Rotation]) -> str:
    """Return the letter of the crystal system of a group: a m o t h c."""
    orders = [order_of(w) for w in rotations if w != IDENTITY]
    n_threefold = orders.count(3)
    if n_threefold == 8:
        return "c"
    if n_threefold:
        return "h"
    if 4 in orders:
        return "t"
    return {0: "a", 1: "m", 3: "o"}[len(orders)]


def laue_groups(reduced: Floats, max_delta: float, own: tuple[Floats, str]) -> list[LaueGroup]:
    """Return all Laue groups of a lattice, smallest first.

    reduced : A (3, 3) of the reduced cell. own : P (3, 3) from it to the axes of the data, and
    their centring; a group keeps those axes where it has its usual symbol in them, and beta is not
    acute.
    """
    settings = find_settings(reduced, max_delta)
    found = []
    for rotations in subgroups(settings[0].rotations):
        setting = _setting_of(rotations, settings)
        if setting is None:
            continue
        change = setting.change.astype(np.float64)
        kept = symmorphic_group(rotations, own[0], own[1])
        if kept is not None and kept.is_reference_setting() and _is_obtuse(reduced, own[0]):
            group: gemmi.SpaceGroup | None = kept
            change = own[0]
        else:
            group = symmorphic_group(rotations, change, setting.lattice[1])
        if group is not None:
            found.append(
                LaueGroup(rotations=rotations, change=change, group=group, delta=setting.delta)
            )
    return found


def _is_obtuse(reduced: Floats, change: Floats) -> bool:
    """Return True if beta of the axes of P is right or obtuse."""
    return cell_of(changed(reduced, change))[4] >= _LEAST_BETA


def _setting_of(rotations: frozenset[Rotation], settings: Sequence[Setting]) -> Setting | None:
    """Return the setting of the same crystal system, with these rotations, of least symmetry."""
    system = system_of(rotations)
    fitting = [s for s in settings if s.lattice[0] == system and rotations <= s.rotations]
    return min(fitting, key=lambda s: (len(s.rotations), s.delta)) if fitting else None
