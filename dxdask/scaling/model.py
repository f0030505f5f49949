"""Scaling model: scale and relative B factor of each experiment, smooth along its scan.

log g = sum_k u_k p_k + 1/(2 d^2) sum_k v_k B_k. This is the physical model of DIALS
(Beilstein-Edmands et al. 2020, Acta Cryst. D76, 385) but for smoothing the logarithm of the scale,
which makes the model linear and the scale positive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.models import Experiment, ExperimentList
from dxdask.models.smoother import N_NEAR, Smoother
from dxdask.scaling.observations import Observations
from dxdask.scaling.parameters import PhysicalParameters, ScalingParameters

# length of short scans, and the spacings of the points of scale and B; degrees (DIALS)
_SHORT_SCANS = ((5.0, 1.0, 1.5), (10.0, 2.0, 3.0), (25.0, 4.0, 5.0), (90.0, 8.0, 10.0))
_DEFAULT_INTERVALS = (15.0, 20.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class ScalingModel:
    """The smoothers of each experiment; parameters are all scales, then all B factors."""

    scales: tuple[Smoother, ...]
    decays: tuple[Smoother, ...]

    @property
    def n_scales(self) -> int:
        """Number of parameters of the scales."""
        return sum(s.n_points for s in self.scales)

    @property
    def n_parameters(self) -> int:
        """Number of all parameters."""
        return self.n_scales + sum(s.n_points for s in self.decays)

    def design(
        self, experiment: NDArray[np.int32], z: Floats, d: Floats
    ) -> tuple[NDArray[np.int32], Floats]:
        """Return the parameters (n, k) int32 of each observation, and d log g / d p (n, k)."""
        kinds = [self.scales, self.decays] if self.decays else [self.scales]
        index = np.empty((len(z), N_NEAR * len(kinds)), dtype=np.int32)
        value = np.empty((len(z), N_NEAR * len(kinds)))
        order = np.argsort(experiment, kind="stable")
        bounds = np.searchsorted(experiment[order], np.arange(len(self.scales) + 1))
        place = 0
        for k, smoothers in enumerate(kinds):
            columns = slice(N_NEAR * k, N_NEAR * (k + 1))
            for i, smoother in enumerate(smoothers):
                rows = order[bounds[i] : bounds[i + 1]]
                points, weight = smoother.weights(z[rows])
                index[rows, columns] = points + place
                value[rows, columns] = weight
                place += smoother.n_points
        if self.decays:
            value[:, N_NEAR:] /= 2.0 * d[:, None] ** 2
        return index, value


def intervals(total_degrees: float, parameters: PhysicalParameters) -> tuple[float, float]:
    """Return the spacings of the points of scale and B factor, degrees, by length of scan."""
    scale, decay = next((s[1:] for s in _SHORT_SCANS if total_degrees < s[0]), _DEFAULT_INTERVALS)
    return parameters.scale_interval or scale, parameters.decay_interval or decay


def _smoothers(experiment: Experiment, parameters: ScalingParameters) -> tuple[Smoother, Smoother]:
    scan = experiment.scan
    total = 0.0 if scan is None else abs(scan.oscillation[1]) * scan.n_images
    if scan is None or parameters.model == "KB" or (parameters.model == "auto" and total < 1.0):
        constant = Smoother(start=0.0, width=1.0, n_intervals=0)
        return constant, constant
    start, width = float(scan.array_range[0]), float(scan.n_images)
    scale, decay = (
        Smoother(start=start, width=width, n_intervals=int(total / (spacing + 1e-5)) + 1)
        for spacing in intervals(total, parameters.physical)
    )
    return scale, decay


def scaling_model(experiments: ExperimentList, parameters: ScalingParameters) -> ScalingModel:
    """Return the model of these experiments."""
    pairs = [_smoothers(e, parameters) for e in experiments]
    decays = tuple(p[1] for p in pairs) if parameters.physical.decay_correction else ()
    return ScalingModel(scales=tuple(p[0] for p in pairs), decays=decays)


def observation_design(model: ScalingModel, obs: Observations) -> tuple[NDArray[np.int32], Floats]:
    """Return the design of `obs`, in the order of its rows."""
    return model.design(obs.experiment, obs.z, obs.d[obs.group])
