"""Background that varies in the box of a reflection: a robust Poisson regression, log linear.

The logarithm of the background is a plane in x and y, or, for rings of ice, a cubic polynomial in
the direction of the scattering angle and linear along the ring. It is fitted to the pixels around
the reflection, the images of which are added up, and extended under the foreground. Source of the
robust equations: Cantoni & Ronchetti (2001), J. Am. Stat. Assoc. 96, 1022; Parkhurst et al. (2016),
J. Appl. Cryst. 49, 1912.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.integration.background import expectations
from dxdask.integration.footprints import Footprints

PLANE, RADIAL = 3, 5  # numbers of terms
# before the data, coefficients over the half size of the box are 0 with this standard deviation:
# without it those of a box without counts are infinite
_PRIOR = 3.0
_DAMPED = 10  # rounds after which steps are halved each time, since psi has kinks
_SIGNIFICANT = 13.3  # chi squared of 4 terms, exceeded by 1 % of flat backgrounds
_CLIP = 3.0  # standard deviations of a pixel in that test
_LARGEST = 30.0  # logarithm of a mean


class Surfaces(NamedTuple):
    """Backgrounds under n reflections; NaN where none was fitted.

    own: (n,) mean of the pixels of the foreground, photons. fitted: (n,) mean under the profile.
    n_pixels: (n,) pixels of a constant background that would have the same error.
    """

    own: Floats
    fitted: Floats
    n_pixels: Floats


def surfaces(
    rows: NDArray[np.int64],
    f: Footprints,
    constant: Floats,
    *,
    n_terms: int,
    where_significant: bool,
    tuning_constants: Floats,
    tolerance: float,
    max_iter: int,
    unit: int = 1,
) -> Surfaces:
    """Return the backgrounds of the reflections at places `rows`.

    Parameters
    ----------
    f : footprints of n reflections; `unit` values of a pixel are a photon.
    constant : (n,) constant background, photons; there is none where it is NaN or 0.
    n_terms : PLANE or RADIAL.
    where_significant : leave out those whose background does not differ from the constant.
    tuning_constants : (n,) of Huber's function; infinite for no robustness.
    tolerance, max_iter : of the logarithms of backgrounds, and of rounds.
    """
    out = np.full((3, len(constant)), np.nan)
    given = np.array([n_terms, where_significant, tolerance, max_iter, unit], np.float64)
    _fit_all(
        rows, f.geometry, f.offsets, *f.pixels, constant, tuning_constants, given, out
    )  # fmt: skip
    return Surfaces(*out)


@njit(cache=True, nogil=True, error_model="numpy")
def fill_terms(g: Any, at: int, out: Any) -> None:
    """Fill `out`, (PLANE,) or (RADIAL,), with the terms of pixel `at` of a footprint.

    g: its geometry. Lengths are in half sizes of the box; u is across e1: along the scattering
    angle.
    """
    width = int(g[2])
    dx, dy = at % width + 0.5 + g[0], at // width + 0.5 + g[1]
    u = (g[3] * dy - g[4] * dx) / g[5]
    out[0], out[1], out[2] = 1.0, u, (g[3] * dx + g[4] * dy) / g[5]
    if len(out) > PLANE:
        out[3], out[4] = u * u, u * u * u


@njit(cache=True, nogil=True, error_model="numpy")
def _differs(x: Any, n: Any, c: Any, mean: float) -> bool:
    """Return True if counts c (m,) of n pixels each are not those of a constant mean.

    Rao's score test of the terms x (m, k), the residuals of pixels clipped.
    """
    k = x.shape[1] - 1
    centre = np.zeros(k)
    for i in range(len(n)):
        centre += n[i] * x[i, 1:]
    centre /= n.sum()
    score, information = np.zeros(k), np.zeros((k, k))
    for i in range(len(n)):
        mu, off = n[i] * mean, x[i, 1:] - centre
        width = math.sqrt(mu)
        score += width * min(max((c[i] - mu) / width, -_CLIP), _CLIP) * off
        information += mu * np.outer(off, off)
    for j in range(k):
        information[j, j] += 1.0 / _PRIOR**2
    return float(np.sum(score * np.linalg.solve(information, score))) > _SIGNIFICANT


@njit(cache=True, nogil=True, error_model="numpy")
def robust_log_linear(
    x: Any, n: Any, c: Any, start: float, tuning: float, tolerance: float, max_iter: int
) -> Any:
    """Return the coefficients (k,) of log(background) by terms x (m, k); NaN without convergence.

    Solves sum sqrt(mu) (psi(r) - E[psi(r)]) x = 0, r = (c - mu) / sqrt(mu), mu = n exp(x . beta),
    psi(r) = r clipped at +- tuning, by Fisher scoring from a constant.
    """
    k = x.shape[1]
    beta = np.zeros(k)
    beta[0] = math.log(start)
    for done in range(max_iter):
        gradient, information = np.zeros(k), np.zeros((k, k))
        for j in range(1, k):
            gradient[j] = -beta[j] / _PRIOR**2
            information[j, j] = 1.0 / _PRIOR**2
        for i in range(len(n)):
            log = 0.0
            for j in range(k):
                log += x[i, j] * beta[j]
            mu = n[i] * math.exp(min(max(log, -_LARGEST), _LARGEST))
            width = math.sqrt(mu)
            psi, slope = (c[i] - mu) / width, 1.0
            if tuning < np.inf:
                expected, slope = expectations(mu, tuning)
                psi = min(max(psi, -tuning), tuning) - expected
            for j in range(k):
                gradient[j] += width * psi * x[i, j]
                for m in range(k):
                    information[j, m] += mu * slope * x[i, j] * x[i, m]
        information[0, 0] += 1e-9
        step = np.linalg.solve(information, gradient)
        step *= 0.5 ** max(0, done - _DAMPED) / max(1.0, np.abs(step).max() / 2.0)
        beta += step
        if np.abs(step).max() < tolerance:
            return beta
    beta[:] = np.nan
    return beta


@njit(cache=True, nogil=True, error_model="numpy")
def _extended(g: Any, beta: Any, x: Any, n: Any, foreground: Any, profile: Any, out: Any) -> None:
    """Fill out (3,), as of `Surfaces`, with the background of coefficients beta."""
    k = len(beta)
    information = np.zeros((k, k))
    for j in range(1, k):
        information[j, j] = 1.0 / _PRIOR**2
    for i in range(len(n)):
        information += n[i] * math.exp(np.sum(x[i] * beta)) * np.outer(x[i], x[i])
    terms, slope = np.empty(k), np.zeros(k)
    own, fitted, n_own, weight = 0.0, 0.0, 0, 0.0
    for at in range(len(foreground)):
        if foreground[at] > 0 or profile[at] > 0:
            fill_terms(g, at, terms)
            b = math.exp(min(np.sum(terms * beta), _LARGEST))
            own += foreground[at] * b
            slope += foreground[at] * b * terms
            fitted += profile[at] * b
            n_own += foreground[at]
            weight += profile[at]
    if n_own == 0:
        return
    out[0] = own / n_own
    out[1] = fitted / weight if weight > 0.0 else out[0]
    variance = np.sum(slope * np.linalg.solve(information, slope))
    out[2] = n_own * own / variance if variance > 0.0 else 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def _fit_all(
    rows: Any, geometry: Any, offsets: Any, counts: Any, background: Any, foreground: Any,
    profile: Any, constant: Any, tuning: Any, given: Any, out: Any,
) -> None:  # fmt: skip
    for r in rows:
        if not constant[r] > 0.0:
            continue
        a, b = offsets[r], offsets[r + 1]
        m = 0
        for at in range(a, b):
            m += background[at] > 0
        x, n, c = np.empty((m, int(given[0]))), np.empty(m), np.empty(m)
        m = 0
        for at in range(a, b):
            if background[at] > 0:
                fill_terms(geometry[r], at - a, x[m])
                n[m], c[m] = background[at], counts[at] / given[4]
                m += 1
        if given[1] and not _differs(x, n, c, constant[r]):
            continue
        beta = robust_log_linear(x, n, c, constant[r], tuning[r], given[2], int(given[3]))
        if np.isfinite(beta).all():
            _extended(geometry[r], beta, x, n, foreground[a:b], profile[a:b], out[:, r])
