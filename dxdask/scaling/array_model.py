"""The array model: scales interpolated on grids, by resolution and scan, and by detector and scan.

The components of the array model of DIALS (Beilstein-Edmands et al. 2020, Acta Cryst. D76, 385),
which go back to XDS (Kabsch 2010, Acta Cryst. D66, 133): the scale on a grid of 1/d^2 and rotation,
`absorption` on a grid of detector position and rotation, `modulation` on one of detector position.
Between the points the logarithm is interpolated linearly in each direction. In the model KB
`modulation` is one grid for all runs of a detector: the response that they share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.models import Detector, ExperimentList
from dxdask.scaling.components import Index, rows_by_experiment
from dxdask.scaling.groups import numbered
from dxdask.scaling.parameters import KBParameters
from dxdask.scaling.variables import Variables

Axis = tuple[float, float, int]  # first and last value, and number of points


@dataclass(frozen=True, kw_only=True, slots=True)
class GridComponent:
    """Grids of the axes `s2` (1/d^2), `x`, `y` (pixels) and `z` (images).

    grids : axes of each grid, in the order of `axes`.
    of : grid of each experiment, in the order of first appearance; one grid may be of several.
    """

    name: str
    axes: tuple[str, ...]
    grids: Sequence[tuple[Axis, ...]]
    of: Sequence[int]
    weight: float
    is_level: bool

    @property
    def needs(self) -> frozenset[str]:
        """Attributes of `Variables` that are used."""
        return frozenset({"detector"} if {"x", "y"} & set(self.axes) else ())

    def _sizes(self) -> list[int]:
        return [int(np.prod([axis[2] for axis in grid])) for grid in self.grids]

    @property
    def owners(self) -> Index:
        """First experiment (m,) of each parameter."""
        first = np.unique(self.of, return_index=True)[1].astype(np.int32)
        return np.repeat(first, self._sizes())

    @property
    def restraint(self) -> Floats:
        """Weights (m,) of the restraints."""
        return np.full(sum(self._sizes()), self.weight)

    def design(self, variables: Variables) -> tuple[Index, Floats]:
        """Return the corners (n, 2^axes) of the cell of each observation, and d log g / d p."""
        n, k = len(variables.z), 2 ** len(self.axes)
        index, value = np.zeros((n, k), dtype=np.int32), np.zeros((n, k))
        at = [_coordinate(name, variables) for name in self.axes]
        place = 0
        of = np.asarray(self.of, dtype=np.int32)[variables.experiment]
        each = rows_by_experiment(of, len(self.grids))
        for grid, rows, size in zip(self.grids, each, self._sizes(), strict=True):
            index[rows], value[rows] = _corners([a[rows] for a in at], grid)
            index[rows] += place
            place += size
        return index, value


def response_component(
    experiments: ExperimentList, options: KBParameters, weight: float
) -> GridComponent:
    """Return the response of each detector over its area, one for all runs recorded with it."""
    detectors = [m.detector for m in experiments.members]
    n = options.n_modulation_bins
    areas = [detector_area(experiments.detectors[k]) for k in dict.fromkeys(detectors)]
    return GridComponent(
        name="modulation",
        axes=("x", "y"),
        grids=tuple(((0.0, float(w), n), (0.0, float(h), n)) for w, h in areas),
        of=numbered(detectors),
        weight=weight,
        is_level=False,
    )


def detector_area(detector: Detector) -> tuple[int, int]:
    """Return width and height of the frames of a detector, pixels; 1 where it has no panels."""
    height, width = detector.frame_shape if detector.panels else (1, 1)
    return width, height


def _coordinate(name: str, variables: Variables) -> Floats:
    if name == "z":
        return variables.z
    if name == "s2":
        return np.asarray(variables.d**-2.0)
    if variables.xy is None:
        raise ValueError("positions on the detector are needed")
    return np.asarray(variables.xy[:, "xy".index(name)])


def _corners(at: list[Floats], grid: tuple[Axis, ...]) -> tuple[Index, NDArray[np.float64]]:
    n = len(at[0])
    low, fraction = [], []
    for values, (first, last, points) in zip(at, grid, strict=True):
        position = np.zeros(n)
        if points > 1 and last > first:
            position = np.clip((values - first) / (last - first), 0.0, 1.0) * (points - 1)
        cell = np.minimum(position.astype(np.int64), max(points - 2, 0))
        low.append(cell)
        fraction.append(position - cell)
    corners = list(product((0, 1), repeat=len(grid)))
    index = np.zeros((n, len(corners)), dtype=np.int32)
    value = np.ones((n, len(corners)))
    for k, corner in enumerate(corners):
        place = np.zeros(n, dtype=np.int64)
        for step, cell, part, (_, _, points) in zip(corner, low, fraction, grid, strict=True):
            place = place * points + np.minimum(cell + step, points - 1)
            value[:, k] *= part if step else 1.0 - part
        index[:, k] = place
    return index, value
