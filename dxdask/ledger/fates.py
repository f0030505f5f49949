"""Fates of spots and of reflections, one each, from flags and columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Flag, Reflections, has_flag, n_rows
from dxdask.fate import SpotFate
from dxdask.scaling.failures import FAILURES

MERGED, SCALED, INTEGRATED, NOT_INTEGRATED = "merged", "scaled", "integrated", "not integrated"
NOT_SCALED, OUTLIER = "not scaled", "outlier in scaling"
REFINED, INDEXED, NOT_INDEXED, FOUND = "used in refinement", "indexed", "not indexed", "found"
NO_REASON = "no reason is recorded"


class Fates(NamedTuple):
    """Fates of rows (n,): `code` counts `names`, pairs of a fate and its reason ("" for none)."""

    code: NDArray[np.int16]
    names: list[tuple[str, str]]

    def counts(self) -> list[int]:
        """Return the number of rows of each name."""
        return [int(n) for n in np.bincount(self.code, minlength=len(self.names))]

    def of(self, row: int) -> tuple[str, str]:
        """Return fate and reason of a row."""
        return self.names[int(self.code[row])]


class _Sorter:
    """Gives each row the first fate that is true of it."""

    def __init__(self, n: int) -> None:
        self.code = np.full(n, -1, dtype=np.int16)
        self.names: list[tuple[str, str]] = []

    def add(self, fate: str, reason: str, rows: NDArray[np.bool_]) -> None:
        new = rows & (self.code < 0)
        if new.any():
            self.code[new] = len(self.names)
            self.names.append((fate, reason))

    def by_failure(self, fate: str, table: Reflections, rows: NDArray[np.bool_], rest: str) -> None:
        for flag, reason in FAILURES:
            self.add(fate, reason, rows & has_flag(table, flag))
        self.add(fate, rest, rows)

    def done(self) -> Fates:
        return Fates(self.code, self.names)


def reflection_fates(
    table: Reflections, cut: Mapping[str, Any] | None = None, *, merged: bool = False
) -> Fates:
    """Return the fate of each reflection of integrate, or of scale.

    Parameters
    ----------
    table : column flags; d and partiality where they are known.
    cut : the parameters `cut_data` of scaling; None: the reflections were not scaled.
    merged : whether the scaled ones were merged.
    """
    found = _Sorter(n_rows(table))
    every = np.ones(n_rows(table), dtype=np.bool_)
    done = has_flag(table, Flag.INTEGRATED)
    found.by_failure(NOT_INTEGRATED, table, ~done, NO_REASON)
    if cut is None:
        found.add(INTEGRATED, "", every)
        return found.done()
    excluded = has_flag(table, Flag.EXCLUDED_FOR_SCALING)
    kept_well = ~has_flag(table, Flag.OVERLOADED)
    # those that were integrated in one way are excluded for a failure only if the other fails too
    failed = excluded & (~kept_well | ~_estimated(table))
    found.by_failure(NOT_SCALED, table, failed, NO_REASON)
    found.add(NOT_SCALED, "small scale", excluded)
    user = has_flag(table, Flag.USER_EXCLUDED_IN_SCALING)
    if "partiality" in table:
        least = max(float(cut.get("partiality_cutoff") or 0.0), 1e-3)
        found.add(NOT_SCALED, "partiality", user & (table["partiality"] < least))
    if "d" in table:
        low, high = cut.get("d_min") or 0.0, cut.get("d_max") or np.inf
        outside = (table["d"] < float(low)) | (table["d"] > float(high))
        found.add(NOT_SCALED, "resolution", user & outside)
    found.add(NOT_SCALED, "I/sigma", user)
    found.add(OUTLIER, "differs from its equivalents", has_flag(table, Flag.OUTLIER_IN_SCALING))
    found.add(MERGED if merged else SCALED, "", has_flag(table, Flag.SCALED))
    found.add(NOT_SCALED, NO_REASON, every)
    return found.done()


def _estimated(table: Reflections) -> NDArray[np.bool_]:
    """Return the rows (n,) with a summed or fitted intensity that scaling can use."""
    bad_sum = (
        Flag.OVERLAPPED_FG | Flag.FOREGROUND_INCLUDES_BAD_PIXELS | Flag.FAILED_DURING_SUMMATION
    )
    summed = has_flag(table, Flag.INTEGRATED_SUM) & ~has_flag(table, bad_sum)
    fitted = has_flag(table, Flag.INTEGRATED_PRF)
    fitted &= ~has_flag(table, Flag.FAILED_DURING_PROFILE_FITTING)
    return np.asarray(summed | fitted)


def spot_fates(table: Reflections, *, indexed: bool, refined: bool) -> Fates:
    """Return the fate of each spot.

    table : column flags, of find_spots, index or refine; `fate` of indexing where it is known.
    indexed, refined : whether it is of a step after indexing, after refinement.
    """
    found = _Sorter(n_rows(table))
    every = np.ones(n_rows(table), dtype=np.bool_)
    if not indexed:
        found.add(FOUND, "", every)
        return found.done()
    if refined:
        found.add(REFINED, "", has_flag(table, Flag.USED_IN_REFINEMENT))
        outlier = has_flag(table, Flag.CENTROID_OUTLIER)
        found.add(INDEXED, "outlier of the refinement", outlier & has_flag(table, Flag.INDEXED))
        found.add(INDEXED, "not selected for refinement", has_flag(table, Flag.INDEXED))
    found.add(INDEXED, "", has_flag(table, Flag.INDEXED))
    for fate in SpotFate:
        if "fate" in table and fate not in (SpotFate.INDEXED, SpotFate.OUTLIER):
            found.add(NOT_INDEXED, fate.words, table["fate"] == fate)
    found.add(NOT_INDEXED, NO_REASON if "fate" in table else "", every)
    return found.done()
