"""Made-up stills: spots of known crystals on a detector of four panels, exact but for noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Flag, Reflections
from dxdask.geometry.still_rays import still_rays
from dxdask.models import Beam, Detector, Experiment, Panel
from dxdask.models.crystal import b_matrix
from dxdask.models.rotations import rotation_matrices
from dxdask.still_columns import Stills

CELL = (79.2, 79.2, 38.0, 90.0, 90.0, 90.0)
GROUP = gemmi.SpaceGroup("P 43 21 2")
BEAM = np.array([0.0, 0.0, -1.0])
SIZE = (300, 200)


@dataclass(frozen=True)
class Shots:
    """Spots and stills as indexing gives them, and the truth."""

    reflections: Reflections
    stills: Stills
    experiment: Experiment
    true_detector: Detector
    true_u: NDArray[np.float64]


def panels(distance: float = 110.0) -> Detector:
    """Return four panels about the beam, facing it."""
    made = []
    for i, (x, y) in enumerate(((-31.0, 21.0), (1.0, 21.0), (-31.0, -1.0), (1.0, -1.0))):
        made.append(
            Panel(
                name=f"p{i}", origin=(x, y, -distance), fast_axis=(1, 0, 0), slow_axis=(0, -1, 0),
                pixel_size=(0.1, 0.1), image_size=SIZE, offset=(0, SIZE[1] * i),
            )
        )  # fmt: skip
    return Detector(panels=tuple(made))


def moved_panels(
    detector: Detector, shifts: NDArray[np.float64], rotations: NDArray[np.float64]
) -> Detector:
    """Return the detector, panels shifted (n, 3), mm, and rotated (n, 3), rad, about centres."""
    out = []
    for panel, shift, matrix in zip(
        detector.panels, shifts, rotation_matrices(rotations), strict=True
    ):
        out.append(panel.moved(matrix, shift, about=panel.centre))
    return replace(detector, panels=tuple(out))


def displaced() -> Detector:
    """Return the panels out of place in their planes, and all 0.25 mm farther off."""
    rng = np.random.default_rng(5)
    shifts, rotations = np.zeros((4, 3)), np.zeros((4, 3))
    shifts[:, :2], shifts[:, 2] = rng.normal(0, 0.08, (4, 2)), -0.25
    rotations[:, 2] = rng.normal(0, 1e-3, 4)
    return moved_panels(panels(), shifts, rotations)


def centres(detector: Detector) -> NDArray[np.float64]:
    """Return the centres of panels (n, 3), mm."""
    return np.array([p.centre for p in detector.panels])


def shots(
    n: int = 12,
    *,
    true_detector: Detector | None = None,
    noise_px: float = 0.0,
    seed: int = 0,
    reach: float = 3e-4,
) -> Shots:
    """Return the spots of n crystals in random orientations, within `reach`, 1/A, of the sphere."""
    rng = np.random.default_rng(seed)
    nominal = panels()
    detector = true_detector or nominal
    u = rotation_matrices(rng.normal(0, 2, (n, 3)))
    wavelength = 1.3 * (1 + rng.normal(0, 1e-3, n))
    tables = []
    hkl = np.stack(np.meshgrid(*[np.arange(-m, m + 1) for m in (30, 30, 15)]), -1).reshape(-1, 3)
    hkl = hkl[np.abs(hkl).sum(axis=1) > 0]
    for i in range(n):
        q = hkl @ (u[i] @ b_matrix(CELL)).T
        off = np.linalg.norm(q + BEAM / wavelength[i], axis=1) - 1 / wavelength[i]
        near = np.abs(off) < reach
        rays = still_rays(q[near], BEAM, np.full(near.sum(), wavelength[i]))
        for p, panel in enumerate(detector.panels):
            xy = panel.mm_to_pixel(panel.ray_intersection(rays.s1))
            xy += rng.normal(0, noise_px, xy.shape)
            inside = np.all((xy > 0) & (xy < panel.image_size), axis=1)
            tables.append(_rows(i, p, xy[inside], hkl[near][inside]))
    spots = {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}
    a_matrices = u @ b_matrix(CELL)
    stills = {
        "experiment": np.zeros(n, np.int32),
        "image": np.arange(n, dtype=np.int32),
        "indexed": np.ones(n, np.bool_),
        "wavelength": wavelength,
        "a_matrix": rotation_matrices(rng.normal(0, 1e-3, (n, 3))) @ a_matrices,
    }
    experiment = Experiment(
        identifier="made up", run="made_up", beam=Beam(wavelength=1.3), detector=nominal
    )
    return Shots(spots, stills, experiment, detector, u)


def _rows(still: int, panel: int, xy: NDArray[np.float64], hkl: NDArray[np.int64]) -> Reflections:
    n = len(xy)
    return {
        "experiment": np.zeros(n, np.int32),
        "panel": np.full(n, panel, np.int32),
        "hkl": hkl.astype(np.int32),
        "flags": np.full(n, Flag.STRONG | Flag.INDEXED, np.uint32),
        "x": np.ascontiguousarray(xy[:, 0]),
        "y": np.ascontiguousarray(xy[:, 1]),
        "z": np.full(n, still + 0.5),
        "n_pixels": np.full(n, 9, np.int32),
    }
