"""Warnings about observations that are merged, and cells that are not those of one crystal form."""

from __future__ import annotations

import numpy as np

from dxdask.columns import Flag, Reflections, has_flag
from dxdask.errors import InputError
from dxdask.merging.equivalents import is_measured
from dxdask.merging.tables import MergedIntensities
from dxdask.models import ExperimentList

UNLIKE = (0.02, 2.0)
"""Differences of edges, relative, and of angles, degrees, from the median that are reported."""
OTHER_FORM = (0.1, 10.0)
"""The same beyond which crystals are not merged."""
MOST_RATIO = 5.0
SIGNIFICANT = 3.0
"""Standard errors by which the mean I/sigma is above zero where there is any signal."""


def require_one_form(experiments: ExperimentList) -> tuple[str, ...]:
    """Return a warning where cells differ by more than 2 % or 2 degrees from the median.

    Raises
    ------
    InputError
        They differ by more than 10 % or 10 degrees: crystals of other forms are not merged.
    """
    members = [(e.run, e.crystal.unit_cell) for e in experiments if e.crystal is not None]
    cells = np.array([cell for _, cell in members], dtype=np.float64).reshape(-1, 6)
    if len(cells) < 2:
        return ()
    median = np.median(cells, axis=0)
    edges = np.abs(cells[:, :3] / median[:3] - 1).max(axis=1)
    angles = np.abs(cells[:, 3:] - median[3:]).max(axis=1)
    worst = int(np.argmax(np.maximum(edges / UNLIKE[0], angles / UNLIKE[1])))
    run, cell = members[worst]
    text = (
        f"the cell of {run} ({', '.join(f'{x:.2f}' for x in cell)}) differs from the median one "
        f"({', '.join(f'{x:.2f}' for x in median)})"
    )
    if edges[worst] > OTHER_FORM[0] or angles[worst] > OTHER_FORM[1]:
        raise InputError(
            f"{text}: crystals of different forms are not merged; give the runs of one of them "
            "(runs=NAME,...), or reindex them to one setting"
        )
    if edges[worst] > UNLIKE[0] or angles[worst] > UNLIKE[1]:
        return (f"Warning: {text}: crystals are not isomorphous",)
    return ()


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
