"""Changes of predictions by the models that were refined, which hide moves of modules.

A displaced module draws cell, distance and orientation after it: of a move of 1.5 px the mean
residuals may show a tenth. So moves are fitted together with what the models may do: those of a
sweep by its crystal (rotations and strains), its detector as a rigid body and its beam; those of a
still by a linear field of shifts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Reflections
from dxdask.models import Crystal, Detector, Experiment, ExperimentList
from dxdask.models.vectors import matrix, rotation_matrix, vector
from dxdask.refinement.predict import predict

_STEP = 1e-5  # of the differences: strain, rad, and 0.1 mm
_SHIFT = 0.1
_SCALE = 1e3  # shifts are of some pixels by a thousandth


def changes_of_sweep(spots: Reflections, experiment: Experiment) -> Floats:
    """Return the changes (n, 3, 17) of predicted x, y (px) and z (images) of the spots of a run.

    By nine changes of A (a thousandth), six moves of the detector and two rotations of the beam
    (0.001 rad, 0.1 um). NaN where a reflection is not predicted.

    spots : columns that `predict` needs, of this experiment alone.
    """
    table = {**spots, "experiment": np.zeros(len(spots["panel"]), np.int32)}
    ends = [_predicted(table, e) for h in (_STEP, -_STEP) for e in _changed(experiment, h)]
    half = len(ends) // 2
    step = 2.0 * _STEP * _SCALE
    return np.stack([(a - b) / step for a, b in zip(ends[:half], ends[half:], strict=True)], axis=2)


def _predicted(table: Reflections, experiment: Experiment) -> Floats:
    found = predict(table, ExperimentList.of([experiment]))
    return np.stack([found[name] for name in ("x_cal", "y_cal", "z_cal")], axis=1)


def _changed(experiment: Experiment, h: float) -> Iterator[Experiment]:
    """Yield the experiment with each model changed by h in each way."""
    crystal = experiment.crystal
    if crystal is not None:
        for k in range(9):
            yield replace(experiment, crystal=_strained(crystal, k, h))
    for k in range(3):
        shift = h * _SHIFT * np.eye(3)[k]
        yield replace(experiment, detector=_moved(experiment.detector, np.eye(3), shift))
    for k in range(3):
        turned = rotation_matrix(np.eye(3)[k], h)
        yield replace(experiment, detector=_moved(experiment.detector, turned, np.zeros(3)))
    beam = experiment.beam
    for axis in np.linalg.svd(np.asarray(beam.direction)[None])[2][1:]:
        direction = rotation_matrix(axis, h) @ np.asarray(beam.direction)
        yield replace(experiment, beam=replace(beam, direction=vector(direction)))


def _strained(crystal: Crystal, k: int, h: float) -> Crystal:
    change = np.eye(3)
    change[divmod(k, 3)] += h
    points = crystal.scan_points
    return replace(
        crystal,
        a_matrix=matrix(change @ crystal.a),
        scan_points=None
        if points is None
        else tuple(matrix(change @ np.asarray(p)) for p in points),
    )


def _moved(detector: Detector, rotation: Floats, shift: Floats) -> Detector:
    pivot = np.mean([p.centre for p in detector.panels], axis=0)
    panels = tuple(p.moved(rotation, shift, about=pivot) for p in detector.panels)
    return replace(detector, panels=panels)


def changes_of_still(places: Floats, axes: Floats) -> Floats:
    """Return the changes (n, 2, 6) of predicted x and y by a linear field of shifts, px.

    places : (n, 2) on the detector as one plane, in half widths of it. axes : (n, 2, 2) components
    of the two axes of that plane along fast and slow of each spot's panel.
    """
    terms = np.column_stack([np.ones(len(places)), places])
    return np.asarray((axes[:, :, :, None] * terms[:, None, None, :]).reshape(len(places), 2, 6))
