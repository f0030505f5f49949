"""Merging statistics of stills by resolution.

R_split and CC1/2 compare what the even and the odd stills give (White et al. 2012, J. Appl. Cryst.
45, 335); stills were fitted to intensities of both. R_merge, R_meas and R_pim are those of
observations of which at least `WELL_RECORDED` was recorded, over their partiality.
"""

from __future__ import annotations

from typing import Any

import gemmi
import numpy as np

from dxdask.arrays import Floats, Mask
from dxdask.merging.statistics import HEADINGS as OF_SWEEPS
from dxdask.merging.statistics import shell_edges
from dxdask.merging.stills.means import Means, Model
from dxdask.merging.stills.observations import Observations
from dxdask.models.symmetry import possible_reflections, spacings
from dxdask.tables import Table

WELL_RECORDED = 0.3
HEADINGS = {**OF_SWEEPS, "r_split": ("r_split", ".4f")}


def _ratio(top: float, bottom: float) -> float | None:
    return top / bottom if bottom > 0 else None


def r_split(even: Floats, odd: Floats) -> float | None:
    """Return R_split of two halves (n,) of the data."""
    return _ratio(float(np.abs(even - odd).sum() * np.sqrt(2.0)), float((even + odd).sum()))


def cc_half(even: Floats, odd: Floats) -> float | None:
    """Return the correlation of two halves (n,), None where there is none."""
    if len(even) < 3 or not (even.std() > 0 and odd.std() > 0):
        return None
    return float(np.corrcoef(even, odd)[0, 1])


def deviations(o: Observations, model: Model, means: Means, used: Mask) -> dict[str, Floats]:
    """Return sums (m,) for R factors: `r_merge`, `r_meas`, `r_pim`, and `total` of intensities."""
    rows = np.flatnonzero(used & (model.partiality >= WELL_RECORDED))
    place, m = o.place[rows], len(o.hkl)
    n = np.bincount(place, minlength=m)
    several = n[place] > 1
    rows, place = rows[several], place[several]
    whole = o.intensity[rows] / (model.scale[rows] * model.partiality[rows])
    off = np.bincount(place, weights=np.abs(whole - means.full[place]), minlength=m)
    more = np.maximum(n - 1.0, 1.0)
    return {
        "r_merge": off, "r_meas": off * np.sqrt(n / more), "r_pim": off * np.sqrt(1.0 / more),
        "total": np.bincount(place, weights=whole, minlength=m),
    }  # fmt: skip


def merging_tables(
    o: Observations, columns: dict[str, Floats], halves: tuple[Means, Means],
    cell: gemmi.UnitCell, group: gemmi.SpaceGroup, n_shells: int,
) -> tuple[Table, Table]:  # fmt: skip
    """Return the tables `shells` and `overall`.

    columns : (m,) n, intensity, sigma of the merged reflections and the sums of `deviations`.
    halves : means of even and odd stills.
    """
    seen = columns["n"] > 0
    d_max, d_min = float(o.d[seen].max()), float(o.d[seen].min())
    possible = possible_reflections(cell, group, d_min=d_min * (1 - 1e-9), d_max=d_max * (1 + 1e-9))
    edges = shell_edges(o.d[seen], n_shells)
    place = np.searchsorted(edges, 1 / o.d**2, side="right") - 1
    there = np.searchsorted(edges, 1 / spacings(possible, cell) ** 2, side="right") - 1
    n_possible = np.bincount(np.clip(there, 0, n_shells - 1), minlength=n_shells)
    borders = (edges**-0.5).tolist()
    rows = [
        _row(borders[k], borders[k + 1], int(n_possible[k]), columns, halves, seen & (place == k))
        for k in range(n_shells)
    ]
    overall = _row(d_max, d_min, len(possible), columns, halves, seen)
    title = "Merging statistics"
    return (
        Table(name="shells", title=f"{title} by resolution shell", rows=rows, headings=HEADINGS),
        Table(name="overall", title=title, rows=[overall], headings=HEADINGS),
    )


def _row(
    d_max: float, d_min: float, n_possible: int, columns: dict[str, Floats],
    halves: tuple[Means, Means], rows: Mask,
) -> dict[str, Any]:  # fmt: skip
    c = {k: v[rows] for k, v in columns.items()}
    n_unique, n_obs = int(rows.sum()), int(c["n"].sum())
    even, odd = halves
    both = rows & (even.n > 0) & (odd.n > 0)
    total = float(c["total"].sum())
    return {
        "d_max": d_max,
        "d_min": d_min,
        "n_obs": n_obs,
        "n_unique": n_unique,
        "multiplicity": n_obs / n_unique if n_unique else 0.0,
        "completeness": n_unique / n_possible if n_possible else 0.0,
        "i_over_sigma": float((c["intensity"] / c["sigma"]).mean()) if n_unique else None,
        **{k: _ratio(float(c[k].sum()), total) for k in ("r_merge", "r_meas", "r_pim")},
        "cc_half": cc_half(even.full[both], odd.full[both]),
        "r_split": r_split(even.full[both], odd.full[both]),
    }
