"""Tables of merging statistics, by resolution shell and overall."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Mask
from dxdask.columns import Reflections
from dxdask.models.symmetry import possible_reflections, spacings
from dxdask.tables import Table

Headings = Mapping[str, tuple[str, str]]
"""Text above each column, and the format of its values."""

HEADINGS: Headings = {
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

Statistics = Callable[[Mask], Mapping[str, float | None]]
"""R factors and correlations of the merged reflections (n,) of a mask, by column of the tables."""


class MergedIntensities(NamedTuple):
    """Merged reflections (n,).

    Attributes
    ----------
    d : Angstrom. n : number of observations. intensity, sigma : merged.
    """

    d: Floats
    n: Floats
    intensity: Floats
    sigma: Floats


def intensities_of(table: Reflections) -> MergedIntensities:
    """Return the intensities of a table of merged reflections."""
    return MergedIntensities(
        d=table["d"],
        n=table["n_observations"].astype(np.float64),
        intensity=table["intensity"],
        sigma=table["sigma"],
    )


def merging_tables(
    merged: MergedIntensities,
    statistics: Statistics,
    cell: gemmi.UnitCell,
    group: gemmi.SpaceGroup,
    *,
    n_shells: int,
    headings: Headings = HEADINGS,
) -> tuple[Table, Table]:
    """Return the tables `shells` and `overall`.

    Parameters
    ----------
    merged : at least one reflection.
    statistics : of any of them.
    cell, group : of the possible reflections, for the completeness.
    n_shells : number of shells, of equal volume in reciprocal space.
    headings : of all columns.
    """
    d_max, d_min = float(merged.d.max()), float(merged.d.min())
    possible = possible_reflections(cell, group, d_min=d_min * (1 - 1e-9), d_max=d_max * (1 + 1e-9))
    edges = shell_edges(merged.d, n_shells)
    shell = shell_of(merged.d, edges)
    of_possible = np.clip(shell_of(spacings(possible, cell), edges), 0, n_shells - 1)
    n_possible = np.bincount(of_possible, minlength=n_shells).tolist()
    borders = (edges**-0.5).tolist()
    shells = [
        _row(borders[k], borders[k + 1], n_possible[k], merged, shell == k, statistics)
        for k in range(n_shells)
    ]
    every = np.ones(len(merged.d), dtype=np.bool_)
    overall = _row(d_max, d_min, len(possible), merged, every, statistics)
    title = "Merging statistics"
    return (
        Table(name="shells", title=f"{title} by resolution shell", rows=shells, headings=headings),
        Table(name="overall", title=title, rows=[overall], headings=headings),
    )


def shell_edges(d: Floats, n_shells: int) -> Floats:
    """Return the borders (n_shells + 1,) in 1/d^2 of shells of equal volume holding all d (n,)."""
    low, high = float(d.max()) ** -3 * (1 - 1e-9), float(d.min()) ** -3 * (1 + 1e-9)
    return np.linspace(low, high, n_shells + 1) ** (2.0 / 3.0)


def shell_of(d: Floats, edges: Floats) -> NDArray[np.int64]:
    """Return the shell (n,) of each d, by the borders of `shell_edges`."""
    return np.searchsorted(edges, 1 / d**2, side="right") - 1


def _row(
    d_max: float,
    d_min: float,
    n_possible: int,
    merged: MergedIntensities,
    rows: Mask,
    statistics: Statistics,
) -> dict[str, Any]:
    n_unique, n_obs = int(rows.sum()), int(merged.n[rows].sum())
    ratio = merged.intensity[rows] / merged.sigma[rows]
    return {
        "d_max": d_max,
        "d_min": d_min,
        "n_obs": n_obs,
        "n_unique": n_unique,
        "multiplicity": n_obs / n_unique if n_unique else 0.0,
        "completeness": n_unique / n_possible if n_possible else 0.0,
        "i_over_sigma": float(ratio.mean()) if n_unique else None,
        **statistics(rows),
    }
