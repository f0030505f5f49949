"""Variables that scales depend on: rotation, resolution, position, directions of the rays.

Directions are those of the incident and the scattered ray in the Cartesian frame of the crystal
(a along x), in which its shape does not move: c = U^T F^T R(phi)^T S^T of a laboratory vector, with
the goniometer's setting S and fixed rotation F. In that frame s1 = s0 + B h.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Reflections
from dxdask.models import Experiment, ExperimentList


@dataclass(frozen=True, kw_only=True, slots=True)
class Variables:
    """Variables of n observations.

    Attributes
    ----------
    experiment : (n,) int32. z : (n,) images. d : (n,) Angstrom.
    xy : (n, 2) predicted position on the frame, pixels; None where no component needs it.
    incident, scattered : (n, 3) unit vectors in the frame of the crystal, or None.
    """

    experiment: NDArray[np.int32]
    z: Floats
    d: Floats
    xy: Floats | None = None
    incident: Floats | None = None
    scattered: Floats | None = None


def columns_of(*, detector: bool, directions: bool) -> tuple[str, ...]:
    """Return the columns that `variables_of` reads."""
    more = (*(("x_cal", "y_cal", "panel") if detector else ()), *(("hkl",) if directions else ()))
    return ("experiment", "z_cal", *more)


def variables_of(
    reflections: Reflections,
    rows: NDArray[np.int64] | slice,
    d: Floats,
    experiments: ExperimentList,
    *,
    detector: bool = False,
    directions: bool = False,
) -> Variables:
    """Return the variables of some rows of a table.

    d : (n,) of these rows. detector, directions : True to include `xy`, and the directions.
    """
    table = {
        name: reflections[name][rows]
        for name in columns_of(detector=detector, directions=directions)
        if name in reflections
    }
    incident = scattered = None
    if directions:
        incident, scattered = _directions(table, experiments)
    return Variables(
        experiment=table["experiment"],
        z=table["z_cal"],
        d=d,
        xy=_positions(table, experiments) if detector else None,
        incident=incident,
        scattered=scattered,
    )


def _positions(table: Reflections, experiments: ExperimentList) -> Floats:
    xy = np.column_stack([table["x_cal"], table["y_cal"]])
    if "panel" in table:
        for i, experiment in enumerate(experiments):
            panels = experiment.detector.panels
            if len(panels) > 1:
                own = table["experiment"] == i
                offsets = np.array([p.offset for p in panels], dtype=np.float64)
                xy[own] += offsets[table["panel"][own]]
    return xy


def _directions(table: Reflections, experiments: ExperimentList) -> tuple[Floats, Floats]:
    n = len(table["experiment"])
    incident, scattered = np.zeros((n, 3)), np.zeros((n, 3))
    order = np.argsort(table["experiment"], kind="stable")
    bounds = np.searchsorted(table["experiment"][order], np.arange(len(experiments) + 1))
    for i, experiment in enumerate(experiments):
        own = order[bounds[i] : bounds[i + 1]]
        if experiment.crystal is None or not len(own):
            continue
        incident[own] = incident_rays(experiment, table["z_cal"][own])
        rays = incident[own] + experiment.beam.wavelength * (
            table["hkl"][own] @ experiment.crystal.b.T
        )
        scattered[own] = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    return incident, scattered


def incident_rays(experiment: Experiment, z: Floats) -> Floats:
    """Return unit vectors (n, 3) along the beam in the frame of the crystal, at z (n,) images."""
    s0 = np.asarray(experiment.beam.s0) * experiment.beam.wavelength
    crystal, goniometer, scan = experiment.crystal, experiment.goniometer, experiment.scan
    u = np.eye(3) if crystal is None else crystal.u
    if goniometer is None or scan is None:
        return np.broadcast_to(u.T @ s0, (len(z), 3)).copy()
    axis = goniometer.rotation_axis_datum
    vector = goniometer.setting_rotation.T @ s0
    phi = -scan.phi_from_z(z)[:, None]
    turned = vector * np.cos(phi) + np.cross(axis, vector) * np.sin(phi)
    turned += axis * (axis @ vector) * (1.0 - np.cos(phi))
    return np.asarray(turned @ goniometer.fixed_rotation @ u)
