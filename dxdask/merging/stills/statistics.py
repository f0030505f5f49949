"""Merging statistics of stills.

R_split and CC1/2 compare the means of the even and of the odd stills; stills were fitted to
intensities of both. R_merge, R_meas and R_pim are those of observations with a partiality of at
least `WELL_RECORDED`, divided by it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dxdask.arrays import Floats, Mask
from dxdask.merging.statistics import cc_half, r_factors, r_split
from dxdask.merging.stills.means import Means, Model
from dxdask.merging.stills.observations import StillObservations
from dxdask.merging.tables import HEADINGS as OF_SWEEPS
from dxdask.merging.tables import Headings, Statistics

WELL_RECORDED = 0.3
HEADINGS: Headings = {**OF_SWEEPS, "r_split": ("r_split", ".4f")}


class Deviations(NamedTuple):
    """Sums (m,) over the well-recorded observations of each reflection.

    Attributes
    ----------
    deviation : sum |I - <I>|. n : number of observations. total : sum I.
    """

    deviation: Floats
    n: Floats
    total: Floats


def deviations(o: StillObservations, model: Model, means: Means, used: Mask) -> Deviations:
    """Return the sums of the R factors; used : (n,) observations that are merged."""
    rows = np.flatnonzero(used & (model.partiality >= WELL_RECORDED))
    place, m = o.place[rows], len(o.hkl)
    whole = o.intensity[rows] / (model.scale[rows] * model.partiality[rows])
    off = np.abs(whole - means.full[place])
    deviation, n, total = (
        np.bincount(place, weights=w, minlength=m).astype(np.float64) for w in (off, None, whole)
    )
    return Deviations(deviation, n, total)


def statistics_of(merged: Mask, sums: Deviations, even: Means, odd: Means) -> Statistics:
    """Return the statistics of the reflections `merged` (m,), as `merging_tables` takes them.

    sums, even, odd : of all m reflections; even, odd : means of the even and of the odd stills.
    """
    kept = Deviations(*(values[merged] for values in sums))
    both = ((even.n > 0) & (odd.n > 0))[merged]
    of_even, of_odd = even.full[merged], odd.full[merged]

    def statistics(rows: Mask) -> dict[str, float | None]:
        halves = of_even[rows & both], of_odd[rows & both]
        factors = r_factors(*(values[rows] for values in kept))
        return factors | {"cc_half": cc_half(*halves), "r_split": r_split(*halves)}

    return statistics
