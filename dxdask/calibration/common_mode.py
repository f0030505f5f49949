"""The common mode: the offset, ADU, that all pixels of a panel share in one event."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.calibration.model import GOOD, UNBONDED, Calibration
from dxdask.calibration.parameters import CommonModeParameters
from dxdask.calibration.photon_peaks import fit_peaks

METHODS = {"none": 0, "default": 1, "unbonded_mean": 2, "unbonded_median": 3, "median": 4,
           "mode": 5, "gaussian": 6}  # fmt: skip
_DEFAULT, _UNBONDED_MEAN, _UNBONDED_MEDIAN, _MEDIAN, _MODE, _GAUSSIAN = range(1, 7)


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(frame, pedestal, use, box, low, width, counts):  # type: ignore[no-untyped-def]
    """Count the quiet pixels of a panel by bins; return their number."""
    x0, x1, y0, y1 = box
    counts[...] = 0
    n_bins, n = len(counts), 0
    scale, shift = np.float32(1.0 / width), np.float32(low)
    for y in range(y0, y1):
        for x in range(x0, x1):
            b = (np.float32(frame[y, x]) - pedestal[y, x] - shift) * scale
            if use[y, x] == GOOD and b >= 0 and b < n_bins:
                counts[int(b)] += 1
                n += 1
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def _unbonded(frame, pedestal, use, box, values):  # type: ignore[no-untyped-def]
    """Gather the residuals of the unbonded pixels of a panel; return their number."""
    x0, x1, y0, y1 = box
    n = 0
    for y in range(y0, y1):
        for x in range(x0, x1):
            if use[y, x] == UNBONDED and n < len(values):
                values[n] = np.float64(frame[y, x]) - pedestal[y, x]
                n += 1
    return n


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
def of_frame(frame, pedestal, use, boxes, noise, gains, method, limits, least, counts, out):  # type: ignore[no-untyped-def]
    """Fill out (panel,) with the common mode of one frame (slow, fast); 0 where there is none.

    limits : low, high of the histogram, largest correction, ADU. least : quiet pixels, unbonded
    pixels, without which there is none. counts : (n_bins,) room for the histogram.
    """
    low, high, most = limits
    width = (high - low) / len(counts)
    for p in range(len(boxes)):
        value = np.nan
        if method in (_UNBONDED_MEAN, _UNBONDED_MEDIAN):
            x0, x1, y0, y1 = boxes[p]
            room = np.empty((x1 - x0) * (y1 - y0))
            n = _unbonded(frame, pedestal, use, boxes[p], room)
            if n >= least[1]:
                value = room[:n].mean() if method == _UNBONDED_MEAN else np.median(room[:n])
        elif method != 0:
            n = _fill(frame, pedestal, use, boxes[p], low, width, counts)
            if n >= least[0]:
                if method == _DEFAULT:
                    value = fit_peaks(counts, low, width, noise[p], gains[p])
                elif method == _MEDIAN:
                    value = _median_of(counts, low, width, n)
                elif method == _MODE:
                    value = _mode_of(counts, low, width)
                else:
                    value = _gaussian_of(counts, low, width, noise[p])
        out[p] = value if abs(value) <= most else 0.0


class CommonMode:
    """The method that parameters ask for, and room for its histogram; one thread's own."""

    def __init__(self, calibration: Calibration, parameters: CommonModeParameters) -> None:
        custom = parameters.custom
        name = custom.method if parameters.algorithm == "custom" else parameters.algorithm
        self._method = METHODS[name]
        most = parameters.max_correction
        low, high, n_bins = custom.low, custom.high, custom.n_bins
        noise = np.maximum(calibration.panel_noise, 0.25)
        if name == "default":
            # bins of a quarter of the noise; the sign of the offset is not known
            low, high = -most - 6.0 * float(noise.max()), most + 6.0 * float(noise.max())
            n_bins = min(100_000, int((high - low) / (0.25 * float(noise.min()))) + 1)
        elif name == "median":
            n_bins = min(100_000, max(n_bins, int((high - low) / 0.05)))
        self._calibration = calibration
        self._noise = noise
        self._limits = (low, high, most)
        self._least = (parameters.min_pixels, parameters.min_unbonded)
        self._counts = np.zeros(n_bins, dtype=np.int64)

    def of(self, frame: NDArray[Any]) -> NDArray[np.float64]:
        """Return the common mode (panel,) of one frame (slow, fast) as recorded."""
        c = self._calibration
        out = np.zeros(len(c.boxes))
        of_frame(
            frame, c.pedestal, c.use, c.boxes, self._noise, c.panel_gains, self._method,
            self._limits, self._least, self._counts, out,
        )  # fmt: skip
        return out
