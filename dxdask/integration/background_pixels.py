"""Background pixels of reflections: a histogram for each, and the values that have no bin.

The states of the pixels of a frame are made once for all of its reflections, in one byte a pixel:
a reflection's background is then counted from these bytes alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.integration.photons import PARTS, ScaledPixels, parts_of_photon
from dxdask.integration.sums import N_BACKGROUND_BAD

if TYPE_CHECKING:
    from dxdask.integration.boxes import Ellipsoids

_LARGEST = 2**31 - 1
N_BINS = 64  # whole photons of the background below this have a bin; others are kept and sorted
# states of a pixel: the bin of its photons, or that it has none or is not usable; foreground, added
OTHER, FOREGROUND = N_BINS, 128


class BackgroundPixels(NamedTuple):
    """Background pixels of n reflections.

    histogram: (n, N_BINS) int32, by photons. starts, used: (n,), first place in `values` of the
    background without a bin, and their number. values: int32.
    """

    histogram: NDArray[np.int32]
    starts: NDArray[np.int64]
    used: NDArray[np.int64]
    values: NDArray[np.int32]


def empty_background(room: NDArray[np.int64]) -> BackgroundPixels:
    """Return those of n reflections without any; room: (n,), most pixels of each."""
    ends = np.concatenate([[0], np.cumsum(room)])
    # memory is committed only where it is written
    return BackgroundPixels(
        histogram=np.zeros((len(room), N_BINS), dtype=np.int32),
        starts=ends[:-1],
        used=np.zeros(len(room), dtype=np.int64),
        values=np.empty(ends[-1], dtype=np.int32),
    )


class PanelStates(NamedTuple):
    """Panels that reflections are on: number and pixels, (k,) and (k, 4), as of `Ellipsoids`."""

    number: NDArray[np.int32]
    panel: NDArray[np.int32]

    @classmethod
    def of(cls, rows: NDArray[np.int64], shapes: Ellipsoids) -> PanelStates:
        """Return the panels of the reflections `rows`."""
        number, one = np.unique(shapes.panel_number[rows], return_index=True)
        return cls(number, shapes.panel[rows[one]])

    def fill(
        self,
        frame: NDArray[Any],
        mask: NDArray[np.bool_],
        trusted: NDArray[Any],
        pixels: ScaledPixels | None,
        state: NDArray[np.uint8],
    ) -> None:
        """Fill the states (slow, fast) of the pixels of a frame without foreground.

        Arguments as in `accumulate_frame`.
        """
        for p, (x0, x1, y0, y1) in zip(self.number, self.panel, strict=True):
            part = slice(y0, y1), slice(x0, x1)
            if pixels is not None:
                state[part] = OTHER
                continue
            # counts strictly within the trusted range that have a bin, as numbers of the frame's
            begin = min(max(int(trusted[p, 0]) + 1, 0), N_BINS)
            end = max(min(int(trusted[p, 1]), N_BINS), begin)
            kind = frame.dtype.type
            _fill_bins(frame[part], mask[part], kind(begin), kind(end), state[part])


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_bins(frame: Any, mask: Any, begin: Any, end: Any, state: Any) -> None:
    """Fill state (slow, fast) with counts in [begin, end) of usable pixels, else OTHER."""
    for y in range(frame.shape[0]):
        counts, good, out = frame[y], mask[y], state[y]
        for x in range(len(counts)):
            v = counts[x]
            out[x] = np.uint8(v) if good[x] & (v >= begin) & (v < end) else np.uint8(OTHER)


@njit(cache=True, nogil=True, error_model="numpy")
def add_background(
    frame: Any, mask: Any, trusted: Any, pixels: Any, active: Any, rows: Any, e: Any, state: Any,
    sums: Any, histogram: Any, starts: Any, used: Any, values: Any,
) -> None:  # fmt: skip
    """Add the pixels of one frame off any foreground to the backgrounds of its reflections.

    Arguments as in `accumulate_frame`, the last four of `BackgroundPixels`. state: (slow, fast)
    uint8, from `PanelStates.fill`, with all foreground.
    """
    # pixels side by side go to histograms of their own: no addition waits for the one before
    lanes = np.zeros((4, 2 * FOREGROUND), dtype=np.int32)
    first, second, third, fourth = lanes[0], lanes[1], lanes[2], lanes[3]
    one, four = np.uint64(1), np.uint64(4)  # unsigned indices have no check for negative ones
    for i in active:
        r = rows[i]
        x0, x1 = max(e.box[r, 0], e.panel[r, 0]), min(e.box[r, 1], e.panel[r, 1])
        y0, y1 = max(e.box[r, 2], e.panel[r, 2]), min(e.box[r, 3], e.panel[r, 3])
        if pixels is None:
            begin, end = np.uint64(x0), np.uint64(max(x1, x0))
            lanes[:, : OTHER + 1] = 0
            for y in range(y0, y1):
                line, x = state[np.uint64(y)], begin
                while x + four <= end:
                    first[np.uint64(line[x])] += 1
                    second[np.uint64(line[x + one])] += 1
                    third[np.uint64(line[x + one + one])] += 1
                    fourth[np.uint64(line[x + one + one + one])] += 1
                    x += four
                while x < end:
                    first[np.uint64(line[x])] += 1
                    x += one
            bins = histogram[i]
            for v in range(N_BINS):
                bins[v] += first[v] + second[v] + third[v] + fourth[v]
            if first[OTHER] + second[OTHER] + third[OTHER] + fourth[OTHER] == 0:
                continue
        bad = _add_without_bin(
            frame, mask, trusted, pixels, e.panel_number[r], (x0, x1, y0, y1), state, i, histogram,
            starts, used, values,
        )  # fmt: skip
        sums[i, N_BACKGROUND_BAD] += bad


@njit(cache=True, nogil=True, error_model="numpy")
def _add_without_bin(
    frame: Any, mask: Any, trusted: Any, pixels: Any, panel: int, bounds: Any, state: Any, i: int,
    histogram: Any, starts: Any, used: Any, values: Any,
) -> int:  # fmt: skip
    """Add the pixels in the state OTHER to the background at place i; return those not usable."""
    low, high = trusted[panel, 0], trusted[panel, 1]
    n_bad, to = 0, starts[i] + used[i]
    for y in range(bounds[2], bounds[3]):
        for x in range(bounds[0], bounds[1]):
            if state[y, x] != OTHER:
                continue
            if pixels is None:
                v: Any = np.int64(frame[y, x])
                if mask[y, x] and low < v < high:
                    values[to] = min(v, _LARGEST)
                    to += 1
                else:
                    n_bad += 1
            else:
                count = np.float64(frame[y, x])
                if not (mask[y, x] and low < count < high):
                    n_bad += 1
                    continue
                v = parts_of_photon(count, panel, y, x, pixels)
                if 0 <= v < N_BINS * PARTS and v % PARTS == 0:
                    histogram[i, v // PARTS] += 1
                else:
                    values[to] = min(max(v, -_LARGEST), _LARGEST)
                    to += 1
    used[i] = to - starts[i]
    return n_bad


@njit(cache=True, nogil=True, error_model="numpy")
def count_distinct(histogram: Any, starts: Any, used: Any, values: Any, distinct: Any) -> None:
    """Sort the values without a bin in place; fill `distinct` (n,) with the number of values."""
    for i in range(len(starts)):
        own = values[starts[i] : starts[i] + used[i]]
        distinct[i] = len(own) > 0
        if len(own) > 1:
            own.sort()
            for j in range(1, len(own)):
                distinct[i] += own[j] != own[j - 1]
        for v in range(N_BINS):
            distinct[i] += histogram[i, v] > 0


@njit(cache=True, nogil=True, error_model="numpy")
def encode(
    histogram: Any, starts: Any, used: Any, values: Any, unit: int, offsets: Any, out: Any,
    counts: Any,
) -> None:  # fmt: skip
    """Fill out and counts [offsets[i], offsets[i + 1]) with the histogram i, values ascending.

    unit: values of a photon.
    """
    for i in range(len(starts)):
        at, j, end = offsets[i], starts[i], starts[i] + used[i]
        for v in range(N_BINS + 1):
            # values without a bin are before, between and after those that have one
            while j < end and (v == N_BINS or values[j] < v * unit):
                out[at], counts[at] = values[j], 0
                while j < end and values[j] == out[at]:
                    counts[at] += 1
                    j += 1
                at += 1
            if v < N_BINS and histogram[i, v] > 0:
                out[at], counts[at] = v * unit, histogram[i, v]
                at += 1
