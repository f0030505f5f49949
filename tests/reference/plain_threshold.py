"""Plain NumPy twins of the threshold kernels: each window summed by itself, in exact integers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def box_sum(values: NDArray[Any], half_width: tuple[int, int]) -> NDArray[np.float64]:
    """Sum over windows (slow, fast) clipped at the borders; integers add up exactly."""
    padded = np.pad(values, [(k, k) for k in half_width])
    windows = np.lib.stride_tricks.sliding_window_view(padded, tuple(2 * k + 1 for k in half_width))
    return np.asarray(windows.sum(axis=(2, 3)), np.float64)


def dispersion(
    image: NDArray[Any],
    mask: NDArray[np.bool_],
    *,
    extended: bool,
    trusted_range: tuple[float, float] | None = None,
    kernel_size: tuple[int, int] = (3, 3),
    sigma_background: float = 6.0,
    sigma_strong: float = 3.0,
    min_local: int = 2,
    global_threshold: float = 0.0,
    gain: Any = 1.0,
) -> NDArray[np.bool_]:
    """Strong pixels (slow, fast) of a frame."""
    v = image.astype(np.float64)
    with np.errstate(invalid="ignore"):
        mask = mask & np.isfinite(v)
        if trusted_range is not None:
            mask = mask & (v > trusted_range[0]) & (v < trusted_range[1])
        used = mask & (np.abs(v) < 2**24)
    exact = np.where(used, image, 0).astype(np.int64 if image.dtype.kind in "iu" else np.float64)
    n = box_sum(used.astype(np.int64), kernel_size)
    x, y = box_sum(exact, kernel_size), box_sum(exact * exact, kernel_size)
    area = (2 * kernel_size[0] + 1) * (2 * kernel_size[1] + 1)
    enough = n >= (area if min_local <= 0 else max(min_local, 1))
    signal = mask & enough & (x >= 0) & _is_wide(n, x, y, gain, sigma_background)
    with np.errstate(invalid="ignore"):
        bright = mask & (v > global_threshold)
        if not extended:
            high = n * v - x > sigma_strong * np.sqrt(gain * x * n)
            return np.asarray(signal & bright & high)
    radius = min(kernel_size) - 1
    objects = box_sum((~signal).astype(np.int64), (radius, radius)) == 0
    wider = (kernel_size[0] + 2, kernel_size[1] + 2)
    background = used & ~objects
    n = box_sum(background.astype(np.int64), wider)
    x = box_sum(np.where(background, exact, 0), wider)
    mean = np.where(n >= 2, x / np.maximum(n, 1), 0.0)
    with np.errstate(invalid="ignore"):
        high = v >= mean + sigma_strong * np.sqrt(gain * mean)
    return np.asarray(objects & bright & (x >= 0) & high)


def _is_wide(n: Any, x: Any, y: Any, gain: Any, sigma: float) -> Any:
    """Whether windows vary more than background, rounded as DIALS does with and without a gain."""
    root = np.sqrt(2 * np.maximum(n - 1, 0))
    if np.ndim(gain) == 0 and gain == 1.0:
        return n * y - x * x - x * (n - 1) > x * sigma * root
    return n * y - x * x > gain * x * (n - 1 + sigma * root)
