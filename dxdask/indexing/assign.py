"""Assignment of Miller indices to spots of known crystals: the nearest of each spot."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, n_rows
from dxdask.fate import SpotFate
from dxdask.indexing.sweeps import first_members, sweep_indices
from dxdask.models import ExperimentList

SAME_PASS_RAD = np.pi / 4.0
AS_NEAR = 0.01
"""Difference of the distances from two lattices, in index units, that decides for neither."""
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


class Nearest(NamedTuple):
    """The nearest lattice point of each of n spots, over the lattices of its sweep.

    experiment: (n,), of the lattice, or the first of the sweep without one. hkl: (n, 3). misfit:
    (n,) squared distance in index units, infinite where no lattice is within the tolerance. fate:
    (n,) values of `SpotFate`.
    """

    experiment: NDArray[np.int32]
    hkl: NDArray[np.int32]
    misfit: Floats
    fate: NDArray[np.uint8]


def nearest_points(
    reflections: Reflections, experiments: ExperimentList, tolerance: float
) -> Nearest:
    """Return the lattice point within `tolerance` that is nearest to each spot.

    A spot as near to two lattices (`AS_NEAR`) is of neither.
    """
    rlp, n = reflections["rlp"], n_rows(reflections)
    sweep = sweep_indices(experiments)
    of_sweep = sweep[reflections["experiment"]]
    first = first_members(sweep)
    out = Nearest(
        experiment=first[of_sweep].astype(np.int32),
        hkl=np.zeros((n, 3), dtype=np.int32),
        misfit=np.full(n, np.inf),
        fate=np.full(n, SpotFate.NO_LATTICE, dtype=np.uint8),
    )
    second = np.full(n, np.inf)
    for i, e in enumerate(experiments):
        if e.crystal is None:
            continue
        mine = np.flatnonzero(of_sweep == sweep[i])
        lost = out.fate[mine] == SpotFate.NO_LATTICE
        out.fate[mine[lost]] = SpotFate.OFF_LATTICE
        fractional = rlp[mine] @ np.linalg.inv(e.crystal.a).T
        nearest = np.rint(fractional)
        near = np.max(np.abs(fractional - nearest), axis=1) <= tolerance
        near &= np.any(nearest != 0, axis=1)
        rows = mine[near]
        misfit = np.sum((fractional[near] - nearest[near]) ** 2, axis=1)
        better = misfit < out.misfit[rows]
        second[rows] = np.where(better, out.misfit[rows], np.minimum(second[rows], misfit))
        rows = rows[better]
        out.misfit[rows], out.experiment[rows] = misfit[better], i
        out.hkl[rows] = nearest[near][better]
        out.fate[rows] = SpotFate.INDEXED
    found = out.fate == SpotFate.INDEXED
    both = found & np.isfinite(second)
    both[both] = np.sqrt(second[both]) - np.sqrt(out.misfit[both]) < AS_NEAR
    out.fate[both] = SpotFate.BETWEEN_LATTICES
    return out


def assign(
    reflections: Reflections, experiments: ExperimentList, *, tolerance: float, d_min: float = 0.0
) -> Reflections:
    """Return the table with experiment, hkl, fate and flags: the nearest index of each spot.

    A spot is indexed where A^-1 rlp is within `tolerance` of integers in each of h, k and l, the
    index is not 0 0 0, and the spot is no repeat (see `without_repeats`). Of the lattices of its
    sweep (see `sweep_indices`) it belongs to the nearest, in index units. All others have 0 0 0, no
    flag INDEXED and the first experiment of their sweep, as have spots with d below `d_min`
    (Angstrom) and those of sweeps without a crystal.

    reflections: columns experiment, rlp, phi_rad, entering, flags.
    """
    found = nearest_points(reflections, experiments, tolerance)
    if d_min > 0:
        beyond = np.einsum("ij,ij->i", reflections["rlp"], reflections["rlp"]) > 1.0 / d_min**2
        found.fate[beyond & (found.fate != SpotFate.NO_LATTICE)] = SpotFate.BEYOND_D_MIN
    rows = np.flatnonzero(found.fate == SpotFate.INDEXED)
    keep = without_repeats(
        found.experiment[rows],
        found.hkl[rows],
        reflections["entering"][rows],
        reflections["phi_rad"][rows],
        found.misfit[rows],
    )
    found.fate[rows[~keep]] = SpotFate.REPEATED
    return with_indices(reflections, experiments, found)


def with_indices(
    reflections: Reflections, experiments: ExperimentList, found: Nearest
) -> Reflections:
    """Return the table with the indices found; spots of another fate than INDEXED have none."""
    indexed = found.fate == SpotFate.INDEXED
    sweep = sweep_indices(experiments)
    first = first_members(sweep)[sweep[reflections["experiment"]]]
    flags = reflections["flags"] & ~np.uint32(_CLEARED)
    flags[indexed] |= np.uint32(Flag.INDEXED)
    return reflections | {
        "experiment": np.where(indexed, found.experiment, first).astype(np.int32),
        "hkl": np.where(indexed[:, None], found.hkl, 0).astype(np.int32),
        "fate": found.fate,
        "flags": flags,
    }
