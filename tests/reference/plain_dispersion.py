"""Window statistics and sums a pixel, in plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray


def index_of_dispersion(
    image: NDArray[Any],
    usable: NDArray[np.bool_],
    kernel_size: tuple[int, int],
    pedestal: float = 0.0,
) -> NDArray[np.float64]:
    """Return sample variance / mean of full windows around each pixel, NaN elsewhere."""
    slow, fast = kernel_size
    area = (2 * slow + 1) * (2 * fast + 1)
    padding = ((slow, slow), (fast, fast))
    values = np.pad(np.where(usable, image, 0).astype(np.float64), padding)
    good = np.pad(usable, padding)
    shape = (2 * slow + 1, 2 * fast + 1)
    windows = sliding_window_view(values, shape)
    full = sliding_window_view(good, shape).all(axis=(2, 3))
    mean = windows.mean(axis=(2, 3)) - pedestal
    with np.errstate(invalid="ignore", divide="ignore"):
        out = windows.var(axis=(2, 3)) * (area / (area - 1)) / mean
    return np.where(full & (mean > 0), out, np.nan)


def brighter_than_neighbours(frames: NDArray[Any], usable: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return in how many frames each usable pixel is above all usable ones next to it."""
    values = np.pad(np.where(usable, frames.astype(np.float64), -np.inf), ((0, 0), (1, 1), (1, 1)),
                    constant_values=-np.inf)  # fmt: skip
    around = sliding_window_view(values, (3, 3), axis=(1, 2)).reshape(*frames.shape, 9)
    others = np.delete(around, 4, axis=-1).max(axis=-1)
    return np.asarray((usable & (frames > others)).sum(axis=0))
