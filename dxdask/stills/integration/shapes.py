"""The pixels that are summed: an ellipse about each spot, longer along the streaks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def ellipses(covariance: Floats, n_sigma: float, radius: float) -> tuple[Floats, Floats]:
    """Return ellipses that hold a spot whose middle is not known better than a pixel or so.

    The ellipse is d^T F^-1 d <= 1, F = n_sigma^2 covariance + radius^2.

    covariance : (n, 3) xx, xy, yy of the spot, px^2. radius : px.
    Returns xx, xy, yy (n, 3) of F^-1, and how far the ellipse reaches along x or y (n,), px.
    """
    xx = n_sigma**2 * covariance[:, 0] + radius**2
    xy = n_sigma**2 * covariance[:, 1]
    yy = n_sigma**2 * covariance[:, 2] + radius**2
    determinant = xx * yy - xy * xy
    inverse = np.stack([yy, -xy, xx], axis=1) / determinant[:, None]
    return np.ascontiguousarray(inverse), np.sqrt(np.maximum(xx, yy))
