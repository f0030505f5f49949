"""DIALS's plot of spots per image, in characters."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

COLUMNS = 60
ROWS = 10


def count_histogram(z: NDArray[np.float64]) -> str:
    """Return lines of text: numbers of spots and images, and a histogram of spots over images.

    z : (n,) of the centroids, in images; at least one.

    The lines are those of dials.find_spots 3.12 for the same spots in the same order. Bars are
    wide enough that there are no more than 60. Centroids on a single image lie at its middle, so
    alternate ones are shifted by a quarter of an image up and down: bars that cover different
    numbers of whole images would otherwise show steps in the number of spots.
    """
    low, high = float(z.min()), float(z.max())
    first, last = math.ceil(low), math.ceil(high)
    n_images = last - first + 1
    if n_images == 1:
        return f"{z.size} spots found on 1 image"
    n_bars = min(n_images, COLUMNS)
    borders = low + np.arange(1, n_bars) * ((high - low) / n_bars)
    spread = z + np.where(np.arange(z.size) % 2 == 0, -0.25, 0.25)
    counts = np.bincount(np.searchsorted(borders, spread, side="right"), minlength=n_bars)
    heights = np.floor(counts * (ROWS / counts.max()) + 0.5)
    bars = ["".join("*" if h >= row else " " for h in heights) for row in range(ROWS, 0, -1)]
    room = max(n_bars - len(str(first)) - len(str(last)), 0)
    axis = f"{first}{('image' if room >= 7 else '').center(room)}{last}"
    title = f"{z.size} spots found on {n_images} images (max {counts.max()} / bin)"
    return "\n".join([title, *bars, axis])
