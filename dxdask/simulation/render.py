"""Expected photons of Gaussian spots, integrated over pixels."""

from __future__ import annotations

from math import ceil, erf, exp, floor, pi, sqrt

import numpy as np
from numba import njit
from numpy.typing import NDArray

# Four Gauss-Legendre nodes a pixel along slow: exact to 1e-6 for spots of rms 0.6 px and wider.
NODES, WEIGHTS = np.polynomial.legendre.leggauss(4)
NODES = NODES / 2
WEIGHTS = WEIGHTS / 2
N_SIGMA = 5.0


@njit(cache=True, nogil=True, error_model="numpy")
def _render(frame, x, y, covariance, photons, x_low, y_low, x_high, y_high, nodes, weights):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        cxx, cxy, cyy = covariance[i, 0], covariance[i, 1], covariance[i, 2]
        sigma_x, sigma_y = sqrt(cxx), sqrt(cyy)
        tilt = cxy / cyy
        narrow = sqrt(max(cxx - cxy * tilt, 1e-12)) * sqrt(2.0)
        x0 = max(x_low[i], floor(x[i] - N_SIGMA * sigma_x))
        x1 = min(x_high[i], ceil(x[i] + N_SIGMA * sigma_x))
        y0 = max(y_low[i], floor(y[i] - N_SIGMA * sigma_y))
        y1 = min(y_high[i], ceil(y[i] + N_SIGMA * sigma_y))
        norm = photons[i] / (sigma_y * sqrt(2.0 * pi))
        for row in range(y0, y1):
            for node in range(len(nodes)):
                dy = row + 0.5 + nodes[node] - y[i]
                height = 0.5 * norm * weights[node] * exp(-0.5 * dy * dy / cyy)
                centre = x[i] + tilt * dy
                before = erf((x0 - centre) / narrow)
                for column in range(x0, x1):
                    after = erf((column + 1 - centre) / narrow)
                    frame[row, column] += height * (after - before)
                    before = after


def add_spots(
    frame: NDArray[np.float64],
    *,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    covariance: NDArray[np.float64],
    photons: NDArray[np.float64],
    rectangles: NDArray[np.int64],
) -> None:
    """Add spots to the expected photons of a frame, in place, one after the other.

    Each is a Gaussian integrated exactly along fast and by quadrature along slow, out to 5 sigma.

    frame: (slow, fast) float64. x, y: (n,) px of the frame. covariance: (n, 3) px^2, xx, xy, yy.
    photons: (n,). rectangles: (n, 4) int64, x0 y0 x1 y1 of the panel of each spot; photons outside
    of it are lost.
    """
    x_low, y_low, x_high, y_high = np.ascontiguousarray(rectangles.T)
    _render(
        frame, x, y, np.ascontiguousarray(covariance), photons,
        x_low, y_low, x_high, y_high, NODES, WEIGHTS,
    )  # fmt: skip
