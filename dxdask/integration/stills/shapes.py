"""Ellipses of summed pixels about each spot, longer along the streaks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from dxdask.arrays import Floats

OFF_PLACE = 0.5
"""Standard deviation of the position of a spot about its prediction along x and y, px."""
MOST_CUT = 0.02
"""Largest part of a spot beyond the edges of its panel; the error of the intensity does not include
it."""


def ellipses(covariance: Floats, n_sigma: float, radius: float) -> tuple[Floats, Floats]:
    """Return xx, xy, yy (n, 3) of F^-1 of the ellipses, and their half width or height (n,), px.

    The ellipse d^T F^-1 d <= 1, F = n_sigma^2 covariance + radius^2, contains a spot whose centre
    is known to about a pixel.

    covariance : (n, 3) xx, xy, yy of the spot, px^2. radius : px.
    """
    xx = n_sigma**2 * covariance[:, 0] + radius**2
    xy = n_sigma**2 * covariance[:, 1]
    yy = n_sigma**2 * covariance[:, 2] + radius**2
    determinant = xx * yy - xy * xy
    inverse = np.stack([yy, -xy, xx], axis=1) / determinant[:, None]
    return np.ascontiguousarray(inverse), np.sqrt(np.maximum(xx, yy))


def beyond_edges(x: Floats, y: Floats, covariance: Floats, image_size: NDArray[np.int64]) -> Floats:
    """Return the part (n,) of each spot that lies beyond an edge of its panel.

    x, y : (n,) predicted, px on the panel. covariance : (n, 3) xx, xy, yy of the spot, px^2.
    image_size : (n, 2) of the panel along x and y, px.
    """
    kept = np.ones(len(x))
    for middle, variance, size in (
        (x, covariance[:, 0], image_size[:, 0]),
        (y, covariance[:, 2], image_size[:, 1]),
    ):
        sigma = np.sqrt(variance + OFF_PLACE**2)
        kept *= ndtr((size - middle) / sigma) - ndtr(-middle / sigma)
    return 1.0 - kept
