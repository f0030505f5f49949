"""How linear a detector is: ratios of runs by counts, beside their mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dxdask.response.ratios import Law, PairedCounts, residuals

EDGES = (0.0, 15.0, 20.0, 25.0, 30.0, 40.0, 60.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, np.inf)
"""Of the expected photons of a pixel in the run of lower transmission."""
LARGEST_SU = 0.5
"""Of a deviation that is judged, %."""


def deviations(data: PairedCounts, law: Law) -> list[dict[str, Any]]:
    """Return rows: photons from, to, pixels n, and the deviation of their ratios, with its su.

    The deviation is that of the photons of the lower run, as a fraction, from its share in the sum
    of the two runs.
    """
    e, variance, total, p = residuals(data, law)
    expected, used = p * total, np.isfinite(variance)
    place = np.digitize(expected, EDGES) - 1
    n = len(EDGES) - 1
    # of the sum of two runs the higher one takes part in e
    weight = np.bincount(place[used], (expected * (1.0 - p))[used], n)
    top = np.bincount(place[used], e[used], n)
    spread = np.sqrt(np.bincount(place[used], variance[used], n))
    count = np.bincount(place[used], minlength=n)
    return [
        {
            "from": EDGES[k], "to": EDGES[k + 1] if np.isfinite(EDGES[k + 1]) else None,
            "n": int(count[k]), "deviation": float(top[k] / weight[k]),
            "su": float(spread[k] / weight[k]),
        }
        for k in range(n) if count[k] and weight[k] > 0.0
    ]  # fmt: skip


def largest_deviation(rows: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """Return the largest value of a column (%) of rows known well enough; None without these."""
    known = [abs(row[name]) for row in rows if row["su"] <= LARGEST_SU]
    return max(known) if known else None
