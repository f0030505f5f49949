"""The space group in other axes, and the axes that a space group has on a lattice."""

from __future__ import annotations

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import InputError
from dxdask.indexing.common_setting import reduced_change
from dxdask.indexing.known_symmetry import cell_text, match_symmetry
from dxdask.indexing.lattice_symmetry import constrained
from dxdask.indexing.reduction import changed, inverse
from dxdask.models import Crystal

LARGEST_STRAIN = 0.03
_SMALL_INDICES = np.stack(np.meshgrid(*[np.arange(-6, 7)] * 3), -1).reshape(-1, 3).astype(np.int32)


def changed_group(group: gemmi.SpaceGroup, change: Floats) -> gemmi.SpaceGroup:
    """Return the space group in the axes of a change of basis P (3, 3).

    Raises
    ------
    InputError
        It has no symbol in these axes.
    """
    if group.number == 1 and group.centring_type() == "P":
        return group
    operations = group.operations()
    to_new = gemmi.Op("x,y,z")
    to_new.rot = np.rint(inverse(change) * gemmi.Op.DEN).astype(int).tolist()
    operations.change_basis_forward(to_new)
    found = gemmi.find_spacegroup_by_ops(operations) or _of_other_origin(group, operations)
    if found is None:
        raise InputError(
            f"{group.xhm()} has no symbol in these axes; give space_group= beside "
            "change_of_basis_op"
        )
    return found


def _of_other_origin(
    group: gemmi.SpaceGroup, operations: gemmi.GroupOps
) -> gemmi.SpaceGroup | None:
    """Return the setting of a space group that differs from operations by its origin alone.

    Settings of one group with the same rotations and the same absences are such.
    """
    absent = operations.systematic_absences(_SMALL_INDICES)
    settings = [s for s in gemmi.spacegroup_table() if s.number == group.number]
    for setting in (group, *settings):
        own = setting.operations()
        if operations.has_same_rotations(own) and np.array_equal(
            own.systematic_absences(_SMALL_INDICES), absent
        ):
            return setting
    return None


def strain(a_matrix: Floats, group: gemmi.SpaceGroup) -> float:
    """Return the largest relative change of the lattice that makes its metric obey a group."""
    deformation = constrained(a_matrix, group) @ inverse(a_matrix)
    return float(np.abs(np.linalg.svd(deformation, compute_uv=False) - 1.0).max())


def require_metric(a_matrix: Floats, group: gemmi.SpaceGroup) -> None:
    """Check that a cell has the metric of a space group, within a few per cent.

    Raises
    ------
    InputError
        It has not.
    """
    if strain(a_matrix, group) > LARGEST_STRAIN:
        raise InputError(
            f"the cell {cell_text(a_matrix)} is not one of {group.xhm()}; give another "
            "change_of_basis_op or none, or see refine_bravais_settings"
        )


def change_to_group(crystal: Crystal, group: gemmi.SpaceGroup, max_delta: float) -> Floats:
    """Return the change of basis P (3, 3) to axes of a space group on a crystal's lattice.

    The axes stay as they are where they have its centring and its metric.

    Raises
    ------
    InputError
        The lattice has no such symmetry within `max_delta` (degree).
    """
    own = crystal.gemmi_space_group
    if own.centring_type() == group.centring_type() and strain(crystal.a, group) <= LARGEST_STRAIN:
        return np.eye(3)
    start = reduced_change(crystal)
    reduced = changed(crystal.a, start)
    change = match_symmetry(reduced, group, max_delta)
    if change is None:
        raise InputError(
            f"the lattice {cell_text(reduced)} has not the symmetry of {group.xhm()} within "
            f"{max_delta:g} degrees; see refine_bravais_settings for those it has"
        )
    return start @ change
