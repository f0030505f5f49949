"""Components of the scaling model: each adds a linear function of its parameters to log g.

The scale and the relative B factor, smooth along the scan: log g = sum_k u_k p_k +
1/(2 d^2) sum_k v_k B_k, as in the physical model of DIALS (Beilstein-Edmands et al. 2020, Acta
Cryst. D76, 385) but for smoothing the logarithm of the scale, which makes the model linear and the
scale positive. Absorption: spherical harmonics of the directions of the incident and the
scattered ray in the frame of the crystal (Blessing 1995, Acta Cryst. A51, 33).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.models.smoother import N_NEAR, Smoother
from dxdask.scaling.harmonics import mean_harmonics, n_harmonics
from dxdask.scaling.variables import Variables

Index = NDArray[np.int32]


class Component(Protocol):
    """One factor of the scale.

    Attributes
    ----------
    name : in tables.
    is_level : whether its parameters are logarithms of the whole scale, restrained to the level of
        their run; else they are restrained to zero.
    needs : attributes of `Variables` that are used, beside experiment, z and d.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def is_level(self) -> bool: ...  # noqa: D102
    @property
    def needs(self) -> frozenset[str]: ...  # noqa: D102

    @property
    def owners(self) -> Index:
        """Experiment (m,) of each parameter."""
        ...

    @property
    def restraint(self) -> Floats:
        """Weights (m,) of the restraints of the parameters."""
        ...

    def design(self, variables: Variables) -> tuple[Index, NDArray[Any]]:
        """Return the parameters (n, k) int32 of each observation, and d log g / d p.

        A dense component returns the first parameters (n,), -1 where there are none, and the
        derivatives (n, k) float32 by it and those that follow.
        """
        ...


def rows_by_experiment(experiment: NDArray[np.int32], n: int) -> list[NDArray[np.int64]]:
    """Return the rows of each of n experiments."""
    order = np.argsort(experiment, kind="stable")
    bounds = np.searchsorted(experiment[order], np.arange(n + 1))
    return [order[bounds[i] : bounds[i + 1]] for i in range(n)]


@dataclass(frozen=True, kw_only=True, slots=True)
class SmoothComponent:
    """The scale of each experiment (`is_level`), or its relative B factor, along the scan."""

    name: str
    smoothers: Sequence[Smoother]
    weight: float
    is_level: bool
    needs: frozenset[str] = frozenset()

    @property
    def owners(self) -> Index:
        """Experiment (m,) of each parameter."""
        counts = [s.n_points for s in self.smoothers]
        return np.repeat(np.arange(len(counts), dtype=np.int32), counts)

    @property
    def restraint(self) -> Floats:
        """Weights (m,) of the restraints."""
        return np.full(sum(s.n_points for s in self.smoothers), self.weight)

    def design(self, variables: Variables) -> tuple[Index, Floats]:
        """Return the parameters (n, N_NEAR) of each observation, and d log g / d p."""
        n = len(variables.z)
        index, value = np.empty((n, N_NEAR), dtype=np.int32), np.empty((n, N_NEAR))
        place = 0
        each = rows_by_experiment(variables.experiment, len(self.smoothers))
        for smoother, rows in zip(self.smoothers, each, strict=True):
            points, weight = smoother.weights(variables.z[rows])
            index[rows] = points + place
            value[rows] = weight
            place += smoother.n_points
        if not self.is_level:
            value /= 2.0 * variables.d[:, None] ** 2
        return index, value


@dataclass(frozen=True, kw_only=True, slots=True)
class AbsorptionComponent:
    """Absorption of some experiments by harmonics of the rays, each with parameters of its own.

    experiments : n_experiments of bool. l_max : of the harmonics. weight : of the restraint.
    """

    experiments: Sequence[bool]
    l_max: int
    weight: float
    name: str = "absorption"
    is_level: bool = False
    needs: frozenset[str] = frozenset({"directions"})

    @property
    def owners(self) -> Index:
        """Experiment (m,) of each parameter."""
        there = np.flatnonzero(np.asarray(self.experiments)).astype(np.int32)
        return np.repeat(there, n_harmonics(self.l_max))

    @property
    def restraint(self) -> Floats:
        """Weights (m,) of the restraints to zero."""
        return np.full(len(self.owners), self.weight)

    def design(self, variables: Variables) -> tuple[Index, NDArray[np.float32]]:
        """Return the first parameter (n,) of each observation, and d log g / d p (n, k) float32."""
        if variables.incident is None or variables.scattered is None:
            raise ValueError("absorption needs the directions of the rays")
        there = np.asarray(self.experiments)
        first = np.where(there, (np.cumsum(there) - 1) * n_harmonics(self.l_max), -1)
        value = mean_harmonics(variables.incident, -variables.scattered, self.l_max)
        return first.astype(np.int32)[variables.experiment], value
