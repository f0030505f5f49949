"""Which pixels of a frame are strong: DIALS's dispersion thresholds, pixel for pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import InputError
from dxdask.spotfinding import local_threshold as kernels
from dxdask.spotfinding.windows import window_of

Mask = NDArray[np.bool_]


class DispersionThreshold:
    """A threshold for frames of one shape and dtype, with its workspace; not for two threads at
    once.

    Parameters
    ----------
    shape : of a frame (slow, fast).
    dtype : of a frame.
    extended : whether to use `dispersion_extended`.
    kernel_size : half width of the window along slow and fast, pixels: DIALS takes them in this
        order, though its help says (x, y).
    sigma_background, sigma_strong : how far a window's dispersion and a pixel's count must stand
        out.
    min_local : valid pixels a window must have; 0 or less for all of them.
    global_threshold : counts at or below it are never strong.
    gain : counts per photon.

    Notes
    -----
    Per window, n valid pixels of sum x and sum of squares y (exact integers for integer frames):
    the window holds signal where n y - x^2 - g x (n - 1) > g x sigma_b sqrt(2 (n - 1)).

    `dispersion`: such pixels are strong where n v - x > sigma_s sqrt(g x n) (Kabsch 2010, Acta
    Cryst. D66, 133; Winter et al. 2018, Acta Cryst. D74, 85).
    `dispersion_extended`: signal is eroded to undo what the window widened, and what is left is
    strong where v >= mean + sigma_s sqrt(g mean), mean being that of the valid pixels around,
    without signal.
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
        global_threshold: float = 0.0,
        gain: float = 1.0,
    ) -> None:
        slow, fast = (int(k) for k in kernel_size)
        if fast < 1 or slow < 1:
            raise InputError(f"kernel_size is {slow}, {fast}; both must be 1 or more")
        area = (2 * fast + 1) * (2 * slow + 1)
        if min_local > area:
            raise InputError(
                f"min_local is {min_local}, but a window holds {area} pixels; "
                "lower min_local or widen kernel_size"
            )
        self.half_width, self.extended = (fast, slow), extended
        self.gain, self.sigma_b, self.sigma_s = (
            float(gain),
            float(sigma_background),
            float(sigma_strong),
        )
        self.threshold, self.min_local = (
            float(global_threshold),
            area if min_local <= 0 else int(min_local),
        )
        self.exact = bool(np.issubdtype(dtype, np.integer))
        self.window = window_of(self.half_width, shape[1], np.dtype(dtype))
        self.strong = np.zeros(shape, np.bool_)
        if extended:
            self.signal, self.objects = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
            self.radius = min(fast, slow) - 1
            self.column = np.zeros(shape[1], np.int32)
            self.total = np.zeros(shape[1] + 2 * self.radius + 1, np.int32)

    def __call__(
        self, image: NDArray[Any], mask: Mask, trusted_range: tuple[float, float] | None = None
    ) -> Mask:
        """Return which pixels are strong; the array is overwritten by the next call.

        image : (slow, fast), counts, contiguous. mask : (slow, fast), True is good, contiguous.
        trusted_range : counts strictly between the two are used (as of `Panel`); None for all.
        """
        if image.shape != self.strong.shape or mask.shape != image.shape:
            raise InputError(
                f"frame {image.shape} and mask {mask.shape} must be {self.strong.shape}"
            )
        lowest, highest = self._limits(trusted_range)
        head = (self.window, image, mask, lowest, highest, self.exact, self.gain, self.sigma_b)
        if not self.extended:
            kernels.find_strong(*head, self.sigma_s, self.threshold, self.min_local, self.strong)
            return self.strong
        kernels.find_signal(*head, self.min_local, self.signal)
        kernels.erode(self.signal, self.radius, self.column, self.total, self.objects)
        zero = self.window.x_column.dtype.type(0)
        kernels.find_strong_in_objects(
            image, mask, lowest, highest, self.objects, self.half_width,
            self.gain, self.sigma_s, self.threshold, zero, self.strong,
        )  # fmt: skip
        return self.strong

    def _limits(self, trusted_range: tuple[float, float] | None) -> tuple[Any, Any]:
        """Return the smallest and largest count to be used, of the kind that the frames hold."""
        low, high = (-np.inf, np.inf) if trusted_range is None else trusted_range
        if self.exact:
            # all that uint32 holds; the largest counts are then left out of the sums only
            low, high = max(low, -(2.0**33)), min(high, 2.0**33)
            return int(np.floor(low)) + 1, int(np.ceil(high)) - 1
        return float(np.nextafter(low, np.inf)), float(np.nextafter(high, -np.inf))


def dispersion(
    image: NDArray[Any],
    mask: Mask,
    *,
    trusted_range: tuple[float, float] | None = None,
    **parameters: Any,
) -> Mask:
    """Return the strong pixels (slow, fast) of a frame; parameters of `DispersionThreshold`."""
    return _one(image, mask, trusted_range, extended=False, **parameters)


def dispersion_extended(
    image: NDArray[Any],
    mask: Mask,
    *,
    trusted_range: tuple[float, float] | None = None,
    **parameters: Any,
) -> Mask:
    """Return the strong pixels (slow, fast) of a frame; parameters of `DispersionThreshold`."""
    return _one(image, mask, trusted_range, extended=True, **parameters)


def _one(
    image: NDArray[Any], mask: Mask, trusted_range: tuple[float, float] | None, **parameters: Any
) -> Mask:
    if image.ndim != 2:
        raise InputError(f"a frame is (slow, fast), not {image.shape}; threshold frames one by one")
    threshold = DispersionThreshold((image.shape[0], image.shape[1]), image.dtype, **parameters)
    image, mask = np.ascontiguousarray(image), np.ascontiguousarray(mask, np.bool_)
    return threshold(image, mask, trusted_range)
