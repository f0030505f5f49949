"""Which reflections a still shows, and where."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.geometry.resolution import corner_resolution
from dxdask.integration.corrections import polarisation
from dxdask.integration.rays import PanelArrays, panel_arrays
from dxdask.integration.stills import lattice
from dxdask.integration.stills.shadows import RadialGrid, radial_grid
from dxdask.integration.stills.spread import Spread, profile
from dxdask.models import Beam, Detector
from dxdask.models.crystal import space_group


class Setup(NamedTuple):
    """What the stills of a run share.

    Attributes
    ----------
    panels : of the detector, as arrays. beam : direction and polarisation. trusted : (p, 2)
    counts between which pixels can be believed. gain : (p,) counts a photon. centring : (m, 3)
    translations of the lattice's centring, in 1/24. grid : where background is sampled.
    d_min, d_max : A.
    """

    panels: PanelArrays
    beam: Beam
    trusted: Floats
    gain: Floats
    centring: NDArray[np.int64]
    grid: RadialGrid
    d_min: float
    d_max: float


class Predictions(NamedTuple):
    """Reflections of a still, in order of h, k and l.

    Attributes
    ----------
    hkl : (n, 3). panel : (n,). s1 : (n, 3), 1/A, the mean ray of what meets the Ewald sphere.
    x, y : px, where that is recorded. excitation_error : |q + s0| - |s0|, 1/A; sigma : of
    excitation errors at which the reflection is seen. covariance : (n, 3) xx, xy, yy of the spot,
    px^2. d : A. lp : counts times this are free of the effect of polarisation.
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


def setup(
    detector: Detector,
    beam: Beam,
    group: str,
    *,
    d_min: float | None = None,
    d_max: float | None = None,
) -> Setup:
    """Return what the stills of a run share; asked again it is at hand, so do not write to it.

    d_min None: that at the corners of the detector.
    """
    return _setup(detector, replace(beam, wavelengths=None), group, d_min, d_max)


@lru_cache(maxsize=8)
def _setup(
    detector: Detector, beam: Beam, group: str, d_min: float | None, d_max: float | None
) -> Setup:
    moved = [t for t in space_group(group).operations().cen_ops if any(t)]
    return Setup(
        panels=panel_arrays(detector),
        beam=beam,
        trusted=np.array([p.trusted_range for p in detector.panels], dtype=np.float64),
        gain=np.array([p.gain for p in detector.panels], dtype=np.float64),
        centring=np.array(moved, dtype=np.int64).reshape(len(moved), 3),
        grid=radial_grid(detector, beam),
        d_min=corner_resolution(detector, beam.s0) if d_min is None else d_min,
        d_max=np.inf if d_max is None else d_max,
    )


def predict(
    a_matrix: Floats, wavelength: float, shared: Setup, spread: Spread, *, n_sigma: float = 3.0
) -> Predictions:
    """Return the reflections of a still whose lattice points reach the Ewald sphere.

    Points are normal distributions (`Spread`), wavelengths too; what of a point meets the sphere
    is again one, whose mean gives the position of the spot and whose covariance its shape (compare
    Parkhurst & Thompson 2020 and the ellipsoid model of DIALS).

    Parameters
    ----------
    a_matrix : (3, 3) A = U B, 1/A. wavelength : A. shared : see `setup`.
    spread : of lattice points and wavelengths. n_sigma : largest excitation error, in standard
        deviations.
    """
    s0 = shared.beam.s0 * (shared.beam.wavelength / wavelength)
    q_max = min(1.0 / shared.d_min, 2.0 / wavelength)
    cells = np.linalg.norm(np.linalg.inv(a_matrix), axis=1)
    largest = n_sigma * np.sqrt(
        spread.size**2
        + (spread.mosaic * q_max) ** 2
        + (spread.band * 0.6 * wavelength * q_max**2) ** 2
    )
    limits = np.array([n_sigma, largest, 1.0 / shared.d_max, q_max, *np.floor(cells[:2] * q_max)])
    room = int(2.5 * np.pi * q_max**2 * largest / abs(np.linalg.det(a_matrix))) + 64
    while True:
        hkl, out = np.empty((room, 3), np.int32), np.empty((room, lattice.N_NUMBERS))
        n = lattice.near_sphere(
            np.ascontiguousarray(a_matrix), s0, limits, shared.centring, np.array(spread),
            shared.panels, hkl, out,
        )  # fmt: skip
        if n <= room:
            return _predictions(hkl[:n].copy(), out[:n], shared.beam)
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
