"""Corrections from counts to intensities: Lorentz, polarisation, absorption."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.models import Beam, Detector


def lorentz(s1: Floats, *, s0: Floats, m2: Floats) -> Floats:
    """Return the inverse Lorentz factor (n,) of a rotation: L = |s1 . (m2 x s0)| / (|s0| |s1|).

    s1: (n, 3), s0: (3,) or of each ray (n, 3), 1/Angstrom. m2: (3,), the rotation axis, a unit
    vector.
    """
    cross = np.cross(m2, s0)
    along = s1 @ cross if s0.ndim == 1 else (s1 * cross).sum(axis=1)
    return np.asarray(np.abs(along) / (np.linalg.norm(s0, axis=-1) * np.linalg.norm(s1, axis=-1)))


def polarisation(s1: Floats, beam: Beam) -> Floats:
    """Return the polarisation factor P (n,) of rays s1 (n, 3).

    P = (1 - 2 p) (1 - (n . s1)^2) + p (1 + cos^2 2theta), n the normal to the plane of polarisation
    and p the fraction polarised in it (Kahn et al. 1982, J. Appl. Cryst. 15, 330).
    """
    direction = s1 / np.linalg.norm(s1, axis=-1, keepdims=True)
    s0 = beam.s0 / np.linalg.norm(beam.s0)
    fraction = beam.polarization_fraction
    out_of_plane = direction @ np.asarray(beam.polarization_normal)
    cosine = direction @ s0
    return np.asarray((1 - 2 * fraction) * (1 - out_of_plane**2) + fraction * (1 + cosine**2))


def quantum_efficiency(s1: Floats, panel: NDArray[np.int32], detector: Detector) -> Floats:
    """Return the fraction (n,) of rays s1 (n, 3) absorbed in the sensor.

    It is 1 - exp(-mu t / cos alpha), and 1 if absorption or thickness of the sensor are not known.
    """
    normal = np.array([p.normal for p in detector.panels])[panel]
    depth = np.array([p.mu * p.thickness for p in detector.panels])[panel]
    cosine = np.abs(np.einsum("ni,ni->n", s1, normal)) / np.linalg.norm(s1, axis=-1)
    return np.where(depth > 0, 1.0 - np.exp(-depth / cosine), 1.0)


def path_transmission(
    s1: Floats, panel: NDArray[np.int32], detector: Detector, *, air: float, window: float
) -> Floats:
    """Return the fraction (n,) of rays s1 (n, 3) that reaches the sensor.

    It is exp(-(mu D + mu' t) / cos alpha): air of mu = `air` (1/mm) along the path to the panel at
    the distance D, and a window parallel to the panel of mu' t = `window`.
    """
    normal = np.array([p.normal for p in detector.panels])
    distance = np.abs(np.einsum("ni,ni->n", normal, [p.origin for p in detector.panels]))
    cosine = np.abs(np.einsum("ni,ni->n", s1, normal[panel])) / np.linalg.norm(s1, axis=-1)
    return np.asarray(np.exp(-(air * distance[panel] + window) / cosine))


def partiality(phi: Floats, zeta: Floats, first: Floats, last: Floats, width: Floats) -> Floats:
    """Return the fraction (n,) of reflections centred at phi that is recorded between two angles.

    phi, first, last: (n,), rad. zeta: (n,). width: (n,), along the rotation, rad. Source:
    Kabsch (2010), Acta Cryst. D66, 133.
    """
    c = np.abs(zeta) / (np.sqrt(2.0) * width)
    erf = scipy.special.erf
    return np.asarray(0.5 * (erf(c * (last - phi)) - erf(c * (first - phi))))
