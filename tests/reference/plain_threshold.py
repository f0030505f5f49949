"""Plain NumPy twins of the threshold kernels: whole-frame sums by explicit windows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def box_sum(values: NDArray[Any], half_width: tuple[int, int]) -> NDArray[np.float64]:
    """Sum over windows (slow, fast) clipped at the borders."""
    padded = np.pad(values.astype(np.float64), [(k, k) for k in half_width])
    windows = np.lib.stride_tricks.sliding_window_view(padded, tuple(2 * k + 1 for k in half_width))
    return np.asarray(windows.sum(axis=(2, 3)))


def dispersion(
    image: NDArray[Any],
    mask: NDArray[np.bool_],
    *,
    extended: bool,
    kernel_size: tuple[int, int] = (3, 3),
    sigma_background: float = 6.0,
    sigma_strong: float = 3.0,
    min_local: int = 2,
    global_threshold: float = 0.0,
    gain: float = 1.0,
) -> NDArray[np.bool_]:
    """Strong pixels (slow, fast) of integer frames."""
    v = image.astype(np.float64)
    area = (2 * kernel_size[0] + 1) * (2 * kernel_size[1] + 1)
    used = mask & (v < 2**24)
    n = box_sum(used, kernel_size)
    x = box_sum(np.where(used, v, 0), kernel_size)
    y = box_sum(np.where(used, v * v, 0), kernel_size)
    root = np.sqrt(2 * np.maximum(n - 1, 0))
    wide = n * y - x * x - gain * x * (n - 1) > gain * x * sigma_background * root
    signal = mask & (n >= (area if min_local <= 0 else min_local)) & (x >= 0) & wide
    bright = mask & (v > global_threshold)
    with np.errstate(invalid="ignore"):
        if not extended:
            return signal & bright & (n * v - x > sigma_strong * np.sqrt(gain * x * n))
        radius = min(kernel_size) - 1
        objects = box_sum(~signal, (radius, radius)) == 0
        wider = (kernel_size[0] + 2, kernel_size[1] + 2)
        background = used & ~objects
        n = box_sum(background, wider)
        x = box_sum(np.where(background, v, 0), wider)
        mean = np.where(n >= 2, x / np.maximum(n, 1), 0.0)
        high = v >= mean + sigma_strong * np.sqrt(gain * mean)
    return np.asarray(objects & bright & (x >= 0) & high)
