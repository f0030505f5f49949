"""Widths of the reflections of a crystal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dxdask.arrays import Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class GaussianProfile:
    """Widths of reflections: sigma_b across the beam, sigma_m along the scan; rad (Kabsch 2010).

    rlp_radius: rms radius of the reciprocal lattice points along a direction, 1/A; the smaller the
    blocks of the mosaic, the larger it is. See `rotation_widths`.
    """

    sigma_b: float
    sigma_m: float
    rlp_radius: float = 0.0
    n_sigma: float = 3.0


def rotation_widths(sigma_m: float, rlp_radius: float, d: Floats, wavelength: float) -> Floats:
    """Return the widths of reflections along Kabsch's third direction, rad.

    A turn of the lattice by sigma_m moves a lattice point off the Ewald sphere by sigma_m sin(2
    theta) / wavelength; where its radius is r, it is in diffracting position over an angle of
    r wavelength / sin(2 theta) = r d / cos(theta) as well. The two are independent. Source: Nave
    (2014), J. Synchrotron Rad. 21, 537, for the size and the turns of mosaic blocks.

    Parameters
    ----------
    sigma_m : rad. rlp_radius : 1/A.
    d : (n,), spacings, A. wavelength : A.
    """
    sin = np.minimum(0.5 * wavelength / d, 1.0)
    return np.asarray(np.sqrt(sigma_m**2 + (rlp_radius * d) ** 2 / np.maximum(1.0 - sin**2, 1e-6)))
