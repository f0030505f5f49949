"""Known cell and space group of the crystals of a run."""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import InputError
from dxdask.indexing.reduction import changed, inverse, niggli_change
from dxdask.models import space_group
from dxdask.models.crystal import b_matrix
from dxdask.models.metric import rotations_of

ABSURD_VOLUME = 1e9
SYMMETRY_WITHIN = 1.0


@dataclass(frozen=True, slots=True)
class KnownCell:
    """A cell and space group, with what indexing calculates of them once for all stills.

    Attributes
    ----------
    cell : a, b, c (A), alpha, beta, gamma (degree), in the setting of `group`.
    group : the space group, whose centring defines the primitive lattice.
    basis : (3, 3) rows are the axes of the reduced primitive cell, shortest first, right-handed,
    in the crystal's Cartesian frame, A.
    to_conventional : (3, 3) A of `cell` is A of the primitive cell times this.
    symmetry : (n, 3, 3) A times each of these is A of the same lattice; its rotations to within
    `SYMMETRY_WITHIN` degrees.
    """

    cell: tuple[float, ...]
    group: gemmi.SpaceGroup
    basis: Floats
    to_conventional: Floats
    symmetry: Floats

    @classmethod
    def of(cls, cell: tuple[float, ...], group: str | int | gemmi.SpaceGroup = "P 1") -> KnownCell:
        """Return the known cell of crystals with this cell (A, degree) and space group.

        Raises
        ------
        InputError
            The space group is not known, or the cell cannot be.
        """
        known = space_group(group)
        if len(cell) != 6 or not np.all(np.isfinite(cell)) or min(cell) <= 0.0:
            raise InputError(f"cell {cell} is not three edges (A) and three angles (degree)")
        volume = gemmi.UnitCell(*cell).volume
        if not 1.0 < volume < ABSURD_VOLUME:
            raise InputError(
                f"cell {cell} has a volume of {volume:.3g} A^3; check edges and angles"
            )
        b = b_matrix(cell)
        op = known.centred_to_primitive()
        change = np.array(op.rot, dtype=np.float64) / gemmi.Op.DEN
        change = change @ niggli_change(changed(b, change))
        basis = np.ascontiguousarray(inverse(changed(b, change)))
        found = gemmi.find_lattice_symmetry(
            gemmi.UnitCell(*cell), known.centring_type(), SYMMETRY_WITHIN
        )
        symmetry = rotations_of(found).transpose(0, 2, 1)
        to_conventional = np.ascontiguousarray(change.T)
        return cls(tuple(float(x) for x in cell), known, basis, to_conventional, symmetry)
