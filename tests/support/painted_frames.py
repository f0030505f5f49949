"""Small rotation scans whose every reflection is painted on the frames with a known intensity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import erf

from dxdask.columns import Reflections
from dxdask.integration.prediction import predict
from dxdask.models import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    GaussianProfile,
    Goniometer,
    Panel,
    Scan,
)
from dxdask.models.vectors import rotation_matrix, unit, vector

SIGMA_B, SIGMA_M = np.deg2rad(0.08), np.deg2rad(0.15)


SpotShape = Callable[[np.ndarray], np.ndarray]
"""Density at points (n, 2), eps1 and eps2 in units of SIGMA_B."""


def gaussian(eps: np.ndarray) -> np.ndarray:
    """Return the density of a Gaussian."""
    return np.exp(-0.5 * (eps**2).sum(axis=1))


def two_peaked(eps: np.ndarray) -> np.ndarray:
    """Return the density of two peaks, the second with half of the counts of the first."""
    first, second = eps - (-0.9, 0.3), eps - (2.2, -0.7)
    return gaussian(first / 0.8) + 0.5 * gaussian(second / 0.8)


@dataclass(frozen=True, kw_only=True)
class Painted:
    """Frames (n, slow, fast), what went into them, and where."""

    frames: np.ndarray
    expected: np.ndarray
    mask: np.ndarray
    experiment: Experiment
    predicted: Reflections
    intensity: np.ndarray
    background: float | np.ndarray


def experiment(
    *,
    cell: tuple[float, ...] = (35.0, 40.0, 45.0, 85.0, 95.0, 100.0),
    space_group: str = "P 1",
    n_images: int = 16,
    width: float = 0.5,
    n_sigma: float = 4.0,
    sigma_m: float = SIGMA_M,
    rlp_radius: float = 0.0,
    panels: int = 1,
) -> Experiment:
    """Return a run on a tilted detector with parallax, its axis along none of x, y, z."""
    size = (300, 280)
    tilt = rotation_matrix((0.3, 1.0, 0.2), 0.03)
    panel = Panel(
        origin=(-15.1, 13.3, -40.0),
        pixel_size=(0.1, 0.1),
        image_size=size,
        trusted_range=(-1.0, 20000.0),
        thickness=0.3,
        material="Si",
        mu=1.1,
        use_parallax=True,
    ).moved(tilt)
    cut = [
        replace(
            panel,
            name=f"p{i}",
            offset=(0, i * (size[1] // panels)),
            image_size=(size[0], size[1] // panels),
            origin=vector(panel.lab_coordinates([(0.0, i * (size[1] // panels) * 0.1)])[0]),
        )
        for i in range(panels)
    ]
    u = rotation_matrix((0.2, -0.7, 0.4), 0.8)
    return Experiment(
        identifier="painted",
        run="painted",
        beam=Beam(wavelength=1.0, direction=(0.001, -0.002, 1.0)),
        detector=Detector(panels=tuple(cut)),
        goniometer=Goniometer(axes=(vector(unit((0.98, 0.1, -0.15))),)),
        scan=Scan(image_range=(5, 4 + n_images), oscillation=(3.0, width)),
        crystal=Crystal.from_cell(cell, u_matrix=u, space_group=space_group),
        profile=GaussianProfile(
            sigma_b=SIGMA_B, sigma_m=sigma_m, rlp_radius=rlp_radius, n_sigma=n_sigma
        ),
    )


def paint(
    experiment: Experiment,
    *,
    seed: int = 1,
    mean: float = 300.0,
    background: float | np.ndarray = 2.0,
    shape: SpotShape = gaussian,
) -> Painted:
    """Return frames of reflections with random intensities.

    background : photons a pixel, of all pixels or (slow, fast). shape : of spots on the detector.
    """
    rng = np.random.default_rng(seed)
    predicted = predict(experiment)
    intensity = rng.exponential(mean, len(predicted["d"])) + 5.0
    frame = experiment.detector.frame_shape
    expected = np.zeros((experiment.scan.n_images, *frame)) + background
    for i in range(len(intensity)):
        _add(expected, predicted, i, intensity[i], experiment, shape)
    frames = rng.poisson(expected).astype(np.uint16)
    mask = np.ones(frame, dtype=bool)
    return Painted(
        frames=frames,
        expected=expected,
        mask=mask,
        experiment=experiment,
        predicted=predicted,
        intensity=intensity,
        background=background,
    )


def _add(
    frames: np.ndarray,
    p: Reflections,
    i: int,
    intensity: float,
    e: Experiment,
    shape: SpotShape = gaussian,
) -> None:
    """Paint one reflection: of this shape in Kabsch's eps1, eps2, a Gaussian in eps3.

    4 x 4 points of a pixel are averaged.
    """
    panel, half = e.detector[int(p["panel"][i])], 8
    x0, y0 = int(p["x_cal"][i]) - half, int(p["y_cal"][i]) - half
    sub = (np.arange(4) + 0.5) / 4
    inside_y = np.arange(y0, y0 + 2 * half + 1)
    inside_x = np.arange(x0, x0 + 2 * half + 1)
    xs, ys = ((v[:, None] + sub).ravel() for v in (inside_x, inside_y))
    grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    rays = panel.lab_coordinates(panel.pixel_to_mm(grid))
    s1, s0 = p["s1"][i], e.beam.s0
    rays *= np.linalg.norm(s1) / np.linalg.norm(rays, axis=1, keepdims=True)
    e1 = np.cross(s1, s0)
    e1 /= np.linalg.norm(e1)
    e2 = np.cross(s1, e1) / np.linalg.norm(s1)
    eps = (rays - s1) @ np.stack([e1, e2], axis=1) / np.linalg.norm(s1)
    place = np.array([p["z_cal"][i] - e.scan.array_range[0]])
    wider = e.profile.sigma_b_at(place)[0] / e.profile.sigma_b
    weight = shape(eps / (SIGMA_B * wider)).reshape(2 * half + 1, 4, 2 * half + 1, 4)
    spot = weight.sum(axis=(1, 3))
    spot *= intensity / spot.sum()
    phi = e.scan.phi_from_z(np.arange(e.scan.array_range[0], e.scan.array_range[1] + 1))
    turned = np.cross(s1, s0) / np.linalg.norm(np.cross(s1, s0))
    # the angle by which a lattice point of radius r stays near the sphere is r / |s1 x s0|
    width = np.hypot(
        e.profile.sigma_m_at(place)[0],
        e.profile.rlp_radius / (e.beam.wavelength * np.linalg.norm(np.cross(s1, s0))),
    )
    zeta = turned @ e.goniometer.rotation_axis
    steps = erf(abs(zeta) * (phi - p["phi_cal_rad"][i]) / (np.sqrt(2) * width))
    ok_y = (inside_y >= 0) & (inside_y < panel.image_size[1])
    ok_x = (inside_x >= 0) & (inside_x < panel.image_size[0])
    at = np.ix_(inside_y[ok_y] + panel.offset[1], inside_x[ok_x] + panel.offset[0])
    for frame, fraction in zip(frames, np.diff(steps) / 2, strict=True):
        if fraction:
            frame[at] += fraction * spot[np.ix_(ok_y, ok_x)]
