"""Correlation of intensities under rotations of the lattice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from dxdask.arrays import Floats, Integers
from dxdask.columns import Reflections

FEWEST_PAIRS = 10
PER_SHELL = 100
MOST_SHELLS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class MergedIntensities:
    """Mean intensities of unique indices of each experiment, Friedel pairs merged; sorted by code.

    Attributes
    ----------
    codes : one number for experiment and index (n,), rising.
    experiment : (n,). hkl : (n, 3). intensity : (n,), over the mean of its experiment.
    """

    codes: NDArray[np.int64]
    experiment: NDArray[np.int64]
    hkl: Integers
    intensity: Floats


def _friedel(hkl: Integers) -> Integers:
    """Return hkl (n, 3) or -hkl, whose first index other than 0 is positive."""
    h, k, l = hkl.T
    negative = (h < 0) | ((h == 0) & ((k < 0) | ((k == 0) & (l < 0))))
    return np.where(negative[:, None], -hkl, hkl)


def _code(experiment: NDArray[np.int64], hkl: Integers) -> NDArray[np.int64]:
    """Return one number for each experiment and index (of up to 1023)."""
    h, k, l = (np.clip(hkl, -1023, 1023) + 1024).T
    return np.asarray(((experiment * 2048 + h) * 2048 + k) * 2048 + l)


def merge_intensities(
    reflections: Reflections, hkl: Integers, a_matrix: Floats | None = None
) -> MergedIntensities:
    """Return the merged `intensity_sum` of reflections with indices hkl (n, 3) in the reduced cell.

    Experiments are merged apart, as they may differ in exposure. Intensities are divided by the
    mean of their experiment; with A (3, 3) of the reduced cell, by that of their resolution shell,
    whose fall would let any reflections of one length correlate.
    """
    experiment = reflections["experiment"].astype(np.int64)
    unique = _friedel(np.asarray(hkl, dtype=np.int64))
    codes, first, inverse = np.unique(
        _code(experiment, unique), return_index=True, return_inverse=True
    )
    mean = np.bincount(inverse, reflections["intensity_sum"]) / np.bincount(inverse)
    e, indices = experiment[first], unique[first]
    shell = e if a_matrix is None else e * MOST_SHELLS + _shells(indices, a_matrix)
    of_shell = np.bincount(shell, mean) / np.maximum(np.bincount(shell), 1)
    scale = np.where(of_shell > 0, of_shell, 1.0)[shell]
    return MergedIntensities(codes=codes, experiment=e, hkl=indices, intensity=mean / scale)


def _shells(hkl: Integers, a_matrix: Floats) -> NDArray[np.int64]:
    """Return the resolution shell (n,) of indices, of equal numbers in each."""
    length = np.linalg.norm(hkl @ a_matrix.T, axis=1)
    n = int(np.clip(len(hkl) // PER_SHELL, 1, MOST_SHELLS))
    edges = np.quantile(length, np.linspace(0.0, 1.0, n + 1)[1:-1]) if n > 1 else np.zeros(0)
    return np.asarray(np.searchsorted(edges, length))


def correlation(merged: MergedIntensities, rotation: NDArray[np.float64]) -> float | None:
    """Return the correlation of I(h) and I(h W) for the rotation W (3, 3) of direct coordinates.

    It is the rank correlation (Spearman): intensities are not yet corrected, and a few hot pixels
    or reflections near the rotation axis would dominate any other. None for ten pairs or fewer.
    """
    rotated = _friedel(np.rint(merged.hkl @ rotation).astype(np.int64))
    codes = _code(merged.experiment, rotated)
    place = np.minimum(np.searchsorted(merged.codes, codes), len(merged.codes) - 1)
    pairs = (merged.codes[place] == codes) & np.any(rotated != merged.hkl, axis=1)
    if np.count_nonzero(pairs) <= FEWEST_PAIRS:
        return None
    x = scipy.stats.rankdata(merged.intensity[pairs])
    y = scipy.stats.rankdata(merged.intensity[place[pairs]])
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


class Correlations:
    """Correlations under rotations, each calculated once."""

    def __init__(self, merged: MergedIntensities) -> None:
        self._merged = merged
        self._known: dict[bytes, float | None] = {}

    def under(self, rotation: NDArray[np.float64]) -> float | None:
        """Return `correlation` under a rotation (3, 3) of direct coordinates, integers."""
        whole = np.rint(rotation).astype(np.int64)
        key = whole.tobytes()
        if key not in self._known:
            self._known[key] = correlation(self._merged, whole.astype(np.float64))
        return self._known[key]
