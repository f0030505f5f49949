"""Which reflections of a crystal meet the Ewald sphere during a scan, and where they are recorded."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.columns import Flag, Reflections
from dxdask.errors import InputError
from dxdask.integration.corrections import lp_factor, quantum_efficiency
from dxdask.integration.rays import find_panel, panel_arrays
from dxdask.models import Crystal, Detector, Experiment

Floats = NDArray[np.float64]
_VARYING_ROUNDS = 20
_VARYING_TOLERANCE = 1e-10  # rad


@njit(cache=True, nogil=True, error_model="numpy")
def _crossing(r: Any, s0: Any, m2: Any, sign: float) -> Any:
    """Return the angle at which s0 + R(phi) r has the length of s0; NaN if never.

    2 s0 . R r + r^2 = 0 is a cos phi + b sin phi = v: two roots, told apart by `sign`.
    """
    along = m2[0] * r[0] + m2[1] * r[1] + m2[2] * r[2]
    s0_along = m2[0] * s0[0] + m2[1] * s0[1] + m2[2] * s0[2]
    a = s0[0] * r[0] + s0[1] * r[1] + s0[2] * r[2] - along * s0_along
    b = (
        s0[0] * (m2[1] * r[2] - m2[2] * r[1])
        + s0[1] * (m2[2] * r[0] - m2[0] * r[2])
        + s0[2] * (m2[0] * r[1] - m2[1] * r[0])
    )
    v = -0.5 * (r[0] * r[0] + r[1] * r[1] + r[2] * r[2]) - along * s0_along
    amplitude = np.sqrt(a * a + b * b)
    if not abs(v) < amplitude:
        return np.nan
    return np.arctan2(b, a) + sign * np.arccos(v / amplitude)


@njit(cache=True, nogil=True, error_model="numpy")
def _point(a_points: Any, t: float, h: float, k: float, l: float, out: Any) -> None:
    """Put A h into `out`, with A at `t` images from the start of the scan, linear between images."""
    last = len(a_points) - 1
    if last == 0:
        i, f = 0, 0.0
    else:
        t = min(max(t, 0.0), float(last))
        i = min(int(t), last - 1)
        f = t - i
    for j in range(3):
        a = a_points[i]
        out[j] = a[j, 0] * h + a[j, 1] * k + a[j, 2] * l
        if f > 0.0:
            c = a_points[i + 1]
            out[j] += f * (c[j, 0] * h + c[j, 1] * k + c[j, 2] * l - out[j])


@njit(cache=True, nogil=True, error_model="numpy")
def _settle(phi: float, a_points: Any, hkl: Any, s0: Any, m2: Any, sign: float, scan: Any, r: Any) -> Any:
    """Return the angle near `phi` at which the reflection crosses with A as it is at that angle."""
    for _ in range(_VARYING_ROUNDS):
        _point(a_points, (phi - scan[0]) / scan[1], hkl[0], hkl[1], hkl[2], r)
        new = _crossing(r, s0, m2, sign)
        new += 2.0 * np.pi * np.round((phi - new) / (2.0 * np.pi))
        if not abs(new - phi) > _VARYING_TOLERANCE:
            return new
        phi = new
    return phi


@njit(cache=True, nogil=True, error_model="numpy")
def _absent(h: int, k: int, l: int, centring: Any) -> bool:
    for i in range(len(centring)):
        if (h * centring[i, 0] + k * centring[i, 1] + l * centring[i, 2]) % 24 != 0:
            return True
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def _record(phi: float, r: Any, s0: Any, m2: Any, panels: Any, row: Any) -> int:
    """Fill row (8,): s1, phi, x_mm, y_mm, x, y of r turned by phi; return the panel, -1 for none."""
    c, s = np.cos(phi), np.sin(phi)
    along = (m2[0] * r[0] + m2[1] * r[1] + m2[2] * r[2]) * (1.0 - c)
    row[0] = s0[0] + c * r[0] + s * (m2[1] * r[2] - m2[2] * r[1]) + along * m2[0]
    row[1] = s0[1] + c * r[1] + s * (m2[2] * r[0] - m2[0] * r[2]) + along * m2[1]
    row[2] = s0[2] + c * r[2] + s * (m2[0] * r[1] - m2[1] * r[0]) + along * m2[2]
    row[3] = phi
    p, row[4], row[5], row[6], row[7] = find_panel(panels, row[0], row[1], row[2])
    return p


@njit(cache=True, nogil=True, error_model="numpy")
def _predict_one(index: Any, beam: Any, a_points: Any, scan: Any, panels: Any, r: Any, found: Any) -> int:
    """Fill `found` (m, 9), panel and a row of `_record`, for one reflection; return how many there are."""
    s0, m2 = beam[0], beam[1]
    n = 0
    middle = (0.5 * (scan[2] + scan[3]) - scan[0]) / scan[1]
    # a varying crystal may bring in what the middle one has outside: look a little further
    slack = 0.05 if len(a_points) > 1 else 0.0
    for sign in (-1.0, 1.0):
        _point(a_points, middle, index[0], index[1], index[2], r)
        start = _crossing(r, s0, m2, sign)
        if np.isnan(start):
            continue
        start += 2.0 * np.pi * np.ceil((scan[2] - slack - start) / (2.0 * np.pi))
        while start < scan[3] + slack and n < len(found):
            phi = start
            start += 2.0 * np.pi
            if len(a_points) > 1:
                phi = _settle(phi, a_points, index, s0, m2, sign, scan, r)
            if not scan[2] <= phi < scan[3]:
                continue
            _point(a_points, (phi - scan[0]) / scan[1], index[0], index[1], index[2], r)
            p = _record(phi, r, s0, m2, panels, found[n, 1:])
            if p >= 0:
                found[n, 0] = p
                n += 1
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def _predict(
    h_max: Any, d_star: Any, centring: Any, beam: Any, a_points: Any, scan: Any, panels: Any,
    found: Any, hkl: Any, out: Any,
) -> int:  # fmt: skip
    """Fill hkl (n, 3) and out (n, 9) and return how many there are; those beyond the room are counted.

    beam: (2, 3), s0 and m2. scan: start and width of an image, first and last angle (rad) accepted.
    d_star: smallest and largest, 1/Angstrom. found: (turns, 9), workspace.
    """
    n = 0
    r, index = np.empty(3), np.empty(3)
    middle = (0.5 * (scan[2] + scan[3]) - scan[0]) / scan[1]
    for h in range(-h_max[0], h_max[0] + 1):
        for k in range(-h_max[1], h_max[1] + 1):
            for l in range(-h_max[2], h_max[2] + 1):
                if _absent(h, k, l, centring):
                    continue
                _point(a_points, middle, h, k, l, r)
                square = r[0] * r[0] + r[1] * r[1] + r[2] * r[2]
                if square == 0.0 or not d_star[0] ** 2 <= square <= d_star[1] ** 2:
                    continue
                index[0], index[1], index[2] = h, k, l
                m = _predict_one(index, beam, a_points, scan, panels, r, found)
                for i in range(min(m, len(hkl) - n)):
                    hkl[n + i, 0], hkl[n + i, 1], hkl[n + i, 2] = h, k, l
                    out[n + i] = found[i]
                n += m
    return n


def predict_rays(
    experiment: Experiment, *, d_min: float | None = None, d_max: float | None = None, padding: float = 1.0
) -> Reflections:
    """Return the reflections of a crystal that cross the Ewald sphere and strike the detector.

    Parameters
    ----------
    experiment : with crystal, scan and goniometer; a crystal with scan points varies linearly in between.
    d_min, d_max : Angstrom; d_min None is the highest resolution at the detector's corners.
    padding : degrees by which angles may lie outside the scan.

    Returns
    -------
    Reflections
        Sorted by h, k, l, then angle; columns panel, hkl, flags, entering, s1, x_cal, y_cal, z_cal (px,
        images), x_cal_mm, y_cal_mm, phi_cal_rad, d, zeta, lp, qe. Only absences of the centring are
        left out: other systematic absences are there to be seen.

    Raises
    ------
    InputError
        No crystal, scan or goniometer, or a scan without rotation.
    """
    crystal, m2 = _require_rotation(experiment)
    s0 = experiment.beam.s0
    scan, detector = experiment.scan, experiment.detector
    first, last = scan.array_range
    margin = abs(np.deg2rad(padding) / scan.image_width_rad)
    ends = scan.phi_from_z(np.array([first - margin, last + margin]))
    limits = np.array([scan.phi_range_rad[0], scan.image_width_rad, ends.min(), ends.max()])
    d_min = resolution_at_corners(detector, s0) if d_min is None else d_min
    a_points = _a_points(experiment)
    lengths = np.linalg.norm(np.linalg.inv(a_points), axis=-1).max(axis=0)
    h_max = np.floor(lengths / d_min).astype(np.int64)
    d_star = np.array([0.0 if d_max is None else 1.0 / d_max, 1.0 / d_min])
    found = np.empty((2 * (2 + int((limits[3] - limits[2]) / (2 * np.pi))), 9))
    args = (h_max, d_star, _centring(crystal), np.array([s0, m2]), a_points, limits, panel_arrays(detector), found)
    room = 200_000
    while True:
        hkl, out = np.empty((room, 3), dtype=np.int32), np.empty((room, 9))
        n = _predict(*args, hkl, out)
        if n <= room:
            return _table(hkl[:n].copy(), out[:n], experiment, m2)
        room = n


def resolution_at_corners(detector: Detector, s0: Floats) -> float:
    """Return the highest resolution (Angstrom) that any corner of any panel reaches."""
    best = np.inf
    for panel in detector.panels:
        width, height = panel.image_size
        corners = panel.pixel_to_mm([(0, 0), (width, 0), (0, height), (width, height)])
        rays = panel.lab_coordinates(corners)
        rays *= np.linalg.norm(s0) / np.linalg.norm(rays, axis=1, keepdims=True)
        best = min(best, 1.0 / np.linalg.norm(rays - s0, axis=1).max())
    return float(best)


def _require_rotation(experiment: Experiment) -> tuple[Crystal, Floats]:
    run = experiment.run
    if experiment.crystal is None:
        raise InputError(f"run {run} has no crystal to predict from; index it first")
    if experiment.scan is None or experiment.goniometer is None or experiment.scan.is_still:
        raise InputError(f"run {run} is no rotation scan; stills are integrated by stills_process")
    return experiment.crystal, experiment.goniometer.rotation_axis


def _a_points(experiment: Experiment) -> Floats:
    """Return S F A (n, 3, 3) at the start of each image and the end of the last, or (1, 3, 3)."""
    gonio, crystal = experiment.goniometer, experiment.crystal
    points = [crystal.a] if crystal.scan_points is None else np.asarray(crystal.scan_points)
    if len(points) not in (1, experiment.scan.n_images + 1):
        raise InputError(
            f"run {experiment.run}: the crystal has {len(points)} scan points, the scan has "
            f"{experiment.scan.n_images} images and needs one more; refine it again"
        )
    return np.ascontiguousarray(gonio.setting_rotation @ gonio.fixed_rotation @ points)


def _centring(crystal: Crystal) -> NDArray[np.int64]:
    """Return the translations (n, 3) of the lattice's centring, in 1/24 of the axes, gemmi's unit."""
    ops = crystal.gemmi_space_group.operations()
    moved = [t for t in ops.cen_ops if any(t)]
    return np.array(moved, dtype=np.int64).reshape(len(moved), 3)


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
        # it enters where turning brings it towards the inside of the sphere
        "entering": s1 @ np.cross(m2, s0) > 0,
        "s1": s1,
        "phi_cal_rad": out[:, 4].copy(),
        "x_cal_mm": out[:, 5].copy(),
        "y_cal_mm": out[:, 6].copy(),
        "x_cal": out[:, 7].copy(),
        "y_cal": out[:, 8].copy(),
        "z_cal": experiment.scan.z_from_phi(out[:, 4]),
        "d": experiment.crystal.gemmi_cell.calculate_d_array(hkl),
        "zeta": e1 @ m2,
        "lp": lp_factor(s1, beam=experiment.beam, m2=m2),
        "qe": quantum_efficiency(s1, panel, experiment.detector),
    }
    return table
