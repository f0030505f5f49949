"""Reflections of a still, from the lattice points near the Ewald sphere."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.prediction.stills import lattice
from dxdask.prediction.stills.models import StillModels
from dxdask.prediction.stills.spread import Spread, profile


class Predictions(NamedTuple):
    """Reflections of a still, in order of h, k and l.

    Attributes
    ----------
    hkl : (n, 3). panel : (n,). s1 : (n, 3), 1/A, the mean ray. x, y : px, x_mm, y_mm : mm, of it.
    excitation_error : |q + s0| - |s0|, 1/A; sigma : standard deviation of excitation errors by the
    spread of the lattice point. covariance : (n, 3) xx, xy, yy of the spot, px^2. d : A.
    """

    hkl: NDArray[np.int32]
    panel: NDArray[np.int32]
    s1: Floats
    x: Floats
    y: Floats
    x_mm: Floats
    y_mm: Floats
    excitation_error: Floats
    sigma: Floats
    covariance: Floats
    d: Floats

    @property
    def partiality(self) -> Floats:
        """Estimated intensity (n,) in units of that at no excitation error."""
        return profile(self.excitation_error / self.sigma)


def predict_still(
    a_matrix: Floats,
    wavelength: float,
    models: StillModels,
    spread: Spread,
    *,
    n_sigma: float = 3.0,
) -> Predictions:
    """Return the reflections of a still whose lattice points reach the Ewald sphere.

    Points are normal distributions (`Spread`), wavelengths too; the part of a point on the sphere
    is again one, whose mean gives the position of the spot and whose covariance its shape (compare
    Parkhurst & Thompson 2020 and the ellipsoid model of DIALS).

    Parameters
    ----------
    a_matrix : (3, 3) A = U B, 1/A. wavelength : A. models : of the run.
    spread : of lattice points and wavelengths. n_sigma : largest excitation error, in standard
        deviations.
    """
    s0 = models.beam.s0 * (models.beam.wavelength / wavelength)
    q_max = min(1.0 / models.d_min, 2.0 / wavelength)
    cells = np.linalg.norm(np.linalg.inv(a_matrix), axis=1)
    largest = n_sigma * np.sqrt(
        spread.size**2
        + (spread.mosaic * q_max) ** 2
        + (spread.band * 0.6 * wavelength * q_max**2) ** 2
    )
    limits = np.array([n_sigma, largest, 1.0 / models.d_max, q_max, *np.floor(cells[:2] * q_max)])
    room = int(2.5 * np.pi * q_max**2 * largest / abs(np.linalg.det(a_matrix))) + 64
    while True:
        hkl, out = np.empty((room, 3), np.int32), np.empty((room, lattice.N_NUMBERS))
        n = lattice.near_sphere(
            np.ascontiguousarray(a_matrix), s0, limits, models.centring, np.array(spread),
            models.panels, hkl, out,
        )  # fmt: skip
        if n <= room:
            return _predictions(hkl[:n].copy(), out[:n])
        room = n


def _predictions(hkl: NDArray[np.int32], out: Floats) -> Predictions:
    s1 = np.ascontiguousarray(out[:, lattice.S1 : lattice.S1 + 3])
    return Predictions(
        hkl=hkl,
        panel=out[:, lattice.PANEL].astype(np.int32),
        s1=s1,
        x=out[:, lattice.X].copy(),
        y=out[:, lattice.Y].copy(),
        x_mm=out[:, lattice.X_MM].copy(),
        y_mm=out[:, lattice.Y_MM].copy(),
        excitation_error=out[:, lattice.EPS].copy(),
        sigma=out[:, lattice.SIGMA].copy(),
        covariance=np.ascontiguousarray(out[:, lattice.XX : lattice.YY + 1]),
        d=out[:, lattice.D].copy(),
    )
