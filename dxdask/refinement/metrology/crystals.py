"""Crystals of stills of one symmetry, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.models.crystal import b_matrix
from dxdask.models.rotations import rotation_matrices
from dxdask.refinement.metrology.strain import orientations, strain_basis


@dataclass(frozen=True, slots=True)
class Crystals:
    """Crystals (n,) of one symmetry: A = U (1 + sum e_k S_k) B.

    Attributes
    ----------
    u : (n, 3, 3). strain : (n, k) the e_k. basis : (k, 3, 3) the S_k. cell : of B.
    """

    u: Floats
    strain: Floats
    basis: Floats
    cell: tuple[float, ...]

    def a_matrices(self) -> Floats:
        """Return A (n, 3, 3), 1/A."""
        strained = np.eye(3) + np.einsum("nk,kij->nij", self.strain, self.basis)
        return np.asarray(self.u @ strained @ b_matrix(self.cell))

    def moved(self, steps: Floats) -> Crystals:
        """Return the crystals rotated (rad) and strained by steps (n, 3 + k)."""
        u = rotation_matrices(steps[:, :3]) @ self.u
        return Crystals(u, self.strain + steps[:, 3:], self.basis, self.cell)

    def taken(self, which: NDArray[np.int64]) -> Crystals:
        """Return the crystals of these indices."""
        return Crystals(self.u[which], self.strain[which], self.basis, self.cell)

    @classmethod
    def of(cls, a_matrices: Floats, cell: tuple[float, ...], group: gemmi.SpaceGroup) -> Crystals:
        """Return the crystals nearest to these A (n, 3, 3), of the same orientations.

        cell : the target cell, from which each is strained. group : the symmetry, which is kept.
        """
        basis, u = strain_basis(cell, group), orientations(a_matrices, cell)
        own = u.transpose(0, 2, 1) @ a_matrices @ np.linalg.inv(b_matrix(cell)) - np.eye(3)
        return cls(u, np.einsum("nij,kij->nk", own, basis), basis, cell)
