"""Median and quartiles of the good pixels of each ring, exactly, in two passes over an image.

A sample of the pixels of a ring gives the range of a histogram; the histogram gives the bucket of
each rank; only the values in those buckets are collected, and searched. For whole numbers, with a
bucket each, none are collected.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Mask

BUCKETS = 256
RANKS = 6


class RingWorkspace(NamedTuple):
    """Arrays that are overwritten for each image: see `workspace_of`.

    Attributes
    ----------
    start, scale : (n_bins,) value at the first bucket, and buckets per unit.
    histogram : (n_bins, BUCKETS) good pixels; the first and last bucket include all outside.
    slot : (n_bins, BUCKETS) slot in which values of that bucket are collected, or -1.
    rank, value : (n_bins, RANKS) the ranks, from 0, and their values: those on both sides of the
        first quartile, of the median, of the third quartile.
    """

    start: NDArray[np.float64]
    scale: NDArray[np.float64]
    histogram: NDArray[np.int32]
    slot: NDArray[np.int32]
    rank: NDArray[np.int64]
    value: NDArray[np.float64]


def workspace_of(n_bins: int) -> RingWorkspace:
    """Return the workspace for images with this number of rings."""
    return RingWorkspace(
        np.zeros(n_bins),
        np.zeros(n_bins),
        np.zeros((n_bins, BUCKETS), np.int32),
        np.zeros((n_bins, BUCKETS), np.int32),
        np.zeros((n_bins, RANKS), np.int64),
        np.zeros((n_bins, RANKS)),
    )


def ring_statistics(
    values: NDArray[Any],
    good: Mask,
    ring: NDArray[Any],
    sample: NDArray[np.int32],
    workspace: RingWorkspace,
    median: NDArray[np.float64],
    iqr: NDArray[np.float64],
) -> None:
    """Compute median and interquartile range of the good pixels of each ring; 0 without any.

    values, good, ring : (slow, fast), contiguous; good pixels hold no NaN. sample : (n_bins, any)
    some pixels of each ring, flat, -1 at the end. median, iqr : (n_bins,), written.

    Notes
    -----
    Quartiles are those at (n - 1) / 4 and 3 (n - 1) / 4 between sorted values, linear in between
    (type 7 of Hyndman & Fan 1996, The American Statistician 50, 361), as in DIALS 3.12.
    """
    w = workspace
    whole = bool(np.issubdtype(values.dtype, np.integer))
    v, g, r = values.reshape(-1), good.reshape(-1), ring.reshape(-1)
    _spread(v, g, sample, whole, np.empty(sample.shape[1]), w.start, w.scale)
    _count(v, g, r, w.start, w.scale, w.histogram)
    n_slots, n_collected, begin = _find_ranks(w, whole)
    if n_slots:
        collected = np.empty(n_collected)
        _collect(v, g, r, w.start, w.scale, w.slot, begin[:n_slots].copy(), collected)
        _search(w, begin, collected)
    _summarise(w, median, iqr)


@njit(cache=True, nogil=True, error_model="numpy")
def _bucket(value: Any, start: Any, scale: Any) -> Any:
    # never falls as the value grows, however it is rounded
    return int(min(max((value - start) * scale, 0.0), BUCKETS - 1.0))


@njit(cache=True, nogil=True, error_model="numpy")
def _spread(
    values: Any, good: Any, sample: Any, whole: Any, buffer: Any, start: Any, scale: Any
) -> None:
    for b in range(sample.shape[0]):
        n = 0
        for p in sample[b]:
            if p >= 0 and good[p]:
                buffer[n] = values[p]
                n += 1
        start[b], scale[b] = 0.0, 1.0
        if n == 0:
            continue
        buffer[:n].sort()
        low, high = buffer[n // 4], buffer[3 * n // 4]
        width = 3.0 * (high - low)
        start[b] = low - (high - low)
        if whole:
            start[b] = np.floor(start[b]) - 1.0
            width += 4.0
        if width > 0.0 and not (whole and width < BUCKETS):
            scale[b] = BUCKETS / width


@njit(cache=True, nogil=True, error_model="numpy")
def _count(values: Any, good: Any, ring: Any, start: Any, scale: Any, histogram: Any) -> None:
    histogram[:] = 0
    for p in range(values.size):
        if good[p]:
            r = ring[p]
            histogram[r, _bucket(values[p], start[r], scale[r])] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _find_ranks(w: Any, whole: Any) -> Any:
    """Find the bucket of each rank, and its value if the bucket has only one, else assign a slot.

    Returns the number of slots, of values in them, and the offset of each.
    """
    w.slot[:] = -1
    n_bins = w.start.size
    begin = np.zeros(n_bins * RANKS + 1, np.int64)
    n_slots = 0
    for b in range(n_bins):
        n = w.histogram[b].sum()
        if n == 0:
            w.rank[b] = -1
            continue
        w.rank[b, 0], w.rank[b, 1] = (n - 1) // 4, (n + 2) // 4
        w.rank[b, 2], w.rank[b, 3] = (n - 1) // 2, n // 2
        w.rank[b, 4], w.rank[b, 5] = 3 * (n - 1) // 4, (3 * (n - 1) + 3) // 4
        k, below = 0, 0
        for m in range(RANKS):
            if w.rank[b, m] < below:  # only two values: their quartiles are not in order
                k, below = 0, 0
            while below + w.histogram[b, k] <= w.rank[b, m]:
                below += w.histogram[b, k]
                k += 1
            if whole and w.scale[b] == 1.0 and 0 < k < BUCKETS - 1:
                w.value[b, m] = w.start[b] + k
                w.rank[b, m] = -1
                continue
            if w.slot[b, k] < 0:
                w.slot[b, k] = n_slots
                begin[n_slots + 1] = begin[n_slots] + w.histogram[b, k]
                n_slots += 1
            # from here on, ranks are positions among the collected values, each slot sorted
            w.rank[b, m] += begin[w.slot[b, k]] - below
    return n_slots, begin[n_slots], begin


@njit(cache=True, nogil=True, error_model="numpy")
def _collect(
    values: Any, good: Any, ring: Any, start: Any, scale: Any, slot: Any, free: Any, collected: Any
) -> None:
    for p in range(values.size):
        if good[p]:
            r = ring[p]
            s = slot[r, _bucket(values[p], start[r], scale[r])]
            if s >= 0:
                collected[free[s]] = values[p]
                free[s] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _search(w: Any, begin: Any, collected: Any) -> None:
    s = 0
    for b in range(w.start.size):
        for m in range(RANKS):
            place = w.rank[b, m]
            if place >= 0:
                while begin[s] > place:
                    s -= 1
                while begin[s + 1] <= place:
                    s += 1
                w.value[b, m] = _select(collected, begin[s], begin[s + 1] - 1, place)


@njit(cache=True, nogil=True, error_model="numpy")
def _select(values: Any, first: Any, last: Any, place: Any) -> Any:
    """Return the value at `place` of values[first : last + 1] when sorted (Hoare 1961)."""
    while first < last:
        pivot = values[(first + last) // 2]
        i, j = first, last
        while i <= j:
            while values[i] < pivot:
                i += 1
            while pivot < values[j]:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if place <= j:
            last = j
        elif place >= i:
            first = i
        else:
            break
    return values[place]


@njit(cache=True, nogil=True, error_model="numpy")
def _summarise(w: Any, median: Any, iqr: Any) -> None:
    for b in range(median.size):
        n = w.histogram[b].sum()
        median[b], iqr[b] = 0.0, 0.0
        if n == 0:
            continue
        v = w.value[b]
        median[b] = (v[2] + v[3]) / 2.0
        h1 = (n - 1) * 0.25 - (n - 1) // 4
        h3 = (n - 1) * 0.75 - 3 * (n - 1) // 4
        iqr[b] = ((1.0 - h3) * v[4] + h3 * v[5]) - ((1.0 - h1) * v[0] + h1 * v[1])
