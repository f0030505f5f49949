"""Values of models that cannot be: refused before anything is calculated with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple
from typing import Any

import numpy as np

from dxdask.errors import FormatError
from dxdask.models import Detector, Experiment, ExperimentList

_LARGEST = 1e9  # mm, degree, Angstrom
_MOST_PIXELS = 1 << 18  # along one side
_MOST_IMAGES = 10_000_000


def require_possible(experiments: ExperimentList) -> None:
    """Check that the numbers of models are finite and of a possible size.

    Raises
    ------
    FormatError
        One is not; the message names the model.
    """
    for experiment in experiments:
        for what, values in _numbers(experiment):
            array = np.asarray(values, dtype=np.float64)
            if not np.isfinite(array).all() or (np.abs(array) > _LARGEST).any():
                raise FormatError(f"{what} of {experiment.run} cannot be {array.tolist()}")
        if not 0 < experiment.beam.wavelength < 100:
            raise FormatError(f"a wavelength cannot be {experiment.beam.wavelength} A")
        if not np.any(experiment.beam.direction):
            raise FormatError(f"the beam of {experiment.run} has no direction")
        _require_panels(experiment.detector)
        scan = experiment.scan
        if scan is not None and not 0 < scan.n_images <= _MOST_IMAGES:
            raise FormatError(f"images {scan.image_range[0]} to {scan.image_range[1]} cannot be")


def _numbers(e: Experiment) -> Iterator[tuple[str, Any]]:
    yield "the direction of the beam", e.beam.direction
    yield "the wavelength", e.beam.wavelength
    yield "the beam along the scan", e.beam.s0_at_scan_points or 0.0
    yield "the polarisation", (*e.beam.polarization_normal, e.beam.polarization_fraction)
    for panel in e.detector.panels:
        yield "a panel", (*panel.origin, *panel.fast_axis, *panel.slow_axis)
        yield "the size of pixels", panel.pixel_size
        yield "the sensor", (panel.thickness, panel.mu, panel.gain, panel.pedestal)
    if e.goniometer is not None:
        yield "an axis", e.goniometer.rotation_axis
        yield "an angle of the goniometer", e.goniometer.angles or 0.0
    if e.scan is not None:
        yield "the rotation", (*e.scan.oscillation, *e.scan.image_range, *e.scan.angles)
    if e.crystal is not None:
        yield "the crystal", e.crystal.a
        yield "the crystal", e.crystal.scan_points or 0.0
    if e.profile is not None:
        for width in astuple(e.profile):
            yield "the profile", width


def _require_panels(detector: Detector) -> None:
    if not len(detector):
        raise FormatError("a detector has no panel")
    for panel in detector.panels:
        (width, height), (x, y) = panel.image_size, panel.offset
        sizes = (width, height, x + width, y + height)
        if (
            min(sizes) < 1
            or max(sizes) > _MOST_PIXELS
            or min(x, y) < 0
            or min(panel.pixel_size) <= 0
        ):
            raise FormatError(
                f"a panel cannot be {width} x {height} pixels of {panel.pixel_size} mm at {(x, y)}"
            )
