"""Position, resolution and Miller indices of a point of a panel on an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.errors import InputError
from dxdask.geometry.resolution import resolution_at
from dxdask.indexing.reciprocal import to_datum
from dxdask.models import Experiment
from dxdask.models.vectors import unit
from dxdask.view.binning import no_count


def point(
    experiments: Sequence[Experiment], image: int, panel: int, x: float, y: float
) -> dict[str, Any]:
    """Return what is known of a point of a panel, px, in the middle of an image.

    experiments : of one run.

    Returns
    -------
    dict
        mm : on the panel. d : A, None in the direct beam. two_theta, phi : degrees. hkl : of each
        lattice, three real numbers.

    Raises
    ------
    InputError
        There is no such panel.
    """
    experiment = experiments[0]
    if not 0 <= panel < len(experiment.detector):
        last = len(experiment.detector) - 1
        raise InputError(f"panel={panel}: {experiment.run} has panels 0 to {last}")
    own, s0 = experiment.detector[panel], experiment.beam.s0
    mm = own.pixel_to_mm([[x, y]])
    d = float(resolution_at(own, [[x, y]], s0)[0])
    s1 = unit(own.lab_coordinates(mm)[0]) * np.linalg.norm(s0)
    cosine = float(np.clip(unit(s1) @ unit(s0), -1.0, 1.0))
    phi = phi_of(experiment, image)
    return {
        "mm": [round(v, 4) for v in mm[0].tolist()],
        "d": d if np.isfinite(d) else None,
        "two_theta": float(np.degrees(np.arccos(cosine))),
        "phi": None if phi is None else float(np.degrees(phi)),
        "hkl": [
            np.linalg.solve(_a_matrix(e, image), _datum(e, s1 - s0, image)).round(3).tolist()
            for e in experiments
            if e.crystal is not None
        ],
    }


def value_at(frame: NDArray[Any], x: int, y: int) -> float | int | None:
    """Return the number of a pixel of a frame (slow, fast), None where it has no count."""
    slow, fast = frame.shape
    if not (0 <= x < fast and 0 <= y < slow):
        return None
    value = frame[y, x].item()
    return None if value == no_count(frame.dtype) or value != value else value


def phi_of(experiment: Experiment, image: int) -> float | None:
    """Return the angle in the middle of an image, rad; None where there is no rotation."""
    scan = experiment.scan
    if scan is None or scan.is_still or experiment.goniometer is None:
        return None
    return float(scan.phi_from_z(image - 0.5))


def _datum(experiment: Experiment, q: Floats, image: int) -> Floats:
    phi = phi_of(experiment, image)
    if phi is None:
        return q
    return np.asarray(to_datum(q[None, :], np.array([phi]), experiment)[0])


def _a_matrix(experiment: Experiment, image: int) -> Floats:
    """Return A of the crystal (3, 3), where it varies at the middle of the image."""
    crystal = experiment.crystal
    assert crystal is not None
    points = crystal.scan_points
    if points is None or experiment.scan is None or len(points) < 2:
        return crystal.a
    at = np.clip(image - experiment.scan.image_range[0], 0, len(points) - 2)
    return np.asarray(0.5 * (np.asarray(points[at]) + np.asarray(points[at + 1])))
