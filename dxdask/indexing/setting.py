"""Transformation of crystal and Miller indices to another setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections
from dxdask.errors import InputError
from dxdask.indexing.lattice_symmetry import constrained
from dxdask.indexing.reduction import changed
from dxdask.models import Crystal, ExperimentList, space_group
from dxdask.models.vectors import matrix


def axes_text(change: Floats) -> str:
    """Return a basis change (3, 3) as its new axes in terms of the old: "b+c,a+c,a+b"."""
    op = gemmi.Op("x,y,z")
    op.rot = np.rint(change.T * gemmi.Op.DEN).astype(int).tolist()
    return str(op.triplet("a"))


def axes_change(text: str) -> Floats:
    """Return the basis change (3, 3) of a text of `axes_text`."""
    try:
        rot = gemmi.Op(text).rot
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"change of basis {text!r} is not of the form b+c,a+c,a+b: {error}"
        ) from error
    return np.array(rot, dtype=np.float64).T / gemmi.Op.DEN


def in_setting(
    reflections: Reflections,
    experiments: ExperimentList,
    changes: Sequence[Floats],
    symbol: str,
) -> tuple[Reflections, ExperimentList]:
    """Return reflections and experiments in other cells, their metric obeying a space group.

    changes : the basis change (3, 3) of each crystal. A crystal that varies along the scan does so
    in the new cell.
    """
    crystal = np.array([-1 if m.crystal is None else m.crystal for m in experiments.members])
    of_row = crystal[reflections["experiment"]]
    new = reflections["hkl"].astype(np.float64)
    for i, change in enumerate(changes):
        mine = of_row == i
        new[mine] = new[mine] @ change
    hkl = np.rint(new)
    # Where the new cell is smaller, indices that are no integers in it are lost.
    lost = np.any(np.abs(new - hkl) > 1e-3, axis=1)
    hkl[lost] = 0
    flags = np.where(lost, reflections["flags"] & ~np.uint32(Flag.INDEXED), reflections["flags"])
    group = space_group(symbol)
    crystals = tuple(
        _in_cell(c, change, group) for c, change in zip(experiments.crystals, changes, strict=True)
    )
    table = reflections | {"hkl": hkl.astype(np.int32), "flags": flags.astype(np.uint32)}
    return table, replace(experiments, crystals=crystals)


def _in_cell(crystal: Crystal, change: Floats, group: gemmi.SpaceGroup) -> Crystal:
    points = crystal.scan_points
    return Crystal(
        a_matrix=matrix(constrained(changed(crystal.a, change), group)),
        space_group=group.xhm(),
        scan_points=None
        if points is None
        else tuple(matrix(constrained(changed(np.asarray(p), change), group)) for p in points),
    )


def apply_setting(
    reflections: Reflections, experiments: ExperimentList, solution: Mapping[str, Any]
) -> tuple[ExperimentList, Reflections]:
    """Return experiments and reflections in a setting: a row of the table bravais.

    All crystals have the cb_op and space_group of the row, their metric made to obey it; run
    `refine` next. Reflections without integer indices in the new cell are no longer indexed.

    Raises
    ------
    InputError
        There is no crystal.
    """
    if not experiments.crystals:
        raise InputError("0 crystals where one is needed: index the runs before")
    changes = [axes_change(str(solution["cb_op"]))] * len(experiments.crystals)
    table, transformed = in_setting(reflections, experiments, changes, str(solution["space_group"]))
    return transformed, table
