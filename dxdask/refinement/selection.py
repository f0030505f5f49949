"""Which reflections are refined against."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, has_flag
from dxdask.models import ExperimentList, Scan
from dxdask.refinement.parameters import ReflectionSelection, WeightingStrategy

Rows = NDArray[np.int64]

VARIANCES = ("x_mm_variance", "y_mm_variance", "phi_rad_variance")


def usable(
    table: Reflections, experiments: ExperimentList, s1: Floats, parameters: ReflectionSelection
) -> NDArray[np.bool_]:
    """Return which reflections (n,) may be refined against.

    Left out are those not indexed, overloaded, observed outside the scan, without a variance, and
    near the rotation axis: |m2 . (s1 x s0)| not above the cutoff.

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
        volume = np.abs(np.cross(s1[rows], e.beam.s0) @ e.goniometer.rotation_axis)
        low, high = sorted(e.scan.phi_range_rad)
        phi = table["phi_rad"][rows]
        out[rows] = (volume > parameters.close_to_spindle_cutoff) & (phi >= low) & (phi <= high)
    return out


def sample(
    table: Reflections, experiments: ExperimentList, rows: Rows, parameters: ReflectionSelection
) -> Rows:
    """Return the rows, sorted, after sampling each experiment to what is asked for."""
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
