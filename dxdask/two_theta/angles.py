"""Scattering angles of reflections by their observed positions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Integers
from dxdask.columns import Flag, Reflections, has_flag, rows_by_panel, select
from dxdask.models import ExperimentList
from dxdask.two_theta.parameters import TwoThetaParameters

COLUMNS = (
    "experiment", "panel", "hkl", "flags", "x", "y", "x_variance", "y_variance", "partiality",
    "intensity_sum", "intensity_sum_variance",
)  # fmt: skip
"""Columns that are used; the variances of positions and those of integration where they are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Angles:
    """Observed scattering angles of reflections.

    Attributes
    ----------
    experiment : (n,). hkl : (n, 3).
    two_theta : (n,), rad. wavelength : (n,), Angstrom.
    strength : (n,), the larger the more precise the angle is likely to be: 1 / sigma of the
        position in rad where known, else I/sigma(I).
    """

    experiment: NDArray[np.int64]
    hkl: Integers
    two_theta: Floats
    wavelength: Floats
    strength: Floats

    def of(self, rows: NDArray[np.bool_]) -> Angles:
        """Return some of the reflections."""
        return Angles(
            experiment=self.experiment[rows], hkl=self.hkl[rows], two_theta=self.two_theta[rows],
            wavelength=self.wavelength[rows], strength=self.strength[rows],
        )  # fmt: skip


def usable(reflections: Reflections, parameters: TwoThetaParameters) -> NDArray[np.bool_]:
    """Return true (n,) for integrated reflections with good positions; of spots for indexed ones.

    A reflection is integrated where any is.
    """
    integrated = has_flag(reflections, Flag.INTEGRATED)
    indexed = np.any(reflections["hkl"] != 0, axis=1)
    if not integrated.any():
        return np.asarray(indexed & has_flag(reflections, Flag.INDEXED))
    chosen = indexed & integrated
    if "partiality" in reflections:
        chosen &= reflections["partiality"] >= parameters.partiality_threshold
    if parameters.filter_integrated_centroids:
        strong = has_flag(reflections, Flag.STRONG)
        chosen &= (
            strong if strong.any() else _i_over_sigma(reflections) >= (parameters.min_i_over_sigma)
        )
    return np.asarray(chosen)


def _i_over_sigma(reflections: Reflections) -> Floats:
    variance = reflections["intensity_sum_variance"]
    sigma = np.sqrt(np.where(variance > 0, variance, np.inf))
    return np.asarray(reflections["intensity_sum"] / sigma)


def observed_angles(
    reflections: Reflections, experiments: ExperimentList, parameters: TwoThetaParameters
) -> Angles:
    """Return the scattering angles of the usable reflections."""
    table = select(reflections, np.flatnonzero(usable(reflections, parameters)))
    n = len(table["experiment"])
    two_theta, slope, wavelength = np.zeros(n), np.zeros((n, 2)), np.zeros(n)
    for e, p, rows in rows_by_panel(table):
        experiment = experiments[e]
        panel, s0 = experiment.detector[p], experiment.beam.s0
        mm = panel.pixel_to_mm(np.column_stack([table["x"][rows], table["y"][rows]]))
        lab = panel.lab_coordinates(mm)
        distance = np.linalg.norm(lab, axis=1)
        beam = s0 / np.linalg.norm(s0)
        cosine = lab @ beam / distance
        two_theta[rows] = np.arctan2(np.linalg.norm(np.cross(lab, beam), axis=1), lab @ beam)
        # d(2 theta) / d(lab), along the panel's axes
        across = cosine[:, None] * lab / distance[:, None] - beam
        across /= np.maximum(np.linalg.norm(across, axis=1), 1e-12)[:, None]
        axes = np.array([panel.fast_axis, panel.slow_axis])
        slope[rows] = across @ axes.T / distance[:, None] * panel.pixel_size
        wavelength[rows] = experiment.beam.wavelength
    if "x_variance" in table and np.all(table["x_variance"] > 0):
        variance = np.column_stack([table["x_variance"], table["y_variance"]])
        strength = 1.0 / np.sqrt(np.maximum((slope**2 * variance).sum(axis=1), 1e-30))
    elif "intensity_sum" in table:
        strength = _i_over_sigma(table)
    else:
        strength = np.ones(n)
    return Angles(
        experiment=table["experiment"].astype(np.int64), hkl=table["hkl"].astype(np.int64),
        two_theta=two_theta, wavelength=wavelength, strength=strength,
    )  # fmt: skip
