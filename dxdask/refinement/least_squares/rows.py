"""Reflections to refine against, as arrays in order of their crystals."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Integers

CHUNK = 4096
"""Rows whose gradients are in memory at once: 2 MB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """Reflections (n,) in order of their crystals.

    Attributes
    ----------
    hkl : (n, 3) float64.
    crystal, experiment : (n,) int64. panel : (n,) index among the panels of all detectors.
    observed : (n, 3) x, y (mm), and phi (rad) of sweeps or 0 (delta psi) of stills.
    weights : (n, 3), 1 / variance of each.
    point, part : (n,) row of the table of scan points of the crystal, and the fraction of the way
    to the next; 0 where the crystal is static.
    beam_point, beam_part : the same of the table of scan points of the beams; None where no beam
    varies.
    entering : (n,) bool, side of the Ewald sphere, of sweeps; None for stills.
    wavelength : (n,) A, and size : (n,) pixels, of spots of stills; None for sweeps.
    """

    hkl: Floats
    crystal: Integers
    experiment: Integers
    panel: Integers
    observed: Floats
    weights: Floats
    point: Integers
    part: Floats
    entering: NDArray[np.bool_] | None = None
    wavelength: Floats | None = None
    size: Integers | None = None
    beam_point: Integers | None = None
    beam_part: Floats | None = None

    def __len__(self) -> int:
        return len(self.hkl)

    def taken(self, which: slice | NDArray[Any]) -> Rows:
        """Return the rows of a slice (views), of indices, or where a mask is true."""
        values: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            values[f.name] = None if value is None else value[which]
        return Rows(**values)
