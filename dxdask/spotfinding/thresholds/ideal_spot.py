"""Threshold by correlation with an ideal spot ("helen")."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Mask
from dxdask.errors import InputError
from dxdask.spotfinding.thresholds import blobs as kernels
from dxdask.spotfinding.thresholds.marked_pixels import marked

BORDER = 2
"""Pixels of background around the ideal spot."""
BLEND = 0.5
"""Weight of the spots found in the ideal spot of the next pass."""


class IdealSpotThreshold:
    """A threshold for frames of one shape, with its workspace; not for two threads at once.

    Parameters
    ----------
    shape : of a frame (slow, fast).
    exp_spot_dimension : w, expected width of a spot, pixels.
    global_threshold : counts above which a pixel may be the peak of a spot.
    min_blob_score : smallest correlation of a spot with the ideal spot.
    num_passes : passes repeated with an ideal spot updated by the spots found.

    Notes
    -----
    The ideal spot falls off linearly with the distance from its centre to nothing at w / 2, its
    disc, within a border of two pixels of background: a picture (w + 4, w + 4). After H. Ginn's
    blob finder, in DIALS until November 2019; the following is our own.

    1. A peak is a good pixel above `global_threshold` with no brighter one within max(1, w // 2)
       pixels along slow and fast. Peaks are processed in order of decreasing brightness, equal
       ones by slow, then fast.
    2. The picture is placed on a peak: with the centre on it for odd w, and with each of the four
       central pixels on it for even w; the placement of the best score, the first of equal ones,
       is used. Pixels that are not good, lie outside the frame or belong to spots already found
       are excluded; where they are half of the picture or more, there is no spot.
    3. The score is Pearson's correlation of the picture with the pixels under it, or, where that is
       lower, the correlation of both without the peak, so that a hot pixel alone is no spot (for
       w = 1, always the former).
    4. Where it is at least `min_blob_score`, the peak is strong, and so are the pixels of the disc
       above the background, which is the mean of the pixels of the picture outside the disc.
    5. After a pass, each pixel of the picture is replaced by the mean of itself and of the average
       of the spots found, each less its background and divided by its sum over the disc. The
       search is then repeated from the start, `num_passes` times. Each frame starts from the ideal
       spot of pass 0.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        *,
        exp_spot_dimension: int = 3,
        global_threshold: float = 100.0,
        min_blob_score: float = 0.7,
        num_passes: int = 0,
    ) -> None:
        if exp_spot_dimension < 1:
            raise InputError(f"exp_spot_dimension is {exp_spot_dimension}; it must be 1 or more")
        if num_passes < 0:
            raise InputError(f"num_passes is {num_passes}; it must be 0 or more")
        self.picture = ideal_spot(exp_spot_dimension)
        self.disc = self.picture > 0.0
        middle = self.picture.shape[0] // 2
        ways = (middle,) if exp_spot_dimension % 2 else (middle - 1, middle)
        self.ways = np.array([(y, x) for y in ways for x in ways])
        self.reach = max(1, exp_spot_dimension // 2)
        self.threshold, self.min_score = float(global_threshold), float(min_blob_score)
        self.num_passes = int(num_passes)
        self.strong = np.zeros(shape, np.bool_)
        self.found = np.zeros((2, *self.picture.shape))
        self.peaks = np.zeros(1024, np.int64)

    def __call__(
        self, image: NDArray[Any], mask: Mask, trusted_range: tuple[float, float] | None = None
    ) -> Mask:
        """Return the strong pixels (slow, fast); the array is overwritten by the next call.

        image : (slow, fast), counts. mask : (slow, fast), True is good. trusted_range : counts
        strictly between the two are used (as of `Panel`); None for all.
        """
        if image.shape != self.strong.shape or mask.shape != image.shape:
            raise InputError(
                f"frame {image.shape} and mask {mask.shape} must be {self.strong.shape}"
            )
        low, high = (-np.inf, np.inf) if trusted_range is None else trusted_range
        pixels = (image, mask, float(low), float(high))
        peaks = self._peaks(*pixels)
        picture = self.picture
        for again in range(self.num_passes + 1):
            if again:
                picture = self._blended(picture)
            self.strong[:] = False
            self.found[:] = 0.0
            kernels.find_spots(
                *pixels, peaks, picture, self.disc, self.ways, self.min_score,
                self.found, self.strong,
            )  # fmt: skip
        return self.strong

    def list_strong(
        self, image: NDArray[Any], mask: Mask, trusted_range: tuple[float, float] | None = None
    ) -> NDArray[np.int32]:
        """Return the same as flat indices (n,) into the image, ascending."""
        return marked(self(image, mask, trusted_range))

    def _peaks(self, image: NDArray[Any], mask: Mask, low: float, high: float) -> NDArray[np.int64]:
        """Return the flat indices of the peaks, in order of decreasing brightness."""
        rule = (image, mask, low, high, self.threshold, self.reach)
        n = kernels.find_peaks(*rule, self.peaks)
        if n > self.peaks.size:
            self.peaks = np.zeros(2 * n, np.int64)
            kernels.find_peaks(*rule, self.peaks)
        peaks = self.peaks[:n]
        heights = image.reshape(-1)[peaks].astype(np.float64)
        return peaks[np.argsort(-heights, kind="stable")]

    def _blended(self, picture: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the picture updated by the spots found; unchanged if there are none."""
        total, n = self.found
        if not n.any():
            return picture
        mean = np.divide(total, n, out=np.zeros_like(total), where=n > 0.0)
        blended: NDArray[np.float64] = (1.0 - BLEND) * picture + BLEND * mean
        return blended


def ideal_spot(width: int) -> NDArray[np.float64]:
    """Return the picture (width + 4, width + 4) of a spot of that width; its disc sums to one."""
    size = width + 2 * BORDER
    along = np.arange(size) - (size - 1) / 2
    picture = np.maximum(1.0 - np.hypot(along[:, None], along) / (width / 2), 0.0)
    return np.asarray(picture / picture.sum())
