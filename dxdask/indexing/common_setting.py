"""One reduced cell for several crystals of one form, each with its change of basis to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import InputError
from dxdask.indexing.known_symmetry import cell_text, match_cell
from dxdask.indexing.parameters import KnownSymmetry
from dxdask.indexing.reduction import changed, inverse, niggli_change
from dxdask.models import Crystal, cell_of
from dxdask.models.crystal import b_matrix


@dataclass(frozen=True, kw_only=True, slots=True)
class CommonSetting:
    """A reduced primitive cell that crystals share.

    Attributes
    ----------
    changes : of each crystal, the basis change (3, 3) from its cell to its reduced primitive one.
    reduced : A (3, 3) of the mean cell, in the orientation of the first crystal.
    """

    changes: tuple[Floats, ...]
    reduced: Floats


def reduced_change(crystal: Crystal) -> Floats:
    """Return the basis change (3, 3) from a crystal's cell to its reduced primitive one."""
    op = crystal.gemmi_space_group.centred_to_primitive()
    to_primitive = np.array(op.rot, dtype=np.float64) / gemmi.Op.DEN
    return to_primitive @ niggli_change(changed(crystal.a, to_primitive))


def common_setting(crystals: Sequence[Crystal]) -> CommonSetting:
    """Return the setting in which the reduced cells of all crystals agree.

    The reduced cells of one form may differ by the order or sign of axes of nearly equal length,
    so each crystal is given the axes that are nearest to those of the first.

    Raises
    ------
    InputError
        There is no crystal, or one has another lattice than the first.
    """
    if not crystals:
        raise InputError("0 crystals where one is needed: index the runs before")
    first = reduced_change(crystals[0])
    reduced = changed(crystals[0].a, first)
    changes = [first]
    for i, crystal in enumerate(crystals[1:], 1):
        own = reduced_change(crystal)
        found = match_cell(changed(crystal.a, own), cell_of(reduced), "P", KnownSymmetry())
        if found is None:
            raise InputError(
                f"crystal {i} has the reduced cell {cell_text(changed(crystal.a, own))}, the first "
                f"{cell_text(reduced)}: crystals of one form are needed; choose runs of one form "
                "with runs=NAME,..."
            )
        changes.append(own @ found)
    metrics = [
        (basis := inverse(changed(c.a, p))) @ basis.T
        for c, p in zip(crystals, changes, strict=True)
    ]
    if len(crystals) > 1:
        axes = np.linalg.cholesky(np.mean(metrics, axis=0))
        mean = b_matrix(cell_of(inverse(axes)))
        left, _, right = np.linalg.svd(reduced @ inverse(mean))
        reduced = left @ right @ mean
    return CommonSetting(changes=tuple(changes), reduced=reduced)
