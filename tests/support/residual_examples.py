"""Reflections observed where a known displacement, drift and noise put them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from support.painted_frames import experiment

from dxdask.columns import Flag, Reflections
from dxdask.models import Crystal, Detector, Experiment, ExperimentList
from dxdask.models.vectors import matrix, rotation_matrix, vector
from dxdask.prediction import predict_all

FLAGS = np.uint32(
    Flag.STRONG | Flag.INDEXED | Flag.PREDICTED | Flag.OBSERVED | Flag.USED_IN_REFINEMENT
)


def run(name: str = "one", *, n_images: int = 40, panels: int = 1) -> Experiment:
    """Return a sweep on one panel or several, of which half are beside the others in the frame."""
    e = replace(experiment(n_images=n_images), run=name, identifier=name, profile=None)
    return e if panels == 1 else replace(e, detector=tiled(e.detector, panels))


def tiled(detector: Detector, n: int) -> Detector:
    """Return a one-panel detector cut into n panels, in two columns."""
    whole = detector[0]
    width, height = whole.image_size[0] // 2, whole.image_size[1] // (n // 2)
    cut = []
    for i in range(n):
        x, y = (i % 2) * width, (i // 2) * height
        origin = vector(whole.lab_coordinates([(x * 0.1, y * 0.1)])[0])
        cut.append(
            replace(whole, name=f"p{i}", origin=origin, image_size=(width, height), offset=(x, y))
        )
    return Detector(panels=tuple(cut))


def observed(*runs: Experiment, noise: float = 0.0, seed: int = 1) -> Reflections:
    """Return all predictions of runs, observed where predicted but for normal noise (px, images).

    Columns of a refined table; every reflection is used. Variances are those of the noise.
    """
    table = predict_all(ExperimentList.of(runs), padding=0.0)
    n, rng = len(table["d"]), np.random.default_rng(seed)
    for name in ("x", "y", "z"):
        table[name] = table[f"{name}_cal"] + rng.normal(0.0, noise, n) * (noise > 0)
        table[f"{name}_variance"] = np.full(n, noise**2)
    table["flags"] = np.full(n, FLAGS, np.uint32)
    return table


def varying(e: Experiment, degrees: float, growth: float) -> Experiment:
    """Return the run with a crystal that rotates about x and grows along a, linearly."""
    crystal: Crystal = e.crystal  # type: ignore[assignment]
    n = e.scan.n_images  # type: ignore[union-attr]
    a, b, c, *angles = crystal.unit_cell
    points = []
    for t in np.linspace(0, 1, n + 1):
        cell = (a * (1 + growth * t), b, c, *angles)
        u = rotation_matrix((1, 0, 0), np.deg2rad(degrees) * t) @ crystal.u
        points.append(Crystal.from_cell(cell, u_matrix=u).a_matrix)
    return replace(e, crystal=replace(crystal, scan_points=tuple(matrix(p) for p in points)))
