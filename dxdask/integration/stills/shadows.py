"""Spots in the shadow of a beam stop, found by the low background around them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats, Integers
from dxdask.integration.corrections import polarisation
from dxdask.integration.photons import ScaledPixels, photons_of_pixel
from dxdask.models import Beam, Detector

STRIDE = 8
"""Spacing, px along both axes, of the pixels that sample the background of a still."""
N_BINS = 40
LOW_ANGLE = 0.1
"""1/d, 1/A, below which the background does not rise with the angle, unless in a shadow."""
N_SIGMA, N_SIGMA_AROUND = 3.5, 4.0
"""Standard deviations of the darkest of eight halves, and of all around."""
_CLIP = 5.0


class RadialGrid(NamedTuple):
    """Pixels on a coarse grid.

    Attributes
    ----------
    panel : (n,). row, column : (n,) in the frame. bin : (n,) of 1/d. polarisation : (n,). width :
    of the bins, 1/A.
    """

    panel: Integers
    row: Integers
    column: Integers
    bin: Integers
    polarisation: Floats
    width: float


def radial_grid(detector: Detector, beam: Beam) -> RadialGrid:
    """Return the grid of a detector."""
    numbers, rows, columns, rays = [], [], [], []
    for number, panel in enumerate(detector.panels):
        (width, height), (at_x, at_y) = panel.image_size, panel.offset
        y, x = np.mgrid[STRIDE // 2 : height : STRIDE, STRIDE // 2 : width : STRIDE]
        xy = np.stack([x.ravel() + 0.5, y.ravel() + 0.5], axis=1)
        rays.append(panel.lab_coordinates(panel.pixel_to_mm(xy)))
        numbers.append(np.full(y.size, number))
        rows.append(y.ravel() + at_y)
        columns.append(x.ravel() + at_x)
    s1 = np.concatenate(rays)
    s1 /= np.linalg.norm(s1, axis=1, keepdims=True) * beam.wavelength
    d_star = np.linalg.norm(s1 - beam.s0, axis=1)
    bin_width = float(d_star.max()) / N_BINS * (1.0 + 1e-9) if len(d_star) else 1.0
    return RadialGrid(
        np.concatenate(numbers), np.concatenate(rows), np.concatenate(columns),
        (d_star / bin_width).astype(np.int64),
        polarisation(s1, beam), bin_width,
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _profile(
    frame: Any, mask: Any, panel: Any, row: Any, column: Any, bins: Any, factor: Any, pixels: Any,
    caps: Any, out: Any, counts: Any,
) -> None:  # fmt: skip
    out[:] = 0.0
    counts[:] = 0
    for i in range(len(row)):
        y, x, b = row[i], column[i], bins[i]
        c = photons_of_pixel(np.float64(frame[y, x]), panel[i], y, x, pixels)
        # false for NaN and infinity
        if mask[y, x] and abs(c) < np.inf:
            out[b] += min(c / factor[i], caps[b])
            counts[b] += 1
    for b in range(len(out)):
        out[b] /= max(counts[b], 1)


def radial_background(
    frame: NDArray[Any], mask: NDArray[np.bool_], grid: RadialGrid, pixels: ScaledPixels
) -> Floats:
    """Return the background (N_BINS,) of a frame by 1/d, photons a pixel without polarisation.

    Pixels of spots are clipped. From its largest value towards the beam it is constant: less
    background there is a shadow.
    """
    out, counts = np.empty(N_BINS), np.empty(N_BINS, np.int64)
    caps = np.full(N_BINS, np.inf)
    for _ in range(3):
        _profile(
            frame, mask, grid.panel, grid.row, grid.column, grid.bin, grid.polarisation, pixels,
            caps, out, counts,
        )  # fmt: skip
        level = np.maximum(out, 0.0)
        caps = level + _CLIP * np.sqrt(level) + 1.0
    low = int(min(max(LOW_ANGLE / grid.width, 1.0), N_BINS))
    largest = int(np.argmax(out[:low]))
    out[:largest] = out[largest]
    return out


def shadowed(
    darkest: Floats, n_darkest: Integers, variance: Floats, background: Floats,
    n_background: Integers, expected: Floats, fraction: float,
) -> NDArray[np.bool_]:  # fmt: skip
    """Return the reflections (n,) with too little background on one side or all around.

    darkest : (n,) photons of the darkest half, of n_darkest pixels. variance : (n,) of a pixel,
    expected plus observed. background : (n,) photons a pixel, the mean of n_background pixels.
    expected : (n,) expected photons a pixel. fraction : of the expected background, below which one
    side is in a shadow, if by `N_SIGMA` standard deviations; its square root is the limit all
    around.
    """
    least = n_darkest * expected
    sigma = np.sqrt(n_darkest * np.maximum(variance, 0.0))
    side = (darkest < fraction * least) & (darkest < least - N_SIGMA * sigma)
    sigma = np.sqrt(0.5 * np.maximum(variance, 0.0) / np.maximum(n_background, 1))
    around = (background < np.sqrt(fraction) * expected) & (
        background < expected - N_SIGMA_AROUND * sigma
    )
    return np.asarray(side | around)


def expected_background(level: Floats, grid: RadialGrid, d: Floats, lp: Floats) -> Floats:
    """Return the background (n,), photons a pixel, at reflections of spacing d (n,), A."""
    bins = np.minimum((1.0 / (d * grid.width)).astype(np.int64), N_BINS - 1)
    return np.asarray(level[bins] / lp)
