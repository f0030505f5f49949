"""Masks of ranges of resolution and of ice rings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import gemmi
import numpy as np

from dxdask.arrays import Floats, Mask
from dxdask.geometry.resolution import corner_resolution, resolution_at
from dxdask.masking.parameters import IceRingParameters
from dxdask.models import Beam, Detector, Panel
from dxdask.models.crystal import space_group

Ranges = Sequence[tuple[float, float]]

BAND_ROWS = 64


def in_ranges(
    panel: Panel, beam: Beam, wanted: Sequence[Ranges], *, parallax: bool = True
) -> list[Mask]:
    """Return, for each list of ranges, the pixels (slow, fast) whose centre is in any of them.

    wanted : lists of ranges, the smallest and largest d (A) of each, which are included.
    parallax : correct for the depth at which photons are absorbed in the sensor. The direct beam
        is at infinite d (in DIALS, where it meets the centre of a pixel exactly, at none).
    """
    width, height = panel.image_size
    inside = [np.zeros((height, width), np.bool_) for _ in wanted]
    ends = [_disjoint(ranges) for ranges in wanted]
    for rows, d in _bands(panel, beam, parallax=parallax):
        for mask, (low, high) in zip(inside, ends, strict=True):
            mask[rows] = _mark(d, low, high)
    return inside


def ice_ring_ranges(
    parameters: IceRingParameters, panel: Panel, beam: Beam, *, parallax: bool = True
) -> list[tuple[float, float]]:
    """Return the smallest and largest d, A, of each ice ring, to the corners of the panel.

    A ring has the given width in 1/d^2, about a reflection of ice that its space group allows.
    """
    seen = panel if parallax else replace(panel, use_parallax=False)
    limit = parameters.d_min or corner_resolution(Detector(panels=(seen,)), beam.s0)
    cell = gemmi.UnitCell(*parameters.unit_cell)
    group = space_group(parameters.space_group)
    hkl = gemmi.make_miller_array(cell, group, limit, unique=True)
    centres = np.unique(1.0 / cell.calculate_d_array(hkl) ** 2)
    half = parameters.width / 2
    # a ring that includes 1/d^2 = 0 extends to the direct beam
    return [
        (1.0 / np.sqrt(s + half), 1.0 / np.sqrt(s - half) if s > half else np.inf)
        for s in centres.tolist()
    ]


def _bands(panel: Panel, beam: Beam, *, parallax: bool) -> Iterator[tuple[slice, Floats]]:
    """Yield d by bands of rows: the vectors of all pixels of a large detector are gigabytes."""
    seen = panel if parallax else replace(panel, use_parallax=False)
    width, height = panel.image_size
    s0 = beam.s0
    for first in range(0, height, BAND_ROWS):
        rows = slice(first, min(first + BAND_ROWS, height))
        y, x = np.mgrid[rows, 0:width] + 0.5
        yield rows, resolution_at(seen, np.stack([x, y], axis=-1), s0)


def _disjoint(ranges: Ranges) -> tuple[Floats, Floats]:
    """Return the ends of the ranges, ascending, overlapping ones combined."""
    low: list[float] = []
    high: list[float] = []
    for a, b in sorted(ranges):
        if high and a <= high[-1]:
            high[-1] = max(high[-1], b)
        else:
            low.append(a)
            high.append(b)
    return np.array(low), np.array(high)


def _mark(d: Floats, low: Floats, high: Floats) -> Mask:
    if not low.size:
        return np.zeros(d.shape, np.bool_)
    below = np.searchsorted(low, d, side="right")
    return np.asarray((below > 0) & (d <= high[below - 1]))
