"""Loops over the strong pixels of spots, for the widths of reflections."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from dxdask.models import parallax
from dxdask.prediction.rays import mean_path

_SMALLEST = 1e-9  # least fraction of a reflection on a frame
_ROUNDS, _ROUNDS_DXTBX = parallax.ROUNDS["absorbed"], parallax.ROUNDS["dxtbx"]


@njit(cache=True, nogil=True, error_model="numpy")
def spreads(
    owner: Any, panel: Any, x: Any, y: Any, counts: Any, s1: Any, d: Any, normal: Any,
    pixel_size: Any, sensor: Any, total: Any, spread: Any,
) -> None:  # fmt: skip
    """Add each pixel's counts to `total` and counts times angle^2 to `spread` (n,), of its owner.

    The angle is that between the ray to the centre of the pixel and s1 (n, 3), unit vectors; its
    chord is taken, which is exact to angle^2 / 24 and without the loss of an arc cosine. panel:
    (n,). x, y: (m,), px. d: (p, 3, 3), columns fast, slow, origin (mm). The others as in
    `PanelArrays`; pixels are converted to mm as by `Panel.pixel_to_mm`.
    """
    for j in range(len(owner)):
        i = owner[j]
        p = panel[i]
        m, n = d[p], normal[p]
        x_mm, y_mm = (x[j] + 0.5) * pixel_size[p, 0], (y[j] + 0.5) * pixel_size[p, 1]
        rounds = 0
        if sensor[p, 0] > 0.0:
            rounds = _ROUNDS_DXTBX if sensor[p, 2] > 0.0 else _ROUNDS
        a, b, c, size = _ray(m, x_mm, y_mm)
        for _ in range(rounds):
            depth = mean_path(sensor[p], (a * n[0] + b * n[1] + c * n[2]) / size) / size
            u = x_mm - depth * (a * m[0, 0] + b * m[1, 0] + c * m[2, 0])
            v = y_mm - depth * (a * m[0, 1] + b * m[1, 1] + c * m[2, 1])
            a, b, c, size = _ray(m, u, v)
        da, db, dc = a / size - s1[i, 0], b / size - s1[i, 1], c / size - s1[i, 2]
        total[i] += counts[j]
        spread[i] += counts[j] * (da * da + db * db + dc * dc)


@njit(cache=True, nogil=True, error_model="numpy")
def _ray(d: Any, x_mm: float, y_mm: float) -> Any:
    """Return the laboratory point (three numbers) of a place on a panel, and its distance, mm."""
    a = d[0, 0] * x_mm + d[0, 1] * y_mm + d[0, 2]
    b = d[1, 0] * x_mm + d[1, 1] * y_mm + d[1, 2]
    c = d[2, 0] * x_mm + d[2, 1] * y_mm + d[2, 2]
    return a, b, c, math.sqrt(a * a + b * b + c * c)


@njit(cache=True, nogil=True, error_model="numpy")
def minus_log_likelihood(rate: Any, start: Any, offsets: Any, counts: Any, ends: Any) -> float:
    """Return -(sum n ln z - (sum n - 1) ln sum z) over spots, z the fractions of their frames.

    rate: (n,), |zeta| over root two of the width along the rotation, 1/rad. start: (n,), rad, start
    of the first frame less the predicted angle.
    offsets: (n + 1,), first place in `counts` of the frames of each spot. ends: (m,), rad, end of
    each frame less the predicted angle, above the start or below.
    """
    likelihood = 0.0
    for i in range(len(rate)):
        c = rate[i]
        before, seen, total = math.erf(c * start[i]), 0.0, 0.0
        for j in range(offsets[i], offsets[i + 1]):
            after = math.erf(c * ends[j])
            fraction = max(0.5 * abs(after - before), _SMALLEST)
            if counts[j] > 0.0:
                likelihood += counts[j] * math.log(fraction)
            seen += fraction
            total += counts[j]
            before = after
        if seen > 0.0:
            likelihood -= (total - 1.0) * math.log(seen)
    return -likelihood


@njit(cache=True, nogil=True, error_model="numpy")
def moments(offsets: Any, x: Any, y: Any, value: Any, out: Any) -> None:
    """Fill out (n, 4): variances of each spot along x and y (px^2), counts, and level of its cut.

    Counts are those above the least of the spot's pixels, to subtract the background; the last is
    the logarithm of the largest pixel over the least. offsets: (n + 1,), first pixel of each spot.
    """
    for i in range(len(out)):
        first, last = offsets[i], offsets[i + 1]
        if last == first:
            continue
        least, most = value[first], value[first]
        for j in range(first, last):
            least, most = min(least, value[j]), max(most, value[j])
        total, sx, sy, sxx, syy = 0.0, 0.0, 0.0, 0.0, 0.0
        for j in range(first, last):
            c = float(value[j] - least)
            dx, dy = float(x[j] - x[first]), float(y[j] - y[first])
            total += c
            sx += c * dx
            sy += c * dy
            sxx += c * dx * dx
            syy += c * dy * dy
        if total > 0.0:
            out[i, 0] = sxx / total - (sx / total) ** 2
            out[i, 1] = syy / total - (sy / total) ** 2
        out[i, 2] = total
        out[i, 3] = np.log(max(most, 1.0) / max(least, 1.0))
