"""A reference crystal, and the changes of basis that may bring another crystal onto it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dxdask.arrays import Floats, Integers
from dxdask.errors import InputError
from dxdask.indexing.common_setting import reduced_change
from dxdask.indexing.known_symmetry import cell_text, match_cell
from dxdask.indexing.lattice_symmetry import find_settings
from dxdask.indexing.parameters import KnownSymmetry
from dxdask.indexing.reduction import changed, inverse
from dxdask.models import Crystal
from dxdask.models.metric import rotations_of


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A crystal whose axes others are to have, and its intensities, where they are known.

    Attributes
    ----------
    crystal : cell, space group and, where `oriented`, the orientation.
    hkl : (n, 3). intensity : (n,), observed or merged, on one scale; both None where unknown.
    name : of the file or store, for messages.
    """

    crystal: Crystal
    name: str
    oriented: bool = False
    hkl: Integers | None = None
    intensity: Floats | None = None


def candidate_changes(
    crystal: Crystal, reference: Reference, max_delta: float
) -> tuple[Floats, Floats]:
    """Return the changes of basis of a crystal onto a reference that the lattice allows.

    Returns
    -------
    changes : (n, 3, 3), P of each rotation of the lattice within `max_delta` (degree).
    rotations : (m, 3, 3), of the reference's Laue group; changes that differ by one of these are
        the same for intensities.

    Raises
    ------
    InputError
        The crystal's lattice has no such cell.
    """
    wanted = reference.crystal
    start = reduced_change(crystal)
    reduced = changed(crystal.a, start)
    group = wanted.gemmi_space_group
    centring = group.centring_type()
    known = KnownSymmetry(unit_cell=wanted.unit_cell, space_group=wanted.space_group)
    found = match_cell(reduced, wanted.unit_cell, centring, known)
    if found is None:
        raise InputError(
            f"the lattice {cell_text(reduced)} has no cell like {cell_text(wanted.a)} of "
            f"{reference.name}; give a reference of the same crystal form"
        )
    onto = start @ found
    back = reduced_change(wanted)
    highest = find_settings(changed(wanted.a, back), max_delta)[0]
    lattice = np.array(sorted(highest.rotations), dtype=np.float64).reshape(-1, 3, 3)
    return onto @ (back @ lattice @ inverse(back)), rotations_of(group.operations())


def cosets(changes: Floats, rotations: Floats) -> Floats:
    """Return one change (k, 3, 3) of each set that rotations (m, 3, 3) make of one another.

    It is the one that leaves the most axes as they are.
    """
    left = {_key(change): change for change in changes}
    chosen = []
    while left:
        first = next(iter(left.values()))
        members = [first @ r for r in rotations]
        for member in members:
            left.pop(_key(member), None)
        chosen.append(max(members, key=lambda p: (np.trace(p), -np.abs(p).sum(), _key(p))))
    order = sorted(chosen, key=lambda p: (-np.trace(p), _key(p)))
    return np.array(order)


def _key(change: Floats) -> tuple[float, ...]:
    return tuple(np.round(change, 6).ravel() + 0.0)


def nearest_orientation(
    crystal: Crystal, reference: Reference, max_delta: float
) -> tuple[Floats, float]:
    """Return the change of basis of the smallest rotation onto a reference, and that, degrees."""
    changes, _ = candidate_changes(crystal, reference, max_delta)
    angles = [_misorientation(changed(crystal.a, p), reference.crystal.a) for p in changes]
    best = int(np.argmin(np.round(angles, 6)))
    return changes[best], angles[best]


def _misorientation(first: Floats, second: Floats) -> float:
    """Return the angle (degree) of the rotation that brings one A (3, 3) nearest to another."""
    left, _, right = np.linalg.svd(second @ inverse(first))
    cosine = (np.trace(left @ right) - 1.0) / 2.0
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
