"""Crystals as arrays: static ones, and ones that vary along their scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import gemmi
import numpy as np

from dxdask.arrays import Floats, Integers
from dxdask.models.crystal import b_matrix
from dxdask.models.metric import symmetric_cell
from dxdask.models.rotations import rotation_matrices
from dxdask.models.smoother import N_NEAR, Smoother
from dxdask.refinement.least_squares.local import N_CRYSTAL, STRAIN
from dxdask.refinement.models.strain import orientations, strain_basis

N_STRAINS = N_CRYSTAL - STRAIN


@dataclass(frozen=True, kw_only=True, slots=True)
class Crystals:
    """Crystals (c,) by their matrices A at t scan points, one of a static crystal.

    A small step p of a crystal changes A to R A T at each of its scan points: R is the rotation by
    p[:3], T = 1 + sum p[3 + k] T_k the strain, with T_k = B^-1 S_k B for strains S_k that keep the
    symmetry (see `strain_basis`). Where the crystal varies, p is smooth along the scan.

    Attributes
    ----------
    a : (t, 3, 3) A, 1/A. first : (c + 1,) first scan point of each crystal.
    form : (c,) index in forms (f, 6, 3, 3), the T_k of crystals of one symmetry and cell; zero
    beyond n_strains (f,) of them.
    strain : (c, 6) strains since the start, of static crystals.
    nearest, shares : (t,) first of the smoother's points of each scan point, and (t, 3) weights.
    n_points : (c,) points of the smoother, 1 where the crystal is static.
    """

    a: Floats
    first: Integers
    form: Integers
    forms: Floats
    n_strains: Integers
    strain: Floats
    nearest: Integers
    shares: Floats
    n_points: Integers

    def __len__(self) -> int:
        return len(self.form)

    @property
    def static(self) -> Floats:
        """A (c, 3, 3) at the first scan point of each crystal."""
        return self.a[self.first[:-1]]

    def points_of(self, crystal: int) -> Floats:
        """Return A at the scan points of one crystal."""
        return self.a[self.first[crystal] : self.first[crystal + 1]]

    def moved(self, first: int, step: Floats, free: Integers) -> Crystals:
        """Return the crystals after a step of some of them.

        first : the first of them. step : (c, points, len(free)). free : the local parameters.
        """
        n = len(step)
        rows = slice(self.first[first], self.first[first + n])
        of = np.repeat(np.arange(n), np.diff(self.first[first : first + n + 1]))
        change = np.zeros((len(of), N_CRYSTAL))
        for j in range(min(N_NEAR, step.shape[1])):
            at = np.minimum(self.nearest[rows] + j, step.shape[1] - 1)
            change[:, free] += self.shares[rows, j, None] * step[of, at]
        strained = np.eye(3) + np.einsum(
            "nk,nkij->nij", change[:, STRAIN:], self.forms[self.form[first + of]]
        )
        a, strain = self.a.copy(), self.strain.copy()
        a[rows] = rotation_matrices(change[:, :STRAIN]) @ self.a[rows] @ strained
        own = change[self.first[first : first + n] - rows.start, STRAIN:]
        strain[first : first + n] = self._strain_after(slice(first, first + n), own)
        return replace(self, a=a, strain=strain)

    def _strain_after(self, which: slice, step: Floats) -> Floats:
        """Return the strains (n, 6) of crystals after one more (n, 6).

        (1 + E)(1 + S) = 1 + E + S + E S: the last term is not small against a tight restraint.
        """
        strain, forms = self.strain[which], self.forms[self.form[which]]
        both = (np.einsum("nk,nkij->nij", x, forms) for x in (strain, step))
        return np.asarray(strain + step + np.einsum("nkij,njl,nli->nk", forms, *both))

    def unstrained(self) -> Crystals:
        """Return the static crystals with the target cell."""
        strained = np.eye(3) + np.einsum("nk,nkij->nij", self.strain, self.forms[self.form])
        return replace(self, a=self.a @ np.linalg.inv(strained), strain=np.zeros_like(self.strain))

    def taken(self, which: Integers | slice) -> Crystals:
        """Return the static crystals of these indices."""
        return replace(
            self,
            a=self.a[which],
            first=np.arange(len(self.form[which]) + 1),
            form=self.form[which],
            strain=self.strain[which],
            nearest=self.nearest[which],
            shares=self.shares[which],
            n_points=self.n_points[which],
        )

    @classmethod
    def of(
        cls,
        tables: Sequence[Floats],
        cells: Sequence[tuple[float, ...]],
        groups: Sequence[gemmi.SpaceGroup],
        smoothers: Sequence[Smoother | None],
        starts: Sequence[float],
    ) -> Crystals:
        """Return crystals from A at their scan points.

        tables : (points, 3, 3) of each crystal. cells, groups : of each, which give its strains.
        smoothers : None where it is static. starts : z, images, of the first scan point.
        """
        counts = [len(t) for t in tables]
        nearest, shares = [], []
        for table, smoother, start in zip(tables, smoothers, starts, strict=True):
            index, weight = _weights(smoother, start + np.arange(len(table), dtype=np.float64))
            nearest.append(index)
            shares.append(weight)
        kinds: dict[tuple[object, ...], int] = {}
        form = [
            kinds.setdefault((c, g.hm, g.ext), len(kinds))
            for c, g in zip(cells, groups, strict=True)
        ]
        bases = [
            strain_forms(cells[form.index(i)], groups[form.index(i)]) for i in range(len(kinds))
        ]
        return cls(
            a=np.concatenate(tables) if tables else np.zeros((0, 3, 3)),
            first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            form=np.array(form, dtype=np.int64),
            forms=np.array([_padded(b) for b in bases]).reshape(-1, N_STRAINS, 3, 3),
            n_strains=np.array([len(b) for b in bases], dtype=np.int64),
            strain=np.zeros((len(tables), N_STRAINS)),
            nearest=np.concatenate([np.zeros(0, np.int64), *nearest]),
            shares=np.concatenate([np.zeros((0, N_NEAR)), *shares]),
            n_points=np.array([1 if s is None else s.n_points for s in smoothers], np.int64),
        )

    @classmethod
    def alike(
        cls, a_matrices: Floats, cell: tuple[float, ...], group: gemmi.SpaceGroup
    ) -> Crystals:
        """Return static crystals of one symmetry, those nearest to A (c, 3, 3) that obey it.

        cell : the target cell, of which strains are measured.
        """
        basis, u, b = strain_basis(cell, group), orientations(a_matrices, cell), b_matrix(cell)
        own = u.transpose(0, 2, 1) @ a_matrices @ np.linalg.inv(b) - np.eye(3)
        strain = np.einsum("nij,kij->nk", own, basis)
        n = len(u)
        padded = np.zeros((n, N_STRAINS))
        padded[:, : len(basis)] = strain
        return cls(
            a=u @ (np.eye(3) + np.einsum("nk,kij->nij", strain, basis)) @ b,
            first=np.arange(n + 1),
            form=np.zeros(n, np.int64),
            forms=_padded(strain_forms(cell, group))[None],
            n_strains=np.array([len(basis)]),
            strain=padded,
            nearest=np.zeros(n, np.int64),
            shares=np.tile([1.0, 0.0, 0.0], (n, 1)),
            n_points=np.ones(n, np.int64),
        )


def symmetric_points(
    points: Floats, cell: tuple[float, ...], group: gemmi.SpaceGroup
) -> tuple[Floats, tuple[float, ...]]:
    """Return A (t, 3, 3) nearest to these that obey a symmetry, and the cell near to theirs.

    cell : of the crystal, A and degree.
    """
    obeys = tuple(float(x) for x in symmetric_cell(cell, group))
    basis, u, b = strain_basis(obeys, group), orientations(points, obeys), b_matrix(obeys)
    own = u.transpose(0, 2, 1) @ points @ np.linalg.inv(b) - np.eye(3)
    strain = np.einsum("nij,kij,klm->nlm", own, basis, basis)
    return u @ (np.eye(3) + strain) @ b, obeys


def strain_forms(cell: tuple[float, ...], group: gemmi.SpaceGroup) -> Floats:
    """Return T_k = B^-1 S_k B (k, 3, 3) of the strains that keep the symmetry."""
    b = b_matrix(cell)
    return np.asarray(np.linalg.inv(b) @ strain_basis(cell, group) @ b)


def _padded(basis: Floats) -> Floats:
    out = np.zeros((N_STRAINS, 3, 3))
    out[: len(basis)] = basis
    return out


def _weights(smoother: Smoother | None, z: Floats) -> tuple[Integers, Floats]:
    if smoother is None:
        return np.zeros(len(z), np.int64), np.tile([1.0, 0.0, 0.0], (len(z), 1))
    index, weight = smoother.weights(z)
    return index[:, 0].astype(np.int64), weight
