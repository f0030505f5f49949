"""Mapping of centroids in pixels and images to points of the reciprocal lattice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Reflections, rows_by_panel
from dxdask.geometry.rays import is_entering
from dxdask.models import Experiment, ExperimentList

Rows = NDArray[np.intp]


def map_centroids(reflections: Reflections, experiments: ExperimentList) -> Reflections:
    """Return the table with columns calculated from the observed centroids and the models.

    Adds x_mm, y_mm (with the sensor's parallax), phi_rad and their variances (the pixel variances
    times the squared pixel size and image width, as DIALS does), s1 (scaled to 1/wavelength), rlp
    and entering.
    """
    n = len(reflections["x"])
    names = ("x_mm", "y_mm", "phi_rad", "x_mm_variance", "y_mm_variance", "phi_rad_variance")
    new: Reflections = {name: np.zeros(n) for name in names}
    new |= {"s1": np.zeros((n, 3)), "rlp": np.zeros((n, 3)), "entering": np.zeros(n, dtype=bool)}
    members = list(experiments)
    for index, panel, rows in rows_by_panel(reflections):
        _map_panel(reflections, new, members[index], panel, rows)
    return reflections | new


def _map_panel(
    spots: Reflections, new: Reflections, experiment: Experiment, panel: int, rows: Rows
) -> None:
    """Fill the rows of `new` that lie on one panel of one experiment."""
    model = experiment.detector[panel]
    xy = model.pixel_to_mm(np.column_stack([spots["x"][rows], spots["y"][rows]]))
    new["x_mm"][rows], new["y_mm"][rows] = xy.T
    new["x_mm_variance"][rows] = spots["x_variance"][rows] * model.pixel_size[0] ** 2
    new["y_mm_variance"][rows] = spots["y_variance"][rows] * model.pixel_size[1] ** 2
    ray = model.lab_coordinates(xy)
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    scan = experiment.scan
    phi = np.zeros(len(rows))
    if scan is not None:
        phi = scan.phi_of_centroid(spots["z"][rows], images_of_spots(spots)[rows])
        new["phi_rad"][rows] = phi
        new["phi_rad_variance"][rows] = scan.phi_variance(
            spots["z"][rows], spots["z_variance"][rows]
        )
    s0 = _s0_of_rows(experiment, spots["z"][rows])
    s1 = ray * np.linalg.norm(s0, axis=1, keepdims=True)
    new["s1"][rows] = s1
    new["rlp"][rows] = to_datum(s1 - s0, phi, experiment)
    if experiment.goniometer is not None:
        new["entering"][rows] = is_entering(s1, s0, experiment.goniometer.rotation_axis)


def images_of_spots(spots: Reflections) -> NDArray[np.int32]:
    """Return the number of images (n,) of each spot, by its box; 1 where there are no boxes."""
    bbox = spots.get("bbox")
    if bbox is None:
        return np.ones(len(spots["z"]), np.int32)
    return np.asarray(bbox[:, 5] - bbox[:, 4], dtype=np.int32)


def _s0_of_rows(experiment: Experiment, z: Floats) -> Floats:
    """Return s0 (n, 3) of each centroid; images may differ in wavelength."""
    beam = experiment.beam
    if beam.wavelengths is None or experiment.scan is None:
        return np.broadcast_to(beam.s0, (len(z), 3))
    image = np.floor(z).astype(int) - experiment.scan.array_range[0]
    image = np.clip(image, 0, len(beam.wavelengths) - 1)
    direction = beam.s0 * beam.wavelength
    return np.asarray(direction / np.asarray(beam.wavelengths)[image][:, None])


def to_datum(vectors: Floats, phi: Floats, experiment: Experiment) -> Floats:
    """Return F^-1 R(phi)^-1 S^-1 v for reciprocal vectors v (n, 3) observed at phi (n,), rad."""
    goniometer = experiment.goniometer
    if goniometer is None:
        return vectors
    v = vectors @ goniometer.setting_rotation  # rows times S are S^-1 v, S being a rotation
    m2 = goniometer.rotation_axis_datum
    # Rodrigues's formula for one axis: a rotation object for each angle takes ten times the memory
    cos, sin = np.cos(phi)[:, None], np.sin(phi)[:, None]
    rotated = v * cos - np.cross(m2, v) * sin + np.outer(v @ m2, m2) * (1.0 - cos)
    return np.asarray(rotated @ goniometer.fixed_rotation)


def from_datum(vectors: Floats, phi: Floats, experiment: Experiment) -> Floats:
    """Return S R(phi) F v for vectors v (n, 3) at datum, rotated to phi (n,), rad."""
    goniometer = experiment.goniometer
    if goniometer is None:
        return vectors
    v = vectors @ goniometer.fixed_rotation.T
    m2 = goniometer.rotation_axis_datum
    cos, sin = np.cos(phi)[:, None], np.sin(phi)[:, None]
    rotated = v * cos + np.cross(m2, v) * sin + np.outer(v @ m2, m2) * (1.0 - cos)
    return np.asarray(rotated @ goniometer.setting_rotation.T)


def within_first_rotation(
    reflections: Reflections, experiments: ExperimentList
) -> NDArray[np.bool_]:
    """Return true for spots (n,) within the first 360 degrees of their scan."""
    starts = np.array([0.0 if e.scan is None else e.scan.phi_range_rad[0] for e in experiments])
    rotated = np.abs(reflections["phi_rad"] - starts[reflections["experiment"]])
    return np.asarray(rotated <= 2.0 * np.pi)


def without_crystals(experiments: ExperimentList) -> ExperimentList:
    """Return the experiments without crystals and profiles."""
    members = tuple(replace(m, crystal=None, profile=None) for m in experiments.members)
    return replace(experiments, crystals=(), members=members)
