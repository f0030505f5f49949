"""Blocks of stills, which bound the memory of residuals and gradients."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dxdask.arrays import Floats
from dxdask.models import Detector
from dxdask.refinement.metrology.crystals import Crystals
from dxdask.refinement.metrology.measurements import Measurements
from dxdask.refinement.metrology.residuals import fit_of

STILLS = 256
"""Stills of a block: some 40 000 spots, whose residuals and gradients take about 40 MB."""


def blocks(measured: Measurements, crystals: Crystals) -> Iterator[tuple[Measurements, Crystals]]:
    """Yield measurements and crystals of `STILLS` stills at a time, in order; views, not copies."""
    n = len(measured.rows)
    for first in range(0, n, STILLS):
        last = min(first + STILLS, n)
        start, end = np.searchsorted(measured.still, [first, last])
        rows = slice(start, end)
        here = Measurements(
            still=measured.still[rows] - first,
            panel=measured.panel[rows],
            hkl=measured.hkl[rows],
            xy=measured.xy[rows],
            wavelength=measured.wavelength[rows],
            size=measured.size[rows],
            rows=measured.rows[first:last],
        )
        yield here, crystals.taken(np.arange(first, last))


def residuals_of(
    measured: Measurements, crystals: Crystals, detector: Detector, beam: Floats
) -> Floats:
    """Return the residuals (n, 3) of all spots: x, y, mm, and delta psi, rad."""
    return np.concatenate(
        [fit_of(m, c, detector, beam).residuals for m, c in blocks(measured, crystals)]
    )
