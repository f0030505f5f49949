"""Background that varies in the box of a reflection: a robust Poisson regression, log linear.

The logarithm of the background is a plane in x and y, or, for rings of ice, a polynomial of
fourth degree along the scattering angle and linear along the ring. It is fitted to the pixels
around the reflection, the images of which are added up, and extended under the foreground. Source
of the robust equations: Cantoni & Ronchetti (2001), J. Am. Stat. Assoc. 96, 1022; Parkhurst et al.
(2016), J. Appl. Cryst. 49, 1912.
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

SCALE, PLANE, RADIAL = 1, 3, 6  # numbers of terms; SCALE: of the background of the run
# before the data, coefficients over the half size of the box are 0 with this standard deviation:
# without it those of a box without counts are infinite
PRIOR = 3.0
_DAMPED = 10  # rounds after which steps are halved each time, since psi has kinks
_SIGNIFICANT = 13.3  # chi squared of 4 terms, exceeded by 1 % of flat backgrounds
_CLIP = 3.0  # standard deviations of a pixel in that test
LARGEST = 30.0  # logarithm of a mean


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
    n_terms : SCALE, PLANE or RADIAL.
    where_significant : leave out those whose background does not differ from the constant.
    tuning_constants : (n,) of Huber's function; infinite for no robustness.
    tolerance, max_iter : of the logarithms of backgrounds, and of rounds.
    """
    out = np.full((3, len(constant)), np.nan)
    given = np.array([n_terms, where_significant, tolerance, max_iter, unit], np.float64)
    _fit_all(
        rows, f.geometry, f.offsets, *f.pixels, f.shape, constant, tuning_constants, given, out
    )  # fmt: skip
    return Surfaces(*out)


@njit(cache=True, nogil=True, error_model="numpy")
def fill_terms(g: Any, at: int, out: Any) -> None:
    """Fill `out`, (SCALE,), (PLANE,) or (RADIAL,), with the terms of pixel `at` of a footprint.

    g: its geometry. Lengths are in half sizes of the box; u is across e1: along the scattering
    angle.
    """
    width = int(g[2])
    dx, dy = at % width + 0.5 + g[0], at // width + 0.5 + g[1]
    u = (g[3] * dy - g[4] * dx) / g[5]
    out[0] = 1.0
    if len(out) == SCALE:
        return
    out[1], out[2] = u, (g[3] * dx + g[4] * dy) / g[5]
    if len(out) > PLANE:
        out[3], out[4], out[5] = u * u, u * u * u, u * u * u * u


