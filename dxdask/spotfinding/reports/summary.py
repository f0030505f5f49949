"""Messages of spot finding for a run, those of DIALS, and the table of images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Reflections
from dxdask.spotfinding.parameters import SpotfinderParameters
from dxdask.spotfinding.parts import ImageRecords, SpotPart
from dxdask.spotfinding.reports.count_histogram import count_histogram
from dxdask.tables import Table

MOST_PRINTED = 100
"""Largest number of rows of the table of images that is printed, not only stored."""

TO_LOWER = {
    "dispersion": "dispersion.sigma_strong and sigma_background",
    "dispersion_extended": "dispersion.sigma_strong and sigma_background",
    "radial_profile": "radial_profile.n_iqr",
    "helen": "helen.global_threshold and min_blob_score",
}
"""Parameters of each threshold that give more spots when they are lower."""

HEADINGS = {
    "run": ("Run", ""),
    "image": ("Image", ""),
    "n_strong_pixels": ("Strong\npixels", ""),
    "n_spots": ("Spots", ""),
    "mean_background": ("Mean\nbackground", ".3f"),
}


def lines_before(whole: SpotPart, parameters: SpotfinderParameters, n_spots: int) -> list[str]:
    """Return the messages about the spots of all frames before they are filtered.

    n_spots : number of spots whose size is within the limits.
    """
    images = whole.images
    (n_all, n_small, n_large), (smallest, largest) = whole.sizes, whole.size_limits
    lines = []
    if parameters.maximum_trusted_value is not None:
        lines.append(f"Overriding maximum trusted value to {parameters.maximum_trusted_value:.1f}")
    if parameters.compute_mean_background:
        lines += [
            f"Found {n} strong pixels on image {z + 1} with average background {mean:f}"
            for z, n, mean in zip(*_columns(images), strict=True)
            if z not in images.reasons
        ]
    return [
        *lines,
        f"Extracted {n_all} spots",
        f"Removed {n_small} spots with size < {smallest} pixels",
        f"Removed {n_large} spots with size > {largest} pixels",
        f"Calculated {n_spots} spot centroids",
        f"Calculated {n_spots} spot intensities",
    ]


def lines_after(
    z: NDArray[np.float64],
    hot: NDArray[np.bool_] | None,
    experiment_index: int,
    algorithm: str,
    *,
    n_images: int,
    n_unused: int,
) -> list[str]:
    """Return the messages about the spots that are kept, of centroids z (n,).

    algorithm : of the threshold, whose parameters are named where there are no spots. n_images,
    n_unused : number of images, and of those that could not be used.
    """
    lines = []
    if n_unused:
        lines.append(f"{n_unused} of {n_images} images could not be used, see problems")
    if hot is not None:
        lines.append(f"Found {int((~hot).sum())} possible hot pixel(s)")
    if not z.size and 0 < n_images == n_unused:
        return [
            *lines,
            "No spots were found, as no image could be used: check mask, trusted range, gain and "
            "threshold",
        ]
    if not z.size:
        return [
            *lines,
            "No spots were found: check mask, trusted range and gain, or lower "
            f"spotfinder.threshold.{TO_LOWER[algorithm]} or spotfinder.filter.min_spot_size",
        ]
    title = f"Histogram of per-image spot count for imageset {experiment_index}:"
    return [*lines, f"{title}\n{count_histogram(z)}"]


def images_table(run: str, whole: SpotPart, table: Reflections, *, with_background: bool) -> Table:
    """Return the table `images` of a run: run, image, n_strong_pixels, n_spots and, with
    `compute_mean_background`, mean_background (counts; None where no pixel is left for it).

    A spot counts in the image of its centroid, as in DIALS's plot of these numbers.
    """
    z = np.floor(table["z"]).astype(np.int64)
    counts = np.bincount(z - whole.first, minlength=whole.stop - whole.first)
    rows: list[dict[str, Any]] = []
    for image, n, mean in zip(*_columns(whole.images), strict=True):
        n_spots = int(counts[image - whole.first])
        row = {"run": run, "image": image + 1, "n_strong_pixels": n, "n_spots": n_spots}
        if with_background:
            row["mean_background"] = None if np.isnan(mean) else mean
        rows.append(row)
    title = "Strong pixels and spots per image (by centroid)"
    keys = {k: v for k, v in HEADINGS.items() if with_background or k != "mean_background"}
    return printed_if_short(Table(name="images", title=title, rows=rows, headings=keys))


def printed_if_short(table: Table) -> Table:
    """Return the table, marked as printed if it is short, else as stored only."""
    return replace(table, printed=len(table.rows) <= MOST_PRINTED)


def _columns(images: ImageRecords) -> tuple[list[int], list[int], list[float]]:
    return images.z.tolist(), images.n_strong.tolist(), images.background.tolist()
