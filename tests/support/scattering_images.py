"""Mean images of scattering around the beam, with what disturbs its symmetry."""

from __future__ import annotations

import numpy as np

SHAPE = (1000, 1000)


def diffuse(
    centre,
    *,
    peak=40.0,
    width=120.0,
    background=1.0,
    stop_px=15.0,
    gap=(400, 417),
    images=1,
    seed=1,
):
    """Return an image (slow, fast): scattering around a centre, spots, hot pixels, a beam stop.

    The scattering falls by e over `width` pixels; the image is the mean of `images` ones. Rows of
    `gap` are not measured.
    """
    rng = np.random.default_rng(seed)
    slow, fast = np.indices(SHAPE) + 0.5
    radius = np.hypot(fast - centre[0], slow - centre[1])
    expected = peak * np.exp(-radius / width) + background
    image = rng.poisson(images * expected).astype(np.float64) / images
    for _ in range(300):
        at = rng.integers(0, 990, 2)
        image[at[0] : at[0] + 3, at[1] : at[1] + 3] += rng.exponential(200.0)
    image[tuple(rng.integers(0, 1000, (2, 20)))] = 1e6
    image[radius < stop_px] = np.nan
    image[slice(*gap)] = np.nan
    return image
