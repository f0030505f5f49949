"""Rings of equal width in 2 theta, and the ring of each pixel of a panel."""

from __future__ import annotations

import math
from collections import OrderedDict
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.models import Beam, Panel

Region = tuple[int, int, int, int]

BAND_ROWS = 64
SAMPLE = 64
"""Pixels of each ring in the sample that gives the range of its counts."""
CACHED_PIXELS = 1 << 25
"""Pixels whose rings are cached, those of the last panels: 64 MB."""


class Rings(NamedTuple):
    """The rings of a panel, or of a region of it.

    Attributes
    ----------
    ring : (slow, fast) uint16 (uint32 for more than 65536 rings), from 0 at the smallest 2 theta.
    sample : (n_bins, SAMPLE) flat indices of pixels spread evenly over each ring; -1 where it has
        fewer.
    """

    ring: NDArray[Any]
    sample: NDArray[np.int32]


_cache: OrderedDict[tuple[Any, ...], Rings] = OrderedDict()
_lock = Lock()


def rings_of(panel: Panel, beam: Beam, n_bins: int, region: Region | None = None) -> Rings:
    """Return the rings of a panel; they are cached.

    Parameters
    ----------
    region : x0, x1, y0, y1, the pixels that are used, the second of each not included.

    Notes
    -----
    As in DIALS 3.12 a pixel's 2 theta is that of its outer corner (x, y), not of its centre, and
    rings share the range of 2 theta of the pixels given: ring = floor(n_bins (t - t_min) /
    (t_max - t_min + 1e-10)). The angle is an arccosine, as in dxtbx: near the direct beam its
    rounding error decides the ring of a pixel.
    """
    width, height = panel.image_size
    x0, x1, y0, y1 = region or (0, width, 0, height)
    place = (panel.origin, panel.fast_axis, panel.slow_axis, panel.pixel_size)
    sensor = (panel.use_parallax, panel.parallax_law, panel.mu, panel.thickness)
    key = (place, sensor, tuple(beam.direction), n_bins, x0, x1, y0, y1)
    with _lock:
        if key in _cache:
            _cache.move_to_end(key)
            return _cache[key]
    rings = _rings(two_theta_at_corners(panel, beam, (x0, x1, y0, y1)), n_bins)
    with _lock:
        _cache[key] = rings
        while len(_cache) > 1 and sum(r.ring.size for r in _cache.values()) > CACHED_PIXELS:
            _cache.popitem(last=False)
    return rings


def two_theta_at_corners(panel: Panel, beam: Beam, region: Region) -> NDArray[np.float64]:
    """Return 2 theta (slow, fast), rad, at the outer corner of the pixels x0, x1, y0, y1."""
    x0, x1, y0, y1 = region
    out = np.empty((y1 - y0, x1 - x0))
    d, s0 = np.ascontiguousarray(panel.d_matrix), beam.s0
    # in bands: the positions of all pixels of a large detector are gigabytes
    for first in range(y0, y1, BAND_ROWS):
        last = min(first + BAND_ROWS, y1)
        y, x = np.mgrid[first:last, x0:x1]
        mm = panel.pixel_to_mm(np.stack([x, y], axis=-1))
        _angles(np.ascontiguousarray(mm), d, s0, out[first - y0 : last - y0])
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _angles(mm: Any, d: Any, s0: Any, out: Any) -> None:
    s0_length = math.sqrt(s0[0] * s0[0] + s0[1] * s0[1] + s0[2] * s0[2])
    for j in range(out.shape[0]):
        for i in range(out.shape[1]):
            x, y = mm[j, i, 0], mm[j, i, 1]
            u = d[0, 0] * x + d[0, 1] * y + d[0, 2]
            v = d[1, 0] * x + d[1, 1] * y + d[1, 2]
            w = d[2, 0] * x + d[2, 1] * y + d[2, 2]
            lengths = s0_length * math.sqrt(u * u + v * v + w * w)
            cosine = (s0[0] * u + s0[1] * v + s0[2] * w) / lengths if lengths > 0.0 else 1.0
            out[j, i] = math.acos(min(max(cosine, -1.0), 1.0))


def _rings(two_theta: NDArray[np.float64], n_bins: int) -> Rings:
    lowest = float(two_theta.min())
    two_theta -= lowest
    # 1e-10 keeps the largest angle within the last ring
    per_radian = n_bins / (float(two_theta.max()) + 1e-10)
    ring = np.empty(two_theta.shape, np.uint16 if n_bins <= 1 << 16 else np.uint32)
    size = np.zeros(n_bins, np.int64)
    _assign(two_theta, per_radian, n_bins, ring, size)
    sample = np.full((n_bins, SAMPLE), -1, np.int32)
    _choose(ring.reshape(-1), size, np.zeros_like(size), sample)
    for array in (ring, sample):
        array.flags.writeable = False
    return Rings(ring, sample)


@njit(cache=True, nogil=True, error_model="numpy")
def _assign(two_theta: Any, per_radian: Any, n_bins: Any, ring: Any, size: Any) -> None:
    for j in range(ring.shape[0]):
        for i in range(ring.shape[1]):
            r = min(int(two_theta[j, i] * per_radian), n_bins - 1)
            ring[j, i] = r
            size[r] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _choose(ring: Any, size: Any, seen: Any, sample: Any) -> None:
    """Sample every (size / SAMPLE)-th pixel of each ring, or all."""
    most = sample.shape[1]
    for p in range(ring.size):
        r = ring[p]
        k = seen[r]
        seen[r] = k + 1
        if size[r] <= most:
            sample[r, k] = p
        elif (k + 1) * most // size[r] != k * most // size[r]:
            sample[r, k * most // size[r]] = p
