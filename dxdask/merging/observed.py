"""The observations that are merged, each with its unique reflection, Friedel mate and half-set."""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Mask
from dxdask.columns import Reflections
from dxdask.merging.equivalents import mergeable
from dxdask.merging.parameters import MergingParameters
from dxdask.models.symmetry import asu_indices, is_centric, pack, unpack

N_SIGNS = N_HALVES = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """Observations (n,) of unique reflections (m,), in an order that rows do not change.

    Attributes
    ----------
    keys : (m,) packed indices, ascending. centric : (m,).
    place : (n,) unique reflection. minus : (n,) true for I(-). half : (n,) 0 or 1.
    experiment, z : (n,), z nan where not known. intensity, variance : (n,).
    """

    keys: NDArray[np.int64]
    centric: Mask
    place: NDArray[np.int64]
    minus: Mask
    half: NDArray[np.int64]
    experiment: NDArray[np.int32]
    z: Floats
    intensity: Floats
    variance: Floats

    def sums(self, *, weighted: bool = True) -> Floats:
        """Return number, sum w and sum w I (m, 2, 2, 3) by sign (+, -) and half.

        w is 1 / variance, or 1.
        """
        m = len(self.keys)
        cell = (self.place * N_SIGNS + self.minus) * N_HALVES + self.half
        w = 1 / self.variance if weighted else np.ones(len(cell))
        size = m * N_SIGNS * N_HALVES
        parts = [np.bincount(cell, v, minlength=size) for v in (None, w, w * self.intensity)]
        return np.stack(parts, axis=-1).astype(np.float64).reshape(m, N_SIGNS, N_HALVES, 3)


def observed(
    reflections: Reflections,
    cell: gemmi.UnitCell,
    group: gemmi.SpaceGroup,
    parameters: MergingParameters,
) -> Observed:
    """Return the observations of a table that `mergeable` selects."""
    rows = mergeable(reflections, cell, group, parameters)
    hkl = reflections["hkl"][rows]
    asu, isym = asu_indices(hkl, group)
    keys, place = np.unique(pack(asu), return_inverse=True)
    centric = is_centric(unpack(keys), group)
    minus = (isym % 2 == 0) & ~centric[place]
    z = reflections["z_cal"][rows] if "z_cal" in reflections else np.full(len(rows), np.nan)
    intensity = reflections["intensity"][rows]
    experiment = reflections["experiment"][rows]
    return Observed(
        keys=keys,
        centric=centric,
        place=place,
        minus=minus,
        half=_halves(place, minus, _random(pack(hkl), experiment, z, intensity)),
        experiment=experiment,
        z=z,
        intensity=intensity,
        variance=reflections["intensity_variance"][rows],
    )


def _random(
    hkl: NDArray[np.int64], experiment: NDArray[np.int32], z: Floats, intensity: Floats
) -> NDArray[np.uint64]:
    """Return a pseudo-random number (n,) of each observation, by what it is and not by its row.

    The mixing function is that of SplitMix64 (Steele, Lea & Flood 2014, OOPSLA, 453).
    """
    state = np.zeros(len(hkl), dtype=np.uint64)
    for value in (hkl, experiment.astype(np.int64), z, intensity):
        state ^= np.ascontiguousarray(value).view(np.uint64)
        state += np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return state


def _halves(place: NDArray[np.int64], minus: Mask, random: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the half-set (n,) of each observation.

    The halves of I(+), of I(-) and of both together differ by one observation at most.
    """
    half = np.zeros(len(place), dtype=np.int64)
    if not len(place):
        return half
    order = np.lexsort((random, minus, place))
    first = np.flatnonzero(np.diff(place[order], prepend=-1))
    # I(-) follow I(+), so that the parity of the rank among both alternates through either
    size = np.diff(np.append(first, len(order)))
    rank = np.arange(len(order)) - np.repeat(first, size)
    coin = (random[order][first] >> np.uint64(17)) & np.uint64(1)
    half[order] = (rank + np.repeat(coin.astype(np.int64), size)) % N_HALVES
    return half
