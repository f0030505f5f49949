"""Reduction of crystals to their primitive cell, from the spots nearest to their lattice points.

A multiple of the true cell has points everywhere for spots of other lattices and noise, which hide
the reflection condition of its own spots. Spots nearest to their points are mostly its own.
"""

from __future__ import annotations

import numpy as np

from dxdask.columns import Flag, Reflections, has_flag
from dxdask.indexing.parameters import IndexParameters
from dxdask.indexing.reduction import primitive
from dxdask.models import Crystal, ExperimentList
from dxdask.models.vectors import matrix

NEAR = 0.1
"""Distance of an index from integers, of spots that are taken for the lattice's own."""


def primitive_crystals(
    reflections: Reflections, experiments: ExperimentList, parameters: IndexParameters
) -> tuple[Crystal, ...] | None:
    """Return the crystals, each in its primitive cell; None where all are primitive.

    Crystals of known symmetry are not changed.

    reflections : with rlp, hkl and flags.
    """
    known = parameters.known_symmetry
    if known.space_group is not None or known.unit_cell is not None:
        return None
    threshold = parameters.basis_vector_combinations.sys_absent_threshold
    indexed = has_flag(reflections, Flag.INDEXED)
    new = []
    for number, crystal in enumerate(experiments.crystals):
        mine = np.array([m.crystal == number for m in experiments.members])
        rows = np.flatnonzero(indexed & mine[reflections["experiment"]])
        hkl = reflections["hkl"][rows]
        off = reflections["rlp"][rows] @ np.linalg.inv(crystal.a).T - hkl
        hkl = hkl[np.abs(off).max(axis=1, initial=0.0) < NEAR]
        smaller = primitive(crystal.a, hkl, threshold=threshold)
        is_same = smaller is crystal.a or np.array_equal(smaller, crystal.a)
        new.append(crystal if is_same else Crystal(a_matrix=matrix(smaller)))
    crystals = tuple(new)
    return None if crystals == experiments.crystals else crystals
