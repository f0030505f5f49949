"""DIALS's dispersion thresholds, pixel for pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Mask
from dxdask.errors import InputError
from dxdask.spotfinding.thresholds.erosion import list_eroded
from dxdask.spotfinding.thresholds.global_threshold import estimate_global_threshold
from dxdask.spotfinding.thresholds.local_background import (
    find_strong_in_objects,
    find_strong_in_real_objects,
)
from dxdask.spotfinding.thresholds.marked_pixels import marked
from dxdask.spotfinding.thresholds.overdispersion import Criteria, find_signal
from dxdask.spotfinding.thresholds.real_dispersion import find_signal_of_reals
from dxdask.spotfinding.thresholds.windows import LARGEST, Limits, window_of


class DispersionThreshold:
    """A threshold for frames of one shape and dtype, with its workspace; not for two threads at
    once.

    Parameters
    ----------
    shape : of a frame (slow, fast).
    dtype : of a frame.
    extended : True for `dispersion_extended`.
    kernel_size : half width of the window along slow and fast, pixels. (DIALS uses this order,
        though its help gives (x, y).)
    sigma_background, sigma_strong : standard deviations by which a window's dispersion and a
        pixel's count must exceed those of the background.
    min_local : smallest number of counted pixels in a window; 0 or less for all of them, so that
        no window over an edge of the frame or a bad pixel is tested.
    global_threshold : counts at or below it are never strong. None: estimated for each image, see
        `estimate_global_threshold`.
    gain : counts per photon, of all pixels or of each (slow, fast).

    Raises
    ------
    InputError
        `kernel_size`, `min_local` or `gain` is out of range.

    Notes
    -----
    Per window, n counted pixels of sum x and sum of squares y (exact integers for integer frames):
    the window holds signal where n y - x^2 - g x (n - 1) > g x sigma_b sqrt(2 (n - 1)).

    `dispersion`: such pixels are strong where n v - x > sigma_s sqrt(g x n) (Kabsch 2010, Acta
    Cryst. D66, 133; Winter et al. 2018, Acta Cryst. D74, 85).
    `dispersion_extended`: signal is eroded to undo the widening by the window, and the remaining
    pixels are strong where v >= mean + sigma_s sqrt(g mean), mean being that of the counted pixels
    around, without signal.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        dtype: np.dtype[Any],
        *,
        extended: bool = True,
        kernel_size: Sequence[int] = (3, 3),
        sigma_background: float = 6.0,
        sigma_strong: float = 3.0,
        min_local: int = 2,
        global_threshold: float | None = 0.0,
        gain: float | NDArray[np.float64] = 1.0,
    ) -> None:
        slow, fast = (int(k) for k in kernel_size)
        self.half_width, self.extended, self.dtype = (fast, slow), extended, np.dtype(dtype)
        self.global_threshold = global_threshold
        # the test without a gain rounds as that of DIALS without a gain
        self.has_map = np.ndim(gain) > 0
        self.has_gain = self.has_map or float(gain) != 1.0
        self.gain = _gain_of(gain, shape)
        self.sigmas = float(sigma_background), float(sigma_strong)
        self.min_local = _min_local_of(min_local, slow, fast)
        self.exact = bool(np.issubdtype(self.dtype, np.integer))
        self.window = window_of(self.half_width, shape, self.dtype)
        self.strong = np.zeros(shape, np.bool_)
        if extended:
            self.index = np.empty(shape[0] * shape[1] + 1, np.int32)
            self.radius = min(fast, slow) - 1
            self.row = np.zeros(shape[1] + 2 * self.radius, np.uint8)
            self.kept = np.zeros(-(-shape[1] // 8) * 8, np.uint8)
            # at most 125 rows of less than 2^24 counts: below 2^31
            self.columns = np.zeros((2, shape[1]), np.int32)
            self.sums = np.zeros((2, shape[1] + 1), np.int64)

    def __call__(
        self, image: NDArray[Any], mask: Mask, trusted_range: tuple[float, float] | None = None
    ) -> Mask:
        """Return the strong pixels (slow, fast); the array is overwritten by the next call.

        image : (slow, fast), counts, contiguous. mask : (slow, fast), True is good, contiguous.
        trusted_range : counts strictly between the two are used (as of `Panel`); None for all.
        """
        criteria = self._find_signal(image, mask, trusted_range)
        if self.extended:
            self.strong[:] = False
            self.strong.reshape(-1)[self._list_above_background(image, criteria)] = True
        return self.strong

    def list_strong(
        self, image: NDArray[Any], mask: Mask, trusted_range: tuple[float, float] | None = None
    ) -> NDArray[np.int32]:
        """Return the same as flat indices (n,), ascending, also overwritten by the next call."""
        criteria = self._find_signal(image, mask, trusted_range)
        if self.extended:
            return self._list_above_background(image, criteria)
        return marked(self.strong)

    def _find_signal(
        self, image: NDArray[Any], mask: Mask, trusted_range: tuple[float, float] | None
    ) -> Criteria:
        """Mark the strong pixels by the dispersion, or signal for `dispersion_extended`."""
        if image.shape != self.strong.shape or mask.shape != image.shape:
            raise InputError(
                f"frame {image.shape} and mask {mask.shape} must be {self.strong.shape}"
            )
        threshold = self.global_threshold
        if threshold is None:
            threshold = estimate_global_threshold(image)
        criteria = Criteria(
            self.has_gain, self.has_map, *self.sigmas, self.min_local,
            float(threshold), not self.extended,
        )  # fmt: skip
        find = find_signal if self.exact else find_signal_of_reals
        limits = _limits(image.dtype, trusted_range)
        find(self.window, image, mask, limits, self.gain, criteria, self.strong)
        return criteria

    def _list_above_background(self, image: NDArray[Any], criteria: Criteria) -> NDArray[np.int32]:
        signal, state = self.window.signal, self.window.state
        words = self.kept.view(np.uint64)
        n = list_eroded(signal, self.radius, image.shape[1], self.row, self.kept, words, self.index)
        index = self.index[:n]
        half_width = self.half_width[0] + 2, self.half_width[1] + 2
        given = image, state, index, half_width, self.gain, criteria.sigma_strong
        if self.exact:
            n = find_strong_in_objects(*given, criteria.threshold, self.columns, self.sums)
        else:
            n = find_strong_in_real_objects(*given, criteria.threshold)
        return index[:n]


def _min_local_of(min_local: int, slow: int, fast: int) -> int:
    if min(fast, slow) < 1 or max(fast, slow) > 60:
        raise InputError(
            f"kernel_size is {slow}, {fast}; both must be 1 or more, and 60 or less: "
            "the sums of columns hold no more counts"
        )
    area = (2 * fast + 1) * (2 * slow + 1)
    if min_local > area:
        raise InputError(
            f"min_local is {min_local}, but a window holds {area} pixels; "
            "lower min_local or widen kernel_size"
        )
    return area if min_local <= 0 else int(min_local)


def _gain_of(gain: float | NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the gain as rows: one for the frame (1, fast), or one each (slow, fast)."""
    values = np.ascontiguousarray(gain, np.float64)
    if np.ndim(gain) and values.shape != shape:
        raise InputError(f"the gain map is {values.shape}, the frames are {shape} (slow, fast)")
    if values.size and not (np.isfinite(values) & (values > 0.0)).all():
        raise InputError(
            f"a gain of {values[~(np.isfinite(values) & (values > 0.0))][0]:g} counts per photon "
            "cannot be; give finite gains above 0"
        )
    return values if np.ndim(gain) else np.full((1, shape[1]), values)


def _limits(dtype: np.dtype[Any], trusted_range: tuple[float, float] | None) -> Limits:
    """Return the smallest and largest count that is used, in the dtype of the frames.

    Real numbers are compared as float64, which holds each number strictly between the two.
    """
    low, high = (-np.inf, np.inf) if trusted_range is None else trusted_range
    if not np.issubdtype(dtype, np.integer):
        below = float(np.nextafter(LARGEST, 0.0))
        low, high = float(np.nextafter(low, np.inf)), float(np.nextafter(high, -np.inf))
        return Limits(low, high, -below, below)
    kind = np.iinfo(dtype)
    lowest = kind.min if low < kind.min else int(np.floor(low)) + 1
    highest = kind.max if high > kind.max else int(np.ceil(high)) - 1
    if lowest > kind.max or highest < kind.min or lowest > highest:
        lowest, highest = 1, 0  # no count is between these
    least, most = max(kind.min, -(LARGEST - 1)), min(kind.max, LARGEST - 1)
    of = dtype.type
    return Limits(of(lowest), of(highest), of(least), of(most))
