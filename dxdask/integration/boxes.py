"""Boxes around the predicted reflections, and their ellipsoids of foreground."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Reflections, select
from dxdask.geometry.required import require_profile, require_rotation
from dxdask.integration.corrections import partiality
from dxdask.integration.gaussian import Profiles, profiles
from dxdask.integration.local_profile import LocalProfile
from dxdask.integration.rotation_spread import RotationSpread
from dxdask.models import Experiment, GaussianProfile, Scan
from dxdask.models.profile import rotation_widths
from dxdask.prediction.rays import panel_arrays, strike

BACKGROUND_SCALE = 2.0  # a box is this much wider than its foreground, in x and y


@njit(cache=True, nogil=True, error_model="numpy")
def _moved(panels: Any, p: int, s1: Any, e1: Any, e2: Any, a: float, b: float) -> Any:
    """Return the pixel (x, y) struck by s1 + a e1 + b e2."""
    _, _, x, y = strike(
        panels,
        p,
        s1[0] + a * e1[0] + b * e2[0],
        s1[1] + a * e1[1] + b * e2[1],
        s1[2] + a * e1[2] + b * e2[2],
    )
    return x, y


@njit(cache=True, nogil=True, error_model="numpy")
def _shapes(
    s1: Any, s0: Any, panel: Any, panels: Any, deltas: Any, shape: Any, extent: Any, along: Any
) -> None:
    """Fill shape (n, 3), extent (n, 4) and along (n, 2) with half widths `deltas` (n,).

    shape: qxx, qxy, qyy with (eps1^2 + eps2^2) / delta^2 = qxx dx^2 + 2 qxy dx dy + qyy dy^2,
    1/px^2, of the affine map of Kabsch's e1, e2 onto the panel over +- delta.
    extent: smallest and largest x, then y (px), of the square of half width BACKGROUND_SCALE delta.
    along: e1 on the panel, x and y.
    """
    for i in range(len(s1)):
        s, p, delta = s1[i], panel[i], deltas[i]
        size = np.sqrt(s[0] * s[0] + s[1] * s[1] + s[2] * s[2])
        e1 = np.cross(s, s0)
        e1 *= size / np.sqrt(e1[0] * e1[0] + e1[1] * e1[1] + e1[2] * e1[2])
        e2 = np.cross(s, e1) / size
        ax, ay = _moved(panels, p, s, e1, e2, delta, 0.0)
        bx, by = _moved(panels, p, s, e1, e2, -delta, 0.0)
        cx, cy = _moved(panels, p, s, e1, e2, 0.0, delta)
        dx, dy = _moved(panels, p, s, e1, e2, 0.0, -delta)
        # columns of d(x, y)/d(eps1, eps2) in units of delta
        m00, m10 = 0.5 * (ax - bx), 0.5 * (ay - by)
        m01, m11 = 0.5 * (cx - dx), 0.5 * (cy - dy)
        along[i, 0], along[i, 1] = m00, m10
        det2 = (m00 * m11 - m01 * m10) ** 2
        shape[i, 0] = (m10 * m10 + m11 * m11) / det2
        shape[i, 1] = -(m00 * m10 + m01 * m11) / det2
        shape[i, 2] = (m00 * m00 + m01 * m01) / det2
        extent[i, 0], extent[i, 1], extent[i, 2], extent[i, 3] = np.inf, -np.inf, np.inf, -np.inf
        for a in (-BACKGROUND_SCALE * delta, BACKGROUND_SCALE * delta):
            for b in (-BACKGROUND_SCALE * delta, BACKGROUND_SCALE * delta):
                x, y = _moved(panels, p, s, e1, e2, a, b)
                extent[i, 0], extent[i, 1] = min(extent[i, 0], x), max(extent[i, 1], x)
                extent[i, 2], extent[i, 3] = min(extent[i, 2], y), max(extent[i, 3], y)


def _shape_and_extent(
    predicted: Reflections, experiment: Experiment, profile: GaussianProfile
) -> tuple[Floats, Floats, Floats]:
    n = len(predicted["panel"])
    shape, extent, along = np.empty((n, 3)), np.empty((n, 4)), np.empty((n, 2))
    delta = profile.n_sigma * profile.sigma_b_at(_place(predicted, experiment))
    s1 = np.ascontiguousarray(predicted["s1"])
    panels = panel_arrays(experiment.detector)
    _shapes(s1, experiment.beam.s0, predicted["panel"], panels, delta, shape, extent, along)
    return shape, extent, along


def _along_rotation(
    predicted: Reflections, experiment: Experiment, spread: GaussianProfile | RotationSpread
) -> Floats:
    """Return the widths (n,) of reflections along the rotation, rad."""
    sigma_m = spread.sigma_m_at(_place(predicted, experiment))
    wavelength = experiment.beam.wavelength
    return rotation_widths(sigma_m, spread.rlp_radius, predicted["d"], wavelength)


def _place(predicted: Reflections, experiment: Experiment) -> Floats:
    """Return the places (n,) of reflections along the scan, images from its first."""
    return np.asarray(predicted["z_cal"] - require_rotation(experiment).scan.array_range[0])


def _images_reached(predicted: Reflections, scan: Scan, reach: Floats) -> tuple[Floats, Floats]:
    """Return the lowest and highest z (n,), images, of reflections that reach as far (n,), rad."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if not scan.angles:
            half = reach / np.abs(predicted["zeta"] * scan.image_width_rad)
            return predicted["z_cal"] - half, predicted["z_cal"] + half
        turned = reach / np.abs(predicted["zeta"]) * np.sign(scan.image_width_rad)
    phi = predicted["phi_cal_rad"]
    return scan.z_from_phi(phi - turned), scan.z_from_phi(phi + turned)


