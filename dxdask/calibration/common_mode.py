"""The common mode: the offset, ADU, that all pixels of a panel share in one event."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.calibration.model import GOOD, UNBONDED, Calibration
from dxdask.calibration.parameters import CommonModeParameters
from dxdask.calibration.photon_peaks import fit_peaks

_DEFAULT, _MEDIAN, _MODE, _GAUSSIAN = range(4)
METHODS = {"default": _DEFAULT, "median": _MEDIAN, "mode": _MODE, "gaussian": _GAUSSIAN}
LEAST_NOISE = 0.25
MOST_BINS = 100_000


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(frame, pedestal, use, box, low, width, rooms, row, counts):  # type: ignore[no-untyped-def]
    """Count the quiet pixels of a panel by bins; return their number.

    rooms : (4, n_bins + 2), a histogram for every fourth pixel, so that counts of neighbours do not
    depend on each other. The first and the last bin of each take pixels that are not counted. row :
    workspace for the bins of a row, which are computed with vector instructions.
    """
    x0, x1, y0, y1 = box
    rooms[...] = 0
    n_bins, n = len(counts), 0
    scale, shift = np.float32(1.0 / width), np.float32(low)
    least, most = np.float32(0.0), np.float32(n_bins + 1)
    for y in range(y0, y1):
        values, off, kind = frame[y, x0:x1], pedestal[y, x0:x1], use[y, x0:x1]
        for x in range(x1 - x0):
            b = (np.float32(values[x]) - off[x] - shift) * scale + np.float32(1.0)
            b = b if b > least else least  # also where it is no number
            b = b if b < most else most
            row[x] = np.int32(b) if kind[x] == GOOD else np.int32(0)
        for x in range(x1 - x0):
            rooms[x & 3, row[x]] += 1
    for b in range(n_bins):
        counts[b] = rooms[0, b + 1] + rooms[1, b + 1] + rooms[2, b + 1] + rooms[3, b + 1]
        n += counts[b]
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def _residuals(frame, pedestal, places, values):  # type: ignore[no-untyped-def]
    """Return the residuals of the pixels at positions (n, 2), slow and fast."""
    for i in range(len(places)):
        y, x = places[i]
        values[i] = np.float64(frame[y, x]) - pedestal[y, x]


@njit(cache=True, nogil=True, error_model="numpy")
def _median_of(counts, low, width, n):  # type: ignore[no-untyped-def]
    seen, half = 0, 0.5 * n
    for b in range(len(counts)):
        if seen + counts[b] >= half:
            return low + width * (b + (half - seen) / counts[b])
        seen += counts[b]
    return np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def _mode_of(counts, low, width):  # type: ignore[no-untyped-def]
    """Return the middle of the highest bin, the first of equal ones."""
    return low + width * (np.argmax(counts) + 0.5)


@njit(cache=True, nogil=True, error_model="numpy")
def _gaussian_of(counts, low, width, sigma):  # type: ignore[no-untyped-def]
    """Return the centre of a Gaussian of free width around the highest bin.

    ln n is a parabola there; least squares, weighted by n, within 1.5 sigma of the last centre.
    """
    centre = _mode_of(counts, low, width)
    for _ in range(10):
        half = max(1.5 * sigma, 2.5 * width)
        first = max(0, int((centre - half - low) / width))
        last = min(len(counts), int((centre + half - low) / width) + 1)
        s = np.zeros(5)
        t = np.zeros(3)
        for b in range(first, last):
            if counts[b] > 0:
                x, w, z = (b - first) * 1.0, counts[b] * 1.0, np.log(counts[b])
                power = w
                for k in range(5):
                    s[k] += power
                    if k < 3:
                        t[k] += power * z
                    power *= x
        d = s[0] * (s[2] * s[4] - s[3] ** 2) - s[1] * (s[1] * s[4] - s[2] * s[3])
        d += s[2] * (s[1] * s[3] - s[2] ** 2)
        b1 = s[0] * (t[1] * s[4] - t[2] * s[3]) - t[0] * (s[1] * s[4] - s[2] * s[3])
        b1 += s[2] * (s[1] * t[2] - s[2] * t[1])
        b2 = s[0] * (s[2] * t[2] - s[3] * t[1]) - s[1] * (s[1] * t[2] - s[2] * t[1])
        b2 += t[0] * (s[1] * s[3] - s[2] ** 2)
        if not d > 0 or not b2 < 0:
            return np.nan
        moved = low + width * (first + 0.5 - 0.5 * b1 / b2)
        if not abs(moved - centre) <= 4 * half:
            return np.nan
        if abs(moved - centre) < 0.01 * sigma:
            return moved
        centre = moved
    return centre


@njit(cache=True, nogil=True, error_model="numpy")
def _of_quiet(frame, pedestal, use, boxes, noise, gains, method, limits, least, rooms, row, out):  # type: ignore[no-untyped-def]
    """Fill out (panel,) from the quiet pixels of one frame (slow, fast); NaN with too few.

    limits : low, high of the histogram, ADU. least : smallest number of quiet pixels.
    """
    low, high = limits
    counts = np.zeros(rooms.shape[1] - 2, np.int64)
    width = (high - low) / len(counts)
    for p in range(len(boxes)):
        n = _fill(frame, pedestal, use, boxes[p], low, width, rooms, row, counts)
        if n < least:
            out[p] = np.nan
        elif method == _DEFAULT:
            out[p] = fit_peaks(counts, low, width, noise[p], gains[p])
        elif method == _MEDIAN:
            out[p] = _median_of(counts, low, width, n)
        elif method == _MODE:
            out[p] = _mode_of(counts, low, width)
        else:
            out[p] = _gaussian_of(counts, low, width, noise[p])


class CommonMode:
    """The method that the parameters choose, with its workspace; not for two threads at once."""

    def __init__(self, calibration: Calibration, parameters: CommonModeParameters) -> None:
        custom = parameters.custom
        name = custom.method if parameters.algorithm == "custom" else parameters.algorithm
        if name == "default" and not calibration.panel_noise.any():
            name = "gaussian"  # of the width that it has
        most = parameters.max_correction
        low, high, n_bins = custom.low, custom.high, custom.n_bins
        noise = np.maximum(calibration.panel_noise, LEAST_NOISE)
        if name == "default":
            # bins of a quarter of the noise; the sign of the offset is not known
            low, high = -most - 6.0 * float(noise.max()), most + 6.0 * float(noise.max())
            n_bins = min(MOST_BINS, int((high - low) / (0.25 * float(noise.min()))) + 1)
        elif name == "median":
            n_bins = min(MOST_BINS, max(n_bins, int((high - low) / 0.05)))
        self._name, self._most, self._limits = name, most, (low, high)
        self._calibration, self._noise = calibration, noise
        self._least = parameters.min_pixels
        self._unbonded: list[NDArray[np.int64]] = []
        if name.startswith("unbonded"):
            for x0, x1, y0, y1 in calibration.boxes.tolist():
                places = np.argwhere(calibration.use[y0:y1, x0:x1] == UNBONDED) + (y0, x0)
                self._unbonded.append(places)
            self._least = parameters.min_unbonded
        self._rooms = np.zeros((4, n_bins + 2), dtype=np.int32)
        self._row = np.zeros(calibration.use.shape[1], dtype=np.int32)

    def of(self, frame: NDArray[Any]) -> NDArray[np.float64]:
        """Return the common mode (panel,) of one frame (slow, fast) as recorded; 0 for none."""
        c = self._calibration
        out = np.zeros(len(c.boxes))
        if self._unbonded:
            out[:] = [self._of_unbonded(frame, places) for places in self._unbonded]
        elif self._name != "none":
            _of_quiet(
                frame, c.pedestal, c.use, c.boxes, self._noise, c.panel_gains,
                METHODS[self._name], self._limits, self._least, self._rooms, self._row, out,
            )  # fmt: skip
        return np.where(np.abs(out) <= self._most, out, 0.0)

    def _of_unbonded(self, frame: NDArray[Any], places: NDArray[np.int64]) -> float:
        if len(places) < self._least:
            return 0.0
        values = np.empty(len(places))
        _residuals(frame, self._calibration.pedestal, places, values)
        return float(np.mean(values) if self._name == "unbonded_mean" else np.median(values))
