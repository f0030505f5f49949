"""Reflections of a crystal that a scan records."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, check, n_rows, select
from dxdask.errors import InputError
from dxdask.geometry.required import require_crystal, require_rotation
from dxdask.geometry.resolution import corner_resolution
from dxdask.integration.boxes import add_boxes
from dxdask.integration.centring import centring_translations
from dxdask.integration.corrections import lp_factor, quantum_efficiency
from dxdask.integration.crossings import predict_all
from dxdask.integration.parameters import IntegrationParameters
from dxdask.integration.rays import panel_arrays
from dxdask.models import Experiment

_MARGIN = 0.2  # relative, of lengths of a crystal that varies along the scan


def predict(
    experiment: Experiment,
    *,
    d_min: float | None = None,
    d_max: float | None = None,
    padding: float = 1.0,
    min_zeta: float = 0.0,
    experiment_index: int = 0,
) -> Reflections:
    """Return all reflections of a crystal that a scan records.

    Parameters
    ----------
    experiment : with crystal, scan and goniometer. With a profile, reflections that do not reach
        into the scan are excluded, and there are the columns bbox and partiality.
    d_min, d_max : Angstrom; d_min None is the highest resolution at the detector's corners.
    padding : degrees by which centres may lie outside the scan.
    min_zeta : reflections of smaller |zeta|, close to the rotation axis, are excluded.
    experiment_index : value of the column `experiment`.

    Returns
    -------
    Reflections
        Columns experiment, panel, hkl, flags, entering, s1, x_cal, y_cal, z_cal, x_cal_mm,
        y_cal_mm, phi_cal_rad, d, zeta, lp, qe, and with a profile bbox, partiality; sorted by hkl.

    Raises
    ------
    InputError
        The experiment has no crystal or is not a rotation.
    """
    rays = predict_rays(experiment, d_min=d_min, d_max=d_max, padding=padding)
    rays = select(rays, np.abs(rays["zeta"]) >= min_zeta)
    if experiment.profile is not None:
        rays = add_boxes(rays, experiment)
    index = np.full(n_rows(rays), experiment_index, dtype=np.int32)
    return check({"experiment": index} | rays)


def predict_from_parameters(
    experiment: Experiment, parameters: IntegrationParameters, experiment_index: int = 0
) -> Reflections:
    """Return the reflections that `predict` gives with these parameters."""
    p = parameters.prediction
    return predict(
        experiment,
        d_min=p.d_min,
        d_max=p.d_max,
        padding=p.padding,
        min_zeta=parameters.profile.min_zeta,
        experiment_index=experiment_index,
    )


def predict_rays(
    experiment: Experiment,
    *,
    d_min: float | None = None,
    d_max: float | None = None,
    padding: float = 1.0,
) -> Reflections:
    """Return the reflections of a crystal that cross the Ewald sphere and strike the detector.

    Parameters
    ----------
    experiment : with crystal, scan and goniometer; a crystal with scan points varies linearly in
        between.
    d_min, d_max : Angstrom; d_min None is the highest resolution at the detector's corners.
    padding : degrees by which angles may lie outside the scan.

    Returns
    -------
    Reflections
        Sorted by h, k, l, then angle; columns panel, hkl, flags, entering, s1, x_cal, y_cal, z_cal
        (px, images), x_cal_mm, y_cal_mm, phi_cal_rad, d, zeta, lp, qe. Absences of the centring
        are excluded; other systematic absences are predicted.

    Raises
    ------
    InputError
        No crystal, scan or goniometer, or a scan without rotation.
    """
    crystal, (goniometer, scan) = require_crystal(experiment), require_rotation(experiment)
    s0, m2, detector = experiment.beam.s0, goniometer.rotation_axis, experiment.detector
    first, last = scan.array_range
    margin = abs(np.deg2rad(padding) / scan.image_width_rad)
    ends = scan.phi_from_z(np.array([first - margin, last + margin]))
    limits = np.array([scan.phi_range_rad[0], scan.image_width_rad, ends.min(), ends.max()])
    d_min = corner_resolution(detector, s0) if d_min is None else d_min
    a_points = _a_points(experiment)
    lengths = np.linalg.norm(np.linalg.inv(a_points), axis=-1).max(axis=0)
    h_max = np.floor(lengths / d_min).astype(np.int64)
    d_star = np.array([0.0 if d_max is None else 1.0 / d_max, 1.0 / d_min])
    if crystal.scan_points is not None:
        # lengths along the scan differ from those of the cell, which the limits are for
        d_star *= 1.0 - _MARGIN, 1.0 + _MARGIN
        h_max = np.floor(lengths * d_star[1]).astype(np.int64)
    found = np.empty((2 * (2 + int((limits[3] - limits[2]) / (2 * np.pi))), 9))
    args = (
        h_max,
        d_star,
        centring_translations(crystal.gemmi_space_group),
        np.array([s0, m2]),
        a_points,
        limits,
        panel_arrays(detector),
        found,
    )
    room = 200_000
    while True:
        hkl, out = np.empty((room, 3), dtype=np.int32), np.empty((room, 9))
        n = predict_all(*args, hkl, out)
        if n <= room:
            break
        room = n
    table = _table(hkl[:n].copy(), out[:n], experiment, m2)
    if crystal.scan_points is None:
        return table
    return select(table, (table["d"] >= d_min) & (table["d"] <= (d_max or np.inf)))


def _a_points(experiment: Experiment) -> Floats:
    """Return S F A (n, 3, 3) at the start of each image and the end of the last, or (1, 3, 3)."""
    crystal, (goniometer, scan) = require_crystal(experiment), require_rotation(experiment)
    given = crystal.scan_points
    if given is not None and len(given) != scan.n_images + 1:
        raise InputError(
            f"run {experiment.run}: the crystal has {len(given)} scan points, the scan has "
            f"{scan.n_images} images and needs one more; refine it again"
        )
    points = crystal.a[None] if given is None else np.asarray(given)
    rotated = goniometer.setting_rotation @ goniometer.fixed_rotation @ points
    return np.ascontiguousarray(rotated, dtype=np.float64)


def _table(hkl: NDArray[np.int32], out: Floats, experiment: Experiment, m2: Floats) -> Reflections:
    panel = out[:, 0].astype(np.int32)
    s1 = np.ascontiguousarray(out[:, 1:4])
    s0 = experiment.beam.s0
    e1 = np.cross(s1, s0)
    e1 /= np.linalg.norm(e1, axis=1, keepdims=True)
    table: Reflections = {
        "panel": panel,
        "hkl": hkl,
        "flags": np.full(len(hkl), Flag.PREDICTED, dtype=np.uint32),
        # entering: the rotation moves it towards the inside of the sphere
        "entering": s1 @ np.cross(m2, s0) > 0,
        "s1": s1,
        "phi_cal_rad": out[:, 4].copy(),
        "x_cal_mm": out[:, 5].copy(),
        "y_cal_mm": out[:, 6].copy(),
        "x_cal": out[:, 7].copy(),
        "y_cal": out[:, 8].copy(),
        "z_cal": require_rotation(experiment).scan.z_from_phi(out[:, 4]),
        "d": require_crystal(experiment).gemmi_cell.calculate_d_array(hkl),
        "zeta": e1 @ m2,
        "lp": lp_factor(s1, beam=experiment.beam, m2=m2),
        "qe": quantum_efficiency(s1, panel, experiment.detector),
    }
    return table
