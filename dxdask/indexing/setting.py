"""Transformation of crystal and Miller indices to another setting."""

from __future__ import annotations

from collections.abc import Mapping
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


def only_crystal(experiments: ExperimentList) -> Crystal:
    """Return the one crystal that all experiments share."""
    if len(experiments.crystals) != 1:
        raise InputError(
            f"{len(experiments.crystals)} crystals where one is needed: index the runs jointly "
            "(indexing.joint_indexing=true), or take one run at a time"
        )
    return experiments.crystals[0]


def in_setting(
    reflections: Reflections, experiments: ExperimentList, change: Floats, symbol: str
) -> tuple[Reflections, ExperimentList]:
    """Return reflections and experiments in another cell, its metric obeying a space group."""
    new = reflections["hkl"] @ change
    hkl = np.rint(new)
    # Where the new cell is smaller, indices that are no integers in it are lost.
    lost = np.any(np.abs(new - hkl) > 1e-3, axis=1)
    hkl[lost] = 0
    flags = np.where(lost, reflections["flags"] & ~np.uint32(Flag.INDEXED), reflections["flags"])
    group = space_group(symbol)
    a_matrix = constrained(changed(only_crystal(experiments).a, change), group)
    crystal = Crystal(a_matrix=matrix(a_matrix), space_group=group.xhm())
    table = reflections | {"hkl": hkl.astype(np.int32), "flags": flags.astype(np.uint32)}
    return table, experiments.with_crystal(crystal)


def apply_setting(
    reflections: Reflections, experiments: ExperimentList, solution: Mapping[str, Any]
) -> tuple[ExperimentList, Reflections]:
    """Return experiments and reflections in a setting: a row of the table bravais.

    The crystal has the cb_op and space_group of the row, its metric made to obey it; run `refine`
    next. Reflections without integer indices in the new cell are no longer indexed.
    """
    change = axes_change(str(solution["cb_op"]))
    table, transformed = in_setting(reflections, experiments, change, str(solution["space_group"]))
    return transformed, table
