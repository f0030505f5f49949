"""Setting of a crystal along its scan, where refined models do not predict the strong spots.

A crystal that slips, a rotation axis that is not quite known or a lens that distorts move the spots
away from their predictions, by different amounts along the scan. Three small rotations and six
strains of A, which need not keep the symmetry, are then smooth functions of the image, fitted by
the least squares of refinement with robust weights. The strains stand for whatever the models lack;
cells and resolutions stay those of the refined crystal.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import gemmi
import numpy as np

from dxdask.arrays import Floats, Mask
from dxdask.columns import Flag, Reflections, has_flag
from dxdask.geometry.required import require_crystal, require_rotation
from dxdask.models import Experiment, ExperimentList
from dxdask.models.smoother import Smoother
from dxdask.models.vectors import matrix
from dxdask.refinement.least_squares.equations import solve
from dxdask.refinement.least_squares.local import N_CRYSTAL
from dxdask.refinement.least_squares.rows import Rows
from dxdask.refinement.models.crystals import Crystals
from dxdask.refinement.models.layout import layout
from dxdask.refinement.models.state import ModelState
from dxdask.refinement.predict import COLUMNS_NEEDED, predict
from dxdask.refinement.problem import Problem
from dxdask.refinement.sweeps import SMOOTHNESS, sweep_rows

_INTERVAL = 4.5  # degrees between the points
_ROUNDS = 6
_FARTHEST = 5.0  # px and images
_SPOTS = 5  # of one parameter
# Spots of a single image have its centre as z, wherever they are in it: on few images the
# predictions would be fitted to that.
_FEWEST_IMAGES = 10
_FINEST = 0.05  # px and images, least standard deviation of a difference
# standard deviations of the steps of the three rotations (rad) and the six strains
_PRIOR = np.array([0.02] * 3 + [0.01] * 6)
_GOOD = 0.5  # px and images: models that are right to this are good enough
_MOST_SPOTS = 3000  # of a run
# Differences have to become this much smaller: else the refined models are as good.
_GAIN = 0.8
_NORMAL = 1.4826  # standard deviation over median deviation, of a normal distribution


class Setting(NamedTuple):
    """Models and predictions of a crystal that may vary along its scan.

    experiments: with scan points where they are better. spots: predicted with them. before, after:
    (3,) robust standard deviations in x, y (px) and z (images); equal where nothing was changed.
    """

    experiments: ExperimentList
    spots: Reflections
    before: Floats
    after: Floats


def setting_along_scan(spots: Reflections, experiments: ExperimentList) -> Setting:
    """Return the crystal of one run along its scan, or as it is where that is as good.

    Parameters
    ----------
    spots : of the run, indexed and predicted, as `refinement.predict` returns them, with x, y, z.
    experiments : one, with a crystal, which may vary already.
    """
    as_refined = Setting(experiments, spots, *2 * [np.full(3, np.nan)])
    needed = (*COLUMNS_NEEDED, "entering", "x_cal", "x")
    if len(experiments) != 1 or any(name not in spots for name in needed):
        return as_refined
    off = _differences(spots)
    near = has_flag(spots, Flag.INDEXED) & (np.abs(off).max(axis=1) < _FARTHEST)
    before = _spread(off[near])
    scan = require_rotation(experiments[0]).scan
    smoother = _smoother(experiments[0])
    if scan.n_images < _FEWEST_IMAGES or near.sum() < _SPOTS * N_CRYSTAL * smoother.n_points:
        return as_refined
    if not (before > 0).all():
        return as_refined
    if before.max() < _GOOD:
        return Setting(experiments, spots, before, before)
    now = _fitted(spots, near, experiments, smoother)
    table = predict(spots, now)
    after = _spread(_differences(table)[near & np.isfinite(table["x_cal"])])
    if not np.prod(after / before) < _GAIN**3:
        return Setting(experiments, spots, before, before)
    return Setting(now, table, before, after)


def _smoother(experiment: Experiment) -> Smoother:
    scan = require_rotation(experiment).scan
    total = abs(scan.oscillation[1]) * scan.n_images
    return Smoother(
        start=float(scan.array_range[0]),
        width=float(scan.n_images),
        n_intervals=max(round(total / _INTERVAL), 1),
    )


def _differences(spots: Reflections) -> Floats:
    """Return observed less predicted x, y, z (n, 3); infinite without a prediction."""
    off = np.stack([spots[n] - spots[f"{n}_cal"] for n in ("x", "y", "z")], axis=1)
    return np.where(np.isfinite(off), off, np.inf)


def _spread(off: Floats) -> Floats:
    return np.asarray(_NORMAL * np.median(np.abs(off), axis=0)) if len(off) else np.zeros(3)


def _fitted(
    spots: Reflections, near: Mask, experiments: ExperimentList, smoother: Smoother
) -> ExperimentList:
    """Return the experiments with the crystal along its scan that fits the spots best."""
    experiment, crystal = experiments[0], require_crystal(experiments[0])
    scan = require_rotation(experiment).scan
    points = crystal.scan_points or (crystal.a_matrix,) * (scan.n_images + 1)
    crystals = Crystals.of(
        [np.asarray(points)],
        [crystal.unit_cell],
        [gemmi.SpaceGroup("P 1")],
        [smoother],
        [float(scan.array_range[0])],
    )
    rows = np.flatnonzero(near)
    every = sweep_rows(
        spots, experiments, crystals, rows[:: -(-len(rows) // _MOST_SPOTS)], spots["entering"]
    )
    free = layout(experiments, (), [tuple(range(N_CRYSTAL))])
    problem = Problem(
        rows=every,
        layout=free,
        n_points=crystals.n_points,
        crystal_prior=_PRIOR**-2,
        smoothness=SMOOTHNESS,
        weigh=_Weights(experiment),
    )
    state = ModelState.of(experiments, crystals, free)
    for _ in range(_ROUNDS):
        state = problem.move(state, solve(problem.equations(state)))
    found = tuple(matrix(a) for a in state.crystals.points_of(0))
    return experiments.with_crystal(replace(crystal, scan_points=found))


class _Weights:
    """Weights of Cauchy's function by the scatter of the residuals, px and images."""

    def __init__(self, experiment: Experiment) -> None:
        self.sizes = np.array([p.pixel_size for p in experiment.detector.panels])
        self.width = abs(require_rotation(experiment).scan.image_width_rad)

    def __call__(self, rows: Rows, residuals: Floats) -> Floats:
        units = np.column_stack([self.sizes[rows.panel], np.full(len(rows), self.width)])
        off = residuals / units
        sigma = np.maximum(_spread(off), _FINEST)
        return np.asarray(1.0 / (sigma**2 * (1.0 + (off / (3.0 * sigma)) ** 2) * units**2))
