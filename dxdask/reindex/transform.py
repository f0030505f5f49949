"""Crystals and rows of reflections in new axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections
from dxdask.indexing.lattice_symmetry import constrained
from dxdask.indexing.reduction import changed
from dxdask.models import Crystal, ExperimentList
from dxdask.models.vectors import Matrix, matrix

WHOLE = 1e-3
"""Largest distance of a transformed Miller index from an integer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """New axes of a crystal: P (3, 3), columns the new in terms of the old, and the space group."""

    basis: Floats
    group: gemmi.SpaceGroup


def in_new_axes(crystal: Crystal, change: Change) -> Crystal:
    """Return the crystal in new axes, its metric made to obey the space group.

    So are the crystals of each image, where it varies along the scan. Uncertainties of the cell
    stay where axes are only exchanged or reversed.
    """
    points = crystal.scan_points
    return replace(
        crystal,
        a_matrix=_moved(crystal.a, change),
        space_group=change.group.xhm(),
        scan_points=None
        if points is None
        else tuple(_moved(np.asarray(point), change) for point in points),
        cell_su=_uncertainties(crystal, change.basis),
    )


def _moved(a_matrix: Floats, change: Change) -> Matrix:
    return matrix(constrained(changed(a_matrix, change.basis), change.group))


def _uncertainties(crystal: Crystal, basis: Floats) -> tuple[float, ...] | None:
    size = np.abs(basis)
    exchanged = np.isin(size, (0.0, 1.0)).all() and (size.sum(axis=0) == 1.0).all()
    if crystal.cell_su is None or not exchanged:
        return None
    # the angle alpha is opposite to a, and so on: angles are exchanged as axes are
    order = size.argmax(axis=0)
    su = crystal.cell_su
    return (*(su[i] for i in order), *(su[3 + i] for i in order))


def transform(
    reflections: Reflections,
    experiments: ExperimentList,
    changes: Sequence[Change],
    offset: Sequence[int] | None = None,
) -> tuple[Reflections, ExperimentList, int]:
    """Return the columns hkl and flags, and the models, in new axes; and the count of rows lost.

    Parameters
    ----------
    reflections : columns experiment, hkl, flags. changes : of each crystal.
    offset : added to the Miller indices (3,) before.

    A reflection whose indices are no integers in the new axes is no longer indexed, nor used.
    """
    hkl, flags = reflections["hkl"].astype(np.float64), reflections["flags"]
    crystal = np.array([-1 if m.crystal is None else m.crystal for m in experiments.members])
    of_row = crystal[reflections["experiment"]] if len(crystal) else np.zeros(0, np.int64)
    indexed = np.any(reflections["hkl"] != 0, axis=1) & (of_row >= 0)
    if offset is not None:
        hkl[indexed] += offset
    order = np.flatnonzero(indexed)
    order = order[np.argsort(of_row[order], kind="stable")]
    bounds = np.searchsorted(of_row[order], np.arange(len(changes) + 1))
    for change, first, last in zip(changes, bounds[:-1], bounds[1:], strict=True):
        mine = order[first:last]
        hkl[mine] = hkl[mine] @ change.basis
    whole = np.rint(hkl)
    lost = np.any(np.abs(hkl - whole) > WHOLE, axis=1)
    whole[lost] = 0
    gone = np.uint32(Flag.INDEXED | Flag.USED_IN_REFINEMENT | Flag.INTEGRATED)
    table = {
        "experiment": reflections["experiment"],
        "hkl": whole.astype(np.int32),
        "flags": np.where(lost, flags & ~gone, flags).astype(np.uint32),
    }
    crystals = tuple(
        in_new_axes(c, change) for c, change in zip(experiments.crystals, changes, strict=True)
    )
    return table, replace(experiments, crystals=crystals), int(np.count_nonzero(lost))
