"""Selection of the reflections to refine against, and their weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, has_flag, select
from dxdask.errors import InputError
from dxdask.geometry.rays import is_entering
from dxdask.models import ExperimentList, Scan
from dxdask.refinement.geometry import geometry, observed_s1
from dxdask.refinement.outliers import centroid_outliers
from dxdask.refinement.parameters import ReflectionSelection, WeightingStrategy
from dxdask.refinement.predict import predict_mm

Rows = NDArray[np.int64]

VARIANCES = ("x_mm_variance", "y_mm_variance", "phi_rad_variance")
OF_MEDIAN = 0.1
"""Part of the median |s1 x s0| of a run that `close_to_spindle_cutoff` may reach."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Reflections to refine against.

    Attributes
    ----------
    used : rows of the table.
    outliers : rows rejected as outliers.
    n_matched : number of usable reflections with a prediction.
    entering : (n,) bool, of all rows: the side of the Ewald sphere on which they are predicted.
    """

    used: Rows
    outliers: Rows
    n_matched: int
    entering: NDArray[np.bool_]


def select_reflections(
    table: Reflections, experiments: ExperimentList, parameters: ReflectionSelection
) -> Selection:
    """Return the reflections to refine against.

    They are predicted from the starting models, outliers are rejected, and the others sampled.

    Raises
    ------
    InputError
        No reflection is left.
    """
    indexed = np.flatnonzero(has_flag(table, Flag.INDEXED))
    part = select(table, indexed)
    s1 = observed_s1(part, experiments)
    geom = geometry(experiments)
    entering = is_entering(s1, geom.s0[part["experiment"]], geom.m2[part["experiment"]])
    xyphi, _ = predict_mm(part, experiments, geom, entering)
    good = np.flatnonzero(
        usable(part, experiments, s1, parameters) & np.isfinite(xyphi).all(axis=1)
    )
    observed = np.column_stack([part[k][good] for k in ("x_mm", "y_mm", "phi_rad")])
    out = centroid_outliers(
        observed - xyphi[good],
        part["experiment"][good],
        part["panel"][good],
        observed[:, 2],
        parameters.outlier,
    )
    rows = sample(table, experiments, indexed[good[~out]], parameters)
    if not len(rows):
        raise InputError(
            f"no reflection is left to refine against: {len(indexed)} are indexed, {len(good)} are "
            f"predicted and away from the rotation axis, {int(out.sum())} of these are outliers; "
            "check the indexing, or lower reflections.outlier.minimum_number_of_reflections"
        )
    every = np.zeros(len(table["flags"]), dtype=bool)
    every[indexed] = entering
    return Selection(used=rows, outliers=indexed[good[out]], n_matched=len(good), entering=every)


def usable(
    table: Reflections, experiments: ExperimentList, s1: Floats, parameters: ReflectionSelection
) -> NDArray[np.bool_]:
    """Return true for reflections (n,) that may be refined against.

    Excluded are those not indexed, overloaded, observed outside the scan, without a variance, and
    near the rotation axis: |m2 . (s1 x s0)| not above the cutoff, or |zeta| below the least. The
    cutoff is at most a tenth of the median |s1 x s0| of the experiment, which at small scattering
    angles is below it for all reflections.

    s1: (n, 3), observed rays, 1/Angstrom.
    """
    has = has_flag(table, Flag.INDEXED) & ~has_flag(table, Flag.OVERLOADED)
    has &= (table["hkl"] != 0).any(axis=1)
    for name in VARIANCES:
        has &= np.isfinite(table[name]) & (table[name] > 0.0)
    out = np.zeros(len(has), dtype=bool)
    for i, e in enumerate(experiments):
        rows = np.flatnonzero(has & (table["experiment"] == i))
        if e.goniometer is None or e.scan is None:
            continue
        across = np.cross(s1[rows], e.beam.s0)
        volume, length = np.abs(across @ e.goniometer.rotation_axis), np.linalg.norm(across, axis=1)
        slow = volume < parameters.min_zeta * length
        most = OF_MEDIAN * float(np.median(length)) if len(rows) else 0.0
        low, high = sorted(e.scan.phi_range_rad)
        phi = table["phi_rad"][rows]
        far = (volume > min(parameters.close_to_spindle_cutoff, most)) & ~slow
        out[rows] = far & (phi >= low) & (phi <= high)
    return out


def sample(
    table: Reflections, experiments: ExperimentList, rows: Rows, parameters: ReflectionSelection
) -> Rows:
    """Return the rows, sorted, of a random sample of each experiment."""
    rng, out = np.random.default_rng(parameters.random_seed), []
    for i, e in enumerate(experiments):
        mine = np.sort(rows[table["experiment"][rows] == i])
        size = _sample_size(len(mine), e.scan, parameters)
        if size < len(mine):
            mine = np.sort(rng.choice(mine, size, replace=False))
        out.append(mine)
    return np.concatenate(out) if out else rows


def _sample_size(n: int, scan: Scan | None, parameters: ReflectionSelection) -> int:
    size, per_degree = n, parameters.reflections_per_degree
    if scan is not None and per_degree is not None:
        width = abs(scan.oscillation[1]) * scan.n_images
        if per_degree != "auto":
            size = int(per_degree * width)
        elif width > 360.0:
            size = max(math.ceil(n * 360.0 / width), int(100.0 * width))
    size = max(size, parameters.minimum_sample_size)
    if parameters.maximum_sample_size is not None:
        size = min(size, parameters.maximum_sample_size)
    return min(size, n)


def weights(table: Reflections, parameters: WeightingStrategy) -> Floats:
    """Return the weights (n, 3) of x, y (1/mm^2) and phi (1/rad^2)."""
    if parameters.override == "constant":
        return np.tile(np.asarray(parameters.constants), (len(table["flags"]), 1))
    return np.column_stack([1.0 / table[name] for name in VARIANCES])
