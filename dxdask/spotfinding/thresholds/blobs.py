"""Peaks of a frame, and the correlation of their surroundings with a picture of a spot."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

NO_SCORE = -2.0
"""Below every correlation: where there is none."""


@njit(cache=True, nogil=True, error_model="numpy")
def _is_good(image: Any, mask: Any, low: Any, high: Any, j: Any, i: Any) -> Any:
    """Return True if a pixel is on the frame and good."""
    if j < 0 or i < 0 or j >= image.shape[0] or i >= image.shape[1]:
        return False
    return mask[j, i] and image[j, i] > low and image[j, i] < high


@njit(cache=True, nogil=True, error_model="numpy")
def find_peaks(
    image: Any, mask: Any, low: Any, high: Any, threshold: Any, reach: Any, peaks: Any
) -> int:
    """Return the number of peaks; write as many of their flat indices as `peaks` (any) can hold.

    image : (slow, fast). mask : (slow, fast), True is good. low, high : good counts lie between.
    A peak is above `threshold`, and no good pixel within `reach` along slow and fast is above it.
    """
    n = 0
    height, width = image.shape
    for j in range(height):
        for i in range(width):
            if not (image[j, i] > threshold and _is_good(image, mask, low, high, j, i)):
                continue
            if _is_outdone(image, mask, low, high, j, i, reach):
                continue
            if n < peaks.size:
                peaks[n] = j * width + i
            n += 1
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def _is_outdone(image: Any, mask: Any, low: Any, high: Any, j: Any, i: Any, reach: Any) -> Any:
    for y in range(j - reach, j + reach + 1):
        for x in range(i - reach, i + reach + 1):
            if _is_good(image, mask, low, high, y, x) and image[y, x] > image[j, i]:
                return True
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def find_spots(
    image: Any, mask: Any, low: Any, high: Any, peaks: Any, picture: Any, disc: Any, ways: Any,
    min_score: Any, found: Any, strong: Any,
) -> None:  # fmt: skip
    """Mark as strong the spots at those peaks that correlate with the picture.

    picture : (n, n). disc : (n, n), pixels of its spot. ways : (any, 2) slow and fast of the pixel
    of the picture that is placed on a peak. found : (2, n, n), accumulated: the sum over spots of
    each pixel, less background and divided by the spot's sum, and the number of spots. strong :
    (slow, fast), pixels of spots, added to.
    """
    size = picture.shape[0]
    width = image.shape[1]
    window = np.empty((size, size))
    good = np.empty((size, size), np.bool_)
    for peak in peaks:
        y, x = peak // width, peak % width
        if strong[y, x]:
            continue
        best, best_way = NO_SCORE, 0
        for way in range(ways.shape[0]):
            at = ways[way]
            _cut(image, mask, low, high, strong, y - at[0], x - at[1], window, good)
            score = _score(window, good, picture, disc, at)
            if score > best:
                best, best_way = score, way
        if best > NO_SCORE and best >= min_score:
            at = ways[best_way]
            _cut(image, mask, low, high, strong, y - at[0], x - at[1], window, good)
            background = _mean_outside(window, good, disc)
            _add_picture(window, good, disc, background, found)
            strong[y, x] = True
            for j in range(size):
                for i in range(size):
                    if disc[j, i] and good[j, i] and window[j, i] > background:
                        strong[y - at[0] + j, x - at[1] + i] = True


@njit(cache=True, nogil=True, error_model="numpy")
def _cut(
    image: Any,
    mask: Any,
    low: Any,
    high: Any,
    strong: Any,
    y0: Any,
    x0: Any,
    window: Any,
    good: Any,
) -> None:
    for j in range(window.shape[0]):
        for i in range(window.shape[1]):
            y, x = y0 + j, x0 + i
            good[j, i] = _is_good(image, mask, low, high, y, x) and not strong[y, x]
            window[j, i] = image[y, x] if good[j, i] else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _score(window: Any, good: Any, picture: Any, disc: Any, peak: Any) -> Any:
    """Return the lower of the correlations with and without the peak; NO_SCORE without any."""
    if 2 * good.sum() <= good.size:
        return NO_SCORE
    score = _correlation(window, good, picture)
    if disc.sum() > 1:
        good[peak[0], peak[1]] = False
        score = min(score, _correlation(window, good, picture))
        good[peak[0], peak[1]] = True
    return score


@njit(cache=True, nogil=True, error_model="numpy")
def _correlation(window: Any, good: Any, picture: Any) -> Any:
    """Return Pearson's correlation over the good pixels; NO_SCORE where either is flat."""
    n, mean_w, mean_p = 0, 0.0, 0.0
    for j in range(good.shape[0]):
        for i in range(good.shape[1]):
            if good[j, i]:
                n += 1
                mean_w += window[j, i]
                mean_p += picture[j, i]
    if n == 0:
        return NO_SCORE
    mean_w /= n
    mean_p /= n
    ww, pp, wp = 0.0, 0.0, 0.0
    for j in range(good.shape[0]):
        for i in range(good.shape[1]):
            if good[j, i]:
                w, p = window[j, i] - mean_w, picture[j, i] - mean_p
                ww += w * w
                pp += p * p
                wp += w * p
    return wp / np.sqrt(ww * pp) if ww * pp > 0.0 else NO_SCORE


@njit(cache=True, nogil=True, error_model="numpy")
def _mean_outside(window: Any, good: Any, disc: Any) -> Any:
    """Return the mean of the good pixels outside the disc, 0 where there is none."""
    n, total = 0, 0.0
    for j in range(good.shape[0]):
        for i in range(good.shape[1]):
            if good[j, i] and not disc[j, i]:
                n += 1
                total += window[j, i]
    return total / n if n else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _add_picture(window: Any, good: Any, disc: Any, background: Any, found: Any) -> None:
    total = 0.0
    for j in range(good.shape[0]):
        for i in range(good.shape[1]):
            if good[j, i] and disc[j, i]:
                total += window[j, i] - background
    if not total > 0.0:
        return
    for j in range(good.shape[0]):
        for i in range(good.shape[1]):
            if good[j, i]:
                found[0, j, i] += (window[j, i] - background) / total
                found[1, j, i] += 1.0
