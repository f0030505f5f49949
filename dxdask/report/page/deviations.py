"""Deviations of scaled observations from the means of their equivalents."""

from __future__ import annotations

from typing import NamedTuple

import gemmi
import numpy as np

from dxdask.arrays import Floats, Integers
from dxdask.columns import Flag, has_flag
from dxdask.models.symmetry import asu_indices, pack
from dxdask.report.step_tables import StepTables

NEEDED = (
    "experiment", "panel", "hkl", "flags", "x_cal", "y_cal", "z_cal", "d",
    "intensity", "intensity_variance", "scale",
)  # fmt: skip


class Deviations(NamedTuple):
    """Scaled observations (n,) that were merged; outliers are not.

    Attributes
    ----------
    row : of the step's table. mean : weighted mean intensity of the equivalents. n : their number.
    z : (I - mean) over its standard deviation, NaN where there is one observation.
    """

    row: Integers
    mean: Floats
    n: Integers
    z: Floats


def deviations(tables: StepTables) -> Deviations | None:
    """Return the deviations of the step scale; None where it has not what they need."""
    if tables.present("scale", NEEDED) != list(NEEDED):
        return None
    group = _group(tables)
    table = tables.columns("scale", NEEDED)
    good = ~has_flag(table, Flag.BAD_FOR_SCALING) & (table["intensity_variance"] > 0)
    good &= np.isfinite(table["intensity"])
    row = np.flatnonzero(good)
    if group is None or not len(row):
        return None
    asu, isym = asu_indices(table["hkl"][row], group)
    _, unique = np.unique(pack(asu) * 2 + isym % 2, return_inverse=True)
    value, variance = table["intensity"][row], table["intensity_variance"][row]
    weight = 1.0 / variance
    total = np.bincount(unique, weights=weight)
    n = np.bincount(unique)
    mean = np.bincount(unique, weights=weight * value) / total
    # of an observation and a mean that it is part of
    left = variance - 1.0 / total[unique]
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.where(
            n[unique] > 1, (value - mean[unique]) / np.sqrt(np.maximum(left, 1e-300)), np.nan
        )
    return Deviations(row, mean[unique], n[unique], z)


def _group(tables: StepTables) -> gemmi.SpaceGroup | None:
    names = (e.crystal.space_group for e in tables.experiments("scale") if e.crystal is not None)
    name = next((n for n in names if n), None)
    return None if name is None else gemmi.SpaceGroup(name)
