"""Sweeps whose crystals drift, with the centroids that they give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from support.refinement_cases import truth

from dxdask.columns import Flag, Reflections, concatenate, n_rows
from dxdask.models import Crystal, Experiment, ExperimentList, Scan
from dxdask.models.rotations import rotation_matrices
from dxdask.models.vectors import matrix, unit, vector
from dxdask.prediction import predict_all


def sweep(
    n_images: int = 120, width: float = 1.0, *, run: int = 0, n_panels: int = 1
) -> Experiment:
    """Return a sweep of a static crystal."""
    e = truth("P 43 21 2", n_runs=run + 1, n_panels=n_panels)[run]
    return replace(e, scan=Scan(image_range=(1, n_images), oscillation=(0.0, width)))


def drifting(
    e: Experiment, *, degrees: float = 0.1, strain: float = 2e-3, waves: float = 0.5
) -> Experiment:
    """Return the sweep with a crystal rotated and strained in waves along the scan."""
    x = np.linspace(0.0, 1.0, e.scan.n_images + 1)
    wave = np.sin(2 * np.pi * waves * x)
    rotation = np.radians(degrees) * np.outer(wave, (0.6, -0.5, 0.62))
    points = rotation_matrices(rotation) @ e.crystal.a * (1.0 + strain * wave)[:, None, None]
    return replace(e, crystal=replace(e.crystal, scan_points=tuple(matrix(a) for a in points)))


def static(experiments: list[Experiment]) -> ExperimentList:
    """Return the experiments with crystals that do not vary; equal ones are one."""
    crystals = {e.crystal: replace(e.crystal, scan_points=None) for e in experiments}
    kept = {c: c for c in crystals.values()}
    return ExperimentList.of([replace(e, crystal=kept[crystals[e.crystal]]) for e in experiments])


def spots(
    experiments: list[Experiment], *, sigma: float = 0.2, d_min: float = 5.0, seed: int = 0
) -> Reflections:
    """Return the centroids of what experiments record, with noise in pixels and images."""
    rng = np.random.default_rng(seed)
    tables = []
    for i, e in enumerate(experiments):
        found = predict_all(e, d_min=d_min, padding=0.0)
        n, pixel, image = n_rows(found), e.detector[0].pixel_size, e.scan.image_width_rad
        at = np.column_stack([found["x_cal_mm"], found["y_cal_mm"], found["phi_cal_rad"]])
        unit = np.array([*pixel, image])
        at += sigma * unit * rng.normal(size=(n, 3))
        at[:, 2] = np.clip(at[:, 2], *e.scan.phi_range_rad)
        table = {
            "experiment": np.full(n, i, np.int32),
            "panel": found["panel"].astype(np.int32),
            "hkl": found["hkl"].astype(np.int32),
            "flags": np.full(n, Flag.STRONG | Flag.INDEXED, np.uint32),
        }
        for k, name in enumerate(("x_mm", "y_mm", "phi_rad")):
            table[name] = at[:, k].copy()
            table[f"{name}_variance"] = np.full(n, ((sigma or 0.1) * unit[k]) ** 2)
        tables.append(table)
    return concatenate(tables)


def points_of(crystal: Crystal, n_images: int) -> NDArray[np.float64]:
    """Return A at the scan points (n_images + 1, 3, 3)."""
    given = crystal.scan_points
    return np.broadcast_to(crystal.a, (n_images + 1, 3, 3)) if given is None else np.array(given)


def errors(found: Crystal, true: Crystal, n_images: int) -> tuple[NDArray[np.float64], ...]:
    """Return the errors of orientation, degrees, and relative ones of the cell at scan points."""
    change = points_of(found, n_images) @ np.linalg.inv(points_of(true, n_images))
    left, size, right = np.linalg.svd(change)
    off = np.linalg.norm(left @ right - np.eye(3), axis=(1, 2)) / np.sqrt(2.0)
    return np.degrees(off), np.abs(size - 1.0).max(axis=1)


def with_drifting_beam(e: Experiment, *, degrees: float = 0.05, waves: float = 0.5) -> Experiment:
    """Return the sweep with a beam whose direction goes along an arc of this radius."""
    x = 2.0 * np.pi * waves * np.linspace(0.0, 1.0, e.scan.n_images + 1)
    turns = np.radians(degrees) * np.column_stack([np.sin(x), np.cos(x), 0.0 * x])
    s0 = rotation_matrices(turns) @ e.beam.s0
    direction = vector(-unit(s0.mean(axis=0)))
    points = tuple(vector(v) for v in s0)
    return replace(e, beam=replace(e.beam, direction=direction, s0_at_scan_points=points))


def with_static_beams(experiments: ExperimentList) -> ExperimentList:
    """Return the experiments with beams that do not vary."""
    beams = tuple(replace(b, s0_at_scan_points=None) for b in experiments.beams)
    return replace(experiments, beams=beams)


def beam_errors(found: Experiment, true: Experiment) -> NDArray[np.float64]:
    """Return the errors (n_images + 1, 3) of the direction of the beam along the scan, degrees."""
    at = np.arange(true.scan.n_images + 1.0)
    one, other = found.beam.s0_at(at), true.beam.s0_at(at)
    return np.degrees(np.cross(other, one) * true.beam.wavelength**2)
