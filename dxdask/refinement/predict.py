"""Predicted centroids of reflections of known Miller index."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, check, has_flag, n_rows
from dxdask.geometry.rays import is_entering, nearest_angle, reflecting_angles, rotate, transform
from dxdask.models import ExperimentList
from dxdask.refinement.geometry import (
    Geometry,
    geometry,
    observed_s1,
    panel_rows,
    settings_at,
)

COLUMNS_NEEDED = ("experiment", "panel", "hkl", "flags", "x_mm", "y_mm", "phi_rad")


@njit(cache=True, nogil=True, error_model="numpy")
def _predict(
    hkl: Any, experiment: Any, setting: Any, beam: Any, panel: Any, entering: Any, phi_obs: Any,
    settings: Any, s0: Any, m2: Any, inverse_d: Any, xyphi: Any, s1: Any,
) -> None:  # fmt: skip
    r = np.empty(3)
    rotated = np.empty(3)
    for n in range(hkl.shape[0]):
        e, b = experiment[n], beam[n]
        transform(settings[setting[n]], hkl[n], r)
        enters, leaves = reflecting_angles(r, s0[b], m2[e])
        phi = nearest_angle(enters if entering[n] else leaves, phi_obs[n])
        rotate(r, m2[e], math.cos(phi), math.sin(phi), rotated)
        for i in range(3):
            s1[n, i] = s0[b, i] + rotated[i]
        transform(inverse_d[panel[n]], s1[n], r)
        xyphi[n, 0] = r[0] / r[2] if r[2] > 0.0 else np.nan
        xyphi[n, 1] = r[1] / r[2] if r[2] > 0.0 else np.nan
        xyphi[n, 2] = phi


def predict_mm(
    table: Reflections, experiments: ExperimentList, geom: Geometry, entering: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Return predicted x, y (mm) and phi (rad) as (n, 3), and s1 (n, 3), 1/Angstrom.

    Each reflection is predicted on the panel of its observation, on the side of the Ewald sphere of
    `entering` (n,), at the angle modulo 360 degrees nearest to the observed one; NaN where it never
    diffracts. Crystals and beams that vary along the scan are evaluated at the observed angle.

    geom : the static models.
    """
    n = n_rows(table)
    z = observed_z(table, experiments)
    settings, s0 = varying_settings(table, experiments, z), varying_s0(table, experiments, z)
    experiment = table["experiment"].astype(np.int64)
    xyphi, s1 = np.empty((n, 3)), np.empty((n, 3))
    _predict(
        table["hkl"].astype(np.float64),
        experiment,
        experiment if settings is None else np.arange(n),
        experiment if s0 is None else np.arange(n),
        panel_rows(table, geom.first_panel),
        entering,
        table["phi_rad"],
        geom.settings if settings is None else settings,
        geom.s0 if s0 is None else s0,
        geom.m2,
        geom.inverse_d,
        xyphi,
        s1,
    )
    return xyphi, s1


def to_pixels(table: Reflections, experiments: ExperimentList, xyphi: Floats) -> Floats:
    """Return predictions x, y (mm), phi (rad) (n, 3) as px, px, images, corrected for parallax."""
    out = np.full_like(xyphi, np.nan)
    for i, e in enumerate(experiments):
        rows = np.flatnonzero(table["experiment"] == i)
        if e.scan is not None and len(rows):
            out[rows, 2] = e.scan.z_from_phi(xyphi[rows, 2])
        for k in np.unique(table["panel"][rows]):
            on = rows[table["panel"][rows] == k]
            on = on[np.isfinite(xyphi[on, 0])]
            out[on, :2] = e.detector[int(k)].mm_to_pixel(xyphi[on, :2])
    return out


def predict(reflections: Reflections, experiments: ExperimentList) -> Reflections:
    """Return the table with predicted centroids of indexed reflections.

    The side of the Ewald sphere is that of the column `entering` where the table has it, else that
    of the observed ray. Crystals and beams that vary along the scan are evaluated at the observed
    angle.

    Returns
    -------
    Reflections
        The table with x_cal, y_cal (px), z_cal (images), x_cal_mm, y_cal_mm (mm), phi_cal_rad
        (rad), s1 (predicted, 1/Angstrom), entering, and the flag PREDICTED where there is a
        prediction. Rows that are not indexed have NaN and keep their s1.

    Raises
    ------
    SchemaError
        A column is missing.
    InputError
        An experiment is a still, or none has a crystal.
    """
    check(reflections, COLUMNS_NEEDED)
    out = dict(reflections)
    rows = np.flatnonzero(has_flag(out, Flag.INDEXED))
    part = {k: out[k][rows] for k in COLUMNS_NEEDED}
    geom = geometry(experiments)
    of = part["experiment"]
    entering = (
        out["entering"][rows]
        if "entering" in out
        else is_entering(observed_s1(part, experiments), geom.s0[of], geom.m2[of])
    )
    xyphi, s1 = predict_mm(part, experiments, geom, entering)
    return _with_predictions(out, rows, xyphi, to_pixels(part, experiments, xyphi), s1, entering)


def varying_settings(table: Reflections, experiments: ExperimentList, z: Floats) -> Floats | None:
    """Return S F U B (n, 3, 3) at the observed angle where crystals vary; None where none does."""
    if all(c.scan_points is None for c in experiments.crystals):
        return None
    return settings_at(experiments, table["experiment"], z)


def varying_s0(table: Reflections, experiments: ExperimentList, z: Floats) -> Floats | None:
    """Return s0 (n, 3) at the observed angle where beams vary; None where none does."""
    if all(b.s0_at_scan_points is None for b in experiments.beams):
        return None
    out = np.empty((n_rows(table), 3))
    for i, e in enumerate(experiments):
        mine = table["experiment"] == i
        first = 0 if e.scan is None else e.scan.array_range[0]
        out[mine] = e.beam.s0_at(z[mine] - first)
    return out


def observed_z(table: Reflections, experiments: ExperimentList) -> Floats:
    """Return z (n,), images, of the observed angles."""
    z = np.zeros(n_rows(table))
    for i, e in enumerate(experiments):
        mine = table["experiment"] == i
        if e.scan is not None:
            z[mine] = e.scan.z_from_phi(table["phi_rad"][mine])
    return z


def _with_predictions(
    table: Reflections,
    rows: NDArray[np.int64],
    xyphi: Floats,
    pixels: Floats,
    s1: Floats,
    entering: NDArray[np.bool_],
) -> Reflections:
    out, n = dict(table), n_rows(table)
    names = ("x_cal", "y_cal", "z_cal", "x_cal_mm", "y_cal_mm", "phi_cal_rad")
    for name, values in zip(names, [*pixels.T, *xyphi.T], strict=True):
        out[name] = np.full(n, np.nan)
        out[name][rows] = values
    out["s1"] = out["s1"].copy() if "s1" in out else np.full((n, 3), np.nan)
    out["s1"][rows] = s1
    out["entering"] = out["entering"].copy() if "entering" in out else np.zeros(n, dtype=bool)
    out["entering"][rows] = entering
    is_predicted = np.zeros(n, dtype=bool)
    is_predicted[rows] = np.isfinite(xyphi).all(axis=1)
    flags = out["flags"] & ~np.uint32(Flag.PREDICTED)
    out["flags"] = np.where(is_predicted, flags | np.uint32(Flag.PREDICTED), flags)
    return out
