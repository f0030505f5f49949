"""Warnings about observations that are merged."""

from __future__ import annotations

import numpy as np

from dxdask.columns import Flag, Reflections, has_flag
from dxdask.merging.equivalents import is_measured
from dxdask.merging.tables import MergedIntensities

MOST_RATIO = 5.0
SIGNIFICANT = 3.0
"""Standard errors by which the mean I/sigma is above zero where there is any signal."""


def data_warnings(reflections: Reflections, merged: MergedIntensities) -> tuple[str, ...]:
    """Return warnings about scaled observations and the merged reflections made of them."""
    lines = []
    scaled = has_flag(reflections, Flag.SCALED) & ~has_flag(reflections, Flag.BAD_FOR_SCALING)
    unusable = int((scaled & ~is_measured(reflections)).sum())
    if unusable:
        lines.append(
            f"{unusable} scaled observations are excluded: their variance is not positive, or "
            "their intensity is no number"
        )
    if not (merged.n > 1).any():
        lines.append(
            "no reflection was observed more than once: R factors, CC1/2 and errors by scatter are "
            "not known"
        )
    # single outliers do not count for more than others
    ratio = np.clip(merged.intensity / merged.sigma, -MOST_RATIO, MOST_RATIO)
    if ratio.mean() < SIGNIFICANT / np.sqrt(len(ratio)):
        lines.append(
            f"no significant intensity: the mean I/sigma of {len(ratio)} reflections is "
            f"{ratio.mean():.2f}; check indexing and the resolution limit"
        )
    return tuple(f"Warning: {line}" for line in lines)