def add_boxes(predicted: Reflections, experiment: Experiment) -> Reflections:
    """Return the reflections whose boxes reach into the scan, with columns bbox and partiality.

    A box contains the foreground, an ellipsoid of n_sigma widths, twice as wide in x and y; in z it
    is cut at the ends of the scan, in x and y it is not cut at the edges of the panel.

    Raises
    ------
    InputError
        The experiment has no profile.
    """
    profile = require_profile(experiment)
    scan = require_rotation(experiment).scan
    first, last = scan.array_range
    width = _along_rotation(predicted, experiment, profile)
    low_z, high_z = _images_reached(predicted, scan, profile.n_sigma * width)
    near = np.isfinite(high_z - low_z) & (high_z > first) & (low_z < last)
    predicted, low_z, high_z = select(predicted, near), low_z[near], high_z[near]
    _, extent, _ = _shape_and_extent(predicted, experiment, profile)
    inside = np.asarray(np.isfinite(extent).all(axis=1))
    predicted, extent, width = select(predicted, inside), extent[inside], width[near][inside]
    z0 = np.maximum(np.floor(low_z[inside]), first)
    z1 = np.minimum(np.ceil(high_z[inside]), last)
    low, high = np.floor(extent[:, 0::2]), np.ceil(extent[:, 1::2])
    box = np.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1], z0, z1], axis=1)
    phi = np.sort(scan.phi_from_z(np.stack([z0, z1], axis=1)), axis=1)
    fraction = partiality(predicted["phi_cal_rad"], predicted["zeta"], phi[:, 0], phi[:, 1], width)
    return predicted | {"bbox": box.astype(np.int32), "partiality": fraction}


class Ellipsoids(NamedTuple):
    """Foreground, box and profile of each reflection, in pixels of the stored frame.

    centre: (n, 3), x and y (px), phi (rad). shape: (n, 4), qxx, qxy, qyy (1/px^2) and
    (zeta / delta_m)^2 (1/rad^2): foreground is where
    qxx dx^2 + 2 qxy dx dy + qyy dy^2 + shape[3] dphi^2 <= 1. box: (n, 6) int32. inner: (n, 4)
    int32, bounds of the foreground. panel: (n, 4) int32, the first and last pixel of
    the panel; panel_number: (n,) int32. phi: (n_images + 1,), rad, at the borders of the images;
    first: z of the first image.
    """

    centre: Floats
    shape: Floats
    box: NDArray[np.int32]
    inner: NDArray[np.int32]
    panel: NDArray[np.int32]
    panel_number: NDArray[np.int32]
    phi: Floats
    first: int
    profile: Profiles


