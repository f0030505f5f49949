"""The incident beam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dxdask.arrays import Floats
from dxdask.models.plain import as_plain
from dxdask.models.vectors import Vector, floats, unit, vector


@dataclass(frozen=True, kw_only=True, slots=True)
class Beam:
    """A beam, in dxtbx's conventions.

    Attributes
    ----------
    direction : unit vector from the sample towards the source (so s0 points the other way).
    wavelength : Angstrom.
    wavelengths : Angstrom of each image, 0 where it is not known (stills); None where all images
        have the same.
    polarization_normal : unit vector normal to the plane of polarisation.
    polarization_fraction : fraction of the beam polarised in that plane, 0.5 is unpolarised.
    divergence, sigma_divergence : radians.
    flux : photons per second, 0 where not known.
    transmission : fraction of the beam let through by the attenuators.
    probe : "x-ray", "electron" or "neutron".
    s0_at_scan_points : s0, 1/Angstrom, at the start of each image and the end of the last, all of
        length 1/wavelength; None where the beam does not vary along the scan.
    """

    direction: Vector = (0.0, 0.0, 1.0)
    wavelength: float = 1.0
    wavelengths: tuple[float, ...] | None = None
    polarization_normal: Vector = (0.0, 1.0, 0.0)
    polarization_fraction: float = 0.999
    divergence: float = 0.0
    sigma_divergence: float = 0.0
    flux: float = 0.0
    transmission: float = 1.0
    probe: str = "x-ray"
    s0_at_scan_points: tuple[Vector, ...] | None = None

    @property
    def s0(self) -> Floats:
        """Incident beam vector (3,), 1/Angstrom, |s0| = 1/wavelength."""
        return -unit(self.direction) / self.wavelength

    def s0_at(self, offset: Floats) -> Floats:
        """Return s0 (n, 3), 1/Angstrom, at places (n,), images from the start of the scan.

        Linear between the scan points, constant outside.
        """
        if self.s0_at_scan_points is None:
            return np.broadcast_to(self.s0, (len(offset), 3))
        points = np.asarray(self.s0_at_scan_points)
        return np.asarray(
            np.column_stack([np.interp(offset, np.arange(len(points)), p) for p in points.T])
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the model as values that JSON can hold; scan points where there are any."""
        values = as_plain(self)
        if self.s0_at_scan_points is None:
            del values["s0_at_scan_points"]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Beam:
        """Return the model that `to_dict` wrote."""
        given = dict(values)
        for name in ("direction", "polarization_normal"):
            if name in given:
                given[name] = vector(given[name])
        given["wavelengths"] = floats(given.get("wavelengths"))
        points = given.get("s0_at_scan_points")
        given["s0_at_scan_points"] = None if points is None else tuple(vector(p) for p in points)
        return cls(**given)
