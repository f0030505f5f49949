"""Reflections of a still, from the lattice points near the Ewald sphere."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.integration.corrections import polarisation
from dxdask.integration.stills import lattice
from dxdask.integration.stills.context import StillsContext
from dxdask.integration.stills.spread import Spread, profile
from dxdask.models import Beam


class Predictions(NamedTuple):
    """Reflections of a still, in order of h, k and l.

    Attributes
    ----------
    hkl : (n, 3). panel : (n,). s1 : (n, 3), 1/A, the mean ray. x, y : px, of that ray.
    excitation_error : |q + s0| - |s0|, 1/A; sigma : standard deviation of excitation errors by the
    spread of the lattice point. covariance : (n, 3) xx, xy, yy of the spot, px^2. d : A.
    lp : correction of counts for polarisation.
    """

    hkl: NDArray[np.int32]
    panel: NDArray[np.int32]
    s1: Floats
    x: Floats
    y: Floats
    excitation_error: Floats
    sigma: Floats
    covariance: Floats
    d: Floats
    lp: Floats

    @property
    def partiality(self) -> Floats:
        """Estimated intensity (n,) in units of that at no excitation error."""
        return profile(self.excitation_error / self.sigma)


def predict_still(
    a_matrix: Floats,
    wavelength: float,
    context: StillsContext,
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
    a_matrix : (3, 3) A = U B, 1/A. wavelength : A. context : of the run.
    spread : of lattice points and wavelengths. n_sigma : largest excitation error, in standard
        deviations.
    """
    s0 = context.beam.s0 * (context.beam.wavelength / wavelength)
    q_max = min(1.0 / context.d_min, 2.0 / wavelength)
    cells = np.linalg.norm(np.linalg.inv(a_matrix), axis=1)
    largest = n_sigma * np.sqrt(
        spread.size**2
        + (spread.mosaic * q_max) ** 2
        + (spread.band * 0.6 * wavelength * q_max**2) ** 2
    )
    limits = np.array([n_sigma, largest, 1.0 / context.d_max, q_max, *np.floor(cells[:2] * q_max)])
    room = int(2.5 * np.pi * q_max**2 * largest / abs(np.linalg.det(a_matrix))) + 64
    while True:
        hkl, out = np.empty((room, 3), np.int32), np.empty((room, lattice.N_NUMBERS))
        n = lattice.near_sphere(
            np.ascontiguousarray(a_matrix), s0, limits, context.centring, np.array(spread),
            context.panels, hkl, out,
        )  # fmt: skip
        if n <= room:
            return _predictions(hkl[:n].copy(), out[:n], context.beam)
        room = n


def _predictions(hkl: NDArray[np.int32], out: Floats, beam: Beam) -> Predictions:
    s1 = np.ascontiguousarray(out[:, lattice.S1 : lattice.S1 + 3])
    return Predictions(
        hkl=hkl,
        panel=out[:, lattice.PANEL].astype(np.int32),
        s1=s1,
        x=out[:, lattice.X].copy(),
        y=out[:, lattice.Y].copy(),
        excitation_error=out[:, lattice.EPS].copy(),
        sigma=out[:, lattice.SIGMA].copy(),
        covariance=np.ascontiguousarray(out[:, lattice.XX : lattice.YY + 1]),
        d=out[:, lattice.D].copy(),
        lp=1.0 / polarisation(s1, beam),
    )
