"""Diffracted beams of lattice points: of a rotating crystal, and of a still."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.models import Experiment
from dxdask.models.vectors import unit

# Points nearer to the rotation axis stay on the Ewald sphere for most of a scan and are not used.
MIN_ZETA = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class Rays:
    """Diffracted beams.

    Attributes
    ----------
    row : (n,) int64, row of the list of lattice points.
    s1 : (n, 3) 1/Angstrom, laboratory frame.
    phi : (n,) rad, angle at which the point is on the sphere (0 in stills).
    zeta : (n,) m2 . e1 of Kabsch (2010), 1 in stills.
    """

    row: NDArray[np.int64]
    s1: Floats
    phi: Floats
    zeta: Floats


def rotation_rays(hkl: NDArray[np.int32], experiment: Experiment, *, margin: float) -> Rays:
    """Return the rays of lattice points (n, 3) in a scan widened by `margin` (rad) at each end.

    With p = F A h and the axis m, r(phi) = m (m.p) + (p - m (m.p)) cos phi + (m x p) sin phi, and
    |s0 + r| = |s0| is c1 cos phi + c2 sin phi = -p.p/2 - (m.p)(m.s0): two solutions or none.

    experiment: one with goniometer, scan and crystal.
    """
    goniometer, scan, crystal = experiment.goniometer, experiment.scan, experiment.crystal
    if goniometer is None or scan is None or crystal is None:
        raise ValueError("rotation_rays needs an experiment with goniometer, scan and crystal")
    setting, m = goniometer.setting_rotation, goniometer.rotation_axis_datum
    p = hkl @ (goniometer.fixed_rotation @ crystal.a).T
    s0 = setting.T @ experiment.beam.s0
    along, across = np.outer(p @ m, m), np.cross(m, p)
    c0, c1, c2 = (p @ m) * (m @ s0), (p - along) @ s0, across @ s0
    length = np.hypot(c1, c2)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        half = np.arccos((-(p**2).sum(axis=1) / 2 - c0) / length)
    middle = np.arctan2(c2, c1)
    rows = np.flatnonzero(np.isfinite(half))
    row = np.concatenate([rows, rows])
    phi = np.concatenate([(middle + half)[rows], (middle - half)[rows]])
    row, phi = _within(row, phi, scan.phi_range_rad, margin)
    cos, sin = np.cos(phi)[:, None], np.sin(phi)[:, None]
    r = along[row] + (p - along)[row] * cos + across[row] * sin
    s1 = (s0 + r) @ setting.T
    e1 = np.cross(s1, experiment.beam.s0)
    zeta = (e1 / np.linalg.norm(e1, axis=1)[:, None]) @ goniometer.rotation_axis
    keep = np.abs(zeta) >= MIN_ZETA
    return Rays(row=row[keep], s1=s1[keep], phi=phi[keep], zeta=zeta[keep])


def _within(
    row: NDArray[np.int64], phi: Floats, phi_range: tuple[float, float], margin: float
) -> tuple[NDArray[np.int64], Floats]:
    """Return rows and angles, repeated every 2 pi within the range."""
    low, high = phi_range[0] - margin, phi_range[1] + margin
    period = 2 * np.pi
    phi = low + np.mod(phi - low, period)
    n_periods = int(np.ceil((high - low) / period))
    rows = np.concatenate([row] * n_periods)
    angles = np.concatenate([phi + k * period for k in range(n_periods)])
    keep = angles < high
    return rows[keep], angles[keep]


def still_rays(hkl: NDArray[np.int32], a_matrix: Floats, s0: Floats) -> tuple[Rays, Floats]:
    """Return the rays of lattice points (n, 3) of a still, and excitation errors (n,), 1/Angstrom.

    The ray is that of the point after the smallest rotation onto the sphere (Sauter et al. 2014,
    Acta Cryst. D70, 3299); the error is |s0 + A h| - |s0|, positive outside the sphere.
    """
    q = hkl @ a_matrix.T
    k, s0_unit = np.linalg.norm(s0), unit(s0)
    q_squared = (q**2).sum(axis=1)
    down = q_squared / (2 * k)
    e1 = np.cross(q, s0_unit)
    away = np.cross(s0_unit, e1)
    away /= np.linalg.norm(away, axis=1)[:, None]
    reach = np.sqrt(np.maximum(q_squared - down**2, 0.0))
    s1 = s0 - down[:, None] * s0_unit + reach[:, None] * away
    error = np.linalg.norm(s0 + q, axis=1) - k
    n = len(hkl)
    return Rays(row=np.arange(n), s1=s1, phi=np.zeros(n), zeta=np.ones(n)), error
