"""Densities of normalised intensities that are present, with errors, and of absent ones.

Present ones follow Wilson's distributions (Wilson 1949, Acta Cryst. 2, 318): exp(-J) of acentric,
exp(-J / 2) (2 pi J)^-1/2 of centric reflections, which are weak more often.
"""

from __future__ import annotations

import numpy as np
import scipy

from dxdask.arrays import Floats, Mask

OUTLIERS = 0.01
"""Chance that an absent reflection looks present: multiple diffraction, ice, a wrong index."""
MOST_FOR_ABSENCE = 3.0
"""Largest logarithm of the ratio of densities by which one weak reflection speaks for absence."""
_FAR = 8.0  # from here on the asymptotic series is exact to 1e-5


def log_densities(x: Floats, sigma: Floats, centric: Mask, error: float) -> tuple[Floats, Floats]:
    """Return the logarithms (n,) of the densities of present and of absent reflections.

    x, sigma : (n,) normalised intensities. centric : (n,). error : of an absent one beside sigma.
    The ratio of the two is limited.
    """
    s = np.hypot(sigma, error)
    present = np.where(centric, log_centric(x, s), log_acentric(x, s))
    absent = -0.5 * (x / s) ** 2 - np.log(s * np.sqrt(2.0 * np.pi))
    ratio = np.clip(absent - present, np.log(OUTLIERS), MOST_FOR_ABSENCE)
    return present, present + ratio


def log_acentric(x: Floats, s: Floats) -> Floats:
    """Return the logarithm (n,) of the density at x of acentric intensities with errors s (n,)."""
    u = s - x / s
    # exp(s^2/2 - x) Q(u), with the scaled erfcx where it would overflow
    tail = 0.5 * scipy.special.erfcx(np.clip(u, -25.0, None) / np.sqrt(2.0))
    return np.where(u < -5.0, 0.5 * s**2 - x, -0.5 * (x / s) ** 2 + np.log(tail))


def log_centric(x: Floats, s: Floats) -> Floats:
    """Return the logarithm (n,) of the density at x of centric intensities with errors s (n,).

    It is (2 pi)^-1 s^-1/2 exp(-x^2 / (2 s^2)) G(x / s - s / 2), with G(h) the integral of
    y^-1/2 exp(h y - y^2 / 2) over y > 0: a parabolic cylinder function (Abramowitz & Stegun 1964,
    19.5.3), by its asymptotic series (19.8.1, 19.8.2) where |h| is large.
    """
    h = x / s - 0.5 * s
    far = np.maximum(np.abs(h), _FAR)
    near = np.clip(h, -_FAR, _FAR)
    series = 105.0 / (128.0 * far**4)
    below = 0.5 * np.log(np.pi / far) + np.log1p(-3.0 / (8.0 * far**2) + series)
    above = 0.5 * np.log(2.0 * np.pi / far) + 0.5 * h**2 + np.log1p(3.0 / (8.0 * far**2) + series)
    function = 0.5 * np.log(np.pi) + 0.25 * near**2
    function += np.log(scipy.special.pbdv(-0.5, -near)[0])
    log_g = np.where(h < -_FAR, below, np.where(h > _FAR, above, function))
    return np.asarray(log_g - 0.5 * (x / s) ** 2 - np.log(2.0 * np.pi) - 0.5 * np.log(s))
