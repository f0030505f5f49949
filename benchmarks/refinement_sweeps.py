"""Made-up centroids of sweeps whose crystals drift, and models to start their refinement from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, concatenate, n_rows, select
from dxdask.models import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    ExperimentList,
    Goniometer,
    Panel,
    Scan,
)
from dxdask.models.rotations import rotation_matrices
from dxdask.models.vectors import matrix
from dxdask.prediction import predict_all
from dxdask.refinement.predict import predict

Kind = Literal["none", "slow", "fast"]
CELL, GROUP = (79.2, 79.2, 38.0, 90.0, 90.0, 90.0), "P 43 21 2"
PIXEL, SIDE = 0.1, 1600
WRONG = 0.02
"""Fraction of the spots that are elsewhere by pixels."""


@dataclass(frozen=True)
class Sweep:
    """A sweep: its true experiment, the start of its refinement, and two sets of its spots."""

    truth: Experiment
    start: ExperimentList
    spots: Reflections
    others: Reflections


def sweep(
    kind: Kind, seed: int, *, degrees: float = 180.0, n_spots: int = 4000, d_min: float = 3.0,
    scale: float = 1.0, noise: float = 1.0, on_one_image: float = 0.0,
) -> Sweep:  # fmt: skip
    """Return a sweep of half-degree images with a drift of orientation (degrees) and cell.

    slow : 0.05 to 0.2 degree and 0.1 to 0.4 % from end to end, bent. fast : 0.03 to 0.1 degree and
    0.05 to 0.15 % in waves of 30 to 70 degrees. Spots have 0.1 to 0.5 px and images of noise.
    scale, noise : factors of drift and noise. on_one_image : part of the spots of one image, whose
    centre is their z.
    """
    rng = np.random.default_rng([seed, ("none", "slow", "fast").index(kind)])
    scan = Scan(image_range=(1, round(degrees / 0.5)), oscillation=(0.0, 0.5))
    u = rotation_matrices(rng.normal(0, 2, (1, 3)))[0]
    crystal = Crystal.from_cell(CELL, u_matrix=u, space_group=GROUP)
    rotation, strain = (scale * x for x in _drift(kind, scan.n_images, rng))
    points = rotation_matrices(rotation) @ crystal.a * (1.0 + strain[:, None, None])
    true = Experiment(
        identifier="sweep", run="sweep", beam=Beam(wavelength=1.0), detector=_detector(),
        goniometer=Goniometer(axes=((1.0, 0.0, 0.0),), angles=(0.0,), names=("omega",)), scan=scan,
        crystal=replace(crystal, scan_points=tuple(matrix(a) for a in points)),
    )  # fmt: skip
    every = predict_all(true, d_min=d_min, padding=0.0)
    chosen = rng.permutation(n_rows(every))[: 2 * n_spots]
    spots, others = (select(every, np.sort(chosen[i::2])) for i in (0, 1))
    found, left = (
        _noisy(table, scan, rng, wrong, noise) for table, wrong in ((spots, WRONG), (others, 0.0))
    )
    return Sweep(true, _start(true, rng), _on_one_image(found, scan, rng, on_one_image), left)


def _drift(kind: Kind, n_images: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return rotations (points, 3), rad, and strains (points,) along the scan."""
    x, axis = np.linspace(0.0, 1.0, n_images + 1), rng.normal(size=(2, 3))
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    if kind == "none":
        return np.zeros((n_images + 1, 3)), np.zeros(n_images + 1)
    if kind == "slow":
        size, stretch = np.radians(rng.uniform(0.05, 0.2)), rng.uniform(1e-3, 4e-3)
        bend = np.sin(np.pi * x * rng.uniform(0.5, 1.0))
        return size * (x[:, None] * axis[0] + 0.5 * bend[:, None] * axis[1]), -stretch * x**1.5
    size, stretch = np.radians(rng.uniform(0.03, 0.1)), rng.uniform(5e-4, 1.5e-3)
    waves = [
        np.sin(2 * np.pi * (x * 0.5 * n_images / rng.uniform(30, 70) + rng.uniform()))
        for _ in range(3)
    ]
    return size * (waves[0][:, None] * axis[0] + waves[1][:, None] * axis[1]), stretch * waves[2]


def _detector() -> Detector:
    half = 0.5 * SIDE * PIXEL
    panel = Panel(
        name="p", origin=(-half, half, -180.0), fast_axis=(1, 0, 0), slow_axis=(0, -1, 0),
        pixel_size=(PIXEL, PIXEL), image_size=(SIDE, SIDE),
    )  # fmt: skip
    return Detector(panels=(panel,))