@njit(cache=True, nogil=True, error_model="numpy")
def _differs(g: Any, counts: Any, background: Any, unit: float, mean: float) -> bool:
    """Return True if the counts (m,) of a footprint are not those of a constant mean.

    Rao's score test of u, v, u^2 and u^3 of `fill_terms`, the residuals of pixels clipped. Of the
    sums over pixels of n t and n t s, t and s terms, follow those about the mean of the terms.
    """
    width, half = int(g[2]), 1.0 / g[5]
    n, root, clipped, residual = 0.0, math.sqrt(mean), 0.0, 0.0
    t1 = t2 = t3 = t4 = s1 = s2 = s3 = s4 = 0.0
    m12 = m22 = m23 = m24 = m33 = m34 = m44 = 0.0
    for y in range(len(counts) // width):
        dy = (y + 0.5 + g[1]) * half
        for x in range(width):
            at = y * width + x
            if background[at] == 0:
                continue
            k = float(background[at])
            dx = (x + 0.5 + g[0]) * half
            u, v = g[3] * dy - g[4] * dx, g[3] * dx + g[4] * dy
            u2 = u * u
            u3 = u2 * u
            expected = k * mean
            most = _CLIP * root * math.sqrt(k)
            residual = min(max(counts[at] / unit - expected, -most), most)
            clipped += residual
            n += k
            t1, t2, t3, t4 = t1 + k * u, t2 + k * v, t3 + k * u2, t4 + k * u3
            s1, s2, s3 = s1 + residual * u, s2 + residual * v, s3 + residual * u2
            s4 += residual * u3
            m12, m22, m23 = m12 + k * u * v, m22 + k * v * v, m23 + k * v * u2
            m24, m33 = m24 + k * v * u3, m33 + k * u2 * u2
            m34, m44 = m34 + k * u2 * u3, m44 + k * u3 * u3
    if n == 0.0:
        return False
    t = np.array([t1, t2, t3, t4]) / n
    score = np.array([s1, s2, s3, s4]) - clipped * t
    # of the terms u, v, u^2, u^3; sums of u u = u^2 and u u^2 = u^3 are there already
    information = np.array(
        [[t3, m12, t4, m33], [m12, m22, m23, m24], [t4, m23, m33, m34], [m33, m24, m34, m44]]
    )
    for a in range(4):
        for b in range(4):
            information[a, b] = mean * (information[a, b] - n * t[a] * t[b])
        information[a, a] += 1.0 / PRIOR**2
    return float(np.sum(score * np.linalg.solve(information, score))) > _SIGNIFICANT


@njit(cache=True, nogil=True, error_model="numpy")
def robust_log_linear(
    x: Any, n: Any, c: Any, start: float, tuning: float, tolerance: float, max_iter: int
) -> Any:
    """Return the coefficients (k,) of log(background) by terms x (m, k); NaN without convergence.

    Solves sum sqrt(mu) (psi(r) - E[psi(r)]) x = 0, r = (c - mu) / sqrt(mu), mu = n exp(x . beta),
    psi(r) = r clipped at +- tuning, by Fisher scoring from a constant, without the clip first: of
    strong steep backgrounds all residuals from a constant are clipped, and steps are too short.
    """
    beta = np.zeros(x.shape[1])
    beta[0] = math.log(start)
    beta = scored(x, n, c, beta, np.inf, tolerance, max_iter)
    if tuning == np.inf or not np.isfinite(beta).all():
        return beta
    return scored(x, n, c, beta, tuning, tolerance, max_iter)


@njit(cache=True, nogil=True, error_model="numpy")
def scored(
    x: Any, n: Any, c: Any, start: Any, tuning: float, tolerance: float, max_iter: int
) -> Any:
    """Return the coefficients of `robust_log_linear`, from others (k,) to start with."""
    k = x.shape[1]
    beta = start.copy()
    for done in range(max_iter):
        gradient, information = np.zeros(k), np.zeros((k, k))
        for j in range(1, k):
            gradient[j] = -beta[j] / PRIOR**2
            information[j, j] = 1.0 / PRIOR**2
        for i in range(len(n)):
            log = 0.0
            for j in range(k):
                log += x[i, j] * beta[j]
            mu = n[i] * math.exp(min(max(log, -LARGEST), LARGEST))
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
def _extended(
    g: Any, beta: Any, x: Any, n: Any, foreground: Any, profile: Any, shape: Any, out: Any
) -> None:
    """Fill out (3,), as of `Surfaces`, with the background of coefficients beta, times shape."""
    k = len(beta)
    information = np.zeros((k, k))
    for j in range(1, k):
        information[j, j] = 1.0 / PRIOR**2
    for i in range(len(n)):
        information += n[i] * math.exp(np.sum(x[i] * beta)) * np.outer(x[i], x[i])
    terms, slope = np.empty(k), np.zeros(k)
    own, fitted, n_own, weight = 0.0, 0.0, 0, 0.0
    for at in range(len(foreground)):
        if foreground[at] > 0 or profile[at] > 0:
            fill_terms(g, at, terms)
            b = shape[at] * math.exp(min(np.sum(terms * beta), LARGEST))
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
    profile: Any, shape: Any, constant: Any, tuning: Any, given: Any, out: Any,
) -> None:  # fmt: skip
    for r in rows:
        if not constant[r] > 0.0:
            continue
        a, b, unit = offsets[r], offsets[r + 1], given[4]
        g, m = geometry[r], 0
        if given[1] and not _differs(g, counts[a:b], background[a:b], unit, constant[r]):
            continue
        for at in range(a, b):
            m += background[at] > 0
        x, n, c = np.empty((m, int(given[0]))), np.empty(m), np.empty(m)
        m, total, seen = 0, 0.0, 0.0
        for at in range(a, b):
            if background[at] > 0:
                fill_terms(g, at - a, x[m])
                n[m], c[m] = background[at] * shape[at], counts[at] / unit
                total, seen = total + n[m], seen + background[at]
                m += 1
        if not total > 0.0:
            continue
        start = constant[r] * seen / total
        beta = robust_log_linear(x, n, c, start, tuning[r], given[2], int(given[3]))
        if np.isfinite(beta).all():
            _extended(g, beta, x, n, foreground[a:b], profile[a:b], shape[a:b], out[:, r])
