"""Least squares of the spots of stills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dxdask.arrays import Floats
from dxdask.models import Detector, Experiment, ExperimentList
from dxdask.refinement.least_squares.local import N_CRYSTAL, STRAIN
from dxdask.refinement.least_squares.rows import Rows
from dxdask.refinement.models.crystals import Crystals
from dxdask.refinement.models.layout import FreeParameters, layout
from dxdask.refinement.models.state import ModelState
from dxdask.refinement.problem import Problem
from dxdask.refinement.still_outliers import position_scales, robust_weights
from dxdask.refinement.stills.measurements import Measurements, positions_mm

FREE_ORIENTATION = 1e-6
"""Inverse variance (rad^-2) of the restraint of a crystal's rotation: weak, but never singular."""


def still_rows(measured: Measurements, detector: Detector) -> Rows:
    """Return the spots of stills as rows; delta psi is to vanish, so it is observed as 0."""
    n = len(measured.still)
    return Rows(
        hkl=measured.hkl,
        crystal=measured.still,
        experiment=np.zeros(n, np.int64),
        panel=measured.panel,
        observed=np.column_stack([positions_mm(measured, detector), np.zeros(n)]),
        weights=np.ones((n, 3)),
        point=measured.still,
        part=np.zeros(n),
        wavelength=measured.wavelength,
        size=measured.size,
    )


def still_problem(
    measured: Measurements,
    crystals: Crystals,
    experiment: Experiment,
    shared: Sequence[FreeParameters] = (),
    *,
    restraint: float | None,
    fix_cells: bool = False,
) -> tuple[Problem, ModelState]:
    """Return the problem of the crystals of stills and what they share, and its start.

    measured : spots in order of their stills, crystals : one for each still. experiment : beam and
    detector. restraint : relative standard deviation of cells about the target cell. fix_cells :
    crystals have the target cell.
    """
    crystals = crystals.unstrained() if fix_cells else crystals
    list_of_one = ExperimentList.of([replace(experiment, goniometer=None, scan=None, crystal=None)])
    n_strains = 0 if fix_cells else int(crystals.n_strains[0])
    free = tuple(range(STRAIN + n_strains))
    prior = np.zeros(N_CRYSTAL)
    prior[:STRAIN], prior[STRAIN:] = FREE_ORIENTATION, 1.0 if restraint is None else restraint**-2
    parameters = layout(list_of_one, shared, [free] * len(crystals))
    problem = Problem(
        rows=still_rows(measured, experiment.detector),
        layout=parameters,
        n_points=crystals.n_points,
        crystal_prior=prior,
        positions=None
        if not shared
        else lambda state: positions_mm(measured, state.experiments.detectors[0]),
        weigh=weights_by_scatter,
    )
    return problem, ModelState.of(list_of_one, crystals, parameters)


def weights_by_scatter(rows: Rows, residuals: Floats) -> Floats:
    """Return the weights (n, 3) of spots by the scatter of those of their still, and robust."""
    scales = scales_of(rows, residuals)
    return np.asarray(robust_weights(residuals, scales)[:, None] / scales**2)


def scales_of(rows: Rows, residuals: Floats) -> Floats:
    """Return the standard deviations (n, 3) of residuals; see `position_scales`."""
    size = np.zeros(len(rows), np.int64) if rows.size is None else rows.size
    if not len(rows):
        return np.ones((0, 3))
    first = int(rows.crystal[0])
    n_stills = int(rows.crystal[-1]) - first + 1
    return position_scales(residuals, size, rows.crystal - first, n_stills)
