"""Free-R flags: 0 for the reflections that refinement leaves out, 1, 2, ... for the others.

A flag is a hash of the Miller index, of those related by the symmetry of the lattice the largest:
reflections that a twin law relates have one flag, and a crystal has the same flags whatever its
resolution, wavelength or completeness. Twenty sets, of which one is free, as freerflag of CCP4.
"""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.errors import InputError
from dxdask.models.symmetry import Indices, asu_indices, pack

N_SETS = 20
OBLIQUITY = 2.0
"""Largest deviation, degrees, of the axes of the lattice's symmetry."""
_UNLIKE = 0.03  # of a cell's edges; 3 degrees of its angles


@dataclass(frozen=True, kw_only=True, slots=True)
class FreeFlags:
    """Flags to be kept, of another file.

    Attributes
    ----------
    hkl : (n, 3). flag : (n,) int32. cell : of that file. name : of that file, for messages.
    """

    hkl: Indices
    flag: NDArray[np.int32]
    cell: gemmi.UnitCell
    name: str = "the reference"


def free_flags(
    hkl: Indices,
    cell: gemmi.UnitCell,
    group: gemmi.SpaceGroup,
    reference: FreeFlags | None = None,
) -> NDArray[np.int32]:
    """Return the flag (n,) of each Miller index (n, 3).

    reference : its flags are kept, also by reflections related by the lattice's symmetry; others
    get flags of its range, and of its share where it has two values.

    Raises
    ------
    InputError
        The reference is of another cell, or has no flags.
    """
    key = lattice_keys(hkl, cell, group)
    if reference is None:
        return (_hash(key) % np.uint64(N_SETS)).astype(np.int32)
    _require_alike(cell, reference)
    values, counts = np.unique(reference.flag, return_counts=True)
    if len(values) < 2:
        raise InputError(
            f"{reference.name} has no two values of free-R flags; give another reference"
        )
    flag = _as_in(key, values, counts)
    for theirs, ours in (
        (lattice_keys(reference.hkl, cell, group), key),
        (_asu_keys(reference.hkl, group), _asu_keys(hkl, group)),
    ):  # those of the same reflection come last and so take precedence
        known, first = np.unique(theirs, return_index=True)
        place = np.minimum(np.searchsorted(known, ours), len(known) - 1)
        flag = np.where(known[place] == ours, reference.flag[first][place], flag)
    return flag.astype(np.int32)


def lattice_keys(hkl: Indices, cell: gemmi.UnitCell, group: gemmi.SpaceGroup) -> NDArray[np.int64]:
    """Return a key (n,) that reflections related by the symmetry of the lattice share."""
    lattice = gemmi.find_lattice_symmetry(cell, group.centring_type(), OBLIQUITY)
    best = np.full(len(hkl), np.iinfo(np.int64).min)
    for op in lattice.sym_ops:
        moved = (hkl.astype(np.int64) @ np.array(op.rot, dtype=np.int64) // op.DEN).astype(np.int32)
        best = np.maximum(best, np.maximum(pack(moved), pack(-moved)))
    return best


def _asu_keys(hkl: Indices, group: gemmi.SpaceGroup) -> NDArray[np.int64]:
    return pack(asu_indices(hkl, group)[0])


def _as_in(
    key: NDArray[np.int64], values: NDArray[np.int32], counts: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Return values (n,) in the shares that they have in a reference."""
    if len(values) > 2:
        return np.asarray(values[(_hash(key) % np.uint64(len(values))).astype(np.int64)])
    share = counts[0] / counts.sum()
    first = _hash(key) < np.uint64(share * 2.0**63) * np.uint64(2)
    return np.asarray(np.where(first, values[0], values[1]))


def _hash(key: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return SplitMix64 (Steele, Lea & Flood 2014, OOPSLA, 453) of each key (n,)."""
    state = key.view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(state ^ (state >> np.uint64(31)))


def _require_alike(cell: gemmi.UnitCell, reference: FreeFlags) -> None:
    ours, theirs = np.array(cell.parameters), np.array(reference.cell.parameters)
    edges = np.abs(ours[:3] / theirs[:3] - 1).max()
    if edges > _UNLIKE or np.abs(ours[3:] - theirs[3:]).max() > 3.0:
        raise InputError(
            f"the cell of {reference.name} ({', '.join(f'{x:.2f}' for x in theirs)}) differs from "
            f"that of the data ({', '.join(f'{x:.2f}' for x in ours)}): give flags of this crystal"
        )
