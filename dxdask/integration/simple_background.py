"""Background by means and planes, after outliers are left out.

Outliers are pixels (of a plane: sums of a pixel over the images, by image) off the mean by more
than some standard deviations (nsigma), off the quartiles by more than some interquartile ranges
(tukey), the lowest and the highest (truncated), or off a first plane by more than Poisson noise
(plane: Leslie 1999, Acta Cryst. D55, 1696). Leaving out outliers lowers weak backgrounds, which the
robust regression does not (Parkhurst et al. 2016, J. Appl. Cryst. 49, 1912).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.integration.background_surface import PLANE, Surfaces, fill_terms
from dxdask.integration.footprints import Footprints

NULL, NSIGMA, TRUNCATED, TUKEY, BY_PLANE = range(5)
_ROUNDS = 100


class Rejection(NamedTuple):
    """How outliers are left out: NULL ... BY_PLANE, and its lower and upper limit."""

    kind: int
    lower: float
    upper: float


class Means(NamedTuple):
    """Means of n histograms, and the numbers of pixels that they are of.

    mean: (n,), photons; NaN where there is none.
    """

    mean: Floats
    n_used: NDArray[np.int64]


def simple_means(
    rows: NDArray[np.int64],
    offsets: NDArray[np.int64],
    values: NDArray[np.int32],
    counts: NDArray[np.int64],
    rejection: Rejection,
    *,
    min_pixels: int,
    unit: int = 1,
) -> Means:
    """Return the means of the histograms at places `rows` without outliers.

    Histogram i is values and counts [offsets[i], offsets[i + 1]); `unit` values are a photon. The
    mean is NaN elsewhere, and where fewer than `min_pixels` are used.
    """
    mean, used = np.full(len(offsets) - 1, np.nan), np.zeros(len(offsets) - 1, dtype=np.int64)
    _means(rows, offsets, values, counts, *rejection, min_pixels, mean, used)
    return Means(mean / unit, used)


def planes(
    rows: NDArray[np.int64],
    f: Footprints,
    rejection: Rejection,
    *,
    min_pixels: int,
    unit: int = 1,
) -> Surfaces:
    """Return the background by a plane in x and y under the reflections at places `rows`.

    Least squares of the values by image, weighted by the number of images. NaN where fewer than
    `min_pixels` are used.
    """
    out = np.full((3, len(f.offsets) - 1), np.nan)
    _planes(rows, f.geometry, f.offsets, *f.pixels, *rejection, min_pixels, float(unit), out)
    return Surfaces(*out)


@njit(cache=True, nogil=True, error_model="numpy")
def fill_kept(values: Any, counts: Any, kind: int, lower: float, upper: float, kept: Any) -> None:
    """Fill `kept` (m,) with the counts that are no outliers; values (m,) ascend."""
    kept[:] = counts
    n = counts.sum()
    if kind == NSIGMA:
        before = -1.0
        for _ in range(_ROUNDS):
            total = kept.sum()
            if total == before or total == 0:
                break
            before = total
            mean = np.sum(kept * values) / total
            sigma = math.sqrt(max(np.sum(kept * (values - mean) ** 2) / max(total - 1, 1), 0.0))
            for i in range(len(values)):
                if not mean - lower * sigma <= values[i] <= mean + upper * sigma:
                    kept[i] = 0
    elif kind == TRUNCATED:
        low, high = math.floor(lower * n), math.floor(upper * n)
        for i in range(len(values)):
            part = min(kept[i], low)
            kept[i] -= part
            low -= part
        for i in range(len(values) - 1, -1, -1):
            part = min(kept[i], high)
            kept[i] -= part
            high -= part
    elif kind == TUKEY:
        seen, first, third = 0.0, values[0], values[-1]
        for i in range(len(values)):
            before, seen = seen, seen + counts[i]
            if before <= 0.25 * n < seen:
                first = values[i]
            if before <= 0.75 * n < seen:
                third = values[i]
        for i in range(len(values)):
            wide = third - first
            if not first - lower * wide <= values[i] <= third + upper * wide:
                kept[i] = 0


@njit(cache=True, nogil=True, error_model="numpy")
def keep_near(v: Any, n: Any, expected: Any, n_sigma: float, kept: Any) -> None:
    """Set kept (m,) to 0 where v, means of n pixels, are far from the expected by Poisson noise."""
    for i in range(len(n)):
        most = n_sigma * math.sqrt(max(expected[i] * n[i], 1.0)) / n[i]
        if abs(v[i] - expected[i]) > most:
            kept[i] = 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def keep_by_value(v: Any, n: Any, kind: int, lower: float, upper: float, kept: Any) -> None:
    """Fill kept (m,) with the numbers of pixels n whose means v are no outliers of all."""
    order = np.argsort(v)
    by_value = np.empty(len(n))
    fill_kept(v[order], n[order], kind, lower, upper, by_value)
    kept[order] = by_value


@njit(cache=True, nogil=True, error_model="numpy")
def _means(
    rows: Any, offsets: Any, values: Any, counts: Any, kind: int, lower: float, upper: float,
    min_pixels: int, mean: Any, used: Any,
) -> None:  # fmt: skip
    for r in rows:
        a, b = offsets[r], offsets[r + 1]
        if b == a:
            continue
        kept = np.empty(b - a, dtype=np.int64)
        fill_kept(values[a:b], counts[a:b], kind, lower, upper, kept)
        used[r] = kept.sum()
        if used[r] >= min_pixels:
            mean[r] = np.sum(kept * values[a:b]) / used[r]


@njit(cache=True, nogil=True, error_model="numpy")
def _plane(x: Any, v: Any, n: Any, information: Any) -> Any:
    """Return the coefficients (PLANE,) of v (m,) by terms x, weights n; fill `information`."""
    right = np.zeros(PLANE)
    information[:] = 0.0
    for i in range(len(v)):
        right += n[i] * v[i] * x[i]
        information += n[i] * np.outer(x[i], x[i])
    for j in range(PLANE):
        information[j, j] += 1e-9 * (1.0 + n.sum())
    return np.linalg.solve(information, right)


@njit(cache=True, nogil=True, error_model="numpy")
def _planes(
    rows: Any, geometry: Any, offsets: Any, counts: Any, background: Any, foreground: Any,
    profile: Any, kind: int, lower: float, upper: float, min_pixels: int, unit: float, out: Any,
) -> None:  # fmt: skip
    terms, information = np.empty(PLANE), np.empty((PLANE, PLANE))
    for r in rows:
        a, b = offsets[r], offsets[r + 1]
        places = np.flatnonzero(background[a:b] > 0)
        n = background[a:b][places].astype(np.float64)
        v = counts[a:b][places] / (unit * n)
        x = np.empty((len(places), PLANE))
        for i in range(len(places)):
            fill_terms(geometry[r], places[i], x[i])
        if n.sum() < min_pixels:
            continue
        kept = n.copy()
        if kind == BY_PLANE:
            keep_near(v, n, x @ _plane(x, v, n, information), upper, kept)
        elif kind != NULL:
            keep_by_value(v, n, kind, lower, upper, kept)
        if kept.sum() < min_pixels:
            continue
        beta = _plane(x, v, kept, information)
        own, fitted, n_own, weight, slope = 0.0, 0.0, 0, 0.0, np.zeros(PLANE)
        for at in range(b - a):
            if foreground[a + at] > 0 or profile[a + at] > 0:
                fill_terms(geometry[r], at, terms)
                here = np.sum(terms * beta)
                own += foreground[a + at] * here
                slope += foreground[a + at] * terms
                fitted += profile[a + at] * here
                n_own += foreground[a + at]
                weight += profile[a + at]
        if n_own == 0:
            continue
        out[0, r] = own / n_own
        out[1, r] = fitted / weight if weight > 0.0 else out[0, r]
        out[2, r] = n_own**2 / np.sum(slope * np.linalg.solve(information, slope))
