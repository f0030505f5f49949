"""Refinement of the detector of all runs against the indexed spots of their stills."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dxdask.columns import Reflections
from dxdask.errors import InputError
from dxdask.models import Experiment, ExperimentList
from dxdask.refinement.metrology.joint_refinement import Metrology, refine_detector
from dxdask.refinement.metrology.messages import messages
from dxdask.refinement.metrology.panel_frames import panel_frames
from dxdask.refinement.metrology.parameters import MetrologyParameters
from dxdask.results import StepResult
from dxdask.still_columns import Stills
from dxdask.tables import Table


def refine_metrology(
    reflections: Reflections,
    stills: Stills,
    experiments: ExperimentList,
    parameters: MetrologyParameters | None = None,
) -> StepResult:
    """Refine the detector that all runs share against the indexed spots of their stills.

    All spots are in memory at once: about 0.3 kB each, and 0.25 kB for each still and panel.
    `n_subset` limits it.

    Parameters
    ----------
    reflections, stills, experiments : as the step index returns them: one experiment a run, with a
        crystal that has the target cell.

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
        Runs have different detectors or beams, no target cell is known, or too few stills are
        indexed.
    ConvergenceError
        The least squares do not converge.
    """
    parameters = parameters or MetrologyParameters()
    first = experiments[0]
    for other in experiments:
        _check_alike(first, other)
    if first.crystal is None:
        raise InputError("no target cell is known; index the stills first")
    cell, group = first.crystal.unit_cell, first.crystal.gemmi_space_group
    found = refine_detector(reflections, stills, first, cell, group, parameters)
    arrays = {
        "panels_start": panel_frames(first.detector),
        "panels_refined": panel_frames(found.whole.detector),
    }
    if found.odd is not None and found.even is not None:
        arrays["panels_odd"] = panel_frames(found.odd.detector)
        arrays["panels_even"] = panel_frames(found.even.detector)
    tables = found.tables
    return StepResult(
        experiments=ExperimentList.of(
            [replace(e, detector=found.whole.detector) for e in experiments]
        ),
        reflections={},
        arrays={**arrays, "n_spots": found.n_spots},
        tables=(*tables, _stills_table(found, stills, experiments)),
        messages=tuple(messages(found, stills, parameters, tables)),
    )


def _check_alike(one: Experiment, other: Experiment) -> None:
    """Check that two runs have equal detectors and directions of the beam.

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
        and np.allclose(panel_frames(one.detector), panel_frames(other.detector), atol=1e-9)
        and np.allclose(one.beam.direction, other.beam.direction, atol=1e-9)
    ):
        raise InputError(
            f"runs {one.run} and {other.run} have different detectors or beams, not one that "
            "can be refined; process them with the same input.reference_geometry, or in stores of "
            "their own"
        )


def _stills_table(found: Metrology, stills: Stills, experiments: ExperimentList) -> Table:
    """Return the table `stills`: those used and those rejected, with their RMSDs."""
    used = set(found.rows.tolist())
    rows = [
        {
            "run": experiments.members[int(stills["experiment"][i])].run,
            "image": int(stills["image"][i]) + 1,
            "event_id": int(stills["event_id"][i]) if "event_id" in stills else -1,
            "rmsd_mm": float(rmsd) if np.isfinite(rmsd) else None,
            "used": i in used,
        }
        for i, rmsd in zip(found.selected.tolist(), found.rmsds, strict=True)
    ]
    return Table(name="stills", title="Stills of the metrology", rows=rows, printed=False)
