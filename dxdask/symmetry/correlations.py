"""Correlation of the intensities of reflections and of their equivalents under an operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.symmetry.intensities import Intensities
from dxdask.symmetry.operators import (
    IDENTITY,
    Rotation,
    friedel_unique,
    inverse_of,
    keys_of,
    matrix_of,
    product,
)

MOST_UNRELATED = 20_000
GROUP_SIZES = range(5, 201)
DRAWS = 200
FEWEST_GROUPS = 10
LEAST_SD = 0.05
"""Of an expected correlation (Evans 2011, appendix A1)."""
FEWEST_FRIEDEL_PAIRS = 10
OUTLIER_RANGES = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Merged:
    """Intensities merged in P1 with Friedel mates, by crystal or of all crystals.

    Attributes
    ----------
    keys : (n,) ascending, of index and crystal. hkl : (n, 3). crystal : (n,).
    intensity, sigma : (n,).
    """

    keys: NDArray[np.int64]
    hkl: NDArray[np.int64]
    crystal: NDArray[np.int64]
    intensity: Floats
    sigma: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Correlation:
    """A correlation coefficient and the number of pairs; None of too few."""

    cc: float | None
    n: int


def merge_p1(data: Intensities, *, by_crystal: bool) -> Merged:
    """Return weighted means of Friedel mates and repeated observations."""
    hkl = friedel_unique(data.hkl)
    crystal = data.crystal if by_crystal else np.zeros_like(data.crystal)
    keys, first, row = np.unique(keys_of(hkl, crystal), return_index=True, return_inverse=True)
    weight = 1.0 / data.sigma**2
    total = np.bincount(row, weight, len(keys))
    return Merged(
        keys=keys, hkl=hkl[first], crystal=crystal[first],
        intensity=np.bincount(row, weight * data.intensity, len(keys)) / total,
        sigma=np.sqrt(1.0 / total),
    )  # fmt: skip


def correlation(x: Floats, y: Floats) -> Correlation:
    """Return the correlation of pairs, each taken in both orders."""
    if len(x) < 3:
        return Correlation(cc=None, n=len(x))
    mean = 0.5 * (x.mean() + y.mean())
    variance = 0.5 * (((x - mean) ** 2).mean() + ((y - mean) ** 2).mean())
    if variance <= 0:
        return Correlation(cc=None, n=len(x))
    return Correlation(cc=float(((x - mean) * (y - mean)).mean() / variance), n=len(x))


def fixed_by(
    hkl: NDArray[np.int64], lattice: frozenset[Rotation]
) -> dict[Rotation, NDArray[np.bool_]]:
    """Return for each rotation which indices (n, 3) it leaves as they are, or turns to the mate."""
    found = {}
    for w in lattice - {IDENTITY}:
        image = hkl @ matrix_of(w)
        found[w] = np.all(image == hkl, axis=1) | np.all(image == -hkl, axis=1)
    return found


def pairs_under(
    merged: Merged, rotation: Rotation, fixed: Mapping[Rotation, NDArray[np.bool_]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows of reflections and of their equivalents, each pair once; none of their own.

    fixed : of the reflections by the rotations of the lattice. Pairs that another of these relates
    as well say nothing of this one: a twofold axis along a gives h k 0 the mate that one along b
    does.
    """
    moved = keys_of(friedel_unique(merged.hkl @ matrix_of(rotation)), merged.crystal)
    at = np.searchsorted(merged.keys, moved).clip(max=len(merged.keys) - 1)
    alone = (merged.keys[at] == moved) & (moved != merged.keys)
    same = {rotation, inverse_of(rotation)}
    for turn, is_fixed in fixed.items():
        if product(turn, rotation) not in same:
            alone &= ~is_fixed
    first = np.flatnonzero(alone)
    second = at[first]
    _, once = np.unique(
        np.minimum(first, second) * len(moved) + np.maximum(first, second), return_index=True
    )
    return first[once], second[once]


