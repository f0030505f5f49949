"""The summary table of a data set, overall and in its inner and outer shell, as aimless prints it.

Evans & Murshudov 2013, D69, 1204. Shells are those of the table `shells`. R factors within I(+) and
I(-) are about the means of each, the others about the mean of both.
"""

from __future__ import annotations

from typing import Any

import gemmi
import numpy as np

from dxdask.arrays import Floats, Mask
from dxdask.merging.half_sets import HalfSets, half_set_row
from dxdask.merging.observed import Observed
from dxdask.merging.statistics import r_factors
from dxdask.merging.tables import MergedIntensities, shell_edges, shell_of
from dxdask.models.symmetry import is_centric, possible_reflections, spacings
from dxdask.tables import Table

TOP_SHARE = 0.1
"""Part of the unique reflections, the strongest, that make the top intensity bin."""

HALF_HEADINGS = {
    "d_max": ("d_max", ".2f"),
    "d_min": ("d_min", ".2f"),
    "cc_half": ("cc1/2", ".4f"),
    "cc_half_critical": ("critical", ".4f"),
    "n_half": ("n", "d"),
    "cc_anom": ("cc_anom", ".4f"),
    "cc_anom_critical": ("critical", ".4f"),
    "n_anom": ("n", "d"),
    "anomalous_completeness": ("anom. compl.", ".4f"),
    "anomalous_multiplicity": ("anom. mult.", ".2f"),
    "anomalous_slope": ("anom. slope", ".3f"),
}
_LINES = (
    ("Low resolution limit", "d_max", ".2f"),
    ("High resolution limit", "d_min", ".2f"),
    ("Rmerge  (within I+/I-)", "r_merge_within", ".3f"),
    ("Rmerge  (all I+ and I-)", "r_merge", ".3f"),
    ("Rmeas (within I+/I-)", "r_meas_within", ".3f"),
    ("Rmeas (all I+ & I-)", "r_meas", ".3f"),
    ("Rpim (within I+/I-)", "r_pim_within", ".3f"),
    ("Rpim (all I+ & I-)", "r_pim", ".3f"),
    ("Rmerge in top intensity bin", "r_merge_top", ".3f"),
    ("Total number of observations", "n_obs", "d"),
    ("Total number unique", "n_unique", "d"),
    ("Mean((I)/sd(I))", "i_over_sigma", ".1f"),
    ("Mn(I) half-set correlation CC(1/2)", "cc_half", ".3f"),
    ("Completeness", "completeness", ".1f"),
    ("Multiplicity", "multiplicity", ".1f"),
    ("Anomalous completeness", "anomalous_completeness", ".1f"),
    ("Anomalous multiplicity", "anomalous_multiplicity", ".1f"),
    ("DelAnom correlation between half-sets", "cc_anom", ".3f"),
    ("Mid-Slope of Anom Normal Probability", "anomalous_slope", ".3f"),
)
_PERCENT = ("completeness", "anomalous_completeness")
_OVERALL_ONLY = ("r_merge_top", "anomalous_slope")


def within_sums(observed: Observed) -> tuple[Floats, Floats, Floats]:
    """Return sum |I - <I>|, number and sum I (m, 2) of I(+) and I(-), about their own means."""
    sums = observed.sums().sum(axis=2).reshape(-1, 3)
    place = observed.place * 2 + observed.minus
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums[:, 2] / sums[:, 1]
    deviation = np.abs(observed.intensity - mean[place])
    size = len(sums)
    return (
        np.bincount(place, deviation, minlength=size).astype(np.float64).reshape(-1, 2),
        sums[:, 0].reshape(-1, 2),
        np.bincount(place, observed.intensity, minlength=size).astype(np.float64).reshape(-1, 2),
    )


def summary_tables(
    observed: Observed,
    half_sets: HalfSets,
    merged: MergedIntensities,
    tables: tuple[Table, Table],
    deviation: Floats,
    cell: gemmi.UnitCell,
    group: gemmi.SpaceGroup,
) -> tuple[Table, Table]:
    """Return the tables `summary` and `half_sets`.

    Parameters
    ----------
    observed, half_sets : of the reflections merged.
    merged : (m,). tables : `shells` and `overall`.
    deviation : (m,) sum |I - <I>| of each reflection, about the mean of both Friedel mates.
    """
    shells, overall = tables
    n_shells = len(shells.rows)
    edges = shell_edges(merged.d, n_shells)
    shell = shell_of(merged.d, edges)
    d_max, d_min = float(merged.d.max()), float(merged.d.min())
    possible = possible_reflections(cell, group, d_min=d_min * (1 - 1e-9), d_max=d_max * (1 + 1e-9))
    acentric = possible[~is_centric(possible, group)]
    of_acentric = np.clip(shell_of(spacings(acentric, cell), edges), 0, n_shells - 1)
    n_acentric = np.bincount(of_acentric, minlength=n_shells).tolist()
    half_rows = [
        {"d_max": row["d_max"], "d_min": row["d_min"]}
        | half_set_row(half_sets, shell == k, n_acentric[k])
        for k, row in enumerate(shells.rows)
    ]
    every = np.ones(len(merged.d), dtype=np.bool_)
    whole = half_set_row(half_sets, every, len(acentric))
    within = within_sums(observed)
    columns = []
    for row, halves, rows in (
        (overall.rows[0], whole, every),
        (shells.rows[0], half_rows[0], shell == 0),
        (shells.rows[-1], half_rows[-1], shell == n_shells - 1),
    ):
        inside = r_factors(*(part[rows].ravel() for part in within))
        columns.append({**row, **halves, **{f"{k}_within": v for k, v in inside.items()}})
    columns[0]["r_merge_top"] = _top_r_merge(merged, deviation, observed)
    half_table = Table(
        name="half_sets",
        title="Random half-sets and anomalous signal by resolution shell",
        rows=[*half_rows, {"d_max": d_max, "d_min": d_min, **whole}],
        headings=HALF_HEADINGS,
        printed=False,
    )
    return _summary(columns), half_table


def _summary(columns: list[dict[str, Any]]) -> Table:
    """Return the table of three columns, texts as they are printed beside the numbers."""
    names = ("overall", "inner", "outer")
    rows = []
    for label, key, form in _LINES:
        values = [
            None if key in _OVERALL_ONLY and i > 0 else column.get(key)
            for i, column in enumerate(columns)
        ]
        if key in _PERCENT:
            values = [None if v is None else 100.0 * v for v in values]
        texts = ["-" if v is None else format(v, form) for v in values]
        rows.append({"statistic": label, **dict(zip(names, texts, strict=True))})
    headings = {
        "statistic": ("", ""),
        "overall": ("Overall", ""),
        "inner": ("InnerShell", ""),
        "outer": ("OuterShell", ""),
    }
    title = "Merging statistics of the inner and outer shell"
    return Table(name="summary", title=title, rows=rows, headings=headings)


def _top_r_merge(merged: MergedIntensities, deviation: Floats, observed: Observed) -> float | None:
    """Return R_merge of the strongest tenth of the reflections seen more than once."""
    top: Mask = np.asarray(
        merged.intensity >= np.quantile(merged.intensity, 1 - TOP_SHARE), dtype=np.bool_
    )
    sums = np.bincount(observed.place, observed.intensity, minlength=len(merged.n))
    total = sums.astype(np.float64)
    return r_factors(deviation[top], merged.n[top], total[top])["r_merge"]
