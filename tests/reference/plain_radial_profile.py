"""Plain NumPy twin of the threshold above the radial profile."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dxdask.models import Beam, Panel

WEIGHTS = {
    "narrow": np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16,
    "wide": np.array(
        [
            [1, 4, 7, 4, 1],
            [4, 16, 26, 16, 4],
            [7, 26, 41, 26, 7],
            [4, 16, 26, 16, 4],
            [1, 4, 7, 4, 1],
        ]
    )
    / 273,
}


def two_theta(panel: Panel, beam: Beam) -> NDArray[np.float64]:
    """2 theta (slow, fast), rad, at the outer corner of each pixel."""
    width, height = panel.image_size
    y, x = np.mgrid[:height, :width]
    place = panel.lab_coordinates(panel.pixel_to_mm(np.stack([x, y], axis=-1)))
    cosine = place @ beam.s0 / np.linalg.norm(place, axis=-1) / np.linalg.norm(beam.s0)
    return np.asarray(np.arccos(np.clip(cosine, -1, 1)))


def rings(angles: NDArray[np.float64], n_bins: int) -> NDArray[np.int64]:
    """The ring (slow, fast) of each pixel."""
    above = angles - angles.min()
    return np.floor(n_bins * above / (above.max() + 1e-10)).astype(np.int64)


def radial_profile(
    image: NDArray[Any],
    mask: NDArray[np.bool_],
    ring: NDArray[Any],
    *,
    n_iqr: float = 6.0,
    blur: str | None = None,
    gain: Any = None,
    quantum: float = 1.0,
) -> NDArray[np.bool_]:
    """Strong pixels (slow, fast)."""
    values = image.astype(np.float64) if gain is None else image / gain
    if blur:
        values = ndimage.correlate(values, WEIGHTS[blur], mode="nearest")
    good = mask & np.isfinite(image) & np.isfinite(values)
    strong = np.zeros(image.shape, np.bool_)
    for r in np.unique(ring):
        here = good & (ring == r)
        if here.any():
            middle = np.median(values[here])
            first, third = np.percentile(values[here], [25, 75])
            above = n_iqr * (third - first)
            level = middle + (2 * quantum if above <= quantum else above)
            strong[here] = values[here] > level
    return strong
