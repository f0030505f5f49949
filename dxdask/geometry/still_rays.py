"""Diffracted beams of a still for lattice points near the Ewald sphere, and excitation errors.

Coherent blocks of a crystal are small, so its lattice points have a width. A still records the
intersection of a point with the sphere, which is brightest where the sphere is nearest to its
centre. So a spot lies along s0 + q at any distance from the sphere. (Rotating the point onto the
sphere, as if all of its width were mosaicity, displaces spots by up to half a pixel.) The angle of
that rotation is delta psi (Brewster et al. 2018, Acta Cryst. D74, 877).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dxdask.arrays import Floats


class StillRays(NamedTuple):
    """Rays of lattice points q (n, 3), with the terms of their derivatives.

    Attributes
    ----------
    s1 : (n, 3) diffracted beams, 1/A, |s1| = 1/wavelength.
    delta_psi : (n,) angle from the point to the sphere, rad, positive where it lies outside; NaN
    for points beyond 2/wavelength.
    q : the points. beam, wavelength : of the incident beam. length : (n,) of s0 + q.
    along, across : (n,) parts of q along the beam and across it. radial : (n, 3) unit vectors
    across it. depth, root : (n,) the same parts of the point when rotated onto the sphere.
    """

    s1: Floats
    delta_psi: Floats
    q: Floats
    beam: Floats
    wavelength: Floats
    length: Floats
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
    towards = q + beam / wavelength[:, None]
    length = np.linalg.norm(towards, axis=1)
    s1 = towards / (length * wavelength)[:, None]
    # r = -depth beam + root radial lies on the sphere, as long as q and in one plane with the beam
    depth = 0.5 * wavelength * q2
    along = q @ beam
    sideways = q - along[:, None] * beam
    across = np.linalg.norm(sideways, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        root = np.sqrt(q2 - depth * depth)
        radial = sideways / across[:, None]
    delta_psi = np.arctan2(along, across) + np.arctan2(depth, root)
    return StillRays(
        s1, delta_psi, q, beam, wavelength, length, along, across, radial, depth, root
    )  # fmt: skip


def derivatives(rays: StillRays, dq: Floats) -> tuple[Floats, Floats]:
    """Return the derivatives of s1 (..., n, 3) and delta psi (..., n) from those of q, dq
    (..., n, 3).
    """
    unit_s1 = rays.s1 * rays.wavelength[:, None]
    transverse = dq - unit_s1 * (unit_s1 * dq).sum(axis=-1)[..., None]
    ds1 = transverse / (rays.length * rays.wavelength)[:, None]
    q_dq = (rays.q * dq).sum(axis=-1)
    q2 = rays.across**2 + rays.along**2
    d_along = dq @ rays.beam
    d_across = (rays.radial * dq).sum(axis=-1)
    d_depth = rays.wavelength * q_dq
    d_root = (q_dq - rays.depth * d_depth) / rays.root
    d_psi = rays.across * d_along - rays.along * d_across + rays.root * d_depth
    return ds1, (d_psi - rays.depth * d_root) / q2
