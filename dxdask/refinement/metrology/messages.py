"""Messages of metrology: stills and spots used, gauge, distance, precision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dxdask.models import Detector
from dxdask.refinement.metrology.joint_refinement import Metrology
from dxdask.refinement.metrology.parameters import MetrologyParameters
from dxdask.refinement.metrology.solve import WEIGHED_ROUNDS
from dxdask.refinement.models.detector_parts import smallest
from dxdask.still_columns import Stills
from dxdask.tables import Table

FEWEST_SPOTS = 30
"""A part with fewer spots is reported as hardly determined."""


def messages(
    found: Metrology, stills: Stills, given: MetrologyParameters, tables: Sequence[Table]
) -> Sequence[str]:
    """Return the messages of the step.

    stills : the table of stills that were indexed. tables : those of the step.
    """
    n_indexed = int(stills["indexed"].sum())
    lines = [
        f"Refined {len(found.start.detector)} panels and {len(found.rows)} crystals against "
        f"{int(found.whole.used.sum())} spots; cycles of least squares: {found.whole.iterations}"
    ]
    if len(found.selected) < n_indexed:
        lines.append(
            f"Used {len(found.selected)} of {n_indexed} indexed stills (metrology.n_subset)"
        )
    if given.rmsd_filter.enable:
        lines.append(
            f"Rejected {found.n_rejected} of {len(found.selected)} stills, whose RMSD was beyond "
            f"Q3 + {given.rmsd_filter.iqr_multiplier:g} (Q3 - Q1)"
        )
    if found.whole.iterations > WEIGHED_ROUNDS:
        lines.append(
            f"Weights of spots did not converge and stay as in cycle {WEIGHED_ROUNDS}: the parts "
            "that may move do not fit the spots (metrology.detector.parts)"
        )
    lines += _gauge(found, given)
    before, after = (_distance(d, found) for d in (found.start.detector, found.whole.detector))
    lines.append(f"Distance along the beam: {before:.3f} mm before, {after:.3f} mm after")
    poor = [
        part.name
        for part in smallest(found.whole.parts)
        if found.n_spots[list(part.panels)].sum() < FEWEST_SPOTS
    ]
    if poor:
        lines.append(
            f"Fewer than {FEWEST_SPOTS} spots, too few to determine their positions, on: "
            f"{', '.join(poor[:20])}{', ...' if len(poor) > 20 else ''}"
        )
    lines += [_precision(table) for table in tables if table.name == "statistics"]
    return lines


def _gauge(found: Metrology, given: MetrologyParameters) -> list[str]:
    """Return the messages on what the spots do not determine, and the restraint in its place."""
    cell = ", ".join(f"{x:.2f}" for x in found.cell)
    if given.cell.fix:
        held = f"set by the target cell, {cell}, at which crystals are fixed"
    elif given.cell.restraint is not None:
        held = (
            f"set by the target cell, {cell}, to which crystals are restrained within "
            f"{given.cell.restraint:g}"
        )
    else:
        held = "set by the distances of reflections from the sphere alone, as the cells are free"
    return [
        "Gauge: the rotation of the whole about the beam, which crystals would follow, is fixed",
        f"Gauge: the distance, and so the scale in the plane, is {held}",
    ]


def _distance(detector: Detector, found: Metrology) -> float:
    return float(np.mean([p.centre @ found.beam for p in detector.panels]))


def _precision(statistics: Table) -> str:
    rows = statistics.rows
    last = [row for row in rows if row["part"] == "weighted mean"] or rows
    apart = last[-1]["delta_xy_um"]
    return (
        f"Halves of the stills put parts {apart:.1f} um apart on average, across the beam; with "
        f"all of them errors are about half of that"
    )
