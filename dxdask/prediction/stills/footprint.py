"""Footprint of a spread-out lattice point on the Ewald sphere: its mean ray and covariance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def excitation(q: Any, s0: Any, unit: Any) -> Any:
    """Return |s0 + q| - |s0|, 1/A, and put the direction of s0 + q into `unit` (3,)."""
    length, wave = 0.0, 0.0
    for i in range(3):
        unit[i] = s0[i] + q[i]
        length += unit[i] * unit[i]
        wave += s0[i] * s0[i]
    length = np.sqrt(length)
    for i in range(3):
        unit[i] /= length
    return length - np.sqrt(wave)


@njit(cache=True, nogil=True, error_model="numpy")
def reach(q: Any, s0: Any, unit: Any, spread: Any, pull: Any) -> Any:
    """Return the variance of excitation errors, 1/A^2, and their derivative by the spectrum.

    A point q + r in a beam s0 (1 + t), r and t normal, has the excitation error eps + unit . r +
    g t; g is the second number returned. `pull` (3,) becomes the covariance of r and unit . r.
    """
    size, mosaic = spread[0] * spread[0], spread[1] * spread[1]
    q2, along, beam, wave = 0.0, 0.0, 0.0, 0.0
    for i in range(3):
        q2 += q[i] * q[i]
        along += q[i] * unit[i]
        beam += s0[i] * unit[i]
        wave += s0[i] * s0[i]
    g = beam - np.sqrt(wave)
    # covariance of r: size everywhere, mosaic q^2 across q
    variance = g * g * spread[2] * spread[2]
    for i in range(3):
        pull[i] = (size + mosaic * q2) * unit[i] - mosaic * along * q[i]
        variance += pull[i] * unit[i]
    return variance, g


@njit(cache=True, nogil=True, error_model="numpy")
def mean_ray(
    q: Any, s0: Any, eps: float, variance: float, g: float, spread: Any, pull: Any, s1: Any
) -> None:
    """Put the mean ray of the part on the sphere into s1 (3,), of the length of s0.

    Given eps + unit . r + g t = 0, normal r and t have the means -cov eps / variance: a round point
    is translated to the sphere, one spread by mosaicity is rotated to it.
    """
    t = -g * spread[2] * spread[2] * eps / variance
    length, wave = 0.0, 0.0
    for i in range(3):
        s1[i] = q[i] - pull[i] * eps / variance + s0[i] * (1.0 + t)
        length += s1[i] * s1[i]
        wave += s0[i] * s0[i]
    for i in range(3):
        s1[i] *= np.sqrt(wave / length)


@njit(cache=True, nogil=True, error_model="numpy")
def ray_covariance(
    q: Any, s0: Any, variance: float, g: float, spread: Any, pull: Any, out: Any
) -> None:
    """Fill out (3, 3), 1/A^2: covariance of q + r + s0 (1 + t) on the sphere."""
    size, mosaic, band = spread[0] * spread[0], spread[1] * spread[1], spread[2] * spread[2]
    q2 = q[0] * q[0] + q[1] * q[1] + q[2] * q[2]
    for i in range(3):
        a = pull[i] + g * band * s0[i]
        for j in range(3):
            b = pull[j] + g * band * s0[j]
            out[i, j] = band * s0[i] * s0[j] - mosaic * q[i] * q[j] - a * b / variance
        out[i, i] += size + mosaic * q2


@njit(cache=True, nogil=True, error_model="numpy")
def on_panel(panels: Any, p: int, s1: Any, covariance: Any, jacobian: Any) -> Any:
    """Return the covariance xx, xy, yy, px^2, on panel p of rays s1; jacobian (2, 3) is scratch."""
    m = panels.inverse_d[p]
    w = m[2, 0] * s1[0] + m[2, 1] * s1[1] + m[2, 2] * s1[2]
    for a in range(2):
        at = (m[a, 0] * s1[0] + m[a, 1] * s1[1] + m[a, 2] * s1[2]) / w
        for i in range(3):
            jacobian[a, i] = (m[a, i] - at * m[2, i]) / (w * panels.pixel_size[p, a])
    xx, xy, yy = 0.0, 0.0, 0.0
    for i in range(3):
        for j in range(3):
            c = covariance[i, j]
            xx += jacobian[0, i] * c * jacobian[0, j]
            xy += jacobian[0, i] * c * jacobian[1, j]
            yy += jacobian[1, i] * c * jacobian[1, j]
    return xx, xy, yy
