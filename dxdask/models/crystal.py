"""The crystal: orientation, cell and space group, static or varying over the scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gemmi
import numpy as np
from numpy.typing import ArrayLike

from dxdask.arrays import Floats
from dxdask.errors import InputError
from dxdask.models.plain import as_plain
from dxdask.models.vectors import Matrix, floats, matrices, matrix


def space_group(symbol: str | int | gemmi.SpaceGroup) -> gemmi.SpaceGroup:
    """Return the space group of a symbol ("I213", "I 21 3") or number; a space group as it is.

    Raises
    ------
    InputError
        No such space group.
    """
    if isinstance(symbol, gemmi.SpaceGroup):
        return symbol
    text = str(symbol).strip()
    found = gemmi.SpaceGroup(int(text)) if text.isdigit() and 1 <= int(text) <= 230 else None
    if found is None:
        found = gemmi.find_spacegroup_by_name(text) if text else None
    if found is None:
        raise InputError(
            f"unknown space group {symbol!r}: give a symbol (P212121) or a number (1 to 230)"
        )
    return found


def b_matrix(cell: tuple[float, ...]) -> Floats:
    """Return B (3, 3), 1/Angstrom, of a cell (A, degree): columns a*, b*, c*, with a along x.

    It is lower triangular, the transpose of the fractionalisation matrix, as in cctbx and DIALS.
    """
    return np.array(gemmi.UnitCell(*cell).frac.mat.tolist()).T


def cell_of(a_matrix: ArrayLike) -> tuple[float, ...]:
    """Return the cell (a, b, c in Angstrom, angles in degrees) of A = U B (3, 3), 1/Angstrom."""
    a, b, c = np.linalg.inv(np.asarray(a_matrix, dtype=np.float64))
    lengths = [float(np.linalg.norm(v)) for v in (a, b, c)]

    def angle(u: Floats, v: Floats) -> float:
        cosine = u @ v / np.linalg.norm(u) / np.linalg.norm(v)
        return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))

    return (*lengths, angle(b, c), angle(a, c), angle(a, b))


@dataclass(frozen=True, kw_only=True, slots=True)
class Crystal:
    """A crystal in dxtbx's conventions: r = A h with A = U B, 1/Angstrom, at goniometer datum.

    Attributes
    ----------
    a_matrix : A = U B, rows of a 3 x 3 matrix.
    space_group : extended Hermann-Mauguin symbol, as gemmi writes it ("I 21 3").
    scan_points : A at the start of each image and the end of the last; None where it is static.
    cell_su : standard uncertainties of the six cell constants, where refined.
    """

    a_matrix: Matrix
    space_group: str = "P 1"
    scan_points: tuple[Matrix, ...] | None = None
    cell_su: tuple[float, ...] | None = None

    @classmethod
    def from_cell(
        cls, cell: tuple[float, ...], *, u_matrix: ArrayLike | None = None, space_group: str = "P 1"
    ) -> Crystal:
        """Return the crystal with this cell (A, degree) and orientation U (3, 3; default unity)."""
        u = np.eye(3) if u_matrix is None else np.asarray(u_matrix)
        return cls(a_matrix=matrix(u @ b_matrix(cell)), space_group=space_group)

    @property
    def a(self) -> Floats:
        """A = U B (3, 3), 1/Angstrom."""
        return np.asarray(self.a_matrix)

    @property
    def unit_cell(self) -> tuple[float, ...]:
        """a, b, c in Angstrom, alpha, beta, gamma in degrees."""
        return cell_of(self.a_matrix)

    @property
    def b(self) -> Floats:
        """B (3, 3), 1/Angstrom."""
        return b_matrix(self.unit_cell)

    @property
    def u(self) -> Floats:
        """U (3, 3), a rotation."""
        return self.a @ np.linalg.inv(self.b)

    @property
    def gemmi_cell(self) -> gemmi.UnitCell:
        """The cell as gemmi's."""
        return gemmi.UnitCell(*self.unit_cell)

    @property
    def gemmi_space_group(self) -> gemmi.SpaceGroup:
        """The space group as gemmi's."""
        return space_group(self.space_group)

    def to_dict(self) -> dict[str, Any]:
        """Return the model as values that JSON can hold."""
        return as_plain(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Crystal:
        """Return the model that `to_dict` wrote."""
        given = dict(values)
        given["a_matrix"] = matrix(given["a_matrix"])
        points = given.get("scan_points")
        given["scan_points"] = None if points is None else matrices(points)
        given["cell_su"] = floats(given.get("cell_su"))
        return cls(**given)
