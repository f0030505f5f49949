"""Fitted profile of a reflection: a Gaussian in Kabsch's frame, over pixels and frames.

It is the product of a part over the pixels, the same on all frames, and of the fraction of the
rotation in each frame. A pixel's weight is an integer, so that sums over pixels are exact in any
order. Source: Kabsch (2010), Acta Cryst. D66, 133.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats

# Weight of the centre of a profile on a single frame. The cubes of 512 such pixels fit 64 bits.
PEAK = 1 << 18
_MOST_SAMPLES = 5  # along a side of a pixel
_SAMPLED = 0.8  # px, the width from which one sample a pixel is enough: sum p^2 is right to 0.4 %
_NARROWEST = 0.04  # px^2, the least variance of a profile


class Profiles(NamedTuple):
    """Gaussians of n reflections over the pixels of the stored frame and the rotation.

    centre: (n, 3), x and y (px), phi (rad). inverse: (n, 3), xx, xy, yy of the inverse of the
    covariance, 1/px^2. samples: (n,) int64, points along each side of a pixel, over which its
    weight is averaged. rotation: (n,), |zeta| / (sqrt2 sigma_m), 1/rad.
    """

    centre: Floats
    inverse: Floats
    samples: NDArray[np.int64]
    rotation: Floats


def profiles(centre: Floats, covariance: Floats, zeta: Floats, sigma_m: float) -> Profiles:
    """Return the profiles of n reflections.

    The widths are of recorded counts, so they include the size of a pixel. One sample a pixel
    reproduces large widths; for small ones the pixel is subtracted from them (1/12 px^2, less the
    spacing of the samples), and several samples are averaged.

    Parameters
    ----------
    centre : (n, 3), x and y (px of the stored frame), phi (rad).
    covariance : (n, 3), xx, xy, yy, px^2.
    zeta : (n,).
    sigma_m : rad.
    """
    xx, xy, yy = covariance.T
    least = 0.5 * (xx + yy) - np.sqrt(0.25 * (xx - yy) ** 2 + xy**2)
    samples = np.clip(np.ceil(_SAMPLED / np.sqrt(least)), 1, _MOST_SAMPLES)
    taken = np.minimum((1.0 - 1.0 / samples**2) / 12.0, least - _NARROWEST)
    xx, yy = xx - taken, yy - taken
    det = xx * yy - xy**2
    inverse = np.stack([yy / det, -xy / det, xx / det], axis=1)
    rotation = np.abs(zeta) / (np.sqrt(2.0) * sigma_m)
    return Profiles(centre, inverse, samples.astype(np.int64), rotation)


def weight_of_sums(p: Profiles) -> Floats:
    """Return the factors (n,) from weights P to the fraction p of a reflection in a pixel."""
    i = p.inverse
    return np.asarray(np.sqrt(i[:, 0] * i[:, 2] - i[:, 1] ** 2) / (2.0 * np.pi * PEAK))


@njit(cache=True, nogil=True, error_model="numpy")
def fill_weights(rows: Any, e: Any, starts: Any, weights: Any) -> None:
    """Fill weights[starts[i]:] with the weights of the pixels `e.inner` of reflection rows[i].

    They run along x, then y, int32, of the part of the profile that is the same on all frames.
    """
    for i in range(len(rows)):
        r = rows[i]
        xx, xy, yy = e.profile.inverse[r, 0], e.profile.inverse[r, 1], e.profile.inverse[r, 2]
        n, at = e.profile.samples[r], starts[i]
        for y in range(e.inner[r, 2], e.inner[r, 3]):
            for x in range(e.inner[r, 0], e.inner[r, 1]):
                total = 0.0
                for j in range(n):
                    dy = y + (j + 0.5) / n - e.profile.centre[r, 1]
                    for k in range(n):
                        dx = x + (k + 0.5) / n - e.profile.centre[r, 0]
                        total += math.exp(-0.5 * (xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy))
                weights[at] = int(PEAK * total / (n * n) + 0.5)
                at += 1


@njit(cache=True, nogil=True, error_model="numpy")
def rotated_fraction(e: Any, r: int, phi: Any) -> float:
    """Return the fraction of reflection r that is recorded between two angles."""
    c, at = e.profile.rotation[r], e.profile.centre[r, 2]
    return 0.5 * abs(math.erf(c * (phi[1] - at)) - math.erf(c * (phi[0] - at)))
