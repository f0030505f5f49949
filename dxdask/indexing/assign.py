"""Assignment of Miller indices to spots of known crystals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections
from dxdask.models import ExperimentList

SAME_PASS_RAD = np.pi / 4.0
_CLEARED = Flag.INDEXED | Flag.USED_IN_REFINEMENT | Flag.CENTROID_OUTLIER | Flag.PREDICTED


@njit(cache=True, nogil=True, error_model="numpy")
def _drop_repeats(starts: Any, phi: Any, misfit: Any, keep: Any, same_pass: Any) -> None:
    """Keep, of rows of one group nearer in phi than `same_pass`, the one of least misfit."""
    for g in range(starts.shape[0] - 1):
        for i in range(starts[g], starts[g + 1]):
            for j in range(i + 1, starts[g + 1]):
                if keep[i] and keep[j] and abs(phi[i] - phi[j]) <= same_pass:
                    if misfit[j] < misfit[i]:
                        keep[i] = False
                    else:
                        keep[j] = False


def without_repeats(
    experiment: NDArray[np.int32],
    hkl: NDArray[np.int32],
    entering: NDArray[np.bool_],
    phi: Floats,
    misfit: Floats,
) -> NDArray[np.bool_]:
    """Return true for rows (n,) to keep, so that no reflection has two spots in one crossing.

    Spots of one experiment, index and side of the Ewald sphere within 45 degrees of rotation are of
    the same crossing; that of least misfit is kept (of equal ones the first).
    """
    keep = np.ones(len(phi), dtype=np.bool_)
    if not len(phi):
        return keep
    keys = np.column_stack([experiment, hkl, entering])
    order = np.lexsort(keys.T[::-1])
    ends = np.flatnonzero(np.any(np.diff(keys[order], axis=0) != 0, axis=1)) + 1
    starts = np.concatenate([[0], ends, [len(order)]])
    kept = keep[order]
    _drop_repeats(starts, phi[order], misfit[order], kept, SAME_PASS_RAD)
    keep[order] = kept
    return keep


def assign(
    reflections: Reflections, experiments: ExperimentList, *, tolerance: float, d_min: float = 0.0
) -> Reflections:
    """Return the table with hkl and flags: the nearest Miller index of each spot.

    A spot is indexed where A^-1 rlp is within `tolerance` of integers in each of h, k and l, the
    index is not 0 0 0, and the spot is no repeat (see `without_repeats`). All others have 0 0 0 and
    no flag INDEXED, as have spots with d below `d_min` (Angstrom) and those of experiments without
    a crystal.

    reflections: columns experiment, rlp, phi_rad, entering, flags.
    """
    rlp, experiment = reflections["rlp"], reflections["experiment"]
    fractional = np.full_like(rlp, np.nan)
    for i, e in enumerate(experiments):
        if e.crystal is not None:
            mine = experiment == i
            fractional[mine] = rlp[mine] @ np.linalg.inv(e.crystal.a).T
    nearest = np.rint(fractional)
    indexed = np.max(np.abs(fractional - nearest), axis=1) <= tolerance
    indexed &= np.any(nearest != 0, axis=1)
    if d_min > 0:
        indexed &= np.einsum("ij,ij->i", rlp, rlp) <= 1.0 / d_min**2
    rows = np.flatnonzero(indexed)
    hkl = np.zeros(rlp.shape, dtype=np.int32)
    hkl[rows] = nearest[rows]
    misfit = np.sum((fractional[rows] - nearest[rows]) ** 2, axis=1)
    keep = without_repeats(
        experiment[rows],
        hkl[rows],
        reflections["entering"][rows],
        reflections["phi_rad"][rows],
        misfit,
    )
    hkl[rows[~keep]] = 0
    flags = reflections["flags"] & ~np.uint32(_CLEARED)
    flags[rows[keep]] |= np.uint32(Flag.INDEXED)
    return reflections | {"hkl": hkl, "flags": flags}
