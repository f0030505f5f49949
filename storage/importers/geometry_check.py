"""Plausibility of a geometry: what an import warns of, whatever the format.

Limits are wide of what instruments do, so that a warning is a value in a wrong unit, with a wrong
sign, or left at the default of a file's writer.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dxdask.arrays import Floats
from dxdask.models import Beam, Detector, Experiment, Panel, Scan

WAVELENGTHS = {"x-ray": (0.05, 5.0), "electron": (0.005, 0.1), "neutron": (0.3, 30.0)}
"""Plausible wavelengths of each probe, Angstrom."""
DISTANCES = (5.0, 6000.0)
"""Plausible distances from the sample to a detector, mm."""
PIXELS = (0.002, 2.0)
"""Plausible sizes of a pixel, mm."""
WIDEST = 20.0
"""Widest plausible rotation during one image, degree."""
NARROWEST = 1e-4
"""Narrowest one, degree."""
TURNS = 100 * 360.0
"""Longest plausible rotation of a sweep, degree."""
_ELECTRONS_BELOW = 0.05


def geometry_problems(experiment: Experiment) -> tuple[str, ...]:
    """Return a line for each value of the models that is not plausible; it names the parameter.

    Stills have no width, and a detector of several panels is judged as a whole.
    """
    beam, detector, scan = experiment.beam, experiment.detector, experiment.scan
    lines = [*_of_beam(beam)]
    if not detector.panels:  # of results of other programs
        return tuple(lines)
    lines += _of_pixels(detector)
    placed = _place_problem(detector)
    lines += [placed] if placed else [*_of_distance(detector, beam), *_of_centre(detector, beam)]
    if scan is not None and experiment.goniometer is not None:
        lines += _of_scan(scan)
    return tuple(lines)


def _of_beam(beam: Beam) -> Iterator[str]:
    low, high = WAVELENGTHS.get(beam.probe, WAVELENGTHS["x-ray"])
    values = [w for w in (beam.wavelengths or (beam.wavelength,)) if w != 0.0]
    low = WAVELENGTHS["electron"][0] if beam.wavelength < _ELECTRONS_BELOW else low
    odd = [w for w in values if not low <= w <= high]
    if odd:
        yield (
            f"the wavelength of {odd[0]:.6g} A is not plausible ({low:g} to {high:g} A); check "
            "geometry.beam.wavelength"
        )


def _of_pixels(detector: Detector) -> Iterator[str]:
    low, high = PIXELS
    odd = [p for p in detector.panels if not all(low <= s <= high for s in p.pixel_size)]
    if odd:
        yield (
            f"pixels of {odd[0].pixel_size[0]:.6g} x {odd[0].pixel_size[1]:.6g} mm are not "
            "plausible; check geometry.detector.panel.pixel_size"
        )


def _place_problem(detector: Detector) -> str:
    numbers = [(*p.origin, *p.fast_axis, *p.slow_axis) for p in detector.panels]
    if not np.all(np.isfinite(numbers)):
        return (
            "the place of the detector has values that are not finite; give "
            "geometry.detector.panel.origin"
        )
    return ""


def _of_distance(detector: Detector, beam: Beam) -> Iterator[str]:
    low, high = DISTANCES
    along = -np.asarray(beam.direction)
    distance = float(np.mean([p.distance for p in detector.panels]))
    if not low <= distance <= high:
        yield (
            f"the detector is {distance:.6g} mm from the sample, which is not plausible ({low:g} "
            f"to {high:g} mm); check geometry.detector.distance"
        )
    if max(float(along @ corner) for p in detector.panels for corner in _corners(p)) <= 0.0:
        yield (
            "the detector is between the source and the sample; check "
            "geometry.detector.panel.origin and geometry.detector.distance"
        )


def _of_centre(detector: Detector, beam: Beam) -> Iterator[str]:
    """Yield a line where the beam passes the detector by more than its size, or at its corner.

    A detector at an angle to the beam (a 2 theta arm) may well be passed by it.
    """
    along = -np.asarray(beam.direction)
    corners = np.concatenate([_corners(p) for p in detector.panels])
    depth = corners @ along
    if not np.all(depth > 0.0):
        return
    across = corners - depth[:, None] * along
    if len(detector) == 1 and float(np.linalg.norm(across[0])) < 1e-6 * float(depth[0] + 1.0):
        yield (
            "the beam meets the first corner of the detector, as if its beam centre were not "
            "known; check geometry.detector.fast_slow_beam_centre"
        )
        return
    first, second = _plane(along)
    flat = np.stack([across @ first, across @ second], axis=1)
    low, high = flat.min(axis=0), flat.max(axis=0)
    off = float(np.linalg.norm(np.maximum(np.maximum(low, -high), 0.0)))
    size = float(np.linalg.norm(high - low))
    if off > size:
        yield (
            f"the beam passes the detector at {off:.5g} mm from its edge, more than its size of "
            f"{size:.5g} mm; check geometry.detector.fast_slow_beam_centre"
        )


def _of_scan(scan: Scan) -> Iterator[str]:
    width = abs(scan.oscillation[1])
    if width and not NARROWEST <= width <= WIDEST:
        yield (
            f"each image rotates by {width:.6g} degrees, which is not plausible; check "
            "geometry.scan.oscillation"
        )
    elif width * scan.n_images > TURNS:
        yield (
            f"{scan.n_images} images of {width:.6g} degrees are {width * scan.n_images / 360.0:.4g}"
            " turns; check geometry.scan.oscillation"
        )


def _corners(panel: Panel) -> Floats:
    """Return the corners (4, 3) of a panel in the laboratory, mm; the first pixel's is first."""
    width, height = np.asarray(panel.image_size) * np.asarray(panel.pixel_size)
    return panel.lab_coordinates([(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)])


def _plane(normal: Floats) -> tuple[Floats, Floats]:
    """Return two unit vectors at right angles to `normal` and to each other."""
    start = np.eye(3)[int(np.argmin(np.abs(normal)))]
    first = np.cross(normal, start)
    first /= np.linalg.norm(first)
    return np.asarray(first), np.asarray(np.cross(normal, first))
