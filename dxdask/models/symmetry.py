"""Symmetry of arrays of Miller indices: asymmetric unit, Friedel mates, absences, the full set.

Conventions (asymmetric unit, numbering of operators in M/ISYM) are gemmi's, which are CCP4's.
"""

from __future__ import annotations

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.errors import InputError

Indices = NDArray[np.int32]

_BITS = 21  # of a packed index; |h| < 2**20, far beyond any cell and wavelength in use


def pack(hkl: Indices) -> NDArray[np.int64]:
    """Return one sortable integer (n,) for each Miller index (n, 3)."""
    h, k, l = (hkl[:, i].astype(np.int64) + (1 << (_BITS - 1)) for i in range(3))
    return np.asarray((h << (2 * _BITS)) | (k << _BITS) | l)


def unpack(packed: NDArray[np.int64]) -> Indices:
    """Return the Miller indices (n, 3) int32 that `pack` packed."""
    low = (1 << _BITS) - 1
    parts = [(packed >> shift) & low for shift in (2 * _BITS, _BITS, 0)]
    return (np.stack(parts, axis=1) - (1 << (_BITS - 1))).astype(np.int32)


def _moved(hkl: Indices, op: gemmi.Op) -> Indices:
    """Return h R of each row, as gemmi's Op.apply_to_hkl does."""
    rotation = np.array(op.rot, dtype=np.int64)
    return (hkl.astype(np.int64) @ rotation // op.DEN).astype(np.int32)


def asu_indices(hkl: Indices, group: gemmi.SpaceGroup) -> tuple[Indices, NDArray[np.int32]]:
    """Map Miller indices to the reciprocal asymmetric unit.

    Parameters
    ----------
    hkl : (n, 3) int32
    group : gemmi.SpaceGroup

    Returns
    -------
    asu : (n, 3) int32, the equivalent within the asymmetric unit of the Laue group.
    isym : (n,) int32, 2 i + 1 where operator i takes hkl to asu, 2 i + 2 where it takes it to minus
        asu (the number that goes into M/ISYM; odd is the I(+) of a pair).
    """
    packed, inverse = np.unique(pack(hkl), return_inverse=True)
    unique = unpack(packed)
    if not len(unique):
        return unique, np.zeros(0, dtype=np.int32)
    mtz = gemmi.Mtz(with_base=True)
    mtz.spacegroup = group
    mtz.set_data(unique.astype(np.float32))
    mtz.ensure_asu()
    asu = np.rint(np.array(mtz, copy=True)[:, :3]).astype(np.int32)
    isym = np.zeros(len(unique), dtype=np.int32)
    left = np.arange(len(unique))
    for i, op in enumerate(group.operations().sym_ops):
        moved, target = _moved(unique[left], op), asu[left]
        mate = (moved == -target).all(axis=1)
        same = (moved == target).all(axis=1)
        isym[left[mate]] = 2 * i + 2
        isym[left[same]] = 2 * i + 1
        left = left[~(same | mate)]
    if len(left):
        raise InputError(
            f"{group.hm}: no operator maps {unique[left[0]].tolist()} to the asymmetric unit"
        )
    return asu[inverse], isym[inverse]


def is_centric(hkl: Indices, group: gemmi.SpaceGroup) -> NDArray[np.bool_]:
    """Return true for the centric ones (n,) of Miller indices (n, 3)."""
    return np.asarray(
        group.operations().centric_flag_array(np.ascontiguousarray(hkl, dtype=np.int32)), dtype=bool
    )


def is_absent(hkl: Indices, group: gemmi.SpaceGroup) -> NDArray[np.bool_]:
    """Return true for the systematically absent ones (n,) of Miller indices (n, 3)."""
    return np.asarray(
        group.operations().systematic_absences(np.ascontiguousarray(hkl, dtype=np.int32)),
        dtype=bool,
    )


def epsilon(hkl: Indices, group: gemmi.SpaceGroup) -> NDArray[np.float64]:
    """Return the factors epsilon (n,) of the mean intensities of Miller indices (n, 3) by symmetry.

    Centring is not included.
    """
    array = np.ascontiguousarray(hkl, dtype=np.int32)
    return np.asarray(
        group.operations().epsilon_factor_without_centering_array(array), dtype=np.float64
    )


def spacings(hkl: Indices, cell: gemmi.UnitCell) -> NDArray[np.float64]:
    """Return the lattice spacings d (n,), Angstrom, of Miller indices (n, 3)."""
    return np.asarray(
        cell.calculate_d_array(np.ascontiguousarray(hkl, dtype=np.int32)), dtype=np.float64
    )


def possible_reflections(
    cell: gemmi.UnitCell, group: gemmi.SpaceGroup, *, d_min: float, d_max: float = 0.0
) -> Indices:
    """Return the unique reflections (n, 3) between d_max (0: no limit) and d_min, Angstrom."""
    return np.asarray(
        gemmi.make_miller_array(cell, group, d_min, d_max, unique=True), dtype=np.int32
    )
