"""Intensities of which the symmetry is determined, of all crystals in one reduced cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, check, has_flag
from dxdask.errors import InputError
from dxdask.models import ExperimentList

NEEDED = (
    "experiment", "hkl", "flags", "z_cal", "partiality", "lp", "qe",
    "intensity_sum", "intensity_sum_variance",
)  # fmt: skip
OF_FIT = ("intensity_prf", "intensity_prf_variance")
_BAD = (
    Flag.OVERLOADED
    | Flag.OVERLAPPED_FG
    | Flag.FOREGROUND_INCLUDES_BAD_PIXELS
    | Flag.FAILED_DURING_SUMMATION
)
SD_FACTOR = 2.0
SD_ADD = 0.03


@dataclass(frozen=True, kw_only=True, slots=True)
class Intensities:
    """Observations (n,), sorted by crystal.

    Attributes
    ----------
    hkl : (n, 3) int64, in the axes of the reduced cell. crystal : (n,) number of the crystal.
    experiment : (n,). z : (n,) images.
    intensity, sigma : (n,), corrected for lp, qe and partiality, or normalised.
    """

    hkl: NDArray[np.int64]
    crystal: NDArray[np.int64]
    experiment: NDArray[np.int64]
    z: Floats
    intensity: Floats
    sigma: Floats

    def __len__(self) -> int:
        return len(self.hkl)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Intensities:
        """Return some of the observations."""
        return Intensities(
            hkl=self.hkl[rows], crystal=self.crystal[rows], experiment=self.experiment[rows],
            z=self.z[rows], intensity=self.intensity[rows], sigma=self.sigma[rows],
        )  # fmt: skip


def crystal_of_experiment(experiments: ExperimentList) -> NDArray[np.int64]:
    """Return the number of the crystal of each experiment, -1 where it has none."""
    return np.array([-1 if m.crystal is None else m.crystal for m in experiments.members], np.int64)


def usable_intensities(
    reflections: Reflections, experiments: ExperimentList, min_partiality: float
) -> Intensities:
    """Return the corrected intensities of well integrated reflections, hkl in each crystal's axes.

    A profile-fitted intensity is used where there is one. Sigmas are twice those of counting with
    3 % of the intensity added, as is typical of unscaled data (Evans 2006, Acta Cryst. D62, 72).

    Raises
    ------
    SchemaError
        A column is missing.
    InputError
        No reflection is usable.
    """
    check({k: reflections[k] for k in NEEDED if k in reflections}, NEEDED)
    summed, variance = reflections["intensity_sum"], reflections["intensity_sum_variance"]
    good = has_flag(reflections, Flag.INTEGRATED_SUM)
    if all(name in reflections for name in OF_FIT):
        fitted = has_flag(reflections, Flag.INTEGRATED_PRF)
        summed = np.where(fitted, reflections["intensity_prf"], summed)
        variance = np.where(fitted, reflections["intensity_prf_variance"], variance)
        good |= fitted
    good &= ~has_flag(reflections, _BAD) & np.any(reflections["hkl"] != 0, axis=1)
    good &= np.isfinite(summed) & np.isfinite(variance) & (variance > 0)
    good &= (reflections["lp"] > 0) & (reflections["qe"] > 0)
    good &= reflections["partiality"] >= max(min_partiality, 1e-3)
    crystal = crystal_of_experiment(experiments)[reflections["experiment"]]
    good &= crystal >= 0
    if not good.any():
        raise InputError(
            f"no reflection of {len(good)} can be used to determine the symmetry: they need the "
            "flag INTEGRATED_SUM or INTEGRATED_PRF, a positive variance and a partiality of "
            f"{min_partiality:g}; check the summary of integrate"
        )
    rows = np.flatnonzero(good)
    rows = rows[np.argsort(crystal[rows], kind="stable")]
    factor = reflections["lp"][rows] / (reflections["qe"][rows] * reflections["partiality"][rows])
    intensity = summed[rows] * factor
    counted = variance[rows] * factor**2
    return Intensities(
        hkl=reflections["hkl"][rows].astype(np.int64),
        crystal=crystal[rows],
        experiment=reflections["experiment"][rows].astype(np.int64),
        z=reflections["z_cal"][rows].astype(np.float64),
        intensity=intensity,
        sigma=np.sqrt(SD_FACTOR**2 * counted + (SD_ADD * intensity) ** 2),
    )


def spacings_of(hkl: NDArray[np.int64], a_matrix: Floats) -> Floats:
    """Return the lattice spacings d (n,), Angstrom, of indices (n, 3) along the axes of A."""
    return np.asarray(1.0 / np.linalg.norm(hkl @ a_matrix.T, axis=1))
