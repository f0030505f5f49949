"""Background by means of each image, and by planes in x, y and the image.

Both are least squares of the pixels around a reflection on each of its images, of which sums are
enough: of each image over its pixels and of each pixel over its images (`rotation_sums`). Pixels
differ in their Poisson noise, so that the error of a plane is that of ordinary least squares with
unequal variances (White 1980, Econometrica 48, 817).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.integration.background_surface import PLANE, Surfaces, fill_terms
from dxdask.integration.background_volume import VOLUME, fill_place
from dxdask.integration.footprints import Footprints
from dxdask.integration.rotation_sums import (
    COUNTS_Z,
    OF_BACKGROUND,
    OF_COUNTS,
    OF_FOREGROUND,
    OF_PROFILE,
    RotationSums,
)
from dxdask.integration.simple_background import BY_PLANE, NULL, Rejection, keep_by_value, keep_near


def image_means(
    rows: NDArray[np.int64],
    f: Footprints,
    rotation: RotationSums,
    *,
    min_pixels: int,
    unit: int = 1,
) -> Surfaces:
    """Return the background by one mean on each image under the reflections at places `rows`.

    Parameters
    ----------
    f, rotation : footprints of n reflections and their sums by image; `unit` values are a photon.
    min_pixels : a reflection with fewer background pixels has none (NaN); nor has one with an
        image of its foreground that has no background pixel.
    """
    out = np.full((3, len(f.offsets) - 1), np.nan)
    _image_means(rows, rotation.offsets, rotation.images, min_pixels, float(unit), out)
    return Surfaces(*out)


def volume_planes(
    rows: NDArray[np.int64],
    f: Footprints,
    rotation: RotationSums,
    rejection: Rejection,
    *,
    min_pixels: int,
    unit: int = 1,
) -> Surfaces:
    """Return the background by a plane in x, y and the image; arguments as of `image_means`.

    Outliers are sums of a pixel over its images, by image. NaN where fewer than `min_pixels` are
    used.
    """
    out = np.full((3, len(f.offsets) - 1), np.nan)
    _volume_planes(
        rows, f.geometry, f.offsets, *f.pixels, *rotation, *rejection, min_pixels, float(unit), out
    )  # fmt: skip
    return Surfaces(*out)


@njit(cache=True, nogil=True, error_model="numpy")
def _image_means(
    rows: Any, offsets: Any, images: Any, min_pixels: int, unit: float, out: Any
) -> None:
    for r in rows:
        own, fitted, variance, flat = 0.0, 0.0, 0.0, 0.0
        n, n_own, weight, is_known = 0, 0, 0.0, True
        for image in images[offsets[r] : offsets[r + 1]]:
            pixels, inside = image[OF_BACKGROUND], image[OF_FOREGROUND]
            n += pixels
            n_own += inside
            weight += image[OF_PROFILE]
            if pixels > 0:
                mean = image[OF_COUNTS] / (unit * pixels)
                own += inside * mean
                fitted += image[OF_PROFILE] * mean
                variance += inside**2 * mean / pixels
                flat += inside**2 / pixels
            elif inside > 0 or image[OF_PROFILE] > 0:
                is_known = False
        if not is_known or n < min_pixels or n_own == 0:
            continue
        out[0, r] = own / n_own
        out[1, r] = fitted / weight if weight > 0.0 else out[0, r]
        out[2, r] = n_own * own / variance if variance > 0.0 < own else n_own**2 / flat


@njit(cache=True, nogil=True, error_model="numpy")
def _plane(x: Any, places: Any, v: Any, slopes: Any, n: Any, information: Any) -> Any:
    """Return the coefficients (VOLUME,), the last along the images; fill `information`.

    x: (m, PLANE), terms of pixels. places: (m, 4), by `fill_place`. v, slopes: (m,), means of the
    photons of a pixel and of photons times t. n: (m,), images of the pixel.
    """
    terms, right = np.empty(VOLUME), np.zeros(VOLUME)
    information[:] = 0.0
    for i in range(len(v)):
        terms[:PLANE], terms[PLANE] = x[i], places[i, 0]
        right[:PLANE] += n[i] * v[i] * x[i]
        right[PLANE] += n[i] * slopes[i]
        information += n[i] * np.outer(terms, terms)
        information[PLANE, PLANE] += n[i] * places[i, 1]
    for j in range(VOLUME):
        information[j, j] += 1e-9 * (1.0 + n.sum())
    return np.linalg.solve(information, right)


@njit(cache=True, nogil=True, error_model="numpy")
def _noise(x: Any, places: Any, n: Any, beta: Any) -> Any:
    """Return the sum (VOLUME, VOLUME) of terms by terms times the Poisson variance of pixels."""
    out = np.zeros((VOLUME, VOLUME))
    for i in range(len(n)):
        t, m2, m3 = places[i, 0], places[i, 1], places[i, 2]
        t2, t3 = m2 + t * t, m3 + 3.0 * t * m2 + t**3
        level, slope = np.sum(x[i] * beta[:PLANE]), beta[PLANE]
        out[:PLANE, :PLANE] += n[i] * (level + slope * t) * np.outer(x[i], x[i])
        out[:PLANE, PLANE] += n[i] * (level * t + slope * t2) * x[i]
        out[PLANE, PLANE] += n[i] * (level * t2 + slope * t3)
    out[PLANE, :PLANE] = out[:PLANE, PLANE]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_along(images: Any, out: Any) -> None:
    """Fill out (2,) with the mean of t over the images, by foreground and by profile."""
    depth, n, weight = len(images), 0, 0.0
    out[:] = 0.0
    for z in range(depth):
        t = (z + 0.5) / (0.5 * depth) - 1.0
        out[0] += images[z, OF_FOREGROUND] * t
        out[1] += images[z, OF_PROFILE] * t
        n += images[z, OF_FOREGROUND]
        weight += images[z, OF_PROFILE]
    out[0] /= max(n, 1)
    out[1] = out[1] / weight if weight > 0.0 else out[0]


@njit(cache=True, nogil=True, error_model="numpy")
def _volume_planes(
    rows: Any, geometry: Any, offsets: Any, counts: Any, background: Any, foreground: Any,
    profile: Any, depth_offsets: Any, images: Any, moments: Any, kind: int, lower: float,
    upper: float, min_pixels: int, unit: float, out: Any,
) -> None:  # fmt: skip
    terms, along, information = np.empty(PLANE), np.empty(2), np.empty((VOLUME, VOLUME))
    for r in rows:
        a, b, g = offsets[r], offsets[r + 1], geometry[r]
        own_images = images[depth_offsets[r] : depth_offsets[r + 1]]
        half = 0.5 * len(own_images)
        used = np.flatnonzero(background[a:b] > 0)
        n = background[a:b][used].astype(np.float64)
        if n.sum() < min_pixels:
            continue
        x, places = np.empty((len(used), PLANE)), np.empty((len(used), 4))
        v, slopes = np.empty(len(used)), np.empty(len(used))
        for i in range(len(used)):
            at = a + used[i]
            fill_terms(g, used[i], x[i])
            fill_place(background[at], moments[at], len(own_images), places[i])
            v[i] = counts[at] / (unit * n[i])
            # t = (z + 0.5) / half - 1
            slopes[i] = (moments[at, COUNTS_Z] / (unit * n[i]) + (0.5 - half) * v[i]) / half
        kept = n.copy()
        if kind == BY_PLANE:
            first = _plane(x, places, v, slopes, n, information)
            keep_near(v, n, x @ first[:PLANE] + places[:, 0] * first[PLANE], upper, kept)
        elif kind != NULL:
            keep_by_value(v, n, kind, lower, upper, kept)
        if kept.sum() < min_pixels:
            continue
        beta = _plane(x, places, v, slopes, kept, information)
        slope, fitted, n_own, weight = np.zeros(VOLUME), 0.0, 0, 0.0
        for at in range(b - a):
            if foreground[a + at] > 0 or profile[a + at] > 0:
                fill_terms(g, at, terms)
                slope[:PLANE] += foreground[a + at] * terms
                fitted += profile[a + at] * np.sum(terms * beta[:PLANE])
                n_own += foreground[a + at]
                weight += profile[a + at]
        if n_own == 0:
            continue
        _fill_along(own_images, along)
        slope[PLANE] = n_own * along[0]
        own = np.sum(slope * beta)
        out[0, r] = own / n_own
        out[1, r] = fitted / weight + beta[PLANE] * along[1] if weight > 0.0 else out[0, r]
        share = np.linalg.solve(information, slope)
        variance = np.sum(share * (_noise(x, places, kept, beta) @ share))
        flat = n_own**2 / np.sum(slope * share)
        out[2, r] = n_own * own / variance if variance > 0.0 < own else flat
