"""The plot of spots per image that DIALS's users know, in characters."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

COLUMNS = 60
ROWS = 10


def count_histogram(z: NDArray[np.float64]) -> str:
    """Return lines of text: how many spots there are on how many images, and a bar for each few.

    z : (n,) of the centroids, in images; at least one.

    The lines are those of dials.find_spots 3.12 for the same spots in the same order. A bar is as
    many images wide as it takes to have no more than 60 of them. Spots of one image sit at the
    middle of it, so every other one is taken a quarter of an image earlier or later, or bars of
    different width in whole images would look like more or fewer spots.
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
