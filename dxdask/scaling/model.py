"""Scaling model: scale and relative B factor of each experiment, smooth along its scan.

log g = sum_k u_k p_k + 1/(2 d^2) sum_k v_k B_k. This is the physical model of DIALS
(Beilstein-Edmands et al. 2020, Acta Cryst. D76, 385) but for smoothing the logarithm of the scale,
which makes the model linear and the scale positive. Points and weights of the smoother are those of
Aimless (Evans & Murshudov 2013, Acta Cryst. D69, 1204): a Gaussian of 0.65 or 0.7 spacings over the
three nearest points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.models import Experiment, ExperimentList
from dxdask.scaling.observations import Observations
from dxdask.scaling.parameters import PhysicalParameters, ScalingParameters

N_NEAR = 3
# length of short scans, and the spacings of the points of scale and B; degrees (DIALS)
_SHORT_SCANS = ((5.0, 1.0, 1.5), (10.0, 2.0, 3.0), (25.0, 4.0, 5.0), (90.0, 8.0, 10.0))
_DEFAULT_INTERVALS = (15.0, 20.0)


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
