"""Counts, RMSDs, cells, statistics by shell and parameters of two sides."""

from __future__ import annotations

from typing import Any

from dxdask.report.comparison.sides import Side, flat
from dxdask.tables import Table

_COUNTS = (
    ("spots", "find_spots", "images", ("n_spots",)),
    ("indexed spots", "index", "imagesets", ("n_indexed",)),
    ("unindexed spots", "index", "imagesets", ("n_unindexed",)),
    ("spots used in refinement", "refine", "rmsds", ("n",)),
    ("predicted reflections", "integrate", "summary", ("n_predicted",)),
    ("integrated, summed", "integrate", "summary", ("n_integrated_sum", "n_integrated")),
    ("integrated, fitted", "integrate", "summary", ("n_integrated_prf",)),
    ("overloaded", "integrate", "summary", ("n_overloaded",)),
    ("scaled observations", "scale", "summary", ("n_scaled",)),
    ("outliers in scaling", "scale", "summary", ("n_outliers",)),
    ("observations merged", "merge", "overall", ("n_obs",)),
    ("unique reflections", "merge", "overall", ("n_unique",)),
)
_CELL = ("a", "b", "c", "alpha", "beta", "gamma")
_RMSDS = (("x (px)", "rmsd_x_px"), ("y (px)", "rmsd_y_px"), ("z (images)", "rmsd_z_images"))
_STATISTICS = (
    "completeness", "multiplicity", "i_over_sigma", "r_merge", "r_meas", "r_pim", "cc_half",
    "cc_anom", "r_split", "d_max", "d_min",
)  # fmt: skip
BY_SHELL = ("completeness", "multiplicity", "i_over_sigma", "r_meas", "r_pim", "cc_half")


def tables(a: Side, b: Side) -> list[Table]:
    """Return all of them; rows where neither side has a number are left out."""
    rmsds = [
        _row(f"RMSD {name}, {step}", *(s.median(step, "rmsds", column) for s in (a, b)))
        for step in ("index", "refine")
        for name, column in _RMSDS
    ]
    found = [
        Table(name="counts", title="Counts", rows=_known(counts(a, b)), headings=_heads(a, b)),
        Table(
            name="rmsds", title="RMSDs, medians over the runs", rows=_known(rmsds),
            headings=_heads(a, b),
        ),
        Table(
            name="cells", title="Cell, median over the crystals", rows=_known(cells(a, b)),
            headings=_heads(a, b),
        ),
    ]  # fmt: skip
    # of one run there are no statistics: runs are merged together
    if a.run is None and b.run is None:
        overall = [
            _row(name, *(s.median("merge", "overall", name) for s in (a, b)))
            for name in _STATISTICS
        ]
        found += [
            Table(
                name="overall", title="Merging statistics", rows=_known(overall),
                headings=_heads(a, b),
            ),
            _shells(a, b),
        ]  # fmt: skip
    found.append(_parameters(a, b))
    return [table for table in found if table.rows]


def counts(a: Side, b: Side) -> list[dict[str, Any]]:
    """Return rows of numbers of spots and reflections."""
    return [
        _row(name, *(s.total(step, table, *columns) for s in (a, b)))
        for name, step, table, columns in _COUNTS
    ]


def cells(a: Side, b: Side) -> list[dict[str, Any]]:
    """Return rows of the cell constants, of the last step that has them."""
    values = []
    for side in (a, b):
        places = (("refine", "crystals"), ("index", "crystals"), ("index", "cell"))
        place = next((p for p in places if side.rows(*p)), None)
        values.append([None if place is None else side.median(*place, name) for name in _CELL])
    return [_row(name, *pair) for name, *pair in zip(_CELL, *values, strict=True)]


def _row(name: str, first: float | None, second: float | None) -> dict[str, Any]:
    both = first is not None and second is not None
    return {
        "quantity": name,
        "A": first,
        "B": second,
        "B - A": second - first if both else None,  # type: ignore[operator]
        "%": round(100.0 * (second - first) / first, 3) if both and first else None,  # type: ignore[operator]
    }


def _known(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["A"] is not None or row["B"] is not None]


def _heads(a: Side, b: Side) -> dict[str, tuple[str, str]]:
    return {"A": (f"A: {a.label}", ".6g"), "B": (f"B: {b.label}", ".6g"), "B - A": ("B - A", ".4g")}


def _shells(a: Side, b: Side) -> Table:
    """Return A's shells, each beside the shell of B that overlaps it most."""
    rows = []
    theirs = b.rows("merge", "shells")
    for mine in a.rows("merge", "shells"):
        other = max(theirs, key=lambda row: _overlap(mine, row), default=None)
        if other is None or _overlap(mine, other) <= 0:
            continue
        row: dict[str, Any] = {"d_min A": mine["d_min"], "d_min B": other["d_min"]}
        for name in BY_SHELL:
            if name in mine or name in other:
                row |= {f"{name} A": mine.get(name), f"{name} B": other.get(name)}
        rows.append(row)
    headings = {key: (key.replace(" ", "\n"), ".4g") for row in rows[:1] for key in row}
    return Table(name="shells", title="Merging statistics by shell", rows=rows, headings=headings)


def _overlap(one: Any, other: Any) -> float:
    """Return the length of the overlap of two shells in 1/d^3, over the longer one."""
    spans = [(row["d_max"] ** -3, row["d_min"] ** -3) for row in (one, other)]
    low, high = max(s[0] for s in spans), min(s[1] for s in spans)
    return float((high - low) / max(s[1] - s[0] for s in spans))


def _parameters(a: Side, b: Side) -> Table:
    rows = []
    for step in dict.fromkeys([*a.tables.steps(), *b.tables.steps()]):
        values = [
            flat(s.tables.store.step_attributes(step).get("parameters", {}))
            if step in s.tables
            else {}
            for s in (a, b)
        ]
        if not all(values):
            continue
        for name in dict.fromkeys([*values[0], *values[1]]):
            pair = [str(v.get(name, "-")) for v in values]
            # those that one side has not are of another kind of experiments
            if pair[0] != pair[1] and "-" not in pair:
                rows.append({"step": step, "parameter": name, "A": pair[0], "B": pair[1]})
    return Table(name="parameters", title="Parameters that differ", rows=rows)
