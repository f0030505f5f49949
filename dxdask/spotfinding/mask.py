"""Which pixels of each panel spot finding may use, whatever the frame."""

from __future__ import annotations

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.errors import InputError
from dxdask.geometry.resolution import resolution_at
from dxdask.masking.parameters import IceRingParameters
from dxdask.models import Beam, Detector, Panel
from dxdask.models.crystal import space_group
from dxdask.spotfinding.parameters import FilterParameters

Mask = NDArray[np.bool_]

BAND_ROWS = 64


def panel_masks(
    detector: Detector, beam: Beam, mask: Mask | None, parameters: FilterParameters
) -> tuple[Mask, ...]:
    """Return the usable pixels (slow, fast) of each panel, True is good.

    mask : (slow, fast) of the stored frame, True is good; None for all.

    Raises
    ------
    InputError
        The mask is smaller than the detector.
    """
    rows, columns = detector.frame_shape
    if mask is not None and (mask.ndim != 2 or mask.shape[0] < rows or mask.shape[1] < columns):
        raise InputError(
            f"mask is {mask.shape}, the panels take up {detector.frame_shape} (slow, fast); "
            "give a mask of the size of the frames"
        )
    return tuple(_panel_mask(p, beam, mask, parameters) for p in detector.panels)


def _panel_mask(panel: Panel, beam: Beam, mask: Mask | None, parameters: FilterParameters) -> Mask:
    width, height = panel.image_size
    good = np.ones((height, width), np.bool_)
    if mask is not None:
        good &= mask[panel.slices]
    for x0, y0, x1, y1 in panel.mask:
        good[y0:y1, x0:x1] = False
    edge = parameters.border
    if edge:
        inside = np.zeros_like(good)
        inside[edge : height - edge, edge : width - edge] = True
        good &= inside
    d_min, d_max, rings = parameters.d_min, parameters.d_max, parameters.ice_rings
    if d_min is None and d_max is None and not parameters.resolution_range and not rings.filter:
        return good
    d = resolution(panel, beam)
    if d_min is not None:
        good &= d >= d_min
    if d_max is not None:
        good &= d <= d_max
    for limits in parameters.resolution_range:
        good &= (d < min(limits)) | (d > max(limits))
    for low, high in _ice_rings(rings, float(d.min())) if rings.filter else ():
        good &= (d < low) | (d > high)
    return good


def resolution(panel: Panel, beam: Beam) -> NDArray[np.float64]:
    """Return d (slow, fast), A, at the centre of each pixel; infinite in the direct beam."""
    width, height = panel.image_size
    out, s0 = np.empty((height, width)), beam.s0
    # in bands, as the vectors of all pixels of a large detector are gigabytes
    for first in range(0, height, BAND_ROWS):
        y, x = np.mgrid[first : min(first + BAND_ROWS, height), 0:width] + 0.5
        out[first : first + BAND_ROWS] = resolution_at(panel, np.stack([x, y], axis=-1), s0)
    return out


def _ice_rings(parameters: IceRingParameters, d_min: float) -> list[tuple[float, float]]:
    """Return the smallest and largest d (A) of each ring."""
    limit = parameters.d_min or d_min
    cell = gemmi.UnitCell(*parameters.unit_cell)
    group = space_group(parameters.space_group)
    hkl = gemmi.make_miller_array(cell, group, limit, unique=True)
    centres = np.unique(np.round(1.0 / cell.calculate_d_array(hkl) ** 2, 9))
    half = parameters.width / 2
    return [
        (1.0 / np.sqrt(s + half), 1.0 / np.sqrt(max(s - half, 1e-12))) for s in centres.tolist()
    ]