def without_outliers(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the pairs within 20 interquartile ranges of the quartiles."""
    if len(x) < 3:
        return x, y
    low, high = np.quantile(np.concatenate([x, y]), [0.25, 0.75])
    reach = OUTLIER_RANGES * (high - low)
    good = (np.minimum(x, y) >= low - reach) & (np.maximum(x, y) <= high + reach)
    return x[good], y[good]


def operator_correlation(
    merged: Merged, rotation: Rotation, fixed: Mapping[Rotation, NDArray[np.bool_]]
) -> Correlation:
    """Return the correlation of reflections with their equivalents under a rotation."""
    first, second = pairs_under(merged, rotation, fixed)
    return correlation(*without_outliers(merged.intensity[first], merged.intensity[second]))


def friedel_correlation(data: Intensities) -> Correlation:
    """Return the correlation of Friedel mates, h and -h, of the same crystal."""
    keys = keys_of(data.hkl, data.crystal)
    unique, row = np.unique(keys, return_inverse=True)
    mean = np.bincount(row, data.intensity, len(unique)) / np.bincount(row, minlength=len(unique))
    first = np.unique(keys, return_index=True)[1]
    mates = keys_of(-data.hkl[first], data.crystal[first])
    at = np.searchsorted(unique, mates).clip(max=len(unique) - 1)
    i = np.flatnonzero((unique[at] == mates) & (mates > unique))
    return correlation(*without_outliers(mean[i], mean[at[i]]))


def sd_factor(intensity: Floats, keys: NDArray[np.int64], d: Floats) -> float:
    """Return f of the standard deviation f / sqrt(N) of a correlation of N unrelated pairs.

    keys : (n,) the same for all reflections that may be related. Pairs are made at random of
    reflections of similar resolution; f is the slope of the r.m.s. correlation of groups of N pairs
    against 1 / sqrt(N) (Evans 2011, appendix A1). 1, that of independent pairs, where there are too
    few.
    """
    rng = np.random.default_rng(1)
    order = np.argsort(d, kind="stable")
    parts = []
    for shell in np.array_split(order, max(len(d) // 200, 1)):
        mixed = rng.permutation(shell)
        half = len(mixed) // 2
        parts.append(np.column_stack([mixed[:half], mixed[half : 2 * half]]))
    pairs = np.concatenate(parts)
    pairs = pairs[keys[pairs[:, 0]] != keys[pairs[:, 1]]]
    pairs = rng.permutation(pairs)[:MOST_UNRELATED]
    largest = min(len(pairs) // FEWEST_GROUPS, GROUP_SIZES.stop - 1)
    sizes = [n for n in GROUP_SIZES if n <= largest][:: max(1, (largest - 5) // 20)]
    if len(sizes) < 4:
        return 1.0
    x, y = intensity[pairs[:, 0]], intensity[pairs[:, 1]]
    rms = []
    for n in sizes:
        rows = rng.integers(0, len(x), (DRAWS, n))
        a, b = x[rows], y[rows]
        a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
        norm = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
        cc = np.divide((a * b).sum(axis=1), norm, out=np.zeros(DRAWS), where=norm > 0)
        rms.append(float(np.sqrt((cc**2).mean())))
    return float(np.polyfit(1.0 / np.sqrt(sizes), rms, 1)[0])


def expected_correlation(merged: Merged, friedel: Correlation, factor: float) -> float:
    """Return the correlation of true equivalents expected from errors and from Friedel mates.

    The weighted mean of var(I) / (var(I) + <sigma^2>) and of the correlation of Friedel mates
    (Evans 2011, appendix A1.2).
    """
    variance, noise = float(merged.intensity.var()), float((merged.sigma**2).mean())
    by_errors = variance / (variance + noise) if variance > 0 else 0.0
    weight = 1.0 / max(LEAST_SD, factor / np.sqrt(200.0)) ** 2
    if friedel.cc is None or friedel.n <= FEWEST_FRIEDEL_PAIRS:
        return by_errors
    own = 1.0 / max(LEAST_SD, factor / np.sqrt(friedel.n)) ** 2
    return float((weight * by_errors + own * friedel.cc) / (weight + own))
