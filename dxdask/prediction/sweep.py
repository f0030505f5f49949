"""Reflections of the crystal of a sweep, static or varying along it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, select
from dxdask.errors import InputError
from dxdask.geometry.required import require_crystal, require_rotation
from dxdask.geometry.resolution import corner_resolution
from dxdask.models import Experiment
from dxdask.models.vectors import unit, vector
from dxdask.prediction import recorded as kernel
from dxdask.prediction.absences import centring_translations, is_absent
from dxdask.prediction.candidates import candidates
from dxdask.prediction.crossings import ScanArrays
from dxdask.prediction.parameters import PredictionParameters, require_possible
from dxdask.prediction.rays import panel_arrays
from dxdask.prediction.varying import stretches
from dxdask.prediction.varying_beam import with_varying_beam

_ROWS = 65_536
"""Reflections that the kernel predicts at a time, which bounds the memory beside the result."""
_MOST_A_TURN = 8
"""Crossings of one reflection in a turn that are kept: 2 of a static crystal."""
_ROUNDING = 1e-9


class _Found(NamedTuple):
    hkl: NDArray[np.int32]
    numbers: Floats


def predict_sweep(experiment: Experiment, parameters: PredictionParameters) -> Reflections:
    """Return the reflections of a sweep: see `predict_all`, without the column `experiment`."""
    crystal = require_crystal(experiment)
    require_possible(parameters, experiment)
    d_min, d_max = parameters.d_min, parameters.d_max or np.inf
    if d_min is None:
        d_min = corner_resolution(experiment.detector, experiment.beam.s0)
    parts = []
    for found in _parts(experiment, parameters, 1.0 / d_min):
        part = _table(found, experiment)
        parts.append(select(part, (part["d"] >= d_min) & (part["d"] <= d_max)))
    table = {name: np.concatenate([part.pop(name) for part in parts]) for name in list(parts[0])}
    if parameters.exclude_absences:
        return select(table, ~is_absent(table["hkl"], crystal.gemmi_space_group))
    return table


def _parts(
    experiment: Experiment, parameters: PredictionParameters, d_star: float
) -> Iterator[_Found]:
    """Yield the reflections to d* (1/Angstrom) in parts of at most `_ROWS`, at least one part."""
    crystal, (_, rotation) = require_crystal(experiment), require_rotation(experiment)
    scan = _scan_arrays(experiment, parameters)
    tree = stretches(scan.points)
    radius = d_star * (1.0 + _ROUNDING)
    sizes = np.floor(np.linalg.norm(np.linalg.inv(crystal.a), axis=1) * radius).astype(np.int64)
    begin, end = rotation.phi_range_rad
    padding = abs(rotation.image_width_rad) * (scan.after - scan.before - rotation.n_images)
    turns = (abs(end - begin) + padding) / (2.0 * np.pi)
    workspace = np.empty((_MOST_A_TURN * (2 + int(turns)), 3))
    panels = panel_arrays(experiment.detector)
    centring = centring_translations(crystal.gemmi_space_group)
    points = np.empty((max(_ROWS, 2 * int(sizes[2]) + 1), 3))
    hkl, out = np.empty((_ROWS, 3), np.int32), np.empty((_ROWS, kernel.N_NUMBERS))
    row, n_rows = 0, (2 * sizes[0] + 1) * (2 * sizes[1] + 1)
    yield _Found(hkl[:0], out[:0])
    while row < n_rows:
        n_points, row = candidates(row, sizes, crystal.a, radius, centring, scan, tree, points)
        point = 0
        while point < n_points:
            n, point = kernel.recorded(
                point, n_points, points, scan, tree, panels, workspace, hkl, out
            )
            yield _Found(hkl[:n].copy(), out[:n])


def _scan_arrays(experiment: Experiment, parameters: PredictionParameters) -> ScanArrays:
    goniometer, scan = require_rotation(experiment)
    crystal = require_crystal(experiment)
    given = None if parameters.force_static else crystal.scan_points
    beam = None if parameters.force_static else experiment.beam.s0_at_scan_points
    for what, values in (("crystal", given), ("beam", beam)):
        if values is not None and len(values) != scan.n_images + 1:
            raise InputError(
                f"run {experiment.run}: the {what} has {len(values)} scan points, the scan has "
                f"{scan.n_images} images and needs one more; refine it again, or give "
                "force_static=true"
            )
    points = crystal.a[None] if given is None else np.asarray(given)
    every = np.concatenate([points, crystal.a[None]])
    if not (np.isfinite(every).all() and np.linalg.det(every).all()):
        raise InputError(
            f"run {experiment.run}: the matrix A of the crystal is singular or not a number; index "
            "or refine it again"
        )
    rotated = goniometer.setting_rotation @ goniometer.fixed_rotation @ points
    beam_turns = np.empty((0, 3, 3))
    if beam is not None:
        rotated, beam_turns = with_varying_beam(rotated, experiment)
    margin = abs(np.deg2rad(parameters.padding) / scan.image_width_rad)
    places = np.array([-margin, *range(scan.n_images + 1), scan.n_images + margin])
    if scan.angles:
        angles = scan.phi_from_z(places + scan.array_range[0])
    else:
        angles = scan.phi_range_rad[0] + scan.image_width_rad * places
    turned = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return ScanArrays(
        s0=vector(experiment.beam.s0),
        m2=vector(unit(goniometer.rotation_axis)),
        points=np.ascontiguousarray(rotated, dtype=np.float64),
        start=scan.phi_range_rad[0],
        width=scan.image_width_rad,
        borders=scan.borders_rad if scan.angles else np.empty(0),
        before=float(places[0]),
        after=float(places[-1]),
        ends=turned[[0, -1]],
        short=bool(abs(angles[-1] - angles[0]) < np.pi),
        turned=turned[1:-1].copy(),
        beam_turns=beam_turns,
    )


def _table(part: _Found, experiment: Experiment) -> Reflections:
    hkl, out = part
    goniometer, scan = require_rotation(experiment)
    m2 = unit(goniometer.rotation_axis)
    s1 = np.ascontiguousarray(out[:, kernel.S1 : kernel.S1 + 3])
    phi = out[:, kernel.PHI].copy()
    z = scan.z_from_phi(phi)
    e1 = np.cross(s1, experiment.beam.s0_at(z - scan.array_range[0]))
    e1 /= np.linalg.norm(e1, axis=1, keepdims=True)
    return {
        "panel": out[:, kernel.PANEL].astype(np.int32),
        "hkl": hkl,
        "flags": np.full(len(hkl), Flag.PREDICTED, dtype=np.uint32),
        "entering": out[:, kernel.ENTERING] > 0.0,
        "s1": s1,
        "phi_cal_rad": phi,
        "x_cal_mm": out[:, kernel.X_MM].copy(),
        "y_cal_mm": out[:, kernel.Y_MM].copy(),
        "x_cal": out[:, kernel.X].copy(),
        "y_cal": out[:, kernel.Y].copy(),
        "z_cal": z,
        "d": require_crystal(experiment).gemmi_cell.calculate_d_array(hkl),
        "zeta": e1 @ m2,
    }
