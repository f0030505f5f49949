"""Sums over the observations of each unique reflection, in two passes.

First pass: number, sum w, sum w I of I(+) and of I(-). They give <I> = sum w I / sum w, w =
1/variance. Second pass, which needs <I>: sum |I - <I>|, sum w (I - <I>)^2, sum I and sum w^2,
Friedel mates together. Sums of two sets of observations are added by `combine_equivalents`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gemmi
import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats, Mask
from dxdask.columns import Flag, Reflections, check, has_flag
from dxdask.merging.parameters import MergingParameters
from dxdask.models.symmetry import asu_indices, is_absent, is_centric, pack, spacings, unpack

NEEDED = ("experiment", "hkl", "flags", "intensity", "intensity_variance")
N_FIRST = 3
N_SECOND = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class EquivalentSums:
    """Sums by unique reflection.

    Attributes
    ----------
    keys : (n,) packed indices in the asymmetric unit, ascending, each once.
    values : (n, m) sums. First pass: count, sum w, sum w I of I(+), then of I(-). Second pass:
        sum |I - <I>|, sum w (I - <I>)^2, sum I, sum w^2.
    """

    keys: NDArray[np.int64]
    values: Floats


@njit(cache=True, nogil=True, error_model="numpy")
def _first_sums(place, minus, intensity, variance, out):  # type: ignore[no-untyped-def]
    for i in range(len(place)):
        w = 1.0 / variance[i]
        column = 3 if minus[i] else 0
        out[place[i], column] += 1.0
        out[place[i], column + 1] += w
        out[place[i], column + 2] += w * intensity[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _second_sums(place, mean, intensity, variance, out):  # type: ignore[no-untyped-def]
    for i in range(len(place)):
        deviation = intensity[i] - mean[place[i]]
        out[place[i], 0] += abs(deviation)
        out[place[i], 1] += deviation * deviation / variance[i]
        out[place[i], 2] += intensity[i]
        out[place[i], 3] += variance[i] ** -2.0


@njit(cache=True, nogil=True, error_model="numpy")
def _add_rows(place, values, out):  # type: ignore[no-untyped-def]
    for i in range(len(place)):
        for k in range(values.shape[1]):
            out[place[i], k] += values[i, k]


def combine_equivalents(parts: Sequence[EquivalentSums]) -> EquivalentSums:
    """Return the sums of all parts, added in their order."""
    keys, place = np.unique(np.concatenate([p.keys for p in parts]), return_inverse=True)
    values = np.zeros((len(keys), parts[0].values.shape[1]))
    _add_rows(place, np.concatenate([p.values for p in parts]), values)
    return EquivalentSums(keys=keys, values=values)


def is_measured(reflections: Reflections) -> Mask:
    """Return true (n,) for intensities that are finite, with a positive finite variance."""
    variance = reflections["intensity_variance"]
    good = np.isfinite(reflections["intensity"]) & np.isfinite(variance)
    return np.asarray(good & (variance > 0))


def mergeable(
    reflections: Reflections,
    cell: gemmi.UnitCell,
    group: gemmi.SpaceGroup,
    parameters: MergingParameters,
) -> NDArray[np.int64]:
    """Return the rows to merge, sorted by index, experiment, z and place in the table.

    Reflections rejected or excluded by scaling, those outside the limits of `parameters` and
    systematic absences are not among them.
    """
    check({k: reflections[k] for k in NEEDED if k in reflections}, NEEDED)
    good = has_flag(reflections, Flag.SCALED) & ~has_flag(reflections, Flag.BAD_FOR_SCALING)
    good &= is_measured(reflections)
    if "partiality" in reflections:
        good &= reflections["partiality"] >= parameters.partiality_threshold
    rows = np.flatnonzero(good)
    hkl = reflections["hkl"][rows]
    d = spacings(hkl, cell)
    kept = (
        (d >= (parameters.d_min or 0.0))
        & (d <= (parameters.d_max or np.inf))
        & ~is_absent(hkl, group)
    )
    rows, hkl = rows[kept], hkl[kept]
    z = reflections["z_cal"][rows] if "z_cal" in reflections else np.zeros(len(rows))
    return rows[np.lexsort((rows, z, reflections["experiment"][rows], pack(hkl)))]


def first_pass(
    reflections: Reflections, rows: NDArray[np.int64], group: gemmi.SpaceGroup
) -> EquivalentSums:
    """Return number, sum w and sum w I of these rows, by unique reflection, for I(+) and I(-).

    A centric reflection is its own Friedel mate: all its observations count as I(+).
    """
    asu, isym = asu_indices(reflections["hkl"][rows], group)
    keys, place = np.unique(pack(asu), return_inverse=True)
    minus = (isym % 2 == 0) & ~is_centric(unpack(keys), group)[place]
    out = np.zeros((len(keys), 2 * N_FIRST))
    _first_sums(
        place, minus, reflections["intensity"][rows], reflections["intensity_variance"][rows], out
    )
    return EquivalentSums(keys=keys, values=out)


def second_pass(
    reflections: Reflections,
    rows: NDArray[np.int64],
    group: gemmi.SpaceGroup,
    first: EquivalentSums,
) -> EquivalentSums:
    """Return sum |I - <I>|, sum w (I - <I>)^2, sum I and sum w^2 of these rows.

    first : sums of the first pass over all rows, which give <I>.
    """
    asu, _ = asu_indices(reflections["hkl"][rows], group)
    keys, place = np.unique(pack(asu), return_inverse=True)
    at = np.searchsorted(first.keys, keys)
    out = np.zeros((len(keys), N_SECOND))
    mean = mean_intensity(first)[at]
    _second_sums(
        place, mean, reflections["intensity"][rows], reflections["intensity_variance"][rows], out
    )
    return EquivalentSums(keys=keys, values=out)


def mean_intensity(first: EquivalentSums) -> Floats:
    """Return <I> (n,), Friedel mates together."""
    v = first.values
    return np.asarray((v[:, 2] + v[:, 5]) / (v[:, 1] + v[:, 4]))


def scatter_variance(first: EquivalentSums, second: EquivalentSums) -> Floats:
    """Return the variance of <I> (n,), 1 / sum w times the reduced chi squared of its equivalents.

    nan where there is one observation.
    """
    v = first.values
    n = v[:, 0] + v[:, 3]
    degrees = np.where(n > 1, n - 1, np.nan)
    return np.asarray(second.values[:, 1] / degrees / (v[:, 1] + v[:, 4]))


def internal_variance(first: EquivalentSums, second: EquivalentSums) -> Floats:
    """Return the variance of <I> (n,) by the scatter of its equivalents, as cctbx defines it.

    The unbiased weighted sample variance, sum w / ((sum w)^2 - sum w^2) sum w (I - <I>)^2 (GNU
    Scientific Library, "Weighted samples"), divided by the number of observations
    (`merge_equivalents` of cctbx.miller). nan where there is one observation.
    """
    v = first.values
    n, w = v[:, 0] + v[:, 3], v[:, 1] + v[:, 4]
    freedom = np.where(n > 1, w**2 - second.values[:, 3], np.nan)
    return np.asarray(w / freedom * second.values[:, 1] / n)


def merged_table(
    first: EquivalentSums, second: EquivalentSums, parameters: MergingParameters
) -> Reflections:
    """Return the merged reflections, sorted by index: hkl, intensity, sigma, I(+), I(-).

    I(+) and I(-) are nan where there is none.
    """
    v = first.values
    sigma = np.sqrt(1.0 / (v[:, 1] + v[:, 4]))
    if parameters.use_internal_variance:
        sigma = np.fmax(sigma, np.sqrt(internal_variance(first, second)))
    table: Reflections = {
        "hkl": unpack(first.keys),
        "intensity": mean_intensity(first),
        "sigma": sigma,
        "n_observations": (v[:, 0] + v[:, 3]).astype(np.int32),
    }
    if parameters.anomalous:
        for name, k in (("plus", 0), ("minus", N_FIRST)):
            weight = np.where(v[:, k] > 0, v[:, k + 1], np.nan)
            table[f"intensity_{name}"] = v[:, k + 2] / weight
            table[f"sigma_{name}"] = np.sqrt(1.0 / weight)
            table[f"n_{name}"] = v[:, k].astype(np.int32)
    return table
