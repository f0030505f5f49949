"""Errors of intensities against what was painted, in units of their standard deviations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from support.painted_frames import SIGMA_B, Painted, experiment

from dxdask.integration.local_profile import LocalProfile
from dxdask.integration.regions import RegionMeans
from dxdask.integration.rotation_spread import RotationSpread
from dxdask.scaling.intensities import estimates

PIXEL_VARIANCE = (SIGMA_B * 42.5 / 0.1) ** 2 + 1 / 12  # px^2, as of `painted_frames`


@dataclass(frozen=True)
class Errors:
    """Deviations z, true intensities and places of the estimates of several sets of frames."""

    z: np.ndarray
    true: np.ndarray
    x: np.ndarray
    y: np.ndarray

    def select(self, rows: np.ndarray) -> Errors:
        return Errors(self.z[rows], self.true[rows], self.x[rows], self.y[rows])

    def tenths(self) -> list[np.ndarray]:
        """Return the deviations by tenth of the true intensity."""
        return np.array_split(self.z[np.argsort(self.true, kind="stable")], 10)


def local() -> LocalProfile:
    """Return the painted widths."""

    def mean(value: float) -> RegionMeans:
        return RegionMeans(np.full((1, 1, 1), value), np.array([[300.0, 280.0]]))

    log = mean(np.log(PIXEL_VARIANCE))
    zero = mean(0.0)
    spread = RotationSpread(np.deg2rad(0.15), 0.0)
    return LocalProfile(x=zero, y=zero, z=zero, log_xx=log, log_yy=log, spread=spread)


def spaced() -> object:
    """Return an experiment with 1400 whole reflections, few of which overlap."""
    return experiment(cell=(50.0, 55.0, 60.0, 85.0, 95.0, 100.0), n_sigma=3.0)


def errors(made: tuple[Painted, tuple], kind: str) -> Errors:
    """Return those of the best estimates: of sums, of profiles or of both combined."""
    p, several = made
    out = []
    for r in several:
        e = estimates(r, np.arange(len(r["d"])), kind, expected=True)
        true = p.intensity * r["partiality"]
        found, variance, slope = e.combined(true)
        rows = (e.has_sum | e.has_fit) & (r["partiality"] > 0.99)
        z = (found - true) / np.sqrt(variance + slope * true)
        out.append(np.stack([z, true, r["x_cal"], r["y_cal"]])[:, rows])
    return Errors(*np.concatenate(out, axis=1))


def spread(z: np.ndarray) -> float:
    """Return the robust standard deviation."""
    return 1.4826 * np.median(np.abs(z - np.median(z)))
