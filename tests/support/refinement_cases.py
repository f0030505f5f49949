"""Experiments that are known, the centroids they give, and models that are a little wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from support.rays import rays

from dxdask.columns import Flag, Reflections, concatenate
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
from dxdask.models.vectors import matrix, rotation_matrix, vector

CELLS = {
    "P 1": (42.0, 55.0, 61.0, 81.0, 97.0, 104.0),
    "P 1 21 1": (42.0, 55.0, 61.0, 90.0, 103.0, 90.0),
    "P 21 21 21": (42.0, 55.0, 61.0, 90.0, 90.0, 90.0),
    "P 43 21 2": (79.0, 79.0, 38.0, 90.0, 90.0, 90.0),
    "P 61 2 2": (61.0, 61.0, 92.0, 90.0, 90.0, 120.0),
    "R 3 2:R": (58.0, 58.0, 58.0, 75.0, 75.0, 75.0),
    "I 21 3": (78.0, 78.0, 78.0, 90.0, 90.0, 90.0),
}


def some_rotation(seed: int, angle_deg: float | None = None) -> np.ndarray:
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 180) if angle_deg is None else angle_deg
    return rotation_matrix(rng.normal(size=3), np.deg2rad(angle))


def some_detector(n_panels: int = 1) -> Detector:
    size = (1000, 1000 // n_panels)
    panels = []
    for k in range(n_panels):
        p = Panel(
            name=f"p{k}",
            origin=(-50.0, 50.0 - 0.1 * k * (size[1] + 12), -120.0),
            pixel_size=(0.1, 0.1),
            image_size=size,
            offset=(0, k * (size[1] + 12)),
            thickness=0.32,
            mu=3.0,
            material="Si",
            use_parallax=True,
        )
        panels.append(p.moved(rotation_matrix((0.3, 1.0, 0.2), 0.02 + 0.004 * k)))
    return Detector(panels=tuple(panels))


def truth(
    group: str = "P 43 21 2", *, n_runs: int = 1, n_panels: int = 1, seed: int = 3
) -> ExperimentList:
    """Runs of one shared crystal, each with its own beam, detector, goniometer and scan."""
    crystal = Crystal.from_cell(CELLS[group], u_matrix=some_rotation(seed), space_group=group)
    runs = []
    for k in range(n_runs):
        beam = Beam(direction=vector(np.array([0.002 * k, 0.003, 1.0])), wavelength=1.03)
        gonio = Goniometer(
            axes=((0.0, 1.0, 0.0), (1.0, 0.01, 0.0), (0.0, 0.1, 1.0)),
            angles=(20.0 + k, 0.0, 3.0),
            names=("phi", "omega", "chi"),
            scan_axis=1,
        )
        scan = Scan(image_range=(1 + 3 * k, 60 + 3 * k), oscillation=(10.0 * k, 0.8))
        name = f"run{k + 1}"
        models = {"beam": beam, "detector": some_detector(n_panels), "goniometer": gonio}
        models |= {"scan": scan, "crystal": crystal}
        runs.append(Experiment(identifier=name, run=name, **models))
    return ExperimentList.of(runs)


def centroids(
    experiments: ExperimentList, *, d_min: float = 3.5, sigma: float = 0.0, seed: int = 11
) -> Reflections:
    """The reflections of each experiment that fall on its detector during its scan, with noise.

    sigma: standard deviation of x and y in pixels, and of z in images.
    """
    rng = np.random.default_rng(seed)
    return concatenate([_of_one(i, e, d_min, sigma, rng) for i, e in enumerate(experiments)])


def _of_one(
    index: int, e: Experiment, d_min: float, sigma: float, rng: np.random.Generator
) -> Reflections:
    cell = np.array(e.crystal.unit_cell[:3])
    reach = [np.arange(-n, n + 1) for n in np.ceil(1.3 * cell / d_min).astype(int)]
    hkl = np.stack(np.meshgrid(*reach, indexing="ij"), axis=-1).reshape(-1, 3)
    length = np.linalg.norm(hkl @ e.crystal.a.T, axis=1)
    hkl = hkl[(length > 0) & (length < 1.0 / d_min)]
    setting = e.goniometer.setting_rotation @ e.goniometer.fixed_rotation @ e.crystal.a
    phi, s1 = rays(hkl, setting, e.beam.s0, e.goniometer.rotation_axis)
    low, high = e.scan.phi_range_rad
    phi = low + np.mod(phi - low, 2 * np.pi)
    out = []
    for side in (0, 1):
        for k, panel in enumerate(e.detector.panels):
            xy = panel.ray_intersection(s1[:, side])
            size = np.array(panel.image_size) * panel.pixel_size
            ok = (phi[:, side] < high) & (xy > 0).all(axis=1) & (xy < size).all(axis=1)
            out.append((hkl[ok], np.full(ok.sum(), k), xy[ok], phi[ok, side], s1[ok, side]))
    hkl, panels, xy, angle, s1 = (np.concatenate(c) for c in zip(*out, strict=True))
    return _table(index, e, hkl, panels, xy, angle, s1, sigma, rng)


def _table(index, e, hkl, panels, xy, angle, s1, sigma, rng) -> Reflections:
    n, pixel = len(hkl), np.array(e.detector[0].pixel_size)
    width, spread = e.scan.image_width_rad, sigma or 0.1
    xy = xy + sigma * rng.normal(size=(n, 2)) * pixel
    angle = angle + sigma * rng.normal(size=n) * width
    return {
        "experiment": np.full(n, index, dtype=np.int32),
        "panel": panels.astype(np.int32),
        "hkl": hkl.astype(np.int32),
        "flags": np.full(n, Flag.STRONG | Flag.INDEXED, dtype=np.uint32),
        "x_mm": xy[:, 0],
        "y_mm": xy[:, 1],
        "phi_rad": angle,
        "x_mm_variance": np.full(n, (spread * pixel[0]) ** 2),
        "y_mm_variance": np.full(n, (spread * pixel[1]) ** 2),
        "phi_rad_variance": np.full(n, (spread * width) ** 2),
        "s1": s1,
    }


def disturbed(experiments: ExperimentList, *, detector: bool = True) -> ExperimentList:
    """The experiments with every crystal, beam and (if given) detector a little off."""
    crystals = []
    for k, c in enumerate(experiments.crystals):
        cell = np.array(c.unit_cell) * np.repeat([1.002, 1.0], 3)
        b = Crystal.from_cell(tuple(cell), space_group=c.space_group).a
        crystals.append(replace(c, a_matrix=matrix(some_rotation(50 + k, 0.15) @ c.u @ b)))
    beams, detectors = list(experiments.beams), list(experiments.detectors)
    for m in experiments.members:
        beam, gonio = experiments.beams[m.beam], experiments.goniometers[m.goniometer]
        rotation = rotation_matrix(np.cross(beam.s0, gonio.rotation_axis), 0.0004 * (1 + m.beam))
        beams[m.beam] = replace(beam, direction=vector(rotation @ beam.direction))
        if detector:
            rotation = some_rotation(80 + m.detector, 0.1)
            panels = tuple(
                p.moved(rotation, (0.15, -0.1, 0.2))
                for p in experiments.detectors[m.detector].panels
            )
            detectors[m.detector] = replace(experiments.detectors[m.detector], panels=panels)
    return replace(
        experiments, crystals=tuple(crystals), beams=tuple(beams), detectors=tuple(detectors)
    )


def misorientation_deg(u: np.ndarray, v: np.ndarray) -> float:
    """Angle of the rotation from u to v, degrees; good for small ones."""
    return float(np.degrees(np.linalg.norm(u @ v.T - np.eye(3)) / np.sqrt(2.0)))
