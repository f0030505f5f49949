"""The models of an experiment list as arrays, for prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Integers
from dxdask.columns import Reflections
from dxdask.geometry.required import require_crystal, require_rotation
from dxdask.models import ExperimentList
from dxdask.models.vectors import unit


@dataclass(frozen=True, kw_only=True, slots=True)
class Geometry:
    """Models of e experiments over p panels (those of all detectors, one after the other).

    Attributes
    ----------
    settings : (e, 3, 3), S F U B of each experiment, 1/Angstrom: r = R(m2, phi) settings h; NaN
        where there is no crystal.
    s0 : (e, 3), 1/Angstrom.
    m2 : (e, 3), rotation axes in the laboratory, unit vectors.
    inverse_d : (p, 3, 3), D of each panel: D s1 = w (x_mm, y_mm, 1).
    first_panel : (e,), index of the first panel of the experiment's detector.
    """

    settings: Floats
    s0: Floats
    m2: Floats
    inverse_d: Floats
    first_panel: Integers


def first_panels(experiments: ExperimentList) -> Integers:
    """Return the index of the first panel of each detector among the panels of all."""
    counts = [len(d) for d in experiments.detectors]
    return np.concatenate([[0], np.cumsum(counts)])[:-1].astype(np.int64)


def goniometer_frames(experiments: ExperimentList) -> tuple[Floats, Floats]:
    """Return S F (e, 3, 3), the factors before U B at phi = 0, and the rotation axes (e, 3)."""
    frames, axes = np.empty((len(experiments), 3, 3)), np.empty((len(experiments), 3))
    for i, e in enumerate(experiments):
        goniometer = require_rotation(e).goniometer
        frames[i] = goniometer.setting_rotation @ goniometer.fixed_rotation
        axes[i] = unit(goniometer.rotation_axis)
    return frames, axes


def geometry(experiments: ExperimentList) -> Geometry:
    """Return the static models as arrays.

    Raises
    ------
    InputError
        An experiment is a still, or none has a crystal.
    """
    if experiments.members and not experiments.crystals:
        require_crystal(experiments[0])
    frames, axes = goniometer_frames(experiments)
    unknown = np.full((3, 3), np.nan)
    a = [unknown if e.crystal is None else e.crystal.a for e in experiments]
    first = first_panels(experiments)
    return Geometry(
        settings=frames @ np.array(a).reshape(-1, 3, 3),
        s0=np.array([e.beam.s0 for e in experiments]).reshape(-1, 3),
        m2=axes,
        inverse_d=np.array([p.inverse_d_matrix for d in experiments.detectors for p in d.panels]),
        first_panel=np.array([first[m.detector] for m in experiments.members], dtype=np.int64),
    )


def settings_at(experiments: ExperimentList, rows: NDArray[Any], z: Floats) -> Floats:
    """Return S F U B (n, 3, 3) at array index z (n,) for reflections of experiments `rows` (n,).

    Where a crystal varies over the scan, A is interpolated linearly between its scan points; NaN
    where there is none.
    """
    frames, _ = goniometer_frames(experiments)
    out = np.full((len(rows), 3, 3), np.nan)
    for i, e in enumerate(experiments):
        crystal, mine = e.crystal, rows == i
        if crystal is None:
            continue
        if crystal.scan_points is None or e.scan is None:
            out[mine] = frames[i] @ crystal.a
            continue
        points = np.asarray(crystal.scan_points)
        at = np.clip(z[mine] - e.scan.array_range[0], 0.0, len(points) - 1.0)
        left = np.minimum(at.astype(np.int64), max(len(points) - 2, 0))
        right = np.minimum(left + 1, len(points) - 1)
        part = (at - left)[:, None, None]
        out[mine] = frames[i] @ ((1.0 - part) * points[left] + part * points[right])
    return out


def panel_rows(table: Reflections, first_panel: Integers) -> Integers:
    """Return the index (n,) of the panel of each reflection among the panels of all detectors."""
    return np.asarray(first_panel[table["experiment"]] + table["panel"], dtype=np.int64)


def observed_s1(table: Reflections, experiments: ExperimentList) -> Floats:
    """Return s1 (n, 3), 1/Angstrom, from the sample to the observed centroids x_mm, y_mm."""
    first = first_panels(experiments)
    d = np.array([p.d_matrix for det in experiments.detectors for p in det.panels])
    of = np.array([first[m.detector] for m in experiments.members], dtype=np.int64)
    d = d[panel_rows(table, of)]
    points = d[:, :, 0] * table["x_mm"][:, None] + d[:, :, 1] * table["y_mm"][:, None] + d[:, :, 2]
    lengths = np.array([1.0 / e.beam.wavelength for e in experiments])[table["experiment"]]
    out: Floats = points * (lengths / np.linalg.norm(points, axis=1))[:, None]
    return out
