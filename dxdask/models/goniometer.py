"""The goniometer: the axes that rotate the crystal, one of which scans."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dxdask.arrays import Floats
from dxdask.models.vectors import IDENTITY, Matrix, Vector, matrix, rotation_matrix, vector


@dataclass(frozen=True, kw_only=True, slots=True)
class Goniometer:
    """Several axes, listed from the crystal outwards (to the laboratory), as in dxtbx.

    A reciprocal lattice vector in the laboratory is r = S R(phi) F U B h, where R is the
    rotation about `rotation_axis` (in the datum frame), F are the axes between the crystal and the
    scanned one and S those outside it.

    Attributes
    ----------
    axes : unit vectors, datum frame.
    angles : degrees, one per axis; that of the scan axis is not used in F and S.
    names : one per axis.
    scan_axis : index of the axis that rotates during the scan.
    setting : an additional rotation outside all axes (which refinement may move). fixed : one
        inside all axes.
    """

    axes: tuple[Vector, ...] = ((1.0, 0.0, 0.0),)
    angles: tuple[float, ...] = (0.0,)
    names: tuple[str, ...] = ("omega",)
    scan_axis: int = 0
    setting: Matrix = IDENTITY
    fixed: Matrix = IDENTITY

    @property
    def rotation_axis_datum(self) -> Floats:
        """Scanned axis m2 (3,) before the setting rotation is applied."""
        return np.asarray(self.axes[self.scan_axis])

    @property
    def rotation_axis(self) -> Floats:
        """Scanned axis m2 (3,) in the laboratory frame: S applied to the datum axis."""
        axis: Floats = self.setting_rotation @ self.rotation_axis_datum
        return axis

    @property
    def fixed_rotation(self) -> Floats:
        """F (3, 3): the axes between the crystal and the scanned one."""
        fixed: Floats = self._product(range(self.scan_axis)) @ np.asarray(self.fixed)
        return fixed

    @property
    def setting_rotation(self) -> Floats:
        """S (3, 3): the axes outside the scanned one."""
        return np.asarray(self.setting) @ self._product(range(self.scan_axis + 1, len(self.axes)))

    def _product(self, which: range) -> Floats:
        product = np.eye(3)
        for i in which:
            product = rotation_matrix(self.axes[i], np.deg2rad(self.angles[i])) @ product
        return product

    def to_dict(self) -> dict[str, Any]:
        """Return the model as values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Goniometer:
        """Return the model that `to_dict` wrote."""
        given = dict(values)
        given["axes"] = tuple(vector(a) for a in given["axes"])
        given["angles"] = tuple(float(a) for a in given["angles"])
        given["names"] = tuple(given["names"])
        for name in ("setting", "fixed"):
            if name in given:
                given[name] = matrix(given[name])
        return cls(**given)
