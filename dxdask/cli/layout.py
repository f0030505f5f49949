"""Tables in 80 columns, the same wherever they are printed: whole in parts, or in brief.

`whole_table` has every row and column; columns that do not fit beside the others follow below, with
the first column again. `brief_table` has the columns of most use that fit.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dxdask.tables import Table

WIDTH = 80
_NARROWEST = 12  # of a column whose texts are broken into lines
_IDS = ("experiment", "run", "detector", "imageset")
CELL = ("a", "b", "c", "alpha", "beta", "gamma")
BRIEF: dict[str, tuple[str, ...]] = {
    "bravais": ("mark", "solution", "rmsd", "min_cc", "lattice", "unit_cell"),
    "cell": ("space_group", "n_crystals", *CELL),
    "crystals": ("run", "space_group", *CELL),
    "cells": ("run", "a", "a_su", "b", "b_su", "c", "c_su", *CELL[3:]),
    "panels": ("run", "panel", "distance_mm", "shift_x_mm", "shift_y_mm", "shift_z_mm"),
    "modules": (
        "name", "n", "shift_fast_px", "shift_fast_su", "shift_slow_px", "shift_slow_su", "z",
        "moved",
    ),
    "candidates": ("unit_cell", "n_indexed", "percent", "rmsd_xy_px"),
    "shells": (
        "run", "d_max", "d_min", "n_obs", "n_unique", "multiplicity", "completeness",
        "i_over_sigma", "r_meas", "cc_half",
    ),
    "overall": (
        "d_max", "d_min", "n_obs", "n_unique", "multiplicity", "completeness",
        "i_over_sigma", "r_meas", "cc_half",
    ),
    "summary": (
        "run", "n_stills", "d_min", "n_predicted", "n_integrated", "n_integrated_sum",
        "n_integrated_prf", "n_overloaded",
        "i_over_sigma", "n_reflections", "n_excluded", "n_outliers", "n_scaled", "n_groups",
    ),
    "runs": ("run", "transmission", "scale", "scale_min", "scale_max", "n", "n_outliers"),
}  # fmt: skip
"""Columns of tables with more than fit, by the table's name; of others, those on the left."""


def whole_table(table: Table) -> str:
    """Return a table with all its rows and columns, in parts of no more than `WIDTH` characters."""
    head, body = table.head(), table.body()
    n = len(table.keys)
    widths = [max((len(line[i]) for line in head + body), default=0) for i in range(n)]
    limit = WIDTH - 4 if n < 2 else max(_NARROWEST, WIDTH - 7 - min(widths[0], WIDTH // 2))
    widths = [min(width, limit if i else WIDTH // 2) for i, width in enumerate(widths)]
    parts, part = [], list(range(min(n, 1)))
    for i in range(1, n):
        if sum(widths[k] + 3 for k in [*part, i]) + 1 > WIDTH and len(part) > 1:
            parts.append(part)
            part = [0]
        part.append(i)
    texts = [_bordered(head, body, p, widths) for p in [*parts, part]]
    return "\n".join([f"{table.title}:", *texts])


def _bordered(
    head: list[list[str]], body: list[list[str]], part: Sequence[int], widths: Sequence[int]
) -> str:
    rule = "+" + "+".join("-" * (widths[i] + 2) for i in part) + "+"

    def lines(cells: list[str]) -> list[str]:
        broken = [textwrap.wrap(cells[i], widths[i]) or [""] for i in part]
        height = max(map(len, broken), default=1)
        rows = [[(b + [""] * height)[k] for b in broken] for k in range(height)]
        return [
            "|" + "|".join(f" {c.rjust(widths[i])} " for c, i in zip(r, part, strict=True)) + "|"
            for r in rows
        ]

    upper = [text for cells in head for text in lines(cells)]
    return "\n".join([rule, *upper, rule, *(t for cells in body for t in lines(cells)), rule])


def brief_table(table: Table, *, every_run: bool = False) -> tuple[list[str], bool]:
    """Return the lines of a table without rules, and whether all of its columns are there.

    Rows that differ in nothing but the run are one, unless `every_run` is asked for.
    """
    chosen = [k for k in BRIEF.get(table.name, ()) if k in table.keys]
    keys = chosen if len(chosen) > 1 else [k for k in table.keys if not k.endswith("_su")]
    rows = [{k: row[k] for k in keys} for row in table.rows]
    rows = rows if every_run else _without_repeats(rows)
    for longest in (WIDTH, 34, 26, 20, 16):  # of a text: shorter ones rather than fewer columns
        shown = replace(table, rows=[_shortened(row, longest) for row in rows])
        head, body = shown.head(), shown.body()
        widths = [max(len(line[i]) for line in head + body) for i in range(len(shown.keys))]
        if sum(w + 2 for w in widths) <= WIDTH:
            break
    fit = 0
    while fit < len(widths) and sum(w + 2 for w in widths[: fit + 1]) <= WIDTH:
        fit += 1
    left = [isinstance(row, str) for row in (shown.rows[0].values() if shown.rows else ())]
    lines = [f"{table.title}:"]
    for cells in head + body:
        texts = [
            c.ljust(w) if is_text else c.rjust(w)
            for c, w, is_text in zip(cells[:fit], widths, left or [True] * fit, strict=False)
        ]
        lines.append(("  " + "  ".join(texts)).rstrip())
    return lines, fit == len(table.keys)


def _shortened(row: dict[str, Any], most: int) -> dict[str, Any]:
    """Return a row with long texts cut: paths at the left, others in their middle."""
    half = (most - 3) // 2
    cut = {
        k: f"...{v[3 - most :]}" if "/" in v else f"{v[: most - 3 - half]}...{v[-half:]}"
        for k, v in row.items()
        if isinstance(v, str) and len(v) > most
    }
    return {**row, **cut}


def _without_repeats(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of which those that are equal but for their run are one, if all of them are."""
    others = [{k: v for k, v in row.items() if k not in _IDS} for row in rows]
    if len(rows) < 2 or "run" not in rows[0] or any(o != others[0] for o in others):
        return rows
    return [{**rows[0], "run": f"all {len(rows)}"}]
