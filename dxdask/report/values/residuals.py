"""Residuals: observed less predicted centroids, by image, and their histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Integers
from dxdask.columns import Flag, has_flag, n_rows
from dxdask.errors import InputError
from dxdask.report.values.results import Results, Source, on_frame, results_of, runs_of

if TYPE_CHECKING:
    import pandas as pd

STEPS = ("refine", "integrate", "index")
_NEEDED = ("experiment", "panel", "flags", "x", "y", "z", "x_cal", "y_cal")
_WANTED = (
    "z_cal", "x_variance", "y_variance", "z_variance", "hkl",
    "partiality", "intensity_sum", "intensity_sum_variance",
)  # fmt: skip
_STRONG = 3.0
"""I / sigma from which the centroid of an integrated reflection is an observation of its place."""
AXES = ("x", "y", "z")
UNITS = {"x": "px", "y": "px", "z": "images"}


def residuals(source: Source, *, used: bool | None = None, step: str | None = None) -> pd.DataFrame:
    """Return the residuals of reflections that have an observed and a predicted centroid.

    Parameters
    ----------
    source : see `results_of`; of a store refine, else integrate, else index. Of integrated
        reflections those with I / sigma above 3: the centroids of others show no place.
    used : only those used in refinement; None: if any is flagged so. False: outliers too.
    step : of a store, the one to read.

    Returns
    -------
    DataFrame
        experiment, run, panel, image (number), frame_x, frame_y (observed, px of the stored frame),
        dx, dy (px), dz (images; NaN for stills), and x_z_score, y_z_score, z_z_score: residuals
        over standard deviations, where variances are known and not 0 (else NaN).

    Raises
    ------
    InputError
        No reflection has both.
    """
    import pandas as pd

    results = results_of(source, STEPS, _NEEDED, _WANTED, step=step)
    rows = _chosen(results, used)
    table = {name: values[rows] for name, values in results.reflections.items()}
    part = Results(table, results.experiments)
    xy = on_frame(part, table["x"], table["y"])
    columns = {
        "experiment": table["experiment"],
        "run": runs_of(part),
        "panel": table["panel"],
        "image": np.floor(table["z"]).astype(np.int64) + 1,
        "frame_x": xy[:, 0],
        "frame_y": xy[:, 1],
    }
    unknown = np.full(len(xy), np.nan)
    for axis in AXES:
        columns[f"d{axis}"] = table[axis] - table.get(f"{axis}_cal", unknown)
    for axis in AXES:
        variance = table.get(f"{axis}_variance", unknown)
        with np.errstate(divide="ignore", invalid="ignore"):
            score = columns[f"d{axis}"] / np.sqrt(variance)
        columns[f"{axis}_z_score"] = np.where(variance > 0.0, score, np.nan)
    return pd.DataFrame(columns)


def _chosen(results: Results, used: bool | None) -> NDArray[np.bool_]:
    table = results.reflections
    rows = np.isfinite(table["x"] + table["x_cal"] + table["y"] + table["y_cal"])
    rows &= has_flag(table, Flag.PREDICTED | Flag.INDEXED)
    if "hkl" in table:
        rows &= table["hkl"].any(axis=1)
    if {"partiality", "intensity_sum", "intensity_sum_variance"} <= table.keys():
        with np.errstate(invalid="ignore"):
            rows &= table["intensity_sum"] > _STRONG * np.sqrt(table["intensity_sum_variance"])
    refined = has_flag(table, Flag.USED_IN_REFINEMENT)
    if used or (used is None and refined.any()):
        rows &= refined
    if not rows.any():
        raise InputError(
            f"none of {n_rows(table)} reflections has an observed and a predicted centroid; index "
            "and refine them first"
        )
    return np.asarray(rows)


def residuals_by_image(
    source: Source, *, used: bool | None = None, step: str | None = None
) -> pd.DataFrame:
    """Return means and RMSDs of residuals by image.

    source, used, step : see `residuals`.

    Returns
    -------
    DataFrame
        One row for each experiment and image with reflections: experiment, run, image (number),
        n, mean_x_px, mean_y_px, mean_z_images, rmsd_x_px, rmsd_y_px, rmsd_z_images.
    """
    table = residuals(source, used=used, step=step)
    groups = table.groupby(["experiment", "run", "image"], sort=True)
    out = groups.size().rename("n").to_frame()
    for axis in AXES:
        out[f"mean_{axis}_{UNITS[axis]}"] = groups[f"d{axis}"].mean()
    for axis in AXES:
        squares = (table[f"d{axis}"] ** 2).groupby(
            [table["experiment"], table["run"], table["image"]], sort=True
        )
        out[f"rmsd_{axis}_{UNITS[axis]}"] = np.sqrt(squares.mean())
    return out.reset_index()


class Histogram(NamedTuple):
    """Counts (n,) between edges (n + 1,), of values with this mean, RMSD and number.

    Values outside the edges are in the first and last bin.
    """

    edges: Floats
    counts: Integers
    mean: float
    rmsd: float
    n: int


def residual_histograms(
    source: Source,
    *,
    z_scores: bool = False,
    n_bins: int = 50,
    used: bool | None = None,
    step: str | None = None,
) -> dict[str, Histogram]:
    """Return histograms of residuals x, y (px), z (images), or of their z-scores.

    They span four standard deviations (robust, of the median deviation) to either side of 0.
    Axes without values are left out: z of stills. source, used, step : see `residuals`.

    Raises
    ------
    InputError
        There are no residuals, or no variances for z-scores.
    """
    table = residuals(source, used=used, step=step)
    out = {}
    for axis in AXES:
        values = table[f"{axis}_z_score" if z_scores else f"d{axis}"].to_numpy()
        values = values[np.isfinite(values)]
        if len(values) == 0:
            continue
        reach = 5.0 if z_scores else 4.0 * max(1.4826 * float(np.median(np.abs(values))), 1e-6)
        edges = np.linspace(-reach, reach, n_bins + 1)
        counts, _ = np.histogram(np.clip(values, -reach, reach), edges)
        out[axis] = Histogram(
            edges, counts, float(values.mean()), float(np.sqrt(np.mean(values**2))), len(values)
        )
    if not out:
        raise InputError("no variances of centroids, which z-scores need; plot the residuals")
    return out
