"""Made-up residual lists for the benchmarks of refinement: stills on many panels, and sweeps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gemmi
import numpy as np
from numba import njit

from dxdask.arrays import Floats, Integers
from dxdask.geometry.still_rays import still_rays
from dxdask.models import Beam, Detector, Experiment, Panel
from dxdask.models.crystal import b_matrix
from dxdask.models.detector import Group
from dxdask.models.rotations import rotation_matrices
from dxdask.refinement.stills.measurements import Measurements

CELL, GROUP = (50.0, 50.0, 40.0, 90.0, 90.0, 90.0), gemmi.SpaceGroup("P 43 21 2")
BEAM, WAVELENGTH, D_MIN = np.array([0.0, 0.0, -1.0]), 1.3, 1.95
PIXEL, SIDE, COLUMNS, ROWS = 0.1, 128, 12, 20
"""Of the panels: mm, pixels, and how many lie beside each other; groups are of 2 x 4 panels."""
DISTANCE, OFF = 180.0, 0.25
REACH = 1.2e-3
"""Largest distance of a spot's lattice point from the sphere, 1/A: about 130 spots a still."""


def many_panels() -> Detector:
    """Return 240 panels facing the beam, row by row, in groups of two columns and four rows."""
    step, made, groups = PIXEL * (SIDE + 4), [], dict[tuple[int, int], list[int]]()
    for row in range(ROWS):
        for column in range(COLUMNS):
            groups.setdefault((column // 2, row // 4), []).append(len(made))
            made.append(
                Panel(
                    name=f"p{len(made)}",
                    origin=((column - 0.5 * COLUMNS) * step, (0.5 * ROWS - row) * step, -DISTANCE),
                    fast_axis=(1, 0, 0), slow_axis=(0, -1, 0), pixel_size=(PIXEL, PIXEL),
                    image_size=(SIDE, SIDE), offset=(column * SIDE, row * SIDE),
                )
            )  # fmt: skip
    root = Group(groups=tuple(Group(panels=tuple(panels)) for panels in groups.values()))
    return Detector(panels=tuple(made), root=root)


def displaced(detector: Detector, seed: int = 5) -> Detector:
    """Return the detector farther off, its groups and panels shifted and rotated in the plane."""
    rng, panels = np.random.default_rng(seed), list(detector.panels)
    for scale, which in [(0.1, g.all_panels()) for g in detector.root.groups] + [
        (0.06, (i,)) for i in range(len(panels))
    ]:
        about = np.mean([panels[i].centre for i in which], axis=0)
        rotation = rotation_matrices(np.array([[0.0, 0.0, rng.normal(0, 1e-3)]]))[0]
        shift = np.array([*rng.normal(0, scale, 2), 0.0])
        for i in which:
            panels[i] = panels[i].moved(rotation, shift, about=about)
    farther = [p.moved(np.eye(3), (0.0, 0.0, -OFF)) for p in panels]
    return replace(detector, panels=tuple(farther))


def still_spots(n: int, detector: Detector, seed: int = 0) -> tuple[Measurements, Floats]:
    """Return the spots of n stills on a detector, and A (n, 3, 3), a little wrong, of each.

    Positions scatter by 0.8 px over the number of the spot's pixels.
    """
    rng = np.random.default_rng(seed)
    u = rotation_matrices(rng.normal(0, 2, (n, 3)))
    wavelength = WAVELENGTH * (1 + rng.normal(0, 1e-3, n))
    reach = [np.arange(-m, m + 1) for m in (np.array(CELL[:3]) / D_MIN).astype(int)]
    hkl = np.stack(np.meshgrid(*reach, indexing="ij"), -1).reshape(-1, 3).astype(np.float64)
    length = np.linalg.norm(hkl @ b_matrix(CELL).T, axis=1)
    hkl = hkl[(length > 0) & (length < 1 / D_MIN)]
    a = u @ b_matrix(CELL)
    which = [_near(hkl, a[i], wavelength[i], REACH) for i in range(n)]
    still = np.repeat(np.arange(n), [len(w) for w in which])
    indices = hkl[np.concatenate(which)]
    q = np.einsum("nij,nj->ni", a[still], indices)
    s1 = still_rays(q, BEAM, wavelength[still]).s1
    panel, xy = _on_panels(s1, detector)
    kept = panel >= 0
    size = rng.integers(2, 10, len(panel))
    xy += rng.normal(size=xy.shape) * (0.8 / np.minimum(size, 8))[:, None]
    measured = Measurements(
        still[kept], panel[kept], indices[kept], xy[kept], wavelength[still[kept]], size[kept],
        np.arange(n),
    )  # fmt: skip
    return measured, rotation_matrices(rng.normal(0, 5e-4, (n, 3))) @ a


@njit(cache=True)
def _near(hkl: Any, a: Any, wavelength: Any, reach: Any) -> Any:
    """Return the indices of the lattice points within reach of the Ewald sphere."""
    out = np.empty(len(hkl), np.int64)
    n = 0
    for i in range(len(hkl)):
        x = a[0, 0] * hkl[i, 0] + a[0, 1] * hkl[i, 1] + a[0, 2] * hkl[i, 2]
        y = a[1, 0] * hkl[i, 0] + a[1, 1] * hkl[i, 1] + a[1, 2] * hkl[i, 2]
        z = a[2, 0] * hkl[i, 0] + a[2, 1] * hkl[i, 1] + a[2, 2] * hkl[i, 2] - 1.0 / wavelength
        if abs(np.sqrt(x * x + y * y + z * z) - 1.0 / wavelength) < reach:
            out[n] = i
            n += 1
    return out[:n].copy()


def _on_panels(s1: Floats, detector: Detector) -> tuple[Integers, Floats]:
    """Return the panel (n,) that each ray hits, -1 for none, and where (n, 2), px.

    Panels are near the places of `many_panels`; of each, rays that would hit it there are tried.
    """
    step = PIXEL * (SIDE + 4)
    plane = s1[:, :2] * (DISTANCE / step / -s1[:, 2:])
    column, row = np.floor(0.5 * COLUMNS + plane[:, 0]), np.floor(0.5 * ROWS - plane[:, 1])
    inside = (column >= 0) & (column < COLUMNS) & (row >= 0) & (row < ROWS)
    near = np.where(inside, COLUMNS * row + column, -1).astype(np.int64)
    order = np.argsort(near, kind="stable")
    ends = np.searchsorted(near[order], np.arange(len(detector) + 1))
    panel, xy = np.full(len(s1), -1), np.zeros((len(s1), 2))
    for i, p in enumerate(detector.panels):
        rays = order[ends[i] : ends[i + 1]]
        at = p.ray_intersection(s1[rays]) / PIXEL
        hit = ((at > 0) & (at < SIDE)).all(axis=1)
        panel[rays[hit]], xy[rays[hit]] = i, at[hit]
    return panel, xy


def still_experiment(detector: Detector) -> Experiment:
    """Return beam and detector of the stills."""
    return Experiment(
        identifier="stills", run="stills", beam=Beam(wavelength=WAVELENGTH), detector=detector
    )
