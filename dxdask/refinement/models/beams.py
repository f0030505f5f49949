"""Beams that vary along their scans, as arrays, and beams after a step.

A small step p of a beam at one of its scan points rotates s0 there by p about the beam's two axes;
p is smooth along the scan, as that of a crystal is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dxdask.arrays import Floats, Integers
from dxdask.models import Beam, ExperimentList
from dxdask.models.rotations import rotation_matrices
from dxdask.models.smoother import N_NEAR, Smoother
from dxdask.models.vectors import rotation_matrix, unit, vector

LEAST_HELD = 1e-6
"""Standard deviation, rad, of the mean of directions that are held: far below their errors."""


class BeamTable(NamedTuple):
    """Smoothers of the beams of experiments, at the scan points of all beams one after the other.

    Attributes
    ----------
    first : (b + 1,) first scan point of each beam; a static one has a single point.
    nearest, shares : (t,) first of the smoother's points of each scan point, and (t, 3) weights.
    base : (e,) column of the first parameter of the experiment's beam, -1 where it does not vary.
    free : (k,) local parameters of a point of a smoother.
    """

    first: Integers
    nearest: Integers
    shares: Floats
    base: Integers
    free: Integers


def points_of_beam(beam: Beam) -> Floats:
    """Return s0 (points, 3), 1/Angstrom, at the scan points; one of a static beam."""
    given = beam.s0_at_scan_points
    return beam.s0[None] if given is None else np.asarray(given)


def first_points(beams: Sequence[Beam]) -> Integers:
    """Return the first scan point (b + 1,) of each beam among those of all."""
    counts = [1 if b.s0_at_scan_points is None else len(b.s0_at_scan_points) for b in beams]
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def rows_of_beams(
    experiments: ExperimentList, experiment: Integers, offset: Floats
) -> tuple[Integers, Floats] | None:
    """Return the scan points (n,) before rows and the fraction of the way to the next.

    None where no beam varies. experiment : (n,). offset : (n,) images from the start of the scan.
    """
    if all(b.s0_at_scan_points is None for b in experiments.beams):
        return None
    first = first_points(experiments.beams)
    beam = np.array([m.beam for m in experiments.members])[experiment]
    n_points = np.diff(first)[beam]
    at = np.clip(offset, 0.0, n_points - 1.0)
    left = np.minimum(at.astype(np.int64), np.maximum(n_points - 2, 0))
    return first[beam] + left, at - left


def weights_of(beam: Beam, smoother: Smoother | None, start: float) -> tuple[Integers, Floats]:
    """Return nearest (t,) and shares (t, 3) of the scan points of a beam; see `BeamTable`.

    start : z, images, of the first scan point.
    """
    n = len(points_of_beam(beam))
    if smoother is None:
        return np.zeros(n, np.int64), np.tile([1.0, 0.0, 0.0], (n, 1))
    index, weight = smoother.weights(start + np.arange(n, dtype=np.float64))
    return index[:, 0].astype(np.int64), weight


def mean_weights(smoother: Smoother) -> Floats:
    """Return the weights (points,) of the smoother's points in the mean along the scan."""
    z = smoother.start + smoother.width * np.linspace(0.0, 1.0, 8 * smoother.n_points + 1)
    index, weight = smoother.weights(z)
    out = np.zeros(smoother.n_points)
    for j in range(min(N_NEAR, smoother.n_points)):
        np.add.at(out, index[:, j], weight[:, j])
    return out / len(z)


def beam_after(beam: Beam, axes: Floats, which: Sequence[int], step: Floats) -> Beam:
    """Return a beam rotated about its axes (2, 3), and its wavelength changed.

    which, step : parameters (see `BEAM_NAMES`) and their change, rad, rad, relative. Scan points
    move with it.
    """
    full = np.zeros(3)
    full[list(which)] = step
    rotation = rotation_matrix(axes[1], full[1]) @ rotation_matrix(axes[0], full[0])
    points = beam.s0_at_scan_points
    if points is not None:
        points = tuple(vector(rotation @ np.asarray(s0) * (1.0 + full[2])) for s0 in points)
    return replace(
        beam,
        direction=vector(rotation @ unit(beam.direction)),
        wavelength=float(beam.wavelength / (1.0 + full[2])),
        polarization_normal=vector(rotation @ np.asarray(beam.polarization_normal)),
        s0_at_scan_points=points,
    )


def varying_beam_after(
    beam: Beam, axes: Floats, which: Sequence[int], step: Floats, nearest: Integers, shares: Floats
) -> Beam:
    """Return a beam whose scan points are rotated about its axes (2, 3).

    step : (points, len(which)) of the smoother's points, rad. nearest, shares : of the scan points.
    The direction is the mean of those along the scan.
    """
    turns = np.zeros((len(nearest), 2))
    for j in range(min(N_NEAR, len(step))):
        at = np.minimum(nearest + j, len(step) - 1)
        turns[:, list(which)] += shares[:, j, None] * step[at]
    s0 = np.einsum("tij,tj->ti", rotation_matrices(turns @ axes), points_of_beam(beam))
    return replace(
        beam,
        direction=vector(-unit(s0.mean(axis=0))),
        s0_at_scan_points=tuple(vector(v) for v in s0),
    )
