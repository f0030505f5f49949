"""Spots, intensity and resolution of each image."""

from __future__ import annotations

from typing import Any

import gemmi
import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats, Integers
from dxdask.columns import Reflections
from dxdask.geometry.resolution import resolution_at
from dxdask.masking.parameters import IceRingParameters
from dxdask.models import Experiment
from dxdask.models.crystal import space_group
from dxdask.spotfinding.reports.estimated_resolution import by_count, by_growth, by_signal
from dxdask.tables import Table

ICE_WIDTH = 0.004
"""Width of an ice ring in 1/d^2, 1/A^2."""
MORE_THAN = 10
"""Smallest number of spots outside ice rings from which a resolution is estimated."""

HEADINGS = {
    "run": ("run", ""),
    "image": ("image", ""),
    "n_spots": ("#spots", ""),
    "n_spots_no_ice": ("#spots_no_ice", ""),
    "n_spots_4a": ("#spots\nd > 4 A", ""),
    "total_intensity": ("total_intensity", ".0f"),
    "d_min": ("d_min", ".2f"),
    "d_min_distl_1": ("d_min (distl\nmethod 1)", ".2f"),
    "noisiness_1": ("noisiness\nmethod 1", ".2f"),
    "d_min_distl_2": ("d_min (distl\nmethod 2)", ".2f"),
    "noisiness_2": ("noisiness\nmethod 2", ".2f"),
}


def image_statistics(spots: Reflections, experiment: Experiment, z: Integers) -> Table:
    """Return the table `image_statistics` of a run, one row per image that was used.

    A spot counts in the image of its centroid. Columns are those of dials.find_spots with
    per_image_statistics=True and of dials.spot_counts_per_image: run, image; n_spots;
    n_spots_no_ice and total_intensity (counts), of those outside the rings of hexagonal ice;
    n_spots_4a, with d above 4 A; d_min, d_min_distl_1, d_min_distl_2 (A) and noisiness_1,
    noisiness_2, as in `estimated_resolution`: None for ten spots or fewer outside the rings.

    spots : panel, x, y, z, intensity_sum and its variance. z : (images,) of the frames, ascending.
    """
    d_star_sq = _d_star_sq(spots, experiment)
    image = np.searchsorted(z, np.floor(spots["z"]).astype(np.int64))
    order = np.argsort(image, kind="stable")
    order = order[d_star_sq[order] > 0.0]
    d_star_sq, image = d_star_sq[order], image[order]
    intensity, variance = spots["intensity_sum"][order], spots["intensity_sum_variance"][order]
    ice = on_ice(d_star_sq)
    offsets = np.searchsorted(image, np.arange(len(z) + 1)).astype(np.int64)
    counts, values = np.zeros((len(z), 3), np.int64), np.full((len(z), 6), np.nan)
    _statistics(offsets, d_star_sq, intensity, variance, ice, counts, values)
    keys = list(HEADINGS)
    rows = [
        dict(zip(keys, (experiment.run, int(i) + 1, *n, *map(_plain, v)), strict=True))
        for i, n, v in zip(z.tolist(), counts.tolist(), values.tolist(), strict=True)
    ]
    title = f"Number of centroids per image for {experiment.run}"
    return Table(name="image_statistics", title=title, rows=rows, headings=HEADINGS)


def on_ice(d_star_sq: Floats) -> NDArray[np.bool_]:
    """Return True (n,) for 1/d^2, 1/A^2, within half of `ICE_WIDTH` of a ring of hexagonal ice.

    The cell and space group are the defaults of the filter of ice rings.
    """
    if not d_star_sq.size:
        return np.zeros(0, np.bool_)
    half, ice = ICE_WIDTH / 2, IceRingParameters()
    cell, group = gemmi.UnitCell(*ice.unit_cell), space_group(ice.space_group)
    limit = 1.0 / np.sqrt(d_star_sq.max() + half)
    hkl = gemmi.make_miller_array(cell, group, float(limit), unique=True)
    rings = np.unique(1.0 / cell.calculate_d_array(hkl) ** 2)
    if not rings.size:
        return np.zeros(d_star_sq.size, np.bool_)
    behind = np.searchsorted(rings, d_star_sq)
    nearest = np.minimum(
        np.abs(rings[np.minimum(behind, len(rings) - 1)] - d_star_sq),
        np.abs(rings[np.maximum(behind - 1, 0)] - d_star_sq),
    )
    return np.asarray(nearest < half)


def _d_star_sq(spots: Reflections, experiment: Experiment) -> Floats:
    out = np.zeros(len(spots["z"]))
    xy = np.stack([spots["x"], spots["y"]], axis=-1)
    for index in np.unique(spots["panel"]).tolist():
        rows = spots["panel"] == index
        d = resolution_at(experiment.detector[index], xy[rows], experiment.beam.s0)
        out[rows] = 1.0 / d**2
    return out


def _plain(value: float) -> float | None:
    return value if np.isfinite(value) else None


@njit(cache=True, nogil=True, error_model="numpy")
def _statistics(
    offsets: Any, d_star_sq: Any, intensity: Any, variance: Any, ice: Any, counts: Any, values: Any
) -> None:
    for k in range(offsets.size - 1):
        of_image = slice(offsets[k], offsets[k + 1])
        radius_sq, i, v = d_star_sq[of_image], intensity[of_image], variance[of_image]
        icy = ice[of_image]
        counts[k, 0], counts[k, 1] = radius_sq.size, np.sum(~icy)
        counts[k, 2] = np.sum(radius_sq < 1.0 / 16.0)
        values[k, 0] = np.sum(i[~icy])
        if counts[k, 1] <= MORE_THAN:
            continue
        sure = (v > 0.0) & (i > 0.0)
        if np.sum(sure) <= MORE_THAN:
            continue
        values[k, 1] = by_signal(radius_sq[sure], i[sure], v[sure], icy[sure])
        values[k, 2], values[k, 3] = by_growth(np.sqrt(radius_sq[sure]))
        values[k, 4], values[k, 5] = by_count(np.sqrt(radius_sq[sure]))
