"""Merging statistics by resolution: completeness, multiplicity, R factors, CC1/2.

R_merge = sum |I - <I>| / sum I; R_meas with sqrt(n / (n - 1)) (Diederichs & Karplus 1997, Nat.
Struct. Biol. 4, 269), R_pim with sqrt(1 / (n - 1)) (Weiss 2001, J. Appl. Cryst. 34, 130); over
reflections seen more than once, <I> weighted, Friedel mates together. CC1/2 by the sigma-tau method
(Assmann, Brehm & Diederichs 2016, J. Appl. Cryst. 49, 1021), which needs no random halves:
(s_y - s_e / 2) / (s_y + s_e / 2) with s_y the variance of <I> among the reflections of a shell and
s_e twice the mean variance of <I>, from the weighted scatter of the equivalents.
"""

from __future__ import annotations

from typing import Any

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.merging.equivalents import Sums, internal_variance, mean_intensity
from dxdask.models.symmetry import possible_reflections, spacings, unpack
from dxdask.tables import Table

HEADINGS = {
    "d_max": ("d_max", ".2f"),
    "d_min": ("d_min", ".2f"),
    "n_obs": ("#obs", "d"),
    "n_unique": ("#uniq", "d"),
    "multiplicity": ("mult.", ".2f"),
    "completeness": ("compl.", ".4f"),
    "i_over_sigma": ("<I/sI>", ".2f"),
    "r_merge": ("r_mrg", ".4f"),
    "r_meas": ("r_meas", ".4f"),
    "r_pim": ("r_pim", ".4f"),
    "cc_half": ("cc1/2", ".4f"),
}


def shell_edges(d: Floats, n_shells: int) -> Floats:
    """Return the borders (n_shells + 1,) in 1/d^2 of shells of equal volume that hold all d
    (n,).
    """
    low, high = float(d.max()) ** -3 * (1 - 1e-9), float(d.min()) ** -3 * (1 + 1e-9)
    return np.linspace(low, high, n_shells + 1) ** (2.0 / 3.0)


def _ratio(top: float, bottom: float) -> float | None:
    return top / bottom if bottom > 0 else None


def cc_half(mean: Floats, variance: Floats) -> float | None:
    """Return CC1/2 of means (n,) with their variances (n,), by sigma-tau; None for fewer than
    two.
    """
    seen = np.isfinite(variance)
    if seen.sum() < 2:
        return None
    s_y, half = float(np.var(mean[seen], ddof=1)), float(variance[seen].mean())
    return _ratio(s_y - half, s_y + half) if s_y + half > 0 else None


def _row(
    d_max: float, d_min: float, n_possible: int, columns: dict[str, Floats], rows: NDArray[np.bool_]
) -> dict[str, Any]:
    c = {k: v[rows] for k, v in columns.items()}
    n_unique, n_obs = int(rows.sum()), int(c["n"].sum())
    several = c["n"] > 1
    n, deviation = c["n"][several], c["deviation"][several]
    total = float(c["sum"][several].sum())
    return {
        "d_max": d_max,
        "d_min": d_min,
        "n_obs": n_obs,
        "n_unique": n_unique,
        "multiplicity": n_obs / n_unique if n_unique else 0.0,
        "completeness": n_unique / n_possible if n_possible else 0.0,
        "i_over_sigma": float((c["mean"] / c["sigma"]).mean()) if n_unique else None,
        "r_merge": _ratio(float(deviation.sum()), total),
        "r_meas": _ratio(float((deviation * np.sqrt(n / (n - 1))).sum()), total),
        "r_pim": _ratio(float((deviation * np.sqrt(1 / (n - 1))).sum()), total),
        "cc_half": cc_half(c["mean"], c["variance"]),
    }


def merging_tables(
    first: Sums,
    second: Sums,
    sigma: Floats,
    cell: gemmi.UnitCell,
    group: gemmi.SpaceGroup,
    *,
    n_shells: int,
) -> tuple[Table, Table]:
    """Return the tables `shells` and `overall`.

    Parameters
    ----------
    first, second : the sums of both passes over all observations.
    sigma : (n,) of the merged intensities.
    cell, group : what reflections there can be.
    n_shells : number of shells, of equal volume.
    """
    d = spacings(unpack(first.keys), cell)
    v = first.values
    columns = {
        "n": v[:, 0] + v[:, 3],
        "mean": mean_intensity(first),
        "sigma": sigma,
        "variance": internal_variance(first, second),
        "deviation": second.values[:, 0],
        "sum": second.values[:, 2],
    }
    d_max, d_min = float(d.max()), float(d.min())
    possible = possible_reflections(cell, group, d_min=d_min * (1 - 1e-9), d_max=d_max * (1 + 1e-9))
    edges = shell_edges(d, n_shells)
    place = np.searchsorted(edges, 1 / d**2, side="right") - 1
    there = np.searchsorted(edges, 1 / spacings(possible, cell) ** 2, side="right") - 1
    n_possible = np.bincount(np.clip(there, 0, n_shells - 1), minlength=n_shells)
    borders = edges**-0.5
    shells = [
        _row(float(borders[k]), float(borders[k + 1]), int(n_possible[k]), columns, place == k)
        for k in range(n_shells)
    ]
    overall = _row(d_max, d_min, len(possible), columns, np.ones(len(d), dtype=np.bool_))
    return (
        Table(
            name="shells",
            title="Merging statistics by resolution shell",
            rows=shells,
            headings=HEADINGS,
        ),
        Table(name="overall", title="Merging statistics", rows=[overall], headings=HEADINGS),
    )
