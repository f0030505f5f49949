"""Widths of the reflections, from the strong pixels of indexed spots (Kabsch 2010)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, has_flag, select
from dxdask.errors import InputError
from dxdask.geometry.required import require_rotation
from dxdask.integration.parameters import IntegrationParameters, ProfileParameters
from dxdask.integration.rotation_spread import given_spread, rotation_spread
from dxdask.integration.stretches import FEWEST, smooth_by_image, stretches
from dxdask.integration.widths import spreads
from dxdask.models import Experiment, ExperimentList, GaussianProfile
from dxdask.prediction.rays import panel_arrays

Pixels = Mapping[str, NDArray[Any]]
_NEEDED = ("experiment", "panel", "flags", "x_cal_mm", "y_cal_mm", "phi_cal_rad")
_ARRAYS = ("pixel_offsets", "pixel_x", "pixel_y", "pixel_z", "pixel_value")

_LEAST = 1e-20  # rad^2


def estimate_profile(
    reflections: Reflections,
    arrays: Pixels,
    experiments: ExperimentList,
    parameters: IntegrationParameters,
) -> ExperimentList:
    """Return the experiments with their profiles, from their indexed strong spots.

    Parameters
    ----------
    reflections : spots, indexed and predicted: columns experiment, panel, flags, x_cal_mm,
        y_cal_mm, phi_cal_rad. Those used in refinement are used, or else those indexed.
    arrays : the spots' strong pixels: pixel_offsets (n + 1,), and pixel_x, pixel_y (px of the
        panel), pixel_z (images), pixel_value (counts); row i owns [pixel_offsets[i],
        pixel_offsets[i + 1]).
    parameters : widths set there (`profile.sigma_b`, `profile.sigma_m`) are not estimated.

    Raises
    ------
    InputError
        Too few spots, or columns or pixels are missing.
    """
    given = parameters.profile
    _check(reflections, arrays, given)
    members = []
    for i, experiment in enumerate(experiments):
        profile = _profile(reflections, arrays, experiment, i, given)
        members.append(replace(experiments.members[i], profile=profile))
    return replace(experiments, members=tuple(members))


def _check(reflections: Reflections, arrays: Pixels, p: ProfileParameters) -> None:
    if p.sigma_b is not None and p.sigma_m is not None:
        return
    missing = [n for n in _NEEDED if n not in reflections] + [n for n in _ARRAYS if n not in arrays]
    if missing:
        raise InputError(
            f"spots lack {', '.join(missing)}: index and refine them first, or give "
            "integration.profile.sigma_b and integration.profile.sigma_m"
        )
    rows, owners = len(reflections["flags"]), len(arrays["pixel_offsets"]) - 1
    if rows != owners:
        raise InputError(
            f"pixels of {owners} spots do not match {rows} reflections: spots were "
            "found again since; run index and refine again with force=true"
        )


def _profile(
    reflections: Reflections,
    arrays: Pixels,
    experiment: Experiment,
    index: int,
    p: ProfileParameters,
) -> GaussianProfile:
    sigma_b, spread = p.sigma_b, given_spread(p)
    by_image: tuple[float, ...] = ()
    if sigma_b is None or spread is None:
        spots, pixels = spots_of(reflections, arrays, index)
        n = len(spots["flags"])
        if n < p.min_spots:
            raise InputError(
                f"run {experiment.run} has {n} indexed strong spots, a profile needs "
                f"{p.min_spots}: give integration.profile.sigma_b and .sigma_m, or a smaller "
                "integration.profile.min_spots"
            )
        s1 = rays(spots["x_cal_mm"], spots["y_cal_mm"], spots["panel"], experiment)
        if spread is None:
            spread = rotation_spread(s1, spots["phi_cal_rad"], pixels, experiment, p)
        if sigma_b is None:
            squares = divergences(s1, pixels, spots["panel"], experiment)
            place, squares = spots["phi_cal_rad"][squares >= 0], squares[squares >= 0]
            sigma_b = float(np.rad2deg(np.sqrt(np.mean(squares))))
            if p.scan_varying:
                by_image = divergence_by_image(place, squares, experiment, p)
    if by_image:
        sigma_b = float(np.rad2deg(np.mean(by_image)))
    return GaussianProfile(
        sigma_b=float(np.deg2rad(sigma_b)),
        sigma_m=spread.sigma_m,
        rlp_radius=spread.rlp_radius,
        n_sigma=p.n_sigma,
        sigma_b_by_image=by_image,
        sigma_m_by_image=spread.by_image,
    )


def spots_of(
    reflections: Reflections, arrays: Pixels, index: int, more: Sequence[str] = ()
) -> tuple[Reflections, Pixels]:
    """Return the spots of one experiment, and their pixels with `owner`, the row of each.

    The spots have the columns that profiles need, and `more`.
    """
    own = reflections["experiment"] == index
    own &= np.isfinite(reflections["x_cal_mm"]) & np.isfinite(reflections["phi_cal_rad"])
    used = own & has_flag(reflections, Flag.USED_IN_REFINEMENT)
    rows = used if used.any() else own & has_flag(reflections, Flag.INDEXED)
    lengths = np.diff(arrays["pixel_offsets"])
    taken = np.repeat(rows, lengths)
    pixels = {n: arrays[n][taken] for n in _ARRAYS[1:]}
    pixels["owner"] = np.repeat(np.arange(int(rows.sum())), lengths[rows])
    return select({n: reflections[n] for n in (*_NEEDED, *more)}, rows), pixels


def rays(x_mm: Floats, y_mm: Floats, panel: NDArray[np.int32], experiment: Experiment) -> Floats:
    """Return unit vectors (n, 3) towards positions on the panels."""
    out = np.empty((len(panel), 3))
    for i in np.unique(panel).tolist():
        at = panel == i
        out[at] = experiment.detector[i].lab_coordinates(np.stack([x_mm[at], y_mm[at]], axis=1))
    return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True))


def divergences(
    s1: Floats, pixels: Pixels, panel: NDArray[np.int32], experiment: Experiment
) -> Floats:
    """Return sum(I angle^2) / (sum(I) - 1) of spots (n,), whose mean is sigma_b^2, rad^2.

    It is -1 for a spot of one photon. s1: (n, 3), predicted directions, unit vectors; angle:
    between a pixel's direction and that of its spot. pixels: as `arrays` of `estimate_profile`,
    with `owner` (m,).
    """
    panels = panel_arrays(experiment.detector)
    d = np.array([p.d_matrix for p in experiment.detector.panels])
    total, spread = np.zeros(len(s1)), np.zeros(len(s1))
    spreads(
        pixels["owner"], panel, pixels["pixel_x"], pixels["pixel_y"], pixels["pixel_value"], s1,
        d, panels.normal, panels.pixel_size, panels.sensor, total, spread,
    )  # fmt: skip
    return np.where(total > 1, spread / np.maximum(total - 1, 1e-9), -1.0)


def divergence_by_image(
    phi: Floats, squares: Floats, experiment: Experiment, p: ProfileParameters
) -> tuple[float, ...]:
    """Return sigma_b (rad) of images, of `divergences` (n,) at phi (n,), rad; () for too few."""
    scan = require_rotation(experiment).scan
    place = scan.z_from_phi(phi) - scan.array_range[0]
    parts = stretches(place, p.min_spots, scan.n_images)
    if len(parts) < FEWEST:
        return ()
    at = np.array([place[rows].mean() for rows in parts])
    logs = np.array([0.5 * np.log(max(squares[rows].mean(), _LEAST)) for rows in parts])
    return tuple(np.exp(smooth_by_image(at, logs, scan.n_images)).tolist())
