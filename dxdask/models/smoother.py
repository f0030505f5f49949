"""Gaussian smoother along a scan.

Points and weights are those of Aimless (Evans & Murshudov 2013, Acta Cryst. D69, 1204) and of the
scan-varying refinement of DIALS (Waterman et al. 2016, Acta Cryst. D72, 558): a Gaussian of 0.65 or
0.7 spacings over the three nearest points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats

N_NEAR = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Smoother:
    """Points along the scan of one experiment.

    Attributes
    ----------
    start, width : first image and number of images of the scan. n_intervals : between the points;
    0 for one constant.
    """

    start: float
    width: float
    n_intervals: int

    @property
    def n_points(self) -> int:
        """Number of parameters."""
        return self.n_intervals + (2 if self.n_intervals > 2 else 1)

    @property
    def positions(self) -> Floats:
        """Positions of the points, in intervals: their borders, or the centres of three or more."""
        first = -0.5 if self.n_intervals > 2 else 0.0
        return np.arange(self.n_points, dtype=np.float64) + first

    def weights(self, z: Floats) -> tuple[NDArray[np.int32], Floats]:
        """Return the nearest points (n, N_NEAR) int32 of z (n,), images, and weights of sum 1."""
        index = np.zeros((len(z), N_NEAR), dtype=np.int32)
        weight = np.zeros((len(z), N_NEAR))
        if self.n_intervals == 0:
            weight[:, 0] = 1.0
            return index, weight
        n = min(N_NEAR, self.n_points)
        at = np.clip((z - self.start) / self.width * self.n_intervals, 0.0, self.n_intervals)
        first = np.rint(at - self.positions[0]).astype(np.int64) - 1
        first = np.clip(first, 0, self.n_points - n)
        spread = 0.7 if self.n_intervals > 2 else 0.65
        index[:, :n] = first[:, None] + np.arange(n)
        weight[:, :n] = np.exp(-(((at[:, None] - self.positions[index[:, :n]]) / spread) ** 2))
        return index, weight / weight.sum(axis=1, keepdims=True)
