"""Batches of an unmerged MTZ: their numbers, data sets and headers.

Batch headers follow CCP4's layout (CCP4 library, "MTZ batch headers"): cell, orientation, rotation
range. Their frame is the Cambridge one: z along the rotation axis, x along the beam, with U the
rotation from a* along x, c along z to the orientation at a rotation of zero.
"""

from __future__ import annotations

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.models import Experiment, ExperimentList, Scan
from dxdask.models.vectors import unit
from dxdask.models.wavelengths import wavelength_groups

_BATCH_STEP = 1000  # batch numbers of an experiment begin after a multiple of it
_N_INTS, _N_FLOATS = 29, 156


def dataset_numbers(experiments: ExperimentList) -> list[int]:
    """Return the number of the data set of each experiment: one a wavelength."""
    found = {
        member: number
        for number, (_, members) in enumerate(wavelength_groups(experiments), 1)
        for member in members
    }
    return [found[i] for i in range(len(experiments))]


def batch_offsets(experiments: ExperimentList) -> list[int]:
    """Return the offsets from image numbers to batch numbers of each experiment, unique over
    all.
    """
    offsets: list[int] = []
    last = 0
    for experiment in experiments:
        first, end = (1, 1) if experiment.scan is None else experiment.scan.image_range
        own = 0 if experiment.scan is None else experiment.scan.batch_offset
        free = first + own > last
        offset = (
            own
            if free
            else -(-last // _BATCH_STEP) * _BATCH_STEP - (first - 1) // _BATCH_STEP * _BATCH_STEP
        )
        offsets.append(offset)
        last = end + offset
    return offsets


def _to_cambridge(experiment: Experiment) -> Floats:
    """Return the rotation (3, 3) from the laboratory frame to the Cambridge one."""
    s0 = unit(experiment.beam.s0)
    axis = (
        np.array([1.0, 0.0, 0.0])
        if experiment.goniometer is None
        else experiment.goniometer.rotation_axis
    )
    z = unit(axis)
    x = unit(s0 - (s0 @ z) * z)
    return np.stack([x, np.cross(z, x), z])


def _orientation(experiment: Experiment, to_cambridge: Floats) -> Floats:
    """Return U (3, 3) of the batch header: A = U B, a* along x, b* in the xy plane."""
    if experiment.crystal is None:
        return np.eye(3)
    a = experiment.crystal.a
    if experiment.goniometer is not None:
        a = experiment.goniometer.setting_rotation @ experiment.goniometer.fixed_rotation @ a
    u, b = np.linalg.qr(to_cambridge @ a)
    return np.asarray(u * np.sign(np.diag(b)))


def batches(experiment: Experiment, offset: int, dataset: int) -> list[gemmi.Mtz.Batch]:
    """Return the batch headers of one experiment, one an image."""
    scan = experiment.scan or Scan(image_range=(1, 1))
    to_cambridge = _to_cambridge(experiment)
    ints = [_N_INTS + _N_FLOATS, _N_INTS, _N_FLOATS] + [0] * (_N_INTS - 3)
    # jump axis, one crystal, still or rotation, scan axis 1, one goniostat axis, beam, one
    # detector, data set
    ints[11], ints[12], ints[14], ints[15] = 1, 1, 1 if scan.is_still else 2, 1
    ints[17], ints[19], ints[20] = 1, 1, dataset
    floats = [0.0] * _N_FLOATS
    crystal = experiment.crystal
    floats[0:6] = (1.0, 1.0, 1.0, 90.0, 90.0, 90.0) if crystal is None else crystal.unit_cell
    floats[6:15] = _orientation(experiment, to_cambridge).T.ravel().tolist()
    if experiment.profile is not None:
        floats[21] = float(np.rad2deg(experiment.profile.sigma_m))
    floats[38:41] = floats[59:62] = [0.0, 0.0, 1.0]
    floats[43] = floats[45] = 1.0
    floats[47] = scan.oscillation[1]
    floats[80:83] = [-1.0, 0.0, 0.0]
    floats[83:86] = (-to_cambridge @ unit(experiment.beam.s0)).tolist()
    floats[86] = experiment.beam.wavelength
    if experiment.detector.panels:
        panel = experiment.detector.panels[0]
        floats[111] = float(
            abs(np.cross(panel.fast_axis, panel.slow_axis) @ np.asarray(panel.origin))
        )
        floats[114], floats[116] = map(float, panel.image_size)
    out = []
    first, last = scan.image_range
    for image in range(first, last + 1):
        batch = gemmi.Mtz.Batch()
        batch.number, batch.title, batch.axes = image + offset, f"Batch {image + offset}", ["PHI"]
        start = scan.oscillation[0] + (image - first) * scan.oscillation[1]
        floats[36], floats[37] = start, start + scan.oscillation[1]
        if scan.angles:
            floats[36], floats[37] = scan.angles[image - first : image - first + 2]
        for i, number in enumerate(ints):
            batch.ints[i] = number
        for i, value in enumerate(floats):
            batch.floats[i] = value
        out.append(batch)
    return out