def ellipsoids(
    predicted: Reflections, experiment: Experiment, local: LocalProfile | None = None
) -> Ellipsoids:
    """Return the ellipsoids of reflections from `add_boxes`.

    local : centres and widths of the fitted profiles; None: the predicted ones.
    """
    profile, scan = require_profile(experiment), require_rotation(experiment).scan
    q, _, along = _shape_and_extent(predicted, experiment, profile)
    width = _along_rotation(predicted, experiment, profile)
    w = (predicted["zeta"] / (profile.n_sigma * width)) ** 2
    panels = panel_arrays(experiment.detector)
    offset, size = panels.offset[predicted["panel"]], panels.image_size[predicted["panel"]]
    xy = np.stack([predicted["x_cal"], predicted["y_cal"]], axis=1) + offset
    det = q[:, 0] * q[:, 2] - q[:, 1] ** 2
    reach = np.sqrt(np.stack([q[:, 2], q[:, 0]], axis=1) / det[:, None])
    # a pixel is foreground if any of its corners is
    low, high = np.ceil(xy - reach) - 1, np.floor(xy + reach) + 1
    inner = np.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]], axis=1)
    moved = np.repeat(offset, 2, axis=1)
    box = predicted["bbox"].astype(np.int64)
    box[:, :4] += moved
    box[:, 0:3:2] = np.minimum(box[:, 0:3:2], low)
    box[:, 1:4:2] = np.maximum(box[:, 1:4:2], high)
    first, last = scan.array_range
    centre = np.column_stack([xy, predicted["phi_cal_rad"]])
    return Ellipsoids(
        centre=centre,
        shape=np.column_stack([q, w]),
        box=box.astype(np.int32),
        inner=inner.astype(np.int32),
        panel=np.stack([offset, offset + size], axis=2).reshape(-1, 4).astype(np.int32),
        panel_number=predicted["panel"].astype(np.int32),
        phi=scan.phi_from_z(np.arange(first, last + 1)),
        first=first,
        profile=_profiles(q, centre, predicted, experiment, local)._replace(along=along),
    )


def _profiles(
    q: Floats,
    centre: Floats,
    predicted: Reflections,
    experiment: Experiment,
    local: LocalProfile | None,
) -> Profiles:
    """Return the profiles of ellipsoids q (n, 3) about centre (n, 3), shifted by `local`."""
    given = require_profile(experiment)
    det = (q[:, 0] * q[:, 2] - q[:, 1] ** 2) * given.n_sigma**2
    xx, xy, yy = q[:, 2] / det, -q[:, 1] / det, q[:, 0] / det
    if local is None:
        covariance = np.stack([xx, xy, yy], axis=1)
        width = _along_rotation(predicted, experiment, given)
        return profiles(centre, covariance, predicted["zeta"], width)
    at = predicted["panel"], predicted["x_cal"], predicted["y_cal"]
    image = require_rotation(experiment).scan.image_width_rad
    shift = np.stack([local.x.at(*at), local.y.at(*at), image * local.z.at(*at)], axis=1)
    # widths of regions are of reflections of the mean sigma_b
    wider = (given.sigma_b_at(_place(predicted, experiment)) / given.sigma_b) ** 2
    new_xx, new_yy = (wider * np.exp(v.at(*at)) for v in (local.log_xx, local.log_yy))
    new_xy = xy * np.sqrt(new_xx * new_yy / (xx * yy))
    covariance = np.stack([new_xx, new_xy, new_yy], axis=1)
    width = _along_rotation(predicted, experiment, local.spread)
    return profiles(centre + shift, covariance, predicted["zeta"], width)
