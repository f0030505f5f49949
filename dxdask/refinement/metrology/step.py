"""The door of the step: indexed stills of all runs in, the refined detector out, and its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Reflections
from dxdask.errors import InputError
from dxdask.models import Detector, Experiment, ExperimentList
from dxdask.refinement.metrology import Metrology, refine_metrology
from dxdask.refinement.metrology.hierarchy import smallest
from dxdask.refinement.metrology.parameters import MetrologyParameters
from dxdask.refinement.metrology.solve import WEIGHED_ROUNDS
from dxdask.results import StepResult
from dxdask.still_columns import Stills
from dxdask.tables import Table

FEWEST_SPOTS = 30
"""A part that moves with fewer spots is said to be hardly measured."""


def metrology_step(
    reflections: Reflections,
    stills: Stills,
    experiments: ExperimentList,
    parameters: MetrologyParameters | None = None,
) -> StepResult:
    """Refine the one detector of all runs against the indexed spots of their stills.

    All spots are in memory at once: about 0.3 kB each, and 0.25 kB for each still and panel.
    `n_subset` bounds it.

    Parameters
    ----------
    reflections, stills, experiments : as the step index leaves them: one experiment a run, with a
        crystal of the cell that those of the stills are held to.

    Returns
    -------
    StepResult
        experiments : with the refined detector. arrays : `panels_start`, `panels_refined` and,
        where stills were split, `panels_odd` and `panels_even`: (panels, 3, 3) with origin (mm),
        fast and slow axis of each panel as rows; `n_spots` (panels,) used on each. tables : rmsds,
        shifts, statistics (halves), stills.

    Raises
    ------
    InputError
        Runs have different detectors or beams, no cell is known, or too few stills are indexed.
    ConvergenceError
        The least squares do not settle.
    """
    parameters = parameters or MetrologyParameters()
    first = experiments[0]
    for other in experiments:
        _check_alike(first, other)
    if first.crystal is None:
        raise InputError("no cell is known that crystals are held to; index the stills first")
    cell, group = first.crystal.unit_cell, first.crystal.gemmi_space_group
    found = refine_metrology(reflections, stills, first, cell, group, parameters)
    arrays = {
        "panels_start": places(first.detector),
        "panels_refined": places(found.whole.detector),
    }
    if found.odd is not None and found.even is not None:
        arrays["panels_odd"] = places(found.odd.detector)
        arrays["panels_even"] = places(found.even.detector)
    tables = found.tables
    return StepResult(
        experiments=ExperimentList.of(
            [replace(e, detector=found.whole.detector) for e in experiments]
        ),
        reflections={},
        arrays={**arrays, "n_spots": found.n_spots},
        tables=(*tables, _stills_table(found, stills, experiments)),
        messages=tuple(_messages(found, stills, parameters, tables)),
    )


def places(detector: Detector) -> NDArray[np.float64]:
    """Return origin (mm), fast and slow axis of each panel: (panels, 3, 3), as rows."""
    return np.array([[p.origin, p.fast_axis, p.slow_axis] for p in detector.panels])


def at_places(detector: Detector, panels: NDArray[np.float64]) -> Detector:
    """Return the detector with its panels where `places` says."""
    moved = [
        replace(p, origin=tuple(o), fast_axis=tuple(f), slow_axis=tuple(s))
        for p, (o, f, s) in zip(detector.panels, panels.tolist(), strict=True)
    ]
    return replace(detector, panels=tuple(moved))


def _check_alike(one: Experiment, other: Experiment) -> None:
    """Check that runs share a detector and a direction of the beam.

    Raises
    ------
    InputError
        They do not.
    """
    same = len(one.detector) == len(other.detector) and all(
        (p.offset, p.image_size, p.pixel_size) == (q.offset, q.image_size, q.pixel_size)
        for p, q in zip(one.detector.panels, other.detector.panels, strict=True)
    )
    if not (
        same
        and np.allclose(places(one.detector), places(other.detector), atol=1e-9)
        and np.allclose(one.beam.direction, other.beam.direction, atol=1e-9)
    ):
        raise InputError(
            f"runs {one.run} and {other.run} have different detectors or beams, not one that "
            "can be refined; process them with the same input.reference_geometry, or in stores of "
            "their own"
        )


def _messages(
    found: Metrology, stills: Stills, given: MetrologyParameters, tables: Sequence[Table]
) -> Sequence[str]:
    n_indexed = int(stills["indexed"].sum())
    lines = [
        f"Refined {len(found.start.detector)} panels and {len(found.rows)} crystals against "
        f"{int(found.whole.used.sum())} spots; rounds of least squares: {found.whole.iterations}"
    ]
    if len(found.asked) < n_indexed:
        lines.append(f"Took {len(found.asked)} of {n_indexed} indexed stills (metrology.n_subset)")
    if given.rmsd_filter.enable:
        lines.append(
            f"Left out {found.left_out} of {len(found.asked)} stills, whose RMSD was beyond "
            f"Q3 + {given.rmsd_filter.iqr_multiplier:g} (Q3 - Q1)"
        )
    if found.whole.iterations > WEIGHED_ROUNDS:
        lines.append(
            f"Weights of spots did not settle and stay as in round {WEIGHED_ROUNDS}: what may move "
            "does not fit the spots (metrology.detector.parts)"
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
            f"Fewer than {FEWEST_SPOTS} spots, too few to tell where they are, on: "
            f"{', '.join(poor[:20])}{', ...' if len(poor) > 20 else ''}"
        )
    lines += [_precision(table) for table in tables if table.name == "statistics"]
    return lines


def _gauge(found: Metrology, given: MetrologyParameters) -> list[str]:
    """Return what cannot be told from the spots, and what it was held by instead."""
    cell = ", ".join(f"{x:.2f}" for x in found.crystals.cell)
    if given.cell.fix:
        held = f"set by the cell, {cell}, at which crystals are kept"
    elif given.cell.restraint is not None:
        held = (
            f"set by the cell, {cell}, to which crystals are held within {given.cell.restraint:g}"
        )
    else:
        held = "told by how far reflections are off the sphere alone, as the cells are free"
    return [
        "Gauge: a turn of all about the beam, which crystals would follow, is held where it was",
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


def _stills_table(found: Metrology, stills: Stills, experiments: ExperimentList) -> Table:
    """Return the table `stills`: which were used, which left out, with the RMSD that decided it."""
    used = set(found.rows.tolist())
    rows = [
        {
            "run": experiments.members[int(stills["experiment"][i])].run,
            "image": int(stills["image"][i]) + 1,
            "event_id": int(stills["event_id"][i]) if "event_id" in stills else -1,
            "rmsd_mm": float(rmsd) if np.isfinite(rmsd) else None,
            "used": i in used,
        }
        for i, rmsd in zip(found.asked.tolist(), found.rmsds, strict=True)
    ]
    return Table(name="stills", title="Stills of the metrology", rows=rows, printed=False)
