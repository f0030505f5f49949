"""Regions of the detector with too many spots to be Bragg peaks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats

N_BINS = 50
MOST_SLOTS = 30
GRADIENT_CUTOFF = 0.002


def is_sparse(panel: NDArray[np.int32], x: Floats, y: Floats) -> NDArray[np.bool_]:
    """Return True (n,) for spots that do not lie in a region with too many spots.

    The spots of each panel are counted in 50 x 50 equal bins over the area they cover. Spots in
    bins with more than `dense_above` spots are rejected, as in dials.find_spots. Each panel has
    bins of its own (DIALS superimposes all panels); the limit is that of the bins of all panels.
    As in DIALS, a spot exactly on the edge of a bin is kept.

    panel : (n,) of each spot. x, y : (n,) centroids, px.
    """
    keep = np.ones(len(x), np.bool_)
    bins = []
    for p in np.unique(panel).tolist():
        rows = np.flatnonzero(panel == p)
        bins.append((rows, *np.histogram2d(x[rows], y[rows], bins=N_BINS)))
    counted = [counts.ravel() for _, counts, _, _ in bins]
    limit = dense_above(np.concatenate(counted)) if counted else None
    if limit is None:
        return keep
    for rows, counts, x_edges, y_edges in bins:
        column, x_inside = _bin_of(x[rows], x_edges)
        row, y_inside = _bin_of(y[rows], y_edges)
        keep[rows] = ~(x_inside & y_inside & (counts[column, row] > limit))
    return keep


def dense_above(counts: Floats) -> float | None:
    """Return the largest number of spots that a bin may hold; None where there is no limit.

    The counts of all bins are sorted into up to 30 slots of equal width. The limit is the first
    slot after which the cumulative fraction of bins grows by less than 0.002 per spot, twice in
    succession. If that is the first slot, as with one very dense region, the limit is the upper
    edge of that slot. (DIALS takes its lower edge, and rejects all spots.)
    """
    most = int(counts.max(initial=0))
    least = float(counts.min(initial=most))
    if most == least:
        return None
    n_slots = min(most, MOST_SLOTS)
    width = (most - least) / n_slots
    slot = np.minimum(((counts - least) / width).astype(np.int64), n_slots - 1)
    slots = np.bincount(slot, minlength=n_slots)
    growth = np.diff(np.cumsum(slots) / counts.size) / width
    slow = growth < GRADIENT_CUTOFF
    twice = np.flatnonzero(slow[1:] & slow[:-1])
    if not twice.size:
        return None
    # edges by repeated addition, as in DIALS: a product would be rounded differently
    low = np.add.accumulate([least, *([width] * n_slots)])
    if twice[0] == 0:
        return float(low[1])
    return float((low[twice[0]] + low[twice[0] + 1]) / 2 - 0.5 * width)


def _bin_of(position: Floats, edges: Floats) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return the bin of each position, and True where it lies inside, not on an edge."""
    index = np.clip(np.searchsorted(edges, position, side="right") - 1, 0, len(edges) - 2)
    return index, (position > edges[index]) & (position < edges[index + 1])
