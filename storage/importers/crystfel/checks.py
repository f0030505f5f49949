"""Doubts about a geometry that can be read: values that no detector has."""

from __future__ import annotations

import numpy as np

from dxdask.models import Beam, Detector

_PIXELS_MM = (1e-3, 5.0)
_DISTANCES_MM = (1.0, 1e5)
_WAVELENGTHS = (1e-3, 100.0)  # Angstrom, electrons of some MV to soft X-rays


def doubts(detector: Detector, beam: Beam | None) -> list[str]:
    """Return a line on each value of a geometry that is not plausible, with the key to check."""
    out = []
    centres = np.array([p.centre for p in detector.panels])
    distance = float(-np.median(centres[:, 2]))
    low, high = _DISTANCES_MM
    if distance <= 0.0:
        out.append(f"the detector is {-distance:.6g} mm towards the source; check clen")
    elif not low <= distance <= high:
        out.append(f"the detector is {distance:.6g} mm behind the sample; check clen and its unit")
    sizes = [s for p in detector.panels for s in p.pixel_size]
    low, high = _PIXELS_MM
    if min(sizes) < low or max(sizes) > high:
        out.append(f"pixels are of {min(sizes):.6g} to {max(sizes):.6g} mm; check res, fs and ss")
    elif max(sizes) > 1.5 * min(sizes):
        out.append(
            f"pixels differ in size, {min(sizes):.6g} to {max(sizes):.6g} mm; check res, fs and ss"
        )
    low, high = _WAVELENGTHS
    if beam is not None and not low <= beam.wavelength <= high:
        out.append(
            f"the wavelength is {beam.wavelength:.6g} A; check photon_energy, wavelength or "
            "electron_voltage and its unit"
        )
    corners = np.concatenate([
        p.lab_coordinates(np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * p.image_size * p.pixel_size)
        for p in detector.panels
    ])[:, :2]  # fmt: skip
    first, last = corners.min(axis=0), corners.max(axis=0)
    outside = np.maximum(np.maximum(first, -last), 0.0)
    if np.any(outside > last - first):
        out.append(
            f"the beam passes {np.hypot(*outside):.6g} mm beside the detector; check corner_x, "
            "corner_y, detector_shift and res"
        )
    return out
