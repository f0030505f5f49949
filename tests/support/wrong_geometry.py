"""Experiments whose header is wrong: the axis, the beam centre or the distance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dxdask.models import ExperimentList


def inverted_axis(experiments: ExperimentList) -> ExperimentList:
    """The experiments with their rotation axes inverted."""

    def invert(e):
        axes = list(e.goniometer.axes)
        axes[e.goniometer.scan_axis] = tuple(-x for x in axes[e.goniometer.scan_axis])
        return replace(e, goniometer=replace(e.goniometer, axes=tuple(axes)))

    return ExperimentList.of([invert(e) for e in experiments])


def beam_off(experiments: ExperimentList, shift_px: tuple[float, float]) -> ExperimentList:
    """The experiments whose beam centre is off by so many pixels along fast and slow."""

    def move(detector):
        first = detector[0]
        by = -first.d_matrix[:, :2] @ (np.array(shift_px) * first.pixel_size)
        return replace(detector, panels=tuple(p.moved(np.eye(3), by) for p in detector.panels))

    return replace(experiments, detectors=tuple(move(d) for d in experiments.detectors))


def scaled_distance(experiments: ExperimentList, scale: float) -> ExperimentList:
    """The experiments with distances multiplied by a factor."""

    def move(detector):
        first = detector[0]
        along = (scale - 1.0) * (np.asarray(first.origin) @ first.normal) * first.normal
        return replace(detector, panels=tuple(p.moved(np.eye(3), along) for p in detector.panels))

    return replace(experiments, detectors=tuple(move(d) for d in experiments.detectors))


def centre_px(experiments: ExperimentList) -> np.ndarray:
    """The beam centre on the plane of panel 0, fast and slow, pixels."""
    first = experiments[0].detector[0]
    return first.ray_intersection(experiments[0].beam.s0) / np.asarray(first.pixel_size)
