"""Where a still shows a lattice point that lies near the Ewald sphere, and how far from it it is.

The point is turned onto the sphere about the axis across q and the beam, the shortest way (Brewster
et al. 2018, Acta Cryst. D74, 877); the angle is delta psi.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class StillRays(NamedTuple):
    """Rays of lattice points q (n, 3), and what their derivatives need.

    Attributes
    ----------
    s1 : (n, 3) diffracted beams, 1/A, |s1| = 1/wavelength; NaN for points beyond 2/wavelength.
    delta_psi : (n,) angle from the point to the sphere, rad, positive where it lies outside.
    """

    s1: Floats
    delta_psi: Floats
    q: Floats
    beam: Floats
    wavelength: Floats
    along: Floats
    across: Floats
    radial: Floats
    depth: Floats
    root: Floats


def still_rays(q: Floats, beam: Floats, wavelength: Floats) -> StillRays:
    """Return the rays of lattice points.

    q : (n, 3), 1/A. beam : (3,) unit vector along the beam. wavelength : (n,) A.
    """
    q2 = (q * q).sum(axis=1)
    # r = -depth beam + root radial lies on the sphere, as long as q and in one plane with the beam
    depth = 0.5 * wavelength * q2
    with np.errstate(invalid="ignore", divide="ignore"):
        root = np.sqrt(q2 - depth * depth)
        along = q @ beam
        sideways = q - along[:, None] * beam
        across = np.linalg.norm(sideways, axis=1)
        radial = sideways / across[:, None]
    s1 = root[:, None] * radial + (1.0 / wavelength - depth)[:, None] * beam
    delta_psi = np.arctan2(along, across) + np.arctan2(depth, root)
    return StillRays(
        s1, delta_psi, q, beam, wavelength, along, across, radial, depth, root
    )  # fmt: skip


def derivatives(rays: StillRays, dq: Floats) -> tuple[Floats, Floats]:
    """Return how s1 (n, 3) and delta psi (n,) change as q changes by dq (n, 3) a unit."""
    q_dq = (rays.q * dq).sum(axis=1)
    q2 = rays.across**2 + rays.along**2
    d_along = dq @ rays.beam
    sideways = dq - d_along[:, None] * rays.beam
    d_across = (rays.radial * sideways).sum(axis=1)
    d_depth = rays.wavelength * q_dq
    d_root = (q_dq - rays.depth * d_depth) / rays.root
    d_radial = (sideways - rays.radial * d_across[:, None]) / rays.across[:, None]
    ds1 = d_root[:, None] * rays.radial + rays.root[:, None] * d_radial
    ds1 -= d_depth[:, None] * rays.beam
    d_psi = rays.across * d_along - rays.along * d_across + rays.root * d_depth
    return ds1, (d_psi - rays.depth * d_root) / q2
