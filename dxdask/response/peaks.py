"""Counts of the same pixels of the same reflections in two runs of one scan.

Only pixels near the top of a spot are compared: those the spot finder lists at any transmission at
which it finds the spot, so that being listed does not depend on the count. They are chosen by the
sum of the two counts, which does not favour either run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Mask

NAMES = ("pixel_offsets", "pixel_x", "pixel_y", "pixel_z", "pixel_value")
TOP = 0.5
"""Least sum of the counts of a pixel, as a fraction of the largest of its spot."""
COMPLETE = 0.995
"""Part of the pixels that the weaker run must have, relative to that of the strongest ones."""
FEWEST = 200
"""Spots found in both runs."""
MOST_PIXELS = 700_000
"""Of a run that are compared, of parts of detector and scan."""
_LEAST_SHARED = 0.2
_SHELLS = 30
_MARGIN = 1.3
_PLACE = 32  # pixels and images to a side of a place
_HASH = np.int64(0x9E3779B97F4A7C15 - (1 << 64))


class PixelCounts(NamedTuple):
    """Pixels (m,) of the indexed spots of a run, ascending by `key`.

    key : of panel, position and image. spot : (m,) number of the spot. value : (m,) counts.
    place : (m,) number of the part of detector and scan. peak : (n_spots,) largest count, 0 where
    the spot lies elsewhere.
    """

    key: NDArray[np.int64]
    spot: NDArray[np.int64]
    value: Floats
    place: NDArray[np.int64]
    peak: Floats


class PixelPairs(NamedTuple):
    """Counts (m,) of the same pixels in a run of lower and of higher transmission.

    place : (m,) number of the part of detector and scan, the same for all pairs of runs.
    """

    low: Floats
    high: Floats
    place: NDArray[np.int64]


def pixel_counts(
    arrays: Mapping[str, NDArray[Any]], panel: NDArray[np.int64], good: Mask, *, every: int = 1
) -> PixelCounts:
    """Return the pixels of the spots that count.

    arrays : `NAMES`, as find_spots has them. panel : (n_spots,). good : (n_spots,) which count.
    every : of so many parts of detector and scan one is used, the same of all runs.
    """
    lengths = np.diff(arrays["pixel_offsets"])
    number = np.cumsum(good) - 1
    spot = np.repeat(np.where(good, number, -1), lengths)
    used = spot >= 0
    x, y, z = (arrays[f"pixel_{n}"][used].astype(np.int64) for n in "xyz")
    p = np.repeat(panel.astype(np.int64), lengths)[used]
    value = arrays["pixel_value"][used].astype(np.float64)
    spot = spot[used]
    place = (p << 16 | z // _PLACE) << 32 | (y // _PLACE) << 16 | x // _PLACE
    place = ((place * _HASH) >> 33) & 0x7FFFFFFF
    near = np.flatnonzero(place % every == 0)
    spot, value, place = spot[near], value[near], place[near] // every
    key = (((p << 16 | z) << 32) | (y << 16) | x)[near]
    peak = np.zeros(int(good.sum()))
    np.maximum.at(peak, spot, value)
    order = np.argsort(key, kind="stable")
    return PixelCounts(key[order], spot[order], value[order], place[order], peak)


def pixel_pairs(low: PixelCounts, high: PixelCounts) -> PixelPairs | None:
    """Return the pixels of spots found in both runs; None where these are too few.

    low, high : a run of lower and one of higher transmission.
    """
    _, i, j = np.intersect1d(low.key, high.key, assume_unique=True, return_indices=True)
    found = np.zeros(len(high.peak), dtype=np.bool_)
    found[high.spot[j]] = True
    if found.sum() < max(FEWEST, _LEAST_SHARED * np.count_nonzero(low.peak)):
        return None
    total = low.value[i] + high.value[j]
    largest = np.zeros(len(high.peak))
    np.maximum.at(largest, high.spot[j], total)
    top = total >= TOP * largest[high.spot[j]]
    i, j, total = i[top], j[top], total[top]
    kept = total >= (1.0 + low.value[i].sum() / high.value[j].sum()) * _least_count(high, j)
    return PixelPairs(low.value[i][kept], high.value[j][kept], high.place[j][kept])


def _least_count(high: PixelCounts, both: NDArray[np.int64]) -> float:
    """Return the count from which on the other run has nearly all pixels near the top of a spot.

    high : the run of higher transmission. both : its pixels that the other run has too.
    """
    listed = np.zeros(len(high.key), dtype=np.bool_)
    listed[both] = True
    top = np.flatnonzero(high.value >= TOP * high.peak[high.spot])
    shells = np.array_split(top[np.argsort(high.value[top], kind="stable")], _SHELLS)
    part = np.array([listed[s].mean() for s in shells])
    plateau = float(np.median(part[len(part) // 2 :]))
    error = np.sqrt(max(1.0 - plateau, 1.0 - COMPLETE) / max(len(shells[0]), 1))
    missing = np.flatnonzero(part < COMPLETE * plateau - 2.0 * error)
    return _MARGIN * float(high.value[shells[missing[-1]]].max()) if len(missing) else 0.0
