"""Setting of a crystal along its scan, from the strong spots.

A crystal that slips, a rotation axis that is not quite known or a lens that distorts move the spots
away from the predictions of one static crystal, by different amounts along the scan. Three small
rotations and six strains of A are then smooth functions of the image: cubic splines, fitted to the
differences by reweighted least squares, and restrained to zero. The strains stand for whatever the
models lack; cells and resolutions stay those of the static crystal. Splines along the
scan as in the scan-varying refinement of DIALS (Waterman et al. 2016, Acta Cryst. D72, 558).
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.interpolate import BSpline

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, has_flag, select
from dxdask.geometry.required import require_crystal, require_rotation
from dxdask.models import Experiment, ExperimentList
from dxdask.models.vectors import matrix
from dxdask.refinement.geometry import goniometer_frames
from dxdask.refinement.predict import COLUMNS_NEEDED, predict

_INTERVAL = 18.0  # degrees between the knots of the splines
_DEGREE = 3
_ROUNDS, _REWEIGHTINGS = 3, 6
_FARTHEST = 5.0  # px and images
_SPOTS = 5  # of one parameter
# Spots of a single image have its centre as z, wherever they are in it: on few images the
# predictions would be fitted to that.
_FEWEST_IMAGES = 10
_FINEST = 0.05  # px and images, least standard deviation of a difference
# standard deviations of the three rotations (rad) and the six strains that are expected
_PRIOR = np.array([0.02] * 3 + [0.01] * 6)
_GOOD = 0.5  # px and images: a static crystal that is right to this is good enough
_MOST_SPOTS = 3000  # of a run
# Splines are used if differences become this much smaller: below that a static crystal is as good.
_GAIN = 0.8
_NORMAL = 1.4826  # standard deviation over median deviation, of a normal distribution


def _generators() -> Floats:
    """Return three rotations, then six strains (9, 3, 3)."""
    out = np.zeros((9, 3, 3))
    for k in range(3):
        i, j = (k + 1) % 3, (k + 2) % 3
        out[k, j, i], out[k, i, j] = 1.0, -1.0
        out[3 + k, k, k] = 1.0
        out[6 + k, i, j] = out[6 + k, j, i] = 1.0
    return out


_GENERATORS = _generators()


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
    experiments : one, with a crystal.
    """
    static = Setting(experiments, spots, *2 * [np.full(3, np.nan)])
    experiment = experiments[0]
    if len(experiments) != 1 or require_crystal(experiment).scan_points is not None:
        return static
    if any(name not in spots for name in (*COLUMNS_NEEDED, "entering", "x_cal", "x")):
        return static
    off = _differences(spots)
    rows = has_flag(spots, Flag.INDEXED) & (np.abs(off).max(axis=1) < _FARTHEST)
    before = _spread(off[rows])
    basis = Splines.of(experiment)
    if basis.last - basis.first < _FEWEST_IMAGES:
        return static
    if rows.sum() < _SPOTS * 9 * basis.n or not (before > 0).all():
        return static
    if before.max() < _GOOD:
        return Setting(experiments, spots, before, before)
    fit, now, table = _Fit(experiments, basis), experiments, spots
    few = np.zeros_like(rows)
    few[np.flatnonzero(rows)[:: -(-int(rows.sum()) // _MOST_SPOTS)]] = True
    for _ in range(_ROUNDS):
        fit.step(select(table, few & rows))
        now = fit.moved()
        table = predict(spots, now)
        rows &= np.isfinite(table["x_cal"])
    after = _spread(_differences(table)[rows])
    if not np.prod(after / before) < _GAIN**3:
        return Setting(experiments, spots, before, before)
    return Setting(now, table, before, after)


def _differences(spots: Reflections) -> Floats:
    """Return observed less predicted x, y, z (n, 3); infinite without a prediction."""
    off = np.stack([spots[n] - spots[f"{n}_cal"] for n in ("x", "y", "z")], axis=1)
    return np.where(np.isfinite(off), off, np.inf)


def _spread(off: Floats) -> Floats:
    return np.asarray(_NORMAL * np.median(np.abs(off), axis=0)) if len(off) else np.zeros(3)


class Splines(NamedTuple):
    """Cubic splines along a scan, from image `first` to `last`."""

    knots: Floats
    first: float
    last: float

    @classmethod
    def of(cls, experiment: Experiment) -> Splines:
        """Return the splines of a run's scan."""
        scan = require_rotation(experiment).scan
        first, last = (float(z) for z in scan.array_range)
        total = abs(np.degrees(scan.image_width_rad)) * (last - first)
        inner = np.linspace(first, last, max(round(total / _INTERVAL), 1) + 1)
        ends = [first] * _DEGREE, [last] * _DEGREE
        return cls(np.concatenate([ends[0], inner, ends[1]]), first, last)

    @property
    def n(self) -> int:
        """Number of splines."""
        return len(self.knots) - _DEGREE - 1

    def at(self, z: Floats) -> Floats:
        """Return the splines (m, n) at z (m,), images."""
        inside = np.clip(z, self.first, self.last)
        return np.asarray(BSpline.design_matrix(inside, self.knots, _DEGREE).toarray())


class _Fit:
    """The parameters (9, size) of a crystal along its scan, A(z) = (1 + sum_k p_k(z) G_k) A."""

    def __init__(self, experiments: ExperimentList, basis: Splines):
        self.experiments, self.basis = experiments, basis
        self.p = np.zeros((9, basis.n))
        self.frame = goniometer_frames(experiments)[0][0]

    def moved(self) -> ExperimentList:
        """Return the experiments with the crystal of the present parameters."""
        crystal = require_crystal(self.experiments[0])
        first, last = require_rotation(self.experiments[0]).scan.array_range
        at = self.basis.at(np.arange(first, last + 1, dtype=np.float64))
        change = np.eye(3) + np.einsum("kj,nj,kab->nab", self.p, at, _GENERATORS)
        a = np.linalg.inv(self.frame) @ change @ self.frame @ crystal.a
        new = replace(crystal, scan_points=tuple(matrix(m) for m in a))
        return self.experiments.with_crystal(new)

    def step(self, spots: Reflections) -> None:
        """Move the parameters towards the places of the spots, predicted with the present ones."""
        off = _differences(spots)
        slopes = self._slopes(spots)[:, :, :, None]
        design = (slopes * self.basis.at(spots["z_cal"])[:, None, None, :]).reshape(-1, self.p.size)
        prior = np.repeat(1.0 / _PRIOR**2, self.basis.n)
        step: Floats = np.zeros(self.p.size)
        left = off
        for _ in range(_REWEIGHTINGS):
            sigma = np.maximum(_spread(left), _FINEST)
            weight = (1.0 / (sigma**2 * (1.0 + (left / (3.0 * sigma)) ** 2))).ravel()
            normal = design.T @ (design * weight[:, None]) + np.diag(prior)
            right = design.T @ (weight * off.ravel()) - prior * self.p.ravel()
            step = np.asarray(np.linalg.solve(normal, right), dtype=np.float64)
            left = off - (design @ step).reshape(off.shape)
        self.p += step.reshape(self.p.shape)

    def _slopes(self, spots: Reflections) -> Floats:
        """Return d(x, y, z) / dp (n, 3, 9), px and images.

        A reciprocal vector q moved by dq reaches the sphere at an angle moved by
        dphi = -(dq . s1) / ((m2 x q) . s1); the ray is moved by dq + dphi (m2 x q).
        """
        experiment = self.experiments[0]
        goniometer, scan = require_rotation(experiment)
        m2, s1 = np.asarray(goniometer.rotation_axis), spots["s1"]
        moving = np.cross(m2, s1 - experiment.beam.s0)
        q = spots["hkl"] @ (self.frame @ require_crystal(experiment).a).T
        rotation = _rotations(m2, spots["phi_cal_rad"])
        panels = experiment.detector.panels
        inverse = np.array([p.inverse_d_matrix for p in panels])[spots["panel"]]
        size = np.array([p.pixel_size for p in panels])[spots["panel"]]
        struck = np.einsum("nij,nj->ni", inverse, s1)
        out = np.empty((len(q), 3, 9))
        for k, generator in enumerate(_GENERATORS):
            dq = np.einsum("nij,nj->ni", rotation, q @ generator.T)
            dphi = -np.einsum("ni,ni->n", dq, s1) / np.einsum("ni,ni->n", moving, s1)
            d = np.einsum("nij,nj->ni", inverse, dq + dphi[:, None] * moving)
            on_panel = d[:, :2] - struck[:, :2] * (d[:, 2] / struck[:, 2])[:, None]
            out[:, :2, k] = on_panel / struck[:, 2:] / size
            out[:, 2, k] = dphi / scan.image_width_rad
        return out


def _rotations(axis: Floats, phi: Floats) -> Floats:
    """Return the rotations (n, 3, 3) by angles (n,), rad, about a unit axis (3,)."""
    cross = np.array([np.cross(axis, e) for e in np.eye(3)]).T
    c, s = np.cos(phi)[:, None, None], np.sin(phi)[:, None, None]
    return np.asarray(c * np.eye(3) + s * cross + (1.0 - c) * np.outer(axis, axis))