def _start(true: Experiment, rng: np.random.Generator) -> ExperimentList:
    """Return static models, all a little wrong."""
    assert true.crystal is not None
    off = rotation_matrices(rng.normal(0, 1e-3, (1, 3)))[0]
    crystal = replace(true.crystal, a_matrix=matrix(off @ true.crystal.a * 1.001), scan_points=None)
    panel = true.detector[0].moved(np.eye(3), rng.normal(0, 0.1, 3))
    return ExperimentList.of([replace(true, crystal=crystal, detector=Detector(panels=(panel,)))])


def _noisy(
    found: Reflections, scan: Scan, rng: np.random.Generator, wrong: float, noise: float
) -> Reflections:
    """Return predicted reflections as observed spots."""
    n = n_rows(found)
    sigma = noise * rng.uniform(0.1, 0.5, n)[:, None] * [PIXEL, PIXEL, scan.image_width_rad]
    at = np.column_stack([found["x_cal_mm"], found["y_cal_mm"], found["phi_cal_rad"]])
    at = at + sigma * rng.normal(size=(n, 3))
    at[rng.random(n) < wrong, :2] += rng.normal(0, 5 * PIXEL, 2)
    low, high = scan.phi_range_rad
    at[:, 2] = np.clip(at[:, 2], low, high)
    out = {
        "experiment": np.zeros(n, np.int32), "panel": found["panel"], "hkl": found["hkl"],
        "entering": found["entering"], "s1": found["s1"],
        "flags": np.full(n, Flag.STRONG | Flag.INDEXED, np.uint32),
    }  # fmt: skip
    for i, name in enumerate(("x_mm", "y_mm", "phi_rad")):
        out[name], out[f"{name}_variance"] = at[:, i].copy(), sigma[:, i] ** 2
    return out


def _on_one_image(
    spots: Reflections, scan: Scan, rng: np.random.Generator, part: float
) -> Reflections:
    """Return the spots with a part of them at the centre of their image along the rotation."""
    z = scan.z_from_phi(spots["phi_rad"])
    centre = scan.phi_from_z(np.clip(np.floor(z), 0, scan.n_images - 1) + 0.5)
    return spots | {"phi_rad": np.where(rng.random(len(z)) < part, centre, spots["phi_rad"])}


def left_out(others: Reflections, experiments: ExperimentList) -> Floats:
    """Return the squared residuals (n,) of spots in their variances, x, y and phi together; NaN
    without a prediction.
    """
    found = predict(others, experiments)
    pairs = [("x_mm", "x_cal_mm"), ("y_mm", "y_cal_mm"), ("phi_rad", "phi_cal_rad")]
    squares = [(found[o] - found[c]) ** 2 / found[f"{o}_variance"] for o, c in pairs]
    return np.asarray(np.mean(squares, axis=0))


def errors(found: Experiment, true: Experiment) -> tuple[float, float]:
    """Return the rms errors of orientation (degree) and cell (relative) along a scan.

    A rotation of beam and detector across the spindle cannot be distinguished from a rotation of
    the crystal that follows the scan: one is removed, by least squares.
    """
    crystal, wanted = found.crystal, np.array(true.crystal.scan_points)
    points = np.broadcast_to(crystal.a, wanted.shape)
    points = points if crystal.scan_points is None else np.array(crystal.scan_points)
    left, size, right = np.linalg.svd(points @ np.linalg.inv(wanted))
    turn = left @ right
    off = 0.5 * np.stack([turn[:, 2, 1] - turn[:, 1, 2], turn[:, 0, 2] - turn[:, 2, 0],
                          turn[:, 1, 0] - turn[:, 0, 1]], axis=1)  # fmt: skip
    phi = true.scan.phi_from_z(np.arange(len(wanted), dtype=np.float64))
    back = rotation_matrices(-phi[:, None] * true.goniometer.rotation_axis)
    across = np.linalg.svd(true.goniometer.rotation_axis[None])[2][1:]
    design = np.einsum("nij,kj->nik", back, across).reshape(-1, 2)
    off = off.ravel() - design @ np.linalg.lstsq(design, off.ravel(), rcond=None)[0]
    angles = np.degrees(np.linalg.norm(off.reshape(-1, 3), axis=1))
    return float(np.sqrt((angles**2).mean())), float(np.sqrt(((size - 1.0) ** 2).mean()))


def sweeps_of(
    n: int, *, degrees: float, n_spots: int, d_min: float = 3.0
) -> tuple[Reflections, ExperimentList]:
    """Return the spots of n sweeps of one crystal each, and models to start from: one detector."""
    made = [
        sweep("none", seed, degrees=degrees, n_spots=n_spots, d_min=d_min)
        for seed in range(min(n, 10))
    ]
    detector = made[0].start.detectors[0]
    tables, experiments = [], []
    for i in range(n):
        one = made[i % len(made)]
        tables.append({**one.spots, "experiment": np.full(n_rows(one.spots), i, np.int32)})
        e = replace(one.start[0], identifier=f"run{i}", run=f"run{i}", detector=detector)
        experiments.append(e)
    return concatenate(tables), ExperimentList.of(experiments)
