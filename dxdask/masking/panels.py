"""Masks of panels, by reason."""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Mask
from dxdask.errors import InputError
from dxdask.masking.parameters import MaskParameters
from dxdask.masking.resolution import ice_ring_ranges, in_ranges
from dxdask.masking.shapes import border, check_panels, untrusted
from dxdask.models import Beam, Detector, Panel


def panel_masks(
    detector: Detector, beam: Beam, mask: Mask | None, parameters: MaskParameters
) -> tuple[Mask, ...]:
    """Return the mask (slow, fast) of each panel, True is good.

    Pixels are masked by `mask`, by the panels themselves and by the parameters.

    mask : (slow, fast) of the stored frame, True is good; None for all.

    Raises
    ------
    InputError
        The mask is smaller than the detector, or a region is not on its panel.
    """
    if mask is not None and mask.ndim != 2:
        raise InputError(f"mask is {mask.shape}; give (slow, fast)")
    if mask is not None:
        detector.require_room(mask.shape, "mask is")
    found = []
    for panel, reasons in zip(detector.panels, masked_for(detector, beam, parameters), strict=True):
        good = _good(panel, mask)
        for masked in reasons.values():
            good &= ~masked
        found.append(good)
    return tuple(found)


def masked_for(
    detector: Detector, beam: Beam, parameters: MaskParameters
) -> tuple[dict[str, Mask], ...]:
    """Return the pixels (slow, fast) of each panel that the parameters mask, by reason.

    Reasons: border, untrusted, resolution, ice_rings; those that the parameters enable. A pixel
    may be masked for several.

    Raises
    ------
    InputError
        A region is not on its panel.
    """
    check_panels(parameters.untrusted, len(detector))
    return tuple(_masked_for(p, i, beam, parameters) for i, p in enumerate(detector.panels))


def _masked_for(
    panel: Panel, index: int, beam: Beam, parameters: MaskParameters
) -> dict[str, Mask]:
    found: dict[str, Mask] = {}
    parallax = not parameters.disable_parallax_correction
    if parameters.border:
        width, height = panel.image_size
        found["border"] = border((height, width), parameters.border)
    if parameters.untrusted:
        found["untrusted"] = untrusted(panel, index, parameters.untrusted)
    ranges: dict[str, list[tuple[float, float]]] = {}
    if unwanted := _unwanted(parameters):
        ranges["resolution"] = unwanted
    if parameters.ice_rings.filter:
        rings = ice_ring_ranges(parameters.ice_rings, panel, beam, parallax=parallax)
        ranges["ice_rings"] = rings
    if ranges:
        masks = in_ranges(panel, beam, list(ranges.values()), parallax=parallax)
        found.update(zip(ranges, masks, strict=True))
    return found


def _unwanted(parameters: MaskParameters) -> list[tuple[float, float]]:
    """Return the ranges of d, A, that the limits exclude, the limits themselves included."""
    ranges = [(min(r), max(r)) for r in parameters.resolution_range]
    if parameters.d_min is not None:
        ranges.append((0.0, parameters.d_min))
    if parameters.d_max is not None:
        ranges.append((parameters.d_max, np.inf))
    return ranges


def _good(panel: Panel, mask: Mask | None) -> Mask:
    width, height = panel.image_size
    good = np.ones((height, width), np.bool_)
    if mask is not None:
        good &= mask[panel.slices]
    for x0, y0, x1, y1 in panel.mask:
        good[y0:y1, x0:x1] = False
    return good
