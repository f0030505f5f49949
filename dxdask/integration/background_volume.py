"""Background that varies in the box of a reflection and along the rotation, log linear.

The background is S(x, y) exp(gamma t), S the exponential of a plane, t the image from the middle of
the box in half depths. For a Poisson regression the sums of pixels over the images and those of
images over the pixels are sufficient: S is fitted to the first, gamma to the second, in turn, each
by the robust regression of `background_surface`. Not all pixels are background on all images: means
of exponentials over those that are follow from the moments of images and places.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.integration.background_surface import (
    LARGEST,
    PLANE,
    PRIOR,
    Surfaces,
    fill_terms,
    robust_log_linear,
    scored,
)
from dxdask.integration.footprints import Footprints
from dxdask.integration.rotation_sums import (
    OF_BACKGROUND,
    OF_COUNTS,
    OF_FOREGROUND,
    OF_PROFILE,
    OF_X,
    OF_XX,
    OF_XY,
    OF_Y,
    OF_YY,
    RotationSums,
)

VOLUME = PLANE + 1


def volumes(
    rows: NDArray[np.int64],
    f: Footprints,
    rotation: RotationSums,
    constant: Floats,
    *,
    tuning_constants: Floats,
    tolerance: float,
    max_iter: int,
    unit: int = 1,
) -> Surfaces:
    """Return the backgrounds of the reflections at places `rows`; arguments as of `surfaces`.

    rotation : the sums by image of the footprints.
    """
    out = np.full((3, len(constant)), np.nan)
    given = np.array([tolerance, max_iter, unit], np.float64)
    _fit_all(
        rows, f.geometry, f.offsets, *f.pixels, *rotation, constant, tuning_constants, given, out
    )  # fmt: skip
    return Surfaces(*out)


@njit(cache=True, nogil=True, error_model="numpy")
def fill_place(n: int, moments: Any, depth: int, out: Any) -> None:
    """Fill out (4,) with the mean and central moments of t of the images on which a pixel is used.

    n: how many these are. moments: (N_MOMENTS,). depth: images of the box.
    """
    half = 0.5 * depth
    m, m2, m3, m4 = moments[0] / n, moments[1] / n, moments[2] / n, moments[3] / n
    out[0] = (m + 0.5 - half) / half
    out[1] = (m2 - m * m) / half**2
    out[2] = (m3 - 3.0 * m * m2 + 2.0 * m**3) / half**3
    out[3] = (m4 - 4.0 * m * m3 + 6.0 * m * m * m2 - 3.0 * m**4) / half**4


@njit(cache=True, nogil=True, error_model="numpy")
def rise_of(gamma: float, place: Any) -> Any:
    """Return the mean of exp(gamma t) over the images of a pixel, and that of t weighted by it."""
    m2, m3, m4 = place[1], place[2], place[3]
    about = 1.0 + gamma**2 * (m2 / 2.0 + gamma * m3 / 6.0 + gamma**2 * m4 / 24.0)
    moved = gamma * (m2 + gamma * m3 / 2.0 + gamma**2 * m4 / 6.0)
    return math.exp(gamma * place[0]) * about, place[0] + moved / about


@njit(cache=True, nogil=True, error_model="numpy")
def _log_of_image(g: Any, beta: Any, image: Any) -> float:
    """Return the logarithm of the mean of S over the background pixels of an image."""
    n = image[OF_BACKGROUND]
    by_x = (g[3] * beta[2] - g[4] * beta[1]) / g[5]
    by_y = (g[3] * beta[1] + g[4] * beta[2]) / g[5]
    x, y = image[OF_X] / n, image[OF_Y] / n
    xx, xy, yy = image[OF_XX] / n - x * x, image[OF_XY] / n - x * y, image[OF_YY] / n - y * y
    at_mean = beta[0] + by_x * (x + 0.5 + g[0]) + by_y * (y + 0.5 + g[1])
    return float(at_mean + 0.5 * (by_x * by_x * xx + 2.0 * by_x * by_y * xy + by_y * by_y * yy))


@njit(cache=True, nogil=True, error_model="numpy")
def _slope_along(
    g: Any, beta: Any, images: Any, unit: float, tuning: float, tolerance: float, max_iter: int
) -> float:
    """Return gamma by the sums of the images (k, N_IMAGE_SUMS), S of coefficients beta known."""
    depth = len(images)
    m = 0
    for z in range(depth):
        m += images[z, OF_BACKGROUND] > 0
    x, n, c = np.ones((m, 2)), np.empty(m), np.empty(m)
    m = 0
    for z in range(depth):
        if images[z, OF_BACKGROUND] > 0:
            x[m, 1] = (z + 0.5) / (0.5 * depth) - 1.0
            log = min(max(_log_of_image(g, beta, images[z]), -LARGEST), LARGEST)
            n[m], c[m] = images[z, OF_BACKGROUND] * math.exp(log), images[z, OF_COUNTS] / unit
            m += 1
    return float(robust_log_linear(x, n, c, 1.0, tuning, tolerance, max_iter)[1])


@njit(cache=True, nogil=True, error_model="numpy")
def _fitted(
    g: Any, x: Any, n: Any, c: Any, places: Any, images: Any, start: float, tuning: float,
    given: Any,
) -> Any:  # fmt: skip
    """Return the coefficients (VOLUME,), the last gamma; NaN without convergence.

    x: (m, PLANE), n and c: (m,), terms, images and photons of pixels. places: (m, 4), by
    `fill_place`.
    """
    tolerance, max_iter, unit = given[0], int(given[1]), given[2]
    out, used = np.full(VOLUME, np.nan), np.empty(len(n))
    beta, gamma = robust_log_linear(x, n, c, start, np.inf, tolerance, max_iter), 0.0
    for _ in range(max_iter):
        if not np.isfinite(beta).all():
            break
        new = _slope_along(g, beta, images, unit, tuning, tolerance, max_iter)
        if not math.isfinite(new):
            break
        moved, gamma = abs(new - gamma), new
        for i in range(len(n)):
            used[i] = n[i] * rise_of(gamma, places[i])[0]
        before = beta.copy()
        beta = scored(x, used, c, beta, tuning, tolerance, max_iter)
        if max(moved, np.abs(beta - before).max()) < tolerance:
            out[:PLANE], out[PLANE] = beta, gamma
            break
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _information(beta: Any, x: Any, n: Any, places: Any) -> Any:
    """Return the information (VOLUME, VOLUME) of the coefficients, with that of the prior."""
    out, gamma = np.zeros((VOLUME, VOLUME)), beta[PLANE]
    for j in range(1, VOLUME):
        out[j, j] = 1.0 / PRIOR**2
    terms = np.empty(VOLUME)
    for i in range(len(n)):
        rise, mean = rise_of(gamma, places[i])
        terms[:PLANE], terms[PLANE] = x[i], mean
        expected = n[i] * rise * math.exp(min(np.sum(x[i] * beta[:PLANE]), LARGEST))
        out += expected * np.outer(terms, terms)
        out[PLANE, PLANE] += expected * places[i, 1]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def fill_along(images: Any, gamma: float, out: Any) -> None:
    """Fill out (3,) with means over the images: exp(gamma t) and t exp(gamma t) by foreground.

    The last is exp(gamma t) by the profile; that by foreground where there is no profile.
    """
    depth, n, weight = len(images), 0, 0.0
    out[:] = 0.0
    for z in range(depth):
        t = (z + 0.5) / (0.5 * depth) - 1.0
        rise = math.exp(gamma * t)
        out[0] += images[z, OF_FOREGROUND] * rise
        out[1] += images[z, OF_FOREGROUND] * rise * t
        out[2] += images[z, OF_PROFILE] * rise
        n += images[z, OF_FOREGROUND]
        weight += images[z, OF_PROFILE]
    out[0] /= n
    out[1] /= n
    out[2] = out[2] / weight if weight > 0.0 else out[0]


@njit(cache=True, nogil=True, error_model="numpy")
def _extended(
    g: Any, beta: Any, information: Any, foreground: Any, profile: Any, images: Any, out: Any
) -> None:
    """Fill out (3,), as of `Surfaces`, with the background of coefficients beta (VOLUME,)."""
    terms, slope, along = np.empty(PLANE), np.zeros(VOLUME), np.empty(3)
    own, fitted, n_own, weight = 0.0, 0.0, 0, 0.0
    for at in range(len(foreground)):
        if foreground[at] > 0 or profile[at] > 0:
            fill_terms(g, at, terms)
            b = math.exp(min(np.sum(terms * beta[:PLANE]), LARGEST))
            own += foreground[at] * b
            slope[:PLANE] += foreground[at] * b * terms
            fitted += profile[at] * b
            n_own += foreground[at]
            weight += profile[at]
    if n_own == 0:
        return
    fill_along(images, beta[PLANE], along)
    slope[:PLANE] *= along[0]
    slope[PLANE] = own * along[1]
    own *= along[0]
    out[0] = own / n_own
    out[1] = fitted / weight * along[2] if weight > 0.0 else out[0]
    variance = np.sum(slope * np.linalg.solve(information, slope))
    out[2] = n_own * own / variance if variance > 0.0 else 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def _fit_all(
    rows: Any, geometry: Any, offsets: Any, counts: Any, background: Any, foreground: Any,
    profile: Any, depth_offsets: Any, images: Any, moments: Any, constant: Any, tuning: Any,
    given: Any, out: Any,
) -> None:  # fmt: skip
    for r in rows:
        if not constant[r] > 0.0:
            continue
        a, b, g = offsets[r], offsets[r + 1], geometry[r]
        own = images[depth_offsets[r] : depth_offsets[r + 1]]
        used = np.flatnonzero(background[a:b] > 0)
        m = len(used)
        if m == 0:
            continue
        x, places = np.empty((m, PLANE)), np.empty((m, 4))
        n, c = np.empty(m), np.empty(m)
        for i in range(m):
            at = used[i]
            fill_terms(g, at, x[i])
            fill_place(background[a + at], moments[a + at], len(own), places[i])
            n[i], c[i] = background[a + at], counts[a + at] / given[2]
        beta = _fitted(g, x, n, c, places, own, constant[r], tuning[r], given)
        if np.isfinite(beta).all():
            information = _information(beta, x, n, places)
            _extended(g, beta, information, foreground[a:b], profile[a:b], own, out[:, r])
