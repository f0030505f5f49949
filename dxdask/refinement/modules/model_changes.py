"""Changes of predictions by the models that were refined, which hide moves of modules.

A displaced module draws cell, distance and orientation after it: of a move of 1.5 px the mean
residuals may show a tenth. So moves are fitted together with what the models may do: those of a
sweep by its crystal (rotations and strains), its detector as a rigid body and its beam; those of a
still by a linear field of shifts.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Reflections
from dxdask.geometry.rays import is_entering
from dxdask.geometry.required import require_rotation
from dxdask.models import Experiment, ExperimentList
from dxdask.models.smoother import Smoother
from dxdask.refinement.geometry import geometry, observed_s1
from dxdask.refinement.least_squares.local import BEAM, N_CRYSTAL, PANEL
from dxdask.refinement.least_squares.rows import Rows
from dxdask.refinement.models.detector_parts import part_moves, parts_of
from dxdask.refinement.models.layout import layout
from dxdask.refinement.models.state import ModelState
from dxdask.refinement.parameterise import crystal_arrays
from dxdask.refinement.problem import gradients, points_of

_SCALE = 1e-3  # of the changes: moves of some um and rotations of some mrad are some pixels
_DIRECTIONS = slice(BEAM, BEAM + 2)  # of the beam, without its wavelength


def changes_of_sweep(spots: Reflections, experiment: Experiment) -> Floats:
    """Return the changes (n, 3, 17) of predicted x, y (px) and z (images) of the spots of a run.

    By three rotations of the crystal (mrad) and six strains (0.001), two rotations of the beam
    (mrad), and three shifts (um) and three rotations (mrad) of the detector. NaN where a reflection
    is not predicted.

    spots : columns that `predict` needs, of this experiment alone.
    """
    rotation = require_rotation(experiment)
    table = {**spots, "experiment": np.zeros(len(spots["panel"]), np.int32)}
    alone = ExperimentList.of([_triclinic(experiment)])
    rows, state = _rows_and_state(table, alone, rotation.scan.array_range)
    found = gradients(rows, state)
    detector, panel = experiment.detector, table["panel"].astype(np.int64)
    whole = part_moves(detector, parts_of(detector, 0)[0])
    changes = np.concatenate(
        [
            found.gradient[:, :, :N_CRYSTAL],
            found.gradient[:, :, _DIRECTIONS],
            found.gradient[:, :, PANEL:] @ whole[panel],
        ],
        axis=2,
    )
    width = rotation.scan.width_at(table["z"])
    units = np.column_stack([np.array([p.pixel_size for p in detector.panels])[panel], width])
    changes *= _SCALE / units[:, :, None]
    changes[~found.predicted] = np.nan
    return changes


def _triclinic(experiment: Experiment) -> Experiment:
    """Return the experiment with a crystal whose cell may change in all ways."""
    crystal = experiment.crystal
    if crystal is None:
        return experiment
    return replace(experiment, crystal=replace(crystal, space_group="P 1"))


def _rows_and_state(
    table: Reflections, experiments: ExperimentList, array_range: tuple[int, int]
) -> tuple[Rows, ModelState]:
    first, last = array_range
    varies = experiments.crystals[0].scan_points is not None
    constant = Smoother(start=float(first), width=float(last - first), n_intervals=0)
    crystals = crystal_arrays(experiments, {0: constant} if varies else {})
    geom, n = geometry(experiments), len(table["panel"])
    none = np.zeros(n, dtype=np.int64)
    point, part = points_of(crystals, none, table["z"] - first)
    rows = Rows(
        hkl=table["hkl"].astype(np.float64),
        crystal=none,
        experiment=none,
        panel=table["panel"].astype(np.int64),
        observed=np.column_stack([table[k] for k in ("x_mm", "y_mm", "phi_rad")]),
        weights=np.ones((n, 3)),
        point=point,
        part=part,
        entering=table["entering"]
        if "entering" in table
        else is_entering(observed_s1(table, experiments), geom.s0[none], geom.m2[none]),
    )
    return rows, ModelState.of(experiments, crystals, layout(experiments, (), ((),)))


def changes_of_still(places: Floats, axes: Floats) -> Floats:
    """Return the changes (n, 2, 6) of predicted x and y by a linear field of shifts, px.

    places : (n, 2) on the detector as one plane, in half widths of it. axes : (n, 2, 2) components
    of the two axes of that plane along fast and slow of each spot's panel.
    """
    terms = np.column_stack([np.ones(len(places)), places])
    return np.asarray((axes[:, :, :, None] * terms[:, None, None, :]).reshape(len(places), 2, 6))
