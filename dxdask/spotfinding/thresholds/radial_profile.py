"""Threshold above the radial profile: pixels that exceed the median of their ring of 2 theta."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Mask
from dxdask.errors import InputError
from dxdask.spotfinding.thresholds.blur import WEIGHTS, blur
from dxdask.spotfinding.thresholds.marked_pixels import marked
from dxdask.spotfinding.thresholds.ring_statistics import ring_statistics, workspace_of
from dxdask.spotfinding.thresholds.rings import Rings


class RadialProfileThreshold:
    """A threshold for frames of one panel and dtype, with its workspace; not for two threads at
    once.

    Parameters
    ----------
    rings : those of the panel, or of the region of it that the frames hold.
    n_iqr : interquartile ranges by which a strong pixel exceeds the median of its ring.
    blur : "narrow" (3 x 3) or "wide" (5 x 5) to blur the frame first; None for neither.
    gain : counts per photon of each pixel (slow, fast), by which frames are divided first; None
        for a uniform gain, which has no effect.
    quantum : one count, divided by the gain.

    Notes
    -----
    A good pixel is strong where v > median + n_iqr IQR, both of the good pixels of its ring; where
    n_iqr IQR is at most one count, it is replaced by two counts. This is DIALS 3.12's
    `radial_profile` pixel for pixel (after `peakfinder8`, Barty et al. 2014, J. Appl. Cryst. 47,
    1118); DIALS divides frames by the panel's gain g, and one count is 1 / g. As there, pixels
    that are not good are included in the blur: a masked pixel that is far too bright makes its
    neighbours strong. NaN and infinity make their neighbours not good.
    """

    def __init__(
        self,
        rings: Rings,
        *,
        n_iqr: float = 6.0,
        blur: str | None = None,
        gain: NDArray[Any] | None = None,
        quantum: float = 1.0,
    ) -> None:
        shape, n_bins = rings.ring.shape, len(rings.sample)
        if blur is not None and blur not in WEIGHTS:
            raise InputError(f"blur is {blur!r}; give one of {', '.join(WEIGHTS)}, or None")
        if gain is not None and gain.shape != shape:
            raise InputError(f"the gain map is {gain.shape}, frames are {shape} (slow, fast)")
        self.rings, self.n_iqr, self.quantum = rings, float(n_iqr), float(quantum)
        self.weights = None if blur is None else WEIGHTS[blur]
        self.gain = gain
        self.workspace = workspace_of(n_bins)
        self.median, self.iqr = np.zeros(n_bins), np.zeros(n_bins)
        self.good, self.strong = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
        self.blurred = np.zeros(shape if self.weights is not None else (0, 0))

    def __call__(
        self, image: NDArray[Any], mask: Mask, trusted_range: tuple[float, float] | None = None
    ) -> Mask:
        """Return the strong pixels (slow, fast); the array is overwritten by the next call.

        image : (slow, fast), counts, contiguous. mask : (slow, fast), True is good, contiguous.
        trusted_range : counts strictly between the two are used (as of `Panel`); None for all.
        """
        if image.shape != self.strong.shape or mask.shape != image.shape:
            raise InputError(
                f"frame {image.shape} and mask {mask.shape} must be {self.strong.shape}"
            )
        low, high = (-np.inf, np.inf) if trusted_range is None else trusted_range
        values = image if self.gain is None else image / self.gain
        if self.weights is not None:
            values = blur(values, self.weights, self.blurred)
        _find_good(image, values, mask, float(low), float(high), self.good)
        ring, sample = self.rings
        ring_statistics(values, self.good, ring, sample, self.workspace, self.median, self.iqr)
        _find_strong(values, self.good, ring, self._levels(), self.strong)
        return self.strong

    def list_strong(
        self, image: NDArray[Any], mask: Mask, trusted_range: tuple[float, float] | None = None
    ) -> NDArray[np.int32]:
        """Return the same as flat indices (n,) into the image, ascending."""
        return marked(self(image, mask, trusted_range))

    def _levels(self) -> NDArray[np.float64]:
        """Return the highest value in each ring that is not strong."""
        above = self.n_iqr * self.iqr
        above[above <= self.quantum] = 2.0 * self.quantum
        return self.median + above


@njit(cache=True, nogil=True, error_model="numpy")
def _find_good(image: Any, values: Any, mask: Any, low: Any, high: Any, good: Any) -> None:
    for j in range(good.shape[0]):
        for i in range(good.shape[1]):
            inside = (image[j, i] > low) & (image[j, i] < high)
            good[j, i] = mask[j, i] & inside & (abs(values[j, i]) < np.inf)


@njit(cache=True, nogil=True, error_model="numpy")
def _find_strong(values: Any, good: Any, ring: Any, level: Any, strong: Any) -> None:
    for j in range(strong.shape[0]):
        for i in range(strong.shape[1]):
            strong[j, i] = good[j, i] & (values[j, i] > level[ring[j, i]])
