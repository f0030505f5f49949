"""Sums over the pixels of each reflection: integers, exact in any order of the frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.integration.footprints import (
    Footprints,
    add_equal_footprints,
    concatenate_footprints,
    select_footprints,
)
from dxdask.integration.pairs import PairSums, no_pairs
from dxdask.integration.ragged import entries_of, offsets_of

# Columns of the sums, int64 each. Moments are about the corner of the reflection's box. P is the
# weight of a pixel in the profile: FITTED* are sums over the usable pixels of P, P^2, P^3 and P
# times the counts, of pixels shared with other reflections too; FITTED_OWN is that of P over its
# own pixels, which COUNTS are of; PROFILE is the sum of P over all of the foreground. EXCESS is the
# variance of COUNTS beyond these, of photons that were restored for the dead time of pixels.
(
    N_FRAMES,
    N_FOREGROUND,
    N_INVALID,
    N_SATURATED,
    N_OVERLAPPED,
    N_BACKGROUND_BAD,
    COUNTS,
    COUNTS_X,
    COUNTS_Y,
    COUNTS_Z,
    PIXELS_X,
    PIXELS_Y,
    PIXELS_Z,
    PROFILE,
    FITTED,
    FITTED_2,
    FITTED_3,
    FITTED_COUNTS,
    FITTED_OWN,
    EXCESS,
    N_SUMS,
) = range(21)


IN_PHOTONS = (COUNTS, COUNTS_X, COUNTS_Y, COUNTS_Z, FITTED_COUNTS, EXCESS)
"""The sums that are linear in the values of pixels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelSums:
    """Sums of some reflections over some frames.

    Reflections with all their frames are `whole`, and have a background; the others keep the
    histogram of background values, and where the background may vary, their footprints.
    `combine_sums` of two records is the record of all their frames.

    Attributes
    ----------
    rows : (n,) int64, ascending, rows of the table of predictions.
    sums : (n, N_SUMS) int64; float64 of `in_photons`.
    unit : values of pixels are photons times this number.
    needed : (n,) int64, frames that the reflection is on.
    whole : (n,) bool.
    background : (n,) float64, mean photons a pixel under the foreground, NaN where not whole or not
        to be had.
    fitted_background : (n,) float64, the same under the fitted profile, weighted by it.
    n_background : (n,) int64, background pixels; of a background that varies, those of a constant
        one with the same error.
    offsets, values, counts : row i's histogram is [offsets[i], offsets[i + 1]): background value
        (int32, ascending) and how often (int64); empty where whole.
    footprints : of the reflections; without pixels where whole or not needed.
    pairs : of reflections that share pixels. Only `combine_sums` keeps them.
    """

    rows: NDArray[np.int64]
    sums: NDArray[Any]
    needed: NDArray[np.int64]
    whole: NDArray[np.bool_]
    background: NDArray[np.float64]
    fitted_background: NDArray[np.float64]
    n_background: NDArray[np.int64]
    offsets: NDArray[np.int64]
    values: NDArray[np.int32]
    counts: NDArray[np.int64]
    footprints: Footprints
    unit: int = 1
    pairs: PairSums = field(default_factory=no_pairs)


def select_rows(s: PixelSums, rows: NDArray[np.bool_]) -> PixelSums:
    """Return the rows of a mask (n,)."""
    lengths = np.diff(s.offsets)
    kept = np.repeat(rows, lengths)
    return PixelSums(
        rows=s.rows[rows],
        sums=s.sums[rows],
        needed=s.needed[rows],
        whole=s.whole[rows],
        background=s.background[rows],
        fitted_background=s.fitted_background[rows],
        n_background=s.n_background[rows],
        offsets=offsets_of(lengths[rows]),
        values=s.values[kept],
        counts=s.counts[kept],
        footprints=select_footprints(s.footprints, np.flatnonzero(rows)),
        unit=s.unit,
    )


def concatenate_sums(parts: Sequence[PixelSums]) -> PixelSums:
    """Return the records one below the other."""
    lengths = np.concatenate([np.diff(p.offsets) for p in parts])
    return PixelSums(
        rows=np.concatenate([p.rows for p in parts]),
        sums=np.concatenate([p.sums for p in parts]),
        needed=np.concatenate([p.needed for p in parts]),
        whole=np.concatenate([p.whole for p in parts]),
        background=np.concatenate([p.background for p in parts]),
        fitted_background=np.concatenate([p.fitted_background for p in parts]),
        n_background=np.concatenate([p.n_background for p in parts]),
        offsets=offsets_of(lengths),
        values=np.concatenate([p.values for p in parts]),
        counts=np.concatenate([p.counts for p in parts]),
        footprints=concatenate_footprints([p.footprints for p in parts]),
        unit=parts[0].unit,
    )


def add_equal_rows(s: PixelSums) -> PixelSums:
    """Return the record with equal rows, none of them whole, added up."""
    rows, one, place = np.unique(s.rows, return_index=True, return_inverse=True)
    sums = np.zeros((len(rows), N_SUMS), dtype=np.int64)
    np.add.at(sums, place, s.sums)
    owner = np.repeat(place, np.diff(s.offsets))
    order = np.lexsort((s.values, owner))
    owner, values, counts = owner[order], s.values[order], s.counts[order]
    new = np.ones(len(owner), dtype=bool)
    new[1:] = (owner[1:] != owner[:-1]) | (values[1:] != values[:-1])
    starts = np.flatnonzero(new)
    counts = np.add.reduceat(counts, starts) if len(starts) else counts
    lengths = np.bincount(owner[starts], minlength=len(rows))
    n_background = np.zeros(len(rows), dtype=np.int64)
    np.add.at(n_background, place, s.n_background)
    return PixelSums(
        rows=rows,
        sums=sums,
        needed=s.needed[one],
        whole=np.zeros(len(rows), dtype=bool),
        background=np.full(len(rows), np.nan),
        fitted_background=np.full(len(rows), np.nan),
        n_background=n_background,
        offsets=offsets_of(lengths),
        values=values[starts],
        counts=counts,
        footprints=add_equal_footprints(s.footprints, one, place),
        unit=s.unit,
    )


def sorted_by_row(s: PixelSums) -> PixelSums:
    """Return the record in ascending order of its rows."""
    order = np.argsort(s.rows, kind="stable")
    offsets, entry = entries_of(s.offsets, order)
    return PixelSums(
        rows=s.rows[order],
        sums=s.sums[order],
        needed=s.needed[order],
        whole=s.whole[order],
        background=s.background[order],
        fitted_background=s.fitted_background[order],
        n_background=s.n_background[order],
        offsets=offsets,
        values=s.values[entry],
        counts=s.counts[entry],
        footprints=select_footprints(s.footprints, order),
        unit=s.unit,
    )


def in_photons(s: PixelSums) -> PixelSums:
    """Return the record with its sums in photons, float64."""
    sums = s.sums.astype(np.float64)
    sums[:, IN_PHOTONS] /= s.unit
    return replace(s, sums=sums, unit=1)
