"""Likely causes of spots that no lattice fits: the rotation axis or the beam centre is wrong.

Each is tried by a search for lattices with that geometry; the share of spots that the best one
indexes tells whether it is the cause.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Reflections
from dxdask.errors import DxdaskError
from dxdask.indexing.lattice import sample
from dxdask.indexing.lattice_fit import indices_near
from dxdask.indexing.max_cell import find_max_cell
from dxdask.indexing.methods.search_lattices import (
    grid_d_min,
    low_resolution,
    search_lattices,
)
from dxdask.indexing.parameters import IndexParameters
from dxdask.indexing.reciprocal import map_centroids
from dxdask.models import Experiment, ExperimentList
from dxdask.models.vectors import vector

SHIFTS_PX = (4.0, 10.0, 25.0)
"""Shifts of the beam centre that are tried, along fast, slow and both, either way."""

CONVINCING = 0.5
"""Smallest fraction of spots that a lattice has to index to be named, and by this factor more than
with the geometry given."""
BETTER = 1.5
_GRID = 128


def likely_causes(
    reflections: Reflections, experiments: ExperimentList, parameters: IndexParameters
) -> list[str]:
    """Return what is likely wrong with the geometry, with the parameters that correct it.

    reflections : spots, as `index` takes them. Empty where nothing that is tried helps.
    """
    now = _fraction(reflections, experiments, parameters)
    least = max(CONVINCING, BETTER * now)
    inverted = _fraction(reflections, _each(experiments, _inverted), parameters)
    if inverted >= least:
        return [
            f"with the rotation axis inverted a lattice fits {100 * inverted:.0f} % of the spots, "
            f"else {100 * now:.0f} %: import again with "
            "geometry.goniometer.invert_rotation_axis=true"
        ]
    best, best_shift = 0.0, np.zeros(2)
    for size in SHIFTS_PX:
        for fast, slow in np.ndindex(3, 3):
            shift = size * np.array([fast - 1.0, slow - 1.0])
            if shift.any():
                moved = _each(experiments, partial(_moved, shift_px=shift))
                found = _fraction(reflections, moved, parameters)
                best, best_shift = (found, shift) if found > best else (best, best_shift)
    centre = _beam_centre(experiments[0])
    if best < least or not np.all(np.isfinite(centre)):
        return []
    fast, slow = centre + best_shift
    return [
        f"with the beam centre moved by {best_shift[0]:+g}, {best_shift[1]:+g} px (fast, slow) a "
        f"lattice fits {100 * best:.0f} % of the spots, else {100 * now:.0f} %: import again with "
        f"geometry.detector.fast_slow_beam_centre={fast:.1f},{slow:.1f}"
    ]


def _fraction(
    reflections: Reflections, experiments: ExperimentList, parameters: IndexParameters
) -> float:
    """Return the fraction of spots, less those by chance, that the best lattice indexes."""
    spots = map_centroids(reflections, experiments)
    try:
        max_cell = parameters.max_cell or find_max_cell(spots, parameters.max_cell_estimation)
    except DxdaskError:
        return 0.0
    d_min = grid_d_min(spots["rlp"], max_cell=max_cell, n_points=_GRID, d_min=None)
    grid = parameters.fft3d.reciprocal_space_grid.model_copy(
        update={"n_points": _GRID, "d_min": None}
    )
    coarse = parameters.fft3d.model_copy(update={"reciprocal_space_grid": grid})
    try:
        lattices = search_lattices(
            spots, experiments, max_cell=max_cell, d_min=d_min,
            parameters=parameters.model_copy(update={"fft3d": coarse}),
        )  # fmt: skip
    except DxdaskError:
        return 0.0
    low = low_resolution(spots, d_min)["rlp"]
    tolerance = parameters.index_assignment.simple.hkl_tolerance
    return max((_above_chance(x.a_matrix, low, tolerance) for x in lattices[:3]), default=0.0)


def _above_chance(a_matrix: Floats, rlp: Floats, tolerance: float) -> float:
    _, near = indices_near(a_matrix, sample(rlp), tolerance)
    chance = (2.0 * tolerance) ** 3
    return max(0.0, (float(near.mean()) - chance) / (1.0 - chance))


def _each(
    experiments: ExperimentList, change: Callable[[Experiment], Experiment]
) -> ExperimentList:
    return ExperimentList.of([change(e) for e in experiments])


def _inverted(experiment: Experiment) -> Experiment:
    goniometer = experiment.goniometer
    if goniometer is None:
        return experiment
    axes = list(goniometer.axes)
    axes[goniometer.scan_axis] = vector(-np.asarray(axes[goniometer.scan_axis]))
    return replace(experiment, goniometer=replace(goniometer, axes=tuple(axes)))


def _moved(experiment: Experiment, shift_px: Floats) -> Experiment:
    """Return the experiment with its beam centre moved by so many pixels along fast and slow."""
    detector = experiment.detector
    first = detector[0]
    by = -first.d_matrix[:, :2] @ (shift_px * np.asarray(first.pixel_size))
    panels = tuple(p.moved(np.eye(3), by) for p in detector.panels)
    return replace(experiment, detector=replace(detector, panels=panels))


def _beam_centre(experiment: Experiment) -> Floats:
    """Return the beam centre on the first panel that it meets, fast and slow, pixels."""
    for panel in experiment.detector.panels:
        px = panel.ray_intersection(experiment.beam.s0) / np.asarray(panel.pixel_size)
        if np.all((px >= 0) & (px < np.asarray(panel.image_size))):
            return np.asarray(px)
    return np.full(2, np.nan)
