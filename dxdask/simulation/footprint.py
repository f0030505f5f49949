"""Position, widths and recorded photons of reflections on the detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.models import Beam, Detector, Goniometer, Panel, parallax
from dxdask.models.vectors import unit
from dxdask.simulation.parameters import SimulationParameters
from dxdask.simulation.rays import Rays

STEP = 1e-4
MARGIN_PX = 12.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Spots:
    """The reflections on a panel, or within some pixels of it; one row per panel.

    Attributes
    ----------
    hkl : (n, 3) int32. unique : (n,) int64, row of the true intensities.
    panel : (n,) int32. x, y : (n,) px in the panel. s1 : (n, 3) 1/Angstrom.
    phi, zeta : (n,) rad and m2 . e1. sigma_phi : (n,) rad, rms width in rotation.
    covariance : (n, 3) px^2, of the spot on the panel: xx, xy, yy.
    lp, qe : (n,) the corrections that integration applies: photons * lp / qe = scale * intensity.
    photons : (n,) recorded at full transmission over a full rotation.
    """

    hkl: NDArray[np.int32]
    unique: NDArray[np.int64]
    panel: NDArray[np.int32]
    x: Floats
    y: Floats
    s1: Floats
    phi: Floats
    zeta: Floats
    sigma_phi: Floats
    covariance: Floats
    lp: Floats
    qe: Floats
    photons: Floats


def spots_on_detector(
    rays: Rays,
    *,
    hkl: NDArray[np.int32],
    unique: NDArray[np.int64],
    strength: Floats,
    beam: Beam,
    detector: Detector,
    goniometer: Goniometer | None,
    parameters: SimulationParameters,
) -> Spots:
    """Return the spots of `rays`.

    `rays.row` is a row of hkl (n, 3), unique (n,) and strength (n,), photons before L, P and
    absorption.
    """
    s0 = beam.s0
    widths = profile_widths(rays.s1, s0, parameters)
    lp_all = lorentz_polarization(rays, s0, goniometer, beam)
    parts: list[dict[str, NDArray[np.generic]]] = []
    for index, panel in enumerate(detector.panels):
        xy = _pixels(panel, rays.s1)
        inside = np.all((xy > -MARGIN_PX) & (xy < np.array(panel.image_size) + MARGIN_PX), axis=1)
        on = np.flatnonzero(inside)
        row, s1 = rays.row[on], rays.s1[on]
        lp, qe = lp_all[on], quantum_efficiency(panel, s1)
        parts.append(
            {
                "hkl": hkl[row],
                "unique": unique[row],
                "panel": np.full(len(on), index, dtype=np.int32),
                "x": xy[on, 0],
                "y": xy[on, 1],
                "s1": s1,
                "phi": rays.phi[on],
                "zeta": rays.zeta[on],
                "sigma_phi": widths[on, 2] / np.abs(rays.zeta[on]),
                "covariance": _covariance(panel, s1, s0, widths[on], parameters.detector.psf_sigma),
                "lp": lp,
                "qe": qe,
                "photons": strength[row] * qe / lp,
            }
        )
    return Spots(**{name: np.concatenate([p[name] for p in parts]) for name in parts[0]})


def kabsch_axes(s1: Floats, s0: Floats) -> tuple[Floats, Floats]:
    """Return unit vectors e1 along s1 x s0, e2 along s1 x e1 (n, 3) (Kabsch 2010, D66, 133)."""
    e1 = np.cross(s1, s0)
    e1 /= np.linalg.norm(e1, axis=1)[:, None]
    e2 = np.cross(s1, e1)
    return e1, e2 / np.linalg.norm(e2, axis=1)[:, None]


def profile_widths(s1: Floats, s0: Floats, parameters: SimulationParameters) -> Floats:
    """Return the rms of eps1, eps2, eps3 (n, 3), rad, in Kabsch's frame.

    A misorientation eta moves a point r by eta |r| along e1, 2 sin(theta) eta in eps1, and delays
    it by eta in eps3. A radius rho of the point spreads the ray by rho lambda and the rotation by
    rho lambda / sin(2 theta). Wavelengths spread eps2 by 2 tan(theta) and eps3 by tan(theta) times
    the bandwidth.
    """
    wavelength = 1 / float(np.linalg.norm(s0))
    cos_two_theta = np.clip(s1 @ s0 * wavelength**2, -1.0, 1.0)
    two_theta = np.arccos(cos_two_theta)
    eta = np.deg2rad(parameters.crystal.mosaicity)
    divergence = np.deg2rad(parameters.beam.divergence)
    size = parameters.crystal.rlp_radius * wavelength
    spread = parameters.beam.bandwidth * np.tan(two_theta / 2)
    common = size**2 + divergence**2
    eps1 = common + (2 * np.sin(two_theta / 2) * eta) ** 2
    eps2 = common + (2 * spread) ** 2
    eps3 = eta**2 + divergence**2 + (size / np.sin(two_theta)) ** 2 + spread**2
    widths: Floats = np.sqrt(np.stack([eps1, eps2, eps3], axis=1))
    return widths


def lorentz_polarization(
    rays: Rays, s0: Floats, goniometer: Goniometer | None, beam: Beam
) -> Floats:
    """Return the factor lp (n,) by which a recorded intensity is multiplied: L / P.

    L = |s1 . (m2 x s0)| / (|s0| |s1|), 1 in stills;
    P = (1 - 2f)(1 - (n . s1)^2) + f (1 + cos^2 2theta) with the normal n and the fraction f
    (Kabsch 1988, J. Appl. Cryst. 21, 916).
    """
    k = float(np.linalg.norm(s0))
    lorentz = np.ones(len(rays.s1))
    if goniometer is not None:
        lorentz = np.abs(rays.s1 @ np.cross(goniometer.rotation_axis, s0)) / k**2
    s1 = rays.s1 / np.linalg.norm(rays.s1, axis=1)[:, None]
    fraction, normal = beam.polarization_fraction, unit(beam.polarization_normal)
    cosine = s1 @ unit(s0)
    polarization = (1 - 2 * fraction) * (1 - (s1 @ normal) ** 2) + fraction * (1 + cosine**2)
    return np.asarray(lorentz / polarization)


def quantum_efficiency(panel: Panel, s1: Floats) -> Floats:
    """Return the fraction (n,) of photons along s1 (n, 3) that the sensor absorbs."""
    return np.asarray(-np.expm1(-panel.mu * _path(panel, s1)))


def _path(panel: Panel, s1: Floats) -> Floats:
    cosine = np.abs(s1 @ panel.normal) / np.linalg.norm(s1, axis=1)
    return np.asarray(panel.thickness / cosine)


def _pixels(panel: Panel, s1: Floats) -> Floats:
    """Return the positions (n, 2), px, of rays on the panel, with parallax; NaN if they miss it."""
    xy = panel.ray_intersection(s1)
    found = np.isfinite(xy).all(axis=1)
    px = np.full(xy.shape, np.nan)
    px[found] = panel.mm_to_pixel(xy[found])
    return px


def _covariance(panel: Panel, s1: Floats, s0: Floats, widths: Floats, psf: float) -> Floats:
    """Return xx, xy, yy (n, 3), px^2: profile on the panel, sensor depth and point spread.

    The depths of absorption follow an exponential cut off at the back of the sensor; their variance
    is that of a Gaussian here, and their mean is the panel's parallax.
    """
    if len(s1) == 0:
        return np.empty((0, 3))
    k = float(np.linalg.norm(s0))
    centre = _pixels(panel, s1)
    out = np.zeros((len(s1), 3))
    for axis, width in zip(kabsch_axes(s1, s0), widths.T, strict=False):
        slope = (_pixels(panel, s1 + STEP * k * axis) - centre) / STEP * width[:, None]
        out += slope[:, [0, 0, 1]] * slope[:, [0, 1, 1]]
    mu, path = panel.mu, _path(panel, s1)
    lost = np.exp(-mu * path) / -np.expm1(-mu * path)
    mean = parallax.mean_path(path, mu, "absorbed")
    variance = 2 / mu**2 - (path**2 + 2 * path / mu) * lost - mean**2
    ray = s1 / np.linalg.norm(s1, axis=1)[:, None]
    step = ray @ np.stack([panel.fast_axis, panel.slow_axis], axis=1) / np.array(panel.pixel_size)
    out += np.maximum(variance, 0)[:, None] * step[:, [0, 0, 1]] * step[:, [0, 1, 1]]
    out += np.array([psf**2, 0.0, psf**2])
    return out
