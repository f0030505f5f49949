"""How well spots are on the planes of a lattice, for many beam centres."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numba import njit

from dxdask.arrays import Floats
from dxdask.columns import Reflections, select
from dxdask.indexing.reciprocal import from_datum
from dxdask.models import ExperimentList


@dataclass(frozen=True, kw_only=True, slots=True)
class LatticePlanes:
    """Spots, and the vectors of a direct lattice as each spot sees them.

    Attributes
    ----------
    points : (n, 3) of the spots on the detector, mm. s0 : (n, 3), 1/Angstrom.
    axes : (n, k, 3) direct vectors in the laboratory frame at the angle of each spot, Angstrom.
    fast, slow : (3,) of the detector.
    """

    points: Floats
    s0: Floats
    axes: Floats
    fast: Floats
    slow: Floats

    def thinned(self, most: int) -> LatticePlanes:
        """Return at most so many of the spots, at equal intervals."""
        every = -(-len(self.points) // most)
        return replace(
            self, points=self.points[::every], s0=self.s0[::every], axes=self.axes[::every]
        )

    def scores(self, shifts: Floats) -> Floats:
        """Return the mean of cos 2 pi v.q (m,) over spots and vectors, for shifts (m, 2), mm."""
        by = -(shifts[:, :1] * self.fast + shifts[:, 1:] * self.slow)
        out = np.empty(len(shifts))
        _scores(self.points, self.s0, self.axes, by, out)
        return out


def lattice_planes(
    spots: Reflections, experiments: ExperimentList, a_matrix: Floats
) -> LatticePlanes:
    """Return the planes of a lattice A (3, 3) for spots that are mapped with these experiments."""
    basis = np.linalg.inv(a_matrix)
    vectors = np.concatenate([basis, [basis.sum(axis=0)]])
    n = len(spots["x"])
    points, s0 = np.empty((n, 3)), np.empty((n, 3))
    axes = np.empty((n, len(vectors), 3))
    for i, e in enumerate(experiments):
        rows = np.flatnonzero(spots["experiment"] == i)
        part = select(spots, rows)
        for k, panel in enumerate(e.detector.panels):
            on = part["panel"] == k
            xy = np.column_stack([part["x_mm"][on], part["y_mm"][on]])
            points[rows[on]] = panel.lab_coordinates(xy)
        # rlp is s1 - s0 at the goniometer's datum
        s0[rows] = part["s1"] - from_datum(part["rlp"], part["phi_rad"], e)
        for j, v in enumerate(vectors):
            axes[rows, j] = from_datum(np.tile(v, (len(rows), 1)), part["phi_rad"], e)
    first = experiments[0].detector[0]
    return LatticePlanes(
        points=points, s0=s0, axes=axes, fast=np.asarray(first.fast_axis),
        slow=np.asarray(first.slow_axis),
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _scores(points: Any, s0: Any, axes: Any, by: Any, out: Any) -> None:
    n, n_axes = points.shape[0], axes.shape[1]
    q = np.empty(3)
    for m in range(by.shape[0]):
        total = 0.0
        for i in range(n):
            length, wave = 0.0, 0.0
            for x in range(3):
                q[x] = points[i, x] + by[m, x]
                length += q[x] * q[x]
                wave += s0[i, x] * s0[i, x]
            scale = math.sqrt(wave / length)
            for x in range(3):
                q[x] = q[x] * scale - s0[i, x]
            for k in range(n_axes):
                phase = axes[i, k, 0] * q[0] + axes[i, k, 1] * q[1] + axes[i, k, 2] * q[2]
                total += math.cos(2.0 * math.pi * phase)
        out[m] = total / (n * n_axes)
